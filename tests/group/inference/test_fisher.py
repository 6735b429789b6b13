"""F of several columns against statsmodels and scipy."""

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from crossfc.fault import Fault
from crossfc.group.inference.fisher import Fisher
from crossfc.group.inference.statistic import Student

V = 12


@settings(max_examples=50, deadline=None)
@given(
    n_effect=st.integers(1, 4),
    n_nuisance=st.integers(0, 3),
    spare=st.integers(1, 25),
    seed=st.integers(0, 2**32 - 1),
)
def test_f_is_that_of_ordinary_least_squares(n_effect, n_nuisance, spare, seed):
    rng = np.random.default_rng(seed)
    n = n_effect + n_nuisance + spare
    effect, nuisance = rng.standard_normal((n, n_effect)), rng.standard_normal((n, n_nuisance))
    data = rng.standard_normal((n, V)) + 0.5
    fisher = Fisher(effect, nuisance)
    fit = fisher.fit(data)
    assert (fisher.df_effect, fisher.df_error) == (n_effect, spare)
    for voxel in range(V):
        model = sm.OLS(data[:, voxel], np.column_stack([effect, nuisance])).fit()
        theirs = model.f_test(np.eye(n_effect, n_effect + n_nuisance))
        np.testing.assert_allclose(fit.statistic[voxel], theirs.fvalue, rtol=1e-10)
        assert (theirs.df_num, theirs.df_denom) == (n_effect, fit.degrees_of_freedom[voxel])
        less = nuisance @ np.linalg.lstsq(nuisance, data[:, voxel])[0]
        gained = np.sqrt(np.mean(np.square(model.fittedvalues - less)))
        np.testing.assert_allclose(fit.effect[voxel], gained, rtol=1e-10, atol=1e-12)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(2, 9), min_size=2, max_size=5), st.integers(0, 2**32 - 1))
def test_f_of_groups_is_scipys(counts, seed):
    rng = np.random.default_rng(seed)
    groups = np.repeat(np.arange(len(counts)), counts)
    data = rng.standard_normal((len(groups), V)) + groups[:, None] / 3
    fit = Fisher(groups[:, None] == np.arange(1, len(counts)), np.ones((len(groups), 1))).fit(data)
    theirs = stats.f_oneway(*(data[groups == group] for group in range(len(counts))))
    np.testing.assert_allclose(fit.statistic, theirs.statistic, rtol=1e-10)
    means = np.stack([data[groups == group].mean(0) for group in groups])
    np.testing.assert_allclose(fit.effect, means.std(axis=0), rtol=1e-10)


def test_f_of_one_column_is_the_square_of_t():
    rng = np.random.default_rng(0)
    effect, nuisance = rng.standard_normal(14), rng.standard_normal((14, 3))
    data = rng.standard_normal((14, V))
    student, fisher = Student(effect, nuisance), Fisher(effect[:, None], nuisance)
    t, f = student.fit(data), fisher.fit(data)
    np.testing.assert_allclose(f.statistic, t.statistic**2, rtol=1e-10)
    np.testing.assert_allclose(fisher.to_height(f.statistic), np.abs(t.statistic), rtol=1e-10)
    np.testing.assert_allclose(f.score, np.abs(t.score), rtol=1e-6)
    np.testing.assert_allclose(
        np.sqrt(fisher.forming_threshold(0.01, False)), student.forming_threshold(0.01, True)
    )
    np.testing.assert_allclose(Fisher(effect, nuisance).fit(data).statistic, f.statistic)


def test_f_does_not_depend_on_the_coding():
    rng = np.random.default_rng(1)
    effect, nuisance = rng.standard_normal((15, 3)), rng.standard_normal((15, 2))
    data = rng.standard_normal((15, V))
    mixed = effect @ rng.standard_normal((3, 3)) + nuisance @ rng.standard_normal((2, 3))
    fit, again = Fisher(effect, nuisance).fit(data), Fisher(mixed, nuisance).fit(data)
    np.testing.assert_allclose(again.statistic, fit.statistic, rtol=1e-9)
    np.testing.assert_allclose(again.effect, fit.effect, rtol=1e-9)


def test_the_threshold_has_the_probability_asked_for():
    rng = np.random.default_rng(2)
    fisher = Fisher(rng.standard_normal((20, 3)), np.ones((20, 1)))
    np.testing.assert_allclose(stats.f.sf(fisher.forming_threshold(0.01, False), 3, 16), 0.01)
    # A statistic without a sign has one tail.
    assert fisher.forming_threshold(0.01, True) == fisher.forming_threshold(0.01, False)


def test_models_without_a_unique_fit_are_refused():
    rng = np.random.default_rng(3)
    effect, nuisance = rng.standard_normal((12, 2)), np.ones((12, 1))
    with pytest.raises(Fault, match="not independent"):
        Fisher(np.column_stack([effect, effect.sum(axis=1)]), nuisance)
    with pytest.raises(Fault, match="not independent"):
        Fisher(np.column_stack([effect, effect[:, 0] + 1]), nuisance)
    with pytest.raises(Fault, match="too few for a model with 3 columns"):
        Fisher(effect[:3], nuisance[:3])
    with pytest.raises(Fault, match="no column to test"):
        Fisher(np.empty((12, 0)), nuisance)
