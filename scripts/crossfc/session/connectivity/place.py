"""Find the voxels of seeds and targets in the grid of a scan."""

from collections.abc import Sequence

import numpy as np

from crossfc.array import BoolArray, FloatArray, IntArray
from crossfc.fault import Fault
from crossfc.session.scan import open_scan
from crossfc.trial.regions import LabelRow, MaskRow, RegionRow, SphereRow


def region_mask(
    rows: Sequence[RegionRow], name: str, shape: tuple[int, ...], affine: FloatArray
) -> BoolArray:
    """Return the voxels of a region, which is the union of its rows.

    Parameters
    ----------
    rows : sequence of RegionRow
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
    return place(rows, name, shape, affine)[0]


def place(
    rows: Sequence[RegionRow], name: str, shape: tuple[int, ...], affine: FloatArray
) -> tuple[BoolArray, int]:
    """Return the voxels of a region, and its size including voxels outside the grid.

    The size shows whether a sphere is cut by the field of view.

    Parameters
    ----------
    As `region_mask`.

    Returns
    -------
    mask : (nx, ny, nz) bool
    size : int
        Number of voxels, including those of spheres that lie outside the grid.

    Raises
    ------
    Fault
        As `region_mask`.
    """
    mask = np.zeros(shape, dtype=bool)
    beyond: set[tuple[int, ...]] = set()
    for row in rows:
        if row["kind"] != "sphere":
            mask |= _from_image(row, name, shape, affine)
            continue
        voxels = _sphere(row, affine)
        inside = ((voxels >= 0) & (voxels < shape)).all(axis=1)
        mask[tuple(voxels[inside].T)] = True
        beyond |= set(map(tuple, voxels[~inside].tolist()))
    if not mask.any():
        raise Fault(
            f"region {name} has no voxel in the grid of the scan; correct its coordinates (mm, "
            "MNI), its label or its radius (against the voxel size) in the sheet"
        )
    return mask, int(mask.sum()) + len(beyond)


def _sphere(row: SphereRow, affine: FloatArray) -> IntArray:
    """List the indices (n, 3) of voxels whose centres lie in a sphere, inside the grid or not."""
    centre = np.array([row["x"], row["y"], row["z"]], dtype=float)
    to_voxel = np.linalg.inv(affine)
    middle = to_voxel[:3, :3] @ centre + to_voxel[:3, 3]
    reach = np.ceil(float(row["radius_mm"]) * np.linalg.norm(to_voxel[:3, :3], axis=1)) + 1
    ends = zip(np.floor(middle - reach), np.ceil(middle + reach), strict=True)
    axes = [np.arange(lowest, highest + 1) for lowest, highest in ends]
    voxels = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    millimetres = voxels @ affine[:3, :3].T + affine[:3, 3]
    near = ((millimetres - centre) ** 2).sum(axis=1) <= float(row["radius_mm"]) ** 2
    inside: IntArray = voxels[near].astype(int)
    return inside


def _from_image(
    row: MaskRow | LabelRow, name: str, shape: tuple[int, ...], affine: FloatArray
) -> BoolArray:
    try:
        image = open_scan(row["file"], dimensions=3, kind="region")
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
