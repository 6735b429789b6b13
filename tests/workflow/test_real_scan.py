"""A real person from raw scans to seed maps, through the workflow: studyforrest sub-02.

One run, cut into two halves that play two sessions. It is a one-back task of 78 volumes a half, so
the maps are noisy; the default mode network must stand out all the same.
"""

import json
import shutil

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import yaml
from scipy import ndimage
from scipy.spatial.transform import Rotation

from crossfc import template
from crossfc.jobs import claim
from crossfc.session.layout import anatomy, preprocessed, run_figure
from crossfc.session.preprocess.coregistration import coregister
from crossfc.session.preprocess.motion import estimate_motion
from crossfc.session.preprocess.registration import mask_dice
from crossfc.session.scan import open_scan
from tests.workflow.conftest import Study, copy_product
from tests.workflow.told import assert_told

pytestmark = pytest.mark.slow

SEEDS = {"sgACC": (1, 31, -5), "pgACC": (2, 43, 9), "dACC": (2, 26, 22)}


@pytest.fixture(scope="module")
def finished(tmp_path_factory, root, shared_data) -> Study:
    study = copy_product(tmp_path_factory.mktemp("real") / "clone", root)
    source = shared_data / "ds-studyforrest-sub02/sub-02"
    raw = study.folder / "raw"
    (raw / "sub-02/anat").mkdir(parents=True)
    shutil.copyfile(source / "anat/sub-02_T1w.nii.gz", raw / "sub-02/anat/sub-02_T1w.nii.gz")
    run = nib.load(source / "func/sub-02_task-oneback_run-1_bold.nii.gz")
    sidecar = (source / "func/sub-02_task-oneback_run-1_bold.json").read_text()
    (raw / "task-oneback_bold.json").write_text(sidecar)
    data = np.asanyarray(run.dataobj)
    rows = ["participant_id\tsession_id\ttreatment\tperiod\tscan"]
    for period, session in enumerate(("a", "b"), 1):
        scan = f"sub-02/ses-{session}/func/sub-02_ses-{session}_task-oneback_bold.nii.gz"
        (raw / scan).parent.mkdir(parents=True)
        half = data[..., 78 * (period - 1) : 78 * period]
        nib.save(nib.Nifti1Image(half, run.affine, run.header), raw / scan)
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
    assert_told(study.folder / "results/real")
    return study


@pytest.fixture
def results(finished):
    return finished.folder / "results/real"


@pytest.fixture
def study(finished, tmp_path) -> Study:
    """A copy of the finished study, to be changed."""
    return finished.copy(tmp_path / "clone")


def _scan(session: str) -> str:
    return f"sub-02/{session}/func/sub-02_{session}_task-oneback_bold.nii.gz"


@pytest.fixture(scope="module")
def places(finished):
    """The raw data set and the derivatives."""
    return finished.folder / "raw", finished.folder / "results/real/preprocessed"


@pytest.fixture(scope="module")
def normalised(places):
    """What was recorded of the normalisation."""
    return json.loads(anatomy("sub-02", places[1], template.SPACE)["quality"].read_text())


@pytest.fixture(scope="module")
def runs(places):
    """What was recorded of each run."""
    return {
        session: json.loads(
            preprocessed(_scan(session), places[1], template.SPACE)["bold_sidecar"].read_text()
        )
        for session in ("ses-a", "ses-b")
    }


def test_the_defaced_head_is_normalised(places, normalised):
    assert normalised["dice"] >= 0.97
    assert normalised["dice_affine"] >= 0.93
    assert normalised["correlation"] >= 0.75
    assert 0 < normalised["jacobian_min"] < 1 < normalised["jacobian_max"]
    assert normalised["warnings"] == []
    # An adult's brain (Lüders et al. 2002: grey 600 to 900 ml, white 400 to 600 ml).
    assert 550 < normalised["volume_ml_gm"] < 950
    assert 350 < normalised["volume_ml_wm"] < 650
    for name, path in anatomy("sub-02", places[1], template.SPACE).items():
        assert path.stat().st_size > 100, name


def test_tissues_divide_the_brain(places, normalised):
    files = anatomy("sub-02", places[1], template.SPACE)
    mask = nib.load(files["mask"]).get_fdata() > 0
    maps = {n: nib.load(files[n]).get_fdata(dtype=np.float32) for n in ("csf", "gm", "wm")}
    t1w = nib.load(files["t1w"]).get_fdata(dtype=np.float32)
    inner = ndimage.binary_erosion(mask, iterations=3)
    assert np.median(np.abs(sum(maps.values())[inner] - 1)) < 0.01
    bright = {n: np.median(t1w[inner & (m > 0.9)]) for n, m in maps.items()}
    assert bright["csf"] < 0.75 * bright["gm"] < 0.75 * 0.9 * bright["wm"]


@pytest.mark.parametrize("session", ("ses-a", "ses-b"))
def test_the_run_lies_on_the_template(places, runs, session):
    files = preprocessed(_scan(session), places[1], template.SPACE)
    mask = nib.load(files["mask"]).get_fdata() > 0
    standard = template.brain_mask(3).get_fdata() > 0
    assert mask_dice(mask, standard) >= 0.93
    # Independent of the anatomy: the brain as bright as the run shows it, carried by the run's
    # own registration. Part of it is lost to the field of view and to dropout.
    assert runs[session]["Registration"]["dice_brightness_template"] >= 0.88
    laid = runs[session]["Registration"]
    assert laid["dice"] >= 0.9
    assert laid["boundary_cost_taken"] < 0.55
    assert laid["boundary_cost_mirrored"] > 0.75
    assert laid["left_right"] == "as the header says"
    assert not any("not where the T1w" in w or "not seen" in w for w in runs[session]["Warnings"])
    reference = nib.load(files["boldref"]).get_fdata()
    # EPI shows CSF bright, white matter dark.
    tissues = {n: i.get_fdata() > 0.9 for n, i in template.tissues(3).items()}
    assert reference[tissues["csf"] & mask].mean() > 1.2 * reference[tissues["wm"] & mask].mean()
    assert run_figure(_scan(session), places[1]).stat().st_size > 10_000
    table = pd.read_csv(files["confounds"], sep="\t", na_values="n/a")
    assert len(table) == 78
    assert 0.03 < table["framewise_displacement"].mean() < 0.3


def test_a_mirrored_run_is_told(places, normalised):
    root, derivatives = places
    scan = open_scan(root / _scan("ses-a"))
    motion = estimate_motion(scan.data[..., 20:40], scan.affine)
    files = anatomy("sub-02", derivatives, template.SPACE)
    found = coregister(
        motion.reference[::-1].copy(), motion.mask[::-1].copy(), scan.affine,
        *(nib.load(files[name]) for name in ("t1w", "mask", "wm")), files["transform"],
    )  # fmt: skip
    assert found.quality["left_right"] == "swapped?"
    assert found.quality["boundary_cost_mirrored"] < 0.55 < 0.75 < found.quality["boundary_cost"]
    (sentence,) = found.warnings
    assert "left and right may be swapped" in sentence


def test_both_halves_land_on_the_same_place(places, runs):
    pictures = [
        nib.load(preprocessed(_scan(s), places[1], template.SPACE)["boldref"]).get_fdata()
        for s in ("ses-a", "ses-b")
    ]
    inside = template.brain_mask(3).get_fdata() > 0
    assert np.corrcoef(pictures[0][inside], pictures[1][inside])[0, 1] > 0.99
    matrices = [np.array(runs[s]["Registration"]["matrix_t1w_to_bold"]) for s in ("ses-a", "ses-b")]
    corners = np.array([[60, 0, 0], [-60, 0, 0], [0, 70, 0], [0, -90, 0], [0, 0, 70], [0, 0, -30]])
    apart = [nib.affines.apply_affine(m, corners) for m in matrices]
    # The head moved between the halves too; half a voxel in all.
    assert np.linalg.norm(apart[0] - apart[1], axis=1).max() < 1.5


def test_a_known_movement_of_a_real_picture_is_found(places):
    scan = open_scan(places[0] / _scan("ses-a"))
    still = np.median(scan.data[..., 20:50], axis=3)
    rng = np.random.default_rng(0)
    centre = scan.affine[:3, :3] @ (np.array(still.shape) / 2) + scan.affine[:3, 3]
    given = [np.eye(4)]
    for angles, shift in [
        ((0.01, -0.02, 0.015), (0.5, -0.8, 0.3)),
        ((0.001, -0.0005, 0.0015), (0.05, -0.08, 0.03)),
        ((-0.04, 0.03, 0.05), (-3, 2, 4)),
    ]:
        matrix = np.eye(4)
        matrix[:3, :3] = Rotation.from_euler("xyz", angles).as_matrix()
        matrix[:3, 3] = centre + shift - matrix[:3, :3] @ centre
        given.append(matrix)
    volumes = []
    for matrix in given:
        index = np.linalg.inv(scan.affine) @ np.linalg.inv(matrix) @ scan.affine
        moved = ndimage.affine_transform(
            still, index[:3, :3], index[:3, 3], order=3, mode="nearest"
        )
        volumes.append(moved + rng.normal(0, 0.01 * still.max(), still.shape))
    found = estimate_motion(np.stack(volumes, axis=-1), scan.affine).matrices
    relative = found @ np.linalg.inv(found[0])
    points = centre + np.array(
        [[60, 0, 0], [-60, 0, 0], [0, 70, 0], [0, -70, 0], [0, 0, 50], [0, 0, -50]]
    )
    for matrix, truth in zip(relative, given, strict=True):
        off = nib.affines.apply_affine(matrix, points) - nib.affines.apply_affine(truth, points)
        assert np.linalg.norm(off, axis=1).max() < 0.05


def seed_map(results, session: str, seed: str):
    (path,) = (results / f"sub-02/ses-{session}/func").glob(f"*seed-{seed}_*desc-primary_boldmap*")
    image = nib.load(path)
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
    atlas = nib.load(root / "config/atlas/desikan_killiany.nii.gz")
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
    image = nib.load(bold)
    data = np.asanyarray(image.dataobj).copy()
    data[..., 3] += 1
    nib.save(nib.Nifti1Image(data, image.affine, image.header), bold)
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
