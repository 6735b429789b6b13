"""Rating scales, whose range and direction are in a sheet and not in the code."""

import math
import re
from dataclasses import dataclass
from pathlib import Path

from crossfc.fault import raise_all
from crossfc.trial.sheet import Row, Sheet, read_sheet

SCALE_COLUMNS = ["scale", "instrument", "lowest", "highest", "better"]
# Optional columns: what counts as response and as remission.
CRITERIA = ["response_percent", "remission_at"]
# Optional columns: the smallest change of interest, what the scale measures, and its source.
_TOLD = ["smallest_change", "construct", "citation", "provenance", "note"]


@dataclass(frozen=True)
class Scale:
    """A rating scale: its range, and whether a higher score is better or worse.

    Who is better by ``response_percent`` of what separated the baseline from the best score that
    the scale has is a responder; who scores ``remission_at`` or better is in remission. None where
    the scale does not define it.
    ``smallest_change`` is the smallest change of interest in points, of either sign, if stated.
    """

    scale: str
    instrument: str
    lowest: float
    highest: float
    better: str
    construct: str | None = None
    response_percent: float | None = None
    remission_at: float | None = None
    smallest_change: float | None = None


def read_scales(path: str | Path, taken: tuple[str, ...] = ()) -> dict[str, Scale]:
    """Read the sheet of scales.

    Parameters
    ----------
    path : path
    taken : tuple of str
        Columns of the sheet of sessions that are not scales; no scale may have such a name.

    Returns
    -------
    dict
        Name to `Scale`.

    Raises
    ------
    Fault
        One sentence per fault of the sheet.
    """
    sheet = read_sheet(path, SCALE_COLUMNS, [*SCALE_COLUMNS, *CRITERIA, *_TOLD])
    scales: dict[str, Scale] = {}
    faults = []
    for row in sheet.rows:
        name = row["scale"]
        lowest, highest = number(row.get("lowest")), number(row.get("highest"))
        smallest = number(row.get("smallest_change"))
        if name in scales:
            faults.append(f"{sheet.at(row, 'scale')}: {name} stands there twice; remove one")
        elif not re.fullmatch("[A-Za-z0-9_]{1,50}", name) or row.get("scale") is None:
            faults.append(
                f"{sheet.at(row, 'scale')}: use letters, digits and _ only in {name!r}, 50 at most"
            )
        elif name in taken:
            faults.append(
                f"{sheet.at(row, 'scale')}: {name} is a column of the sheet of sessions already; "
                "give the scale another name"
            )
        elif lowest is None or highest is None or lowest >= highest:
            faults.append(
                f"{sheet.at(row, 'lowest')}: lowest and highest must be numbers in order; write "
                "the range that the instrument allows"
            )
        elif row["better"] not in ("higher", "lower"):
            faults.append(
                f"{sheet.at(row, 'better')}: {row['better']!r} is neither higher nor lower; say "
                "which scores are better"
            )
        elif own := _criteria_faults(sheet, row, lowest, highest):
            faults += own
        elif row.get("smallest_change") is not None and not (
            smallest is not None and 0 < smallest <= highest - lowest
        ):
            faults.append(
                f"{sheet.at(row, 'smallest_change')}: {row['smallest_change']!r} is no number of "
                f"points above 0 and up to {highest - lowest:g}; write the smallest change of "
                "interest without a sign, or n/a"
            )
        else:
            scales[name] = Scale(
                name,
                row["instrument"],
                lowest,
                highest,
                row["better"],
                row.get("construct"),
                number(row.get("response_percent")),
                number(row.get("remission_at")),
                smallest,
            )
    raise_all(faults)
    return scales


def _criteria_faults(sheet: Sheet, row: Row, lowest: float, highest: float) -> list[str]:
    """Say what is wrong with the definitions of response and remission."""
    faults = []
    percent, at = (row.get(column) for column in CRITERIA)
    value = number(percent)
    if percent is not None and (value is None or not 0 < value <= 100):
        faults.append(
            f"{sheet.at(row, 'response_percent')}: {percent!r} is no percentage above 0 and up to "
            "100; write how much better than the baseline a responder is, such as 50, or n/a"
        )
    value = number(at)
    if at is not None and (value is None or not lowest <= value <= highest):
        faults.append(
            f"{sheet.at(row, 'remission_at')}: {at!r} is no score of the scale, which goes from "
            f"{lowest:g} to {highest:g}; write the score at which remission begins, or n/a"
        )
    elif value is not None and value == (highest if row["better"] == "lower" else lowest):
        faults.append(
            f"{sheet.at(row, 'remission_at')}: {at} is the worst score of the scale, at which "
            "everybody would be in remission; correct it, or the column better, or write n/a"
        )
    return faults


def read_score(sheet: Sheet, row: Row, scale: Scale, faults: list[str]) -> float | None:
    """Return the score in a row, None if it is missing.

    A sentence is added to ``faults`` if it is not a number or is outside the range of the scale.
    """
    text = row.get(scale.scale)
    if text is None:
        return None
    value = number(text)
    if value is None:
        faults.append(
            f"{sheet.at(row, scale.scale)}: {text!r} is no number; correct it or write n/a"
        )
    elif not scale.lowest <= value <= scale.highest:
        faults.append(
            f"{sheet.at(row, scale.scale)}: {text} is outside the scale's range "
            f"{scale.lowest:g} to {scale.highest:g}; correct the score or write n/a"
        )
    return value


def number(text: str | None) -> float | None:
    """Convert text to a finite number; None for n/a, words, and notations such as 1_000."""
    try:
        value = float(text) if text is not None and "_" not in text else math.nan
    except ValueError:
        return None
    return value if math.isfinite(value) else None
