"""Evidence for nothing: whether an effect is smaller than the smallest that would matter.

Not significant is no evidence of no effect. Two one-sided tests are: if both an effect of +δ and
one of -δ can be rejected, the effect lies between them (Schuirmann 1987, J Pharmacokinet Biopharm
15:657; Lakens 2017, Soc Psychol Personal Sci 8:355). δ has to be stated beforehand.
"""

import math

import numpy as np

from crossfc.significance import SIGNIFICANT

EFFECT = "effect"
SMALL = "smaller than of interest"
EQUIVALENT = "equivalent to nothing"
UNDECIDED = "undecided"
UNTESTED = ""


def equivalence_p(estimate: float, standard_error: float, df: float, smallest: float) -> float:
    """Test by Student's t whether an effect lies within ± the smallest effect of interest.

    Parameters
    ----------
    estimate, standard_error, df : float
        Of the model that is told.
    smallest : float
        Smallest effect of interest, above 0, in the unit of the estimate.

    Returns
    -------
    float
        The larger of both one-sided p, which is the p of the intersection of both tests (Berger and
        Hsu 1996, Stat Sci 11:283). Below 0.05 exactly where the 90 % interval lies within the
        bounds. NaN where something is not known.
    """
    from scipy import stats

    if not (np.isfinite([estimate, standard_error, df, smallest]).all() and standard_error > 0):
        return math.nan
    return float(stats.t.sf((smallest - abs(estimate)) / standard_error, df))


def verdict(p: float, p_equivalence: float) -> str:
    """Put both tests into one of four answers.

    Parameters
    ----------
    p : float
        Of the test against no effect; NaN if there is none.
    p_equivalence : float
        See `equivalence_p`; NaN if no smallest effect is stated.

    Returns
    -------
    str
        ``effect`` (other than zero), ``smaller than of interest`` (other than zero, and within the
        bounds), ``equivalent to nothing`` (within the bounds), ``undecided`` (neither is shown), or
        empty where there is no test.
    """
    if not np.isfinite(p):
        return UNTESTED
    within = bool(p_equivalence < SIGNIFICANT)
    if p < SIGNIFICANT:
        return SMALL if within else EFFECT
    return EQUIVALENT if within else UNDECIDED
