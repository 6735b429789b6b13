"""Scores tested at every occasion, whatever contrasts the configuration states.

The tests are those of the contrasts (`crossfc.clinic.change`), so that a contrast of the
configuration and the same comparison here have the same numbers.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypedDict

import numpy as np
import pandas as pd

from crossfc.clinic.change import change_between_groups, clinical_change
from crossfc.clinic.course import EVERYBODY
from crossfc.clinic.score import BASELINE, paired_scores
from crossfc.clinic.student import one_sample
from crossfc.group.design.options import Baseline

_TEST = ("estimate", "low", "high", "t", "df", "p")
_SIZE = ("g_av", "g_av_low", "g_av_high")
COLUMNS = [
    *("scale", "treatment", "reference", "occasion", "since", "group", "sequence", "n"),
    *(*_TEST, "adjusted", "unadjusted_because", *_SIZE, "left"),
]


class OccasionDesign(TypedDict):
    """What is compared at an occasion, as plain values; see `crossfc.trial.occasion.Comparison`.

    ``order`` are the columns that free it from period effects, ``baseline`` is the covariate that
    it has, if any, ``sides`` are the labels of its sides.
    """

    contrast: str
    occasion: str
    since: str | None
    treatment: str | None
    reference: str | None
    scales: list[str]
    order: list[str]
    baseline: Baseline | None
    sides: dict[str, str]


def occasion_table(
    scores: Iterable[Mapping[str, Any]],
    designs: Sequence[OccasionDesign],
    groups: Sequence[str],
    scales: Sequence[str],
) -> tuple[pd.DataFrame, list[str]]:
    """Test every scale at every occasion, within groups and between two of them.

    Parameters
    ----------
    scores : iterable of dict
        One row per comparison, scale and person: contrast, scale, group, participant_id, sequence,
        the columns of periods, active, control.
    designs : sequence of OccasionDesign
        The comparisons.
    groups, scales : sequence of str
        Labels in the order of the rows; groups are the arms of a trial of parallel arms.

    Returns
    -------
    table : DataFrame
        The table ``clinic/occasions.tsv``. ``sequence`` is ``all`` for everybody of a group: the
        difference adjusted for period where periods are known and differ (``adjusted``), else the
        mean with its paired t-test. The other rows of a group are the mean differences by order of
        treatments with their intervals, without a test, as they hold the period effect. ``left``
        are those with a score on one side only. The row of two groups, joined by a hyphen, is the
        first's difference minus the second's.
    notes : list of str
        As of `crossfc.clinic.change.clinical_change`, with the comparison.
    """
    everything = pd.DataFrame(list(scores))
    rows, told = [], []
    for scale in scales:
        for design in (own for own in designs if scale in own["scales"]):
            own = everything[everything["contrast"] == design["contrast"]]
            names: dict[str, Any] = {"scale": scale, "occasion": design["occasion"]}
            names |= {"treatment": design["treatment"], "reference": design["reference"]}
            names |= {"since": design["since"]}
            found, notes = _compared(own[own["scale"] == scale], scale, design, groups)
            rows += [names | row for row in found]
            told += [f"{design['contrast']}, {note}" for note in notes]
    return pd.DataFrame(rows, columns=COLUMNS), told


def _compared(
    scores: pd.DataFrame, scale: str, design: OccasionDesign, groups: Sequence[str]
) -> tuple[list[dict[str, Any]], list[str]]:
    """Return the rows of one scale in one comparison."""
    sides, order, baseline = design["sides"], design["order"], design["baseline"]
    if baseline is None:
        scores = scores.drop(columns=BASELINE, errors="ignore")
    within = baseline is not None and baseline["within"]
    table, notes = clinical_change(
        scores, sides, groups, [scale], order, carries_over=False, baseline=within
    )
    pairs = paired_scores(scores, groups, [scale], order)
    rows = []
    for change in table.to_dict("records"):
        own = pairs[pairs["group"] == change["group"]]
        names = {"group": change["group"], "sequence": EVERYBODY}
        left = _left(own[~own["used"]], design)
        rows.append(names | _tested(change, "mean", change["n"]) | {"left": left})
        if design["treatment"] is not None:
            rows += _by_sequence(own[own["used"]], str(change["group"]))
    if len(groups) == 2:
        between = change_between_groups(scores, sides, groups, [scale], order)
        for row in between.to_dict("records"):
            names = {"group": row["group"], "sequence": EVERYBODY}
            n = sum(row[f"n_{group}"] for group in groups)
            rows.append(names | _tested(row, "unadjusted_difference", n))
    return rows, notes


def _tested(row: Mapping[Any, Any], plain: str, n: int) -> dict[str, Any]:
    """Choose the adjusted test of a row, or the plain one, whose estimate is named, if not."""
    size = {name: row[name] for name in _SIZE if name in row}
    if np.isfinite(row["adjusted_p"]):
        numbers = size | {name: row[f"adjusted_{name}"] for name in _TEST}
        return numbers | {"n": row["adjusted_n"], "adjusted": True}
    of = "mean" if plain == "mean" else "unadjusted"
    numbers = size | {"estimate": row[plain], "low": row[f"{of}_low"], "high": row[f"{of}_high"]}
    numbers |= {name: row[f"unadjusted_{name}"] for name in ("t", "df", "p")}
    because = row["unadjusted_because"]
    return numbers | {"n": n, "adjusted": False, "unadjusted_because": because}


def _by_sequence(pairs: pd.DataFrame, group: str) -> list[dict[str, Any]]:
    """Describe the differences of each order of treatments, if there are several."""
    orders = sorted({order for order in pairs["sequence"] if isinstance(order, str)})
    rows = []
    for order in orders if len(orders) > 1 else []:
        delta = pairs.loc[pairs["sequence"] == order, "delta"].to_numpy(dtype=float)
        test = one_sample(delta)
        numbers = {"estimate": test.estimate, "low": test.low, "high": test.high}
        names = {"group": group, "sequence": order, "n": len(delta), "adjusted": False}
        rows.append(names | numbers)
    return rows


def _left(people: pd.DataFrame, design: OccasionDesign) -> str | None:
    """Name those with a score on one side only, or without the baseline's, and what they lack."""
    said = []
    at = "at" if design["treatment"] is None else "under"
    for side, other in (("active", "control"), ("control", "active")):
        lacking = people["participant_id"][people[side].isna() & people[other].notna()]
        said += [f"{person} (no score {at} {design['sides'][side]})" for person in lacking]
    if BASELINE in people:
        both = people["active"].notna() & people["control"].notna()
        lacking = people["participant_id"][both & people[BASELINE].isna()]
        said += [f"{person} (no baseline score)" for person in lacking]
    return "; ".join(sorted(said)) or None
