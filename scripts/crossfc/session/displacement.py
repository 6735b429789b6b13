"""How far the head moved between volumes, from motion parameters or matrices, as fMRIPrep does."""

import numpy as np

from crossfc.array import FloatArray

# The six motion parameters, by fMRIPrep's names: translations in mm, rotations in radians.
PARAMETERS = ("trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z")
# Power et al. 2012, NeuroImage 59:2142: rotations as arcs on a sphere of 50 mm.
HEAD_RADIUS_MM = 50.0
# Jenkinson et al. 2002, NeuroImage 17:825 (rmsd): a sphere of 80 mm around the centre.
BRAIN_RADIUS_MM = 80.0


def framewise_displacement(parameters: np.ndarray, radius_mm: float = HEAD_RADIUS_MM) -> np.ndarray:
    """Sum the absolute changes of the six parameters, rotations as arcs (Power et al. 2012).

    Parameters
    ----------
    parameters : ndarray, shape (volumes, 6)
        mm and radians.
    radius_mm : float
        Radius of the sphere on which arcs are measured.

    Returns
    -------
    ndarray, shape (volumes,)
        mm; NaN for the first volume.
    """
    steps = np.abs(np.diff(parameters, axis=0)) * np.repeat([1.0, radius_mm], 3)
    return np.concatenate([[np.nan], steps.sum(axis=1)])


def relative_rms(
    matrices: np.ndarray, centre: np.ndarray, radius_mm: float = BRAIN_RADIUS_MM
) -> np.ndarray:
    """Return the root mean square distance that a sphere moved since the volume before.

    For D = inverse(M_(v-1)) M_v - 1 with linear part A and shift at the centre s, it is
    sqrt(r² tr(AᵀA) / 5 + sᵀs) (Jenkinson 1999, FMRIB TR99MJ1; Jenkinson et al. 2002). FSL's rmsdiff
    and fMRIPrep (``FSLRMSDeviation``) take T_v inverse(T_(v-1)) of MCFLIRT's matrices. Those lead
    from the volume to the reference, T = inverse(M), so that theirs is the inverse of this change,
    by which the sphere moves as far.

    Parameters
    ----------
    matrices : ndarray, shape (volumes, 4, 4)
        Reference point to volume point, mm.
    centre : ndarray, shape (3,)
        Centre of the sphere, mm; in fMRIPrep the `grid_middle` of the run's reference.
    radius_mm : float
        Radius of the sphere.

    Returns
    -------
    ndarray, shape (volumes,)
        mm; NaN for the first volume.
    """
    change = np.linalg.inv(matrices[:-1]) @ matrices[1:] - np.eye(4)
    linear = change[:, :3, :3]
    shift = linear @ centre + change[:, :3, 3]
    square = radius_mm**2 / 5 * (linear**2).sum(axis=(1, 2)) + (shift**2).sum(axis=1)
    return np.concatenate([[np.nan], np.sqrt(square)])


def grid_middle(shape: tuple[int, ...], affine: np.ndarray) -> np.ndarray:
    """Return the middle of the field of view of a grid, shape (3,), mm.

    ``shape`` is (x, y, z); ``affine`` (4, 4) leads from voxel indices to mm.
    """
    middle: FloatArray = affine[:3, :3] @ ((np.array(shape[:3]) - 1) / 2) + affine[:3, 3]
    return middle
