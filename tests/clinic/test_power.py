"""What a sample could have found, against statsmodels, G*Power, a published example and draws."""

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.power import TTestPower

from crossfc.clinic.power import design_errors, detectable_correlation, detectable_effect


@pytest.mark.parametrize("n", [3, 5, 9, 16, 29, 120])
def test_the_smallest_difference_has_the_power_that_statsmodels_says(n):
    smallest = detectable_effect(1 / np.sqrt(n), n - 1)
    assert TTestPower().power(smallest, n, 0.05) == pytest.approx(0.8, abs=2e-6)
    assert detectable_effect(3 / np.sqrt(n), n - 1) == pytest.approx(3 * smallest)


def test_the_smallest_correlation_is_that_of_gpower():
    """G*Power 3.1, exact, bivariate normal, two-sided: 84 people for ρ = .3 and a power of .80."""
    assert detectable_correlation(84) < 0.3 < detectable_correlation(83)


@pytest.mark.parametrize("n", [5, 12])
def test_the_smallest_correlation_is_found_in_four_of_five_draws(n):
    rng = np.random.default_rng(n)
    rho = detectable_correlation(n)
    x, error = rng.standard_normal((2, 100_000, n))
    y = rho * x + np.sqrt(1 - rho**2) * error
    x, y = x - x.mean(1, keepdims=True), y - y.mean(1, keepdims=True)
    r = (x * y).sum(1) / np.sqrt((x**2).sum(1) * (y**2).sum(1))
    t = r * np.sqrt((n - 2) / (1 - r**2))
    # The standard error of the share is 0.0013.
    assert (np.abs(t) > stats.t.isf(0.025, n - 2)).mean() == pytest.approx(0.8, abs=0.005)


def test_errors_are_those_of_the_published_examples():
    """Gelman and Carlin 2014, example 2 (2 with standard error 8.1): .06, .24 and 9.7; and what
    their own R function says to more digits (exaggeration by simulation: 9.5 to 9.7)."""
    found = design_errors(2, 8.1, np.inf)
    assert found.power == pytest.approx(0.05701294, abs=5e-9)
    assert found.type_s == pytest.approx(0.2396177, abs=5e-8)
    assert found.type_m == pytest.approx(9.6, abs=0.1)
    # Example 1 (0.1 with 3.28): power .05, type S .46, exaggeration 77.
    found = design_errors(-0.1, 3.28, np.inf)
    assert found.power == pytest.approx(0.05010648, abs=5e-9)
    assert found.type_s == pytest.approx(0.4644228, abs=5e-8)
    assert found.type_m == pytest.approx(77, abs=0.5)


@pytest.mark.parametrize(("effect", "error", "df"), [(1.0, 1.2, 7), (-0.4, 0.3, 15), (2.0, 3.0, 3)])
def test_errors_are_those_of_draws(effect, error, df):
    estimate = effect + error * np.random.default_rng(2).standard_t(df, 400_000)
    found = np.abs(estimate) > error * stats.t.isf(0.025, df)
    told = design_errors(effect, error, df)
    assert told.power == pytest.approx(found.mean(), abs=0.004)
    assert told.type_s == pytest.approx((estimate[found] * effect < 0).mean(), abs=0.004)
    assert told.type_m == pytest.approx(np.abs(estimate[found]).mean() / abs(effect), rel=0.02)


def test_what_has_no_number():
    assert np.isnan(design_errors(0, 1, 9)).all() and np.isnan(design_errors(1, np.nan, 9)).all()
    assert design_errors(1, 1, 1).type_m == np.inf
    assert np.isnan(detectable_effect(np.nan, 9)) and np.isnan(detectable_correlation(3))
    assert 0.97 < detectable_correlation(4) < 1 and detectable_effect(1, 1) > 12.7
