"""Orders and periods: which columns of `crossfc.trial.visit` the model of an analysis can have."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from crossfc.array import BoolArray, FloatArray
from crossfc.trial.visit import ORDER

_SMALL = 1e-8  # what is left of a column of length 1 that follows from others


def order_terms(people: pd.DataFrame, columns: Sequence[str], notes: list[str]) -> list[str]:
    """Choose the columns that free the effect of an analysis from those of periods.

    With them, a group without any known order would leave completely, and nothing would be left to
    compare; and columns that follow from others cannot be estimated.

    Parameters
    ----------
    people : DataFrame
        The people analysed, with their ``group`` and the columns.
    columns : sequence of str
        ``sequence_code``, or ``period_2``, ``period_3``, …; none in a trial of one period.
    notes : list of str
        The reason is added if there is none, or one is dropped.

    Returns
    -------
    list of str
    """
    if not columns:
        return []
    values: FloatArray = people[list(columns)].to_numpy(dtype=float)
    known: BoolArray = np.asarray(np.isfinite(values).all(axis=1))
    silent = [group for group, of in people[~known].groupby("group", sort=False)
              if len(of) == (people["group"] == group).sum()]  # fmt: skip
    kept = independent(values[known])
    if kept and not silent:
        used = [columns[column] for column in kept]
        if dropped := [name for name in columns if name not in used]:
            names = " and ".join(name.replace("_", " ") for name in dropped)
            notes.append(
                f"In the model of periods, {names} {'is' if len(dropped) == 1 else 'are'} the same "
                "for everybody analysed or follow from the other columns, and not in the model."
            )
        return used
    what = "order of treatments" if list(columns) == [ORDER] else "periods"
    if known.all() and not values.any():
        notes.append(
            "Every person has the same share of each period on both sides of the contrast, so "
            "effects of periods cancel and the model has no sequence term."
        )
        return []
    if known.all():
        notes.append(
            f"Everybody analysed had the same {what}, so the model has no sequence "
            "term and the effects of drug and period cannot be told apart."
        )
        return []
    are = "is" if what != "periods" else "are"
    unknown = f"The {what} {are} not known for {(~known).sum()} of {len(known)} people"
    if kept:
        unknown += f", among them everybody of {' and '.join(map(str, silent))}"
    elif known.any():
        unknown += " and the same for all others"
    notes.append(
        f"{unknown}, so the model has no sequence term and period effects are not adjusted for."
    )
    return []


def independent(values: FloatArray) -> list[int]:
    """List the columns that are neither constant nor follow from those before them.

    Parameters
    ----------
    values : ndarray, shape (n_people, n_columns)
    """
    basis = [np.full(len(values), 1 / np.sqrt(len(values)))] if len(values) else []
    kept = []
    for number, column in enumerate(values.T):
        rest = column / (np.linalg.norm(column) or 1.0)
        for _ in range(2):  # twice, to remove rounding errors
            for unit in basis:
                rest = rest - (rest @ unit) * unit
        if np.linalg.norm(rest) > _SMALL:
            basis.append(rest / np.linalg.norm(rest))
            kept.append(number)
    return kept
