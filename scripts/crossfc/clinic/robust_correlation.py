"""Correlations that do not depend on a few unusual people: percentage bend and skipped.

The percentage-bend correlation limits the influence of outliers in each variable separately. The
skipped correlation leaves out people who are outliers in both variables together. See Wilcox
(2012), Introduction to Robust Estimation and Hypothesis Testing, 3rd ed., ch. 9, and the comparison
by Pernet, Wilcox & Rousselet (2013), Front Psychol 3:606.
"""

import numpy as np

from crossfc.array import BoolArray, FloatArray
from crossfc.tie import rounded, rounded_columns

# With fewer people, outliers cannot be identified (the limit of Pernet et al.'s toolbox).
FEWEST_TO_SKIP = 10

# sqrt of the 97.5 % quantile of chi-square with two degrees of freedom, -2 ln(0.025).
_CUTOFF = float(np.sqrt(-2 * np.log(0.025)))

# Relative differences of distances below this count as rounding.
_ROUNDING = 1e-9

# Number of distances processed at once, so that they fit into the cache.
_BLOCK_NUMBERS = 100_000


def bend(values: FloatArray, bending: float = 0.2) -> FloatArray:
    """Centre, scale and clip variables as in the percentage-bend correlation.

    Parameters
    ----------
    values : ndarray, shape (n, k)
        One variable per column, no missing numbers.
    bending : float
        Share of the people whose values may be clipped, 0 to 0.5. The scale omega is the
        floor((1 - bending) n)-th smallest distance from the median.

    Returns
    -------
    ndarray, shape (n, k)
        Numbers from -1 to 1, centred at the percentage-bend location, not at their mean. NaN if
        omega is zero, as then too many people share one value.

    References
    ----------
    Wilcox (1994), Psychometrika 59:601-616.
    """
    values = rounded_columns(values)
    n = len(values)
    # Rounded again, so that equal distances below and above the median are treated alike.
    distance = rounded_columns(values - np.median(values, axis=0))
    # The small number guards against 0.8 * 35 = 27.999….
    rank = int(np.floor((1 - bending) * n + 1e-9))
    omega = np.sort(np.abs(distance), axis=0)[rank - 1]
    omega = np.where(omega > 0, omega, np.nan)
    low, high = distance < -omega, distance > omega
    inside = np.where(low | high, 0.0, values).sum(axis=0)
    n_low, n_high = low.sum(axis=0), high.sum(axis=0)
    location = (inside + omega * (n_high - n_low)) / (n - n_low - n_high)
    bent: FloatArray = np.clip((values - location) / omega, -1, 1)
    return bent


def percentage_bend(x: FloatArray, y: FloatArray, bending: float = 0.2) -> tuple[float, float]:
    """Compute the percentage-bend correlation, and its p by Student's t with n - 2 degrees.

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


def kept(x: FloatArray, y: FloatArray) -> BoolArray:
    """Find the people who are not outliers in two variables together, by projections.

    Both variables are scaled by their median absolute deviation, as one is a score and the other
    a Fisher z. For each person, everybody is projected on the line through this person and the
    point of both medians. People whose distance along any of these lines exceeds the median + 2.716
    times the range between the ideal fourths are outliers (Wilcox's ``outpro`` with marginal
    medians).

    Parameters
    ----------
    x : ndarray, shape (n,)
    y : ndarray, shape (..., n)
        Any number of versions of the second variable, such as shuffled ones.

    Returns
    -------
    ndarray of bool, shape (..., n)
        True for people who are not outliers; all False if a median absolute deviation is zero, as
        outliers then cannot be identified.
    """
    x, y = _standardised(x), _standardised(y)
    if not np.all(np.isfinite(x)):
        return np.zeros(y.shape, dtype=bool)
    # Distances along person i's line, all multiplied by the length of i, which does not change
    # who is an outlier.
    along = y[..., :, None] * y[..., None, :]
    along += x[:, None] * x
    np.abs(along, out=along)
    ordered = np.sort(along, axis=-1)
    low, high = _ideal_fourths(ordered)
    n = len(x)
    median = (ordered[..., (n - 1) // 2] + ordered[..., n // 2]) / 2
    limit = median + _CUTOFF * (high - low)
    # A distance that exceeds the limit only by rounding (as when most distances are equal) is not
    # an outlier.
    beyond = along > limit[..., None] * (1 + _ROUNDING)
    inside: BoolArray = ~np.any(beyond, axis=-2) & np.isfinite(y)
    return inside


def skipped(x: FloatArray, y: FloatArray) -> FloatArray:
    """Compute Pearson's r of the people who are not outliers.

    Parameters
    ----------
    x : ndarray, shape (n,)
    y : ndarray, shape (..., n)
        Any number of versions of the second variable, such as shuffled ones. Outliers are searched
        for in each version, so a permutation test of r is exact. (The customary t with n - 2
        degrees is not, as it treats the people left out as fixed beforehand.)

    Returns
    -------
    ndarray, shape (...)
        NaN with fewer than ten people, or if the remaining values do not vary.
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


def _pearson_of(keep: BoolArray, x: FloatArray, y: FloatArray) -> FloatArray:
    """Compute Pearson's r over the kept people; keep and y are (rows, n), x is (n,)."""
    count = np.maximum(keep.sum(axis=-1, keepdims=True), 1)
    a = np.where(keep, x - (keep * x).sum(axis=-1, keepdims=True) / count, 0.0)
    b = np.where(keep, y - (keep * y).sum(axis=-1, keepdims=True) / count, 0.0)
    scale = np.sqrt((a**2).sum(axis=-1) * (b**2).sum(axis=-1))
    size = np.abs(x).max() * np.abs(y).max(axis=-1) * count[..., 0]
    varies = scale > 1e-12 * size
    return np.where(varies, (a * b).sum(axis=-1) / np.where(varies, scale, 1.0), np.nan)


def _standardised(values: FloatArray) -> FloatArray:
    values = np.asarray(values, float)
    # Rounded to the precision of the distances, as the median of an even number of people may
    # have one more decimal than the values.
    distance = rounded(values - np.median(values, axis=-1, keepdims=True))
    spread = np.median(np.abs(distance), axis=-1, keepdims=True)
    standardised: FloatArray = distance / np.where(spread > 0, spread, np.nan)
    return standardised


def _ideal_fourths(ordered: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Compute quartiles of sorted numbers (last axis) as Frigge, Hoaglin & Iglewicz (1989)."""
    n = ordered.shape[-1]
    j, g = divmod(n / 4 + 5 / 12, 1)
    j = int(j)
    low = (1 - g) * ordered[..., j - 1] + g * ordered[..., j]
    high = (1 - g) * ordered[..., n - j] + g * ordered[..., n - j - 1]
    return low, high
