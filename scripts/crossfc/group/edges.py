"""The a-priori edges of all sessions in one long table."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas

_SESSION = ("participant_id", "group", "sequence", "session_id", "treatment", "period")


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
        that shares voxels with its seed) is left out, and so is one that stands there the other
        way round already (two seeds that are also targets): it would be tested twice.
    """
    if not sessions:
        return pandas.DataFrame(columns=[*_SESSION, "seed", "target", "fisher_z"])
    parts = []
    for session, path in zip(sessions, tables, strict=True):
        wide = pandas.read_csv(path, sep="\t", na_values=["n/a"], keep_default_na=False)
        long = wide.melt(id_vars="seed", var_name="target", value_name="fisher_z")
        parts.append(long.assign(**session))
    table = pandas.concat(parts, ignore_index=True)
    somebody = table.groupby(["seed", "target"])["fisher_z"].transform("count") > 0
    table = table.loc[somebody, [*sessions[0], "seed", "target", "fisher_z"]]
    mirrored = _mirrored(table)
    again = [pair in mirrored for pair in zip(table["seed"], table["target"], strict=True)]
    return table[~np.array(again, dtype=bool)].reset_index(drop=True)


def _mirrored(table: pandas.DataFrame) -> set[tuple[str, str]]:
    """List the edges whose reverse comes earlier with the same values in every session."""
    values = {
        edge: rows["fisher_z"].to_numpy()
        for edge, rows in table.groupby(["seed", "target"], sort=False)
    }
    again: set[tuple[str, str]] = set()
    for seed, target in values:
        own, other = values[seed, target], values.get((target, seed))
        if other is None or (seed, target) in again or len(own) != len(other):
            continue
        # Same name and same values: the same two regions, whatever their sheets say.
        if seed != target and np.allclose(own, other, atol=1e-6, equal_nan=True):
            again.add((target, seed))
    return again


def read_edges(path: str | Path) -> pandas.DataFrame:
    """Read the long table of edges: labels as text, ``n/a`` as missing."""
    text = dict.fromkeys(["participant_id", "group", "sequence", "session_id", "treatment"], str)
    return pandas.read_csv(path, sep="\t", dtype=text, na_values=["n/a", ""], keep_default_na=False)
