"""Write how each pipeline's maps compare with the primary one's."""

from crossfc.jobs.job import job, note

with job(snakemake):
    from crossfc import atomic
    from crossfc.group.robustness import robustness

    wanted = snakemake.params
    primary, *others = wanted.pipelines
    table, notes = robustness(
        f"{wanted.group_dir}/{primary}",
        {name: f"{wanted.group_dir}/{name}" for name in others},
        wanted.analyses,
    )
    atomic.write_table(snakemake.output[0], table)
    note(snakemake, "\n".join(notes))
