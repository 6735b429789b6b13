"""What others made is never written over: folders that a config names by mistake, files in ours."""

import json
import os
import shutil
from pathlib import Path

import pytest
import yaml

from crossfc.fault import Fault
from crossfc.jobs import claim
from crossfc.plan import Plan

SCAN = "sub-01/ses-1/func/sub-01_ses-1_task-rest_bold.nii.gz"


@pytest.fixture
def twin(tmp_path):
    """A folder that a job has filled."""
    root = tmp_path / "twin"
    claim.make(root, claim.TWIN)
    write(root, SCAN)
    return root


def write(root: Path, name: str = SCAN, content: str = "simulated") -> Path:
    path = root / name
    with claim.making(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return path


def test_ours_may_be_made_anew_and_others_may_not(tmp_path, twin):
    assert claim.fault(tmp_path / "none", claim.TWIN, [tmp_path / "none" / SCAN]) == ""
    (tmp_path / "empty/sub-01/ses-1").mkdir(parents=True)
    (tmp_path / "empty/.git").mkdir()
    (tmp_path / "empty/.git/config").write_text("")
    assert claim.fault(tmp_path / "empty", claim.TWIN, []) == ""
    assert claim.fault(twin, claim.TWIN, [twin / SCAN]) == ""
    write(twin, content="simulated otherwise")
    assert claim.fault(twin, claim.TWIN, [twin / SCAN]) == ""
    real = tmp_path / "real"
    real.mkdir()
    (real / "participants.tsv").write_text("participant_id\n")
    assert f"{real} was not made by crossfc" in claim.fault(real, claim.TWIN, [])


def test_a_file_that_somebody_put_there_is_kept(twin):
    real = twin / SCAN.replace("01", "02")
    assert claim.fault(twin, claim.TWIN, [twin / SCAN, real]) == ""
    real.parent.mkdir(parents=True)
    real.write_text("a real scan")
    assert claim.fault(twin, claim.TWIN, [twin / SCAN]) == "", "the twin does not make that one"
    assert str(real) in claim.fault(twin, claim.TWIN, [twin / SCAN, real])
    real.unlink()
    # In the place of one of ours, and as long.
    (twin / SCAN).write_text("a person!")
    assert str(twin / SCAN) in claim.fault(twin, claim.TWIN, [twin / SCAN, real])


def test_a_killed_job_may_be_done_again(twin):
    path = twin / SCAN.replace("01", "03")
    with pytest.raises(KeyboardInterrupt), claim.making(path):
        path.parent.mkdir(parents=True)
        path.write_text("half")
        raise KeyboardInterrupt
    assert claim.fault(twin, claim.TWIN, [path]) == ""


def test_links_do_not_lead_out(tmp_path, twin):
    real = tmp_path / "real" / "sub-04"
    real.mkdir(parents=True)
    (twin / "sub-04").symlink_to(real)
    assert "sub-04" in claim.fault(twin, claim.TWIN, [twin / SCAN.replace("01", "04")])
    data = tmp_path / "data"
    (real / "README").write_text("")
    data.symlink_to(real)
    assert "was not made by crossfc" in claim.fault(data, claim.TWIN, [])


def test_moved_and_copied(tmp_path, twin):
    moved = tmp_path / "moved"
    twin.rename(moved)
    (moved / "notes.txt").write_text("")
    assert claim.fault(moved, claim.TWIN, [moved / SCAN]) == ""
    (moved / "notes.txt").unlink()
    shutil.copytree(moved, copied := tmp_path / "copied", copy_function=shutil.copyfile)
    os.utime(copied / SCAN)
    assert claim.fault(copied, claim.TWIN, [copied / SCAN]) == ""
    # A claim that came to somebody's data says nothing about them.
    real = tmp_path / "real"
    (real / "sub-09").mkdir(parents=True)
    (real / "sub-09/scan.nii.gz").write_text("real")
    shutil.copytree(moved / claim.FOLDER, real / claim.FOLDER)
    assert "sub-09" in claim.fault(real, claim.TWIN, [real / SCAN])


# The plan ----------------------------------------------------------------------------------------


@pytest.fixture
def study(tmp_path, root, monkeypatch):
    """Return a plan of the demo with other keys, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(root / "config", tmp_path / "config")
    demo = yaml.safe_load((root / "config/config.yaml").read_text())

    def plan(**keys) -> Plan:
        return Plan(demo | {"derivatives_dir": "derived"} | keys, root)

    return plan


def files_below(folder: Path) -> dict[str, str]:
    return {str(p): p.read_text() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize("entry", ["fmriprep", "raw"])
@pytest.mark.parametrize("linked", [False, True])
def test_a_twin_key_left_in_the_config(study, tmp_path, entry, linked):
    real = tmp_path / "real"
    (real / "sub-01").mkdir(parents=True)
    (real / "participants.tsv").write_text("participant_id\nsub-01\n")
    if linked:
        (tmp_path / "data").symlink_to(real)
    folder = "data" if linked else "real"
    keys = {"derivatives_dir" if entry == "fmriprep" else "bids_dir": folder}
    plan = study(entry=entry, **keys)
    with pytest.raises(Fault, match=f"key twin: .*{folder} was not made.*delete the key twin"):
        plan.places.require_own()
    # Both remedies work; without the twin real derivatives are only read.
    study(entry=entry, **dict.fromkeys(keys, "new")).places.require_own()
    study(entry=entry, twin=None, **keys).places.require_own()


def test_the_bids_folder_is_not_touched_by_a_twin_of_derivatives(study, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data/README").write_text("mine")
    plan = study(entry="fmriprep", bids_dir="data")
    plan.places.require_own()
    assert list(plan.places.made()) == ["twin"]
    folder, _, files = plan.places.made()["twin"]
    assert all(Path(path).is_relative_to(folder) for path in files()) and len(files()) > 300
    plan.places.claim([*files(), plan.file("report.html")])
    assert files_below(tmp_path / "data") == {str(tmp_path / "data/README"): "mine"}
    assert claim.kind_of("derived") == claim.TWIN
    assert claim.kind_of("results/demo") == claim.RESULTS
    plan.places.require_own()
    # A lab adds a person of its own to the sheet and to the twin's folder.
    real = tmp_path / files()[0]
    real.parent.mkdir(parents=True)
    real.write_text("real")
    with pytest.raises(Fault, match=f"key twin: .*{real.name}.*not made by crossfc"):
        plan.places.require_own()
    with claim.making(real):
        real.write_text("simulated")
    plan.places.require_own()


def test_a_raw_twin_knows_all_that_it_writes(study):
    plan = study(entry="raw", bids_dir="raw", derivatives_dir=None)
    assert list(plan.places.made()) == ["twin", "derivatives_dir"]
    twin = {Path(path).name for path in plan.places.made()["twin"][2]()}
    assert {
        "README",
        "participants.tsv",
        "task-rest_bold.json",
        "sub-T01_ses-placebo_T1w.json",
    } <= twin
    scan = "sub-T01_ses-placebo_task-rest_run-01"
    assert {f"{scan}_{end}" for end in ("bold.nii.gz", "bold.json", "truth.json")} <= twin
    made = {Path(path).name for path in plan.places.made()["derivatives_dir"][2]()}
    space = "space-MNI152NLin2009aSym"
    assert {f"{scan}_{space}_desc-preproc_bold.nii.gz", "dataset_description.json",
            f"sub-T01_{space}_desc-preproc_T1w.nii.gz"} <= made  # fmt: skip


@pytest.mark.parametrize("twin", [None, {}])
def test_preprocessing_spares_derivatives_that_are_there(study, tmp_path, twin):
    (tmp_path / "derived").mkdir()
    said = {"GeneratedBy": [{"Name": "fMRIPrep", "Version": "25.2.7"}]}
    (tmp_path / "derived/dataset_description.json").write_text(json.dumps(said))
    (tmp_path / "license.txt").write_text("mine")
    ask = {
        "image": "docker://nipreps/fmriprep:25.2.7",
        "fs_license": "license.txt",
        "runner": "apptainer",
    }
    for keys in (
        {},
        {
            "space": "MNI152NLin2009cAsym",
            "preprocessing": {"tool": "fmriprep-run", "fmriprep": ask},
        },
    ):
        plan = study(entry="raw", twin=twin, **keys)
        with pytest.raises(Fault, match="key derivatives_dir: .*name a new folder"):
            plan.places.require_own()
    study(entry="raw", twin=twin, derivatives_dir=None).places.require_own()


def test_results_do_not_come_among_somebodys_data(study, tmp_path):
    (tmp_path / "data/sub-01").mkdir(parents=True)
    (tmp_path / "data/participants.tsv").write_text("participant_id\nsub-01\n")
    with pytest.raises(Fault, match=r"key study: data, .*\(participants.tsv\); choose another"):
        study(study="data", results_dir=".", bids_dir="raw").places.require_own()
    study(study="data", results_dir="results").places.require_own()
    study(study="crossfc", results_dir="data").places.require_own()
    # Ours, by an earlier version and by this one.
    folder = tmp_path / "results/demo"
    folder.mkdir(parents=True)
    (folder / "README").write_text("")
    with pytest.raises(Fault, match="README"):
        study().places.require_own()
    said = {"GeneratedBy": [{"Name": "crossfc", "Version": "0.1.0"}]}
    (folder / "dataset_description.json").write_text(json.dumps(said))
    study().places.require_own()
    (folder / "dataset_description.json").write_text(json.dumps(said | {"Name": "x, preprocessed"}))
    with pytest.raises(Fault, match="dataset_description.json"):
        study().places.require_own()
    # A claim does not make another's data set ours.
    claim.make(folder, claim.RESULTS)
    (folder / "dataset_description.json").write_text('{"Name": "mine"}')
    with pytest.raises(Fault, match="dataset_description.json"):
        study().places.require_own()


def test_simulated_scans_do_not_come_over_preprocessed_ones_of_ours(study):
    """Nor results among either: a session's folder of results is made as a whole."""
    native = study(entry="raw", twin=None)
    files = native.places.made()["derivatives_dir"][2]()
    native.places.claim(files)
    bold = next(path for path in files if path.endswith("preproc_bold.nii.gz"))
    with claim.making(bold):
        Path(bold).parent.mkdir(parents=True)
        Path(bold).write_text("hours of work")
    native.places.require_own()
    with pytest.raises(Fault, match="derived was made by crossfc for preprocessed scans"):
        study(entry="fmriprep").places.require_own()
    study(entry="fmriprep", twin=None).places.require_own()
    with pytest.raises(Fault, match=r"key study: derived, .*\(preprocessed scans\)"):
        study(entry="raw", twin=None, study="derived", results_dir=".",
              derivatives_dir=None).places.require_own()  # fmt: skip


def test_a_twin_has_no_ready_maps(study):
    with pytest.raises(Fault, match="config key twin: .*delete the key twin"):
        study(entry="maps")


def test_preprocessed_scans_are_not_put_among_the_raw_ones(study):
    with pytest.raises(Fault, match="config key derivatives_dir: .* is bids_dir too"):
        study(entry="raw", bids_dir="derived")
