"""Welch's statistic: the test of an effect where groups of people differ in variance."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from crossfc.array import FloatArray, IntArray, LabelArray, MapData, RealArray, SingleArray
from crossfc.fault import Fault
from crossfc.group.design.arrangement import Arrangements
from crossfc.group.inference.product import Products
from crossfc.group.inference.statistic import FLOOR, Batch, Fit, OwnVariance, chunks
from crossfc.group.inference.welch_kernel import welch_of_several, welch_of_two


class Welch(OwnVariance):
    """The statistic G for one effect and groups of unequal variance, with its sign.

    G = c'ψ / √(c'(M'WM)⁻¹c) with ψ from ordinary least squares and W the inverse residual
    variance of each group (Winkler et al. 2014, eq. 3); for two groups and no covariates it is
    Welch's t. In an orthonormal basis of the model the groups' cross-products F add up to the
    identity. In some directions the cross-product of one group is 1 and all others are 0. Such a
    direction belongs to that group alone, and its variance needs no inverse. All other directions
    are shared by groups. For two groups, one basis makes both cross-products diagonal (λ and
    1 - λ), so the inverse is a sum over its columns. For more groups it is computed by LDL' in
    each voxel.

    Parameters
    ----------
    effect, nuisance : ndarray
        See `Student`.
    groups : sequence, shape (n_people,)
        Label of each person's variance group, of any type; at least two different ones.

    Attributes
    ----------
    groups : int ndarray, shape (n_people,)
        The groups numbered from 0 in the order of their labels.

    Raises
    ------
    Fault
        See `Student`; also if there are fewer than two groups, somebody has no group, or a group
        is too small to estimate its variance.

    Notes
    -----
    Degrees of freedom are Satterthwaite's (1946, Biometrics Bull 2:110): V²/Σ(q²/ν), with V the
    variance of the effect, q the part of it that is due to a group, and ν the group's residual
    degrees of freedom: the sum of the diagonal elements of the residual-forming matrix of its
    people. q = s² ∂V/∂s², so the parts add up to V (Fai and Cornelius 1996, J Stat Comput Simul
    54:363). For two groups and no covariates the result is Welch's.

    If a group's residual sum of squares is below the share `FLOOR` of the total, it counts as
    rounding and is raised to that share, for the observed data and the arrangements alike. So a
    group that does not vary gives a finite G.
    """

    # ASSUME: residual squares of a group are differences in single precision. So in groups of
    # four or five people, equivalent arrangements agree only to about 1e-5 of G (to 1e-6 from ten
    # people on). The score is a square, so its tolerance is twice that of G.
    tie = 1e-4

    def __init__(self, effect: FloatArray, nuisance: FloatArray, groups: LabelArray) -> None:
        super().__init__(effect, nuisance)
        self.groups = numbered(groups, len(self.effect))
        counts = np.bincount(self.groups)
        # Groups are sorted by size, smallest first. The squares of the last group are computed as
        # 1 minus those of the others, which costs the largest group the least precision.
        order = np.argsort(counts, kind="stable")
        counts = counts[order]
        self._members = (self.groups[:, None] == order).astype(float)
        basis = self._columns
        self._cross = np.einsum("ng,ni,nj->gij", self._members, basis, basis)
        self._group_df = counts - np.trace(self._cross, axis1=1, axis2=2)
        if self._group_df.min() < 0.5:
            raise Fault(
                f"groups of {listed(counts)} people are too small to estimate a variance each; "
                "add people or leave covariates out"
            )
        alone, owners, shared = directions_of(self._cross)
        # Fixed columns: first the directions that belong to one group, then the shared ones, once
        # for each group.
        turned = basis @ shared
        of_groups = [turned * self._members[:, [group]] for group in range(len(counts))]
        self._group_columns = np.column_stack([basis @ alone, *of_groups])
        self._shares = alone, owners, shared
        self._plan = Design(
            owners=owners,
            contrast=single(alone[0]),
            shared_contrast=single(shared[0]),
            cross=single(shared.T @ self._cross @ shared),
            group_df=single(self._group_df),
        )

    @property
    def design(self) -> FloatArray:
        return np.column_stack([super().design, self.groups])

    def variance_groups(self) -> list[tuple[FloatArray, float]]:
        """Return each group's members (1 or 0 for every person) and residual degrees of freedom."""
        return list(zip(self._members.T, self._group_df, strict=True))

    def group_variances(self, data: MapData) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Compute the residual variance of each group, in the order of `variance_groups`.

        Parameters
        ----------
        data : array, shape (n_people, n_voxels)

        Returns
        -------
        variances : float64 ndarray, shape (n_groups, n_voxels)
        df, counts : ndarray, shape (n_groups,)
            Residual degrees of freedom, and number of people, of each group.
        """
        variances = np.empty((len(self._group_df), data.shape[-1]))
        for part in chunks(data.shape):
            y = np.asarray(data[..., part], dtype=float)
            rest = y - self._columns @ (self._columns.T @ y)
            variances[:, part] = self._members.T @ np.square(rest) / self._group_df[:, None]
        return variances, self._group_df, self._members.sum(axis=0)

    def squared_weights(self, data: MapData) -> FloatArray:
        """Sum each group's squared weights in the effect, which is a weighted sum of the data.

        Parameters
        ----------
        data : array, shape (n_people, n_voxels)

        Returns
        -------
        float64 ndarray, shape (n_groups, 1) or (n_groups, n_voxels)
            In the order of `variance_groups`.
        """
        weights: FloatArray = self._members.T @ np.square(self._direction / self._length)
        return weights[:, None]

    def estimate_error(self, data: MapData) -> tuple[FloatArray, FloatArray]:
        """Compute the standard error of the effect, and its degrees of freedom.

        With a_i the weight of person i in the effect, its variance is V = Σ v Σ a_i², summed over
        groups with residual variance v, and its degrees of freedom are Satterthwaite's. The error
        in G is that of weighted least squares. It is the same where no direction is shared by the
        groups, as without covariates (Welch's), but too small for this effect where the groups
        differ in variance and in the mean of a covariate. Arrangements of people allow for that;
        Student's t does not.

        Parameters
        ----------
        data : array, shape (n_people, n_voxels)

        Returns
        -------
        error, degrees_of_freedom : float64 ndarray, shape (n_voxels,)
            Error 0 and degrees of freedom NaN where neither group varies.
        """
        variances, df, _ = self.group_variances(data)
        parts = variances * self.squared_weights(data)
        df = df if df.ndim == 2 else df[:, None]
        variance, spread = parts.sum(axis=0), (np.square(parts) / df).sum(axis=0)
        freedom = np.where(
            spread > 0, np.square(variance) / np.where(spread > 0, spread, 1), np.nan
        )
        return np.sqrt(variance), freedom

    def variance_alone(self) -> list[tuple[int, float]]:
        """Return the part of the effect's variance along directions that belong to one group.

        Returns
        -------
        list of (int, float)
            For each direction its group, and the factor of that group's variance.
        """
        alone, owners, _ = self._shares
        return list(zip(owners, np.square(alone[0]), strict=True))

    def variance_shared(self) -> list[tuple[float, float]]:
        """Return the part of the effect's variance along shared directions, for two groups.

        Returns
        -------
        list of (float, float)
            For each direction λ of the first group, and the factor of 1/(λ/v₁ + (1-λ)/v₂).

        A list of (λ of the first group, factor of 1/(λ/v₁ + (1-λ)/v₂)), one per direction.
        """
        shared = self._shares[2]
        share = np.diag(shared.T @ self._cross[0] @ shared)
        return list(zip(share, np.square(shared[0]), strict=True))

    def fit(self, data: MapData, work: RealArray | None = None) -> Fit:
        fit = super().fit(data, work)
        for part in chunks(data.shape):
            y = np.asarray(data[..., part], dtype=float)
            coefficient = self._columns.T @ y
            rest = y - self._columns @ coefficient
            flat = fit.flat[part]
            squares = self._members.T @ np.square(rest)
            least = FLOOR * np.square(self._residual(y)[1])
            squares = np.where(flat, 1, np.maximum(squares, least))
            weight = self._group_df[:, None] / squares
            total = np.einsum("gv,gij->vij", weight, self._cross)
            unit = np.zeros((len(total), total.shape[1], 1))
            unit[:, 0] = 1
            solved = np.linalg.solve(total, unit)[:, :, 0]
            parts = weight * np.einsum("vi,gij,vj->gv", solved, self._cross, solved, optimize=True)
            variance = parts.sum(axis=0)
            error = np.sqrt(variance)
            told = self._corrected(coefficient[0] / error, variance, rest)
            fit.statistic[part] = np.where(flat, 0, told)
            fit.standard_error[part] = np.where(flat, 0, error / self._length)
            spread = np.square(parts / variance) / self._group_df[:, None]
            fit.degrees_of_freedom[part] = 1 / spread.sum(axis=0)
        fit.score[:] = self.to_score(fit.statistic)
        return fit

    def _corrected(self, t: FloatArray, variance: FloatArray, rest: FloatArray) -> FloatArray:
        """Return the statistic from Welch's t, the effect's variance and everybody's residuals."""
        return t

    def forming_threshold(self, p: float, two_sided: bool) -> float:
        from scipy.special import stdtrit

        # ASSUME: the degrees of freedom vary over voxels and arrangements, but one threshold is
        # used everywhere: the one at the degrees of freedom of equal variances. It depends only on
        # the design, so corrected p values are valid with it.
        df = 1 / np.sum(np.square(self._cross[:, 0, 0]) / self._group_df)
        return float(-stdtrit(df, p / 2 if two_sided else p))

    def batch(self, arrangements: Arrangements) -> Batch:
        sums, plan = self._sums(arrangements), self._plan
        kernel = welch_of_two if len(self._group_df) == 2 else welch_of_several

        def scores(work: RealArray, out: RealArray) -> None:
            kernel(
                sums.products(work),
                sums.squares_of(np.square(work)),
                plan.owners,
                plan.contrast,
                plan.shared_contrast,
                plan.cross,
                plan.group_df,
                out,
            )

        return scores

    def _sums(self, arrangements: Arrangements) -> "Sums":
        members = self._members[:, :-1]
        squares = None
        if arrangements.order is not None:
            squares = Products(members, replace(arrangements, signs=None))
        return Sums(Products(self._group_columns, arrangements), squares, single(members.T))


@dataclass
class Design:
    """The fixed numbers of a design, for the compiled functions.

    Attributes
    ----------
    owners : int32 ndarray, shape (n_alone,)
        Group of each direction that belongs to one group alone.
    contrast : float32 ndarray, shape (n_alone,)
        The effect along these directions.
    shared_contrast : float32 ndarray, shape (n_shared,)
        The effect along the shared directions; for more than two groups along the last only.
    cross : float32 ndarray, shape (n_groups, n_shared, n_shared)
        Each group's cross-products of the shared columns; diagonal for two groups.
    group_df : float32 ndarray, shape (n_groups,)
        Residual degrees of freedom of each group.
    """

    owners: IntArray
    contrast: SingleArray
    shared_contrast: SingleArray
    cross: SingleArray
    group_df: SingleArray


@dataclass
class Sums:
    """The sums over people that Welch's statistic needs of a batch of arrangements."""

    products: Products
    squares: Products | None
    members: SingleArray

    def squares_of(self, squared: RealArray) -> RealArray:
        """Sum squared data over each group but the last; see `welch_kernel`."""
        if self.squares is None:  # sign flips do not change squares
            sums: RealArray = (self.members @ squared)[None]
            return sums
        return self.squares(squared)


def single(values: RealArray) -> SingleArray:
    """Return an array in single precision, contiguous."""
    return np.ascontiguousarray(values, dtype=np.float32)


def listed(counts: IntArray) -> str:
    return ", ".join(map(str, counts[:-1])) + f" and {counts[-1]}"


def numbered(groups: LabelArray, n_people: int) -> IntArray:
    """Number each person's group from 0, in the order of the labels."""
    groups = np.asarray(groups)
    if groups.shape != (n_people,):
        raise Fault(f"variance groups of shape {groups.shape} for {n_people} people; give one each")
    codes: IntArray
    codes, labels = pd.factorize(groups, sort=True)
    if codes.min() < 0:
        raise Fault(
            f"{np.sum(codes < 0)} people have no variance group; give everybody one or leave them "
            "out"
        )
    if len(labels) < 2:
        raise Fault("all people are in one variance group; give two or more, or use Student's t")
    return codes


def directions_of(cross: FloatArray) -> tuple[FloatArray, IntArray, FloatArray]:
    """Find the directions of the model that belong to one group alone, and those that are shared.

    Returns
    -------
    alone : ndarray, shape (n_columns, n_alone)
    owners : int32 ndarray, shape (n_alone,)
    shared : ndarray, shape (n_columns, n_shared)
        For two groups their cross-products are diagonal in these directions; for more the
        effect, which is the first column of the model, lies along the last of them only.
    """
    of_groups: list[FloatArray] = []
    owners: list[int] = []
    for group, own in enumerate(cross):
        share, directions = np.linalg.eigh(own)
        mine = directions[:, share > 1 - 1e-10]
        of_groups.append(mine)
        owners += [group] * mine.shape[1]
    alone = np.column_stack(of_groups)
    # The shared directions are orthogonal to the others: left singular vectors beyond the rank.
    shared = np.linalg.svd(alone, full_matrices=True)[0][:, alone.shape[1] :]
    if len(cross) == 2:
        shared = shared @ np.linalg.eigh(shared.T @ cross[0] @ shared)[1]
    elif shared.shape[1]:
        along = shared[0]
        first = np.linalg.qr(np.column_stack([along, np.eye(len(along))]))[0]
        shared = shared @ first[:, ::-1]
    alone, shared = (np.where(np.abs(of) < 1e-12, 0, of) for of in (alone, shared))
    return alone, np.array(owners, dtype=np.int32), shared
