"""Head motion: realign every volume to a reference, and compute motion parameters and measures.

Matrices. ``matrices[v]`` maps a point of the reference to the point of volume v that shows the same
part of the head: x_v = M x_ref, world mm, RAS+. This is what spatial interpolation needs. It is
also the movement of the head: if the head moved 1 mm to the right, the first row ends in +1.

Parameters. trans_x, y, z (mm) and rot_x, y, z (radians) follow the convention of FSL's MCFLIRT,
which fMRIPrep reports under these names. They describe how a volume is moved back to the reference,
along the axes of the scan's grid, so their signs are not those of the head's own movement:

    u_ref = R (u_v - c) + c + t,   R = Rx Ry Rz, left-handed,

where u is in mm along the grid's axes. The first axis is reversed if the affine has a positive
determinant, so that the axes are always left-handed. c is the reference's centre of brightness. On
a grid along the world's axes (RAS or LAS), trans_x is positive if the head moved to the right,
trans_y if it moved backwards, trans_z if it moved down. On an oblique or sagittal grid x, y and z
are the axes of the grid, not of the world. Framewise displacement is computed from these six
parameters, as in fMRIPrep. fMRIPrep 25 and later compute the parameters from the matrices by a
formula that differs from MCFLIRT's in the second order (0.01 mm for a rotation of 0.01 rad).
`relative_rms` is computed about the middle of the field of view, as in fMRIPrep.

Lost volumes. If a volume is empty, lacks a part of the head, repeats the volume before or does not
look like the others, the position of the head in it is not known. It gets the matrix of a
neighbour, so that matrices and parameters have no gap. But its framewise displacement is missing,
and so is that of the next volume, because nobody knows how far the head moved; with 0 mm it would
pass as the best volume of the run.

Differences to fMRIPrep. The registration is our own (`realignment`), and the reference is the
median of aligned volumes in the steady state. fMRIPrep does not treat any volume as lost.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy import ndimage

from crossfc.array import BoolArray, FloatArray, SingleArray
from crossfc.fault import Fault
from crossfc.session.displacement import framewise_displacement, grid_middle, relative_rms
from crossfc.session.preprocess.loss import lost_shares, repeated
from crossfc.session.preprocess.realignment import Pose, Target

_OF_REFERENCE = 20  # largest number of volumes from which the reference is computed
# A volume does not show the head if its correlation with the reference is below the first number,
# and 1 minus this correlation is also more than so many times what is usual in the run.
_LIKE, _TIMES_USUAL = 0.75, 5.0
# If a larger share of the head is missing, the estimated position is not reliable.
_MOST_MISSING = 0.25

_NO_HEAD = (
    "no volume of the run shows a head that can be told from the background; look at the "
    "picture and leave the session out if it is not usable"
)


@dataclass(frozen=True)
class Motion:
    """Head motion of one run.

    Attributes
    ----------
    matrices : ndarray, shape (volumes, 4, 4)
        Reference point to volume point, mm, RAS+. A volume in which the position of the head is
        not known has the matrix of its neighbour towards the middle of the run.
    reference : ndarray of float32, shape (x, y, z)
        Median of aligned volumes, on the grid of the run.
    mask : ndarray of bool, shape (x, y, z)
        Brain in the reference, found by its brightness.
    centre : ndarray, shape (3,)
        Centre of brightness of the reference in mm, about which rotations turn.
    affine : ndarray, shape (4, 4)
        Voxel indices of the run to mm, RAS+.
    correlation_before, correlation : ndarray, shape (volumes,)
        Correlation with the reference around the brain, before and after realignment; NaN if a
        volume has the same value everywhere.
    iterations : ndarray of int, shape (volumes,)
        Number of steps of the realignment.
    converged : ndarray of bool, shape (volumes,)
        Whether the position of the head in the volume is known.
    losses : dict
        Number of each lost volume (from 0), which does not show the whole head, to the reason. If
        only little of the head is missing, its position may still be known.
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
    losses: dict[int, str] = field(default_factory=dict)

    @property
    def lost(self) -> np.ndarray:
        """Volumes that do not show the whole head, (volumes,) bool."""
        found = np.zeros(len(self.matrices), dtype=bool)
        found[list(self.losses)] = True
        return found

    @property
    def unknown_steps(self) -> np.ndarray:
        """Volumes whose movement since the volume before is not known, (volumes,) bool.

        These are lost volumes, and volumes in which, or just before which, the position of the
        head is not known.
        """
        known = self.converged if len(self.converged) else np.ones(len(self.matrices), dtype=bool)
        unknown: BoolArray = self.lost | ~known | np.concatenate([[False], ~known[:-1]])
        return unknown

    @property
    def framewise_displacement(self) -> np.ndarray:
        """Framewise displacement, (volumes,), mm; NaN in the first volume and `unknown_steps`."""
        return np.where(self.unknown_steps, np.nan, framewise_displacement(self.parameters))

    @property
    def parameters(self) -> np.ndarray:
        """Motion parameters as fMRIPrep reports them, (volumes, 6), mm and radians."""
        return motion_parameters(self.matrices, self.centre, grid_axes(self.affine))

    @property
    def rmsd(self) -> np.ndarray:
        """`relative_rms` about the middle of the field of view, as in fMRIPrep, (volumes,), mm."""
        rms = relative_rms(self.matrices, grid_middle(self.reference.shape, self.affine))
        return np.where(self.unknown_steps, np.nan, rms)

    @property
    def quality(self) -> dict[str, Any]:
        """Record of the realignment for a sidecar, in plain numbers; None if not defined."""

        def plain(values: np.ndarray) -> list[float | None]:
            return [round(float(v), 4) if np.isfinite(v) else None for v in values]

        return {
            "correlation_before": plain(self.correlation_before),
            "correlation": plain(self.correlation),
            "iterations": self.iterations.tolist(),
            "not_converged": np.flatnonzero(~self.converged).tolist(),
            "lost": {str(volume): reason for volume, reason in sorted(self.losses.items())},
        }


def count_non_steady(
    data: np.ndarray,
    longest: int = 50,
    threshold: float = 3.5,
    lost: np.ndarray | None = None,
) -> int:
    """Count the bright volumes at the start, before the magnetisation reached its steady state.

    As in fMRIPrep, the global mean of the first volumes is converted to a modified z (Iglewicz &
    Hoaglin 1993: 0.6745 times the distance from the median over the median absolute deviation).
    Only brighter volumes count, because the signal decreases towards the steady state.

    Parameters
    ----------
    data : ndarray, shape (x, y, z, volumes)
    longest : int
        Number of volumes at the start that are examined.
    threshold : float
        Modified z above which a volume is not in the steady state.
    lost : ndarray of bool, shape (volumes,), optional
        Lost volumes, which are ignored.

    Returns
    -------
    int
    """
    level = data[..., :longest].mean(axis=(0, 1, 2), dtype=np.float64)
    whole = np.ones(len(level), dtype=bool) if lost is None else ~lost[: len(level)]
    if not whole.any():
        return 0
    distance = level - np.median(level[whole])
    deviation = np.median(np.abs(distance[whole]))
    if deviation == 0:
        return 0
    bright = 0.6745 * distance / deviation > threshold
    if (bright | ~whole).all():
        return 0
    # A lost volume between bright ones does not end the bright start.
    start = np.flatnonzero(bright[: int(np.argmin(bright | ~whole))])
    return int(start[-1]) + 1 if start.size else 0


def estimate_motion(
    data: np.ndarray, affine: np.ndarray, first: int = 0, missing: np.ndarray | None = None
) -> Motion:
    """Realign every volume to a reference.

    The reference is computed in two steps: up to 20 complete volumes spread over the run are
    realigned to the most typical one of them, then their median is taken. The search in each volume
    starts from the result of its neighbour. The result does not depend on the number of threads.

    Parameters
    ----------
    data : ndarray, shape (x, y, z, volumes)
        The raw series, before slice timing correction.
    affine : ndarray, shape (4, 4)
        Voxel indices to mm, RAS+.
    first : int
        First volume in the steady state (from 0); the reference is computed from volumes from here
        on. Earlier volumes are realigned as well.
    missing : ndarray, shape (volumes,), optional
        Result of `lost_shares`, if it has been computed already.

    Returns
    -------
    Motion

    Raises
    ------
    Fault
        If the run shows no brain, or too little of it inside the field of view.
    """
    volumes = data.shape[3]
    missing = lost_shares(data, affine) if missing is None else missing
    same = repeated(data)
    whole = np.flatnonzero((missing == 0) & ~same)
    whole = whole[whole >= first]
    if not whole.size:
        raise Fault(_NO_HEAD)
    chosen = np.unique(np.linspace(0, len(whole) - 1, min(_OF_REFERENCE, len(whole))).astype(int))
    chosen = whole[chosen]
    series = [np.ascontiguousarray(data[..., v], dtype=np.float32) for v in chosen]
    typical = _most_typical(series)
    target = Target(series[typical], affine, brain_by_brightness(series[typical], affine))
    poses = _outwards(target, series, typical)
    kept = [(v, p.matrix) for v, p in zip(series, poses, strict=True) if p.converged]
    if not kept:
        raise Fault(_NO_HEAD)
    reference = np.median([to_reference(v, affine, m) for v, m in kept], axis=0)
    reference = reference.astype(np.float32)
    mask = brain_by_brightness(reference, affine)
    target = Target(reference, affine, mask)
    target.weigh(*zip(*kept, strict=True))
    middle = int(chosen[typical])
    found = _outwards(target, (data[..., v] for v in range(volumes)), middle)
    correlation = np.array([pose.correlation for pose in found])
    converged = np.array([pose.converged for pose in found])
    sound = converged & (missing == 0) & ~same
    usual = 1 - np.median(correlation[sound]) if sound.any() else 0.0
    with np.errstate(invalid="ignore"):
        like = 1 - correlation <= max(1 - _LIKE, _TIMES_USUAL * usual)
    known = converged & like & ~same & (missing <= _MOST_MISSING)
    losses = {
        int(v): _loss(missing[v], same[v], converged[v], like[v], correlation[v])
        for v in np.flatnonzero(~known | (missing > 0))
    }
    return Motion(
        _held(np.array([pose.matrix for pose in found]), known, middle),
        reference,
        mask,
        _centre_of_brightness(reference, affine),
        affine,
        np.array([pose.correlation_before for pose in found]),
        correlation,
        np.array([pose.iterations for pose in found]),
        known,
        losses,
    )


def _loss(missing: float, same: bool, converged: bool, like: bool, correlation: float) -> str:
    """Describe why a volume counts as lost."""
    if missing >= 1:
        return "empty"
    if same:
        return "repeats the volume before"
    if missing > 0:
        return f"{missing:.0%} of the layers without signal"
    if converged and not like:
        return f"unlike the other volumes (correlation {correlation:.2f})"
    return "head not found"


def _held(matrices: np.ndarray, known: np.ndarray, middle: int) -> np.ndarray:
    """Replace unknown matrices by that of the neighbouring volume towards the middle of the run."""
    held = matrices.copy()
    for order in (range(middle + 1, len(held)), range(middle - 1, -1, -1)):
        for v in order:
            if not known[v]:
                held[v] = held[v - order.step]
    return held


def to_reference(volume: np.ndarray, affine: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Interpolate a volume at the position of the reference, on the same grid (cubic splines).

    Parameters
    ----------
    volume : ndarray, shape (x, y, z)
    affine : ndarray, shape (4, 4)
        Voxel indices to mm.
    matrix : ndarray, shape (4, 4)
        Reference point to volume point, mm.

    Returns
    -------
    ndarray of float32, shape (x, y, z)
        Outside the field of view it has the values at the edge.
    """
    index = np.linalg.inv(affine) @ matrix @ affine
    moved: SingleArray = ndimage.affine_transform(
        np.asarray(volume, dtype=np.float32), index[:3, :3], index[:3, 3], order=3, mode="nearest"
    )
    return moved


def brain_by_brightness(volume: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """Find the brain in an EPI volume by its histogram (nilearn's compute_epi_mask).

    Parameters
    ----------
    volume : ndarray, shape (x, y, z)
    affine : ndarray, shape (4, 4)
        Voxel indices to mm.

    Returns
    -------
    ndarray of bool, shape (x, y, z)

    Raises
    ------
    Fault
        If nothing in the volume stands out from the background.
    """
    import warnings

    import nibabel as nib
    from nilearn.masking import compute_epi_mask

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an empty mask raises a fault below
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
    """Return the axes of MCFLIRT's coordinates as rows, shape (3, 3).

    They are unit vectors along the axes of the grid; the first is reversed if they would otherwise
    be right-handed. ``affine`` (4, 4) maps voxel indices to mm.
    """
    axes: FloatArray = (affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)).T
    if np.linalg.det(axes) > 0:
        axes[0] *= -1
    return axes


def motion_parameters(
    matrices: np.ndarray, centre: np.ndarray, axes: np.ndarray | None = None
) -> np.ndarray:
    """Return the six motion parameters of each volume, in the order of `displacement.PARAMETERS`.

    They are defined as in MCFLIRT and fMRIPrep (see the docstring of this module).

    Parameters
    ----------
    matrices : ndarray, shape (volumes, 4, 4)
        Reference point to volume point, mm, RAS+.
    centre : ndarray, shape (3,)
        Point about which rotations turn, mm.
    axes : ndarray, shape (3, 3), optional
        From `grid_axes`; default the axes of a grid along the world's axes.

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


def _most_typical(volumes: list[np.ndarray]) -> int:
    """Return the index of the volume that is most similar to the median of all."""
    coarse = np.stack([v[::2, ::2, ::2] for v in volumes]).astype(np.float64)
    median = np.median(coarse, axis=0)
    return int(np.argmin([np.abs(v - median).sum() for v in coarse]))


def _outwards(target: Target, volumes: Iterable[np.ndarray], middle: int) -> list[Pose]:
    """Find the head in all volumes, from the middle of the run outwards in both directions.

    Each search starts from the result of the neighbour, which is close.
    """
    series = list(volumes)
    found: dict[int, Pose] = {}
    for order in (range(middle, len(series)), range(middle - 1, -1, -1)):
        last = np.eye(4)
        for place in order:
            found[place] = target.find(series[place], last)
            last = found[place].matrix
    return [found[place] for place in range(len(series))]


def _centre_of_brightness(volume: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """Return the centre of gravity of a volume's brightness above its minimum, mm (as in FSL)."""
    index = np.array(ndimage.center_of_mass(volume.astype(np.float64) - volume.min()))
    centre: FloatArray = affine[:3, :3] @ index + affine[:3, 3]
    return centre
