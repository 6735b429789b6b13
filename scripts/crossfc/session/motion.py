"""Head motion: every volume registered rigidly to a reference, and what that says of the run.

Matrices. ``matrices[v]`` takes a point of the reference to the point of volume v that shows the
same piece of head: x_v = M x_ref, world mm, RAS+. It is what resampling needs and it is also
where the head went: a head that moved 1 mm to the right has +1 in the first row.

Parameters. trans_x, y, z (mm) and rot_x, y, z (radians), in fMRIPrep's names and order, with
x_v = R (x_ref - c) + c + t, R = Rx Ry Rz, right-handed about the world axes through c, the
centroid of the brain in the reference. trans_x is positive to the right, trans_y to the front,
trans_z upwards; rot_x positive tips the nose up, rot_y positive tips the head's top to the right,
rot_z positive turns the nose to the left. MCFLIRT, which fMRIPrep reports, turns about the axes
of the scan's grid instead: a tilted slice package mixes y and z there, and signs differ.
Regression on the parameters (and their squares) is the same for either choice to first order.
"""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

# Power et al. 2012, NeuroImage 59:2142: rotations as arcs on a sphere of 50 mm.
HEAD_RADIUS_MM = 50.0
# Jenkinson et al. 2002, NeuroImage 17:825 (rmsd): a sphere of 80 mm around the centre.
BRAIN_RADIUS_MM = 80.0
# A search that went further than this begins again where it ended: the optimiser takes the length
# of its steps from the start and stops short of a far goal.
_FAR_MM = 0.5
_RESTARTS = 4
PARAMETERS = ("trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z")


@dataclass(frozen=True)
class Motion:
    """Head motion of one run.

    Attributes
    ----------
    matrices : ndarray, shape (volumes, 4, 4)
        Reference point to volume point, mm, RAS+.
    reference : ndarray of float32, shape (x, y, z)
        Median of aligned volumes, on the grid of the run.
    mask : ndarray of bool, shape (x, y, z)
        Where the reference holds a brain, judged by its brightness.
    centre : ndarray, shape (3,)
        Centroid of the mask in mm: the point rotations turn about.
    """

    matrices: np.ndarray
    reference: np.ndarray
    mask: np.ndarray
    centre: np.ndarray


def count_non_steady(data: np.ndarray, longest: int = 50, threshold: float = 3.5) -> int:
    """Count the bright volumes at the start, taken before the magnetisation was steady.

    The global mean of the first volumes is judged by its modified z (Iglewicz & Hoaglin 1993:
    0.6745 times the distance from the median over the median absolute deviation), as fMRIPrep
    does; only volumes that are brighter count, as only these have not yet relaxed.

    Parameters
    ----------
    data : ndarray, shape (x, y, z, volumes)
    longest : int
        Volumes looked at.
    threshold : float
        Modified z above which a volume is not steady.
    """
    level = data[..., :longest].mean(axis=(0, 1, 2), dtype=np.float64)
    distance = level - np.median(level)
    deviation = np.median(np.abs(distance))
    if deviation == 0:
        return 0
    bright = 0.6745 * distance / deviation > threshold
    return int(np.argmin(bright)) if not bright.all() else 0


def estimate_motion(data: np.ndarray, affine: np.ndarray, first: int = 0) -> Motion:
    """Register every volume to a reference by ANTs.

    The reference is made in two steps: up to 20 volumes spread over the run are registered to the
    one in the middle, and their median is taken. Registration: mutual information
    in the brain, volumes smoothed by one voxel, two levels, each volume starting
    where the last one was found, and again from its own result where that is far away.

    Parameters
    ----------
    data : ndarray, shape (x, y, z, volumes)
        The raw series, before slice timing.
    affine : ndarray, shape (4, 4)
    first : int
        First volume in the steady state; the reference is made of volumes from here on. Earlier
        ones are registered too.
    """
    volumes = data.shape[3]
    chosen = np.unique(np.linspace(first, volumes - 1, min(20, volumes - first)).astype(int))
    middle = int(chosen[len(chosen) // 2])
    mask = brain_by_brightness(data[..., middle], affine)
    found = _register(data, affine, chosen, data[..., middle], mask)
    aligned = [to_reference(data[..., v], affine, m) for v, m in zip(chosen, found, strict=True)]
    reference = np.median(aligned, axis=0).astype(np.float32)
    mask = brain_by_brightness(reference, affine)
    # Beginning in the middle and going out both ways, no start is far from its goal.
    later = _register(data, affine, np.arange(middle, volumes), reference, mask)
    earlier = _register(data, affine, np.arange(middle - 1, -1, -1), reference, mask, later[0])
    matrices = np.concatenate([earlier[::-1], later])
    indices = np.argwhere(mask).mean(axis=0)
    return Motion(matrices, reference, mask, affine[:3, :3] @ indices + affine[:3, 3])


def to_reference(volume: np.ndarray, affine: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Resample a volume to the reference on the same grid, cubic; the edge is continued."""
    index = np.linalg.inv(affine) @ matrix @ affine
    return ndimage.affine_transform(
        np.asarray(volume, dtype=np.float32), index[:3, :3], index[:3, 3], order=3, mode="nearest"
    )


def brain_by_brightness(volume: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """Find the brain of an EPI volume by its histogram (nilearn's compute_epi_mask).

    Raises
    ------
    Fault
        If nothing in the volume stands out from the background.
    """
    import warnings

    import nibabel as nib
    from nilearn.masking import compute_epi_mask

    from crossfc.fault import Fault

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an empty mask is told of below
        image = compute_epi_mask(
            nib.Nifti1Image(np.ascontiguousarray(volume, dtype=np.float32), affine)
        )
    mask = np.asarray(image.dataobj) > 0
    if mask.sum() < 100:
        raise Fault(
            "no brain stands out from the background of the scan; look at the picture and leave "
            "the session out if it is not usable"
        )
    return mask


def motion_parameters(matrices: np.ndarray, centre: np.ndarray) -> np.ndarray:
    """Give the six parameters of each volume, in the order of `PARAMETERS`.

    Parameters
    ----------
    matrices : ndarray, shape (volumes, 4, 4)
    centre : ndarray, shape (3,)
        mm; rotations turn about it.

    Returns
    -------
    ndarray, shape (volumes, 6)
        mm and radians.
    """
    rotation = matrices[:, :3, :3]
    shift = rotation @ centre + matrices[:, :3, 3] - centre
    # R = Rx Ry Rz: R[0, 2] = sin y, R[0, 1] = -cos y sin z, R[1, 2] = -sin x cos y.
    about_y = np.arcsin(np.clip(rotation[:, 0, 2], -1, 1))
    about_x = np.arctan2(-rotation[:, 1, 2], rotation[:, 2, 2])
    about_z = np.arctan2(-rotation[:, 0, 1], rotation[:, 0, 0])
    return np.column_stack([shift, about_x, about_y, about_z])


def framewise_displacement(parameters: np.ndarray, radius_mm: float = HEAD_RADIUS_MM) -> np.ndarray:
    """Sum of the absolute changes of the six parameters, rotations as arcs (Power et al. 2012).

    Parameters
    ----------
    parameters : ndarray, shape (volumes, 6)
        mm and radians.

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
    """Root mean square distance that a sphere moved from one volume to the next.

    For D = M_v inverse(M_(v-1)) - 1 with linear part A and shift at the centre s, it is
    sqrt(r² tr(AᵀA) / 5 + sᵀs) (Jenkinson 1999, FMRIB TR99MJ1; Jenkinson et al. 2002).

    Returns
    -------
    ndarray, shape (volumes,)
        mm; NaN for the first volume.
    """
    change = matrices[1:] @ np.linalg.inv(matrices[:-1]) - np.eye(4)
    linear = change[:, :3, :3]
    shift = linear @ centre + change[:, :3, 3]
    square = radius_mm**2 / 5 * (linear**2).sum(axis=(1, 2)) + (shift**2).sum(axis=1)
    return np.concatenate([[np.nan], np.sqrt(square)])


def _register(
    data: np.ndarray,
    affine: np.ndarray,
    which: np.ndarray,
    reference: np.ndarray,
    mask: np.ndarray,
    start: np.ndarray | None = None,
) -> np.ndarray:
    """Register volumes one after the other, each from where the last was found."""
    from crossfc.session.registration import register_rigid, to_ants

    # One voxel around the brain tells where its edge is.
    near = ndimage.binary_dilation(mask, iterations=1)
    box = tuple(
        slice(max(s.start - 4, 0), s.stop + 4) for s in ndimage.find_objects(near.astype(int))[0]
    )
    sizes = np.linalg.norm(affine[:3, :3], axis=0)
    # Finer voxels than about 3 mm cost time and tell a six-parameter fit nothing more.
    stride = np.maximum(1, np.round(3 / sizes).astype(int))
    sigma = np.maximum(float(np.prod(sizes)) ** (1 / 3), 3.0 * (stride > 1)) / sizes
    step = tuple(slice(None, None, int(s)) for s in stride)
    scaled = affine @ np.diag([*stride, 1.0])
    scaled[:3, 3] = affine[:3, :3] @ [s.start for s in box] + affine[:3, 3]

    def prepare(volume: np.ndarray) -> object:
        smooth = ndimage.gaussian_filter(np.asarray(volume[box], dtype=np.float32), sigma)
        return to_ants(smooth[step], scaled)

    fixed = prepare(reference)
    region = to_ants(near[box][step], scaled)
    middle = scaled[:3, :3] @ (np.array(fixed.shape) / 2) + scaled[:3, 3]
    last = np.eye(4) if start is None else start
    matrices = np.empty((len(which), 4, 4))
    for place, volume in enumerate(which):
        moving = prepare(data[..., volume])
        for _ in range(_RESTARTS):
            before = last
            last = register_rigid(
                fixed,
                moving,
                initial=before,
                metric="mattes",
                iterations=(100, 20),
                shrink=(2, 1),
                smooth=(0, 0),
                sampling=0.2,
                mask=region,
            )
            if relative_rms(np.stack([before, last]), middle)[1] < _FAR_MM:
                break
        matrices[place] = last
    return matrices
