"""Shuffles of people, and permutation tests of products as matrix products."""

from itertools import permutations, product
from math import factorial, prod

import numpy as np

# Two correlations closer than this are the same one with different rounding.
TIE = 1e-10

# Shuffles handled at once, so that memory does not grow with their number.
_BLOCK = 1000


def shuffles_of(n: int, wanted: int, random_seed: int) -> np.ndarray:
    """Return arrangements of n people.

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
    return shuffles_within(np.zeros(n, dtype=int), wanted, random_seed)


def shuffles_within(blocks: np.ndarray, wanted: int, random_seed: int) -> np.ndarray:
    """Return arrangements in which people change places within their block only.

    Parameters
    ----------
    blocks : ndarray, shape (n,)
        A label for each person, such as the order of treatments.
    wanted, random_seed : int

    Returns
    -------
    ndarray of int, shape (p, n)
        As of :func:`shuffles_of`.
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
    shuffles: np.ndarray, who: np.ndarray, wanted: int, blocks: np.ndarray | None = None
) -> np.ndarray:
    """Return the arrangements of some of the people, in the order they have in those of all.

    The order of some in a random arrangement of all is a random arrangement of these, so tests on
    different people still share their shuffles.

    Parameters
    ----------
    shuffles : ndarray of int, shape (p, n)
        From :func:`shuffles_of` or :func:`shuffles_within`.
    who : ndarray of bool, shape (n,)
    wanted : int
        Where the people who are left have no more arrangements than this, all are given.
    blocks : ndarray, shape (n,), optional
        Within which people change places; one for all by default.

    Returns
    -------
    ndarray of int, shape (p, who.sum())
        Numbers within those who are left.
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


def unit(values: np.ndarray, original: np.ndarray) -> np.ndarray:
    """Scale columns to length 1; NaN where what is left is rounding of the original numbers."""
    length = np.sqrt((values**2).sum(axis=0))
    size = np.abs(original).max(axis=0) * np.sqrt(len(values))
    return values / np.where(length > 1e-12 * size, length, np.nan)


def permutation_p(a: np.ndarray, b: np.ndarray, shuffles: np.ndarray) -> np.ndarray:
    """Test products of columns of length 1 by shuffling one side, two-sided.

    Parameters
    ----------
    a : ndarray, shape (n, k)
    b : ndarray, shape (n, m)
        What is shuffled.
    shuffles : ndarray of int, shape (p, n)

    Returns
    -------
    ndarray, shape (k, m)
        (1 + exceedances) / (1 + shuffles).
    """
    observed = np.abs(a.T @ b)
    reached = np.zeros(observed.shape)
    for start in range(0, len(shuffles), _BLOCK):
        shuffled = b[shuffles[start : start + _BLOCK]].transpose(0, 2, 1)
        reached += (np.abs(shuffled @ a) >= observed.T - TIE).sum(axis=0).T
    return np.where(np.isfinite(observed), (1 + reached) / (1 + len(shuffles)), np.nan)
