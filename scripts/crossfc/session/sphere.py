"""The share of every voxel that lies in a sphere, in any grid.

A sphere of 5 mm holds the centres of 6 to 10 voxels of 4 mm, by how it lies in the grid, and their
mean is up to 1.4 mm away from its centre. Voxels that count by the share of them that lies in the
sphere have its volume, and its centre to 0.2 mm, on any grid.
"""

import numpy as np

from crossfc.array import BoolArray, FloatArray, IntArray

# Lines through a voxel along each of two axes; along the third the length in the sphere is exact.
# A share is then wrong by less than 0.001: 0.0006 at most in grids of 2 to 5 mm, sheared ones too
# (tests/session/test_sphere.py). Smaller shares count as none.
_LINES = 32
_LEAST = 0.001
# Voxels that are worked on at once, so that memory does not grow with the sphere.
_AT_ONCE = 512


def shares(
    centres: FloatArray, radii: FloatArray, affine: FloatArray
) -> tuple[IntArray, FloatArray]:
    """Compute which share of each voxel lies in the union of some spheres.

    Parameters
    ----------
    centres : (n_spheres, 3) float
        Mm.
    radii : (n_spheres,) float
        Mm.
    affine : (4, 4) float
        Voxel indices to mm; axes may be of different lengths, oblique and sheared. A voxel reaches
        half an index to either side of its own.

    Returns
    -------
    voxels : (n, 3) int
        Indices of the voxels that a sphere reaches into, in the grid or beyond its edges.
    share : (n,) float64
        0.001 to 1; 1 for a voxel that lies in a sphere as a whole.
    """
    centres = np.atleast_2d(np.asarray(centres, dtype=float))
    radii = np.asarray(radii, dtype=float)
    # No part of a voxel is farther from its centre than the farthest corner.
    corner = float(np.linalg.norm(_corners() @ affine[:3, :3].T, axis=1).max())
    near = [
        voxels_near(centre, radius + corner, affine)
        for centre, radius in zip(centres, radii, strict=True)
    ]
    voxels: IntArray = np.unique(np.concatenate(near), axis=0)
    share = np.zeros(len(voxels))
    whole = _whole(voxels, centres, radii, affine)
    share[whole] = 1
    cut = np.flatnonzero(~whole)
    for start in range(0, len(cut), _AT_ONCE):
        some = cut[start : start + _AT_ONCE]
        share[some] = _by_lines(voxels[some], centres, radii, affine)
    reached = share >= _LEAST
    return voxels[reached], share[reached]


def voxels_near(centre: FloatArray, distance_mm: float, affine: FloatArray) -> IntArray:
    """List the voxels whose centres are no further from a place, in the grid or beyond its edges.

    Parameters
    ----------
    centre : (3,) float
        Mm.
    distance_mm : float
    affine : (4, 4) float
        Voxel indices to mm.

    Returns
    -------
    (n, 3) int
    """
    to_voxel = np.linalg.inv(affine)
    middle = to_voxel[:3, :3] @ centre + to_voxel[:3, 3]
    reach = np.ceil(distance_mm * np.linalg.norm(to_voxel[:3, :3], axis=1)) + 1
    ends = zip(np.floor(middle - reach), np.ceil(middle + reach), strict=True)
    axes = [np.arange(lowest, highest + 1) for lowest, highest in ends]
    voxels = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    apart = voxels @ affine[:3, :3].T + affine[:3, 3] - centre
    within: IntArray = voxels[(apart**2).sum(axis=1) <= distance_mm**2].astype(int)
    return within


def _corners() -> FloatArray:
    return np.array([[i, j, k] for i in (-0.5, 0.5) for j in (-0.5, 0.5) for k in (-0.5, 0.5)])


def _whole(
    voxels: IntArray, centres: FloatArray, radii: FloatArray, affine: FloatArray
) -> BoolArray:
    """Test which voxels lie in one sphere with all corners, and so as a whole."""
    corners = (voxels[:, None] + _corners()) @ affine[:3, :3].T + affine[:3, 3]
    whole = np.zeros(len(voxels), dtype=bool)
    for centre, radius in zip(centres, radii, strict=True):
        whole |= (((corners - centre) ** 2).sum(axis=-1) <= radius**2).all(axis=1)
    return whole


def _by_lines(
    voxels: IntArray, centres: FloatArray, radii: FloatArray, affine: FloatArray
) -> FloatArray:
    """Return the mean length in the spheres of parallel lines through each voxel, (n,) float64."""
    step = (np.arange(_LINES) + 0.5) / _LINES - 0.5
    first, second = (a.ravel() for a in np.meshgrid(step, step, indexing="ij"))
    across = np.column_stack([first, second, np.zeros(_LINES**2)])
    # A line is start + t * direction, with t from -0.5 to 0.5 inside the voxel.
    start = (voxels[:, None] + across) @ affine[:3, :3].T + affine[:3, 3]
    direction = affine[:3, 2]
    square = direction @ direction
    enter, leave = [], []
    for centre, radius in zip(centres, radii, strict=True):
        apart = start - centre
        nearest = -(apart @ direction) / square
        rest = radius**2 - (apart**2).sum(axis=-1) + square * nearest**2
        half = np.sqrt(np.maximum(rest, 0) / square)
        enter.append(np.clip(nearest - half, -0.5, 0.5))
        leave.append(np.clip(nearest + half, -0.5, 0.5))
    if len(centres) == 1:
        length: FloatArray = (leave[0] - enter[0]).mean(axis=1)
        return length
    mean: FloatArray = _union(np.stack(enter), np.stack(leave)).mean(axis=1)
    return mean


def _union(enter: FloatArray, leave: FloatArray) -> FloatArray:
    """Return the length that some intervals cover together; the first axis is that of intervals."""
    order = np.argsort(enter, axis=0)
    enter, leave = np.take_along_axis(enter, order, 0), np.take_along_axis(leave, order, 0)
    covered = np.zeros(enter.shape[1:])
    reached = np.full(enter.shape[1:], -np.inf)
    for begin, end in zip(enter, leave, strict=True):
        covered += np.maximum(end - np.maximum(begin, reached), 0)
        reached = np.maximum(reached, end)
    return covered
