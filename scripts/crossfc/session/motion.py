"""Head motion: every volume realigned to a reference, and what that says of the run.

Matrices. ``matrices[v]`` takes a point of the reference to the point of volume v that shows the
same piece of head: x_v = M x_ref, world mm, RAS+. It is what resampling needs and it is also
where the head went: a head that moved 1 mm to the right has +1 in the first row.

Parameters. trans_x, y, z (mm) and rot_x, y, z (radians) in the convention of FSL's MCFLIRT, which
fMRIPrep reports under these names. They say how a volume is brought back to the reference, along
the axes of the scan's grid, so their signs are not those of the head's own movement:

    u_ref = R (u_v - c) + c + t,   R = Rx Ry Rz, left-handed,

u in mm along the grid's axes; the first axis is turned round where the affine has a positive
determinant, so the axes are left-handed always; c is the reference's centre of brightness. On a
grid along the world's axes (RAS or LAS), trans_x is positive where the head went to the right,
trans_y where it went back, trans_z where it went down. On an oblique or sagittal grid x, y and z
are the grid's axes, not the world's. Framewise displacement is of these six, as fMRIPrep's is.
fMRIPrep 25 and later work the parameters out from the matrices by a formula that leaves MCFLIRT's
in the second order (0.01 mm for a turn of 0.01 rad). `relative_rms` is taken about the middle of
the field of view, as theirs.

Differences to fMRIPrep. The registration is ours (`realignment`), and the reference is the median
of aligned volumes of the steady state.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy import ndimage

from crossfc.fault import Fault
from crossfc.session.realignment import Pose, Target

# Power et al. 2012, NeuroImage 59:2142: rotations as arcs on a sphere of 50 mm.
HEAD_RADIUS_MM = 50.0
# Jenkinson et al. 2002, NeuroImage 17:825 (rmsd): a sphere of 80 mm around the centre.
BRAIN_RADIUS_MM = 80.0
PARAMETERS = ("trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z")
_OF_REFERENCE = 20  # volumes the reference is made of


@dataclass(frozen=True)
class Motion:
    """Head motion of one run.

    Attributes
    ----------
    matrices : ndarray, shape (volumes, 4, 4)
        Reference point to volume point, mm, RAS+. A volume that did not converge has the matrix
        of its neighbour on the side of the run's middle.
    reference : ndarray of float32, shape (x, y, z)
        Median of aligned volumes, on the grid of the run.
    mask : ndarray of bool, shape (x, y, z)
        Where the reference holds a brain, judged by its brightness.
    centre : ndarray, shape (3,)
        Centre of brightness of the reference in mm: the point rotations turn about.
    affine : ndarray, shape (4, 4)
        Of the run's grid.
    correlation_before, correlation : ndarray, shape (volumes,)
        With the reference around the brain, before and after realignment; NaN where a volume
        has the same value everywhere.
    iterations : ndarray of int, shape (volumes,)
        Steps of the search.
    converged : ndarray of bool, shape (volumes,)
        False where a volume was not found to show the head.
    """

    matrices: np.ndarray
    reference: np.ndarray
    mask: np.ndarray
    centre: np.ndarray
    affine: np.ndarray = field(default_factory=lambda: np.eye(4))
    correlation_before: np.ndarray = field(default_factory=lambda: np.empty(0))
    correlation: np.ndarray = field(default_factory=lambda: np.empty(0))
    iterations: np.ndarray = field(default_factory=lambda: np.empty(0, dtype=int))
    converged: np.ndarray = field(default_factory=lambda: np.empty(0, dtype=bool))

    @property
    def parameters(self) -> np.ndarray:
        """The six parameters of each volume as fMRIPrep reports them, (volumes, 6)."""
        return motion_parameters(self.matrices, self.centre, grid_axes(self.affine))

    @property
    def rmsd(self) -> np.ndarray:
        """`relative_rms` as fMRIPrep reports it, about the middle of the field of view."""
        middle = (np.array(self.reference.shape) - 1) / 2
        return relative_rms(self.matrices, self.affine[:3, :3] @ middle + self.affine[:3, 3])

    @property
    def quality(self) -> dict[str, Any]:
        """What a sidecar says of the realignment: plain numbers, null for what is not defined."""

        def plain(values: np.ndarray) -> list[float | None]:
            return [round(float(v), 4) if np.isfinite(v) else None for v in values]

        return {
            "correlation_before": plain(self.correlation_before),
            "correlation": plain(self.correlation),
            "iterations": self.iterations.tolist(),
            "not_converged": np.flatnonzero(~self.converged).tolist(),
        }


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
    """Realign every volume to a reference.

    The reference is made in two steps: up to 20 volumes spread over the run are realigned to the
    one that is most like them all, and their median is taken. Each volume's search begins where
    the last one was found. The result does not depend on the number of threads.

    Parameters
    ----------
    data : ndarray, shape (x, y, z, volumes)
        The raw series, before slice timing.
    affine : ndarray, shape (4, 4)
    first : int
        First volume in the steady state; the reference is made of volumes from here on. Earlier
        ones are realigned too.

    Raises
    ------
    Fault
        If the run shows no brain, or too little of it inside the field of view.
    """
    volumes = data.shape[3]
    chosen = np.unique(np.linspace(first, volumes - 1, min(_OF_REFERENCE, volumes - first)))
    chosen = chosen.astype(int)
    series = [np.ascontiguousarray(data[..., v], dtype=np.float32) for v in chosen]
    typical = _most_typical(series)
    target = Target(series[typical], affine, brain_by_brightness(series[typical], affine))
    poses = _outwards(target, series, typical)
    kept = [(v, p.matrix) for v, p in zip(series, poses, strict=True) if p.converged]
    if not kept:
        raise Fault(
            "no volume of the run shows a head that can be told from the background; look at the "
            "picture and leave the session out if it is not usable"
        )
    reference = np.median([to_reference(v, affine, m) for v, m in kept], axis=0)
    reference = reference.astype(np.float32)
    mask = brain_by_brightness(reference, affine)
    target = Target(reference, affine, mask)
    target.weigh(*zip(*kept, strict=True))
    found = _outwards(target, (data[..., v] for v in range(volumes)), int(chosen[typical]))
    return Motion(
        np.array([pose.matrix for pose in found]),
        reference,
        mask,
        _centre_of_brightness(reference, affine),
        affine,
        np.array([pose.correlation_before for pose in found]),
        np.array([pose.correlation for pose in found]),
        np.array([pose.iterations for pose in found]),
        np.array([pose.converged for pose in found]),
    )


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


def grid_axes(affine: np.ndarray) -> np.ndarray:
    """Give the axes of MCFLIRT's coordinates as rows, shape (3, 3): the grid's, left-handed."""
    axes = (affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)).T
    if np.linalg.det(axes) > 0:
        axes[0] *= -1
    return axes


def motion_parameters(
    matrices: np.ndarray, centre: np.ndarray, axes: np.ndarray | None = None
) -> np.ndarray:
    """Give the six parameters of each volume, in the order of `PARAMETERS`.

    As MCFLIRT and fMRIPrep define them (see the module).

    Parameters
    ----------
    matrices : ndarray, shape (volumes, 4, 4)
    centre : ndarray, shape (3,)
        mm; rotations turn about it.
    axes : ndarray, shape (3, 3), optional
        From `grid_axes`; without it those of a grid along the world's axes.

    Returns
    -------
    ndarray, shape (volumes, 6)
        mm and radians.
    """
    if axes is None:
        axes = grid_axes(np.eye(4))
    back = np.linalg.inv(matrices)
    shift = (back[:, :3, :3] @ centre + back[:, :3, 3] - centre) @ axes.T
    rotation = axes @ back[:, :3, :3] @ axes.T
    # R = Rx Ry Rz, left-handed: R[0, 2] = -sin y, R[0, 1] = cos y sin z, R[1, 2] = sin x cos y.
    about_x = np.arctan2(rotation[:, 1, 2], rotation[:, 2, 2])
    about_y = np.arcsin(np.clip(-rotation[:, 0, 2], -1, 1))
    about_z = np.arctan2(rotation[:, 0, 1], rotation[:, 0, 0])
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

    For D = inverse(M_(v-1)) M_v - 1 with linear part A and shift at the centre s, it is
    sqrt(r² tr(AᵀA) / 5 + sᵀs) (Jenkinson 1999, FMRIB TR99MJ1; Jenkinson et al. 2002).

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


def _most_typical(volumes: list[np.ndarray]) -> int:
    """Index of the volume that is most like the median of all."""
    coarse = np.stack([v[::2, ::2, ::2] for v in volumes]).astype(np.float64)
    median = np.median(coarse, axis=0)
    return int(np.argmin([np.abs(v - median).sum() for v in coarse]))


def _outwards(target: Target, volumes: Iterable[np.ndarray], middle: int) -> list[Pose]:
    """Find the head in volumes, from the middle out both ways: no start is far from its goal."""
    series = list(volumes)
    found: dict[int, Pose] = {}
    for order in (range(middle, len(series)), range(middle - 1, -1, -1)):
        last = np.eye(4)
        for place in order:
            found[place] = target.find(series[place], last)
            last = found[place].matrix
    return [found[place] for place in range(len(series))]


def _centre_of_brightness(volume: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """Centre of gravity of a volume's brightness above its minimum, mm (FSL's)."""
    index = np.array(ndimage.center_of_mass(volume.astype(np.float64) - volume.min()))
    return affine[:3, :3] @ index + affine[:3, 3]
