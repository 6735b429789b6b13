"""A real person: studyforrest sub-02, defaced T1w and raw BOLD, all the way to the template."""

import json
import shutil

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from scipy import ndimage
from scipy.spatial.transform import Rotation

from crossfc.fault import Fault
from crossfc.session import template
from crossfc.session.anatomy import normalise_subject
from crossfc.session.coregistration import coregister
from crossfc.session.layout import anatomy, preprocessed, run_figure
from crossfc.session.motion import estimate_motion
from crossfc.session.preprocess import preprocess_session
from crossfc.session.registration import load_ants, mask_dice
from crossfc.session.scan import open_scan

pytestmark = pytest.mark.slow

SOURCE = "ds-studyforrest-sub02/sub-02"
SESSIONS = ("ses-a", "ses-b")


def _scan(session):
    return f"sub-02/{session}/func/sub-02_{session}_task-rest_bold.nii.gz"


@pytest.fixture(scope="module")
def places(shared_data, tmp_path_factory):
    """One run in two halves that play two sessions, and the anatomy of the same person."""
    load_ants(threads=1, seed=1)
    root = tmp_path_factory.mktemp("bids")
    derivatives = tmp_path_factory.mktemp("derivatives")
    source = shared_data / SOURCE / "func" / "sub-02_task-oneback_run-1_bold.nii.gz"
    run = nib.load(source)
    data = np.asanyarray(run.dataobj)
    for session, half in zip(SESSIONS, (slice(0, 78), slice(78, 156)), strict=True):
        path = root / _scan(session)
        path.parent.mkdir(parents=True)
        nib.save(nib.Nifti1Image(data[..., half], run.affine, run.header), path)
    sidecar = json.loads(source.with_name(source.name.replace(".nii.gz", ".json")).read_text())
    (root / "task-rest_bold.json").write_text(json.dumps(sidecar | {"TaskName": "rest"}))
    (root / "sub-02/anat").mkdir()
    t1w = root / "sub-02/anat/sub-02_T1w.nii.gz"
    shutil.copyfile(shared_data / SOURCE / "anat" / "sub-02_T1w.nii.gz", t1w)
    return root, derivatives, t1w


@pytest.fixture(scope="module")
def normalised(places):
    _, derivatives, t1w = places
    return normalise_subject(t1w, derivatives, "sub-02", seed=1, threads=1)


@pytest.fixture(scope="module")
def runs(places, normalised):
    root, derivatives, _ = places
    return {
        session: preprocess_session(
            _scan(session), root, "sub-02", derivatives, slice_timing="skip"
        )
        for session in SESSIONS
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


def test_without_slice_timing_the_choice_has_to_be_made(places, normalised):
    root, derivatives, _ = places
    with pytest.raises(Fault, match="preprocessing.slice_timing: skip"):
        preprocess_session(_scan("ses-a"), root, "sub-02", derivatives)


@pytest.mark.parametrize("session", SESSIONS)
def test_the_run_lies_on_the_template(places, runs, session):
    files = preprocessed(_scan(session), places[1], template.SPACE)
    mask = nib.load(files["mask"]).get_fdata() > 0
    standard = template.brain_mask(3).get_fdata() > 0
    assert mask_dice(mask, standard) >= 0.93
    # Independent of the anatomy: the brain as bright as the run shows it, carried by the run's
    # own registration. Part of it is lost to the field of view and to dropout.
    assert runs[session]["registration"]["dice_brightness_template"] >= 0.88
    laid = runs[session]["registration"]
    assert laid["dice"] >= 0.9
    assert laid["boundary_cost_taken"] < 0.55
    assert laid["boundary_cost_mirrored"] > 0.75
    assert laid["left_right"] == "as the header says"
    assert not any("not where the T1w" in w or "not seen" in w for w in runs[session]["warnings"])
    reference = nib.load(files["boldref"]).get_fdata()
    # EPI shows CSF bright, white matter dark.
    tissues = {n: i.get_fdata() > 0.9 for n, i in template.tissues(3).items()}
    assert reference[tissues["csf"] & mask].mean() > 1.2 * reference[tissues["wm"] & mask].mean()
    assert run_figure(_scan(session), places[1]).stat().st_size > 10_000
    table = pd.read_csv(files["confounds"], sep="\t", na_values="n/a")
    assert len(table) == 78
    assert 0.03 < table["framewise_displacement"].mean() < 0.3


def test_a_mirrored_run_is_told(places, normalised):
    root, derivatives, _ = places
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
        for s in SESSIONS
    ]
    inside = template.brain_mask(3).get_fdata() > 0
    assert np.corrcoef(pictures[0][inside], pictures[1][inside])[0, 1] > 0.99
    matrices = [np.array(runs[s]["registration"]["matrix_t1w_to_bold"]) for s in SESSIONS]
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


def test_the_same_run_gives_the_same_bytes(places, runs):
    root, derivatives, _ = places
    files = preprocessed(_scan("ses-a"), derivatives, template.SPACE)
    before = {name: path.read_bytes() for name, path in files.items()}
    preprocess_session(_scan("ses-a"), root, "sub-02", derivatives, slice_timing="skip")
    for name, path in files.items():
        assert path.read_bytes() == before[name], name
