"""The run itself: a run that was killed, or failed half-way, is continued where it stopped.

Requires   nothing
Makes      .snakemake/crossfc_runs: notes of the runs that are active here
Steps      remove the lock of a dead run -> end its jobs -> record the inputs of jobs before they
           run; make batches of equal size; keep the jobs of a failed batch that succeeded

Snakemake 9.27 and its executor for SLURM 2.8 do not do this themselves; tests/slurm fails if a
later version does, or does it differently.
"""

import os
import sys

import snakemake.dag
import snakemake.io
from snakemake.exceptions import WorkflowError
from snakemake.executors.local import Executor as LocalExecutor
from snakemake.jobs import GroupJob
from snakemake.scheduling.job_scheduler import JobScheduler

from snakemake_interface_executor_plugins.executors.base import SubmittedJobInfo
from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor

from crossfc.jobs import cluster, executable, persistence, process, run

# A job ends when the process that started it ends: the run, or on a cluster the batch.
process.starts_jobs()
executable.quoted()
persistence.install(
    {
        "results": plan.study_dir,
        "derivatives": plan.derivatives_dir,
        "bids": plan.config["bids_dir"],
        "home": workflow.basedir,
    }
)

if workflow.is_main_process:
    run.free_lock()
elif workflow.remote_exec and os.environ.get("SLURM_RESTART_COUNT", "0") != "0":
    # SLURM requeued the whole batch. End it: the run itself submits the jobs that did not succeed.
    raise SystemExit(
        "crossfc: the node was lost or preempted; the rest is submitted anew"
    )


def tell(sentence):
    print(f"crossfc: {sentence}", file=sys.stderr, flush=True)


if not workflow.is_main_process:
    # A scan at fault must not stop the other jobs of its batch.
    JobScheduler.keepgoing = property(
        lambda scheduler: True, lambda scheduler, given: None
    )

    # A batch waits for all its inputs. If one stays away, Snakemake would end the whole batch, and
    # without an error; the job that reads it fails by itself.
    wait_for_all = snakemake.io.wait_for_files

    async def wait_and_go_on(files, **options):
        try:
            await wait_for_all(files, **options)
        except OSError as error:
            tell(error)

    snakemake.io.wait_for_files = wait_and_go_on


executor = sys.modules.get("snakemake_executor_plugin_slurm")
if executor and workflow.is_main_process:
    # Before every look at the jobs, the executor asks the controller how long it remembers them.
    # Without an answer it would use sacct, and without sacct wait for ever; keep the last answer.
    remembered, ask = [300], executor.get_min_job_age

    def minimum_age():
        remembered[0] = ask() or remembered[0]
        return remembered[0]

    executor.get_min_job_age = minimum_age
    cluster.mend(executor, tell)


# Print why SLURM refused a job, which Snakemake does not do for a batch; and do not try again,
# because it would be refused again.
print_job_error = RemoteExecutor.print_job_error


def print_refusal(self, job_info, msg=None, **options):
    job = job_info.job
    rules = (
        ", ".join(sorted({each.rule.name for each in job}))
        if job.is_group()
        else job.rule.name
    )
    what = f"a batch of {len(job)} ({rules})" if job.is_group() else rules
    refused_because = cluster.refusal(msg or "", what)
    if refused_because:
        tell(refused_because)
        job.attempt = max(job.attempt, job.restart_times + 1)
    elif msg and job.is_group():
        tell(f"{what}: {msg.strip()}")
    print_job_error(self, job_info, msg, **options)


# In queues other than SLURM's every job has its own identifier. It is noted, so that a later run
# can list the jobs if this run is killed.
report_job_submission = RemoteExecutor.report_job_submission


def note_submission(self, job_info):
    if job_info.external_jobid and queue_of(self) is not None:
        run.note(submitted=str(job_info.external_jobid))
    report_job_submission(self, job_info)


def queue_of(executor):
    """Return the name of an executor that is neither local nor SLURM's, else None."""
    own = (
        type(executor)
        .__module__.removeprefix("snakemake_executor_plugin_")
        .partition(".")[0]
    )
    return own if isinstance(executor, RemoteExecutor) and own != "slurm" else None


if workflow.is_main_process:
    RemoteExecutor.print_job_error = print_refusal
    RemoteExecutor.report_job_submission = note_submission


def record_ahead():
    """Record the parameters and inputs of jobs without output before they run.

    Snakemake records them when it sees a job end. If the run is killed and a job still ends on the
    cluster, it would have no record.
    """
    for job in workflow.dag.needrun_jobs():
        if job.output and not any(os.path.exists(path) for path in job.output):
            workflow.async_run(workflow.persistence.record_ahead(job))


logs_before = {}


def state_of(path):
    if not os.path.exists(path):
        return None
    status = os.stat(path)
    return status.st_size, status.st_mtime_ns


onstart:
    run.begin()
    for sentence in refused(run.end_left_over):
        tell(sentence)
    refused(
        plan.places.claim,
        [path for job in workflow.dag.needrun_jobs() for path in job.output],
    )
    # With SLURM's executor all jobs of a run have the same name; with others each has its own.
    own = workflow.scheduler._executor
    queue, remote = queue_of(own), isinstance(own, RemoteExecutor)
    run.note(jobs=own.run_uuid if remote and not queue else None, queue=queue)
    repeats = plan.scans.repeats() if plan.trial else {}
    planned.save(run.plan_file(), as_given, plan.texts, repeats)
    logs_before.update(
        {
            path: state_of(path)
            for job in workflow.dag.needrun_jobs()
            for path in job.log
        }
    )
    if remote:
        record_ahead()


onerror:
    for job in workflow.dag.needrun_jobs():
        if not workflow.dag.finished(job):
            for path in job.log:
                # A log that has not changed is from an earlier run, not from a job that failed now.
                changed = state_of(path) != logs_before.get(path)
                if changed and os.path.exists(path) and os.path.getsize(path):
                    print(
                        f"crossfc: failed: {job.rule.name}, see {path}",
                        file=sys.stderr,
                    )


# If an input vanished after the run was planned, only the job that reads it fails. Otherwise
# Snakemake would start no more jobs, even with --keep-going.
run_here = LocalExecutor.run_job


def run_or_fail(self, job):
    try:
        run_here(self, job)
    except WorkflowError:
        gone = [str(path) for path in job.input if not os.path.exists(path)]
        if not gone:
            raise
        reason = lost.get(
            gone[0],
            f"{gone[0]} was there when the run was planned, and is gone; restore it",
        )
        tell(f"{job.rule.name}: {reason}")
        self.report_job_error(SubmittedJobInfo(job))


LocalExecutor.run_job = run_or_fail

# Batches -----------------------------------------------------------------------------------------


def equal_batches(most, jobs):
    """Divide jobs, sorted by name, into batches of about equal size, so that none is small."""
    jobs = sorted(
        jobs, key=lambda job: min(path for each in job for path in each.output)
    )
    number = -(-len(jobs) // most)
    cuts = [i * len(jobs) // number for i in range(number + 1)]
    return [jobs[start:end] for start, end in zip(cuts, cuts[1:])]


def ended_well(batch):
    """List the jobs of a submitted batch whose outputs exist and are complete.

    Outputs are marked as incomplete when a batch is submitted; a job removes its marks at its end.
    """
    persistence = workflow.persistence
    persistence._clear_cache()
    marked = persistence._filter_incomplete_keys(
        [p for job in batch for p in job.output]
    )
    ended = [
        job
        for job in batch
        if all(os.path.exists(path) and path not in marked for path in job.output)
    ]
    # Leave out at least one job, because a batch without jobs could never succeed.
    return ended if len(ended) < len(batch) else ended[:-1]


submitted, kept = set(), {}
register_all, postprocess_all = GroupJob.register, GroupJob.postprocess


def wanted(batch):
    """List the jobs of a batch that are to run: all, or those that did not succeed before."""
    return [job for job in batch if job not in kept.get(batch, ())]


def targets(batch):
    return [spec for job in wanted(batch) for spec in job.get_target_spec()]


def register(batch, external_jobid=None):
    submitted.add(batch)
    for job in wanted(batch):
        job.register(external_jobid=external_jobid)


async def postprocess(batch, error=False, **options):
    if not error:
        return await postprocess_all(batch, **options)
    kept[batch] = ended_well(batch) if batch in submitted else []
    for job in batch:
        good = job in kept[batch]
        await job.postprocess(error=not good, check_output_mtime=False, **options)


GroupJob.get_target_spec, GroupJob.register, GroupJob.postprocess = (
    targets,
    register,
    postprocess,
)
# A failed submission is reported with its rule; a batch has none, so the run would wait for ever.
GroupJob.rule = property(lambda batch: next(iter(batch.jobs)).rule)
snakemake.dag.group_into_chunks = equal_batches
