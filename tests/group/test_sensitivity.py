"""What maps could have found, held against every permutation done again for each planted effect."""

from dataclasses import asdict

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from scipy import ndimage, stats

from crossfc import atomic
from crossfc.group.design.contrast import contrasts
from crossfc.group.design.model import model
from crossfc.group.design.pairs import Pairs, pair_sessions
from crossfc.group.design.question import question
from crossfc.group.estimation import arrangements_of, statistic_of
from crossfc.group.inference.detection import Detector, Noise, critical_values, smallest_sizes
from crossfc.group.inference.permutation import infer
from crossfc.group.sensitivity import (
    COLUMNS,
    blob_at,
    flips,
    null_test,
    quantile,
    sensitivity_table,
    share_interval,
)
from tests.group.analysis_options import analysis_options
from tests.image import write_image

SHAPE = (11, 12, 10)
AFFINE = np.array([[-4.0, 0, 0, 20], [0, 4, 0, -24], [0, 0, 4, -20], [0, 0, 0, 1]])
GROUPS = {"patients": "TRD", "controls": "HV"}
TREATMENTS = {"active": "ketamine", "control": "placebo"}
SEEDS = ["sgACC", "dACC"]
MEASURES = ("voxel", "extent", "mass", "tfce")
FLIPS = {"permutations": 199, "seed": 1, "cluster_forming_p": 0.01,
         "drug_arrangement": "sign flips"}  # fmt: skip
OPTIONS = asdict(analysis_options(**FLIPS))
DRAWN = FLIPS | {"drug_arrangement": "re-randomisation"}


def make_pairs(folder, sizes, effect=0.0, baseline=False, sd=0.2):
    """Pairs of a trial without an effect of the drug, or with one in a corner."""
    rng = np.random.default_rng(5)
    people = []
    kinds = ("active", "control", *(("baseline",) if baseline else ()))
    for number, label in enumerate(["TRD"] * sizes[0] + ["HV"] * sizes[1]):
        first = number % 2 == 0
        person = {
            "participant_id": f"sub-{number:02}",
            "group": label,
            "sequence": "ketamine-placebo" if first else "placebo-ketamine",
        }
        for kind in kinds:
            person[kind] = []
            for seed in SEEDS:
                values = ndimage.gaussian_filter(rng.standard_normal(SHAPE), 0.8) * 2 * sd
                values += 0.1 if (kind == "active") == first else 0
                values[:4, :4, :4] += effect if kind == "active" else 0
                path = folder / f"{number}_{kind}_{seed}.nii.gz"
                write_image(path, values.astype(np.float32), AFFINE)
                person[kind].append(str(path))
        people.append(person)
    occasion = {"occasion": "day0", "within": True} if baseline else None
    pair_sessions(
        people, SEEDS, TREATMENTS, GROUPS, "primary", folder / "pairs", fwhm_mm=6,
        zero_is_missing=False, baseline=occasion,
    )  # fmt: skip
    return folder / "pairs"


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    return make_pairs(tmp_path_factory.mktemp("trial"), (14, 12))


def prepared(name, pairs_dir, options):
    """The parts of an analysis."""
    pairs = Pairs.read(pairs_dir)
    asked = question(name, GROUPS, TREATMENTS)
    design = model(asked, pairs.people, GROUPS, options)
    statistic = statistic_of(asked, design, 1)
    arrangements = arrangements_of(asked, design, statistic, options)
    mask = np.asarray(pairs.mask.dataobj) != 0
    data = contrasts(asked, pairs, design.rows, design.flip)
    noises = [
        Noise(d, statistic, statistic, pairs_dir.parent / f"{name}-{number}")
        for number, d in enumerate(data)
    ]
    return design, statistic, arrangements, mask, noises


def whole_test(statistic, arrangements, mask, maps):
    return infer(
        maps, statistic, arrangements, mask, cluster_forming_p=0.01, connectivity=26, tfce=True,
        tail=False,
    )  # fmt: skip


def found_by_all(told, seed, blob):
    """By which measures the whole test finds a positive effect in the core of a blob."""
    p = dict(zip(MEASURES, (told.p_voxel, told.p_cluster, told.p_mass, told.p_tfce), strict=True))
    positive = told.statistic[seed][blob.core] > 0
    return {m: bool((p[m][seed][blob.core][positive] < 0.05).any()) for m in MEASURES}


def planted(noises, seed, signs, blob, size):
    """The maps of a study with an effect in the map of one seed."""
    return [noise.study(signs, blob, size if k == seed else 0.0) for k, noise in enumerate(noises)]


@pytest.mark.parametrize(
    ("name", "options"),
    [("drug_TRD", FLIPS), ("drug_TRD", DRAWN), ("group_by_drug", FLIPS)],
)
def test_with_its_own_null_an_effect_is_found_where_the_whole_test_finds_it(pairs, name, options):
    """Everything but the null: signs, planting, statistic, clusters, enhancement, limits."""
    design, statistic, arrangements, mask, noises = prepared(
        name, pairs, analysis_options(**options)
    )
    rng = np.random.default_rng(2)
    signs, centres = flips(design, 8, rng), np.argwhere(mask)
    seen = set()
    for number, own in enumerate(signs):
        blob = blob_at(centres[rng.integers(len(centres))], mask, AFFINE, 8.0, 6.0)
        seed, size = number % 2, (0.15, 0.25, 0.4, 0.6)[number // 2]
        told = whole_test(statistic, arrangements, mask, planted(noises, seed, own, blob, size))
        heights = noises[seed].heights(own[None])[0]
        heights[blob.voxels] = noises[seed].planted(own, blob, size)
        np.testing.assert_allclose(heights, told.statistic[seed], rtol=2e-4, atol=2e-4)
        detector = Detector(critical_values(told, 0.05), told.forming_threshold, mask, 26)
        assert detector.found(heights, blob) == found_by_all(told, seed, blob)
        seen |= set(detector.found(heights, blob).values())
    assert seen == {True, False}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "options"),
    [("drug_TRD", FLIPS), ("drug_TRD", DRAWN), ("group_by_drug", FLIPS)],
)
def test_the_null_of_the_residuals_stands_for_that_of_every_planted_effect(pairs, name, options):
    """The measured figures are in docs/statistics.md."""
    few = analysis_options(**options | {"permutations": 249})
    design, statistic, arrangements, mask, noises = prepared(name, pairs, few)
    rng = np.random.default_rng(3)
    nulls = [
        null_test(noises, own, statistic, arrangements, mask, few, pairs.parent)
        for own in flips(design, 4, rng)
    ]
    limits = [critical_values(null, 0.05) for null in nulls]
    critical = {m: float(np.mean([limit[m] for limit in limits])) for m in MEASURES}
    detector = Detector(critical, nulls[0].forming_threshold, mask, 26)
    # The whole test has more of them.
    many = analysis_options(**options | {"permutations": 499, "seed": 7})
    arrangements = prepared(name, pairs, many)[2]
    signs, centres, sizes = flips(design, 40, rng), np.argwhere(mask), (0.15, 0.25)
    both = {m: [] for m in MEASURES}
    for number, own in enumerate(signs):
        blob = blob_at(centres[rng.integers(len(centres))], mask, AFFINE, 8.0, 6.0)
        seed = number % 2
        heights = noises[seed].heights(own[None])[0]
        least = smallest_sizes(noises[seed], detector, heights, own, blob, sizes)
        for size in sizes:
            told = whole_test(statistic, arrangements, mask, planted(noises, seed, own, blob, size))
            for m, again in found_by_all(told, seed, blob).items():
                both[m].append((least[m] <= size, again))
    for m, pairs_of_answers in both.items():
        quick, brute = np.array(pairs_of_answers).T
        assert (quick == brute).mean() >= 0.95, m
        assert abs(quick.mean() - brute.mean()) <= 0.05, m


def test_power_in_one_voxel_is_that_of_the_t_test(tmp_path):
    """By the noncentral t, as statsmodels has it."""
    power = pytest.importorskip("statsmodels.stats.power").TTestPower()
    rng = np.random.default_rng(0)
    n, repeats = 40, 400
    delta = rng.standard_normal((n, 1, 1)).astype(np.float32)
    people = pd.DataFrame(
        {
            "participant_id": [f"sub-{i:02}" for i in range(n)],
            "group": "TRD",
            "sequence": "n/a",
            "sequence_code": np.nan,
        }
    )
    record = {
        "seeds": ["a"], "contrast": "drug", "effect": "drug", "order": ["sequence_code"],
        "arms": False, "treatments": TREATMENTS, "groups": {"patients": "TRD", "controls": None},
        "pipeline": "p", "level": "maps", "fwhm_mm": 0,
    }  # fmt: skip
    np.save(tmp_path / "delta.npy", delta)
    atomic.write_table(tmp_path / "people.tsv", people)
    atomic.write_json(tmp_path / "pairs.json", record)
    nib.save(nib.Nifti1Image(np.ones((1, 1, 1), np.uint8), np.eye(4)), tmp_path / "mask.nii.gz")
    options = OPTIONS | {"permutations": 999, "tfce": False}
    sd = float(delta.std(ddof=1))
    sizes = [0.2 * sd, 0.4 * sd, 0.5 * sd, 0.8 * sd]
    choices = {"radius_mm": 1, "sizes": sizes, "repeats": repeats}
    table, notes = sensitivity_table(
        {"drug_TRD": {"options": options, "people": []}}, {"drug_TRD": tmp_path}, choices
    )
    assert not notes
    own = table[table["measure"] == "voxel"]
    for row, size in zip(own.to_dict("records"), sizes, strict=True):
        # One-sided, as a finding in the wrong direction is none.
        expected = power.power(size / sd, n, 0.025, alternative="larger")
        assert (
            abs(row["power"] - expected) < 3 * np.sqrt(expected * (1 - expected) / repeats) + 0.01
        )
    size = power.solve_power(None, n, 0.025, 0.8, alternative="larger") * sd
    # Its own error of 2 %, and as much from 999 permutations, whose limit of t is known to 0.06.
    assert row["smallest"] == pytest.approx(size, rel=0.08)
    assert 0 < row["smallest_high"] - row["smallest_low"] < 0.15 * size


def test_residuals_have_the_variance_of_errors(pairs):
    """The variance over all signs is that of the sandwich HC2, as statsmodels has it."""
    linear_model = pytest.importorskip("statsmodels.api")
    own = Pairs.read(pairs)
    design, _, _, _, noises = prepared("group_by_drug", pairs, analysis_options(**FLIPS))
    columns = np.column_stack([design.effect, design.nuisance])
    values = np.asarray(own.delta[design.rows, 0, 7], float)
    expected = linear_model.OLS(values, columns).fit(cov_type="HC2").bse[0] ** 2
    weights = np.linalg.pinv(columns)[0]
    noise = np.asarray(noises[0].data[:, 7], float)
    assert np.sum(np.square(weights * noise)) == pytest.approx(expected, rel=0.02)
    np.testing.assert_allclose(design.nuisance.T @ noise, 0, atol=1e-5)


def test_a_blob_is_a_sphere_smoothed_inside_the_mask():
    mask = np.ones((15, 14, 13), bool)
    mask[:, :, :4] = False
    centre = np.array([7, 7, 6])
    affine = np.diag([-3.0, 4.0, 3.5, 1.0])
    blob = blob_at(centre, mask, affine, 8.0, 6.0)
    places = np.argwhere(np.ones_like(mask)).reshape(*mask.shape, 3)
    sphere = mask & (np.linalg.norm((places - centre) * [3, 4, 3.5], axis=-1) <= 8)
    sigma = 6 / np.sqrt(8 * np.log(2)) / np.array([3, 4, 3.5])
    smooth = ndimage.gaussian_filter(sphere.astype(float), sigma, mode="constant")
    weight = ndimage.gaussian_filter(mask.astype(float), sigma, mode="constant")
    smooth[mask] /= weight[mask]
    found = np.zeros(mask.sum())
    found[blob.voxels] = blob.weights
    np.testing.assert_allclose(found, smooth[mask], atol=2e-4)
    assert len(blob.core) < len(blob.voxels) < mask.sum()
    plain = blob_at(centre, mask, affine, 8.0, 0.0)
    assert len(plain.voxels) == sphere.sum() and (plain.weights == 1).all()


def test_intervals_are_those_of_scipy_and_of_order_statistics():
    for found, n in ((0, 20), (16, 20), (20, 20), (163, 200)):
        low, high = stats.binomtest(found, n).proportion_ci(method="exact")
        assert share_interval(found, n) == pytest.approx((low, high))
    values = np.random.default_rng(0).permutation(np.arange(1.0, 201))
    middle, low, high = quantile(values, 0.8)
    assert middle == 160
    # The limits leave at most 2.5 % beyond each.
    assert stats.binom.cdf(low - 1, 200, 0.8) <= 0.025 < stats.binom.cdf(low, 200, 0.8)
    assert stats.binom.sf(high - 1, 200, 0.8) <= 0.025
    assert quantile(np.r_[values[:100], np.full(100, np.inf)], 0.8)[0] == np.inf
    assert quantile(values[:4], 0.8)[2] == np.inf


def table_of(pairs_dir, names, **chosen):
    analyses = {name: {"options": OPTIONS | chosen, "people": []} for name in names}
    choices = {"radius_mm": 8, "sizes": [0.4, 0.2, 0.8], "repeats": 24}
    return sensitivity_table(analyses, dict.fromkeys(names, pairs_dir), choices)


def test_a_table_has_power_by_size_and_does_not_depend_on_other_analyses(pairs):
    table, notes = table_of(pairs, ["drug_TRD", "group_by_drug"])
    assert list(table) == COLUMNS and not notes
    assert len(table) == 2 * 4 * 3
    for _, own in table.groupby(["analysis", "measure"]):
        assert list(own["delta_z"]) == [0.2, 0.4, 0.8]
        assert own["power"].is_monotonic_increasing and own["power"].iloc[-1] > 0.8
        assert ((own["power_low"] <= own["power"]) & (own["power"] <= own["power_high"])).all()
        assert own["smallest"].nunique() == 1
        enough = own["delta_z"][own["power"] >= 0.8].iloc[0]
        assert own["smallest"].iloc[0] <= enough
    alone, _ = table_of(pairs, ["group_by_drug"])
    again = table[table["analysis"] == "group_by_drug"].reset_index(drop=True)
    pd.testing.assert_frame_equal(alone, again)


def test_too_few_arrangements_find_nothing_of_any_size(tmp_path):
    small = make_pairs(tmp_path, (5, 0))
    table, _ = table_of(small, ["drug_TRD"])
    assert (table["power"] == 0).all() and np.isinf(table["smallest"]).all()


def test_what_cannot_be_estimated_says_why(tmp_path, pairs):
    small = make_pairs(tmp_path, (5, 0))
    table, notes = table_of(small, ["group_by_drug"])
    assert len(table) == 1 and "cannot be estimated" in table["because"][0]
    assert notes == [f"group_by_drug: {table['because'][0]}"]


def test_a_baseline_by_voxel_stays_a_covariate(tmp_path):
    folder = make_pairs(tmp_path, (14, 0), baseline=True)
    design_record = Pairs.read(folder).record
    assert design_record["baseline"]["occasion"] == "day0"
    table, notes = table_of(folder, ["drug_TRD"])
    assert not notes and (table[table["delta_z"] == 0.8]["power"] > 0.8).all()
