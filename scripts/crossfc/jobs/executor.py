"""Executors for crossfc's jobs: subclasses of Snakemake's, on the interface for its plugins.

Of a batch that failed only the jobs run again that did not succeed; what a cluster says of jobs is
told; a job whose input vanished fails alone. All of it overrides methods that the interface for
executor plugins (snakemake-interface-executor-plugins 9.4) publishes, so it holds for whichever
executor a profile names, under its own name and with its own settings.

It holds for jobs of crossfc's own rules only (see `crossfc.jobs.own`), except that what SLURM
refuses for a temporary reason is submitted again for all jobs of a run.
"""

import shlex
import sys
from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Any

import snakemake.api  # noqa: F401 (must be first, as it imports the others in a certain order)
from snakemake.exceptions import WorkflowError
from snakemake_interface_executor_plugins.executors.base import SubmittedJobInfo
from snakemake_interface_executor_plugins.executors.real import RealExecutor
from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor
from snakemake_interface_executor_plugins.registry import ExecutorPluginRegistry

from crossfc.jobs import cluster, lost, own, run
from crossfc.jobs.batch import Attempts

# Of the batches of this process, which runs one workflow.
attempts = Attempts()


def tell(sentence: str) -> None:
    """Print a sentence of crossfc's own."""
    print(f"crossfc: {sentence}", file=sys.stderr, flush=True)


def install() -> None:
    """Subclass the executors that Snakemake has found; again does nothing.

    Snakemake makes its executor from the registry after it has read the Snakefile.
    """
    for name, plugin in ExecutorPluginRegistry().plugins.items():
        ours = _subclass(name, plugin.executor)
        if ours and not issubclass(plugin.executor, ours):
            plugin.executor = type("Executor", (ours, plugin.executor), {})


def _subclass(name: str, executor: type) -> type | None:
    if name == "local":
        return Local
    if issubclass(executor, RemoteExecutor):
        return Slurm if name == "slurm" else Remote
    return Quoting if issubclass(executor, RealExecutor) else None


def is_remote(executor: Any) -> bool:
    """Test whether an executor submits jobs to a queue."""
    return isinstance(executor, RemoteExecutor)


def queue_of(executor: Any) -> str | None:
    """Return the name of an executor that is neither local nor SLURM's, else None."""
    name = str(executor.workflow.executor_plugin.name)
    return name if is_remote(executor) and name != "slurm" else None


def _jobs(job: Any) -> list[Any]:
    return list(job) if job.is_group() else [job]


def _is_own_batch(job: Any) -> bool:
    return bool(job.is_group()) and own.all_own(job)


class Quoting(RealExecutor):
    """Whatever starts jobs by a shell: quotes the path of Python, which may contain a space."""

    def get_python_executable(self) -> str:
        """Return Python as a word of a shell command."""
        python = super().get_python_executable()
        return shlex.quote(sys.executable) if python == sys.executable else str(python)


class Local(Quoting):
    """Where jobs run that are not submitted: lets only the job fail whose input vanished.

    Otherwise Snakemake would start no more jobs, even with --keep-going.
    """

    def run_job(self, job: Any) -> None:
        """Run a job; if an input vanished after the run was planned, report the job as failed."""
        try:
            super().run_job(job)
        except WorkflowError:
            reason = lost.reason(map(str, job.input)) if own.all_own(_jobs(job)) else None
            if reason is None:
                raise
            tell(f"{job.rule.name}: {reason}")
            self.report_job_error(SubmittedJobInfo(job))


class Rest:
    """A batch as it is submitted: its targets are the jobs that did not succeed before.

    (Snakemake would ask a true batch for temporary outputs too, of which crossfc has none.)
    """

    def __init__(self, batch: Any, wanted: Iterable[Any]):
        self._batch, self._wanted = batch, list(wanted)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._batch, name)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._batch)

    def __len__(self) -> int:
        return len(self._batch)

    def get_target_spec(self) -> list[Any]:
        """List what the submitted process must make."""
        return [spec for job in self._wanted for spec in job.get_target_spec()]


class Remote(Quoting, RemoteExecutor):
    """Any queue: submits of a batch what did not succeed before, and says what was refused."""

    def get_job_args(self, job: Any, **given: Any) -> Any:
        """Give the arguments of a submitted process; of a batch it makes the jobs that are left."""
        rest = Rest(job, attempts.wanted(job)) if _is_own_batch(job) else job
        return super().get_job_args(rest, **given)

    def report_job_submission(self, job_info: Any, register_job: bool = True) -> None:
        """Mark the jobs that run as begun; in queues other than SLURM's, note the submission.

        There every job has its own identifier, by which a later run can list the jobs if this run
        is killed. (With SLURM's executor all jobs of a run have the same name.)
        """
        job, submitted_as = job_info.job, job_info.external_jobid
        if submitted_as and queue_of(self) is not None and own.all_own(_jobs(job)):
            run.note(submitted=str(submitted_as))
        if register_job and _is_own_batch(job):
            try:
                attempts.submit(job, submitted_as)
            except OSError as error:
                tell(
                    f"cannot mark that a batch begins ({error}); if it fails, all of it runs again"
                )
            register_job = False
        super().report_job_submission(job_info, register_job=register_job)

    def print_job_error(self, job_info: Any, msg: str | None = None, **options: Any) -> None:
        """Say why a job was refused, and do not try again what would be refused again.

        Snakemake does not say why a batch was refused.
        """
        job = job_info.job
        if own.all_own(_jobs(job)):
            rules = ", ".join(sorted({each.rule.name for each in _jobs(job)}))
            what = f"a batch of {len(job)} ({rules})" if job.is_group() else rules
            if refused_because := cluster.refusal(msg or "", what):
                tell(refused_because)
                job.attempt = max(job.attempt, job.restart_times + 1)
            elif msg and job.is_group():
                tell(f"{what}: {msg.strip()}")
        super().print_job_error(job_info, msg, **options)


class Slurm(Remote):
    """SLURM's queue: waits while it takes no more jobs, and says why jobs wait in it.

    Written for version 2.8 of Snakemake's executor for SLURM.
    """

    def __init__(self, *given: Any, **named: Any):
        # First, as the executor looks for jobs in a thread that its constructor starts.
        self._patience, self._waiting = cluster.Patience(tell), cluster.Waiting(tell)
        self._submitting: set[Any] = set()
        self._refused: dict[Any, tuple[Any, str, dict[str, Any]]] = {}
        super().__init__(*given, **named)

    def run_job(self, job: Any) -> None:
        """Submit a job; again, as long as it is refused for a reason that passes.

        Snakemake would count every refusal as a failure of the job and use up its retries within
        seconds.
        """
        while True:
            self._submitting.add(job)
            try:
                super().run_job(job)
            except Exception as error:
                # Of a batch that cannot be submitted the executor tells the rule, which a batch has
                # not. Nobody would hear of that error, and the run would wait for ever.
                reason = error.__context__ or error
                self.report_job_error(
                    SubmittedJobInfo(job), msg=f"It was not submitted: {reason}\n"
                )
            finally:
                self._submitting.discard(job)
            refused = self._refused.pop(job, None)
            if refused is None:
                return
            job_info, message, options = refused
            if not self._patience.wait(cluster.sbatch_error(message) or ""):
                super().report_job_error(job_info, message, **options)
                return

    def report_job_error(self, job_info: Any, msg: str | None = None, **options: Any) -> None:
        """Report a failed job, but not one that SLURM only refuses for now."""
        job, refusal = job_info.job, cluster.sbatch_error(msg or "")
        if refusal is None or not cluster.passes(refusal):
            super().report_job_error(job_info, msg, **options)
        elif job in self._submitting:
            self._refused[job] = job_info, msg or "", options
        elif self._patience.wait(refusal):
            # One of an array, for which the executor has a method of its own.
            self.run_job(job)
        else:
            super().report_job_error(job_info, msg, **options)

    async def check_active_jobs(self, active_jobs: list[Any]) -> AsyncIterator[Any]:
        """Look at the jobs, and say why some wait."""
        async for job_info in super().check_active_jobs(active_jobs):
            yield job_info
        if active_jobs:
            self._waiting.look(self.run_uuid)

    def cancel(self) -> None:
        """Cancel all jobs, and submit none that was refused before."""
        self._patience.stop()
        super().cancel()

    def shutdown(self) -> None:
        """End this executor, and submit no job that was refused before."""
        self._patience.stop()
        super().shutdown()
