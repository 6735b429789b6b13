"""Spatial interpolation of a run from its own grid to the template, in a single step.

A point of the template is mapped through the deformation and affine of the anatomy, then the
coregistration, then the motion of each volume, and last by the shift of its susceptibility
distortion. Only the motion differs between volumes, and it is a matrix. So the deformation and the
shift are computed once per run, and each volume takes one spline interpolation.
"""

from pathlib import Path

import nibabel as nib
import numpy as np
from scipy import ndimage

from crossfc.array import FloatArray
from crossfc.session.preprocess.registration import transform_points
from crossfc.session.preprocess.unwarping import Unwarping


def points_in_reference(
    grid: nib.Nifti1Image, transform: str | Path, coregistration: np.ndarray
) -> np.ndarray:
    """Map the voxels of the output grid to points of the functional reference.

    Parameters
    ----------
    grid : nibabel image
        Output grid, in template space.
    transform : path
        Composite transform of the anatomy, template point to T1w point.
    coregistration : ndarray, shape (4, 4)
        T1w point to reference point, mm, RAS+.

    Returns
    -------
    ndarray, shape (voxels, 3)
        Points in mm, RAS+; voxels in C order.
    """
    indices = np.indices(grid.shape[:3]).reshape(3, -1).T
    in_t1w = transform_points(nib.affines.apply_affine(grid.affine, indices), transform)
    points: FloatArray = nib.affines.apply_affine(coregistration, in_t1w)
    return points


def resample_run(
    data: np.ndarray,
    affine: np.ndarray,
    matrices: np.ndarray,
    points: np.ndarray,
    shape: tuple[int, ...],
    unwarping: Unwarping | None = None,
    modulate: bool = True,
) -> tuple[np.ndarray, np.ndarray]:
    """Interpolate every volume at the points of the output grid, by cubic splines.

    Parameters
    ----------
    data : ndarray, shape (x, y, z, volumes)
        The run on its own grid, after slice timing correction.
    affine : ndarray, shape (4, 4)
        Voxel indices of that grid to mm, RAS+.
    matrices : ndarray, shape (volumes, 4, 4)
        Motion: reference point to volume point, mm.
    points : ndarray, shape (voxels, 3)
        From `points_in_reference`.
    shape : tuple of int
        Shape of the output grid.
    unwarping : Unwarping, optional
        The shift by distortion. It moves with the head, along the run's own phase-encoding axis.
    modulate : bool
        Whether brightness is multiplied by the change of volume that the shift made.

    Returns
    -------
    resampled : ndarray of float32, shape (*shape, volumes), Fortran order
        In the units of `data`; 0 outside the field of view.
    covered : ndarray of bool, shape (*shape)
        Voxels that are inside the field of view in every volume.
    """
    volumes = data.shape[3]
    to_index = np.linalg.inv(affine)
    resampled = np.zeros((*shape, volumes), dtype=np.float32, order="F")
    covered = np.ones(len(points), dtype=bool)
    shift, bright = (None, None) if unwarping is None else unwarping.at(points)
    for v in range(volumes):
        places = nib.affines.apply_affine(to_index @ matrices[v], points)
        if unwarping is not None:
            places[:, unwarping.axis] += shift
        # The field of view ends at the outer faces of its voxels.
        inside = ((places >= -0.5) & (places <= np.array(data.shape[:3]) - 0.5)).all(axis=1)
        covered &= inside
        volume = np.ascontiguousarray(data[..., v])
        values = np.zeros(len(points), dtype=np.float32)
        values[inside] = ndimage.map_coordinates(
            volume, places[inside].T, order=3, mode="nearest", output=np.float32
        )
        if modulate and bright is not None:
            values *= bright.astype(np.float32)
        resampled[..., v] = values.reshape(shape)
    return resampled, covered.reshape(shape)


def resample_volume(
    volume: np.ndarray,
    affine: np.ndarray,
    points: np.ndarray,
    shape: tuple[int, ...],
    unwarping: Unwarping | None = None,
    modulate: bool = True,
) -> np.ndarray:
    """Interpolate a single volume that is aligned with the reference, as `resample_run` does.

    Parameters
    ----------
    volume : ndarray, shape (x, y, z)
    affine, points, shape, unwarping, modulate
        As in `resample_run`.

    Returns
    -------
    ndarray of float32, shape ``shape``
    """
    resampled, _ = resample_run(
        volume[..., None], affine, np.eye(4)[None], points, shape, unwarping, modulate
    )
    return resampled[..., 0]
