"""Two runs differ in words: which key, row, package, module, and by how much the results."""

import copy
import json

import nibabel
import numpy as np
import pytest

from crossfc.jobs.comparison import compare, file_difference, sheet_rows

JOB = {
    "jobs": 4,
    "threads": 1,
    "software": {"numpy": "2.3.5"},
    "machine": "Linux x86_64, glibc 2.36, Xeon",
    "lock": "abc",
}
RECORD = {
    "crossfc": "0.1.0",
    "deployment": [],
    "commit": None,
    "code": "0",
    "lock": "abc",
    "environments": {"envs/analysis.yaml": "1"},
    "packages": {"numpy": "2.3.5", "scipy": "1.15.2"},
    "machine": "Linux x86_64, glibc 2.36, Xeon",
    "config": {"study": "a", "group": {"permutations": 99, "seed": 0}},
    "seeds": {"group.seed": 0},
    "sheets": {"participants": "1"},
    "jobs": {"group_test": [JOB]},
    "definitions": {"crossfc.group.inference.tail.fit": "1", "crossfc.tie.tied": "5"},
    "rules": {"group_test": {"code": "0", "definitions": ["crossfc.group.inference.tail.fit"]}},
    "workflow": {"Snakefile": "1"},
}


@pytest.fixture
def runs(tmp_path):
    """Two folders of results that are the same."""
    folders = tmp_path / "a", tmp_path / "b"
    for folder in folders:
        (folder / "trial/sheets").mkdir(parents=True)
        (folder / "trial/sheets/participants.tsv").write_text("participant_id\tage\nsub-01\t30\n")
        (folder / "table.tsv").write_text("x\ty\n1\ta\n2\tb\n")
        (folder / "provenance.json").write_text(json.dumps(RECORD))
    return folders


def record(folder, **changes):
    made = copy.deepcopy(RECORD) | changes
    (folder / "provenance.json").write_text(json.dumps(made))


def said(runs) -> str:
    lines, same = compare(*runs)
    assert not same or "Results: the same, byte by byte" in lines
    return "\n".join(lines)


def test_what_says_where_a_run_lies_is_no_result(runs):
    for folder in runs:
        (folder / ".crossfc").mkdir()
        (folder / ".crossfc/claim.json").write_text(json.dumps({"folder": str(folder)}))
        (folder / "logs/records").mkdir(parents=True)
        (folder / "logs/records/table.tsv.record").write_text(str(folder))
    assert compare(*runs)[1]


def test_equal_runs(runs):
    lines, same = compare(*runs)
    assert same
    assert [line for line in lines[1:] if line] == [
        f"{part}: the same"
        for part in ("Configuration", "Random seeds", "Sheets", "Versions", "Code", "Threads")
    ] + ["Machine: the same", "Results: the same, byte by byte"]


def test_a_key_and_a_seed(runs):
    config = {"study": "a", "title": "T", "group": {"permutations": 199, "seed": 7}}
    record(runs[1], config=config, seeds={"group.seed": 7})
    text = said(runs)
    assert "config key group.permutations: 99 in A, 199 in B" in text
    assert "config key title: T in B only" in text
    assert "Random seeds:\n  config key group.seed: 0 in A, 7 in B" in text


def test_versions_by_rule_and_packages_that_no_job_imports(runs):
    newer = JOB | {"software": {"numpy": "2.4.0"}}
    packages = {"numpy": "2.4.0", "scipy": "1.16.0"}
    record(runs[1], jobs={"group_test": [newer]}, packages=packages, lock="def")
    text = said(runs)
    assert "numpy 2.3.5 in A, 2.4.0 in B: group_test" in text
    assert "package scipy: 1.15.2 in A, 1.16.0 in B (imported by no job itself)" in text
    assert "uv.lock: abc in A, def in B" in text
    assert text.count("numpy") == 1


def test_results_of_two_locks_are_named(runs):
    record(runs[1], jobs={"group_test": [JOB, JOB | {"lock": "old"}]})
    assert "B was made under 2 locks, one after another" in said(runs)


def test_code_and_the_rules_that_use_it(runs):
    changed = {"crossfc.group.inference.tail.fit": "2", "crossfc.group.findings.peak.tied": "5"}
    record(runs[1], definitions=changed, workflow={"Snakefile": "2"})
    text = said(runs)
    assert "crossfc.group.inference.tail.fit differs: used by group_test" in text
    assert "Snakefile differs" in text
    assert "tied" not in text  # it is the same in another module


def test_code_of_a_record_of_an_earlier_version(runs):
    path = runs[0] / "provenance.json"
    before = json.loads(path.read_text())
    before["modules"] = before.pop("definitions")
    path.write_text(json.dumps(before | {"code": "9"}))
    text = said(runs)
    assert "the code differs; an earlier version of crossfc recorded it in another way" in text


def test_threads_and_machines(runs):
    other = JOB | {"threads": 2, "machine": "Linux x86_64, glibc 2.36, EPYC"}
    record(runs[1], jobs={"group_test": [other]})
    text = said(runs)
    assert "group_test: 1 in A, 2 in B" in text
    assert "Xeon in A, Linux x86_64, glibc 2.36, EPYC in B: last digits may differ" in text


def test_a_row_of_a_sheet(runs):
    sheet = runs[1] / "trial/sheets/participants.tsv"
    sheet.write_text("participant_id\tage\nsub-01\t31\nsub-02\t40\n")
    record(runs[1], sheets={"participants": "2"})
    text = said(runs)
    assert "participants.tsv: sub-01, column age: 30 in A, 31 in B" in text
    assert "participants.tsv: sub-02 is in B only" in text


def test_rows_that_share_their_name_are_held_apart(tmp_path):
    a, b = tmp_path / "a.tsv", tmp_path / "b.tsv"
    a.write_text("set\tseed\tx\ns\tpgACC\t-8\ns\tpgACC\t8\n")
    b.write_text("set\tseed\tx\ns\tpgACC\t-8\ns\tpgACC\t9\n")
    assert list(sheet_rows(a, b)) == ["a.tsv: s pgACC (row 2), column x: 8 in A, 9 in B"]


def test_results_by_their_largest_difference(runs):
    (runs[1] / "table.tsv").write_text("x\ty\n1\ta\n2.5\tc\n")
    lines, same = compare(*runs)
    assert not same
    assert (
        "  table.tsv: largest difference 0.5 at row 3, column x (2 in A, 2.5 in B); row 3, column "
        "y (b in A, c in B) differs, 2 values differ"
    ) in lines
    (runs[1] / "table.tsv").unlink()
    assert "table.tsv is in A only" in said(runs)


def test_arrays_and_images(tmp_path):
    values = np.arange(24.0).reshape(2, 3, 4)
    other = values.copy()
    other[1, 2, 3] += 0.25
    other[0, 0, 0] = np.nan
    for name, one in (("a", values), ("b", other)):
        np.save(tmp_path / f"{name}.npy", one)
        image = nibabel.Nifti1Image(one.astype(np.float32), np.eye(4))
        nibabel.save(image, tmp_path / f"{name}.nii.gz")
    for suffix, what in (("npy", "element"), ("nii.gz", "voxel")):
        found = file_difference(tmp_path / f"a.{suffix}", tmp_path / f"b.{suffix}")
        assert found == (
            f"largest difference 0.25 at {what} (1, 2, 3) (23 in A, 23.25 in B), 1 of 24 differ; "
            "1 are numbers in one and missing in the other"
        )
    moved = nibabel.Nifti1Image(values.astype(np.float32), np.diag([2, 1, 1, 1]))
    nibabel.save(moved, tmp_path / "c.nii.gz")
    found = file_difference(tmp_path / "a.nii.gz", tmp_path / "c.nii.gz")
    assert found == "the images lie in different places (affine)"


def test_json_by_key(tmp_path):
    a, b = tmp_path / "a.json", tmp_path / "b.json"
    a.write_text('{"n": 3, "rows": [{"p": 0.05}]}')
    b.write_text('{"n": 3, "rows": [{"p": 0.06}]}')
    assert file_difference(a, b) == ("largest difference 0.01 at rows.0.p (0.05 in A, 0.06 in B)")
    b.write_text('{"n": 3}')
    assert file_difference(a, b) == "rows.0.p is in A only"
    b.write_text('{"n":3,"rows":[{"p":0.05}]}')
    assert file_difference(a, b) == "the same values, written differently"
