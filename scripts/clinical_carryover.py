"""Write what carry-over does to the change of each scale in every contrast."""

from crossfc.jobs.job import job

with job(snakemake):
    from crossfc import atomic
    from crossfc.clinic.carryover import score_carryover

    wanted = snakemake.params
    table = score_carryover(wanted.scores, wanted.designs, wanted.scales, wanted.treatments)
    atomic.write_table(snakemake.output[0], table)
