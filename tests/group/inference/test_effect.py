"""Effect sizes against definitions and against the noncentral t itself."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.integrate import quad
from scipy.optimize import brentq

from crossfc.group.inference.effect import (
    hedges_g,
    hedges_g_welch,
    jackknife_of_groups,
    noncentrality_interval,
    partial_r,
    partial_r_squared,
)
from crossfc.group.inference.statistic import Student
from crossfc.group.inference.welch import Welch


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


def below_t(t, df, noncentrality):
    """P(T < t), from the definition: a normal over the root of a mean square."""
    spread = np.sqrt(df)
    scaled = stats.chi(df)
    return quad(
        lambda x: stats.norm.cdf(t * x / spread - noncentrality) * scaled.pdf(x),
        scaled.ppf(1e-12), scaled.isf(1e-12), epsabs=1e-10, limit=200,
    )[0]  # fmt: skip


@settings(max_examples=25, deadline=None)
@given(t=st.floats(-30, 30), others=st.floats(-30, 30), df=st.integers(3, 200))
def test_the_limits_are_where_t_is_at_the_quantiles(t, others, df):
    low, high = noncentrality_interval(np.array([[t], [others]]), df)
    assert low.shape == (2, 1)
    assert below_t(t, df, low[0, 0]) == pytest.approx(0.975, abs=2e-5)
    assert below_t(t, df, high[0, 0]) == pytest.approx(0.025, abs=2e-5)


def test_limits_far_out_are_in_proportion():
    t = np.array([-400.0, 90.0, 400.0])
    low, high = noncentrality_interval(t, 20)
    assert (low < t).all() and (t < high).all()
    for value, a, b in zip(t, low, high, strict=True):
        assert below_t(value, 20, a) == pytest.approx(0.975, abs=2e-3)
        assert below_t(value, 20, b) == pytest.approx(0.025, abs=2e-3)


def test_g_with_covariates_is_the_adjusted_effect_in_residual_standard_deviations():
    rng = np.random.default_rng(4)
    group, age = np.repeat([-0.5, 0.5], 12), rng.standard_normal(24)
    nuisance = np.column_stack([np.ones(24), age])
    data = 1.5 * group + 3 * age + rng.standard_normal(24)
    student = Student(group, nuisance)
    g, _, _ = hedges_g(student.fit(data[:, None]).t, student.df, student.effect_variance)
    model = np.column_stack([group, nuisance])
    estimate, squares, *_ = np.linalg.lstsq(model, data, rcond=None)
    correction = 1 - 3 / (4 * 21 - 1)
    np.testing.assert_allclose(g, correction * estimate[0] / np.sqrt(squares / 21), rtol=1e-3)


def test_intervals_of_g_cover_the_adjusted_effect():
    rng = np.random.default_rng(5)
    group, age = np.repeat([-0.5, 0.5], [7, 11]), rng.standard_normal(18)
    student = Student(group, np.column_stack([np.ones(18), age]))
    data = 0.8 * group[:, None] + 2 * age[:, None] + rng.standard_normal((18, 4000))
    _, low, high = hedges_g(student.fit(data).t, student.df, student.effect_variance)
    # Both limits carry the correction, so that they belong to g.
    correction = hedges_g(np.ones(1), student.df, 1.0)[0]
    covered = np.mean((low <= 0.8 * correction) & (0.8 * correction <= high))
    assert abs(covered - 0.95) < 4 * np.sqrt(0.95 * 0.05 / 4000)


def test_partial_r_squared_of_one_column_is_the_square_of_partial_r():
    t = np.array([-2.0, 0.0, 3.0])
    np.testing.assert_allclose(partial_r_squared(t**2, 1, 20)[0], partial_r(t, 20) ** 2)


def test_partial_r_squared_is_what_the_effect_adds():
    rng = np.random.default_rng(6)
    effect, nuisance = rng.standard_normal((20, 2)), np.column_stack([np.ones(20), rng.random(20)])
    data = effect @ [0.5, -0.2] + rng.standard_normal(20)

    def squares(columns):
        return np.linalg.lstsq(columns, data, rcond=None)[1].item()

    full, reduced = squares(np.column_stack([effect, nuisance])), squares(nuisance)
    f = (reduced - full) / 2 / (full / 16)
    share, low, high = partial_r_squared(np.array([f]), 2, 16)
    np.testing.assert_allclose(share, 1 - full / reduced)
    assert low < share < high


def below_f(f, df_effect, df_error, noncentrality):
    """P(F < f), from the definition: central ones mixed by a Poisson number."""
    number = np.arange(2000)
    part = f * df_effect / (f * df_effect + df_error)
    central = stats.beta.cdf(part, df_effect / 2 + number, df_error / 2)
    return stats.poisson.pmf(number, noncentrality / 2) @ central


@settings(max_examples=40, deadline=None)
@given(
    f=st.floats(0, 100),
    others=st.floats(0, 100),
    df_effect=st.integers(1, 4),
    df_error=st.integers(3, 100),
)
def test_limits_of_partial_r_squared_are_where_f_is_at_the_quantiles(
    f, others, df_effect, df_error
):
    shares = partial_r_squared(np.array([others, f]), df_effect, df_error)
    share, low, high = (part[1] for part in shares)
    assert 0 <= low <= share <= high < 1
    n = df_effect + df_error + 1
    for limit, quantile in ((low, 0.975), (high, 0.025)):
        noncentrality = n * limit / (1 - limit)
        if noncentrality == 0:
            assert below_f(f, df_effect, df_error, 0) <= quantile + 1e-9
        elif limit != share:
            found = below_f(f, df_effect, df_error, noncentrality)
            assert found == pytest.approx(quantile, abs=2e-5)


@pytest.mark.parametrize("slope", [0.0, 0.3, 1.0])
def test_intervals_of_partial_r_squared_cover_as_often_as_they_say(slope):
    rng = np.random.default_rng(7)
    x = rng.standard_normal(16)
    x -= x.mean()
    x /= np.sqrt(np.mean(x**2))
    student = Student(x, np.ones((16, 1)))
    data = slope * x[:, None] + rng.standard_normal((16, 4000))
    _, low, high = partial_r_squared(student.fit(data).t ** 2, 1, student.df)
    true = slope**2 / (1 + slope**2)
    covered = np.mean((low <= true) & (true <= high))
    # At 0 the interval only leaves out the truth on one side.
    expected = 0.975 if slope == 0 else 0.95
    assert abs(covered - expected) < 4 * np.sqrt(0.95 * 0.05 / 4000)


def test_partial_r_squared_of_nothing_and_far_out():
    assert partial_r_squared(np.empty(0), 1, 20)[0].size == 0
    share, low, high = partial_r_squared(np.array([0.0, 1e-6, 1e6]), 1, 20)
    assert (low[:2] == 0).all() and (share <= high).all()
    assert 0.9995 < low[2] < share[2] < high[2] < 1


@pytest.mark.parametrize("spread", [(1, 1), (3, 1), (1, 3)])
def test_g_of_groups_of_unequal_variance_covers(spread):
    """12 and 8 people, an order in the model, g = 0.8: 4,000 voxels that are data sets."""
    rng = np.random.default_rng(11)
    first = np.repeat([True, False], [12, 8])
    code = np.tile([-1.0, 1.0], 10)
    scale = np.repeat(spread, [12, 8])[:, None]
    unit = np.sqrt(np.square(spread).mean())
    data = rng.standard_normal((20, 4000)) * scale + 0.8 * unit * first[:, None] + code[:, None]
    statistic = Welch(np.where(first, 0.5, -0.5), np.column_stack([np.ones(20), code]), ~first)
    fit = statistic.fit(data)
    of_groups = statistic.group_variances(data)
    g, low, high = hedges_g_welch(fit.effect, fit.standard_error, *of_groups)
    # Standard error of the share of 4,000: 0.0034.
    assert 0.935 < np.mean((low <= 0.8) & (high >= 0.8)) < 0.97
    # Unbiased: J is exact for normal data and a variance of its own degrees of freedom.
    assert np.mean(g) == pytest.approx(0.8, abs=4 * np.std(g) / np.sqrt(4000) + 0.01)
    # By the pooled variance it is another number, whose interval fails if the few vary more.
    pooled = np.sqrt(np.dot([11, 7], np.square(spread)) / 18)
    _, a, b = hedges_g(fit.t, statistic.df, statistic.effect_variance)
    covered = np.mean((a <= 0.8 * unit / pooled) & (b >= 0.8 * unit / pooled))
    assert (covered < 0.91) == (spread == (1, 3))


def test_jackknife_of_groups_is_that_of_models_fitted_without_each_person():
    rng = np.random.default_rng(13)
    n = 19
    first, code = rng.permutation(n) < 11, np.where(np.arange(n) % 2, -1.0, 1.0)
    values = rng.standard_t(3, n) + 2 * first + code
    effect, nuisance = np.where(first, 0.5, -0.5), np.column_stack([np.ones(n), code])

    def d_of(kept):
        statistic = Welch(effect[kept], nuisance[kept], first[kept])
        variances = statistic.group_variances(values[kept, None])[0]
        return statistic.fit(values[kept, None]).effect[0] / np.sqrt(variances.mean())

    each = np.array([d_of(np.delete(np.arange(n), person)) for person in range(n)])
    squares = [
        (own.sum() - 1) / own.sum() * np.square(each[own] - each[own].mean()).sum()
        for own in (first, ~first)
    ]
    found = jackknife_of_groups(values, np.column_stack([effect, nuisance]), first)
    assert found == pytest.approx(np.sqrt(sum(squares)), rel=1e-9)
    # Who has a column alone cannot be left out, and seven people of a group are too few.
    alone = np.column_stack([effect, nuisance, np.arange(n) == 4])
    assert np.isnan(jackknife_of_groups(values, alone, first))
    few = np.concatenate([np.flatnonzero(first), np.flatnonzero(~first)[:7]])
    columns = np.column_stack([effect, nuisance])[few]
    assert np.isnan(jackknife_of_groups(values[few], columns, first[few]))


def test_residual_variance_of_groups_is_that_of_least_squares():
    rng = np.random.default_rng(12)
    first, code = np.arange(11) < 7, np.tile([-1.0, 1.0], 6)[:11]
    data = rng.standard_normal((11, 3))
    effect, nuisance = np.where(first, 0.5, -0.5), np.column_stack([np.ones(11), code])
    variances, df, counts = Welch(effect, nuisance, ~first).group_variances(data)
    design = np.column_stack([effect, nuisance])
    hat = design @ np.linalg.pinv(design)
    rest, left = data - hat @ data, 1 - np.diag(hat)
    for group, members in enumerate((~first, first)):  # the smaller group first
        assert df[group] == pytest.approx(left[members].sum()) and counts[group] == members.sum()
        expected = np.square(rest[members]).sum(axis=0) / left[members].sum()
        np.testing.assert_allclose(variances[group], expected)
