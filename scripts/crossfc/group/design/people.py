"""The table of the people of an analysis: who they are, their covariates and their scores."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from crossfc.fault import Fault
from crossfc.tie import difference
from crossfc.trial.sequence import sequence_code
from crossfc.trial.visit import ORDER

# Columns of a person's row that hold maps.
MAPS = ("active", "control", "contrast")
# The column with the maps of the baseline that is a covariate.
BASELINE = "baseline"
# Those that are no part of the table: also sessions and their weights, which have a table.
_APART = (*MAPS, BASELINE, "sessions", "weights", "baseline_sessions", "baseline_weights")

# A person's participant_id, group and sequence, their maps, covariates and scores.
PersonRow: TypeAlias = Mapping[str, Any]


def people_table(
    people: Sequence[PersonRow],
    treatments: Mapping[str, str],
    groups: Mapping[str, str | None],
    order: Sequence[str] = (ORDER,),
) -> pd.DataFrame:
    """Make the table people.tsv, with the columns of periods and the changes of scores.

    ``sequence_code`` is computed from the sequence where the rows lack it.

    Raises
    ------
    Fault
        If there is nobody, somebody is listed twice, or a group is unknown.
    """
    if not people:
        raise Fault("nobody has the sessions of this comparison; see the sheets")
    labels = {label for label in groups.values() if label}
    rows, seen = [], set()
    for person in people:
        name = person["participant_id"]
        if name in seen:
            raise Fault(f"{name} is listed twice; keep one row")
        seen.add(name)
        if person["group"] not in labels:
            raise Fault(f'{name} is in group "{person["group"]}"; use one of {sorted(labels)}')
        row = {key: value for key, value in person.items() if key not in _APART}
        row.setdefault("sequence", np.nan)
        if ORDER in order and ORDER not in row:
            row[ORDER] = sequence_code(row["sequence"], treatments)
        rows.append(row)
    table = pd.DataFrame(rows)
    first = ["participant_id", "group", "sequence", *order]
    return _with_changes(table[first + [c for c in table.columns if c not in first]])


def with_columns(people: pd.DataFrame, rows: Sequence[PersonRow]) -> pd.DataFrame:
    """Add columns to the table of people, and compute the changes of scores among them.

    Parameters
    ----------
    people : DataFrame
        The table people.tsv.
    rows : sequence of dict
        participant_id and further columns; any people in any order, None for a missing value.

    Returns
    -------
    DataFrame
        A copy, in the order of ``people``. A text column that holds only numbers is converted to
        numbers, as if read from a table. ``delta_<scale>`` is active - control.
    """
    if not rows:
        return people.copy()
    columns = pd.DataFrame(list(rows)).set_index("participant_id").reindex(people["participant_id"])
    found = people.copy()
    for name in columns:
        values, numbers = columns[name], pd.to_numeric(columns[name], errors="coerce")
        plain = numbers.notna().sum() == values.notna().sum()
        found[name] = (numbers if plain else values).to_numpy()
        if name.startswith("score_") and name.endswith("_active"):
            # An old value of the change; it is computed again below.
            change = "delta_" + name[len("score_") : -len("_active")]
            found = found.drop(columns=change, errors="ignore")
    return _with_changes(found)


def _with_changes(table: pd.DataFrame) -> pd.DataFrame:
    starts = {"mean_fd": "delta_mean_fd"} | {
        column.removesuffix("_active"): "delta_" + column[len("score_") : -len("_active")]
        for column in table.columns
        if column.startswith("score_") and column.endswith("_active")
    }
    for start, change in starts.items():
        both = [f"{start}_active", f"{start}_control"]
        if change not in table.columns and set(both) <= set(table.columns):
            table[both] = table[both].apply(pd.to_numeric)
            table[change] = difference(table[both[0]], table[both[1]])
    return table
