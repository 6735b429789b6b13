"""Welch's statistic against scipy and against the formula as printed."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from crossfc.fault import Fault
from crossfc.group.design.arrangement import sign_flips
from crossfc.group.inference.welch import Welch

V = 20
SPREAD = np.array([1.0, 3.0, 0.5, 2.0])  # standard deviations of the groups


def plain(effect, nuisance, groups, data):
    """Winkler et al. 2014, eq. 3, one voxel at a time with matrices as printed.

    Also V = c'(M'WM)⁻¹c as a function of the groups' variances, and these.
    """
    design = np.column_stack([effect, nuisance])
    inverse = np.linalg.pinv(design)
    forming = np.eye(len(design)) - design @ inverse
    labels = np.unique(groups)
    df = np.array([np.trace(forming[np.ix_(groups == g, groups == g)]) for g in labels])

    def variance_of_effect(variances):
        weights = np.diag(1 / variances[np.searchsorted(labels, groups)])
        return np.linalg.inv(design.T @ weights @ design)[0, 0]

    g, degrees = np.empty(data.shape[1]), np.empty(data.shape[1])
    for voxel, y in enumerate(data.T):
        error = forming @ y
        variances = np.array([np.sum(error[groups == g] ** 2) for g in labels]) / df
        variance = variance_of_effect(variances)
        g[voxel] = (inverse @ y)[0] / np.sqrt(variance)
        # Satterthwaite, with derivatives taken by differences.
        parts = np.empty(len(labels))
        for group in range(len(labels)):
            step = np.ones(len(labels))
            step[group] += 1e-5
            slope = variance_of_effect(variances * step) - variance_of_effect(variances / step)
            parts[group] = slope / (2 * np.log(step[group]))
        degrees[voxel] = variance**2 / np.sum(parts**2 / df)
    return g, degrees


@st.composite
def designs(draw, smallest=5):
    """Effect, nuisance, groups: contrasts of groups, slopes and means; covariates of any kind."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n_groups = draw(st.integers(2, 4))
    counts = [draw(st.integers(smallest, smallest + 9)) for _ in range(n_groups)]
    groups = rng.permutation(np.repeat(np.arange(n_groups), counts))
    n = len(groups)
    apart = (groups[:, None] == np.arange(1, n_groups)).astype(float)
    covariates = rng.standard_normal((n, draw(st.integers(0, 2))))
    if draw(st.booleans()) and covariates.shape[1]:
        covariates[:, 0] *= groups == 0  # of one group only
    kind = draw(st.sampled_from(["contrast", "slope", "mean", "slope over all"]))
    one = np.ones((n, 1))
    if kind == "contrast":
        effect, others = apart[:, 0], [one, apart[:, 1:]]
    elif kind == "mean":
        effect, others = np.ones(n), []
    else:
        effect, others = rng.standard_normal(n), [one, apart] if kind == "slope" else [one]
    nuisance = np.column_stack([*others, covariates])
    data = rng.standard_normal((n, V)) * SPREAD[groups][:, None] + 0.3
    return effect, nuisance, groups, data


@settings(max_examples=60, deadline=None)
@given(designs())
def test_g_is_winklers(drawn):
    effect, nuisance, groups, data = drawn
    welch = Welch(effect, nuisance, groups)
    fit = welch.fit(data)
    statistic, degrees = plain(effect, nuisance, groups, data)
    np.testing.assert_allclose(fit.statistic, statistic, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(fit.degrees_of_freedom, degrees, rtol=1e-6)
    # As above: a statistic near zero holds the rounding of numbers of size one.
    ratio = fit.effect / fit.standard_error
    np.testing.assert_allclose(fit.statistic, ratio, rtol=1e-10, atol=1e-12)


@settings(max_examples=40, deadline=None)
@given(st.integers(5, 20), st.integers(5, 20), st.floats(0.2, 5), st.integers(0, 2**32 - 1))
def test_two_groups_are_scipys(n_first, n_second, ratio, seed):
    rng = np.random.default_rng(seed)
    second = rng.permutation(n_first + n_second) >= n_first
    data = rng.standard_normal((len(second), V)) * np.where(second, ratio, 1)[:, None] + 0.5
    fit = Welch(np.where(second, -0.5, 0.5), np.ones((len(second), 1)), second).fit(data)
    theirs = stats.ttest_ind(data[~second], data[second], equal_var=False)
    np.testing.assert_allclose(fit.statistic, theirs.statistic, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(fit.degrees_of_freedom, theirs.df, rtol=1e-10)
    apart = data[~second].mean(0) - data[second].mean(0)
    np.testing.assert_allclose(fit.effect, apart, rtol=1e-10, atol=1e-12)
    pooled = stats.ttest_ind(data[~second], data[second])
    np.testing.assert_allclose(fit.t, pooled.statistic, rtol=1e-10, atol=1e-12)


def test_the_error_of_the_estimate_is_welchs_without_covariates():
    rng = np.random.default_rng(6)
    second = np.arange(19) >= 12
    data = rng.standard_normal((19, V)) * np.where(second, 3, 1)[:, None]
    statistic = Welch(np.where(second, -0.5, 0.5), np.ones((19, 1)), second)
    error, df = statistic.estimate_error(data)
    theirs = stats.ttest_ind(data[~second], data[second], equal_var=False)
    np.testing.assert_allclose(statistic.fit(data).effect / error, theirs.statistic, rtol=1e-10)
    np.testing.assert_allclose(df, theirs.df, rtol=1e-10)


def test_the_error_of_the_estimate_holds_where_that_of_g_is_too_small():
    """Orders 3:1 and 1:3, standard deviations 3:1: both against least squares by hand."""
    rng, sets = np.random.default_rng(7), 4000
    second = np.arange(41) >= 24
    code = np.concatenate([np.repeat([-1.0, 1], [18, 6]), np.repeat([1.0, -1], [13, 4])])
    data = rng.standard_normal((41, sets)) * np.where(second, 1, 3)[:, None]
    columns = np.column_stack([np.where(second, -0.5, 0.5), np.ones(41), code])
    statistic = Welch(columns[:, 0], columns[:, 1:], second)
    fit, (error, df) = statistic.fit(data), statistic.estimate_error(data)
    solve = np.linalg.pinv(columns)
    rest = np.eye(41) - columns @ solve
    parts = [
        np.square(rest @ data)[own].sum(axis=0) / np.diag(rest)[own].sum()
        * np.square(solve[0, own]).sum()
        for own in (~second, second)
    ]  # fmt: skip
    np.testing.assert_allclose(np.square(error), sum(parts), rtol=1e-10)
    freedom = [np.diag(rest)[own].sum() for own in (~second, second)]
    spread = sum(part**2 / own for part, own in zip(parts, freedom, strict=True))
    np.testing.assert_allclose(df, sum(parts) ** 2 / spread, rtol=1e-10)
    held = np.abs(fit.effect) <= stats.t.isf(0.025, df) * error
    of_g = np.abs(fit.statistic) <= stats.t.isf(0.025, fit.degrees_of_freedom)
    low, high = stats.binom.ppf([0.001, 0.999], sets, 0.95) / sets
    assert of_g.mean() < low <= held.mean() <= high


def test_groups_that_are_not_compared_do_not_matter():
    rng = np.random.default_rng(0)
    groups = np.repeat(["a", "b", "c"], [7, 9, 12])
    data = rng.standard_normal((28, V)) * np.repeat([1, 4, 20], [7, 9, 12])[:, None]
    welch = Welch(groups == "a", np.column_stack([np.ones(28), groups == "c"]), groups)
    fit = welch.fit(data)
    theirs = stats.ttest_ind(data[:7], data[7:16], equal_var=False)
    np.testing.assert_allclose(fit.statistic, theirs.statistic, rtol=1e-10)
    np.testing.assert_allclose(fit.degrees_of_freedom, theirs.df, rtol=1e-10)


def test_labels_are_only_names():
    rng = np.random.default_rng(1)
    second = np.arange(16) >= 6
    data = rng.standard_normal((16, V))
    effect, nuisance = second - 0.5, np.column_stack([np.ones(16), rng.standard_normal(16)])
    expected = Welch(effect, nuisance, second).fit(data).statistic
    for labels in (~second, second * 7 - 3, np.where(second, "HV", "TRD"), second.astype(object)):
        found = Welch(effect, nuisance, labels).fit(data).statistic
        np.testing.assert_allclose(found, expected, rtol=1e-12)
    found = Welch(effect, nuisance, ["a" if of else "b" for of in second]).fit(data).statistic
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_a_group_that_does_not_vary_has_a_finite_statistic():
    rng = np.random.default_rng(2)
    one, three = np.ones((18, 1)), np.repeat([0, 1, 2], 6)
    for groups, nuisance in ((three > 0, one), (three, np.column_stack([one, three == 2]))):
        data = rng.standard_normal((18, V))
        data[:6] = 0.25
        welch = Welch(groups == 0, nuisance, groups)
        fit = welch.fit(data)
        assert np.isfinite(fit.statistic).all() and not fit.flat.any()
        scores = np.empty((2, V), dtype=np.float32)
        welch.batch(sign_flips(18, 1, 0))(fit.work, scores)
        np.testing.assert_allclose(scores[0], fit.score, rtol=welch.tie)


def test_the_threshold_is_that_of_equal_variances():
    second = np.arange(20) >= 8
    welch = Welch(second - 0.5, np.ones((20, 1)), second)
    # Welch's degrees of freedom of groups of 8 and 12 with one variance.
    df = (1 / 8 + 1 / 12) ** 2 / (1 / 8**2 / 7 + 1 / 12**2 / 11)
    np.testing.assert_allclose(stats.t.sf(welch.forming_threshold(0.01, True), df), 0.005)
    np.testing.assert_allclose(stats.t.sf(welch.forming_threshold(0.01, False), df), 0.01)
    three = np.repeat([0, 1, 2], [8, 12, 5])
    apart = Welch(three == 0, np.column_stack([np.ones(25), three == 2]), three)
    np.testing.assert_allclose(
        apart.forming_threshold(0.01, True), welch.forming_threshold(0.01, True), rtol=1e-10
    )


def test_people_of_different_groups_differ_in_their_design():
    three = np.repeat([0, 1, 2], 4)
    welch = Welch(three == 0, np.ones((12, 1)), three)
    assert len(np.unique(welch.design, axis=0)) == 3


def test_numbers_of_groups_stay_when_somebody_leaves():
    labels = np.array(["b"] + ["a"] * 6 + ["b"] * 5)
    effect, nuisance = np.where(labels == "a", 0.5, -0.5), np.ones((12, 1))
    numbers = Welch(effect, nuisance, labels).groups
    assert numbers.tolist() == (labels == "b").astype(int).tolist()
    for person in range(12):
        keep = np.arange(12) != person
        found = Welch(effect[keep], nuisance[keep], labels[keep]).groups
        np.testing.assert_array_equal(found, numbers[keep])


def test_bad_groups_are_refused():
    effect, nuisance = np.arange(12) % 3 - 1.0, np.ones((12, 1))
    with pytest.raises(Fault, match="too small to estimate a variance each"):
        Welch((np.arange(12) == 0) - 0.5, nuisance, np.arange(12) > 0)
    with pytest.raises(Fault, match="groups of 1, 3 and 8 people are too small"):
        groups = np.repeat([0, 1, 2], [3, 1, 8])
        Welch(effect, np.column_stack([np.ones(12), groups == 1]), groups)
    with pytest.raises(Fault, match="all people are in one variance group"):
        Welch(effect, nuisance, ["a"] * 12)
    with pytest.raises(Fault, match="2 people have no variance group"):
        Welch(effect, nuisance, np.array([None, "b", None] + ["a"] * 9, dtype=object))
    with pytest.raises(Fault, match=r"shape \(11,\) for 12 people"):
        Welch(effect, nuisance, np.arange(11) > 4)
