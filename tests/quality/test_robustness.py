"""Robustness over pipelines: maps whose likeness is known."""

import json

import nibabel
import numpy as np
import pytest

from crossfc.fault import Fault
from crossfc.quality.robustness import COLUMNS, robustness

AFFINE = np.array([[-3.0, 0, 0, 30], [0, 3, 0, -40], [0, 0, 3, -20], [0, 0, 0, 1]])
SHAPE = (11, 12, 10)


def write(folder, analysis, maps, n=None, affine=AFFINE):
    folder = folder / analysis
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in maps.items():
        image = nibabel.Nifti1Image(np.asarray(data, np.float32), affine)
        nibabel.save(image, folder / f"seed-{name}_statmap.nii.gz")
    counts = {"TRD": 24, "HV": 17} if n is None else n
    (folder / "result.json").write_text(json.dumps({"n": counts}))
    return folder.parent


@pytest.fixture
def maps():
    rng = np.random.default_rng(0)
    t = rng.standard_normal(SHAPE).astype(np.float32)
    t[2, 3, 4] = -7.5
    t[8, 8, 8] = 6.0
    t[:, :, 0] = np.nan
    return t


def test_the_same_map_is_the_same(tmp_path, maps):
    primary = write(tmp_path / "primary", "drug_TRD", {"sgACC_stat-t": maps})
    gsr = write(tmp_path / "gsr", "drug_TRD", {"sgACC_stat-t": maps}, {"TRD": 22})
    table, notes = robustness(primary, {"gsr": gsr}, ["drug_TRD"])
    assert list(table.columns) == COLUMNS and notes == []
    row = table.iloc[0]
    assert row[["pipeline", "analysis", "seed"]].tolist() == ["gsr", "drug_TRD", "sgACC"]
    assert row["map_correlation_with_primary"] == pytest.approx(1)
    assert row["dice_top_percent"] == 1 and row["n_people"] == 22
    # The largest absolute value, negative here, in mm.
    peak = row[["primary_peak_x", "primary_peak_y", "primary_peak_z"]].tolist()
    assert peak == [30 - 3 * 2, -40 + 3 * 3, -20 + 3 * 4]
    assert row["stat_at_primary_peak"] == pytest.approx(-7.5)


def test_numbers_are_those_of_the_common_mask(tmp_path, maps):
    rng = np.random.default_rng(1)
    other = -1.5 * maps + rng.standard_normal(SHAPE)
    other[0] = np.nan
    other[2, 3, 4] = 1.25
    primary = write(tmp_path / "a", "x", {"sgACC_stat-t": maps})
    scrub = write(tmp_path / "b", "x", {"sgACC_stat-t": other})
    row = robustness(primary, {"scrub": scrub}, ["x"])[0].iloc[0]
    a, b = (m[1:, :, 1:].astype(np.float32).ravel() for m in (maps, other))
    assert row["map_correlation_with_primary"] == pytest.approx(np.corrcoef(a, b)[0, 1], abs=1e-6)
    assert row["stat_at_primary_peak"] == pytest.approx(1.25)
    top = int(np.ceil(len(a) / 100))
    chosen = [set(np.argsort(np.abs(m))[-top:]) for m in (a, b)]
    assert top == 11 and 0 < len(chosen[0] & chosen[1]) < 11
    assert row["dice_top_percent"] == pytest.approx(len(chosen[0] & chosen[1]) / top)


def test_peak_outside_the_other_mask_and_flat_maps_are_na(tmp_path, maps):
    other = np.ones(SHAPE)
    other[2] = np.nan
    primary = write(tmp_path / "a", "x", {"sgACC_stat-t": maps})
    flat = write(tmp_path / "b", "x", {"sgACC_stat-t": other})
    row = robustness(primary, {"flat": flat}, ["x"])[0].iloc[0]
    assert np.isnan(row["stat_at_primary_peak"])
    assert np.isnan(row["map_correlation_with_primary"])


def test_all_analyses_seeds_and_pipelines(tmp_path, maps):
    folders = {}
    both = ("sgACC", "pgACC")
    for name, seeds in (("p", both), ("gsr", both), ("k", ("pgACC",))):
        folders[name] = write(tmp_path / name, "drug", {f"{s}_stat-t": maps for s in seeds})
        write(tmp_path / name, "by_subregion", {"subregion_stat-F": maps**2})
        # What is no statistic of the test is not compared.
        write(tmp_path / name, "drug", {"sgACC_stat-effect": maps, "sgACC_stat-pfwevoxel": maps})
    primary = folders.pop("p")
    table, notes = robustness(primary, folders, ["drug", "by_subregion"])
    assert table[["pipeline", "analysis", "seed"]].values.tolist() == [
        ["gsr", "drug", "pgACC"],
        ["gsr", "drug", "sgACC"],
        ["k", "drug", "pgACC"],
        ["gsr", "by_subregion", "subregion"],
        ["k", "by_subregion", "subregion"],
    ]
    assert notes == ["k has no sgACC in drug; not compared"]
    assert (table["n_people"] == 41).all()


def test_what_is_not_estimable_is_skipped_with_a_note(tmp_path, maps):
    folders = {name: tmp_path / name for name in ("p", "gsr", "scrub")}
    lost = {"p": "drug_HV", "scrub": "group_by_drug"}
    for name, folder in folders.items():
        for analysis in ("drug_TRD", "drug_HV", "group_by_drug"):
            kept = lost.get(name) != analysis
            write(folder, analysis, {"sgACC_stat-t": maps} if kept else {})
            if not kept:
                record = {"estimable": False, "n": {"TRD": 24, "HV": 0}}
                (folder / analysis / "result.json").write_text(json.dumps(record))
    primary = folders.pop("p")
    table, notes = robustness(primary, folders, ["drug_TRD", "drug_HV", "group_by_drug"])
    assert table[["pipeline", "analysis"]].values.tolist() == [
        ["gsr", "drug_TRD"],
        ["scrub", "drug_TRD"],
        ["gsr", "group_by_drug"],
    ]
    assert notes == [
        "drug_HV cannot be estimated in the primary pipeline; not compared",
        "group_by_drug cannot be estimated in scrub; not compared",
    ]
    nothing = robustness(primary, folders, ["drug_HV"])[0]
    assert len(nothing) == 0 and list(nothing.columns) == COLUMNS


def test_faults(tmp_path, maps):
    primary = write(tmp_path / "a", "x", {"sgACC_stat-t": maps})
    shifted = write(tmp_path / "b", "x", {"sgACC_stat-t": maps}, affine=AFFINE + np.eye(4) * 0.1)
    with pytest.raises(Fault, match="another grid"):
        robustness(primary, {"b": shifted}, ["x"])
    cut = write(tmp_path / "c", "x", {"sgACC_stat-t": maps[:-1]})
    with pytest.raises(Fault, match="another grid"):
        robustness(primary, {"c": cut}, ["x"])
    with pytest.raises(Fault, match="result.json is missing"):
        robustness(primary, {"b": shifted}, ["y"])
    bare = write(tmp_path / "bare", "x", {})
    with pytest.raises(Fault, match="holds no map"):
        robustness(primary, {"bare": bare}, ["x"])
    welch = write(tmp_path / "d", "x", {"sgACC_stat-F": maps})
    with pytest.raises(Fault, match="another statistic"):
        robustness(primary, {"d": welch}, ["x"])
    nothing = write(tmp_path / "e", "x", {"sgACC_stat-t": np.full(SHAPE, np.nan)})
    with pytest.raises(Fault, match="too few voxels in common"):
        robustness(primary, {"e": nothing}, ["x"])
    (nothing / "x" / "result.json").unlink()
    with pytest.raises(Fault, match="result.json is missing"):
        robustness(primary, {"e": nothing}, ["x"])
