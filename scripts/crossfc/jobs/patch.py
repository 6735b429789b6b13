"""The names of Snakemake that are changed at run time, as no published interface has what they do.

Written for Snakemake 9.27 and its executor for SLURM 2.8. tests/jobs/test_patch.py fails when a
later version changes one of them, or makes a change needless. (What there is an interface for is in
`crossfc.jobs.executor`. The store of records is changed by `crossfc.jobs.persistence`, the path of
Python by `crossfc.jobs.executable`.)

Every change holds for jobs of crossfc's own rules only (see `crossfc.jobs.own`).
"""

import sys
from collections.abc import Callable
from typing import Any

import snakemake.api  # noqa: F401 (must be first, as it imports the others in a certain order)
import snakemake.dag
import snakemake.io
from snakemake.jobs import GroupJob

from crossfc.jobs import batch as batches
from crossfc.jobs import own
from crossfc.jobs.executor import attempts, tell

_done: set[str] = set()


def install(workflow: Any) -> None:
    """Make the changes; again does nothing, as Snakemake reads a module once for every `use`."""
    if not workflow.is_main_process:
        _once(_late_inputs, workflow)
        return
    _once(_equal_batches)
    _once(_kept_jobs)
    if slurm := sys.modules.get("snakemake_executor_plugin_slurm"):
        _once(_memory_of_slurm, slurm)


def _once(change: Callable[..., None], *given: Any) -> None:
    if change.__name__ not in _done:
        _done.add(change.__name__)
        change(*given)


def targets_own(workflow: Any) -> bool:
    """Test whether the jobs that this process was started for are all of crossfc's own rules."""
    names = {spec.rulename for spec in workflow.dag_settings.target_jobs}
    return bool(names) and all(own.is_own(workflow.get_rule(name)) for name in names)


def _late_inputs(workflow: Any) -> None:
    """Go on if an input of a batch stays away.

    A batch waits for all its inputs. If one stays away, Snakemake would end the whole batch, and
    without an error; the job that reads it fails by itself.
    """
    wait_for_all = snakemake.io.wait_for_files

    async def wait_and_go_on(files: Any, **options: Any) -> None:
        try:
            await wait_for_all(files, **options)
        except OSError as error:
            if not targets_own(workflow):
                raise
            tell(str(error))

    snakemake.io.wait_for_files = wait_and_go_on


def _equal_batches() -> None:
    """Make batches of equal size, not of the largest and one small rest."""
    chunks = snakemake.dag.group_into_chunks

    def divide(most: int, parts: Any) -> Any:
        parts = list(parts)
        ours = all(own.all_own(part) for part in parts)
        return batches.equal(most, parts) if ours else chunks(most, parts)

    snakemake.dag.group_into_chunks = divide


def _kept_jobs() -> None:
    """Keep the jobs of a failed batch that succeeded; Snakemake deletes the results of all.

    Its option --keep-incomplete is no way out: it holds for all rules, and a half-written output of
    another rule would count as complete from then on.
    """
    postprocess = GroupJob.postprocess

    async def end(batch: Any, error: bool = False, **options: Any) -> None:
        if not error or not own.all_own(batch):
            await postprocess(batch, error=error, **options)
            return

        async def end_one(job: Any, failed: bool) -> None:
            await job.postprocess(error=failed, check_output_mtime=False, **options)

        await attempts.end_failed(batch, end_one)

    GroupJob.postprocess = end


def _memory_of_slurm(executor: Any) -> None:
    """Keep how long SLURM remembers jobs.

    Before every look at the jobs, the executor asks the controller how long it remembers them.
    Without an answer it would use sacct, and without sacct wait for ever; keep the last answer.
    """
    remembered, ask = [300], executor.get_min_job_age

    def minimum_age() -> int:
        remembered[0] = ask() or remembered[0]
        return remembered[0]

    executor.get_min_job_age = minimum_age
