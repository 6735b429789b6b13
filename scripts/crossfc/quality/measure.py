"""The change of a measure within a person: its sum over sessions, times their weights."""

from collections.abc import Sequence

import numpy as np
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


def with_measure_changes(people: Sequence[PersonRow], sessions: pd.DataFrame) -> list[PersonRow]:
    """Add to each person the changes of measures that can be given to maps.

    Parameters
    ----------
    people : sequence of dict
        participant_id, ``sessions``, their ``weights`` in the contrast, and further columns; not
        changed.
    sessions : DataFrame
        The table of sessions.

    Returns
    -------
    list of dict
        With ``delta_<measure>``, NaN for who lacks it in a session. A measure that nobody has in
        all sessions is left out, and so is mean FD, of which the table of people has both sides.
    """
    measured = comparable(sessions).set_index(["participant_id", "session_id"])
    changes: list[dict[str, float]] = [{} for _ in people]
    for name, measure in GIVEN.items():
        if name not in measured or name == "mean_fd":
            continue
        values = measured[name].astype(float)
        sums = [
            sum(
                weight * float(values.loc[person["participant_id"], session])
                for session, weight in zip(person["sessions"], person["weights"], strict=True)
            )
            for person in people
        ]
        if np.isfinite(sums).any():
            for own, change in zip(changes, sums, strict=True):
                own[measure.change] = change
    return [{**person, **own} for person, own in zip(people, changes, strict=True)]
