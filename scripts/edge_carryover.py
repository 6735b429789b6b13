"""Write what carry-over does to the change of each a-priori edge in every contrast."""

from crossfc.jobs.job import job

with job(snakemake):
    from crossfc import atomic
    from crossfc.clinic.carryover import edge_carryover

    wanted = snakemake.params
    pairs = snakemake.input.pairs
    table = edge_carryover(wanted.designs, pairs, wanted.people, wanted.treatments)
    atomic.write_table(snakemake.output[0], table)
