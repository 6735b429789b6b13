"""Whole analyses with the baseline of every period as a covariate, from maps to their record."""

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage

from crossfc.group.analysis import analyse
from crossfc.group.design.contrast import contrasts
from crossfc.group.design.model import model
from crossfc.group.design.pairs import Pairs, pair_sessions
from crossfc.group.design.question import names, question
from crossfc.group.design.side import Weighted
from crossfc.group.findings.leave_one_out import LeaveOneOut
from crossfc.group.findings.result import read_result
from crossfc.group.inference.given import Given, HotellingGiven
from crossfc.table import read_table
from tests.group.analysis_options import analysis_options
from tests.image import write_image

SHAPE = (8, 9, 7)
AFFINE = np.array([[-4.0, 0, 0, 16], [0, 4, 0, -16], [0, 0, 4, -12], [0, 0, 0, 1]])
GROUPS = {"patients": "MDD", "controls": "HV"}
SIDES = {"active": "drug post", "control": "placebo post"}
SEEDS = ["sgACC", "pgACC", "dACC"]
OPTIONS = {"permutations": 99, "seed": 1, "cluster_forming_p": 0.05}


def trial(folder, arms=False):
    """Two treatments with a baseline each; or two arms, whose baseline is part of the change."""
    rng = np.random.default_rng(8)

    def noise():
        return ndimage.gaussian_filter(rng.standard_normal(SHAPE), 0.7)

    people = []
    for number in range(22):
        of_person, group = noise(), "MDD" if number < 13 else "HV"
        person = {
            "participant_id": f"sub-{number:02}",
            "group": group,
            "sequence": "drug-placebo" if number % 2 else "placebo-drug",
            "score_MADRS_active": 10 + rng.integers(10),
            "score_MADRS_control": 20,
            "mean_fd_active": 0.1,
            "mean_fd_control": 0.2,
        }
        if not arms:
            person["sequence_code"] = -1 if number % 2 else 1
        paths = {}
        for side in ("active", "control"):
            of_day = 0.8 * noise()
            for occasion in ("pre", "post"):
                paths[side, occasion] = []
                for seed in SEEDS:
                    values = of_person + of_day + 0.5 * noise()
                    if (side, occasion, group) == ("active", "post", "MDD"):
                        values[2:5, 2:5, 2:5] += 0.8
                    path = folder / f"{number}_{side}_{occasion}_{seed}.nii.gz"
                    write_image(path, values.astype(np.float32), AFFINE)
                    paths[side, occasion].append(str(path))
        if arms:
            person["active"] = [Weighted(1.0, paths["active", "post"])]
            person["control"] = [Weighted(1.0, paths["active", "pre"])]
            person["baseline"] = [Weighted(1.0, paths["active", "pre"])]
        else:
            person["active"] = [Weighted(1.0, paths["active", "post"])]
            person["control"] = [Weighted(1.0, paths["control", "post"])]
            person["baseline"] = [
                Weighted(1.0, paths["active", "pre"]),
                Weighted(-1.0, paths["control", "pre"]),
            ]
        people.append(person)
    pair_sessions(
        people,
        SEEDS,
        SIDES,
        GROUPS,
        "primary",
        folder / "pairs",
        order=[] if arms else ["sequence_code"],
        arms=arms,
        baseline={"occasion": "pre", "within": not arms},
        fwhm_mm=0,
        zero_is_missing=False,
    )
    return folder / "pairs"


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    return trial(tmp_path_factory.mktemp("crossover"))


@pytest.fixture(scope="module")
def arms(tmp_path_factory):
    return trial(tmp_path_factory.mktemp("arms"), arms=True)


def voxels(folder, seed, stat, mask):
    values = nib.load(folder / f"seed-{seed}_stat-{stat}_statmap.nii.gz").get_fdata()
    return values[mask.get_fdata() > 0]


def least_squares(y, *columns):
    """The first coefficient, its t and its standard error."""
    model = np.column_stack(columns)
    coefficients, *_ = np.linalg.lstsq(model, y, rcond=None)
    rest = y - model @ coefficients
    variance = rest @ rest / (len(y) - model.shape[1])
    error = np.sqrt(variance * np.linalg.inv(model.T @ model)[0, 0])
    return coefficients[0], coefficients[0] / error, error


def test_the_baseline_is_the_contrast_of_baselines(pairs):
    own = Pairs.read(pairs)
    assert own.record["baseline"] == {"occasion": "pre", "within": True}
    mask = own.mask.get_fdata() > 0
    for row, number in ((0, "0"), (5, "5")):
        read = [
            nib.load(pairs.parent / f"{number}_{side}_pre_pgACC.nii.gz").get_fdata()[mask]
            for side in ("active", "control")
        ]
        assert own.baseline[row, 1] == pytest.approx(read[0] - read[1], abs=1e-6)


@pytest.mark.parametrize("name", ["drug_MDD", "drug_HV", "drug_MDD_pooled"])
def test_means_are_intercepts_given_order_and_baseline(pairs, tmp_path, name):
    result = analyse(name, pairs, tmp_path / name, analysis_options(**OPTIONS))
    own = Pairs.read(pairs)
    rows = (own.people["group"] == result["group"]).to_numpy()
    code = own.people["sequence_code"].to_numpy(float)[rows]
    assert result["model"] == "D ~ 1 + sequence + baseline(pre)"
    assert result["baseline"] == "pre" and result["arrangement"] == "re-randomisation"
    assert result["degrees_of_freedom"] == rows.sum() - 3
    for seed, part in {"pooled": slice(None)}.items() if "pooled" in name else [("pgACC", 1)]:
        y, b = (np.asarray(of[rows][:, part], dtype=float) for of in (own.delta, own.baseline))
        y, b = (of.mean(axis=1) if of.ndim == 3 else of for of in (y, b))
        t = voxels(tmp_path / name, seed, "t", own.mask)
        effect = voxels(tmp_path / name, seed, "effect", own.mask)
        for voxel in range(0, len(t), 41):
            expected = least_squares(y[:, voxel], np.ones(len(code)), code, b[:, voxel])
            assert (effect[voxel], t[voxel]) == pytest.approx(expected[:2], rel=1e-4)


def test_the_baseline_takes_off_what_days_have_in_common(pairs, tmp_path):
    """Scans of a day share most of the noise here, so the standard error is a good deal smaller."""
    analyse("drug_MDD", pairs, tmp_path / "with", analysis_options(**OPTIONS))
    without = Pairs.read(pairs)
    error = voxels(tmp_path / "with", "pgACC", "stderr", without.mask)
    y = np.asarray(without.delta[:13, 1], dtype=float)
    code = without.people["sequence_code"].to_numpy(float)[:13]
    plain = [least_squares(of, np.ones(13), code)[2] for of in y.T]
    assert np.mean(error / plain) < 0.8


@pytest.mark.parametrize("name", names(GROUPS, ["MADRS"]))
def test_every_analysis_is_written_and_says_its_baseline(pairs, tmp_path, name):
    result = analyse(name, pairs, tmp_path / name, analysis_options(**OPTIONS))
    assert result["estimable"] and read_result(tmp_path / name)["analysis"] == name
    given = name != "carryover"
    assert ("baseline" in result) == given == ("baseline(pre)" in result["model"])
    for part in result["seeds"]:
        for stat in ("effect", "puncorrected", "pfwevoxel", "pfwetfce", "partialrsq"):
            own = voxels(tmp_path / name, part, stat, Pairs.read(pairs).mask)
            assert np.isfinite(own).all()
    clusters = read_table(tmp_path / name / "clusters.tsv")
    if len(clusters):
        assert np.isfinite(clusters["effect_in_sample"]).all()


def test_arms_are_compared_given_the_baseline_itself(arms, tmp_path):
    """The comparison of D = post - pre given pre is that of post given pre; means have no pre."""
    mean = analyse("drug_MDD", arms, tmp_path / "mean", analysis_options(**OPTIONS))
    assert mean["model"] == "D ~ 1" and "baseline" not in mean
    result = analyse("group_by_drug", arms, tmp_path / "arms", analysis_options(**OPTIONS))
    assert result["model"] == "D ~ 1 + group + baseline(pre)"
    assert result["arrangement"] == "shuffles"
    own = Pairs.read(arms)
    first = np.where(own.people["group"] == "MDD", 0.5, -0.5)
    after = np.asarray(own.delta[:, 1] + own.baseline[:, 1], dtype=float)
    effect = voxels(tmp_path / "arms", "pgACC", "effect", own.mask)
    for voxel in range(0, len(effect), 41):
        columns = first, np.ones(len(first)), np.asarray(own.baseline[:, 1, voxel], dtype=float)
        assert effect[voxel] == pytest.approx(least_squares(after[:, voxel], *columns)[0], rel=1e-4)


def test_each_person_left_out_is_a_fit_of_the_others(pairs):
    own = Pairs.read(pairs)
    options = analysis_options(**OPTIONS)
    asked = question("drug_MDD", GROUPS, SIDES)
    built = model(asked, own.people, GROUPS, options, baseline=own.record["baseline"])
    data = contrasts(asked, own, built.rows, built.flip, own.baseline)[1]
    statistic = Given(built.effect, built.nuisance)
    leave = LeaveOneOut(statistic, data, np.zeros(data.shape[-1], bool))
    others = leave.without(4)
    keep = np.arange(13) != 4
    code = own.people["sequence_code"].to_numpy(float)[:13]
    for voxel in range(0, data.shape[-1], 53):
        y, b = (np.asarray(of[:13, 1, voxel], dtype=float) for of in (own.delta, own.baseline))
        columns = np.column_stack([np.ones(12), code[keep], b[keep]])
        coefficients = np.linalg.lstsq(columns, y[keep], rcond=None)[0]
        _, t, _ = least_squares(y[keep], *columns.T)
        assert others.values[voxel] == pytest.approx(t, rel=1e-5)
        # Data are multiplied by the order's code where orders are drawn again.
        adjusted = (y[4] - coefficients[2] * b[4]) * built.flip[4]
        assert others.left[0, voxel] == pytest.approx(adjusted, rel=1e-4, abs=1e-5)
    assert leave.effect_in(np.array([7])) == pytest.approx(statistic.fit(data).effect[7])


def test_adjusting_several_measures_is_a_fit_of_each():
    rng = np.random.default_rng(2)
    data = rng.normal(size=(15, 4, 3))
    statistic = HotellingGiven(np.ones(15), np.empty((15, 0)), 2, 2)
    person = rng.normal(size=(4, 3))
    found = statistic.adjusted(data, person)
    for measure, voxel in np.ndindex(found.shape):
        columns = np.column_stack([np.ones(15), data[:, 2:, voxel]])
        slopes = np.linalg.lstsq(columns, data[:, measure, voxel], rcond=None)[0][1:]
        expected = person[measure, voxel] - slopes @ person[2:, voxel]
        assert found[measure, voxel] == pytest.approx(expected)
