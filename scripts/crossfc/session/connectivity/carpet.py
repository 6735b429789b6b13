"""Carpet: all volumes of a session in one picture (Power 2017, NeuroImage 154:150-158)."""

from pathlib import Path

import numpy as np

from crossfc import atomic
from crossfc.array import BoolArray, FloatArray, IntArray, RealArray

_ROWS, _COLUMNS = 180, 600  # more are averaged
_GREYS = 15  # so that, with the colour of what is left out, a pixel takes half a byte
_LEFT_OUT = (214, 190, 186)
_RANGE = 2.0  # standard deviations of a row, from the mean to white


def carpet_rows(voxels: RealArray) -> FloatArray:
    """Average neighbouring voxels, so that the rows of a carpet fit into a small picture.

    Averaging and cleaning can change places, as both are linear.

    Parameters
    ----------
    voxels : (n_volumes, n_voxels) float
        Series without their means, in the order of the mask (from the lowest slice upwards).

    Returns
    -------
    (n_volumes, n_rows) float64
    """
    return _averaged(voxels, _ROWS)


def draw_carpet(path: str | Path, rows: FloatArray, counted: BoolArray) -> None:
    """Draw rows over time as grey levels, each in its own standard deviations.

    Parameters
    ----------
    path : path
        The PNG to write: one column per volume, the highest slice at the top.
    rows : (n_volumes, n_rows) float
        From `carpet_rows`; NaN for volumes that are left out.
    counted : (n_volumes,) bool
        Volumes that scale the grey levels: those that are measurements.
    """
    from PIL import Image

    known = np.isfinite(rows).all(axis=1)
    used = rows[known & counted] if (known & counted).any() else rows[known]
    deviation = used.std(axis=0) if len(used) else np.ones(rows.shape[1])
    scaled = rows / np.where(deviation > 0, deviation, 1)
    picture = _averaged(scaled.T, _COLUMNS)[::-1]
    level = np.clip((picture + _RANGE) / (2 * _RANGE), 0, 1) * (_GREYS - 1)
    pixels = np.where(np.isfinite(picture), np.rint(np.nan_to_num(level)), _GREYS)
    image = Image.frombytes("P", pixels.shape[::-1], pixels.astype(np.uint8).tobytes())
    greys = [round(255 * k / (_GREYS - 1)) for k in range(_GREYS)]
    image.putpalette([value for grey in greys for value in (grey,) * 3] + list(_LEFT_OUT))
    with atomic.writing(path) as temporary:
        image.save(temporary, format="PNG", optimize=True, bits=4)


def _averaged(values: RealArray, most: int) -> FloatArray:
    """Average neighbouring columns, so that at most so many are left; NaN where one is NaN."""
    n = values.shape[1]
    edges: IntArray = np.linspace(0, n, min(most, n) + 1).astype(int)
    found: FloatArray = np.add.reduceat(values, edges[:-1], axis=1, dtype=np.float64)
    return found / np.diff(edges)
