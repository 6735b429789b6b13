"""Correct the comparisons of pairs of groups over all pairs, and write one table of clusters."""

from pathlib import Path

from crossfc.jobs.job import job

with job(snakemake):
    from crossfc import atomic
    from crossfc.group.findings.pairs_of_groups import pairs_table

    folders = {Path(path).name: path for path in snakemake.input}
    table = pairs_table(snakemake.params.pairs, folders)
    atomic.write_table(snakemake.output[0], table)
