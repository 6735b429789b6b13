"""Fit the mixed model to all people with at least one session, and write its table."""

from crossfc.jobs.job import job

with job(snakemake):
    from crossfc import atomic
    from crossfc.clinic.cells import cell_model
    from crossfc.clinic.mixed import mixed_model
    from crossfc.table import read_table

    design = snakemake.params.design
    edges = read_table(f"{snakemake.input.pairs}/edges.tsv")
    if "contrasts" in design:
        table = cell_model(edges, design)
    else:
        groups = [group for group in design["groups"].values() if group]
        table = mixed_model(edges, design["treatments"], groups)
    atomic.write_table(snakemake.output[0], table)
