"""The sessions of people in a contrast: their weights, and their maps on the two sides."""

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from crossfc.group.design.people import PersonRow

Maps = Sequence[str | os.PathLike[str]]


@dataclass(frozen=True)
class Weighted:
    """The maps of one session, one per seed, and the weight with which they are added up."""

    weight: float
    maps: Maps


def weights_table(people: Iterable[PersonRow]) -> pd.DataFrame:
    """List the weight of each session in the contrast.

    Parameters
    ----------
    people : iterable of dict
        participant_id, ``sessions`` and ``weights``.

    Returns
    -------
    DataFrame
        participant_id, session_id, weight; positive for the active side.
    """
    rows = [
        (person["participant_id"], session, weight)
        for person in people
        for session, weight in zip(person["sessions"], person["weights"], strict=True)
    ]
    return pd.DataFrame(rows, columns=["participant_id", "session_id", "weight"])


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
        called in the order of people and sessions.
    """
    found = []
    for person in people:
        row = {key: value for key, value in person.items() if key not in ("sessions", "weights")}
        row |= {"active": [], "control": []}
        for session, weight in zip(person["sessions"], person["weights"], strict=True):
            side = row["active" if weight > 0 else "control"]
            side.append(Weighted(abs(weight), maps_of(person["participant_id"], session)))
        found.append(row)
    return found
