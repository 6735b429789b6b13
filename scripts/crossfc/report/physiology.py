"""Recordings of pulse and breathing on the page: in how many sessions usable, and why not."""

import pandas as pd

from crossfc.report import number
from crossfc.report.results import Results

# Sessions whose reasons are told on the page; all stand in quality/sessions.tsv.
MOST = 5
_KINDS = ("heart_rate", "respiration_rate")


def sentences(results: Results) -> list[str]:
    """Say in how many sessions recordings are usable, and which are not and why.

    Returns
    -------
    list of str
        Empty where no session has a recording.
    """
    frame = results.sessions
    if not {*_KINDS, "physiology_note", "participant_id", "session_id"} <= set(frame.columns):
        return []
    recorded = {kind: frame[kind].notna() for kind in _KINDS}
    notes = frame["physiology_note"].map(_note)
    if not (any(own.any() for own in recorded.values()) or notes.any()):
        return []
    beats, breaths = (int(recorded[kind].sum()) for kind in _KINDS)
    told = [
        f"Of {len(frame)} sessions, {beats} have a usable recording of heart beats, and {breaths} "
        "of breathing."
    ]
    silent = frame[~notes.astype(bool) & ~recorded["heart_rate"] & ~recorded["respiration_rate"]]
    if len(silent):
        told.append(f"No recording lies beside the scan of {_sessions(silent)}.")
    lines = [f"{_name(row)}: {note}" for row, note in _noted(frame, notes)]
    if lines:
        more = f"; {len(lines) - MOST} more in quality/sessions.tsv" if len(lines) > MOST else ""
        told.append(f"What could not be used, or is odd: {'; '.join(lines[:MOST])}{more}.")
    return told


def _note(value: object) -> str:
    return "" if number.missing(value) or value == "n/a" else str(value)


def _noted(frame: pd.DataFrame, notes: "pd.Series[str]") -> list[tuple[dict[str, object], str]]:
    rows = frame[["participant_id", "session_id"]].to_dict("records")
    return [(row, note) for row, note in zip(rows, notes, strict=True) if note]


def _name(row: dict[str, object]) -> str:
    return f"{row['participant_id']} {row['session_id']}"


def _sessions(frame: pd.DataFrame) -> str:
    rows = frame[["participant_id", "session_id"]].to_dict("records")
    shown = [_name(row) for row in rows[:MOST]]
    more = [f"{len(rows) - MOST} more"] if len(rows) > MOST else []
    return number.listed([*shown, *more])
