"""Slopes: the effect of one column, with a standard error for unequal variances of people."""

from dataclasses import replace

import numpy as np

from crossfc.array import FloatArray, MapData, RealArray
from crossfc.compiled import compiled
from crossfc.group.design.arrangement import Arrangements
from crossfc.group.inference.product import Products
from crossfc.group.inference.statistic import FLOOR, Batch, Fit, OwnVariance, chunks


class Slope(OwnVariance):
    """The t of one column with White's standard error, for slopes on a measure of people.

    If the variance of the errors depends on the column under test (people with a large change of
    score have a more variable change of connectivity), Student's t rejects too often, and so does
    its permutation test: shuffles make errors and column independent, but the null hypothesis only
    makes them uncorrelated. A statistic that is divided by a standard error for unequal variances
    is valid in large samples for any variances, and still exact if errors are exchangeable
    (DiCiccio and Romano 2017, J Am Stat Assoc 112:1211; Janssen 1997, Stat Probab Lett 36:9).

    Let x be the residuals of the column on the other columns, scaled to length 1. The slope along
    x is b = x'y, and its variance Σ x² r² / (1 - h), with r the residuals of the full model and h
    each person's leverage. This is HC2 (MacKinnon and White 1985, J Econom 29:305), which is
    unbiased for equal variances; for two groups and no covariates b / √variance is Welch's t.

    For arranged data y*, with w = x² / (1 - h) and c the products of y* with the model's
    orthonormal columns u, Σ w r² = Σ w y*² - 2 Σ c (w u)'y* + c'(u'wu)c. This needs one more
    product per column of the model, and one with the squares of the data.

    Parameters
    ----------
    effect, nuisance : ndarray
        See `Student`.

    Attributes
    ----------
    robust_df : float
        Degrees of freedom of the variance under equal variances, (Σ w (1 - h))² / w'(M∘M)w with
        M the residual-forming matrix (Bell and McCaffrey 2002, Surv Methodol 28:169). It sets the
        cluster-forming threshold and depends only on the design.

    Notes
    -----
    Take the variance that the slope would have with equal variances if the model explained
    nothing. A variance below the share `FLOOR` of it counts as rounding and is raised to this
    share, for the observed data and the arrangements alike. A person with leverage 1 has no
    residual and gets no weight.
    """

    # The variance is a difference in single precision, as in `Welch`.
    tie = 1e-4

    def __init__(self, effect: FloatArray, nuisance: FloatArray) -> None:
        super().__init__(effect, nuisance)
        columns = self._columns
        room = 1 - np.square(columns).sum(axis=1)
        alone = room < 1e-10
        self.weights = np.where(alone, 0, np.square(self._direction) / np.where(alone, 1, room))
        forming = np.eye(len(columns)) - columns @ columns.T
        total = self.weights @ np.square(forming) @ self.weights
        self.robust_df = float(np.square(self.weights @ np.diag(forming)) / total)
        # Smallest variance that is not rounding, as a share of the squared length of the data.
        self.floor = float(FLOOR) / self.df
        weighed = columns * self.weights[:, None]
        self._both = np.column_stack([columns, weighed])
        self._cross = np.ascontiguousarray(columns.T @ weighed, dtype=np.float32)

    def fit(self, data: MapData, work: RealArray | None = None) -> Fit:
        fit = super().fit(data, work)
        for part in chunks(data.shape):
            y = np.asarray(data[..., part], dtype=float)
            e, length = self._residual(y)
            rest = e - np.outer(self._direction, self._direction @ e)
            flat = fit.flat[part]
            variance = np.maximum(self.weights @ np.square(rest), self.floor * np.square(length))
            error = np.sqrt(np.where(flat, 1, variance)) / self._length
            fit.statistic[part] = np.where(flat, 0, fit.effect[part] / error)
            fit.standard_error[part] = np.where(flat, 0, error)
        fit.degrees_of_freedom[:] = self.robust_df
        fit.score[:] = self.to_score(fit.statistic)
        return fit

    def forming_threshold(self, p: float, two_sided: bool) -> float:
        from scipy.special import stdtrit

        return float(-stdtrit(self.robust_df, p / 2 if two_sided else p))

    def batch(self, arrangements: Arrangements) -> Batch:
        weights = self.weights[:, None]
        arranged = None  # sign flips do not change squares
        if arrangements.order is not None:
            arranged = Products(weights, replace(arrangements, signs=None))
        fixed = np.ascontiguousarray(weights.T, dtype=np.float32)
        products, floor = Products(self._both, arrangements), np.float32(self.floor)

        def scores(work: RealArray, out: RealArray) -> None:
            squared = np.square(work)
            squares = arranged(squared) if arranged else (fixed @ squared)[None]
            _slope(products(work), squares, self._cross, floor, out)

        return scores


@compiled
def _slope(
    products: np.ndarray, squares: np.ndarray, cross: np.ndarray, floor: np.float32, out: np.ndarray
) -> None:
    width, n_columns = out.shape[1], cross.shape[0]
    variance = np.empty(width, dtype=np.float32)
    two = np.float32(2)
    for row in range(out.shape[0]):
        whole = squares[row if squares.shape[0] > 1 else 0, 0]
        for voxel in range(width):
            variance[voxel] = whole[voxel]
        for i in range(n_columns):
            mine = products[row, i]
            weighed = products[row, n_columns + i]
            share = cross[i, i]
            for voxel in range(width):
                variance[voxel] += mine[voxel] * (share * mine[voxel] - two * weighed[voxel])
            for j in range(i):
                other = products[row, j]
                shared = two * cross[i, j]
                for voxel in range(width):
                    variance[voxel] += shared * mine[voxel] * other[voxel]
        along, score = products[row, 0], out[row]
        for voxel in range(width):
            score[voxel] = along[voxel] * abs(along[voxel]) / max(variance[voxel], floor)
