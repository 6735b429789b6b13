"""Simulate one session as if preprocessed by fMRIPrep."""

from crossfc.jobs.job import job

with job(snakemake):
    from crossfc.jobs import claim
    from crossfc.twin.bold import simulate_session

    wanted = snakemake.params
    choices = {k: v for k, v in wanted.twin.items() if k != "strengths"}
    made = dict(snakemake.output.items())
    with claim.making(*made.values()):
        simulate_session(
            f"sub-{snakemake.wildcards.participant}",
            f"ses-{snakemake.wildcards.session}",
            wanted.truth,
            wanted.seeds,
            wanted.targets,
            made,
            scan=wanted.scan,
            **choices,
        )
