"""Welch's statistic: an effect between two groups whose variances differ."""

import numpy as np

from crossfc.fault import Fault
from crossfc.group.arrangement import SIGN_FLIPS
from crossfc.group.compiled import compiled
from crossfc.group.statistic import CHUNK, FLOOR, Fit, Student, arranged


class Welch(Student):
    """The statistic G for one effect and two groups of unequal variance, with its sign.

    G = c'ψ / √(c'(M'WM)⁻¹c) with ψ from ordinary least squares and W the inverse residual
    variance of each group (Winkler et al. 2014, eq. 3); for two groups and no covariates it is
    Welch's t. With M'M = M₁'M₁ + M₂'M₂ the two groups' cross-products are diagonal in one basis
    (λ and 1 - λ), so the inverse is a sum over the columns of that basis.

    Parameters
    ----------
    effect, nuisance : ndarray
        See `Student`.
    second : bool ndarray, shape (n_people,)
        Who is in the second variance group.
    """

    # ASSUME: residual squares of a group are differences in single precision, so in groups of
    # four or five equivalent arrangements agree to some 1e-5 of G only (1e-6 from ten on).
    tie = 5e-5

    def __init__(self, effect: np.ndarray, nuisance: np.ndarray, second: np.ndarray) -> None:
        super().__init__(effect, nuisance)
        self.second = np.asarray(second, dtype=bool)
        model = self.design[:, :-1]
        lower = np.linalg.cholesky(model.T @ model)
        scaled = np.linalg.solve(lower, model[~self.second].T)
        shares, turn = np.linalg.eigh(scaled @ scaled.T)
        shares = np.clip(shares, 0, 1)
        shares[shares < 1e-10], shares[shares > 1 - 1e-10] = 0, 1
        basis = np.linalg.solve(lower.T, turn)
        self._model_basis = model @ basis
        self._contrast = basis[0]
        self._shares = shares
        counts = np.array([np.sum(~self.second), np.sum(self.second)])
        self._group_df = counts - np.array([shares.sum(), (1 - shares).sum()])
        self._counts = counts
        if counts.min() == 0 or self._group_df.min() < 0.5:
            raise Fault(
                f"groups of {counts[0]} and {counts[1]} people are too small to estimate a "
                "variance each; add people or leave covariates out"
            )
        # One fixed column per basis column and group in which it is not zero, then the members
        # of the first group (for sums of squares).
        columns, self._places = [], np.full((2, len(shares)), -1, dtype=np.int32)
        for number, share in enumerate(shares):
            for group, present in enumerate((share > 0, share < 1)):
                if present:
                    self._places[group, number] = len(columns)
                    members = self.second if group else ~self.second
                    columns.append(self._model_basis[:, number] * members)
        self._group_columns = np.column_stack(columns)

    @property
    def design(self) -> np.ndarray:
        return np.column_stack([self.effect, self.nuisance, self.second])

    def fit(self, data: np.ndarray) -> Fit:
        fit = super().fit(data)
        n_people, n_voxels = data.shape
        fit.work = np.stack([fit.work, np.square(fit.work)])
        for first in range(0, n_voxels, CHUNK):
            part = slice(first, first + CHUNK)
            y = np.asarray(data[:, part], dtype=float)
            coefficient = self._model_basis.T @ y
            rest = y - self._model_basis @ coefficient
            flat = fit.flat[part]
            squares = np.stack([np.square(rest[~self.second]).sum(0),
                                np.square(rest[self.second]).sum(0)])  # fmt: skip
            least = FLOOR * np.square(self._residual(y)[1])
            squares = np.where(flat, 1, np.maximum(squares, least))
            weight = self._group_df[:, None] / squares
            shares = self._shares[:, None]
            inverse = 1 / (weight[0] * shares + weight[1] * (1 - shares))
            error = np.sqrt(np.square(self._contrast) @ inverse)
            fit.statistic[part] = np.where(flat, 0, self._contrast @ coefficient / error)
            fit.standard_error[part] = np.where(flat, 0, error)
            total = weight * self._counts[:, None]
            spread = np.square(1 - total / total.sum(0)) / self._group_df[:, None]
            fit.degrees_of_freedom[part] = 1 / spread.sum(0)
        fit.score[:] = self.to_score(fit.statistic)
        return fit

    def to_score(self, statistic: np.ndarray) -> np.ndarray:
        return statistic

    def to_statistic(self, score: np.ndarray) -> np.ndarray:
        return np.asarray(score, dtype=float)

    def forming_threshold(self, p: float, two_sided: bool) -> float:
        from scipy.stats import t

        # ASSUME: the degrees of freedom vary over voxels and arrangements; one threshold is
        # used everywhere, at the degrees of freedom of equal variances. It depends on the design
        # only, so the corrected p values do not rest on it.
        total = (1 / self._counts) / np.sum(1 / self._counts)
        df = 1 / np.sum(np.square(total) / self._group_df)
        return float(t.isf(p / 2 if two_sided else p, df))

    def coefficients(self, kind: str, table: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        first = (~self.second).astype(float)[:, None]
        if kind == SIGN_FLIPS:  # squares do not change with the sign
            members = np.repeat(first.T.astype(np.float32), len(table), axis=0)
        else:
            members = arranged(first, kind, table)
        return arranged(self._group_columns, kind, table), members

    def scores(self, coefficients, work, part, out) -> None:
        linear, members = coefficients
        squares = np.matmul(members, work[1][:, part])
        products = self._product(linear, work[0][:, part])
        _welch(
            products,
            squares,
            self._places,
            self._shares.astype(np.float32),
            self._contrast.astype(np.float32),
            self._group_df.astype(np.float32),
            out[:, part],
        )


@compiled
def _welch(products, squares, places, shares, contrast, group_df, out):
    width = out.shape[1]
    step = products.shape[0] // out.shape[0]
    first = np.empty(width, dtype=np.float32)
    second = np.empty(width, dtype=np.float32)
    variance = np.empty(width, dtype=np.float32)
    one = np.float32(1)
    two = np.float32(2)
    for row in range(out.shape[0]):
        base = row * step
        effect = out[row]
        for voxel in range(width):
            first[voxel] = squares[row, voxel]
            second[voxel] = one - squares[row, voxel]
            effect[voxel] = np.float32(0)
            variance[voxel] = np.float32(0)
        for k in range(shares.size):
            share = shares[k]
            weight = contrast[k]
            if places[1, k] < 0:
                here = products[base + places[0, k]]
                for voxel in range(width):
                    first[voxel] -= here[voxel] * here[voxel]
                    effect[voxel] += weight * here[voxel]
            elif places[0, k] < 0:
                here = products[base + places[1, k]]
                for voxel in range(width):
                    second[voxel] -= here[voxel] * here[voxel]
                    effect[voxel] += weight * here[voxel]
            else:
                here = products[base + places[0, k]]
                there = products[base + places[1, k]]
                for voxel in range(width):
                    both = here[voxel] + there[voxel]
                    first[voxel] += both * (share * both - two * here[voxel])
                    second[voxel] += both * ((one - share) * both - two * there[voxel])
                    effect[voxel] += weight * both
        for voxel in range(width):
            first[voxel] = max(first[voxel], FLOOR) / group_df[0]
            second[voxel] = max(second[voxel], FLOOR) / group_df[1]
        for k in range(shares.size):
            share = shares[k]
            weight = contrast[k] * contrast[k]
            for voxel in range(width):
                variance[voxel] += (
                    weight
                    * first[voxel]
                    * second[voxel]
                    / (share * second[voxel] + (one - share) * first[voxel])
                )
        for voxel in range(width):
            effect[voxel] /= np.sqrt(variance[voxel])
