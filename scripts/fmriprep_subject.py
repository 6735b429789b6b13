"""Run fMRIPrep on all sessions of one person together."""

from pathlib import Path

from crossfc.jobs.job import job

with job(snakemake):
    from crossfc.session.preprocess import fmriprep

    wanted = snakemake.params
    out = Path(snakemake.output[0]).parent
    fmriprep.run(wanted.command, wanted.images, out, snakemake.log[0])
