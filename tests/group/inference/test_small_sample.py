"""Few people: equivalent arrangements tie, so no p is below what their number allows."""

import numpy as np
import pytest
from scipy import ndimage

from crossfc.group.design.arrangement import shuffles, sign_flips
from crossfc.group.inference.fisher import Fisher
from crossfc.group.inference.hall import Hall
from crossfc.group.inference.hotelling import Hotelling
from crossfc.group.inference.permutation import infer
from crossfc.group.inference.pillai import Pillai
from crossfc.group.inference.slope import Slope
from crossfc.group.inference.small_sample import SmallSample, precise
from crossfc.group.inference.statistic import Student
from crossfc.group.inference.tail import fit_tail
from crossfc.group.inference.welch import Welch
from crossfc.group.inference.welch_f import WelchF

SHAPE = (14, 14, 12)
MASK = np.ones(SHAPE, dtype=bool)
MEASURES = ("p_uncorrected", "p_voxel", "p_cluster", "p_mass", "p_tfce")


def maps_of(n_people, seed, effect, n_maps=2, measures=None):
    """Smooth noise; an ``effect`` column of many standard deviations makes R² nearly 1."""
    rng = np.random.default_rng(seed)
    shape = (n_maps, n_people) if measures is None else (n_maps, n_people, measures)
    noise = rng.normal(size=(*shape, *SHAPE))
    noise = ndimage.gaussian_filter(noise, (0,) * len(shape) + (1,) * 3)[..., MASK]
    effect = np.reshape(effect, (n_people, *[1] * (noise.ndim - 2)))
    return list((noise + effect).astype(np.float32))


def require_multiples(found, copies):
    """Every p is a whole multiple of the share of arrangements that are alike."""
    assert found.copies == copies
    least = copies / len(found.arrangements)
    for name in MEASURES:
        times = getattr(found, name) / least
        np.testing.assert_allclose(times, np.rint(times), atol=1e-9, err_msg=name)
        assert times.min() > 0.999
    assert found.q_fdr.min() > 0.999 * least


@pytest.mark.parametrize("effect", [0.0, 60.0])
@pytest.mark.parametrize("n_pairs", range(3, 9))
def test_pairs_have_no_p_below_two_of_all_flips(n_pairs, effect):
    order = np.where(np.arange(n_pairs) % 2, 1.0, -1.0)[:, None]
    student = Student(np.ones(n_pairs), order)
    for seed in range(3):
        maps = maps_of(n_pairs, seed, np.full(n_pairs, effect) * (np.arange(n_pairs) != 1))
        found = infer(maps, student, sign_flips(n_pairs, 5000, 0), MASK, tfce=True, tail=True)
        assert found.arrangements.exhaustive and not any(t.fits for t in found.tails.values())
        require_multiples(found, 2)


def designs():
    """Small designs in which arrangements are alike: statistic, arrangements, how many alike."""
    order6 = np.array([-1.0, -1, -1, 1, 1, 1])
    two8 = np.repeat([0.5, -0.5], 4)
    ones8 = np.ones((8, 1))
    pairs = {"blocks": np.repeat(np.arange(4), 2)}
    mirrored = np.array([-3.0, -1, -0.5, 0.5, 1, 3])
    both = np.column_stack([np.ones(8), np.tile([-1.0, 1], 4)])
    drawn = {
        # The orders drawn again: intercept and order change places (`crossfc.group.design.model`).
        "re-randomisation": Student(order6, np.ones((6, 1))),
        "two samples": Student(two8, ones8),
        "Welch": Welch(two8, ones8, two8 < 0),
        "Hall": Hall(two8, ones8, two8 < 0),
        "slope on mirrored scores": Student(mirrored, np.ones((6, 1))),
    }
    cases = {name: (one, shuffles(one.design, 5000, 0), 2) for name, one in drawn.items()}
    within = Student(np.tile([0.5, -0.5], 4), ones8)
    cases["within blocks"] = (within, shuffles(within.design, 5000, 0, **pairs), 2)
    whole = Student(np.ones(8), np.tile([-1.0, 1], 4)[:, None])
    flips = sign_flips(8, 5000, 0, **pairs, whole=True)
    cases["whole blocks flipped"] = (whole, flips, 2)
    exchanged = Student(np.repeat([1.0, 1, -1, -1], 2), ones8)
    blocks = shuffles(exchanged.design, 5000, 0, **pairs, whole=True)
    cases["whole blocks exchanged"] = (exchanged, blocks, 2)
    welch = Welch(two8, both, two8 < 0)
    cases["Welch flipped"] = (welch, sign_flips(8, 5000, 0), 2)
    cases["Hall flipped"] = (Hall(two8, both, two8 < 0), sign_flips(8, 5000, 0), 2)
    score = np.array([0.3, -1.2, 0.4, 1.9, -0.6, 0.1, 2.2, -0.9])
    slope = Slope(score, both)
    cases["slope flipped"] = (slope, sign_flips(8, 5000, 0), 2)
    slope = Slope(mirrored, np.ones((6, 1)))
    cases["robust slope on mirrored scores"] = (slope, shuffles(slope.design, 5000, 0), 2)
    fisher = Fisher(np.column_stack([two8, np.tile([0.5, 0.5, -0.5, -0.5], 2)]), ones8)
    cases["F flipped"] = (fisher, sign_flips(8, 5000, 0), 2)
    three9 = np.repeat([0, 1, 2], 3)
    apart, ones9 = (three9[:, None] == [1, 2]).astype(float), np.ones((9, 1))
    several = WelchF(apart, ones9, three9)
    cases["Welch's F flipped"] = (several, sign_flips(9, 5000, 0), 2)
    # Three equally large groups can change places in six ways.
    cases["Welch's F shuffled"] = (several, shuffles(several.design, 5000, 0), 6)
    pillai = Pillai(apart, ones9, 2)
    cases["Pillai flipped"] = (pillai, sign_flips(9, 5000, 0), 2)
    cases["Pillai shuffled"] = (pillai, shuffles(pillai.design, 5000, 0), 6)
    hotelling = Hotelling(two8, both, 2)
    cases["Hotelling flipped"] = (hotelling, sign_flips(8, 5000, 0), 2)
    hotelling = Hotelling(two8, ones8, 2)
    cases["Hotelling shuffled"] = (hotelling, shuffles(hotelling.design, 5000, 0), 2)
    return cases


@pytest.mark.parametrize("size", [0.0, 40.0])
@pytest.mark.parametrize("name", designs())
def test_arrangements_that_are_alike_tie(name, size):
    statistic, arrangements, copies = designs()[name]
    assert arrangements.exhaustive
    measures = 2 if isinstance(statistic, Hotelling | Pillai) else None
    column = np.reshape(statistic.effect, (len(statistic.effect), -1)).sum(axis=1)
    for seed in range(2):
        maps = maps_of(len(column), seed, size * column, measures=measures)
        found = infer(
            maps, statistic, arrangements, MASK, cluster_forming_p=0.01, tfce=True, tail=False
        )
        require_multiples(found, copies)


def test_one_sided_flips_are_not_alike():
    student = Student(np.ones(5), np.empty((5, 0)))
    maps = maps_of(5, 0, np.full(5, 60.0))
    found = infer(
        maps, student, sign_flips(5, 99, 0), MASK, two_sided=False, tfce=False, tail=False
    )
    assert found.copies == 1 and found.p_voxel.min() == 1 / 32


def test_mirror_images_tie_to_the_bit_however_many_people():
    student = Student(np.ones(13), np.where(np.arange(13) % 2, 1.0, -1.0)[:, None])
    maps = maps_of(13, 0, np.full(13, 60.0), n_maps=1)
    flips = sign_flips(13, 9000, 0)
    assert not precise(student, flips)
    found = infer(maps, student, flips, MASK, tfce=True, tail=False)
    mirrors = flips.mirrors()
    assert (np.unique(mirrors, return_counts=True)[1] == 2).all()
    for null in found.null.values():
        np.testing.assert_array_equal(null, null[mirrors])
    require_multiples(found, 2)


def test_counts_of_random_flips_hold_each_that_was_drawn():
    """Pairs and single ones among the draws: the same p as trying each by itself."""
    student = Student(np.ones(13), np.empty((13, 0)))
    maps = maps_of(13, 1, np.full(13, 0.3), n_maps=1)
    flips = sign_flips(13, 700, 0)
    counts = np.unique(flips.mirrors(), return_counts=True)[1]
    assert set(counts) == {1, 2}
    seen = []
    found = infer(
        maps, student, flips, MASK, progress=lambda *done: seen.append(done), tfce=False, tail=False
    )
    t = np.array(
        [student.fit(flips.signs[row][:, None] * maps[0]).statistic for row in range(len(flips))]
    )
    expected = (np.abs(t) >= np.abs(t[0]) * (1 - 1e-5)).mean(axis=0)
    np.testing.assert_allclose(found.p_uncorrected[0], expected, atol=1e-12)
    np.testing.assert_allclose(found.null["voxel"], np.abs(t).max(axis=1), rtol=1e-4)
    assert seen[-1] == (701, 701) and seen == sorted(seen)


def test_most_of_the_arrangements_at_random_give_no_p_below_that_of_all():
    student = Student(np.ones(13), np.empty((13, 0)))
    maps = maps_of(13, 0, np.full(13, 60.0), n_maps=1)
    drawn = sign_flips(13, 4999, 1)
    found = infer(maps, student, drawn, MASK, tfce=True, tail=False)
    assert not drawn.exhaustive and 1 / len(drawn) < 2 / drawn.possible
    for name in MEASURES:
        assert getattr(found, name).min() >= 2 / 2**13


def test_a_tail_ends_at_the_share_of_what_is_alike():
    null = np.random.default_rng(0).gumbel(size=2001)
    assert fit_tail(null, 8192, 2).smallest_p == 2 / 8192


@pytest.mark.parametrize(
    "name",
    [
        "Welch flipped",
        "Hall flipped",
        "F flipped",
        "Hotelling flipped",
        "Welch's F flipped",
        "Pillai flipped",
        "two samples",
        "slope flipped",
    ],
)
def test_the_observed_statistic_is_the_same_in_both_precisions(name):
    statistic, _, _ = designs()[name]
    measures = 2 if isinstance(statistic, Hotelling | Pillai) else None
    n_people = len(statistic.effect)
    (data,) = maps_of(n_people, 3, np.zeros(n_people), n_maps=1, measures=measures)
    plain = statistic.fit(data)
    work = np.empty(statistic.work_shape(data.shape))
    small = SmallSample(statistic).fit(data, work)
    np.testing.assert_allclose(small.statistic, plain.statistic, rtol=1e-8, atol=1e-10)
