"""Rigid realignment of volumes to a reference picture, by least squares.

The method is Gauss-Newton as in Friston et al. 1995 (Hum Brain Mapp 3:165) and AFNI's 3dvolreg
(Cox & Jesmanowicz 1999, Magn Reson Med 42:1014). The derivatives are those of the reference, not of
the volume. Therefore they are computed once per run, and so is the matrix that converts residuals
into a movement (inverse compositional algorithm, Baker & Matthews 2004, Int J Comput Vis 56:221).

- Interpolation uses cubic B-splines with the voxel values as coefficients. This blurs both pictures
  alike, by 1.4 voxels (full width at half maximum), which helps to fit six parameters between
  coarse voxels, and no volume has to be filtered first.
- Together with the movement, other changes are fitted that could be mistaken for movement:
  brightness and its slope along each axis (a head that turns in the field of a coil, drifts), an
  offset, and stretch and shear (changes of the field by breathing; fluid that is brighter in the
  first volumes, which makes a brain look larger).
- Each place is weighted by how steady it is over the run, so that eyes, vessels and fluid have
  little weight. Places that fit badly in one volume (a slice that was lost) get little weight in
  that volume (Geman-McClure weights), and weights decrease to 0 at the edge of the field of view.
- There are two levels: first blocks of about 7 mm, which can detect movements of a centimetre,
  then the voxels.

Sums are not computed by BLAS, because its order of adding depends on the number of threads.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from crossfc.array import FloatArray, SingleArray
from crossfc.fault import Fault

_COARSE_MM, _FINE_MM = 7.0, 3.0
# Places are taken up to this far outside the brain: its edge is most informative, while air and
# neck beyond it give no or wrong information.
_REGION_MM = 7.0
# Largest number of places. More would not help: after the blur neighbouring voxels have much the
# same information, and noise does not limit the precision.
_MOST_PLACES = 25_000
_FEWEST_PLACES = 100
# Rotations are expressed as arcs at this radius, so that all six parameters are in mm.
_ARC_MM = 50.0
_COARSE_TOLERANCE_MM, _FINE_TOLERANCE_MM = 0.1, 0.005
_MOST_STEPS = 30
# The weights of badly fitting places are updated as long as steps are longer than this.
_STILL_MOVING_MM = 0.02
# Residuals of so many robust standard deviations get a quarter of the full weight.
_BAD_FIT = 3.0
# If the correlation is below this, the head was not found in the volume.
_LIKENESS = 0.5


@dataclass(frozen=True)
class Pose:
    """Position of the head in a volume.

    Attributes
    ----------
    matrix : ndarray, shape (4, 4)
        Point of the reference picture to the point of the volume that shows the same part of the
        head, mm, RAS+.
    converged : bool
        False if the search did not converge, or the volume does not show this head.
    iterations : int
        Number of steps on the fine level.
    correlation_before, correlation : float
        Weighted correlation of the volume with the reference picture, before and after
        realignment; NaN if the volume has the same value everywhere.
    """

    matrix: np.ndarray
    converged: bool
    iterations: int
    correlation_before: float
    correlation: float


class Target:
    """A reference picture of the head, prepared to find the head in other volumes of the run.

    Parameters
    ----------
    volume : ndarray, shape (x, y, z)
        The reference picture.
    affine : ndarray, shape (4, 4)
        Voxel indices to mm, of all volumes.
    brain : ndarray of bool, shape (x, y, z)
        The brain in ``volume``.

    Raises
    ------
    Fault
        If too little of the brain lies inside the field of view.
    """

    def __init__(self, volume: np.ndarray, affine: np.ndarray, brain: np.ndarray) -> None:
        sizes = np.linalg.norm(affine[:3, :3], axis=0)
        region = ndimage.distance_transform_edt(~brain, sampling=sizes) <= _REGION_MM
        # Along an axis with few voxels (a thin stack of slices) blocks are smaller.
        coarse = np.clip(np.round(_COARSE_MM / sizes), 1, np.maximum(np.array(brain.shape) // 8, 1))
        fine = np.maximum(np.floor(_FINE_MM / sizes), 1)
        self._fine = _Level(volume, affine, region, fine)
        if self._fine.places.shape[1] < _FEWEST_PLACES:
            raise Fault(
                "too little of the brain lies inside the field of view to estimate head motion; "
                "look at the picture and leave the session out if it is not usable"
            )
        self._coarse = _Level(volume, affine, region, coarse)
        if self._coarse.places.shape[1] < _FEWEST_PLACES:
            self._coarse = self._fine

    def weigh(self, volumes: Sequence[np.ndarray], matrices: Sequence[np.ndarray]) -> None:
        """Give more weight to places that are steady over the run.

        Parameters
        ----------
        volumes : sequence of ndarray, shape (x, y, z)
            At least about ten volumes, spread over the run.
        matrices : sequence of ndarray, shape (4, 4)
            Position of the head in each: reference point to volume point, mm.
        """
        level = self._fine
        missed = np.array(
            [
                level.missed(level.sample(level.read(v), m)[0])
                for v, m in zip(volumes, matrices, strict=True)
            ]
        )
        spread = 1.4826 * np.median(np.abs(missed - np.median(missed, axis=0)), axis=0)
        usual = np.median(spread)
        if usual > 0:
            # The added constant keeps every weight below three times the usual one: a place may be
            # steady by chance in a few volumes.
            level.weigh(np.sqrt(spread**2 + 0.5 * usual**2))

    def find(self, volume: np.ndarray, start: np.ndarray) -> Pose:
        """Find the head in a volume.

        Parameters
        ----------
        volume : ndarray, shape (x, y, z)
        start : ndarray, shape (4, 4)
            Where the search starts, such as the position in the neighbouring volume. If the search
            fails, it is repeated with the identity as the start.

        Returns
        -------
        Pose
        """
        volume = np.ascontiguousarray(volume, dtype=np.float32)
        near, far = self._fine.read(volume), self._coarse.read(volume)
        before = after = self._fine.correlation(*self._fine.sample(near, np.eye(4)))
        steps = 0
        for begin in (start, np.eye(4)):
            found = self._coarse.fit(far, begin, _COARSE_TOLERANCE_MM)
            begin = found.matrix if found.converged else begin
            found = self._fine.fit(near, begin, _FINE_TOLERANCE_MM, robust=True)
            steps, after = found.iterations, found.correlation
            if found.converged and after >= _LIKENESS:
                return Pose(found.matrix, True, steps, before, after)
        return Pose(start, False, steps, before, after)


class _Level:
    """The reference picture at one resolution: places, their brightness and its derivatives."""

    def __init__(
        self, volume: np.ndarray, affine: np.ndarray, region: np.ndarray, block: np.ndarray
    ) -> None:
        self._block = tuple(int(b) for b in block)
        self._affine = affine @ np.diag([*self._block, 1.0])
        self._affine[:3, 3] = affine[:3, :3] @ ((np.array(self._block) - 1) / 2) + affine[:3, 3]
        self._to_index = np.linalg.inv(self._affine)
        picture = self.read(volume)
        self._last = np.array(picture.shape)[:, None] - 1.0
        inside = self.read(region) > 0.5
        border = np.zeros_like(inside)
        border[1:-1, 1:-1, 1:-1] = True
        indices = np.argwhere(inside & border)
        indices = indices[:: max(1, -(-len(indices) // _MOST_PLACES))]
        self.places = np.ascontiguousarray(indices.T, dtype=np.float64)
        self.weights = np.ones(len(indices))
        self._spread = np.ones(len(indices))
        if len(indices) < _FEWEST_PLACES:
            return  # `Target` does not use this level then
        at = tuple(indices.T)
        values = _spline(picture)[at].astype(np.float64)
        scale = values.mean()
        self._values = values / scale
        self._bright = self._values > 0.5
        slope = np.array([_spline(picture, along=axis)[at] for axis in range(3)]) / scale
        self._changes = self._changes_of(slope)
        self._inverse = self._inverse_of(self.weights)

    def _changes_of(self, slope: np.ndarray) -> np.ndarray:
        """Return the change of brightness by each fitted parameter, shape (parameters, places).

        The six parameters of the movement come first: shifts along x, y, z (mm), and rotations
        about these axes (arcs in mm).
        """
        along = np.einsum("ji,jn->in", self._to_index[:3, :3], slope)  # per mm of the world
        points = np.einsum("ij,jn->in", self._affine[:3, :3], self.places)
        middle = points.mean(axis=1)
        self._pivot = middle + self._affine[:3, 3]
        x = (points - middle[:, None]) / _ARC_MM
        turns = np.cross(x, along, axis=0)
        strain = [x[i] * along[j] + x[j] * along[i] for i in range(3) for j in range(i + 1)]
        bright = [self._values, *(x * self._values), np.ones_like(self._values)]
        return np.array([*along, *turns, *strain, *bright])

    def _inverse_of(self, weights: np.ndarray) -> np.ndarray:
        """Return the weighted pseudo-inverse, shape (6, places): residuals to movement."""
        weighted = self._changes * weights
        normal = np.einsum("in,jn->ij", weighted, self._changes)
        # Parameters that cannot be estimated (a picture without contrast along an axis) stay 0.
        scale = np.sqrt(np.maximum(np.diag(normal), np.finfo(float).tiny))
        solved = np.linalg.pinv(normal / np.outer(scale, scale), rcond=1e-10, hermitian=True)
        solved = solved[:6] / np.outer(scale[:6], scale)
        inverse: FloatArray = np.einsum("ij,jn->in", solved, weighted)
        return inverse

    def weigh(self, spread: np.ndarray) -> None:
        """Set the weights from the usual spread of the residuals at each place, shape (places,)."""
        self._spread = spread
        self.weights = 1 / spread**2
        self.weights /= self.weights.mean()
        self._inverse = self._inverse_of(self.weights)

    def read(self, volume: np.ndarray) -> np.ndarray:
        """Average a volume, shape (x, y, z), over the blocks of this level."""
        # The same order in memory for all volumes, so that sums are added in the same order.
        volume = np.ascontiguousarray(volume, dtype=np.float32)
        if self._block == (1, 1, 1):
            return volume
        counts = [n // b for n, b in zip(volume.shape, self._block, strict=True)]
        kept = volume[tuple(slice(n * b) for n, b in zip(counts, self._block, strict=True))]
        blocks = [size for pair in zip(counts, self._block, strict=True) for size in pair]
        means: SingleArray = kept.reshape(blocks).mean(axis=(1, 3, 5), dtype=np.float32)
        return means

    def sample(self, picture: np.ndarray, matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Interpolate a volume at the places of the reference picture, moved by ``matrix``.

        Parameters
        ----------
        picture : ndarray, shape (x, y, z)
            The volume, averaged over blocks (`read`).
        matrix : ndarray, shape (4, 4)
            Reference point to volume point, mm.

        Returns
        -------
        values : ndarray, shape (places,)
        shown : ndarray, shape (places,)
            1 inside the volume's field of view, decreasing to 0 at its edge.
        """
        index = self._to_index @ matrix @ self._affine
        seen = np.einsum("ij,jn->in", index[:3, :3], self.places) + index[:3, 3:]
        values = ndimage.map_coordinates(
            picture, seen, output=np.float64, order=3, mode="mirror", prefilter=False
        )
        depth = np.minimum(seen, self._last - seen).min(axis=0)
        return values, np.clip(depth - 0.5, 0, 1)

    def missed(self, values: np.ndarray) -> np.ndarray:
        """Return the residuals of interpolated values, shape (places,).

        They are relative to the mean of the reference picture.
        """
        # A median, so that lost slices do not make all other slices look too bright.
        brightness = np.median(values[self._bright] / self._values[self._bright])
        with np.errstate(divide="ignore", invalid="ignore"):  # `fit` handles an empty volume
            missed: FloatArray = values / brightness - self._values
        return missed

    def correlation(self, values: np.ndarray, shown: np.ndarray) -> float:
        """Return the weighted correlation of interpolated values with the reference picture.

        ``values`` and ``shown`` are from `sample`. NaN if either is constant.
        """
        weights = self.weights * shown
        total = max(weights.sum(), np.finfo(float).tiny)
        one, other = (v - (weights * v).sum() / total for v in (values, self._values))
        power = (weights * one**2).sum() * (weights * other**2).sum()
        return float((weights * one * other).sum() / np.sqrt(power)) if power > 0 else np.nan

    def fit(
        self, picture: np.ndarray, matrix: np.ndarray, tolerance: float, robust: bool = False
    ) -> Pose:
        """Run Gauss-Newton from a start; the correlation is that before the last step.

        Parameters
        ----------
        picture : ndarray, shape (x, y, z)
            The volume, averaged over blocks (`read`).
        matrix : ndarray, shape (4, 4)
            The start: reference point to volume point, mm.
        tolerance : float
            The search has converged if no parameter changes by more than this, mm.
        robust : bool
            Whether places that fit badly get less weight.
        """
        inverse, length = self._inverse, np.inf
        for step in range(1, _MOST_STEPS + 1):
            values, shown = self.sample(picture, matrix)
            missed = self.missed(values)
            if not np.isfinite(missed).all():
                return Pose(matrix, False, step, np.nan, np.nan)
            # Weights are robust from the second step on: after the first step the volume is close,
            # so that large residuals mean a bad fit and not a movement.
            if robust and (step == 2 or (step > 2 and length > _STILL_MOVING_MM)):
                inverse = self._inverse_of(self.weights * shown * self._trust(missed))
            change = np.einsum("in,n->i", inverse, missed)
            length = np.abs(change).max()
            matrix = matrix @ self._undo(change)
            if length < tolerance and (step > 1 or not robust):
                return Pose(matrix, True, step, np.nan, self.correlation(values, shown))
        return Pose(matrix, False, _MOST_STEPS, np.nan, self.correlation(values, shown))

    def _trust(self, missed: np.ndarray) -> np.ndarray:
        """Return Geman-McClure weights of residuals, scaled by their usual size in the volume."""
        relative = missed / self._spread
        usual = np.median(np.abs(relative)) / 0.6745
        if not usual > 0:
            return np.ones_like(missed)
        weights: FloatArray = 1 / (1 + (relative / (_BAD_FIT * usual)) ** 2) ** 2
        return weights

    def _undo(self, change: np.ndarray) -> np.ndarray:
        """Return the matrix (4, 4) that undoes a movement (shifts and arcs in mm, shape (6,))."""
        from scipy.spatial.transform import Rotation

        undo = np.eye(4)
        undo[:3, :3] = Rotation.from_rotvec(-change[3:6] / _ARC_MM).as_matrix()
        undo[:3, 3] = self._pivot - undo[:3, :3] @ (self._pivot + change[:3])
        return undo


def _spline(picture: np.ndarray, along: int | None = None) -> np.ndarray:
    """Evaluate at all voxels the cubic B-spline whose coefficients are the voxels of ``picture``.

    Return its values, or its slope per voxel along an axis.
    """
    for axis in range(3):
        taps = (-0.5, 0.0, 0.5) if axis == along else (1 / 6, 4 / 6, 1 / 6)
        picture = ndimage.correlate1d(picture, taps, axis=axis, mode="mirror")
    return picture
