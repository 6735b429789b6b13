"""Explain why a job runs again: which row, config key, file, function or environment changed.

The record of a job contains its parameters by name, the definitions of its code, and the identities
of its inputs (`crossfc.jobs.persistence`). Comparing them with the current ones shows what changed.
"""

from base64 import b64decode
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypedDict

from crossfc.jobs.failure import failure
from crossfc.jobs.parameter import Study, changed, sentences

_NAMELESS = (
    "its record is of an earlier version of crossfc, without the names of parameters: what changed "
    "cannot be said"
)
_SHOWN = 12  # number of sentences per job, and of labels per group of jobs, that are listed


class Recorded(TypedDict):
    """What the record of a job's first output says that the job was made of.

    ``parameters`` are None in a record of an earlier version, which has no names; otherwise name
    to text. ``environment`` is the text of the conda file, None without conda. ``definitions`` are
    those of the code.
    """

    parameters: dict[str, str] | None
    input: list[str]
    environment: str | None
    definitions: dict[str, str]


@dataclass
class Job:
    """What is known about one job that would run.

    Attributes
    ----------
    rule : str
    labels : str
        Its wildcards, such as ``sub-01 ses-1``; empty if it has none.
    params : dict
        Its current parameters by name (only those that are recorded).
    inputs : list of str
        Its current inputs.
    definitions : dict
        The current definitions of its code (see `crossfc.jobs.code.Code`).
    recorded : Recorded or None
        None if there is no record.
    forced : bool
        Whether the command line asks for it.
    missing, incomplete, updated, upstream : list of str
        Outputs that do not exist; outputs that were written in part; inputs whose content changed;
        inputs that earlier jobs make.
    unrecorded, damaged : list of str
        Outputs without a record; sentences about outputs that were changed.
    software : bool
        Whether Snakemake found that its environment changed.
    environment : str or None
        Current text of its conda file.
    failed : str or None
        Why its last attempt failed, and where its log is; None if it did not.
    """

    rule: str
    labels: str = ""
    params: dict[str, Any] = field(default_factory=dict)
    inputs: list[str] = field(default_factory=list)
    definitions: dict[str, str] = field(default_factory=dict)
    recorded: Recorded | None = None
    forced: bool = False
    missing: list[str] = field(default_factory=list)
    incomplete: list[str] = field(default_factory=list)
    updated: list[str] = field(default_factory=list)
    upstream: list[str] = field(default_factory=list)
    unrecorded: list[str] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)
    software: bool = False
    environment: str | None = None
    failed: str | None = None


def planned(dag: Any) -> list[Job]:
    """List the jobs that would run, in the order of their dependencies, then of the rules.

    Parameters
    ----------
    dag : snakemake.dag.DAG
        Snakemake's graph of jobs after a dry run.

    Returns
    -------
    list of Job
        Without target rules, which run no script.
    """
    # A level is a set, whose order differs from run to run.
    place = {rule.name: number for number, rule in enumerate(dag.workflow.rules)}
    levels = (sorted(level, key=lambda job: place[job.rule.name]) for level in dag.toposorted())
    jobs = (job for level in levels for job in level)
    return [_job(job, dag) for job in jobs if dag.needrun(job) and job.rule.script]


def _job(job: Any, dag: Any) -> Job:
    reason, kept = dag.reason(job), dag.workflow.persistence
    record = kept.recorded(job)
    # Inputs that an earlier job makes will be made again, so changes in them are no reason.
    made = {str(path) for path in reason.updated_input_run}
    return Job(
        job.rule.name,
        " ".join(_label(*pair) for pair in job.wildcards_dict.items()),
        {name: job.params.get(name) for name in kept.parameters(job)},
        [str(path) for path in job.input],
        kept.definitions(job),
        None if record is None else _recorded(record),
        forced=reason.forced,
        missing=sorted(reason.missing_output),
        incomplete=sorted(reason.incomplete_output),
        updated=sorted(set(kept.changed_inputs(job)) - made),
        upstream=sorted(reason.updated_input_run),
        unrecorded=kept.unrecorded(job),
        damaged=kept.damaged(job),
        software=any(kept.software_stack_changed(job)),
        environment=job.conda_env and job.conda_env.content.decode(),
        failed=next((f"{why} (see {log})" for log in job.log if (why := failure(log))), None),
    )


def _recorded(record: dict[str, Any]) -> Recorded:
    return {
        "parameters": record["parameters"],
        "input": record["input"],
        "environment": record["conda_env"] and b64decode(record["conda_env"]).decode(),
        "definitions": record["definitions"],
    }


def _label(name: str, value: str) -> str:
    prefix = {"participant": "sub-", "session": "ses-"}
    return prefix.get(name, "") + value


def explain(job: Job, study: Study) -> list[str]:
    """Explain why a job would run, in sentences.

    Returns
    -------
    list of str
        Empty if the only reason is that an earlier job runs.
    """
    found = ["the command line asks for it"] if job.forced else []
    found += [f"its last attempt failed: {job.failed}"] if job.failed else []
    if job.recorded is None and job.missing:
        return found if job.failed else [*found, "it has not been run yet"]
    found += [f"{path} was left half-written by a run that was stopped" for path in job.incomplete]
    found += [f"{path} does not exist" for path in job.missing]
    found += [f"there is no record of what {path} was made of" for path in job.unrecorded]
    found += job.damaged
    found += [f"{path} has another content than when it was read" for path in job.updated]
    if job.recorded is not None:
        named = job.recorded["parameters"]
        if named is None:
            found.append(_NAMELESS)
        for name, old, new in changed(named, job.params) if named is not None else ():
            if name == "code":
                found += _code(job.recorded["definitions"], job.definitions)
            else:
                found += sentences(job.rule, name, old, new, study)
        found += _inputs(job.recorded["input"], job.inputs)
        if job.software:
            found += _environment(job.recorded["environment"], job.environment)
    return list(dict.fromkeys(found))


def listing(jobs: Iterable[Job], study: Study) -> list[str]:
    """Describe why all jobs would run; jobs with the same reasons are listed together."""
    alike: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    following: dict[str, int] = {}
    for job in jobs:
        reasons = tuple(explain(job, study))
        if reasons:
            alike.setdefault((job.rule, reasons), []).append(job.labels)
        else:
            following[job.rule] = following.get(job.rule, 0) + 1
    if not alike and not following:
        return ["Nothing would run: no row, key, file, module or environment has changed."]
    lines = []
    for (rule, reasons), labels in alike.items():
        number = f", {len(labels)} jobs" if len(labels) > 1 else ""
        named = sorted(label for label in labels if label)
        more = f" and {len(named) - _SHOWN} more" if len(named) > _SHOWN else ""
        which = f": {', '.join(named[:_SHOWN])}{more}" if named else ""
        lines += [f"{rule}{number}{which}"]
        lines += [f"  {reason}" for reason in reasons[:_SHOWN]]
        if len(reasons) > _SHOWN:
            lines.append(f"  and {len(reasons) - _SHOWN} more changes")
    if following:
        after = ", ".join(f"{rule} ({n})" if n > 1 else rule for rule, n in following.items())
        lines.append(f"then, because what they read is made again: {after}")
    return lines


def _code(old: dict[str, str], new: dict[str, str]) -> Iterator[str]:
    """Describe which functions, classes and constants changed; those that only moved did not."""
    moved = {old[n] for n in old.keys() - new} & {new[n] for n in new.keys() - old}
    found = []
    for name in dict.fromkeys([*new, *old]) if old and new else ():
        if name not in new:
            found += [] if old[name] in moved else [f"the code no longer uses {name}"]
        elif name not in old:
            found += [] if new[name] in moved else [f"the code uses {name}, which it did not"]
        elif old[name] != new[name]:
            found.append(f"{name} was edited")
    # Edited definitions come first, because other changes follow from them.
    found.sort(key=lambda sentence: not sentence.endswith("edited"))
    yield from found or ["its code was edited"]


def _inputs(recorded: list[str], current: list[str]) -> Iterator[str]:
    before, now = set(recorded), set(current)
    changes = [("no longer reads", before - now), ("reads for the first time", now - before)]
    for verb, paths in changes:
        if len(paths) > 2:
            yield f"it {verb} {len(paths)} files, such as {min(paths)}"
        else:
            yield from (f"it {verb} {path}" for path in sorted(paths))


def _environment(before: str | None, now: str | None) -> Iterator[str]:
    if before is None or now is None:
        yield "its software is from conda now" if now else "its software is no longer from conda"
        return
    one, other = (_pins(text) for text in (before, now))
    for package in sorted(one.keys() | other.keys()):
        if one.get(package) != other.get(package):
            yield (
                f"environment: {package} {one.get(package, 'not there')} → "
                f"{other.get(package, 'not there')}"
            )
    if one == other:
        yield "its environment's explicit pins changed"


def _pins(text: str) -> dict[str, str]:
    lines = (line.strip().removeprefix("- ") for line in text.splitlines())
    return {
        n.strip(): v.strip() for n, found, v in (line.partition("=") for line in lines) if found
    }
