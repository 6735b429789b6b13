"""Link the files that fMRIPrep made from one run to their paths in the derivatives."""

from pathlib import Path

from crossfc.jobs.job import job

with job(snakemake):
    from crossfc.jobs import claim
    from crossfc.session.preprocess import fmriprep

    wanted, out = snakemake.params, Path(snakemake.input[0]).parent
    made = dict(snakemake.output.items())
    with claim.making(*made.values()):
        fmriprep.link(wanted.scan, out, made, wanted.space, wanted.res)
