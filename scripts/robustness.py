"""Compare the maps of each pipeline with those of the primary one, and look for its clusters."""

from pathlib import Path

from crossfc.jobs.job import job, note

with job(snakemake):
    from crossfc import atomic
    from crossfc.quality.cluster_robustness import PipelineData, cluster_robustness
    from crossfc.quality.robustness import robustness
    from crossfc.table import read_table

    given, wanted, made = snakemake.input, snakemake.params, snakemake.output
    primary, *others = wanted.pipelines
    group = Path(made.maps).parent / "group"
    table, notes = robustness(
        group / primary, {name: group / name for name in others}, wanted.analyses
    )
    atomic.write_table(made.maps, table)
    clusters = cluster_robustness(
        {
            name: PipelineData(
                group / name, {own: group / name / folder for own, folder in wanted.pairs.items()}
            )
            for name in wanted.pipelines
        },
        wanted.choices,
        wanted.designs,
        wanted.connectivity,
        read_table(given.motion[0]) if given.motion else None,
        wanted.fd_limits,
    )
    atomic.write_table(made.clusters, clusters)
    note(snakemake, "\n".join(notes))
