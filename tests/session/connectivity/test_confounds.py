"""fMRIPrep's confounds tables: real ones of several versions, and small ones of both namings."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from crossfc.fault import Fault
from crossfc.session.connectivity.confounds import (
    Confounds,
    framewise_displacement,
    non_steady_volumes,
    read_confounds,
    strategy_matrix,
)
from crossfc.session.displacement import PARAMETERS

N = 30


@pytest.fixture(scope="module")
def strategies(root):
    return yaml.safe_load((root / "config" / "strategies.yaml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def real():
    """The tables that nilearn ships: fMRIPrep 20.2 and 21, made by these programs."""
    import nilearn.interfaces.fmriprep as module

    folder = Path(module.__file__).parent / "data"
    return {
        "20.2": folder / "test_desc-confounds_regressors.tsv",
        "20.2 steady": folder / "no_nonsteady_desc-confounds_regressors.tsv",
        "21": folder / "test-v21_desc-confounds_timeseries.tsv",
    }


def small(folder, naming="21", **changes):
    """Write a table of N volumes in the naming of fMRIPrep 20.2 or of 21 and later."""
    rng = np.random.default_rng(0)
    table = {}
    for name in PARAMETERS:
        for kind in ("", "_derivative1", "_power2", "_derivative1_power2"):
            table[name + kind] = rng.normal(size=N)
            if "derivative1" in kind:
                table[name + kind][0] = np.nan
    for name in ("csf", "white_matter", "global_signal"):
        table[name] = rng.normal(size=N)
    table["framewise_displacement"] = np.abs(rng.normal(size=N))
    table["framewise_displacement"][0] = np.nan
    sidecar = {}
    if naming == "21":
        for tissue, letter in (("WM", "w"), ("CSF", "c")):
            for i in range(6):
                table[f"{letter}_comp_cor_{i:02}"] = rng.normal(size=N)
                sidecar[f"{letter}_comp_cor_{i:02}"] = {"Mask": tissue, "Retained": True}
    else:
        for i in range(110):
            table[f"a_comp_cor_{i:02}"] = rng.normal(size=N)
            mask = "combined" if i < 50 else "CSF" if i < 97 else "WM"
            sidecar[f"a_comp_cor_{i:02}"] = {"Mask": mask, "Retained": True}
        sidecar["dropped_0"] = {"Mask": "WM", "Retained": False}
    table = pd.DataFrame(table | changes)
    path = folder / "s_desc-confounds_timeseries.tsv"
    table.to_csv(path, sep="\t", na_rep="n/a", index=False)
    path.with_suffix(".json").write_text(json.dumps(sidecar))
    return path, table


@pytest.mark.parametrize("version", ["20.2", "20.2 steady", "21"])
def test_real_tables_read_as_pandas_reads_them(real, version):
    confounds = read_confounds(real[version], 30)
    table = pd.read_csv(real[version], sep="\t")
    assert list(confounds.columns) == list(table.columns)
    for name in table.columns:
        np.testing.assert_allclose(confounds.columns[name], table[name], rtol=1e-12)
    fd = framewise_displacement(confounds)
    assert fd[0] == 0 and np.isfinite(fd).all() and fd[1:].max() > 0
    np.testing.assert_allclose(fd[1:], table["framewise_displacement"][1:])
    marked = [c for c in table.columns if c.startswith("non_steady_state_outlier")]
    wanted = table[marked].any(axis=1) if marked else np.zeros(30, bool)
    np.testing.assert_array_equal(non_steady_volumes(confounds), wanted)
    assert non_steady_volumes(confounds).sum() == {"20.2": 1, "20.2 steady": 0, "21": 3}[version]


@pytest.mark.parametrize("version", ["20.2", "20.2 steady", "21"])
@pytest.mark.parametrize(("strategy", "count"), [("p36", 36), ("p9", 9)])
def test_real_tables_hold_what_the_strategies_name(real, strategies, version, strategy, count):
    confounds = read_confounds(real[version])
    matrix, names = strategy_matrix(confounds, strategies[strategy])
    table = pd.read_csv(real[version], sep="\t")
    assert matrix.shape == (30, count) and len(set(names)) == count
    np.testing.assert_allclose(matrix, table[names].fillna(0))


def test_components_of_20_2_are_the_first_of_their_tissue(real, strategies):
    """nilearn finds the same components in the same table, by its own reading of the sidecar."""
    from nilearn.interfaces.fmriprep.load_confounds_utils import load_confounds_json

    sidecar = load_confounds_json(str(real["20.2"].with_suffix(".json")), flag_acompcor=True)
    wanted = {}
    for tissue in ("WM", "CSF"):
        own = [n for n, e in sidecar.items() if e.get("Mask") == tissue and e["Retained"]]
        # The components of a tissue stand in the order of the variance they explain.
        own.sort(key=lambda n: -sidecar[n]["SingularValue"])
        wanted[tissue] = [n for n in own if n.startswith("a_comp_cor")][:5]
    matrix, names = strategy_matrix(read_confounds(real["20.2"]), strategies["acompcor"])
    assert names[24:29] == wanted["WM"] == [f"a_comp_cor_{i}" for i in range(70, 75)]
    assert names[29:] == wanted["CSF"] == [f"a_comp_cor_{i}" for i in range(57, 62)]
    assert matrix.shape == (30, 34)


def test_components_of_21_have_names_of_their_own(real):
    names = strategy_matrix(read_confounds(real["21"]), {"compcor": {"wm": 4, "csf": 3}})[1]
    assert names == [f"w_comp_cor_{i:02}" for i in range(4)] + [
        f"c_comp_cor_{i:02}" for i in range(3)
    ]


def test_fewer_components_than_asked_for_are_all_taken(real, strategies):
    # The real table keeps four of white matter, those that explain half of its variance.
    _, names = strategy_matrix(read_confounds(real["21"]), strategies["acompcor"])
    tissue = [name for name in names if name.startswith("w_comp_cor")]
    assert tissue == [f"w_comp_cor_{i:02}" for i in range(4)]


def test_no_components_for_want_of_a_sidecar_is_said(real, strategies):
    with pytest.raises(
        Fault, match="no aCompCor components .*sidecar .*regressors.json, which tells"
    ):
        strategy_matrix(read_confounds(real["20.2 steady"]), strategies["acompcor"])


@pytest.mark.parametrize(("naming", "count"), [("20.2", 110), ("21", 12)])
def test_both_namings_give_the_same_number_of_columns(tmp_path, strategies, naming, count):
    path, table = small(tmp_path, naming)
    confounds = read_confounds(path, N)
    assert len([c for c in confounds.columns if "comp_cor" in c]) == count
    matrix, names = strategy_matrix(confounds, strategies["acompcor_gsr"])
    assert matrix.shape == (N, 35)
    first = {"21": ["w_comp_cor_00", "w_comp_cor_04"], "20.2": ["a_comp_cor_97", "a_comp_cor_101"]}
    assert [names[25], names[29]] == first[naming]
    np.testing.assert_allclose(matrix, table[names].fillna(0))


def test_patterns_nested_lists_and_repeats(tmp_path):
    confounds = read_confounds(small(tmp_path)[0])
    strategy = {"columns": ["rot_x", [["rot_?"]], "csf"], "compcor": None}
    assert strategy_matrix(confounds, strategy)[1] == ["rot_x", "rot_y", "rot_z", "csf"]
    matrix, names = strategy_matrix(confounds, {})
    assert matrix.shape == (N, 0) and names == []


def test_framewise_displacement_by_hand(tmp_path):
    path, table = small(tmp_path)
    table = table.drop(columns="framewise_displacement")
    table.to_csv(path, sep="\t", na_rep="n/a", index=False)
    fd = framewise_displacement(read_confounds(path))
    assert fd[0] == 0
    for t in (1, 17):
        step = [abs(table[name][t] - table[name][t - 1]) for name in PARAMETERS]
        assert fd[t] == pytest.approx(sum(step[:3]) + 50 * sum(step[3:]))
    table.drop(columns="rot_y").to_csv(path, sep="\t", na_rep="n/a", index=False)
    with pytest.raises(Fault, match="neither framewise_displacement nor the six motion"):
        framewise_displacement(read_confounds(path))


def test_rows_that_are_not_the_volumes(tmp_path):
    path, _ = small(tmp_path)
    with pytest.raises(Fault, match="timeseries.tsv has 30 rows for a scan of 31 volumes; use"):
        read_confounds(path, 31)
    path.write_text("\n".join(path.read_text().splitlines()[:1]) + "\n")
    with pytest.raises(Fault, match="has 0 rows"):
        read_confounds(path)


def test_an_unknown_column_suggests_the_near_one(tmp_path):
    confounds = read_confounds(small(tmp_path)[0])
    with pytest.raises(Fault) as caught:
        strategy_matrix(confounds, {"columns": ["white_mater"]})
    said = str(caught.value)
    assert "timeseries.tsv has no column white_mater" in said
    assert "did you mean white_matter?" in said and "choose another strategy" in said


@pytest.mark.parametrize(
    "pattern", ["motion_outlier*", "motion_outlier??", "cosine*", "non_steady_state_outlier0[0-4]"]
)
def test_a_pattern_finds_nothing_where_a_run_may_have_nothing(tmp_path, pattern):
    """A run without an outlier has no such column (and one with an outlier loses it)."""
    confounds = read_confounds(small(tmp_path)[0])
    assert strategy_matrix(confounds, {"columns": ["rot_x", pattern]})[1] == ["rot_x"]
    spikes = {"motion_outlier00": np.eye(N)[7], "cosine00": np.ones(N)}
    spikes |= {"non_steady_state_outlier00": np.eye(N)[0]}
    found = strategy_matrix(read_confounds(small(tmp_path, **spikes)[0]), {"columns": [pattern]})[1]
    assert len(found) == 1


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ("motion_oulier*", "did you mean motion_outlier*?"),
        ("motion_outlier00", "write motion_outlier*, which may find none"),
        ("aroma_motion_*", "fMRIPrep 20.2 to 23.0 writes it with --use-aroma"),
        ("edge_comp_00", "fMRIPrep 21.0 or later writes it"),
        ("trans_*_derivative2", "correct the name in the file of strategies"),
        ("rmsd", "fMRIPrep 20.2 and later write it, so an older version or another program"),
        ("breathing", "correct the name in the file of strategies"),
    ],
)
def test_other_columns_that_are_missing_are_a_fault_with_a_true_remedy(tmp_path, wanted, said):
    with pytest.raises(Fault) as caught:
        strategy_matrix(read_confounds(small(tmp_path)[0]), {"columns": [wanted]})
    assert f"has no column {wanted}" in str(caught.value) and said in str(caught.value)


def test_a_tissue_without_components_is_told_by_what_the_table_has(tmp_path):
    path, table = small(tmp_path)
    table.drop(columns=[c for c in table if c.startswith("w_")]).to_csv(
        path, sep="\t", na_rep="n/a", index=False
    )
    with pytest.raises(Fault, match="components of wm.*kept none of this tissue in this run"):
        strategy_matrix(read_confounds(path), {"compcor": {"wm": 5}})
    table.drop(columns=[c for c in table if "comp_cor" in c]).to_csv(
        path, sep="\t", na_rep="n/a", index=False
    )
    with pytest.raises(Fault, match="write the table with fMRIPrep 20.2 or later"):
        strategy_matrix(read_confounds(path), {"compcor": {"wm": 5}})


def test_a_cell_that_is_no_number(tmp_path):
    values = np.arange(N).astype(object)
    values[4] = "0,5"
    path, _ = small(tmp_path, csf=values)
    with pytest.raises(Fault, match=r'timeseries.tsv, row 6, column "csf": \'0,5\' is no number'):
        read_confounds(path)


@pytest.mark.parametrize("hole", ["n/a", "nan", "inf", ""])
def test_a_missing_value_is_refused_where_a_regressor_needs_one(tmp_path, hole):
    values = np.arange(N).astype(object)
    values[4] = hole
    path, _ = small(tmp_path, csf=values)
    confounds = read_confounds(path)
    with pytest.raises(Fault, match='row 6, column "csf" is missing; only the first volume'):
        strategy_matrix(confounds, {"columns": ["csf"]})


@pytest.mark.parametrize("hole", ["n/a", "nan", "inf", ""])
def test_displacement_that_is_not_known_is_not_zero(tmp_path, hole):
    values = np.arange(N).astype(object)
    values[4] = hole
    # Where the head was not found the regressors are missing too; the volume is left out anyway.
    path, _ = small(tmp_path, csf=values, framewise_displacement=values)
    confounds = read_confounds(path)
    displacement = framewise_displacement(confounds)
    assert np.flatnonzero(np.isnan(displacement)).tolist() == [4]
    assert strategy_matrix(confounds, {"columns": ["csf"]})[0][3:6, 0].tolist() == [3, 0, 5]
    # From motion parameters, the change into and out of such a volume is not known.
    moved = {name: np.arange(N).astype(object) for name in PARAMETERS} | {"trans_y": values}
    bare = dict(read_confounds(small(tmp_path, **moved)[0]).columns)
    del bare["framewise_displacement"]
    displacement = framewise_displacement(Confounds(path, bare, {}))
    assert np.flatnonzero(np.isnan(displacement)).tolist() == [4, 5]


def test_missing_values_before_steady_state_are_no_fault(tmp_path):
    values = np.arange(N).astype(float)
    values[:3] = np.nan
    marks = {f"non_steady_state_outlier0{i}": np.eye(N)[i].astype(int) for i in range(3)}
    path, _ = small(tmp_path, csf=values, **marks)
    confounds = read_confounds(path)
    assert non_steady_volumes(confounds).tolist() == [True] * 3 + [False] * 27
    assert strategy_matrix(confounds, {"columns": ["csf"]})[0][:4, 0].tolist() == [0, 0, 0, 3]


@pytest.mark.parametrize(
    ("strategy", "said"),
    [
        ({"compcor": {"gm": 5}}, "compcor gm: 5; write such as wm: 5"),
        ({"compcor": {"wm": "five"}}, "compcor wm: five"),
        ({"compcor": 5}, "has compcor 5; write such as"),
        ({"columns": [3]}, "names the column 3"),
        ({"columns": {"a": 1}}, "names the column"),
    ],
)
def test_a_strategy_that_is_none(tmp_path, strategy, said):
    with pytest.raises(Fault) as caught:
        strategy_matrix(read_confounds(small(tmp_path)[0]), strategy)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"{", "is no valid JSON"), (b"[1]", "no JSON object"), (b"\xff\xfe", "is not UTF-8")],
)
def test_a_sidecar_at_fault(tmp_path, content, said):
    path, _ = small(tmp_path)
    path.with_suffix(".json").write_bytes(content)
    with pytest.raises(Fault, match=f"timeseries.json .*{said}|timeseries.json {said}"):
        read_confounds(path)


def test_a_byte_order_mark_in_the_sidecar_changes_nothing(tmp_path):
    path, _ = small(tmp_path)
    sidecar = path.with_suffix(".json")
    sidecar.write_text('{"a_comp_cor_00": {"Mask": "WM"}}')
    plain = read_confounds(path).masks
    sidecar.write_bytes(b"\xef\xbb\xbf" + sidecar.read_bytes())
    assert read_confounds(path).masks == plain == {"a_comp_cor_00": "WM"}


def test_a_dangling_sidecar_is_named_not_passed_over(tmp_path):
    path, _ = small(tmp_path)
    path.with_suffix(".json").unlink(missing_ok=True)
    path.with_suffix(".json").symlink_to("../.git/annex/objects/x/y.json")
    with pytest.raises(Fault, match=r"timeseries.json is a link into git-annex .*datalad get"):
        read_confounds(path)


def test_a_missing_table_is_named(tmp_path):
    with pytest.raises(Fault, match="nothing.tsv does not exist"):
        read_confounds(tmp_path / "nothing.tsv")


def test_the_shipped_strategies_carry_their_sentences(strategies):
    assert {"acompcor", "acompcor_gsr", "p36", "p9"} <= set(strategies)
    for strategy in strategies.values():
        assert strategy["methods"].strip().endswith(".")
