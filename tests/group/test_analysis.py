"""Whole analyses, from maps on the disk to everything that an analysis writes."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import replace

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from scipy import ndimage, stats

from crossfc.fault import Fault
from crossfc.group.analysis import analyse
from crossfc.group.design.contrast import contrasts, parts, seed_contrasts
from crossfc.group.design.pairs import Pairs, pair_sessions
from crossfc.group.design.question import names, question
from crossfc.group.findings.joint import joint_table
from crossfc.group.findings.result import MapSummary, Result, TailRecord, read_result
from crossfc.table import read_table
from tests.group.analysis_options import analysis_options
from tests.image import write_image

SHAPE = (12, 13, 11)
AFFINE = np.array([[-4.0, 0, 0, 24], [0, 4, 0, -24], [0, 0, 4, -20], [0, 0, 0, 1]])
GROUPS = {"patients": "TRD", "controls": "HV"}
TREATMENTS = {"active": "ketamine", "control": "placebo"}
SEEDS = ["sgACC", "pgACC", "dACC"]
PLANTED = (slice(7, 11), slice(3, 7), slice(4, 8))  # patients only, sgACC only
N = {"TRD": 14, "HV": 10}
OPTIONS = {"permutations": 199, "seed": 1, "cluster_forming_p": 0.01}
FLIPS = OPTIONS | {"drug_arrangement": "sign flips"}

P_MAPS = {"puncorrected", "qfdr", "pfwevoxel", "pfwecluster", "pfwemass", "pfwetfce"}
SHARES = {"partialrsq", "partialrsqlow", "partialrsqhigh"}
MAPS = {"effect", "tfce"} | P_MAPS | SHARES
SIZES = {"hedgesg", "hedgesglow", "hedgesghigh"}
TABLES = {"clusters.tsv", "peaks.tsv", "cells.tsv"}


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    """Pairs of a small trial with one planted effect and a period effect."""
    folder = tmp_path_factory.mktemp("trial")
    rng = np.random.default_rng(3)
    people = []
    for number, label in enumerate(["TRD"] * N["TRD"] + ["HV"] * N["HV"]):
        active_first = number % 2 == 0
        person = {
            "participant_id": f"sub-{number:02}",
            "group": label,
            "sequence": "ketamine-placebo" if active_first else "placebo-ketamine",
            "age": 20 + number,
            "score_MADRS_active": 10 + rng.integers(10),
            "score_MADRS_control": 20 if number != 5 else None,
        }
        for treatment in ("active", "control"):
            person[treatment] = []
            for seed in SEEDS:
                values = ndimage.gaussian_filter(rng.standard_normal(SHAPE), 1) * 0.5
                values += 0.1 if (treatment == "active") == active_first else 0  # period 1
                if (label, treatment, seed) == ("TRD", "active", "sgACC"):
                    values[PLANTED] += 0.5
                values[:, :, 0] = np.nan
                path = folder / f"{number}_{treatment}_{seed}.nii.gz"
                write_image(path, values.astype(np.float32), AFFINE)
                person[treatment].append(str(path))
        people.append(person)
    pair_sessions(
        people,
        SEEDS,
        TREATMENTS,
        GROUPS,
        "primary",
        folder / "pairs",
        fwhm_mm=0,
        zero_is_missing=False,
    )
    labels = np.zeros(SHAPE, dtype=np.int16)
    labels[PLANTED] = 4
    nib.save(nib.Nifti1Image(labels, AFFINE), folder / "atlas.nii.gz")
    (folder / "atlas.tsv").write_text("index\tname\n4\tinsula (R)\n")
    return folder / "pairs"


@pytest.fixture(scope="module")
def atlas(pairs):
    return {"image": pairs.parent / "atlas.nii.gz", "table": pairs.parent / "atlas.tsv"}


def read(folder, seed, stat):
    return nib.load(folder / f"seed-{seed}_stat-{stat}_statmap.nii.gz")


@pytest.fixture(scope="module")
def results(pairs, atlas, tmp_path_factory):
    """Every analysis of the trial, done once."""
    folder = tmp_path_factory.mktemp("results")
    for name in names(GROUPS, ["MADRS"]):
        options = FLIPS if name.startswith("drug_") else OPTIONS
        analyse(name, pairs, folder / name, analysis_options(**options), atlas=atlas)
    return folder


@pytest.mark.parametrize(
    ("name", "seeds", "stats_written"),
    [
        ("drug_TRD", SEEDS, MAPS | SIZES | {"t", "stderr"}),
        ("drug_HV", SEEDS, MAPS | SIZES | {"t", "stderr"}),
        ("drug_TRD_pooled", ["pooled"], MAPS | SIZES | {"t", "stderr"}),
        ("drug_TRD_by_subregion", ["subregion"], MAPS | {"F"}),
        ("group_by_drug", SEEDS, MAPS | SIZES | {"t", "stderr"}),
        ("group_by_drug_pooled", ["pooled"], MAPS | SIZES | {"t", "stderr"}),
        ("group_by_drug_by_subregion", ["subregion"], MAPS | {"F"}),
        ("carryover", SEEDS, MAPS | SIZES | {"t", "stderr"}),
        ("change_MADRS", SEEDS, MAPS | {"t", "stderr"}),
    ],
)
def test_every_analysis_writes_its_files(results, pairs, name, seeds, stats_written):
    written = {path.name for path in (results / name).iterdir()}
    maps = {f"seed-{seed}_stat-{stat}_statmap.nii.gz" for seed in seeds for stat in stats_written}
    assert written == maps | TABLES | {"null.tsv", "design.tsv", "result.json"}
    mask = nib.load(pairs / "mask.nii.gz")
    inside = mask.get_fdata() > 0
    for seed in seeds:
        for stat in stats_written:
            image = read(results / name, seed, stat)
            assert image.get_data_dtype() == np.float32
            assert np.allclose(image.affine, AFFINE) and int(image.header["sform_code"]) == 4
            assert np.array_equal(np.isfinite(image.get_fdata()), inside)
        for stat in P_MAPS:
            p = read(results / name, seed, stat).get_fdata()[inside]
            assert p.min() >= np.float32(1 / 200) and p.max() <= 1
        p = {stat: read(results / name, seed, stat).get_fdata()[inside] for stat in P_MAPS}
        # 200 arrangements: a p is counted, q is from such p and no smaller.
        assert (p["puncorrected"] <= p["qfdr"]).all()
        assert (p["puncorrected"] <= p["pfwevoxel"]).all()
        share = {stat: read(results / name, seed, stat).get_fdata()[inside] for stat in SHARES}
        assert (share["partialrsq"] >= 0).all() and (share["partialrsq"] < 1).all()
        assert (share["partialrsqlow"] <= share["partialrsqhigh"]).all()
    result = read_result(results / name)
    # Which groups are compared is told in trials of three and more; no smallest effect is stated.
    untold = {"baseline", "given", "together", "groups", "smallest_effect"}
    assert set(result) == set(Result.__annotations__) - untold
    for part in result["per_seed"].values():
        assert set(part) == set(MapSummary.__annotations__) - {"equivalent_share"}
    for tail in result["tail"].values():
        assert set(tail) < set(TailRecord.__annotations__)
    assert result["seeds"] == seeds == list(result["per_seed"]) and result["estimable"] is True
    assert result["n_permutations"] == 199 and not result["exhaustive"]


@pytest.mark.parametrize(
    ("name", "formula", "columns"),
    [
        ("drug_TRD", "D ~ 1 + sequence", ["intercept", "sequence"]),
        ("group_by_drug", "D ~ 1 + group + sequence", ["group", "intercept", "sequence"]),
        ("carryover", "S ~ 1 + sequence + group", ["sequence", "intercept", "group"]),
        (
            "change_MADRS",
            "D ~ 1 + delta_MADRS + sequence",
            ["delta_MADRS", "intercept", "sequence"],
        ),
    ],
)
def test_the_effect_is_the_coefficient_of_the_design_matrix(results, pairs, name, formula, columns):
    design = pd.read_csv(results / name / "design.tsv", sep="\t", index_col="participant_id")
    record = read_result(results / name)
    assert record["model"] == formula and list(design) == columns
    assert record["tested_columns"] == columns[:1] and len(design) == sum(record["n"].values())
    people = pd.read_csv(pairs / "people.tsv", sep="\t", index_col="participant_id")
    mask = nib.load(pairs / "mask.nii.gz").get_fdata() > 0
    kept = people.index.get_indexer(design.index)
    for at, seed in enumerate(SEEDS):
        data = np.load(pairs / ("total.npy" if formula[0] == "S" else "delta.npy"))[kept, at]
        fit = np.linalg.lstsq(design.to_numpy(), data.astype(float), rcond=None)[0]
        effect = read(results / name, seed, "effect").get_fdata()[mask]
        np.testing.assert_allclose(effect, fit[0], atol=2e-6, err_msg=seed)
    given = people["sequence_code"].loc[design.index]
    scale = {"carryover": -0.5}.get(name, 1)
    np.testing.assert_array_equal(design["sequence"], given * scale)


def test_the_design_matrix_of_orders_drawn_again_is_that_of_the_formula(pairs, tmp_path):
    options = analysis_options(**OPTIONS | {"drug_arrangement": "re-randomisation"})
    analyse("drug_TRD", pairs, tmp_path, options)
    design = pd.read_csv(tmp_path / "design.tsv", sep="\t")
    assert list(design) == ["participant_id", "intercept", "sequence"]
    assert (design["intercept"] == 1).all() and set(design["sequence"]) == {-1, 1}


def test_the_null_is_written_arrangement_by_arrangement(results):
    for name in names(GROUPS, ["MADRS"]):
        null = pd.read_csv(results / name / "null.tsv", sep="\t")
        assert list(null.columns) == ["voxel", "extent", "mass", "tfce"] and len(null) == 200
        result = json.loads((results / name / "result.json").read_text())
        # The first is what was observed.
        per_seed = result["per_seed"].values()
        stat = "F" if result["statistic"] == "F" else "t"
        largest = max(max(abs(part["max"]), abs(part["min"])) for part in per_seed)
        np.testing.assert_allclose(null["voxel"][0], largest, rtol=1e-5)
        tfce = [np.nanmax(np.abs(read(results / name, seed, "tfce").get_fdata()))
                for seed in result["seeds"]]  # fmt: skip
        np.testing.assert_allclose(null["tfce"][0], max(tfce), rtol=1e-4)
        clusters = pd.read_csv(results / name / "clusters.tsv", sep="\t")
        assert null["extent"][0] == clusters["size_voxels"].max()
        np.testing.assert_allclose(null["mass"][0], clusters["mass"].max(), rtol=1e-4)
        # p is the share of arrangements that reach what was observed.
        for row in clusters.to_dict("records"):
            assert row["p_fwe_cluster"] == (null["extent"] >= row["size_voxels"]).mean()
            # Masses that differ by less than a thousandth may count as equal.
            least, most = ((null["mass"] >= row["mass"] * of).mean() for of in (1 + 1e-6, 1 - 1e-3))
            assert least <= row["p_fwe_mass"] <= most
        p = read(results / name, result["seeds"][0], "pfwevoxel").get_fdata()
        value = np.abs(read(results / name, result["seeds"][0], stat).get_fdata())
        for voxel in np.argwhere(np.isfinite(p))[::97]:
            reach = (null["voxel"] >= value[tuple(voxel)] * (1 - 1e-4)).mean()
            np.testing.assert_allclose(p[tuple(voxel)], reach, rtol=1e-6)


def test_the_digest_tells_who_was_rearranged_and_how(results, pairs, tmp_path):
    digest = {
        name: json.loads((results / name / "result.json").read_text())["arrangement_digest"]
        for name in names(GROUPS, ["MADRS"])
    }
    # The same people, all by sign flips from one seed: both groups, patients, controls.
    for alike in ("group_by_drug", "drug_TRD", "drug_HV"):
        assert len({digest[name] for name in digest if name.startswith(alike)}) == 1
    assert len(set(digest.values())) == len(digest) - 6
    again = analyse("drug_HV", pairs, tmp_path, analysis_options(**FLIPS))
    assert again["arrangement_digest"] == digest["drug_HV"]
    other = analyse("drug_HV", pairs, tmp_path, analysis_options(**FLIPS | {"seed": 2}))
    assert other["arrangement_digest"] != digest["drug_HV"]


def test_families_are_corrected_together(pairs, results, tmp_path):
    family = ["group_by_drug", "group_by_drug_pooled", "group_by_drug_by_subregion"]
    folders = {name: results / name for name in names(GROUPS, ["MADRS"])}
    table = joint_table([family, ["drug_HV"]], folders)
    together, alone = table[table["family"] == 1], table[table["family"] == 2]
    assert (alone["p_joint"] == alone["p_within"]).all() and set(alone["analysis"]) == {"drug_HV"}
    assert set(together["analysis"]) == set(family)
    assert set(together["measure"]) == {"voxel", "extent", "mass", "tfce"}
    assert (together["p_joint"] >= together["p_within"]).all()
    assert (together["p_joint"] <= 3 * together["p_within"] + 1e-9).all()
    nulls = [pd.read_csv(results / name / "null.tsv", sep="\t")["extent"] for name in family]
    shares = [null.rank(ascending=False, method="max") / 200 for null in nulls]
    smallest = np.min(shares, axis=0)
    for row in together[together["measure"] == "extent"].to_dict("records"):
        expected = (smallest <= row["p_within"] + 1e-9).mean()
        np.testing.assert_allclose(row["p_joint"], expected)
    clusters = pd.read_csv(results / "group_by_drug" / "clusters.tsv", sep="\t")
    of = together[(together["analysis"] == "group_by_drug") & (together["measure"] == "voxel")]
    np.testing.assert_array_equal(of["p_within"], clusters["p_fwe_peak"])
    with pytest.raises(Fault, match="drug_TRD and drug_HV cannot be corrected as one family"):
        joint_table([["drug_TRD", "drug_HV"]], folders)
    few = some_of(pairs, PATIENTS, tmp_path / "few")
    lost = {"drug_HV": tmp_path / "drug_HV", "drug_TRD": results / "drug_TRD"}
    analyse("drug_HV", few, lost["drug_HV"], analysis_options(**OPTIONS))
    assert set(joint_table([["drug_HV", "drug_TRD"]], lost)["analysis"]) == {"drug_TRD"}
    assert len(joint_table([["drug_HV"]], lost)) == 0


def test_changes_of_several_scales_are_one_family(pairs, tmp_path):
    """Signs are flipped, which does not look at scores: tied ones have the same arrangements."""
    few = some_of(pairs, PATIENTS[:7], tmp_path / "few")
    people = pd.read_csv(few / "people.tsv", sep="\t")["participant_id"]
    rng = np.random.default_rng(5)
    rows = [
        {"participant_id": person, "score_MADRS_control": 20.0, "score_SHAPS_control": 3.0}
        | {"score_MADRS_active": 10.0 + i, "score_SHAPS_active": float(rng.integers(2))}
        for i, person in enumerate(people)
    ]
    options = analysis_options(**OPTIONS, tfce=False)
    folders = {name: tmp_path / name for name in ("change_MADRS", "change_SHAPS")}
    for name, folder in folders.items():
        assert analyse(name, few, folder, options, people=rows)["n_permutations"] == 128
    table = joint_table([list(folders)], folders)
    assert len(table) and (table["p_joint"] >= table["p_within"]).all()
    analyse("change_SHAPS", few, folders["change_SHAPS"], options, people=rows[1:])
    with pytest.raises(Fault, match="cannot be corrected as one family"):
        joint_table([list(folders)], folders)


def test_without_tfce_and_with_a_tail(pairs, tmp_path):
    options = FLIPS | {"permutations": 499, "tfce": False}
    result = analyse("drug_TRD", pairs, tmp_path / "tail", analysis_options(**options))
    by_count = analysis_options(**options, tail=False)
    counted = analyse("drug_TRD", pairs, tmp_path / "counted", by_count)
    assert not list((tmp_path / "tail").glob("*tfce*"))
    assert not result["tfce"] and "p_fwe_tfce_min" not in result["per_seed"]["sgACC"]
    assert set(result["tail"]) == {"voxel", "extent", "mass"} and counted["tail"] == {}
    assert counted["per_seed"]["sgACC"]["extrapolated"] == []
    tables = [pd.read_csv(tmp_path / name / "clusters.tsv", sep="\t").iloc[0]
              for name in ("tail", "counted")]  # fmt: skip
    assert pd.isna(tables[0]["p_fwe_tfce"])
    # The planted cluster is larger and heavier than all that 499 permutations gave.
    assert pd.isna(tables[1]["extrapolated"])
    columns = {"extent": "p_fwe_cluster", "mass": "p_fwe_mass"}
    for measure, column in columns.items():
        assert tables[1][column] == 1 / 500
        fits = result["tail"][measure]["fits"]
        assert (column in str(tables[0]["extrapolated"])) == fits
        assert (measure in result["per_seed"]["sgACC"]["extrapolated"]) == fits
        assert tables[0][column] == 1 / 500 or (fits and tables[0][column] < 11 / 500)
    assert any(result["tail"][measure]["fits"] for measure in columns)


def test_the_drug_map_is_the_models(results, pairs):
    import statsmodels.api as sm

    people = read_table(pairs / "people.tsv")
    rows = (people["group"] == "TRD").to_numpy()
    delta = np.load(pairs / "delta.npy")[rows, 1]
    design = np.column_stack([np.ones(rows.sum()), people["sequence_code"][rows]])
    inside = nib.load(pairs / "mask.nii.gz").get_fdata() > 0
    folder = results / "drug_TRD"
    maps = {
        stat: read(folder, "pgACC", stat).get_fdata()[inside]
        for stat in ("t", "effect", "stderr", "hedgesg", "hedgesglow", "hedgesghigh")
    }
    for voxel in range(0, delta.shape[1], 97):
        fit = sm.OLS(delta[:, voxel].astype(float), design).fit()
        np.testing.assert_allclose(maps["t"][voxel], fit.tvalues[0], rtol=1e-5)
        np.testing.assert_allclose(maps["effect"][voxel], fit.params[0], rtol=1e-5, atol=1e-7)
        np.testing.assert_allclose(maps["stderr"][voxel], fit.bse[0], rtol=1e-5)
    dz = maps["effect"] / (maps["stderr"] * np.sqrt(14))
    np.testing.assert_allclose(maps["hedgesg"], dz * (1 - 3 / (4 * 12 - 1)), rtol=1e-3, atol=1e-6)
    assert (maps["hedgesglow"] < maps["hedgesg"]).all()
    assert (maps["hedgesghigh"] > maps["hedgesg"]).all()
    result = json.loads((folder / "result.json").read_text())
    assert result["degrees_of_freedom"] == 12 and result["n"] == {"TRD": 14}
    assert result["model"] == "D ~ 1 + sequence" and result["sequence_adjusted"]
    assert result["arrangement"] == "sign flips" and result["statistic"] == "t"


def test_the_planted_effect_is_found(results):
    clusters = pd.read_csv(results / "drug_TRD" / "clusters.tsv", sep="\t")
    best = clusters.iloc[0]
    assert (best["seed"], best["sign"], best["region"]) == ("sgACC", "+", "insula (R)")
    assert best["p_fwe_cluster"] == 1 / 200 and best["p_fwe_peak"] < 0.05
    voxel = np.linalg.inv(AFFINE) @ (best["x"], best["y"], best["z"], 1)
    assert all(s.start <= v < s.stop for s, v in zip(PLANTED, voxel[:3], strict=True))
    assert best["size_mm3"] == best["size_voxels"] * 64
    # The other group's cell is described but was not tested.
    change = best["mean_TRD_ketamine"] - best["mean_TRD_placebo"]
    assert change > 0.4 > 0.2 > abs(best["mean_HV_ketamine"] - best["mean_HV_placebo"])
    result = json.loads((results / "drug_TRD" / "result.json").read_text())
    found = result["per_seed"]["sgACC"]
    assert best["regions"].endswith("% insula (R)")
    # Half a Fisher z was planted.
    assert found["largest"]["+"]["effect_in_sample"] == best["effect_in_sample"]
    assert best["n_folds"] == 14 and 0.3 < best["effect_loo"] < 0.6
    assert best["loo_mean_HV_placebo"] == best["mean_HV_placebo"]
    assert best["hedges_g_low"] < best["hedges_g"] < best["hedges_g_high"]
    assert found["n_clusters_significant"] == 1 and found["p_fwe_cluster_min"] == 1 / 200
    assert found["max"] > result["threshold_fwe_voxel"]
    assert found["peak_mm_max"] == [best["x"], best["y"], best["z"]]
    assert result["per_seed"]["dACC"]["n_clusters_significant"] == 0
    for name, seed in (
        ("group_by_drug", "sgACC"),
        ("group_by_drug_by_subregion", "subregion"),
    ):
        table = pd.read_csv(results / name / "clusters.tsv", sep="\t")
        assert table.iloc[0][["seed", "sign", "region"]].tolist() == [seed, "+", "insula (R)"]
        assert table.iloc[0]["p_fwe_cluster"] < 0.05
    for name in ("drug_HV", "carryover"):
        table = pd.read_csv(results / name / "clusters.tsv", sep="\t")
        assert not (table["p_fwe_cluster"] < 0.05).any()


def test_cells_hold_each_persons_values(results, pairs):
    cells = pd.read_csv(results / "drug_TRD" / "cells.tsv", sep="\t")
    clusters = pd.read_csv(results / "drug_TRD" / "clusters.tsv", sep="\t")
    np.testing.assert_allclose(cells["active"] - cells["control"], cells["delta"], atol=1e-6)
    for seed in SEEDS:  # the significant one, or the largest where none is
        assert (clusters["seed"] == seed).any() == (cells["seed"] == seed).any()
        assert cells.loc[cells["seed"] == seed, "cluster"].nunique() <= 1
    mine = cells[cells["seed"] == "sgACC"]
    assert len(mine) == 24 and mine["participant_id"].is_unique
    best = clusters.iloc[0]
    for group in N:
        for column, treatment in TREATMENTS.items():
            np.testing.assert_allclose(
                mine.loc[mine["group"] == group, column].mean(), best[f"mean_{group}_{treatment}"]
            )
    # From the maps themselves.
    inside = read(results / "drug_TRD", "sgACC", "pfwecluster").get_fdata() == np.float32(1 / 200)
    path = pairs.parent / "3_control_sgACC.nii.gz"
    expected = nib.load(path).get_fdata()[inside].mean()
    found = mine.loc[mine["participant_id"] == "sub-03", "control"].item()
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_subregion_cells_tell_the_seeds_apart(results):
    cells = pd.read_csv(results / "group_by_drug_by_subregion" / "cells.tsv", sep="\t")
    first = cells[cells["cluster"] == cells["cluster"].iloc[0]]
    assert len(first) == 24 * 3 and first["map"].unique().tolist() == SEEDS
    change = first[first["group"] == "TRD"].groupby("map")["delta"].mean()
    assert change["sgACC"] > 0.3 > change[["pgACC", "dACC"]].abs().max()


def test_the_f_map_is_invariant_to_the_choice_of_contrasts(pairs, results):
    import statsmodels.api as sm
    from statsmodels.multivariate.manova import MANOVA

    people = read_table(pairs / "people.tsv")
    delta = np.load(pairs / "delta.npy").astype(float)
    inside = nib.load(pairs / "mask.nii.gz").get_fdata() > 0
    f = read(results / "group_by_drug_by_subregion", "subregion", "F").get_fdata()[inside]
    design = sm.add_constant(
        np.column_stack([people["group"] == "TRD", people["sequence_code"]]).astype(float)
    )
    for voxel in range(0, len(f), 211):
        d = delta[:, :, voxel]
        other = np.column_stack([d[:, 0] - d[:, 2], d[:, 1] - d[:, 2]])
        test = MANOVA(other, design).mv_test([("group", np.array([[0, 1.0, 0]]))])
        theirs = test.results["group"]["stat"].loc["Wilks' lambda", "F Value"]
        np.testing.assert_allclose(f[voxel], float(theirs), rtol=1e-4)


def test_group_maps_are_welchs(pairs, results):
    result = json.loads((results / "group_by_drug" / "result.json").read_text())
    assert result["statistic_name"] == "Welch's t, corrected for skewness (Hall)"
    assert result["arrangement"] == "sign flips"
    assert set(result["degrees_of_freedom"]) == {"min", "max"}
    assert 8 < result["degrees_of_freedom"]["min"] < result["degrees_of_freedom"]["max"] <= 21.001
    assert result["n"] == {"TRD": 14, "HV": 10}
    people = read_table(pairs / "people.tsv")
    pooled = np.load(pairs / "delta.npy").astype(float).mean(axis=1)
    patient = (people["group"] == "TRD").to_numpy()
    # Both orders are equally many in both groups, so that sequence changes the error only.
    theirs = stats.ttest_ind(pooled[patient], pooled[~patient], equal_var=False).statistic
    inside = nib.load(pairs / "mask.nii.gz").get_fdata() > 0
    effect = read(results / "group_by_drug_pooled", "pooled", "effect").get_fdata()[inside]
    expected = pooled[patient].mean(0) - pooled[~patient].mean(0)
    np.testing.assert_allclose(effect, expected, atol=1e-6)
    mine = read(results / "group_by_drug_pooled", "pooled", "t").get_fdata()[inside]
    assert np.corrcoef(mine, theirs)[0, 1] > 0.95


def test_whoever_lacks_the_score_leaves_by_name(results):
    result = json.loads((results / "change_MADRS" / "result.json").read_text())
    assert result["left"] == [
        {"participant_id": "sub-05", "group": "TRD", "reason": "no MADRS score in both sessions"}
    ]
    assert result["n"] == {"TRD": 13} and result["arrangement"] == "sign flips"
    assert result["statistic_name"] == "t with robust standard error (HC2)"
    cells = pd.read_csv(results / "change_MADRS" / "cells.tsv", sep="\t")
    assert "sub-05" not in set(cells["participant_id"])


def test_the_map_of_a_slope_has_a_robust_standard_error(results, pairs):
    import statsmodels.api as sm

    people = read_table(pairs / "people.tsv")
    rows = (people["group"] == "TRD").to_numpy() & people["delta_MADRS"].notna().to_numpy()
    delta = np.load(pairs / "delta.npy")[rows, 2].astype(float)
    chosen = people[rows]
    design = np.column_stack([chosen["delta_MADRS"], np.ones(13), chosen["sequence_code"]])
    inside = nib.load(pairs / "mask.nii.gz").get_fdata() > 0
    maps = {stat: read(results / "change_MADRS", "dACC", stat).get_fdata()[inside]
            for stat in ("t", "effect", "stderr", "partialrsq")}  # fmt: skip
    for voxel in range(0, delta.shape[1], 97):
        fit = sm.OLS(delta[:, voxel], design).fit()
        robust = fit.get_robustcov_results("HC2")
        np.testing.assert_allclose(maps["t"][voxel], robust.tvalues[0], rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(maps["effect"][voxel], fit.params[0], rtol=1e-5, atol=1e-7)
        np.testing.assert_allclose(maps["stderr"][voxel], robust.bse[0], rtol=1e-5)
        # The share of the variance that the slope explains has no other variances in it.
        share = fit.tvalues[0] ** 2 / (fit.tvalues[0] ** 2 + 10)
        np.testing.assert_allclose(maps["partialrsq"][voxel], share, rtol=1e-4, atol=1e-6)
    hat = design @ np.linalg.pinv(design)
    centred = design[:, 0] - hat_without(design[:, 1:]) @ design[:, 0]
    weights = np.square(centred) / (1 - np.diag(hat))
    form = (np.eye(13) - hat) @ np.diag(weights) @ (np.eye(13) - hat)
    result = json.loads((results / "change_MADRS" / "result.json").read_text())
    np.testing.assert_allclose(
        result["degrees_of_freedom"], np.trace(form) ** 2 / np.trace(form @ form)
    )


def hat_without(columns):
    return columns @ np.linalg.pinv(columns)


def test_the_seeds_of_one_group_are_pooled_and_compared(results, pairs, tmp_path):
    """As R has it: t.test(rowMeans(D) * s ~ s), and Hotelling's T² by the MANOVA of statsmodels."""
    from statsmodels.multivariate.manova import MANOVA

    people = read_table(pairs / "people.tsv")
    rows = (people["group"] == "TRD").to_numpy()
    code = people["sequence_code"].to_numpy(dtype=float)[rows]
    delta = np.load(pairs / "delta.npy")[rows].astype(float)
    inside = nib.load(pairs / "mask.nii.gz").get_fdata() > 0
    period = code[:, None] * delta.mean(axis=1)
    t = read(results / "drug_TRD_pooled", "pooled", "t").get_fdata()[inside]
    theirs = stats.ttest_ind(period[code > 0], period[code < 0]).statistic
    np.testing.assert_allclose(t, theirs, rtol=1e-4, atol=1e-5)
    effect = read(results / "drug_TRD_pooled", "pooled", "effect").get_fdata()[inside]
    halves = [delta[code == sign].mean(axis=(0, 1)) for sign in (-1, 1)]
    np.testing.assert_allclose(effect, np.mean(halves, axis=0), rtol=1e-4, atol=1e-6)

    # Any contrasts that span the differences of seeds give the same F.
    apart = np.stack([delta[:, 0] - delta[:, 1], delta[:, 1] - delta[:, 2]], axis=1)
    f = read(results / "drug_TRD_by_subregion", "subregion", "F").get_fdata()[inside]
    design = np.column_stack([np.ones(14), code])
    for voxel in range(0, apart.shape[2], 97):
        fit = MANOVA(apart[:, :, voxel], design).mv_test([("mean", np.eye(1, 2))])
        expected = fit.results["mean"]["stat"].loc["Hotelling-Lawley trace", "F Value"]
        np.testing.assert_allclose(f[voxel], float(expected), rtol=1e-4)
    # Orders drawn again give the same statistic, and the same people can be one family.
    names = ["drug_TRD", "drug_TRD_pooled", "drug_TRD_by_subregion"]
    options = analysis_options(**OPTIONS)
    records = [analyse(name, pairs, tmp_path / name, options) for name in names]
    assert {record["arrangement"] for record in records} == {"re-randomisation"}
    assert {record["kind"] for record in records} == {"drug", "drug_pooled", "drug_by_subregion"}
    assert len({record["arrangement_digest"] for record in records}) == 1
    again = read(tmp_path / names[2], "subregion", "F").get_fdata()[inside]
    np.testing.assert_allclose(again, f, rtol=1e-4, atol=1e-5)
    cells = pd.read_csv(tmp_path / names[2] / "cells.tsv", sep="\t")
    assert set(cells["map"]) == set(SEEDS)


def test_scales_of_the_same_people_can_be_one_family(pairs, results, tmp_path):
    # A second scale that ranks people otherwise.
    people = read_table(pairs / "people.tsv")
    other = people["delta_MADRS"].to_numpy()[::-1].copy()
    other[people["delta_MADRS"].isna()] = np.nan
    other[(people["delta_MADRS"].notna() & ~np.isfinite(other)).to_numpy()] = 1.5
    folder = some_of(pairs, list(range(24)), tmp_path / "pairs", delta_HAMD=other)
    analyse("change_HAMD", folder, tmp_path / "change_HAMD", analysis_options(**OPTIONS))
    family = ["change_MADRS", "change_HAMD"]
    folders = {"change_MADRS": results / "change_MADRS", "change_HAMD": tmp_path / "change_HAMD"}
    table = joint_table([family], folders)
    assert set(table["analysis"]) == set(family) and (table["p_joint"] >= table["p_within"]).all()


def test_an_analysis_is_reproducible_to_the_byte(pairs, results, tmp_path, atlas):
    analyse("group_by_drug_pooled", pairs, tmp_path, analysis_options(**OPTIONS), atlas=atlas)
    for path in (results / "group_by_drug_pooled").iterdir():
        assert path.read_bytes() == (tmp_path / path.name).read_bytes(), path.name


def some_of(pairs, rows, folder, **columns):
    """Write the pairs of some people only, columns of their table changed."""
    folder.mkdir()
    people = read_table(pairs / "people.tsv").iloc[rows].assign(**columns)
    people.to_csv(folder / "people.tsv", sep="\t", index=False, na_rep="n/a")
    for name in ("delta.npy", "total.npy"):
        np.save(folder / name, np.load(pairs / name)[rows])
    for name in ("mask.nii.gz", "pairs.json"):
        (folder / name).write_bytes((pairs / name).read_bytes())
    return folder


@pytest.mark.parametrize("name", ["drug_TRD", "group_by_drug_pooled", "carryover"])
def test_equivalence_of_maps_is_written_where_one_effect_is_tested(pairs, tmp_path, name):
    asked = analysis_options(permutations=199, tfce=False, smallest_fisher_z=50.0)
    result = analyse(name, pairs, tmp_path / "out", asked)
    plain = analyse(name, pairs, tmp_path / "plain", replace(asked, smallest_fisher_z=None))
    assert not list((tmp_path / "plain").glob("*equivalence*")) and "smallest_effect" not in plain
    written = list((tmp_path / "out").glob("*_stat-pfweequivalence_statmap.nii.gz"))
    if name == "carryover":
        assert not written and "smallest_effect" not in result
        return
    assert result["smallest_effect"] == 50 and len(written) == len(result["seeds"])
    for path, seed in zip(sorted(written), sorted(result["seeds"]), strict=True):
        p = nib.load(path).get_fdata()
        p = p[np.isfinite(p)]
        share = result["per_seed"][seed]["equivalent_share"]
        # Nothing in this trial is as large as this.
        assert share == np.mean(p < 0.05) > 0.99 and p.min() == pytest.approx(1 / 200)


def test_unknown_sequence_and_few_people_are_said(pairs, tmp_path):
    folder = some_of(pairs, [0, 1, 2, 3], tmp_path / "pairs", sequence_code=None)
    result = analyse("drug_TRD", folder, tmp_path / "out", analysis_options(permutations=100))
    assert result["exhaustive"] and result["n_permutations"] == 16
    assert not result["sequence_adjusted"] and result["model"] == "D ~ 1"
    assert any("order of treatments is not known" in note for note in result["notes"])
    few = "only 16 arrangements of 4 people, 2 of which are alike, so no p can be below 0.125"
    assert any(f"{few}, whatever the data, and nothing can be sig" in n for n in result["notes"])
    assert result["smallest_p"] == 0.125
    assert result["threshold_fwe_voxel"] is None


def test_one_unknown_order_costs_one_person(pairs, tmp_path):
    codes = read_table(pairs / "people.tsv")["sequence_code"].to_numpy(dtype=float)
    codes[4] = np.nan
    everybody = list(range(len(codes)))
    folder = some_of(pairs, everybody, tmp_path / "one", sequence_code=codes)
    without = some_of(pairs, [row for row in everybody if row != 4], tmp_path / "without")
    result = analyse("drug_TRD", folder, tmp_path / "a", analysis_options(**OPTIONS))
    expected = analyse("drug_TRD", without, tmp_path / "b", analysis_options(**OPTIONS))
    reason = "order of treatments not known"
    assert result["left"] == [{"participant_id": "sub-04", "group": "TRD", "reason": reason}]
    assert result["n"] == {"TRD": 13} and result["sequence_adjusted"]
    assert result | {"left": []} == expected
    for path in (tmp_path / "b").glob("*.nii.gz"):
        assert path.read_bytes() == (tmp_path / "a" / path.name).read_bytes(), path.name


PATIENTS, CONTROLS = list(range(14)), list(range(14, 24))


@pytest.mark.parametrize(
    ("name", "rows", "columns", "n", "reason"),
    [
        ("drug_HV", PATIENTS, {}, {"HV": 0}, "nobody is left"),
        ("drug_TRD", [0, *CONTROLS], {}, {"TRD": 1}, "1 people are too few"),
        ("drug_TRD", [0, 1, *CONTROLS], {}, {"TRD": 2}, "2 people are too few"),
        ("group_by_drug", PATIENTS, {}, {"TRD": 14, "HV": 0}, "group is the same for all 14"),
        ("group_by_drug_pooled", [*PATIENTS, 14], {}, {"TRD": 14, "HV": 1}, "too small"),
        ("group_by_drug", [0, 2, 4, 15, 17], {}, {"TRD": 3, "HV": 2}, "not independent"),
        ("group_by_drug_by_subregion", [0, 1, 14, 15], {}, {"TRD": 2, "HV": 2}, "Hotelling's T²"),
        ("carryover", [0, 2, 14, 16], {}, {"TRD": 2, "HV": 2}, "sequence is the same for all 4"),
        ("change_MADRS", PATIENTS, {"delta_MADRS": None}, {"TRD": 0}, "nobody is left"),
    ],
)
def test_an_analysis_without_enough_people_says_so(pairs, tmp_path, name, rows, columns, n, reason):
    folder, out = some_of(pairs, rows, tmp_path / "pairs", **columns), tmp_path / name
    out.mkdir()
    (out / "seed-sgACC_stat-t_statmap.nii.gz").write_text("a map of a run with more people")
    result = analyse(name, folder, out, analysis_options(**OPTIONS))
    assert {path.name for path in out.iterdir()} == TABLES | {"result.json"}
    assert result == read_result(out) and set(result) == Result.__required_keys__
    assert result["estimable"] is False and result["per_seed"] == {} and result["n"] == n
    assert result["seeds"] == []
    assert len(result["notes"]) == 1 and reason in result["notes"][0]
    assert len(result["left"]) == (14 if name == "change_MADRS" else 0)
    clusters = pd.read_csv(out / "clusters.tsv", sep="\t")
    assert len(clusters) == 0 and {"p_fwe_cluster", "mean_HV_placebo"} <= set(clusters.columns)
    cells = pd.read_csv(out / "cells.tsv", sep="\t")
    assert len(cells) == 0 and {"participant_id", "delta"} <= set(cells.columns)


def test_the_page_copes_with_an_analysis_that_was_not_estimated(pairs, tmp_path):
    from crossfc.report.narrative import UNKNOWN
    from crossfc.report.overview import WORDS
    from crossfc.report.page import write_report
    from crossfc.report.results import read_analysis

    folder, primary = some_of(pairs, PATIENTS, tmp_path / "few"), tmp_path / "group" / "primary"
    asked = names(GROUPS, ["MADRS"])
    lost = [name for name in asked if name.startswith(("group_by_drug", "drug_HV"))]
    for name in asked:
        analyse(name, folder, primary / name, analysis_options(**OPTIONS))
        assert read_analysis(name, primary / name).record["estimable"] == (name not in lost)
    config = {
        "study": "few", "groups": GROUPS, "treatments": TREATMENTS, "entry": "fmriprep",
        "pipelines": {"primary": {}}, "group": {"permutations": 199},
    }  # fmt: skip
    for shown in (asked, lost):
        page = tmp_path / "page.html"
        made = [primary / name for name in shown]
        write_report(
            page, config=config, made=made, pipelines=["primary"],
            analyses=shown, group_dir=tmp_path / "group",
        )  # fmt: skip
        text = page.read_text(encoding="utf-8")
        assert text.count("This analysis cannot be estimated.") >= len(lost) == 6
        assert "drug_HV: nobody is left to analyse" in text
        assert text.count(WORDS[UNKNOWN]) >= len(lost)


def test_what_is_wrong_still_stops(pairs, tmp_path):
    few = some_of(pairs, PATIENTS, tmp_path / "few")
    weighed = analysis_options(covariates={"weight": "continuous"})
    with pytest.raises(Fault, match='needs the column "weight"'):
        analyse("group_by_drug", few, tmp_path / "out", weighed)
    with pytest.raises(Fault, match='no analysis "drug_BP"'):
        analyse("drug_BP", few, tmp_path / "out", analysis_options())
    record = json.loads((few / "pairs.json").read_text())
    (few / "pairs.json").write_text(json.dumps(record | {"level": "contrast"}))
    with pytest.raises(Fault, match="no sum of sessions"):
        analyse("carryover", few, tmp_path / "out", analysis_options())
    delta = np.load(few / "delta.npy")
    delta[0, 0, 0] = np.nan
    np.save(few / "delta.npy", delta)
    with pytest.raises(Fault, match="not finite"):
        analyse("drug_TRD", few, tmp_path / "out", analysis_options(**OPTIONS))
    assert not (tmp_path / "out" / "result.json").exists()


def test_covariates_and_blocks(pairs, tmp_path):
    options = analysis_options(**OPTIONS, covariates={"age": "continuous"}, blocks="sequence")
    result = analyse("group_by_drug_pooled", pairs, tmp_path / "groups", options)
    assert result["model"] == "D ~ 1 + group + sequence + age" and result["covariates"] == ["age"]
    assert result["covariate_levels"] == {"age": []}
    assert any("blocks were not used" in note for note in result["notes"])
    assert result["block_exchange"] is None and result["arrangement"] == "sign flips"
    people = read_table(pairs / "people.tsv")
    site = ["ab"[number // 2 % 2] for number in range(len(people))]
    folder = some_of(pairs, list(range(len(people))), tmp_path / "sites", site=site)
    options = analysis_options(**OPTIONS, covariates={"age": "continuous"}, blocks="site")
    result = analyse("carryover", folder, tmp_path / "out", options)
    assert result["model"] == "S ~ 1 + sequence + group" and result["covariates"] == []
    assert result["arrangement"] == "shuffles" and result["block_exchange"] == "within"
    assert not any("blocks" in note for note in result["notes"])


def test_whole_blocks(pairs, tmp_path):
    people = read_table(pairs / "people.tsv")
    family = [f"f{number // 2}" for number in range(len(people))]
    folder = some_of(pairs, list(range(len(people))), tmp_path / "pairs", family=family)
    options = analysis_options(**OPTIONS, blocks="family", block_exchange="whole")
    result = analyse("drug_TRD", folder, tmp_path / "out", options)
    assert result["exhaustive"] and result["n_permutations"] == 2**7
    assert result["block_exchange"] == "whole"
    assert not any("blocks" in note for note in result["notes"])
    # One family of all: nobody can change places or sign.
    folder = some_of(pairs, list(range(14)), tmp_path / "one", family="f")
    result = analyse("drug_TRD", folder, tmp_path / "out", options)
    assert not result["estimable"] and "cannot be rearranged" in result["notes"][0]
    result = analyse("carryover", folder, tmp_path / "out", options)
    assert not result["estimable"] and "carryover" in result["notes"][0]


def test_orders_drawn_again(pairs, results, tmp_path):
    again = analyse("drug_TRD", pairs, tmp_path, analysis_options(**OPTIONS))
    assert again["arrangement"] == "re-randomisation" and again["model"] == "D ~ 1 + sequence"
    assert again["n_possible"] == 3432  # 14 people, 7 of each order
    # The same effect of the same people, under other arrangements.
    for stat in ("t", "effect", "stderr", "hedgesg"):
        maps = [read(folder, "sgACC", stat).get_fdata()
                for folder in (tmp_path, results / "drug_TRD")]  # fmt: skip
        np.testing.assert_allclose(*maps, rtol=1e-4, atol=1e-6)
    tables = [pd.read_csv(folder / "clusters.tsv", sep="\t").iloc[0]
              for folder in (tmp_path, results / "drug_TRD")]  # fmt: skip
    for column in ("x", "effect_in_sample", "effect_loo", "mean_TRD_ketamine",
                   "loo_mean_TRD_placebo", "n_folds"):  # fmt: skip
        np.testing.assert_allclose(tables[0][column], tables[1][column], rtol=1e-5)
    unknown = some_of(pairs, list(range(14)), tmp_path / "unknown", sequence_code=None)
    drawn = analysis_options(**OPTIONS, drug_arrangement="re-randomisation")
    record = analyse("drug_TRD", unknown, tmp_path / "o", drawn)
    assert not record["estimable"] and "re-randomisation draws" in record["notes"][0]


def test_skewed_differences_are_told(pairs, results, tmp_path):
    record = json.loads((results / "drug_TRD" / "result.json").read_text())
    assert record["skewness"] < 0.5 and not any("skewed" in note for note in record["notes"])
    skewed = some_of(pairs, list(range(24)), tmp_path / "skewed")
    delta = np.load(skewed / "delta.npy")
    np.save(skewed / "delta.npy", delta + np.exp(6 * delta))
    for name, options, said in (
        ("drug_TRD", OPTIONS, "nothing changes in anybody is still rejected in 5 % at most. Look"),
        ("drug_TRD", FLIPS, "flips and by orders drawn again. Look at everybody's"),
        ("group_by_drug", OPTIONS, "The statistic allows for skewness, but in small samples not"),
        ("group_by_drug_by_subregion", OPTIONS, "Groups whose differences are not equally skewed"),
    ):
        record = analyse(name, skewed, tmp_path / "out", analysis_options(**options))
        assert record["skewness"] > 0.5
        own = [part["skewness"] for part in record["per_seed"].values()]
        np.testing.assert_allclose(record["skewness"], np.sqrt(np.mean(np.square(own))), atol=2e-4)
        (note,) = [note for note in record["notes"] if "skewed" in note]
        assert f"skewness {record['skewness']:.2f}, root mean square over voxels" in note
        assert said in note
    record = analyse("change_MADRS", skewed, tmp_path / "out", analysis_options(**OPTIONS))
    assert record["skewness"] > 0.5 and not any("skewed" in note for note in record["notes"])


def test_a_killed_analysis_leaves_what_was_there(pairs, tmp_path, root):
    out = tmp_path / "drug_HV"
    analyse("drug_HV", pairs, out, analysis_options(**OPTIONS | {"permutations": 99}))
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    program = f"""
import os, signal
from crossfc import atomic
from crossfc.group.analysis import analyse
from tests.group.analysis_options import analysis_options

save, saved = atomic.save_image, []

def killing(path, image):
    save(path, image)
    saved.append(path)
    if len(saved) == 3:
        os.kill(os.getpid(), signal.SIGKILL)

atomic.save_image = killing
options = analysis_options(permutations=9, tfce=False)
analyse("drug_HV", {str(pairs)!r}, {str(out)!r}, options)
"""
    env = os.environ | {"PYTHONPATH": f"{root / 'scripts'}:{root}"}
    done = subprocess.run([sys.executable, "-c", program], env=env)
    assert done.returncode == -signal.SIGKILL
    part, whole = sorted(path.name for path in tmp_path.iterdir())
    assert re.fullmatch(r"\.part\d*_drug_HV", part) and whole == "drug_HV"
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    result = analyse("drug_HV", pairs, out, analysis_options(**OPTIONS))
    assert [path.name for path in tmp_path.iterdir()] == ["drug_HV"]
    assert result["n_permutations"] == 199
    assert json.loads((out / "result.json").read_text()) == result


def test_another_folder_is_not_replaced(pairs, tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(Fault, match="holds thesis.txt, which is not of an analysis"):
        analyse("drug_HV", pairs, tmp_path, analysis_options(**OPTIONS))
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_no_cluster_no_rows(pairs, tmp_path):
    options = OPTIONS | {"cluster_forming_p": 1e-12}
    result = analyse("drug_HV", pairs, tmp_path, analysis_options(**options))
    assert result["per_seed"]["sgACC"]["p_fwe_cluster_min"] == 1
    table = pd.read_csv(tmp_path / "clusters.tsv", sep="\t")
    assert len(table) == 0 and "mean_TRD_ketamine" in table.columns
    assert len(pd.read_csv(tmp_path / "cells.tsv", sep="\t")) == 0
    assert len(pd.read_csv(tmp_path / "peaks.tsv", sep="\t")) == 0
    assert (pd.read_csv(tmp_path / "null.tsv", sep="\t")["extent"][0]) == 0


def test_seed_contrasts_are_orthonormal():
    for n_seeds in (2, 3, 5):
        contrasts = seed_contrasts(n_seeds)
        assert contrasts.shape == (n_seeds - 1, n_seeds)
        np.testing.assert_allclose(contrasts @ contrasts.T, np.eye(n_seeds - 1), atol=1e-12)
        np.testing.assert_allclose(contrasts.sum(1), 0, atol=1e-12)


@pytest.mark.parametrize("name", names(GROUPS, ["MADRS"]))
def test_contrasts_are_read_in_pieces(pairs, name):
    of = Pairs.read(pairs)
    asked = question(name, GROUPS, TREATMENTS)
    rows, flip = np.array([1, 4, 2, 9]), np.array([1.0, -1, -1, 1])
    found = contrasts(asked, of, rows, flip)
    assert len(found) == len(parts(asked, of))
    data = np.array(of.total if name == "carryover" else of.delta, dtype=float)[rows]
    data = data * flip[:, None, None]
    for number, one in enumerate(found):
        if name.endswith("_pooled"):
            expected = data.mean(axis=1)
        elif name.endswith("_by_subregion"):
            expected = np.einsum("ms,nsv->nmv", seed_contrasts(3), data)
        else:
            expected = data[:, number]
        assert one.shape == expected.shape
        for part in (slice(0, 7), slice(100, None), slice(None)):
            np.testing.assert_allclose(one[..., part], expected[..., part], atol=1e-6)
        for person in range(4):
            np.testing.assert_allclose(one[person], expected[person], atol=1e-6)


def test_contrasts_of_other_people_are_corrected_by_their_number(results, tmp_path):
    """As after an exclusion by quality: arrangements differ, and p are multiplied by two."""
    names = ["drug_TRD", "drug_HV"]
    folders = {}
    for name in names:
        folders[name] = tmp_path / name
        folders[name].mkdir()
        record = json.loads((results / name / "result.json").read_text())
        record["contrast"] = "early" if name == "drug_TRD" else "late"
        (folders[name] / "result.json").write_text(json.dumps(record))
        shutil.copy(results / name / "clusters.tsv", folders[name])
    table = joint_table([names], folders)
    extent = table[table["measure"] == "extent"]
    expected = pd.concat([read_table(results / name / "clusters.tsv") for name in names])
    np.testing.assert_allclose(extent["p_within"], expected["p_fwe_cluster"])
    np.testing.assert_allclose(extent["p_joint"], np.minimum(1, 2 * expected["p_fwe_cluster"]))
