"""Placing seeds and targets in the grid of a scan."""

from pathlib import Path
from typing import Any

import numpy as np

from crossfc.fault import Fault


def region_mask(
    rows: list[dict[str, Any]], name: str, shape: tuple[int, ...], affine: np.ndarray
) -> np.ndarray:
    """Give the voxels of a region, the union of its rows.

    Parameters
    ----------
    rows : list of dict
        The region's rows of the sheet: kind, x, y, z, radius_mm, file, label.
    name : str
        For messages.
    shape : (nx, ny, nz)
    affine : (4, 4) float
        Voxel indices to mm.

    Returns
    -------
    (nx, ny, nz) bool

    Raises
    ------
    Fault
        If the region has no voxel in this grid.
    """
    mask = np.zeros(shape, dtype=bool)
    for row in rows:
        if row["kind"] == "sphere":
            mask |= _sphere(row, shape, affine)
        else:
            mask |= _from_image(row, shape, affine)
    if not mask.any():
        raise Fault(
            f"region {name} has no voxel in the grid of the scan; check its coordinates (mm, MNI) "
            "or its radius against the voxel size"
        )
    return mask


def _sphere(row: dict[str, Any], shape: tuple[int, ...], affine: np.ndarray) -> np.ndarray:
    centre = np.array([row["x"], row["y"], row["z"]], dtype=float)
    grid = np.indices(shape).reshape(3, -1)
    millimetres = affine[:3, :3] @ grid + affine[:3, 3:]
    inside = ((millimetres - centre[:, None]) ** 2).sum(axis=0) <= float(row["radius_mm"]) ** 2
    return inside.reshape(shape)


def _from_image(row: dict[str, Any], shape: tuple[int, ...], affine: np.ndarray) -> np.ndarray:
    import nibabel

    path = Path(row["file"])
    if not path.is_file():
        raise Fault(f"the image {path} of a region does not exist; correct the column file")
    image = nibabel.load(path)
    labels = np.asarray(image.dataobj)
    wanted = labels > 0 if row["kind"] == "mask" else labels == int(row["label"])
    to_image = np.linalg.inv(image.affine) @ affine
    grid = np.indices(shape).reshape(3, -1)
    index = np.rint(to_image[:3, :3] @ grid + to_image[:3, 3:]).astype(int)
    inside = ((index >= 0) & (index < np.array(wanted.shape)[:, None])).all(axis=0)
    found = np.zeros(inside.size, dtype=bool)
    found[inside] = wanted[tuple(index[:, inside])]
    return found.reshape(shape)
