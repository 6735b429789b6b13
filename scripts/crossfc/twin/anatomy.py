"""Anatomy of the twin: the template at the twin's resolution, and its tissues."""

from functools import lru_cache

import numpy as np

from crossfc.fault import Fault
from crossfc.template import load_template


def coarsen(data: np.ndarray, step: int) -> np.ndarray:
    """Smooth with a triangular filter of half-width ``step``, then take every ``step``-th voxel.

    Parameters
    ----------
    data : ndarray, shape (i, j, k)
    step : int
        Voxels; 1 returns the data unchanged.

    Returns
    -------
    ndarray of float32, shape (ceil(i / step), ceil(j / step), ceil(k / step))
        Voxel 0 keeps its position, so the origin of the affine does not change.
    """
    result = np.asarray(data, np.float32)
    if step == 1:
        return result
    for axis in range(3):
        moved = np.moveaxis(result, axis, 0)
        count = -(-moved.shape[0] // step)
        margin = ((step - 1, count * step), (0, 0), (0, 0))
        padded = np.pad(moved, margin)
        total = np.zeros((count, *moved.shape[1:]), np.float32)
        for offset in range(-(step - 1), step):
            start = step - 1 + offset
            weight = np.float32((step - abs(offset)) / step**2)
            total += weight * padded[start : start + count * step : step]
        result = np.moveaxis(total, 0, axis)
    return np.ascontiguousarray(result)


@lru_cache(maxsize=2)
def tissue(resolution_mm: int) -> dict[str, np.ndarray]:
    """Return the tissue fractions of the template on a coarser grid.

    Parameters
    ----------
    resolution_mm : int
        Whole millimetres, because the grid is every n-th voxel of the 1 mm template.

    Returns
    -------
    dict
        ``brain``, ``gm``, ``wm``, ``csf`` (fractions between 0 and 1, float32, all of the same
        3D shape) and ``affine`` (4, 4; voxel indices to mm).

    Raises
    ------
    Fault
        If the resolution is not a whole number of millimetres between 1 and 8.
    """
    step = int(resolution_mm)
    if step != resolution_mm or not 1 <= step <= 8:
        raise Fault(
            f"config key twin.resolution_mm: {resolution_mm} mm; give a whole number from 1 to 8"
        )
    t1, affine = load_template("t1")
    fractions = {"brain": coarsen(t1 > 0, step)}
    for kind in ("gm", "wm"):
        fractions[kind] = coarsen(load_template(kind)[0], step)
    solid = fractions["gm"] + fractions["wm"]
    fractions["csf"] = np.clip(fractions["brain"] - solid, 0, 1)
    scaled = affine.copy()
    scaled[:3, :3] *= step
    return fractions | {"affine": scaled}


def world(shape: tuple[int, int, int], affine: np.ndarray) -> np.ndarray:
    """Return the world coordinates of every voxel of a grid.

    Parameters
    ----------
    shape : (int, int, int)
    affine : ndarray, shape (4, 4)
        Voxel indices to mm.

    Returns
    -------
    ndarray of float32, shape (n_voxels, 3)
        mm; voxels in C order.
    """
    grid = np.indices(shape, dtype=np.float32).reshape(3, -1)
    return (affine[:3, :3].astype(np.float32) @ grid + affine[:3, 3:].astype(np.float32)).T
