"""What counts as significant: the level, and p values adjusted over many tests."""

import numpy as np

SIGNIFICANT = 0.05
"""A corrected p below this is significant; intervals of 95 % belong to it."""


def false_discovery_rate(p: np.ndarray) -> np.ndarray:
    """Adjust p values over a whole array by Benjamini and Hochberg (1995, J R Stat Soc B 57:289).

    Replaces scipy.stats.false_discovery_control, whose import takes as long as a small analysis.

    Parameters
    ----------
    p : ndarray
        p values in any shape.

    Returns
    -------
    ndarray
        Adjusted p values (q) in the shape of ``p``.
    """
    order = np.argsort(p, axis=None)
    adjusted = p.ravel()[order]
    adjusted *= p.size / np.arange(1, p.size + 1)
    found = np.empty_like(adjusted)
    found[order] = np.minimum.accumulate(adjusted[::-1])[::-1]
    return np.clip(found, 0, 1).reshape(p.shape)


def holm(p: np.ndarray) -> np.ndarray:
    """Adjust p values of several tests by Holm's steps (1979, Scand J Stat 6:65).

    The family-wise error is held whatever the dependence of the tests.

    Parameters
    ----------
    p : ndarray, shape (n_tests,)
        NaN for tests that could not be made, which do not count.

    Returns
    -------
    ndarray
        Adjusted p values in the shape of ``p``.
    """
    known = np.isfinite(p)
    adjusted = np.full(p.shape, np.nan)
    order = np.flatnonzero(known)[np.argsort(p[known], kind="stable")]
    stepped = p[order] * np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(stepped), 1)
    return adjusted
