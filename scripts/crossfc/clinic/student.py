"""Student's and Welch's t-tests of means, and of coefficients, with the intervals of estimates."""

from typing import NamedTuple

import numpy as np

from crossfc.array import FloatArray

# Variation below this share of the values' size counts as rounding.
_ROUNDING = 1e-12

FEWEST = 3


class TTest(NamedTuple):
    """One t-test with the 95 % interval of its estimate; NaN for what cannot be computed."""

    estimate: float
    low: float
    high: float
    t: float
    df: float
    p: float


NO_TEST = TTest(*(np.nan,) * 6)


def one_sample(values: FloatArray) -> TTest:
    """Test a mean against zero (Student); for differences, this is the paired t-test.

    Parameters
    ----------
    values : ndarray, shape (n,)
        One value per person.

    Returns
    -------
    TTest
        t, df and p are NaN for fewer than three people or for values that do not vary.
    """
    if len(values) == 0:
        return NO_TEST
    return least_squares(np.ones((len(values), 1)), values)[0]


def welch(first: FloatArray, second: FloatArray) -> TTest:
    """Test the difference of two means, first - second, with unequal variances (Welch 1947).

    Parameters
    ----------
    first, second : ndarray, shape (n,)
        Values of two groups of people; the groups may differ in size.

    Returns
    -------
    TTest
        All but the estimate is NaN if a sample has fewer than two people or if neither varies.
    """
    from scipy import stats

    estimate = mean_of(first) - mean_of(second)
    if len(first) < 2 or len(second) < 2 or (constant(first) and constant(second)):
        return NO_TEST._replace(estimate=estimate)
    result = stats.ttest_ind(first, second, equal_var=False)
    low, high = result.confidence_interval(0.95)
    numbers = (low, high, result.statistic, result.df, result.pvalue)
    return TTest(estimate, *(float(v) for v in numbers))


def least_squares(design: FloatArray, values: FloatArray) -> list[TTest]:
    """Fit values ~ design; return one TTest per column. The design must have full rank."""
    n, k = design.shape
    # A model with only a mean uses the mean itself, as least squares would add a rounding error.
    estimates = (
        np.array([values.mean()]) if k == 1 else np.linalg.lstsq(design, values, rcond=None)[0]
    )
    residuals = values - design @ estimates
    size = _ROUNDING * float(np.max(np.abs(values), initial=0.0))
    if n < FEWEST or n <= k or float(np.max(np.abs(residuals))) <= size:
        return [NO_TEST._replace(estimate=float(b)) for b in estimates]
    variance = residuals @ residuals / (n - k)
    errors = np.sqrt(variance * np.diag(np.linalg.inv(design.T @ design)))
    return [t_test(b, error, n - k) for b, error in zip(estimates, errors, strict=True)]


def robust_least_squares(design: FloatArray, values: FloatArray) -> list[TTest]:
    """Fit values ~ design with tests that allow people to differ in variance.

    Standard errors are HC2 (MacKinnon and White 1985, J Econom 29:305), and degrees of freedom
    those of Bell and McCaffrey 2002 (Surv Methodol 28:169), which hold with few people (Imbens and
    Kolesar 2016, Rev Econ Stat 98:701). Of a mean alone both are Student's.

    Parameters
    ----------
    design : ndarray, shape (n, k)
        Of full rank.
    values : ndarray, shape (n,)

    Returns
    -------
    list of TTest
        One per column; only the estimate where nothing but rounding is left of ``values``. Of a
        person whom the model fits alone nothing is learnt.
    """
    plain = least_squares(design, values)
    if np.isnan(plain[0].p):
        return plain
    n = len(values)
    inverse = np.linalg.inv(design.T @ design)
    weights = design @ inverse  # column j holds what each person contributes to estimate j
    left = np.eye(n) - weights @ design.T
    free = np.diag(left)
    scale = np.where(free > 1e-9, 1 / np.sqrt(np.maximum(free, 1e-9)), 0.0)
    residuals = left @ values
    found = []
    for test, weight in zip(plain, weights.T, strict=True):
        # The variance is a quadratic form of the values, whose own variance gives its degrees.
        form = left * (weight * scale)
        square = form @ form.T
        error = float(np.linalg.norm(weight * scale * residuals))
        total, spread = float(np.trace(square)), float(np.sum(square * square))
        if error <= 0 or spread <= 0:
            found.append(NO_TEST._replace(estimate=test.estimate))
        else:
            found.append(t_test(test.estimate, error, total**2 / spread))
    return found


def t_test(estimate: float, error: float, df: float) -> TTest:
    """Return Student's t of an estimate with its standard error, and its 95 % interval."""
    from scipy import stats

    half, t = stats.t.isf(0.025, df) * error, estimate / error
    p = 2 * stats.t.sf(abs(t), df)
    return TTest(*(float(v) for v in (estimate, estimate - half, estimate + half, t, df, p)))


def standard_error(test: TTest) -> float:
    """Return the standard error that is in the 95 % interval of a test; NaN if there is none."""
    from scipy import stats

    if not np.isfinite(test.high):
        return np.nan
    return float((test.high - test.low) / 2 / stats.t.isf(0.025, test.df))


def mean_of(values: FloatArray) -> float:
    return float(np.mean(values)) if len(values) else np.nan


def constant(values: FloatArray) -> bool:
    return float(np.ptp(values)) <= _ROUNDING * float(np.max(np.abs(values), initial=0.0))
