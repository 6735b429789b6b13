"""Estimate the off-resonance field from two echo-planar images whose phase is encoded otherwise.

The field shifts signal along the phase-encoding axis, in opposite directions in the two images, and
squeezes or stretches it. The field is sought that makes both images equal after they are shifted
back and their brightness is multiplied by the change of volume (Andersson et al. 2003, NeuroImage
20:870), with as little bending as possible. The head may have moved between the two; that movement
is estimated at the same time, but for the shift along the phase-encoding axis, which a constant
field makes as well. What a constant field is off is a rigid shift, which coregistration takes up.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy import ndimage, sparse

from crossfc.array import FloatArray, SingleArray
from crossfc.session.gaussian import sigma_of
from crossfc.session.image import continued_onto_grid
from crossfc.session.preprocess.smoothness import bending, derivative, solve

# Blocks of voxels averaged on each level, and the blur on it (full width, blocks).
_LEVELS = ((3, 1.5), (2, 1.5), (1, 1.0))
_MOST_STEPS = 10
_SHORTEST_STEP_MM = 0.02
# The weight of bending, per mm of displacement: found on the twin (docs/preprocessing.md).
_STIFFNESS = 0.5
# Signal this far outside the brain counts, because the field shifts some of it there.
_MARGIN_MM = 12.0
# Two images of one scanner may differ in brightness smoothly, over no less than this.
_GAIN_MM = 40.0
_ARC_MM = 50.0  # rotations are expressed as arcs at this radius


class Distorted(NamedTuple):
    """An echo-planar image.

    Attributes
    ----------
    data : ndarray, shape (x, y, z)
    affine : ndarray, shape (4, 4)
        Voxel indices to mm.
    axis : int
        The voxel axis along which phase is encoded.
    voxels_per_hz : float
        Shift of the signal towards higher index that 1 Hz makes.
    """

    data: np.ndarray
    affine: np.ndarray
    axis: int
    voxels_per_hz: float


@dataclass(frozen=True)
class Field:
    """An off-resonance field.

    Attributes
    ----------
    hz : ndarray of float32, shape (x, y, z)
        On the grid of the first image, where its signal would lie without distortion.
    affine : ndarray, shape (4, 4)
        Voxel indices to mm.
    pose : ndarray, shape (4, 4)
        Movement of the head: point of the first image to point of the second, mm.
    misfit : float
        Root mean squared difference of the two corrected images, as a share of that of the
        brightness.
    """

    hz: np.ndarray
    affine: np.ndarray
    pose: np.ndarray
    misfit: float


def field_of_pair(first: Distorted, second: Distorted, brain: np.ndarray) -> Field:
    """Estimate the field from two images.

    Parameters
    ----------
    first, second : Distorted
        Their shifts by 1 Hz must differ.
    brain : ndarray of bool, shape (x, y, z)
        The brain in the first image.

    Returns
    -------
    Field
    """
    sizes = np.linalg.norm(first.affine[:3, :3], axis=0)
    near = ndimage.distance_transform_edt(~brain, sampling=sizes) <= _MARGIN_MM
    pose = np.eye(4)
    field: np.ndarray | None = None
    level: _Level | None = None
    misfit = np.nan
    for block, blur in _LEVELS:
        coarse = level
        level = _Level(first, second, near, block, blur)
        if field is None or coarse is None:
            start: np.ndarray = np.zeros(level.size)
        else:
            grid = field.astype(np.float32).reshape(coarse.shape)
            finer = continued_onto_grid(grid, coarse.affine, level.affine, level.shape)
            # In single precision, as the field is handed on.
            start = finer.astype(np.float32).ravel()
        field, pose, misfit = level.fit(start.astype(float), pose)
    assert field is not None and level is not None
    return Field(field.astype(np.float32).reshape(level.shape), first.affine, pose, misfit)


class _Level:
    """Both images at one resolution."""

    def __init__(
        self, first: Distorted, second: Distorted, near: np.ndarray, block: int, blur: float
    ) -> None:
        one, self.affine = _reduced(first.data, first.affine, block, blur)
        other, self._other_affine = _reduced(second.data, second.affine, block, blur)
        weight, _ = _reduced(near.astype(np.float32), first.affine, block, 0)
        self.shape: tuple[int, int, int] = one.shape
        self.size = one.size
        self._weight = (weight > 0.5).ravel().astype(float)
        bright = np.median(one.ravel()[self._weight > 0])
        self._one, self._other = (
            ndimage.spline_filter(v / max(bright, 1e-6), order=3, output=np.float32)
            for v in (one, other)
        )
        self._places = np.indices(self.shape).reshape(3, -1).astype(float)
        self._points = self.affine[:3, :3] @ self._places + self.affine[:3, 3:]
        self._axes = first.axis, second.axis
        self._shifts = first.voxels_per_hz / block, second.voxels_per_hz / block
        sizes = np.linalg.norm(self.affine[:3, :3], axis=0)
        self._sizes = sizes
        self._mm_per_hz = abs(self._shifts[0]) * sizes[first.axis]
        self._bending = (_STIFFNESS * self._mm_per_hz**2) * bending(self.shape, sizes)
        self._slopes = [derivative(self.shape, axis) for axis in self._axes]
        # The directions in which the head may move, but for the one that a field makes as well.
        self._ways = [self.affine[:3, a] / sizes[a] for a in range(3) if a != first.axis]
        self._middle = (self._points * self._weight).sum(axis=1) / self._weight.sum()

    def fit(self, field: np.ndarray, pose: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
        """Run Gauss-Newton on field and pose from a start; return both and the misfit."""
        weight, gain = self._weight, np.ones(self.size)
        count = len(self._ways) + 3
        nothing = sparse.csr_matrix((count, count))
        for step in range(_MOST_STEPS):
            one, other, jacobian = self._compare(field, pose)
            if step in (0, 2):
                gain = self._gain(one, other)
            missed = one - gain * other
            by_field, by_pose = jacobian
            columns = sparse.hstack(
                [by_field[0] - sparse.diags(gain) @ by_field[1], -gain[:, None] * by_pose]
            ).tocsr()
            penalty = sparse.block_diag([self._bending, nothing]).tocsr()
            weighted = columns.multiply(weight[:, None]).T.tocsr()
            matrix = (weighted @ columns + penalty).tocsr()
            bent = self._bending @ field
            right = -(weighted @ missed)
            right[: self.size] -= bent
            change = solve(matrix, right, np.zeros(self.size + count))
            cost = _sum(weight, missed, missed) + _sum(field, bent)
            better = False
            for _ in range(5):
                tried = field + change[: self.size]
                moved = pose @ self._moved(change[self.size :])
                one, other, _ = self._compare(tried, moved, slopes=False)
                missed = one - gain * other
                new = _sum(weight, missed, missed) + _sum(tried, self._bending @ tried)
                if better := bool(new < cost):
                    field, pose = tried, moved
                    break
                change = change / 2
            length = max(
                np.abs(change[: self.size]).max() * self._mm_per_hz,
                np.abs(change[self.size :]).max(),
            )
            if not better or length < _SHORTEST_STEP_MM:
                break
        one, other, _ = self._compare(field, pose, slopes=False)
        missed = one - gain * other
        share = _sum(weight, missed, missed) / max(_sum(weight, one, one), 1e-12)
        return field, pose, float(np.sqrt(share))

    def _compare(
        self, field: np.ndarray, pose: np.ndarray, slopes: bool = True
    ) -> tuple[np.ndarray, np.ndarray, tuple[list[sparse.csr_matrix], np.ndarray]]:
        """Return both corrected images, and their derivatives by the field and by the pose."""
        to_other = np.linalg.inv(self._other_affine) @ pose
        over = to_other[:3, :3] @ self._points + to_other[:3, 3:]
        images, by_field, by_pose = [], [], np.empty((0, 0))
        for k, (spline, places) in enumerate(((self._one, self._places), (self._other, over))):
            axis, shift = self._axes[k], self._shifts[k]
            places = places.copy()
            places[axis] += shift * field
            value = _at(spline, places)
            volume = 1 + shift * (self._slopes[k] @ field)
            images.append(value * volume)
            if not slopes:
                continue
            along = _slope(spline, places, axis)
            by_field.append(
                sparse.diags(shift * along * volume) + sparse.diags(shift * value) @ self._slopes[k]
            )
            if k == 1:
                steep = np.stack(
                    [along if a == axis else _slope(spline, places, a) for a in range(3)]
                )
                by_pose = self._by_pose(np.einsum("ij,in->jn", to_other[:3, :3], steep) * volume)
        return images[0], images[1], (by_field, by_pose)

    def _by_pose(self, steep: np.ndarray) -> np.ndarray:
        """Return the change of the second image by each parameter, shape (n, parameters).

        ``steep`` is its slope per mm at the points of the first image, (3, n).
        """
        apart = (self._points - self._middle[:, None]) / _ARC_MM
        turned = np.cross(apart, steep, axis=0)
        shifted = [np.einsum("i,in->n", way, steep) for way in self._ways]
        return np.stack([*shifted, *turned], axis=1)

    def _moved(self, change: np.ndarray) -> np.ndarray:
        from scipy.spatial.transform import Rotation

        count = len(self._ways)
        moved = np.eye(4)
        moved[:3, :3] = Rotation.from_rotvec(change[count:] / _ARC_MM).as_matrix()
        shift = sum(c * way for c, way in zip(change[:count], self._ways, strict=True))
        moved[:3, 3] = self._middle - moved[:3, :3] @ self._middle + shift
        return moved

    def _gain(self, one: np.ndarray, other: np.ndarray) -> np.ndarray:
        """Return the smooth factor that makes the second image as bright as the first."""
        blur = sigma_of(_GAIN_MM) / self._sizes
        parts = [
            ndimage.gaussian_filter((self._weight * v * other).reshape(self.shape), blur)
            for v in (one, other)
        ]
        ratio: FloatArray = (parts[0] / np.maximum(parts[1], 1e-3 * parts[1].max())).ravel()
        return np.clip(ratio, 0.1, 10)


def _reduced(
    data: np.ndarray, affine: np.ndarray, block: int, blur: float
) -> tuple[np.ndarray, np.ndarray]:
    """Blur an image and average it over blocks; return it with its affine."""
    values = np.asarray(data, np.float32)
    if blur:
        values = ndimage.gaussian_filter(values, sigma_of(blur * block))
    counts = [max(n // block, 1) for n in values.shape]
    blocks = [min(block, n) for n in values.shape]
    kept = values[tuple(slice(n * b) for n, b in zip(counts, blocks, strict=True))]
    x, y, z = counts
    i, j, k = blocks
    means: SingleArray = kept.reshape(x, i, y, j, z, k).mean(axis=(1, 3, 5), dtype=np.float32)
    scale = np.diag([*blocks, 1.0])
    scale[:3, 3] = (np.array(blocks) - 1) / 2
    return means, affine @ scale


def _at(spline: np.ndarray, places: np.ndarray) -> np.ndarray:
    values: FloatArray = ndimage.map_coordinates(
        spline, places, order=3, mode="nearest", prefilter=False, output=np.float64
    )
    return values


def _slope(spline: np.ndarray, places: np.ndarray, axis: int) -> np.ndarray:
    """Return the difference of an image over a voxel around each place, along an axis."""
    half = np.zeros((3, 1))
    half[axis] = 0.5
    slope: FloatArray = _at(spline, places + half) - _at(spline, places - half)
    return slope


def _sum(*arrays: np.ndarray) -> float:
    letters = ",".join("i" * len(arrays))
    return float(np.einsum(f"{letters}->", *arrays))
