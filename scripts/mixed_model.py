"""Fit the mixed model to all people with at least one session, and write its table."""

from crossfc.jobs.job import job

with job(snakemake):
    from crossfc import atomic
    from crossfc.clinic.mixed import mixed_model
    from crossfc.table import read_table

    labels = snakemake.params.labels
    groups = [g for g in labels["groups"].values() if g]
    targets = read_table(f"{snakemake.input.pairs}/edges.tsv")
    atomic.write_table(snakemake.output[0], mixed_model(targets, labels["treatments"], groups))
