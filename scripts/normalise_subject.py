"""Normalise the T1w image of one person to the template."""

from pathlib import Path

from crossfc.jobs.job import job

with job(snakemake):
    from crossfc.jobs import claim
    from crossfc.session.preprocess.anatomy import normalise_subject

    choices = dict(snakemake.params.choices)
    random_seed = choices.pop("seed")
    with claim.making(*snakemake.output):
        normalise_subject(
            snakemake.input.t1w,
            Path(snakemake.output.t1w).parents[2],
            f"sub-{snakemake.wildcards.participant}",
            threads=snakemake.threads,
            random_seed=random_seed,
            **choices,
        )
