"""Simulate one session as if preprocessed by fMRIPrep."""

from crossfc.jobs.job import job

with job(snakemake):
    from crossfc.jobs import claim
    from crossfc.twin.bold import simulate_session

    wanted = snakemake.params
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
            resolution_mm=wanted.twin["resolution_mm"],
            volumes=wanted.twin["volumes"],
            repetition_time=wanted.twin["repetition_time"],
            random_seed=wanted.twin["seed"],
        )
