"""Write correlations between changes in connectivity (a-priori edges) and changes in scores."""

from crossfc.jobs.job import job, note

with job(snakemake):
    import pandas

    from crossfc import atomic
    from crossfc.clinic.correlation import clinical_correlation
    from crossfc.group.design.people import with_columns
    from crossfc.table import read_table

    made, wanted = snakemake.output, snakemake.params
    pairs, design, choices = snakemake.input.pairs, wanted.design, wanted.clinical
    found = clinical_correlation(
        read_table(f"{pairs}/targets.tsv"),
        with_columns(read_table(f"{pairs}/people.tsv"), wanted.scores),
        design["treatments"],
        choices["groups"],
        design["scales"],
        n_permutations=choices["permutations"],
        random_seed=choices["seed"],
    )
    atomic.write_table(made.correlation, found.table)
    atomic.write_table(made.points, found.points)
    atomic.write_table(made.left, pandas.DataFrame(found.left))
    note(snakemake, "\n".join(found.notes))
