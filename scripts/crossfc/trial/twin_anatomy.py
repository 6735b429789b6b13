"""The anatomy a twin is built on: the ICBM 2009a symmetric template that nilearn carries.

The files are found beside nilearn without importing it, because that import costs more than the
simulation of a session.
"""

from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

import nibabel
import numpy as np

from crossfc.fault import Fault

TEMPLATE_SPACE = "MNI152NLin2009aSym"
_FILE = "mni_icbm152_{}_tal_nlin_sym_09a_converted.nii.gz"


def load_template(kind: str) -> tuple[np.ndarray, np.ndarray]:
    """Load one piece of the template at 1 mm (Fonov et al. 2011, NeuroImage 54:313).

    Parameters
    ----------
    kind : {"t1", "gm", "wm"}
        T1-weighted brain without skull, or a tissue probability.

    Returns
    -------
    data : ndarray of float32, shape (197, 233, 189)
        Between 0 and 1.
    affine : ndarray, shape (4, 4)
        Voxel to world (mm, RAS+).
    """
    spec = find_spec("nilearn")
    if spec is None or not spec.submodule_search_locations:
        raise Fault("nilearn is not installed; the twin takes its template from it")
    folder = Path(spec.submodule_search_locations[0]) / "datasets" / "data"
    path = folder / _FILE.format(kind)
    if not path.is_file():
        raise Fault(f"{path} is missing; install nilearn 0.9 or newer, whole")
    image = nibabel.load(path)
    # dataobj keeps the 8 bits, get_fdata would make 70 MB of doubles of it
    data = np.asanyarray(image.dataobj).astype(np.float32)
    data /= np.float32(255)
    return data, image.affine


def coarsen(data: np.ndarray, step: int) -> np.ndarray:
    """Take every ``step``-th voxel after a triangular filter of that half-width.

    Parameters
    ----------
    data : ndarray, shape (i, j, k)
    step : int
        1 gives the data back.

    Returns
    -------
    ndarray of float32, shape (ceil(i / step), ceil(j / step), ceil(k / step))
        Voxel 0 stays where it was, so the origin of the affine does not move.
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
def tissue(resolution_mm: int = 4) -> dict[str, np.ndarray]:
    """Give the tissue fractions of the template on a coarser grid.

    Parameters
    ----------
    resolution_mm : int
        Whole millimetres, because the grid is every n-th voxel of the 1 mm template.

    Returns
    -------
    dict
        ``brain``, ``gm``, ``wm``, ``csf`` (fractions between 0 and 1, float32, one shape) and
        ``affine``.

    Raises
    ------
    Fault
        If the resolution is no whole number of millimetres between 1 and 8.
    """
    step = int(resolution_mm)
    if step != resolution_mm or not 1 <= step <= 8:
        raise Fault(f"twin resolution {resolution_mm} mm: give a whole number from 1 to 8")
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
    """Give the world coordinates of every voxel, shape (n_voxels, 3), mm, C order."""
    grid = np.indices(shape, dtype=np.float32).reshape(3, -1)
    return (affine[:3, :3].astype(np.float32) @ grid + affine[:3, 3:].astype(np.float32)).T
