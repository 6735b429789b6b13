"""Sheets: tab-separated tables that people edit, read so that messages can name row and column.

They are read with the standard library and kept as text. Every cluster job plans the workflow
again, and importing pandas would take most of a second each time.
"""

import csv
import difflib
import io
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from crossfc.content import stand_in
from crossfc.fault import Fault, at

# The words for a missing value in any table of the user. BIDS uses n/a; the others are written by
# spreadsheets, R and pandas. "None" and "unknown" are not included, because they may be categories
# (such as of medication).
MISSING = frozenset(
    ["", "NaN", "-NaN"]
    + [
        spelt(word)
        for word in ("n/a", "na", "nan", "-nan", "#n/a", "#na", "<na>")
        for spelt in (str.lower, str.upper, str.title, str.capitalize)
    ]
)


def _as_it_is(path: str | Path) -> bytes | None:
    return None


# Returns the content that a file of the design had when the run was planned, in a job of the run;
# None for a file that is to be read from the disk. `crossfc.jobs.planned` sets its own function.
as_planned: Callable[[str | Path], bytes | None] = _as_it_is


@dataclass(frozen=True)
class Row:
    """One row of a sheet: its cells by column, and its number (the header is row 1)."""

    number: int
    cells: dict[str, str]

    def __getitem__(self, column: str) -> str:
        return self.cells[column]

    def get(self, column: str) -> str | None:
        """Return a cell; None if it is missing (see `MISSING`) or there is no such column."""
        value = self.cells.get(column, "")
        return None if value in MISSING else value


@dataclass(frozen=True)
class Sheet:
    """A table with its file name, which messages about faults need."""

    path: Path
    columns: list[str]
    rows: list[Row]

    def at(self, row: Row | None = None, column: str | None = None) -> str:
        """Describe where a cell is, such as ``config/sessions.tsv, row 3, column "period"``."""
        return at(self.path, None if row is None else row.number, column)


def read_sheet(
    path: str | Path,
    required: Iterable[str],
    allowed: Iterable[str] | None = None,
) -> Sheet:
    """Read a tab-separated sheet.

    Parameters
    ----------
    path : path
        The file, UTF-8 with or without a byte-order mark.
    required : iterable of str
        Columns that the sheet must have.
    allowed : iterable of str, optional
        All columns that the sheet may have; None allows any.

    Returns
    -------
    Sheet

    Raises
    ------
    Fault
        If the file is missing, is not UTF-8 text, is not tab-separated, lacks a column, has a
        column that is unknown, repeated or without a name, or has a row whose number of cells
        differs from that of the header.
    """
    path, required = Path(path), list(required)
    table = _cells(path)
    if not table:
        needs = f"it needs the columns {', '.join(required)}" if required else "write it again"
        raise Fault(f"{path} is empty; {needs}")
    header, names = table[0]
    columns = [c.strip() for c in names]
    _check_columns(at(path, header), path, header, columns, required, allowed)
    rows = []
    for number, cells in table[1:]:
        if len(cells) != len(columns):
            raise Fault(
                f"{at(path, number)} has {len(cells)} cells where the header has {len(columns)}; "
                "check its tabs"
            )
        rows.append(Row(number, {c: v.strip() for c, v in zip(columns, cells, strict=True)}))
    return Sheet(path, columns, rows)


def read_text(path: str | Path) -> str:
    """Read UTF-8 text, with or without a byte-order mark.

    In a job of a run, the files from which the run was planned are returned as they were then,
    even if they were edited since.

    Raises
    ------
    Fault
        If the file is missing, is a folder, cannot be read or is not UTF-8 text.
    """
    why = stand_in(path)
    if why is not None:
        raise Fault(f"{path} {why}")
    try:
        if (before := as_planned(path)) is not None:
            return before.decode("utf-8-sig")
        with open(path, encoding="utf-8-sig", newline="") as lines:
            return lines.read()
    except UnicodeDecodeError as error:
        # The position is not reported, because it counts from the start of a chunk of the file.
        sign = error.object[error.start]
        raise Fault(
            f"{path} is no UTF-8 text (it has the byte 0x{sign:02x}); save it as UTF-8"
            f"{', tab-separated (.tsv)' if Path(path).suffix == '.tsv' else ''}"
        ) from None
    except (FileNotFoundError, NotADirectoryError):
        raise Fault(f"{path} does not exist; correct its path, or write the file") from None
    except IsADirectoryError:
        raise Fault(f"{path} is a folder where a file is due; name the file in it") from None
    except PermissionError:
        raise Fault(f"{path} cannot be read; ask its owner for the permission") from None
    except (OSError, ValueError) as error:
        # Such as a name over 255 bytes, a loop of links, or a NUL in the path.
        cause = getattr(error, "strerror", None) or error
        raise Fault(f"{_short(path)} cannot be read ({cause}); correct its path") from None


def _short(path: str | Path) -> str:
    """Return a path shortened for printing."""
    text = str(path)
    return text if len(text) <= 120 else f"{text[:100]}… ({len(text)} characters)"


def _cells(path: Path) -> list[tuple[int, list[str]]]:
    """Return the rows that are not empty, each with its number."""
    lines = csv.reader(io.StringIO(read_text(path), newline=""), delimiter="\t", strict=True)
    table: list[tuple[int, list[str]]] = []
    number = 0
    try:
        for number, cells in enumerate(lines, 1):
            # If a quotation mark is not closed, the rows below become part of the cell.
            if any("\n" in cell or "\r" in cell for cell in cells):
                raise Fault(
                    f"{at(path, number)} has a cell that goes over several lines; remove its "
                    "quotation marks and line breaks"
                )
            if any(cell.strip() for cell in cells):
                table.append((number, cells))
    except csv.Error as error:
        raise Fault(
            f"{at(path, number + 1)} cannot be read ({error}); remove the quotation marks from "
            "its cells"
        ) from None
    return table


def _check_columns(
    where: str,
    path: Path,
    header: int,
    columns: list[str],
    required: list[str],
    allowed: Iterable[str] | None,
) -> None:
    if len(columns) == 1 and re.search(r"[,;\s]", columns[0]):
        raise Fault(f"{where} has no tabs; save it as tab-separated text (.tsv)")
    for number, column in enumerate(columns, 1):
        if not column:
            raise Fault(f"{where}: column {number} has no name; name it, or remove its tab")
        if columns.count(column) > 1:
            raise Fault(f"{at(path, header, column)} stands there twice; remove one of the two")
    missing = [c for c in required if c not in columns]
    if missing:
        raise Fault(
            f"{where} lacks the column {missing[0]}; add it{did_you_mean(missing[0], columns)}"
        )
    if allowed is None:
        return
    allowed = list(allowed)
    for column in columns:
        if column not in allowed:
            raise Fault(
                f"{at(path, header, column)} is unknown; remove it or use one of "
                f"{', '.join(allowed)}{did_you_mean(column, allowed)}"
            )


def format_sheet(columns: list[str], rows: Iterable[Mapping[str, object]]) -> str:
    """Format rows as tab-separated text, with ``n/a`` for cells that are None or empty.

    A line break inside a cell becomes a space, so that every row is one line.
    """
    text = io.StringIO()
    writer = csv.writer(text, delimiter="\t", lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        cells = ("" if row.get(c) is None else str(row[c]) for c in columns)
        writer.writerow([re.sub(r"[\r\n]+", " ", cell).strip() or "n/a" for cell in cells])
    return text.getvalue()


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ``; did you mean X?``, or "" if no known word is similar."""
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"; did you mean {close[0]}?" if close else ""
