"""Images in the form in which they are saved: small files in which zero stays exactly zero."""

import nibabel as nib
import numpy as np
from scipy import ndimage

from crossfc.array import BoolArray, FloatArray, IntArray, RealArray, SingleArray

_UNITS = {3: ("mm",), 4: ("mm", "sec")}


def scaled_image(
    data: RealArray, affine: FloatArray, repetition_time: float | None = None
) -> nib.Nifti1Image:
    """Store values as 16-bit integers with one slope and no intercept.

    Values are rounded to 1/32767 of the largest one, which is far below the noise of a scan. Zero
    stays exactly zero, so that voxels outside the field of view can still be recognised.

    Parameters
    ----------
    data : ndarray, shape (x, y, z) or (x, y, z, volumes)
    affine : ndarray, shape (4, 4)
        Voxel indices to world coordinates, mm.
    repetition_time : float, optional
        Seconds; for 4D data.

    Returns
    -------
    nibabel.Nifti1Image
    """
    largest = float(max(data.max(), -data.min()))
    slope = np.float32(largest / 32767 if largest > 0 else 1.0)
    stored = np.empty(data.shape, dtype=np.int16, order="F")
    for place in np.ndindex(data.shape[3:]):
        stored[(..., *place)] = np.rint(data[(..., *place)] / slope)
    image = _image(stored, affine, repetition_time)
    image.header.set_slope_inter(slope, 0)
    return image


def mask_image(mask: BoolArray, affine: FloatArray) -> nib.Nifti1Image:
    """Store a mask as 0 and 1.

    Parameters
    ----------
    mask : ndarray of bool, shape (x, y, z)
    affine : ndarray, shape (4, 4)
        Voxel indices to world coordinates, mm.

    Returns
    -------
    nibabel.Nifti1Image
        uint8.
    """
    return _image(mask.astype(np.uint8), affine)


def probability_image(probability: RealArray, affine: FloatArray) -> nib.Nifti1Image:
    """Store probabilities in steps of 1/255.

    Parameters
    ----------
    probability : ndarray, shape (x, y, z)
        0 to 1; values outside are clipped.
    affine : ndarray, shape (4, 4)
        Voxel indices to world coordinates, mm.

    Returns
    -------
    nibabel.Nifti1Image
    """
    stored = np.rint(np.clip(probability, 0, 1) * 255).astype(np.uint8)
    image = _image(stored, affine)
    image.header.set_slope_inter(1 / 255, 0)
    return image


def continued_onto_grid(
    values: RealArray, affine: FloatArray, target_affine: FloatArray, shape: tuple[int, ...]
) -> FloatArray:
    """Interpolate a volume onto another grid, continued constantly beyond its faces (trilinear).

    Parameters
    ----------
    values : ndarray, shape (x, y, z)
    affine : ndarray, shape (4, 4)
        Voxel indices of ``values`` to mm.
    target_affine : ndarray, shape (4, 4)
        Voxel indices of the new grid to mm.
    shape : tuple of int
        Shape of the new grid.

    Returns
    -------
    ndarray of float64, shape ``shape``
    """
    index = np.linalg.inv(affine) @ target_affine
    places = index[:3, :3] @ np.indices(shape).reshape(3, -1) + index[:3, 3:]
    found: FloatArray = ndimage.map_coordinates(
        values, places, order=1, mode="nearest", output=np.float64
    )
    return found.reshape(shape)


def onto_grid(
    values: RealArray, affine: FloatArray, target_affine: FloatArray, shape: tuple[int, ...]
) -> SingleArray:
    """Interpolate a volume onto another grid in the same space (trilinear, 0 outside).

    To save time, only the part of the new grid that nonzero voxels reach is computed.

    Parameters
    ----------
    values : ndarray, shape (x, y, z)
    affine : ndarray, shape (4, 4)
        Voxel indices of ``values`` to mm.
    target_affine : ndarray, shape (4, 4)
        Voxel indices of the new grid to mm.
    shape : tuple of int
        Shape of the new grid.

    Returns
    -------
    ndarray of float32, shape ``shape``
    """
    result = np.zeros(shape, dtype=np.float32)
    index = np.linalg.inv(affine) @ target_affine
    found = ndimage.find_objects((values != 0).astype(np.int8))
    if not found:
        return result
    low = np.array([s.start - 1 for s in found[0]])
    high = np.array([s.stop for s in found[0]])
    corners = np.array(np.meshgrid(*zip(low, high, strict=True))).reshape(3, -1).T
    there = nib.affines.apply_affine(np.linalg.inv(index), corners)
    start = np.clip(np.floor(there.min(axis=0)).astype(int), 0, shape)
    stop = np.clip(np.ceil(there.max(axis=0)).astype(int) + 1, 0, shape)
    if (stop <= start).any():
        return result
    box = tuple(slice(a, b) for a, b in zip(start, stop, strict=True))
    result[box] = ndimage.affine_transform(
        values.astype(np.float32),
        index[:3, :3],
        index[:3, :3] @ start + index[:3, 3],
        output_shape=tuple(stop - start),
        order=1,
    )
    return result


def _image(
    stored: IntArray, affine: FloatArray, repetition_time: float | None = None
) -> nib.Nifti1Image:
    image = nib.Nifti1Image(stored, affine)
    image.set_sform(affine, code="aligned")
    image.set_qform(affine, code="aligned")
    image.header.set_xyzt_units(*_UNITS[stored.ndim])
    if stored.ndim == 4 and repetition_time is not None:
        image.header["pixdim"][4] = repetition_time
    return image
