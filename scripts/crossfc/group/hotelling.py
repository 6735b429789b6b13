"""Hotelling's T²: an effect on several measures of the same people at once."""

import numpy as np

from crossfc.fault import Fault
from crossfc.group.compiled import compiled
from crossfc.group.statistic import CHUNK, FLOOR, Fit, Student, empty_fit


class Hotelling(Student):
    """Hotelling's T² of one column on several measures at once, as F.

    F = T² (df - p + 1) / (df p) on p and df - p + 1 degrees of freedom, for p measures and df
    residual degrees of freedom (Rencher 2002, Methods of Multivariate Analysis, sec. 5.6).

    Parameters
    ----------
    effect, nuisance : ndarray
        See `Student`.
    measures : int
        How many measures, p.
    """

    name = "F"
    signed = False

    def __init__(self, effect: np.ndarray, nuisance: np.ndarray, measures: int) -> None:
        super().__init__(effect, nuisance)
        self.measures = measures
        self.df_error = self.df - measures + 1
        if self.df_error < 1:
            raise Fault(
                f"{len(self.effect)} people are too few for Hotelling's T² on {measures} measures"
            )

    def fit(self, data: np.ndarray) -> Fit:
        """Fit the model as observed.

        Parameters
        ----------
        data : ndarray, shape (n_people, n_measures, n_voxels)

        Returns
        -------
        Fit
            ``effect`` is the root of the summed squares of the effect over the measures; there
            is no standard error.
        """
        n_people, measures, n_voxels = data.shape
        fit = empty_fit(n_voxels, (measures, n_people, n_voxels))
        for first in range(0, n_voxels, CHUNK):
            part = slice(first, first + CHUNK)
            explained = 0.0
            effect = 0.0
            flat = np.zeros(len(fit.score[part]), dtype=bool)
            earlier: list[np.ndarray] = []
            for measure in range(measures):
                y = np.asarray(data[:, measure, part], dtype=float)
                e, length = self._residual(y)
                effect = effect + np.square(self._direction @ e / self._length)
                # T² does not change when the measures are made orthogonal.
                for unit in (*earlier, *earlier):  # twice: once is not orthogonal to rounding
                    e = e - unit * np.einsum("nv,nv->v", unit, e)
                left = np.sqrt(np.einsum("nv,nv->v", e, e))
                left[(length == 0) | (left <= 1e-7 * length)] = 0
                with np.errstate(divide="ignore", invalid="ignore"):
                    unit = np.where(left == 0, 0, e / left)
                flat |= left == 0
                earlier.append(unit)
                explained = explained + np.square(self._direction @ unit)
                fit.work[measure, :, part] = unit
            flat |= explained >= 1 - 1e-12
            share = np.where(flat, 0, explained)
            fit.statistic[part] = share / (1 - share) * self.df_error / measures
            fit.score[part] = share
            fit.effect[part] = np.sqrt(effect)
            fit.flat[part] = flat
        fit.t[:] = np.nan
        fit.standard_error[:] = np.nan
        fit.degrees_of_freedom[:] = self.df_error
        return fit

    def to_score(self, statistic: np.ndarray) -> np.ndarray:
        scaled = statistic * self.measures / self.df_error
        return scaled / (1 + scaled)

    def to_statistic(self, score: np.ndarray) -> np.ndarray:
        score = np.minimum(np.asarray(score, dtype=float), 1 - 1e-12)
        return score / (1 - score) * self.df_error / self.measures

    def forming_threshold(self, p: float, two_sided: bool) -> float:
        from scipy.stats import f

        return float(f.isf(p, self.measures, self.df_error))

    def scores(self, coefficients, work, part, out) -> None:
        products = self._product(coefficients, work[:, :, part])
        _hotelling(products, self._columns.shape[1], out[:, part])


@compiled
def _hotelling(products, columns, out):
    """b'A⁻¹b with A = I - Σ qq', by Cholesky in place; b effect, q nuisance products."""
    measures = products.shape[0]
    width = out.shape[1]
    factor = np.empty((measures, measures, width), dtype=np.float32)
    solved = np.empty((measures, width), dtype=np.float32)
    for row in range(out.shape[0]):
        base = row * columns
        score = out[row]
        for voxel in range(width):
            score[voxel] = np.float32(0)
        for i in range(measures):
            for j in range(i + 1):
                entry = factor[i, j]
                start = np.float32(1 if i == j else 0)
                for voxel in range(width):
                    entry[voxel] = start
                for column in range(1, columns):
                    mine = products[i, base + column]
                    other = products[j, base + column]
                    for voxel in range(width):
                        entry[voxel] -= mine[voxel] * other[voxel]
                for k in range(j):
                    mine = factor[i, k]
                    other = factor[j, k]
                    for voxel in range(width):
                        entry[voxel] -= mine[voxel] * other[voxel]
                if i == j:
                    for voxel in range(width):
                        entry[voxel] = np.sqrt(max(entry[voxel], FLOOR))
                else:
                    corner = factor[j, j]
                    for voxel in range(width):
                        entry[voxel] /= corner[voxel]
            right = solved[i]
            effect = products[i, base]
            for voxel in range(width):
                right[voxel] = effect[voxel]
            for k in range(i):
                mine = factor[i, k]
                known = solved[k]
                for voxel in range(width):
                    right[voxel] -= mine[voxel] * known[voxel]
            corner = factor[i, i]
            for voxel in range(width):
                right[voxel] /= corner[voxel]
                score[voxel] += right[voxel] * right[voxel]
