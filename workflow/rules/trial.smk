"""The trial: config and sheets checked as one, before any job.

Requires   config/*.yaml and the sheets it names
Makes      plan (paths and parameters of every job), <results>/<study>/trial/
Steps      check config -> check sheets -> trial; or `sheets`: data set -> sheets
"""

import sys
from copy import deepcopy

from crossfc.jobs import need, planned
from crossfc.jobs.code import digest
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
    refused(plan.require_own_places)
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


wildcard_constraints:
    participant="[A-Za-z0-9]+",
    session="[A-Za-z0-9]+",
    scan="[A-Za-z0-9_+-]+",
    pipeline="[A-Za-z0-9]+",
    analysis="[A-Za-z0-9_]+",


# Write participants.tsv and sessions.tsv from the BIDS data set. Runs whenever it is asked for.
rule sheets:
    log:
        plan.file("logs", "sheets.log"),
    localrule: True
    conda:
        "../../envs/analysis.yaml"
    params:
        config=plan.for_sheets(),
    script:
        "../../scripts/sheets.py"


# Who is in the trial, and by name and reason who leaves the paired analyses.
rule trial:
    output:
        left=plan.file("trial", "left.tsv"),
        counts=plan.file("trial", "counts.tsv"),
        participants=plan.file("participants.tsv"),
        description=plan.file("dataset_description.json"),
        ignore=plan.file(".bidsignore"),
        readme=plan.file("README"),
    log:
        plan.file("logs", "trial.log"),
    localrule: True
    conda:
        "../../envs/analysis.yaml"
    params:
        left=on_sheets(lambda: plan.trial.left()),
        counts=on_sheets(lambda: plan.trial.counts()),
        people=on_sheets(lambda: plan.participant_rows()),
        study=plan.config["study"],
        code=code("trial"),
    script:
        "../../scripts/trial.py"
