"""Effect sizes against definitions and against the noncentral t itself."""

import numpy as np
import pytest
from scipy import stats
from scipy.optimize import brentq

from crossfc.group.effect import hedges_g, noncentrality_interval, partial_eta_squared, partial_r
from crossfc.group.statistic import Student


@pytest.mark.parametrize("df", [2, 9, 38])
def test_interval_is_that_of_the_noncentral_t(df):
    t = np.array([-12.0, -2.2, 0.0, 0.7, 3.1, 20.0])
    low, high = noncentrality_interval(t, df)
    for value, a, b in zip(t, low, high, strict=True):
        reach = 1 + 2.5 * np.sqrt(1 + value**2 / (2 * df))
        span = (value - reach, value + reach)
        exact_a = brentq(lambda d, v=value: stats.nct.cdf(v, df, d) - 0.975, *span, xtol=1e-10)
        exact_b = brentq(lambda d, v=value: stats.nct.cdf(v, df, d) - 0.025, *span, xtol=1e-10)
        np.testing.assert_allclose([a, b], [exact_a, exact_b], atol=1e-4)


def test_interval_of_one_value_and_of_none():
    low, high = noncentrality_interval(np.array([2.0]), 20)
    assert low[0] < 2 < high[0]
    assert noncentrality_interval(np.empty(0), 20)[0].size == 0


def test_g_of_one_group_is_the_corrected_dz():
    rng = np.random.default_rng(0)
    data = rng.standard_normal((10, 5)) + 1
    student = Student(np.ones(10), np.empty((10, 0)))
    g, low, high = hedges_g(student.fit(data).t, student.df, student.effect_variance)
    correction = 1 - 3 / (4 * 9 - 1)  # the usual approximation
    np.testing.assert_allclose(g, correction * data.mean(0) / data.std(0, ddof=1), rtol=2e-3)
    assert (low < g).all() and (g < high).all()


def test_g_of_two_groups_is_the_corrected_difference_over_the_pooled_deviation():
    rng = np.random.default_rng(1)
    data, second = rng.standard_normal((20, 6)), np.arange(20) >= 8
    student = Student(np.where(second, -0.5, 0.5), np.ones((20, 1)))
    g, _, _ = hedges_g(student.fit(data).t, student.df, student.effect_variance)
    a, b = data[~second], data[second]
    pooled = np.sqrt((7 * a.var(0, ddof=1) + 11 * b.var(0, ddof=1)) / 18)
    np.testing.assert_allclose(g, (1 - 3 / 71) * (a.mean(0) - b.mean(0)) / pooled, rtol=1e-3)


def test_intervals_cover_the_truth_as_often_as_they_say():
    rng = np.random.default_rng(2)
    data = rng.standard_normal((12, 4000)) + 0.6
    student = Student(np.ones(12), np.empty((12, 0)))
    low, high = noncentrality_interval(student.fit(data).t, student.df)
    covered = np.mean((low <= 0.6 * np.sqrt(12)) & (high >= 0.6 * np.sqrt(12)))
    assert abs(covered - 0.95) < 4 * np.sqrt(0.95 * 0.05 / 4000)


def test_g_needs_two_degrees_of_freedom():
    assert all(np.isnan(part).all() for part in hedges_g(np.ones(3), 1, 0.5))


def test_partial_r_is_the_correlation_of_residuals():
    rng = np.random.default_rng(3)
    x, y, z = rng.standard_normal((3, 15))
    nuisance = np.column_stack([np.ones(15), z])
    residual = [v - nuisance @ np.linalg.lstsq(nuisance, v, rcond=None)[0] for v in (x, y)]
    student = Student(x, nuisance)
    r = partial_r(student.fit(y[:, None]).t, student.df)
    np.testing.assert_allclose(r, np.corrcoef(residual)[0, 1], rtol=1e-10)


def test_partial_eta_squared_of_one_column_is_r_squared():
    np.testing.assert_allclose(
        partial_eta_squared(np.array([9.0]), 1, 20), [partial_r(3.0, 20) ** 2]
    )
