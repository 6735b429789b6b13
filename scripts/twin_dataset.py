"""Write the files at the root of a simulated raw data set."""

from pathlib import Path

from crossfc.jobs.job import job

with job(snakemake):
    from crossfc.jobs import claim
    from crossfc.twin.scanner import write_dataset

    wanted = snakemake.params
    with claim.making(*snakemake.output):
        write_dataset(
            Path(snakemake.output[0]).parent,
            wanted.people,
            repetition_time=wanted.twin["repetition_time"],
            task=wanted.task,
        )
