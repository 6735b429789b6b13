"""Say which parameters of a job have changed: which row, column or config key they come from."""

import ast
from collections.abc import Iterator, Mapping
from itertools import count
from typing import Any

from crossfc.jobs.comparison import leaves, say
from crossfc.trial.sheet import Row, Sheet

# Columns that identify a row, in the order in which they are named.
_IDENTITY = (
    *("participant_id", "session_id", "rater", "what", "analysis"),
    *("scale", "set", "seed", "target"),
)
# Columns that are derived from other columns, whose changes are reported themselves.
_DERIVED = {
    *("sequence_code", "used", "reason", "sessions", "weights"),
    *("baseline_sessions", "baseline_weights"),
}
# The section of the configuration from which a rule's parameters come, if several have the key.
_SECTIONS = {
    "group_test": ("group",),
    "sensitivity": ("group",),
    "clinical_correlation": ("clinical",),
    "hypotheses": ("clinical", "hypotheses", "robustness", "group"),
    "robustness": ("robustness", "group"),
    "normalise_subject": ("preprocessing",),
    "preprocess_session": ("preprocessing",),
    "check_scan": ("preprocessing",),
}
_ABSENT = object()


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
        named = config["treatments"]
        # Where treatments are a list, a session is found by its own label only.
        self.roles = (
            {label: role for role, label in named.items()} if isinstance(named, dict) else {}
        )
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


def changed(
    recorded: Mapping[str, str], current: Mapping[str, Any]
) -> Iterator[tuple[str, Any, Any]]:
    """List the parameters that differ from the record, by name.

    Parameters
    ----------
    recorded : dict
        Name to text (`repr`) of the value, as in the record of a job.
    current : dict
        Name to value.

    Yields
    ------
    name, old, new
        For `sentences`.
    """
    for name in dict.fromkeys([*current, *recorded]):
        new = current.get(name, _ABSENT)
        if name not in recorded or new is _ABSENT or recorded[name] != repr(new):
            yield name, _value(recorded[name]) if name in recorded else _ABSENT, new


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


def sentences(rule: str, name: str, old: Any, new: Any, study: Study) -> list[str]:
    """Describe the change of one parameter of a rule's job by where it comes from.

    Returns
    -------
    list of str
        Empty if the change follows from others that are described themselves.
    """
    if name == "templates":
        return ["a template or a reference of the page was edited (workflow/report)"]
    if name in ("truth", "changes", "counts"):
        followed = "the plan of the twin follows the sheets, the seeds and the config key twin"
        return [followed] if name == "truth" else []
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
    if last in ("carpets", "volumes"):
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
    if name == "ratings":
        return _rating_sentence(row, column, old, new, study)
    if name == "left" and isinstance(column, dict):
        what = row.get("what")
        reason = (new if new is not _ABSENT else old)["reason"]
        place = study.place("sessions" if what else "participants", person, what, None)
        return f"{place}: {'leaves' if new is not _ABSENT else 'no longer leaves'}: {reason}"
    if session is None and "scale" in row and _over_sessions(column, old, new):
        return ""  # the sessions' own scores, which the same job has, tell it
    if isinstance(column, dict):
        if name in ("choices", "study"):
            return ""  # who is analysed follows from the pairs, and which columns from the config
        if study.known(person, session):
            sheet = "sessions" if session else "participants"
            place = study.place(sheet, person, session, None)
            return f"{place}: {'is used now' if old is _ABSENT else 'is no longer used'}"
        path = study.sheets["sessions" if session else "participants"].path
        return f"{path}: the row of {person}{f' {session}' if session else ''} is gone"
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


def _rating_sentence(row: dict[str, str], column: Any, old: Any, new: Any, study: Study) -> str:
    ratings = study.sheets.get("ratings")
    place = "config key exclusion.ratings" if ratings is None else str(ratings.path)
    whose = f"{place}, {row['participant_id']} {row['session_id']}, rater {row.get('rater', 'n/a')}"
    if not isinstance(column, dict):
        return f"{whose}, column {column}: {_change(old, new)}"
    return f"{whose}: {_change(*(own if own is _ABSENT else own['rating'] for own in (old, new)))}"


def _over_sessions(column: Any, old: Any, new: Any) -> bool:
    """Test whether a change is of a score over sessions: of a period, a baseline, a response."""
    if isinstance(column, dict):  # the whole row
        return "score" in (old if new is _ABSENT else new)
    return column in ("score", "baseline", "side")


def _score(row: dict[str, str], column: str) -> tuple[str, str]:
    """Return the scale and the session (or its role) of a column of scores; "" for others."""
    if column.startswith("score_"):
        scale, _, role = column.removeprefix("score_").rpartition("_")
        return scale, role
    if "scale" in row and column in ("active", "control"):
        return row["scale"], column
    if "scale" in row and column == "score":
        return row["scale"], row["session_id"]
    return "", ""


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
