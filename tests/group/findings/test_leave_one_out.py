"""Leaving people out: the same as fitting without them, and free of the choice of voxels."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage, stats

from crossfc.group.findings.leave_one_out import LeaveOneOut, effect_of, without_each
from crossfc.group.inference.cluster import label, neighbours
from crossfc.group.inference.hall import Hall
from crossfc.group.inference.hotelling import Hotelling
from crossfc.group.inference.pillai import Pillai
from crossfc.group.inference.slope import Slope
from crossfc.group.inference.statistic import Student
from crossfc.group.inference.welch import Welch
from crossfc.group.inference.welch_f import WelchF


def design(rng, n_people, kind):
    """A statistic of two groups, with a sequence and a covariate."""
    first = np.arange(n_people) % 3 > 0
    sequence = np.where(np.arange(n_people) % 2, 1.0, -1.0)
    nuisance = np.column_stack([np.ones(n_people), sequence, rng.standard_normal(n_people)])
    if kind == "mean":
        return Student(np.ones(n_people), sequence[:, None])
    if kind == "slope":
        return Student(rng.standard_normal(n_people), nuisance)
    if kind == "robust slope":
        return Slope(rng.standard_normal(n_people), nuisance)
    effect = np.where(first, 0.5, -0.5)
    if kind in ("groups", "skewed groups"):
        return (Welch if kind == "groups" else Hall)(effect, nuisance, first)
    three = np.arange(n_people) % 3
    apart = (three[:, None] == [1, 2]).astype(float)
    if kind == "three groups":
        return WelchF(apart, nuisance, three)
    if kind == "seeds of three groups":
        return Pillai(apart, nuisance, 2)
    return Hotelling(effect, nuisance, 2)


@settings(max_examples=25, deadline=None)
@given(
    kind=st.sampled_from(["mean", "slope", "robust slope", "groups", "skewed groups", "seeds"]),
    n_people=st.integers(12, 30),
    seed=st.integers(0, 10**6),
    offset=st.sampled_from([0.0, 3.0, 1000.0]),
)
def test_leaving_out_is_fitting_the_others(kind, n_people, seed, offset):
    rng = np.random.default_rng(seed)
    statistic = design(rng, n_people, kind)
    shape = (n_people, 2, 40) if kind == "seeds" else (n_people, 40)
    data = rng.standard_normal(shape) + offset
    data[..., 3] = 0
    data[..., 4] = statistic.nuisance[:, :1].reshape(-1, *[1] * (data.ndim - 2))
    data[1:, ..., 5] = 1.0  # does not vary without the first person
    fitted = statistic.fit(data)
    leave = LeaveOneOut(statistic, data, fitted.flat)
    for person in range(n_people):
        found = leave.without(person)
        alone = found.statistic.fit(np.delete(data, person, axis=0))
        np.testing.assert_allclose(found.values, alone.statistic, rtol=1e-6, atol=1e-6)
        length = found.effect[0] if kind != "seeds" else np.linalg.norm(found.effect, axis=0)
        np.testing.assert_allclose(length, alone.effect, rtol=1e-6, atol=1e-6)
        np.testing.assert_array_equal(found.left.reshape(shape[1:]), data[person])


@pytest.mark.parametrize("kind", ["three groups", "seeds of three groups"])
def test_leaving_out_of_several_groups_is_fitting_the_others(kind):
    rng = np.random.default_rng(5)
    statistic = design(rng, 17, kind)
    shape = (17, 2, 40) if kind == "seeds of three groups" else (17, 40)
    data = rng.standard_normal(shape) + 3
    leave = LeaveOneOut(statistic, data, np.zeros(40, dtype=bool))
    voxels = np.arange(5, 9)
    means = data[..., voxels].mean(axis=-1, keepdims=True)
    np.testing.assert_allclose(leave.effect_in(voxels), statistic.fit(means).effect[0])
    for person in range(17):
        found, rest = leave.without(person), np.delete(data, person, axis=0)
        alone = found.statistic.fit(rest)
        np.testing.assert_allclose(found.values, alone.statistic, rtol=1e-10)
        others = np.column_stack([found.statistic.effect, found.statistic.nuisance])
        fitted = np.tensordot(np.linalg.pinv(others), rest.reshape(16, -1, 40), 1)[:2]
        np.testing.assert_allclose(found.effect, fitted, atol=1e-9)
        np.testing.assert_array_equal(found.left.reshape(shape[1:]), data[person])
        values = data[person][..., voxels].mean(axis=-1)
        if kind == "three groups":
            np.testing.assert_allclose(found.read(voxels), values)
            continue
        # The direction in which the others' groups differ most.
        found_effect = statistic_part(found.statistic, fitted[..., voxels].mean(axis=-1))
        axis = np.linalg.eigh(found_effect.T @ found_effect)[1][:, -1]
        axis *= np.sign(axis[np.argmax(np.abs(axis))])
        np.testing.assert_allclose(found.read(voxels), axis @ values)


def statistic_part(statistic, coefficients):
    """What the effect columns explain in everybody, beyond the nuisance."""
    nuisance = statistic.nuisance
    left = statistic.effect - nuisance @ np.linalg.lstsq(nuisance, statistic.effect)[0]
    return left @ coefficients


def test_whoever_the_model_needs_is_no_fold():
    sequence = np.array([1.0, -1, -1, -1, -1, -1])[:, None]
    statistic = Student(np.ones(6), sequence)
    data = np.random.default_rng(0).standard_normal((6, 10))
    leave = LeaveOneOut(statistic, data, np.zeros(10, dtype=bool))
    assert [leave.without(person) is None for person in range(6)] == [True] + [False] * 5
    before = neighbours(np.ones((10, 1, 1), dtype=bool), 6)
    first = next(leave.folds([(np.arange(4), 1)], before, 0.4, True))
    assert first.regions == [None] and np.isnan(first.values).all() and first.largest == {}


def test_effect_of_is_the_models_coefficient():
    rng = np.random.default_rng(1)
    statistic = design(rng, 15, "slope")
    values = rng.standard_normal(15)
    np.testing.assert_allclose(effect_of(statistic, values), statistic.fit(values[:, None]).effect)
    values[[3, 8]] = np.nan
    keep = np.isfinite(values)
    others = Student(statistic.effect[keep], statistic.nuisance[keep])
    np.testing.assert_allclose(effect_of(statistic, values), others.fit(values[keep, None]).effect)
    several = design(rng, 15, "three groups")
    values = rng.standard_normal(15)
    np.testing.assert_allclose(effect_of(several, values), several.fit(values[:, None]).effect)
    for people in (slice(3, None), slice(None)):
        values[people] = np.nan
        assert np.isnan(effect_of(statistic, values))


SHAPE = (14, 14, 14)
BEFORE = neighbours(np.ones(SHAPE, dtype=bool), 26)


def study(rng, n_people, effect, measures=1):
    """Smooth noise of unit variance with an effect added: people × (measures ×) voxels."""
    noise = rng.standard_normal((n_people, measures, *SHAPE))
    noise = ndimage.gaussian_filter(noise, (0, 0, 1.5, 1.5, 1.5), mode="wrap")
    data = (noise / noise.std() + effect).reshape(n_people, measures, -1)
    return data if measures > 1 else data[:, 0]


def clusters_of(statistic, fitted, p):
    labels, sizes = label(
        fitted.statistic.astype(np.float32),
        statistic.forming_threshold(p, statistic.signed),
        BEFORE,
        statistic.signed,
    )
    voxels = [np.flatnonzero(labels == 1 + number) for number in range(len(sizes))]
    return [(of, int(np.sign(fitted.statistic[of[0]]))) for of in voxels]


def test_a_fold_reads_the_others_cluster_that_shares_most():
    rng = np.random.default_rng(4)
    blob = np.zeros(SHAPE)
    blob[3:7, 3:7, 3:7] = 2
    blob[9:12, 9:12, 9:12] = -2
    data = study(rng, 12, blob)
    statistic = Student(np.ones(12), np.empty((12, 0)))
    fitted = statistic.fit(data)
    clusters = clusters_of(statistic, fitted, 0.001)[:2]
    assert {sign for _, sign in clusters} == {1, -1}
    leave = LeaveOneOut(statistic, data, fitted.flat)
    for number, (voxels, _) in enumerate(clusters):
        np.testing.assert_allclose(leave.effect_in(voxels), fitted.effect[voxels].mean())
        assert np.isnan(leave.effect_in(voxels)) == (number > 1)
    for fold in leave.folds(clusters, BEFORE, 0.001, True):
        others = np.delete(np.arange(12), fold.person)
        alone = Student(np.ones(11), np.empty((11, 0)))
        theirs = clusters_of(alone, alone.fit(data[others]), 0.001)
        for (voxels, sign), region, value in zip(clusters, fold.regions, fold.values, strict=True):
            same = [of for of, other_sign in theirs if other_sign == sign]
            best = max(same, key=lambda of: len(np.intersect1d(of, voxels)))
            np.testing.assert_array_equal(region, best)
            np.testing.assert_allclose(value, data[fold.person, region].mean())
        for sign in (1, -1):
            biggest = next(of for of, other_sign in theirs if other_sign == sign)
            np.testing.assert_allclose(fold.largest[sign], data[fold.person, biggest].mean())


def test_a_cluster_that_others_do_not_find_has_no_region():
    rng = np.random.default_rng(2)
    data = study(rng, 8, 0)
    data[0, :30] += 40  # one person makes the place, and a place of the other sign elsewhere
    statistic = Student(np.ones(8), np.empty((8, 0)))
    clusters = [(np.arange(30), 1), (np.arange(30), -1)]
    leave = LeaveOneOut(statistic, data, np.zeros(data.shape[1], dtype=bool))
    for fold in leave.folds(clusters, BEFORE, 1e-7, True):
        assert fold.regions == [None, None] and np.isnan(fold.values).all()


def mean_and_error(values):
    values = np.asarray(values)
    return values.mean(), values.std(ddof=1) / np.sqrt(len(values))


def test_voxels_chosen_in_the_same_people_are_too_high_and_left_out_people_are_not():
    """An effect that is always found: what is read in its cluster, less the truth there."""
    rng = np.random.default_rng(7)
    place = np.indices(SHAPE) - 7
    truth = 1.4 * np.exp(-(place**2).sum(axis=0) / (2 * 2.5**2)).ravel()
    statistic = Student(np.ones(29), np.empty((29, 0)))
    in_sample, left_out = [], []
    for _ in range(100):
        data = study(rng, 29, truth.reshape(SHAPE))
        fitted = statistic.fit(data)
        clusters = clusters_of(statistic, fitted, 0.001)
        voxels, sign = max(clusters, key=lambda one: truth[one[0]].sum())
        leave = LeaveOneOut(statistic, data, fitted.flat)
        folds = list(leave.folds([(voxels, sign)], BEFORE, 0.001, True))
        in_sample.append(leave.effect_in(voxels) - truth[voxels].mean())
        left_out.append(np.mean([fold.values[0] - truth[fold.regions[0]].mean() for fold in folds]))
    mean, error = mean_and_error(in_sample)
    assert mean > 5 * error and mean > 0.05
    mean, error = mean_and_error(left_out)
    assert error < 0.015 and abs(mean) < 2.5 * error


@pytest.mark.parametrize("measures", [1, 2])
def test_the_largest_cluster_of_no_effect_holds_none(measures):
    """Chance clusters: too high in the same people, a bit less so where the others find them."""
    rng = np.random.default_rng(measures)
    n_people = 20
    if measures == 1:
        statistic = Student(np.ones(n_people), np.empty((n_people, 0)))
    else:
        statistic = Hotelling(np.ones(n_people), np.empty((n_people, 0)), measures)
    in_sample, in_place, largest = [], [], []
    for _ in range(60):
        data = study(rng, n_people, 0, measures)
        fitted = statistic.fit(data)
        clusters = clusters_of(statistic, fitted, 0.01)
        leave = LeaveOneOut(statistic, data, fitted.flat)
        folds = list(leave.folds(clusters, BEFORE, 0.01, statistic.signed))
        of = np.array([fold.values for fold in folds])
        in_sample += [sign * leave.effect_in(voxels) for voxels, sign in clusters]
        in_place += [
            sign * np.nanmean(column)
            for (_, sign), column in zip(clusters, of.T, strict=True)
            if np.isfinite(column).any()
        ]
        largest.append(np.mean([s * value for f in folds for s, value in f.largest.items()]))
    too_high, _ = mean_and_error(in_sample)
    less_so, _ = mean_and_error(in_place)
    assert too_high > 0.4 and 0.2 * too_high < less_so < 0.9 * too_high
    mean, error = mean_and_error(largest)
    assert error < 0.05 and abs(mean) < 2.5 * error


@pytest.mark.parametrize(
    "kind", ["mean", "slope", "robust slope", "groups", "skewed groups", "seeds"]
)
def test_without_each_is_the_test_of_the_others(kind):
    rng = np.random.default_rng(5)
    statistic = design(rng, 14, kind)
    values = rng.standard_normal((14, 2, 3) if kind == "seeds" else (14, 3))
    effect, p = without_each(statistic, values)
    one_sided = without_each(statistic, values, two_sided=False)[1]
    for person in range(14):
        others = np.arange(14) != person
        model = np.column_stack([statistic.effect, statistic.nuisance])[others]
        slopes = np.linalg.lstsq(model, values[others].reshape(13, -1), rcond=None)[0][0]
        if kind == "seeds":
            slopes = np.linalg.norm(slopes.reshape(2, 3), axis=0)
        np.testing.assert_allclose(effect[person], slopes)
    if kind in ("mean", "slope"):
        model = model[:, 1:], model
        squares = [
            np.square(values[:-1] - of @ np.linalg.lstsq(of, values[:-1], rcond=None)[0]).sum(0)
            for of in model
        ]
        df = 13 - model[1].shape[1]
        f = (squares[0] - squares[1]) / squares[1] * df
        np.testing.assert_allclose(p[-1], stats.f.sf(f, 1, df))
    if kind == "groups":
        fit = Welch(statistic.effect[:-1], statistic.nuisance[:-1], statistic.groups[:-1]).fit(
            values[:-1]
        )
        t = np.abs(fit.effect / fit.standard_error)
        np.testing.assert_allclose(p[-1], 2 * stats.t.sf(t, fit.degrees_of_freedom))
    if kind == "seeds":
        f = Hotelling(statistic.effect[:-1], statistic.nuisance[:-1], 2).fit(values[:-1])
        df = 13 - model.shape[1]
        np.testing.assert_allclose(p[-1], stats.f.sf(f.statistic, 2, df - 1))
        np.testing.assert_array_equal(p, one_sided)
    else:
        # Hall's statistic of a small effect may have the other sign.
        clear = np.isfinite(p) if kind != "skewed groups" else p < 0.7
        assert clear.sum() > 20
        upwards = np.where(effect > 0, p / 2, 1 - p / 2)[clear]
        np.testing.assert_allclose(one_sided[clear], upwards, atol=1e-12)


def test_without_whom_the_model_needs_there_is_no_number():
    statistic = Student(np.ones(6), np.array([1.0, -1, -1, -1, -1, -1])[:, None])
    effect, p = without_each(statistic, np.random.default_rng(0).standard_normal((6, 1)))
    assert np.isnan(effect[0, 0]) and np.isnan(p[0, 0]) and np.isfinite(p[1:]).all()
