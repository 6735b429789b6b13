"""The people who moved little in all sessions of a contrast."""

import pandas as pd

from crossfc.array import BoolArray


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
