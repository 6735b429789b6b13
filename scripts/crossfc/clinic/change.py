"""Change of clinical scores between the treatments, within groups and between them.

A change is always D = active - control of one person. On a scale on which lower is better,
improvement is a negative D. No sign is flipped; ``scales.tsv`` states which direction is better.

The effect of the drug is the one adjusted for period where the orders of treatments are known and
differ (`crossfc.clinic.order`), with its own interval and p.
"""

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
import pandas as pd

from crossfc.array import FloatArray
from crossfc.clinic.effect_size import hedges_g_av
from crossfc.clinic.order import (
    ALIKE,
    NO_PERIODS,
    adjusted_difference,
    by_order,
    group_difference,
    known_design,
    no_order,
    order_columns,
    order_groups,
    too_few,
)
from crossfc.clinic.power import detectable_effect
from crossfc.clinic.rank import adjusted_wilcoxon_p, wilcoxon_p
from crossfc.clinic.score import BASELINE, paired_scores
from crossfc.clinic.several import adjusted_f, welch_f
from crossfc.clinic.student import (
    FEWEST,
    NO_TEST,
    TTest,
    constant,
    mean_of,
    one_sample,
    standard_error,
    welch,
)
from crossfc.significance import holm
from crossfc.trial.visit import ORDER


def clinical_change(
    scores: pd.DataFrame,
    treatments: Mapping[str, str],
    groups: Sequence[str],
    scales: Sequence[str],
    order: Sequence[str] = (ORDER,),
    *,
    carries_over: bool = True,
    baseline: bool = False,
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
      is chosen by it (Freeman 1989). ``carryover_detectable`` is the size of a carry-over that
      this test finds with a power of 80 %, by its own standard error
      (`crossfc.clinic.power.detectable_effect`).
    - ``g_av``, ``g_av_low``, ``g_av_high``: Hedges' g of the change in units of the average
      standard deviation of both sides (`crossfc.clinic.effect_size`): of the adjusted change where
      it is known (``g_av_adjusted``), else of the mean.
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
    order : sequence of str
        The columns of ``scores`` that free the contrast from period effects
        (`crossfc.trial.visit`). Period and carry-over effects are those of two treatments in two
        periods (``sequence_code``), and NaN in other designs.
    carries_over : bool
        False for contrasts of more than one session on a side, of whose sum carry-over is no part.
    baseline : bool
        Whether the column ``baseline`` of ``scores`` is in the model of the adjusted effect, whose
        test by ranks is then left out.

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
    pairs = paired_scores(scores, groups, scales, order)
    pairs = pairs[pairs["used"]]
    rows: list[dict[str, object]] = []
    notes = [
        f"{scale}: nobody has a score of it at the baseline, so it is tested without this covariate"
        for scale in scales
        if BASELINE in pairs and (pairs["scale"] == scale).any() and not _has_baseline(pairs, scale)
    ]
    for (scale, group), part in pairs.groupby(["scale", "group"], sort=False):
        delta = part["delta"].to_numpy(float)
        total = (part["active"] + part["control"]).to_numpy(float)
        columns = order_columns(part, treatments, order)
        given = _baseline(part) if baseline else None
        code = order_groups(columns)
        where = f"{scale} in {group}"
        paired = one_sample(delta)
        if len(delta) < FEWEST:
            notes.append(f"{where}: too few people (n = {len(delta)}) for a test")
        elif constant(delta):
            notes.append(f"{where}: the change is the same in everybody, so there is no t")
        adjusted = period = carryover = NO_TEST
        by_ranks = np.nan
        known = np.isfinite(code)
        n_known, because = int(known.sum()), no_order(columns, treatments)
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
        elif because == NO_PERIODS:
            pass  # nothing to adjust for
        elif because and columns.ndim == 2:
            notes.append(f"{where}: {because}, so the drug cannot be told from the period")
        elif because:
            notes.append(
                f"{where}: everybody{' of known order' if n_known < len(code) else ''} had the "
                "treatments in the same order, so the drug cannot be told from the period"
            )
        else:
            because = too_few(known_design(columns, given)[0])
            if not because:
                adjusted, *slopes = by_order(delta, columns, given)
            if columns.ndim == 1:
                period = NO_TEST if because else slopes[0]
                if given is None:
                    by_ranks = adjusted_wilcoxon_p(delta, code)
            if columns.ndim == 1 and carries_over:
                # The slope on ±1 is half of control first minus active first.
                half = by_order(total, code)[1]
                carryover = TTest(
                    -2 * half.estimate, -2 * half.high, -2 * half.low, -half.t, half.df, half.p
                )
            if np.isnan(adjusted.p) and not because:
                because = ALIKE
        told = np.isfinite(adjusted.p)
        sides = (part[side].to_numpy(float) for side in ("active", "control"))
        size = hedges_g_av(*sides, *((columns, given) if told else ()))
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
                **{"g_av": size.g, "g_av_low": size.low, "g_av_high": size.high},
                "g_av_adjusted": told,
                **_numbers(period, "period"),
                **_numbers(carryover, "carryover"),
                "carryover_detectable": detectable_effect(standard_error(carryover), carryover.df),
                "n_active_first": int((code == -1).sum()) if columns.ndim == 1 else np.nan,
                "n_control_first": int((code == 1).sum()) if columns.ndim == 1 else np.nan,
            }
        )
    names = [
        *("scale", "group", "n", "adjusted_n", *_numbers(NO_TEST, "adjusted")),
        *("adjusted_wilcoxon_p", "unadjusted_because", "mean", "mean_low", "mean_high", "sd"),
        *("unadjusted_t", "unadjusted_df", "unadjusted_p", "unadjusted_wilcoxon_p"),
        *("g_av", "g_av_low", "g_av_high", "g_av_adjusted"),
        *(*_numbers(NO_TEST, "period"), *_numbers(NO_TEST, "carryover"), "carryover_detectable"),
        *("n_active_first", "n_control_first"),
    ]
    return pd.DataFrame(rows, columns=names), notes


def change_between_groups(
    scores: pd.DataFrame,
    treatments: Mapping[str, str],
    groups: Sequence[str],
    scales: Sequence[str],
    order: Sequence[str] = (ORDER,),
) -> pd.DataFrame:
    """Test group by drug on the scales: the first group's change minus the second's.

    - ``adjusted_*``: the difference of the groups in D ~ group + sequence code, to be reported
      where it is known. Each group has its own variance, as in the comparison of maps
      (`crossfc.clinic.order.group_difference`, Satterthwaite's degrees of freedom).
    - ``g``, ``g_low``, ``g_high``: Hedges' g of this difference with its interval, in the form
      that fits Welch's test (`crossfc.group.inference.effect.hedges_g_welch`): divided by the root
      of the mean of the two groups' variances within orders; of eight and more people each the
      interval is wider where the jackknife says so. If there is no adjusted difference, it is that
      of the unadjusted one.
    - ``unadjusted_…``: Welch's t of D, not adjusted, to be reported only if
      ``unadjusted_because`` gives a reason.

    Parameters
    ----------
    scores, treatments, scales, order
        As for :func:`clinical_change`. A column ``baseline`` of ``scores`` is in the model.
    groups : sequence of str
        Patients, then controls; or three and more groups.

    Returns
    -------
    DataFrame
        scale, group (``<patients>-<controls>``), n and mean of each group, adjusted_n (both
        groups), the two tests with 95 % intervals, and ``unadjusted_because``. A scale on which
        one group was not scored is left out. With one group, the table is empty.

        Of three and more groups a scale has a row with Welch's F over all of them
        (``adjusted_f``, ``unadjusted_f``, on ``df_effect`` and ``adjusted_df`` or
        ``unadjusted_df`` degrees of freedom), and then a row for each pair, as above, whose p are
        besides corrected over the pairs (``adjusted_p_holm``, ``unadjusted_p_holm``).
    """
    columns = ["scale", "group", *(f"n_{g}" for g in groups), *(f"mean_{g}" for g in groups)]
    columns += ["adjusted_n", *_numbers(NO_TEST, "adjusted"), "unadjusted_because"]
    columns += ["g", "g_low", "g_high"]
    columns += [f"unadjusted_{name}" for name in ("difference", "low", "high", "t", "df", "p")]
    if len(groups) > 2:
        columns += ["df_effect", "adjusted_f", "unadjusted_f"]
        columns += ["adjusted_p_holm", "unadjusted_p_holm"]
    rows: list[dict[str, object]] = []
    pairs = paired_scores(scores, groups, scales, order)
    pairs = pairs[pairs["used"]]
    for scale in scales:
        of_scale = pairs[pairs["scale"] == scale]
        if len(groups) == 2:
            row = _of_two(of_scale, scale, treatments, groups, order)
            rows += [row] if row else []
        elif len(groups) > 2:
            rows += _of_several(of_scale, scale, treatments, groups, order)
    return pd.DataFrame(rows, columns=columns)


def _of_two(
    of_scale: pd.DataFrame,
    scale: str,
    treatments: Mapping[str, str],
    groups: Sequence[str],
    order: Sequence[str],
) -> dict[str, object] | None:
    """Compare two groups on a scale; None if one of them was not scored."""
    deltas = [of_scale.loc[of_scale["group"] == g, "delta"].to_numpy(float) for g in groups]
    if not all(map(len, deltas)):
        return None
    test = welch(*deltas)
    row: dict[str, object] = {"scale": scale, "group": "-".join(groups)}
    names = ("difference", "low", "high", "t", "df", "p")
    row |= {f"unadjusted_{name}": value for name, value in zip(names, test, strict=True)}
    for group, delta in zip(groups, deltas, strict=True):
        row |= {f"n_{group}": len(delta), f"mean_{group}": mean_of(delta)}
    periods = order_columns(of_scale, treatments, order)
    first = (of_scale["group"] == groups[0]).to_numpy()
    delta = of_scale["delta"].to_numpy(float)
    given = _baseline(of_scale)
    adjusted = adjusted_difference(delta, first, periods, groups, treatments, given)
    row |= _numbers(adjusted.test, "adjusted")
    row |= {"adjusted_n": adjusted.n, "unadjusted_because": adjusted.because}
    size = adjusted.size
    if adjusted.because:
        size = group_difference(delta, first, np.ones((len(delta), 1)))[1]
    return row | {"g": size.g, "g_low": size.low, "g_high": size.high}


def _of_several(
    of_scale: pd.DataFrame,
    scale: str,
    treatments: Mapping[str, str],
    groups: Sequence[str],
    order: Sequence[str],
) -> list[dict[str, object]]:
    """Compare three and more groups on a scale, together and in pairs."""
    there = [group for group in groups if (of_scale["group"] == group).any()]
    rows: list[dict[str, object]] = []
    for pair in combinations(there, 2):
        own = of_scale[of_scale["group"].isin(pair)]
        if row := _of_two(own, scale, treatments, pair, order):
            rows.append(row)
    for name in ("adjusted_p", "unadjusted_p"):
        corrected = holm(np.array([row[name] for row in rows], dtype=float))
        for row, p in zip(rows, corrected, strict=True):
            row[f"{name}_holm"] = float(p)
    if len(there) < 3:
        return rows
    delta, member = of_scale["delta"].to_numpy(float), of_scale["group"].to_numpy()
    periods = order_columns(of_scale, treatments, order)
    plain, adjusted = welch_f(delta, member), adjusted_f(delta, member, periods, there, treatments)
    whole: dict[str, object] = {"scale": scale, "group": "-".join(there)}
    for group in there:
        own_delta = delta[member == group]
        whole |= {f"n_{group}": len(own_delta), f"mean_{group}": mean_of(own_delta)}
    whole |= {"adjusted_n": adjusted.n, "unadjusted_because": adjusted.because}
    whole |= {"df_effect": len(there) - 1}
    for name, test in (("adjusted", adjusted.test), ("unadjusted", plain)):
        whole |= {f"{name}_f": test.f, f"{name}_df": test.df, f"{name}_p": test.p}
    return [whole, *rows]


def _has_baseline(pairs: pd.DataFrame, scale: str) -> bool:
    return bool(pairs.loc[pairs["scale"] == scale, BASELINE].notna().any())


def _baseline(pairs: pd.DataFrame) -> FloatArray | None:
    """Return the covariate of pairs of one scale; None if there is none, or nobody was scored."""
    if BASELINE not in pairs or pairs[BASELINE].isna().all():
        return None
    values: FloatArray = pairs[BASELINE].to_numpy(float)
    return values


def _numbers(test: TTest, name: str) -> dict[str, float]:
    """Return the numbers of a test as columns of a table."""
    return {
        f"{name}_estimate": test.estimate,
        f"{name}_low": test.low,
        f"{name}_high": test.high,
        f"{name}_t": test.t,
        f"{name}_df": test.df,
        f"{name}_p": test.p,
    }
