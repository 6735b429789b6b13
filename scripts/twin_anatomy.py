"""Simulate the T1w image of one person in scanner space."""

from crossfc.jobs.job import job

with job(snakemake):
    from crossfc.jobs import claim
    from crossfc.twin.scanner import simulate_raw_anatomy

    path = snakemake.output.t1w
    with claim.making(path, path.replace(".nii.gz", ".json")):
        simulate_raw_anatomy(
            f"sub-{snakemake.wildcards.participant}",
            path,
            random_seed=snakemake.params.twin["seed"],
        )
