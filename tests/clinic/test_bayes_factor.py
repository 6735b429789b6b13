"""Bayes factors: published values to their printed digits, and other ways to the same number."""

import numpy as np
import pytest
from scipy import integrate, stats
from scipy.special import beta, gammaln, hyp2f1

from crossfc.clinic.bayes_factor import change_bayes_factor, correlation_bayes_factor

# Student's sleep data (1908), as in R's `sleep`: extra hours with each of two drugs.
SLEEP = np.array([0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]) - np.array(
    [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]
)


def test_published_values_of_changes():
    # Rouder et al. 2009, p. 232: t(79) = 2.03, B01 = 1.56 with the prior of scale 1.
    assert 1 / change_bayes_factor(2.03, 79, 80, 1.0) == pytest.approx(1.56, abs=0.005)
    # Manual of the R package BayesFactor (Morey and Rouder), ttestBF of the sleep data: 17.25888.
    t = stats.ttest_1samp(SLEEP, 0).statistic
    assert change_bayes_factor(t, 9, 10) == pytest.approx(17.25888, abs=5e-6)
    # Tests of the package pingouin: t = 3.5 of 20 pairs, and of 20 and 20 people (scale 0.707).
    assert change_bayes_factor(3.5, 19, 20, 0.707) == pytest.approx(17.185, abs=5e-4)
    assert change_bayes_factor(3.5, 38, 20 * 20 / 40, 0.707) == pytest.approx(26.743, abs=5e-4)


@pytest.mark.parametrize(("r", "n", "published"), [(0.6, 20, 10.634), (-0.6, 20, 10.634)])
def test_published_values_of_correlations(r, n, published):
    """Documentation of the package pingouin, whose number is that of JASP."""
    assert correlation_bayes_factor(r, n) == pytest.approx(published, abs=5e-4)


@pytest.mark.parametrize(
    ("t", "df", "n"), [(0, 9, 10), (-1.3, 5, 3.2), (2.4, 21, 22.9), (6, 40, 9)]
)
def test_a_change_is_the_mean_of_noncentral_t_over_the_prior(t, df, n):
    """Gönen et al. 2005: the density of t given δ, weighed with the prior of δ."""
    scale = np.sqrt(2) / 2

    def weighed(delta):
        return stats.nct.pdf(t, df, delta * np.sqrt(n)) * stats.cauchy.pdf(delta, scale=scale)

    parts = [(-30, -2), (-2, 0), (0, 2), (2, 30)]
    mean = sum(integrate.quad(weighed, *part, limit=200)[0] for part in parts)
    told = change_bayes_factor(t, df, n)
    assert told == pytest.approx(mean / stats.t.pdf(t, df), rel=1e-4)


def test_nuisance_is_integrated_out():
    """In a model with a period the number is that of the likelihood, integrated by brute force."""
    rng = np.random.default_rng(4)
    code = np.array([-1.0, -1, -1, 1, 1, 1, 1])
    y = 0.8 + 0.5 * code + rng.normal(size=7)
    x = np.column_stack([np.ones(7), code])
    inverse = np.linalg.inv(x.T @ x)
    b = inverse @ x.T @ y
    s2 = ((y - x @ b) ** 2).sum() / 5
    told = change_bayes_factor(b[0] / np.sqrt(s2 * inverse[0, 0]), 5, 1 / inverse[0, 0])

    def likelihood(delta):
        # Of log σ on a grid, of the period in closed form; equal constants cancel.
        log_sigma = np.linspace(-4, 5, 4001)
        sigma = np.exp(log_sigma)
        left = y[:, None] - delta * sigma
        left = left - np.outer(code, code @ left) / 7
        # One factor σ is that of the period's integral, which leaves n - 1 of them.
        inside = np.exp(-(left**2).sum(0) / (2 * sigma**2)) * sigma ** -(7.0 - 1)
        return np.trapezoid(inside, log_sigma)

    deltas = np.tan(np.linspace(-1.55, 1.55, 1201))
    prior = stats.cauchy.pdf(deltas, scale=np.sqrt(2) / 2)
    heights = np.array([likelihood(delta) for delta in deltas])
    assert told == pytest.approx(np.trapezoid(heights * prior, deltas) / likelihood(0), rel=1e-3)


@pytest.mark.parametrize("kappa", [0.5, 1, 2])
@pytest.mark.parametrize(("r", "n"), [(0, 5), (0.1, 12), (-0.45, 29), (0.95, 30), (0.3, 200)])
def test_a_correlation_is_the_closed_form_of_its_paper(r, n, kappa):
    """Ly, Verhagen and Wagenmakers 2016, eq. 25, which overflows in large samples."""
    log = gammaln((2 + kappa * (n - 1)) / (2 * kappa)) - gammaln((2 + kappa * n) / (2 * kappa))
    closed = 2 ** ((kappa - 2) / kappa) * np.sqrt(np.pi) / beta(1 / kappa, 1 / kappa) * np.exp(log)
    closed *= hyp2f1((n - 1) / 2, (n - 1) / 2, (2 + kappa * n) / (2 * kappa), r * r)
    assert correlation_bayes_factor(r, n, kappa) == pytest.approx(closed, rel=1e-7)


def test_extremes():
    assert np.isnan(change_bayes_factor(np.nan, 9, 10))
    assert np.isnan(correlation_bayes_factor(np.nan, 9))
    assert np.isnan(correlation_bayes_factor(0.3, 2))
    assert correlation_bayes_factor(1.0, 9) == np.inf
    assert 1e9 < change_bayes_factor(60, 10, 11) < np.inf
    assert change_bayes_factor(0, 9, 10) < 0.5
    for size in (20, 200, 20_000):
        assert change_bayes_factor(0, size - 1, size) < 3 / np.sqrt(size)
