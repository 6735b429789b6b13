"""Preprocess one raw run to template space, and compute its confounds."""

from pathlib import Path, PurePath

from crossfc.jobs.job import job, note

with job(snakemake):
    from crossfc.jobs import claim
    from crossfc.session.preprocess.run import preprocess_session

    # The scan's path in the sheet is the last four parts: sub-/ses-/func/file.
    bold = PurePath(snakemake.input.bold)
    choices = dict(snakemake.params.choices)
    random_seed = choices.pop("seed")
    with claim.making(*snakemake.output):
        record = preprocess_session(
            str(PurePath(*bold.parts[-4:])),
            Path(*bold.parts[:-4]),
            f"sub-{snakemake.wildcards.participant}",
            Path(snakemake.output.bold).parents[3],
            threads=snakemake.threads,
            random_seed=random_seed,
            correct_distortion=bool(snakemake.input.field_map),
            **choices,
        )
    for warning in record["warnings"]:
        note(snakemake, warning)
