"""Effects of the drug adjusted for the order of treatments, within a group and between two.

If both orders of treatments occur, the effect of the drug is the one adjusted for period, because
the plain mean of the changes contains part of the period effect whenever the two orders are not
equally frequent (Senn 2002, Cross-over Trials in Clinical Research, ch. 3).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

from crossfc.array import BoolArray, FloatArray
from crossfc.clinic.student import FEWEST, NO_TEST, TTest, least_squares, t_test
from crossfc.fault import Fault
from crossfc.group.design.order import independent
from crossfc.trial.sequence import sequence_code
from crossfc.trial.visit import ORDER

NO_PERIODS = "there is one period"
_Z = 1.959963984540054
ALIKE = "the change does not vary among people of the same order"


class HedgesG(NamedTuple):
    """Hedges' g with its 95 % interval; NaN where it cannot be computed."""

    g: float
    low: float
    high: float


_NO_SIZE = HedgesG(*(np.nan,) * 3)


@dataclass(frozen=True)
class Adjusted:
    """A test that is adjusted for the order of treatments, or the reason why there is none.

    Attributes
    ----------
    test : TTest
    n : int
        Number of people in the test; 0 if there is no test.
    because : str
        Why there is no test; empty if there is one.
    size : HedgesG
        Of the difference between two groups; NaN for the change within one.
    """

    test: TTest = NO_TEST
    n: int = 0
    because: str = ""
    size: HedgesG = _NO_SIZE


def order_columns(
    people: pd.DataFrame, treatments: Mapping[str, str], columns: Sequence[str] = (ORDER,)
) -> FloatArray:
    """Read the columns that free a contrast from period effects (`crossfc.trial.visit`).

    Parameters
    ----------
    people : DataFrame
        One row per person, with these columns; ``sequence_code`` is computed from ``sequence``
        where it is not there.
    treatments : mapping
        Names of ``active`` and ``control``.
    columns : sequence of str

    Returns
    -------
    ndarray, shape (n,) or (n, n_columns)
        The code of the order of two treatments; else one column each. NaN if it is not known.
    """
    if list(columns) != [ORDER]:
        values: FloatArray = people[list(columns)].to_numpy(dtype=float)
        return values
    if ORDER in people.columns:
        code: FloatArray = people[ORDER].to_numpy(dtype=float)
        return code
    return np.array([sequence_code(s, treatments) for s in people["sequence"]], dtype=float)


def order_groups(order: FloatArray) -> FloatArray:
    """Number the people by the periods of their sessions: those alike have the same number.

    Parameters
    ----------
    order : ndarray, shape (n,) or (n, n_columns)
        As `order_columns` returns it.

    Returns
    -------
    ndarray, shape (n,)
        The code itself, if it is one; NaN where it is not known.
    """
    if order.ndim == 1:
        return order
    numbers = np.full(len(order), np.nan)
    known = np.isfinite(order).all(axis=1)
    if known.any():
        numbers[known] = np.unique(order[known], axis=0, return_inverse=True)[1].ravel()
    return numbers


def no_order(order: FloatArray, treatments: Mapping[str, str], fewest: int = FEWEST) -> str:
    """Explain why an effect cannot be adjusted for the order of treatments.

    Parameters
    ----------
    order : ndarray, shape (n,) or (n, n_columns)
        As `order_columns` returns it.
    treatments : mapping
        Names of ``active`` and ``control``.
    fewest : int
        Smallest number of people for the adjusted test.

    Returns
    -------
    str
        The reason; empty if the effect can be adjusted.
    """
    code = order_groups(order)
    known = code[np.isfinite(code)]
    what = "order of treatments" if order.ndim == 1 else "periods"
    are = "is" if order.ndim == 1 else "are"
    if order.ndim == 2 and not order.shape[1]:
        return NO_PERIODS
    if len(code) < fewest:
        return f"that takes {fewest} people"
    if not len(known):
        return f"the {what} {are} not known for anybody"
    if len(known) < fewest:
        return f"the {what} {are} known for {len(known)} only"
    if len(set(known)) < 2:
        all_of = "everybody" if len(known) == len(code) else "everybody of known order"
        if order.ndim == 2:
            return f"{all_of} had the same periods"
        first = treatments["active" if known[0] < 0 else "control"]
        return f"{all_of} had {first} first"
    return ""


def adjusted_change(
    delta: FloatArray,
    order: FloatArray,
    treatments: Mapping[str, str],
    baseline: FloatArray | None = None,
) -> Adjusted:
    """Test the mean of D within a group, adjusted for order: the intercept of D ~ 1 + order.

    With a baseline the model is D ~ 1 + order + baseline.

    Parameters
    ----------
    delta : ndarray, shape (n,)
        D = active - control of each person.
    order : ndarray, shape (n,) or (n, n_columns)
        As `order_columns` returns it.
    treatments : mapping
        Names of ``active`` and ``control``.
    baseline : ndarray, shape (n,), optional
        The same contrast of each person's baselines, not centred.

    Returns
    -------
    Adjusted
    """
    because = no_order(order, treatments)
    if because:
        return Adjusted(because=because)
    if few := too_few(known_design(order, baseline)[0]):
        return Adjusted(because=few)
    test = by_order(delta, order, baseline)[0]
    if np.isnan(test.p):
        return Adjusted(because=ALIKE)
    return Adjusted(test, int(np.isfinite(order_groups(order)).sum()))


def by_order(
    values: FloatArray, order: FloatArray, baseline: FloatArray | None = None
) -> list[TTest]:
    """Fit values ~ 1 + order (+ baseline) to the people of known order, of whom there are several.

    Columns that follow from others among these people are left out.
    """
    design, known = known_design(order, baseline)
    return least_squares(design, values[known])


def known_design(
    order: FloatArray, baseline: FloatArray | None = None
) -> tuple[FloatArray, BoolArray]:
    """Return intercept, order and baseline of the people of known order, and who they are."""
    known = np.isfinite(order_groups(order))
    columns = order.reshape(len(order), -1)[known]
    if baseline is not None:
        columns = np.column_stack([columns, baseline[known]])
    kept = columns[:, independent(columns)]
    return np.column_stack([np.ones(len(columns)), kept]), known


def too_few(design: FloatArray) -> str:
    """Explain that a model of independent columns fits any values; empty if it does not."""
    n, k = design.shape
    return f"{n} people are too few for the {k} columns of the model" if n <= k else ""


def adjusted_difference(
    delta: FloatArray,
    first: BoolArray,
    order: FloatArray,
    groups: Sequence[str],
    treatments: Mapping[str, str],
    baseline: FloatArray | None = None,
) -> Adjusted:
    """Compare two groups with the order of treatments in the model.

    Parameters
    ----------
    delta : ndarray, shape (n,)
        D = active - control of each person.
    first : ndarray of bool, shape (n,)
        True for people of the first group.
    order : ndarray, shape (n,) or (n, n_columns)
        As `order_columns` returns it.
    groups : sequence of str
        Labels of the two groups.
    treatments : mapping
        Names of ``active`` and ``control``.
    baseline : ndarray, shape (n,), optional
        A covariate with one slope in both groups; with it, one period needs no order.

    Returns
    -------
    Adjusted
        The first group's mean minus the second's.
    """
    nuisance, known = known_design(order, baseline)
    because = no_order(order, treatments)
    if baseline is not None and because == NO_PERIODS:
        because = ""
    for group, members in zip(groups, (first, ~first), strict=True):
        if not because and not known[members].any():
            what = "order of treatments is" if order.ndim == 1 else "periods are"
            because = f"the {what} not known for anybody of {group}"
    if because:
        return Adjusted(because=because)
    if few := too_few(np.column_stack([nuisance, first[known]])):
        return Adjusted(because=few)
    try:
        test, size = group_difference(delta[known], first[known], nuisance)
    except Fault:
        ordered = "" if no_order(order, treatments) == NO_PERIODS else " of known order"
        return Adjusted(because=f"too few people{ordered}")
    if np.isnan(test.p):
        return Adjusted(because=ALIKE)
    return Adjusted(test, int(known.sum()), size=size)


def group_difference(
    delta: FloatArray, first: BoolArray, nuisance: FloatArray
) -> tuple[TTest, HedgesG]:
    """Compare groups of unequal variance: the test of the difference, and its size.

    The difference is that of least squares, with the standard error that it has if each group has a
    variance of its own (`crossfc.group.inference.welch.Welch.estimate_error`); without columns
    besides the groups this is Welch's test. The interval of its size is by the larger of two
    standard errors, that of normal data (`crossfc.group.inference.effect.hedges_g_welch`) and the
    jackknife's, as that of a change is (`crossfc.clinic.effect_size`).
    """
    from crossfc.group.inference.effect import hedges_g_welch, jackknife_of_groups
    from crossfc.group.inference.welch import Welch

    if min(first.sum(), (~first).sum()) < 2:
        return NO_TEST, _NO_SIZE
    statistic = Welch(np.where(first, 0.5, -0.5), nuisance, ~first)
    fit = statistic.fit(delta[:, None])
    if fit.flat[0]:
        return NO_TEST, _NO_SIZE
    error, df = statistic.estimate_error(delta[:, None])
    of_groups = statistic.group_variances(delta[:, None])
    sizes = hedges_g_welch(fit.effect, error, *of_groups)
    test = t_test(fit.effect[0], error[0], df[0])
    g, low, high = (float(size[0]) for size in sizes)
    design = np.column_stack([statistic.effect, statistic.nuisance])
    reach = _Z * jackknife_of_groups(delta, design, first)
    more = float(np.fmax(reach - (high - low) / 2, 0.0))  # 0 where there is no jackknife
    return test, HedgesG(g, low - more, high + more)
