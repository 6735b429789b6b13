"""Existing sheets that the rule `sheets` would replace: keep what people wrote into them.

An existing sheet may be broken, which is a reason to write it again.
"""

import os
import re
import shutil
from pathlib import Path

from crossfc import atomic
from crossfc.fault import Fault
from crossfc.trial.label import some
from crossfc.trial.sheet import Row, Sheet, read_sheet, read_text


class Predecessor:
    """An existing sheet, read as far as possible.

    Parameters
    ----------
    path : path
    keys : tuple of str
        The columns that identify a row.
    """

    def __init__(self, path: Path, keys: tuple[str, ...]):
        self.path, self._keys = path, keys
        self.notes: list[str] = []
        self.columns: list[str] = []
        self._rows: dict[tuple[str, ...], Row] = {}
        self.text: str | None = None
        if not os.path.lexists(path):
            return
        try:
            self.text = read_text(path)
            sheet = read_sheet(path, keys)
        except Fault as fault:
            sheet = self._salvaged(fault)
        self.columns = sheet.columns
        for row in sheet.rows:
            self._rows.setdefault(tuple(row[k] for k in keys), row)

    def _salvaged(self, fault: Fault) -> Sheet:
        """Return the rows of a broken sheet that can be read; note those that cannot."""
        lines = [line.split("\t") for line in (self.text or "").splitlines()]
        columns = [cell.strip().strip('"') for cell in lines[0]] if lines else []
        rows, lost = [], []
        for number, cells in enumerate(lines[1:], 2):
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) != len(columns) or not set(self._keys) <= set(columns):
                lost.append(f"row {number}")
                continue
            named = zip(columns, (cell.strip() for cell in cells), strict=True)
            rows.append(Row(number, dict(named)))
        self.notes.append(f"the sheet that lay there could not be read: {fault}")
        if lost or not set(self._keys) <= set(columns):
            self.notes.append(
                f"{self.path}: exclusions that were written into {some(lost) or 'it'} are not "
                "kept; look for them in the copy"
            )
        return Sheet(self.path, columns if rows else [], rows)

    def hand_over(self, rows: list[dict[str, object]], own_reasons: re.Pattern[str]) -> None:
        """Copy the exclusions that people wrote into the new rows.

        Parameters
        ----------
        rows : list of dict
            Rows of the new sheet; changed in place.
        own_reasons : pattern
            Matches reasons that the rule `sheets` writes itself; an exclusion with any other
            reason was made by hand.
        """
        by_key = {tuple(str(row[k]) for k in self._keys): row for row in rows}
        for key, old in self._rows.items():
            written = (old.get("exclude") or "no").lower()
            by_hand = written != "no" and not own_reasons.fullmatch(old.get("reason") or "")
            if not by_hand:
                continue
            name = " ".join(key)
            row = by_key.get(key)
            if row is None:
                self.notes.append(f"{self.path}: the exclusion of {name} has no row any more")
            elif row["exclude"] != "yes":
                row["exclude"] = "yes"
                row["reason"] = old.get("reason") or "excluded by hand; no reason was written"
                self.notes.append(f"{self.path}: kept the exclusion of {name}")

    def keep_columns(
        self, columns: list[str], rows: list[dict[str, object]], allowed: set[str] | None
    ) -> None:
        """Copy columns that people added to the sheet into the new one.

        Parameters
        ----------
        columns : list of str
            Columns of the new sheet; changed in place (inserted before ``exclude``).
        rows : list of dict
            Rows of the new sheet; changed in place.
        allowed : set of str or None
            Additional columns that the sheet may have; None for any.
        """
        by_key = {tuple(str(row[k]) for k in self._keys): row for row in rows}
        for column in self.columns:
            if column in columns or (allowed is not None and column not in allowed):
                continue
            values = {key: row.get(column) for key, row in self._rows.items() if key in by_key}
            if not column or not any(values.values()):
                continue
            columns.insert(columns.index("exclude"), column)
            for key, value in values.items():
                by_key[key][column] = value
            self.notes.append(
                f"{self.path}: kept the column {column}, which is not from the data set"
            )

    def differences(self, new: Sheet) -> list[str]:
        """Describe the differences between a new sheet and this one."""
        rows = {tuple(row[k] for k in self._keys): row for row in new.rows}
        said = []
        cells = [
            f"{' '.join(key)} {column} {old.get(column) or 'n/a'} → {row.get(column) or 'n/a'}"
            for key, row in rows.items()
            if (old := self._rows.get(key)) is not None
            for column in new.columns
            if column in self.columns and old.get(column) != row.get(column)
        ]
        gone = [c for c in self.columns if c not in new.columns]
        for what, names in (
            ("cells that differ", cells),
            ("columns no longer there", gone),
            ("columns that are new", [c for c in new.columns if c not in self.columns]),
            ("rows no longer there", [" ".join(k) for k in self._rows if k not in rows]),
            ("rows that are new", [" ".join(k) for k in rows if k not in self._rows]),
        ):
            if names and self._rows:
                said.append(f"{what} ({len(names)}): {some(names, 5)}")
        return said


def replace_both(texts: dict[Path, str]) -> dict[Path, Path | None]:
    """Write several sheets, all or none; copies of existing files are kept beside them.

    Parameters
    ----------
    texts : dict
        Path to the new text.

    Returns
    -------
    dict
        Path to the copy of the existing file; None if there was none.

    Raises
    ------
    OSError
        If a file cannot be written; all files are then as they were before.
    """
    copies: dict[Path, Path | None] = {}
    new: dict[Path, Path] = {}
    replaced: list[Path] = []
    try:
        for path, text in texts.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            new[path] = path.with_name(f".new_{path.name}")
            atomic.write_text(new[path], text)
        for path in texts:
            copies[path] = _copy(path) if os.path.lexists(path) else None
        for path in texts:
            os.replace(new[path], path)
            replaced.append(path)
    except OSError:
        for path in replaced:
            copy = copies[path]
            if copy is None:
                path.unlink()
            else:
                os.replace(copy, path)
        for path, copy in copies.items():
            if copy is not None and path not in replaced:
                copy.unlink(missing_ok=True)
        raise
    finally:
        for temporary in new.values():
            temporary.unlink(missing_ok=True)
    return copies


def _copy(path: Path) -> Path:
    """Copy a file to ``<name>.bak-<number>`` beside it, with the first free number."""
    number = 1
    while os.path.lexists(copy := path.with_name(f"{path.name}.bak-{number}")):
        number += 1
    shutil.copy2(path, copy, follow_symlinks=False)
    return copy
