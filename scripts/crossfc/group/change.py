"""Change between the treatments: of the clinical scores and of the a-priori targets.

Everything here is D = active - control of one person, so a scale on which lower is better shows
improvement as a negative D. No direction is flipped: which way is better is in ``scales.tsv``.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from crossfc.fault import Fault
from crossfc.trial.sequence import sequence_code

# Variation below this share of the values' size is rounding, not variation.
_ROUNDING = 1e-12

FEWEST = 3


class Test(NamedTuple):
    """One t-test; NaN where it cannot be computed."""

    __test__ = False  # not a test case for pytest

    estimate: float
    t: float
    df: float
    p: float


_NO_TEST = Test(np.nan, np.nan, np.nan, np.nan)


def require(table: pd.DataFrame, columns: Sequence[str], name: str) -> None:
    """Refuse a table that lacks a column.

    Raises
    ------
    Fault
        Naming the table and the missing columns.
    """
    missing = [column for column in columns if column not in table.columns]
    if missing:
        raise Fault(f"{name} has no column {', '.join(missing)}; write it with this column")


def one_sample(values: np.ndarray) -> Test:
    """Test a mean against zero (Student); of differences this is the paired t-test.

    Parameters
    ----------
    values : ndarray, shape (n,)

    Returns
    -------
    Test
        t, df and p are NaN for fewer than three people or for values that do not vary.
    """
    if len(values) == 0:
        return _NO_TEST
    return _least_squares(np.ones((len(values), 1)), values)[0]


def welch(first: np.ndarray, second: np.ndarray) -> Test:
    """Test the difference of two means with unequal variances (Welch 1947), first - second.

    NaN as in :func:`one_sample`; each sample needs two people.
    """
    from scipy import stats

    estimate = _mean(first) - _mean(second)
    if len(first) < 2 or len(second) < 2 or (_constant(first) and _constant(second)):
        return Test(estimate, np.nan, np.nan, np.nan)
    result = stats.ttest_ind(first, second, equal_var=False)
    return Test(estimate, float(result.statistic), float(result.df), float(result.pvalue))


def wilcoxon_p(differences: np.ndarray) -> float:
    """P of Wilcoxon's signed ranks, two-sided, as ``scipy.stats.wilcoxon`` by default.

    NaN for fewer than three people or where every difference is zero.
    """
    from scipy import stats

    if len(differences) < FEWEST or not np.any(differences):
        return np.nan
    return float(stats.wilcoxon(differences).pvalue)


def paired_scores(
    scores: pd.DataFrame, groups: Sequence[str], scales: Sequence[str]
) -> pd.DataFrame:
    """Say for every person and scale whether there is a pair of scores.

    Parameters
    ----------
    scores : DataFrame
        participant_id, group, sequence, scale, active, control; one row per person and scale.
    groups, scales : sequence of str
        The labels to keep, in the order wanted.

    Returns
    -------
    DataFrame
        scale, group, participant_id, sequence, active, control, delta, used, reason: the table
        ``clinical/scores.tsv``. A scale nobody of a group was scored on gives no rows there.

    Raises
    ------
    Fault
        If a column is missing or a person has two rows for a scale.
    """
    columns = ["participant_id", "group", "sequence", "scale", "active", "control"]
    require(scores, columns, "the table of scores")
    repeated = scores.duplicated(["participant_id", "scale"])
    if repeated.any():
        row = scores[repeated].iloc[0]
        raise Fault(
            f"the table of scores has two rows of {row.participant_id} for {row.scale}; keep one"
        )
    table = scores[columns].copy()
    table[["active", "control"]] = table[["active", "control"]].astype(float)
    table["delta"] = table["active"] - table["control"]
    table["used"] = np.isfinite(table["delta"].to_numpy(float))
    table["reason"] = ""
    for column in ("active", "control"):
        missing = table[column].isna()
        sentence = np.where(table["reason"][missing] == "", "", " and ") + f"no {column} score"
        table.loc[missing, "reason"] = table.loc[missing, "reason"] + sentence
    parts = []
    for scale in scales:
        for group in groups:
            part = table[(table["scale"] == scale) & (table["group"] == group)]
            if part[["active", "control"]].notna().any(axis=None):
                parts.append(part)
    table = pd.concat(parts, ignore_index=True) if parts else table.iloc[:0]
    order = ["scale", "group", "participant_id", "sequence", "active", "control", "delta"]
    return table[[*order, "used", "reason"]]


def clinical_change(
    scores: pd.DataFrame,
    treatments: Mapping[str, str],
    groups: Sequence[str],
    scales: Sequence[str],
) -> tuple[pd.DataFrame, list[str]]:
    """Test what the drug changed in each scale, within each group.

    ``mean``, ``sd``, ``t``, ``df``, ``p``: the paired t-test of D = active - control.
    ``adjusted_*``: the intercept of D ~ 1 + sequence code (-1 active first, +1 control first, not
    centred), n - 2 degrees of freedom; ``period_*``: its slope, period 2 minus period 1.
    ``carryover_*``: two-sample t with pooled variance of active + control, active first minus
    control first (Grizzle 1965). It is a diagnostic: nothing is switched by it (Freeman 1989).
    These three are of the people whose order is known. ``wilcoxon_p``: signed ranks.

    Parameters
    ----------
    scores : DataFrame
        participant_id, group, sequence, scale, active, control; one row per person and scale.
    treatments : mapping
        ``active`` and ``control`` to their names, as in the sequence labels.
    groups, scales : sequence of str
        In the order of the rows. A scale nobody of a group was scored on twice has no row.

    Returns
    -------
    table : DataFrame
        The table ``clinical/change.tsv``, one row per scale and group. NaN where a number cannot
        be computed: fewer than three people (of known order, where it matters), no variation, an
        order of treatments that is the same for all.
    notes : list of str
        Why there are NaN, and who is not in the numbers that need the order.
    """
    active, control = treatments["active"], treatments["control"]
    pairs = paired_scores(scores, groups, scales)
    pairs = pairs[pairs["used"]]
    rows, notes = [], []
    for (scale, group), part in pairs.groupby(["scale", "group"], sort=False):
        delta = part["delta"].to_numpy(float)
        total = (part["active"] + part["control"]).to_numpy(float)
        code = np.array([sequence_code(s, treatments) for s in part["sequence"]], dtype=float)
        where = f"{scale} in {group}"
        paired = one_sample(delta)
        if len(delta) < FEWEST:
            notes.append(f"{where}: too few people (n = {len(delta)}) for a test")
        elif _constant(delta):
            notes.append(f"{where}: the change is the same in everybody, so there is no t")
        adjusted = period = carryover = _NO_TEST
        known = np.isfinite(code)
        n_known, n_orders = int(known.sum()), len(set(code[known]))
        if n_known < len(code):
            unknown = ", ".join(part["participant_id"][~known])
            notes.append(
                f"{where}: the order of treatments is not known for {len(code) - n_known} of "
                f"{len(code)} people ({unknown}); the period-adjusted effect, the period and "
                f"carry-over are without them (n = {n_known})"
            )
        if n_known < FEWEST:
            if n_known < len(code):
                notes.append(f"{where}: too few people of known order (n = {n_known}) to adjust")
        elif n_orders < 2:
            notes.append(
                f"{where}: everybody{' of known order' if n_known < len(code) else ''} had the "
                "treatments in the same order, so the drug cannot be told from the period"
            )
        else:
            design = np.column_stack([np.ones(n_known), code[known]])
            adjusted, period = _least_squares(design, delta[known])
            # The slope on ±1 is half of control first minus active first.
            half = _least_squares(design, total[known])[1]
            carryover = Test(-2 * half.estimate, -half.t, half.df, half.p)
        rows.append(
            {
                "scale": scale,
                "group": group,
                "n": len(delta),
                "mean": paired.estimate,
                "sd": float(np.std(delta, ddof=1)) if len(delta) > 1 else np.nan,
                "t": paired.t,
                "df": paired.df,
                "p": paired.p,
                "adjusted_estimate": adjusted.estimate,
                "adjusted_t": adjusted.t,
                "adjusted_p": adjusted.p,
                "period_estimate": period.estimate,
                "period_t": period.t,
                "carryover_t": carryover.t,
                "carryover_p": carryover.p,
                "wilcoxon_p": wilcoxon_p(delta),
                f"n_first_{active}": int((code == -1).sum()),
                f"n_first_{control}": int((code == 1).sum()),
            }
        )
    columns = [
        *("scale", "group", "n", "mean", "sd", "t", "df", "p"),
        *("adjusted_estimate", "adjusted_t", "adjusted_p", "period_estimate", "period_t"),
        *("carryover_t", "carryover_p", "wilcoxon_p"),
        *(f"n_first_{active}", f"n_first_{control}"),
    ]
    return pd.DataFrame(rows, columns=columns), notes


def change_between_groups(
    scores: pd.DataFrame, groups: Sequence[str], scales: Sequence[str]
) -> pd.DataFrame:
    """Test group by drug on the scales: Welch's t of D, first group minus second.

    Parameters
    ----------
    scores, scales
        As for :func:`clinical_change`.
    groups : sequence of str
        Patients, then controls.

    Returns
    -------
    DataFrame
        scale, group (``<patients>-<controls>``), n_<patients>, n_<controls>, mean_<patients>,
        mean_<controls>, difference, t, df, p. Scales that one group was not scored on are left
        out; with one group the table is empty.
    """
    columns = ["scale", "group", *(f"n_{g}" for g in groups), *(f"mean_{g}" for g in groups)]
    columns += ["difference", "t", "df", "p"]
    rows = []
    pairs = paired_scores(scores, groups, scales)
    pairs = pairs[pairs["used"]]
    for scale in scales if len(groups) == 2 else ():
        of_scale = pairs[pairs["scale"] == scale]
        deltas = [of_scale.loc[of_scale["group"] == g, "delta"].to_numpy(float) for g in groups]
        if not all(map(len, deltas)):
            continue
        test = welch(*deltas)
        row = {"scale": scale, "group": "-".join(groups), "difference": test.estimate}
        row |= {"t": test.t, "df": test.df, "p": test.p}
        for group, delta in zip(groups, deltas, strict=True):
            row |= {f"n_{group}": len(delta), f"mean_{group}": _mean(delta)}
        rows.append(row)
    return pd.DataFrame(rows, columns=columns)


def connectivity_change(targets: pd.DataFrame, treatments: Mapping[str, str]) -> pd.DataFrame:
    """Take the change of each seed and target from the table of sessions.

    Parameters
    ----------
    targets : DataFrame
        ``targets.tsv``: participant_id, treatment, seed, target, fisher_z (long).
    treatments : mapping
        ``active`` and ``control`` to their names.

    Returns
    -------
    DataFrame
        Rows participant_id, columns (seed, target) in the order of the table, values fisher_z
        active - control; NaN where either is missing or not finite (a target inside its seed).

    Raises
    ------
    Fault
        If a person has two sessions with the same treatment.
    """
    keys = ["participant_id", "treatment", "seed", "target"]
    require(targets, [*keys, "fisher_z"], "the table of targets")
    repeated = targets.duplicated(keys)
    if repeated.any():
        row = targets[repeated].iloc[0]
        raise Fault(
            f"the table of targets has two sessions of {row.participant_id} with {row.treatment}; "
            "exclude one of them in sessions.tsv"
        )
    pairs = list(dict.fromkeys(zip(targets["seed"], targets["target"], strict=True)))
    people = list(dict.fromkeys(targets["participant_id"]))
    wide = targets.set_index(keys)["fisher_z"].astype(float)
    wide = wide.where(np.isfinite(wide)).unstack(["treatment", "seed", "target"])
    values = {}
    for pair in pairs:
        sides = [(treatments[side], *pair) for side in ("active", "control")]
        have = all(side in wide.columns for side in sides)
        values[pair] = wide[sides[0]] - wide[sides[1]] if have else np.nan
    index = pd.Index(people, name="participant_id")
    columns = pd.MultiIndex.from_tuples(pairs, names=["seed", "target"])
    return pd.DataFrame(values, index=index, columns=columns, dtype=float)


def _mean(values: np.ndarray) -> float:
    return float(np.mean(values)) if len(values) else np.nan


def _constant(values: np.ndarray) -> bool:
    return float(np.ptp(values)) <= _ROUNDING * float(np.max(np.abs(values), initial=0.0))


def _least_squares(design: np.ndarray, values: np.ndarray) -> list[Test]:
    """Fit values ~ design; one Test per column. Needs a design of full rank."""
    from scipy import stats

    n, k = design.shape
    # A mean alone is taken as such: least squares would leave it a rounding error off.
    estimates = (
        np.array([values.mean()]) if k == 1 else np.linalg.lstsq(design, values, rcond=None)[0]
    )
    residuals = values - design @ estimates
    size = _ROUNDING * float(np.max(np.abs(values), initial=0.0))
    if n < FEWEST or n <= k or float(np.max(np.abs(residuals))) <= size:
        return [Test(float(b), np.nan, np.nan, np.nan) for b in estimates]
    variance = residuals @ residuals / (n - k)
    errors = np.sqrt(variance * np.diag(np.linalg.inv(design.T @ design)))
    t = estimates / errors
    p = 2 * stats.t.sf(np.abs(t), n - k)
    return [Test(float(b), float(s), float(n - k), float(q))
            for b, s, q in zip(estimates, t, p, strict=True)]  # fmt: skip
