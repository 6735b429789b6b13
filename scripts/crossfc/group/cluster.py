"""Clusters of neighbouring voxels: union-find over the voxels above a threshold only."""

import numpy as np

from crossfc.fault import Fault
from crossfc.group.compiled import compiled

# Squared length of the steps to a neighbour: faces, edges, corners.
_REACH = {6: 1, 18: 2, 26: 3}


def neighbours(mask: np.ndarray, connectivity: int) -> np.ndarray:
    """Tabulate for every voxel its neighbours that come before it.

    Parameters
    ----------
    mask : bool ndarray, shape (i, j, k)
        The search volume; voxels are numbered in C order.
    connectivity : int
        6 (faces), 18 (faces and edges) or 26 (faces, edges and corners).

    Returns
    -------
    ndarray, int32, shape (n_voxels, connectivity / 2)
        Numbers of neighbours inside the mask with a lower number, -1 where there is none.

    Raises
    ------
    Fault
        If the connectivity is another number.
    """
    if connectivity not in _REACH:
        raise Fault(f"connectivity is {connectivity}; use 6, 18 or 26")
    mask = np.asarray(mask, dtype=bool)
    numbers = np.full(np.array(mask.shape) + 2, -1, dtype=np.int32)
    inner = numbers[1:-1, 1:-1, 1:-1]
    inner[mask] = np.arange(np.count_nonzero(mask), dtype=np.int32)
    steps = [
        step
        for step in np.ndindex(3, 3, 3)
        if 0 < sum((part - 1) ** 2 for part in step) <= _REACH[connectivity] and step < (1, 1, 1)
    ]
    table = np.empty((np.count_nonzero(mask), len(steps)), dtype=np.int32)
    for column, (i, j, k) in enumerate(steps):
        shifted = numbers[i : i + mask.shape[0], j : j + mask.shape[1], k : k + mask.shape[2]]
        table[:, column] = shifted[mask]
    return table


def label(
    scores: np.ndarray, threshold: float, before: np.ndarray, two_sided: bool = True
) -> tuple[np.ndarray, np.ndarray]:
    """Label the clusters of one map.

    Parameters
    ----------
    scores : float32 ndarray, shape (n_voxels,)
    threshold : float
        Positive; voxels beyond it (and, if two-sided, below minus it) form clusters, each
        cluster of one sign.
    before : ndarray
        From `neighbours`.
    two_sided : bool

    Returns
    -------
    labels : int32 ndarray, shape (n_voxels,)
        0 outside clusters; clusters are numbered from 1 by falling size, over both signs.
    sizes : int64 ndarray, shape (n_clusters,)
        Voxels in cluster 1, 2, …
    """
    scores = np.ascontiguousarray(scores, dtype=np.float32)
    parent = np.full(len(scores), -1, dtype=np.int32)
    listed = np.empty(len(scores), dtype=np.int32)
    extent = np.zeros(len(scores), dtype=np.int32)
    count = _unite(scores, np.float32(threshold), two_sided, before, parent, extent, listed)
    roots = np.array([_root(parent, voxel) for voxel in listed[:count]], dtype=np.int64)
    found, where, sizes = np.unique(roots, return_inverse=True, return_counts=True)
    # Ties in size keep the order of the voxels.
    order = np.argsort(-sizes, kind="stable")
    rank = np.empty(len(found), dtype=np.int32)
    rank[order] = np.arange(1, len(found) + 1)
    labels = np.zeros(len(scores), dtype=np.int32)
    labels[listed[:count]] = rank[where]
    return labels, sizes[order]


@compiled
def _root(parent, voxel):
    while parent[voxel] != voxel:
        parent[voxel] = parent[parent[voxel]]
        voxel = parent[voxel]
    return voxel


@compiled
def _unite(scores, threshold, two_sided, before, parent, extent, listed):
    """Join voxels beyond the threshold; `parent` must be -1 everywhere on entry."""
    count = 0
    for voxel in range(scores.size):
        score = scores[voxel]
        if score > threshold or (two_sided and score < -threshold):
            listed[count] = voxel
            count += 1
    for place in range(count):
        voxel = listed[place]
        parent[voxel] = voxel
        extent[voxel] = 1
        for column in range(before.shape[1]):
            other = before[voxel, column]
            if other < 0 or parent[other] < 0 or (scores[other] > 0) != (scores[voxel] > 0):
                continue
            mine, theirs = _root(parent, voxel), _root(parent, other)
            if mine != theirs:
                if extent[mine] < extent[theirs]:
                    mine, theirs = theirs, mine
                parent[theirs] = mine
                extent[mine] += extent[theirs]
    return count


@compiled
def largest(scores, threshold, two_sided, before, parent, listed, extent, found):
    """Find the size of the largest cluster of each of several maps.

    Parameters
    ----------
    scores : float32 ndarray, shape (n_maps, n_voxels)
    threshold : float32
    two_sided : bool
    before : ndarray
        From `neighbours`.
    parent : int32 ndarray, shape (n_voxels,)
        Work space, -1 everywhere; left so.
    listed, extent : int32 ndarray, shape (n_voxels,)
        Work space.
    found : int32 ndarray, shape (n_maps,)
        Sizes, in voxels, go here; 0 where nothing is beyond the threshold.
    """
    for row in range(scores.shape[0]):
        count = _unite(scores[row], threshold, two_sided, before, parent, extent, listed)
        best = 0
        for place in range(count):
            best = max(best, extent[listed[place]])
        for place in range(count):
            parent[listed[place]] = -1
        found[row] = best
