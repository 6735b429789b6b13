"""Treatments compared between people in the first period alone, as in a parallel trial.

Nothing that an earlier treatment left behind is in it, and half of the scores are not used, so that
it has the power of a parallel trial. It stands beside the comparison within people and is never
chosen in its place by a test of carry-over, which would err more often than either (Freeman 1989,
Stat Med 8:1421; Senn 2002, Cross-over Trials in Clinical Research, ch. 3; Dwan et al. 2019, BMJ
366:l4378, ask for results of each period).
"""

from collections.abc import Iterable, Sequence
from typing import TypedDict

import numpy as np
import pandas as pd

from crossfc.clinic.contrast import Design, groups_of
from crossfc.clinic.student import mean_of, welch

COLUMNS = [
    *("contrast", "scale", "group", "n_active", "mean_active", "sd_active"),
    *("n_control", "mean_control", "sd_control", "difference", "low", "high", "t", "df", "p"),
    *("because", "left"),
]


# The columns of a `FirstScore`.
_SCORE = ["contrast", "scale", "group", "participant_id", "side", "score", "reason"]


class FirstScore(TypedDict):
    """A person's score in the first period.

    ``side`` is ``active`` or ``control``, by the treatment of that period; None if it is not known.
    Without a score, ``reason`` says why.
    """

    contrast: str
    scale: str
    group: str
    participant_id: str
    side: str | None
    score: float | None
    reason: str | None


def first_period_table(
    scores: Iterable[FirstScore], designs: Sequence[Design], scales: Sequence[str]
) -> pd.DataFrame:
    """Compare scores of the first period between those who had the one and the other treatment.

    Parameters
    ----------
    scores : iterable of FirstScore
    designs : sequence of Design
        Contrasts of two treatments; those without rows in ``scores`` have none in the table.
    scales : sequence of str

    Returns
    -------
    DataFrame
        The table ``clinic/first_period.tsv``: n, mean and standard deviation under each treatment,
        and the difference, active minus control, with its 95 % interval, by Welch's t, in points
        of the scale. ``because`` says why there is no test; ``left`` names whom it lacks.
    """
    everything = pd.DataFrame(list(scores), columns=_SCORE)
    rows = []
    for design in designs:
        of_contrast = everything[everything["contrast"] == design["contrast"]]
        for scale in scales:
            for group in groups_of(design):
                own = of_contrast[(of_contrast["scale"] == scale) & (of_contrast["group"] == group)]
                if own["score"].notna().any():
                    names = {"contrast": design["contrast"], "scale": scale, "group": group}
                    rows.append(names | _row(own, design["treatments"]))
    return pd.DataFrame(rows, columns=COLUMNS)


def _row(people: pd.DataFrame, treatments: dict[str, str]) -> dict[str, object]:
    scored = people[people["score"].notna() & people["side"].notna()]
    row: dict[str, object] = {}
    sides = []
    for side in ("active", "control"):
        values = scored.loc[scored["side"] == side, "score"].to_numpy(dtype=float)
        sides.append(values)
        row |= {f"n_{side}": len(values), f"mean_{side}": mean_of(values)}
        row[f"sd_{side}"] = float(np.std(values, ddof=1)) if len(values) > 1 else np.nan
    test = welch(*sides)
    few = [
        f"{len(values)} with a score had {treatments[side]} first, and a test takes 2"
        for side, values in zip(("active", "control"), sides, strict=True)
        if len(values) < 2
    ]
    because = "; ".join(few)
    if not because and not np.isfinite(test.p):
        because = "the scores do not vary"
    left = people[~people["participant_id"].isin(scored["participant_id"])]
    lacking = [f"{p} ({r})" for p, r in zip(left["participant_id"], left["reason"], strict=True)]
    row |= {"difference": test.estimate, "low": test.low, "high": test.high}
    row |= {"t": test.t, "df": test.df, "p": test.p}
    return row | {"because": because or None, "left": "; ".join(lacking) or None}
