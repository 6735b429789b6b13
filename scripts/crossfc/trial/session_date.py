"""Periods of sessions by their dates."""

from dataclasses import replace
from datetime import UTC, datetime

from crossfc.fault import Fault
from crossfc.trial.configuration import Configuration
from crossfc.trial.contrast import BEFORE
from crossfc.trial.label import some
from crossfc.trial.mapping import Person, group_of, treatment_of
from crossfc.trial.session_table import Entries, Entry
from crossfc.trial.tree import Tree


def date_periods(
    people: list[Person], column: str, entries: Entries, config: Configuration, tree: Tree
) -> tuple[list[Person], list[str]]:
    """Tell periods by the dates of sessions.

    Sessions in a row are of one period, until the treatment changes or a cell (treatment and
    occasion) comes again. Dates do not tell the periods of who has a session without date or two
    at the same time, nor of who had fewer periods than others: which one is missing is not known.

    Parameters
    ----------
    people : list of Person
        With their sessions.
    column : str
        The column that has the dates, or numbers that grow with time.
    entries : dict
        As of `crossfc.trial.session_table.SessionTables`.
    config : dict
        A checked configuration.
    tree : Tree

    Returns
    -------
    people : list of Person
        With periods where a session had none.
    notes : list of str
        Whose periods the dates do not tell.

    Raises
    ------
    Fault
        If an entry is neither a date nor a number, or some are dates and others numbers.
    """
    dates = _dates(column, entries)
    periods: dict[str, dict[str, int]] = {}
    undated: list[str] = []
    for person in people:
        own = []
        for session, how in person.sessions.items():
            key = (person.identifier, session)
            if key not in tree.sessions and key not in entries:
                continue
            treatment = treatment_of(session, person, config)
            if treatment is not None and treatment != BEFORE:
                own.append((dates.get(key), (treatment, how.get("occasion")), session))
        known = [(date, cell, session) for date, cell, session in own if date is not None]
        # People outside the study may have had more periods, or none.
        if group_of(person, config)[1] is not None or not own:
            continue
        if len({date for date, _, _ in known}) < len(own):
            undated.append(person.identifier)
        else:
            periods[person.identifier] = _periods(known)
    lengths = {name: max(own.values()) for name, own in periods.items()}
    most = max(lengths.values(), default=0)
    fewer = [name for name, length in lengths.items() if length < most]
    notes = []
    if undated:
        notes.append(
            f"no periods from the column {column}, as one of their sessions has no date or the "
            f"same as another: {some(undated)}"
        )
    if fewer:
        notes.append(
            f"no periods from the column {column}, as they had fewer than {most}, and dates do "
            f"not tell which: {some(fewer)}"
        )
    told = []
    for person in people:
        own_periods = {} if person.identifier in fewer else periods.get(person.identifier, {})
        sessions = {
            session: how | {"period": own_periods[session]}
            if session in own_periods and "period" not in how
            else how
            for session, how in person.sessions.items()
        }
        told.append(replace(person, sessions=sessions))
    return told, notes


def _periods(own: list[tuple[float, tuple[str, str | None], str]]) -> dict[str, int]:
    """Return the period of each session, from dates, cells and labels."""
    period = 0
    so_far: set[tuple[str, str | None]] = set()
    periods: dict[str, int] = {}
    for _, cell, session in sorted(own):
        if cell in so_far or cell[0] not in {treatment for treatment, _ in so_far}:
            period, so_far = period + 1, set()
        so_far.add(cell)
        periods[session] = period
    return periods


def _dates(column: str, entries: Entries) -> dict[tuple[str, str], float]:
    """Return the earliest date of each session, as a number that grows with time."""
    dates: dict[tuple[str, str], float] = {}
    numbers: dict[bool, Entry] = {}
    for key, own in entries.items():
        for entry in own.get(column, []):
            date, is_number = _date(entry)
            numbers.setdefault(is_number, entry)
            dates[key] = min(date, dates.get(key, date))
    if len(numbers) > 1:
        raise Fault(
            f"{numbers[True].place}: {numbers[True].text!r} is a number where "
            f"{numbers[False].place} has the date {numbers[False].text!r}; write all of one kind"
        )
    return dates


def _date(entry: Entry) -> tuple[float, bool]:
    try:
        return float(entry.text), True
    except ValueError:
        pass
    try:
        date = datetime.fromisoformat(entry.text)
    except ValueError:
        raise Fault(
            f"{entry.place}: {entry.text!r} is no date; write it as BIDS does, such as "
            "2026-03-01T09:30:00, or n/a"
        ) from None
    # Where only some have a time zone, the others are taken as of UTC.
    return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp(), False
