"""How the quality of sessions is distributed over people, without anybody's own value.

Quantiles are those of Harrell and Davis (1982, Biometrika 69:635-640): weighted means of the values
of all people, so that none of them is somebody's own, as the median of few people would be.
"""

import numpy as np
import pandas as pd

from crossfc.bundle.withheld import Withheld, too_few
from crossfc.measure import measures_of

_CELL = ("group", "treatment", "occasion")
QUANTILES = {"quartile_1": 0.25, "median": 0.5, "quartile_3": 0.75}
COLUMNS = [*_CELL, "measure", "unit", "n_people", "n_sessions", "mean", "sd", *QUANTILES]
COUNT_COLUMNS = [*_CELL, "n_people", "n_sessions", "n_excluded"]


def session_counts(sessions: pd.DataFrame) -> pd.DataFrame:
    """Count people, sessions and excluded sessions, by group, treatment and occasion.

    Parameters
    ----------
    sessions : DataFrame
        The table ``quality/sessions.tsv``.

    Returns
    -------
    DataFrame
        The columns `COUNT_COLUMNS`.
    """
    rows = [
        cell
        | {
            "n_people": own["participant_id"].nunique(),
            "n_sessions": len(own),
            "n_excluded": int(own["excluded"].sum()),
        }
        for cell, own in _cells(sessions)
    ]
    return pd.DataFrame(rows, columns=COUNT_COLUMNS)


def distributions(sessions: pd.DataFrame, smallest: int) -> tuple[pd.DataFrame, list[Withheld]]:
    """Describe every measure of quality, by group, treatment and occasion.

    Parameters
    ----------
    sessions : DataFrame
        The table ``quality/sessions.tsv``.
    smallest : int
        Number of people from which on a group's values are shared.

    Returns
    -------
    table : DataFrame
        The columns `COLUMNS`; a measure that nobody has is left out.
    withheld : list of Withheld
        Measures of too few people.
    """
    from scipy.stats import mstats

    rows, withheld = [], []
    for cell, own in _cells(sessions):
        for measure in measures_of(sessions.columns):
            known = own[own[measure.name].notna()]
            values = known[measure.name].to_numpy(dtype=float)
            if not len(values):
                continue
            n_people = known["participant_id"].nunique()
            because = too_few({cell["group"]: n_people}, smallest)
            if because is not None:
                words = " ".join(str(label) for label in cell.values() if label == label)
                withheld.append(Withheld(f"{measure.label}, {words}", because))
                continue
            quantiles = mstats.hdquantiles(values, list(QUANTILES.values()))
            rows.append(
                cell
                | {"measure": measure.name, "unit": measure.unit or None}
                | {"n_people": n_people, "n_sessions": len(values)}
                | {"mean": values.mean(), "sd": values.std(ddof=1)}
                | dict(zip(QUANTILES, np.asarray(quantiles).tolist(), strict=True))
            )
    return pd.DataFrame(rows, columns=COLUMNS), withheld


def _cells(sessions: pd.DataFrame) -> list[tuple[dict[str, str], pd.DataFrame]]:
    """Return the sessions of each group under each treatment (at each occasion)."""
    by = [column for column in _CELL if column in sessions]
    found = sessions.groupby(by, sort=False, dropna=False)
    return [(dict(zip(by, labels, strict=True)), own) for labels, own in found]
