"""Batches: jobs that are submitted to a cluster as one; those that succeeded are kept.

Snakemake makes batches of the largest size and one small rest, and if one job of a batch fails, it
deletes the results of all others and runs all again. Here batches are of about equal size, and only
the jobs that did not succeed run again.
"""

import os
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any


def equal(most: int, parts: Iterable[Iterable[Any]]) -> list[list[Any]]:
    """Divide jobs, sorted by name, into batches of about equal size, so that none is small.

    Parameters
    ----------
    most : int
        How many parts a batch may have.
    parts : iterable of collections of jobs
        Jobs that depend on each other are in one part.
    """
    parts = sorted(parts, key=lambda part: min(path for job in part for path in job.output))
    number = -(-len(parts) // most)
    cuts = [i * len(parts) // number for i in range(number + 1)]
    return [parts[start:end] for start, end in zip(cuts, cuts[1:], strict=False)]


class Attempts:
    """Which jobs of each batch succeeded at an earlier attempt."""

    def __init__(self) -> None:
        self._submitted: set[Any] = set()
        self._kept: dict[Any, Sequence[Any]] = {}

    def wanted(self, batch: Iterable[Any]) -> list[Any]:
        """List the jobs of a batch that are to run: all, or those that did not succeed before."""
        return [job for job in batch if job not in self._kept.get(batch, ())]

    def submit(self, batch: Any, external_jobid: str | None) -> None:
        """Mark the jobs of a batch that are to run as started."""
        # Without all marks one cannot tell afterwards which jobs ended well.
        self._submitted.discard(batch)
        for job in self.wanted(batch):
            job.register(external_jobid=external_jobid)
        self._submitted.add(batch)

    async def end_failed(self, batch: Any, end: Callable[[Any, bool], Awaitable[None]]) -> None:
        """End the jobs of a failed batch one by one, each as good or failed.

        Parameters
        ----------
        batch : group job
        end : coroutine function of a job and whether it failed
        """
        self._kept[batch] = ended_well(batch) if batch in self._submitted else []
        for job in batch:
            await end(job, job not in self._kept[batch])


def ended_well(batch: Iterable[Any]) -> list[Any]:
    """List the jobs of a submitted batch whose outputs exist and are complete.

    Outputs are marked as incomplete when a batch is submitted; a job removes its marks at its end.
    """
    jobs = list(batch)
    persistence = jobs[0].rule.workflow.persistence
    persistence._clear_cache()
    marked = persistence._filter_incomplete_keys([path for job in jobs for path in job.output])
    ended = [
        job
        for job in jobs
        if all(os.path.exists(path) and path not in marked for path in job.output)
    ]
    # Leave out at least one job, because a batch without jobs could never succeed.
    return ended if len(ended) < len(jobs) else ended[:-1]
