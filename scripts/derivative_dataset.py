"""Write dataset_description.json of the data set that preprocessing makes."""

from crossfc.jobs.job import job

with job(snakemake):
    from crossfc import __version__, atomic
    from crossfc.bids import dataset_description
    from crossfc.jobs import claim

    head = dataset_description(f"{snakemake.params.study}, preprocessed", __version__)
    tools = [{"Name": k, "Version": v} for k, v in snakemake.params.tools.items()]
    head["GeneratedBy"] = tools + head["GeneratedBy"]
    with claim.making(snakemake.output[0]):
        atomic.write_json(snakemake.output[0], head)
