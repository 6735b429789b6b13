"""Values of people read out in the voxels of a cluster, under both treatments."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from crossfc.array import FloatArray, IntArray, SingleArray


@dataclass
class Sessions:
    """The people's session data in the search volume, from which clusters are read out.

    Attributes
    ----------
    people : DataFrame
        People to read out, in the order of ``rows``.
    rows : int ndarray
        Their rows in ``delta`` and ``total``.
    delta, total : ndarray, shape (n_people, n_seeds, n_voxels)
        Active - control and active + control; ``total`` is None for ready contrast maps.
    groups, treatments : dict
        Labels of ``patients`` and ``controls``, and of ``active`` and ``control``.
    """

    people: pd.DataFrame
    rows: IntArray
    delta: SingleArray
    total: SingleArray | None
    groups: dict[str, str | None]
    treatments: dict[str, str]

    def read(self, columns: Sequence[int], voxels: IntArray) -> FloatArray:
        """Average every person over the voxels: shape (n_people, n_columns, 3); see `read_row`."""
        return np.stack([self.read_row(row, columns, voxels) for row in self.rows])

    def read_row(self, row: int, columns: Sequence[int], voxels: IntArray) -> FloatArray:
        """Average one person over the voxels.

        Parameters
        ----------
        row : int
            Row of the person in the arrays.
        columns : sequence of int
            Indices of the seeds to read.
        voxels : int ndarray
            Indices of the voxels within the search volume.

        Returns
        -------
        ndarray, shape (n_columns, 3)
            Means under active and control, and their difference, in units of the maps.
        """
        delta = np.array([self.delta[row, column][voxels].mean(dtype=float) for column in columns])
        total = np.full(len(delta), np.nan)
        if self.total is not None:
            of_columns = (self.total[row, column][voxels] for column in columns)
            total = np.array([values.mean(dtype=float) for values in of_columns])
        return np.column_stack([(total + delta) / 2, (total - delta) / 2, delta])


def column_label(label: str) -> str:
    """Return the label of a side of a contrast as part of the name of a column."""
    return label.replace(" ", "_")


def group_means(values: FloatArray, sessions: Sessions, kind: str) -> dict[str, float]:
    """Average over the people of each group and treatment; NaN if nobody has a value."""
    group, means = sessions.people["group"].to_numpy(), {}
    for label in filter(None, sessions.groups.values()):
        for place, treatment in enumerate(("active", "control")):
            of = values[group == label, :, place].mean(axis=1)
            of = of[np.isfinite(of)]
            mean = of.mean() if len(of) else np.nan
            means[f"{kind}_{label}_{column_label(sessions.treatments[treatment])}"] = mean
    return means
