"""Tests of coefficients that allow people to differ in variance: by statsmodels and by formula."""

import numpy as np
import pytest
from scipy import stats

from crossfc.clinic.student import one_sample, robust_least_squares


def test_standard_errors_are_those_of_statsmodels():
    import statsmodels.api as sm

    rng = np.random.default_rng(0)
    design = np.column_stack([np.ones(17), rng.normal(size=(17, 2))])
    values = rng.normal(size=17) * (1 + np.abs(design[:, 1]))
    fit = sm.OLS(values, design).fit(cov_type="HC2")
    found = robust_least_squares(design, values)
    assert [test.estimate for test in found] == pytest.approx(fit.params.tolist())
    assert [test.estimate / test.t for test in found] == pytest.approx(fit.bse.tolist())
    for test in found:
        half = stats.t.isf(0.025, test.df) * test.estimate / test.t
        assert (test.low, test.high) == pytest.approx(
            (test.estimate - abs(half), test.estimate + abs(half))
        )
        assert test.p == pytest.approx(2 * stats.t.sf(abs(test.t), test.df))


def test_a_mean_alone_is_students():
    values = np.random.default_rng(1).normal(0.3, 1, 12)
    assert robust_least_squares(np.ones((12, 1)), values)[0] == pytest.approx(one_sample(values))


@pytest.mark.parametrize(("n_0", "n_1"), [(3, 27), (8, 8), (5, 14)])
def test_degrees_of_freedom_of_two_groups_are_those_of_imbens_and_kolesar(n_0, n_1):
    """Their formula for a design of one binary column (2016, Rev Econ Stat 98:701, section II)."""
    group = np.arange(n_0 + n_1) >= n_0
    values = np.random.default_rng(2).normal(size=n_0 + n_1)
    found = robust_least_squares(np.column_stack([np.ones(n_0 + n_1), group]), values)[1]
    n = n_0 + n_1
    top = n**2 * (n_0 - 1) * (n_1 - 1)
    assert found.df == pytest.approx(top / (n_1**2 * (n_1 - 1) + n_0**2 * (n_0 - 1)))
    welch = stats.ttest_ind(values[group], values[~group], equal_var=False)
    assert found.t == pytest.approx(welch.statistic)


@pytest.mark.filterwarnings("error")
def test_who_is_fitted_alone_teaches_nothing_and_a_perfect_fit_has_no_test():
    rng = np.random.default_rng(3)
    values = rng.normal(size=9)
    alone = (np.arange(9) == 0).astype(float)
    with_one = robust_least_squares(np.column_stack([np.ones(9), alone]), values)
    assert with_one[0] == pytest.approx(one_sample(values[1:]))
    line = np.arange(9.0)
    found = robust_least_squares(np.column_stack([np.ones(9), line]), 2 + 3 * line)
    assert found[1].estimate == pytest.approx(3) and np.isnan(found[1].p)
