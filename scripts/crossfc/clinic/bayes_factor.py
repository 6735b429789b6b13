"""Bayes factors for a change and for a correlation: how many times likelier the data are with one.

Both compare a point, no effect, with a prior for its size under the alternative, which has to be
named with the number. They say what p cannot: that the data speak for no effect.
"""

import math

import numpy as np

CAUCHY_SCALE = math.sqrt(2) / 2
"""Scale of the prior of a standardised change: half of it lies between -0.71 and 0.71."""

KAPPA = 1.0
"""Width of the prior of a correlation, the stretched beta: with 1 all are equally likely."""


def change_bayes_factor(
    t: float, df: float, effective_n: float, scale: float = CAUCHY_SCALE
) -> float:
    """Compute the JZS Bayes factor of an effect against none, from its t.

    The standardised effect δ = effect / σ has a Cauchy prior, σ and all other columns of the model
    have the priors that say nothing (Rouder et al. 2009, Psychon Bull Rev 16:225, eq. 1 with the
    scale of the prior). What the data say of δ is then t alone, whose distribution is noncentral
    t with noncentrality δ √n_e (Gönen et al. 2005, Am Stat 59:252). For the mean of n people n_e
    is n; for a coefficient of a regression it is σ² over the variance of its estimate, 1 / [X'X]⁻¹
    at its place, because the columns of nuisance only take degrees of freedom and this share of the
    effect's length (Rouder and Morey 2012, Multivar Behav Res 47:877). Of the difference of two
    groups it is n₁n₂ / (n₁ + n₂).

    Parameters
    ----------
    t, df : float
        Of the test that is told.
    effective_n : float
        n_e.
    scale : float
        Of the Cauchy prior.

    Returns
    -------
    float
        Likelihood with an effect over that without; NaN where there is no t.
    """
    from scipy import integrate

    if not (np.isfinite(t) and df > 0 and effective_n > 0):
        return math.nan
    power, square = (df + 1) / 2, t * t

    def log_of(u: float) -> float:
        # g = exp(u) has an inverse gamma prior (1/2, scale² / 2), which makes δ Cauchy.
        spread = 1 + effective_n * math.exp(u)
        likelihood = -math.log(spread) / 2 - power * math.log1p(square / (spread * df))
        prior = math.log(scale) - math.log(2 * math.pi) / 2 - u / 2 - scale**2 / 2 * math.exp(-u)
        return likelihood + prior

    # Below the first point the prior vanishes, and beyond the last all falls as exp(-u).
    first = 2 * math.log(scale) - 8
    grid = np.linspace(first, first + 64, 641)
    heights = [log_of(u) for u in grid]
    top, place = max(heights), float(grid[int(np.argmax(heights))])
    parts = [(first, place), (place, place + 8), (place + 8, place + 80)]
    area = sum(integrate.quad(lambda u: math.exp(log_of(u) - top), *part)[0] for part in parts)
    return _exp(top + math.log(area) + power * math.log1p(square / df))


def correlation_bayes_factor(r: float, n: float, kappa: float = KAPPA) -> float:
    """Compute the Bayes factor of a correlation against none (Ly, Verhagen and Wagenmakers 2016).

    The exact likelihood of r (Hotelling 1953, J R Stat Soc B 15:193) is weighed with the stretched
    beta prior of ρ, which is in proportion to (1 - ρ²)^(1/κ - 1) (J Math Psychol 72:19, eq. 22).

    Parameters
    ----------
    r : float
        The correlation.
    n : float
        Number of people; of a partial correlation less one for each column that it is given, as its
        distribution is that of r of so many people (Fisher 1924, Metron 3:329).
    kappa : float
        Width of the prior.

    Returns
    -------
    float
        Likelihood with a correlation over that without; NaN with fewer than three people, and
        infinite if all lie on a line.
    """
    from scipy import integrate
    from scipy.special import betaln, hyp2f1

    if not np.isfinite(r) or n < 3:
        return math.nan
    if abs(r) >= 1:
        return math.inf
    none = math.log(hyp2f1(0.5, 0.5, n - 0.5, 0.5))
    width = (2 / kappa - 1) * math.log(2) + float(betaln(1 / kappa, 1 / kappa))

    def log_of(z: float) -> float:
        # ρ = tanh z, so that the range has no ends; 1 - ρ² is the slope of ρ too.
        rho = math.tanh(z)
        left = -2 * math.log(math.cosh(z))
        likelihood = (n - 1) / 2 * left - (n - 1.5) * math.log1p(-rho * r)
        likelihood += math.log(hyp2f1(0.5, 0.5, n - 0.5, (1 + rho * r) / 2)) - none
        return likelihood + left / kappa - width

    around, reach = math.atanh(r), 12 / math.sqrt(n)
    grid = np.linspace(min(0, around) - reach, max(0, around) + reach, 401)
    heights = [log_of(z) for z in grid]
    top, place = max(heights), float(grid[int(np.argmax(heights))])
    ends = [place - 60, place - reach, place, place + reach, place + 60]
    area = sum(
        integrate.quad(lambda z: math.exp(log_of(z) - top), low, high, limit=200)[0]
        for low, high in zip(ends[:-1], ends[1:], strict=True)
    )
    return _exp(top + math.log(area))


def _exp(value: float) -> float:
    return math.exp(value) if value < 709 else math.inf
