"""The design of a trial, as far as labels and tables of its data set tell it."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from crossfc.proposal.table import Column, Table
from crossfc.proposal.word import is_column_of, is_control, is_healthy, may_be_before, stem, time_of
from crossfc.trial.label import natural
from crossfc.trial.open_entry import OPEN
from crossfc.trial.session_table import BIDS_TABLES

# The largest number of groups that a study may have, and of values that still look like labels.
_MOST_GROUPS, _MOST_VALUES = 6, 8


@dataclass(frozen=True)
class Groups:
    """The groups: their labels (healthy people last), and the column whose values they are."""

    labels: list[str]
    column: Column | None = None
    values: dict[str, str] = field(default_factory=dict)


@dataclass
class Design:
    """What is told of treatments and sessions.

    Attributes
    ----------
    treatments : list of str
        The labels that there are; the reference first if ``reference`` is True.
    reference : bool
        Whether one is a control by its name.
    occasions : list of str
        The labels of occasions; ``[OPEN]`` if there are some that nothing tells.
    in_order : bool
        Whether their labels tell the order of time.
    sessions : dict
        What each session is, as in the config key ``dataset.sessions``.
    source : dict
        The config key ``dataset.session_source``; empty if it is not needed.
    sequence : dict
        The config key ``dataset.sequence``.
    told_by : str
        What tells the treatments, in words.
    """

    treatments: list[str] = field(default_factory=list)
    reference: bool = False
    occasions: list[str] = field(default_factory=list)
    in_order: bool = True
    sessions: dict[str, dict[str, object]] = field(default_factory=dict)
    source: dict[str, object] = field(default_factory=dict)
    sequence: dict[str, object] = field(default_factory=dict)
    told_by: str = ""

    def name_treatments(self, labels: Sequence[str], told_by: str) -> None:
        """Keep the labels of treatments, a control first."""
        controls = [label for label in labels if is_control(label)]
        self.reference = len(controls) == 1
        self.treatments = [*controls, *(label for label in labels if label not in controls)]
        self.told_by = told_by

    def name_occasions(self, labels: Iterable[str]) -> None:
        """Keep the labels of occasions, in the order of time if they tell it.

        Numbered labels of one kind do (day2, day10), also after a baseline; others do not.
        """
        self.occasions = sorted(set(labels), key=lambda own: (time_of(own) != 0, natural(own)))
        times = [time_of(label) for label in self.occasions]
        numbered = [stem(own) for own, time in zip(self.occasions, times, strict=True) if time != 0]
        alike = len({word for word, _ in numbered}) == 1 and all(own for _, own in numbered)
        self.in_order = times.count(0) < 2 and (alike or times == [0, 1])


def find_groups(people: Table | None) -> Groups:
    """Find the groups in the table of persons; one group of everybody where nothing tells any."""
    for name, column in ({} if people is None else people.columns).items():
        labels = {value: _label(value) for value in column.values}
        fits = is_column_of(name, "group") and not is_column_of(name, "treatment")
        few = 1 <= len(labels) <= _MOST_GROUPS and len(set(labels.values())) == len(labels)
        if fits and few and all(labels.values()):
            # Patients first, of several groups the larger ones.
            ordered = sorted(labels, key=lambda own: (_healthy(column, own), -column.values[own]))
            values = {value: labels[value] for value in ordered}
            return Groups(list(values.values()), column, values)
    return Groups(["everybody"])


def _label(value: str) -> str:
    """Make a value a label that file names can have: letters, digits and underscores."""
    return re.sub("[^A-Za-z0-9]+", "_", value).strip("_")


def _healthy(column: Column, value: str) -> bool:
    return is_healthy(value) or is_healthy(column.meaning(value))


def find_design(sessions: Sequence[str], people: Table | None, tables: Sequence[Table]) -> Design:
    """Find which session was which treatment, and in which order.

    Parameters
    ----------
    sessions : sequence of str
        Such as ``ses-1``, in the order of their labels.
    people : Table, optional
        The table of persons.
    tables : sequence of Table
        Those of sessions, scans and scores.

    Returns
    -------
    Design
        With `OPEN` where it is not told.
    """
    design = Design()
    if not _of_tables(design, tables):
        _of_labels(design, sessions)
    _of_orders(design, people)
    if design.source or design.sessions:
        return design
    if _are_periods(sessions, design):
        design.sessions = {session: {"period": n} for n, session in enumerate(sessions, 1)}
    elif (arm := _arm(people)) is not None and not design.sequence:
        _of_arms(design, arm, sessions)
    else:
        design.sessions = {session: {"treatment": OPEN} for session in sessions}
    return design


# Columns of sessions ------------------------------------------------------------------------------


def _of_tables(design: Design, tables: Sequence[Table]) -> bool:
    """Take treatments from a column of a table of sessions; return whether there is one."""
    found = [
        (table, column)
        for table in tables
        for name, column in table.columns.items()
        if _tells_treatments(name, column)
    ]
    if not found:
        return False
    table, column = found[0]
    words = {
        value: OPEN if may_be_before(value) else _word(column, value) for value in column.values
    }
    labels = [label for label in dict.fromkeys(words.values()) if label != OPEN]
    design.name_treatments(labels, f"column {column.name} of {table.pattern}")
    columns = {"treatment": column.name}
    source: dict[str, object] = {"columns": columns}
    if any(value != label for value, label in words.items()):
        source["treatments"] = words
    if table.pattern not in BIDS_TABLES:
        source["tables"] = [table.pattern]
    others = [own for own in table.columns.values() if own is not column]
    if _has_several(column):
        occasion = _column_of(others, "occasion")
        if occasion is None:
            design.occasions, design.in_order, columns["occasion"] = [OPEN], False, OPEN
        else:
            columns["occasion"] = occasion.name
            visits = {value: re.sub("[^A-Za-z0-9]", "", value) for value in occasion.values}
            design.name_occasions(visits.values())
            if any(value != label for value, label in visits.items()):
                source["occasions"] = visits
    period = _column_of(others, "period")
    if period is not None and all(re.fullmatch("[1-9]", value) for value in period.values):
        columns["period"] = period.name
    elif (date := next((own for own in others if own.is_date), None)) is not None:
        source["order"] = date.name
    design.source = source
    return True


def _tells_treatments(name: str, column: Column) -> bool:
    """Test whether a column holds treatments, by its name or because one of them is a control."""
    if not 2 <= len(column.values) <= _MOST_VALUES:
        return False
    controlled = any(is_control(_word(column, value)) for value in column.values)
    perhaps = is_column_of(name, "perhaps treatment") and controlled
    return is_column_of(name, "treatment") or perhaps


def _column_of(columns: Sequence[Column], kind: str) -> Column | None:
    fitting = (own for own in columns if is_column_of(own.name, kind))
    return next((own for own in fitting if 1 <= len(own.values) <= _MOST_VALUES), None)


def _has_several(treatment: Column) -> bool:
    """Test whether somebody had several sessions of one treatment."""
    seen = [(key[0], value) for key, value in treatment.entries.items()]
    return len(set(seen)) < len(seen)


def _word(column: Column, value: str) -> str:
    """Return a treatment by what a code of it means, if that is one word."""
    meaning = column.meaning(value).strip()
    return meaning if re.fullmatch("[A-Za-z][A-Za-z0-9]*", meaning) else value


# Labels of sessions -------------------------------------------------------------------------------


def _of_labels(design: Design, sessions: Sequence[str]) -> None:
    """Take treatments from labels such as ses-placebo and ses-ketamine2, if one is a control.

    What else there is, such as ses-baseline, stays open.
    """
    parts = {session: stem(session.removeprefix("ses-")) for session in sessions}
    numbers: dict[str, list[str]] = {}
    for word, number in parts.values():
        numbers.setdefault(word, []).append(number)
    controls = [word for word in numbers if is_control(word)]
    if len(controls) != 1:
        return
    several = len(numbers[controls[0]]) > 1
    treatments = [word for word, own in numbers.items() if own == numbers[controls[0]]]
    # Of ses-placebo, ses-drug and ses-baseline only people know which is no treatment.
    if len(treatments) < 2 or (len(numbers) > 2 and not several):
        return
    design.name_treatments(treatments, "the labels of sessions")
    if several:
        design.name_occasions(numbers[controls[0]])
    for session, (word, number) in parts.items():
        known = word in treatments
        own: dict[str, object] = {"treatment": word if known else OPEN}
        design.sessions[session] = own | (
            {"occasion": number if known else OPEN} if several else {}
        )


# Columns of persons -------------------------------------------------------------------------------


def _of_orders(design: Design, people: Table | None) -> None:
    """Take the order of treatments from the table of persons."""
    columns = {} if people is None else people.columns
    if (numbered := _numbered(columns)) is not None:
        words = {value: _word(own, value) for own in numbered for value in own.values}
        known = _meant(design, words)
        design.sequence["columns"] = [own.name for own in numbered]
        if any(value != label for value, label in known.items()):
            design.sequence["values"] = known
        _named_by(design, known, " and ".join(own.name for own in numbered))
        return
    for name, column in columns.items():
        if not is_column_of(name, "order") or not 2 <= len(column.values) <= 3 * _MOST_VALUES:
            continue
        orders = {value: _split(column.meaning(value)) for value in column.values}
        labels = sorted({label for order in orders.values() for label in order}, key=natural)
        known = _meant(design, {label: label for label in labels})
        told = {
            value: "-".join(known[label] for label in order) if order else OPEN
            for value, order in orders.items()
        }
        told = {value: OPEN if OPEN in order else order for value, order in told.items()}
        design.sequence["column"] = name
        if any(value != order for value, order in told.items()):
            design.sequence["values"] = told
        if OPEN not in told.values():
            _named_by(design, known, name)
        return


def _numbered(columns: Mapping[str, Column]) -> list[Column] | None:
    """Find columns such as infusion_1 and infusion_2 that hold the same few treatments."""
    by_stem: dict[str, dict[int, Column]] = {}
    for name, column in columns.items():
        word, number = stem(name)
        if number and 1 <= len(column.values) <= _MOST_VALUES:
            by_stem.setdefault(word, {})[int(number)] = column
    for word, own in by_stem.items():
        found = [own[number] for number in sorted(own)]
        values = {_word(column, value) for column in found for value in column.values}
        if sorted(own) != list(range(1, len(own) + 1)) or not 2 <= len(own) <= 9:
            continue
        if len(values) >= 2 and (is_column_of(word, "treatment") or any(map(is_control, values))):
            return found
    return None


def _split(order: str) -> list[str]:
    """Split an order such as ketamine-placebo or AB into treatments; empty if it is a code."""
    parts = [part for part in re.split(r"\s*(?:->|→|[-/>,;+|]|\bthen\b)\s*|\s+", order) if part]
    if len(parts) == 1 and re.fullmatch("[A-D]{2,4}|[a-d]{2,4}", order):
        parts = list(order)
    return parts if len(parts) > 1 else []


def _meant(design: Design, labels: Mapping[str, str]) -> dict[str, str]:
    """Return values by the treatments they mean, where treatments are known from elsewhere."""
    if not design.treatments:
        return dict(labels)
    known = {label.casefold(): label for label in design.treatments}
    return {value: known.get(label.casefold(), OPEN) for value, label in labels.items()}


def _named_by(design: Design, known: Mapping[str, str], columns: str) -> None:
    if not design.treatments:
        labels = list(dict.fromkeys(known.values()))
        design.name_treatments(labels, f"{columns} of participants.tsv")


def _are_periods(sessions: Sequence[str], design: Design) -> bool:
    """Test whether sessions are numbered as the periods of a known order are."""
    numbers = [session.removeprefix("ses-") for session in sessions]
    one_each = len(sessions) == len(design.treatments) > 1
    in_order = [int(n) for n in numbers if n.isdecimal()] == list(range(1, len(numbers) + 1))
    return bool(design.sequence) and one_each and in_order


def _arm(people: Table | None) -> Column | None:
    """Find the column of the table of persons that tells everybody's one treatment."""
    for name, column in ({} if people is None else people.columns).items():
        if _tells_treatments(name, column):
            return column
    return None


def _of_arms(design: Design, arm: Column, sessions: Sequence[str]) -> None:
    """Take the treatments of parallel arms, whose sessions are occasions."""
    labels = [session.removeprefix("ses-") for session in sessions]
    design.name_treatments(list(arm.values), f"{arm.name} of participants.tsv")
    if len(labels) > 1:
        design.name_occasions(labels)
    for session, label in zip(sessions, labels, strict=True):
        occasion = {"occasion": label} if len(labels) > 1 else {}
        design.sessions[session] = {"column": arm.name, **occasion}
