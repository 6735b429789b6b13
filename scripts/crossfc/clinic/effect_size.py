"""Hedges' g of a change within people, in units of the average spread of people on both sides.

d_av = D / s_av, with D the change that is told (the period-adjusted one where there is one) and
s_av² the mean of the variances of the two conditions (Cumming 2012, Understanding The New
Statistics; Bonett 2008, Psychol Methods 13:99). Unlike D over the standard deviation of the
changes, it does not grow with the correlation of the two scores, so that it can be held against the
d of a parallel trial. Variances are those within orders where D is adjusted, as there the spread of
people is asked for and not what differs between periods.

g_av = J(m) d_av, with J(m) = Γ(m/2) / (√(m/2) Γ((m-1)/2)) (Hedges 1981, J Educ Stat 6:107). The two
variances belong to the same people, and their mean has about

    m = ν (v₁ + v₂)² / (v₁² + v₂² + 2 c²)

degrees of freedom (ν of each, c the covariance): 2ν / (1 + r²) where both are equal (Cousineau
2020, TQMP 16:418; Satterthwaite 1946).

The interval is g_av ± 1.96 s, with s the larger of two standard errors: that of normal scores,
√(V/s_av² + g²/(2m)) with V the squared standard error of D (Viechtbauer 2007, J Educ Behav Stat
32:39), and the jackknife's of d_av (Efron 1982, The Jackknife, the Bootstrap and Other Resampling
Plans, ch. 3). Where scores are skewed and the effect is large, s_av varies more than formulas for
normal scores say, and published intervals cover .80 to .90 in place of .95 (Algina and Keselman
2003, Educ Psychol Meas 63:537; Viechtbauer 2007; Bonett 2008, and 2015, J Educ Behav Stat 40:366);
where one person is far out, the jackknife takes the effect for surer than its test does. What each
covers is in docs/statistics.md.
"""

import numpy as np

from crossfc.array import FloatArray
from crossfc.clinic.order import HedgesG, known_design
from crossfc.clinic.student import constant

# With fewer people the jackknife knows too little of the spread for an interval.
FEWEST_FOR_INTERVAL = 8
_Z = 1.959963984540054


def hedges_g_av(
    active: FloatArray,
    control: FloatArray,
    order: FloatArray | None = None,
    baseline: FloatArray | None = None,
) -> HedgesG:
    """Compute Hedges' g_av of a change, with its 95 % interval.

    Parameters
    ----------
    active, control : ndarray, shape (n,)
        Scores of the same people on both sides, in points of the scale.
    order : ndarray, shape (n,) or (n, n_columns), optional
        As `crossfc.clinic.order.order_columns` returns it: D is the intercept of D ~ 1 + order of
        the people of known order. Without it, D is the mean change of everybody.
    baseline : ndarray, shape (n,), optional
        A covariate of the change besides (not of the spread of people).

    Returns
    -------
    HedgesG
        In average standard deviations of both sides. NaN with fewer than three people, with
        models that leave no degree of freedom, and where nobody differs; the limits also with
        fewer than eight people.
    """
    none = HedgesG(np.nan, np.nan, np.nan)
    order = np.empty((len(active), 0)) if order is None else order
    model, known = known_design(order, baseline)
    spread = known_design(order)[0]
    active, control = active[known], control[known]
    n, df = len(model), len(model) - spread.shape[1]
    if n <= model.shape[1] or df < 2 or (constant(active) and constant(control)):
        return none
    rest, leverage = _residuals(np.column_stack([active, control]), spread)
    squares = np.square(rest)
    first, second = (float(v) for v in squares.sum(axis=0) / df)
    both = float(rest.prod(axis=1).sum()) / df
    if max(first, second) <= np.square(1e-9 * np.abs([active, control]).max()):
        return none
    own, of_change = _residuals((active - control)[:, None], model)
    weights = np.linalg.pinv(model)[0]
    estimate = float(weights @ (active - control))
    d = estimate / np.sqrt((first + second) / 2)
    m = df * (first + second) ** 2 / (first**2 + second**2 + 2 * both**2)
    g = float(_correction(m) * d)
    if n < FEWEST_FOR_INTERVAL:
        return HedgesG(g, np.nan, np.nan)
    free = own[:, 0] @ own[:, 0] / (n - model.shape[1])
    squared = free * np.linalg.inv(model.T @ model)[0, 0]
    of_normal = np.sqrt(2 * squared / (first + second) + g**2 / (2 * m))
    # Estimates without each person follow from the leverages.
    without = estimate - weights * own[:, 0] * _share(of_change)
    left = squares.sum() - squares.sum(axis=1) * _share(leverage)
    if float(left.min()) <= 1e-12 * float(squares.sum()):
        return HedgesG(g, np.nan, np.nan)
    each = without / np.sqrt(left / (2 * (df - 1)))
    jackknife = np.sqrt(np.square(each - each.mean()).sum() * (n - 1) / n)
    error = float(max(of_normal, jackknife))
    return HedgesG(g, g - _Z * error, g + _Z * error)


def _residuals(values: FloatArray, design: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return residuals on a design of full rank, and the leverage of each person."""
    basis = np.linalg.qr(design)[0]
    leverage: FloatArray = np.square(basis).sum(axis=1)
    rest: FloatArray = values - basis @ (basis.T @ values)
    return rest, leverage


def _share(leverage: FloatArray) -> FloatArray:
    """Return 1 / (1 - leverage); 0 for who has a column alone, without whom it would go."""
    free = leverage < 1 - 1e-9
    share: FloatArray = np.where(free, 1 / np.where(free, 1 - leverage, 1), 0)
    return share


def _correction(df: float) -> float:
    from scipy.special import gammaln

    return float(np.exp(gammaln(df / 2) - gammaln((df - 1) / 2)) / np.sqrt(df / 2))
