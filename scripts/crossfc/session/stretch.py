"""Stretches of neighbours in time for which something holds."""

from collections.abc import Iterator

import numpy as np

from crossfc.array import BoolArray


def stretches(true: BoolArray) -> Iterator[tuple[int, int]]:
    """Find each stretch of true elements.

    Parameters
    ----------
    true : (n,) bool

    Yields
    ------
    start, stop : int
        The first element of the stretch, and the one after its last.
    """
    edges = np.flatnonzero(np.diff(np.concatenate([[0], true.astype(np.int8), [0]])))
    for start, stop in zip(edges[::2], edges[1::2], strict=True):
        yield int(start), int(stop)


def in_stretches(true: BoolArray, least: int) -> BoolArray:
    """Return which elements lie in stretches of ``least`` true ones or more.

    Parameters
    ----------
    true : (n,) bool
    least : int

    Returns
    -------
    (n,) bool
    """
    kept = np.zeros(len(true), dtype=bool)
    for start, stop in stretches(true):
        kept[start:stop] = stop - start >= least
    return kept
