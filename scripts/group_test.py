"""Do one analysis of the group: statistic, effect and corrected p maps, clusters, cells."""

import time

from crossfc.job import job, note

with job(snakemake):
    from crossfc.group.analysis import analyse
    from crossfc.group.question import GROUP

    given, wanted, name = snakemake.input, snakemake.params, snakemake.wildcards.analysis
    # Covariates are between people: they enter where people of two groups are compared.
    covariates = wanted.covariates if name.startswith(GROUP) else []
    started = time.monotonic()

    def progress(done: int, total: int) -> None:
        """Write how far the permutations are, and how long the rest may take."""
        spent = time.monotonic() - started
        left = spent / done * (total - done) if done else 0
        note(snakemake, f"{done} of {total} permutations, {spent:.0f} s, about {left:.0f} s left")

    analyse(
        name,
        given.pairs,
        snakemake.output[0],
        n_permutations=wanted.permutations,
        seed=wanted.seed,
        cluster_forming_p=wanted.cluster_forming_p,
        connectivity=wanted.connectivity,
        covariates=covariates,
        blocks=wanted.blocks,
        atlas={"image": given.atlas, "table": given.atlas_names},
        progress=progress,
    )
