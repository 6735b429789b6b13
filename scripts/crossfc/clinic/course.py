"""The course of scores: every scale in every cell of treatment and occasion."""

from collections.abc import Iterable, Sequence
from typing import TypedDict

import numpy as np
import pandas as pd

from crossfc.clinic.student import one_sample

# The row of all people of a group, whatever their order of treatments.
EVERYBODY = "all"
COLUMNS = [
    *("scale", "group", "sequence", "treatment", "occasion", "n"),
    *("mean", "low", "high", "sd", "lowest", "highest"),
]


class Visit(TypedDict):
    """A score of a person in a cell; None if the order of treatments or the occasion is unknown."""

    scale: str
    group: str
    participant_id: str
    session_id: str
    sequence: str | None
    treatment: str
    occasion: str | None
    score: float


class CourseDesign(TypedDict):
    """The groups, scales and cells (treatment and occasion) of a course, in the order of rows."""

    groups: list[str]
    scales: list[str]
    cells: list[tuple[str, str | None]]


def course(
    visits: Iterable[Visit],
    groups: Sequence[str],
    scales: Sequence[str],
    cells: Sequence[tuple[str, str | None]],
) -> pd.DataFrame:
    """Describe the scores of each group, and of each order of treatments in it, in every cell.

    Means are plain: no effect of a period is taken off, and who is scored may differ between
    cells. What treatments changed is tested in `crossfc.clinic.change`.

    Parameters
    ----------
    visits : iterable of Visit
        One per score.
    groups, scales : sequence of str
        Labels in the order of the rows.
    cells : sequence of (treatment, occasion)
        In the order of the rows; occasion is None in a trial without occasions.

    Returns
    -------
    DataFrame
        The table ``clinic/course.tsv``: n, mean with its 95 % interval by Student's t, standard
        deviation, and the lowest and the highest score of each cell that has scores. ``sequence``
        is ``all`` for everybody of a group.
    """
    table = pd.DataFrame(
        list(visits), columns=["scale", "group", "sequence", "treatment", "occasion", "score"]
    )
    rows = []
    for scale in scales:
        for group in groups:
            own = table[(table["scale"] == scale) & (table["group"] == group)]
            orders = sorted({order for order in own["sequence"] if isinstance(order, str)})
            for order in [EVERYBODY, *(orders if len(orders) > 1 else [])]:
                part = own if order == EVERYBODY else own[own["sequence"] == order]
                for treatment, occasion in cells:
                    here = part["treatment"] == treatment
                    if occasion is not None:
                        here &= part["occasion"] == occasion
                    scores = part.loc[here, "score"].to_numpy(dtype=float)
                    if len(scores):
                        names = scale, group, order, treatment, occasion
                        rows.append((*names, len(scores), *_described(scores)))
    return pd.DataFrame(rows, columns=COLUMNS)


def _described(scores: np.ndarray) -> tuple[float, float, float, float, float, float]:
    test = one_sample(scores)
    sd = float(np.std(scores, ddof=1)) if len(scores) > 1 else np.nan
    return test.estimate, test.low, test.high, sd, float(scores.min()), float(scores.max())
