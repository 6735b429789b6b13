"""Pairs of scores: who was scored under both treatments, and by how much the scores differ."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from crossfc.fault import Fault
from crossfc.table import require_columns
from crossfc.tie import difference

# The column with the same contrast of the baselines, where it is a covariate.
BASELINE = "baseline"


def paired_scores(
    scores: pd.DataFrame,
    groups: Sequence[str],
    scales: Sequence[str],
    order: Sequence[str] = (),
) -> pd.DataFrame:
    """List for every person and scale whether there is a pair of scores.

    Parameters
    ----------
    scores : DataFrame
        participant_id, group, sequence, scale, active, control; one row per person and scale. With
        a column ``baseline``, people without it are not used, except on a scale on which nobody
        has it.
    groups, scales : sequence of str
        Labels to keep, in the order wanted.
    order : sequence of str
        Columns that free the contrast from period effects, which are kept where they are there.

    Returns
    -------
    DataFrame
        scale, group, participant_id, sequence, active, control, delta, used, reason: the table
        ``clinic/scores.tsv``. A group has no rows for a scale on which nobody of it was scored.

    Raises
    ------
    Fault
        If a column is missing or a person has two rows for a scale.
    """
    columns = ["participant_id", "group", "sequence", "scale", "active", "control"]
    require_columns(scores, columns, "the table of scores")
    repeated = scores.duplicated(["participant_id", "scale"])
    if repeated.any():
        row = scores[repeated].iloc[0]
        raise Fault(
            f"the table of scores has two rows of {row.participant_id} for {row.scale}; keep one"
        )
    kept = [column for column in (*order, BASELINE) if column in scores.columns]
    table = scores[columns + kept].reset_index(drop=True)
    table[["active", "control"]] = table[["active", "control"]].astype(float)
    table["delta"] = np.nan
    for _, part in table.groupby("scale"):
        table.loc[part.index, "delta"] = difference(part["active"], part["control"])
    table["used"] = np.isfinite(table["delta"].to_numpy(float))
    table["reason"] = ""
    given = [BASELINE] if BASELINE in kept else []
    for column in given:
        table[column] = table[column].astype(float)
        needed = table["scale"].map(table.groupby("scale")[column].count()) > 0
        table["used"] &= table[column].notna() | ~needed
    for column in ("active", "control", *given):
        missing = table[column].isna() & (needed if column in given else True)
        sentence = np.where(table["reason"][missing] == "", "", " and ") + f"no {column} score"
        table.loc[missing, "reason"] = table.loc[missing, "reason"] + sentence
    parts = []
    for scale in scales:
        for group in groups:
            part = table[(table["scale"] == scale) & (table["group"] == group)]
            if part[["active", "control"]].notna().any(axis=None):
                parts.append(part)
    table = pd.concat(parts, ignore_index=True) if parts else table.iloc[:0]
    first = ["scale", "group", "participant_id", "sequence", *kept, "active", "control", "delta"]
    return table[[*first, "used", "reason"]]
