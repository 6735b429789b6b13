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
