"""The change of a measure within a person: its sum over sessions, times their weights."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from crossfc.group.design.people import PersonRow
from crossfc.measure import GIVEN


def comparable(sessions: pd.DataFrame) -> pd.DataFrame:
    """Leave out values that other sessions of a person do not share the definition of.

    The part of motion that is respiratory is of one axis and range of frequencies. Where a person's
    sessions differ in it (another repetition time), their difference says nothing.

    Parameters
    ----------
    sessions : DataFrame
        The table of sessions.

    Returns
    -------
    DataFrame
        A copy, with such values missing in all sessions of the person.
    """
    found, defined = sessions.copy(), ["respiratory_motion_axis", "respiratory_motion_to_hz"]
    if "respiratory_motion" not in found or not set(defined) <= set(found.columns):
        return found
    known = found[found["respiratory_motion"].notna()]
    kinds = known.groupby("participant_id")[defined].nunique().max(axis=1)
    mixed = found["participant_id"].isin(kinds.index[kinds > 1])
    found["respiratory_motion"] = found["respiratory_motion"].where(~mixed)
    return found


def measure_change(sessions: pd.DataFrame, weights: pd.DataFrame, measure: str) -> pd.Series:
    """Add up a measure over the sessions of people who have it in all, times their weights.

    Parameters
    ----------
    sessions : DataFrame
        The table of sessions.
    weights : DataFrame
        participant_id, session_id, weight.
    measure : str
        A column of ``sessions``.

    Returns
    -------
    Series
        For each group and participant_id.
    """
    own = weights.merge(sessions, on=["participant_id", "session_id"], how="left")
    # A session that is not in the table has no group, and must not drop out of its person's sum.
    group = own.groupby("participant_id")["group"].transform("first")
    values = own.assign(value=own[measure].astype(float) * own["weight"], group=group)
    by_person = values.groupby(["group", "participant_id"])["value"]
    sums: pd.Series = by_person.agg(lambda own: own.sum(skipna=False)).dropna()
    return sums


def with_measure_changes(
    people: Sequence[PersonRow], sessions: pd.DataFrame, weights: pd.DataFrame
) -> list[dict[str, Any]]:
    """Add to each person the changes of measures that can be given to maps.

    Parameters
    ----------
    people : sequence of dict
        Not changed.
    sessions : DataFrame
        The table of sessions.
    weights : DataFrame
        The weight of each session in the contrast: participant_id, session_id, weight.

    Returns
    -------
    list of dict
        With ``delta_<measure>``, NaN for who lacks it in a session. A measure that nobody has in
        all sessions is left out, and so is one whose sides are in the rows (mean FD).
    """
    found, sessions = [dict(person) for person in people], comparable(sessions)
    names = [person["participant_id"] for person in found]
    for name, measure in GIVEN.items():
        if name not in sessions or all(f"{name}_active" in person for person in found):
            continue
        changes = measure_change(sessions, weights, name).droplevel("group").reindex(names)
        if changes.notna().any():
            for person, change in zip(found, changes, strict=True):
                person[measure.change] = float(change)
    return found
