"""Placing seeds and targets in the grid of a scan."""

from typing import Any

import numpy as np

from crossfc.fault import Fault
from crossfc.session.scan import open_scan


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
        If the region has no voxel in this grid, or its image cannot be read.
    """
    mask = np.zeros(shape, dtype=bool)
    for row in rows:
        if row["kind"] == "sphere":
            mask |= _sphere(row, shape, affine)
        else:
            mask |= _from_image(row, name, shape, affine)
    if not mask.any():
        raise Fault(
            f"region {name} has no voxel in the grid of the scan; correct its coordinates (mm, "
            "MNI), its label or its radius (against the voxel size) in the sheet"
        )
    return mask


def _sphere(row: dict[str, Any], shape: tuple[int, ...], affine: np.ndarray) -> np.ndarray:
    centre = np.array([row["x"], row["y"], row["z"]], dtype=float)
    grid = np.indices(shape).reshape(3, -1)
    millimetres = affine[:3, :3] @ grid + affine[:3, 3:]
    inside = ((millimetres - centre[:, None]) ** 2).sum(axis=0) <= float(row["radius_mm"]) ** 2
    return inside.reshape(shape)


def _from_image(
    row: dict[str, Any], name: str, shape: tuple[int, ...], affine: np.ndarray
) -> np.ndarray:
    try:
        image = open_scan(row["file"], dimensions=3)
    except Fault as fault:
        raise Fault(f'region {name}, column "file": {fault}') from None
    wanted = image.data > 0 if row["kind"] == "mask" else image.data == int(row["label"])
    to_image = np.linalg.inv(image.affine) @ affine
    grid = np.indices(shape).reshape(3, -1)
    index = np.rint(to_image[:3, :3] @ grid + to_image[:3, 3:]).astype(int)
    inside = ((index >= 0) & (index < np.array(wanted.shape)[:, None])).all(axis=0)
    found = np.zeros(inside.size, dtype=bool)
    found[inside] = wanted[tuple(index[:, inside])]
    return found.reshape(shape)
