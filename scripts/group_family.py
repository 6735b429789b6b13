"""Correct families of analyses together, and write one table of their clusters."""

from pathlib import Path

from crossfc.jobs.job import job

with job(snakemake):
    from crossfc import atomic
    from crossfc.group.findings.joint import joint_table

    folders = {Path(path).name: path for path in snakemake.input}
    table = joint_table(snakemake.params.families, folders)
    atomic.write_table(snakemake.output[0], table)
