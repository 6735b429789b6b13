"""Simulate a person's T1w image in scanner space."""

from crossfc.job import job

with job(snakemake):
    from crossfc.trial.scanner import simulate_raw_anatomy

    simulate_raw_anatomy(
        f"sub-{snakemake.wildcards.participant}",
        snakemake.output.t1w,
        seed=snakemake.params.twin["seed"],
    )
