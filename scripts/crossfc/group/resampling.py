"""Shuffles and bootstrap samples of correlations, as matrix products."""

from itertools import permutations
from math import factorial

import numpy as np

# Two correlations closer than this are the same one with different rounding.
TIE = 1e-10

# Shuffles handled at once, so that memory does not grow with their number.
_BLOCK = 1000


def shuffles_of(n: int, wanted: int, random_seed: int) -> np.ndarray:
    """Give arrangements of n people.

    Parameters
    ----------
    n, wanted : int
    random_seed : int

    Returns
    -------
    ndarray of int, shape (p, n)
        All arrangements except the observed one where there are no more than ``wanted`` in all,
        else ``wanted`` random ones (with replacement, the observed one not kept out: Phipson &
        Smyth 2010, Stat Appl Genet Mol Biol 9:39).
    """
    if factorial(n) <= wanted:
        return np.array(list(permutations(range(n))), dtype=int)[1:]
    order = np.tile(np.arange(n), (wanted, 1))
    return np.random.default_rng(random_seed).permuted(order, axis=1)


def shuffles_among(shuffles: np.ndarray, who: np.ndarray, wanted: int) -> np.ndarray:
    """Give the arrangements of some of the people, in the order they have in those of all.

    The order of some in a random arrangement of all is a random arrangement of these, so tests on
    different people still share their shuffles.

    Parameters
    ----------
    shuffles : ndarray of int, shape (p, n)
        From :func:`shuffles_of`.
    who : ndarray of bool, shape (n,)
    wanted : int
        Where the people who are left have no more arrangements than this, all are given.

    Returns
    -------
    ndarray of int, shape (p, who.sum())
        Numbers within those who are left.
    """
    n = int(who.sum())
    if who.all():
        return shuffles
    if factorial(n) <= wanted:
        return shuffles_of(n, wanted, 0)
    return (np.cumsum(who) - 1)[shuffles[who[shuffles]].reshape(len(shuffles), n)]


def draws(n: int, wanted: int, random_seed: int) -> np.ndarray:
    """Draw bootstrap samples of n people: how often each is in, shape (wanted, n)."""
    rng = np.random.default_rng([random_seed, n])
    return rng.multinomial(n, np.full(n, 1 / n), size=wanted).astype(float)


def unit(values: np.ndarray, original: np.ndarray) -> np.ndarray:
    """Scale columns to length 1; NaN where what is left is rounding of the original numbers."""
    length = np.sqrt((values**2).sum(axis=0))
    size = np.abs(original).max(axis=0) * np.sqrt(len(values))
    return values / np.where(length > 1e-12 * size, length, np.nan)


def permutation_p(
    a: np.ndarray, b: np.ndarray, shuffles: np.ndarray, basis: np.ndarray | None = None
) -> np.ndarray:
    """Test products of columns of length 1 by shuffling one side, two-sided.

    Parameters
    ----------
    a : ndarray, shape (n, k)
    b : ndarray, shape (n, m)
        What is shuffled.
    shuffles : ndarray of int, shape (p, n)
    basis : ndarray, shape (n, c), optional
        Orthonormal columns to which a and b are orthogonal. What shuffled b has in them is taken
        out again before it is correlated (Freedman & Lane 1983).

    Returns
    -------
    ndarray, shape (k, m)
        (1 + exceedances) / (1 + shuffles).
    """
    observed = np.abs(a.T @ b)
    reached = np.zeros(observed.shape)
    for start in range(0, len(shuffles), _BLOCK):
        shuffled = b[shuffles[start : start + _BLOCK]].transpose(0, 2, 1)
        value = shuffled @ a
        if basis is not None:
            length = np.sqrt(np.maximum(1 - ((shuffled @ basis) ** 2).sum(axis=-1), TIE))
            value = value / length[..., None]
        reached += (np.abs(value) >= observed.T - TIE).sum(axis=0).T
    return np.where(np.isfinite(observed), (1 + reached) / (1 + len(shuffles)), np.nan)


def weighted_pearson(weights: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Give Pearson's r of samples in which people count as often as their weights say.

    Parameters
    ----------
    weights : ndarray, shape (w, n)
        One sample per row: counts of a bootstrap sample, or 0 for who is left out.
    x : ndarray, shape (n, k)
    y : ndarray, shape (n, m)
        Centred and of length 1 over all people, so that sums of squares lose no digits.

    Returns
    -------
    ndarray, shape (w, k, m)
        NaN where a sample does not vary.
    """
    total = weights.sum(axis=1)[:, None]
    mean_x, mean_y = weights @ x / total, weights @ y / total
    var_x = weights @ x**2 / total - mean_x**2
    var_y = weights @ y**2 / total - mean_y**2
    product = (x[:, :, None] * y[:, None, :]).reshape(len(x), -1)
    shape = (len(weights), x.shape[1], y.shape[1])
    both = (weights @ product / total).reshape(shape) - mean_x[:, :, None] * mean_y[:, None, :]
    # Columns have length 1: their variance is 1 / n, and 1e-14 is rounding.
    var_x, var_y = (np.where(v > 1e-14, v, np.nan) for v in (var_x, var_y))
    return np.clip(both / np.sqrt(var_x[:, :, None] * var_y[:, None, :]), -1, 1)


def bca_interval(
    observed: float, resampled: np.ndarray, without_one: np.ndarray
) -> tuple[float, float]:
    """Give the bias-corrected and accelerated bootstrap interval of 95 %.

    Parameters
    ----------
    observed : float
    resampled : ndarray, shape (w,)
        The statistic of each bootstrap sample; NaN are left out.
    without_one : ndarray, shape (n,)
        The statistic with each person left out, for the acceleration.

    Returns
    -------
    low, high : float

    References
    ----------
    Efron (1987), J Am Stat Assoc 82:171-185.
    """
    from scipy.special import ndtr, ndtri

    resampled = resampled[np.isfinite(resampled)]
    if not np.isfinite(observed) or not np.all(np.isfinite(without_one)) or not len(resampled):
        return np.nan, np.nan
    tied = np.abs(resampled - observed) <= TIE
    below = (np.sum((resampled < observed) & ~tied) + 0.5 * tied.sum()) / len(resampled)
    half = 0.5 / len(resampled)
    bias = ndtri(np.clip(below, half, 1 - half))
    gap = without_one.mean() - without_one
    spread = np.sum(gap**2)
    acceleration = np.sum(gap**3) / (6 * spread**1.5) if spread > TIE**2 else 0.0
    normal = bias + ndtri(np.array([0.025, 0.975]))
    low, high = np.quantile(resampled, ndtr(bias + normal / (1 - acceleration * normal)))
    return float(low), float(high)
