"""Permutation inference against brute force, against nilearn, and on data without an effect."""

from itertools import product

import numpy as np
import pytest
from scipy import ndimage, stats

from crossfc.fault import Fault
from crossfc.group.arrangement import shuffles, sign_flips
from crossfc.group.hotelling import Hotelling
from crossfc.group.inference import infer
from crossfc.group.statistic import Student
from crossfc.group.welch import Welch

SHAPE = (7, 6, 5)


def smooth(rng, *shape, sigma=1.0):
    """White noise, smoothed over the last three axes, of unit variance."""
    noise = rng.standard_normal(shape)
    widths = (0,) * (len(shape) - 3) + (sigma,) * 3
    noise = ndimage.gaussian_filter(noise, widths, mode="wrap")
    return (noise / noise.std()).astype(np.float32)


@pytest.fixture
def rng():
    return np.random.default_rng(11)


@pytest.fixture
def mask(rng):
    return rng.random(SHAPE) < 0.9


def brute_force(maps, statistic_of, arrangements, mask, threshold, two_sided, scoring):
    """p values by doing everything again for every arrangement, slowly.

    What counts as a tie is what `infer` documents.
    """
    size = np.abs if two_sided else np.asarray

    def extents(values):
        image = np.zeros(mask.shape)
        image[mask] = values
        signs = (1, -1) if two_sided else (1,)
        found = [ndimage.label(sign * image > threshold, np.ones((3, 3, 3))) for sign in signs]
        return [(labels[mask], np.bincount(labels[mask])[1:]) for labels, _ in found]

    every = np.array([[statistic_of(data, row) for data in maps] for row in arrangements])
    null_max = size(every).max(axis=(1, 2))
    null_extent = [
        max(max(sizes, default=0) for values in one for _, sizes in extents(values))
        for one in every
    ]
    observed = size(scoring.to_score(every[0]))
    tie = scoring.tie * np.abs(observed) + 1e-6 * np.sqrt(np.abs(observed))
    uncorrected = (size(scoring.to_score(every)) >= observed - tie).mean(axis=0)
    voxel = (scoring.to_score(null_max)[:, None, None] >= observed - tie).mean(axis=0)
    cluster = np.ones_like(voxel)
    for number, values in enumerate(every[0]):
        for labels, sizes in extents(values):
            for name, extent in enumerate(sizes, start=1):
                cluster[number, labels == name] = np.mean(np.array(null_extent) >= extent)
    return uncorrected, voxel, cluster, null_max


def freedman_lane(kind, effect, nuisance, make):
    """The statistic of one arrangement, by arranging the data and fitting again."""
    projection = np.eye(len(effect)) - nuisance @ np.linalg.pinv(nuisance)

    def statistic_of(data, row):
        residual = np.einsum("ij,j...->i...", projection, data.astype(float))
        if kind == "sign flips":
            arranged = residual * row.reshape(-1, *[1] * (residual.ndim - 1))
        else:
            arranged = np.empty_like(residual)
            arranged[row] = residual
        return make(effect, nuisance).fit(arranged).statistic

    return statistic_of


def check(found, maps, statistic_of, mask, scoring, two_sided=True):
    uncorrected, voxel, cluster, null_max = brute_force(
        maps, statistic_of, found.arrangements.table, mask, found.forming_threshold, two_sided,
        scoring,
    )  # fmt: skip
    np.testing.assert_allclose(found.p_uncorrected, uncorrected, atol=1e-12)
    np.testing.assert_allclose(found.p_voxel, voxel, atol=1e-12)
    np.testing.assert_allclose(found.p_cluster, cluster, atol=1e-12)
    np.testing.assert_allclose(found.null_maximum, null_max, rtol=1e-3)
    assert (found.p_cluster < 1).any() and len(np.unique(voxel)) > 5


def test_enumerated_sign_flips_equal_brute_force(rng, mask):
    n = 7
    nuisance = np.array([-1.0, 1, -1, 1, -1, 1, -1])[:, None]
    maps = smooth(rng, 2, n, *SHAPE)[:, :, mask] + 0.4
    statistic = Student(np.ones(n), nuisance)
    found = infer(list(maps), statistic, sign_flips(n, 128, 0), mask, cluster_forming_p=0.1)
    assert found.arrangements.exhaustive
    check(found, maps, freedman_lane("sign flips", np.ones(n), nuisance, Student), mask, statistic)


@pytest.mark.parametrize("two_sided", [True, False])
def test_enumerated_shuffles_equal_brute_force(rng, mask, two_sided):
    effect, nuisance = rng.standard_normal(5), np.ones((5, 1))
    maps = smooth(rng, 2, 5, *SHAPE)[:, :, mask]
    statistic = Student(effect, nuisance)
    found = infer(
        list(maps), statistic, shuffles(statistic.design, 120, 0), mask,
        cluster_forming_p=0.1, two_sided=two_sided,
    )  # fmt: skip
    assert found.arrangements.exhaustive and len(found.null_maximum) == 120
    check(
        found,
        maps,
        freedman_lane("shuffles", effect, nuisance, Student),
        mask,
        statistic,
        two_sided,
    )


def test_enumerated_labellings_equal_brute_force_for_welch(rng, mask):
    second = np.arange(8) >= 4
    effect = np.where(second, -0.5, 0.5)
    nuisance = np.column_stack([np.ones(8), np.tile([-1.0, 1, 1, 1], 2)])
    maps = smooth(rng, 2, 8, *SHAPE)[:, :, mask] * np.where(second, 1, 2.0)[:, None]

    def make(effect, nuisance):
        return Welch(effect, nuisance, second)

    statistic = make(effect, nuisance)
    arrangements = shuffles(statistic.design, 2000, 0)
    assert arrangements.exhaustive
    found = infer(list(maps), statistic, arrangements, mask, cluster_forming_p=0.1)
    check(found, maps, freedman_lane("shuffles", effect, nuisance, make), mask, statistic)


def test_random_shuffles_equal_brute_force_for_hotelling(rng, mask):
    effect = np.repeat([-0.5, 0.5], 6)
    nuisance = np.column_stack([np.ones(12), np.tile([-1.0, 1], 6)])
    maps = [smooth(rng, 12, 2, *SHAPE)[:, :, mask]]

    def make(effect, nuisance):
        return Hotelling(effect, nuisance, 2)

    statistic = make(effect, nuisance)
    arrangements = shuffles(statistic.design, 150, 0)
    assert not arrangements.exhaustive
    found = infer(maps, statistic, arrangements, mask, cluster_forming_p=0.1)
    assert not found.two_sided
    brute = freedman_lane("shuffles", effect, nuisance, make)
    check(found, maps, brute, mask, statistic, two_sided=False)


def test_p_is_exact_in_the_smallest_case():
    # Three people, one voxel that all agree on: 2 of 8 flips are as extreme, two-sided.
    data = np.float32([[1.0], [1.1], [0.9]])
    mask = np.ones((1, 1, 1), dtype=bool)
    student = Student(np.ones(3), np.empty((3, 0)))
    found = infer([data], student, sign_flips(3, 8, 0), mask)
    assert found.p_voxel[0, 0] == found.p_uncorrected[0, 0] == 2 / 8
    one = infer([data], student, sign_flips(3, 8, 0), mask, two_sided=False)
    assert one.p_voxel[0, 0] == 1 / 8


def test_the_smallest_p_is_one_over_all_arrangements(rng, mask):
    data = smooth(rng, 20, *SHAPE)[:, mask] * 0.1 + 1
    found = infer([data], Student(np.ones(20), np.empty((20, 0))), sign_flips(20, 99, 0), mask)
    assert found.p_voxel.min() == found.p_uncorrected.min() == 0.01


def test_correcting_over_seeds_is_more_severe_than_over_one(rng, mask):
    maps = smooth(rng, 3, 12, *SHAPE)[:, :, mask] + 0.4
    student, flips = Student(np.ones(12), np.tile([-1.0, 1], 6)[:, None]), sign_flips(12, 300, 0)
    options = {"cluster_forming_p": 0.05}
    joint = infer(list(maps), student, flips, mask, **options)
    single = [infer([data], student, flips, mask, **options) for data in maps]
    for number, one in enumerate(single):
        np.testing.assert_array_equal(joint.p_uncorrected[number], one.p_uncorrected[0])
        assert (joint.p_voxel[number] >= one.p_voxel[0]).all()
        assert (joint.p_cluster[number] >= one.p_cluster[0]).all()
        assert joint.threshold_voxel >= one.threshold_voxel
    assert sum((joint.p_voxel[n] > one.p_voxel[0]).sum() for n, one in enumerate(single)) > 50


def test_threshold_parts_significant_from_other_voxels(rng, mask):
    data = smooth(rng, 12, *SHAPE)[:, mask] + 0.5
    found = infer([data], Student(np.ones(12), np.empty((12, 0))), sign_flips(12, 199, 0), mask)
    significant = found.p_voxel <= 0.05
    assert significant.any() and not significant.all()
    assert (np.abs(found.statistic[significant]) > found.threshold_voxel * (1 - 1e-4)).all()
    assert (np.abs(found.statistic[~significant]) <= found.threshold_voxel * (1 + 1e-4)).all()
    few = infer([data[:4]], Student(np.ones(4), np.empty((4, 0))), sign_flips(4, 16, 0), mask)
    assert few.threshold_voxel == float("inf")


def test_a_planted_effect_is_found_where_it_is(rng):
    shape = (14, 14, 14)
    mask = np.ones(shape, dtype=bool)
    data = smooth(rng, 2, 20, *shape)
    planted = np.zeros(shape, dtype=bool)
    planted[8:12, 3:7, 5:9] = True
    data[1][:, planted] -= 2.0
    flips = sign_flips(20, 499, 0)
    student = Student(np.ones(20), np.tile([-1.0, 1], 10)[:, None])
    found = infer(list(data[:, :, mask]), student, flips, mask)
    assert (found.p_cluster[0] > 0.05).all()
    peak = np.unravel_index(np.argmin(found.statistic[1]), shape)
    assert planted[peak] and found.p_voxel[1].min() == 1 / 500
    volume = (found.p_cluster[1] < 0.05).reshape(shape)
    assert volume[planted].mean() > 0.9 and volume.sum() < 1.6 * planted.sum()


def test_memory_mapped_maps_and_progress(rng, mask, tmp_path):
    data = smooth(rng, 10, 2, *SHAPE)[:, :, mask]
    np.save(tmp_path / "delta.npy", data)
    opened = np.load(tmp_path / "delta.npy", mmap_mode="r")
    student, flips, seen = Student(np.ones(10), np.empty((10, 0))), sign_flips(10, 70, 0), []
    maps = [opened[:, 0], opened[:, 1]]
    found = infer(maps, student, flips, mask, progress=lambda *x: seen.append(x))
    other = infer([data[:, 0], data[:, 1]], student, flips, mask)
    np.testing.assert_array_equal(found.p_voxel, other.p_voxel)
    assert seen[-1] == (142, 142) and [done for done, _ in seen] == sorted(d for d, _ in seen)


def test_faults(rng, mask):
    data = smooth(rng, 6, *SHAPE)[:, mask]
    student, flips = Student(np.ones(6), np.empty((6, 0))), sign_flips(6, 10, 0)
    with pytest.raises(Fault, match="people and .* voxels in the mask"):
        infer([data[:, 1:]], student, flips, mask)
    with pytest.raises(Fault, match="search volume is empty"):
        infer([data[:, :0]], student, flips, np.zeros(SHAPE, dtype=bool))
    with pytest.raises(Fault, match="cluster_forming_p is 3"):
        infer([data], student, flips, mask, cluster_forming_p=3)
    data[2, 3] = np.nan
    with pytest.raises(Fault, match="not finite"):
        infer([data], student, flips, mask)


@pytest.mark.parametrize("confounds", [False, True])
def test_agreement_with_nilearn(rng, confounds):
    from nilearn.mass_univariate import permuted_ols

    mask = np.ones((5, 5, 4), dtype=bool)
    n, n_permutations = 16, 3999
    data = smooth(rng, n, *mask.shape, sigma=0.7)[:, mask] + 0.35
    if confounds:
        effect = rng.standard_normal(n)
        covariate = rng.standard_normal(n)
        data += np.float32(0.6) * effect[:, None].astype(np.float32)
        nuisance = np.column_stack([np.ones(n), covariate])
        student = Student(effect, nuisance)
        arrangements = shuffles(student.design, n_permutations, 1)
        theirs = permuted_ols(
            effect[:, None], data, confounding_vars=covariate[:, None], model_intercept=True,
            n_perm=n_permutations, random_state=1,
        )  # fmt: skip
    else:
        student = Student(np.ones(n), np.empty((n, 0)))
        arrangements = sign_flips(n, n_permutations, 1)
        theirs = permuted_ols(
            np.ones((n, 1)), data, model_intercept=False, n_perm=n_permutations, random_state=1
        )
    found = infer([data], student, arrangements, mask)
    np.testing.assert_allclose(found.statistic, theirs["t"], rtol=1e-4, atol=1e-5)
    p = 10 ** -theirs["logp_max_t"]
    # Both p are estimates from 4000 arrangements each.
    error = np.sqrt(2 * p * (1 - p) / n_permutations) + 2 / n_permutations
    assert (np.abs(found.p_voxel - p) < 4.5 * error).all()
    assert p.min() < 0.3


def null_rates(draw, make, arrange, n_sets, mask, forming):
    """Share of data sets without an effect in which anything is significant at 5 %."""
    rng = np.random.default_rng(2024)
    hits = np.zeros(2)
    for number in range(n_sets):
        statistic = make()
        found = infer(
            draw(rng), statistic, arrange(statistic, number), mask, cluster_forming_p=forming
        )
        hits += [found.p_voxel.min() <= 0.05, found.p_cluster.min() <= 0.05]
    return hits


def within_binomial(hits, n_sets):
    # Ties in cluster extent make the rate of clusters less than 5 %, so for them only the upper
    # limit is held; far too few hits in voxels would be a fault as well.
    low, high = stats.binom.ppf([0.0005, 0.9995], n_sets, 0.05)
    assert low <= hits[0] <= high, hits
    assert 0 < hits[1] <= high, hits


@pytest.mark.slow
def test_false_positives_of_sign_flips_with_a_period_effect():
    n, n_sets, mask = 13, 1000, np.ones((8, 8, 8), dtype=bool)
    sequence = np.where(np.arange(n) < 8, -1.0, 1.0)  # unequal numbers of both orders
    period = 2.0

    def draw(rng):
        return list(smooth(rng, 2, n, 8, 8, 8).reshape(2, n, -1) + period * sequence[:, None])

    hits = null_rates(
        draw,
        lambda: Student(np.ones(n), sequence[:, None]),
        lambda statistic, seed: sign_flips(n, 199, seed),
        n_sets,
        mask,
        0.01,
    )
    within_binomial(hits, n_sets)


@pytest.fixture
def unequal():
    """Two groups of unequal size, the smaller one twice as variable, and a period effect."""
    n = 41
    second = np.arange(n) >= 24
    sequence = np.where(np.arange(n) % 3 == 0, -1.0, 1.0)
    unequal_scale = np.where(second, 2.0, 1.0)[:, None]
    columns = np.where(second, -0.5, 0.5), np.column_stack([np.ones(n), sequence])

    def draw(rng, scale=unequal_scale):
        return list(smooth(rng, 2, n, 8, 8, 8).reshape(2, n, -1) * scale + 0.8 * sequence[:, None])

    return second, columns, draw


@pytest.mark.slow
def test_false_positives_of_groups_of_unequal_size_and_variance(unequal):
    second, columns, draw = unequal
    n_sets, mask = 1000, np.ones((8, 8, 8), dtype=bool)

    def flips(statistic, seed):
        return sign_flips(len(second), 199, seed)

    welch = null_rates(draw, lambda: Welch(*columns, second), flips, n_sets, mask, 0.01)
    within_binomial(welch, n_sets)
    hotelling = null_rates(
        lambda rng: [np.stack(draw(rng), axis=1)],
        lambda: Hotelling(*columns, 2),
        flips, n_sets, mask, 0.01,
    )  # fmt: skip
    within_binomial(hotelling, n_sets)


@pytest.mark.slow
def test_why_groups_are_not_shuffled_by_default(unequal):
    second, columns, draw = unequal
    n_sets, mask = 300, np.ones((8, 8, 8), dtype=bool)

    def shuffled(statistic, seed):
        return shuffles(statistic.design, 199, seed)

    hits = null_rates(draw, lambda: Welch(*columns, second), shuffled, n_sets, mask, 0.01)
    assert hits[0] > stats.binom.ppf(0.9995, n_sets, 0.05)
    # With equal variances a shuffle is as good.
    hits = null_rates(
        lambda rng: draw(rng, scale=1.0),
        lambda: Welch(*columns, second),
        shuffled, n_sets, mask, 0.01,
    )  # fmt: skip
    within_binomial(hits, n_sets)


@pytest.mark.slow
def test_false_positives_of_a_slope_with_nuisance_and_of_hotelling():
    n, n_sets, mask = 16, 500, np.ones((8, 8, 8), dtype=bool)
    sequence = np.tile([-1.0, 1], n // 2)
    nuisance = np.column_stack([np.ones(n), sequence])
    effect = np.random.default_rng(5).standard_normal(n) + sequence  # correlated with nuisance

    def draw(rng):
        return list(smooth(rng, 2, n, 8, 8, 8).reshape(2, n, -1) + sequence[:, None])

    hits = null_rates(
        draw,
        lambda: Student(effect, nuisance),
        lambda s, seed: shuffles(s.design, 199, seed),
        n_sets, mask, 0.01,
    )  # fmt: skip
    within_binomial(hits, n_sets)
    hits = null_rates(
        lambda rng: [np.stack(draw(rng), axis=1)],
        lambda: Hotelling(effect, nuisance, 2),
        lambda s, seed: shuffles(s.design, 199, seed),
        n_sets, mask, 0.01,
    )  # fmt: skip
    within_binomial(hits, n_sets)


def test_brute_force_lists_every_flip():
    """The enumeration that the tests above stand on is the plain product of signs."""
    table = sign_flips(3, 8, 0).table
    assert {tuple(row) for row in table} == set(product([-1, 1], repeat=3))
