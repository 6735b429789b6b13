"""Fetch fMRIPrep's container image if needed, and record its version and digest."""

from pathlib import Path

from crossfc.jobs.job import job

with job(snakemake):
    from crossfc import atomic
    from crossfc.provenance import file_digest
    from crossfc.session.preprocess import fmriprep

    wanted = snakemake.params
    if not Path(wanted.place).is_file():
        fmriprep.fetch(wanted.runner, wanted.image, wanted.place)
    found = {"image": wanted.image, "version": fmriprep.version_of(wanted.image)}
    atomic.write_json(snakemake.output[0], found | {"sha256": file_digest(wanted.place)})
