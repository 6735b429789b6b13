"""The people who moved little in all sessions of a contrast."""

import pandas as pd

from crossfc.array import BoolArray


def different_ways(table: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """Leave out limits of motion that leave out nobody: the same people are no other way.

    Parameters
    ----------
    table : DataFrame
        One row per way: the columns ``keys``, pipeline, maximum_mean_fd_mm (NaN for no stricter
        limit; stricter ones follow), n and estimate.
    keys : list of str
        What is estimated.

    Returns
    -------
    DataFrame
        Without the rows that have as many people as the one before, and the same estimate.
    """
    if table.empty:
        return table
    before = table.groupby([*keys, "pipeline"], sort=False, dropna=False)[["n", "estimate"]].shift()
    same = (table["n"] == before["n"]) & (table["estimate"] == before["estimate"])
    limited = table["maximum_mean_fd_mm"].notna()
    return table[~(limited & same)].reset_index(drop=True)


def still_people(
    people: pd.DataFrame, weights: pd.DataFrame, motion: pd.DataFrame, limit: float
) -> BoolArray:
    """Tell who kept to a limit of motion in every session of a contrast.

    Parameters
    ----------
    people : DataFrame
        participant_id, one row per person.
    weights : DataFrame
        The sessions of the contrast: participant_id, session_id.
    motion : DataFrame
        participant_id, session_id, mean_fd (mm).
    limit : float
        Highest mean framewise displacement, mm.

    Returns
    -------
    bool ndarray, shape (n_people,)
        False for who has a session of unknown motion.
    """
    keys = ["participant_id", "session_id"]
    moved = weights[keys].merge(motion[[*keys, "mean_fd"]], on=keys, how="left")
    most = moved.groupby("participant_id")["mean_fd"].agg(lambda fd: fd.max(skipna=False))
    still: BoolArray = (people["participant_id"].map(most) <= limit).to_numpy()
    return still
