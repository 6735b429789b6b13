"""Statistics against other people's formulas, as observed and for every arrangement."""

from fractions import Fraction

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.multivariate.manova import MANOVA
from statsmodels.stats.multivariate import test_mvmean as mean_of_several
from statsmodels.stats.multivariate import test_mvmean_2indep as two_means_of_several

from crossfc.fault import Fault
from crossfc.group.design.arrangement import shuffles, sign_flips
from crossfc.group.inference.fisher import Fisher
from crossfc.group.inference.hall import Hall
from crossfc.group.inference.hotelling import Hotelling
from crossfc.group.inference.slope import Slope
from crossfc.group.inference.statistic import Student
from crossfc.group.inference.welch import Welch

V = 60
SEEDS = st.integers(0, 2**32 - 1)


@st.composite
def models(draw):
    """Effect, nuisance, data: covariates that are normal or ±1, with a constant or without."""
    rng = np.random.default_rng(draw(SEEDS))
    n_nuisance = draw(st.integers(0, 4))
    n = n_nuisance + draw(st.integers(6, 25))
    nuisance = rng.standard_normal((n, n_nuisance))
    if n_nuisance > 1 and draw(st.booleans()):
        nuisance[:, 0], nuisance[:, 1] = 1, rng.permutation(np.arange(n) % 2 * 2 - 1)
    return rng.standard_normal(n), nuisance, rng.standard_normal((n, 12)) + 0.3


@settings(max_examples=50, deadline=None)
@given(models())
def test_t_is_that_of_ordinary_least_squares(drawn):
    effect, nuisance, data = drawn
    student = Student(effect, nuisance)
    fit = student.fit(data)
    design = np.column_stack([effect, nuisance])
    for voxel in range(data.shape[1]):
        theirs = sm.OLS(data[:, voxel], design).fit()
        near = {"rtol": 1e-10, "atol": 1e-12}
        np.testing.assert_allclose(fit.statistic[voxel], theirs.tvalues[0], **near)
        np.testing.assert_allclose(fit.effect[voxel], theirs.params[0], **near)
        np.testing.assert_allclose(fit.standard_error[voxel], theirs.bse[0], **near)
        assert fit.degrees_of_freedom[voxel] == theirs.df_resid
    np.testing.assert_allclose(
        student.effect_variance, np.linalg.inv(design.T @ design)[0, 0], rtol=1e-10
    )


def test_t_without_nuisance_is_scipys():
    data = np.random.default_rng(0).standard_normal((14, V)) + 0.5
    fit = Student(np.ones(14), np.empty((14, 0))).fit(data)
    np.testing.assert_allclose(fit.statistic, stats.ttest_1samp(data, 0).statistic, rtol=1e-10)


@pytest.mark.filterwarnings("ignore:divide by zero")  # in another of its test statistics
@settings(max_examples=10, deadline=None)
@given(models(), st.integers(2, 4), SEEDS)
def test_hotelling_is_the_manova_of_statsmodels(drawn, measures, seed):
    effect, nuisance, _ = drawn
    rng = np.random.default_rng(seed)
    mixing = rng.standard_normal((measures, measures))
    data = np.einsum("nmv,mk->nkv", rng.standard_normal((len(effect), measures, 5)), mixing)
    design = np.column_stack([effect, nuisance])
    hotelling = Hotelling(effect, nuisance, measures)
    fit = hotelling.fit(data)
    hypothesis = [("effect", np.eye(1, design.shape[1]))]
    for voxel in range(data.shape[2]):
        found = MANOVA(data[:, :, voxel], design).mv_test(hypothesis)
        theirs = found.results["effect"]["stat"].loc["Wilks' lambda"]
        # The reference loses digits as the products of residuals are badly conditioned: 3e-8 where
        # exact fractions give our value to 4e-12.
        residuals = data[:, :, voxel] - design @ np.linalg.pinv(design) @ data[:, :, voxel]
        lost = np.finfo(float).eps * np.linalg.cond(residuals) ** 2
        near = {"rtol": 1e-10 + lost}
        np.testing.assert_allclose(fit.statistic[voxel], float(theirs["F Value"]), **near)
        assert theirs["Num DF"] == hotelling.df_effect
        assert theirs["Den DF"] == hotelling.df_error == fit.degrees_of_freedom[voxel]


def test_hotelling_of_one_and_two_groups_is_the_textbooks():
    rng = np.random.default_rng(1)
    data = rng.standard_normal((14, 2, V)) + 0.4
    second = np.arange(14) >= 6
    one = Hotelling(np.ones(14), np.empty((14, 0)), 2).fit(data)
    two = Hotelling(np.where(second, -0.5, 0.5), np.ones((14, 1)), 2).fit(data)
    for voxel in range(V):
        y = data[:, :, voxel]
        theirs = mean_of_several(y)
        np.testing.assert_allclose(one.statistic[voxel], theirs.statistic, rtol=1e-10)
        np.testing.assert_allclose(one.effect[voxel], np.linalg.norm(y.mean(axis=0)))
        theirs = two_means_of_several(y[~second], y[second])
        np.testing.assert_allclose(two.statistic[voxel], theirs.statistic, rtol=1e-10)
        apart = y[~second].mean(axis=0) - y[second].mean(axis=0)
        np.testing.assert_allclose(two.effect[voxel], np.linalg.norm(apart))


def test_hotelling_is_that_of_exact_fractions():
    # Six people and four measures, of which one is nearly a sum of the others: F is 9131.7.
    rng = np.random.default_rng(8207)
    mixing = rng.standard_normal((4, 4))
    data = np.einsum("nmv,mk->nkv", rng.standard_normal((6, 4, 5)), mixing)
    effect = np.random.default_rng(0).standard_normal(6)
    fit = Hotelling(effect, np.empty((6, 0)), 4).fit(data)
    for voxel in range(5):
        exact = float(exact_hotelling(effect, data[:, :, voxel]))
        np.testing.assert_allclose(fit.statistic[voxel], exact, rtol=1e-10)


def exact_hotelling(effect, data):
    """F of a slope through the origin in several measures, without rounding."""
    x, y = ([Fraction(float(v)) for v in np.ravel(values)] for values in (effect, data))
    n, m = data.shape
    rows = [y[i * m : (i + 1) * m] for i in range(n)]
    size = sum(v * v for v in x)
    slope = [sum(x[i] * rows[i][k] for i in range(n)) / size for k in range(m)]
    errors = [[rows[i][k] - x[i] * slope[k] for k in range(m)] for i in range(n)]
    # The products of errors, with the slope as a further column, solved by elimination.
    system = [[sum(e[k] * e[j] for e in errors) for j in range(m)] + [slope[k]] for k in range(m)]
    for i in range(m):
        for j in range(m):
            if j != i:
                factor = system[j][i] / system[i][i]
                system[j] = [a - factor * b for a, b in zip(system[j], system[i], strict=True)]
    solved = [system[k][m] / system[k][k] for k in range(m)]
    return size * sum(a * b for a, b in zip(slope, solved, strict=True)) * (n - m) / m


def test_hotelling_of_one_measure_is_the_square_of_t():
    rng = np.random.default_rng(2)
    effect, nuisance = rng.standard_normal(14), rng.standard_normal((14, 2))
    data = rng.standard_normal((14, V))
    t, f = Student(effect, nuisance).fit(data), Hotelling(effect, nuisance, 1).fit(data[:, None])
    np.testing.assert_allclose(f.statistic, t.statistic**2, rtol=1e-10)


# Every statistic, of people in up to three groups of unequal variance.
STATISTICS = {
    "t": lambda groups, others: Student(groups[:, 1], others),
    "t of a mean": lambda groups, others: Student(np.ones(len(groups)), others[:, 1:]),
    "slope": lambda groups, others: Slope(groups[:, 1] + np.arange(31) / 9, others),
    "slope of groups": lambda groups, others: Slope(groups[:, 1], others),
    "F of groups": lambda groups, others: Fisher(groups[:, 1:], others),
    "G of two groups": lambda groups, others: Welch(groups[:, 1], others, groups[:, 1]),
    "Hall's of two groups": lambda groups, others: Hall(groups[:, 1], others, groups[:, 1]),
    "Hall's of a slope": lambda groups, others: Hall(
        np.arange(len(groups)) - 20.0, np.column_stack([groups[:, 2], others]), groups[:, 2]
    ),
    "G of three groups": lambda groups, others: Welch(
        groups[:, 1], np.column_stack([groups[:, 2], others]), groups.argmax(axis=1)
    ),
    "G of a slope": lambda groups, others: Welch(
        np.arange(len(groups)) - 20.0, np.column_stack([groups[:, 2], others]), groups[:, 2]
    ),
    "G of a slope, three variances": lambda groups, others: Welch(
        np.arange(len(groups)) - 20.0, others, groups.argmax(axis=1)
    ),
    "G of a mean, three variances": lambda groups, others: Welch(
        np.ones(len(groups)), others[:, 1:], groups.argmax(axis=1)
    ),
    "T² of two": lambda groups, others: Hotelling(groups[:, 1], others, 2),
    "T² of four": lambda groups, others: Hotelling(groups[:, 1], others, 4),
}
ARRANGE = {
    "sign flips": lambda statistic, seed: sign_flips(len(statistic.design), 5, seed),
    "shuffles": lambda statistic, seed: shuffles(statistic.design, 5, seed),
}


def trial(name, n_covariates, seed):
    """A statistic, and data for it: few measures in 37 voxels."""
    rng = np.random.default_rng(seed)
    number = rng.permutation(np.repeat([0, 1, 2], [8, 11, 12]))
    groups = (number[:, None] == np.arange(3)).astype(float)
    order = rng.permutation(np.arange(31) % 2 * 2.0 - 1)
    covariates = np.column_stack([np.ones(31), order, rng.standard_normal((31, 2))])
    statistic = STATISTICS[name](groups, covariates[:, : 1 + n_covariates])
    data = rng.standard_normal((31, getattr(statistic, "measures", 1), 37))
    data = data * np.array([1, 2, 0.7])[number][:, None, None] + rng.standard_normal(37)
    return statistic, data if isinstance(statistic, Hotelling) else data[:, 0]


def rearranged(arrangements, number, nuisance, data):
    """P e: who takes row i of the design takes place i, with that sign."""
    flat = data.reshape(len(data), -1)
    residual = (flat - nuisance @ np.linalg.lstsq(nuisance, flat)[0]).reshape(data.shape)
    out = np.empty_like(residual)
    order = slice(None) if arrangements.order is None else arrangements.order[number]
    signs = np.ones(len(data)) if arrangements.signs is None else arrangements.signs[number]
    out[order] = residual * signs.reshape(-1, *[1] * (data.ndim - 1))
    return out


@pytest.mark.parametrize("name", STATISTICS)
@settings(max_examples=25, deadline=None)
@given(st.sampled_from(sorted(ARRANGE)), st.integers(1, 3), SEEDS)
@example("sign flips", 3, 282)  # products of columns that nearly follow from others
def test_arrangements_are_freedman_lanes(name, kind, n_covariates, seed):
    statistic, data = trial(name, n_covariates, seed)
    fit, arrangements = statistic.fit(data), ARRANGE[kind](statistic, seed)
    scores = np.empty((len(arrangements), 37), dtype=np.float32)
    batch = statistic.batch(arrangements)
    for part in (slice(0, 30), slice(30, 37)):
        out = np.empty((len(arrangements), part.stop - part.start), dtype=np.float32)
        batch(np.ascontiguousarray(fit.work[..., part]), out)
        scores[:, part] = out
    for number, score in enumerate(scores):
        again = statistic.fit(rearranged(arrangements, number, statistic.nuisance, data))
        expected = statistic.to_score(again.statistic)
        size = np.abs(expected)
        # What `crossfc.group.inference.permutation` counts as equal.
        tie = statistic.tie * size + 1e-6 * np.sqrt(size)
        clear = np.abs(again.statistic) > 0.1
        assert (np.abs(score - expected) <= tie)[clear].all()
        np.testing.assert_allclose(score, expected, atol=1e-6, rtol=statistic.tie)
        np.testing.assert_allclose(
            statistic.to_statistic(score)[clear], again.statistic[clear], rtol=1e-4
        )


@pytest.mark.parametrize("kind", ARRANGE)
@pytest.mark.parametrize("name", STATISTICS)
def test_the_identity_is_what_was_observed(name, kind):
    statistic, data = trial(name, 2, 0)
    fit = statistic.fit(data)
    assert fit.work.shape == statistic.work_shape(data.shape)
    out = np.empty((6, 37), dtype=np.float32)
    statistic.batch(ARRANGE[kind](statistic, 0))(fit.work, out)
    np.testing.assert_allclose(out[0], fit.score, rtol=statistic.tie, atol=1e-7)


@pytest.mark.parametrize("name", STATISTICS)
def test_batches_side_by_side_do_not_touch_each_other(name):
    statistic, data = trial(name, 2, 1)
    work = statistic.fit(data).work
    lists = [ARRANGE["shuffles"](statistic, seed) for seed in (0, 1)]
    batches = [statistic.batch(of) for of in lists]
    scores = np.empty((2, 6, 37), dtype=np.float32)
    for turn in (0, 1, 0):
        batches[turn](work, scores[turn])
    for of, found in zip(lists, scores, strict=True):
        alone = np.empty((6, 37), dtype=np.float32)
        statistic.batch(of)(work, alone)
        np.testing.assert_array_equal(found, alone)


@pytest.mark.parametrize("name", STATISTICS)
def test_residuals_go_where_they_are_asked_to(name):
    statistic, data = trial(name, 1, 2)
    expected = statistic.fit(data)
    work = np.full(statistic.work_shape(data.shape), np.nan, dtype=np.float32)
    fit = statistic.fit(data.astype(np.float64), work)
    assert fit.work is work
    np.testing.assert_array_equal(work, expected.work)
    np.testing.assert_array_equal(fit.statistic, expected.statistic)


@pytest.mark.parametrize("name", STATISTICS)
def test_scores_turn_back_into_statistics(name):
    statistic, _ = trial(name, 2, 3)
    values = np.array([0, 0.1, 2.5, 30])
    if statistic.signed:
        values = np.concatenate([-values, values])
    scores = statistic.to_score(values)
    np.testing.assert_allclose(statistic.to_statistic(scores), values, rtol=1e-9)
    single = statistic.to_statistic(scores.astype(np.float32))
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, values, rtol=1e-4)
    order = np.argsort(values, kind="stable")
    assert (np.diff(scores[order]) >= 0).all()
    height = statistic.to_height(values)
    np.testing.assert_allclose(height, values if statistic.signed else np.sqrt(values))


@settings(max_examples=30, deadline=None)
@given(models())
def test_a_slope_has_whites_standard_error(drawn):
    effect, nuisance, data = drawn
    slope = Slope(effect, nuisance)
    fit = slope.fit(data)
    design = np.column_stack([effect, nuisance])
    for voxel in range(data.shape[1]):
        theirs = sm.OLS(data[:, voxel], design).fit(cov_type="HC2")
        near = {"rtol": 1e-9, "atol": 1e-11}
        np.testing.assert_allclose(fit.statistic[voxel], theirs.tvalues[0], **near)
        np.testing.assert_allclose(fit.effect[voxel], theirs.params[0], **near)
        np.testing.assert_allclose(fit.standard_error[voxel], theirs.bse[0], **near)
    # Degrees of freedom by Satterthwaite: twice the squared mean of the variance over its variance.
    hat = design @ np.linalg.pinv(design)
    form = (np.eye(len(hat)) - hat) @ np.diag(slope.weights) @ (np.eye(len(hat)) - hat)
    expected = np.trace(form) ** 2 / np.trace(form @ form)
    np.testing.assert_allclose(slope.robust_df, expected, rtol=1e-9)
    assert (fit.degrees_of_freedom == slope.robust_df).all()


def test_a_slope_on_two_groups_is_welchs_t():
    rng = np.random.default_rng(6)
    second = np.arange(15) >= 6
    data = rng.standard_normal((15, V)) * np.where(second, 3, 1)[:, None]
    slope = Slope(second.astype(float), np.ones((15, 1)))
    theirs = stats.ttest_ind(data[second], data[~second], equal_var=False)
    np.testing.assert_allclose(slope.fit(data).statistic, theirs.statistic, rtol=1e-10)
    # Welch's degrees of freedom at equal variances.
    shares = np.array([1 / 6, 1 / 9])
    expected = shares.sum() ** 2 / (shares**2 / [5, 8]).sum()
    np.testing.assert_allclose(slope.robust_df, expected)
    np.testing.assert_allclose(
        stats.t.sf(slope.forming_threshold(0.01, True), slope.robust_df), 0.005
    )


def test_who_alone_tells_a_term_has_no_weight():
    rng = np.random.default_rng(7)
    effect = rng.standard_normal(12)
    alone = (np.arange(12) == 3).astype(float)
    data = rng.standard_normal((12, V))
    one = Slope(effect, np.column_stack([np.ones(12), alone]))
    other = Slope(np.delete(effect, 3), np.ones((11, 1)))
    assert one.weights[3] == 0
    np.testing.assert_allclose(
        one.fit(data).statistic, other.fit(np.delete(data, 3, axis=0)).statistic, rtol=1e-9
    )
    np.testing.assert_allclose(one.robust_df, other.robust_df)


def test_forming_thresholds_have_the_probability_asked_for():
    rng = np.random.default_rng(4)
    student = Student(rng.standard_normal(14), np.ones((14, 1)))
    np.testing.assert_allclose(stats.t.sf(student.forming_threshold(0.01, True), 12), 0.005)
    np.testing.assert_allclose(stats.t.sf(student.forming_threshold(0.01, False), 12), 0.01)
    hotelling = Hotelling(rng.standard_normal(14), np.ones((14, 1)), 2)
    np.testing.assert_allclose(stats.f.sf(hotelling.forming_threshold(0.01, True), 2, 11), 0.01)


@pytest.mark.parametrize("name", STATISTICS)
def test_flat_voxels_say_nothing(name):
    statistic, data = trial(name, 1, 5)
    data[..., 3] = statistic.nuisance[:, 0].reshape(-1, *[1] * (data.ndim - 2)) * 0.1
    data[..., 5] = 0
    fit = statistic.fit(data)
    assert np.flatnonzero(fit.flat).tolist() == [3, 5]
    assert (fit.statistic[fit.flat] == 0).all() and (fit.score[fit.flat] == 0).all()
    assert np.isfinite(fit.work).all() and np.isfinite(fit.statistic).all()
    out = np.empty((6, 37), dtype=np.float32)
    statistic.batch(ARRANGE["sign flips"](statistic, 0))(fit.work, out)
    assert np.isfinite(out).all() and (out[:, fit.flat] == 0).all()


def test_models_without_a_unique_fit_are_refused():
    rng = np.random.default_rng(6)
    nuisance = np.column_stack([np.ones(14), np.tile([-1.0, 1.0], 7), rng.standard_normal(14)])
    with pytest.raises(Fault, match="not independent"):
        Student(nuisance[:, 1] * 2 + 1, nuisance)
    with pytest.raises(Fault, match="too few for a model with 4 columns"):
        Student(rng.standard_normal(4), nuisance[:4])
    with pytest.raises(Fault, match="too few for Hotelling"):
        Hotelling(rng.standard_normal(14), nuisance, 11)
