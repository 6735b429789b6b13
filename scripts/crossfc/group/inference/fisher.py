"""Fisher's F: several columns of a linear model at once."""

import numpy as np

from crossfc.array import FloatArray, MapData, RealArray
from crossfc.compiled import compiled
from crossfc.fault import Fault
from crossfc.group.design.arrangement import Arrangements
from crossfc.group.inference.product import Products
from crossfc.group.inference.statistic import FLOOR, Batch, Fit, Student, Values, chunks, empty_fit


class FRatio(Student):
    """A statistic that is reported as F.

    The score is the share of variance explained, R² = F df₁ / (F df₁ + df₂).

    Attributes
    ----------
    df_effect, df_error : int
        Degrees of freedom of F, df₁ and df₂.
    """

    name = "F"
    signed = False
    df_effect: int
    df_error: int

    @property
    def effect_variance(self) -> float:
        """NaN, as an effect of several numbers has no single variance."""
        return float("nan")

    def to_score(self, statistic: Values) -> Values:
        scaled = statistic * self.df_effect / self.df_error
        return scaled / (1 + scaled)

    def to_statistic(self, score: RealArray) -> RealArray:
        score = np.asarray(score)
        score = np.minimum(score, 1 - np.finfo(score.dtype).eps)
        return score / (1 - score) * (self.df_error / self.df_effect)

    def to_height(self, statistic: RealArray) -> RealArray:
        """Convert a statistic to the height used for cluster mass and TFCE: √F."""
        return np.sqrt(statistic)

    def forming_threshold(self, p: float, two_sided: bool) -> float:
        from scipy.special import fdtri

        return float(fdtri(self.df_effect, self.df_error, 1 - p))


class Fisher(FRatio):
    """F of several columns of a linear model at once (an F contrast).

    F = (R² / k) / ((1 - R²) / df) on k and df = n - k - q degrees of freedom, for n people, k
    effect columns and q nuisance columns. R² is the score: of the variation that the nuisance
    leaves, the share that the effect explains. It does not depend on how the effect is coded.
    With one effect column, F is t².

    Parameters
    ----------
    effect : ndarray, shape (n_people, n_columns)
        The columns under test.
    nuisance : ndarray, shape (n_people, n_nuisance)
        The other columns of the model; n_nuisance may be 0.

    Raises
    ------
    Fault
        If no column is under test, the model has no unique fit or leaves no degrees of freedom.
    """

    def __init__(self, effect: FloatArray, nuisance: FloatArray) -> None:
        effect = np.asarray(effect, dtype=float)
        effect = effect.reshape(len(effect), -1)
        self.df_effect = effect.shape[1]
        if self.df_effect == 0:
            raise Fault("there is no column to test; give F at least one")
        super().__init__(effect, nuisance)
        self.df_error = self.df
        left = self.effect - self._basis @ (self._basis.T @ self.effect)
        self._directions = np.linalg.qr(left)[0]
        self._columns = np.column_stack([self._directions, self._basis])

    def fit(self, data: MapData, work: RealArray | None = None) -> Fit:
        """Fit the model to the observed data.

        Parameters
        ----------
        data, work : ndarray
            See `Student.fit`.

        Returns
        -------
        Fit
            ``effect`` is the standard deviation over people of the part of the data that the
            effect columns explain beyond the nuisance, in units of the data (σₘ of Cohen 1988,
            Statistical Power Analysis, sec. 8.2); it does not depend on how the effect is coded.
            There is no standard error and no t.
        """
        fit = empty_fit(data.shape[-1], self.work_shape(data.shape), work)
        for part in chunks(data.shape):
            y = np.asarray(data[..., part], dtype=float)
            e, length = self._residual(y)
            along = self._directions.T @ e
            rest = e - self._directions @ along
            explained = np.einsum("kv,kv->v", along, along)
            squares = np.einsum("nv,nv->v", rest, rest)
            flat = (length == 0) | (squares <= 1e-20 * length**2)
            with np.errstate(divide="ignore", invalid="ignore"):
                f = (explained / self.df_effect) / (squares / self.df_error)
                fit.work[:, part] = np.where(length == 0, 0, e / length)
            fit.statistic[part] = np.where(flat, 0, f)
            fit.effect[part] = np.sqrt(explained / len(y))
            fit.flat[part] = flat
        fit.t[:] = np.nan
        fit.standard_error[:] = np.nan
        fit.degrees_of_freedom[:] = self.df_error
        fit.score[:] = self.to_score(fit.statistic)
        return fit

    def batch(self, arrangements: Arrangements) -> Batch:
        products = Products(self._columns, arrangements)

        def scores(work: RealArray, out: RealArray) -> None:
            _fisher(products(work), self.df_effect, out)

        return scores


@compiled
def _fisher(products: np.ndarray, n_effect: int, out: np.ndarray) -> None:
    width = out.shape[1]
    rest = np.empty(width, dtype=np.float32)
    for row in range(out.shape[0]):
        score = out[row]
        along = products[row, 0]
        for voxel in range(width):
            score[voxel] = along[voxel] * along[voxel]
            rest[voxel] = np.float32(1)
        for column in range(1, n_effect):
            along = products[row, column]
            for voxel in range(width):
                score[voxel] += along[voxel] * along[voxel]
        for column in range(n_effect, products.shape[1]):
            nuisance = products[row, column]
            for voxel in range(width):
                rest[voxel] -= nuisance[voxel] * nuisance[voxel]
        for voxel in range(width):
            score[voxel] /= max(rest[voxel], FLOOR)
