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
from snakemake.jobs import GroupJob
from snakemake.scheduling.job_scheduler import JobScheduler

from crossfc import executable, persistence, process, run

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

executor = sys.modules.get("snakemake_executor_plugin_slurm")
if executor and workflow.is_main_process:
    # The executor asks the controller before every look at the jobs how long it remembers them.
    # Without an answer it would turn to sacct, and where there is none, wait for it for ever.
    remembered, ask = [300], executor.get_min_job_age

    def minimum_age():
        remembered[0] = ask() or remembered[0]
        return remembered[0]

    executor.get_min_job_age = minimum_age


def record_ahead():
    """Record parameters and inputs of jobs without output now.

    Snakemake records them when it sees a job end. A job that ends on the cluster after its run was
    killed would have no record, and no later change of a parameter would ever be noticed.
    """
    for job in workflow.dag.needrun_jobs():
        if job.output and not any(os.path.exists(path) for path in job.output):
            workflow.async_run(workflow.persistence.record_ahead(job))


onstart:
    run.begin()
    refused(run.end_left_over)
    refused(
        plan.claim_places,
        [path for job in workflow.dag.needrun_jobs() for path in job.output],
    )
    # The executor of clusters gives all its jobs one name; a local one has none.
    name = getattr(workflow.scheduler._executor, "run_uuid", None)
    run.note(jobs=name)
    planned.save(run.plan_file(), as_given, plan.texts)
    if name:
        record_ahead()


onerror:
    for job in workflow.dag.needrun_jobs():
        if not workflow.dag.finished(job):
            for path in job.log:
                if os.path.exists(path) and os.path.getsize(path):
                    print(
                        f"crossfc: failed: {job.rule.name}, see {path}",
                        file=sys.stderr,
                    )


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
