"""Tests of changes by ranks: signed ranks, and the rank sum that is adjusted for period."""

import numpy as np

from crossfc.array import FloatArray
from crossfc.clinic.student import FEWEST
from crossfc.tie import rank_sum_p, rounded, signed_rank_p


def wilcoxon_p(differences: FloatArray) -> float:
    """Compute the p of Wilcoxon's signed ranks, two-sided and exact.

    Differences of zero are left out before ranking. Equal differences share their mean rank; they
    are compared after rounding to the decimals of the numbers. See `crossfc.tie.signed_rank_p`.

    Parameters
    ----------
    differences : ndarray, shape (n,)
        One difference per person.

    Returns
    -------
    float
        NaN for fewer than three people or if every difference is zero.
    """
    differences = rounded(differences)
    if len(differences) < FEWEST or not np.any(differences):
        return np.nan
    return signed_rank_p(differences)


def adjusted_wilcoxon_p(differences: FloatArray, code: FloatArray) -> float:
    """Test the drug by ranks, adjusted for period (Koch 1972, Biometrics 28:577), exactly.

    The difference period 1 - period 2 is D for people who had the active treatment first, and -D
    for people who had the control first. Without an effect of the drug, both contain only the
    period effect, of any size. So the two orders are compared in this difference by Wilcoxon's
    rank sum; see `crossfc.tie.rank_sum_p`.

    Parameters
    ----------
    differences : ndarray, shape (n,)
        D = active - control.
    code : ndarray, shape (n,)
        -1 for active first, +1 for control first; people with NaN are left out.

    Returns
    -------
    float
        Two-sided p; NaN with fewer than three people of known order, with one order only, or if
        all differences are equal.
    """
    known = np.isfinite(code)
    by_period = rounded(-code[known] * differences[known], differences)
    first = code[known] < 0
    if len(first) < FEWEST or first.all() or not first.any() or np.ptp(by_period) == 0:
        return np.nan
    return rank_sum_p(by_period[first], by_period[~first])
