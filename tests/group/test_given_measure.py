"""Whole analyses given the change of a measure of the scan, from maps to their record."""

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage

from crossfc.clinic.order import group_difference
from crossfc.fault import Fault
from crossfc.group.analysis import analyse
from crossfc.group.design.arrangement import sign_flips
from crossfc.group.design.pairs import Pairs, pair_sessions
from crossfc.group.design.question import names, question
from crossfc.group.findings.result import read_result
from crossfc.group.region_mean import mean_test
from crossfc.measure import GIVEN
from crossfc.table import read_table
from tests.group.analysis_options import analysis_options
from tests.image import write_image

SHAPE = (9, 9, 8)
AFFINE = np.diag([4.0, 4.0, 4.0, 1.0])
GROUPS = {"patients": "TRD", "controls": "HV"}
SIDES = {"active": "drug", "control": "placebo"}
SEEDS = ["sgACC", "pgACC"]
N = {"TRD": 20, "HV": 16}
OPTIONS = {"permutations": 199, "seed": 1, "cluster_forming_p": 0.01}
# Of the first seed: the drug moves the head and that changes connectivity; the drug changes it.
PATH = (slice(0, 4), slice(0, 4), slice(0, 4))
BESIDE = (slice(5, 9), slice(5, 9), slice(4, 8))
OF_GROUP = ["drug_TRD", "drug_HV", "drug_TRD_pooled", "drug_HV_pooled"]
BETWEEN = ["group_by_drug", "group_by_drug_pooled"]


def trial(folder):
    """Two groups, of which the drug moves the head of one; every period has an effect."""
    rng = np.random.default_rng(4)

    def noise():
        return ndimage.gaussian_filter(rng.standard_normal(SHAPE), 0.8)

    people = []
    for number, group in enumerate(["TRD"] * N["TRD"] + ["HV"] * N["HV"]):
        first = number % 2 == 0
        moved = 0.35 * (group == "TRD") + rng.normal(0, 0.15) + (0.05 if first else -0.05)
        person = {
            "participant_id": f"sub-{number:02}",
            "group": group,
            "sequence": "drug-placebo" if first else "placebo-drug",
            "mean_fd_active": 0.8 + moved,
            "mean_fd_control": 0.8,
            "delta_heart_rate": np.nan if number in (3, 30) else rng.normal(5, 5),
            "delta_head_pitch": 1.5,
        }
        for side in ("active", "control"):
            person[side] = []
            for seed in SEEDS:
                values = noise() * 0.5 + (0.1 if first == (side == "active") else 0)
                if (side, seed) == ("active", SEEDS[0]):
                    values[PATH] += 2.5 * moved
                    values[BESIDE] += 0.5 * (group == "TRD")
                path = folder / f"{number}_{side}_{seed}.nii.gz"
                write_image(path, values.astype(np.float32), AFFINE)
                person[side].append(str(path))
        people.append(person)
    pair_sessions(
        people, SEEDS, SIDES, GROUPS, "primary", folder / "pairs", fwhm_mm=0, zero_is_missing=False
    )
    return folder / "pairs"


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    return trial(tmp_path_factory.mktemp("trial"))


@pytest.fixture(scope="module")
def found(pairs, tmp_path_factory):
    """Both kinds of analyses of every question that can be given a measure."""
    folder = tmp_path_factory.mktemp("results")
    for name in [*OF_GROUP, *BETWEEN]:
        for asked in (name, f"{name}_given_mean_fd"):
            analyse(asked, pairs, folder / asked, analysis_options(**OPTIONS))
    return folder


def image(folder, stat, seed=SEEDS[0]):
    return nib.load(folder / f"seed-{seed}_stat-{stat}_statmap.nii.gz").get_fdata()


def fit(y, *columns):
    """The first coefficient, its t and what is left, by least squares."""
    model = np.column_stack(columns)
    coefficients, *_ = np.linalg.lstsq(model, y, rcond=None)
    rest = y - model @ coefficients
    variance = rest @ rest / (len(y) - model.shape[1])
    error = np.sqrt(variance * np.linalg.inv(model.T @ model)[0, 0])
    return coefficients[0], coefficients[0] / error, rest


def test_analyses_are_given_measures_where_they_are_asked_for():
    plain = names(GROUPS, ["MADRS"], n_seeds=2)
    both = names(GROUPS, ["MADRS"], n_seeds=2, given=["mean_fd", "heart_rate"])
    assert [name for name in both if "_given_" not in name] == plain
    own = [name for name in both if "_given_" in name]
    wanted = ["drug_TRD", "drug_HV", "drug_TRD_pooled", "drug_HV_pooled", *BETWEEN]
    assert own == [f"{name}_given_{m}" for m in ("mean_fd", "heart_rate") for name in wanted]
    # Three groups are compared all at once given a measure; pairs are corrected among themselves.
    three = GROUPS | {"group_3": "MDD"}
    own = [name for name in names(three, given=["mean_fd"]) if name.startswith("group_by")]
    assert [name for name in own if "_given_" in name] == [f"{n}_given_mean_fd" for n in BETWEEN]
    one = names({"patients": "TRD"}, n_seeds=1, contrast="low", given=["mean_fd"])
    assert "low_TRD_given_mean_fd" in one and not any("pooled" in name for name in one)


def test_the_question_says_what_is_given():
    asked = question("drug_TRD_given_mean_fd", GROUPS, SIDES)
    assert (asked.given, asked.kind, asked.group) == ("mean_fd", "drug", "TRD")
    assert asked.title == "Drug in TRD, given the change of mean FD"
    assert asked.text == (
        "In TRD, does connectivity differ between drug and placebo, where mean FD does not change?"
    )
    asked = question("group_by_low_pooled_given_heart_rate", GROUPS, SIDES, "low")
    assert (asked.given, asked.kind, asked.contrast) == (
        "heart_rate", "group_by_drug_pooled", "low",
    )  # fmt: skip
    assert asked.text.endswith("differ between TRD and HV, at an equal change of heart rate?")
    for name in ("drug_TRD_given_age", "carryover_given_mean_fd", "drug_TRD_by_subregion_given_x"):
        with pytest.raises(Fault, match="there is no analysis"):
            question(name, GROUPS, SIDES)
    # A group may be called so.
    odd = question("drug_x_given_mean_fd", {"patients": "x_given_mean_fd"}, SIDES)
    assert (odd.group, odd.given) == ("x_given_mean_fd", "")


def test_a_mean_given_the_measure_is_the_intercept_by_least_squares(pairs, found):
    own = Pairs.read(pairs)
    for group in N:
        rows = (own.people["group"] == group).to_numpy()
        columns = ["sequence_code", GIVEN["mean_fd"].change]
        code, moved = own.people[columns].to_numpy(float)[rows].T
        folder = found / f"drug_{group}_given_mean_fd"
        t, effect = image(folder, "t").ravel(), image(folder, "effect").ravel()
        for voxel in range(0, len(t), 29):
            y = np.asarray(own.delta[rows, 0, voxel], dtype=float)
            expected = fit(y, np.ones(len(y)), code, moved)[:2]
            assert (effect[voxel], t[voxel]) == pytest.approx(expected, rel=1e-4)


def test_its_p_is_that_of_flipped_residuals_by_brute_force(pairs, found):
    own = Pairs.read(pairs)
    rows = (own.people["group"] == "TRD").to_numpy()
    code = own.people["sequence_code"].to_numpy(float)[rows]
    moved = own.people["delta_mean_fd"].to_numpy(float)[rows]
    signs = sign_flips(len(code), 199, 1, None, False).signs
    p = image(found / "drug_TRD_given_mean_fd", "puncorrected").ravel()
    one, told = np.ones(len(code)), []
    for voxel in range(0, len(p), 53):
        y = np.asarray(own.delta[rows, 0, voxel], dtype=float)
        t = fit(y, one, code, moved)[1]
        rest = fit(y, code, moved)[2]
        null = np.array([fit(flip * rest, one, code, moved)[1] for flip in signs])
        told.append(np.mean(np.abs(null) >= np.abs(t) - 1e-9))
        assert p[voxel] == pytest.approx(told[-1], abs=1e-6)
    assert len(set(told)) > 5


def test_groups_given_the_measure_are_compared_as_at_table_level(pairs, found):
    own = Pairs.read(pairs)
    first = (own.people["group"] == "TRD").to_numpy()
    columns = ["sequence_code", "delta_mean_fd"]
    nuisance = np.column_stack([np.ones(len(first)), own.people[columns].to_numpy(float)])
    asked, options = (
        question("group_by_drug_given_mean_fd", GROUPS, SIDES),
        analysis_options(**OPTIONS),
    )
    effect = image(found / asked.name, "effect").ravel()
    for voxel in range(0, len(effect), 41):
        y = np.asarray(own.delta[:, 0, voxel], dtype=float)
        expected = fit(y, np.where(first, 0.5, -0.5), nuisance)[0]
        assert effect[voxel] == pytest.approx(expected, rel=1e-4)
        told = mean_test(asked, own, np.array([voxel]), [0], options)
        tabled = group_difference(y, first, nuisance)[0]
        assert (told.estimate, told.low, told.high, told.value, told.df) == pytest.approx(
            (tabled.estimate, tabled.low, tabled.high, tabled.t, tabled.df), rel=1e-4, abs=1e-6
        )


def test_what_goes_through_the_measure_vanishes_and_what_is_beside_it_stays(found):
    for name in ("drug_TRD", "group_by_drug"):
        plain, given = found / name, found / f"{name}_given_mean_fd"
        for place in (PATH, BESIDE):
            assert np.median(image(plain, "pfwecluster")[place]) < 0.05
        assert np.median(image(given, "pfwecluster")[BESIDE]) < 0.05
        assert image(given, "pfwecluster")[PATH].min() > 0.05
        left = image(given, "effect")[PATH].mean() / image(plain, "effect")[PATH].mean()
        stays = image(given, "effect")[BESIDE].mean() / image(plain, "effect")[BESIDE].mean()
        assert abs(left) < 0.3 and 0.7 < stays < 1.4
    # Nothing happens beside the head in healthy people, and the drug does not move it.
    clusters = read_table(found / "drug_HV_given_mean_fd" / "clusters.tsv")
    assert not (clusters["p_fwe_cluster"] < 0.05).any()


def test_what_is_left_in_a_region_has_an_interval(pairs):
    own = Pairs.read(pairs)
    inside = np.zeros(SHAPE, dtype=bool)
    inside[PATH] = True
    options = analysis_options(**OPTIONS)
    numbers = np.flatnonzero(inside)
    plain = mean_test(question("drug_TRD", GROUPS, SIDES), own, numbers, [0], options)
    given = mean_test(question("drug_TRD_given_mean_fd", GROUPS, SIDES), own, numbers, [0], options)
    assert plain.low > 0 and given.low < 0 < given.high and given.p > 0.05
    assert given.adjusted_for == "sequence_code, delta_mean_fd"


def test_the_record_says_what_is_given(found):
    for name in [*OF_GROUP, *BETWEEN]:
        plain, given = (read_result(found / own) for own in (name, f"{name}_given_mean_fd"))
        assert "given" not in plain and "mean_fd" not in plain["model"]
        assert given["given"] == "mean_fd" and given["model"].endswith(" + delta_mean_fd")
        assert given["arrangement"] == "sign flips" and given["covariates"] == []
        note = next(text for text in given["notes"] if text.startswith("The change of mean FD"))
        assert ("where mean FD does not change" in note) == (name in OF_GROUP)
        assert ("at an equal change of mean FD" in note) == (name in BETWEEN)
        assert "that part of its effect is taken off too" in note
    assert read_result(found / "drug_TRD")["arrangement"] == "re-randomisation"


def test_orders_are_not_drawn_again_even_where_the_config_asks_for_it(pairs, tmp_path):
    options = analysis_options(**OPTIONS, drug_arrangement="re-randomisation")
    result = analyse("drug_TRD_given_mean_fd", pairs, tmp_path / "own", options)
    assert result["arrangement"] == "sign flips"


def test_who_lacks_the_measure_leaves_that_analysis_by_name(pairs, tmp_path):
    options = analysis_options(**OPTIONS)
    result = analyse("drug_TRD_given_heart_rate", pairs, tmp_path / "one", options)
    assert result["n"] == {"TRD": N["TRD"] - 1}
    assert result["left"] == [
        {"participant_id": "sub-03", "group": "TRD", "reason": "no heart rate in every session"}
    ]
    both = analyse("group_by_drug_given_heart_rate", pairs, tmp_path / "both", options)
    assert [row["participant_id"] for row in both["left"]] == ["sub-03", "sub-30"]
    # Nobody has it, or it changed by as much in everybody: the other analyses go on.
    nobody = analyse("drug_TRD_given_respiration_rate", pairs, tmp_path / "nobody", options)
    assert (
        not nobody["estimable"]
        and "nobody has respiration rate in every session" in nobody["notes"][0]
    )
    assert nobody["given"] == "respiration_rate" and len(nobody["left"]) == N["TRD"]
    same = analyse("drug_TRD_given_head_pitch", pairs, tmp_path / "same", options)
    assert not same["estimable"]
    assert "the change of head pitch is the same in all 20 people" in same["notes"][0]
