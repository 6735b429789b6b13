"""Compiled loops for the scores of Welch's and Hall's statistics in a block of voxels.

All of them are in one module, because numba's cache of machine code notices a changed function only
in the file of the function that calls it.

Arguments are the numbers of a design (`crossfc.group.inference.welch.Design`) and, for arrangement
a, column c, group g and voxel v,

========================  =========================================================================
``products[a, c, v]``     sums over people of the data weighted by the arranged columns
``squares[a, g, v]``      sum of squares of the data of a group, without the last group; the first
                          axis has length 1 if arrangements do not change it
``out[a, v]``             the score, which is the signed square of the statistic
========================  =========================================================================
"""

import numpy as np

from crossfc.compiled import compiled, inlined
from crossfc.group.inference.statistic import FLOOR


@inlined
def _effect_of_two(
    products: np.ndarray,
    of_first: np.ndarray,
    owners: np.ndarray,
    contrast: np.ndarray,
    shared_contrast: np.ndarray,
    cross: np.ndarray,
    group_df: np.ndarray,
    rest: np.ndarray,
    effect: np.ndarray,
    variance: np.ndarray,
) -> None:
    """Compute the effect and its variance for one arrangement of two groups."""
    width = effect.size
    first, second = rest[0], rest[1]
    one, two = np.float32(1), np.float32(2)
    weights = np.zeros(2, dtype=np.float32)
    for k in range(owners.size):
        weights[owners[k]] += contrast[k] * contrast[k]
    for voxel in range(width):
        first[voxel] = of_first[voxel]
        second[voxel] = one - of_first[voxel]
        effect[voxel] = np.float32(0)
    for k in range(owners.size):
        left = rest[owners[k]]
        along = products[k]
        weight = contrast[k]
        for voxel in range(width):
            left[voxel] -= along[voxel] * along[voxel]
            effect[voxel] += weight * along[voxel]
    for k in range(shared_contrast.size):
        here = products[owners.size + k]
        there = products[owners.size + shared_contrast.size + k]
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


@compiled
def welch_of_two(
    products: np.ndarray,
    squares: np.ndarray,
    owners: np.ndarray,
    contrast: np.ndarray,
    shared_contrast: np.ndarray,
    cross: np.ndarray,
    group_df: np.ndarray,
    out: np.ndarray,
) -> None:
    """Compute the scores of Welch's statistic for two groups."""
    width = out.shape[1]
    rest = np.empty((2, width), dtype=np.float32)
    variance = np.empty(width, dtype=np.float32)
    for row in range(out.shape[0]):
        of_first = squares[row if squares.shape[0] > 1 else 0, 0]
        effect = out[row]
        _effect_of_two(
            products[row], of_first, owners, contrast, shared_contrast, cross, group_df,
            rest, effect, variance,
        )  # fmt: skip
        for voxel in range(width):
            effect[voxel] *= abs(effect[voxel]) / variance[voxel]


@inlined
def _combine(weights: np.ndarray, products: np.ndarray, out: np.ndarray) -> None:
    """Add up the products of one arrangement, weighted, into ``out``; most weights are 0."""
    nothing = np.float32(0)
    for voxel in range(out.size):
        out[voxel] = nothing
    for column in range(weights.size):
        weight = weights[column]
        if weight != nothing:
            product = products[column]
            for voxel in range(out.size):
                out[voxel] += weight * product[voxel]


@compiled
def hall_of_two(
    products: np.ndarray,
    squares: np.ndarray,
    owners: np.ndarray,
    contrast: np.ndarray,
    shared_contrast: np.ndarray,
    cross: np.ndarray,
    group_df: np.ndarray,
    cubes: np.ndarray,
    linear: np.ndarray,
    mix: np.ndarray,
    pairs: np.ndarray,
    pair_mix: np.ndarray,
    out: np.ndarray,
) -> None:
    """Compute the scores of Hall's statistic for two groups.

    With p the ``mix`` of the products, the third cumulant of the effect is
    cubes + Σ_j p_j linear_j + Σ_q p_j p_l (pair_mix_q · products), over ``pairs`` q = (j, l).

    Parameters
    ----------
    cubes : float32 ndarray, shape (n_arrangements, 1, n_voxels)
    linear : float32 ndarray, shape (n_arrangements or 1, n_coefficients, n_voxels)
    mix : float32 ndarray, shape (n_coefficients, n_products)
    pairs : int32 ndarray, shape (n_pairs, 2)
    pair_mix : float32 ndarray, shape (n_pairs, n_products)
    """
    width = out.shape[1]
    rest = np.empty((2, width), dtype=np.float32)
    variance = np.empty(width, dtype=np.float32)
    coefficients = np.empty((mix.shape[0], width), dtype=np.float32)
    cumulant = np.empty(width, dtype=np.float32)
    along = np.empty(width, dtype=np.float32)
    sixth, third = np.float32(1 / 6), np.float32(1 / 3)
    for row in range(out.shape[0]):
        of_first = squares[row if squares.shape[0] > 1 else 0, 0]
        effect = out[row]
        _effect_of_two(
            products[row], of_first, owners, contrast, shared_contrast, cross, group_df,
            rest, effect, variance,
        )  # fmt: skip
        of_squares = linear[row if linear.shape[0] > 1 else 0]
        for voxel in range(width):
            cumulant[voxel] = cubes[row, 0, voxel]
        for j in range(mix.shape[0]):
            coefficient, times = coefficients[j], of_squares[j]
            _combine(mix[j], products[row], coefficient)
            for voxel in range(width):
                cumulant[voxel] += coefficient[voxel] * times[voxel]
        for pair in range(pairs.shape[0]):
            _combine(pair_mix[pair], products[row], along)
            one, other = coefficients[pairs[pair, 0]], coefficients[pairs[pair, 1]]
            for voxel in range(width):
                cumulant[voxel] += one[voxel] * other[voxel] * along[voxel]
        for voxel in range(width):
            error = np.sqrt(variance[voxel])
            t = effect[voxel] / error
            # Σ a³m / V^1.5 and, with it, Hall's cubic.
            skew = cumulant[voxel] / (variance[voxel] * error)
            bend = skew * t * third
            statistic = t + sixth * skew + t * bend * (np.float32(1) + third * bend)
            effect[voxel] = statistic * abs(statistic)


@compiled
def welch_of_several(
    products: np.ndarray,
    squares: np.ndarray,
    owners: np.ndarray,
    contrast: np.ndarray,
    shared_contrast: np.ndarray,
    cross: np.ndarray,
    group_df: np.ndarray,
    out: np.ndarray,
) -> None:
    """Compute the scores of Welch's statistic for three and more groups."""
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
