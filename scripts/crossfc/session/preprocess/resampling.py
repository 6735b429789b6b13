"""From the run's own grid to the template in one step: every voxel is interpolated once.

A point of the template goes through the anatomy's deformation and affine, the coregistration and
the motion of each volume; the last two differ by a matrix only, so the deformation is worked out
once per run and each volume costs one spline interpolation.
"""

from pathlib import Path

import nibabel as nib
import numpy as np
from scipy import ndimage

from crossfc.session.preprocess.registration import transform_points


def points_in_reference(
    grid: nib.Nifti1Image, transform: str | Path, coregistration: np.ndarray
) -> np.ndarray:
    """Describe where each voxel of the output grid lies in the functional reference.

    Parameters
    ----------
    grid : nibabel image
        Output grid, in template space.
    transform : path
        Anatomy's composite transform, template point to T1w point.
    coregistration : ndarray, shape (4, 4)
        T1w point to reference point.

    Returns
    -------
    ndarray, shape (voxels, 3)
        mm, RAS+; voxels in C order.
    """
    indices = np.indices(grid.shape[:3]).reshape(3, -1).T
    in_t1w = transform_points(nib.affines.apply_affine(grid.affine, indices), transform)
    return nib.affines.apply_affine(coregistration, in_t1w)


def resample_run(
    data: np.ndarray,
    affine: np.ndarray,
    matrices: np.ndarray,
    points: np.ndarray,
    shape: tuple[int, int, int],
) -> tuple[np.ndarray, np.ndarray]:
    """Read every volume at its points, by cubic splines.

    Parameters
    ----------
    data : ndarray, shape (x, y, z, volumes)
        On the run's own grid, slice timing corrected.
    affine : ndarray, shape (4, 4)
        Of that grid.
    matrices : ndarray, shape (volumes, 4, 4)
        Motion: reference point to volume point.
    points : ndarray, shape (voxels, 3)
        From `points_in_reference`.
    shape : tuple of int
        Of the output grid.

    Returns
    -------
    resampled : ndarray of float32, shape (*shape, volumes), Fortran order
        In the units of `data`; 0 outside the field of view.
    covered : ndarray of bool, shape (*shape)
        Inside the field of view in every volume.
    """
    volumes = data.shape[3]
    to_index = np.linalg.inv(affine)
    resampled = np.zeros((*shape, volumes), dtype=np.float32, order="F")
    covered = np.ones(len(points), dtype=bool)
    for v in range(volumes):
        places = nib.affines.apply_affine(to_index @ matrices[v], points)
        # The field of view ends at the outer faces of its voxels.
        inside = ((places >= -0.5) & (places <= np.array(data.shape[:3]) - 0.5)).all(axis=1)
        covered &= inside
        volume = np.ascontiguousarray(data[..., v])
        values = np.zeros(len(points), dtype=np.float32)
        values[inside] = ndimage.map_coordinates(
            volume, places[inside].T, order=3, mode="nearest", output=np.float32
        )
        resampled[..., v] = values.reshape(shape)
    return resampled, covered.reshape(shape)


def resample_volume(
    volume: np.ndarray, affine: np.ndarray, points: np.ndarray, shape: tuple[int, int, int]
) -> np.ndarray:
    """Read one volume that lies on the reference, as `resample_run` does."""
    resampled, _ = resample_run(volume[..., None], affine, np.eye(4)[None], points, shape)
    return resampled[..., 0]
