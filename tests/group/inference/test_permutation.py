"""Permutation inference against brute force, against nilearn, and on data without an effect."""

import os
import signal

import numpy as np
import pytest
from scipy import ndimage, stats

from crossfc.fault import Fault
from crossfc.group.design.arrangement import shuffles, sign_flips
from crossfc.group.inference.copies import copies
from crossfc.group.inference.fisher import Fisher
from crossfc.group.inference.hotelling import Hotelling
from crossfc.group.inference.permutation import infer
from crossfc.group.inference.pillai import Pillai
from crossfc.group.inference.slope import Slope
from crossfc.group.inference.small_sample import SmallSample, precise
from crossfc.group.inference.statistic import Student
from crossfc.group.inference.welch import Welch
from crossfc.group.inference.welch_f import WelchF

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


def enhanced(image, structure):
    """TFCE from its definition: every height in the map is a threshold; one sign."""
    total = np.zeros(image.shape)
    lower = 0.0
    for height in np.unique(image[image > 0]):
        labels, _ = ndimage.label(image >= height, structure)
        extent = np.bincount(labels.ravel()).astype(float)
        extent[0] = 0
        total += np.sqrt(extent)[labels] * (height**3 - lower**3) / 3
        lower = height
    return total


def measured(values, scoring, mask, threshold, two_sided, connectivity):
    """Extent, mass and TFCE of one map, from scipy's labels: label images, sizes and masses."""
    structure = ndimage.generate_binary_structure(3, {6: 1, 18: 2, 26: 3}[connectivity])
    height = scoring.to_height(values)
    clusters, tfce = [], np.zeros(len(values))
    for sign in (1, -1) if two_sided else (1,):
        image, statistic = np.zeros(mask.shape), np.zeros(mask.shape)
        image[mask], statistic[mask] = sign * height, sign * values
        labels, _ = ndimage.label(statistic > threshold, structure)
        sizes = np.bincount(labels.ravel())[1:]
        masses = np.bincount(labels.ravel(), image.ravel())[1:]
        clusters.append((labels[mask], sizes, masses))
        tfce += enhanced(np.maximum(image, 0), structure)[mask]
    return clusters, tfce


def brute_force(maps, statistic_of, found, mask, scoring, connectivity):
    """p values by doing everything again for every arrangement, slowly, in double precision.

    What counts as a tie is what `infer` documents.
    """
    two_sided, arrangements = found.two_sided, found.arrangements
    size = np.abs if two_sided else np.asarray
    every = np.array([[statistic_of(data, arrangements, row) for data in maps]
                      for row in range(len(arrangements))])  # fmt: skip
    parts = [
        [measured(values, scoring, mask, found.forming_threshold, two_sided, connectivity)
         for values in one]
        for one in every
    ]  # fmt: skip

    def largest(which):
        return np.array([max(max(cluster[which], default=0) for clusters, _ in one
                             for cluster in clusters) for one in parts])  # fmt: skip

    null = {
        "voxel": size(every).max(axis=(1, 2)),
        "extent": largest(1),
        "mass": largest(2),
        "tfce": np.array([max(tfce.max() for _, tfce in one) for one in parts]),
    }
    observed = size(scoring.to_score(every[0]))
    reached = observed - scoring.tie * np.abs(observed) - 1e-6 * np.sqrt(np.abs(observed))
    p = {
        "uncorrected": (size(scoring.to_score(every)) >= reached).mean(axis=0),
        "voxel": (scoring.to_score(null["voxel"])[:, None, None] >= reached).mean(axis=0),
        "extent": np.ones_like(observed),
        "mass": np.ones_like(observed),
    }
    loose = 1 - 10 * scoring.tie
    tfce = np.array([tfce for _, tfce in parts[0]])
    p["tfce"] = (null["tfce"][:, None, None] >= loose * tfce).mean(axis=0)
    for number, (clusters, _) in enumerate(parts[0]):
        for labels, sizes, masses in clusters:
            for name, (extent, mass) in enumerate(zip(sizes, masses, strict=True), start=1):
                p["extent"][number, labels == name] = np.mean(null["extent"] >= extent)
                p["mass"][number, labels == name] = np.mean(null["mass"] >= loose * mass)
    return p, null, tfce


def freedman_lane(make, nuisance):
    """The statistic of one arrangement, by arranging the residuals and fitting again."""
    projection = np.eye(len(nuisance)) - nuisance @ np.linalg.pinv(nuisance)

    def statistic_of(data, arrangements, row):
        residual = np.einsum("ij,j...->i...", projection, data.astype(float))
        if arrangements.signs is not None:
            sign = arrangements.signs[row].astype(float)
            residual = residual * sign.reshape(-1, *[1] * (residual.ndim - 1))
        arranged = np.empty_like(residual)
        # Person i takes row order[i] of the design: as well put i's data where that row is.
        arranged[arrangements.order[row] if arrangements.order is not None else slice(None)] = (
            residual
        )
        return make().fit(arranged).statistic

    return statistic_of


def designs():
    """Small designs of every kind with all their arrangements: name to (data shape, …)."""
    rng = np.random.default_rng(3)
    one = np.ones(6)
    order6 = np.array([-1.0, 1, -1, 1, -1, 1])[:, None]
    slope, ages = rng.standard_normal((2, 5))
    two = np.where(np.arange(7) < 4, 0.5, -0.5)
    both7 = np.column_stack([np.ones(7), [-1.0, 1, 1, -1, 1, 1, -1]])
    both12 = np.column_stack([np.ones(12), np.tile([-1.0, 1, 1], 4)])
    score = np.random.default_rng(4).standard_normal(12)
    three = np.repeat([0, 1, 2], [2, 3, 3])
    between = np.where(three == 0, 1.0, 0.0)
    factor = np.column_stack([three == 0, three == 1]).astype(float)
    pairs = np.repeat(np.arange(4), 2)
    within = rng.standard_normal(8)
    block = {"blocks": pairs}
    whole = {"blocks": pairs, "whole": True}
    ones8 = np.ones((8, 1))
    # Fewer people in a group do not bear single precision: their variance may be next to nothing.
    equal = np.repeat([0, 1, 2], 3)
    apart, ones9 = (equal[:, None] == [0, 1]).astype(float), np.ones((9, 1))
    threes = {"blocks": np.tile([0, 1, 2], 3)}  # one person of each group
    both9 = np.column_stack([ones9, [-1.0, 1, 1, -1, 1, 1, -1, -1, 1]])
    return {
        "one sample": (
            lambda: Student(one, np.empty((6, 0))), None, sign_flips, {}),
        "one sample with a covariate": (lambda: Student(one, order6), order6, sign_flips, {}),
        "whole blocks flipped": (
            lambda: Student(np.ones(8), within[:, None]), within[:, None], sign_flips, whole),
        "slope": (
            lambda: Student(slope, np.ones((5, 1))), np.ones((5, 1)), shuffles, {}),
        "slope with a covariate": (
            lambda: Student(slope, np.column_stack([np.ones(5), ages])),
            np.column_stack([np.ones(5), ages]), shuffles, {}),
        "robust slope": (
            lambda: Slope(score, both12), both12, shuffles, {"blocks": np.arange(12) // 2}),
        "robust slope flipped": (
            lambda: Slope(score, both12), both12, sign_flips,
            {"blocks": np.arange(12) // 2, "whole": True}),
        "shuffled within blocks": (
            lambda: Student(within, ones8), ones8, shuffles, block),
        "whole blocks shuffled": (lambda: Student(within, ones8), ones8, shuffles, whole),
        "two samples": (lambda: Student(two, both7), both7, shuffles, {}),
        "two samples flipped": (lambda: Welch(two, both7, two < 0), both7, sign_flips, {}),
        "two samples of unequal variance": (
            lambda: Welch(two, both7, two < 0), both7, shuffles, {}),
        "three variance groups": (
            lambda: Welch(between, ones8, three), ones8, shuffles, {}),
        "F": (lambda: Fisher(factor, ones8), ones8, sign_flips, {}),
        "F shuffled in whole blocks": (
            lambda: Fisher(np.column_stack([within, within**2]), ones8), ones8, shuffles, whole),
        "Welch's F": (lambda: WelchF(apart, ones9, equal), ones9, sign_flips, {}),
        "Welch's F with a covariate": (
            lambda: WelchF(apart, both9, equal), both9, sign_flips, {}),
        "Welch's F shuffled": (
            lambda: WelchF(apart, ones9, equal), ones9, shuffles, threes),
        "Hotelling": (lambda: Hotelling(two, both7, 2), both7, sign_flips, {}),
        "Pillai": (lambda: Pillai(apart, both9, 2), both9, sign_flips, {}),
        "Pillai shuffled": (lambda: Pillai(apart, ones9, 2), ones9, shuffles, threes),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("precision", "two_sided"),
    [
        ("single", True),
        ("double", False),
        pytest.param("single", False, marks=pytest.mark.slow),
        pytest.param("double", True, marks=pytest.mark.slow),
    ],
)
@pytest.mark.parametrize("name", designs())
def test_all_arrangements_give_the_p_of_brute_force(name, precision, two_sided, monkeypatch):
    rng = np.random.default_rng(sum(map(ord, name)))
    make, nuisance, arrange, options = designs()[name]
    statistic = make()
    n_people = len(statistic.design)
    if nuisance is None:
        nuisance = np.zeros((n_people, 1))
    mask = rng.random((5, 4, 4)) < 0.9
    shape = (2, n_people, 2) if isinstance(statistic, Hotelling | Pillai) else (2, n_people)
    maps = smooth(rng, *shape, *mask.shape, sigma=0.8)[..., mask]
    maps += np.float32(0.7) * statistic.design[:, 0].reshape(-1, *[1] * (maps.ndim - 2))
    of = statistic.design if arrange is not sign_flips else n_people
    arrangements = arrange(of, 2000, 0, **options)
    assert arrangements.exhaustive
    scoring = statistic
    if precision == "single":
        monkeypatch.setattr("crossfc.group.inference.permutation.precise", lambda *of: False)
    elif precise(statistic, arrangements):
        scoring = SmallSample(statistic)
    connectivity = (6, 18, 26)[sum(map(ord, name)) % 3]
    found = infer(
        list(maps), statistic, arrangements, mask, cluster_forming_p=0.2,
        connectivity=connectivity, two_sided=two_sided, tfce=True, tail=False)  # fmt: skip
    p, null, tfce = brute_force(
        maps, freedman_lane(make, nuisance), found, mask, scoring, connectivity
    )
    np.testing.assert_allclose(found.p_uncorrected, p["uncorrected"], atol=1e-12)
    np.testing.assert_allclose(found.p_voxel, p["voxel"], atol=1e-12)
    np.testing.assert_allclose(found.p_cluster, p["extent"], atol=1e-12)
    np.testing.assert_allclose(found.p_mass, p["mass"], atol=1e-12)
    np.testing.assert_allclose(found.p_tfce, p["tfce"], atol=1e-12)
    np.testing.assert_allclose(np.abs(found.tfce), tfce, rtol=1e-5)
    # Single precision cannot tell t of several hundred apart: they are close to r = 1.
    score = scoring.to_score
    np.testing.assert_allclose(
        score(found.null["voxel"]), score(null["voxel"]), rtol=1e-4, atol=1e-6
    )
    moderate = (null["voxel"] < 50) | (scoring is not statistic)
    for measure, values in null.items():
        np.testing.assert_allclose(
            found.null[measure][moderate], values[moderate], rtol=1e-3, atol=1e-4, err_msg=measure
        )
    assert moderate.mean() > 0.3
    assert len(np.unique(found.p_voxel)) > 3 and (found.p_cluster < 1).any()


def test_p_is_exact_in_the_smallest_case():
    # Three people, one voxel that all agree on: 2 of 8 flips are as extreme, two-sided.
    data = np.float32([[1.0], [1.1], [0.9]])
    mask = np.ones((1, 1, 1), dtype=bool)
    student = Student(np.ones(3), np.empty((3, 0)))
    found = infer([data], student, sign_flips(3, 8, 0), mask, tfce=False, tail=False)
    assert found.p_voxel[0, 0] == found.p_uncorrected[0, 0] == 2 / 8
    one = infer([data], student, sign_flips(3, 8, 0), mask, two_sided=False, tfce=False, tail=False)
    assert one.p_voxel[0, 0] == 1 / 8


def test_the_smallest_p_is_one_over_all_arrangements(rng, mask):
    data = smooth(rng, 20, *SHAPE)[:, mask] * 0.1 + 1
    found = infer(
        [data],
        Student(np.ones(20), np.empty((20, 0))),
        sign_flips(20, 99, 0),
        mask,
        tfce=False,
        tail=False,
    )
    assert found.p_voxel.min() == found.p_uncorrected.min() == 0.01


def test_correcting_over_seeds_is_more_severe_than_over_one(rng, mask):
    maps = smooth(rng, 3, 12, *SHAPE)[:, :, mask] + 0.4
    student, flips = Student(np.ones(12), np.tile([-1.0, 1], 6)[:, None]), sign_flips(12, 300, 0)
    options = {"cluster_forming_p": 0.05, "tfce": False, "tail": False}
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
    found = infer(
        [data],
        Student(np.ones(12), np.empty((12, 0))),
        sign_flips(12, 199, 0),
        mask,
        tfce=False,
        tail=False,
    )
    significant = found.p_voxel <= 0.05
    assert significant.any() and not significant.all()
    assert (np.abs(found.statistic[significant]) > found.threshold_voxel * (1 - 1e-4)).all()
    assert (np.abs(found.statistic[~significant]) <= found.threshold_voxel * (1 + 1e-4)).all()
    few = infer(
        [data[:4]],
        Student(np.ones(4), np.empty((4, 0))),
        sign_flips(4, 16, 0),
        mask,
        tfce=False,
        tail=False,
    )
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
    found = infer(list(data[:, :, mask]), student, flips, mask, tfce=False, tail=False)
    assert (found.p_cluster[0] > 0.05).all()
    peak = np.unravel_index(np.argmin(found.statistic[1]), shape)
    assert planted[peak] and found.p_voxel[1].min() == 1 / 500
    volume = (found.p_cluster[1] < 0.05).reshape(shape)
    assert volume[planted].mean() > 0.9 and volume.sum() < 1.6 * planted.sum()


def test_memory_mapped_maps_and_progress(rng, mask, tmp_path):
    data = smooth(rng, 10, 2, *SHAPE)[:, :, mask]
    np.save(tmp_path / "delta.npy", data)
    opened = np.load(tmp_path / "delta.npy", mmap_mode="r")
    student, flips, seen = Student(np.ones(10), np.empty((10, 0))), sign_flips(10, 300, 0), []
    maps = [opened[:, 0], opened[:, 1]]
    found = infer(
        maps, student, flips, mask, progress=lambda *x: seen.append(x), tfce=False, tail=False
    )
    other = infer([data[:, 0], data[:, 1]], student, flips, mask, tfce=False, tail=False)
    np.testing.assert_array_equal(found.p_voxel, other.p_voxel)
    assert seen[-1] == (301, 301) and [done for done, _ in seen] == sorted(d for d, _ in seen)
    assert len(seen) > 2


@pytest.mark.parametrize("make", ["flips", "shuffles"])
def test_nothing_depends_on_threads_or_on_where_residuals_are(rng, mask, make, tmp_path):
    maps = list(smooth(rng, 2, 14, *SHAPE)[:, :, mask] + 0.3)
    age = rng.standard_normal((14, 1))
    if make == "flips":
        student, arrangements = Student(np.ones(14), age), sign_flips(14, 700, 0)
    else:
        student = Student(age[:, 0], np.ones((14, 1)))
        arrangements = shuffles(student.design, 700, 0)
    options = {"cluster_forming_p": 0.05, "tfce": True, "tail": True}
    one = infer(maps, student, arrangements, mask, **options)
    for other in (
        infer(maps, student, arrangements, mask, threads=3, **options),
        infer(maps, student, arrangements, mask, memory_gb=0, scratch_dir=tmp_path, **options),
    ):
        for name in ("p_uncorrected", "q_fdr", "p_voxel", "p_cluster", "p_mass", "p_tfce"):
            np.testing.assert_array_equal(getattr(other, name), getattr(one, name))
        for measure, values in one.null.items():
            np.testing.assert_array_equal(other.null[measure], values)
    assert not list(tmp_path.iterdir())


def test_a_killed_process_is_told_of(rng, mask, monkeypatch):
    def killed(*_):
        os.kill(os.getpid(), signal.SIGKILL)

    data, flips = smooth(rng, 12, *SHAPE)[:, mask], sign_flips(12, 600, 0)
    monkeypatch.setattr("crossfc.group.inference.sweep._tally", killed)
    with pytest.raises(Fault, match="one of the 2 processes that do permutations was killed"):
        infer(
            [data],
            Student(np.ones(12), np.empty((12, 0))),
            flips,
            mask,
            threads=2,
            tfce=False,
            tail=False,
        )


def test_a_tail_reaches_below_the_number_of_permutations(rng, mask):
    data = smooth(rng, 20, *SHAPE)[:, mask]
    data[:, :20] += 2.5
    student, flips = Student(np.ones(20), np.empty((20, 0))), sign_flips(20, 999, 0)
    counted = infer([data], student, flips, mask, tfce=False, tail=False)
    fitted = infer([data], student, flips, mask, tail=True, tfce=False)
    assert counted.p_voxel.min() == 1 / 1000 and not counted.extrapolated
    assert 0 < fitted.p_voxel.min() < 1 / 1000
    marked = fitted.extrapolated["voxel"]
    assert marked.any() and (counted.p_voxel[marked] <= 0.01).all()
    np.testing.assert_array_equal(fitted.p_voxel[~marked], counted.p_voxel[~marked])
    few = infer([data[:8]], Student(np.ones(8), np.empty((8, 0))), sign_flips(8, 256, 0), mask,
                tail=True, tfce=False)  # fmt: skip
    assert not few.tails["voxel"].fits and not few.extrapolated["voxel"].any()


def test_false_discovery_rate_over_voxels_and_maps(rng, mask):
    maps = smooth(rng, 2, 12, *SHAPE)[:, :, mask]
    maps[1, :, :60] += 1.5
    found = infer(
        list(maps),
        Student(np.ones(12), np.empty((12, 0))),
        sign_flips(12, 999, 0),
        mask,
        tfce=False,
        tail=False,
    )
    p = np.sort(found.p_uncorrected.ravel())
    level = p * p.size / np.arange(1, p.size + 1)
    expected = np.minimum.accumulate(level[::-1])[::-1]
    np.testing.assert_allclose(np.sort(found.q_fdr.ravel()), np.minimum(expected, 1))
    assert (found.q_fdr[1, :60] < 0.05).mean() > 0.8 and (found.q_fdr[0] < 0.05).mean() < 0.05


def test_faults(rng, mask):
    data = smooth(rng, 6, *SHAPE)[:, mask]
    student, flips = Student(np.ones(6), np.empty((6, 0))), sign_flips(6, 10, 0)
    with pytest.raises(Fault, match="people and .* voxels in the mask"):
        infer([data[:, 1:]], student, flips, mask, tfce=False, tail=False)
    with pytest.raises(Fault, match="search volume is empty"):
        infer([data[:, :0]], student, flips, np.zeros(SHAPE, dtype=bool), tfce=False, tail=False)
    with pytest.raises(Fault, match="cluster_forming_p is 3"):
        infer([data], student, flips, mask, cluster_forming_p=3, tfce=False, tail=False)
    data[2, 3] = np.nan
    with pytest.raises(Fault, match="not finite"):
        infer([data], student, flips, mask, tfce=False, tail=False)


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
    found = infer([data], student, arrangements, mask, tfce=False, tail=False)
    np.testing.assert_allclose(found.statistic, theirs["t"], rtol=1e-4, atol=1e-5)
    p = 10 ** -theirs["logp_max_t"]
    # Both p are estimates from 4000 arrangements each.
    error = np.sqrt(2 * p * (1 - p) / n_permutations) + 2 / n_permutations
    assert (np.abs(found.p_voxel - p) < 4.5 * error).all()
    assert p.min() < 0.3


MEASURES = ("p_voxel", "p_cluster", "p_mass", "p_tfce")
NULL_SHAPE = (8, 8, 8)


def null_rates(draw, make, arrange, n_sets):
    """In how many data sets without an effect anything is significant at 5 %, per measure."""
    rng = np.random.default_rng(2024)
    mask = np.ones(NULL_SHAPE, dtype=bool)
    hits = dict.fromkeys(MEASURES, 0)
    statistic = make()
    for number in range(n_sets):
        found = infer(
            draw(rng), statistic, arrange(statistic, number), mask, cluster_forming_p=0.01,
            tfce=True, tail=False)  # fmt: skip
        for measure in MEASURES:
            hits[measure] += getattr(found, measure).min() <= 0.05
    return hits


def within_binomial(hits, n_sets):
    # Ties in extent make its rate less than 5 %, so for it only the upper limit is held; far too
    # few hits in the others would be a fault as well.
    low, high = stats.binom.ppf([0.0005, 0.9995], n_sets, 0.05)
    for measure, count in hits.items():
        assert (0 if measure == "p_cluster" else low) < count + 1 and count <= high, hits


def noise(rng, n, *measures, scale=1.0, plus=0.0):
    """Two smooth maps of n people; ``scale`` and ``plus`` are per person."""
    values = smooth(rng, 2, *measures, n, *NULL_SHAPE).reshape(2, *measures, n, -1)
    values = values * np.broadcast_to(scale, n)[:, None] + np.broadcast_to(plus, n)[:, None]
    return list(np.moveaxis(values, -2, 1))


N = 41
CONTROLS = np.arange(N) >= 24
GROUP = np.where(CONTROLS, -0.5, 0.5)
SEQUENCE = np.where(np.arange(N) % 3 == 0, -1.0, 1.0)  # unequal numbers of both orders
BOTH = np.column_stack([np.ones(N), SEQUENCE])
UNEQUAL = np.where(CONTROLS, 2.0, 1.0)  # the smaller group is the more variable one
PERIOD = 0.8 * SEQUENCE
SLOPE = np.random.default_rng(5).standard_normal(N) + SEQUENCE  # correlated with the nuisance
FACTOR = np.column_stack([SLOPE, np.cos(np.arange(N))])
SITE = np.arange(N) % 4
PAIRS = np.arange(40) // 2


def flips(statistic, seed):
    return sign_flips(len(statistic.design), 199, seed)


def shuffled(statistic, seed):
    return shuffles(statistic.design, 199, seed)


NULLS = {
    "mean of a crossover with a period effect": (
        lambda rng: noise(rng, 13, plus=2 * SEQUENCE[:13]),
        lambda: Student(np.ones(13), SEQUENCE[:13, None]),
        flips,
    ),
    "mean by re-randomised sequences": (
        # d = s D: a difference between sequences in differences between periods.
        lambda rng: noise(rng, 13, plus=2.0),
        lambda: Student(SEQUENCE[:13], np.ones((13, 1))),
        shuffled,
    ),
    "mean, pairs flipped whole": (
        lambda rng: [values.repeat(2, axis=0) + each for values, each in
                     zip(noise(rng, 20), noise(rng, 40), strict=True)],
        lambda: Student(np.ones(40), np.empty((40, 0))),
        lambda statistic, seed: sign_flips(40, 199, seed, PAIRS, whole=True),
    ),
    "groups of unequal size and variance, Welch": (
        lambda rng: noise(rng, N, scale=UNEQUAL, plus=PERIOD),
        lambda: Welch(GROUP, BOTH, CONTROLS),
        flips,
    ),
    "four variance groups, Welch": (
        lambda rng: noise(rng, N, scale=UNEQUAL * (1 + (SEQUENCE > 0)), plus=PERIOD),
        lambda: Welch(GROUP, BOTH, CONTROLS * 2 + (SEQUENCE > 0)),
        flips,
    ),
    "groups of equal variance, Welch, shuffled": (
        lambda rng: noise(rng, N, plus=PERIOD),
        lambda: Welch(GROUP, BOTH, CONTROLS),
        shuffled,
    ),
    "groups in subregions, Hotelling": (
        lambda rng: noise(rng, N, 2, scale=UNEQUAL, plus=PERIOD),
        lambda: Hotelling(GROUP, BOTH, 2),
        flips,
    ),
    "slope correlated with a nuisance, shuffled": (
        lambda rng: noise(rng, N, plus=PERIOD),
        lambda: Student(SLOPE, BOTH),
        shuffled,
    ),
    "slope with a variance that grows with the score": (
        lambda rng: noise(rng, N, scale=0.5 + np.abs(SLOPE), plus=PERIOD),
        lambda: Slope(SLOPE, BOTH),
        flips,
    ),
    "slope, shuffled within sites that differ": (
        lambda rng: noise(rng, N, plus=1.5 * SITE),
        lambda: Student(SLOPE, np.column_stack([np.ones(N), *(site == SITE for site in range(3))])),
        lambda statistic, seed: shuffles(statistic.design, 199, seed, SITE),
    ),
    "F of two columns, shuffled": (
        lambda rng: noise(rng, N, plus=PERIOD),
        lambda: Fisher(FACTOR, BOTH),
        shuffled,
    ),
    "F of two columns, flipped": (
        lambda rng: noise(rng, N, scale=UNEQUAL, plus=PERIOD),
        lambda: Fisher(FACTOR, BOTH),
        flips,
    ),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", NULLS)
def test_false_positives(name):
    n_sets = 600
    within_binomial(null_rates(*NULLS[name], n_sets), n_sets)


@pytest.mark.slow
def test_why_groups_are_not_shuffled_by_default():
    draw, make, _ = NULLS["groups of unequal size and variance, Welch"]
    hits = null_rates(draw, make, shuffled, 300)
    assert hits["p_voxel"] > stats.binom.ppf(0.9995, 300, 0.05)


@pytest.mark.parametrize(
    ("effect", "nuisance", "expected"),
    [
        ([-1.0] * 10 + [1.0] * 10, np.ones((20, 1)), 2),  # both orders exchanged: t turns its sign
        ([-1.0] * 9 + [1.0] * 11, np.ones((20, 1)), 1),
        ([-1.0] * 10 + [1.0] * 10, np.column_stack([np.ones(20), np.arange(20.0)]), 1),
    ],
)
def test_random_drawings_of_balanced_orders_have_a_mirror_image(effect, nuisance, expected):
    statistic = Student(np.array(effect), nuisance)
    arrangements = shuffles(statistic.design, 99, 0)
    assert not arrangements.exhaustive
    assert copies(statistic, arrangements, True) == expected
    assert copies(statistic, arrangements, False) == 1
