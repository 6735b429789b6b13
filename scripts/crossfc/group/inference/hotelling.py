"""Hotelling's T²: an effect on several measures of the same people at once."""

from collections.abc import Sequence

import numpy as np

from crossfc.array import FloatArray, MapData, RealArray
from crossfc.compiled import compiled
from crossfc.fault import Fault
from crossfc.group.design.arrangement import Arrangements
from crossfc.group.inference.fisher import FRatio
from crossfc.group.inference.product import Products
from crossfc.group.inference.statistic import (
    FLOOR,
    Batch,
    Fit,
    chunks,
    empty_fit,
    unit_length,
)


def orthonormal(e: FloatArray, length: FloatArray, earlier: Sequence[FloatArray]) -> FloatArray:
    """Make a further measure of the same people orthogonal to those before it, of length 1.

    Parameters
    ----------
    e : ndarray, shape (n_people, n_voxels)
        Its residuals.
    length : ndarray, shape (n_voxels,)
        Their length, 0 where they are rounding.
    earlier : sequence of ndarray, each of the shape of ``e``
        What this function returned for the measures before it.

    Returns
    -------
    ndarray, shape (n_people, n_voxels)
        Zero where nothing is left.
    """
    for unit in (*earlier, *earlier):  # twice, as once leaves rounding errors
        e = e - unit * np.einsum("nv,nv->v", unit, e)
    left = np.sqrt(np.einsum("nv,nv->v", e, e))
    left[(length == 0) | (left <= 1e-7 * length)] = 0
    return unit_length(e, left)


class Hotelling(FRatio):
    """Hotelling's T² of one effect column on several measures at once, expressed as F.

    F = T² (df - p + 1) / (df p) on p and df - p + 1 degrees of freedom, for p measures and df
    residual degrees of freedom (Rencher 2002, Methods of Multivariate Analysis, sec. 5.6).

    Parameters
    ----------
    effect, nuisance : ndarray
        See `Student`.
    measures : int
        Number of measures, p.

    Raises
    ------
    Fault
        See `Student`; also if there are too few people for the number of measures.
    """

    def __init__(self, effect: FloatArray, nuisance: FloatArray, measures: int) -> None:
        super().__init__(effect, nuisance)
        self.measures = self.df_effect = measures
        self.df_error = self.df - measures + 1
        if self.df_error < 1:
            raise Fault(
                f"{len(self.effect)} people are too few for Hotelling's T² on {measures} measures; "
                "add people or leave covariates out"
            )

    def fit(self, data: MapData, work: RealArray | None = None) -> Fit:
        """Fit the model to the observed data.

        Parameters
        ----------
        data : array, shape (n_people, n_measures, n_voxels)
            Only ``data.shape`` and ``data[..., part]`` are used, so it may be a file on disk.
        work : float32 ndarray, optional
            Array of the same shape for the residuals, made orthonormal over the measures.

        Returns
        -------
        Fit
            ``effect`` is the length of the effect over the measures (root of the sum of squares),
            in units of the data; there is no standard error and no t.
        """
        fit = empty_fit(data.shape[-1], self.work_shape(data.shape), work)
        for part in chunks(data.shape):
            explained = 0.0
            effect = 0.0
            flat = np.zeros(len(fit.score[part]), dtype=bool)
            earlier: list[FloatArray] = []
            block = np.asarray(data[..., part], dtype=float)
            for measure in range(self.measures):
                e, length = self._residual(block[:, measure])
                effect = effect + np.square(self._direction @ e / self._length)
                # T² does not change when the measures are made orthogonal.
                unit = orthonormal(e, length, earlier)
                flat |= ~unit.any(axis=0)
                earlier.append(unit)
                explained = explained + np.square(self._direction @ unit)
                fit.work[:, measure, part] = unit
            flat |= explained >= 1 - 1e-12
            share = np.where(flat, 0, explained)
            fit.statistic[part] = share / (1 - share) * self.df_error / self.measures
            fit.score[part] = share
            fit.effect[part] = np.sqrt(effect)
            fit.flat[part] = flat
        fit.t[:] = np.nan
        fit.standard_error[:] = np.nan
        fit.degrees_of_freedom[:] = self.df_error
        return fit

    def batch(self, arrangements: Arrangements) -> Batch:
        of_measures = Products(self._columns, arrangements)

        def scores(work: RealArray, out: RealArray) -> None:
            # The measures are laid side by side and treated like voxels.
            products = of_measures(work.reshape(len(work), -1))
            _hotelling(products.reshape(*products.shape[:2], self.measures, -1), out)

        return scores


@compiled
def _hotelling(products: np.ndarray, out: np.ndarray) -> None:
    """Compute b'A⁻¹b in place, with A = I - Σ qq' = LDL', b effect and q nuisance products."""
    measures, width = products.shape[2], out.shape[1]
    factor = np.empty((measures, measures, width), dtype=np.float32)  # L below, 1/D on the diagonal
    scaled = np.empty((measures, width), dtype=np.float32)  # a row of LD
    solved = np.empty((measures, width), dtype=np.float32)  # L⁻¹b
    for row in range(out.shape[0]):
        score = out[row]
        for i in range(measures):
            right = solved[i]
            effect = products[row, 0, i]
            for voxel in range(width):
                right[voxel] = effect[voxel]
            for j in range(i + 1):
                entry = scaled[j]
                start = np.float32(1 if i == j else 0)
                for voxel in range(width):
                    entry[voxel] = start
                for column in range(1, products.shape[1]):
                    mine = products[row, column, i]
                    other = products[row, column, j]
                    for voxel in range(width):
                        entry[voxel] -= mine[voxel] * other[voxel]
                for k in range(j):
                    mine = scaled[k]
                    other = factor[j, k]
                    for voxel in range(width):
                        entry[voxel] -= mine[voxel] * other[voxel]
                share = factor[i, j]
                if i == j:
                    for voxel in range(width):
                        share[voxel] = np.float32(1) / max(entry[voxel], FLOOR)
                else:
                    known = solved[j]
                    inverse = factor[j, j]
                    for voxel in range(width):
                        share[voxel] = entry[voxel] * inverse[voxel]
                        right[voxel] -= share[voxel] * known[voxel]
            inverse = factor[i, i]
            if i == 0:
                for voxel in range(width):
                    score[voxel] = right[voxel] * right[voxel] * inverse[voxel]
            else:
                for voxel in range(width):
                    score[voxel] += right[voxel] * right[voxel] * inverse[voxel]
