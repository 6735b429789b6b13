"""The change of connectivity of each a-priori edge."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from crossfc.fault import Fault
from crossfc.table import require_columns


def treatment_weights(targets: pd.DataFrame, treatments: Mapping[str, str]) -> pd.DataFrame:
    """Return the weights of sessions for two treatments with one session each.

    Parameters
    ----------
    targets : DataFrame
        One or more rows per session: participant_id, session_id, treatment.
    treatments : mapping
        Names of ``active`` and ``control``.

    Returns
    -------
    DataFrame
        participant_id, session_id, weight: 1 for the active treatment, -1 for the control; nobody
        has one without the other.

    Raises
    ------
    Fault
        If a person has two sessions with the same treatment.
    """
    keys = ["participant_id", "session_id", "treatment"]
    require_columns(targets, keys, "the table of edges")
    sessions = targets[keys].drop_duplicates()
    repeated = sessions.duplicated(["participant_id", "treatment"])
    if repeated.any():
        row = sessions[repeated].iloc[0]
        raise Fault(
            f"the table of edges has two sessions of {row.participant_id} with {row.treatment}; "
            "exclude one of them in sessions.tsv"
        )
    weight = {treatments["active"]: 1.0, treatments["control"]: -1.0}
    sessions = sessions[sessions["treatment"].isin(list(weight))]
    both = sessions.groupby("participant_id")["treatment"].transform("size") == 2
    found = sessions[both].assign(weight=sessions["treatment"].map(weight))
    return found[["participant_id", "session_id", "weight"]]


def connectivity_change(targets: pd.DataFrame, weights: pd.DataFrame) -> pd.DataFrame:
    """Compute the change of each seed and target from the table of sessions.

    Parameters
    ----------
    targets : DataFrame
        The long table ``edges.tsv``: participant_id, session_id, seed, target, fisher_z.
    weights : DataFrame
        The weight of each session in the contrast: participant_id, session_id, weight.

    Returns
    -------
    DataFrame
        One row per participant_id, one column per (seed, target), in the order of the table.
        Values are sums of Fisher z times weights; NaN if a session is missing or its value is not
        finite (a target inside its seed).
    """
    keys = ["participant_id", "session_id", "seed", "target"]
    require_columns(targets, [*keys, "fisher_z"], "the table of edges")
    pairs = list(dict.fromkeys(zip(targets["seed"], targets["target"], strict=True)))
    people = list(dict.fromkeys(targets["participant_id"]))
    wide = targets.pivot(
        index=["participant_id", "session_id"], columns=["seed", "target"], values="fisher_z"
    )[pairs].astype(float)
    wide = wide.where(np.isfinite(wide))
    signed = weights.set_index(["participant_id", "session_id"])["weight"]
    values = wide.reindex(signed.index).to_numpy() * signed.to_numpy()[:, None]
    change = np.full((len(people), len(pairs)), np.nan)
    rows = signed.reset_index().groupby("participant_id", sort=False).indices
    for number, person in enumerate(people):
        if person in rows:
            change[number] = values[rows[person]].sum(axis=0)
    index = pd.Index(people, name="participant_id")
    columns = pd.MultiIndex.from_tuples(pairs, names=["seed", "target"])
    return pd.DataFrame(change, index=index, columns=columns, dtype=float)
