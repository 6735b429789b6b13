"""Ties: numbers that are equal as they were written down are equal here too.

0.3 - 0.1 and 0.5 - 0.3 differ in floating point by their last bit, which is enough to give two
equal changes two ranks. So differences are rounded at the precision of what they are made of.
"""

import numpy as np

# What is smaller than this share of the numbers that were subtracted or averaged is rounding.
_NOISE = 1e-12

# More decimals than anybody writes down: such numbers were measured or computed.
_MOST_DECIMALS = 9

# Above so many differences that are not zero, ranks are summed in the normal approximation: the
# exact distribution would take seconds and agrees to four digits.
_MOST_RANKED = 400

# The same of people in a sum of ranks, of which sums and counts make a table.
_MOST_SUMMED = 200


def rounded(values: np.ndarray, of: np.ndarray | None = None) -> np.ndarray:
    """Round at the precision at which numbers were written down.

    Parameters
    ----------
    values : ndarray
        NaN stay as they are.
    of : ndarray, optional
        What the values were computed from by adding and subtracting; the values themselves by
        default. Its decimals are what counts: as many as tell all numbers apart from rounding.

    Returns
    -------
    ndarray
        Equal numbers, and equal sizes of opposite sign, are equal to the bit. Where there are more
        than nine decimals, which nobody wrote down (mean scores of items, measured values),
        nothing is rounded, but sizes that differ by rounding alone become the smallest of them.
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
    return np.copysign(size[back.reshape(values.shape)], values) + 0.0


def rounded_columns(values: np.ndarray) -> np.ndarray:
    """Round each column at its own precision; see `rounded`.

    Parameters
    ----------
    values : ndarray, shape (n, k)
    """
    return np.column_stack([rounded(column) for column in np.asarray(values).T])


def difference(active: np.ndarray, control: np.ndarray) -> np.ndarray:
    """Subtract scores, so that equal changes are equal numbers.

    Parameters
    ----------
    active, control : ndarray, shape (n,)
        NaN where a score is missing.

    Returns
    -------
    ndarray, shape (n,)
    """
    active, control = np.asarray(active, dtype=float), np.asarray(control, dtype=float)
    return rounded(active - control, np.concatenate([active, control]))


def signed_rank_p(differences: np.ndarray) -> float:
    """Test differences by Wilcoxon's signed ranks, two-sided and exact.

    Differences of zero are left out before ranking (Wilcoxon 1945, Biometrics Bulletin 1:80; not
    Pratt's way, which ranks them first), equal ones share their mean rank, and p counts all flips
    of the signs of what is left: the distribution of the sum of ranks, ties in it or not, is
    added up person by person (Streitberg and Röhmel 1986, Statistical Software Newsletter 12:10).

    Parameters
    ----------
    differences : ndarray, shape (n,)
        Rounded (`difference`), so that ties are seen.

    Returns
    -------
    float
        1 at most; 1 where every difference is zero. From 401 differences on that are not zero,
        by the normal distribution with its variance corrected for ties.
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


def rank_sum_p(first: np.ndarray, second: np.ndarray) -> float:
    """Test two samples by Wilcoxon's rank sum, two-sided and exact.

    Equal numbers share their mean rank, and p counts all ways to choose the people of the first
    sample: the distribution of their sum of ranks, ties in it or not, is added up person by person
    (Streitberg and Röhmel 1986, Statistical Software Newsletter 12:10). Two-sided is how far the
    sum lies from its mean.

    Parameters
    ----------
    first, second : ndarray
        Rounded, so that ties are seen.

    Returns
    -------
    float
        From 201 people on by the normal distribution with its variance corrected for ties.
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
    # Twice n times the distance from the mean is a whole number.
    far = np.abs(n * np.arange(total + 1) - n_first * total)
    return min(1.0, float(chance[far >= abs(n * observed - n_first * total)].sum()))
