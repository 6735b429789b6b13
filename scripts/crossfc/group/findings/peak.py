"""Peaks: the local maxima of a cluster that are worth a row of their own."""

import numpy as np


def peaks(
    height: np.ndarray, places: np.ndarray, points: np.ndarray, most: int, apart_mm: float
) -> list[int]:
    """Find the local maxima of a cluster, the highest first.

    A local maximum is no lower than any of its 26 neighbours in the cluster. One that is too near
    to a higher one is left out.

    Parameters
    ----------
    height : ndarray, shape (n_voxels,)
        The size of the statistic in the cluster's voxels.
    places : int ndarray, shape (n_voxels, 3)
        The voxels on the grid.
    points : ndarray, shape (n_voxels, 3)
        The same in mm.
    most : int
    apart_mm : float
        The least distance between peaks.

    Returns
    -------
    list of int
        At most ``most`` numbers of voxels in the cluster; the first is that of the highest.
    """
    from scipy.ndimage import maximum_filter

    box = places - places.min(axis=0)
    volume = np.full(box.max(axis=0) + 1, -np.inf)
    volume[tuple(box.T)] = height
    around = maximum_filter(volume, size=3, mode="constant", cval=-np.inf)
    maxima = np.flatnonzero(height == around[tuple(box.T)])
    found: list[int] = []
    for voxel in maxima[np.argsort(-height[maxima], kind="stable")]:
        distance = np.linalg.norm(points[found] - points[voxel], axis=1)
        if (distance >= apart_mm - 1e-6).all():
            found.append(int(voxel))
        if len(found) == most:
            break
    return found
