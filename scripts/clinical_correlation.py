"""Write correlations between changes in connectivity (a-priori edges) and changes in scores."""

from crossfc.jobs.job import job, note

with job(snakemake):
    from crossfc import atomic
    from crossfc.clinic.contrast import correlation_tables

    made, wanted, choices = snakemake.output, snakemake.params, snakemake.params.clinical
    found = correlation_tables(
        wanted.designs,
        snakemake.input.pairs,
        wanted.scores,
        choices["groups"],
        wanted.scales,
        n_permutations=choices["permutations"],
        random_seed=choices["seed"],
        smallest=choices["smallest_correlation"],
    )
    atomic.write_table(made.correlation, found.table)
    atomic.write_table(made.points, found.points)
    atomic.write_table(made.left, found.left)
    note(snakemake, "\n".join(found.notes))
