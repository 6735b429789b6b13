"""Change between the treatments, of clinical scores and of the connectivity with a-priori targets.

A change is always D = active - control of one person. On a scale on which lower is better,
improvement is a negative D. No sign is flipped; ``scales.tsv`` states which direction is better.

If both orders of treatments occur, the effect of the drug is the one adjusted for period, with its
own interval and p, because the plain mean of D contains part of the period effect whenever the two
orders are not equally frequent (Senn 2002, Cross-over Trials in Clinical Research, ch. 3).
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from crossfc.fault import Fault
from crossfc.tie import difference, rank_sum_p, rounded, signed_rank_p
from crossfc.trial.sequence import sequence_code

# Variation below this share of the values' size counts as rounding.
_ROUNDING = 1e-12

FEWEST = 3
_ALIKE = "the change does not vary among people of the same order"


class Test(NamedTuple):
    """One t-test with the 95 % interval of its estimate; NaN for what cannot be computed."""

    __test__ = False  # not a test case for pytest

    estimate: float
    low: float
    high: float
    t: float
    df: float
    p: float


_NO_TEST = Test(*(np.nan,) * 6)


def require(table: pd.DataFrame, columns: Sequence[str], name: str) -> None:
    """Refuse a table that lacks a column.

    Raises
    ------
    Fault
        If a column is missing; the message names the table and the missing columns.
    """
    missing = [column for column in columns if column not in table.columns]
    if missing:
        raise Fault(f"{name} has no column {', '.join(missing)}; write it with this column")


def one_sample(values: np.ndarray) -> Test:
    """Test a mean against zero (Student); for differences, this is the paired t-test.

    Parameters
    ----------
    values : ndarray, shape (n,)
        One value per person.

    Returns
    -------
    Test
        t, df and p are NaN for fewer than three people or for values that do not vary.
    """
    if len(values) == 0:
        return _NO_TEST
    return _least_squares(np.ones((len(values), 1)), values)[0]


def welch(first: np.ndarray, second: np.ndarray) -> Test:
    """Test the difference of two means, first - second, with unequal variances (Welch 1947).

    Parameters
    ----------
    first, second : ndarray, shape (n,)
        Values of two groups of people; the groups may differ in size.

    Returns
    -------
    Test
        All but the estimate is NaN if a sample has fewer than two people or if neither varies.
    """
    from scipy import stats

    estimate = _mean(first) - _mean(second)
    if len(first) < 2 or len(second) < 2 or (_constant(first) and _constant(second)):
        return _NO_TEST._replace(estimate=estimate)
    result = stats.ttest_ind(first, second, equal_var=False)
    low, high = result.confidence_interval(0.95)
    numbers = (low, high, result.statistic, result.df, result.pvalue)
    return Test(estimate, *(float(v) for v in numbers))


def wilcoxon_p(differences: np.ndarray) -> float:
    """Compute the p of Wilcoxon's signed ranks, two-sided and exact.

    Differences of zero are left out before ranking. Equal differences share their mean rank; they
    are compared after rounding to the decimals of the numbers. See `crossfc.tie.signed_rank_p`.

    Parameters
    ----------
    differences : ndarray, shape (n,)
        One difference per person.

    Returns
    -------
    float
        NaN for fewer than three people or if every difference is zero.
    """
    differences = rounded(differences)
    if len(differences) < FEWEST or not np.any(differences):
        return np.nan
    return signed_rank_p(differences)


def adjusted_wilcoxon_p(differences: np.ndarray, code: np.ndarray) -> float:
    """Test the drug by ranks, adjusted for period (Koch 1972, Biometrics 28:577), exactly.

    The difference period 1 - period 2 is D for people who had the active treatment first, and -D
    for people who had the control first. Without an effect of the drug, both contain only the
    period effect, of any size. So the two orders are compared in this difference by Wilcoxon's
    rank sum; see `crossfc.tie.rank_sum_p`.

    Parameters
    ----------
    differences : ndarray, shape (n,)
        D = active - control.
    code : ndarray, shape (n,)
        -1 for active first, +1 for control first; people with NaN are left out.

    Returns
    -------
    float
        Two-sided p; NaN with fewer than three people of known order, with one order only, or if
        all differences are equal.
    """
    known = np.isfinite(code)
    by_period = rounded(-code[known] * differences[known], differences)
    first = code[known] < 0
    if len(first) < FEWEST or first.all() or not first.any() or np.ptp(by_period) == 0:
        return np.nan
    return rank_sum_p(by_period[first], by_period[~first])


def paired_scores(
    scores: pd.DataFrame, groups: Sequence[str], scales: Sequence[str]
) -> pd.DataFrame:
    """List for every person and scale whether there is a pair of scores.

    Parameters
    ----------
    scores : DataFrame
        participant_id, group, sequence, scale, active, control; one row per person and scale.
    groups, scales : sequence of str
        Labels to keep, in the order wanted.

    Returns
    -------
    DataFrame
        scale, group, participant_id, sequence, active, control, delta, used, reason: the table
        ``clinic/scores.tsv``. A group has no rows for a scale on which nobody of it was scored.

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
    table = scores[columns].reset_index(drop=True)
    table[["active", "control"]] = table[["active", "control"]].astype(float)
    table["delta"] = np.nan
    for _, part in table.groupby("scale"):
        table.loc[part.index, "delta"] = difference(part["active"], part["control"])
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

    Columns of the table, where D = active - control. ``*_low`` and ``*_high`` are the limits of
    95 % intervals by Student's t.

    - ``adjusted_*``: the effect of the drug, free of the period effect, to be reported where it is
      known: the intercept of D ~ 1 + sequence code (-1 active first, +1 control first, not
      centred), with n - 2 degrees of freedom. ``adjusted_wilcoxon_p`` is its test by ranks
      (`adjusted_wilcoxon_p`).
    - ``period_*``: the slope of this model, period 2 minus period 1.
    - ``carryover_*``: the sum active + control, compared as active first minus control first, by
      the two-sample t with pooled variance (Grizzle 1965). It is a diagnostic only: no analysis
      is chosen by it (Freeman 1989).
    - ``adjusted_n``: number of people of known order, to whom all of the above refers.
    - ``mean``, ``sd`` and their interval: D of everybody, not adjusted, with the paired t-test
      (``unadjusted_t``, ``unadjusted_df``, ``unadjusted_p``) and the signed ranks of D
      (``unadjusted_wilcoxon_p``; `wilcoxon_p`). To be reported only if ``unadjusted_because``
      gives a reason.

    Parameters
    ----------
    scores : DataFrame
        participant_id, group, sequence, scale, active, control; one row per person and scale.
    treatments : mapping
        Names of ``active`` and ``control``, as in the sequence labels.
    groups, scales : sequence of str
        Labels in the order of the rows. A group has no row for a scale on which nobody of it was
        scored twice.

    Returns
    -------
    table : DataFrame
        The table ``clinic/change.tsv``, one row per scale and group. Numbers that cannot be
        computed are NaN: with fewer than three people (of known order, where it matters), without
        variation, or if all have the same order of treatments. ``unadjusted_because`` gives the
        reason if there is no adjusted test.
    notes : list of str
        Reasons for NaN, and who is left out of the numbers that need the order.
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
        by_ranks = np.nan
        known = np.isfinite(code)
        n_known, because = int(known.sum()), no_order(code, treatments)
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
        elif because:
            notes.append(
                f"{where}: everybody{' of known order' if n_known < len(code) else ''} had the "
                "treatments in the same order, so the drug cannot be told from the period"
            )
        else:
            adjusted, period = _by_order(delta, code)
            by_ranks = adjusted_wilcoxon_p(delta, code)
            # The slope on ±1 is half of control first minus active first.
            half = _by_order(total, code)[1]
            carryover = Test(
                -2 * half.estimate, -2 * half.high, -2 * half.low, -half.t, half.df, half.p
            )
            if np.isnan(adjusted.p):
                because = _ALIKE
        rows.append(
            {
                **{"scale": scale, "group": group, "n": len(delta)},
                "adjusted_n": n_known if np.isfinite(adjusted.estimate) else 0,
                **_numbers(adjusted, "adjusted"),
                "adjusted_wilcoxon_p": by_ranks,
                "unadjusted_because": because,
                "mean": paired.estimate,
                **{"mean_low": paired.low, "mean_high": paired.high},
                "sd": float(np.std(delta, ddof=1)) if len(delta) > 1 else np.nan,
                **{"unadjusted_t": paired.t, "unadjusted_df": paired.df},
                **{"unadjusted_p": paired.p, "unadjusted_wilcoxon_p": wilcoxon_p(delta)},
                **_numbers(period, "period"),
                **_numbers(carryover, "carryover"),
                f"n_first_{active}": int((code == -1).sum()),
                f"n_first_{control}": int((code == 1).sum()),
            }
        )
    columns = [
        *("scale", "group", "n", "adjusted_n", *_numbers(_NO_TEST, "adjusted")),
        *("adjusted_wilcoxon_p", "unadjusted_because", "mean", "mean_low", "mean_high", "sd"),
        *("unadjusted_t", "unadjusted_df", "unadjusted_p", "unadjusted_wilcoxon_p"),
        *(*_numbers(_NO_TEST, "period"), *_numbers(_NO_TEST, "carryover")),
        *(f"n_first_{active}", f"n_first_{control}"),
    ]
    return pd.DataFrame(rows, columns=columns), notes


def _numbers(test: Test, name: str) -> dict[str, float]:
    """Return the numbers of a test as columns of a table."""
    return {
        f"{name}_estimate": test.estimate,
        f"{name}_low": test.low,
        f"{name}_high": test.high,
        f"{name}_t": test.t,
        f"{name}_df": test.df,
        f"{name}_p": test.p,
    }


def no_order(code: np.ndarray, treatments: Mapping[str, str], fewest: int = FEWEST) -> str:
    """Explain why an effect cannot be adjusted for the order of treatments.

    Parameters
    ----------
    code : ndarray, shape (n,)
        `crossfc.trial.sequence.sequence_code` of each person; NaN if it is not known.
    treatments : mapping
        Names of ``active`` and ``control``.
    fewest : int
        Smallest number of people for the adjusted test.

    Returns
    -------
    str
        The reason; empty if the effect can be adjusted.
    """
    known = code[np.isfinite(code)]
    if len(code) < fewest:
        return f"that takes {fewest} people"
    if not len(known):
        return "the order of treatments is not known for anybody"
    if len(known) < fewest:
        return f"the order of treatments is known for {len(known)} only"
    if len(set(known)) < 2:
        first = treatments["active" if known[0] < 0 else "control"]
        all_of = "everybody" if len(known) == len(code) else "everybody of known order"
        return f"{all_of} had {first} first"
    return ""


def change_between_groups(
    scores: pd.DataFrame,
    treatments: Mapping[str, str],
    groups: Sequence[str],
    scales: Sequence[str],
) -> pd.DataFrame:
    """Test group by drug on the scales: the first group's change minus the second's.

    - ``adjusted_*``: the difference of the groups in D ~ group + sequence code, to be reported
      where it is known. Each group has its own variance (`crossfc.group.inference.welch`,
      Satterthwaite's degrees of freedom), as in the comparison of maps.
    - ``g``, ``g_low``, ``g_high``: Hedges' g of this difference with its interval, in the form
      that fits Welch's test (`crossfc.group.inference.effect.hedges_g_welch`): divided by the root
      of the mean of the two groups' variances within orders. If there is no adjusted difference,
      it is that of the unadjusted one.
    - ``unadjusted_…``: Welch's t of D, not adjusted, to be reported only if
      ``unadjusted_because`` gives a reason.

    Parameters
    ----------
    scores, treatments, scales
        As for :func:`clinical_change`.
    groups : sequence of str
        Patients, then controls.

    Returns
    -------
    DataFrame
        scale, group (``<patients>-<controls>``), n and mean of each group, adjusted_n (both
        groups), the two tests with 95 % intervals, and ``unadjusted_because``. A scale on which
        one group was not scored is left out. With one group, the table is empty.
    """
    columns = ["scale", "group", *(f"n_{g}" for g in groups), *(f"mean_{g}" for g in groups)]
    columns += ["adjusted_n", *_numbers(_NO_TEST, "adjusted"), "unadjusted_because"]
    columns += ["g", "g_low", "g_high"]
    columns += [f"unadjusted_{name}" for name in ("difference", "low", "high", "t", "df", "p")]
    rows = []
    pairs = paired_scores(scores, groups, scales)
    pairs = pairs[pairs["used"]]
    for scale in scales if len(groups) == 2 else ():
        of_scale = pairs[pairs["scale"] == scale]
        deltas = [of_scale.loc[of_scale["group"] == g, "delta"].to_numpy(float) for g in groups]
        if not all(map(len, deltas)):
            continue
        test = welch(*deltas)
        row = {"scale": scale, "group": "-".join(groups)}
        names = ("difference", "low", "high", "t", "df", "p")
        row |= {f"unadjusted_{name}": value for name, value in zip(names, test, strict=True)}
        for group, delta in zip(groups, deltas, strict=True):
            row |= {f"n_{group}": len(delta), f"mean_{group}": _mean(delta)}
        code = np.array([sequence_code(s, treatments) for s in of_scale["sequence"]], dtype=float)
        first = (of_scale["group"] == groups[0]).to_numpy()
        delta = of_scale["delta"].to_numpy(float)
        adjusted, g, n_known, because = adjusted_difference(delta, first, code, groups, treatments)
        row |= _numbers(adjusted, "adjusted")
        row |= {"adjusted_n": n_known, "unadjusted_because": because}
        if because:
            g = _group_difference(delta, first, np.ones((len(delta), 1)))[1]
        row |= dict(zip(("g", "g_low", "g_high"), g, strict=True))
        rows.append(row)
    return pd.DataFrame(rows, columns=columns)


def adjusted_change(
    delta: np.ndarray, code: np.ndarray, treatments: Mapping[str, str]
) -> tuple[Test, int, str]:
    """Test the mean of D within a group, adjusted for order: the intercept of D ~ 1 + code.

    Parameters
    ----------
    delta : ndarray, shape (n,)
        D = active - control of each person.
    code : ndarray, shape (n,)
        `crossfc.trial.sequence.sequence_code` of each person; NaN if it is not known.
    treatments : mapping
        Names of ``active`` and ``control``.

    Returns
    -------
    test : Test
    n : int
        Number of people in the test; 0 if there is no test.
    because : str
        Why there is no test; empty if there is one.
    """
    because = no_order(code, treatments)
    if because:
        return _NO_TEST, 0, because
    test = _by_order(delta, code)[0]
    if np.isnan(test.p):
        return _NO_TEST, 0, _ALIKE
    return test, int(np.isfinite(code).sum()), ""


def _by_order(values: np.ndarray, code: np.ndarray) -> list[Test]:
    """Fit values ~ 1 + code to the people of known order, who must be of both orders."""
    known = np.isfinite(code)
    design = np.column_stack([np.ones(int(known.sum())), code[known]])
    return _least_squares(design, values[known])


def adjusted_difference(
    delta: np.ndarray,
    first: np.ndarray,
    code: np.ndarray,
    groups: Sequence[str],
    treatments: Mapping[str, str],
) -> tuple[Test, tuple[float, float, float], int, str]:
    """Compare two groups with the order of treatments in the model.

    Parameters
    ----------
    delta : ndarray, shape (n,)
        D = active - control of each person.
    first : ndarray of bool, shape (n,)
        True for people of the first group.
    code : ndarray, shape (n,)
        `crossfc.trial.sequence.sequence_code` of each person; NaN if it is not known.
    groups : sequence of str
        Labels of the two groups.
    treatments : mapping
        Names of ``active`` and ``control``.

    Returns
    -------
    test : Test
        Of the first group's mean minus the second's.
    g : tuple of float
        Hedges' g, and the lower and upper limit of its interval.
    n : int
        Number of people in the test; 0 if there is no test.
    because : str
        Why there is no test; empty if there is one.
    """
    no_size = (np.nan,) * 3
    known = np.isfinite(code)
    because = no_order(code, treatments)
    for group, members in zip(groups, (first, ~first), strict=True):
        if not because and not known[members].any():
            because = f"the order of treatments is not known for anybody of {group}"
    if because:
        return _NO_TEST, no_size, 0, because
    nuisance = np.column_stack([np.ones(known.sum()), code[known]])
    try:
        test, g = _group_difference(delta[known], first[known], nuisance)
    except Fault:
        return _NO_TEST, no_size, 0, "too few people of known order"
    if np.isnan(test.p):
        because = _ALIKE
        return _NO_TEST, no_size, 0, because
    return test, g, int(known.sum()), ""


def _group_difference(
    delta: np.ndarray, first: np.ndarray, nuisance: np.ndarray
) -> tuple[Test, tuple[float, float, float]]:
    """Compare groups of unequal variance: the test, and Hedges' g with its limits."""
    from crossfc.group.inference.effect import hedges_g_welch
    from crossfc.group.inference.welch import Welch

    no_size = (np.nan,) * 3
    if min(first.sum(), (~first).sum()) < 2:
        return _NO_TEST, no_size
    statistic = Welch(np.where(first, 0.5, -0.5), nuisance, ~first)
    fit = statistic.fit(delta[:, None])
    if fit.flat[0]:
        return _NO_TEST, no_size
    test = _test(fit.effect[0], fit.standard_error[0], fit.degrees_of_freedom[0])
    of_groups = statistic.group_variances(delta[:, None])
    sizes = hedges_g_welch(fit.effect, fit.standard_error, *of_groups)
    return test, tuple(float(size[0]) for size in sizes)


def connectivity_change(targets: pd.DataFrame, treatments: Mapping[str, str]) -> pd.DataFrame:
    """Compute the change of each seed and target from the table of sessions.

    Parameters
    ----------
    targets : DataFrame
        The long table ``targets.tsv``: participant_id, treatment, seed, target, fisher_z.
    treatments : mapping
        Names of ``active`` and ``control``.

    Returns
    -------
    DataFrame
        One row per participant_id, one column per (seed, target), in the order of the table.
        Values are Fisher z, active - control; NaN if either is missing or not finite (a target
        inside its seed).

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


def _test(estimate: float, error: float, df: float) -> Test:
    """Return Student's t of an estimate with its standard error, and its 95 % interval."""
    from scipy import stats

    half, t = stats.t.isf(0.025, df) * error, estimate / error
    p = 2 * stats.t.sf(abs(t), df)
    return Test(*(float(v) for v in (estimate, estimate - half, estimate + half, t, df, p)))


def _least_squares(design: np.ndarray, values: np.ndarray) -> list[Test]:
    """Fit values ~ design; return one Test per column. The design must have full rank."""
    n, k = design.shape
    # A model with only a mean uses the mean itself, as least squares would add a rounding error.
    estimates = (
        np.array([values.mean()]) if k == 1 else np.linalg.lstsq(design, values, rcond=None)[0]
    )
    residuals = values - design @ estimates
    size = _ROUNDING * float(np.max(np.abs(values), initial=0.0))
    if n < FEWEST or n <= k or float(np.max(np.abs(residuals))) <= size:
        return [_NO_TEST._replace(estimate=float(b)) for b in estimates]
    variance = residuals @ residuals / (n - k)
    errors = np.sqrt(variance * np.diag(np.linalg.inv(design.T @ design)))
    return [_test(b, error, n - k) for b, error in zip(estimates, errors, strict=True)]
