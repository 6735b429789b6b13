"""Attach crossfc to a workflow: its own Snakefile's, or another that uses it as a module.

Snakemake calls the handlers (``onstart``, ``onerror``) of the main Snakefile only. So what must
happen when a run begins or has failed is put before the handlers of whichever workflow it is, on
that one workflow, when all its Snakefiles have been read.
"""

import os
import sys
from collections.abc import Iterable, Mapping
from typing import Any

from crossfc.fault import Fault
from crossfc.jobs import executable, executor, own, patch, persistence, planned, process, run
from crossfc.jobs import log as logs
from crossfc.jobs.executor import tell

# The folder of results of every workflow of this process; a module may be read more than once.
_studies: dict[int, tuple[Any, Any]] = {}


def attach(workflow: Any, plan: Any, config: Mapping[str, Any]) -> None:
    """Prepare a workflow, so that a run which was killed or failed is continued where it stopped.

    Parameters
    ----------
    workflow : snakemake.workflow.Workflow
    plan : crossfc.plan.Plan
    config : dict
        The configuration as it was given, from which a job of this run makes the same plan.

    Raises
    ------
    Fault
        If the workflow has another study already.
    """
    _, before = _studies.setdefault(id(workflow), (workflow, plan.study_dir))
    if before != plan.study_dir:
        raise Fault(
            f"one workflow uses crossfc as a module for {before} and for {plan.study_dir}; run "
            "each of the studies by a workflow of its own"
        )
    own.add_home(plan.home)
    # A job ends when the process that started it ends: the run, or on a cluster the batch.
    process.starts_jobs()
    executable.quoted()
    folders = {
        "results": plan.study_dir,
        "derivatives": plan.derivatives_dir,
        "bids": plan.config["bids_dir"],
        "home": plan.home,
    }
    persistence.install(folders, Handlers(plan, config).add)
    executor.install()
    patch.install(workflow)
    if workflow.is_main_process:
        run.free_lock()


class Handlers:
    """What happens when a run begins, and when it has failed.

    Parameters
    ----------
    plan, config
        See `attach`.
    """

    def __init__(self, plan: Any, config: Mapping[str, Any]):
        self._plan, self._config = plan, dict(config)
        self._logs: dict[str, Any] = {}

    def add(self, workflow: Any) -> None:
        """Put these handlers before those of the workflow; in a job, look at how it was started."""
        if not workflow.is_main_process:
            self._enter_job(workflow)
            return
        start, error = workflow._onstart, workflow._onerror

        def onstart(log: Any) -> None:
            try:
                self.begin(workflow)
            except Fault as fault:
                raise SystemExit(f"crossfc: {fault}") from None
            start(log)

        def onerror(log: Any) -> None:
            self.name_logs(workflow)
            error(log)

        workflow._onstart, workflow._onerror = onstart, onerror

    def _enter_job(self, workflow: Any) -> None:
        if not patch.targets_own(workflow):
            return
        requeued = os.environ.get("SLURM_RESTART_COUNT", "0") != "0"
        if workflow.remote_exec and requeued:
            # End the batch that SLURM requeued: the run submits the jobs that did not succeed.
            raise SystemExit("crossfc: the node was lost or preempted; the rest is submitted anew")
        # A scan at fault must not stop the other jobs of its batch.
        workflow.execution_settings.keep_going = True

    def begin(self, workflow: Any) -> None:
        """End what killed runs left, claim folders, and save the plan for the jobs.

        Raises
        ------
        Fault
            If a killed run cannot be cleaned up after, or a folder cannot be written to.
        """
        run.begin()
        for sentence in run.end_left_over():
            tell(sentence)
        jobs = own_jobs(workflow)
        if not jobs:
            return
        self._plan.places.claim([path for job in jobs for path in job.output])
        # With SLURM's executor all jobs of a run have the same name; with others each has its own.
        here = workflow.scheduler._executor
        queue, remote = executor.queue_of(here), executor.is_remote(here)
        run.note(jobs=here.run_uuid if remote and not queue else None, queue=queue)
        repeats = self._plan.scans.repeats() if self._plan.trial else {}
        planned.save(run.plan_file(), self._config, self._plan.texts, repeats)
        self._logs = {path: _state(path) for job in jobs for path in job.log}
        if remote:
            _record_ahead(workflow, jobs)

    def name_logs(self, workflow: Any) -> None:
        """Print where the logs of failed jobs are."""
        for job in own_jobs(workflow):
            if workflow.dag.finished(job):
                continue
            for path in job.log:
                # A log that has not changed is from an earlier run, not from a job that failed now.
                if _state(path) != self._logs.get(path) and logs.says_why(path):
                    print(f"crossfc: failed: {job.rule.name}, see {path}", file=sys.stderr)


def own_jobs(workflow: Any) -> list[Any]:
    """List the jobs of crossfc's own rules that are to run."""
    return [job for job in workflow.dag.needrun_jobs() if own.is_own(job.rule)]


def _record_ahead(workflow: Any, jobs: Iterable[Any]) -> None:
    """Record the parameters and inputs of jobs without output before they run.

    Snakemake records them when it sees a job end. If the run is killed and a job still ends on the
    cluster, it would have no record.
    """
    for job in jobs:
        if job.output and not any(os.path.exists(path) for path in job.output):
            workflow.async_run(workflow.persistence.record_ahead(job))


def _state(path: str) -> tuple[int, int] | None:
    if not os.path.exists(path):
        return None
    status = os.stat(path)
    return status.st_size, status.st_mtime_ns
