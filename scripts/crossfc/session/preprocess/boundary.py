"""Boundary-based registration of the white matter's surface (T1w) to a functional reference.

Greve and Fischl 2009, NeuroImage 48:63. In a T2*-weighted image grey matter is brighter than white
matter. The reference is therefore sampled on both sides of the surface found in the T1w, and the
pose is sought in which the outer side is brighter almost everywhere. Everything far from the
surface (skull, bias field, a brain that is cut off) has no influence.
"""

from dataclasses import dataclass
from typing import NotRequired, TypedDict

import nibabel as nib
import numpy as np
from scipy import ndimage, optimize

from crossfc.array import FloatArray, RealArray
from crossfc.fault import Fault

# Distance from the surface at which the reference is sampled, inwards and outwards (mm): half a
# voxel of a usual functional scan, and less than the thickness of the cortex.
_DEPTH_MM = 1.5
# Slope of the cost, per per cent of contrast. Greve and Fischl take 0.5, with which the cost
# saturates at the contrast of an EPI at 3 T. It then counts little more than the sign, and follows
# distortion: with 8 mm of it simulated at the sinuses the error is 0.52 mm with 0.5 and 0.31 mm
# with 0.1 (0.10 and 0.09 mm without distortion).
_SLOPE = 0.1
_POINTS = 15_000
_SEARCH_POINTS = 2_000
# A part of the surface with fewer points has no cost of its own.
_FEW_POINTS = 50
# The search tries every combination of these shifts (mm) and rotations (degrees) around the start,
# as bbregister does.
_SEARCH = (-4.0, 0.0, 4.0)
# The start is kept if one of six points around the brain moved further (fMRIPrep, compare_xforms).
FARTHEST_MM = 15.0
# The cost is 1 if there is no contrast; above this value the surface is hardly visible.
_HARDLY_SEEN = 0.9
# Share of the points that must lie inside the field of view, and the cost of a pose with fewer.
_LEAST_SEEN, _NOT_SEEN = 0.3, 2.0
# Left and right count as swapped if the cost of the mirrored surface is lower by at least this.
SWAPPED_MARGIN = 0.01
# Rotations are expressed as arcs on a sphere of this radius, so that all six parameters are in mm.
_RADIUS_MM = 57.3  # 1 mm is 1 degree


@dataclass(frozen=True)
class Boundary:
    """The surface of the white matter.

    Attributes
    ----------
    points : ndarray, shape (n, 3)
        Points on the surface, mm, RAS+.
    normals : ndarray, shape (n, 3)
        Unit vectors that point out of the white matter.
    box : ndarray, shape (6, 3)
        Centres of the faces of the bounding box of the brain, mm.
    """

    points: np.ndarray
    normals: np.ndarray
    box: np.ndarray

    @property
    def centre(self) -> np.ndarray:
        """Centre of the surface, around which it is rotated, mm, shape (3,)."""
        centre: FloatArray = self.points.mean(axis=0)
        return centre


def mirror(boundary: Boundary, reflection: np.ndarray) -> Boundary:
    """Reflect a surface.

    Parameters
    ----------
    boundary : Boundary
    reflection : ndarray, shape (4, 4)
        Reflection at the plane between the hemispheres, from `mirror_plane`.

    Returns
    -------
    Boundary
    """
    return Boundary(
        nib.affines.apply_affine(reflection, boundary.points),
        boundary.normals @ reflection[:3, :3].T,
        nib.affines.apply_affine(reflection, boundary.box),
    )


def mirror_plane(points: np.ndarray) -> np.ndarray:
    """Fit a plane to points by least squares and return the reflection at it.

    Parameters
    ----------
    points : ndarray, shape (n, 3)
        Points between the hemispheres, mm.

    Returns
    -------
    ndarray, shape (4, 4)
        Point (mm) to its mirror image (mm).
    """
    centre = points.mean(axis=0)
    _, _, axes = np.linalg.svd(points - centre, full_matrices=False)
    reflection = np.eye(4)
    reflection[:3, :3] -= 2 * np.outer(axes[2], axes[2])
    reflection[:3, 3] = centre - reflection[:3, :3] @ centre
    return reflection


class BoundaryQuality(TypedDict):
    """How well the boundary fits; see `Refinement`.

    Without a boundary there are only the required keys. The last four are there if the transform of
    the anatomy is known; see `crossfc.session.preprocess.coregistration.Coregistration`.
    """

    boundary_cost_start: NotRequired[float]
    boundary_cost: NotRequired[float]
    boundary_contrast_percent: NotRequired[float]
    boundary_displacement_mm: NotRequired[float]
    boundary_displacement_max_mm: NotRequired[float]
    boundary_points: NotRequired[int]
    boundary_share_seen: NotRequired[float]
    boundary_refined: bool
    boundary_cost_taken: float | None
    boundary_cost_mirrored: NotRequired[float]
    left_right: NotRequired[str]
    boundary_cost_subgenual: NotRequired[float | None]
    boundary_cost_ventromedial: NotRequired[float | None]


@dataclass(frozen=True)
class Refinement:
    """A pose refined on the boundary.

    Attributes
    ----------
    matrix : ndarray, shape (4, 4)
        T1w point to reference point (mm, RAS+). The start, if ``kept`` is false.
    kept : bool
        Whether the refined pose was accepted.
    reason : str
        Why it was not; empty if it was.
    quality : BoundaryQuality
        ``boundary_cost_start`` and ``boundary_cost`` (before and after refinement, accepted or
        not; 0: right contrast everywhere, 1: no contrast, 2: inverted contrast everywhere),
        ``boundary_contrast_percent`` (median at the refined pose), ``boundary_displacement_mm``
        (by the refinement, mean over the boundary) and ``boundary_displacement_max_mm`` (largest
        at the faces of the box), ``boundary_points`` (their number), ``boundary_share_seen``
        (share of them in the field of view), ``boundary_refined`` (as ``kept``),
        ``boundary_cost_taken`` (at ``matrix``; None if too little of the surface lies in the field
        of view).
    """

    matrix: np.ndarray
    kept: bool
    reason: str
    quality: BoundaryQuality


def white_boundary(white: nib.Nifti1Image, mask: nib.Nifti1Image, most: int = _POINTS) -> Boundary:
    """Find the surface of the white matter with sub-voxel precision.

    The surface runs between neighbouring voxels of which one has a probability of white matter of
    0.5 or more and the other less, at the place where a linear interpolation gives 0.5. The normal
    is the direction in which the probability, smoothed by 1 mm, decreases.

    Parameters
    ----------
    white : nibabel image
        Probability of white matter in the T1w.
    mask : nibabel image
        Brain mask on the same grid. Points where the surface coincides with the edge of the mask
        (such as the cut brain stem) are left out, because there is no grey matter outside.
    most : int
        Largest number of points; if there are more, a random sample is taken, always the same.

    Returns
    -------
    Boundary

    Raises
    ------
    Fault
        If the grids differ, the mask is empty, or there are fewer than 500 points.
    """
    inside = np.asarray(mask.dataobj) > 0
    if white.shape != inside.shape or not np.allclose(white.affine, mask.affine, atol=1e-3):
        raise Fault("the probability of white matter and the brain mask lie on different grids; "
                    "normalise the T1w again")  # fmt: skip
    box, affine = _brain_box(inside, mask.affine)
    inside, probability = inside[box], np.asarray(white.dataobj[box], dtype=np.float32)
    crossings = []
    for axis in range(3):
        before = probability[_all_but(axis, -1)]
        after = probability[_all_but(axis, 0)]
        found = np.argwhere((before >= 0.5) != (after >= 0.5))
        low, high = before[tuple(found.T)], after[tuple(found.T)]
        places = found.astype(float)
        places[:, axis] += (0.5 - low) / (high - low)
        crossings.append(places)
    places = np.concatenate(crossings)
    # Take twice as many as needed, because some will be left out. The sample is random: along a row
    # of voxels every second crossing leads out of the white matter, so taking every n-th one could
    # give one side only.
    places = places[_some(len(places), 2 * most)]
    sizes = np.linalg.norm(affine[:3, :3], axis=0)
    smooth = ndimage.gaussian_filter(probability, 1 / sizes)
    slopes = np.stack([_slope(smooth, places, axis) for axis in range(3)], axis=1)
    outwards = -slopes @ np.linalg.inv(affine[:3, :3])
    length = np.linalg.norm(outwards, axis=1)
    places, outwards = places[length > 0], outwards[length > 0] / length[length > 0, None]
    points = nib.affines.apply_affine(affine, places)
    beyond = nib.affines.apply_affine(np.linalg.inv(affine), points + 2 * _DEPTH_MM * outwards)
    within = ndimage.map_coordinates(inside.astype(np.float32), beyond.T, order=1) > 0.5
    points, outwards = points[within], outwards[within]
    if len(points) < 500:
        raise Fault(f"the white matter of the T1w has a surface of {len(points)} points only")
    chosen = _some(len(points), most)
    return Boundary(points[chosen], outwards[chosen], _faces(inside, affine))


def refine_on_boundary(
    reference: np.ndarray, affine: np.ndarray, boundary: Boundary, start: np.ndarray
) -> Refinement:
    """Refine a rigid pose so that the reference changes from dark to bright across the boundary.

    The cost is the mean over the points in the field of view of 1 + tanh(slope Q), Q = 100 (white
    - grey) / mean of both, in per cent. First, every combination of -4, 0 and 4 mm and degrees
    around the start is tried on few points. Then the best three poses and the start itself are
    optimised by Powell's method on these points, and the best of them on all points. As in
    fMRIPrep, the start is kept if the brain moved too far from it (15 mm at one of the six faces of
    its box). It is also kept if the cost did not fall, or is so high that the boundary is hardly
    visible.

    Parameters
    ----------
    reference : ndarray, shape (x, y, z)
        Functional reference.
    affine : ndarray, shape (4, 4)
        Voxel indices of the reference to mm, RAS+.
    boundary : Boundary
    start : ndarray, shape (4, 4)
        T1w point to reference point, rigid.

    Returns
    -------
    Refinement
    """
    coarse, fine = (
        _Cost(reference, affine, boundary, start, _some(len(boundary.points), most))
        for most in (_SEARCH_POINTS, len(boundary.points))
    )
    steps = np.array(np.meshgrid(*[_SEARCH] * 6, indexing="ij")).reshape(6, -1).T
    costs = np.array([coarse(step) for step in steps])
    begins = [np.zeros(6), *steps[np.argsort(costs, kind="stable")[:3]]]
    ends = [_descend(coarse, begin, 0.05) for begin in begins]
    best = _descend(fine, min(ends, key=coarse), 0.01)
    before, after = fine(np.zeros(6)), fine(best)
    matrix = start @ pose(best, boundary.centre)
    moved = _distances(matrix, start, boundary.box).max()
    contrast = -fine.contrast(best)
    reason = ""
    if before >= _NOT_SEEN:
        reason = f"less than {_LEAST_SEEN:.0%} of the boundary lie in the field of view"
    elif moved > FARTHEST_MM:
        reason = f"it moved the brain by {moved:.0f} mm, more than {FARTHEST_MM:.0f} mm"
    elif not after < before:
        reason = f"the boundary's cost did not fall ({before:.3f})"
    elif after > _HARDLY_SEEN:
        reason = f"the white matter's boundary is hardly seen (cost {after:.2f} of 1)"
    kept = not reason
    taken = after if kept else before
    quality: BoundaryQuality = {
        "boundary_cost_start": before,
        "boundary_cost": after,
        "boundary_contrast_percent": float(np.median(contrast)) if contrast.size else 0.0,
        "boundary_displacement_mm": float(_distances(matrix, start, boundary.points).mean()),
        "boundary_displacement_max_mm": float(moved),
        "boundary_points": len(boundary.points),
        "boundary_share_seen": len(contrast) / len(boundary.points),
        "boundary_refined": kept,
        "boundary_cost_taken": taken if taken < _NOT_SEEN else None,
    }
    return Refinement(matrix if kept else start, kept, reason, quality)


def cost_near(
    reference: np.ndarray,
    affine: np.ndarray,
    boundary: Boundary,
    matrix: np.ndarray,
    places: np.ndarray,
    radius_mm: float,
) -> float | None:
    """Return the cost of a pose over the part of the surface near some places.

    It tells whether the reference shows the surface there: where the image is distorted or dark it
    does not, however well the rest of the brain fits.

    Parameters
    ----------
    reference : ndarray, shape (x, y, z)
        Functional reference.
    affine : ndarray, shape (4, 4)
        Voxel indices of the reference to mm, RAS+.
    boundary : Boundary
    matrix : ndarray, shape (4, 4)
        T1w point to reference point.
    places : ndarray, shape (n, 3)
        In the T1w, mm.
    radius_mm : float
        Points of the surface within this distance of any place count.

    Returns
    -------
    float or None
        0 to 2, as in `refine_on_boundary`; None if fewer than 50 points are near, or too few of
        them are in the field of view.
    """
    apart = np.linalg.norm(boundary.points[:, None] - places[None], axis=2).min(axis=1)
    near = np.flatnonzero(apart <= radius_mm)
    if len(near) < _FEW_POINTS:
        return None
    cost = _Cost(reference, affine, boundary, matrix, near)(np.zeros(6))
    return cost if cost < _NOT_SEEN else None


def pose(parameters: np.ndarray, centre: np.ndarray) -> np.ndarray:
    """Return the matrix (4, 4) of three shifts (mm) and three rotations about a centre (mm).

    ``parameters`` has shape (6,); rotations are given as arcs in mm, of which 1 mm is 1 degree.
    """
    from scipy.spatial.transform import Rotation

    matrix = np.eye(4)
    turns = np.asarray(parameters[3:]) / _RADIUS_MM
    matrix[:3, :3] = Rotation.from_euler("xyz", turns).as_matrix()
    matrix[:3, 3] = centre - matrix[:3, :3] @ centre + parameters[:3]
    return matrix


class _Cost:
    """The cost of a pose, as a function of its six parameters relative to the start."""

    def __init__(
        self,
        reference: np.ndarray,
        affine: np.ndarray,
        boundary: Boundary,
        start: np.ndarray,
        which: np.ndarray,
    ) -> None:
        points, normals = boundary.points[which], boundary.normals[which]
        self._values = np.ascontiguousarray(reference, dtype=np.float32)
        self._last = np.array(reference.shape) - 1
        self._to_index = np.linalg.inv(affine) @ start
        self._centre = boundary.centre
        self._sides = np.concatenate([points - _DEPTH_MM * normals, points + _DEPTH_MM * normals])

    def contrast(self, parameters: np.ndarray) -> np.ndarray:
        """Return white minus grey in per cent of their mean, for points in the field of view."""
        matrix = self._to_index @ pose(parameters, self._centre)
        places = self._sides @ matrix[:3, :3].T + matrix[:3, 3]
        seen = ((places >= 0) & (places <= self._last)).all(axis=1).reshape(2, -1).all(axis=0)
        places = places.reshape(2, -1, 3)[:, seen].reshape(-1, 3)
        values = ndimage.map_coordinates(self._values, places.T, order=1, mode="nearest")
        white, grey = values.reshape(2, -1)
        total = white + grey
        share: RealArray = np.divide(
            200 * (white - grey), total, out=np.zeros_like(white), where=total > 0
        )
        return share

    def __call__(self, parameters: np.ndarray) -> float:
        contrast = self.contrast(parameters)
        # Points outside the field of view are ignored, because any value for them would pull the
        # brain in or push it out. A pose with too few points inside is not acceptable.
        if len(contrast) < _LEAST_SEEN * len(self._sides) / 2:
            return _NOT_SEEN
        return 1 + float(np.tanh(_SLOPE * contrast).mean(dtype=np.float64))


def _descend(cost: _Cost, begin: np.ndarray, tolerance_mm: float) -> np.ndarray:
    # Powell's method begins with steps of 1 along the axes, here 1 mm and 1 degree.
    found = optimize.minimize(
        cost, begin, method="Powell", options={"xtol": tolerance_mm, "ftol": 1e-5, "maxiter": 20}
    )
    # Because of rounding, the result may be slightly worse than the start; return the better one.
    best: FloatArray = found.x if found.fun <= cost(begin) else begin
    return best


def _distances(first: np.ndarray, second: np.ndarray, points: np.ndarray) -> np.ndarray:
    apart = nib.affines.apply_affine(first, points) - nib.affines.apply_affine(second, points)
    distances: FloatArray = np.linalg.norm(apart, axis=1)
    return distances


def _slope(values: np.ndarray, places: np.ndarray, axis: int) -> np.ndarray:
    """Return the change per voxel along an axis at places (n, 3), by central differences."""
    half = np.eye(3)[axis] / 2
    ahead, behind = (
        ndimage.map_coordinates(values, (places + s * half).T, order=1, mode="nearest")
        for s in (1, -1)
    )
    slope: RealArray = ahead - behind
    return slope


def _some(count: int, most: int) -> np.ndarray:
    """Return sorted indices of a random sample of at most ``most`` out of ``count``.

    The sample is the same every time.
    """
    if count <= most:
        return np.arange(count)
    return np.sort(np.random.default_rng(0).choice(count, most, replace=False))


def _all_but(axis: int, end: int) -> tuple[slice, ...]:
    """Return the index of all voxels but the first (end 0) or the last (end -1) along an axis."""
    kept = slice(1, None) if end == 0 else slice(None, -1)
    return tuple(kept if a == axis else slice(None) for a in range(3))


def _brain_box(inside: np.ndarray, affine: np.ndarray) -> tuple[tuple[slice, ...], np.ndarray]:
    """Return the part of the grid with the brain and a margin of 5 mm, and its affine."""
    if not inside.any():
        raise Fault("the brain mask of the T1w is empty; normalise the T1w again")
    margin = np.ceil(5 / np.linalg.norm(affine[:3, :3], axis=0)).astype(int)
    bounds = ndimage.find_objects(inside.astype(np.int8))[0]
    box = tuple(slice(max(s.start - m, 0), s.stop + m) for s, m in zip(bounds, margin, strict=True))
    boxed = affine.copy()
    boxed[:3, 3] = affine[:3, :3] @ [s.start for s in box] + affine[:3, 3]
    return box, boxed


def _faces(inside: np.ndarray, affine: np.ndarray) -> np.ndarray:
    world = nib.affines.apply_affine(affine, np.argwhere(inside))
    low, high = world.min(axis=0), world.max(axis=0)
    middle = (low + high) / 2
    return np.array([np.where(np.eye(3)[a], end, middle) for a in range(3) for end in (low, high)])
