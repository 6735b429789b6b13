"""Write the sheets of a study from its BIDS data set, and say who would leave."""

from crossfc.jobs.job import job, note

with job(snakemake):
    from crossfc.jobs import planned
    from crossfc.trial.dataset import write_sheets

    # It reads the sheets that lie there now, whatever the run was planned from.
    planned.disregard()
    lines, trial = write_sheets(snakemake.params.config)
    for row in trial.counts():
        lines.append(", ".join(f"{key} {value}" for key, value in row.items()))
    for row in trial.left():
        what = f" {row['what']}" if row["what"] else ""
        lines.append(f"leaves ({row['analysis']}): {row['participant_id']}{what}: {row['reason']}")
    print("\n".join(lines))
    note(snakemake, "\n".join(lines))
