"""Statistics of few people in double precision, so that equivalent arrangements tie.

With few people the model can explain nearly all of a voxel, and t is then in the hundreds. Single
precision is enough for R², but not for 1 - R²: the mirror image of an arrangement (all signs
reversed, or both orders of treatments exchanged) got another TFCE value than the arrangement
itself, and p was 1/32 where no p below 2/32 is possible. Here the residual sum of squares is not a
difference, but is summed over directions orthogonal to the model, so no precision is lost.
"""

from functools import partial
from typing import Any

import numpy as np

from crossfc.array import FloatArray, MapData, RealArray
from crossfc.compiled import compiled
from crossfc.group.design.arrangement import SHUFFLES, Arrangements
from crossfc.group.inference.fisher import Fisher
from crossfc.group.inference.given import Given
from crossfc.group.inference.hall import Hall, corrected
from crossfc.group.inference.hotelling import Hotelling
from crossfc.group.inference.pillai import Pillai
from crossfc.group.inference.slope import Slope
from crossfc.group.inference.statistic import FLOOR, Batch, Fit, Student, Values
from crossfc.group.inference.welch import Welch
from crossfc.group.inference.welch_f import WelchF

# Largest numbers of people for double precision, whose matrix products take several times as long:
# the first for any arrangements, the second if all arrangements are enumerated. With more people,
# a few random arrangements out of very many hardly ever include equivalent ones.
FEW_PEOPLE = 8
FEW_ENUMERATED = 12
# Share of the sum of squares below which a residual counts as zero, as in `Student.fit`.
_FLOOR = 1e-20
_BLOCK = 4096  # voxels fitted at once
_TOGETHER = 16  # arrangements processed at once, so that their products fit into a core's cache


def precise(statistic: Student, arrangements: Arrangements) -> bool:
    """Test whether a statistic is to be computed in double precision.

    This holds for all statistics of few people, except Welch's t with three or more variance
    groups, which no analysis uses, and those given covariates by voxel, which have a double
    precision of their own.
    """
    if isinstance(statistic, Given):
        return False
    if isinstance(statistic, Welch) and statistic.groups.max() > 1:
        return False
    most = FEW_ENUMERATED if arrangements.exhaustive else FEW_PEOPLE
    return len(statistic.effect) <= most


class SmallSample:
    """A statistic in double precision; its score is the statistic itself.

    It replaces a `Student` in `crossfc.group.inference.permutation` and
    `crossfc.group.inference.sweep`.

    Parameters
    ----------
    statistic : Student, Slope, Welch, Hall, Fisher, WelchF, Hotelling or Pillai
        See `precise`.
    """

    # Scores are stored in single precision, which cannot tell apart smaller relative differences.
    tie = 1e-6
    work_type: type[np.floating[Any]] = np.float64

    def __init__(self, statistic: Student) -> None:
        self._statistic = statistic
        self.signed = statistic.signed
        self.to_height = statistic.to_height
        self.forming_threshold = statistic.forming_threshold
        self.work_shape = statistic.work_shape
        full = np.column_stack([statistic.effect, statistic.nuisance])
        n_effect = full.shape[1] - statistic.nuisance.shape[1]
        nuisance = np.linalg.qr(statistic.nuisance)[0]
        effect = full[:, :n_effect] - nuisance @ (nuisance.T @ full[:, :n_effect])
        effect = np.linalg.qr(effect)[0] * np.sign(np.diag(np.linalg.qr(effect)[1]))
        if isinstance(statistic, WelchF):
            effect = statistic.directions
        model = np.column_stack([effect, nuisance])
        if isinstance(statistic, Slope | Welch | WelchF):
            # Each person's residual is needed where its square is weighted or summed by group.
            rest = np.eye(len(full)) - model @ model.T
        else:
            rest = np.linalg.svd(model, full_matrices=True)[0][:, model.shape[1] :]
        self._n_effect = n_effect
        self._columns = np.column_stack([effect, rest])

    def to_score(self, statistic: Values) -> Values:
        """Return a statistic as a score: unchanged."""
        return statistic

    def to_statistic(self, score: RealArray) -> RealArray:
        """Return a score as a statistic: unchanged."""
        return score

    def fit(self, data: MapData, work: RealArray) -> Fit:
        """Fit the model to the observed data; see `Student.fit`.

        The statistic is computed in the same way as under arrangements. ``work`` is 0 in flat
        voxels.
        """
        fit = self._statistic.fit(data, work)
        work[..., fit.flat] = 0
        order = np.arange(len(work), dtype=np.int32)[None]
        identity = self.batch(Arrangements(SHUFFLES, order, None, False, 1))
        for first in range(0, work.shape[-1], _BLOCK):
            part = slice(first, min(first + _BLOCK, work.shape[-1]))
            identity(work[..., part], fit.statistic[None, part])
        fit.score[:] = fit.statistic
        return fit

    def batch(self, arrangements: Arrangements) -> Batch:
        """Prepare a batch of arrangements; see `Student.batch`."""
        # Of shape (n_arrangements, n_columns, n_people).
        arranged = arrangements.arranged(self._columns, np.float64)
        return partial(self._scores, arranged)

    def _scores(self, batch: RealArray, work: RealArray, out: RealArray) -> None:
        flat = np.ascontiguousarray(work).reshape(len(work), -1)
        for first in range(0, len(batch), _TOGETHER):
            some = slice(first, first + _TOGETHER)
            self._some_scores(batch[some], flat, out[some])

    def _some_scores(self, batch: RealArray, flat: RealArray, out: RealArray) -> None:
        statistic = self._statistic
        products = (batch.reshape(-1, len(flat)) @ flat).reshape(*batch.shape[:2], -1)
        effect, rest = products[:, : self._n_effect], products[:, self._n_effect :]
        if isinstance(statistic, Welch):
            variance = _welch_variance(statistic, rest)
            t = effect[:, 0] / np.sqrt(variance)
            if isinstance(statistic, Hall):
                t = corrected(t, statistic.third_cumulant(rest) / variance**1.5)
            out[:] = t
        elif isinstance(statistic, Slope):
            variance = np.einsum("n,anv->av", statistic.weights, np.square(rest))
            out[:] = effect[:, 0] / np.sqrt(np.maximum(variance, statistic.floor))
        elif isinstance(statistic, Hotelling):
            shape = (len(batch), -1, statistic.measures, out.shape[1])
            effect, rest = effect.reshape(shape)[:, 0], rest.reshape(shape)
            share = _quadratic(effect, np.einsum("armv,arlv->amlv", rest, rest))
            out[:] = share * (statistic.df_error / statistic.measures)
        elif isinstance(statistic, Pillai):
            shape = (len(batch), -1, statistic.measures, out.shape[1])
            effect, rest = effect.reshape(shape), rest.reshape(shape)
            both = np.concatenate([effect, rest], axis=1)
            total = np.einsum("armv,arlv->amlv", both, both)
            share = np.zeros(out.shape)
            for column in range(effect.shape[1]):
                share += _quadratic(effect[:, column].copy(), total.copy())
            # The whole length of a measure is 1, so what is left is no difference of large numbers
            # unless the effect explains nearly all.
            left = np.maximum(statistic.rank - share, _FLOOR)
            out[:] = share / left * (statistic.df_error / statistic.df_effect)
        elif isinstance(statistic, WelchF):
            for number in range(len(batch)):
                out[number] = statistic.of_residuals(effect[number], rest[number])
        elif isinstance(statistic, Fisher):
            explained = np.einsum("aev,aev->av", effect, effect)
            squares = np.maximum(np.einsum("arv,arv->av", rest, rest), _FLOOR)
            out[:] = explained / squares * (statistic.df_error / statistic.df_effect)
        else:
            _student(products, float(statistic.df), out)


def _welch_variance(statistic: Welch, residuals: RealArray) -> FloatArray:
    """Compute the variance of the effect from everybody's residuals, as `Welch.fit` does."""
    squares = np.square(residuals)
    variances: list[FloatArray] = [
        np.maximum(np.einsum("n,anv->av", members, squares), FLOOR) / df
        for members, df in statistic.variance_groups()
    ]
    total = np.zeros_like(variances[0])
    for group, weight in statistic.variance_alone():
        total += weight * variances[group]
    for share, weight in statistic.variance_shared():
        total += weight / (share / variances[0] + (1 - share) / variances[1])
    return total


@compiled
def _student(products: np.ndarray, df: float, out: np.ndarray) -> None:
    squares = np.empty(out.shape[1])
    for row in range(out.shape[0]):
        for voxel in range(squares.size):
            squares[voxel] = 0.0
        for column in range(1, products.shape[1]):
            along = products[row, column]
            for voxel in range(squares.size):
                squares[voxel] += along[voxel] * along[voxel]
        effect, score = products[row, 0], out[row]
        for voxel in range(squares.size):
            score[voxel] = effect[voxel] * np.sqrt(df / max(squares[voxel], _FLOOR))


def _quadratic(right: RealArray, left: RealArray) -> RealArray:
    """Compute b'E⁻¹b by elimination, in place: b of shape (…, m, v), E of shape (…, m, m, v)."""
    total = np.zeros_like(right[..., 0, :])
    n_measures = right.shape[-2]
    for i in range(n_measures):
        pivot = np.maximum(left[..., i, i, :], _FLOOR)
        total += np.square(right[..., i, :]) / pivot
        for j in range(i + 1, n_measures):
            factor = left[..., j, i, :] / pivot
            right[..., j, :] -= factor * right[..., i, :]
            left[..., j, i + 1 :, :] -= factor[..., None, :] * left[..., i, i + 1 :, :]
    return total
