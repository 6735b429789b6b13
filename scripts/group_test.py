"""Do one analysis of the group: statistic, effect and corrected p maps, clusters, cells."""

import time

from crossfc.job import job, note

SECONDS = 5  # between two lines of progress, at least

with job(snakemake):
    from crossfc.group.analysis import analyse

    given, wanted = snakemake.input, dict(snakemake.params.choices)
    name = snakemake.wildcards.analysis
    started = last = time.monotonic()

    def progress(done: int, total: int) -> None:
        """Write how far the permutations are, and how long the rest may take."""
        global last
        now = time.monotonic()
        if now - last < SECONDS and done < total:
            return
        last, spent = now, now - started
        left = spent / done * (total - done) if done else 0
        note(snakemake, f"{done} of {total} permutations, {spent:.0f} s, about {left:.0f} s left")

    analyse(
        name,
        given.pairs,
        snakemake.output[0],
        n_permutations=wanted.pop("permutations"),
        arrangement=wanted.pop("drug_arrangement", None),
        atlas={"image": given.atlas, "table": given.atlas_names},
        threads=snakemake.threads,
        memory_gb=snakemake.resources.data_mb / 1000,
        progress=progress,
        **wanted,
    )
