"""What all rules ask: the plan of the study, and faults told as one sentence.

Requires   config/*.yaml and the sheets it names
Makes      plan (paths and parameters of every job), refused, on_sheets, sound, needs, code
"""

import sys
from functools import partial
from copy import deepcopy

from crossfc.jobs import need, planned
from crossfc.jobs.code import content_digest, digest
from crossfc.fault import Fault
from crossfc.plan import Plan
from crossfc.trial.document import load_yaml


def refused(function, *arguments, **options):
    """Call; end with the sentence alone where the input is at fault.

    An ordinary error from an input function is put aside where the job's output exists already:
    a sheet that names a scan that is not there would then pass, with yesterday's results.
    """
    try:
        return function(*arguments, **options)
    except Fault as fault:
        raise SystemExit(f"crossfc: {fault}") from None


# Name given to an input that cannot be told any more, to the reason.
lost = {}


def refused_alone(function, *arguments):
    """Call for the input files of one job.

    What became at fault while a job waited in a queue fails that job, not its whole batch: its input
    is then a file that does not exist (`run_or_fail` in run.smk tells the reason).
    """
    if workflow.is_main_process:
        return refused(function, *arguments)
    try:
        return function(*arguments)
    except Fault as fault:
        name = f"input_at_fault_{len(lost) + 1}"
        lost[name] = str(fault)
        return [name]


if workflow.is_main_process:
    planned.disregard()
elif (before := planned.config()) is not None:
    # A job of a cluster: the run was planned from this, whatever the files say now.
    config.clear()
    config.update(before)
for path in workflow.configfiles if workflow.is_main_process else ():
    refused(load_yaml, path)
as_given = deepcopy(dict(config))
# Rules are read before the targets are known to Snakemake. `sheets` (its own job: `sheets:`) must
# run where the sheets that lie there are broken; any other job asks for them again (`on_sheets`).
writes_sheets = {"sheets", "sheets:"} & set(sys.argv)
plan = refused(
    Plan,
    config,
    workflow.basedir,
    workflow.overwrite_configfiles,
    read_sheets=not writes_sheets,
)
if workflow.is_main_process:
    refused(plan.places.require_own)
# With its defaults, for the record of provenance.
config.update(plan.config)


def on_sheets(function):
    """Ask only when a job is planned, so that `sheets` runs before there are any."""

    def of_wildcards(wildcards):
        refused(plan.checked_trial)
        return refused(function)

    return of_wildcards


def code(script):
    """Give the digest of all that a script can reach: the only thing that says code changed.

    Asked for by the jobs that are planned: a job of a cluster reads its own script's modules only.
    """
    return lambda wildcards: digest(f"{workflow.basedir}/scripts/{script}.py")


def needs(job, sizes=lambda wildcards, input: {}):
    """Give the memory and time that a job asks a cluster for, by the size of its data.

    More on every attempt. Where the data are not there yet, Snakemake asks again when they are.
    """

    def asks(reckon):
        return lambda wildcards, input, attempt, threads: reckon(
            job, sizes(wildcards, input), attempt, threads
        )

    return {"mem_mb": asks(need.memory_mb), "runtime": asks(need.minutes)}


def sound(check, function, *labels):
    """Ask for the files of one job; first refuse those at fault, of all people, before any job.

    Headers are looked at once, not again in every job of a cluster. What `check` is given are the
    labels that it asks for itself.
    """
    check, asked = check if isinstance(check, tuple) else (check, ())

    def of_wildcards(wildcards):
        if workflow.is_main_process:
            refused(check, *(wildcards[label] for label in asked))
        return refused_alone(function, *(wildcards[label] for label in labels))

    return of_wildcards


def derivatives(kind):
    """Ask for one kind of derivatives over the repeat runs of a session."""
    ask = partial(plan.connectivity.inputs, kind=kind)
    return sound(plan.connectivity.require_sound, ask, "participant", "session")


wildcard_constraints:
    participant="[A-Za-z0-9]+",
    session="[A-Za-z0-9]+",
    scan="[A-Za-z0-9_+-]+",
    pipeline="[A-Za-z0-9]+",
    analysis="[A-Za-z0-9_]+",
