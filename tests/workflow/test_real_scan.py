"""A real person from raw scans to seed maps, through the workflow: studyforrest sub-02.

One run, cut into two halves that play two sessions. It is a one-back task of 78 volumes a half, so
the maps are noisy; the default mode network must stand out all the same.
"""

import json
import shutil

import nibabel
import numpy as np
import pytest
import yaml

from crossfc.jobs import claim
from tests.workflow.conftest import Study, copy_product

pytestmark = pytest.mark.slow

SEEDS = {"sgACC": (1, 31, -5), "pgACC": (2, 43, 9), "dACC": (2, 26, 22)}


@pytest.fixture(scope="module")
def finished(tmp_path_factory, root, shared_data) -> Study:
    study = copy_product(tmp_path_factory.mktemp("real") / "clone", root)
    source = shared_data / "ds-studyforrest-sub02/sub-02"
    raw = study.folder / "raw"
    (raw / "sub-02/anat").mkdir(parents=True)
    shutil.copyfile(source / "anat/sub-02_T1w.nii.gz", raw / "sub-02/anat/sub-02_T1w.nii.gz")
    run = nibabel.load(source / "func/sub-02_task-oneback_run-1_bold.nii.gz")
    sidecar = (source / "func/sub-02_task-oneback_run-1_bold.json").read_text()
    (raw / "task-oneback_bold.json").write_text(sidecar)
    data = np.asanyarray(run.dataobj)
    rows = ["participant_id\tsession_id\ttreatment\tperiod\tscan"]
    for period, session in enumerate(("a", "b"), 1):
        scan = f"sub-02/ses-{session}/func/sub-02_ses-{session}_task-oneback_bold.nii.gz"
        (raw / scan).parent.mkdir(parents=True)
        half = data[..., 78 * (period - 1) : 78 * period]
        nibabel.save(nibabel.Nifti1Image(half, run.affine, run.header), raw / scan)
        rows.append(f"sub-02\tses-{session}\t{session}\t{period}\t{scan}")
    (study.folder / "sessions.tsv").write_text("\n".join(rows) + "\n")
    (study.folder / "participants.tsv").write_text(
        "participant_id\tgroup\tsequence\tt1w\nsub-02\tone\ta-b\tsub-02/anat/sub-02_T1w.nii.gz\n"
    )
    config = {
        "study": "real",
        "entry": "raw",
        "bids_dir": "raw",
        "task": "oneback",
        "space": "MNI152NLin2009aSym",
        "sheets": {"participants": "participants.tsv", "sessions": "sessions.tsv"},
        "groups": {"patients": "one"},
        "treatments": {"active": "a", "control": "b"},
        # 156 seconds leave too little for a low-pass filter as well.
        "pipelines": {"primary": {"low_pass_hz": None}},
    }
    study.config_path.write_text(yaml.safe_dump(config))

    refused = study.snakemake("connectivity")
    assert refused.returncode != 0
    assert "preprocessing.slice_timing: skip" in refused.stdout + refused.stderr

    study.set_config(preprocessing__slice_timing="skip")
    done = study.snakemake("connectivity", "preprocess")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-5000:]
    return study


@pytest.fixture
def results(finished):
    return finished.folder / "results/real"


@pytest.fixture
def study(finished, tmp_path) -> Study:
    """A copy of the finished study, to be changed."""
    return finished.copy(tmp_path / "clone")


def seed_map(results, session: str, seed: str):
    (path,) = (results / f"sub-02/ses-{session}/func").glob(f"*seed-{seed}_*desc-primary_boldmap*")
    image = nibabel.load(path)
    return image.get_fdata(), image.affine


def test_brain_lies_on_the_template(results):
    for session in "ab":
        (path,) = (results / f"sub-02/ses-{session}/func").glob("*desc-primary_qc.json")
        record = json.loads(path.read_text())
        assert record["mask_dice_template"] >= 0.93
        assert all(seed["coverage"] > 0.9 for seed in record["seeds"].values())


@pytest.mark.parametrize("session", ["a", "b"])
def test_perigenual_acc_finds_the_default_mode(results, root, session):
    """Of all regions 40 mm and more away, the one most connected is of the default mode.

    In each half by itself (by chance 3 of 35 regions, twice). Both hemispheres of a region count
    together: one gyrus of one side is 60 voxels, and with 43 degrees of freedom that is chance.
    """
    image, affine = seed_map(results, session, "pgACC")
    values = image.ravel()
    voxels = np.indices(image.shape).reshape(3, -1)
    place = affine[:3, :3] @ voxels + affine[:3, 3:]
    distant = np.linalg.norm(place - np.array(SEEDS["pgACC"])[:, None], axis=0) > 40
    atlas = nibabel.load(root / "config/atlas/desikan_killiany.nii.gz")
    to_atlas = np.linalg.inv(atlas.affine)
    index = np.rint(to_atlas[:3, :3] @ place + to_atlas[:3, 3:]).astype(int)
    inside = ((index >= 0) & (index < np.array(atlas.shape)[:, None])).all(axis=0)
    label = np.zeros(values.size, dtype=int)
    label[inside] = np.asarray(atlas.dataobj)[tuple(index[:, inside])]
    lines = (root / "config/atlas/desikan_killiany.tsv").read_text().splitlines()[1:]
    found = {}
    for number, name in (line.split("\t") for line in lines):
        own = (label == int(number)) & distant & np.isfinite(values)
        found.setdefault(name.split(" (")[0], []).append(values[own])
    found = {name: np.concatenate(parts) for name, parts in found.items()}
    strength = {name: part.mean() for name, part in found.items() if part.size > 40}
    strongest = sorted(strength, key=strength.get, reverse=True)
    assert len(strongest) > 30
    assert strongest[0] in ("isthmus of the cingulate", "posterior cingulate", "precuneus"), [
        (name, round(float(strength[name]), 3)) for name in strongest[:5]
    ]


def test_maps_of_the_two_halves_agree(results):
    agreement = {}
    for seed in SEEDS:
        a, b = (seed_map(results, session, seed)[0] for session in "ab")
        both = np.isfinite(a) & np.isfinite(b)
        agreement[seed] = float(np.corrcoef(a[both], b[both])[0, 1])
    print(agreement)
    # The subgenual seed lies in the dropout of this scan: nothing is claimed of it.
    assert agreement["pgACC"] > 0.25 and agreement["dACC"] > 0.1


def would_run(study: Study) -> dict[str, int]:
    """Count the jobs of a dry run, without the targets themselves."""
    jobs = study.would_run("connectivity", "preprocess")
    return {job: n for job, n in jobs.items() if job not in ("connectivity", "preprocess")}


def test_nothing_to_do_again(study):
    assert would_run(study) == {}


def test_copied_real_data_set_reruns_nothing(study):
    raw = study.folder / "raw"
    shutil.copytree(raw, study.folder / "copy", copy_function=shutil.copyfile)
    shutil.rmtree(raw)
    (study.folder / "copy").rename(raw)
    assert would_run(study) == {}


def test_words_of_the_report_rerun_no_real_session(study):
    study.set_config(title="Another title")
    assert would_run(study) == {}


def test_another_scan_in_a_row_reruns_that_row(study):
    sheet = study.folder / "sessions.tsv"
    rows = sheet.read_text()
    scan = "sub-02/ses-b/func/sub-02_ses-b_task-oneback_bold.nii.gz"
    other = scan.replace("_bold", "_run-2_bold")
    shutil.copyfile(study.folder / "raw" / scan, study.folder / "raw" / other)
    sheet.write_text(rows.replace(scan, other))
    assert would_run(study) == {
        "preprocess_session 02/b": 1,
        "connectivity_session 02/b": 1,
    }


def test_new_content_of_a_real_scan_reruns_that_session(study):
    (bold,) = (study.folder / "raw/sub-02/ses-a/func").glob("*_bold.nii.gz")
    image = nibabel.load(bold)
    data = np.asanyarray(image.dataobj).copy()
    data[..., 3] += 1
    nibabel.save(nibabel.Nifti1Image(data, image.affine, image.header), bold)
    assert would_run(study) == {
        "preprocess_session 02/a": 1,
        "connectivity_session 02/a": 1,
    }


def test_another_smoothing_preprocesses_nothing(study):
    study.set_config(pipelines__primary__fwhm_mm=4)
    assert would_run(study) == {"connectivity_session 02/a": 1, "connectivity_session 02/b": 1}


def test_excluded_real_session_reruns_nothing(study):
    sheet = study.folder / "sessions.tsv"
    rows = sheet.read_text().splitlines()
    rows = [f"{rows[0]}\texclude\treason", f"{rows[1]}\tno\tn/a", f"{rows[2]}\tyes\tasleep"]
    sheet.write_text("\n".join(rows) + "\n")
    assert would_run(study) == {}


def test_other_jobs_write_the_same_bytes(study):
    """Preprocessed once more by other jobs, every file is the same, pictures and transform too."""
    folder = study.folder / "results/real/preprocessed"
    files = [p for p in folder.rglob("*") if p.is_file() and claim.FOLDER not in p.parts]
    before = {p.relative_to(folder): p.read_bytes() for p in files}
    assert len(before) > 20
    shutil.rmtree(folder)
    done = study.snakemake("preprocess")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-5000:]
    for name, content in before.items():
        assert (folder / name).read_bytes() == content, name
