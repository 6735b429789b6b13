"""Peaks: the local maxima of a cluster that get a row of their own."""

import numpy as np

from crossfc.array import FloatArray, IntArray, RealArray


def peaks(
    height: RealArray, places: IntArray, points: FloatArray, most: int, apart_mm: float
) -> list[int]:
    """Find the local maxima of a cluster, the highest first.

    A local maximum is at least as high as all its neighbours (of 26) in the cluster. A maximum that
    is too close to a higher one is left out.

    Parameters
    ----------
    height : ndarray, shape (n_voxels,)
        Absolute value of the statistic in the cluster's voxels.
    places : int ndarray, shape (n_voxels, 3)
        Grid indices of the voxels.
    points : ndarray, shape (n_voxels, 3)
        Coordinates of the voxels, mm.
    most : int
        Largest number of peaks.
    apart_mm : float
        Smallest distance between peaks, mm.

    Returns
    -------
    list of int
        Indices of the peaks among the cluster's voxels, the highest first.
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
