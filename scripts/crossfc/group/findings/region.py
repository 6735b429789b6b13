"""Names of brain regions, of a point and of a cluster, from a labelled image."""

from pathlib import Path

import numpy as np

from crossfc import content
from crossfc.fault import Fault
from crossfc.group.design.volume import load
from crossfc.trial.sheet import read_sheet


class Atlas:
    """A labelled image and the names of its labels.

    Parameters
    ----------
    image : path
        Labels, whole numbers; 0 is no region. In the same space as the points asked for.
    table : path
        Tab-separated, with the columns ``index`` and ``name``.
    reach_mm : float
        How far from a point the nearest region may be.

    Raises
    ------
    Fault
        If a file is missing or the table lacks a column.
    """

    def __init__(self, image: str | Path, table: str | Path, reach_mm: float = 5.0) -> None:
        content.require(image, remedy="correct the config key group.atlas")
        self._names = _names(table)
        loaded = load(image)
        if len(loaded.shape) != 3:
            raise Fault(f"{image} has shape {loaded.shape}; an atlas is one volume")
        self._labels = np.rint(np.asarray(loaded.dataobj)).astype(int)
        self._labels[~np.isin(self._labels, list(self._names))] = 0
        self._affine = loaded.affine
        self._inverse = np.linalg.inv(loaded.affine)
        self._reach = reach_mm

    def name(self, x: float, y: float, z: float) -> str:
        """Name the region at a point.

        Parameters
        ----------
        x, y, z : float
            In mm.

        Returns
        -------
        str
            The name; ``near <name>`` if the nearest region is within reach; else "".
        """
        centre = self._inverse[:3, :3] @ (x, y, z) + self._inverse[:3, 3]
        (here,) = self._labels_at(centre[None])
        if here:
            return self._names[int(here)]
        # A box that holds the ball of the reach, whatever the direction of the axes.
        half = self._reach * np.linalg.norm(self._inverse[:3, :3], axis=1)
        low = np.maximum(np.floor(centre - half).astype(int), 0)
        high = np.minimum(np.ceil(centre + half).astype(int) + 1, self._labels.shape)
        if np.any(high <= low):
            return ""
        box = self._labels[tuple(slice(a, b) for a, b in zip(low, high, strict=True))]
        places = np.argwhere(box)
        if len(places) == 0:
            return ""
        points = (places + low) @ self._affine[:3, :3].T + self._affine[:3, 3]
        distance = np.linalg.norm(points - (x, y, z), axis=1)
        best = int(np.argmin(distance))
        if distance[best] > self._reach:
            return ""
        return f"near {self._names[int(box[tuple(places[best])])]}"

    def shares(self, points: np.ndarray) -> dict[str, float]:
        """Return the share of points in each region.

        Parameters
        ----------
        points : ndarray, shape (n_points, 3)
            In mm, such as the voxels of a cluster.

        Returns
        -------
        dict of str to float
            From the largest share to the smallest, equal ones by name; points in no region make
            the sum less than 1.
        """
        labels = self._labels_at(points @ self._inverse[:3, :3].T + self._inverse[:3, 3])
        counts: dict[str, int] = {}
        for label, count in zip(*np.unique(labels[labels != 0], return_counts=True), strict=True):
            name = self._names[int(label)]
            counts[name] = counts.get(name, 0) + int(count)
        order = sorted(counts, key=lambda name: (-counts[name], name))
        return {name: counts[name] / len(labels) for name in order}

    def most(self, points: np.ndarray, peak: np.ndarray) -> tuple[str, float]:
        """Name a cluster by the region that holds most of it.

        The region around the peak may hold a corner of the cluster only; that is the peak's name,
        not the cluster's (`name`).

        Parameters
        ----------
        points : ndarray, shape (n_points, 3)
            The cluster's voxels in mm.
        peak : ndarray, shape (3,)

        Returns
        -------
        name : str
            Where more than half of the cluster is in no region, as in white matter, "mostly
            unlabelled tissue (12 % <name>)"; where all is, "unlabelled tissue", with the region
            that is near the peak, if there is one.
        share : float
            Of the cluster's voxels in the region named; 0 where it is wholly outside.
        """
        shares = self.shares(points)
        if not shares:
            near = self.name(*peak)
            return f"unlabelled tissue{f', {near}' if near else ''}", 0.0
        name, share = next(iter(shares.items()))
        if 1 - sum(shares.values()) > 0.5:
            return f"mostly unlabelled tissue ({100 * share:.0f} % {name})", share
        return name, share

    def _labels_at(self, places: np.ndarray) -> np.ndarray:
        """Labels of the nearest voxels; 0 outside the image."""
        nearest = np.rint(places).astype(int)
        inside = np.all((nearest >= 0) & (nearest < self._labels.shape), axis=1)
        labels = np.zeros(len(nearest), dtype=int)
        labels[inside] = self._labels[tuple(nearest[inside].T)]
        return labels


def _names(table: str | Path) -> dict[int, str]:
    """Read the names of an atlas by their label."""
    sheet = read_sheet(table, ("index", "name"))
    names: dict[int, str] = {}
    for row in sheet.rows:
        try:
            index = int(row["index"])
        except ValueError:
            raise Fault(
                f"{sheet.at(row, 'index')}: {row['index']!r} is no whole number; write the label "
                "that the atlas's image has"
            ) from None
        if index in names:
            raise Fault(f"{sheet.at(row, 'index')}: {index} stands there twice; remove one")
        if index != 0:
            names[index] = row["name"]
    return names
