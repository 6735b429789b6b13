"""What first-order carry-over does to a difference: a sensitivity analysis, by which nothing is
decided.

Each difference is estimated twice, in the same people: in D ~ 1 + P, as it is told, and in
D ~ 1 + P + C, whose columns C stand for the treatment of the period before and whose intercept is
free of first-order carry-over (`crossfc.trial.carryover`; Jones and Kenward 2014, Design and
Analysis of Cross-Over Trials, ch. 5). The price is precision, so the second interval is the wider
one; a test for carry-over that chooses between the two would err more often than either (Freeman
1989, Statistics in Medicine 8:1421-1432; Senn 2002, Cross-over Trials in Clinical Research).
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from crossfc.array import FloatArray
from crossfc.clinic.connectivity import connectivity_change
from crossfc.clinic.contrast import Design, groups_of
from crossfc.clinic.order import adjusted_change, no_order
from crossfc.clinic.power import detectable_effect
from crossfc.clinic.student import (
    FEWEST,
    NO_TEST,
    TTest,
    least_squares,
    standard_error,
)
from crossfc.group.design.order import independent
from crossfc.group.design.people import with_columns
from crossfc.table import read_table
from crossfc.tie import difference
from crossfc.trial.carryover import PREFIX

CANCELS = "carry-over cancels in this contrast"
_NUMBERS = ("estimate", "low", "high", "df", "p")


class Carryover(NamedTuple):
    """A difference without and with columns of carry-over, in the same people.

    Attributes
    ----------
    n : int
        Number of people whose change, periods and treatments before are known.
    without, given : TTest
        The difference in D ~ 1 + P, and in D ~ 1 + P + C.
    effects : list of TTest
        Carry-over of each treatment less that of the reference; NaN where it cannot be told.
    because : str
        Why something is missing; empty if nothing is.
    """

    n: int
    without: TTest
    given: TTest
    effects: list[TTest]
    because: str


def carryover(
    delta: FloatArray,
    periods: FloatArray,
    before: FloatArray,
    treatments: Sequence[str],
    sides: Mapping[str, str],
) -> Carryover:
    """Estimate a difference without and with columns of carry-over.

    What the orders cannot tell is told to be so, and not estimated: an effect can be estimated if
    the others do not hold its column, that is if the model has a lower rank without it. In the
    three orders of a Latin square of three, P alone tells all orders apart, so that C follows from
    it; in the six of a Williams design it does not. A Williams square of four treatments has four
    orders, which P tells apart for any two of its treatments: there only a model of all treatments
    together could tell carry-over, with stronger assumptions on errors.

    Parameters
    ----------
    delta : ndarray, shape (n,)
        D of each person.
    periods : ndarray, shape (n, n_periods)
        The columns P; NaN where periods are not known.
    before : ndarray, shape (n, n_treatments)
        The columns C; NaN where the treatment before is not known.
    treatments : sequence of str
        The labels of these columns.
    sides : mapping
        Names of ``active`` and ``control``.

    Returns
    -------
    Carryover
    """
    held = np.isfinite(np.column_stack([delta, periods, before])).all(axis=1)
    delta, periods, before = delta[held], periods[held], before[held]
    told = adjusted_change(delta, periods, sides)
    none = [NO_TEST] * len(treatments)
    because = no_order(periods, sides)
    if because or not np.isfinite(told.test.p):
        return Carryover(len(delta), NO_TEST, NO_TEST, none, because or told.because)
    if not before.any():
        return Carryover(len(delta), told.test, NO_TEST, none, CANCELS)
    columns = np.column_stack([np.ones(len(delta)), periods, before])
    kept = [0, *(1 + place for place in independent(columns[:, 1:]))]
    rank = len(kept)
    if len(delta) <= max(rank, FEWEST - 1):
        few = f"{len(delta)} people are too few for the {rank} columns of the model"
        return Carryover(len(delta), told.test, NO_TEST, none, few)

    def can_be_told(place: int) -> bool:
        return bool(np.linalg.matrix_rank(np.delete(columns, place, axis=1)) < rank)

    # What can be told has the same value however the other columns are chosen.
    fitted = dict(zip(kept, least_squares(columns[:, kept], delta), strict=True))
    first = 1 + periods.shape[1]
    places = {label: first + number for number, label in enumerate(treatments)}
    # Of a treatment that was never before a session there is nothing to say.
    given_before = [label for label, place in places.items() if columns[:, place].any()]
    untold = [label for label in given_before if not can_be_told(places[label])]
    effects = [
        fitted[place] if label in given_before and label not in untold else NO_TEST
        for label, place in places.items()
    ]
    alone = "the sessions of this contrast alone do not tell carry-over"
    if not can_be_told(0):
        why = f"{alone} from the difference, in the orders of these people"
        return Carryover(len(delta), told.test, NO_TEST, effects, why)
    why = f"{alone} of {' and '.join(untold)} from other effects" if untold else ""
    return Carryover(len(delta), told.test, fitted[0], effects, why)


def score_carryover(
    scores: Iterable[Mapping[str, Any]],
    designs: Sequence[Design],
    scales: Sequence[str],
    treatments: Sequence[str],
) -> pd.DataFrame:
    """Estimate every difference of scores without and with carry-over.

    Parameters
    ----------
    scores : iterable of dict
        One row per contrast, scale and person: contrast, scale, group, participant_id, the columns
        of periods and of carry-over, active, control.
    designs : sequence of Design
    scales, treatments : sequence of str
        Scales, and the treatments that have a column of carry-over.

    Returns
    -------
    DataFrame
        The table ``clinic/carryover.tsv``: contrast, scale, group, and what `carryover` tells.
    """
    everything = pd.DataFrame(list(scores))
    rows = []
    for design in designs:
        of_contrast = everything[everything["contrast"] == design["contrast"]]
        for scale in scales:
            for group in groups_of(design):
                own = of_contrast[(of_contrast["scale"] == scale) & (of_contrast["group"] == group)]
                scored = own[own[["active", "control"]].notna().all(axis=1)]
                if scored.empty:
                    continue
                delta = difference(scored["active"].astype(float), scored["control"].astype(float))
                names = {"contrast": design["contrast"], "scale": scale, "group": group}
                rows.append(names | _row(np.asarray(delta), scored, design, treatments))
    return pd.DataFrame(rows, columns=["contrast", "scale", "group", *_columns(treatments)])


def edge_carryover(
    designs: Sequence[Design],
    folders: Sequence[str | Path],
    before: Mapping[str, Sequence[Mapping[str, Any]]],
    treatments: Sequence[str],
) -> pd.DataFrame:
    """Estimate every difference of an a-priori edge without and with carry-over.

    Parameters
    ----------
    designs : sequence of Design
    folders : sequence of path
        The folder of each contrast's data: people.tsv, sessions.tsv, edges.tsv.
    before : mapping
        Name of each contrast to rows with participant_id and the columns of carry-over.
    treatments : sequence of str
        The treatments that have a column of carry-over.

    Returns
    -------
    DataFrame
        The table ``clinic/edge_carryover.tsv``: contrast, seed, target, group, and what
        `carryover` tells, in Fisher z.
    """
    rows = []
    for design, folder in zip(designs, map(Path, folders), strict=True):
        people = with_columns(read_table(folder / "people.tsv"), before[design["contrast"]])
        change = connectivity_change(
            read_table(folder / "edges.tsv"), read_table(folder / "sessions.tsv")
        ).reindex(people["participant_id"])
        for seed, target in change.columns:
            values = change[seed, target].to_numpy(dtype=float)
            for group in groups_of(design):
                own = (people["group"] == group).to_numpy() & np.isfinite(values)
                if own.any():
                    names = {"contrast": design["contrast"], "seed": seed, "target": target}
                    found = _row(values[own], people[own], design, treatments)
                    rows.append(names | {"group": group} | found)
    labels = ["contrast", "seed", "target", "group"]
    return pd.DataFrame(rows, columns=[*labels, *_columns(treatments)])


def _columns(treatments: Sequence[str]) -> list[str]:
    sizes = ["without", "with", *(f"{PREFIX}{treatment}" for treatment in treatments)]
    found = [f"{PREFIX}{treatment}_detectable" for treatment in treatments]
    numbers = (f"{of}_{name}" for of in sizes for name in _NUMBERS)
    return ["n", *numbers, *found, "because", "left"]


def _row(
    delta: FloatArray, people: pd.DataFrame, design: Design, treatments: Sequence[str]
) -> dict[str, Any]:
    """Return the numbers of one row, and who leaves it as what was before is not known."""
    periods = people[design["order"]].to_numpy(dtype=float)
    before = people[[f"{PREFIX}{treatment}" for treatment in treatments]].to_numpy(dtype=float)
    found = carryover(delta, periods, before, treatments, design["treatments"])
    tests = {"without": found.without, "with": found.given}
    tests |= {f"{PREFIX}{t}": test for t, test in zip(treatments, found.effects, strict=True)}
    numbers = {
        f"{of}_{name}": getattr(test, name) for of, test in tests.items() for name in _NUMBERS
    }
    # How large a carry-over would have been found, as no p above 0.05 shows that there is none.
    numbers |= {
        f"{PREFIX}{treatment}_detectable": detectable_effect(standard_error(test), test.df)
        for treatment, test in zip(treatments, found.effects, strict=True)
    }
    unknown = ~np.isfinite(np.column_stack([periods, before])).all(axis=1)
    left = "; ".join(
        f"{person} (the treatment of a period is not known)"
        for person in people["participant_id"][unknown]
    )
    return {"n": found.n} | numbers | {"because": found.because or None, "left": left or None}
