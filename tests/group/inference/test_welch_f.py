"""Welch's F of several groups against R, scipy and the formula, one voxel at a time."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from crossfc.fault import Fault
from crossfc.group.inference.statistic import FLOOR
from crossfc.group.inference.welch import Welch
from crossfc.group.inference.welch_f import WelchF

V = 12
# Values of three groups; R 4.3:
#   y <- c(A, B, C); g <- factor(rep(1:3, c(8, 12, 10)))
#   o <- oneway.test(y ~ g, var.equal = FALSE)
#   print(c(o$statistic, o$parameter, o$p.value), digits = 16)
A = [0.31, -0.12, 0.55, 0.42, 0.08, 0.27, 0.61, -0.05]
B = [-0.22, 0.14, 0.05, -0.31, 0.47, -0.09, 0.18, 0.02, 0.33, -0.15, 0.21, -0.04]
C = [0.9, -1.1, 0.4, 1.6, -0.3, 2.1, -0.8, 0.7, 1.3, -0.2]
F, DF, P = 2.056583901563518, 14.587663091378008, 0.163371621634343


def columns(groups):
    return (groups[:, None] == np.unique(groups)[1:]).astype(float)


def test_f_is_that_of_r():
    groups = np.repeat([0, 1, 2], [8, 12, 10])
    statistic = WelchF(columns(groups), np.ones((30, 1)), groups)
    fit = statistic.fit(np.array(A + B + C)[:, None])
    np.testing.assert_allclose(fit.statistic, F, rtol=1e-13)
    np.testing.assert_allclose(fit.degrees_of_freedom, DF, rtol=1e-13)
    p = stats.f.sf(fit.statistic, statistic.df_effect, fit.degrees_of_freedom)
    np.testing.assert_allclose(p, P, rtol=1e-12)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(3, 12), min_size=2, max_size=5), st.integers(0, 10**6))
def test_f_is_welchs_of_1951(counts, seed):
    rng = np.random.default_rng(seed)
    groups = np.repeat(np.arange(len(counts)), counts)
    data = rng.standard_normal((len(groups), V)) * (1 + groups[:, None]) + groups[:, None] / 3
    fit = WelchF(columns(groups), np.ones((len(groups), 1)), groups).fit(data)
    k, n = len(counts), np.array(counts, dtype=float)[:, None]
    means = np.array([data[groups == group].mean(axis=0) for group in range(k)])
    weight = n / np.array([data[groups == group].var(axis=0, ddof=1) for group in range(k)])
    share = weight / weight.sum(axis=0)
    about = means - (share * means).sum(axis=0)
    spread = (np.square(1 - share) / (n - 1)).sum(axis=0)
    f = (weight * about**2).sum(axis=0) / (k - 1) / (1 + 2 * (k - 2) / (k**2 - 1) * spread)
    # Squares of a group below a share of the total count as rounding (the class says so).
    squares = np.array([(n[g] - 1) * n[g] / weight[g] for g in range(k)])
    told = squares.min(axis=0) > 2 * FLOOR * squares.sum(axis=0)
    assert told.any()
    np.testing.assert_allclose(fit.statistic[told], f[told], rtol=1e-9)
    df = (k**2 - 1) / (3 * spread)
    np.testing.assert_allclose(fit.degrees_of_freedom[told], df[told], rtol=1e-9)
    ordinary = stats.f_oneway(*(data[groups == group] for group in range(k))).statistic
    np.testing.assert_allclose(fit.t**2, ordinary, rtol=1e-9)
    np.testing.assert_allclose(fit.effect, means[groups].std(axis=0), rtol=1e-9)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(3, 4), st.integers(0, 2))
def test_f_with_covariates_is_winklers(seed, k, n_covariates):
    rng = np.random.default_rng(seed)
    groups = rng.permutation(np.repeat(np.arange(k), [7, 9, 12, 8][:k]))
    n = len(groups)
    nuisance = np.column_stack([np.ones(n), rng.standard_normal((n, n_covariates))])
    data = rng.standard_normal((n, V)) * (1 + groups[:, None])
    effect = columns(groups)
    fit = WelchF(effect, nuisance, groups).fit(data)
    model = np.column_stack([effect, nuisance])
    forming = np.eye(n) - model @ np.linalg.pinv(model)
    contrast = np.eye(model.shape[1])[:, : k - 1]
    s = k - 1
    for voxel in range(V):
        y = data[:, voxel]
        residual, weight = forming @ y, np.empty(n)
        for group in range(k):
            own = groups == group
            weight[own] = np.trace(forming[np.ix_(own, own)]) / np.sum(residual[own] ** 2)
        psi = (np.linalg.pinv(model) @ y)[: k - 1]
        spread = contrast.T @ np.linalg.inv((model.T * weight) @ model) @ contrast
        lam = 1 + 2 * (s - 1) / (s * (s + 2)) * sum(
            (1 - weight[groups == group].sum() / weight.sum()) ** 2
            / np.trace(forming[np.ix_(groups == group, groups == group)])
            for group in range(k)
        )
        expected = psi @ np.linalg.solve(spread, psi) / (lam * s)
        np.testing.assert_allclose(fit.statistic[voxel], expected, rtol=1e-8)


def test_f_of_two_groups_is_the_square_of_welchs_t():
    rng = np.random.default_rng(0)
    second = np.arange(20) >= 8
    nuisance = np.column_stack([np.ones(20), rng.standard_normal((20, 2))])
    data = rng.standard_normal((20, V)) * (1 + second[:, None])
    f = WelchF(second.astype(float), nuisance, second).fit(data)
    np.testing.assert_allclose(
        f.statistic, Welch(second * 1.0, nuisance, second).fit(data).statistic ** 2
    )


def test_f_does_not_depend_on_the_coding_or_the_labels():
    rng = np.random.default_rng(1)
    groups = np.repeat([0, 1, 2], [6, 9, 7])
    nuisance = np.column_stack([np.ones(22), rng.standard_normal(22)])
    data = rng.standard_normal((22, V))
    fit = WelchF(columns(groups), nuisance, groups).fit(data)
    mixed = columns(groups) @ rng.standard_normal((2, 2)) + 3
    names = np.array(["c", "a", "b"])[groups]
    again = WelchF(mixed, nuisance, names).fit(data)
    np.testing.assert_allclose(again.statistic, fit.statistic, rtol=1e-9)
    np.testing.assert_allclose(again.degrees_of_freedom, fit.degrees_of_freedom, rtol=1e-9)


def test_the_threshold_is_that_of_equal_variances():
    groups = np.repeat([0, 1, 2], [10, 10, 10])
    statistic = WelchF(columns(groups), np.ones((30, 1)), groups)
    # (k² - 1) / (3 Σ (1 - 1/3)² / 9) = 8 / (3 · 3 · (4/9) / 9) = 18
    np.testing.assert_allclose(stats.f.sf(statistic.forming_threshold(0.01, False), 2, 18), 0.01)


def test_what_does_not_vary_has_no_statistic():
    groups = np.repeat([0, 1, 2], [4, 5, 6])
    data = np.random.default_rng(2).standard_normal((15, 3))
    data[:, 0] = 1.0
    data[:, 1] = groups
    data[groups == 0, 2] = 0.5  # one group alone does not vary
    fit = WelchF(columns(groups), np.ones((15, 1)), groups).fit(data)
    assert fit.flat.tolist() == [True, True, False] and fit.statistic[:2].tolist() == [0, 0]
    assert np.isfinite(fit.statistic).all()


def test_groups_without_a_variance_are_refused():
    groups = np.repeat([0, 1, 2], [1, 5, 6])
    with pytest.raises(Fault, match="groups of 1, 5 and 6 people are too small"):
        WelchF(columns(groups), np.ones((12, 1)), groups)
