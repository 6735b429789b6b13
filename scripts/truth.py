"""Write the planted truth of a digital twin."""

from crossfc.jobs.job import job

with job(snakemake):
    from crossfc import atomic

    atomic.write_json(snakemake.output[0], snakemake.params.truth)
