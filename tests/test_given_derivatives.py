"""Derivatives that a lab brings: what is wrong is told while jobs are planned, all at once."""

import gzip
import json
import re
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from crossfc.fault import Fault
from crossfc.plan import Plan
from crossfc.session.displacement import PARAMETERS

SPACE, VOLUMES, TR = "MNI152NLin2009cAsym", 24, 2.5
AFFINE = np.array([[-3.0, 0, 0, 30], [0, 3, 0, -20], [0, 0, 3, -10], [0, 0, 0, 1]])
SHAPE = (6, 7, 5)


def save(path: Path, data: np.ndarray, affine=AFFINE, tr=TR) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = nib.Nifti1Image(data, affine)
    image.set_sform(affine, 4)
    image.set_qform(affine, 4)
    image.header.set_xyzt_units("mm", "sec")
    if data.ndim == 4:
        image.header["pixdim"][4] = tr
    nib.save(image, path)


class Study:
    """Three people with two sessions each, as fMRIPrep leaves them, very small."""

    def __init__(self, root: Path, home: Path):
        self.root, self.home = root, home
        people = pd.DataFrame({"participant_id": [f"sub-0{k}" for k in (1, 2, 3)]})
        people["group"], people["sequence"] = "TRD", "ketamine-placebo"
        people.to_csv(root / "participants.tsv", sep="\t", index=False)
        rows = []
        for person in people["participant_id"]:
            for period, (session, treatment) in enumerate((("a", "ketamine"), ("b", "placebo")), 1):
                self.write(f"{person}_ses-{session}_task-rest")
                rows.append(
                    [person, f"ses-{session}", treatment, period, self.scan(person, session)]
                )
        self.sessions = pd.DataFrame(
            rows, columns=["participant_id", "session_id", "treatment", "period", "scan"]
        )
        self.config = {
            "study": "s",
            "entry": "fmriprep",
            "derivatives_dir": str(root / "deriv"),
            "results_dir": str(root / "results"),
            "space": SPACE,
            "sheets": {key: str(root / f"{key}.tsv") for key in ("participants", "sessions")},
            "groups": {"patients": "TRD"},
            "treatments": {"active": "ketamine", "control": "placebo"},
            "pipelines": {"primary": {"strategy": "p9"}},
        }

    @staticmethod
    def scan(person: str, session: str, more: str = "") -> str:
        return f"{person}/ses-{session}/func/{person}_ses-{session}_task-rest{more}_bold.nii.gz"

    def write(self, run: str) -> None:
        person, session = run.split("_")[:2]
        folder = self.root / "deriv" / person / session / "func"
        series = np.random.default_rng(0).integers(100, 900, (*SHAPE, VOLUMES)).astype(np.int16)
        start = folder / f"{run}_space-{SPACE}_desc-"
        save(Path(f"{start}preproc_bold.nii.gz"), series)
        save(
            Path(f"{start}brain_mask.nii.gz"),
            np.ones(SHAPE, np.uint8),
        )
        Path(f"{start}preproc_bold.json").write_text(json.dumps({"RepetitionTime": TR}))
        columns = [*PARAMETERS, "csf", "white_matter", "global_signal", "framewise_displacement"]
        table = pd.DataFrame(np.zeros((VOLUMES, len(columns))), columns=columns)
        table.to_csv(folder / f"{run}_desc-confounds_timeseries.tsv", sep="\t", index=False)

    def file(self, ending: str, person="sub-02", session="a") -> Path:
        (path,) = (self.root / "deriv" / person / f"ses-{session}" / "func").glob(f"*{ending}")
        return path

    def plan(self, **config) -> Plan:
        self.sessions.to_csv(self.root / "sessions.tsv", sep="\t", index=False)
        return Plan(self.config | config, self.home)

    def faults(self, **config) -> list[str]:
        with pytest.raises(Fault) as caught:
            self.plan(**config).connectivity.require_sound()
        return str(caught.value).splitlines()


@pytest.fixture
def study(tmp_path, root, monkeypatch):
    monkeypatch.chdir(root)
    return Study(tmp_path, root)


def test_sound_derivatives_pass_and_are_the_inputs(study):
    plan = study.plan()
    plan.connectivity.require_sound()
    (bold,) = plan.connectivity.inputs("02", "a", "bold")
    assert bold == str(study.file("preproc_bold.nii.gz"))
    assert plan.connectivity.inputs("02", "a", "bold_sidecar") == [bold.replace(".nii.gz", ".json")]
    assert plan.connectivity.inputs("02", "a", "confounds_sidecar") == []
    assert plan.scans.used_scans("02", "a") == [study.scan("sub-02", "a")]
    assert plan.scans.passed_over("02", "a") == []


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])


def unoriented(path: Path) -> None:
    raw = bytearray(gzip.decompress(path.read_bytes()))
    raw[252:256] = bytes(4)
    path.write_bytes(gzip.compress(bytes(raw)))


def dangling(path: Path) -> None:
    path.unlink()
    path.symlink_to("../../../.git/annex/objects/Q5/x")


def pointer(path: Path) -> None:
    path.write_text("/annex/objects/MD5E-s1--0.nii.gz\n")


def elsewhere(path: Path) -> None:
    save(path, np.ones(SHAPE, np.uint8), AFFINE @ np.diag([1, 1, 1.2, 1]))


def volume(path: Path) -> None:
    save(path, np.ones(SHAPE, np.int16))


def shorter(path: Path) -> None:
    path.write_text("\n".join(path.read_text().splitlines()[:-3]) + "\n")


def without_global_signal(path: Path) -> None:
    path.write_text(path.read_text().replace("global_signal", "globalsignal"))


@pytest.mark.parametrize(
    ("ending", "break_it", "said"),
    [
        ("preproc_bold.nii.gz", Path.unlink, "has no preprocessed BOLD of sub-02_ses-a_task-rest"),
        ("preproc_bold.nii.gz", cut, "preproc_bold.nii.gz is truncated"),
        ("preproc_bold.nii.gz", unoriented, "set derivatives.accept_unoriented: true"),
        ("preproc_bold.nii.gz", dangling, "is a link into git-annex .*datalad get"),
        ("preproc_bold.nii.gz", pointer, "is a pointer of git-annex .*datalad get"),
        ("preproc_bold.nii.gz", volume, "4 dimensions are due"),
        ("preproc_bold.json", dangling, "bold.json is a link into git-annex .*datalad get"),
        ("preproc_bold.json", lambda p: p.write_text('{"RepetitionTime": "2"}'), "give seconds"),
        ("preproc_bold.json", lambda p: p.write_text("{,}"), "is no valid JSON"),
        ("brain_mask.nii.gz", Path.unlink, "has no brain mask of sub-02_ses-a_task-rest"),
        ("brain_mask.nii.gz", dangling, "mask.nii.gz is a link into git-annex"),
        ("brain_mask.nii.gz", elsewhere, "mask.nii.gz lies on another grid than .*bold.nii.gz"),
        ("timeseries.tsv", Path.unlink, "has no confounds table of sub-02_ses-a_task-rest"),
        ("timeseries.tsv", pointer, "timeseries.tsv is a pointer of git-annex"),
        ("timeseries.tsv", shorter, "has 21 rows for a scan of 24 volumes"),
        ("timeseries.tsv", without_global_signal, "has no column global_signal.*globalsignal"),
    ],
)  # fmt: skip
def test_a_fault_of_derivatives_is_one_sentence_with_its_row(study, ending, break_it, said):
    break_it(study.file(ending))
    (line,) = study.faults()
    assert line.startswith(f"{study.root}/sessions.tsv, row 4: "), line
    assert re.search(said, line), line


def test_all_faults_of_all_people_are_told_at_once(study):
    cut(study.file("preproc_bold.nii.gz"))
    shorter(study.file("timeseries.tsv", "sub-03"))
    study.file("brain_mask.nii.gz", "sub-01").unlink()
    assert len(study.faults()) == 3


def test_one_cause_is_one_line(study):
    for person in ("sub-01", "sub-02", "sub-03"):
        for session in ("a", "b"):
            study.file("preproc_bold.nii.gz", person, session).unlink()
    (line,) = study.faults()
    assert "(6 such: " in line


def test_a_table_that_lacks_many_columns_is_two_lines(study):
    said = study.faults(pipelines={"primary": {"strategy": "p36"}})
    assert len(said) == 2
    assert "has no column trans_x_derivative1, which" in said[0] and "(6 such: row 2" in said[0]
    assert "timeseries.tsv lacks 27 columns of the strategies in all (6 such: row 2" in said[1]


def test_a_byte_order_mark_and_empty_lines_change_nothing(study):
    for ending in ("preproc_bold.json", "timeseries.tsv"):
        path = study.file(ending)
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes() + b"\r\n\n")
    study.plan().connectivity.require_sound()


def test_an_inherited_dangling_sidecar_is_told(study):
    (study.root / "deriv" / "task-rest_bold.json").symlink_to(".git/annex/objects/x")
    (line,) = study.faults()
    assert "task-rest_bold.json is a link into git-annex" in line


def test_an_accepted_orientation_goes_on(study):
    unoriented(study.file("preproc_bold.nii.gz"))
    unoriented(study.file("brain_mask.nii.gz"))
    assert len(study.faults()) == 2
    study.plan(derivatives={"accept_unoriented": True}).connectivity.require_sound()


def test_people_on_another_grid_are_named_before_any_job(study):
    larger = np.ones((7, 7, 5, VOLUMES), np.int16)
    save(study.file("preproc_bold.nii.gz"), larger)
    save(study.file("brain_mask.nii.gz"), larger[..., 0].astype(np.uint8))
    (line,) = study.faults()
    assert line.startswith("1 of 6 preprocessed runs lie on another grid than the others, such as")
    assert str(study.file("preproc_bold.nii.gz")) in line and "7×7×5 voxels of 3×3×3 mm" in line


def test_an_unusable_repeat_is_passed_over_by_name(study, monkeypatch):
    study.write("sub-02_ses-a_task-rest_run-2")
    whole, repeat = study.scan("sub-02", "a"), study.scan("sub-02", "a", "_run-2")
    study.sessions.loc[study.sessions["scan"] == whole, "scan"] = f"{whole};{repeat}"
    cut(study.file("run-2_space-*preproc_bold.nii.gz"))
    plan = study.plan()
    plan.connectivity.require_sound()
    assert plan.scans.used_scans("02", "a") == [whole]
    (left,) = plan.scans.passed_over("02", "a")
    assert left["scan"] == repeat and "is truncated" in left["reason"]
    assert str(study.root) not in left["reason"]
    assert len(plan.connectivity.inputs("02", "a", "bold")) == 1
    # A job that waited meanwhile takes what its run was planned with, or fails.
    planned_with = plan.scans.repeats()
    assert planned_with[whole] is None and "is truncated" in planned_with[repeat]
    cut(study.file("rest_space-*preproc_bold.nii.gz"))
    assert all("row 4: " in line for line in study.faults())
    monkeypatch.setattr("crossfc.jobs.planned.repeats", lambda: planned_with)
    assert study.plan().scans.used_scans("02", "a") == [whole]


def test_a_missing_folder_is_one_sentence(study):
    (line,) = study.faults(derivatives_dir=str(study.root / "nothing"))
    assert line.startswith("config key derivatives_dir: ") and "does not exist" in line


DESCRIPTION = {"Name": "fMRIPrep", "BIDSVersion": "1.4.0"}


@pytest.mark.parametrize("version", ["25.1.0", "25.1.4", "25.1.2.post1"])
@pytest.mark.parametrize("field", ["GeneratedBy", "PipelineDescription"])
def test_versions_that_invent_voxels_are_refused_unless_accepted(study, version, field):
    stated = {"Name": "fMRIPrep", "Version": version}
    content = DESCRIPTION | {field: [stated] if field == "GeneratedBy" else stated}
    (study.root / "deriv/dataset_description.json").write_text(json.dumps(content))
    (line,) = study.faults()
    assert f"are of fMRIPrep {version}, which fills voxels that were never scanned" in line
    accepted = {"accept_fmriprep_versions": [version]}
    study.plan(derivatives=accepted).connectivity.require_sound()


@pytest.mark.parametrize("version", ["25.0.0", "25.1.5", "25.1.40", "25.2.0", "20.2.7", None])
def test_other_versions_pass(study, version):
    content = DESCRIPTION | {"GeneratedBy": [{"Name": "fMRIPrep", "Version": version}]}
    (study.root / "deriv/dataset_description.json").write_text(json.dumps(content))
    study.plan().connectivity.require_sound()


@pytest.mark.parametrize("space", ["T1w", "func", "fsaverage", "MNIPediatricAsym", "OASIS30ANTs"])
def test_a_space_that_is_not_mni_is_refused(study, space):
    with pytest.raises(Fault, match=f"config key space: {space} is .*MNI152 coordinates; name"):
        study.plan(space=space)


@pytest.mark.parametrize("sheet", ["participants", "sessions", "seeds", "strategies"])
def test_a_sheet_that_was_not_fetched_is_named_as_that(study, sheet):
    """Not as one that does not exist, which `sheets` would write."""
    study.plan()
    path = study.root / f"{sheet}.tsv"
    path.unlink(missing_ok=True)
    path.symlink_to(".git/annex/objects/x")
    config = study.config
    if sheet == "strategies":
        config = config | {"strategies": str(path)}
    else:
        config = config | {"sheets": config["sheets"] | {sheet: str(path)}}
    with pytest.raises(Fault, match=f"{sheet}.tsv is a link into git-annex .*datalad get"):
        Plan(config, study.home).checked_trial()


class Cleaned(Study):
    """The same as XCP-D leaves it: no mask and no confounds, but motion and outliers."""

    def write(self, run: str) -> None:
        person, session = run.split("_")[:2]
        folder = self.root / "deriv" / person / session / "func"
        series = np.random.default_rng(0).normal(0, 9, (*SHAPE, VOLUMES - 2)).astype(np.float32)
        start = folder / f"{run}_space-{SPACE}_desc-denoised_bold"
        save(Path(f"{start}.nii.gz"), series)
        Path(f"{start}.json").write_text(json.dumps({"RepetitionTime": TR}))
        table = pd.DataFrame(
            np.zeros((VOLUMES, 7)), columns=[*PARAMETERS, "framewise_displacement"]
        )
        table.to_csv(folder / f"{run}_motion.tsv", sep="\t", index=False)
        outliers = pd.DataFrame({"framewise_displacement": [0, 1, 1] + [0] * (VOLUMES - 3)})
        outliers.to_csv(folder / f"{run}_outliers.tsv", sep="\t", index=False)


@pytest.fixture
def cleaned(tmp_path, root, monkeypatch):
    monkeypatch.chdir(root)
    study = Cleaned(tmp_path, root)
    study.config |= {
        "derivatives": {"desc": "denoised"},
        "pipelines": {"primary": {"strategy": "cleaned"}},
    }
    return study


def test_cleaned_runs_need_neither_mask_nor_confounds(cleaned):
    plan = cleaned.plan()
    plan.connectivity.require_sound()
    inputs = {kind: plan.connectivity.inputs("02", "a", kind) for kind in (
        "bold", "mask", "confounds", "outliers", "components")}  # fmt: skip
    assert inputs["bold"] == [str(cleaned.file("desc-denoised_bold.nii.gz"))]
    assert inputs["confounds"] == [str(cleaned.file("_motion.tsv"))]
    assert inputs["outliers"] == [str(cleaned.file("_outliers.tsv"))]
    assert inputs["mask"] == inputs["components"] == []


def test_masks_come_from_fmripreps_folder_where_it_is_named(cleaned, tmp_path):
    other = tmp_path / "fmriprep"
    made = Study(other, cleaned.home) if other.mkdir() is None else None
    shutil.move(other / "deriv", tmp_path / "prep")
    assert made is not None
    named = {"desc": "denoised", "fmriprep_dir": str(tmp_path / "prep")}
    (mask,) = cleaned.plan(derivatives=named).connectivity.inputs("02", "a", "mask")
    assert mask.startswith(f"{tmp_path}/prep/sub-02/ses-a/func/") and mask.endswith("mask.nii.gz")
    (line,) = cleaned.faults(derivatives=named | {"fmriprep_dir": "nowhere"})
    assert line.startswith("config key derivatives.fmriprep_dir: nowhere does not exist")


def test_faults_of_cleaned_runs_are_told_before_any_job(cleaned):
    table = cleaned.file("_outliers.tsv")
    table.write_text(table.read_text() + "1\n")
    (line,) = cleaned.faults()
    assert "tells of 25, of which 3 are outliers" not in line  # 25 - 3 volumes are there
    assert "_motion.tsv has 24 rows for the 25 of" in line
    (line, *_) = cleaned.faults(derivatives={"desc": "residual"})
    assert "has no desc-residual BOLD of sub-01_ses-a_task-rest" in line
    assert "it has desc-denoised; correct derivatives.desc in the config" in line


def test_a_strategy_with_columns_needs_a_table_that_has_them(cleaned):
    pipelines = {"primary": {"strategy": "cleaned"}, "more": {"strategy": "p9"}}
    lines = cleaned.faults(pipelines=pipelines)
    assert "_motion.tsv has no column csf" in lines[0]


def test_weights_by_grey_matter_are_refused_where_nobody_has_a_map(study):
    pipelines = {"primary": {"strategy": "p9", "region_weights": "grey_matter"}}
    (line,) = study.faults(pipelines=pipelines)
    assert line.startswith("config key pipelines.primary.region_weights is grey_matter, and no")
    anat = study.root / "deriv/sub-02/anat"
    name = f"sub-02_space-{SPACE}_label-GM_probseg.nii.gz"
    save(anat / name, np.ones(SHAPE, np.float32))
    plan = study.plan(pipelines=pipelines)
    plan.connectivity.require_sound()
    assert plan.connectivity.grey_matter_inputs("02", "a") == [str(anat / name)]
    assert plan.connectivity.grey_matter_inputs("01", "a") == []
    said = plan.connectivity.grey_matter_absent("01", "a")
    assert said.endswith("in sub-01/ses-a/anat or sub-01/anat") and str(study.root) not in said


def test_components_become_columns_of_strategies(study, tmp_path):
    folder = tmp_path / "aroma"
    for person in ("sub-01", "sub-02", "sub-03"):
        for session in ("ses-a", "ses-b"):
            func = folder / person / session / "func"
            func.mkdir(parents=True)
            table = pd.DataFrame({"aroma_motion_01": np.zeros(VOLUMES)})
            name = f"{person}_{session}_task-rest_desc-aroma_timeseries.tsv"
            table.to_csv(func / name, sep="\t", index=False)
    pipelines = {"primary": {"strategy": "aroma"}}
    lines = study.faults(pipelines=pipelines)
    assert "has no column aroma_motion_*" in lines[0] and "components_dir" in lines[0]
    plan = study.plan(pipelines=pipelines, derivatives={"components_dir": str(folder)})
    plan.connectivity.require_sound()
    (path,) = plan.connectivity.inputs("02", "b", "components")
    assert path == str(
        folder / "sub-02/ses-b/func/sub-02_ses-b_task-rest_desc-aroma_timeseries.tsv"
    )
    (folder / "sub-02/ses-b/func/sub-02_ses-b_task-rest_desc-aroma_timeseries.tsv").unlink()
    (line,) = study.faults(pipelines=pipelines, derivatives={"components_dir": str(folder)})
    assert "has no table of components (desc-aroma_timeseries)" in line and "tedana" in line


@pytest.mark.parametrize(
    ("pattern", "names", "path"),
    [
        (
            "{participant_id}/{session_id}/func/task-rest/{participant_id}_{session_id}_task-rest_"
            "feature-acc_seed-{seed}_stat-effect_statmap.nii.gz",
            {},
            "sub-01/ses-a/func/task-rest/sub-01_ses-a_task-rest_feature-acc_seed-sgACC_stat-effect_"
            "statmap.nii.gz",
        ),
        (
            "BETA_{participant_id}_{treatment}_{seed}.nii",
            {"sub-01": "Subject001", "sub-02": "Subject002", "sub-03": "Subject003",
             "ketamine": "Condition002", "placebo": "Condition001", "sgACC": "Source001",
             "pgACC": "Source002", "dACC": "Source003"},
            "BETA_Subject001_Condition002_Source001.nii",
        ),
    ],
    ids=["HALFpipe", "CONN"],
)  # fmt: skip
def test_ready_maps_of_other_programs_are_found_by_their_names(study, pattern, names, path):
    maps = {"pattern": pattern, "names": names, "kind": "other"}
    with pytest.raises(Fault) as caught:
        study.plan(entry="maps", maps=maps).group.ready_maps("maps")
    assert f"{study.root}/deriv/{path}" in str(caught.value)
    maps["names"] = {"sub-9": "Subject009"}
    with pytest.raises(Fault, match="config key maps.names: sub-9 is no participant, session"):
        study.plan(entry="maps", maps=maps).group.ready_maps("maps")


def test_what_worked_on_fmripreps_output_takes_the_rest_from_there(study, tmp_path):
    shutil.move(study.root / "deriv", tmp_path / "prep")
    for path in sorted((tmp_path / "prep").rglob("*desc-preproc_bold*")):
        own = study.root / "deriv" / path.relative_to(tmp_path / "prep")
        own.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, own.with_name(own.name.replace("preproc", "nonaggrDenoised")))
    given = {"desc": "nonaggrDenoised", "fmriprep_dir": str(tmp_path / "prep")}
    plan = study.plan(derivatives=given)
    plan.connectivity.require_sound()
    (bold,) = plan.connectivity.inputs("02", "a", "bold")
    assert bold == str(study.file("desc-nonaggrDenoised_bold.nii.gz"))
    for kind in ("mask", "confounds"):
        (path,) = plan.connectivity.inputs("02", "a", kind)
        assert path.startswith(f"{tmp_path}/prep/sub-02/ses-a/func/")
    # Without that folder both are missed, in its own sentence.
    lines = study.faults(derivatives={"desc": "nonaggrDenoised"})
    assert "has no brain mask of sub-01_ses-a_task-rest" in lines[0]
    assert "has no confounds table of sub-01_ses-a_task-rest" in lines[1]
