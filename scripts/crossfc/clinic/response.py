"""Response and remission: how many people, under which treatment, and within the same people.

Response is a part of the way from the baseline to the best score that the scale has, so that a
scale that does not begin at zero counts from where it begins (Obermeier et al. 2010, Eur Arch
Psychiatry Clin Neurosci 260:31, for the PANSS): on a scale on which lower is better and the lowest
score is 0, it is the reduction of the score in percent. Remission is a score at a limit or better.
Both cut a score in two and lose what lies between (Senn 2003, Appl Clin Trials); what a treatment
changed is tested on the score itself (`crossfc.clinic.change`).

Shares have the score interval of Wilson (1927, J Am Stat Assoc 22:209). Within people the
difference of two shares is the mean of D in -1, 0, 1, told as every change is: the intercept of
D ~ 1 + order where orders are known and differ, with Student's t; else the plain difference with
Newcombe's interval (1998, Stat Med 17:2635, method 10). Its exact test with the order is that of
Mainland (1963) and Gart (1969, Biometrika 56:75): of those in whom one treatment did and the other
did not, Fisher's test of order against the better period. Without the order it is McNemar's, exact.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypedDict

import numpy as np
import pandas as pd

from crossfc.array import FloatArray
from crossfc.clinic.order import adjusted_change, order_columns
from crossfc.trial.visit import ORDER

RESPONSE, REMISSION = "response", "remission"
_Z = 1.959963984540054
_ROUNDING = 1e-9
NO_BASELINE = "there is no score before treatment"
NOT_TWO_PERIODS = "the test is of two treatments in two periods"
COLUMNS = [
    *("criterion", "scale", "group", "treatment", "occasion", "baseline", "n", "n_met"),
    *("proportion", "low", "high", "because", "left"),
]
PAIRED_COLUMNS = [
    *("criterion", "scale", "group", "treatment", "reference", "occasion", "n", "both"),
    *("treatment_only", "reference_only", "neither", "difference", "low", "high", "adjusted"),
    "adjusted_n",
    *("unadjusted_because", "p_mainland_gart", "p_mcnemar", "because", "left"),
]


# The columns of a `Status`.
_STATUS = ["scale", "group", "participant_id", "treatment", "occasion", "score", "baseline"]


class Status(TypedDict):
    """A person's score in a cell of treatment and occasion, and the baseline's; None if missing."""

    scale: str
    group: str
    participant_id: str
    treatment: str
    occasion: str | None
    score: float | None
    baseline: float | None


class Criteria(TypedDict):
    """How a scale defines response and remission; see `crossfc.trial.scale.Scale`.

    ``baseline`` says where the baseline is; None if there is none.
    """

    scale: str
    lowest: float
    highest: float
    better: str
    response_percent: float | None
    remission_at: float | None
    baseline: str | None


class Comparison(TypedDict):
    """Two treatments that are compared at an occasion, and the columns of periods."""

    contrast: str
    scale: str
    treatment: str
    reference: str
    occasion: str | None
    order: list[str]


def criteria_of(of_scale: Criteria) -> list[str]:
    """List which of response and remission a scale defines."""
    limits = {RESPONSE: of_scale["response_percent"], REMISSION: of_scale["remission_at"]}
    return [name for name, limit in limits.items() if limit is not None]


def is_met(criterion: str, of_scale: Criteria, score: float, baseline: float | None) -> bool | None:
    """Tell whether a score is one of response or of remission.

    Returns
    -------
    bool or None
        None for response without a baseline, and with one that is the best score already.
    """
    best = of_scale["lowest"] if of_scale["better"] == "lower" else of_scale["highest"]
    limit, percent = of_scale["remission_at"], of_scale["response_percent"]
    if criterion == REMISSION and limit is not None:
        return abs(score - best) <= abs(limit - best) + _ROUNDING
    if percent is None or baseline is None or abs(baseline - best) <= _ROUNDING:
        return None
    return abs(score - best) <= (1 - percent / 100) * abs(baseline - best) + _ROUNDING


def wilson(n_met: int, n: int) -> tuple[float, float]:
    """Compute Wilson's 95 % interval of a share; NaN of nobody."""
    if n == 0:
        return np.nan, np.nan
    share, z = n_met / n, _Z**2
    middle = (share + z / (2 * n)) / (1 + z / n)
    reach = _Z * np.sqrt(share * (1 - share) / n + z / (4 * n**2)) / (1 + z / n)
    return max(0.0, middle - reach), min(1.0, middle + reach)


def newcombe(both: int, first: int, second: int, neither: int) -> tuple[float, float]:
    """Compute Newcombe's 95 % interval of the difference of two shares of the same people.

    Method 10 of Newcombe (1998): Wilson's limits of both shares, joined by their correlation,
    whose numerator has a continuity correction.

    Parameters
    ----------
    both, first, second, neither : int
        Number of people who meet a criterion on both sides, on one only, and on none.
    """
    n = both + first + second + neither
    if n == 0:
        return np.nan, np.nan
    shares = (both + first) / n, (both + second) / n
    limits = [wilson(both + own, n) for own in (first, second)]
    margins = (both + first) * (second + neither) * (both + second) * (first + neither)
    tied = float(both * neither - first * second)
    tied = max(tied - n / 2, 0.0) if tied > 0 else tied
    correlation = tied / np.sqrt(margins) if margins else 0.0
    (down, up), (other_down, other_up) = (
        (share - low, high - share) for share, (low, high) in zip(shares, limits, strict=True)
    )

    def reach(of_first: float, of_second: float) -> float:
        square = of_first**2 + of_second**2 - 2 * correlation * of_first * of_second
        return float(np.sqrt(max(square, 0.0)))

    difference = shares[0] - shares[1]
    return difference - reach(down, other_up), difference + reach(up, other_down)


def mcnemar(first: int, second: int) -> float:
    """Compute McNemar's exact p: of those who differ, as many either way (binomial)."""
    from scipy import stats

    return float(stats.binomtest(first, first + second).pvalue) if first + second else 1.0


def mainland_gart(delta: FloatArray, code: FloatArray) -> float:
    """Compute the exact p of Mainland and Gart: drug against drug, with the period in the model.

    Parameters
    ----------
    delta : ndarray, shape (n,)
        1 of whom only the active treatment has met the criterion, -1 only the control, else 0.
    code : ndarray, shape (n,)
        -1 active first, +1 control first.

    Returns
    -------
    float
        Two-sided, by Fisher's exact test.
    """
    from scipy import stats

    first_better = delta * code < 0
    differ = delta != 0
    table = [[int((differ & (code == c) & (first_better == better)).sum())
              for better in (True, False)] for c in (-1, 1)]  # fmt: skip
    return float(stats.fisher_exact(table).pvalue)


def response_table(
    statuses: Iterable[Status],
    criteria: Sequence[Criteria],
    groups: Sequence[str],
    cells: Sequence[tuple[str, str | None]],
) -> pd.DataFrame:
    """Count who responded and who was in remission, in each group under each treatment.

    Parameters
    ----------
    statuses : iterable of Status
        One per scale, person and cell in which the person could have been scored.
    criteria : sequence of Criteria
    groups : sequence of str
    cells : sequence of (treatment, occasion)
        In the order of the rows.

    Returns
    -------
    DataFrame
        The table ``clinic/response.tsv``: n with a score (and a baseline, for response), how many
        met the criterion, and their share with Wilson's 95 % interval. ``because`` says why there
        is none; ``left`` names who is not counted, and what they lack.
    """
    table = pd.DataFrame(list(statuses), columns=_STATUS).astype(object)
    rows: list[dict[str, Any]] = []
    for of_scale in criteria:
        for criterion in criteria_of(of_scale):
            for group in groups:
                own = table[(table["scale"] == of_scale["scale"]) & (table["group"] == group)]
                for treatment, occasion in cells:
                    here = own[own["treatment"] == treatment]
                    if occasion is not None:
                        here = here[here["occasion"] == occasion]
                    if here["score"].notna().any():
                        names: dict[str, Any] = {"criterion": criterion}
                        names |= {"scale": of_scale["scale"], "group": group}
                        names |= {"treatment": treatment, "occasion": occasion}
                        rows.append(names | _counted(here, criterion, of_scale))
    return pd.DataFrame(rows, columns=COLUMNS)


def _counted(people: pd.DataFrame, criterion: str, of_scale: Criteria) -> dict[str, Any]:
    """Count the people of a cell."""
    where = of_scale["baseline"] if criterion == RESPONSE else None
    row: dict[str, Any] = {"baseline": where}
    if criterion == RESPONSE and where is None:
        return row | {"n": 0, "because": NO_BASELINE}
    met, left = [], []
    for person in people.to_dict("records"):
        name, baseline = person["participant_id"], _number(person["baseline"])
        found, why = _status(criterion, of_scale, _number(person["score"]), baseline)
        if found is None:
            left.append(f"{name} ({why})")
        else:
            met.append(found)
    low, high = wilson(sum(met), len(met))
    row |= {"n": len(met), "n_met": sum(met), "low": low, "high": high}
    row["proportion"] = sum(met) / len(met) if met else np.nan
    return row | {"because": None if met else "nobody can be counted", "left": _joined(left)}


def paired_response_table(
    pairs: Iterable[Mapping[str, Any]],
    comparisons: Sequence[Comparison],
    criteria: Sequence[Criteria],
    groups: Sequence[str],
) -> pd.DataFrame:
    """Compare response and remission under two treatments within people.

    Parameters
    ----------
    pairs : iterable of dict
        One row per comparison, scale and person: contrast, scale, group, participant_id, the
        columns of periods, active, control (scores), active_baseline, control_baseline.
    comparisons : sequence of Comparison
    criteria : sequence of Criteria
    groups : sequence of str

    Returns
    -------
    DataFrame
        The table ``clinic/response_pairs.tsv``: how many met the criterion under both treatments,
        one of them and none; the difference of the shares with its 95 % interval (``adjusted``
        for period in ``adjusted_n`` people of known order or, as ``unadjusted_because`` says,
        not, in everybody); and both exact p.
        ``because`` says why there is no p of Mainland and Gart.
    """
    table = pd.DataFrame(list(pairs)).astype(object)
    rows = []
    for of_scale in criteria:
        for criterion in criteria_of(of_scale):
            if criterion == RESPONSE and of_scale["baseline"] is None:
                continue
            for compared in (c for c in comparisons if c["scale"] == of_scale["scale"]):
                own = table[table["contrast"] == compared["contrast"]]
                own = own[own["scale"] == of_scale["scale"]]
                for group in groups:
                    people = own[own["group"] == group]
                    row = _paired(people, criterion, of_scale, compared)
                    if row:
                        rows.append({"criterion": criterion, "group": group} | row)
    return pd.DataFrame(rows, columns=PAIRED_COLUMNS)


def _paired(
    people: pd.DataFrame, criterion: str, of_scale: Criteria, compared: Comparison
) -> dict[str, Any]:
    """Compare two treatments in the people of a group; empty if nobody has both."""
    kept, left, met = [], [], []
    treatments = {"active": compared["treatment"], "control": compared["reference"]}
    for place, person in enumerate(people.to_dict("records")):
        both, why = [], []
        for side, label in treatments.items():
            score, baseline = _number(person[side]), _number(person[f"{side}_baseline"])
            found, reason = _status(criterion, of_scale, score, baseline)
            both.append(found)
            why += [(reason, label)] if found is None else []
        if why:
            reasons = {reason for reason, _ in why}
            said = [f"{reason} under {label}" for reason, label in why]
            said = [*reasons] if len(why) == 2 and len(reasons) == 1 else said
            left.append(f"{person['participant_id']} ({', '.join(said)})")
        else:
            kept.append(place)
            met.append([bool(one) for one in both])
    if not met:
        return {}
    active, control = np.array(met).T
    counts = [int(own.sum()) for own in (
        active & control, active & ~control, ~active & control, ~active & ~control)]  # fmt: skip
    delta = active.astype(float) - control.astype(float)
    order = order_columns(people.iloc[kept], treatments, compared["order"])
    told = adjusted_change(delta, order, treatments)
    row: dict[str, Any] = {"scale": of_scale["scale"], "treatment": compared["treatment"]}
    row |= {"reference": compared["reference"], "occasion": compared["occasion"]}
    row |= {"n": len(delta), "both": counts[0], "treatment_only": counts[1]}
    row |= {"reference_only": counts[2], "neither": counts[3]}
    row |= {"adjusted": not told.because, "adjusted_n": told.n}
    if told.because:
        low, high = newcombe(*counts)
        row |= {"difference": float(delta.mean()), "low": low, "high": high}
        row["unadjusted_because"] = told.because
    else:
        low, high = np.clip([told.test.low, told.test.high], -1, 1)
        row |= {"difference": told.test.estimate, "low": float(low), "high": float(high)}
    row["p_mcnemar"] = mcnemar(counts[1], counts[2])
    if compared["order"] != [ORDER]:
        row["because"] = NOT_TWO_PERIODS
    elif len(set(order[np.isfinite(order)])) < 2:
        row["because"] = told.because
    else:
        row["p_mainland_gart"] = mainland_gart(delta[np.isfinite(order)], order[np.isfinite(order)])
    return row | {"left": _joined(left)}


def _status(
    criterion: str, of_scale: Criteria, score: float | None, baseline: float | None
) -> tuple[bool | None, str]:
    """Return whether a criterion is met; or None, and why that cannot be told."""
    if score is None:
        return None, "no score"
    found = is_met(criterion, of_scale, score, baseline)
    why = "no baseline score" if baseline is None else "the best score at the baseline already"
    return found, "" if found is not None else why


def _number(value: Any) -> float | None:
    return None if value is None or np.isnan(value) else float(value)


def _joined(left: Sequence[str]) -> str | None:
    return "; ".join(sorted(left)) or None
