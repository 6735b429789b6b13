"""Welch's statistic: the test of an effect where groups of people differ in variance."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from crossfc.compiled import compiled
from crossfc.fault import Fault
from crossfc.group.design.arrangement import Arrangements
from crossfc.group.inference.product import Products
from crossfc.group.inference.statistic import FLOOR, Fit, OwnVariance, chunks


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

    def __init__(self, effect: np.ndarray, nuisance: np.ndarray, groups: Sequence) -> None:
        super().__init__(effect, nuisance)
        self.groups = _numbered(groups, len(self.effect))
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
                f"groups of {_listed(counts)} people are too small to estimate a variance each; "
                "add people or leave covariates out"
            )
        alone, owners, shared = _directions(self._cross)
        # Fixed columns: first the directions that belong to one group, then the shared ones, once
        # for each group.
        turned = basis @ shared
        of_groups = [turned * self._members[:, [group]] for group in range(len(counts))]
        self._group_columns = np.column_stack([basis @ alone, *of_groups])
        self._shares = alone, owners, shared
        self._plan = _Plan(
            owners=owners,
            contrast=_single(alone[0]),
            shared_contrast=_single(shared[0]),
            cross=_single(shared.T @ self._cross @ shared),
            group_df=_single(self._group_df),
        )

    @property
    def design(self) -> np.ndarray:
        return np.column_stack([super().design, self.groups])

    def variance_groups(self) -> list[tuple[np.ndarray, float]]:
        """Return each group's members (1 or 0 for every person) and residual degrees of freedom."""
        return list(zip(self._members.T, self._group_df, strict=True))

    def group_variances(self, data: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Compute the residual variance of each group, in the order of `variance_groups`.

        Parameters
        ----------
        data : ndarray, shape (n_people, n_voxels)

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

    def fit(self, data: np.ndarray, work: np.ndarray | None = None) -> Fit:
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
            fit.statistic[part] = np.where(flat, 0, coefficient[0] / error)
            fit.standard_error[part] = np.where(flat, 0, error / self._length)
            spread = np.square(parts / variance) / self._group_df[:, None]
            fit.degrees_of_freedom[part] = 1 / spread.sum(axis=0)
        fit.score[:] = self.to_score(fit.statistic)
        return fit

    def forming_threshold(self, p: float, two_sided: bool) -> float:
        from scipy.special import stdtrit

        # ASSUME: the degrees of freedom vary over voxels and arrangements, but one threshold is
        # used everywhere: the one at the degrees of freedom of equal variances. It depends only on
        # the design, so corrected p values are valid with it.
        df = 1 / np.sum(np.square(self._cross[:, 0, 0]) / self._group_df)
        return float(-stdtrit(df, p / 2 if two_sided else p))

    def batch(self, arrangements: Arrangements) -> "_Batch":
        members = self._members[:, :-1]
        squares = None
        if arrangements.order is not None:
            squares = Products(members, replace(arrangements, signs=None))
        return _Batch(Products(self._group_columns, arrangements), squares, _single(members.T))

    def scores(self, batch: "_Batch", work: np.ndarray, out: np.ndarray) -> None:
        squared = np.square(work)
        if batch.squares is None:  # sign flips do not change squares
            squares = (batch.members @ squared)[None]
        else:
            squares = batch.squares(squared)
        plan = self._plan
        kernel = _two if len(self._group_df) == 2 else _several
        kernel(
            batch.products(work),
            squares,
            plan.owners,
            plan.contrast,
            plan.shared_contrast,
            plan.cross,
            plan.group_df,
            out,
        )


@dataclass
class _Plan:
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

    owners: np.ndarray
    contrast: np.ndarray
    shared_contrast: np.ndarray
    cross: np.ndarray
    group_df: np.ndarray


@dataclass
class _Batch:
    products: Products
    squares: Products | None
    members: np.ndarray


def _single(values: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(values, dtype=np.float32)


def _listed(counts: np.ndarray) -> str:
    return ", ".join(map(str, counts[:-1])) + f" and {counts[-1]}"


def _numbered(groups: Sequence, n_people: int) -> np.ndarray:
    """Number each person's group from 0, in the order of the labels."""
    groups = np.asarray(groups)
    if groups.shape != (n_people,):
        raise Fault(f"variance groups of shape {groups.shape} for {n_people} people; give one each")
    codes, labels = pd.factorize(groups, sort=True)
    if codes.min() < 0:
        raise Fault(
            f"{np.sum(codes < 0)} people have no variance group; give everybody one or leave them "
            "out"
        )
    if len(labels) < 2:
        raise Fault("all people are in one variance group; give two or more, or use Student's t")
    return codes


def _directions(cross: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Find the directions of the model that belong to one group alone, and those that are shared.

    Returns
    -------
    alone : ndarray, shape (n_columns, n_alone)
    owners : int32 ndarray, shape (n_alone,)
    shared : ndarray, shape (n_columns, n_shared)
        For two groups their cross-products are diagonal in these directions; for more the
        effect, which is the first column of the model, lies along the last of them only.
    """
    alone, owners = [], []
    for group, own in enumerate(cross):
        share, directions = np.linalg.eigh(own)
        mine = directions[:, share > 1 - 1e-10]
        alone.append(mine)
        owners += [group] * mine.shape[1]
    alone = np.column_stack(alone)
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


@compiled
def _two(products, squares, owners, contrast, shared_contrast, cross, group_df, out):
    width = out.shape[1]
    rest = np.empty((2, width), dtype=np.float32)
    variance = np.empty(width, dtype=np.float32)
    first, second = rest[0], rest[1]
    one, two = np.float32(1), np.float32(2)
    weights = np.zeros(2, dtype=np.float32)
    for k in range(owners.size):
        weights[owners[k]] += contrast[k] * contrast[k]
    for row in range(out.shape[0]):
        of_first = squares[row if squares.shape[0] > 1 else 0, 0]
        effect = out[row]
        for voxel in range(width):
            first[voxel] = of_first[voxel]
            second[voxel] = one - of_first[voxel]
            effect[voxel] = np.float32(0)
        for k in range(owners.size):
            left = rest[owners[k]]
            along = products[row, k]
            weight = contrast[k]
            for voxel in range(width):
                left[voxel] -= along[voxel] * along[voxel]
                effect[voxel] += weight * along[voxel]
        for k in range(shared_contrast.size):
            here = products[row, owners.size + k]
            there = products[row, owners.size + shared_contrast.size + k]
            share = cross[0, k, k]
            weight = shared_contrast[k]
            for voxel in range(width):
                both = here[voxel] + there[voxel]
                first[voxel] += both * (share * both - two * here[voxel])
                second[voxel] += both * ((one - share) * both - two * there[voxel])
                effect[voxel] += weight * both
        for voxel in range(width):
            first[voxel] = max(first[voxel], FLOOR) / group_df[0]
            second[voxel] = max(second[voxel], FLOOR) / group_df[1]
            variance[voxel] = weights[0] * first[voxel] + weights[1] * second[voxel]
        for k in range(shared_contrast.size):
            share = cross[0, k, k]
            weight = shared_contrast[k] * shared_contrast[k]
            if weight > 0:
                for voxel in range(width):
                    variance[voxel] += (
                        weight
                        * first[voxel]
                        * second[voxel]
                        / (share * second[voxel] + (one - share) * first[voxel])
                    )
        for voxel in range(width):
            effect[voxel] *= abs(effect[voxel]) / variance[voxel]


@compiled
def _several(products, squares, owners, contrast, shared_contrast, cross, group_df, out):
    width, n_groups, n_shared = out.shape[1], group_df.size, shared_contrast.size
    rest = np.empty((n_groups, width), dtype=np.float32)
    whole = np.empty((n_shared, width), dtype=np.float32)
    temporary = np.empty(width, dtype=np.float32)
    variance = np.empty(width, dtype=np.float32)
    factor = np.empty((n_shared, n_shared, width), dtype=np.float32)
    one, two = np.float32(1), np.float32(2)
    # A group's residual sum of squares is at most 1, the total. So no weight, and no pivot, is
    # below the smallest degrees of freedom.
    least = group_df.min()
    weights = np.zeros(n_groups, dtype=np.float32)
    for k in range(owners.size):
        weights[owners[k]] += contrast[k] * contrast[k]
    last = np.float32(0)
    if n_shared > 0:
        last = shared_contrast[n_shared - 1] * shared_contrast[n_shared - 1]
    for row in range(out.shape[0]):
        fixed = squares[row if squares.shape[0] > 1 else 0]
        effect = out[row]
        final = rest[n_groups - 1]
        for voxel in range(width):
            effect[voxel] = np.float32(0)
            final[voxel] = one
        for group in range(n_groups - 1):
            left = rest[group]
            given = fixed[group]
            for voxel in range(width):
                left[voxel] = given[voxel]
                final[voxel] -= given[voxel]
        for k in range(owners.size):
            left = rest[owners[k]]
            along = products[row, k]
            weight = contrast[k]
            for voxel in range(width):
                left[voxel] -= along[voxel] * along[voxel]
                effect[voxel] += weight * along[voxel]
        for k in range(n_shared):
            both = whole[k]
            for voxel in range(width):
                both[voxel] = products[row, owners.size + k, voxel]
            for group in range(1, n_groups):
                of = products[row, owners.size + group * n_shared + k]
                for voxel in range(width):
                    both[voxel] += of[voxel]
        if n_shared > 0:
            weight = shared_contrast[n_shared - 1]
            both = whole[n_shared - 1]
            for voxel in range(width):
                effect[voxel] += weight * both[voxel]
        for group in range(n_groups):
            left = rest[group]
            for k in range(n_shared):
                of = products[row, owners.size + group * n_shared + k]
                for voxel in range(width):
                    temporary[voxel] = -two * of[voxel]
                for j in range(n_shared):
                    share = cross[group, k, j]
                    other = whole[j]
                    for voxel in range(width):
                        temporary[voxel] += share * other[voxel]
                both = whole[k]
                for voxel in range(width):
                    left[voxel] += both[voxel] * temporary[voxel]
        for voxel in range(width):
            variance[voxel] = np.float32(0)
        for group in range(n_groups):
            left = rest[group]
            df = group_df[group]
            weight = weights[group]
            for voxel in range(width):
                left[voxel] = max(left[voxel], FLOOR) / df
                variance[voxel] += weight * left[voxel]
                left[voxel] = one / left[voxel]
        if last > 0:
            for i in range(n_shared):
                for j in range(i + 1):
                    entry = factor[i, j]
                    for voxel in range(width):
                        entry[voxel] = np.float32(0)
                    for group in range(n_groups):
                        share = cross[group, i, j]
                        inverse = rest[group]
                        for voxel in range(width):
                            entry[voxel] += share * inverse[voxel]
                    for k in range(j):
                        mine = factor[i, k]
                        other = factor[j, k]
                        inverse = factor[k, k]
                        for voxel in range(width):
                            entry[voxel] -= mine[voxel] * other[voxel] * inverse[voxel]
                entry = factor[i, i]
                for voxel in range(width):
                    entry[voxel] = one / max(entry[voxel], least)
            entry = factor[n_shared - 1, n_shared - 1]
            for voxel in range(width):
                variance[voxel] += last * entry[voxel]
        for voxel in range(width):
            effect[voxel] *= abs(effect[voxel]) / variance[voxel]
