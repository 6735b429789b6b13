"""All changes of Snakemake's own classes that concern how jobs run, and why they are needed.

Written for Snakemake 9.27 and its executor for SLURM 2.8, which offer no other way; tests/slurm
fails if a later version does these things itself, or differently. (The store of records is
changed by `crossfc.jobs.persistence`, the path of Python by `crossfc.jobs.executable`.)

Every change holds for jobs of crossfc's own rules only (see `crossfc.jobs.own`), except that
submissions which SLURM refuses for a temporary reason are repeated for all jobs of a run.
"""

import sys
from collections.abc import Callable
from typing import Any

import snakemake.api  # noqa: F401 (must be first, as it imports the others in a certain order)
import snakemake.dag
import snakemake.io
from snakemake.exceptions import WorkflowError
from snakemake.executors.local import Executor as LocalExecutor
from snakemake.jobs import GroupJob
from snakemake_interface_executor_plugins.executors.base import SubmittedJobInfo
from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor

from crossfc.jobs import batch as batches
from crossfc.jobs import cluster, lost, own, run

_done: set[str] = set()


def tell(sentence: str) -> None:
    """Print a sentence of crossfc's own."""
    print(f"crossfc: {sentence}", file=sys.stderr, flush=True)


def is_remote(executor: Any) -> bool:
    """Test whether an executor submits jobs to a queue."""
    return isinstance(executor, RemoteExecutor)


def queue_of(executor: Any) -> str | None:
    """Return the name of an executor that is neither local nor SLURM's, else None."""
    module = type(executor).__module__.removeprefix("snakemake_executor_plugin_")
    name = module.partition(".")[0]
    return name if is_remote(executor) and name != "slurm" else None


def install(workflow: Any) -> None:
    """Make the changes; again does nothing, as Snakemake reads a module once for every `use`."""
    if workflow.is_main_process:
        _once(_submissions)
        if executor := sys.modules.get("snakemake_executor_plugin_slurm"):
            _once(_slurm, executor)
    else:
        _once(_late_inputs, workflow)
    _once(_lost_inputs)
    _once(_batches)


def _once(change: Callable[..., None], *given: Any) -> None:
    if change.__name__ not in _done:
        _done.add(change.__name__)
        change(*given)


def targets_own(workflow: Any) -> bool:
    """Test whether the jobs that this process was started for are all of crossfc's own rules."""
    names = {spec.rulename for spec in workflow.dag_settings.target_jobs}
    return bool(names) and all(own.is_own(workflow.get_rule(name)) for name in names)


def _jobs(job: Any) -> list[Any]:
    return list(job) if job.is_group() else [job]


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


def _lost_inputs() -> None:
    """If an input vanished after the run was planned, let only the job fail that reads it.

    Otherwise Snakemake would start no more jobs, even with --keep-going.
    """
    run_here = LocalExecutor.run_job

    def run_or_fail(self: Any, job: Any) -> None:
        try:
            run_here(self, job)
        except WorkflowError:
            reason = lost.reason(map(str, job.input)) if own.all_own(_jobs(job)) else None
            if reason is None:
                raise
            tell(f"{job.rule.name}: {reason}")
            self.report_job_error(SubmittedJobInfo(job))

    LocalExecutor.run_job = run_or_fail


def _submissions() -> None:
    """Say why a job was refused, and note the jobs that wait in queues other than SLURM's.

    Snakemake does not say why a batch was refused; and it would try again, which would be refused
    again. In queues other than SLURM's every job has its own identifier. It is noted, so that a
    later run can list the jobs if this run is killed.
    """
    print_job_error = RemoteExecutor.print_job_error
    report_job_submission = RemoteExecutor.report_job_submission

    def print_refusal(self: Any, job_info: Any, msg: str | None = None, **options: Any) -> None:
        job = job_info.job
        if own.all_own(_jobs(job)):
            rules = ", ".join(sorted({each.rule.name for each in _jobs(job)}))
            what = f"a batch of {len(job)} ({rules})" if job.is_group() else rules
            if refused_because := cluster.refusal(msg or "", what):
                tell(refused_because)
                job.attempt = max(job.attempt, job.restart_times + 1)
            elif msg and job.is_group():
                tell(f"{what}: {msg.strip()}")
        print_job_error(self, job_info, msg, **options)

    def note_submission(self: Any, job_info: Any) -> None:
        noted = job_info.external_jobid and queue_of(self) is not None
        if noted and own.all_own(_jobs(job_info.job)):
            run.note(submitted=str(job_info.external_jobid))
        report_job_submission(self, job_info)

    RemoteExecutor.print_job_error = print_refusal
    RemoteExecutor.report_job_submission = note_submission


def _slurm(executor: Any) -> None:
    """Keep how long SLURM remembers jobs; and see `crossfc.jobs.cluster.mend`.

    Before every look at the jobs, the executor asks the controller how long it remembers them.
    Without an answer it would use sacct, and without sacct wait for ever; keep the last answer.
    """
    remembered, ask = [300], executor.get_min_job_age

    def minimum_age() -> int:
        remembered[0] = ask() or remembered[0]
        return remembered[0]

    executor.get_min_job_age = minimum_age
    cluster.mend(executor, tell)


def _batches() -> None:
    """Make batches of equal size, and keep the jobs of a failed one that succeeded."""
    attempts = batches.Attempts()
    specs, register, postprocess = (
        GroupJob.get_target_spec,
        GroupJob.register,
        GroupJob.postprocess,
    )
    chunks = snakemake.dag.group_into_chunks

    def targets(batch: Any) -> list[Any]:
        if not own.all_own(batch):
            return list(specs(batch))
        return [spec for job in attempts.wanted(batch) for spec in job.get_target_spec()]

    def register_wanted(batch: Any, external_jobid: str | None = None) -> None:
        if own.all_own(batch):
            attempts.submit(batch, external_jobid)
        else:
            register(batch, external_jobid=external_jobid)

    async def end(batch: Any, error: bool = False, **options: Any) -> None:
        if not error or not own.all_own(batch):
            await postprocess(batch, error=error, **options)
            return

        async def end_one(job: Any, failed: bool) -> None:
            await job.postprocess(error=failed, check_output_mtime=False, **options)

        await attempts.end_failed(batch, end_one)

    def divide(most: int, parts: Any) -> Any:
        parts = list(parts)
        ours = all(own.all_own(part) for part in parts)
        return batches.equal(most, parts) if ours else chunks(most, parts)

    GroupJob.get_target_spec, GroupJob.register = targets, register_wanted
    GroupJob.postprocess = end
    # A failed submission is reported with its rule; a batch has none, so the run would wait for
    # ever.
    GroupJob.rule = property(lambda batch: next(iter(batch.jobs)).rule)
    snakemake.dag.group_into_chunks = divide
