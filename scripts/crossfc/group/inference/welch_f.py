"""Welch's F: the test of several effects at once where groups of people differ in variance."""

from dataclasses import replace

import numpy as np

from crossfc.array import FloatArray, LabelArray, MapData, RealArray
from crossfc.compiled import compiled
from crossfc.fault import Fault
from crossfc.group.design.arrangement import Arrangements
from crossfc.group.inference.fisher import Fisher
from crossfc.group.inference.product import Products
from crossfc.group.inference.statistic import FLOOR, Batch, Fit, Values, chunks
from crossfc.group.inference.welch import Sums, directions_of, listed, numbered, single


class WelchF(Fisher):
    """F of several columns of a linear model at once, where groups of people differ in variance.

    F = ψ'(C'(M'WM)⁻¹C)⁻¹ψ / (s Λ), with ψ the s coefficients under test from ordinary least
    squares, W the inverse residual variance of each group, and
    Λ = 1 + 2 (s - 1) / (s (s + 2)) Σ (1 - q)² / ν (Winkler et al. 2014, NeuroImage 92:381, eq. 3).
    q is the share of a group in the weights n/v of all groups, for n people with the residual
    variance v on ν degrees of freedom. For the differences between k groups and no covariates it is
    Welch's F (1951, Biometrika 38:330), and for two groups the square of `Welch`'s t.

    The score is F itself.

    Parameters
    ----------
    effect, nuisance : ndarray
        See `Fisher`.
    groups : sequence, shape (n_people,)
        Label of each person's variance group, of any type; at least two different ones.

    Attributes
    ----------
    groups : int ndarray, shape (n_people,)
        The groups numbered from 0 in the order of their labels.

    Raises
    ------
    Fault
        See `Fisher`; also if there are fewer than two groups, somebody has no group, or a group is
        too small to estimate its variance.

    Notes
    -----
    The second degrees of freedom, s (s + 2) / (3 Σ (1 - q)² / ν), vary over voxels; ν is the sum of
    the diagonal elements of the residual-forming matrix of a group's people.

    Residual squares of a group below the share `FLOOR` of the total count as rounding and are
    raised to it, as in `Welch`.
    """

    # As in `Welch`: residual squares of a group are differences in single precision.
    tie = 1e-4

    def __init__(self, effect: FloatArray, nuisance: FloatArray, groups: LabelArray) -> None:
        super().__init__(effect, nuisance)
        self.groups = numbered(groups, len(self.effect))
        counts = np.bincount(self.groups)
        # The smallest group first, as the squares of the last are 1 minus those of the others.
        order = np.argsort(counts, kind="stable")
        self._counts = counts[order].astype(float)
        self._members = (self.groups[:, None] == order).astype(float)
        # The effect last: what its elimination leaves is what its test needs.
        basis = self._columns[:, ::-1]
        self._cross = np.einsum("ng,ni,nj->gij", self._members, basis, basis)
        self._group_df = self._counts - np.trace(self._cross, axis1=1, axis2=2)
        if self._group_df.min() < 0.5:
            raise Fault(
                f"groups of {listed(counts[order])} people are too small to estimate a variance "
                "each; add people or leave covariates out"
            )
        # As in `Welch`, directions that belong to one group alone have one column each, and those
        # that groups share one for each group.
        alone, self._owners, shared = directions_of(self._cross)
        of_groups = [basis @ shared * self._members[:, [group]] for group in range(len(counts))]
        self._group_columns = np.column_stack([basis @ alone, *of_groups])
        self._turn = np.column_stack([alone, shared])[-self.df_effect :]
        self._shared_cross = shared.T @ self._cross @ shared

    @property
    def design(self) -> FloatArray:
        return np.column_stack([super().design, self.groups])

    @property
    def directions(self) -> FloatArray:
        """The columns under test, orthonormal and orthogonal to the nuisance."""
        return self._directions

    def to_score(self, statistic: Values) -> Values:
        return statistic

    def to_statistic(self, score: RealArray) -> RealArray:
        return score

    def forming_threshold(self, p: float, two_sided: bool) -> float:
        from scipy.special import fdtri

        # ASSUME: one threshold is used everywhere, that at the degrees of freedom of equal
        # variances, as in `Welch`; it depends on the design only.
        _, df = self._small_sample(self._counts[:, None])
        return float(fdtri(self.df_effect, df[0], 1 - p))

    def fit(self, data: MapData, work: RealArray | None = None) -> Fit:
        """Fit the model to the observed data.

        Parameters
        ----------
        data, work : ndarray
            See `Student.fit`.

        Returns
        -------
        Fit
            ``effect`` is that of `Fisher.fit`, ``t`` the root of Fisher's F. There is no standard
            error.
        """
        fit = super().fit(data, work)
        fit.t[:] = np.sqrt(fit.statistic)
        for part in chunks(data.shape):
            y = np.asarray(data[..., part], dtype=float)
            flat = fit.flat[part]
            rest = y - self._columns @ (self._columns.T @ y)
            squares = self._members.T @ np.square(rest)
            least = FLOOR * np.square(self._residual(y)[1])
            squares = np.where(flat, 1, np.maximum(squares, least))
            ratio, df = self._ratio(self._directions.T @ y, squares)
            fit.statistic[part] = np.where(flat, 0, ratio)
            fit.degrees_of_freedom[part] = df
        fit.score[:] = fit.statistic
        return fit

    def of_residuals(self, along: FloatArray, residuals: FloatArray) -> FloatArray:
        """Compute F from data of length 1 that were fitted.

        Parameters
        ----------
        along : ndarray, shape (n_effect, n_voxels)
            Products of the data with `directions`.
        residuals : ndarray, shape (n_people, n_voxels)
            Of the full model.

        Returns
        -------
        ndarray, shape (n_voxels,)
        """
        squares = self._members.T @ np.square(residuals)
        return self._ratio(along, np.maximum(squares, FLOOR))[0]

    def _ratio(self, along: FloatArray, squares: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return F and its second degrees of freedom, in double precision."""
        weight = self._group_df[:, None] / squares
        total = np.einsum("gv,gij->vij", weight, self._cross)
        effect = along[::-1].T[..., None]
        own = np.linalg.inv(total)[:, -self.df_effect :, -self.df_effect :]
        wald = np.einsum("vi,vi->v", effect[..., 0], np.linalg.solve(own, effect)[..., 0])
        factor, df = self._small_sample(self._counts[:, None] * weight)
        return wald / (self.df_effect * factor), df

    def _small_sample(self, weight: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return Λ and the second degrees of freedom from the weights of groups."""
        s = self.df_effect
        rest = np.square(1 - weight / weight.sum(axis=0)) / self._group_df[:, None]
        spread = rest.sum(axis=0)
        return 1 + 2 * (s - 1) / (s * (s + 2)) * spread, s * (s + 2) / (3 * spread)

    def batch(self, arrangements: Arrangements) -> Batch:
        members = self._members[:, :-1]
        squares = None
        if arrangements.order is not None:
            squares = Products(members, replace(arrangements, signs=None))
        sums = Sums(Products(self._group_columns, arrangements), squares, single(members.T))
        turn, cross = single(self._turn), single(self._cross)
        shared_cross = single(self._shared_cross)
        group_df, counts = single(self._group_df), single(self._counts)

        def scores(work: RealArray, out: RealArray) -> None:
            _welch_f(
                sums.products(work),
                sums.squares_of(np.square(work)),
                self._owners,
                shared_cross,
                turn,
                cross,
                group_df,
                counts,
                out,
            )

        return scores


@compiled
def _welch_f(
    products: np.ndarray,
    squares: np.ndarray,
    owners: np.ndarray,
    shared_cross: np.ndarray,
    turn: np.ndarray,
    cross: np.ndarray,
    group_df: np.ndarray,
    counts: np.ndarray,
    out: np.ndarray,
) -> None:
    """Compute Welch's F of several columns, the last ones of ``cross``.

    ``products``, ``squares``, ``owners`` and ``group_df`` are those of
    `crossfc.group.inference.welch_kernel`, and ``shared_cross`` its ``cross``. ``turn`` gives the
    effect's columns from the directions, ``cross`` has each group's cross-products of all columns.
    """
    n_groups, n_columns, width = cross.shape[0], cross.shape[1], out.shape[1]
    n_effect, n_alone, n_shared = turn.shape[0], owners.size, shared_cross.shape[1]
    rest = np.empty((n_groups, width), dtype=np.float32)
    whole = np.empty((n_columns, width), dtype=np.float32)
    effect = np.empty((n_effect, width), dtype=np.float32)
    factor = np.empty((n_columns, n_columns, width), dtype=np.float32)
    temporary = np.empty(width, dtype=np.float32)
    one, two = np.float32(1), np.float32(2)
    # Residual squares are at most 1, so no weight and no pivot is below the smallest freedom.
    least = group_df.min()
    small = two * np.float32(n_effect - 1) / np.float32(n_effect * (n_effect + 2))
    for row in range(out.shape[0]):
        fixed = squares[row if squares.shape[0] > 1 else 0]
        score, final = out[row], rest[n_groups - 1]
        for voxel in range(width):
            final[voxel] = one
        for group in range(n_groups - 1):
            left, given = rest[group], fixed[group]
            for voxel in range(width):
                left[voxel] = given[voxel]
                final[voxel] -= given[voxel]
        for k in range(n_alone):
            left, both = rest[owners[k]], whole[k]
            along = products[row, k]
            for voxel in range(width):
                both[voxel] = along[voxel]
                left[voxel] -= along[voxel] * along[voxel]
        for k in range(n_shared):
            both = whole[n_alone + k]
            for voxel in range(width):
                both[voxel] = products[row, n_alone + k, voxel]
            for group in range(1, n_groups):
                of = products[row, n_alone + group * n_shared + k]
                for voxel in range(width):
                    both[voxel] += of[voxel]
        for k in range(n_effect):
            both = effect[k]
            for voxel in range(width):
                both[voxel] = np.float32(0)
            for j in range(n_columns):
                share, other = turn[k, j], whole[j]
                for voxel in range(width):
                    both[voxel] += share * other[voxel]
        for group in range(n_groups):
            left = rest[group]
            for k in range(n_shared):
                of = products[row, n_alone + group * n_shared + k]
                for voxel in range(width):
                    temporary[voxel] = -two * of[voxel]
                for j in range(n_shared):
                    share, other = shared_cross[group, k, j], whole[n_alone + j]
                    for voxel in range(width):
                        temporary[voxel] += share * other[voxel]
                both = whole[n_alone + k]
                for voxel in range(width):
                    left[voxel] += both[voxel] * temporary[voxel]
            # The weight of a person of the group: the inverse of the residual variance.
            df = group_df[group]
            for voxel in range(width):
                left[voxel] = df / max(left[voxel], FLOOR)
        # M'WM = LDL', with the inverse of D on the diagonal of the factor and LD below it.
        for i in range(n_columns):
            for j in range(i + 1):
                entry = factor[i, j]
                for voxel in range(width):
                    entry[voxel] = np.float32(0)
                for group in range(n_groups):
                    share, weight = cross[group, i, j], rest[group]
                    for voxel in range(width):
                        entry[voxel] += share * weight[voxel]
                for k in range(j):
                    mine, other, inverse = factor[i, k], factor[j, k], factor[k, k]
                    for voxel in range(width):
                        entry[voxel] -= mine[voxel] * other[voxel] * inverse[voxel]
            entry = factor[i, i]
            for voxel in range(width):
                entry[voxel] = one / max(entry[voxel], least)
        # What is left of the effect's columns is LDL' of the last of them, so the test is
        # Σ (D_k ψ_k + Σ_i LD_ik ψ_i)² / D_k.
        for voxel in range(width):
            score[voxel] = np.float32(0)
        first = n_columns - n_effect
        for k in range(first, n_columns):
            inverse, both = factor[k, k], effect[k - first]
            for voxel in range(width):
                temporary[voxel] = both[voxel] / inverse[voxel]
            for i in range(k + 1, n_columns):
                below, other = factor[i, k], effect[i - first]
                for voxel in range(width):
                    temporary[voxel] += below[voxel] * other[voxel]
            for voxel in range(width):
                score[voxel] += temporary[voxel] * temporary[voxel] * inverse[voxel]
        for voxel in range(width):
            temporary[voxel] = np.float32(0)
        for group in range(n_groups):
            weight, n = rest[group], counts[group]
            for voxel in range(width):
                temporary[voxel] += n * weight[voxel]
        whole_factor = whole[0]
        for voxel in range(width):
            whole_factor[voxel] = one
        for group in range(n_groups):
            weight, n, scale = rest[group], counts[group], small / group_df[group]
            for voxel in range(width):
                left_share = one - n * weight[voxel] / temporary[voxel]
                whole_factor[voxel] += scale * left_share * left_share
        for voxel in range(width):
            score[voxel] /= np.float32(n_effect) * whole_factor[voxel]
