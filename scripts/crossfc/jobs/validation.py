"""The command ``validate``: what was understood of a study, its faults, and what would run."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from crossfc.fault import Fault, Gathering, causes
from crossfc.jobs.dry_run import DryRun
from crossfc.plan import Plan
from crossfc.plan.overview import overview, paragraph, wrapped

_PREFIX = "crossfc: "


def validate(run: DryRun) -> tuple[list[str], bool]:
    """Describe a study on one screen, with its faults grouped by cause.

    The configuration was read and checked by the workflow itself, in the dry run.

    Parameters
    ----------
    run : DryRun

    Returns
    -------
    lines : list of str
        To print.
    sound : bool
        Whether the study can be run.
    """
    if run.refusal is None:
        head = f"Study {run.plan.config['study']}, entry {run.plan.entry}: it can be run."
        jobs = _stages(_jobs(run.workflow.dag))
        return [head, "", *overview(run.plan), *paragraph("Jobs", jobs)], True
    plan = run.plan or _without_sheets(run)
    faults = _faults(run, plan)
    if faults is None:
        return run.refusal.strip().splitlines(), False
    number = f"{len(faults)} cause{'' if len(faults) == 1 else 's'}"
    listed = [line for fault in faults for line in wrapped(fault, "- ", "  ")]
    if plan is None:
        return [f"It cannot be run ({number}).", "", *listed], False
    head = f"Study {plan.config['study']}, entry {plan.entry}: it cannot be run ({number}, below)."
    jobs = paragraph("Jobs", ["not known before this is corrected:"])
    return [head, "", *overview(plan), *jobs, "", *listed], False


def _without_sheets(run: DryRun) -> Plan | None:
    """Return the plan of a study whose sheets are at fault; None if its configuration is."""
    if run.workflow is None:
        return None
    known = run.workflow.globals
    try:
        files = run.workflow.overwrite_configfiles
        return Plan(dict(known["config"]), known["home"], files, read_sheets=False)
    except Fault:
        return None


def _faults(run: DryRun, plan: Plan | None) -> list[str] | None:
    """List the causes: those of the dry run, and of the checks that it did not come to.

    Returns
    -------
    list of str or None
        None if not the input is at fault but what Snakemake was asked.
    """
    if run.refusal is None or not run.refusal.startswith(_PREFIX):
        return None
    gathering = Gathering()
    gathering.faults += run.refusal.removeprefix(_PREFIX).splitlines()
    if plan is not None:
        gathering.call(plan.checked_trial)
        if plan.trial is not None and not run.targets:
            for check in plan.checks():
                gathering.call(check)
    return causes(gathering.faults)


def _jobs(dag: Any) -> Iterable[tuple[str, bool]]:
    """Give the stage of each job, which is the file of its rule, and whether it would run."""
    for level in dag.toposorted():
        for job in sorted(level, key=lambda job: job.rule.name):
            if job.rule.script:
                yield Path(str(job.rule.snakefile)).stem, dag.needrun(job)


def _stages(jobs: Iterable[tuple[str, bool]]) -> list[str]:
    """Count by stage the jobs that would run and those that are finished."""
    counted: dict[bool, Counter[str]] = {True: Counter(), False: Counter()}
    for stage, runs in jobs:
        counted[runs][stage] += 1
    words = {
        runs: ", ".join(f"{stage} {n}" for stage, n in of.items()) for runs, of in counted.items()
    }
    run, finished = counted[True].total(), counted[False].total()
    if not run:
        return [f"none would run: all {finished} are finished"]
    done = f"{finished} are finished: {words[False]}" if finished else "none is finished yet"
    return [f"{run} would run: {words[True]}", done]
