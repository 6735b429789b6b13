"""A small run goes all the way to template space and out into fMRIPrep's files."""

import json
import shutil

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from scipy import ndimage

from crossfc import template
from crossfc.atomic import save_image, write_json
from crossfc.fault import Fault
from crossfc.jobs.last_line import counted, last_line
from crossfc.session.image import mask_image, onto_grid, probability_image, scaled_image
from crossfc.session.layout import anatomy, preprocessed, run_figure
from crossfc.session.preprocess import run as preprocess
from crossfc.session.preprocess.coregistration import Coregistration
from crossfc.session.preprocess.registration import load_ants, mask_dice, write_matrix
from crossfc.session.preprocess.run import preprocess_session

SCAN = "sub-01/ses-a/func/sub-01_ses-a_task-rest_bold.nii.gz"
CHOICES = {
    "resolution_mm": 4,
    "slice_timing": "require",
    "accept_unoriented": False,
    "poor_boundary_cost": 0.7,
    "left_right": "warn",
    "random_seed": 1,
    "threads": 1,
    "correct_distortion": False,
}
VOLUMES, TR = 21, 2.0
GRID = np.diag([-4.0, 4.0, 4.0, 1.0])
SHAPE = (44, 54, 44)
TIMES = [round(k * TR / SHAPE[2], 4) for k in range(SHAPE[2])]


def _epi():
    """The template with the contrast of EPI; blurred to voxels of 4 mm, as a scanner does."""
    brain = template.brain(2).get_fdata(dtype=np.float32)
    return ndimage.gaussian_filter(np.where(brain > 0.2, 1500 - 900 * brain, 0), 4 / 2.355 / 2)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A data set whose person is the template: T1w and BOLD contrast, a head that moves."""
    load_ants(threads=1, random_seed=1)
    root = tmp_path_factory.mktemp("bids")
    derivatives = tmp_path_factory.mktemp("derivatives")
    standard = template.brain(2)
    brain = standard.get_fdata(dtype=np.float32)
    files = anatomy("sub-01", derivatives, template.SPACE)
    save_image(files["t1w"], scaled_image(brain * 700, standard.affine))
    save_image(files["mask"], mask_image(brain > 0.2, standard.affine))
    for name, image in template.tissues(2).items():
        save_image(files[name], probability_image(image.get_fdata(), standard.affine))
    write_matrix(np.eye(4), files["transform"])
    write_json(files["quality"], {"source": "sub-01_ses-b_T1w.nii.gz"})

    affine = GRID.copy()
    affine[:3, 3] = [86, -122, -66]
    rng = np.random.default_rng(8)
    run = np.empty((*SHAPE, VOLUMES), dtype=np.float32)
    epi = _epi()
    for v in range(VOLUMES):
        moved = np.eye(4)
        moved[:3, 3] = [0.05 * v, 3.0, -2.0]  # the scanner's coordinates are off by 3.6 mm
        seen = onto_grid(epi, standard.affine, np.linalg.inv(moved) @ affine, SHAPE)
        run[..., v] = seen + 10 + rng.normal(0, 8, SHAPE)
    run[..., 0] *= 1.3
    path = root / SCAN
    path.parent.mkdir(parents=True)
    image = nib.Nifti1Image(run.astype(np.int16), affine)
    image.header.set_xyzt_units("mm", "sec")
    image.header["pixdim"][4] = TR
    nib.save(image, path)
    sidecar = {"RepetitionTime": TR, "TaskName": "rest", "SliceTiming": TIMES}
    (root / "task-rest_bold.json").write_text(json.dumps(sidecar))
    (root / "sub-01/ses-a/fmap").mkdir()
    (root / "sub-01/ses-a/fmap/sub-01_ses-a_dir-AP_epi.json").write_text(
        json.dumps({"IntendedFor": ["ses-a/func/sub-01_ses-a_task-rest_bold.nii.gz"]})
    )
    return root, derivatives


@pytest.fixture(scope="module")
def result(study):
    return preprocess_session(SCAN, *_places(study), **CHOICES)


def _places(study):
    root, derivatives = study
    return root, "sub-01", derivatives


def test_all_files_are_written_and_nothing_else(study, result):
    _, derivatives = study
    files = preprocessed(SCAN, derivatives, template.SPACE)
    expected = {p.name for p in files.values()} | {run_figure(SCAN, derivatives).name}
    assert {p.name for p in files["bold"].parent.iterdir()} == expected


def test_the_run_lies_on_the_template(study, result):
    _, derivatives = study
    files = preprocessed(SCAN, derivatives, template.SPACE)
    bold, mask = nib.load(files["bold"]), nib.load(files["mask"])
    standard = template.brain(4)
    assert bold.shape == (*standard.shape, VOLUMES)
    np.testing.assert_allclose(bold.affine, standard.affine)
    assert bold.header.get_zooms()[3] == TR
    inside = template.brain_mask(4).get_fdata() > 0
    assert mask_dice(mask.get_fdata() > 0, inside) > 0.93
    assert result["registration"]["dice_template"] > 0.93
    series = bold.get_fdata(dtype=np.float32)
    kept = mask.get_fdata() > 0
    # The units of the scanner, and the contrast that was planted.
    fine = template.brain(2)
    goal = onto_grid(_epi(), fine.affine, standard.affine, standard.shape)
    deep = template.tissues(4)["wm"].get_fdata() > 0.95
    assert np.median(series[deep & kept][:, 1:]) == pytest.approx(np.median(goal[deep]), rel=0.05)
    inner = ndimage.binary_erosion(kept, iterations=2)
    assert np.corrcoef(series[inner].mean(axis=1), goal[inner])[0, 1] > 0.98
    # The head was moving; after correction the edges hold still.
    raw = nib.load(study[0] / SCAN).get_fdata()
    assert np.median(series[kept][:, 1:].std(axis=1)) < np.median(raw[raw.mean(-1) > 400].std(-1))


def test_the_log_ends_with_the_figures_of_the_run(study, result):
    from types import SimpleNamespace

    sidecar = preprocessed(SCAN, study[1], template.SPACE)["bold_sidecar"]
    job = SimpleNamespace(output=SimpleNamespace(bold_sidecar=str(sidecar)))
    assert last_line("preprocess_session", job) == (
        f"mean framewise displacement {result['quality']['fd_mean_mm']:.3f} mm; overlap with the "
        f"template (Dice) {result['registration']['dice_template']:.3f}; "
        f"{counted(len(result['warnings']), 'warning')}"
    )


def test_confounds_tell_of_the_motion_and_the_first_volume(study, result):
    from nilearn.interfaces.fmriprep import load_confounds

    files = preprocessed(SCAN, study[1], template.SPACE)
    table = pd.read_csv(files["confounds"], sep="\t", na_values="n/a")
    assert len(table) == VOLUMES
    steps = np.diff(table["trans_x"][1:])
    assert steps.mean() == pytest.approx(0.05, abs=0.005)
    assert np.abs(table["rot_y"]).max() < 0.01
    assert result["volumes_non_steady"] == 1
    assert table["non_steady_state_outlier00"].tolist() == [1] + [0] * (VOLUMES - 1)
    confounds, kept = load_confounds(
        str(files["bold"]), strategy=("motion", "high_pass", "wm_csf", "compcor", "global_signal")
    )
    assert np.isfinite(confounds.to_numpy()).all()
    assert 0 not in kept


def test_the_sidecar_says_what_was_done_and_what_not(study, result):
    files = preprocessed(SCAN, study[1], template.SPACE)
    sidecar = json.loads(files["bold_sidecar"].read_text())
    assert sidecar["RepetitionTime"] == TR
    assert sidecar["TaskName"] == "rest"
    assert sidecar["SliceTimingCorrected"] is True
    assert sidecar["StartTime"] == pytest.approx((min(TIMES) + max(TIMES)) / 2, abs=5.1e-4)
    assert sidecar["SliceTimingNote"].startswith("slices along k")
    assert sidecar["SkullStripped"] is False
    assert sidecar["Sources"] == [f"bids:raw:{SCAN}"]
    assert "sub-01_ses-a_dir-AP_epi.json" in sidecar["FieldMaps"]
    assert any("distortion is not corrected" in w for w in result["warnings"])
    assert sidecar["Resolution"] == "4 mm, isotropic"
    assert sidecar["AnatomicalReference"].startswith("sub-01_ses-b_T1w.nii.gz, of another session")
    assert sidecar["Registration"]["boundary_refined"] is True
    laid = sidecar["Registration"]
    assert laid["boundary_cost_taken"] == laid["boundary_cost"] < 0.7
    # The template's halves are alike, so that nobody can tell left from right in it.
    assert laid["boundary_cost_mirrored"] == pytest.approx(laid["boundary_cost"], abs=0.01)
    assert laid["left_right"] == "not told"
    assert not any("left and right" in w for w in result["warnings"])


def test_the_quality_record_tells_signal_motion_and_seed(study, result):
    files = preprocessed(SCAN, study[1], template.SPACE)
    quality = json.loads(files["bold_sidecar"].read_text())["Quality"]
    assert quality == result["quality"]
    table = pd.read_csv(files["confounds"], sep="\t", na_values="n/a")
    fd = table["framewise_displacement"][1:]
    assert quality["fd_mean_mm"] == pytest.approx(fd.mean())
    assert quality["fd_max_mm"] == pytest.approx(fd.max())
    assert quality["fd_share_above_0.5"] == (fd > 0.5).mean()
    assert quality["motion_outliers"] == sum(c.startswith("motion_outlier") for c in table)
    assert (quality["seed"], quality["threads"]) == (1, 1)
    # Noise of 8 around 600 to 1500; holding still and interpolation can only raise it.
    raw = nib.load(study[0] / SCAN).get_fdata()[..., 1:]
    inside = raw.mean(axis=3) > 400
    by_hand = np.median((raw.mean(axis=3) / raw.std(axis=3))[inside])
    assert quality["tsnr_median_before"] == pytest.approx(by_hand, rel=0.05)
    assert quality["tsnr_median_after"] > quality["tsnr_median_before"]


STOPPED = SCAN.replace("ses-a", "ses-stopped")


@pytest.fixture(scope="module")
def stopped(study, result):
    """The same run after it was stopped by hand: a half volume and zeros at its end."""
    root, derivatives = study
    image = nib.load(root / SCAN)
    data = np.concatenate([np.asanyarray(image.dataobj), np.zeros((*SHAPE, 12), "i2")], axis=-1)
    data[:, :, : SHAPE[2] // 2, VOLUMES] = data[:, :, : SHAPE[2] // 2, VOLUMES - 1]
    path = root / STOPPED
    path.parent.mkdir(parents=True)
    nib.save(nib.Nifti1Image(data, image.affine, image.header), path)
    return preprocess_session(STOPPED, *_places(study), **CHOICES)


def test_a_run_that_was_stopped_is_as_good_as_what_was_taken(study, result, stopped):
    whole, cut = (preprocessed(s, study[1], template.SPACE) for s in (SCAN, STOPPED))
    tables = [pd.read_csv(f["confounds"], sep="\t", na_values="n/a") for f in (whole, cut)]
    assert tables[1]["framewise_displacement"].isna().tolist() == (
        [True] + [False] * (VOLUMES - 1) + [True] * 12
    )
    for name in ("framewise_displacement", "std_dvars", "trans_x", "global_signal", "csf"):
        np.testing.assert_array_equal(tables[0][name], tables[1][name][:VOLUMES], name)
    outliers = tables[1].filter(like="motion_outlier").to_numpy()
    assert outliers[VOLUMES:].sum() == 12
    images = [nib.load(f["bold"]).get_fdata()[..., :VOLUMES] for f in (whole, cut)]
    np.testing.assert_array_equal(images[0], images[1])
    masks = [nib.load(f["mask"]).get_fdata() for f in (whole, cut)]
    np.testing.assert_array_equal(masks[0], masks[1])


def test_lost_volumes_are_told_and_do_not_count(study, result, stopped):
    said = json.loads(preprocessed(STOPPED, study[1], template.SPACE)["bold_sidecar"].read_text())
    for name in ("fd_mean_mm", "fd_max_mm", "tsnr_median_before", "tsnr_median_after"):
        assert said["Quality"][name] == result["quality"][name], name
    assert said["Quality"]["lost_share"] == pytest.approx(12 / (VOLUMES + 12))
    assert said["Quality"]["fd_known_volumes"] == VOLUMES - 1
    lost = said["Quality"]["realignment"]["lost"]
    assert sorted(map(int, lost)) == list(range(VOLUMES, VOLUMES + 12))
    assert lost[str(VOLUMES + 1)] == "empty"
    (sentence,) = [w for w in stopped["warnings"] if "are lost" in w]
    assert f"12 of {VOLUMES + 12} volumes" in sentence
    assert f"{VOLUMES + 1} to {VOLUMES + 11} empty" in sentence
    assert not any("are lost" in w for w in result["warnings"])


def test_a_run_of_which_too_little_was_taken_is_refused(study, result):
    root, derivatives = study
    image = nib.load(root / SCAN)
    data = np.array(image.dataobj)
    data[..., 12:] = 0
    path = root / SCAN.replace("ses-a", "ses-short")
    path.parent.mkdir(parents=True)
    nib.save(nib.Nifti1Image(data, image.affine, image.header), path)
    with pytest.raises(Fault, match="9 of the others do not show the whole head.*leave the sess"):
        preprocess_session(SCAN.replace("ses-a", "ses-short"), *_places(study), **CHOICES)


def test_a_swapped_run_is_refused_where_that_is_asked_for(study, tmp_path, monkeypatch):
    quality = {"left_right": "swapped?", "boundary_cost_taken": 0.84}
    quality["boundary_cost_mirrored"] = 0.45
    laid = Coregistration(np.eye(4), quality)
    monkeypatch.setattr(preprocess, "coregister", lambda *_: laid)
    before = sorted((study[1] / "sub-01").rglob("*"))
    with pytest.raises(Fault, match=r"mirrored T1w .*cost 0.45 against 0.84.*left_right: warn"):
        preprocess_session(SCAN, *_places(study), **(CHOICES | {"left_right": "refuse"}))
    assert sorted((study[1] / "sub-01").rglob("*")) == before


def test_what_cannot_be_is_refused_before_any_work(study, tmp_path):
    root, derivatives = study
    with pytest.raises(Fault, match="normalise sub-01's T1w first"):
        preprocess_session(SCAN, root, "sub-01", tmp_path, **CHOICES)
    with pytest.raises(Fault, match="does not exist"):
        preprocess_session(SCAN.replace("rest", "nap"), root, "sub-01", derivatives, **CHOICES)
    with pytest.raises(Fault, match="preprocessing.resolution_mm is 9"):
        preprocess_session(SCAN, root, "sub-01", derivatives, **(CHOICES | {"resolution_mm": 9}))
    other = tmp_path / "bids"
    (other / SCAN).parent.mkdir(parents=True)
    (other / SCAN).symlink_to(root / SCAN)
    with pytest.raises(Fault, match="has no SliceTiming.*slice_timing: skip"):
        preprocess_session(SCAN, other, "sub-01", derivatives, **CHOICES)


@pytest.mark.slow
def test_a_field_map_is_used_and_the_sidecar_tells_it(study, tmp_path):
    """Without distortion both polarities are alike, and the run stays where it was."""
    root, derivatives = tmp_path / "raw", tmp_path / "derivatives"
    shutil.copytree(study[0], root)
    shutil.copytree(study[1] / "sub-01/anat", derivatives / "sub-01/anat")
    readout = {"PhaseEncodingDirection": "j-", "TotalReadoutTime": 0.05}
    beside = root / SCAN.replace(".nii.gz", ".json")
    beside.write_text(json.dumps(readout))
    image = nib.load(root / SCAN)
    other = np.asarray(image.dataobj[..., 3])
    fmap = root / "sub-01/ses-a/fmap"
    (fmap / "sub-01_ses-a_dir-AP_epi.json").unlink()
    nib.save(nib.Nifti1Image(other, image.affine), fmap / "sub-01_ses-a_dir-PA_epi.nii.gz")
    said = readout | {"PhaseEncodingDirection": "j", "IntendedFor": f"bids::{SCAN}"}
    (fmap / "sub-01_ses-a_dir-PA_epi.json").write_text(json.dumps(said))
    choices = CHOICES | {"correct_distortion": True, "left_right": "skip"}
    preprocess_session(SCAN, root, "sub-01", derivatives, **choices)
    files = preprocessed(SCAN, derivatives, template.SPACE)
    sidecar = json.loads(files["bold_sidecar"].read_text())
    assert sidecar["FieldMaps"].startswith("the run and an echo-planar image of opposite phase")
    assert "sub-01_ses-a_dir-PA_epi.nii.gz" in sidecar["FieldMaps"]
    told = sidecar["DistortionCorrection"]
    assert told["ReadoutTimeFrom"] == "TotalReadoutTime"
    assert told["DisplacementMedian"] < 0.3
    assert sidecar["Registration"]["dice_template"] > 0.93
