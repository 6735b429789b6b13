"""Rival explanations: what is left of an effect on an edge, given the change of a measure.

The change of an edge, D, is estimated with the columns of periods, D ~ 1 + P, and again with the
change of a measure beside it, D ~ 1 + P + Δ, in the same people. Δ is not centred, so the intercept
is the effect in people in whom the measure did not change (Judd, Kenny and McClelland 2001, Psychol
Methods 6:115). Between groups it is the difference at an equal change, with one slope for both.

A measure that the drug changes may be a mediator of the effect as well as its rival; the numbers
are the same. And a measure is noisy: what it misses of the breath or the head stays in what is
left.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from crossfc.array import BoolArray, FloatArray
from crossfc.clinic.connectivity import connectivity_change
from crossfc.clinic.contrast import Design, groups_of, joined
from crossfc.clinic.order import (
    ALIKE,
    NO_PERIODS,
    group_difference,
    known_design,
    no_order,
    order_columns,
    order_groups,
    too_few,
)
from crossfc.clinic.student import NO_TEST, TTest, least_squares, robust_least_squares
from crossfc.fault import Fault
from crossfc.measure import RIVALS
from crossfc.quality.measure import comparable, measure_change
from crossfc.quality.motion import group_by_drug
from crossfc.table import read_table

NOBODY = "nobody has both"
SAME_CHANGE = "the change of the measure is the same in everybody, or follows from the order"
_TESTS = ("effect", "given", "slope", "change")
_NUMBERS = {"": "estimate", "_low": "low", "_high": "high", "_p": "p"}
COLUMNS = [
    *("seed", "target", "group", "measure", "n"),
    *(f"{test}{end}" for test in _TESTS for end in _NUMBERS),
    *("share_left", "unadjusted_because", "because", "left"),
]


@dataclass(frozen=True)
class Rival:
    """An effect as it is, and given the change of a measure, in the same people.

    Attributes
    ----------
    n : int
        Number of people.
    effect, given : TTest
        The effect on D, and what is left of it where the measure does not change.
    slope : TTest
        By how much D differs for each unit by which the measure changes.
    change : TTest
        The effect on the measure itself.
    unadjusted : str
        Why none of them is adjusted for periods; empty if they are.
    because : str
        Why something is missing; empty if nothing is.
    """

    n: int
    effect: TTest
    given: TTest = NO_TEST
    slope: TTest = NO_TEST
    change: TTest = NO_TEST
    unadjusted: str = ""
    because: str = ""

    @property
    def share_left(self) -> float:
        """What share of the effect is left; NaN unless the interval of the effect is off zero.

        Of an effect that may be zero a share says nothing.
        """
        if not self.effect.low * self.effect.high > 0:
            return np.nan
        return self.given.estimate / self.effect.estimate


def rival_within(
    delta: FloatArray,
    change: FloatArray,
    order: FloatArray,
    treatments: dict[str, str],
    baseline: FloatArray | None = None,
) -> Rival:
    """Estimate a group's effect as it is, and given the change of a measure.

    Parameters
    ----------
    delta : ndarray, shape (n,)
        D of each person.
    change : ndarray, shape (n,)
        The same contrast of the measure.
    order : ndarray, shape (n,) or (n, n_columns)
        As `crossfc.clinic.order.order_columns` returns it. People whose order is not known are left
        out, unless nobody's effect can be adjusted for it.
    treatments : mapping
        Names of ``active`` and ``control``.
    baseline : ndarray, shape (n,), optional
        A covariate of D, not centred.

    Returns
    -------
    Rival
        Least squares, with intervals of 95 %: Student's of the effect and of the measure's change,
        as in the other tables; of what is left and of the slope those that allow the scatter of D
        to go with the measure (`crossfc.clinic.student.robust_least_squares`).
    """
    if not len(delta):
        return Rival(0, NO_TEST, because=NOBODY)
    unadjusted = no_order(order, treatments)
    if unadjusted:
        order = np.zeros(len(delta))
    columns = np.empty((len(delta), 0)) if baseline is None else baseline[:, None]
    plain, known = known_design(order, columns)
    # The change is last, so that it is the one that is left out where it follows from the others.
    full = known_design(order, np.column_stack([columns, change]))[0]
    of_measure = known_design(order)[0]
    n, delta, change = int(known.sum()), delta[known], change[known]
    if few := too_few(full):
        return Rival(n, NO_TEST, unadjusted=unadjusted, because=few)
    effect = least_squares(plain, delta)[0]
    moved = least_squares(of_measure, change)[0]
    if np.isnan(effect.p):
        return Rival(n, effect, change=moved, unadjusted=unadjusted, because=ALIKE)
    if full.shape[1] == plain.shape[1]:
        return Rival(n, effect, change=moved, unadjusted=unadjusted, because=SAME_CHANGE)
    fitted = robust_least_squares(full, delta)
    return Rival(n, effect, fitted[0], fitted[-1], moved, unadjusted)


def rival_between(
    delta: FloatArray,
    change: FloatArray,
    first: BoolArray,
    order: FloatArray,
    groups: Sequence[str],
    treatments: dict[str, str],
    baseline: FloatArray | None = None,
) -> Rival:
    """Estimate the difference of two groups' effects as it is, and given the measure's change.

    Parameters
    ----------
    delta, change, order, treatments, baseline
        As in `rival_within`.
    first : ndarray of bool, shape (n,)
        True for people of the first group.
    groups : sequence of str
        Labels of the two groups.

    Returns
    -------
    Rival
        The first group's effect minus the second's, with a variance for each group (Welch). The
        slope, one for both groups, is not tested.
    """
    if not len(delta):
        return Rival(0, NO_TEST, because=NOBODY)
    unadjusted = no_order(order, treatments)
    known = np.isfinite(order_groups(order))
    for group, members in zip(groups, (first, ~first), strict=True):
        if not unadjusted and not known[members].any():
            unadjusted = f"the order of treatments is not known for anybody of {group}"
    if unadjusted:
        order = np.zeros(len(delta))
        # A trial of one period has no order for which the groups could differ.
        unadjusted = "" if unadjusted == NO_PERIODS else unadjusted
    columns = np.empty((len(delta), 0)) if baseline is None else baseline[:, None]
    plain, known = known_design(order, columns)
    full = known_design(order, np.column_stack([columns, change]))[0]
    of_measure = known_design(order)[0]
    n, delta, change, first = int(known.sum()), delta[known], change[known], first[known]
    if few := too_few(np.column_stack([full, first])):
        return Rival(n, NO_TEST, unadjusted=unadjusted, because=few)
    effect, moved = _difference(delta, first, plain), _difference(change, first, of_measure)
    if np.isnan(effect.p):
        return Rival(n, effect, change=moved, unadjusted=unadjusted, because=ALIKE)
    if np.linalg.matrix_rank(np.column_stack([full, first])) <= plain.shape[1] + 1:
        return Rival(n, effect, change=moved, unadjusted=unadjusted, because=SAME_CHANGE)
    given = _difference(delta, first, full)
    return Rival(n, effect, given, change=moved, unadjusted=unadjusted)


def _difference(values: FloatArray, first: BoolArray, nuisance: FloatArray) -> TTest:
    try:
        return group_difference(values, first, nuisance)[0]
    except Fault:  # a group has too few people for the columns
        return NO_TEST


def rivals(
    sessions: pd.DataFrame,
    edges: pd.DataFrame,
    people: pd.DataFrame,
    weights: pd.DataFrame,
    design: Design,
    pairs: Iterable[tuple[str, str]],
    baseline: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Estimate the effects on edges of one contrast, given the change of each rival measure.

    Parameters
    ----------
    sessions : DataFrame
        The table ``quality/sessions.tsv``; sessions that are excluded do not count.
    edges : DataFrame
        The long table ``edges.tsv``.
    people : DataFrame
        The table ``people.tsv``.
    weights : DataFrame
        The weight of each session in the contrast: participant_id, session_id, weight.
    design : Design
    pairs : iterable of (str, str)
        Seed and target of each edge.
    baseline : DataFrame, optional
        The weight of each session in the baseline that is a covariate of edges, as ``weights``.

    Returns
    -------
    DataFrame
        The table ``quality/rivals.tsv`` but for its first column, one row per edge, group and
        measure. A measure that nobody has is left out; who lacks one that others have is in
        ``left``. Of a contrast that is no difference within people there are only the rows between
        groups.
    """
    used = sessions[~sessions["excluded"].astype(bool)]
    names = people["participant_id"]
    of_edges = connectivity_change(edges, weights).reindex(names)
    of_baseline = None if baseline is None else connectivity_change(edges, baseline).reindex(names)
    within = weights.groupby("participant_id")["weight"].sum().abs().max() < 1e-9
    changes: dict[str, FloatArray] = {}
    rows = []
    for seed, target in pairs:
        if (seed, target) not in of_edges:
            continue
        delta = of_edges[seed, target].to_numpy(float)
        given = None if of_baseline is None else of_baseline[seed, target].to_numpy(float)
        for measure in (rival.of(seed, target).name for rival in RIVALS):
            if measure not in used.columns:
                continue
            if measure not in changes:
                sums = measure_change(used, weights, measure).droplevel("group")
                changes[measure] = sums.reindex(names).to_numpy(float)
            if np.isfinite(changes[measure]).any():
                where = {"seed": seed, "target": target}
                found = _of_measure(delta, changes[measure], people, design, given, within, measure)
                rows += [where | row for row in found]
    return pd.DataFrame(rows, columns=COLUMNS)


def _of_measure(
    delta: FloatArray,
    change: FloatArray,
    people: pd.DataFrame,
    design: Design,
    baseline: FloatArray | None,
    within: bool,
    measure: str,
) -> list[dict[str, Any]]:
    """Return the rows of one edge and measure: each group, and each pair of groups."""
    treatments, groups, rows = design["treatments"], groups_of(design), []
    order = order_columns(people, treatments, design["order"])
    label = people["group"].to_numpy()
    held = np.isfinite(delta)
    if baseline is not None:
        held &= np.isfinite(baseline)
    has = held & np.isfinite(change)
    of_group = baseline if design["baseline"] and design["baseline"]["within"] else None
    for group in groups if within else ():
        own = has & (label == group)
        found = rival_within(
            delta[own],
            change[own],
            order[own],
            treatments,
            None if of_group is None else of_group[own],
        )
        left = _left(people, held & (label == group), has, order, found)
        rows.append({"group": group, "measure": measure} | _numbers(found, left))
    for pair in combinations(groups, 2):
        either = np.isin(label, pair)
        own = has & either
        found = rival_between(
            delta[own],
            change[own],
            label[own] == pair[0],
            order[own],
            pair,
            treatments,
            None if baseline is None else baseline[own],
        )
        left = _left(people, held & either, has, order, found)
        name = group_by_drug(pair, len(groups))
        rows.append({"group": name, "measure": measure} | _numbers(found, left))
    return rows


def _left(
    people: pd.DataFrame, wanted: BoolArray, has: BoolArray, order: FloatArray, found: Rival
) -> str:
    """Name who has the edge and is not in the estimate, with the reason."""
    ordered = np.isfinite(order_groups(order))
    told = [f"{name} (no value)" for name in people["participant_id"][wanted & ~has]]
    if found.n < (wanted & has).sum():
        unknown = people["participant_id"][wanted & has & ~ordered]
        told += [f"{name} (periods not known)" for name in unknown]
    return "; ".join(told)


def _numbers(found: Rival, left: str) -> dict[str, Any]:
    tests = dict(zip(_TESTS, (found.effect, found.given, found.slope, found.change), strict=True))
    numbers = {
        f"{name}{end}": getattr(test, value)
        for name, test in tests.items()
        for end, value in _NUMBERS.items()
    }
    return (
        {"n": found.n}
        | numbers
        | {
            "share_left": found.share_left,
            "unadjusted_because": found.unadjusted or None,
            "because": found.because or None,
            "left": left or None,
        }
    )


def rival_table(
    sessions: pd.DataFrame,
    designs: Sequence[Design],
    folders: Sequence[str | Path],
    pairs: Sequence[tuple[str, str]],
) -> pd.DataFrame:
    """Compute `rivals` for every contrast: the table ``quality/rivals.tsv``.

    Parameters
    ----------
    sessions : DataFrame
        The table ``quality/sessions.tsv``.
    designs : sequence of Design
    folders : sequence of path
        The folder of each contrast's data: people.tsv, sessions.tsv, edges.tsv.
    pairs : sequence of (str, str)
        Seed and target of each edge.
    """
    sessions, tables = comparable(sessions), []
    for design, folder in zip(designs, map(Path, folders), strict=True):
        tables.append(
            rivals(
                sessions,
                read_table(folder / "edges.tsv"),
                read_table(folder / "people.tsv"),
                read_table(folder / "sessions.tsv"),
                design,
                pairs,
                read_table(folder / "baseline.tsv") if design["baseline"] else None,
            )
        )
    return joined(designs, tables)
