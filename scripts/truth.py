"""Write the planted truth of a digital twin, and what it makes of each contrast."""

from crossfc.jobs.job import job

with job(snakemake):
    import pandas

    from crossfc import atomic
    from crossfc.twin.effect import CHANGE_COLUMNS

    changes = pandas.DataFrame(snakemake.params.changes, columns=CHANGE_COLUMNS)
    atomic.write_json(snakemake.output.truth, snakemake.params.truth)
    atomic.write_table(snakemake.output.changes, changes)
