"""Blinding: could people tell what they were given, and does the effect go with their guess?

Guesses are of the column ``guess`` of the sheet of sessions: the treatment that the person believed
to have had. Bang's index of each treatment (Bang, Ni and Davis 2004, Control Clin Trials 25:143)
says how far guesses were better than chance. Effects in people who guessed right and wrong are told
apart, because an effect in the first alone may be one of what they expected; or they guessed right
because they felt the effect.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
import pandas as pd

from crossfc.array import FloatArray
from crossfc.clinic.connectivity import connectivity_change
from crossfc.clinic.contrast import Design, groups_of
from crossfc.clinic.order import adjusted_change, adjusted_difference, order_columns
from crossfc.clinic.score import paired_scores
from crossfc.clinic.student import FEWEST, NO_TEST, TTest, one_sample, welch
from crossfc.table import read_table

RIGHT, WRONG, UNKNOWN = "right", "wrong", "not known"
DIFFERENCE = "right - wrong"
_NORMAL = 1.959963984540054  # 97.5 % quantile of the standard normal distribution
_MORE = 0.5  # people that are added to each kind for the interval


class Guess(TypedDict):
    """A session under a treatment, and what its person guessed; None for do not know.

    ``contrasts`` are those that the session is in.
    """

    participant_id: str
    session_id: str
    group: str
    treatment: str
    occasion: str | None
    guess: str | None
    contrasts: list[str]


@dataclass(frozen=True)
class BlindingIndex:
    """Bang's index of a treatment with its standard error and 95 % interval.

    1 where everybody guessed right, 0 under chance, below 0 where wrong guesses prevail. All are
    NaN if nobody was asked.
    """

    index: float
    standard_error: float
    low: float
    high: float


def bang_index(n_right: int, n_wrong: int, n_unknown: int, n_treatments: int = 2) -> BlindingIndex:
    """Compute the blinding index of one treatment (Bang, Ni and Davis 2004).

    Of N people who had the treatment the index is (right - wrong) / N. People who do not know
    count among the N and weaken it. Its variance is that of a multinomial distribution. Of more
    than two treatments wrong guesses are divided by the number of the others, so that guesses by
    lot still give zero; that is no part of the paper.

    The interval is that of Agresti and Min 2005 (Stat Med 24:729) for such a difference of two
    shares of the same people: with half a person more in each kind of four, and cut to what the
    index can be. The paper's own, of the standard error alone, is nearly the same in large trials,
    but holds the truth in 85 to 95 % of trials of 12 to 29 people, and has no width where everybody
    guesses alike.

    Parameters
    ----------
    n_right, n_wrong, n_unknown : int
        How many guessed this treatment, another, and none.
    n_treatments : int
        Treatments that could be guessed.

    Returns
    -------
    BlindingIndex
    """
    n, others = n_right + n_wrong + n_unknown, max(n_treatments - 1, 1)
    if not n:
        return BlindingIndex(*(np.nan,) * 4)
    index, error = _difference(n_right, n_wrong, n, others)
    middle, spread = _difference(n_right + _MORE, n_wrong + _MORE, n + 4 * _MORE, others)
    low, high = middle - _NORMAL * spread, middle + _NORMAL * spread
    return BlindingIndex(index, error, max(low, -1 / others), min(high, 1.0))


def _difference(n_right: float, n_wrong: float, n: float, others: int) -> tuple[float, float]:
    """Return the share of right guesses less that of wrong ones, and its standard error."""
    right, wrong = n_right / n, n_wrong / n
    variance = right * (1 - right) + wrong * (1 - wrong) / others**2 + 2 * right * wrong / others
    return right - wrong / others, sqrt(max(variance, 0.0) / n)


BLINDING_COLUMNS = [
    *("treatment", "occasion", "group", "n", "n_right", "n_wrong", "n_unknown"),
    *("index", "index_low", "index_high"),
]


def blinding_table(
    guesses: Sequence[Guess], treatments: Sequence[str], groups: Sequence[str]
) -> pd.DataFrame:
    """Compute Bang's index of every treatment, by occasion and group: ``quality/blinding.tsv``.

    Parameters
    ----------
    guesses : sequence of Guess
        Of all sessions under a treatment; of several of one person under one treatment at one
        occasion the first is counted.
    treatments, groups : sequence of str
        In the order of the rows; of several groups ``all`` comes first.

    Returns
    -------
    DataFrame
        The columns `BLINDING_COLUMNS`. An occasion at which nobody guessed has no rows.
    """
    rows = []
    occasions = list(dict.fromkeys(own["occasion"] for own in guesses if own["guess"]))
    parts = {"all": list(groups)} if len(groups) > 1 else {}
    parts |= {group: [group] for group in groups}
    for treatment in treatments:
        for occasion in occasions:
            first: dict[str, Guess] = {}
            for own in guesses:
                if own["treatment"] == treatment and own["occasion"] == occasion:
                    first.setdefault(own["participant_id"], own)
            for name, members in parts.items():
                told = [own["guess"] for own in first.values() if own["group"] in members]
                if not told:
                    continue
                right = sum(guess == treatment for guess in told)
                unknown = sum(guess is None for guess in told)
                wrong = len(told) - right - unknown
                found = bang_index(right, wrong, unknown, len(treatments))
                counts = (len(told), right, wrong, unknown)
                interval = (found.index, found.low, found.high)
                rows.append((treatment, occasion, name, *counts, *interval))
    return pd.DataFrame(rows, columns=BLINDING_COLUMNS)


def guessed(guesses: Iterable[Guess], contrast: str) -> dict[str, str]:
    """Tell of each person whether the guesses in a contrast's sessions were right.

    Returns
    -------
    dict
        ``right`` if there is a guess and all are right, ``wrong`` if one is wrong, else ``not
        known``. So of two sessions one right guess and none of the other is right.
    """
    of_person: dict[str, list[bool]] = {}
    for own in guesses:
        if contrast in own["contrasts"]:
            told = of_person.setdefault(own["participant_id"], [])
            told += [own["guess"] == own["treatment"]] if own["guess"] is not None else []
    return {
        person: UNKNOWN if not told else RIGHT if all(told) else WRONG
        for person, told in of_person.items()
    }


GUESS_COLUMNS = [
    *("contrast", "seed", "target", "scale", "group", "guess", "n"),
    *("estimate", "low", "high", "p", "unadjusted_because"),
]


def effects_by_guess(
    guesses: Sequence[Guess],
    designs: Sequence[Design],
    folders: Sequence[str | Path],
    pairs: Sequence[tuple[str, str]],
    scores: Sequence[Mapping[str, Any]],
    scales: Sequence[str],
) -> pd.DataFrame:
    """Estimate changes of edges and scores in people who guessed right, wrong, and not.

    Parameters
    ----------
    guesses : sequence of Guess
    designs : sequence of Design
    folders : sequence of path
        The folder of each contrast's data: people.tsv, sessions.tsv, edges.tsv.
    pairs : sequence of (str, str)
        Seed and target of each edge.
    scores : sequence of dict
        One row per contrast, scale and person, as of `crossfc.clinic.contrast.change_tables`.
    scales : sequence of str

    Returns
    -------
    DataFrame
        The table ``quality/effects_by_guess.tsv``: for each contrast, edge or scale, and group the
        estimate for right, wrong and unknown guesses, and the difference of the first two. All are
        adjusted for periods where that can be (``unadjusted_because``), and p is not corrected.
        Without any guess it has no rows.
    """
    rows: list[dict[str, Any]] = []
    if not any(own["guess"] for own in guesses):
        return pd.DataFrame(rows, columns=GUESS_COLUMNS)
    every = pd.DataFrame(list(scores))
    for design, folder in zip(designs, map(Path, folders), strict=True):
        told = guessed(guesses, design["contrast"])
        people = read_table(folder / "people.tsv")
        edges, weights = read_table(folder / "edges.tsv"), read_table(folder / "sessions.tsv")
        changes = connectivity_change(edges, weights).reindex(people["participant_id"])
        for seed, target in pairs:
            if (seed, target) in changes:
                where = {"contrast": design["contrast"], "seed": seed, "target": target}
                delta = changes[seed, target].to_numpy(float)
                rows += [where | row for row in _of_outcome(delta, people, told, design)]
        own = every[every["contrast"] == design["contrast"]] if len(every) else every
        for scale in scales if len(own) else ():
            pair = paired_scores(own, groups_of(design), [scale], design["order"])
            where = {"contrast": design["contrast"], "scale": scale}
            delta = pair["delta"].to_numpy(float)
            rows += [where | row for row in _of_outcome(delta, pair, told, design)]
    return pd.DataFrame(rows, columns=GUESS_COLUMNS)


def _of_outcome(
    delta: FloatArray, people: pd.DataFrame, told: Mapping[str, str], design: Design
) -> list[dict[str, Any]]:
    """Return the rows of one outcome."""
    order = order_columns(people, design["treatments"], design["order"])
    guess = np.array([told.get(name, UNKNOWN) for name in people["participant_id"]], dtype=object)
    held, rows = np.isfinite(delta), []
    for group in groups_of(design):
        own = held & (people["group"] == group).to_numpy()
        for kind in (RIGHT, WRONG, UNKNOWN):
            who = own & (guess == kind)
            if not who.any():
                continue
            adjusted = adjusted_change(delta[who], order[who], design["treatments"])
            test = adjusted.test if not adjusted.because else _plain(delta[who])
            n = adjusted.n if not adjusted.because else int(who.sum())
            rows.append(_row(group, kind, n, test, adjusted.because))
        first, second = own & (guess == RIGHT), own & (guess == WRONG)
        who = first | second
        if first.any() and second.any():
            adjusted = adjusted_difference(
                delta[who], first[who], order[who], (RIGHT, WRONG), design["treatments"]
            )
            test, n = adjusted.test, adjusted.n
            if adjusted.because:
                test, n = welch(delta[first], delta[second]), int(who.sum())
            rows.append(_row(group, DIFFERENCE, n, test, adjusted.because))
    return rows


def _plain(values: FloatArray) -> TTest:
    return one_sample(values) if len(values) >= FEWEST else NO_TEST


def _row(group: str, guess: str, n: int, test: TTest, because: str) -> dict[str, Any]:
    numbers = {name: getattr(test, name) for name in ("estimate", "low", "high", "p")}
    return (
        {"group": group, "guess": guess, "n": n} | numbers | {"unadjusted_because": because or None}
    )
