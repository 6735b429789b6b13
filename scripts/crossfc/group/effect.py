"""Effect sizes with their intervals, for whole maps at once."""

import numpy as np


def noncentrality_interval(
    t: np.ndarray, df: float, level: float = 0.95
) -> tuple[np.ndarray, np.ndarray]:
    """Confidence interval of the noncentrality parameter of observed t values.

    The limits are the noncentralities under which t is at the upper and lower tail quantile
    (Steiger and Fouladi 1997; Hedges and Olkin 1985). Quantiles are computed on a grid of
    noncentralities and the limits interpolated by cubic splines, which is exact to about 1e-6
    and takes no time per voxel.

    Parameters
    ----------
    t : ndarray
        Finite.
    df : float
    level : float

    Returns
    -------
    low, high : ndarray
        In the shape of ``t``.
    """
    from scipy.interpolate import CubicSpline
    from scipy.stats import nct

    t = np.asarray(t, dtype=float)
    # ASSUME: no t beyond ±60; the noncentral t distribution is not computable far out there.
    t = np.clip(t, -60, 60)
    low, high = (float(t.min()), float(t.max())) if t.size else (0.0, 0.0)

    def reach(value: float) -> float:
        return 2 + 4 * np.sqrt(1 + value**2 / (2 * df))

    grid = np.linspace(low - reach(low), high + reach(high), 600)
    tail = (1 - level) / 2
    limits = []
    for quantile in (1 - tail, tail):
        reached = nct.ppf(quantile, df, grid)
        rising = np.concatenate([[True], np.diff(reached) > 0])
        limits.append(CubicSpline(reached[rising], grid[rising])(t))
    return limits[0], limits[1]


def hedges_g(
    t: np.ndarray, df: int, effect_variance: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Hedges' g with a 95 % interval, from t of a linear model.

    g = J(df) · t · √(c'(M'M)⁻¹c): the effect in units of the residual standard deviation, with
    the exact correction J = Γ(df/2) / (√(df/2) Γ((df-1)/2)) for small samples (Hedges 1981,
    J Educ Stat 6:107). For one group it is the mean change over the standard deviation of the
    change (d_z), for two groups the difference over the pooled standard deviation. The interval
    is that of the noncentral t.

    Parameters
    ----------
    t : ndarray
        Student's t under equal variances.
    df : int
        Residual degrees of freedom.
    effect_variance : float
        c'(M'M)⁻¹c: 1/n for one group, 1/n₁ + 1/n₂ for two, more with covariates.

    Returns
    -------
    g, low, high : ndarray
        NaN with one degree of freedom, where J is not defined.
    """
    from scipy.special import gammaln

    t = np.asarray(t, dtype=float)
    if df < 2:
        return (np.full(t.shape, np.nan),) * 3
    correction = np.exp(gammaln(df / 2) - gammaln((df - 1) / 2)) / np.sqrt(df / 2)
    scale = correction * np.sqrt(effect_variance)
    low, high = noncentrality_interval(t, df)
    return scale * t, scale * low, scale * high


def partial_r(t: np.ndarray, df: int) -> np.ndarray:
    """Partial correlation of the effect column with the data: t / √(t² + df)."""
    t = np.asarray(t, dtype=float)
    return t / np.sqrt(t**2 + df)


def partial_eta_squared(f: np.ndarray, df_effect: float, df_error: float) -> np.ndarray:
    """Share of variance explained: F df₁ / (F df₁ + df₂), 1 - Wilks' Λ for Hotelling's T²."""
    f = np.asarray(f, dtype=float)
    return f * df_effect / (f * df_effect + df_error)
