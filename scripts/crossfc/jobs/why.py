"""Explain why a job runs again: which row, config key, file, function or environment changed.

The record of a job contains its parameters by name, the definitions of its code, and the identities
of its inputs (`crossfc.jobs.persistence`). Comparing them with the current ones shows what changed.
"""

import ast
from base64 import b64decode
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from crossfc.jobs.comparison import leaves, say
from crossfc.trial.sheet import Row, Sheet

# Columns that identify a row, in the order in which they are named.
_IDENTITY = ("participant_id", "session_id", "what", "analysis", "scale", "set", "seed", "target")
# Columns that are derived from other columns, whose changes are reported themselves.
_DERIVED = {"sequence_code", "used", "reason", "sessions"}
# The section of the configuration from which a rule's parameters come, if several have the key.
_SECTIONS = {
    "group_test": ("group",),
    "clinical_correlation": ("clinical",),
    "normalise_subject": ("preprocessing",),
    "preprocess_session": ("preprocessing",),
    "check_scan": ("preprocessing",),
}
_ABSENT = object()
_NAMELESS = (
    "its record is of an earlier version of crossfc, without the names of parameters: what changed "
    "cannot be said"
)
_SHOWN = 12  # number of sentences per job, and of labels per group of jobs, that are listed


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
    recorded : dict or None
        The record of its first output: ``parameters`` (name to text; None in a record of an
        earlier version, which has no names), ``input``, ``environment`` (text of the conda file),
        ``definitions`` (of its code). None if there is no record.
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
    """

    rule: str
    labels: str = ""
    params: dict[str, Any] = field(default_factory=dict)
    inputs: list[str] = field(default_factory=list)
    definitions: dict[str, str] = field(default_factory=dict)
    recorded: dict[str, Any] | None = None
    forced: bool = False
    missing: list[str] = field(default_factory=list)
    incomplete: list[str] = field(default_factory=list)
    updated: list[str] = field(default_factory=list)
    upstream: list[str] = field(default_factory=list)
    unrecorded: list[str] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)
    software: bool = False
    environment: str | None = None


def planned(dag: Any) -> list[Job]:
    """List the jobs that would run, in the order of their dependencies.

    Parameters
    ----------
    dag : snakemake.dag.DAG
        Snakemake's graph of jobs after a dry run.

    Returns
    -------
    list of Job
        Without target rules, which run no script.
    """
    jobs = (job for level in dag.toposorted() for job in level)
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
        record
        and {
            "parameters": record["parameters"],
            "input": record["input"],
            "environment": record["conda_env"] and b64decode(record["conda_env"]).decode(),
            "definitions": record["definitions"],
        },
        forced=reason.forced,
        missing=sorted(reason.missing_output),
        incomplete=sorted(reason.incomplete_output),
        updated=sorted(set(kept.changed_inputs(job)) - made),
        upstream=sorted(reason.updated_input_run),
        unrecorded=kept.unrecorded(job),
        damaged=kept.damaged(job),
        software=any(kept.software_stack_changed(job)),
        environment=job.conda_env and job.conda_env.content.decode(),
    )


def _label(name: str, value: str) -> str:
    prefix = {"participant": "sub-", "session": "ses-"}
    return prefix.get(name, "") + value


class Study:
    """The configuration and sheets of a study, to find the place of a parameter in them.

    Parameters
    ----------
    config : dict
        The configuration with defaults filled in.
    sheets : dict
        Name (participants, sessions, …) to its `Sheet`.
    """

    def __init__(self, config: dict[str, Any], sheets: dict[str, Sheet]):
        self.config = leaves(config)
        self.sheets = sheets
        self.roles = {label: role for role, label in config["treatments"].items()}
        self._participants: dict[str, Row] = {}
        self._sessions: dict[tuple[str, str], Row] = {}
        for row in sheets["participants"].rows if "participants" in sheets else ():
            self._participants[row["participant_id"]] = row
        for row in sheets["sessions"].rows if "sessions" in sheets else ():
            person = row["participant_id"]
            self._sessions[person, row["session_id"]] = row
            if role := self.roles.get(row["treatment"]):
                self._sessions.setdefault((person, role), row)

    def place(self, sheet: str, person: str, session: str | None, column: str | None) -> str:
        """Describe the place of a cell: file, row and column."""
        row = self.row(sheet, person, session)
        if session is not None:
            session = row["session_id"] if row else session
        who = person if session is None else f"{person} {session}"
        where = f"row {row.number} ({who})" if row else who
        return ", ".join(
            part
            for part in (str(self.sheets[sheet].path), where, column and f"column {column}")
            if part
        )

    def row(self, sheet: str, person: str, session: str | None) -> Row | None:
        """Return a row, None if there is none; ``session`` is a session_id, active or control."""
        if sheet == "participants":
            return self._participants.get(person)
        return self._sessions.get((person, session or ""))

    def known(self, person: str, session: str | None = None) -> bool:
        """Test whether a person, or a session, has a row now."""
        if session is None:
            return person in self._participants
        return (person, session) in self._sessions

    def key(self, rule: str, path: tuple[str, ...], value: Any) -> str | None:
        """Return the config key from which a parameter comes; None if there is none."""
        end = "." + ".".join(path)
        found = [key for key in self.config if f".{key}".endswith(end)]
        if len(found) > 1:
            own = [key for key in found if key.split(".")[0] in _SECTIONS.get(rule, ())]
            found = own or [key for key in found if self.config[key] == value] or found
        return " or ".join(found) or None


def explain(job: Job, study: Study) -> list[str]:
    """Explain why a job would run, in sentences.

    Returns
    -------
    list of str
        Empty if the only reason is that an earlier job runs.
    """
    found = ["the command line asks for it"] if job.forced else []
    if job.recorded is None and job.missing:
        return [*found, "it has not been run yet"]
    found += [f"{path} was left half-written by a run that was stopped" for path in job.incomplete]
    found += [f"{path} does not exist" for path in job.missing]
    found += [f"there is no record of what {path} was made of" for path in job.unrecorded]
    found += job.damaged
    found += [f"{path} has another content than when it was read" for path in job.updated]
    if job.recorded is not None:
        if job.recorded["parameters"] is None:
            found.append(_NAMELESS)
        for name, old, new in _changed(job):
            if name == "code":
                found += _code(job.recorded["definitions"], job.definitions)
            else:
                found += _said(job.rule, name, old, new, study)
        found += _inputs(job)
        found += _environment(job)
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


# Parameters ---------------------------------------------------------------------------------------


def _changed(job: Job) -> Iterator[tuple[str, Any, Any]]:
    """List the parameters that differ from the record: name, old and new value."""
    before = job.recorded["parameters"]
    if before is None:
        return
    for name in dict.fromkeys([*job.params, *before]):
        new = job.params.get(name, _ABSENT)
        if name not in before or new is _ABSENT or before[name] != repr(new):
            yield name, _value(before[name]) if name in before else _ABSENT, new


def _value(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def _differences(old: Any, new: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """List the differences between two nested values: path, old and new value of each leaf.

    A step of the path is a key, or a dictionary that identifies a row.
    """
    if isinstance(old, dict) and isinstance(new, dict):
        for key in dict.fromkeys([*old, *new]):
            yield from _differences(old.get(key, _ABSENT), new.get(key, _ABSENT), (*path, key))
    elif _is_table(old) and _is_table(new) and (old or new):
        one, other = _by_identity(old), _by_identity(new)
        for key in dict.fromkeys([*one, *other]):
            names, a = one.get(key, (None, _ABSENT))
            names, b = other.get(key, (names, _ABSENT))
            yield from _differences(a, b, (*path, names))
    elif old != new:
        yield path, old, new


def _is_table(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(row, dict) for row in value)


def _by_identity(rows: list[dict[str, Any]]) -> dict[Any, tuple[dict[str, str], dict[str, Any]]]:
    found: dict[Any, tuple[dict[str, str], dict[str, Any]]] = {}
    for row in rows:
        names = {key: row[key] for key in _IDENTITY if row.get(key)}
        names = names or {key: row[key] for key in ("group",) if key in row}
        key = next(k for n in count() if (k := (*names.values(), n)) not in found)
        found[key] = names, row
    return found


# Words --------------------------------------------------------------------------------------------


def _said(rule: str, name: str, old: Any, new: Any, study: Study) -> list[str]:
    if name == "templates":
        return ["a template or a reference of the page was edited (workflow/report)"]
    if name in ("truth", "counts"):
        return [] if name == "counts" else ["the plan of the twin follows the sheets and seeds"]
    if name == "scans":
        return [f"its scans: {_shown(old)} → {_shown(new)} ({study.sheets['sessions'].path})"]
    if new is _ABSENT:
        return [f"{name} is no longer asked for"]
    if old is _ABSENT:
        key = study.key(rule, (name,), new)
        return [f"config key {key} is now {_shown(new)}" if key else f"{name} is now another"]
    lines = []
    for path, before, now in _differences(old, new):
        line = _sentence(rule, (name, *path), before, now, study)
        if line:
            lines.append(line)
    return lines


def _sentence(rule: str, path: tuple[Any, ...], old: Any, new: Any, study: Study) -> str:
    row = next((step for step in path if isinstance(step, dict)), None)
    last = path[-1]
    if row and "participant_id" in row:
        return _row_sentence(path[0], row, last, old, new, study)
    if row and ("seed" in row or "target" in row) and path[0] != "hypotheses":
        sheet = "targets" if "target" in row else "seeds"
        what = "column " + last if isinstance(last, str) else "the row"
        return f"{study.sheets[sheet].path}, {' '.join(row.values())}, {what}: {_change(old, new)}"
    keys = tuple(step for step in path if isinstance(step, str))
    if keys[-2:-1] == ("covariates",):
        return f"config key covariates, {last}: {_change(old, new)}"
    if last == "carpets":
        return f"it shows {len(new)} sessions, where it showed {len(old)}"
    for start in range(len(keys)):
        key = study.key(rule, keys[start:], new)
        if key:
            return f"config key {key}: {_change(old, new)}"
    if "strategy" in keys:
        return (
            f"the confound strategy of pipeline {keys[keys.index('strategy') - 1]} "
            f"({study.config['strategies']}), {last}: {_change(old, new)}"
        )
    if row and "group" in row:
        return ""  # counts follow from rows
    return f"{'.'.join(keys)}: {_change(old, new)}"


def _row_sentence(
    name: str, row: dict[str, str], column: Any, old: Any, new: Any, study: Study
) -> str:
    person, session = row["participant_id"], row.get("session_id")
    if name == "left" and isinstance(column, dict):
        what = row.get("what")
        reason = (new if new is not _ABSENT else old)["reason"]
        place = study.place("sessions" if what else "participants", person, what, None)
        return f"{place}: {'leaves' if new is not _ABSENT else 'no longer leaves'}: {reason}"
    if isinstance(column, dict):
        if name in ("choices", "study"):
            return ""  # who is analysed follows from the pairs, and which columns from the config
        if study.known(person, session):
            sheet = "sessions" if session else "participants"
            place = study.place(sheet, person, session, None)
            return f"{place}: {'is used now' if old is _ABSENT else 'is no longer used'}"
        sheet = study.sheets["sessions" if session else "participants"].path
        return f"{sheet}: the row of {person}{f' {session}' if session else ''} is gone"
    if column in _DERIVED:
        return ""
    scale, role = _score(row, column)
    if scale:
        own = study.row("sessions", person, role)
        if new is None and own and own.get(scale) is not None:
            # The sheet still has the score, so the session is now left out.
            return f"{study.place('sessions', person, role, None)}: is no longer used"
        place = study.place("sessions", person, role, scale)
    elif session and column not in ("group", "sequence"):
        place = study.place("sessions", person, session, column)
    else:
        place = study.place("participants", person, None, column)
    return f"{place}: {_change(old, new)}"


def _score(row: dict[str, str], column: str) -> tuple[str, str]:
    """Return the scale and the role of the treatment of a column of scores; "" for others."""
    if column.startswith("score_"):
        scale, _, role = column.removeprefix("score_").rpartition("_")
        return scale, role
    if "scale" in row and column in ("active", "control"):
        return row["scale"], column
    return "", ""


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


def _inputs(job: Job) -> Iterator[str]:
    before, now = set(job.recorded["input"] or ()), set(job.inputs)
    changes = [("no longer reads", before - now), ("reads for the first time", now - before)]
    for verb, paths in changes:
        if len(paths) > 2:
            yield f"it {verb} {len(paths)} files, such as {min(paths)}"
        else:
            yield from (f"it {verb} {path}" for path in sorted(paths))


def _environment(job: Job) -> Iterator[str]:
    if not job.software:
        return
    before, now = job.recorded["environment"], job.environment
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


def _change(old: Any, new: Any) -> str:
    if old is _ABSENT or new is _ABSENT:
        return f"{_shown(new)} is new" if old is _ABSENT else f"{_shown(old)} is gone"
    return f"{_shown(old)} → {_shown(new)}"


def _shown(value: Any) -> str:
    if value is _ABSENT:
        return "(not recorded)"
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if value is None:
        return "n/a"
    if isinstance(value, list) and len(value) == 1:
        return _shown(value[0])
    text = say(value)
    return text if len(text) <= 160 else text[:157] + "…"
