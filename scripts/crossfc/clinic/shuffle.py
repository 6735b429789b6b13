"""Shuffles of people, and permutation tests of correlations by matrix products."""

from itertools import permutations, product
from math import factorial, prod

import numpy as np

from crossfc.array import BoolArray, FloatArray, IntArray, LabelArray

# Two correlations closer than this count as equal up to rounding.
TIE = 1e-10

# Number of shuffles processed at once, so that memory does not grow with their total number.
_BLOCK = 1000


def shuffles_of(n: int, wanted: int, random_seed: int) -> IntArray:
    """Draw shuffles of n people.

    Parameters
    ----------
    n : int
        Number of people.
    wanted : int
        Number of shuffles.
    random_seed : int

    Returns
    -------
    ndarray of int, shape (p, n)
        If at most ``wanted`` arrangements exist, all of them except the observed one. Otherwise
        ``wanted`` random ones, drawn with replacement, which may include the observed one (Phipson
        & Smyth 2010, Stat Appl Genet Mol Biol 9:39).
    """
    return shuffles_within(np.zeros(n, dtype=int), wanted, random_seed)


def shuffles_within(blocks: LabelArray, wanted: int, random_seed: int) -> IntArray:
    """Draw shuffles in which people change places only within their block.

    Parameters
    ----------
    blocks : ndarray, shape (n,)
        A label for each person, such as the order of treatments.
    wanted : int
        Number of shuffles.
    random_seed : int

    Returns
    -------
    ndarray of int, shape (p, n)
        As from :func:`shuffles_of`.
    """
    if not len(blocks):
        return np.zeros((0, 0), dtype=int)
    members = [np.flatnonzero(blocks == label) for label in np.unique(blocks)]
    if prod(factorial(len(own)) for own in members) <= wanted:
        orders = product(*(permutations(own) for own in members))
        chosen = np.array([np.concatenate(order) for order in orders], dtype=int)[1:]
        found = np.empty_like(chosen)
        found[:, np.concatenate(members)] = chosen
        return found
    rng = np.random.default_rng(random_seed)
    found = np.empty((wanted, len(blocks)), dtype=int)
    for own in members:
        found[:, own] = rng.permuted(np.tile(own, (wanted, 1)), axis=1)
    return found


def shuffles_among(
    shuffles: IntArray, who: BoolArray, wanted: int, blocks: LabelArray | None = None
) -> IntArray:
    """Restrict shuffles of all people to some people, who keep their order in each shuffle.

    The order of some people within a random arrangement of all is itself a random arrangement. So
    tests on different people still share their shuffles.

    Parameters
    ----------
    shuffles : ndarray of int, shape (p, n)
        From :func:`shuffles_of` or :func:`shuffles_within`.
    who : ndarray of bool, shape (n,)
        True for the people to keep.
    wanted : int
        If the kept people have at most this many arrangements, all of them are returned.
    blocks : ndarray, shape (n,), optional
        Blocks within which people change places; by default all are in one block.

    Returns
    -------
    ndarray of int, shape (p, who.sum())
        Indices among the kept people.
    """
    if who.all():
        return shuffles
    blocks = np.zeros(len(who), dtype=int) if blocks is None else blocks
    left = blocks[who]
    counts = [int((left == label).sum()) for label in np.unique(left)]
    if prod(map(factorial, counts)) <= wanted:
        return shuffles_within(left, wanted, 0)
    number = np.cumsum(who) - 1
    found = np.empty((len(shuffles), len(left)), dtype=int)
    for label, count in zip(np.unique(left), counts, strict=True):
        of_block = shuffles[:, blocks == label]
        kept = of_block[who[of_block]].reshape(len(shuffles), count)
        found[:, left == label] = number[kept]
    return found


def unit(values: FloatArray, original: FloatArray) -> FloatArray:
    """Scale columns to length 1; NaN if a column is only rounding error of the original numbers.

    Parameters
    ----------
    values : ndarray, shape (n, k)
        Columns after something was subtracted, such as their mean.
    original : ndarray, shape (n, k)
        The same columns before, which tell the size of rounding errors.

    Returns
    -------
    ndarray, shape (n, k)
    """
    length = np.sqrt((values**2).sum(axis=0))
    size = np.abs(original).max(axis=0) * np.sqrt(len(values))
    scaled: FloatArray = values / np.where(length > 1e-12 * size, length, np.nan)
    return scaled


def permutation_p(a: FloatArray, b: FloatArray, shuffles: IntArray) -> FloatArray:
    """Test inner products of columns of length 1, two-sided, by shuffling one side.

    Parameters
    ----------
    a : ndarray, shape (n, k)
        Columns that stay as they are.
    b : ndarray, shape (n, m)
        Columns that are shuffled.
    shuffles : ndarray of int, shape (p, n)

    Returns
    -------
    ndarray, shape (k, m)
        p = (1 + exceedances) / (1 + shuffles); NaN where the product is.
    """
    observed = np.abs(a.T @ b)
    reached = np.zeros(observed.shape)
    for start in range(0, len(shuffles), _BLOCK):
        shuffled = b[shuffles[start : start + _BLOCK]].transpose(0, 2, 1)
        reached += (np.abs(shuffled @ a) >= observed.T - TIE).sum(axis=0).T
    return np.where(np.isfinite(observed), (1 + reached) / (1 + len(shuffles)), np.nan)
