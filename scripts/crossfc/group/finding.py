"""Findings: the clusters of an analysis, where they are and what they hold."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from crossfc.group.inference import Inference
from crossfc.group.region import Atlas

_MOST = 20  # clusters listed per map and sign

_CLUSTER_COLUMNS = [
    "analysis", "seed", "sign", "cluster", "x", "y", "z", "peak_stat", "size_voxels", "size_mm3",
    "p_fwe_cluster", "p_fwe_peak", "region",
]  # fmt: skip
_CELL_COLUMNS = [
    "analysis", "seed", "sign", "cluster", "map", "participant_id", "group", "sequence",
    "active", "control", "delta",
]  # fmt: skip


@dataclass
class Sessions:
    """The people's data in the search volume, for reading clusters out.

    Attributes
    ----------
    people : DataFrame
        People to read out, in the order of ``rows``.
    rows : int ndarray
        Their rows in the arrays.
    delta, total : ndarray, shape (n_people, n_seeds, n_voxels)
        Active - control and active + control; total is None for ready contrast maps.
    groups, treatments : dict
    """

    people: pd.DataFrame
    rows: np.ndarray
    delta: np.ndarray
    total: np.ndarray | None
    groups: dict[str, str | None]
    treatments: dict[str, str]

    def read(self, columns: list[int], voxels: np.ndarray) -> pd.DataFrame:
        """Average over the voxels and the given seeds: ``active``, ``control``, ``delta``."""

        def mean(values: np.ndarray) -> np.ndarray:
            return np.array(
                [
                    np.mean([values[row, column][voxels].mean(dtype=float) for column in columns])
                    for row in self.rows
                ]
            )

        delta = mean(self.delta)
        total = np.full(len(delta), np.nan) if self.total is None else mean(self.total)
        read = self.people[["participant_id", "group", "sequence"]].reset_index(drop=True)
        return read.assign(active=(total + delta) / 2, control=(total - delta) / 2, delta=delta)


def findings(
    analysis: str,
    maps: dict[str, list[int]],
    found: Inference,
    sessions: Sessions,
    seeds: list[str],
    mask: np.ndarray,
    affine: np.ndarray,
    atlas: Atlas | None = None,
    apart: bool = False,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """List the clusters of an analysis and read them out of everybody's sessions.

    Parameters
    ----------
    analysis : str
    maps : dict
        Name of each map of the analysis to the seeds (by number) that it is made of.
    found : Inference
    sessions : Sessions
    seeds : list of str
    mask : bool ndarray, shape (i, j, k)
    affine : ndarray, shape (4, 4)
    atlas : Atlas, optional
        Names the regions of the peaks.
    apart : bool
        Read the seeds of a map one by one into the cells (column ``map``), not their mean.

    Returns
    -------
    clusters : DataFrame
        At most 20 per map and sign, by p and then size.
    cells : DataFrame
        Each person's mean in the significant clusters of each map, or in its largest one where
        none is. Descriptive: testing these values again on the same people would be circular.
    """
    places = np.argwhere(mask)
    voxel_mm3 = float(abs(np.linalg.det(affine[:3, :3])))
    clusters, cells = [], []
    for number, (name, columns) in enumerate(maps.items()):
        labels, statistic = found.clusters[number], found.statistic[number]
        listed = []
        for cluster, size in enumerate(found.sizes[number], start=1):
            voxels = np.flatnonzero(labels == cluster)
            peak = voxels[np.argmax(np.abs(statistic[voxels]))]
            point = affine[:3, :3] @ places[peak] + affine[:3, 3]
            listed.append(
                {
                    "analysis": analysis,
                    "seed": name,
                    "sign": "-" if statistic[peak] < 0 else "+",
                    "cluster": cluster,
                    **dict(zip("xyz", point.round(3) + 0.0, strict=True)),
                    "peak_stat": statistic[peak],
                    "size_voxels": int(size),
                    "size_mm3": round(size * voxel_mm3, 3),
                    "p_fwe_cluster": found.p_cluster[number, peak],
                    "p_fwe_peak": found.p_voxel[number, peak],
                    "region": atlas.name(*point) if atlas else "",
                }
            )
        listed.sort(key=lambda row: (row["p_fwe_cluster"], -row["size_voxels"]))
        shown = [row for row in listed if row["p_fwe_cluster"] < 0.05] or listed[:1]
        shown = {row["cluster"] for row in shown}
        count = {"+": 0, "-": 0}
        for row in listed:
            count[row["sign"]] += 1
            if count[row["sign"]] > _MOST:
                continue
            voxels = np.flatnonzero(labels == row["cluster"])
            read = sessions.read(columns, voxels)
            clusters.append(row | _means(read, sessions))
            if row["cluster"] not in shown:
                continue
            parts = {seeds[column]: [column] for column in columns} if apart else {name: columns}
            for part, chosen in parts.items():
                each = sessions.read(chosen, voxels) if apart else read
                same = {key: row[key] for key in ("analysis", "seed", "sign", "cluster")}
                cells.append(each.assign(**same, map=part))
    cluster_table, cell_table = no_findings(sessions.groups, sessions.treatments)
    if clusters:
        cluster_table = pd.DataFrame(clusters, columns=cluster_table.columns)
    if cells:
        cell_table = pd.concat(cells)[_CELL_COLUMNS]
    return cluster_table, cell_table


def no_findings(
    groups: dict[str, str | None], treatments: dict[str, str]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Give the tables of an analysis without clusters: columns and no rows."""
    means = [
        f"mean_{label}_{treatment}"
        for label in groups.values()
        for treatment in treatments.values()
        if label
    ]
    clusters = pd.DataFrame(columns=_CLUSTER_COLUMNS + means)
    return clusters, pd.DataFrame(columns=_CELL_COLUMNS)


def _means(read: pd.DataFrame, sessions: Sessions) -> dict[str, float]:
    """Mean over people of each group by treatment cell; NaN where a group is not there."""
    return {
        f"mean_{label}_{sessions.treatments[treatment]}": read.loc[
            read["group"] == label, treatment
        ].mean()
        for label in sessions.groups.values()
        for treatment in ("active", "control")
        if label
    }
