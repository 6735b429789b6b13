"""Effect sizes with their confidence intervals, for whole maps at once."""

import numpy as np

from crossfc.array import BoolArray, FloatArray, RealArray

FEWEST_TO_LEAVE_OUT = 8  # people in a group
_FAR = 60  # beyond this |t| (for F: its square), limits are scaled in proportion


def noncentrality_interval(
    t: RealArray, df: float, level: float = 0.95
) -> tuple[FloatArray, FloatArray]:
    """Compute the confidence interval of the noncentrality parameter, given observed t values.

    The limits are the noncentralities under which t is at the upper and lower tail quantile
    (Steiger and Fouladi 1997; Hedges and Olkin 1985). Quantiles are computed on a grid of
    noncentralities, and the limits are interpolated from it by cubic splines. This is accurate to
    about 1e-6 (2e-4 with two degrees of freedom) and costs almost no time per voxel.

    Parameters
    ----------
    t : ndarray
        Observed t values in any shape, finite.
    df : float
        Degrees of freedom.
    level : float
        Confidence level, between 0 and 1.

    Returns
    -------
    low, high : ndarray
        Limits of the noncentrality, in the shape of ``t``.
    """
    from scipy.interpolate import CubicSpline

    t = np.asarray(t, dtype=float)
    # The noncentral t distribution cannot be computed for very large t; there the limits are
    # proportional to t.
    beyond = np.maximum(np.abs(t) / _FAR, 1)
    t = t / beyond
    low, high = (float(t.min()), float(t.max())) if t.size else (0.0, 0.0)

    def reach(value: float) -> float:
        return float(2 + 4 * np.sqrt(1 + value**2 / (2 * df)))

    grid = np.linspace(low - reach(low), high + reach(high), 600)
    tail = (1 - level) / 2
    limits: list[FloatArray] = []
    for quantile in (1 - tail, tail):
        reached = _noncentral_t_quantile(quantile, df, grid)
        rising = np.concatenate([[True], np.diff(reached) > 0])
        limits.append(CubicSpline(reached[rising], grid[rising])(t))
    return beyond * limits[0], beyond * limits[1]


def _noncentral_t_quantile(share: float, df: float, noncentrality: FloatArray) -> FloatArray:
    """Compute quantiles of the noncentral t distribution to ten digits.

    scipy.stats.nct is not used, as importing all distributions takes as long as a small analysis
    (a test compares the two). `nctdtrit` is accurate to six digits; one Newton step from there
    gives the rest.
    """
    from scipy.special import nctdtr, nctdtrit

    near: FloatArray = nctdtrit(df, noncentrality, share)
    step = 1e-4 * np.maximum(1, np.abs(near))
    above, below = (nctdtr(df, noncentrality, near + side) for side in (step, -step))
    rest: FloatArray = (nctdtr(df, noncentrality, near) - share) * 2 * step / (above - below)
    return near - rest


def hedges_g(
    t: RealArray, df: int, effect_variance: float | FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Compute Hedges' g with a 95 % interval, from t of a linear model.

    g = J(df) · t · √(c'(M'M)⁻¹c): the effect in units of the residual standard deviation, with
    the exact correction J = Γ(df/2) / (√(df/2) Γ((df-1)/2)) for small samples (Hedges 1981,
    J Educ Stat 6:107). For one group it is the mean change over the standard deviation of the
    change (d_z), for two groups the difference over the pooled standard deviation. The interval
    is that of the noncentral t.

    Parameters
    ----------
    t : ndarray
        Student's t under equal variances, in any shape.
    df : int
        Residual degrees of freedom.
    effect_variance : float, or ndarray in the shape of ``t``
        c'(M'M)⁻¹c: 1/n for one group, 1/n₁ + 1/n₂ for two, more with covariates.

    Returns
    -------
    g, low, high : ndarray
        In the shape of ``t``, in residual standard deviations; NaN with one degree of freedom,
        where J is not defined.
    """
    from scipy.special import gammaln

    t = np.asarray(t, dtype=float)
    if df < 2:
        return (np.full(t.shape, np.nan),) * 3
    correction = np.exp(gammaln(df / 2) - gammaln((df - 1) / 2)) / np.sqrt(df / 2)
    scale = correction * np.sqrt(effect_variance)
    low, high = noncentrality_interval(t, df)
    return scale * t, scale * low, scale * high


def hedges_g_welch(
    effect: FloatArray,
    standard_error: FloatArray,
    variances: FloatArray,
    df: FloatArray,
    counts: FloatArray,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Compute Hedges' g of a difference between two groups of unequal variance, with its interval.

    The unit is s, with s² = (v₁ + v₂) / 2 the plain mean of both groups' variances (g* of Delacre,
    Lakens, Ley, Liu and Leys 2021, PsyArXiv tu6mp). The pooled variance is not used: it gives the
    larger group more weight, and its interval covered .89 instead of .95 where the smaller group
    varied more. d = effect / s, with the limits of Bonett (2008, Psychol Methods 13:99),
    d ± 1.96 √(d² (v₁²/ν₁ + v₂²/ν₂) / (8 s⁴) + V / s²). Here ν is the residual degrees of freedom
    of a group, and V the squared standard error of Welch's test with ν in place of n: v₁/ν₁ + v₂/ν₂
    without covariates. g is J(ν) d, with J as in `hedges_g` and ν = (v₁ + v₂)² / (v₁²/ν₁ + v₂²/ν₂).

    Parameters
    ----------
    effect, standard_error : ndarray, shape (n_voxels,)
        As `crossfc.group.inference.welch.Welch` estimates them, in units of the data.
    variances : ndarray, shape (2, n_voxels)
        Residual variance of each group, in squared units of the data.
    df : ndarray, shape (2,) or (2, n_voxels)
        Residual degrees of freedom of each group.
    counts : ndarray, shape (2,)
        Number of people of each group.

    Returns
    -------
    g, low, high : ndarray, shape (n_voxels,)
        In units of s. NaN where neither group varies; g is also NaN where ν is one or less.
    """
    from scipy.special import gammaln

    df, counts = np.asarray(df, dtype=float), np.asarray(counts, dtype=float)[:, None]
    df = df if df.ndim == 2 else df[:, None]
    square = variances.mean(axis=0)
    square = np.where(square > 0, square, np.nan)
    d = effect / np.sqrt(square)
    of_variances = (np.square(variances) / df).sum(axis=0)
    as_bonett = (variances / df).sum(axis=0) / (variances / counts).sum(axis=0)
    spread = np.square(d) * of_variances / (8 * np.square(square))
    reach = 1.959963984540054 * np.sqrt(spread + np.square(standard_error) * as_bonett / square)
    whole = np.square(2 * square) / of_variances
    known = np.where(whole > 1.01, whole, np.nan)
    correction = np.exp(gammaln(known / 2) - gammaln((known - 1) / 2)) / np.sqrt(known / 2)
    return correction * d, d - reach, d + reach


def jackknife_of_groups(values: FloatArray, design: FloatArray, first: BoolArray) -> float:
    """Compute the jackknife standard error of d, a difference between groups as `hedges_g_welch`.

    Bonett's interval supposes normal data. Where tails are heavy or data skewed, s varies more than
    it says, and the jackknife (of two samples: Arvesen 1969, Ann Math Stat 40:2076) tells by how
    much. Without person i, residuals r and leverages h of the others follow from those with
    everybody: r_j + h_ij r_i / (1 - h_i) and h_j + h_ij² / (1 - h_i).

    Parameters
    ----------
    values : ndarray, shape (n_people,)
    design : ndarray, shape (n_people, n_columns)
        Of full rank; the first column is that of the effect, all columns of the model follow.
    first : bool ndarray, shape (n_people,)
        The people of one of the groups.

    Returns
    -------
    float
        In units of s; NaN with fewer than eight people in a group, who tell too little of how s
        varies, and where somebody cannot be left out.
    """
    solve = np.linalg.pinv(design)
    hat = design @ solve
    leverage, rest = np.diag(hat), values - hat @ values
    free = 1 - leverage
    members = np.array([first, ~first], dtype=float)
    counts = members.sum(axis=1)
    if free.min() < 1e-9 or counts.min() < FEWEST_TO_LEAVE_OUT:
        return np.nan
    share = rest / free
    without = rest[:, None] + hat * share
    left = free[:, None] - np.square(hat) / free
    for own in (without, left):
        np.fill_diagonal(own, 0)
    square = ((members @ np.square(without)) / (members @ left)).mean(axis=0)
    each = (solve[0] @ values - solve[0] * share) / np.sqrt(np.where(square > 0, square, np.nan))
    squares = [np.square(each[own] - each[own].mean()).sum() for own in (first, ~first)]
    return float(np.sqrt((counts - 1) / counts @ squares))


def partial_r(t: RealArray, df: int) -> FloatArray:
    """Compute the partial correlation of the effect column with the data, t / √(t² + df).

    Parameters
    ----------
    t : ndarray
        Student's t in any shape.
    df : int
        Residual degrees of freedom.

    Returns
    -------
    ndarray
        In the shape of ``t``.
    """
    t = np.asarray(t, dtype=float)
    r: FloatArray = t / np.sqrt(t**2 + df)
    return r


def partial_r_squared(
    f: FloatArray, df_effect: int, df_error: int, level: float = 0.95
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Compute the share of variance explained by the effect beyond the nuisance, with its interval.

    The share is F df₁ / (F df₁ + df₂), also called partial η². It is t² / (t² + df) with F = t²,
    and 1 - Wilks' Λ with Hotelling's T² as F. The limits are λ / (λ + df₁ + df₂ + 1), with λ the
    noncentralities under which F is at the upper and lower tail quantile (Smithson 2001, Educ
    Psychol Meas 61:605; Steiger 2004, Psychol Methods 9:164). The lower limit is 0 for every F
    that is not significant at (1 - level) / 2.

    Parameters
    ----------
    f : ndarray
        F, or the square of Student's t, in any shape; finite and not negative.
    df_effect, df_error : int
        Degrees of freedom df₁ and df₂.
    level : float
        Confidence level, between 0 and 1.

    Returns
    -------
    share, low, high : ndarray
        In the shape of ``f``. ``high`` is never below ``share``: the interval of a very small F
        would otherwise be empty and not contain its estimate.
    """
    f = np.asarray(f, dtype=float)
    share = f * df_effect / (f * df_effect + df_error)
    limits = [
        noncentrality / (noncentrality + df_effect + df_error + 1)
        for noncentrality in _noncentrality_interval_of_f(f, df_effect, df_error, level)
    ]
    return share, limits[0], np.maximum(limits[1], share)


def _noncentrality_interval_of_f(
    f: FloatArray, df_effect: int, df_error: int, level: float
) -> tuple[FloatArray, FloatArray]:
    """Do what `noncentrality_interval` does, for F.

    A limit is 0 where even a noncentrality of 0 is too large.
    """
    from scipy.interpolate import CubicSpline
    from scipy.special import ncfdtri

    beyond = np.maximum(f / _FAR**2, 1)
    f = f / beyond
    largest = float(f.max(initial=0)) * df_effect
    # Equal steps of the square root put more points near 0, where precision matters most.
    root = np.linspace(0, np.sqrt(largest) + 3 + 4 * np.sqrt(1 + largest / (2 * df_error)), 600)
    tail = (1 - level) / 2
    limits = []
    for quantile in (1 - tail, tail):
        reached = np.sqrt(ncfdtri(df_effect, df_error, root**2, quantile))
        spline = CubicSpline(reached, root**2)
        limits.append(np.where(np.sqrt(f) > reached[0], beyond * spline(np.sqrt(f)), 0))
    return limits[0], limits[1]
