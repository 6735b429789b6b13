"""Coefficients of correlation between changes, with their p: the numbers of one set of people."""

import numpy as np

from crossfc.array import FloatArray, IntArray, LabelArray
from crossfc.clinic.robust_correlation import bend, skipped
from crossfc.clinic.shuffle import TIE, permutation_p, unit
from crossfc.clinic.studentised import Studentised, nuisance_basis
from crossfc.tie import rounded_columns

FEWEST = 4

# The skipped correlation searches for outliers in every shuffle, and leave-one-out repeats a test
# for every person. Both use only the first thousand shuffles: they resolve p to 0.001, which is
# enough for numbers that only check others.
FEWER_SHUFFLES = 1000

_ESTIMATES = (
    *("r", "ci_low", "ci_high", "p_permutation", "loo_min", "loo_max", "spearman_rho"),
    *("spearman_p", "percentage_bend_r", "percentage_bend_p", "skipped_r", "skipped_p"),
    *("partial_r", "partial_p", "df", "fisher_z_error", "p_equivalence"),
)


def tested(
    x: FloatArray, y: FloatArray, blocks: LabelArray, shuffles: IntArray
) -> tuple[FloatArray, FloatArray]:
    """Compute r and p, each of shape (k, m); NaN with too few people."""
    if len(x) < FEWEST:
        return (np.full((x.shape[1], y.shape[1]), np.nan),) * 2
    found = Studentised(rounded_columns(x), rounded_columns(y), nuisance_basis(blocks), shuffles)
    return found.r, found.p


def correlate(
    x: FloatArray,
    y: FloatArray,
    covariates: FloatArray,
    shuffles: IntArray,
    blocks: LabelArray | None = None,
    smallest: float | None = None,
) -> dict[str, FloatArray]:
    """Correlate every column of x with every column of y over the same people.

    Parameters
    ----------
    x : ndarray, shape (n, k)
        Changes of connectivity (Fisher z), one column per seed and target.
    y : ndarray, shape (n, m)
        Changes of scores, one column per scale.
    covariates : ndarray, shape (n, c)
        Covariates of the partial correlation, without the constant; c may be 0.
    shuffles : ndarray of int, shape (p, n)
        Each row is an arrangement of the people within their blocks; the observed arrangement is
        not included if these are all.
    blocks : ndarray, shape (n,), optional
        Each person's order of treatments, to adjust for; by default all are in one block.
    smallest : float, optional
        The smallest correlation of interest.

    Returns
    -------
    dict of ndarray, shape (k, m)
        The numbers of the table by name; NaN where they cannot be computed.
    """
    from scipy import stats

    n, shape = len(x), (x.shape[1], y.shape[1])
    result = {name: np.full(shape, np.nan) for name in _ESTIMATES}
    if n < FEWEST:
        return result
    blocks = np.zeros(n) if blocks is None else blocks
    # Rounded, so that equal changes share a rank, and equal distances from a median are treated
    # alike when outliers are searched.
    x, y = rounded_columns(x), rounded_columns(y)
    told = Studentised(x, y, nuisance_basis(blocks), shuffles, smallest)
    result |= {"fisher_z_error": told.error, "p_equivalence": told.p_equivalence}
    result["df"] = np.where(np.isfinite(told.r), float(told.df), np.nan)
    result |= {"r": told.r, "p_permutation": told.p, "ci_low": told.low, "ci_high": told.high}
    result["loo_min"] = told.without_one.min(axis=0)
    result["loo_max"] = told.without_one.max(axis=0)
    if covariates.shape[1]:
        partial = Studentised(x, y, nuisance_basis(blocks, covariates), shuffles)
        result |= {"partial_r": partial.r, "partial_p": partial.p}
    x, y = _without_medians(x, blocks), _without_medians(y, blocks)
    ranks = stats.rankdata(x, axis=0), stats.rankdata(y, axis=0)
    ranked = tuple(unit(r - r.mean(axis=0), r) for r in ranks)
    bent = tuple(unit(b, b) for b in (bend(x), bend(y)))
    for name, p, (a, b) in (
        ("spearman_rho", "spearman_p", ranked),
        ("percentage_bend_r", "percentage_bend_p", bent),
    ):
        result[name] = a.T @ b
        result[p] = permutation_p(a, b, shuffles)
    few = shuffles[:FEWER_SHUFFLES]
    for i, j in np.ndindex(shape):
        observed = float(skipped(x[:, i], y[:, j]))
        result["skipped_r"][i, j] = observed
        if np.isfinite(observed):
            shuffled = np.abs(skipped(x[:, i], y[few, j]))
            # A shuffle without a correlation (NaN) counts as an exceedance, which makes p larger.
            reached = ~(shuffled < abs(observed) - TIE)
            result["skipped_p"][i, j] = (1 + reached.sum()) / (1 + len(few))
    return result


def _without_medians(values: FloatArray, blocks: LabelArray) -> FloatArray:
    """Subtract the median of each block, if there are several blocks."""
    levels = np.unique(blocks)
    if len(levels) < 2:
        return values
    values = values.copy()
    for level in levels:
        values[blocks == level] -= np.median(values[blocks == level], axis=0)
    return rounded_columns(values)
