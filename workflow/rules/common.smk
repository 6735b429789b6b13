"""What all rules use: the plan of the study, and faults reported as one sentence.

Requires   config/*.yaml and the sheets it names
Makes      plan (paths and parameters of every job), refused, on_sheets, sound, needs, code,
           reported, reported_folder
"""

import sys
from copy import deepcopy
from functools import partial
from pathlib import Path

from crossfc.jobs import lost, need, planned
from crossfc.jobs.code import content_digest, digest
from crossfc.fault import Fault
from crossfc.outputs import caption_name
from crossfc.plan import Plan
from crossfc.trial.document import load_yaml


def refused(function, *arguments, **options):
    """Call a function; if the input is at fault, exit with that sentence only.

    Snakemake ignores ordinary errors of an input function if the output of the job already exists.
    A sheet that names a missing scan would then go unnoticed, with old results.
    """
    try:
        return function(*arguments, **options)
    except Fault as fault:
        raise SystemExit(f"crossfc: {fault}") from None


def refused_alone(function, *arguments):
    """Call a function that returns the input files of one job.

    If the input became faulty while the job waited in a queue, only this job must fail, not its
    whole batch (see `crossfc.jobs.lost`).
    """
    if workflow.is_main_process:
        return refused(function, *arguments)
    try:
        return function(*arguments)
    except Fault as fault:
        return [lost.stand_in(str(fault))]


if workflow.is_main_process:
    planned.disregard()
elif (before := planned.config()) is not None:
    # In a cluster job: use the configuration of the run, even if the files were edited since.
    config = before
for path in workflow.configfiles if workflow.is_main_process and not is_module else ():
    refused(load_yaml, path)
as_given = deepcopy(dict(config))
# Rules are read before Snakemake knows the targets. The target `sheets` (its own job is called
# `sheets:`) must also run if the existing sheets are broken; all other jobs check them later
# (`on_sheets`).
rule_of_sheets = workflow.modifier.modify_rulename("sheets")
writes_sheets = {rule_of_sheets, f"{rule_of_sheets}:"} & set(sys.argv)
plan = refused(
    Plan,
    config,
    home,
    workflow.overwrite_configfiles,
    read_sheets=not writes_sheets,
)
if workflow.is_main_process:
    refused(plan.places.require_own)
    for limit in plan.limits():
        print(f"crossfc: {limit}", file=sys.stderr)
# The configuration with its defaults, for the record of provenance. It is a copy, because the given
# one may be that of another workflow, which uses this one as a module.
config = deepcopy(dict(config)) | plan.config


pages_only = plan.blinding.is_blind or not plan.config["report"]["participant_ids"]


def on_sheets(function):
    """Return an input function that needs the sheets, which is only called when a job is planned.

    So the target `sheets` also runs if there are no sheets yet.
    """

    def of_wildcards(wildcards):
        refused(plan.checked_trial)
        return refused(function)

    return of_wildcards


def code(script):
    """Return a function for the digest of all code that a script can reach.

    This parameter alone makes jobs run again if code changed. It is a function so that the digest
    is only computed for jobs that are planned: a cluster job reads the modules of its own script.
    """
    return lambda wildcards: digest(f"{home}/scripts/{script}.py")


def needs(job, sizes=lambda wildcards, input: {}):
    """Return the memory and time that a job requests from a cluster, by the size of its data.

    They increase with every attempt. If the data do not exist yet, Snakemake asks again later.
    """

    def asks(reckon):
        return lambda wildcards, input, attempt, threads: reckon(
            job, sizes(wildcards, input), attempt, threads
        )

    return {"mem_mb": asks(need.memory_mb), "runtime": asks(need.minutes)}


def sound(check, function, *labels):
    """Return an input function for the files of one job; it first checks the files of all people.

    The check reads headers, so it is only made when the run is planned, not in every cluster job.
    """

    def of_wildcards(wildcards):
        if workflow.is_main_process:
            refused(check)
        return refused_alone(function, *(wildcards[label] for label in labels))

    return of_wildcards


def derivatives(kind):
    """Return an input function for one kind of derivatives, of all repeat runs of a session."""
    ask = partial(plan.connectivity.inputs, kind=kind)
    return sound(plan.connectivity.require_sound, ask, "participant", "session")


def reported(files, category, **labels):
    """Flag outputs for `snakemake --report`; the caption is what docs/outputs.md says of the file.

    Files are one path, or a list or dict of them. Labels may hold wildcards. As long as a run is blinded,
    or where people must not be named, the report holds pages only: tables tell directions and
    name people.
    """
    if isinstance(files, dict):
        return {
            name: reported(path, category, **labels) for name, path in files.items()
        }
    if isinstance(files, list):
        return [reported(path, category, **labels) for path in files]
    if pages_only and category != "Page":
        return files
    return report(files, **_shown(files, category, labels))


def reported_folder(folder, shown, category, **labels):
    """Flag a folder, of which the report shows one file."""
    if pages_only:
        return directory(folder)
    flags = _shown(f"{folder}/{shown}", category, labels)
    # Snakemake finds nothing by a pattern without a wildcard.
    stem, dot, suffix = shown.rpartition(".")
    pattern = f"{{stem,{stem}}}{dot}{suffix}"
    return report(directory(folder), patterns=[pattern], **flags)


def _shown(path, category, labels):
    from_results = Path(path).relative_to(plan.file("."))
    caption = f"../report/captions/{caption_name(str(from_results))}"
    labels = {"result": from_results.name, **labels}
    return dict(caption=caption, category=category, labels=labels)


wildcard_constraints:
    participant="[A-Za-z0-9]+",
    session="[A-Za-z0-9]+",
    scan="[A-Za-z0-9_+-]+",
    pipeline="[A-Za-z0-9]+",
    analysis="[A-Za-z0-9_]+",
