"""Write the sheets of a study from its data set or its twin's design, and list who leaves."""

from crossfc.jobs.job import job, note

with job(snakemake):
    from crossfc.jobs import planned
    from crossfc.trial.dataset import read_dataset
    from crossfc.trial.new_sheets import write_sheets
    from crossfc.twin.enrolment import enrol

    # Read the current sheets, not those from which the run was planned.
    planned.disregard()
    config = snakemake.params.config
    simulated = config["twin"] is not None and config["twin"]["design"] is not None
    lines, trial = write_sheets(config, enrol if simulated else read_dataset)
    for row in trial.counts():
        lines.append(", ".join(f"{key} {value}" for key, value in row.items()))
    for row in trial.left():
        what = f" {row['what']}" if row["what"] else ""
        lines.append(f"leaves ({row['analysis']}): {row['participant_id']}{what}: {row['reason']}")
    print("\n".join(lines))
    note(snakemake, "\n".join(lines))
