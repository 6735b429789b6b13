"""The tail of the null against distributions whose tails are known."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from crossfc.group.inference.tail import fit_tail, tail_p


class Maximum:
    """Largest of many independent values."""

    def __init__(self, one, number):
        self.one, self.number = one, number

    def isf(self, p):
        return self.one.isf(-np.expm1(np.log1p(-np.asarray(p)) / self.number))


MAXIMA = {
    "normal": Maximum(stats.norm, 5000),
    "t": Maximum(stats.t(20), 20000),
    "F": Maximum(stats.f(2, 25), 10000),
    "Gumbel": stats.gumbel_r,
    "exponential": stats.expon,
}


def draw(distribution, number, seed):
    return distribution.isf(np.random.default_rng(seed).random(number))


def counted(observed, null):
    """p as inference counts them: the null holds the identity, which reaches every voxel."""
    below = np.searchsorted(np.sort(null[1:]), observed)
    return (1 + len(null) - 1 - below) / len(null)


@pytest.mark.parametrize("name", MAXIMA)
@pytest.mark.parametrize(
    ("n_permutations", "low", "high", "middle"),
    # What tail_p says of its error at 1e-4, 1e-5 and 1e-6.
    [
        (1000, [-1.4, -1.4, -1.2], [0.9, 1.4, 2.1], [0.2, 0.5, 1.0]),
        (5000, [-0.9, -1.1, -0.9], [0.6, 1.1, 1.7], [0.1, 0.4, 0.8]),
    ],
)
def test_p_far_beyond_the_permutations_is_as_right_as_it_says(
    name, n_permutations, low, high, middle
):
    maximum, depth = MAXIMA[name], np.array([1e-4, 1e-5, 1e-6])
    observed = maximum.isf(depth)
    errors = []
    for seed in range(60):
        null = draw(maximum, n_permutations + 1, seed)
        tail = fit_tail(null)
        assert tail.fits, tail.reason
        p, extrapolated = tail_p(observed, counted(observed, null), tail)
        assert extrapolated.all() and (np.diff(p) <= 0).all() and (p >= 1e-6).all()
        errors.append(np.log10(p / depth))
    within = np.mean((np.array(errors) >= low) & (np.array(errors) <= high), axis=0)
    assert (within > 0.95 - 4 * np.sqrt(0.05 * 0.95 / 60)).all()
    assert (np.abs(np.median(errors, axis=0) - middle) < 0.4).all()


@pytest.mark.slow
def test_p_comes_up_under_the_null_as_often_as_it_says():
    depth, true = np.array([1e-3, 1e-4, 1e-5]), np.logspace(-2, -9, 141)
    for maximum in MAXIMA.values():
        for n_permutations, most in ((1000, [1.4, 2.0, 3.0]), (5000, [1.2, 1.4, 1.8])):
            observed, excess = maximum.isf(true), []
            for seed in range(300):
                tail = fit_tail(draw(maximum, n_permutations + 1, seed))
                given_p = tail.share * tail.posterior.survival(observed - tail.threshold)
                came_up = np.interp(np.log(depth), np.log(given_p[::-1]), np.log(true[::-1]))
                excess.append(np.exp(came_up) / depth)
            assert (np.mean(excess, axis=0) < most).all()


def test_p_is_uniform_under_the_null():
    # 240 permutations are where the tail begins to serve, and reach highest.
    p = []
    for seed in range(10_000):
        drawn = draw(stats.gumbel_r, 241, seed)
        by_count = counted(drawn[:1], drawn)
        p.append(tail_p(drawn[:1], by_count, fit_tail(drawn))[0] if by_count < 0.06 else by_count)
    for level in (0.05, 0.01):
        spread = np.sqrt(level * (1 - level) / len(p))
        assert abs(np.mean(np.array(p) <= level) - level) < 4 * spread


def test_tail_of_a_permutation_test_agrees_with_many_more_permutations():
    rng = np.random.default_rng(0)
    data = rng.standard_normal((18, 300)).astype(np.float32)
    data += np.roll(data, 1, axis=1)
    data /= np.linalg.norm(data, axis=0)

    def maxima(number):
        signs = rng.integers(0, 2, (number, 18)).astype(np.float32) * 2 - 1
        r = np.abs(signs @ data).max(1) / np.sqrt(18)
        return r * np.sqrt(17 / (1 - r**2))

    many = np.sort(np.concatenate([maxima(10_000) for _ in range(15)]))
    observed = many[[-151, -16]]  # p of 1e-3 and 1e-4
    errors = []
    for _ in range(40):
        null = maxima(1001)
        p, _ = tail_p(observed, counted(observed, null), fit_tail(null, possible=2**18))
        errors.append(np.log10(p / [1e-3, 1e-4]))
    assert (np.abs(np.median(errors, axis=0)) < [0.2, 0.45]).all()


def test_only_what_too_few_permutations_reach_is_taken_from_the_tail():
    null = draw(MAXIMA["normal"], 1001, 4)
    tail = fit_tail(null)
    observed = np.sort(null[1:])[::-1][:40].reshape(5, 8)
    p = counted(observed, null)
    found, extrapolated = tail_p(observed, p, tail)
    # A value of the null itself is reached by its rank many permutations and the identity.
    assert np.array_equal(extrapolated.ravel(), np.arange(40) < 9)
    assert np.array_equal(found[~extrapolated], p[~extrapolated])
    assert (np.diff(found.ravel()) >= 0).all() and found.max() <= p.max()
    assert p.min() == 2 / 1001  # untouched


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    location=st.floats(-100, 100),
    scale=st.floats(0.01, 100),
    n_permutations=st.integers(240, 1500),
)
def test_p_are_ordered_bounded_and_free_of_units(seed, location, scale, n_permutations):
    null = draw(stats.gumbel_r, n_permutations + 1, seed)
    observed = np.concatenate([np.sort(null)[-60:], null.max() + np.linspace(0, 50, 60)])
    p = counted(observed, null)
    tail = fit_tail(null)
    found, extrapolated = tail_p(observed, p, tail)
    assert (np.diff(found) <= 1e-15).all() and (found >= 1e-6).all() and (found <= 1).all()
    # Whether p is below 0.05 is never decided by the tail.
    assert np.array_equal(found <= 0.05, p <= 0.05)
    other = fit_tail(location + scale * null)
    again, same = tail_p(location + scale * observed, p, other)
    assert np.array_equal(same, extrapolated)
    np.testing.assert_allclose(again, found, rtol=1e-4)


def test_shape_and_scale_are_the_most_likely_ones():
    excess = stats.genpareto.isf(np.random.default_rng(5).random(4000), 0.2, scale=3)
    null = np.concatenate([[0], np.sort(excess)])
    tail = fit_tail(null)
    beyond = np.sort(excess)[-tail.n_exceedances :] - tail.threshold
    at = stats.genpareto.nnlf((tail.shape, 0, tail.scale), beyond)
    for shape, scale in ((0.01, 0), (-0.01, 0), (0, 0.02), (0, -0.02)):
        other = (tail.shape + shape, 0, tail.scale * (1 + scale))
        assert at < stats.genpareto.nnlf(other, beyond)
    assert tail.share == tail.n_exceedances / 4000


def test_survival_is_the_average_over_shapes_and_scales():
    null = draw(MAXIMA["t"], 401, 8)
    tail = fit_tail(null)
    values = np.sort(null[1:])
    excess = values[-tail.n_exceedances :] - tail.threshold
    shape = np.linspace(-0.4999, 2, 600)[:, None]
    scale = tail.scale * np.exp(np.linspace(-2, 2, 400))
    inside = 1 + shape * excess.max() / scale > 0
    with np.errstate(invalid="ignore", divide="ignore"):
        log = np.zeros(inside.shape)
        for value in excess:
            log += -np.log(scale) - (1 + 1 / shape) * np.log(1 + shape * value / scale)
        weight = np.where(inside, np.exp(log - np.nanmax(np.where(inside, log, -np.inf))), 0)
    for x in (0.5, 3.0, 6.0):
        expected = np.sum(weight * stats.genpareto.sf(x, shape, scale=scale)) / weight.sum()
        found = tail.posterior.survival(np.array([x]))[0]
        # The prior of the 600 by 400 grid ends at a shape, the other at a shape given the rate.
        assert found == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize("shape", [-0.3, 0.0, 0.5])
def test_goodness_of_fit_accepts_as_often_as_it_says(shape):
    # The first threshold is rejected in a twentieth of the samples that are what they should be.
    rejected = 0
    for seed in range(400):
        excess = stats.genpareto.isf(np.random.default_rng(seed).random(1000), shape)
        rejected += fit_tail(np.concatenate([[0], excess])).n_exceedances < 250
    assert abs(rejected / 400 - 0.05) < 4 * np.sqrt(0.05 * 0.95 / 400)


def test_the_identity_does_not_shape_the_tail():
    null = draw(MAXIMA["t"], 1001, 3)
    far = null.copy()
    far[0] = 1000
    assert fit_tail(far).record() == fit_tail(null).record()


def test_threshold_moves_up_to_where_the_tail_begins():
    # Two thirds of the null are from elsewhere, and reach into its upper quarter.
    rng = np.random.default_rng(2)
    null = np.where(rng.random(1001) < 0.85, rng.uniform(0, 3, 1001), 3 + rng.exponential(2, 1001))
    tail = fit_tail(null)
    assert tail.fits and tail.threshold > 2.9 and tail.n_exceedances < 200
    assert fit_tail(draw(stats.expon, 1001, 2)).n_exceedances == 250


def test_nothing_is_extrapolated_when_all_arrangements_were_enumerated():
    null = draw(MAXIMA["t"], 1024, 3)
    tail = fit_tail(null, possible=1024)
    p = np.array([1 / 1024, 0.5, 1.0])
    found, extrapolated = tail_p(np.array([9.0, 3.0, 1.0]), p, tail)
    assert not tail.fits and "enumerated" in tail.reason
    assert np.array_equal(found, p) and not extrapolated.any()


def test_no_p_is_smaller_than_one_of_all_arrangements():
    null = draw(MAXIMA["t"], 1001, 3)
    observed, p = np.array([50.0]), np.array([1 / 1001])
    assert tail_p(observed, p, fit_tail(null, possible=4096))[0] == 1 / 4096
    # Python numbers, for there are more than a float can hold.
    assert tail_p(observed, p, fit_tail(null, possible=2**5000))[0] == pytest.approx(1e-6, rel=1)


def test_beyond_the_end_of_a_bounded_tail_p_is_the_smallest_and_not_zero():
    null = draw(stats.genextreme(0.35), 5001, 1)  # shape -0.35: it ends
    tail = fit_tail(null)
    assert tail.fits and tail.shape < -0.2
    end = tail.threshold - tail.scale / tail.shape
    found, extrapolated = tail_p(np.array([end * 100]), np.array([1 / 5001]), tail)
    assert extrapolated.all() and found == tail.smallest_p == 1e-6


@pytest.mark.parametrize(
    ("null", "reason"),
    [
        (draw(stats.uniform, 2001, 0), "ends abruptly"),
        (np.minimum(draw(stats.norm, 2001, 0), 1.5), "ends abruptly"),
        (np.ones(2001), "no generalised Pareto"),
        (np.zeros(1001, dtype=int), "so many are equal"),
        (draw(stats.norm, 240, 0), "239 permutations are too few"),
    ],
    ids=["uniform", "cut off", "constant", "no clusters", "few"],
)
def test_counted_p_stay_where_no_tail_fits(null, reason):
    tail = fit_tail(null)
    p = np.array([1 / len(null), 0.2])
    found, extrapolated = tail_p(np.array([100.0, 0.1]), p, tail)
    assert not tail.fits and reason in tail.reason
    assert np.array_equal(found, p) and not extrapolated.any()
    assert json.loads(json.dumps(tail.record())) == {"fits": False, "reason": tail.reason}


def extents(scale, number, seed):
    """Largest of 20 clusters in each of so many arrangements, in voxels."""
    largest = Maximum(stats.weibull_min(2 / 3, scale=scale), 20)
    return np.floor(draw(largest, number, seed)).astype(np.int32)


def test_whole_numbers_are_taken_as_rounded():
    # A count of 19 or more was 18.5 or more before it was rounded.
    difference, p = [], np.array([1 / 2001])
    for seed in range(60):
        null = stats.expon.isf(np.random.default_rng(seed).random(2001), scale=3)
        tail, rounded = fit_tail(null), fit_tail(np.round(null).astype(np.int32))
        assert tail.half_step == 0 and rounded.half_step == 0.5
        if min(tail.n_exceedances, rounded.n_exceedances) > 220:  # about the same threshold
            before = tail_p(np.array([18.5]), p, tail)[0]
            after = tail_p(np.array([19]), p, rounded)[0]
            difference.append(np.log(after / before).item())
    # Half a count is 17 % here.
    assert len(difference) > 30 and abs(np.mean(difference)) < 0.02


@pytest.mark.parametrize("scale", [0.6, 5])  # medians of 3 and 30 voxels
def test_extents_in_voxels_have_a_tail(scale):
    observed, errors = np.floor(np.array([40, 50]) * scale), []
    true = -np.expm1(20 * np.log1p(-stats.weibull_min.sf(observed, 2 / 3, scale=scale)))
    for seed in range(60):
        null = extents(scale, 5001, seed)
        tail = fit_tail(null)
        assert tail.fits
        errors.append(np.log10(tail_p(observed, counted(observed, null), tail)[0] / true))
    assert (np.abs(np.median(errors, axis=0)) < [0.2, 0.4]).all()


def test_extents_of_hardly_any_voxels_are_refused():
    tail = fit_tail(extents(0.1, 5001, 0))  # 0 or 1, seldom 2, most 3
    assert not tail.fits and "so many are equal" in tail.reason


def test_clusters_in_few_arrangements_still_have_a_tail():
    # No cluster at all in most arrangements: the threshold is above zero voxels.
    null = extents(20, 2001, 1)
    null[np.random.default_rng(0).random(2001) < 0.9] = 0
    tail = fit_tail(null)
    assert tail.fits and tail.threshold > 0 and tail.n_exceedances < 250


def test_the_record_is_json():
    record = fit_tail(draw(MAXIMA["t"], 1001, 3)).record()
    assert json.loads(json.dumps(record)) == record
    assert set(record) == {
        "fits", "threshold", "shape", "scale", "share", "n_exceedances", "goodness", "smallest_p",
    }  # fmt: skip
