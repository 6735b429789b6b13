"""One long table of the a-priori edges (pairs of seed and target) of all sessions."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas

from crossfc.table import read_table
from crossfc.trial.session import SessionRow

_SESSION = ("participant_id", "group", "sequence", "session_id", "treatment", "period")


def edge_rows(sessions: Sequence[SessionRow], tables: Iterable[str | Path]) -> pandas.DataFrame:
    """Join the seed-by-target tables of all sessions into one long table.

    Parameters
    ----------
    sessions : sequence of SessionRow
    tables : iterable of path
        Each session's seed-by-target table (Fisher z), in the order of ``sessions``.

    Returns
    -------
    DataFrame
        The columns of ``sessions``, seed, target, fisher_z; one row per session and edge. Left
        out are edges that nobody has a value for (a target that shares voxels with its seed),
        and the reverse of an edge that is already listed (two seeds that are also targets), as
        it would be tested twice.
    """
    if not sessions:
        return pandas.DataFrame(columns=[*_SESSION, "seed", "target", "fisher_z"])
    parts = []
    for session, path in zip(sessions, tables, strict=True):
        wide = read_table(path)
        long = wide.melt(id_vars="seed", var_name="target", value_name="fisher_z")
        parts.append(long.assign(**session))
    table = pandas.concat(parts, ignore_index=True)
    somebody = table.groupby(["seed", "target"])["fisher_z"].transform("count") > 0
    table = table.loc[somebody, [*sessions[0], "seed", "target", "fisher_z"]]
    mirrored = _mirrored(table)
    again = [pair in mirrored for pair in zip(table["seed"], table["target"], strict=True)]
    return table[~np.array(again, dtype=bool)].reset_index(drop=True)


def _mirrored(table: pandas.DataFrame) -> set[tuple[str, str]]:
    """Find the edges whose reverse comes earlier with the same values in every session."""
    values = {
        edge: rows["fisher_z"].to_numpy()
        for edge, rows in table.groupby(["seed", "target"], sort=False)
    }
    again: set[tuple[str, str]] = set()
    for seed, target in values:
        own, other = values[seed, target], values.get((target, seed))
        if other is None or (seed, target) in again or len(own) != len(other):
            continue
        # The same pair of names and the same values: the same two regions, whatever the seed and
        # target sheets say about them.
        if seed != target and np.allclose(own, other, atol=1e-6, equal_nan=True):
            again.add((target, seed))
    return again
