"""Three groups: F over all of them, pairs, seeds, carry-over, from maps on the disk to tables."""

import json

import nibabel as nib
import numpy as np
import pytest
import statsmodels.api as sm
from scipy import ndimage

from crossfc import atomic
from crossfc.group.analysis import analyse
from crossfc.group.design.pairs import Pairs, pair_sessions
from crossfc.group.design.question import names
from crossfc.group.findings.pairs_of_groups import pairs_table
from crossfc.group.findings.result import read_result
from crossfc.table import read_table
from tests.group.analysis_options import analysis_options
from tests.image import write_image

SHAPE = (9, 9, 8)
GROUPS = {"patients": "TRD", "controls": "BP", "group_3": "HV"}
COUNTS = {"TRD": 7, "BP": 9, "HV": 12}
TREATMENTS = {"active": "ketamine", "control": "placebo"}
SEEDS = ["sgACC", "pgACC"]
PLACE = (slice(3, 7), slice(3, 7), slice(2, 6))
OPTIONS = {"permutations": 199, "seed": 1, "cluster_forming_p": 0.01, "tfce": False}


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    """People of three groups; in TRD ketamine changes the maps of one seed."""
    folder, rng = tmp_path_factory.mktemp("trial"), np.random.default_rng(8)
    labels = [label for label, n in COUNTS.items() for _ in range(n)]
    people = []
    for number, label in enumerate(labels):
        orders = list(TREATMENTS.values())[:: 1 - 2 * (number % 2)]
        person = {
            "participant_id": f"sub-{number:02}",
            "group": label,
            "sequence": "-".join(orders),
        }
        for side, treatment in TREATMENTS.items():
            person[side] = []
            for seed in SEEDS:
                values = ndimage.gaussian_filter(rng.standard_normal(SHAPE), 1)
                values *= 0.4 if label == "TRD" else 0.2
                values += 0.1 * (treatment == orders[1])
                if (label, side, seed) == ("TRD", "active", "sgACC"):
                    values[PLACE] += 0.4
                path = folder / f"{number}_{side}_{seed}.nii.gz"
                write_image(path, values.astype(np.float32), np.diag([4.0, 4, 4, 1]))
                person[side].append(str(path))
        people.append(person)
    pair_sessions(
        people, SEEDS, TREATMENTS, GROUPS, "primary", folder / "pairs", fwhm_mm=0,
        zero_is_missing=False,
    )  # fmt: skip
    return folder / "pairs"


@pytest.fixture(scope="module")
def results(pairs, tmp_path_factory):
    folder = tmp_path_factory.mktemp("results")
    for name in names(GROUPS, n_seeds=2):
        if not name.startswith("drug_"):
            analyse(name, pairs, folder / name, analysis_options(**OPTIONS))
    return folder


def data_of(pairs):
    read = Pairs.read(pairs)
    return read.people, np.asarray(read.delta, dtype=float)


def weighted_f(y, group, code):
    """Welch's F of three groups with the order in the model, by its definition in one voxel."""
    labels = list(COUNTS)
    model = np.column_stack([*[(group == label) * 1.0 for label in labels], code])
    forming = np.eye(len(y)) - model @ np.linalg.pinv(model)
    residual, weight = forming @ y, np.empty(len(y))
    freedom = {}
    for label in labels:
        own = group == label
        freedom[label] = np.trace(forming[np.ix_(own, own)])
        weight[own] = freedom[label] / np.sum(residual[own] ** 2)
    contrast = np.array([[1, -1, 0, 0], [0, 1, -1, 0]])
    psi = contrast @ np.linalg.pinv(model) @ y
    spread = contrast @ np.linalg.inv((model.T * weight) @ model) @ contrast.T
    share = {label: weight[group == label].sum() / weight.sum() for label in labels}
    total = sum((1 - share[label]) ** 2 / freedom[label] for label in labels)
    return psi @ np.linalg.solve(spread, psi) / (2 * (1 + 2 / 8 * total)), 8 / (3 * total)


def statmap(folder, seed, stat, pairs):
    mask = np.asarray(Pairs.read(pairs).mask.dataobj) != 0
    return nib.load(folder / f"seed-{seed}_stat-{stat}_statmap.nii.gz").get_fdata()[mask]


def test_f_is_that_of_all_groups(pairs, results):
    folder = results / "group_by_drug"
    record = read_result(folder)
    assert record["statistic_name"] == "Welch's F" and record["n"] == COUNTS
    assert record["model"] == "D ~ 1 + group + sequence" and not record["two_sided"]
    assert record["groups"] == list(COUNTS) and record["arrangement"] == "sign flips"
    people, delta = data_of(pairs)
    group, code = people["group"].to_numpy(), people["sequence_code"].to_numpy(float)
    f = statmap(folder, "pgACC", "F", pairs)
    for voxel in range(0, len(f), 37):
        expected, _ = weighted_f(delta[:, 1, voxel], group, code)
        np.testing.assert_allclose(f[voxel], expected, rtol=1e-5)
    # The standard deviation over people of what the groups explain, beyond the order.
    y, design = delta[:, 0, 40], np.column_stack([np.ones(len(group)), code])
    columns = (group[:, None] == list(COUNTS)).astype(float)
    full = np.column_stack([columns, code])
    gained = full @ np.linalg.lstsq(full, y)[0] - design @ np.linalg.lstsq(design, y)[0]
    effect = statmap(folder, "sgACC", "effect", pairs)
    np.testing.assert_allclose(effect[40], gained.std(), rtol=1e-5)
    assert not list(folder.glob("*hedgesg*")) and not list(folder.glob("*stderr*"))
    clusters = read_table(folder / "clusters.tsv")
    planted = clusters[clusters["seed"] == "sgACC"].iloc[0]
    assert planted["p_fwe_cluster"] <= 0.05 and planted["sign"] == "+"
    assert np.isfinite(planted[[f"mean_{label}_ketamine" for label in COUNTS]].astype(float)).all()
    assert planted["n_folds"] > 20 and planted["effect_loo"] > 0


def test_a_pair_is_a_comparison_of_its_two_groups(pairs, results, tmp_path):
    """The same maps, model and p as in a trial without the third group."""
    read = Pairs.read(pairs)
    two = read.people["group"].isin(["TRD", "HV"]).to_numpy()
    folder = tmp_path / "pairs"
    folder.mkdir()
    for name in ("delta", "total"):
        np.save(folder / f"{name}.npy", np.load(pairs / f"{name}.npy")[two])
    nib.save(read.mask, folder / "mask.nii.gz")
    atomic.write_table(folder / "people.tsv", read.people[two])
    record = read.record | {"groups": {"patients": "TRD", "controls": "HV"}, "n_people": 19}
    (folder / "pairs.json").write_text(json.dumps(record))
    analyse("group_by_drug", folder, tmp_path / "of_two", analysis_options(**OPTIONS))
    pair, alone = results / "group_by_drug_TRD_HV", tmp_path / "of_two"
    for stat in ("t", "effect", "pfwevoxel", "pfwecluster", "hedgesg"):
        ours, theirs = (statmap(of, "sgACC", stat, pairs) for of in (pair, alone))
        np.testing.assert_array_equal(ours, theirs)
    ours, theirs = read_result(pair), read_result(alone)
    assert ours["groups"] == ["TRD", "HV"] and "groups" not in theirs
    for key in ("n", "model", "arrangement_digest", "notes", "forming_threshold", "title"):
        assert ours[key] == theirs[key]


def test_pairs_have_p_over_all_pairs(results, tmp_path):
    named = ["group_by_drug_TRD_BP", "group_by_drug_TRD_HV", "group_by_drug_BP_HV"]
    folders = {name: results / name for name in named}
    table = pairs_table({"drug": named}, folders)
    assert (table["n_pairs"] == 3).all() and set(table["measure"]) == {"extent", "mass", "voxel"}
    np.testing.assert_allclose(table["p_over_pairs"], np.minimum(3 * table["p_within"], 1))
    clusters = read_table(results / named[0] / "clusters.tsv")
    own = table[(table["analysis"] == named[0]) & (table["measure"] == "extent")]
    np.testing.assert_array_equal(own["p_within"], clusters["p_fwe_cluster"])
    # A pair that could not be compared does not count.
    record = read_result(results / named[2]) | {"estimable": False}
    lost = tmp_path / named[2]
    lost.mkdir()
    (lost / "result.json").write_text(json.dumps(record))
    fewer = pairs_table({"drug": named}, folders | {named[2]: lost})
    assert (fewer["n_pairs"] == 2).all() and named[2] not in set(fewer["analysis"])
    assert pairs_table({"drug": [named[2]]}, {named[2]: lost}).empty


def test_seeds_are_compared_by_pillais_trace(pairs, results):
    folder = results / "group_by_drug_by_subregion"
    record = read_result(folder)
    assert record["statistic_name"] == "Pillai's trace as F"
    assert record["degrees_of_freedom"] == {"numerator": 2, "denominator": 24}
    people, delta = data_of(pairs)
    group, code = people["group"].to_numpy(), people["sequence_code"].to_numpy(float)
    f = statmap(folder, "subregion", "F", pairs)
    # With two seeds there is one difference, and the trace is R² of the groups.
    full = np.column_stack([*[(group == label) * 1.0 for label in COUNTS], code])
    less = np.column_stack([np.ones(len(group)), code])
    y = delta[:, 1] - delta[:, 0]
    squares = [np.square(y - m @ np.linalg.lstsq(m, y)[0]).sum(axis=0) for m in (less, full)]
    expected = (squares[0] - squares[1]) / 2 / (squares[1] / 24)
    np.testing.assert_allclose(f, expected, rtol=1e-4)
    assert len(read_table(folder / "clusters.tsv")) >= 0


def test_the_mean_over_seeds_has_one_map(pairs, results):
    record = read_result(results / "group_by_drug_pooled")
    assert record["seeds"] == ["pooled"] and record["statistic_name"] == "Welch's F"
    people, delta = data_of(pairs)
    group, code = people["group"].to_numpy(), people["sequence_code"].to_numpy(float)
    f = statmap(results / "group_by_drug_pooled", "pooled", "F", pairs)
    expected, _ = weighted_f(delta[:, :, 11].mean(axis=1), group, code)
    np.testing.assert_allclose(f[11], expected, rtol=1e-5)


def test_carryover_is_free_of_all_groups(pairs, results):
    record = read_result(results / "carryover")
    assert record["model"] == "S ~ 1 + sequence + group" and record["degrees_of_freedom"] == 24
    people, _ = data_of(pairs)
    total = np.asarray(Pairs.read(pairs).total, dtype=float)[:, 0, 5]
    columns = (people["group"].to_numpy()[:, None] == list(COUNTS)).astype(float)
    model = sm.OLS(total, np.column_stack([-people["sequence_code"], columns])).fit()
    np.testing.assert_allclose(
        statmap(results / "carryover", "sgACC", "t", pairs)[5], model.tvalues[0], rtol=1e-5
    )


def test_a_group_without_anybody_left_is_named(pairs, tmp_path):
    age = [{"participant_id": f"sub-{n:02}", "age": 30 + n if n >= 7 else None} for n in range(28)]
    options = analysis_options(**OPTIONS, covariates={"age": "continuous"})
    result = analyse("group_by_drug", pairs, tmp_path / "lost", options, people=age)
    assert not result["estimable"] and "nobody of TRD is left to compare" in result["notes"][0]
    result = analyse("group_by_drug_BP_HV", pairs, tmp_path / "there", options, people=age)
    assert result["estimable"] and result["n"] == {"BP": 9, "HV": 12}
