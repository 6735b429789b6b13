"""Correlations that a few odd people cannot make: percentage bend and skipped.

The percentage-bend correlation bends outliers of each variable by itself; the skipped correlation
leaves out people who are outliers of the two variables together. Both are described in Wilcox
(2012), Introduction to Robust Estimation and Hypothesis Testing, 3rd ed., ch. 9, and compared in
Pernet, Wilcox & Rousselet (2013), Front Psychol 3:606.
"""

import numpy as np

from crossfc.tie import rounded, rounded_columns

# Fewer people tell nothing about who is an outlier (the limit of Pernet et al.'s toolbox).
FEWEST_TO_SKIP = 10

# sqrt of the 97.5 % quantile of chi-square with two degrees of freedom, -2 ln(0.025).
_CUTOFF = float(np.sqrt(-2 * np.log(0.025)))

# A share of a distance that is rounding.
_ROUNDING = 1e-9

# Distances handled at once, few enough to stay in cache.
_BLOCK_NUMBERS = 100_000


def bend(values: np.ndarray, bending: float = 0.2) -> np.ndarray:
    """Centre, scale and bend variables as the percentage-bend correlation does.

    Parameters
    ----------
    values : ndarray, shape (n, k)
        One variable per column, no missing numbers.
    bending : float
        Share of the people who may be bent, 0 to 0.5. The scale omega is the
        floor((1 - bending) n)-th smallest distance from the median.

    Returns
    -------
    ndarray, shape (n, k)
        Numbers from -1 to 1, centred at the percentage-bend location, not at their mean. NaN where
        omega is zero: so many people share one value that there is nothing to scale by.

    References
    ----------
    Wilcox (1994), Psychometrika 59:601-616.
    """
    values = rounded_columns(values)
    n = len(values)
    # Rounded again: who is as far below the median as others above it is bent as they are.
    distance = rounded_columns(values - np.median(values, axis=0))
    # The small number guards against 0.8 * 35 = 27.999….
    rank = int(np.floor((1 - bending) * n + 1e-9))
    omega = np.sort(np.abs(distance), axis=0)[rank - 1]
    omega = np.where(omega > 0, omega, np.nan)
    low, high = distance < -omega, distance > omega
    inside = np.where(low | high, 0.0, values).sum(axis=0)
    n_low, n_high = low.sum(axis=0), high.sum(axis=0)
    location = (inside + omega * (n_high - n_low)) / (n - n_low - n_high)
    return np.clip((values - location) / omega, -1, 1)


def percentage_bend(x: np.ndarray, y: np.ndarray, bending: float = 0.2) -> tuple[float, float]:
    """Return the percentage-bend correlation and its p by Student's t with n - 2 degrees.

    Parameters
    ----------
    x, y : ndarray, shape (n,)
    bending : float
        As for :func:`bend`.

    Returns
    -------
    r, p : float
    """
    from scipy import stats

    a, b = bend(np.column_stack([x, y]), bending).T
    r = float(a @ b / np.sqrt((a @ a) * (b @ b)))
    n = len(a)
    if np.isnan(r):
        return np.nan, np.nan
    t = r * np.sqrt((n - 2) / max(1 - r**2, np.finfo(float).tiny))
    return r, float(2 * stats.t.sf(abs(t), n - 2))


def kept(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return who is no outlier of two variables together, by projections.

    Both variables are scaled by their median absolute deviation, as one is a score and the other
    a Fisher z. Through the medians of both and through each person runs a line; everybody is
    projected on it, and who lies further out than median + 2.716 times the range between the ideal
    fourths on any of the lines is an outlier (Wilcox's ``outpro`` with marginal medians).

    Parameters
    ----------
    x : ndarray, shape (n,)
    y : ndarray, shape (..., n)
        Any number of versions of the second variable, such as shuffled ones.

    Returns
    -------
    ndarray of bool, shape (..., n)
        All False where a median absolute deviation is zero, so that nothing can be said.
    """
    x, y = _standardised(x), _standardised(y)
    if not np.all(np.isfinite(x)):
        return np.zeros(y.shape, dtype=bool)
    # Distances along person i's line, all multiplied by the length of i: the rule does not mind.
    along = y[..., :, None] * y[..., None, :]
    along += x[:, None] * x
    np.abs(along, out=along)
    ordered = np.sort(along, axis=-1)
    low, high = _ideal_fourths(ordered)
    n = len(x)
    median = (ordered[..., (n - 1) // 2] + ordered[..., n // 2]) / 2
    limit = median + _CUTOFF * (high - low)
    # Who reaches the limit but for rounding, as where most distances are equal, is no outlier.
    beyond = along > limit[..., None] * (1 + _ROUNDING)
    return ~np.any(beyond, axis=-2) & np.isfinite(y)


def skipped(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return Pearson's r of the people who are no outliers.

    Parameters
    ----------
    x : ndarray, shape (n,)
    y : ndarray, shape (..., n)
        Any number of versions of the second variable: outliers are looked for in each anew, so a
        permutation test of this number is exact. (The customary t with n - 2 degrees is not, as it
        takes the people left out for granted.)

    Returns
    -------
    ndarray, shape (...)
        NaN with fewer than ten people, or where nothing is left that varies.
    """
    y = np.asarray(y, dtype=float)
    n = y.shape[-1]
    rows = y.reshape(-1, n)
    r = np.full(len(rows), np.nan)
    if n >= FEWEST_TO_SKIP:
        step = max(1, _BLOCK_NUMBERS // n**2)
        for start in range(0, len(rows), step):
            block = rows[start : start + step]
            r[start : start + step] = _pearson_of(kept(x, block), x, block)
    return r.reshape(y.shape[:-1])


def _pearson_of(keep: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Pearson's r over the kept people; keep and y are (rows, n), x is (n,)."""
    count = np.maximum(keep.sum(axis=-1, keepdims=True), 1)
    a = np.where(keep, x - (keep * x).sum(axis=-1, keepdims=True) / count, 0.0)
    b = np.where(keep, y - (keep * y).sum(axis=-1, keepdims=True) / count, 0.0)
    scale = np.sqrt((a**2).sum(axis=-1) * (b**2).sum(axis=-1))
    size = np.abs(x).max() * np.abs(y).max(axis=-1) * count[..., 0]
    varies = scale > 1e-12 * size
    return np.where(varies, (a * b).sum(axis=-1) / np.where(varies, scale, 1.0), np.nan)


def _standardised(values: np.ndarray) -> np.ndarray:
    values = np.asarray(values, float)
    # At the distances' own precision: the median of an even number of people may be a half.
    distance = rounded(values - np.median(values, axis=-1, keepdims=True))
    spread = np.median(np.abs(distance), axis=-1, keepdims=True)
    return distance / np.where(spread > 0, spread, np.nan)


def _ideal_fourths(ordered: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Quartiles of ordered numbers (last axis) by Frigge, Hoaglin & Iglewicz (1989)."""
    n = ordered.shape[-1]
    j, g = divmod(n / 4 + 5 / 12, 1)
    j = int(j)
    low = (1 - g) * ordered[..., j - 1] + g * ordered[..., j]
    high = (1 - g) * ordered[..., n - j] + g * ordered[..., n - j - 1]
    return low, high
