"""What tables of a data set tell of its sessions: those with a row for each session or scan."""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from crossfc.fault import Fault, raise_all
from crossfc.trial.bold import is_scan
from crossfc.trial.configuration import Configuration, SessionMapping, SessionSource
from crossfc.trial.label import Labels, some
from crossfc.trial.mapping import Person
from crossfc.trial.session_word import Words
from crossfc.trial.sheet import Row, Sheet, did_you_mean, read_sheet
from crossfc.trial.table_match import TableMatch, find_tables
from crossfc.trial.tree import Tree

KEY = "dataset.session_source"

# Where BIDS has a row for each session, and a row for each scan.
BIDS_TABLES = ("sub-*/sub-*_sessions.tsv", "sub-*/ses-*/sub-*_ses-*_scans.tsv")


class Entry(NamedTuple):
    """What stands in a cell of a table, and where."""

    text: str
    place: str


# Of each session of a person: the entries in each column.
Entries = dict[tuple[str, str], dict[str, list[Entry]]]


class SessionTables:
    """The tables of sessions and scans of a data set.

    Attributes
    ----------
    entries : dict
        The entries in the wanted columns.
    notes : list of str
        Rows that are not used.

    Raises
    ------
    Fault
        If there is no table, or no table has a wanted column.
    """

    def __init__(
        self,
        config: Configuration,
        source: SessionSource,
        tree: Tree,
        people: list[Person],
    ):
        self.entries: Entries = {}
        self.notes: list[str] = []
        self._config = config
        wanted = {f"columns.{what}": column for what, column in source["columns"].items()}
        if source["order"] is not None:
            wanted["order"] = source["order"]
        sessions = {*config["dataset"]["sessions"], *(session for _, session in tree.sessions)}
        known = Labels("sub", [person.identifier for person in people]), Labels("ses", sessions)
        columns: dict[str, None] = {}
        others: Entries = {}
        for pattern, paths in self._paths(tree, source).items():
            match = TableMatch(known)
            for path in paths:
                sheet = read_sheet(path, [])
                columns |= dict.fromkeys(sheet.columns)
                for row, key in match.rows(sheet):
                    # What is said of other images holds where nothing is said of ours.
                    chosen = self.entries if self._is_ours(sheet, row) else others
                    self._add(chosen, key, sheet, row, wanted.values())
            self.notes += match.notes(str(tree.root / pattern))
        for key, of_others in others.items():
            own = self.entries.setdefault(key, {})
            for column, entries in of_others.items():
                own.setdefault(column, entries)
        raise_all(
            [
                f"config key {KEY}.{key}: no table of sessions or scans has a column {column}; "
                f"they have {some(columns, 8)}{did_you_mean(column, columns) or '; correct it'}"
                for key, column in wanted.items()
                if column not in columns
            ]
        )

    def _paths(self, tree: Tree, source: SessionSource) -> dict[str, list[Path]]:
        if source["tables"] is not None:
            return find_tables(tree.root, source["tables"], f"{KEY}.tables")
        found = {pattern: sorted(tree.root.glob(pattern)) for pattern in BIDS_TABLES}
        found = {pattern: paths for pattern, paths in found.items() if paths}
        if not found:
            raise Fault(
                f"config key {KEY}: {tree.root} has neither {' nor '.join(BIDS_TABLES)}; add them, "
                "or name the tables by the key tables beside it"
            )
        return found

    def _is_ours(self, sheet: Sheet, row: Row) -> bool:
        name = row.get("filename")
        return name is None or "session_id" in sheet.columns or is_scan(name, self._config)

    @staticmethod
    def _add(
        entries: Entries, key: tuple[str, str], sheet: Sheet, row: Row, wanted: Iterable[str]
    ) -> None:
        own = entries.setdefault(key, {})
        for column in wanted:
            text = row.get(column) if column in sheet.columns else None
            if text is not None:
                own.setdefault(column, []).append(Entry(text, sheet.at(row, column)))


def read_columns(
    entries: Entries, columns: dict[str, str], words: Words
) -> dict[tuple[str, str], SessionMapping]:
    """Read what columns tell of each session of each person.

    Parameters
    ----------
    entries : dict
        As of `SessionTables`.
    columns : dict
        ``treatment``, ``occasion`` and ``period``, or some of them, to the column that tells it.
    words : Words

    Returns
    -------
    dict
        (person, session) to what the tables tell; what they do not is left out.

    Raises
    ------
    Fault
        If a word means nothing, or rows of one session differ; one sentence for each word, with
        its first place.
    """
    found: dict[tuple[str, str], SessionMapping] = {}
    strange: dict[tuple[str, str], list[str]] = {}
    faults = []
    for key, own in entries.items():
        told: dict[str, str] = {}
        for what, column in columns.items():
            there = own.get(column, [])
            different = {entry.text: entry for entry in reversed(there)}
            if len(different) > 1:
                first, second = list(different.values())[::-1][:2]
                faults.append(
                    f"{second.place}: {second.text!r}, where {first.place} has {first.text!r} for "
                    f"the same session ({' '.join(key)}); correct one"
                )
            elif there and words.meant(what, there[0].text) is None:
                strange.setdefault((what, there[0].text), []).append(there[0].place)
            elif there:
                told[what] = there[0].text
        found[key] = words.mapping(told)
    for (what, word), places in strange.items():
        known = words.of(what)
        remedy = (
            "write a whole number from 1 to 9"
            if what == "period"
            else f"add it to the config key {KEY}.{what}s, or correct it"
        )
        more = f" ({len(places)} such rows)" if len(places) > 1 else ""
        faults.append(
            f"{places[0]}: {word!r} is no {what}{more}{did_you_mean(word, known) or '; ' + remedy}"
        )
    raise_all(faults)
    return found
