"""Write the head of the data set that native preprocessing makes."""

from crossfc.job import job

with job(snakemake):
    from crossfc import __version__, atomic
    from crossfc.bids import dataset_description

    name = f"{snakemake.params.study}, preprocessed"
    atomic.write_json(snakemake.output[0], dataset_description(name, __version__))
