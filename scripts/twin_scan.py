"""Simulate one raw run in scanner space."""

from crossfc.jobs.job import job

with job(snakemake):
    from crossfc.jobs import claim
    from crossfc.twin.scanner import simulate_raw_session

    wanted = snakemake.params
    made = dict(snakemake.output.items())
    with claim.making(made["bold"], *made.values()):
        simulate_raw_session(
            f"sub-{snakemake.wildcards.participant}",
            f"ses-{snakemake.wildcards.session}",
            wanted.truth,
            wanted.seeds,
            wanted.targets,
            made,
            scan=wanted.scan,
            volumes=wanted.twin["volumes"],
            repetition_time=wanted.twin["repetition_time"],
            random_seed=wanted.twin["seed"],
        )
