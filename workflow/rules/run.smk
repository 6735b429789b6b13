"""The run itself: what was killed, or failed half-way, is taken up where it stopped.

Requires   nothing
Makes      .snakemake/crossfc_runs: who is at work here
Steps      free a dead run's lock -> end its jobs -> note beforehand what jobs are made from;
           batches of equal size; of a batch that failed, what had ended well is kept

Snakemake 9.27 and its executor of SLURM 2.8 do none of this by themselves; tests/slurm notices
when a later version does, or does it differently.
"""

import os
import sys

import snakemake.dag
from snakemake.exceptions import WorkflowError
from snakemake.executors.local import Executor as LocalExecutor
from snakemake.jobs import GroupJob
from snakemake.scheduling.job_scheduler import JobScheduler

from snakemake_interface_executor_plugins.executors.base import SubmittedJobInfo
from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor

from crossfc.jobs import cluster, executable, persistence, process, run

# A job ends with the process that started it: the run, or on a cluster the batch.
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
    # SLURM queued it again and starts all of it again; the run submits what had not ended well.
    raise SystemExit(
        "crossfc: the node was lost or preempted; the rest is submitted anew"
    )

if not workflow.is_main_process:
    # One bad scan must not stop the others of its batch.
    JobScheduler.keepgoing = property(
        lambda scheduler: True, lambda scheduler, given: None
    )


def tell(sentence):
    print(f"crossfc: {sentence}", file=sys.stderr, flush=True)


executor = sys.modules.get("snakemake_executor_plugin_slurm")
if executor and workflow.is_main_process:
    # The executor asks the controller before every look at the jobs how long it remembers them.
    # Without an answer it would turn to sacct, and where there is none, wait for it for ever.
    remembered, ask = [300], executor.get_min_job_age

    def minimum_age():
        remembered[0] = ask() or remembered[0]
        return remembered[0]

    executor.get_min_job_age = minimum_age
    cluster.mend(executor, tell)


# What a job was refused for: of a batch Snakemake does not say it, and it would be refused again.
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


# Other queues than SLURM's name each job; a later run tells them where this one is killed.
report_job_submission = RemoteExecutor.report_job_submission


def note_submission(self, job_info):
    if job_info.external_jobid and queue_of(self) is not None:
        run.note(submitted=str(job_info.external_jobid))
    report_job_submission(self, job_info)


def queue_of(executor):
    """Name the queue of an executor that is neither local nor SLURM's."""
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
    """Record parameters and inputs of jobs without output now.

    Snakemake records them when it sees a job end. A job that ends on the cluster after its run was
    killed would have no record, and no later change of a parameter would ever be noticed.
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
        plan.claim_places,
        [path for job in workflow.dag.needrun_jobs() for path in job.output],
    )
    # SLURM's executor gives all its jobs one name; others have theirs, and a local one has none.
    own = workflow.scheduler._executor
    queue, remote = queue_of(own), isinstance(own, RemoteExecutor)
    run.note(jobs=own.run_uuid if remote and not queue else None, queue=queue)
    planned.save(run.plan_file(), as_given, plan.texts)
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
                # A log of an earlier run is of no job that failed now.
                changed = state_of(path) != logs_before.get(path)
                if changed and os.path.exists(path) and os.path.getsize(path):
                    print(
                        f"crossfc: failed: {job.rule.name}, see {path}",
                        file=sys.stderr,
                    )


# What vanished since the run was planned fails the job that reads it, not the run: Snakemake would
# start nothing more, whatever --keep-going says.
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
    """Cut into batches of equal size in the order of names, so that no last one is alone."""
    jobs = sorted(
        jobs, key=lambda job: min(path for each in job for path in each.output)
    )
    number = -(-len(jobs) // most)
    cuts = [i * len(jobs) // number for i in range(number + 1)]
    return [jobs[start:end] for start, end in zip(cuts, cuts[1:])]


def ended_well(batch):
    """List the jobs of a submitted batch whose outputs are all there and whole.

    Outputs are marked when a batch is submitted; the job itself takes its marks away at its end.
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
    # At least one must run, or the batch could never end well itself.
    return ended if len(ended) < len(batch) else ended[:-1]


submitted, kept = set(), {}
register_all, postprocess_all = GroupJob.register, GroupJob.postprocess


def wanted(batch):
    """List the jobs of a batch that a submission runs: all, or what an earlier one left."""
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
# A failed submission is reported with its rule; a batch has none, and the run would wait for ever.
GroupJob.rule = property(lambda batch: next(iter(batch.jobs)).rule)
snakemake.dag.group_into_chunks = equal_batches
