"""Pillai's trace: several effects on several measures of the same people at once."""

import numpy as np

from crossfc.array import FloatArray, MapData, RealArray
from crossfc.compiled import compiled
from crossfc.fault import Fault
from crossfc.group.design.arrangement import Arrangements
from crossfc.group.inference.fisher import Fisher
from crossfc.group.inference.hotelling import orthonormal
from crossfc.group.inference.product import Products
from crossfc.group.inference.statistic import FLOOR, Batch, Fit, chunks, empty_fit


class Pillai(Fisher):
    """Pillai's trace V of several effect columns on several measures at once, expressed as F.

    V = tr(H (H + E)⁻¹), with H the products of the measures that the effect explains beyond the
    nuisance, and E those of the residuals. With p measures, k effect columns, df residual degrees
    of freedom and s = min(p, k), F = V / (s - V) · df₂ / df₁ on df₁ = s max(p, k) and
    df₂ = s (df - p + s) degrees of freedom (Pillai 1955, Ann Math Stat 26:117; Rencher 2002,
    Methods of Multivariate Analysis, sec. 6.1). Of one effect column it is Hotelling's T², and of
    the traces and roots it is the least disturbed by groups of unequal covariance (Olson 1974, J Am
    Stat Assoc 69:894). The score is V / s. It does not depend on which contrasts the measures are,
    as long as they span the same differences.

    Parameters
    ----------
    effect : ndarray, shape (n_people, n_columns)
        The columns under test.
    nuisance : ndarray, shape (n_people, n_nuisance)
    measures : int
        Number of measures, p.

    Raises
    ------
    Fault
        See `Fisher`; also if there are too few people for the number of measures.
    """

    def __init__(self, effect: FloatArray, nuisance: FloatArray, measures: int) -> None:
        super().__init__(effect, nuisance)
        columns = self.df_effect
        self.measures, self.rank = measures, min(measures, columns)
        self.df_effect = self.rank * max(measures, columns)
        self.df_error = self.rank * (self.df - measures + self.rank)
        if self.df < measures:
            raise Fault(
                f"{len(self.effect)} people are too few for Pillai's trace of {measures} measures; "
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
            ``effect`` is the length over the measures (root of the sum of squares) of the standard
            deviation over people that the effect explains (`Fisher.fit`). There is no standard
            error and no t.
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
                effect = effect + np.square(self._directions.T @ e).sum(axis=0)
                # V does not change when the measures are made orthogonal.
                unit = orthonormal(e, length, earlier)
                flat |= ~unit.any(axis=0)
                earlier.append(unit)
                explained = explained + np.square(self._directions.T @ unit).sum(axis=0)
                fit.work[:, measure, part] = unit
            flat |= explained >= self.rank * (1 - 1e-12)
            share = np.where(flat, 0, explained / self.rank)
            fit.statistic[part] = share / (1 - share) * self.df_error / self.df_effect
            fit.score[part] = share
            fit.effect[part] = np.sqrt(effect / len(block))
            fit.flat[part] = flat
        fit.t[:] = np.nan
        fit.standard_error[:] = np.nan
        fit.degrees_of_freedom[:] = self.df_error
        return fit

    def batch(self, arrangements: Arrangements) -> Batch:
        of_measures = Products(self._columns, arrangements)
        n_effect, rank = self._directions.shape[1], np.float32(self.rank)

        def scores(work: RealArray, out: RealArray) -> None:
            # The measures are laid side by side and treated like voxels.
            products = of_measures(work.reshape(len(work), -1))
            _pillai(products.reshape(*products.shape[:2], self.measures, -1), n_effect, rank, out)

        return scores


@compiled
def _pillai(products: np.ndarray, n_effect: int, rank: np.float32, out: np.ndarray) -> None:
    """Compute Σ b'A⁻¹b / rank, with A = I - Σ qq' = LDL', b effect and q nuisance products."""
    measures, width = products.shape[2], out.shape[1]
    factor = np.empty((measures, measures, width), dtype=np.float32)  # L below, 1/D on the diagonal
    scaled = np.empty((measures, width), dtype=np.float32)  # a row of LD
    solved = np.empty((measures, width), dtype=np.float32)  # L⁻¹b
    for row in range(out.shape[0]):
        score = out[row]
        for voxel in range(width):
            score[voxel] = np.float32(0)
        for i in range(measures):
            for j in range(i + 1):
                entry = scaled[j]
                start = np.float32(1 if i == j else 0)
                for voxel in range(width):
                    entry[voxel] = start
                for column in range(n_effect, products.shape[1]):
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
                    inverse = factor[j, j]
                    for voxel in range(width):
                        share[voxel] = entry[voxel] * inverse[voxel]
        for column in range(n_effect):
            for i in range(measures):
                right, effect = solved[i], products[row, column, i]
                for voxel in range(width):
                    right[voxel] = effect[voxel]
                for j in range(i):
                    share, known = factor[i, j], solved[j]
                    for voxel in range(width):
                        right[voxel] -= share[voxel] * known[voxel]
                inverse = factor[i, i]
                for voxel in range(width):
                    score[voxel] += right[voxel] * right[voxel] * inverse[voxel] / rank
