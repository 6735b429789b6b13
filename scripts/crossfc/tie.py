"""Ties: make numbers that are equal in decimal notation also equal in floating point.

0.3 - 0.1 and 0.5 - 0.3 differ in floating point by their last bit, so that two equal changes would
get different ranks. So differences are rounded to the precision of the numbers from which they were
computed.
"""

import numpy as np
from numpy.typing import NDArray

# Differences below this share of the largest of the original numbers are rounding errors.
_NOISE = 1e-12

# Numbers with more decimals than this were not written down by hand but measured or computed.
_MOST_DECIMALS = 9

# With more nonzero differences than this, the normal approximation of the rank sum is used: the
# exact distribution would take seconds and agrees to four digits.
_MOST_RANKED = 400

# The same limit for the number of people in a two-sample rank sum, whose table of sums and counts
# is larger.
_MOST_SUMMED = 200


def rounded(
    values: NDArray[np.float64], of: NDArray[np.float64] | None = None
) -> NDArray[np.float64]:
    """Round numbers to the precision with which they were written down.

    Parameters
    ----------
    values : ndarray
        NaN stay as they are.
    of : ndarray, optional
        The numbers from which the values were computed by adding and subtracting; default the
        values themselves. Values are rounded to the number of decimals that these numbers have.

    Returns
    -------
    ndarray, shape of ``values``
        Equal numbers are equal to the last bit, and so are absolute values of opposite sign. If
        the original numbers have more than nine decimals, they were not written down by hand (mean
        scores of items, measured values). Then nothing is rounded, but absolute values that only
        differ by rounding errors are set to the smallest of them.
    """
    values = np.asarray(values, dtype=float)
    of = values if of is None else np.asarray(of, dtype=float)
    of = of[np.isfinite(of)]
    noise = _NOISE * float(np.max(np.abs(of), initial=0.0))
    for decimals in range(_MOST_DECIMALS + 1):
        if np.all(np.abs(of - np.round(of, decimals)) <= noise):
            return np.round(values, decimals) + 0.0  # no negative zero
    size, back = np.unique(np.abs(values), return_inverse=True)
    apart = ~(np.diff(size, prepend=0.0) <= noise)  # NaN, which are last, stay apart
    first = np.maximum.accumulate(np.where(apart, np.arange(len(size)), 0))
    size = np.where(apart.cumsum() > 0, size[first], 0.0)
    return np.copysign(size[back.reshape(values.shape)], values) + 0.0  # type: ignore[no-any-return]


def rounded_columns(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Round each column to its own precision; see `rounded`.

    Parameters
    ----------
    values : ndarray, shape (n, k)

    Returns
    -------
    ndarray, shape (n, k)
    """
    return np.column_stack([rounded(column) for column in np.asarray(values).T])


def difference(active: NDArray[np.float64], control: NDArray[np.float64]) -> NDArray[np.float64]:
    """Subtract scores so that equal changes are equal numbers.

    Parameters
    ----------
    active, control : ndarray, shape (n,)
        Scores in points; NaN if missing.

    Returns
    -------
    ndarray, shape (n,)
        Active minus control.
    """
    active, control = np.asarray(active, dtype=float), np.asarray(control, dtype=float)
    return rounded(active - control, np.concatenate([active, control]))


def signed_rank_p(differences: NDArray[np.float64]) -> float:
    """Compute the two-sided exact p value of Wilcoxon's signed-rank test.

    Differences of zero are left out before ranking (Wilcoxon 1945, Biometrics Bulletin 1:80; not
    Pratt's method, which ranks them first), and equal absolute values share their mean rank. The
    null distribution consists of all flips of the signs of the remaining differences. It is exact
    with and without ties, and is built up person by person (Streitberg and Röhmel 1986,
    Statistical Software Newsletter 12:10).

    Parameters
    ----------
    differences : ndarray, shape (n,)
        Rounded (see `difference`), so that ties are recognised.

    Returns
    -------
    float
        At most 1; 1 if every difference is zero. With 401 or more nonzero differences, from the
        normal approximation with its variance corrected for ties.
    """
    from scipy import stats

    differences = np.asarray(differences, dtype=float)
    differences = differences[differences != 0]
    if not len(differences):
        return 1.0
    # Twice the rank: mean ranks of ties are halves.
    ranks = np.rint(2 * stats.rankdata(np.abs(differences))).astype(int)
    positive = int(ranks[differences > 0].sum())
    least = min(positive, int(ranks.sum()) - positive)
    if len(ranks) > _MOST_RANKED:
        z = (least - ranks.sum() / 2) / np.sqrt(np.square(ranks, dtype=float).sum() / 4)
        return min(1.0, float(2 * stats.norm.cdf(z)))
    chance = np.zeros(ranks.sum() + 1)
    chance[0] = 1.0
    for rank in ranks:
        chance[rank:] = (chance[rank:] + chance[: len(chance) - rank]) / 2
        chance[:rank] /= 2
    return min(1.0, 2 * float(chance[: least + 1].sum()))


def rank_sum_p(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """Compute the two-sided exact p value of Wilcoxon's rank-sum test for two samples.

    Equal numbers share their mean rank. The null distribution consists of all ways to choose the
    people of the first sample. It is exact with and without ties, and is built up person by person
    (Streitberg and Röhmel 1986, Statistical Software Newsletter 12:10). Two-sided means that sums
    of ranks count that are at least as far from the mean as the observed one.

    Parameters
    ----------
    first : ndarray, shape (n_first,)
    second : ndarray, shape (n_second,)
        Both rounded (see `rounded`), so that ties are recognised.

    Returns
    -------
    float
        At most 1. With 201 or more people, from the normal approximation with its variance
        corrected for ties.
    """
    from scipy import stats

    values = np.concatenate([first, second])
    n, n_first = len(values), len(first)
    # Twice the rank: mean ranks of ties are halves.
    ranks = np.rint(2 * stats.rankdata(values)).astype(int)
    observed = int(ranks[:n_first].sum())
    if n > _MOST_SUMMED:
        variance = n_first * (n - n_first) / n * np.var(ranks, ddof=1)
        z = (observed - n_first * ranks.mean()) / np.sqrt(variance)
        return min(1.0, float(2 * stats.norm.sf(abs(z))))
    total = int(ranks.sum())
    ways = np.zeros((n_first + 1, total + 1))
    ways[0, 0] = 1.0
    for rank in ranks:
        ways[1:, rank:] += ways[:-1, : total + 1 - rank].copy()
    chance = ways[n_first] / ways[n_first].sum()
    # The distance from the mean is multiplied by 2n, so that it is a whole number.
    far = np.abs(n * np.arange(total + 1) - n_first * total)
    return min(1.0, float(chance[far >= abs(n * observed - n_first * total)].sum()))
