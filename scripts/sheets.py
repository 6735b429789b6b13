"""Write the sheets of a study from its BIDS data set, and list who would be left out."""

from crossfc.jobs.job import job, note

with job(snakemake):
    from crossfc.jobs import planned
    from crossfc.trial.new_sheets import write_sheets

    # Read the current sheets, not those from which the run was planned.
    planned.disregard()
    lines, trial = write_sheets(snakemake.params.config)
    for row in trial.counts():
        lines.append(", ".join(f"{key} {value}" for key, value in row.items()))
    for row in trial.left():
        what = f" {row['what']}" if row["what"] else ""
        lines.append(f"leaves ({row['analysis']}): {row['participant_id']}{what}: {row['reason']}")
    print("\n".join(lines))
    note(snakemake, "\n".join(lines))
