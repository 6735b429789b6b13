"""Write what the sample says of each change and correlation: something, nothing, or too little."""

from crossfc.jobs.job import job

with job(snakemake):
    from crossfc import atomic
    from crossfc.clinic.evidence import evidence_table
    from crossfc.table import read_table

    wanted, given = snakemake.params, snakemake.input
    table = evidence_table(
        wanted.scores,
        wanted.designs,
        wanted.scales,
        wanted.smallest,
        given.pairs,
        read_table(given.correlation[0]) if given.correlation else None,
    )
    atomic.write_table(snakemake.output[0], table)
