"""The a-priori edges of all sessions in one long table."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas


def edge_rows(sessions: list[dict[str, Any]], tables: Iterable[str | Path]) -> pandas.DataFrame:
    """Gather the seed-by-target tables of sessions.

    Parameters
    ----------
    sessions : list of dict
        participant_id, group, sequence, session_id, treatment, period.
    tables : iterable of path
        Each session's seed-by-target table, in the same order.

    Returns
    -------
    DataFrame
        The columns of ``sessions``, seed, target, fisher_z. An edge that nobody has (a target
        that shares voxels with its seed) is left out.
    """
    parts = []
    for session, path in zip(sessions, tables, strict=True):
        wide = pandas.read_csv(path, sep="\t", na_values=["n/a"], keep_default_na=False)
        long = wide.melt(id_vars="seed", var_name="target", value_name="fisher_z")
        parts.append(long.assign(**session))
    table = pandas.concat(parts, ignore_index=True)
    somebody = table.groupby(["seed", "target"])["fisher_z"].transform("count") > 0
    return table.loc[somebody, [*sessions[0], "seed", "target", "fisher_z"]]


def read_edges(path: str | Path) -> pandas.DataFrame:
    """Read the long table of edges: labels as text, ``n/a`` as missing."""
    text = dict.fromkeys(["participant_id", "group", "sequence", "session_id", "treatment"], str)
    return pandas.read_csv(path, sep="\t", dtype=text, na_values=["n/a", ""], keep_default_na=False)
