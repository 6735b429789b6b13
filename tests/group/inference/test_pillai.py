"""Pillai's trace against R, Hotelling's T² and the formula, one voxel at a time."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossfc.fault import Fault
from crossfc.group.inference.hotelling import Hotelling
from crossfc.group.inference.pillai import Pillai
from tests.group.inference.test_welch_f import A, B, C

V = 8


def test_f_is_that_of_r():
    # R 4.3: z <- sin(1:30); w <- cos((1:30) * 1.7)
    #   summary(manova(cbind(y, z) ~ w + g), test = "Pillai")$stats["g", ]
    #   summary(manova(cbind(y, z, w^2) ~ w + g), test = "Pillai")$stats["g", ]
    groups, number = np.repeat([0, 1, 2], [8, 12, 10]), np.arange(1, 31)
    y, z, w = np.array(A + B + C), np.sin(number), np.cos(number * 1.7)
    effect = (groups[:, None] == [1, 2]).astype(float)
    nuisance = np.column_stack([np.ones(30), w])
    for measures, trace, f, freedom in (
        ([y, z], 0.10299781826094620, 0.705835581150895, (4, 52)),
        ([y, z, w**2], 0.1202755464750862, 0.5332144393536953, (6, 50)),
    ):
        statistic = Pillai(effect, nuisance, len(measures))
        fit = statistic.fit(np.stack(measures, axis=1)[..., None])
        np.testing.assert_allclose(fit.statistic, f, rtol=1e-12)
        np.testing.assert_allclose(fit.score * statistic.rank, trace, rtol=1e-6)
        assert (statistic.df_effect, statistic.df_error) == freedom


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 4), st.integers(1, 3))
def test_the_trace_is_that_of_its_formula(seed, measures, n_effect):
    rng = np.random.default_rng(seed)
    effect, nuisance = rng.standard_normal((18, n_effect)), rng.standard_normal((18, 2))
    data = rng.standard_normal((18, measures, V)) + effect[:, :1, None] / 3
    statistic = Pillai(effect, nuisance, measures)
    fit = statistic.fit(data)
    model = np.column_stack([effect, nuisance])
    spread = 0.0
    for voxel in range(V):
        y = data[..., voxel]
        full = y - model @ np.linalg.lstsq(model, y, rcond=None)[0]
        less = y - nuisance @ np.linalg.lstsq(nuisance, y, rcond=None)[0]
        trace = np.trace(np.linalg.solve(less.T @ less, less.T @ less - full.T @ full))
        np.testing.assert_allclose(fit.score[voxel] * statistic.rank, trace, rtol=1e-5)
        spread = np.sqrt(np.sum(np.square(less - full)) / 18)
        np.testing.assert_allclose(fit.effect[voxel], spread, rtol=1e-9)
    # Other contrasts that span the same differences have the same statistic.
    turned = np.einsum("ab,nbv->nav", rng.standard_normal((measures, measures)), data)
    np.testing.assert_allclose(statistic.fit(turned).statistic, fit.statistic, rtol=1e-6)


def test_one_column_is_hotellings():
    rng = np.random.default_rng(0)
    effect, nuisance = rng.standard_normal(16), rng.standard_normal((16, 2))
    data = rng.standard_normal((16, 3, V))
    theirs, ours = Hotelling(effect, nuisance, 3), Pillai(effect, nuisance, 3)
    np.testing.assert_allclose(ours.fit(data).statistic, theirs.fit(data).statistic)
    np.testing.assert_allclose(ours.fit(data).score, theirs.fit(data).score)
    assert (ours.df_effect, ours.df_error) == (theirs.df_effect, theirs.df_error)


def test_too_few_people_are_refused():
    rng = np.random.default_rng(1)
    with pytest.raises(Fault, match="7 people are too few for Pillai's trace of 5 measures"):
        Pillai(rng.standard_normal((7, 2)), np.ones((7, 1)), 5)
