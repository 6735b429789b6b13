"""Return what fMRIPrep made of one run its place in the derivatives."""

from pathlib import Path

from crossfc.jobs.job import job

with job(snakemake):
    from crossfc.jobs import claim
    from crossfc.session.preprocess import fmriprep

    wanted, out = snakemake.params, Path(snakemake.input[0]).parent
    made = dict(snakemake.output.items())
    with claim.making(*made.values()):
        fmriprep.link(wanted.scan, out, made, wanted.space, wanted.res)
