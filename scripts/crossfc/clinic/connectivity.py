"""The change of connectivity of each a-priori edge."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from crossfc.fault import Fault
from crossfc.table import require_columns


def connectivity_change(targets: pd.DataFrame, treatments: Mapping[str, str]) -> pd.DataFrame:
    """Compute the change of each seed and target from the table of sessions.

    Parameters
    ----------
    targets : DataFrame
        The long table ``targets.tsv``: participant_id, treatment, seed, target, fisher_z.
    treatments : mapping
        Names of ``active`` and ``control``.

    Returns
    -------
    DataFrame
        One row per participant_id, one column per (seed, target), in the order of the table.
        Values are Fisher z, active - control; NaN if either is missing or not finite (a target
        inside its seed).

    Raises
    ------
    Fault
        If a person has two sessions with the same treatment.
    """
    keys = ["participant_id", "treatment", "seed", "target"]
    require_columns(targets, [*keys, "fisher_z"], "the table of targets")
    repeated = targets.duplicated(keys)
    if repeated.any():
        row = targets[repeated].iloc[0]
        raise Fault(
            f"the table of targets has two sessions of {row.participant_id} with {row.treatment}; "
            "exclude one of them in sessions.tsv"
        )
    pairs = list(dict.fromkeys(zip(targets["seed"], targets["target"], strict=True)))
    people = list(dict.fromkeys(targets["participant_id"]))
    wide = targets.set_index(keys)["fisher_z"].astype(float)
    wide = wide.where(np.isfinite(wide)).unstack(["treatment", "seed", "target"])
    values = {}
    for pair in pairs:
        sides = [(treatments[side], *pair) for side in ("active", "control")]
        have = all(side in wide.columns for side in sides)
        values[pair] = wide[sides[0]] - wide[sides[1]] if have else np.nan
    index = pd.Index(people, name="participant_id")
    columns = pd.MultiIndex.from_tuples(pairs, names=["seed", "target"])
    return pd.DataFrame(values, index=index, columns=columns, dtype=float)
