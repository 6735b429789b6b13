"""Run one group analysis: maps of statistic, effect and corrected p; clusters; cell means."""

import time

from crossfc.jobs.job import job, note

SECONDS = 5  # shortest time between two lines about progress

with job(snakemake):
    from crossfc.group.analysis import analyse
    from crossfc.group.design.options import AnalysisOptions

    given, params = snakemake.input, snakemake.params
    started = last = time.monotonic()

    def progress(done: int, total: int) -> None:
        """Log how many permutations are done, and how long the others may take."""
        global last
        now = time.monotonic()
        if now - last < SECONDS and done < total:
            return
        last, spent = now, now - started
        left = spent / done * (total - done) if done else 0
        note(snakemake, f"{done} of {total} permutations, {spent:.0f} s, about {left:.0f} s left")

    analyse(
        snakemake.wildcards.analysis,
        list(given.pairs),
        snakemake.output[0],
        AnalysisOptions.from_params(params.choices["options"]),
        people=params.choices["people"],
        together=params.choices.get("together"),
        atlas={"image": given.atlas, "table": given.atlas_names},
        threads=snakemake.threads,
        memory_gb=snakemake.resources.data_mb / 1000,
        progress=progress,
    )
