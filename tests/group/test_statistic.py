"""Statistics against other people's formulas, as observed and for every arrangement."""

import numpy as np
import pytest
from scipy import stats

from crossfc.fault import Fault
from crossfc.group.arrangement import SHUFFLES, SIGN_FLIPS
from crossfc.group.hotelling import Hotelling
from crossfc.group.statistic import Student
from crossfc.group.welch import Welch

N, V = 14, 60


@pytest.fixture
def rng():
    return np.random.default_rng(7)


@pytest.fixture
def nuisance(rng):
    return np.column_stack([np.ones(N), np.tile([-1.0, 1.0], N // 2), rng.standard_normal(N)])


def arranged(kind, rng, count=9):
    if kind == SIGN_FLIPS:
        return rng.choice(np.int8([-1, 1]), (count, N))
    return np.array([rng.permutation(N) for _ in range(count)])


def rearrange(kind, row, residual):
    """P e: flips e, or gives the person who takes row i of the design place i."""
    if kind == SIGN_FLIPS:
        return residual * row.reshape(-1, *[1] * (residual.ndim - 1))
    out = np.empty_like(residual)
    out[row] = residual
    return out


def residualise(nuisance, data):
    flat = data.reshape(len(data), -1)
    beta = np.linalg.lstsq(nuisance, flat, rcond=None)[0]
    return (flat - nuisance @ beta).reshape(data.shape)


def all_scores(statistic, fit, kind, table):
    coefficients = statistic.coefficients(kind, table)
    out = np.empty((len(table), V), dtype=np.float32)
    for part in (slice(0, 37), slice(37, V)):
        statistic.scores(coefficients, fit.work, part, out)
    return out


def test_t_is_that_of_ordinary_least_squares(rng, nuisance):
    import statsmodels.api as sm

    data, effect = rng.standard_normal((N, V)) + 0.3, rng.standard_normal(N)
    student = Student(effect, nuisance)
    fit = student.fit(data)
    design = np.column_stack([effect, nuisance])
    for voxel in range(V):
        theirs = sm.OLS(data[:, voxel], design).fit()
        np.testing.assert_allclose(fit.statistic[voxel], theirs.tvalues[0], rtol=1e-10)
        np.testing.assert_allclose(fit.effect[voxel], theirs.params[0], rtol=1e-10)
        np.testing.assert_allclose(fit.standard_error[voxel], theirs.bse[0], rtol=1e-10)
        assert fit.degrees_of_freedom[voxel] == theirs.df_resid
    np.testing.assert_allclose(
        student.effect_variance, np.linalg.inv(design.T @ design)[0, 0], rtol=1e-12
    )


def test_t_without_nuisance_is_scipys(rng):
    data = rng.standard_normal((N, V)) + 0.5
    fit = Student(np.ones(N), np.empty((N, 0))).fit(data)
    np.testing.assert_allclose(fit.statistic, stats.ttest_1samp(data, 0).statistic, rtol=1e-10)


@pytest.mark.parametrize("kind", [SIGN_FLIPS, SHUFFLES])
def test_t_of_arrangements_is_freedman_lanes(rng, nuisance, kind):
    data, effect = rng.standard_normal((N, V)), rng.standard_normal(N)
    student = Student(effect, nuisance)
    fit, table = student.fit(data), arranged(kind, rng)
    scores = all_scores(student, fit, kind, table)
    residual = residualise(nuisance, data)
    for row, score in zip(table, scores, strict=True):
        expected = Student(effect, nuisance).fit(rearrange(kind, row, residual)).statistic
        np.testing.assert_allclose(student.to_statistic(score), expected, rtol=2e-4, atol=1e-5)
        np.testing.assert_allclose(score, student.to_score(expected), atol=2e-6)


def test_scores_turn_back_into_statistics(rng):
    values = np.array([-8.0, -0.1, 0, 2.5, 30])
    student = Student(rng.standard_normal(N), np.ones((N, 1)))
    np.testing.assert_allclose(student.to_statistic(student.to_score(values)), values, rtol=1e-9)
    hotelling = Hotelling(rng.standard_normal(N), np.ones((N, 1)), 2)
    np.testing.assert_allclose(
        hotelling.to_statistic(hotelling.to_score(np.abs(values))), np.abs(values), rtol=1e-9
    )


def test_welch_for_two_groups_is_scipys(rng):
    second = np.arange(N) >= 5
    data = rng.standard_normal((N, V)) * np.where(second, 1, 4)[:, None]
    fit = Welch(np.where(second, -0.5, 0.5), np.ones((N, 1)), second).fit(data)
    theirs = stats.ttest_ind(data[~second], data[second], equal_var=False)
    np.testing.assert_allclose(fit.statistic, theirs.statistic, rtol=1e-10)
    np.testing.assert_allclose(fit.degrees_of_freedom, theirs.df, rtol=1e-10)
    np.testing.assert_allclose(fit.effect, data[~second].mean(0) - data[second].mean(0), atol=1e-12)
    pooled = stats.ttest_ind(data[~second], data[second])
    np.testing.assert_allclose(fit.t, pooled.statistic, rtol=1e-10)


def plain_g(effect, nuisance, second, data):
    """Winkler et al. 2014, eq. 3, one voxel at a time with matrices as printed."""
    design = np.column_stack([effect, nuisance])
    forming = np.eye(len(design)) - design @ np.linalg.pinv(design)
    contrast = np.eye(design.shape[1])[0]
    out = np.empty(data.shape[1])
    for voxel, y in enumerate(data.T):
        psi, error = np.linalg.pinv(design) @ y, forming @ y
        weights = np.empty(len(y))
        for members in (second, ~second):
            weights[members] = np.trace(forming[np.ix_(members, members)]) / np.sum(
                error[members] ** 2
            )
        spread = np.linalg.inv(design.T @ np.diag(weights) @ design)
        out[voxel] = contrast @ psi / np.sqrt(contrast @ spread @ contrast)
    return out


@pytest.mark.parametrize("kind", [SIGN_FLIPS, SHUFFLES])
def test_welch_with_covariates_is_winklers_g(rng, nuisance, kind):
    second = np.arange(N) >= 5
    effect = np.where(second, -0.5, 0.5)
    data = rng.standard_normal((N, V)) * np.where(second, 1, 3)[:, None]
    welch = Welch(effect, nuisance, second)
    fit, table = welch.fit(data), arranged(kind, rng)
    np.testing.assert_allclose(fit.statistic, plain_g(effect, nuisance, second, data), rtol=1e-9)
    residual = residualise(nuisance, data)
    for row, score in zip(table, all_scores(welch, fit, kind, table), strict=True):
        expected = plain_g(effect, nuisance, second, rearrange(kind, row, residual))
        np.testing.assert_allclose(score, expected, rtol=2e-4, atol=2e-5)


def plain_f(effect, nuisance, data):
    """Hotelling's T² from the residual cross-products of the two models (Wilks' Λ)."""
    n_people, measures, n_voxels = data.shape
    full = np.column_stack([effect, nuisance])
    df = n_people - full.shape[1]
    out = np.empty(n_voxels)
    for voxel in range(n_voxels):
        y = data[:, :, voxel]
        inside, outside = residualise(full, y), residualise(nuisance, y)
        wilks = np.linalg.det(inside.T @ inside) / np.linalg.det(outside.T @ outside)
        squared = df * (1 - wilks) / wilks
        out[voxel] = squared * (df - measures + 1) / (df * measures)
    return out


@pytest.mark.parametrize("measures", [1, 2, 4])
def test_hotelling_is_the_plain_formula(rng, nuisance, measures):
    mixing = rng.standard_normal((measures, measures))
    data = np.einsum("nmv,mk->nkv", rng.standard_normal((N, measures, V)), mixing)
    effect = rng.standard_normal(N)
    hotelling = Hotelling(effect, nuisance, measures)
    fit, table = hotelling.fit(data), arranged(SHUFFLES, rng)
    np.testing.assert_allclose(fit.statistic, plain_f(effect, nuisance, data), rtol=1e-9)
    residual = residualise(nuisance, data)
    for row, score in zip(table, all_scores(hotelling, fit, SHUFFLES, table), strict=True):
        expected = plain_f(effect, nuisance, rearrange(SHUFFLES, row, residual))
        np.testing.assert_allclose(score, hotelling.to_score(expected), atol=5e-6)


def test_hotelling_of_two_groups_is_the_textbooks(rng):
    second = np.arange(N) >= 6
    data = rng.standard_normal((N, 2, V))
    fit = Hotelling(np.where(second, -0.5, 0.5), np.ones((N, 1)), 2).fit(data)
    for voxel in range(V):
        a, b = data[~second, :, voxel], data[second, :, voxel]
        pooled = ((len(a) - 1) * np.cov(a.T) + (len(b) - 1) * np.cov(b.T)) / (N - 2)
        apart = a.mean(0) - b.mean(0)
        squared = apart @ np.linalg.solve(pooled * (1 / len(a) + 1 / len(b)), apart)
        np.testing.assert_allclose(fit.statistic[voxel], squared * (N - 3) / (2 * (N - 2)))
        np.testing.assert_allclose(fit.effect[voxel], np.linalg.norm(apart))


def test_forming_thresholds_have_the_probability_asked_for(rng):
    student = Student(rng.standard_normal(N), np.ones((N, 1)))
    np.testing.assert_allclose(stats.t.sf(student.forming_threshold(0.01, True), 12), 0.005)
    np.testing.assert_allclose(stats.t.sf(student.forming_threshold(0.01, False), 12), 0.01)
    hotelling = Hotelling(rng.standard_normal(N), np.ones((N, 1)), 2)
    np.testing.assert_allclose(stats.f.sf(hotelling.forming_threshold(0.01, True), 2, 11), 0.01)
    second = np.arange(N) >= 7
    welch = Welch(second - 0.5, np.ones((N, 1)), second)
    np.testing.assert_allclose(stats.t.sf(welch.forming_threshold(0.01, True), 12), 0.005)


def test_flat_voxels_say_nothing(rng, nuisance):
    data = rng.standard_normal((N, V))
    data[:, 3] = 0.1
    second = np.arange(N) >= 5
    for statistic in (
        Student(rng.standard_normal(N), nuisance),
        Welch(second - 0.5, nuisance, second),
    ):
        fit = statistic.fit(data)
        assert np.flatnonzero(fit.flat).tolist() == [3]
        assert fit.statistic[3] == fit.score[3] == 0 and np.isfinite(fit.work).all()
    fit = Hotelling(rng.standard_normal(N), nuisance, 2).fit(np.stack([data, data[::-1]], axis=1))
    assert fit.flat[3] and fit.statistic[3] == 0 and fit.flat.sum() == 1


def test_models_without_a_unique_fit_are_refused(rng, nuisance):
    with pytest.raises(Fault, match="not independent"):
        Student(nuisance[:, 1] * 2 + 1, nuisance)
    with pytest.raises(Fault, match="too few for a model with 4 columns"):
        Student(rng.standard_normal(4), nuisance[:4])
    with pytest.raises(Fault, match="too small to estimate a variance"):
        Welch((np.arange(N) == 0) - 0.5, np.ones((N, 1)), np.arange(N) > 0)
    with pytest.raises(Fault, match="too few for Hotelling"):
        Hotelling(rng.standard_normal(N), nuisance, 11)
