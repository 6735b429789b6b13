"""The sessions of people in a contrast: their weights, and their maps on the two sides."""

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from crossfc.group.design.people import BASELINE, PersonRow

Maps = Sequence[str | os.PathLike[str]]


@dataclass(frozen=True)
class Weighted:
    """The maps of one session, one per seed, and the weight with which they are added up."""

    weight: float
    maps: Maps


def weight_tables(people: Sequence[PersonRow], *, baseline: bool) -> dict[str, pd.DataFrame]:
    """List the weight of each session in the contrast, and in the baseline that is a covariate.

    Parameters
    ----------
    people : sequence of dict
        participant_id, ``sessions`` and ``weights``; for the baseline ``baseline_sessions`` and
        ``baseline_weights``.
    baseline : bool
        Whether there is a baseline.

    Returns
    -------
    dict
        ``sessions.tsv`` and, if there is one, ``baseline.tsv``: participant_id, session_id,
        weight; of the contrast positive for the active side.
    """
    tables = {}
    for name, of in (("sessions.tsv", ""), *([("baseline.tsv", "baseline_")] if baseline else [])):
        rows = [
            (person["participant_id"], session, weight)
            for person in people
            for session, weight in zip(person[f"{of}sessions"], person[f"{of}weights"], strict=True)
        ]
        columns = ["participant_id", "session_id", "weight"]
        tables[name] = pd.DataFrame(rows, columns=columns)
    return tables


def without_sessions(people: Iterable[PersonRow]) -> list[dict[str, Any]]:
    """Return the rows of people without their sessions and weights."""
    drop = ("sessions", "weights", "baseline_sessions", "baseline_weights")
    return [{key: row[key] for key in row if key not in drop} for row in people]


def with_contrast_maps(
    people: Iterable[PersonRow], maps: Maps, n_seeds: int
) -> list[dict[str, Any]]:
    """Give each person their ready contrast maps, in place of sessions and weights.

    Parameters
    ----------
    people : iterable of dict
    maps : sequence of path
        Sorted by person, then seed.
    n_seeds : int
    """
    rows = without_sessions(people)
    for number, row in enumerate(rows):
        row["contrast"] = list(maps[number * n_seeds : (number + 1) * n_seeds])
    return rows


def with_maps(
    people: Iterable[PersonRow], maps_of: Callable[[str, str], Maps]
) -> list[dict[str, Any]]:
    """Give each person the weighted maps of both sides, in place of sessions and weights.

    Parameters
    ----------
    people : iterable of dict
        participant_id, ``sessions``, ``weights`` and further columns; not changed.
    maps_of : callable
        Returns the maps of a session, one per seed, from participant_id and session_id. It is
        called in the order of people and sessions, and for the baseline after those.
    """
    people = list(people)
    found = without_sessions(people)
    for person, row in zip(people, found, strict=True):
        row |= {"active": [], "control": []}
        for session, weight in zip(person["sessions"], person["weights"], strict=True):
            side = row["active" if weight > 0 else "control"]
            side.append(Weighted(abs(weight), maps_of(person["participant_id"], session)))
        if "baseline_sessions" in person:
            own = zip(person["baseline_sessions"], person["baseline_weights"], strict=True)
            row[BASELINE] = [Weighted(w, maps_of(person["participant_id"], s)) for s, w in own]
    return found
