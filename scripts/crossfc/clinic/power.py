"""What a sample could have found: the smallest effect, and what a significant estimate would say.

Errors of type M and S are those of Gelman and Carlin (2014, Perspect Psychol Sci 9:641): by how
much estimates that are significant are too large, and how often they have the wrong sign.
"""

import math
from typing import NamedTuple

import numpy as np

from crossfc.array import FloatArray
from crossfc.significance import SIGNIFICANT

POWER = 0.8
"""Share of studies that are to find the smallest effect that is called detectable."""


class DesignErrors(NamedTuple):
    """What happens in studies like this one if an effect is the true one.

    Attributes
    ----------
    power : float
        Share of studies whose estimate is significant, two-sided.
    type_s : float
        Share of these whose estimate has the wrong sign.
    type_m : float
        Mean size of these estimates over the true effect; infinite with one degree of freedom.
    """

    power: float
    type_s: float
    type_m: float


NO_ERRORS = DesignErrors(math.nan, math.nan, math.nan)


def t_power(effect: float, error: float, df: float, alpha: float = SIGNIFICANT) -> float:
    """Compute the power of a two-sided t-test, by the noncentral t distribution.

    Parameters
    ----------
    effect : float
        The true value.
    error : float
        The standard deviation of its estimate.
    df : float
        Degrees of freedom of the estimate of this error.
    alpha : float
        The level, of both sides together.

    Returns
    -------
    float
        Probability that p < alpha, whatever the sign (Chow, Shao and Wang 2008, Sample Size
        Calculations in Clinical Research, ch. 3); 0 without degrees of freedom.
    """
    from scipy import stats

    if df < 1:
        return 0.0
    limit, shift = stats.t.isf(alpha / 2, df), abs(effect) / error
    upper = stats.nct.sf(limit, df, shift)
    lower = stats.nct.cdf(-limit, df, shift)
    # The far tail is too small to be computed for a large shift.
    return float(upper + (0.0 if np.isnan(lower) else lower))


def detectable_effect(error: float, df: float, power: float = POWER) -> float:
    """Compute the smallest effect that a two-sided t-test at .05 finds with the power given.

    It is the standard error times the noncentrality δ with P(|T| > t) = power, T noncentral t
    (exact, both tails). The standard error is that of the data: this is what the sample could have
    found, and no statement about the effect that it showed (Hoenig and Heisey 2001, Am Stat 55:19).

    Parameters
    ----------
    error : float
        Standard error of the estimate, in its units; the result is in the same.
    df : float
        Degrees of freedom; those of Satterthwaite make it an approximation.
    power : float
        Between .05 and 1.

    Returns
    -------
    float
        NaN without a standard error or degrees of freedom.
    """
    from scipy import optimize

    if not (np.isfinite(error) and np.isfinite(df) and df >= 1):
        return np.nan

    def beyond(noncentrality: float) -> float:
        return t_power(noncentrality, 1.0, df) - power

    highest = 2.0
    while beyond(highest) < 0:
        highest *= 2
    return float(optimize.brentq(beyond, 0.0, highest, xtol=1e-10) * error)


def detectable_correlation(n: float, power: float = POWER, level: float = SIGNIFICANT) -> float:
    """Compute the smallest correlation that the two-sided t-test of r finds with a given power.

    Exact where both variables are normal: given one of them, t of r is noncentral t, whose
    noncentrality is ρ / √(1 - ρ²) times the length of that one, and the square of this length is
    chi-squared with n - 1 degrees of freedom (the bivariate normal model of Faul et al. 2009, Behav
    Res Methods 41:1149, here as a mixture).

    Parameters
    ----------
    n : float
        Number of people; of a partial correlation less one for each column that it is given.
    power, level : float

    Returns
    -------
    float
        NaN with fewer than four people.
    """
    from scipy import optimize, stats

    if not n >= 4:
        return math.nan
    critical = float(stats.t.isf(level / 2, n - 2))
    length, weight = _chi(n - 1)

    def short(z: float) -> float:
        # sinh z = ρ / √(1 - ρ²) for ρ = tanh z.
        return power - float(_beyond(math.sinh(z) * length, critical, n - 2) @ weight)

    return math.tanh(optimize.brentq(short, 0, 12, xtol=1e-6))


def design_errors(
    effect: float, standard_error: float, df: float, level: float = SIGNIFICANT
) -> DesignErrors:
    """Compute power and errors of type S and M, if an effect is the true one.

    Gelman and Carlin's formula: estimates are effect + standard error times Student's t. Their mean
    is integrated in closed form, where they simulate.

    Parameters
    ----------
    effect : float
        The true effect that is supposed; of either sign.
    standard_error, df : float
        Of the estimate. ``df`` may be infinite.
    level : float

    Returns
    -------
    DesignErrors
        NaN where there is no standard error, or for an effect of zero, which has no sign.
    """
    from scipy import stats

    if not (np.isfinite(effect) and np.isfinite(standard_error) and df > 0):
        return NO_ERRORS
    if effect == 0 or standard_error == 0:
        return NO_ERRORS
    shift = abs(effect) / standard_error
    critical = stats.t.isf(level / 2, df)
    right, wrong = stats.t.sf(critical - shift, df), stats.t.sf(critical + shift, df)
    power = right + wrong
    # Means of t over the two tails, where it is significant with the right and the wrong sign.
    size = shift * right + _upper_mean(critical - shift, df)
    size += _upper_mean(critical + shift, df) - shift * wrong
    return DesignErrors(float(power), float(wrong / power), float(size / (power * shift)))


def _beyond(shift: FloatArray, critical: float, df: float) -> FloatArray:
    """Compute, for each shift, the share of noncentral t beyond a critical value on both sides.

    Given the error variance, t is normal, so the share is a mean over that (Johnson and Welch 1940,
    Biometrika 31:362). SciPy's noncentral t has no number for many large shifts.
    """
    from scipy.special import ndtr

    error, weight = _chi(df)
    limits = critical * error / math.sqrt(df)
    share: FloatArray = (ndtr(shift[:, None] - limits) + ndtr(-shift[:, None] - limits)) @ weight
    return share


def _chi(df: float) -> tuple[FloatArray, FloatArray]:
    """Return points of the chi distribution and their weights, for means over it."""
    from scipy import stats

    node, weight = np.polynomial.legendre.leggauss(200)
    return stats.chi.ppf((node + 1) / 2, df), weight / 2


def _upper_mean(low: float, df: float) -> float:
    """Integrate x times the density of Student's t from a point to infinity."""
    from scipy import stats

    if math.isinf(df):
        return float(stats.norm.pdf(low))
    return math.inf if df <= 1 else float((df + low**2) / (df - 1) * stats.t.pdf(low, df))
