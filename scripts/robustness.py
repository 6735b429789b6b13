"""Compare the maps of each pipeline with those of the primary pipeline."""

from pathlib import Path

from crossfc.jobs.job import job, note

with job(snakemake):
    from crossfc import atomic
    from crossfc.quality.robustness import robustness

    wanted = snakemake.params
    primary, *others = wanted.pipelines
    group = f"{Path(snakemake.output[0]).parent}/group"
    table, notes = robustness(
        f"{group}/{primary}",
        {name: f"{group}/{name}" for name in others},
        wanted.analyses,
    )
    atomic.write_table(snakemake.output[0], table)
    note(snakemake, "\n".join(notes))
