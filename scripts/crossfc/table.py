"""Tables as BIDS has them, read with pandas: tab-separated, ``n/a`` for what is missing."""

import os
from collections.abc import Sequence

import pandas as pd

from crossfc.fault import Fault

LABELS = (
    "participant_id", "session_id", "group", "sequence", "treatment", "occasion", "seed", "target",
    "scale", "pipeline", "analysis",
)  # fmt: skip


def read_table(path: str | os.PathLike[str]) -> pd.DataFrame:
    """Read a table that crossfc wrote.

    Only ``n/a`` and empty cells are missing: "None" may be the name of a group, and other words for
    missing were turned into ``n/a`` when the sheets were read. `LABELS` stay text: a person "01" is
    not the number 1.

    Parameters
    ----------
    path : path

    Returns
    -------
    DataFrame
        NaN where a value is missing.
    """
    return pd.read_csv(
        path,
        sep="\t",
        dtype=dict.fromkeys(LABELS, str),
        na_values=["n/a", ""],
        keep_default_na=False,
    )


def require_columns(table: pd.DataFrame, columns: Sequence[str], name: str) -> None:
    """Refuse a table that lacks a column.

    Raises
    ------
    Fault
        If a column is missing; the message names the table and the missing columns.
    """
    missing = [column for column in columns if column not in table.columns]
    if missing:
        raise Fault(f"{name} has no column {', '.join(missing)}; write it with this column")
