"""Differences as they are told, of scores and of a-priori edges, with what their model allows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from math import comb, nan

import numpy as np
import pandas as pd

from crossfc.array import BoolArray, FloatArray
from crossfc.clinic.connectivity import connectivity_change
from crossfc.clinic.contrast import Design, groups_of
from crossfc.clinic.order import (
    NO_PERIODS,
    adjusted_change,
    adjusted_difference,
    known_design,
    order_columns,
)
from crossfc.clinic.score import BASELINE, paired_scores
from crossfc.clinic.student import FEWEST, TTest, one_sample, welch
from crossfc.group.inference.statistic import Student


@dataclass(frozen=True)
class Estimate:
    """A difference within a group or between two, by the model that is told.

    Attributes
    ----------
    group : str
        The group, or two joined by a hyphen, the first minus the second.
    test : TTest
    n : int
        Number of people in the model.
    effective_n : float
        The variance of a person over that of the estimate; see
        `crossfc.clinic.bayes_factor.change_bayes_factor`.
    adjusted : bool
        Whether periods (and a baseline, where there is one) are in the model.
    because : str
        Why they are not, or why there is no test.
    rank_p_smallest : float
        The smallest p that the test by ranks beside it can give; NaN where there is none.
    """

    group: str
    test: TTest
    n: int
    effective_n: float
    adjusted: bool
    because: str
    rank_p_smallest: float = nan


def estimates(
    delta: FloatArray,
    group: Sequence[str],
    periods: FloatArray,
    groups: Sequence[str],
    treatments: Mapping[str, str],
    baseline: FloatArray | None = None,
    within: bool = False,
) -> list[Estimate]:
    """Estimate a difference in every group, and between each two, as the tables of results do.

    Parameters
    ----------
    delta : ndarray, shape (n,)
        D of each person; all are known.
    group : sequence of str
        Each person's group.
    periods : ndarray, shape (n,) or (n, n_columns)
        As `crossfc.clinic.order.order_columns` returns it.
    groups : sequence of str
        Labels in the order wanted.
    treatments : mapping
        Names of ``active`` and ``control``.
    baseline : ndarray, shape (n,), optional
        A covariate between groups, and within them if ``within``.

    Returns
    -------
    list of Estimate
        Groups without people are left out.
    """
    member = np.asarray(group)
    there = [label for label in groups if (member == label).any()]
    found = []
    for label in there:
        own = member == label
        given = baseline[own] if baseline is not None and within else None
        found.append(_within(label, delta[own], periods[own], treatments, given))
    for pair in combinations(there, 2):
        own = np.isin(member, pair)
        given = None if baseline is None else baseline[own]
        first = member[own] == pair[0]
        found.append(_between(pair, delta[own], first, periods[own], treatments, given))
    return found


def _within(
    label: str,
    delta: FloatArray,
    periods: FloatArray,
    treatments: Mapping[str, str],
    baseline: FloatArray | None,
) -> Estimate:
    told = adjusted_change(delta, periods, treatments, baseline)
    if told.because:
        test = one_sample(delta)
        because = told.because if told.because != NO_PERIODS else ""
        because = because if np.isfinite(test.p) else _no_test(delta)
        ranks = 2 / 2 ** len(delta) if len(delta) >= FEWEST else nan
        return Estimate(label, test, len(delta), len(delta), False, because, ranks)
    columns, known = known_design(periods, baseline)
    effective = 1 / Student(columns[:, 0], columns[:, 1:]).effect_variance
    ranks = nan
    if periods.ndim == 1 and baseline is None:
        ranks = 2 / comb(int(known.sum()), int((periods[known] < 0).sum()))
    return Estimate(label, told.test, told.n, effective, True, "", ranks)


def _between(
    pair: tuple[str, str],
    delta: FloatArray,
    first: BoolArray,
    periods: FloatArray,
    treatments: Mapping[str, str],
    baseline: FloatArray | None,
) -> Estimate:
    label = "-".join(pair)
    told = adjusted_difference(delta, first, periods, pair, treatments, baseline)
    effect = np.where(first, 0.5, -0.5)
    if told.because:
        test = welch(delta[first], delta[~first])
        because = told.because if told.because != NO_PERIODS else ""
        because = because if np.isfinite(test.p) else "too few people, or nothing varies"
        effective = 1 / (1 / first.sum() + 1 / (~first).sum())
        return Estimate(label, test, len(delta), effective, False, because)
    columns, known = known_design(periods, baseline)
    effective = 1 / Student(effect[known], columns).effect_variance
    return Estimate(label, told.test, told.n, effective, True, "")


def _no_test(delta: FloatArray) -> str:
    if len(delta) < FEWEST:
        return f"a test takes {FEWEST} people"
    return "the change is the same in everybody"


def score_estimates(
    scores: pd.DataFrame, designs: Sequence[Design], scales: Sequence[str]
) -> list[tuple[str, str, Estimate]]:
    """Estimate the change of every scale in every contrast.

    Parameters
    ----------
    scores : DataFrame
        One row per contrast, scale and person; see `crossfc.clinic.contrast.change_tables`.
    designs : sequence of Design
    scales : sequence of str

    Returns
    -------
    list of (contrast, scale, Estimate)
        The tests of ``clinic/change.tsv`` and ``clinic/between_groups.tsv`` that are told, but for
        F over three and more groups, which has no single effect.
    """
    found = []
    for design in designs:
        own = scores[scores["contrast"] == design["contrast"]]
        given, groups = design["baseline"], groups_of(design)
        if given is None:
            own = own.drop(columns=BASELINE, errors="ignore")
        pairs = paired_scores(own, groups, scales, design["order"])
        for scale in scales:
            used = pairs[pairs["used"] & (pairs["scale"] == scale)]
            baseline = None
            if BASELINE in used and used[BASELINE].notna().any():
                baseline = used[BASELINE].to_numpy(dtype=float)
            periods = order_columns(used, design["treatments"], design["order"])
            told = estimates(
                used["delta"].to_numpy(dtype=float),
                list(used["group"]),
                periods,
                groups,
                design["treatments"],
                baseline,
                within=given is not None and given["within"],
            )
            found += [(design["contrast"], scale, one) for one in told]
    return found


def edge_estimates(
    edges: pd.DataFrame,
    people: pd.DataFrame,
    weights: pd.DataFrame,
    design: Design,
    baseline: pd.DataFrame | None = None,
) -> list[tuple[str, str, Estimate]]:
    """Estimate the change of every a-priori edge in a contrast, by the same models as scores.

    Parameters
    ----------
    edges : DataFrame
        The long table ``edges.tsv``.
    people, weights : DataFrame
        The people of the contrast with the columns of periods, and the weights of their sessions.
    design : Design
    baseline : DataFrame, optional
        The weights of sessions in the baseline that is a covariate.

    Returns
    -------
    list of (seed, target, Estimate)
        Estimates are in Fisher z. There is no test by ranks.
    """
    names = people["participant_id"]
    change = connectivity_change(edges, weights).reindex(names)
    before = None if baseline is None else connectivity_change(edges, baseline).reindex(names)
    order = order_columns(people, design["treatments"], design["order"])
    found = []
    for seed, target in change.columns:
        delta = change[seed, target].to_numpy(dtype=float)
        given = None if before is None else before[seed, target].to_numpy(dtype=float)
        known = np.isfinite(delta)
        if given is not None and np.isfinite(given).any():
            known &= np.isfinite(given)
        else:
            given = None
        told = estimates(
            delta[known],
            list(people["group"][known]),
            order[known],
            groups_of(design),
            design["treatments"],
            None if given is None else given[known],
            within=design["baseline"] is not None and design["baseline"]["within"],
        )
        found += [(seed, target, replace(one, rank_p_smallest=nan)) for one in told]
    return found
