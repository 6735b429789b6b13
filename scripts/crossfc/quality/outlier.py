"""Sessions whose measures lie far from those of the others."""

import numpy as np
import pandas as pd

from crossfc.array import FloatArray
from crossfc.measure import Measure

FAR = 3.5  # of the modified z, as Iglewicz and Hoaglin advise
# Three quarters of a normal distribution lie below this many standard deviations.
_QUARTER = 0.6745


def modified_z(values: FloatArray) -> FloatArray:
    """Return how far values are from their median, in robust standard deviations.

    It is 0.6745 (x - median) / MAD (Iglewicz and Hoaglin 1993, How to Detect and Handle Outliers).

    Parameters
    ----------
    values : (n,) float
        NaN where a value is not known.

    Returns
    -------
    (n,) float64
        NaN where a value is not known, and everywhere if half of the values or more are equal, so
        that there is no scale.
    """
    apart = np.asarray(values, dtype=float) - np.nanmedian(values)
    spread = np.nanmedian(np.abs(apart))
    found: FloatArray = np.full(len(apart), np.nan)
    return found if not spread > 0 else _QUARTER * apart / spread


def outliers(sessions: pd.DataFrame, measures: list[Measure]) -> pd.DataFrame:
    """List the sessions that are outliers in some measure.

    Nobody is excluded for it: outliers are looked at, limits and raters exclude.

    Parameters
    ----------
    sessions : DataFrame
        The table ``quality/sessions.tsv``.
    measures : list of Measure
        Columns to look at.

    Returns
    -------
    DataFrame
        participant_id, session_id, measure (its label), value, median and z, the farthest first.
    """
    rows = []
    for measure in measures:
        values = sessions[measure.name].to_numpy(dtype=float)
        if not np.isfinite(values).any():
            continue
        z = modified_z(values)
        for at in np.flatnonzero(np.abs(z) > FAR):
            own = sessions.iloc[at]
            rows.append(
                {
                    "participant_id": own["participant_id"],
                    "session_id": own["session_id"],
                    "measure": measure.label,
                    "unit": measure.unit,
                    "value": values[at],
                    "median": float(np.nanmedian(values)),
                    "z": float(z[at]),
                }
            )
    columns = ["participant_id", "session_id", "measure", "unit", "value", "median", "z"]
    found = pd.DataFrame(rows, columns=columns)
    return found.sort_values("z", key=abs, ascending=False, kind="stable", ignore_index=True)
