"""Volumes as text in the page: whole numbers, predicted from their neighbours, deflated.

A map is rounded to a step, such as 0.01. Of its rounded values only the voxels of the search volume
are written, and of each only by how much it differs from what its neighbours before it say: the
seven of the parallelepiped (Ibarria et al. 2003, Computer Graphics Forum 22:343), and fewer at the
edge of the search volume. Of smooth maps that takes less than half of what a compressed NIfTI image
of 16 bits takes. The page undoes it in ``viewer.js``.
"""

import base64
import zlib
from typing import Any

import numpy as np

from crossfc.array import BoolArray, FloatArray, IntArray, SingleArray

# What 16 bits hold: the largest value of a map is this many steps from zero.
MOST_STEPS = 2**15 - 1
# Numbers from here to 65535 are written as this byte; their two bytes follow all others.
_LARGE = 255


def packed_map(values: SingleArray, inside: BoolArray, step: float) -> str:
    """Write a map, rounded.

    Parameters
    ----------
    values : ndarray, shape (i, j, k)
        What is outside is ignored, and may be NaN.
    inside : bool ndarray, shape (i, j, k)
        The search volume.
    step : float
        What is read back differs from the values by half a step at most; values beyond
        `MOST_STEPS` steps are written as the largest that fits.

    Returns
    -------
    str
    """
    rounded = np.zeros(values.shape, dtype=np.int32)
    steps = np.rint(values[inside].astype(float) / step)
    rounded[inside] = np.clip(steps, -MOST_STEPS, MOST_STEPS)
    wrong = (rounded - predicted(rounded, inside))[inside]
    # The error of a prediction may need more than 16 bits; what it is added to does not, mod 2¹⁶.
    wrong = wrong.astype(np.uint16).view(np.int16).astype(np.int32)
    # 0, −1, 1, −2, … as 0, 1, 2, 3, …
    return _deflated((wrong << 1) ^ (wrong >> 31))


def predicted(values: IntArray, inside: BoolArray) -> IntArray:
    """Predict every voxel from its neighbours before it that are inside.

    Parameters
    ----------
    values : int ndarray, shape (i, j, k)
    inside : bool ndarray, shape (i, j, k)

    Returns
    -------
    int ndarray, shape (i, j, k)
        x + y + z − xy − xz − yz + xyz of the neighbours one voxel back along these axes, where all
        seven are inside; otherwise y + z − yz, or the same of another two axes; otherwise the one
        along z, y or x; otherwise 0.
    """
    backs = ((1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 0), (1, 0, 1), (0, 1, 1), (1, 1, 1))
    x, y, z, xy, xz, yz, xyz = (_moved(values, back) for back in backs)
    in_x, in_y, in_z, in_xy, in_xz, in_yz, in_xyz = (_moved(inside, back) for back in backs)
    found: IntArray = np.select(
        [
            in_x & in_y & in_z & in_xy & in_xz & in_yz & in_xyz,
            in_y & in_z & in_yz,
            in_x & in_z & in_xz,
            in_x & in_y & in_xy,
            in_z,
            in_y,
            in_x,
        ],
        [x + y + z - xy - xz - yz + xyz, y + z - yz, x + z - xz, x + y - xy, z, y, x],
    )
    return found


def _moved(values: IntArray | BoolArray, back: tuple[int, int, int]) -> Any:
    """Return at every voxel the value of the one before it along some axes; 0 outside the image."""
    padded = np.pad(values, [(n, 0) for n in back])
    return padded[tuple(slice(0, size) for size in values.shape)]


def packed_labels(labels: IntArray | BoolArray) -> str:
    """Write a volume of labels from 0 to 65535, shape (i, j, k)."""
    return _deflated(labels.ravel().astype(np.int32))


def packed_bytes(values: FloatArray) -> str:
    """Write whole numbers from 0 to 255, in any shape."""
    return base64.b64encode(np.rint(values).astype(np.uint8).tobytes()).decode("ascii")


def _deflated(numbers: IntArray) -> str:
    """Deflate numbers from 0 to 65535: a byte for each, then two more for each large one."""
    large = numbers[numbers >= _LARGE].astype("<u2")
    written = np.minimum(numbers, _LARGE).astype(np.uint8).tobytes() + large.tobytes()
    found = []
    # Bytes like noise are shorter without the search for repetitions.
    for strategy in (zlib.Z_DEFAULT_STRATEGY, zlib.Z_HUFFMAN_ONLY):
        packer = zlib.compressobj(strategy=strategy)
        found.append(packer.compress(written) + packer.flush())
    return base64.b64encode(min(found, key=len)).decode("ascii")
