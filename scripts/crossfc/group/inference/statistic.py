"""Test statistics of one effect, for the observed data and for batches of arrangements.

The method is that of Freedman and Lane (1983; Winkler et al. 2014, NeuroImage 92:381). Let e be
the data after the nuisance Z is regressed out. An arrangement P (shuffle or sign flip) gives
y* = P e, and the full model is fitted to y*. P does not change lengths, so every statistic follows
from products of y* with a few fixed columns u, and the columns can be arranged instead of the
data: (P e)' u = e' (P' u); see `crossfc.group.inference.product`. Products are computed in single
precision, on data scaled to unit length. The observed statistic is computed in double precision,
directly from the residuals.

During the permutations a statistic is kept as a *score*, a monotone function of it that needs no
square root: the signed squared partial correlation for t, R² for F, T²/(T² + df) for Hotelling's
T², and the signed square of Welch's G. For few people the score is the statistic itself, in double
precision (`crossfc.group.inference.small_sample`). Cluster mass and TFCE need a *height* on the
scale of t: t and G themselves, and √F, which is |t| if F has one numerator degree of freedom.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias, TypeVar

import numpy as np

from crossfc.array import BoolArray, FloatArray, MapData, RealArray, SingleArray
from crossfc.compiled import compiled
from crossfc.fault import Fault
from crossfc.group.design.arrangement import Arrangements
from crossfc.group.inference.product import Products

FLOOR = np.float32(1e-6)  # share of the sum of squares below which a residual counts as rounding
_CHUNK = 2**18  # numbers that are processed at once in double precision

# One number or many.
Values = TypeVar("Values", np.float64, FloatArray)

# A batch of arrangements: computes their scores in some voxels, from the part of `Fit.work` that
# holds these voxels (contiguous) into an array of shape (n_arrangements, n_voxels). It has work
# space of its own, so each thread needs its own.
Batch: TypeAlias = Callable[[RealArray, RealArray], None]


@dataclass
class Fit:
    """The fit of one map to the observed data, and what the permutations need of it.

    Attributes
    ----------
    statistic, effect, standard_error : float64 ndarray, shape (n_voxels,)
        Effect and standard error are in units of the data per unit of the effect column.
    t : float64 ndarray, shape (n_voxels,)
        Student's t of the effect under equal variances (for effect sizes); NaN for Hotelling.
    degrees_of_freedom : float64 ndarray, shape (n_voxels,)
    score : float32 ndarray, shape (n_voxels,)
        The score of the statistic; see the module.
    work : float ndarray, last axis n_voxels
        Residuals scaled to unit length; see `Student.work_shape`.
    flat : bool ndarray, shape (n_voxels,)
        Voxels where the nuisance leaves no variation; statistic and score are 0 there.
    """

    statistic: FloatArray
    effect: FloatArray
    standard_error: FloatArray
    t: FloatArray
    degrees_of_freedom: FloatArray
    score: SingleArray
    work: RealArray
    flat: BoolArray


class Scoring(Protocol):
    """What the permutations need of a statistic; `Student` says what each does.

    Attributes
    ----------
    signed : bool
    tie : float
        Share by which a score may fall short of the observed one and still count as equal to it.
    work_type : type
        Of the numbers in `Fit.work`.
    """

    signed: bool
    tie: float
    work_type: type[np.floating[Any]]

    def work_shape(self, shape: tuple[int, ...], /) -> tuple[int, ...]: ...

    def fit(self, data: MapData, work: RealArray, /) -> Fit: ...

    def to_score(self, statistic: Values, /) -> Values: ...

    def to_statistic(self, score: RealArray, /) -> RealArray: ...

    def to_height(self, statistic: RealArray, /) -> RealArray: ...

    def forming_threshold(self, p: float, two_sided: bool, /) -> float: ...

    def batch(self, arrangements: Arrangements, /) -> Batch: ...


class Student:
    """Student's t of one column of a linear model.

    Parameters
    ----------
    effect : ndarray, shape (n_people,)
        The column under test.
    nuisance : ndarray, shape (n_people, n_nuisance)
        The other columns of the model; n_nuisance may be 0.

    Raises
    ------
    Fault
        If the model has no unique fit or leaves no degrees of freedom.
    """

    name = "t"
    signed = True
    tie = 1e-5
    work_type: type[np.floating[Any]] = np.float32

    def __init__(self, effect: FloatArray, nuisance: FloatArray) -> None:
        self.effect = np.asarray(effect, dtype=float)
        self.nuisance = np.asarray(nuisance, dtype=float).reshape(len(self.effect), -1)
        full = np.column_stack([self.effect, self.nuisance])
        self.df = len(full) - full.shape[1]
        if np.linalg.matrix_rank(full) < full.shape[1]:
            raise Fault(
                "the columns of the model are not independent; leave out a covariate that the "
                "others determine"
            )
        if self.df < 1:
            raise Fault(
                f"{len(full)} people are too few for a model with {full.shape[1]} columns; "
                "leave covariates out or add people"
            )
        self._basis = np.linalg.qr(self.nuisance)[0]
        left = self.effect - self._basis @ (self._basis.T @ self.effect)
        self._length = np.linalg.norm(left)
        self._direction = left / self._length
        # Fixed columns: the effect's direction first, then the nuisance.
        self._columns = np.column_stack([self._direction, self._basis])

    @property
    def design(self) -> FloatArray:
        """The columns by which rows of the design are compared, for listing distinct shuffles."""
        return np.column_stack([self.effect, self.nuisance])

    @property
    def effect_variance(self) -> float:
        """Variance of the estimated effect in units of the error variance, c'(M'M)⁻¹c."""
        return float(1 / self._length**2)

    def work_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape of a fit's work space, from the shape of the data."""
        return shape

    def fit(self, data: MapData, work: RealArray | None = None) -> Fit:
        """Fit the model to the observed data.

        Parameters
        ----------
        data : array, shape (n_people, n_voxels)
            Only ``data.shape`` and ``data[..., part]`` are used, so it may be a file on disk.
        work : float ndarray, optional
            Array for the scaled residuals, of the shape that `work_shape` gives.

        Returns
        -------
        Fit
        """
        fit = empty_fit(data.shape[-1], self.work_shape(data.shape), work)
        for part in chunks(data.shape):
            y = np.asarray(data[..., part], dtype=float)
            e, length = self._residual(y)
            along = self._direction @ e
            rest = e - np.outer(self._direction, along)
            squares = np.einsum("nv,nv->v", rest, rest)
            flat = (length == 0) | (squares <= 1e-20 * length**2)
            error = np.sqrt(squares / self.df)
            with np.errstate(divide="ignore", invalid="ignore"):
                fit.statistic[part] = np.where(flat, 0, along / error)
                fit.work[:, part] = np.where(length == 0, 0, e / length)
            fit.effect[part] = along / self._length
            fit.standard_error[part] = error / self._length
            fit.flat[part] = flat
        fit.t[:] = fit.statistic
        fit.degrees_of_freedom[:] = self.df
        fit.score[:] = self.to_score(fit.statistic)
        return fit

    def _residual(self, y: FloatArray) -> tuple[FloatArray, FloatArray]:
        e = y - self._basis @ (self._basis.T @ y)
        length: FloatArray = np.sqrt(np.einsum("nv,nv->v", e, e))
        length[length <= 1e-10 * np.sqrt(np.einsum("nv,nv->v", y, y))] = 0
        return e, length

    def to_score(self, statistic: Values) -> Values:
        """Convert a statistic to a score."""
        score: Values = statistic * np.abs(statistic) / (statistic**2 + self.df)
        return score

    def to_statistic(self, score: RealArray) -> RealArray:
        """Convert a score to a statistic, in the precision of the score."""
        score = np.asarray(score)
        size = np.minimum(np.abs(score), 1 - np.finfo(score.dtype).eps)
        statistic: RealArray = np.copysign(np.sqrt(self.df * (size / (1 - size))), score)
        return statistic

    def to_height(self, statistic: RealArray) -> RealArray:
        """Convert a statistic to the height used for cluster mass and TFCE: t itself."""
        return statistic

    def forming_threshold(self, p: float, two_sided: bool) -> float:
        """Return the statistic with parametric probability ``p`` (halved per tail if two-sided)."""
        # Importing scipy.stats instead would take as long as a small analysis.
        from scipy.special import stdtrit

        return float(-stdtrit(self.df, p / 2 if two_sided else p))

    def batch(self, arrangements: Arrangements) -> Batch:
        """Prepare a batch of arrangements, whose scores the function that is returned computes."""
        products = Products(self._columns, arrangements)

        def scores(work: RealArray, out: RealArray) -> None:
            _student(products(work), out)

        return scores


class OwnVariance(Student):
    """A t whose variance is not that of one residual sum of squares; its score is the signed t²."""

    def to_score(self, statistic: Values) -> Values:
        score: Values = statistic * np.abs(statistic)
        return score

    def to_statistic(self, score: RealArray) -> RealArray:
        score = np.asarray(score)
        statistic: RealArray = np.copysign(np.sqrt(np.abs(score)), score)
        return statistic


def unit_length(values: FloatArray, length: FloatArray) -> FloatArray:
    """Divide columns by their length; zero where it is zero."""
    scaled: FloatArray = np.where(length > 0, values / np.where(length > 0, length, 1), 0)
    return scaled


def chunks(shape: tuple[int, ...]) -> Iterator[slice]:
    """Cut the last axis of data into small slices, but none smaller than a memory page on disk."""
    step = max(1024, _CHUNK // int(np.prod(shape[:-1])))
    for first in range(0, shape[-1], step):
        yield slice(first, min(first + step, shape[-1]))


def empty_fit(n_voxels: int, work_shape: tuple[int, ...], work: RealArray | None = None) -> Fit:
    """Make an empty fit of ``n_voxels`` voxels, with a work space of the given shape."""

    def new() -> FloatArray:
        return np.empty(n_voxels)

    if work is None:
        work = np.empty(work_shape, dtype=np.float32)
    score = np.empty(n_voxels, dtype=np.float32)
    return Fit(new(), new(), new(), new(), new(), score, work, np.zeros(n_voxels, dtype=bool))


@compiled
def _student(products: np.ndarray, out: np.ndarray) -> None:
    for row in range(out.shape[0]):
        score = out[row]
        along = products[row, 0]
        for voxel in range(score.size):
            score[voxel] = np.float32(1)
        for column in range(1, products.shape[1]):
            nuisance = products[row, column]
            for voxel in range(score.size):
                score[voxel] -= nuisance[voxel] * nuisance[voxel]
        for voxel in range(score.size):
            score[voxel] = along[voxel] * abs(along[voxel]) / max(score[voxel], FLOOR)
