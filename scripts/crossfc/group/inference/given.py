"""Statistics given a map of each person, such as the contrast of baselines: a covariate by voxel.

The model has columns Q that are the same in every voxel, the effect x, and columns b that differ
between voxels. Its maps are measured together: the data come first, the covariates after them.

Sign flips follow Freedman and Lane (1983; Winkler et al. 2014, NeuroImage 92:381): the residuals e
of the data given Q and b change signs, and b stays. Shuffles assign people, with data and
covariate alike, to other rows of x and Q. That is how lots are drawn: whoever gets another order
or arm keeps both scans.

Neither changes lengths, so every statistic follows from a few sums for each voxel. With Q
orthonormal, x of length 1 and orthogonal to Q, and b residuals of length 1, they are the products
of e with x and Q, those of b with x and Q, and those of e with b. Under sign flips the second do
not change, and the third are one column's product with e ∘ b; under shuffles the third are zero
and the second are products like those of the data. So a covariate costs about as much as another
column, without a loop over voxels. The variances of groups (`HallGiven`) and of people
(`SlopeGiven`) need everybody's residual, and are summed over people.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np

from crossfc.array import BoolArray, FloatArray, IntArray, LabelArray, MapData, RealArray
from crossfc.fault import Fault
from crossfc.group.design.arrangement import Arrangements
from crossfc.group.inference.given_kernel import (
    LEAST,
    hall_given,
    ratio,
    ratio_of_one,
    slope_given,
)
from crossfc.group.inference.hall import Hall, corrected
from crossfc.group.inference.hotelling import Hotelling, orthonormal
from crossfc.group.inference.product import Products
from crossfc.group.inference.slope import Slope
from crossfc.group.inference.statistic import (
    FLOOR,
    Batch,
    Fit,
    OwnVariance,
    Values,
    chunks,
    empty_fit,
    unit_length,
)

# With this many people or fewer, all is computed in double precision, so that equivalent
# arrangements tie (`crossfc.group.inference.small_sample`).
FEW_PEOPLE = 12
# Share of the data's sum of squares below which residuals are rounding, in double precision.
_FINE_FLOOR = 1e-16

# Sums over people of some voxels' data, weighted by arranged columns: of shape
# (n_arrangements, n_columns, n_voxels).
_Sums: TypeAlias = Callable[[RealArray], RealArray]


class Given(OwnVariance):
    """Student's t of one effect, given covariates that differ between voxels.

    Parameters
    ----------
    effect, nuisance : ndarray
        See `Student`.
    n_covariates : int
        Number of maps of each person that are covariates.

    Raises
    ------
    Fault
        See `Student`; also if the covariates leave no degrees of freedom.

    Notes
    -----
    A covariate that in some voxel follows from the other columns is left out there, and its degree
    of freedom stays subtracted. The score is the signed square of the statistic (F itself for
    Hotelling's).
    """

    measures = 1

    def __init__(self, effect: FloatArray, nuisance: FloatArray, n_covariates: int = 1) -> None:
        super().__init__(effect, nuisance)
        self._give(n_covariates)

    def _give(self, n_covariates: int) -> None:
        self.n_covariates = n_covariates
        self.df -= n_covariates
        few = len(self.effect) <= FEW_PEOPLE
        self.work_type: type[np.floating[Any]] = np.float64 if few else np.float32
        self.tie = 1e-6 if few else 1e-4
        self.rounding = _FINE_FLOOR if few else float(FLOOR)
        if self.df < 1:
            raise Fault(
                f"{len(self.effect)} people are too few for a model with {self._columns.shape[1]} "
                "columns and the baseline; leave the baseline or covariates out, or add people"
            )

    def fit(self, data: MapData, work: RealArray | None = None) -> Fit:
        """Fit the model to the observed data.

        Parameters
        ----------
        data : array, shape (n_people, 1 + n_covariates, n_voxels)
            The data, then the covariates. Only ``shape`` and ``[..., part]`` are used.
        work : float ndarray, same shape, optional
            Array for the residuals, of length 1, and the covariates given the nuisance.

        Returns
        -------
        Fit
        """
        fit = empty_fit(data.shape[-1], self.work_shape(data.shape), work)
        for part in chunks(data.shape):
            y = np.asarray(data[..., part], dtype=float)
            b, _ = self.covariates(y[:, self.measures :])
            e, length = self._given(y[:, 0], b)
            fit.work[:, 0, part], fit.work[:, 1:, part] = unit_length(e, length), b
            self._fit_part(fit, part, e, length, b)
        fit.score[:] = self.to_score(fit.statistic)
        return fit

    def _fit_part(
        self, fit: Fit, part: slice, e: FloatArray, length: FloatArray, b: FloatArray
    ) -> None:
        direction, room = self.direction(b)
        along = np.einsum("nv,nv->v", direction, e)
        with np.errstate(divide="ignore", invalid="ignore"):
            rest = e - direction * np.where(room > 0, along / room, 0)
            squares = np.einsum("nv,nv->v", rest, rest)
            flat = (length == 0) | (room <= LEAST) | (squares <= 1e-20 * length**2)
            error = np.sqrt(np.where(flat, 1, squares) / self.df)
            root = np.sqrt(np.where(flat, 1, room))
        fit.statistic[part] = fit.t[part] = np.where(flat, 0, along / root / error)
        fit.effect[part] = np.where(flat, 0, along / root**2 / self._length)
        fit.standard_error[part] = np.where(flat, 0, error / root / self._length)
        fit.degrees_of_freedom[part] = self.df
        fit.flat[part] = flat

    def covariates(self, given: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Make covariates orthonormal, given the nuisance and each other.

        Parameters
        ----------
        given : ndarray, shape (n_people, n_covariates, n_voxels)

        Returns
        -------
        unit : ndarray, same shape
            Zero where a covariate follows from the other columns.
        triangle : ndarray, shape (n_covariates, n_covariates, n_voxels)
            What they are made of: ``given`` without the nuisance is Σ_j unit_j triangle[j].
        """
        m = given.shape[1]
        found, triangle = np.zeros(given.shape), np.zeros((m, m, given.shape[2]))
        for j in range(m):
            own = given[:, j]
            whole = np.sqrt(np.einsum("nv,nv->v", own, own))
            for _ in range(2):  # twice, as once leaves rounding errors
                own = own - self._basis @ (self._basis.T @ own)
                for i in range(j):
                    share = np.einsum("nv,nv->v", found[:, i], own)
                    triangle[i, j] += share
                    own = own - found[:, i] * share
            left = np.sqrt(np.einsum("nv,nv->v", own, own))
            left[left <= LEAST * whole] = 0
            triangle[j, j] = left
            found[:, j] = unit_length(own, left)
        return found, triangle

    def _given(self, y: FloatArray, b: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the residuals of data given nuisance and covariates, and their length."""
        e, _ = self._residual(y)
        for j in range(b.shape[1]):
            e = e - b[:, j] * np.einsum("nv,nv->v", b[:, j], e)
        length = np.sqrt(np.einsum("nv,nv->v", e, e))
        length[length <= 1e-10 * np.sqrt(np.einsum("nv,nv->v", y, y))] = 0
        return e, length

    def direction(self, b: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the effect given nuisance and covariates, and its squared length.

        Parameters
        ----------
        b : ndarray, shape (n_people, n_covariates, n_voxels)
            As `covariates` returns them.

        Returns
        -------
        direction : ndarray, shape (n_people, n_voxels)
        room : ndarray, shape (n_voxels,)
            The share of the effect that covariates leave; 0 where they determine it.
        """
        shares = np.einsum("n,nmv->mv", self._direction, b)
        direction = self._direction[:, None] - np.einsum("nmv,mv->nv", b, shares)
        room = np.einsum("nv,nv->v", direction, direction)
        return direction, np.where(room <= LEAST, 0, room)

    def effect_variances(self, data: MapData) -> FloatArray:
        """Return the variance of the estimated effect in units of the error variance, by voxel."""
        found = np.empty(data.shape[-1])
        for part in chunks(data.shape):
            given = np.asarray(data[..., part], dtype=float)[:, self.measures :]
            room = self.direction(self.covariates(given)[0])[1]
            found[part] = np.where(room > 0, 1 / np.where(room > 0, room, 1), 0) / self._length**2
        return found

    def adjusted(self, data: MapData, person: FloatArray) -> FloatArray:
        """Adjust a further person's data to covariates of zero, by the slopes of everybody here.

        Parameters
        ----------
        data : array, shape (n_people, n_measures + n_covariates, n_voxels)
        person : ndarray, shape (n_measures + n_covariates, n_voxels)

        Returns
        -------
        ndarray, shape (n_measures, n_voxels)
        """
        found = np.array(person[: self.measures], dtype=float)
        for part in chunks(data.shape):
            y = np.asarray(data[..., part], dtype=float)
            b, triangle = self.covariates(y[:, self.measures :])
            direction, room = self.direction(b)
            shares = np.einsum("n,nmv->mv", self._direction, b)
            for measure in range(self.measures):
                of = self._residual(y[:, measure])[0]
                scaled = np.einsum("nv,nv->v", direction, of) / np.where(room > 0, room, 1)
                slopes = np.einsum("nmv,nv->mv", b, of) - shares * scaled
                for j in reversed(range(len(slopes))):
                    left = slopes[j] - np.einsum("iv,iv->v", triangle[j, j + 1 :], slopes[j + 1 :])
                    scale = triangle[j, j]
                    slopes[j] = np.where(scale > 0, left / np.where(scale > 0, scale, 1), 0)
                found[measure, part] -= (slopes * person[self.measures :, part]).sum(axis=0)
        return found

    def batch(self, arrangements: Arrangements) -> Batch:
        of_columns = _products(self._columns, arrangements, self.work_type)
        of_shared = _products(self._columns, arrangements, self.work_type)
        ones = np.ones((len(self.effect), 1))
        of_ones = _products(ones, arrangements, self.work_type)
        p, m, flips = self.measures, self.n_covariates, arrangements.order is None
        freedom, floor = self._freedom, self.rounding
        fixed = self._columns.astype(self.work_type).T

        def scores(work: RealArray, out: RealArray) -> None:
            n, width = len(work), work.shape[-1]
            e = np.ascontiguousarray(work[:, :p]).reshape(n, -1)
            b = np.ascontiguousarray(work[:, p:]).reshape(n, -1)
            products = of_columns(e).reshape(len(out), -1, p, width)
            if flips:
                shared = (fixed @ b).reshape(1, -1, m, width)
                both = (work[:, :p, None] * work[:, None, p:]).reshape(n, -1)
                mixed = of_ones(both).reshape(len(out), p, m, width)
            else:
                shared = of_shared(b).reshape(len(out), -1, m, width)
                mixed = np.zeros((1, p, m, width), dtype=work.dtype)
            kernel = ratio_of_one if p == m == 1 else ratio
            kernel(products, shared, mixed, freedom, floor, out)

        return scores

    @property
    def _freedom(self) -> float:
        """The factor that makes a ratio of sums of squares the square of the statistic."""
        return float(self.df)


class SlopeGiven(Given, Slope):
    """The t of a slope with White's standard error (`Slope`), given covariates by voxel.

    Only sign flips are computed. The cluster-forming threshold is that without covariates.
    """

    def __init__(self, effect: FloatArray, nuisance: FloatArray) -> None:
        Slope.__init__(self, effect, nuisance)
        self._give(1)

    def people_weights(self, b: FloatArray) -> FloatArray:
        """Return the weight of each person's squared residual in the variance of the slope (HC2).

        Parameters
        ----------
        b : ndarray, shape (n_people, 1, n_voxels)
            As `Given.covariates` returns it.

        Returns
        -------
        ndarray, shape (n_people, n_voxels)
            For the slope along the unit effect column.
        """
        direction, room = self.direction(b)
        room = np.where(room > 0, room, 1)
        leverage = np.square(self._basis).sum(axis=1)[:, None]
        leverage = leverage + np.square(b).sum(axis=1) + np.square(direction) / room
        left = 1 - leverage
        alone = left < 1e-10
        weights: FloatArray = np.square(direction / room) / np.where(alone, 1, left)
        return np.where(alone, 0, weights)

    def _fit_part(
        self, fit: Fit, part: slice, e: FloatArray, length: FloatArray, b: FloatArray
    ) -> None:
        super()._fit_part(fit, part, e, length, b)
        direction, room = self.direction(b)
        room, flat = np.where(room > 0, room, 1), fit.flat[part]
        slope = np.einsum("nv,nv->v", direction, e) / room
        squares = np.square(e - direction * slope)
        variance = np.einsum("nv,nv->v", self.people_weights(b), squares)
        variance = np.maximum(variance, self.floor * np.square(length) / room)
        error = np.sqrt(np.where(flat, 1, variance))
        fit.statistic[part] = np.where(flat, 0, slope / error)
        fit.standard_error[part] = np.where(flat, 0, error / self._length)
        fit.degrees_of_freedom[part] = self.robust_df

    def batch(self, arrangements: Arrangements) -> Batch:
        if arrangements.order is not None or arrangements.signs is None:
            raise ValueError("slopes given a covariate are tested by sign flips")
        kind, signs = self.work_type, arrangements.signs.astype(self.work_type)
        of_columns = _products(self._columns, arrangements, kind)
        of_ones = _products(np.ones((len(self.effect), 1)), arrangements, kind)
        columns = self._columns.astype(kind)

        def scores(work: RealArray, out: RealArray) -> None:
            e, b = np.ascontiguousarray(work[:, 0]), np.ascontiguousarray(work[:, 1])
            weights = self.people_weights(np.asarray(b, dtype=float)[:, None]).astype(kind)
            shares = columns[:, 0] @ b
            room = np.maximum(1 - np.square(shares), LEAST)
            products = np.array(of_columns(e))
            slope_given(
                e, b, signs, columns, products, of_ones(e * b)[:, 0], shares, weights,
                (self.floor / room).astype(kind), out,
            )  # fmt: skip

        return scores


class HallGiven(Given, Hall):
    """Hall's statistic (`Hall`) of two groups, given a covariate by voxel with one slope for both.

    The cluster-forming threshold is that without covariates.
    """

    def __init__(self, effect: FloatArray, nuisance: FloatArray, groups: LabelArray) -> None:
        Hall.__init__(self, effect, nuisance, groups)
        self._give(1)
        self._first = self._members[:, 0]  # members of the smaller group
        self._first_cross = self._cross[0]

    def _fit_part(
        self, fit: Fit, part: slice, e: FloatArray, length: FloatArray, b: FloatArray
    ) -> None:
        super()._fit_part(fit, part, e, length, b)
        flat = fit.flat[part]
        own = self._groups(e, length, b, flat)
        counts, df = self._members.sum(axis=0)[:, None], own.df
        factor = np.where(df < 2, 0, counts / np.where(df < 2, 1, df * (df - 1)))
        cubes = (self._members.T @ own.weights**3) * (self._members.T @ own.rest**3)
        slope = np.einsum("nv,nv->v", own.weights, e)
        error = np.sqrt(own.parts.sum(axis=0))
        t = corrected(slope / error, (factor * cubes).sum(axis=0) / error**3)
        fit.statistic[part] = np.where(flat, 0, t)
        fit.standard_error[part] = np.where(flat, 0, error / self._length)
        spread = np.square(own.parts / error**2) / df
        fit.degrees_of_freedom[part] = 1 / spread.sum(axis=0)

    def _groups(
        self, e: FloatArray, length: FloatArray, b: FloatArray, flat: BoolArray
    ) -> "_Groups":
        """Estimate what each group adds to the variance of the effect."""
        direction, room = self.direction(b)
        weights = direction / np.where(room > 0, room, 1)
        rest = e - direction * np.einsum("nv,nv->v", weights, e)
        own = b[:, 0]
        there = np.einsum("nv,nv->v", own, own) > 0.5
        of_first = own * self._first[:, None]
        cross = np.empty((2, own.shape[1], *(self._columns.shape[1] + 1,) * 2))
        for group, share in enumerate((self._first_cross, np.eye(len(self._first_cross)))):
            part = of_first if group == 0 else own
            cross[group, :, :-1, :-1] = share
            cross[group, :, :-1, -1] = cross[group, :, -1, :-1] = (self._columns.T @ part).T
            cross[group, :, -1, -1] = np.einsum("nv,nv->v", part, own)
        cross[1, ~there, -1, -1] = 1
        whole = cross[1].copy()
        cross[1] -= cross[0]
        leverage = np.einsum("vij,gvji->gv", np.linalg.inv(whole), cross)
        leverage[1] -= ~there
        df = self._members.sum(axis=0)[:, None] - leverage
        squares = np.maximum(self._members.T @ np.square(rest), FLOOR * np.square(length))
        squares = np.where(flat, 1, squares)
        weight = df / squares
        total = np.einsum("gv,gvij->vij", weight, cross)
        first = np.zeros((len(total), total.shape[1], 1))
        first[:, 0] = 1
        solved = np.linalg.solve(total, first)[:, :, 0]
        parts = weight * np.einsum("vi,gvij,vj->gv", solved, cross, solved, optimize=True)
        return _Groups(parts, df, rest, weights)

    def group_variances(self, data: MapData) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Compute the residual variance of each group; df are by voxel, (n_groups, n_voxels)."""
        variances, freedom = np.empty((2, 2, data.shape[-1]))
        for part, own in self._parts(data):
            freedom[:, part] = own.df
            variances[:, part] = self._members.T @ np.square(own.rest) / own.df
        return variances, freedom, self._members.sum(axis=0)

    def squared_weights(self, data: MapData) -> FloatArray:
        weights = np.empty((2, data.shape[-1]))
        for part, own in self._parts(data):
            weights[:, part] = self._members.T @ np.square(own.weights / self._length)
        return weights

    def _parts(self, data: MapData) -> Iterator[tuple[slice, "_Groups"]]:
        """Estimate some voxels after the others; a group that does not vary varies by rounding."""
        for part in chunks(data.shape):
            y = np.asarray(data[..., part], dtype=float)
            b, _ = self.covariates(y[:, 1:])
            e, length = self._given(y[:, 0], b)
            yield part, self._groups(e, length, b, np.zeros(len(length), dtype=bool))

    def batch(self, arrangements: Arrangements) -> Batch:
        kind, n = self.work_type, len(self.effect)
        flips = arrangements.order is None
        squares_only = arrangements if flips else replace(arrangements, signs=None)
        of_columns = _products(self._columns, arrangements, kind)
        of_ones = _products(np.ones((n, 1)), arrangements, kind)
        first_columns = self._columns * self._first[:, None]
        of_first = None if flips else _products(first_columns, arrangements, kind)
        of_squares = None if flips else _products(self._first[:, None], squares_only, kind)
        columns, cross = self._columns.astype(kind), self._first_cross
        order: IntArray = np.arange(n, dtype=np.int32)[None]
        if arrangements.order is not None:
            order = arrangements.order
        signs = np.ones((1, n), dtype=kind)
        if arrangements.signs is not None:
            signs = arrangements.signs.astype(kind)
        counts = self._members.sum(axis=0)

        def scores(work: RealArray, out: RealArray) -> None:
            e, b = np.ascontiguousarray(work[:, 0]), np.ascontiguousarray(work[:, 1])
            products = np.array(of_columns(e))
            if of_first is None or of_squares is None:
                mixed = np.array(of_ones(e * b)[:, 0])
                shared = (columns.T @ b)[None]
                first = (first_columns.astype(kind).T @ b)[None]
                squared = (self._first.astype(kind) @ np.square(b))[None]
            else:
                mixed = np.zeros((1, work.shape[-1]), dtype=kind)
                shared, first = np.array(of_columns(b)), of_first(b)
                squared = of_squares(np.square(b))[:, 0]
            hall_given(
                e, b, order, signs, columns, self._first, products, mixed, shared, first, squared,
                cross, counts, self.rounding, out,
            )  # fmt: skip

        return scores


class HotellingGiven(Given, Hotelling):
    """Hotelling's T² (`Hotelling`) of several measures, given covariates by voxel.

    All covariates are in the model of all measures.
    """

    def __init__(
        self, effect: FloatArray, nuisance: FloatArray, measures: int, n_covariates: int
    ) -> None:
        Hotelling.__init__(self, effect, nuisance, measures)
        self._give(n_covariates)
        self.df_error = self.df - measures + 1
        if self.df_error < 1:
            raise Fault(
                f"{len(self.effect)} people are too few for Hotelling's T² on {measures} measures "
                f"given {n_covariates} baselines; leave the baseline or covariates out, or add "
                "people"
            )

    def to_score(self, statistic: Values) -> Values:
        return statistic

    def to_statistic(self, score: RealArray) -> RealArray:
        return score

    def fit(self, data: MapData, work: RealArray | None = None) -> Fit:
        """Fit the model to the observed data; see `Hotelling.fit` and `Given.fit`."""
        fit = empty_fit(data.shape[-1], data.shape, work)
        p = self.measures
        for part in chunks(data.shape):
            y = np.asarray(data[..., part], dtype=float)
            b, _ = self.covariates(y[:, p:])
            direction, room = self.direction(b)
            flat, root = room == 0, np.sqrt(np.where(room > 0, room, 1))
            explained, effect = np.zeros(len(root)), np.zeros(len(root))
            earlier: list[FloatArray] = []
            for measure in range(p):
                e, length = self._given(y[:, measure], b)
                along = np.einsum("nv,nv->v", direction, e) / root**2 / self._length
                effect += np.square(along)
                own = orthonormal(e, length, earlier)
                flat = flat | ~own.any(axis=0)
                earlier.append(own)
                explained += np.square(np.einsum("nv,nv->v", direction, own) / root)
                fit.work[:, measure, part] = own
            fit.work[:, p:, part] = b
            flat = flat | (explained >= 1 - 1e-12)
            share = np.where(flat, 0, explained)
            fit.statistic[part] = share / (1 - share) * self._freedom
            fit.effect[part] = np.sqrt(effect)
            fit.flat[part] = flat
        fit.t[:] = fit.standard_error[:] = np.nan
        fit.degrees_of_freedom[:] = self.df_error
        fit.score[:] = fit.statistic
        return fit

    def effects(self, data: MapData) -> FloatArray:
        """Estimate the effect on each measure, shape (n_measures, n_voxels)."""
        found = np.empty((self.measures, data.shape[-1]))
        for part in chunks(data.shape):
            y = np.asarray(data[..., part], dtype=float)
            direction, room = self.direction(self.covariates(y[:, self.measures :])[0])
            scale = np.where(room > 0, room, 1) * self._length
            found[:, part] = np.einsum("nv,npv->pv", direction, y[:, : self.measures]) / scale
        return found

    @property
    def _freedom(self) -> float:
        return self.df_error / self.measures


@dataclass
class _Groups:
    """The two groups in the variance of an effect given a covariate.

    Attributes
    ----------
    parts : ndarray, shape (2, n_voxels)
        Each group's part of the variance of the effect along its unit column.
    df : ndarray, shape (2, n_voxels)
        Residual degrees of freedom of each group.
    rest : ndarray, shape (n_people, n_voxels)
        Residuals of the full model.
    weights : ndarray, shape (n_people, n_voxels)
        The effect is the sum of the data times these.
    """

    parts: FloatArray
    df: FloatArray
    rest: FloatArray
    weights: FloatArray


def _products(
    columns: FloatArray, arrangements: Arrangements, kind: type[np.floating[Any]]
) -> _Sums:
    """Prepare sums over people; in double precision they are matrix products."""
    if kind is np.float32:
        return Products(columns, arrangements)
    table = arrangements.arranged(columns, np.float64)

    def sums(data: RealArray) -> RealArray:
        found: RealArray = table @ data
        return found

    return sums
