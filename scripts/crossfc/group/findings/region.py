"""Names of brain regions at a point and in a cluster, from a labelled image."""

from pathlib import Path

import numpy as np

from crossfc import content
from crossfc.array import FloatArray, IntArray
from crossfc.fault import Fault
from crossfc.group.design.volume import load
from crossfc.session.placement import label_numbers
from crossfc.trial.sheet import read_sheet


class Atlas:
    """A labelled image and the names of its labels.

    Parameters
    ----------
    image : path
        Image of whole-number labels, 0 for no region; in the same space as the points.
    table : path
        Tab-separated, with the columns ``index`` and ``name``.
    reach_mm : float
        Largest distance of the nearest region from a point, mm.

    Raises
    ------
    Fault
        If a file is missing, the table lacks a column, or a value of the image is no whole number.
    """

    def __init__(self, image: str | Path, table: str | Path, reach_mm: float = 5.0) -> None:
        content.require(image, remedy="correct the config key group.atlas")
        self._names = _names(table)
        loaded = load(image)
        if len(loaded.shape) != 3:
            raise Fault(f"{image} has shape {loaded.shape}; an atlas is one volume")
        self._labels = label_numbers(np.asarray(loaded.dataobj, dtype=np.float32), image)
        self._labels[~np.isin(self._labels, list(self._names))] = 0
        self._affine = loaded.affine
        self._inverse = np.linalg.inv(loaded.affine)
        self._reach = reach_mm

    def name(self, x: float, y: float, z: float) -> str:
        """Name the region at a point.

        Parameters
        ----------
        x, y, z : float
            Coordinates, mm.

        Returns
        -------
        str
            The name of the region; ``near <name>`` if the point is in no region but the nearest
            one is within reach; otherwise "".
        """
        centre = self._inverse[:3, :3] @ (x, y, z) + self._inverse[:3, 3]
        (here,) = self._labels_at(centre[None])
        if here:
            return self._names[int(here)]
        # Half widths of a box that contains the sphere within reach, for any axis directions.
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

    def shares(self, points: FloatArray) -> dict[str, float]:
        """Return the share of the points that lies in each region.

        Parameters
        ----------
        points : ndarray, shape (n_points, 3)
            Coordinates, mm, such as those of the voxels of a cluster.

        Returns
        -------
        dict of str to float
            Share by region, the largest first, equal shares sorted by name. The sum is less than
            1 if some points are in no region.
        """
        labels = self._labels_at(points @ self._inverse[:3, :3].T + self._inverse[:3, 3])
        counts: dict[str, int] = {}
        for label, count in zip(*np.unique(labels[labels != 0], return_counts=True), strict=True):
            name = self._names[int(label)]
            counts[name] = counts.get(name, 0) + int(count)
        order = sorted(counts, key=lambda name: (-counts[name], name))
        return {name: counts[name] / len(labels) for name in order}

    def most(self, points: FloatArray, peak: FloatArray) -> tuple[str, float]:
        """Name a cluster by the region that holds most of it.

        The region at the peak may hold only a small part of the cluster, so it names the peak
        (see `name`), not the cluster.

        Parameters
        ----------
        points : ndarray, shape (n_points, 3)
            Coordinates of the cluster's voxels, mm.
        peak : ndarray, shape (3,)
            Coordinates of the peak, mm.

        Returns
        -------
        name : str
            The region. If more than half of the cluster is in no region, as in white matter,
            "mostly unlabelled tissue (12 % <name>)". If all of it is in no region, "unlabelled
            tissue", with the region near the peak, if there is one.
        share : float
            Share of the cluster's voxels in the named region; 0 if none is in a region.
        """
        shares = self.shares(points)
        if not shares:
            near = self.name(*peak)
            return f"unlabelled tissue{f', {near}' if near else ''}", 0.0
        name, share = next(iter(shares.items()))
        if 1 - sum(shares.values()) > 0.5:
            return f"mostly unlabelled tissue ({100 * share:.0f} % {name})", share
        return name, share

    def _labels_at(self, places: FloatArray) -> IntArray:
        """Return the labels of the nearest voxels; 0 outside the image."""
        nearest = np.rint(places).astype(int)
        inside = np.all((nearest >= 0) & (nearest < self._labels.shape), axis=1)
        labels = np.zeros(len(nearest), dtype=int)
        labels[inside] = self._labels[tuple(nearest[inside].T)]
        return labels


def names_at(atlas: Atlas, points: FloatArray) -> tuple[list[str], IntArray]:
    """Name the regions at many points, as `Atlas.name` does at one.

    Parameters
    ----------
    atlas : Atlas
    points : ndarray, shape (n_points, 3)
        Coordinates, mm.

    Returns
    -------
    names : list of str
        The different names, "" first.
    which : ndarray of int, shape (n_points,)
        The place of each point's name among them.
    """
    from scipy.spatial import KDTree

    labels = atlas._labels_at(points @ atlas._inverse[:3, :3].T + atlas._inverse[:3, 3])
    places = np.argwhere(atlas._labels)
    near = np.zeros(len(points), dtype=bool)
    if len(places):
        tree = KDTree(places @ atlas._affine[:3, :3].T + atlas._affine[:3, 3])
        without = np.flatnonzero(labels == 0)
        distance, _ = tree.query(points[without], distance_upper_bound=atlas._reach + 1)
        reached = without[distance <= atlas._reach]
        # Of equally near voxels the first counts, and a point between voxels has up to eight.
        distances, voxels = tree.query(points[reached], k=8)
        tied = np.isclose(distances, distances[:, :1], rtol=0, atol=1e-9)
        first = np.where(tied, voxels, len(places)).min(axis=1)
        labels[reached] = atlas._labels[tuple(places[first].T)]
        near[reached] = True
    known, which = np.unique(2 * labels + near, return_inverse=True)
    names = [f"{'near ' * (code % 2)}{atlas._names[int(code) // 2]}" for code in known if code]
    return ["", *names], which + (0 not in known)


def _names(table: str | Path) -> dict[int, str]:
    """Read the names of an atlas, keyed by label."""
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
