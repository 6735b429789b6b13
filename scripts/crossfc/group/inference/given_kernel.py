"""Compiled kernels of the statistics given a covariate by voxel; see `given`."""

import numpy as np

from crossfc.compiled import compiled

# What is left of a covariate, as a share of its length, from which on it is in the model.
LEAST = 1e-7


@compiled
def ratio_of_one(
    products: np.ndarray,
    shared: np.ndarray,
    mixed: np.ndarray,
    freedom: float,
    floor: float,
    out: np.ndarray,
) -> None:
    """Compute the score of one measure given one covariate.

    Parameters
    ----------
    products : ndarray, shape (n_arrangements, n_columns, 1, n_voxels)
        Of the data with the effect, then the nuisance.
    shared : ndarray, shape (n_arrangements or 1, n_columns, 1, n_voxels)
        Of the covariate with them.
    mixed : ndarray, shape (n_arrangements or 1, 1, 1, n_voxels)
        Of the data with the covariate.
    """
    width = out.shape[1]
    left = np.empty(width, dtype=products.dtype)  # of the covariate's square
    error = np.empty(width, dtype=products.dtype)
    both = np.empty(width, dtype=products.dtype)
    one, least = products.dtype.type(1), products.dtype.type(LEAST)
    factor, small = products.dtype.type(freedom), products.dtype.type(floor)
    for row in range(out.shape[0]):
        of = shared[row if shared.shape[0] > 1 else 0]
        mix = mixed[row if mixed.shape[0] > 1 else 0, 0, 0]
        score, along, effect = out[row], products[row, 0, 0], of[0, 0]
        for voxel in range(width):
            left[voxel] = one
            error[voxel] = one
            both[voxel] = mix[voxel]
        for column in range(1, products.shape[1]):
            mine, other = products[row, column, 0], of[column, 0]
            for voxel in range(width):
                error[voxel] -= mine[voxel] * mine[voxel]
                left[voxel] -= other[voxel] * other[voxel]
                both[voxel] -= mine[voxel] * other[voxel]
        for voxel in range(width):
            inverse = one / max(left[voxel], least)
            t = along[voxel] - effect[voxel] * both[voxel] * inverse
            room = max(one - effect[voxel] * effect[voxel] * inverse, least)
            explained = t * abs(t) / room
            squares = error[voxel] - both[voxel] * both[voxel] * inverse - abs(explained)
            score[voxel] = factor * explained / max(squares, small)


@compiled
def ratio(
    products: np.ndarray,
    shared: np.ndarray,
    mixed: np.ndarray,
    freedom: float,
    floor: float,
    out: np.ndarray,
) -> None:
    """Compute the score of measures and covariates of any number; see `ratio_of_one`.

    Parameters
    ----------
    products : ndarray, shape (n_arrangements, n_columns, n_measures, n_voxels)
    shared : ndarray, shape (n_arrangements or 1, n_columns, n_covariates, n_voxels)
    mixed : ndarray, shape (n_arrangements or 1, n_measures, n_covariates, n_voxels)

    Notes
    -----
    The products among covariates, measures and the effect, in this order, without the nuisance,
    are factorised (LDL'). What the measures take off the effect's square, beyond what covariates
    take, is the share that they explain.
    """
    n_measures, n_covariates = mixed.shape[1], mixed.shape[2]
    size = n_covariates + n_measures + 1
    gram = np.empty((size, size))
    for row in range(out.shape[0]):
        of = shared[row if shared.shape[0] > 1 else 0]
        mix = mixed[row if mixed.shape[0] > 1 else 0]
        own = products[row]
        for voxel in range(out.shape[1]):
            for i in range(size):
                for j in range(i + 1):
                    if i == size - 1:
                        if j < n_covariates:
                            total = float(of[0, j, voxel])
                        elif j < i:
                            total = float(own[0, j - n_covariates, voxel])
                        else:
                            total = 1.0
                    else:
                        total = 1.0 if i == j else 0.0
                        if j < n_covariates <= i:
                            total = float(mix[i - n_covariates, j, voxel])
                        for column in range(1, own.shape[0]):
                            if i < n_covariates:
                                mine = float(of[column, i, voxel])
                            else:
                                mine = float(own[column, i - n_covariates, voxel])
                            if j < n_covariates:
                                other = float(of[column, j, voxel])
                            else:
                                other = float(own[column, j - n_covariates, voxel])
                            total -= mine * other
                    gram[i, j] = total
            room, explained = 1.0, 0.0
            for k in range(size - 1):
                pivot = max(gram[k, k], floor)
                taken = gram[size - 1, k] * gram[size - 1, k] / pivot
                if k < n_covariates:
                    room -= taken
                else:
                    explained += taken
                for i in range(k + 1, size):
                    factor = gram[i, k] / pivot
                    for j in range(k + 1, i + 1):
                        gram[i, j] -= factor * gram[j, k]
            left = max(room - explained, floor)
            value = freedom * explained / left
            if n_measures == 1 and gram[size - 1, size - 2] < 0:
                value = -value
            out[row, voxel] = value


@compiled
def slope_given(
    e: np.ndarray,
    b: np.ndarray,
    signs: np.ndarray,
    columns: np.ndarray,
    products: np.ndarray,
    mixed: np.ndarray,
    shares: np.ndarray,
    weights: np.ndarray,
    floor: np.ndarray,
    out: np.ndarray,
) -> None:
    """Compute the score of a slope with White's standard error, under sign flips.

    Parameters
    ----------
    e, b : ndarray, shape (n_people, n_voxels)
        Residuals of length 1, and the covariate.
    signs : ndarray, shape (n_arrangements, n_people)
    columns : ndarray, shape (n_people, n_columns)
        Effect, then nuisance.
    products : ndarray, shape (n_arrangements, n_columns, n_voxels)
    mixed : ndarray, shape (n_arrangements, n_voxels)
        Of the arranged data with the covariate.
    shares : ndarray, shape (n_voxels,)
        Of the covariate with the effect.
    weights : ndarray, shape (n_people, n_voxels)
        See `SlopeGiven.people_weights`.
    floor : ndarray, shape (n_voxels,)
        Smallest variance that is not rounding.
    """
    width, n_columns = e.shape[1], columns.shape[1]
    slope = np.empty(width, dtype=e.dtype)
    of_b = np.empty(width, dtype=e.dtype)
    variance = np.empty(width, dtype=e.dtype)
    rest = np.empty(width, dtype=e.dtype)
    one = e.dtype.type(1)
    for row in range(out.shape[0]):
        along, mix = products[row, 0], mixed[row]
        for voxel in range(width):
            share = shares[voxel]
            slope[voxel] = (along[voxel] - share * mix[voxel]) / max(
                one - share * share, e.dtype.type(LEAST)
            )
            of_b[voxel] = mix[voxel] - share * slope[voxel]
            variance[voxel] = e.dtype.type(0)
        for person in range(e.shape[0]):
            sign, x = signs[row, person], columns[person, 0]
            own, covariate, weight = e[person], b[person], weights[person]
            for voxel in range(width):
                rest[voxel] = sign * own[voxel] - x * slope[voxel] - covariate[voxel] * of_b[voxel]
            for column in range(1, n_columns):
                value, product = columns[person, column], products[row, column]
                for voxel in range(width):
                    rest[voxel] -= value * product[voxel]
            for voxel in range(width):
                variance[voxel] += weight[voxel] * rest[voxel] * rest[voxel]
        score = out[row]
        for voxel in range(width):
            score[voxel] = slope[voxel] * abs(slope[voxel]) / max(variance[voxel], floor[voxel])


@compiled
def hall_given(
    e: np.ndarray,
    b: np.ndarray,
    order: np.ndarray,
    signs: np.ndarray,
    columns: np.ndarray,
    first: np.ndarray,
    products: np.ndarray,
    mixed: np.ndarray,
    shared: np.ndarray,
    first_shared: np.ndarray,
    first_squares: np.ndarray,
    cross: np.ndarray,
    counts: np.ndarray,
    floor: float,
    out: np.ndarray,
) -> None:
    """Compute the score of Hall's statistic of two groups given a covariate.

    Parameters
    ----------
    e, b : ndarray, shape (n_people, n_voxels)
        Residuals of length 1, and the covariate.
    order, signs : ndarray, shape (n_arrangements or 1, n_people)
        Row of the design that each person gets, and the sign of their residual.
    columns : ndarray, shape (n_people, n_columns)
        Effect, then nuisance; orthonormal.
    first : ndarray, shape (n_people,)
        1 for the rows of the design that are of the first group, else 0.
    products, shared : ndarray, shape (n_arrangements or 1, n_columns, n_voxels)
        Of the arranged columns with data, and with the covariate.
    mixed : ndarray, shape (n_arrangements or 1, n_voxels)
        Of the arranged data with the covariate.
    first_shared : ndarray, shape (n_arrangements or 1, n_columns, n_voxels)
        As ``shared``, over the people of the first group only.
    first_squares : ndarray, shape (n_arrangements or 1, n_voxels)
        Sum of squares of the covariate over the first group.
    cross : ndarray, shape (n_columns, n_columns)
        Products of the columns over the first group.
    counts : ndarray, shape (2,)
        Number of people of each group.
    """
    width, n_columns, kind = e.shape[1], columns.shape[1], e.dtype.type
    tiny = kind(LEAST)
    slope, of_b, tilt = np.empty(width, kind), np.empty(width, kind), np.empty(width, kind)
    scale, there = np.empty(width, kind), np.empty(width, kind)
    rest, weight = np.empty(width, kind), np.empty(width, kind)
    squares, cubes = np.empty((2, width), kind), np.empty((2, width), kind)
    weights = np.empty((2, width), kind)  # sums of cubed weights
    of_nuisance = np.empty((n_columns, width), kind)
    of_weight = np.empty((n_columns, width), kind)
    size = n_columns + 1
    inner = np.empty((size, size))
    place_of = np.empty(size, np.int64)  # columns from the last to the second, covariate, effect
    for k in range(size):
        place_of[k] = n_columns - 1 - k
    place_of[size - 2], place_of[size - 1] = -1, 0
    for voxel in range(width):
        there[voxel] = kind(0)
    for person in range(e.shape[0]):
        for voxel in range(width):
            there[voxel] += b[person, voxel] * b[person, voxel]
    for row in range(out.shape[0]):
        own_shared = shared[row if shared.shape[0] > 1 else 0]
        own_first = first_shared[row if first_shared.shape[0] > 1 else 0]
        own_squares = first_squares[row if first_squares.shape[0] > 1 else 0]
        mix = mixed[row if mixed.shape[0] > 1 else 0]
        own_order = order[row if order.shape[0] > 1 else 0]
        own_signs = signs[row if signs.shape[0] > 1 else 0]
        own = products[row]
        for voxel in range(width):
            left, both = kind(1), mix[voxel]
            for column in range(1, n_columns):
                left -= own_shared[column, voxel] * own_shared[column, voxel]
                both -= own[column, voxel] * own_shared[column, voxel]
            left = max(left, tiny)
            effect = own_shared[0, voxel]
            room = max(kind(1) - effect * effect / left, tiny)
            slope[voxel] = (own[0, voxel] - effect * both / left) / room
            tilt[voxel] = effect / left
            of_b[voxel] = both / left - tilt[voxel] * slope[voxel]
            scale[voxel] = kind(1) / room
            for column in range(1, n_columns):
                share = own_shared[column, voxel]
                of_nuisance[column, voxel] = own[column, voxel] - of_b[voxel] * share
                of_weight[column, voxel] = tilt[voxel] * share
            for group in range(2):
                squares[group, voxel] = kind(0)
                cubes[group, voxel] = kind(0)
                weights[group, voxel] = kind(0)
        for person in range(e.shape[0]):
            place, sign = own_order[person], own_signs[person]
            x, group = columns[place, 0], 0 if first[place] > 0.5 else 1
            data, covariate = e[person], b[person]
            for voxel in range(width):
                rest[voxel] = sign * data[voxel] - x * slope[voxel] - covariate[voxel] * of_b[voxel]
                weight[voxel] = x - covariate[voxel] * tilt[voxel]
            for column in range(1, n_columns):
                value = columns[place, column]
                for voxel in range(width):
                    rest[voxel] -= value * of_nuisance[column, voxel]
                    weight[voxel] += value * of_weight[column, voxel]
            for voxel in range(width):
                squares[group, voxel] += rest[voxel] * rest[voxel]
                cubes[group, voxel] += rest[voxel] * rest[voxel] * rest[voxel]
                pulled = weight[voxel] * scale[voxel]
                weights[group, voxel] += pulled * pulled * pulled
        for voxel in range(width):
            # Residual degrees of freedom of the groups, from the leverages of their people.
            lean, whole = 0.0, float(there[voxel])
            known = whole > 0.5
            trace = own_squares[voxel] + 0.0
            for i in range(n_columns):
                lean += cross[i, i]
                whole -= own_shared[i, voxel] * own_shared[i, voxel]
                trace -= 2.0 * own_shared[i, voxel] * own_first[i, voxel]
                for j in range(n_columns):
                    trace += own_shared[i, voxel] * cross[i, j] * own_shared[j, voxel]
            share = trace / max(whole, LEAST) if known else 0.0
            df_first = counts[0] - lean - share
            df_second = counts[1] - (n_columns - lean) - ((1.0 - share) if known else 0.0)
            one = df_first / max(float(squares[0, voxel]), floor)
            two = df_second / max(float(squares[1, voxel]), floor)
            # Products among nuisance, covariate and, last, the effect, over the variances.
            for i in range(size):
                for j in range(i + 1):
                    a, c = place_of[i], place_of[j]
                    if a >= 0 and c >= 0:
                        mine, total = cross[a, c], 1.0 if a == c else 0.0
                    elif a == c:
                        mine, total = float(own_squares[voxel]), float(there[voxel])
                    else:
                        mine = float(own_first[max(a, c), voxel])
                        total = float(own_shared[max(a, c), voxel])
                    inner[i, j] = one * mine + two * (total - mine)
            for k in range(size - 1):
                pivot = inner[k, k]
                if pivot <= 0.0 or (place_of[k] < 0 and not known):
                    continue
                for i in range(k + 1, size):
                    factor = inner[i, k] / pivot
                    for j in range(k + 1, i + 1):
                        inner[i, j] -= factor * inner[j, k]
            precision = max(inner[size - 1, size - 1], 1e-300)
            error = 1.0 / np.sqrt(precision)
            cumulant = 0.0
            if df_first >= 2.0:
                moment = counts[0] * cubes[0, voxel] / (df_first * (df_first - 1.0))
                cumulant += weights[0, voxel] * moment
            if df_second >= 2.0:
                moment = counts[1] * cubes[1, voxel] / (df_second * (df_second - 1.0))
                cumulant += weights[1, voxel] * moment
            t = float(slope[voxel]) / error
            skewness = cumulant / (error * error * error)
            bend = skewness * t / 3.0
            t = t + skewness / 6.0 + t * bend * (1.0 + bend / 3.0)
            out[row, voxel] = t * abs(t)
