"""Clusters of neighbouring voxels, by union-find over the voxels above a threshold only."""

import numpy as np

from crossfc.array import BoolArray, FloatArray, IntArray, RealArray
from crossfc.compiled import compiled
from crossfc.fault import Fault

# Largest squared length of a step to a neighbour, in voxels: across faces, edges and corners.
_REACH = {6: 1, 18: 2, 26: 3}


def steps(connectivity: int) -> list[tuple[int, int, int]]:
    """List the steps to the neighbours of a voxel, in C order.

    Parameters
    ----------
    connectivity : int
        6 (faces), 18 (faces and edges) or 26 (faces, edges and corners).

    Returns
    -------
    list of 3-tuples of int
        Steps along the three axes, in voxels.

    Raises
    ------
    Fault
        If the connectivity is another number.
    """
    if connectivity not in _REACH:
        raise Fault(f"connectivity is {connectivity}; use 6, 18 or 26")
    every = [(i - 1, j - 1, k - 1) for i, j, k in np.ndindex(3, 3, 3)]
    return [step for step in every if 0 < sum(x * x for x in step) <= _REACH[connectivity]]


def neighbours(mask: BoolArray, connectivity: int) -> IntArray:
    """Tabulate, for every voxel, its neighbours that have a lower number.

    Parameters
    ----------
    mask : bool ndarray, shape (i, j, k)
        The search volume; voxels are numbered in C order.
    connectivity : int
        6 (faces), 18 (faces and edges) or 26 (faces, edges and corners).

    Returns
    -------
    int32 ndarray, shape (n_voxels, connectivity / 2)
        Numbers of the neighbours inside the mask that come earlier; -1 where there is none.

    Raises
    ------
    Fault
        If the connectivity is another number.
    """
    back = steps(connectivity)[: connectivity // 2]
    mask = np.asarray(mask, dtype=bool)
    numbers = np.full(np.array(mask.shape) + 2, -1, dtype=np.int32)
    inner = numbers[1:-1, 1:-1, 1:-1]
    inner[mask] = np.arange(np.count_nonzero(mask), dtype=np.int32)
    table = np.empty((np.count_nonzero(mask), len(back)), dtype=np.int32)
    for column, step in enumerate(back):
        shifted = tuple(
            slice(1 + x, 1 + x + size) for x, size in zip(step, mask.shape, strict=True)
        )
        table[:, column] = numbers[shifted][mask]
    return table


def label(
    scores: RealArray, threshold: float | np.float32, before: IntArray, two_sided: bool = True
) -> tuple[IntArray, IntArray]:
    """Label the clusters of one map.

    Parameters
    ----------
    scores : float32 ndarray, shape (n_voxels,)
    threshold : float
        Positive. Voxels above it form clusters and, if two-sided, voxels below its negative
        too. All voxels of a cluster have the same sign.
    before : int32 ndarray
        Table from `neighbours`.
    two_sided : bool

    Returns
    -------
    labels : int32 ndarray, shape (n_voxels,)
        0 outside clusters. Clusters of both signs are numbered together, from 1 for the largest.
    sizes : int64 ndarray, shape (n_clusters,)
        Number of voxels in cluster 1, 2, …
    """
    scores = np.ascontiguousarray(scores, dtype=np.float32)
    beyond = scores > np.float32(threshold)
    if two_sided:
        beyond |= scores < -np.float32(threshold)
    listed = np.flatnonzero(beyond).astype(np.int32)
    parent = np.full(len(scores), -1, dtype=np.int32)
    extent = np.empty(len(scores), dtype=np.int32)
    mass = np.empty(len(scores))
    _unite(listed, scores[listed], before, parent, extent, mass)
    roots = np.array([_root(parent, voxel) for voxel in listed], dtype=np.int64)
    found, where, sizes = np.unique(roots, return_inverse=True, return_counts=True)
    # Clusters of equal size keep the order of their voxels.
    order = np.argsort(-sizes, kind="stable")
    rank = np.empty(len(found), dtype=np.int32)
    rank[order] = np.arange(1, len(found) + 1)
    labels = np.zeros(len(scores), dtype=np.int32)
    labels[listed] = rank[where]
    return labels, sizes[order]


def masses(labels: IntArray, heights: RealArray, n_clusters: int) -> FloatArray:
    """Sum the statistic's absolute height over each cluster of one map.

    Parameters
    ----------
    labels : int ndarray, shape (n_voxels,)
        Labels from `label`.
    heights : ndarray, shape (n_voxels,)
        Heights of the statistic; their sign is ignored.
    n_clusters : int

    Returns
    -------
    float64 ndarray, shape (n_clusters,)
        Mass of cluster 1, 2, …, in units of the statistic.
    """
    sums = np.bincount(labels, weights=np.abs(heights), minlength=n_clusters + 1).astype(float)
    return sums[1 : n_clusters + 1]


@compiled
def _root(parent: np.ndarray, voxel: int) -> int:
    while parent[voxel] != voxel:
        parent[voxel] = parent[parent[voxel]]
        voxel = parent[voxel]
    return voxel


@compiled
def _unite(
    listed: np.ndarray,
    heights: np.ndarray,
    before: np.ndarray,
    parent: np.ndarray,
    extent: np.ndarray,
    mass: np.ndarray,
) -> None:
    """Join listed voxels that are neighbours and have the same sign.

    `parent` must be -1 everywhere on entry. Afterwards, `extent` and `mass` at the root of each
    cluster hold its number of voxels and the signed sum of its heights.
    """
    for place in range(listed.size):
        voxel = listed[place]
        parent[voxel] = voxel
        extent[voxel] = 1
        mass[voxel] = heights[place]
        for column in range(before.shape[1]):
            other = before[voxel, column]
            if other < 0 or parent[other] < 0:
                continue
            mine, theirs = _root(parent, voxel), _root(parent, other)
            if mine == theirs or (mass[mine] > 0) != (mass[theirs] > 0):
                continue
            if extent[mine] < extent[theirs]:
                mine, theirs = theirs, mine
            parent[theirs] = mine
            extent[mine] += extent[theirs]
            mass[mine] += mass[theirs]


@compiled
def largest(
    starts: np.ndarray,
    listed: np.ndarray,
    heights: np.ndarray,
    before: np.ndarray,
    parent: np.ndarray,
    extent: np.ndarray,
    mass: np.ndarray,
    found_extent: np.ndarray,
    found_mass: np.ndarray,
) -> None:
    """Find the largest extent and the largest mass of a cluster in each of several maps.

    Mass is the sum of |height| over the cluster, as PALM computes it (Winkler et al. 2014,
    NeuroImage 92:381); nilearn subtracts the forming threshold from every height first.

    Parameters
    ----------
    starts : int ndarray, shape (n_maps + 1,)
        The entries of map b in ``listed`` and ``heights`` are ``starts[b]`` up to, and without,
        ``starts[b + 1]``.
    listed : int32 ndarray
        Voxels beyond the cluster-forming threshold, in ascending order within a map.
    heights : float ndarray
        Their heights, signed and never zero; all voxels of a cluster have the same sign.
    before : int32 ndarray
        Table from `neighbours`.
    parent : int32 ndarray, shape (n_voxels,)
        Work space; -1 everywhere before and after the call.
    extent : int32 ndarray, shape (n_voxels,)
        Work space.
    mass : float64 ndarray, shape (n_voxels,)
        Work space.
    found_extent : int32 ndarray, shape (at least n_maps,)
        Output: the largest number of voxels; 0 if nothing is beyond the threshold.
    found_mass : float64 ndarray, shape (at least n_maps,)
        Output: the largest mass, which may be that of another cluster.
    """
    for number in range(starts.size - 1):
        part = listed[starts[number] : starts[number + 1]]
        part_heights = heights[starts[number] : starts[number + 1]]
        _unite(part, part_heights, before, parent, extent, mass)
        largest_extent, largest_mass = 0, 0.0
        # Only the roots count: the sums at other voxels are those of parts of a cluster.
        for place in range(part.size):
            largest_extent = max(largest_extent, extent[part[place]])
            largest_mass = max(largest_mass, abs(mass[part[place]]))
            parent[part[place]] = -1
        found_extent[number] = largest_extent
        found_mass[number] = largest_mass
