"""Sheets: tab-separated tables that people review, read so that a fault can be located.

Read with the standard library and kept as text: every cluster job plans the workflow again, and
pandas would cost each of them most of a second.
"""

import csv
import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from crossfc.fault import Fault, at

MISSING = ("", "n/a")


@dataclass(frozen=True)
class Row:
    """One row of a sheet: its cells by column, and its number as a spreadsheet counts."""

    number: int
    cells: dict[str, str]

    def __getitem__(self, column: str) -> str:
        return self.cells[column]

    def get(self, column: str) -> str | None:
        """Give a cell, or None where it is missing (``n/a``, empty, no such column)."""
        value = self.cells.get(column, "")
        return None if value in MISSING else value


@dataclass(frozen=True)
class Sheet:
    """A table with its file name, for sentences that say where a fault is."""

    path: Path
    columns: list[str]
    rows: list[Row]

    def at(self, row: Row | None = None, column: str | None = None) -> str:
        """Say where a cell is, as ``config/sessions.tsv, row 3, column "period"``."""
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
        The file. UTF-8, with or without a byte-order mark.
    required : iterable of str
        Columns that must be there.
    allowed : iterable of str, optional
        All columns that may be there; None allows any.

    Returns
    -------
    Sheet

    Raises
    ------
    Fault
        If the file is missing, is not tab-separated, lacks a column, has one that is unknown or
        repeated, or has a row with another number of cells than the header.
    """
    path = Path(path)
    if not path.is_file():
        raise Fault(f"{path} does not exist; write it, or let `snakemake --cores 1 sheets` do so")
    with open(path, encoding="utf-8-sig", newline="") as lines:
        table = [(n, r) for n, r in enumerate(csv.reader(lines, delimiter="\t"), 1) if any(r)]
    if not table:
        raise Fault(f"{path} is empty; it needs the columns {', '.join(required)}")
    columns = [c.strip() for c in table[0][1]]
    if len(columns) == 1 and any(mark in columns[0] for mark in ",;"):
        raise Fault(f"{at(path, 1)} has no tabs; save it as tab-separated text (.tsv)")
    for column in columns:
        if columns.count(column) > 1:
            raise Fault(f"{at(path, 1, column)} stands there twice; remove one of the two")
    missing = [c for c in required if c not in columns]
    if missing:
        raise Fault(f"{at(path, 1)} lacks the column {missing[0]}; add it{did_you_mean(missing[0], columns)}")
    if allowed is not None:
        allowed = list(allowed)
        for column in columns:
            if column not in allowed:
                raise Fault(
                    f"{at(path, 1, column)} is unknown; remove it or use one of "
                    f"{', '.join(allowed)}{did_you_mean(column, allowed)}"
                )
    rows = []
    for number, cells in table[1:]:
        if len(cells) != len(columns):
            raise Fault(
                f"{at(path, number)} has {len(cells)} cells where the header has {len(columns)}; "
                "check its tabs"
            )
        rows.append(Row(number, {c: v.strip() for c, v in zip(columns, cells, strict=True)}))
    return Sheet(path, columns, rows)


def format_sheet(columns: list[str], rows: Iterable[dict[str, object]]) -> str:
    """Give rows as tab-separated text with ``n/a`` where a cell is None or empty."""
    lines = ["\t".join(columns)]
    for row in rows:
        cells = (row.get(c) for c in columns)
        lines.append("\t".join("n/a" if c is None or c == "" else str(c) for c in cells))
    return "\n".join(lines) + "\n"


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Give ``; did you mean X?``, or nothing where no known word is close."""
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"; did you mean {close[0]}?" if close else ""

