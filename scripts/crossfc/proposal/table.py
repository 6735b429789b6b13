"""The tables of a data set: their columns, with the values that these hold and what they mean."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from crossfc.fault import Fault
from crossfc.trial.document import load_yaml
from crossfc.trial.label import Labels
from crossfc.trial.scale import number
from crossfc.trial.session_table import BIDS_TABLES
from crossfc.trial.sheet import read_sheet
from crossfc.trial.table_match import TableMatch

_PHENOTYPE = "phenotype/*.tsv"
_IDENTIFIERS = ("participant_id", "session_id", "filename")
_DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d")


@dataclass
class Column:
    """A column of a table.

    Attributes
    ----------
    name : str
    entries : dict
        Its entries that are not missing, by person, or by person and session.
    meanings : dict
        What values mean, by the key Levels of the table's JSON file.
    """

    name: str
    entries: dict[tuple[str, ...], str] = field(default_factory=dict)
    meanings: dict[str, str] = field(default_factory=dict)

    @property
    def values(self) -> Counter[str]:
        """How often each value stands there, in the order of their labels."""
        return Counter(dict(sorted(Counter(self.entries.values()).items())))

    @property
    def is_numeric(self) -> bool:
        """Whether it holds numbers only, and any."""
        return bool(self.entries) and all(number(own) is not None for own in self.entries.values())

    @property
    def is_date(self) -> bool:
        """Whether it holds dates only, and any."""
        return bool(self.entries) and all(_DATE.match(own) for own in self.entries.values())

    def meaning(self, value: str) -> str:
        """Return what a value means; the value itself where nothing says so."""
        return self.meanings.get(value, value)


@dataclass
class Table:
    """A table of people or sessions, or all tables of one kind.

    Attributes
    ----------
    pattern : str
        Its path below the root of the data set, with the wildcards of a shell.
    columns : dict
        By name, without those that say whose a row is.
    sessions : dict
        What sessions are, by the key Levels of session_id in the table's JSON file.
    """

    pattern: str
    columns: dict[str, Column]
    sessions: dict[str, str] = field(default_factory=dict)


def people_table(root: Path) -> Table | None:
    """Read participants.tsv; None if there is none.

    Raises
    ------
    Fault
        If it cannot be read.
    """
    path = root / "participants.tsv"
    if not path.is_file():
        return None
    sheet = read_sheet(path, ["participant_id"])
    table = _table(path.name, sheet.columns)
    for row in sheet.rows:
        for name, column in table.columns.items():
            if (value := row.get(name)) is not None:
                column.entries[(row["participant_id"],)] = value
    _explain(table, [path.with_suffix(".json")])
    return table


def session_tables(root: Path, people: Iterable[str], sessions: Iterable[str]) -> list[Table]:
    """Read the tables with a row for each session: of sessions, of scans, of scores.

    Parameters
    ----------
    root : path
    people, sessions : iterable of str
        Those that the data set has, such as ``sub-01`` and ``ses-1``.

    Returns
    -------
    list of Table
        One for each kind of table of BIDS, and one for each table of phenotypes by session. A table
        that cannot be read, or has nobody of the data set, is left out: whoever names it in the
        configuration is told why.
    """
    known = Labels("sub", people), Labels("ses", sessions)
    found = []
    phenotypes = sorted(path.relative_to(root).as_posix() for path in root.glob(_PHENOTYPE))
    for pattern in (*BIDS_TABLES, *phenotypes):
        table = Table(pattern, {})
        paths = sorted(root.glob(pattern))
        for path in paths:
            _add(table, path, known)
        _explain(table, [path.with_suffix(".json") for path in paths[:1]])
        if table.columns:
            found.append(table)
    return found


def _add(table: Table, path: Path, known: tuple[Labels, Labels]) -> None:
    """Add the rows of a file to the table of its kind."""
    try:
        sheet = read_sheet(path, [])
        rows = TableMatch(known).rows(sheet)
    except Fault:
        return
    for name, column in _table(table.pattern, sheet.columns).columns.items():
        own = table.columns.setdefault(name, column)
        for row, key in rows:
            if (value := row.get(name)) is not None:
                own.entries.setdefault(key, value)


def _table(pattern: str, columns: Sequence[str]) -> Table:
    return Table(pattern, {name: Column(name) for name in columns if name not in _IDENTIFIERS})


def _explain(table: Table, paths: Iterable[Path]) -> None:
    """Add what values mean, from the JSON files beside a table, where there are any."""
    for path in paths:
        try:
            described: Any = load_yaml(path)
        except Fault:
            continue
        for name, column in table.columns.items():
            column.meanings = _levels(described, name)
        table.sessions = _levels(described, "session_id")


def _levels(described: Any, name: str) -> dict[str, str]:
    own = described.get(name) if isinstance(described, dict) else None
    levels = own.get("Levels") if isinstance(own, dict) else None
    return {str(k): str(v) for k, v in levels.items()} if isinstance(levels, dict) else {}
