"""Tables of a data set with a row for each session or scan: which row is whose."""

import re
from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path, PurePosixPath

from crossfc.bids import parse_name
from crossfc.fault import Fault
from crossfc.trial.label import Labels, some
from crossfc.trial.sheet import Row, Sheet, did_you_mean


def find_tables(root: Path, patterns: Sequence[str], key: str) -> dict[str, list[Path]]:
    """Find the tables that match each pattern.

    Parameters
    ----------
    root : path
        Root of the data set.
    patterns : sequence of str
        Paths below ``root``, with the wildcards of a shell.
    key : str
        The config key that has them, for messages.

    Returns
    -------
    dict
        Pattern to paths.

    Raises
    ------
    Fault
        If a pattern is none, leads elsewhere, or nothing matches it.
    """
    tables: dict[str, list[Path]] = {}
    for pattern in patterns:
        if not pattern or PurePosixPath(pattern).is_absolute():
            raise Fault(
                f"config key {key}: {pattern!r} is no path below {root}; write it from there"
            )
        try:
            paths = sorted(p for p in root.glob(pattern) if not p.name.startswith("."))
        except ValueError as error:
            raise Fault(
                f"config key {key}: {pattern!r} is no pattern ({error}); write such as "
                "sub-*/*_sessions.tsv"
            ) from None
        if not paths:
            near = sorted(p.name for p in (root / pattern).parent.glob("*.tsv"))
            raise Fault(
                f"config key {key}: {root / pattern} does not exist"
                f"{did_you_mean(Path(pattern).name, near) or '; correct the path'}"
            )
        tables[pattern] = paths
    return tables


class TableMatch:
    """Match the rows of tables to people and sessions, and collect those that match nobody.

    A table without the column participant_id is of the person in its file name, and one without
    session_id is of the session in its file name (``sub-01_ses-1_scans.tsv``).

    Parameters
    ----------
    known : (Labels, Labels)
        The known people and sessions.
    sessions : collection of str, optional
        The sessions of the study; rows of others are not used. None takes the rows of every
        session, also of one that has no folder.
    """

    def __init__(self, known: tuple[Labels, Labels], sessions: Collection[str] | None = None):
        self._known, self._sessions = known, sessions
        self.unused: Counter[str] = Counter()
        self._nobodys: dict[str, None] = {}
        self._otherwise: dict[tuple[str, str], None] = {}

    def rows(self, sheet: Sheet) -> list[tuple[Row, tuple[str, str]]]:
        """Return the rows of the study's people and sessions, each with (person, session).

        Raises
        ------
        Fault
            If no row belongs to a person of the data set, or a row may belong to several people.
        """
        found, of_people = [], 0
        for row in sheet.rows:
            written = _person(sheet, row), _session(sheet, row)
            try:
                person = self._known[0].find(written[0])
                session = None if written[1] is None else self._known[1].find(written[1])
            except Fault as fault:
                raise Fault(f"{sheet.at(row)}: {fault}") from None
            if person is None:
                self._nobodys[written[0]] = None
                continue
            of_people += 1
            if session is None and self._sessions is None and written[1] is not None:
                session = _identifier(written[1])
            if session is None or (self._sessions is not None and session not in self._sessions):
                self.unused[session or written[1] or "n/a"] += 1
                continue
            for word, meant in zip(written, (person, session), strict=True):
                if word != meant:
                    self._otherwise[str(word), meant] = None
            found.append((row, (person, session)))
        if sheet.rows and not of_people:
            raise Fault(
                f"{sheet.at(None, 'participant_id')}: nobody in it ({some(self._nobodys)}) is a "
                "person of the data set; write people as its table of persons does"
            )
        return found

    def notes(self, tables: str) -> list[str]:
        """Describe labels that were matched although written differently, and rows not used."""
        said = []
        if self._otherwise:
            taken = some(f"{word} as {meant}" for word, meant in self._otherwise)
            said.append(f"{tables}: taken {taken}")
        if self._nobodys:
            said.append(
                f"{tables}: not used, as they have neither a row in the table of persons nor a "
                f"folder: {some(self._nobodys)}"
            )
        if self.unused:
            rows = some((f"{label} ({n} rows)" for label, n in sorted(self.unused.items())), 8)
            said.append(f"{tables}: not used, as they are of no session of the study: {rows}")
        return said


def _person(sheet: Sheet, row: Row) -> str:
    """Return the person of a row; a table of a single person has the person in its file name."""
    if "participant_id" not in sheet.columns:
        first = _in_name(sheet, "sub")
        if first is not None:
            return first
        raise Fault(f"{sheet.at()} lacks the column participant_id; add it")
    person = row.get("participant_id")
    if person is None:
        raise Fault(f"{sheet.at(row, 'participant_id')} is empty; write whose the row is")
    return person


def _session(sheet: Sheet, row: Row) -> str | None:
    """Return the session of a row; a table of a single session has it in its file name."""
    if "session_id" in sheet.columns:
        return row.get("session_id")
    own = _in_name(sheet, "ses")
    if own is None:
        raise Fault(f"{sheet.at()} lacks the column session_id; add it")
    return own


def _identifier(text: str) -> str | None:
    """Return the identifier of a session that only a table has; None if BIDS allows no such."""
    found = re.fullmatch("(?:ses-)?([A-Za-z0-9]+)", text.strip())
    return f"ses-{found[1]}" if found else None


def _in_name(sheet: Sheet, entity: str) -> str | None:
    """Return an identifier in the file name of a table; None if there is none."""
    try:
        entities = parse_name(sheet.path.name)[0]
    except Fault:
        return None
    return f"{entity}-{entities[entity]}" if entity in entities else None
