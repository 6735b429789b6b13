"""Effects of the drug adjusted for the order of treatments, within a group and between two.

If both orders of treatments occur, the effect of the drug is the one adjusted for period, because
the plain mean of the changes contains part of the period effect whenever the two orders are not
equally frequent (Senn 2002, Cross-over Trials in Clinical Research, ch. 3).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from crossfc.array import BoolArray, FloatArray
from crossfc.clinic.student import FEWEST, NO_TEST, TTest, least_squares, t_test
from crossfc.fault import Fault

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


def no_order(code: FloatArray, treatments: Mapping[str, str], fewest: int = FEWEST) -> str:
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


def adjusted_change(delta: FloatArray, code: FloatArray, treatments: Mapping[str, str]) -> Adjusted:
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
    Adjusted
    """
    because = no_order(code, treatments)
    if because:
        return Adjusted(because=because)
    test = by_order(delta, code)[0]
    if np.isnan(test.p):
        return Adjusted(because=ALIKE)
    return Adjusted(test, int(np.isfinite(code).sum()))


def by_order(values: FloatArray, code: FloatArray) -> list[TTest]:
    """Fit values ~ 1 + code to the people of known order, who must be of both orders."""
    known = np.isfinite(code)
    design = np.column_stack([np.ones(int(known.sum())), code[known]])
    return least_squares(design, values[known])


def adjusted_difference(
    delta: FloatArray,
    first: BoolArray,
    code: FloatArray,
    groups: Sequence[str],
    treatments: Mapping[str, str],
) -> Adjusted:
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
    Adjusted
        The first group's mean minus the second's.
    """
    known = np.isfinite(code)
    because = no_order(code, treatments)
    for group, members in zip(groups, (first, ~first), strict=True):
        if not because and not known[members].any():
            because = f"the order of treatments is not known for anybody of {group}"
    if because:
        return Adjusted(because=because)
    nuisance = np.column_stack([np.ones(known.sum()), code[known]])
    try:
        test, size = group_difference(delta[known], first[known], nuisance)
    except Fault:
        return Adjusted(because="too few people of known order")
    if np.isnan(test.p):
        return Adjusted(because=ALIKE)
    return Adjusted(test, int(known.sum()), size=size)


def group_difference(
    delta: FloatArray, first: BoolArray, nuisance: FloatArray
) -> tuple[TTest, HedgesG]:
    """Compare groups of unequal variance: the test of the difference, and its size."""
    from crossfc.group.inference.effect import hedges_g_welch
    from crossfc.group.inference.welch import Welch

    if min(first.sum(), (~first).sum()) < 2:
        return NO_TEST, _NO_SIZE
    statistic = Welch(np.where(first, 0.5, -0.5), nuisance, ~first)
    fit = statistic.fit(delta[:, None])
    if fit.flat[0]:
        return NO_TEST, _NO_SIZE
    test = t_test(fit.effect[0], fit.standard_error[0], fit.degrees_of_freedom[0])
    of_groups = statistic.group_variances(delta[:, None])
    sizes = hedges_g_welch(fit.effect, fit.standard_error, *of_groups)
    return test, HedgesG(*(float(size[0]) for size in sizes))
