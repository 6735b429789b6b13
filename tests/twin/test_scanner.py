"""The raw twin: geometry, slice timing and motion are what the truth says."""

import json

import nibabel
import numpy as np
import pytest
from scipy import ndimage

from crossfc.fault import Fault
from crossfc.session.displacement import PARAMETERS
from crossfc.session.layout import raw_twin
from crossfc.template import load_template
from crossfc.trial.sheet import read_sheet
from crossfc.twin.anatomy import world
from crossfc.twin.design import parametric_design
from crossfc.twin.head import draw_head
from crossfc.twin.motion import rigid
from crossfc.twin.picture import apply
from crossfc.twin.scanner import (
    simulate_raw_anatomy,
    simulate_raw_session,
    slice_times,
    write_dataset,
)
from tests.twin.twin_regions import SEEDS, TARGETS, planted

PERSON, SESSION = "sub-T02", "ses-placebo"
SCAN = f"{PERSON}/{SESSION}/func/{PERSON}_{SESSION}_task-rest_bold.nii.gz"


@pytest.fixture(scope="module")
def truth():
    _, truth_of_all = planted(4, 3)
    here = truth_of_all["sessions"][PERSON][SESSION]
    return here | {"mean_fd": {SCAN: 0.5}}  # a restless one, so that motion shows


def scan_to(folder, truth, **more):
    paths = raw_twin(SCAN, folder)
    more = {"volumes": 120, "repetition_time": 2.5, "random_seed": 2024} | more
    simulate_raw_session(PERSON, SESSION, truth, SEEDS, TARGETS, paths, **more)
    return paths


@pytest.fixture(scope="module")
def made(truth, tmp_path_factory):
    """One raw run of 40 volumes."""
    return scan_to(tmp_path_factory.mktemp("bids"), truth, volumes=40, non_steady_volumes=0)


@pytest.fixture(scope="module")
def head_scan(tmp_path_factory):
    """One T1w at 2 mm with its truth."""
    folder = tmp_path_factory.mktemp("anat")
    path = folder / f"{PERSON}_T1w.nii.gz"
    simulate_raw_anatomy(PERSON, path, folder / "truth.json", voxel_mm=2.0, random_seed=2024)
    return path, json.loads((folder / "truth.json").read_text())


def read_motion(path):
    rows = read_sheet(path, PARAMETERS).rows
    return np.array([[float(row[p]) for p in PARAMETERS] for row in rows])


def test_header_and_sidecar_agree(made):
    image = nibabel.load(made["bold"])
    sidecar = json.loads(made["sidecar"].read_text())
    assert image.shape == (64, 64, 36, 40)
    assert image.get_data_dtype() == np.int16
    assert image.header.get_zooms() == pytest.approx((3.5, 3.5, 3.5, 2.5))
    assert sidecar["RepetitionTime"] == 2.5
    assert len(sidecar["SliceTiming"]) == 36 and max(sidecar["SliceTiming"]) < 2.5
    assert image.header["sform_code"] == image.header["qform_code"] == 1
    assert image.get_qform() == pytest.approx(image.get_sform(), abs=1e-4)
    oblique = np.rad2deg(nibabel.affines.obliquity(image.affine).max())
    assert oblique > 5


def test_slice_times_are_those_of_the_real_trial():
    # ds005917: 45 slices in 2.5 s, 0, 1.277778, 0.055556, ... , 1.222222
    times = slice_times(45, 2.5)
    assert times[:3] == [0.0, 1.277778, 0.055556]
    assert times[-1] == 1.222222
    assert sorted(times) == pytest.approx(np.arange(45) * 2.5 / 45, abs=1e-6)


def test_inverse_of_the_true_motion_removes_it(made):
    image = nibabel.load(made["bold"])
    data = np.asanyarray(image.dataobj).astype(np.float32)
    motion = read_motion(made["motion"])
    assert not motion[0].any()
    centre = np.array(json.loads(made["truth"].read_text())["motion"]["centre"])
    places = world(data.shape[:3], image.affine).astype(float)
    back = np.linalg.inv(image.affine)
    inner = np.zeros(data.shape[:3], bool)
    inner[4:-4, 4:-4, 4:-4] = True
    first = data[..., 0]
    moved = [v for v in range(40) if np.abs(motion[v, :3]).max() > 0.5][:6]
    assert len(moved) >= 3
    for volume in moved:
        matrix = rigid(motion[volume], centre)

        def residual(matrix, volume=volume):
            voxels = apply(back, apply(matrix, places))
            still = ndimage.map_coordinates(data[..., volume], voxels.T, order=3)
            return np.square(still.reshape(first.shape) - first)[inner].mean()

        before = np.square(data[..., volume] - first)[inner].mean()
        assert residual(matrix) < 0.35 * before
        assert residual(np.linalg.inv(matrix)) > before  # the convention is not its opposite


def test_signal_is_taken_at_the_time_of_the_slice(truth, tmp_path, monkeypatch):
    """Neighbouring slices see a slow common wave with the delay that their times say."""
    from crossfc.twin import scanner

    frequency = 0.05

    class Wave(scanner.SignalModel):
        def courses(self, times):
            return np.sin(2 * np.pi * frequency * times)[:, None] * np.ones((1, 1))

        def loadings(self, xyz, gm, wm, csf):
            return np.full((1, len(xyz)), 30.0, np.float32)

    monkeypatch.setattr(scanner, "SignalModel", Wave)
    paths = scan_to(
        tmp_path, truth | {"mean_fd": {SCAN: 1e-6}},
        volumes=40, matrix=32, slices=12, voxel_mm=7.0, non_steady_volumes=0,
    )  # fmt: skip
    data = np.asanyarray(nibabel.load(paths["bold"]).dataobj).astype(float)
    bright = data.mean(axis=-1) > 700
    timing = json.loads(paths["sidecar"].read_text())["SliceTiming"]
    start = np.arange(40) * 2.5
    for k in range(2, 10):
        course = data[:, :, k][bright[:, :, k]].mean(axis=0)
        angle = 2 * np.pi * frequency * start
        a, b = np.linalg.lstsq(
            np.column_stack([np.sin(angle), np.cos(angle), np.ones(40)]), course, rcond=None
        )[0][:2]
        delay = np.arctan2(b, a) / (2 * np.pi * frequency)
        assert delay == pytest.approx(timing[k], abs=0.03)


def test_same_bytes_again(truth, tmp_path):
    small = {"volumes": 6, "matrix": 24, "slices": 10, "voxel_mm": 9.0}
    one = scan_to(tmp_path / "one", truth, **small)
    two = scan_to(tmp_path / "two", truth, **small)
    for name, path in one.items():
        assert path.read_bytes() == two[name].read_bytes()


def test_sagittal_slices_as_the_real_trial_has_them(truth, tmp_path):
    paths = scan_to(
        tmp_path, truth, orientation="sagittal", volumes=6, matrix=24, slices=14, voxel_mm=9.0
    )
    affine = nibabel.load(paths["bold"]).affine
    assert "".join(nibabel.aff2axcodes(affine)) == "PSR"


def test_unknown_orientation_is_refused(truth, tmp_path):
    with pytest.raises(Fault, match='"axial" or "sagittal", not "round"'):
        scan_to(tmp_path, truth, orientation="round")


def test_landmarks_lie_where_the_maps_say(made):
    told = json.loads(made["truth"].read_text())
    head = draw_head(PERSON, 2024)
    to_t1w = np.array(told["scanner_to_t1w"])
    assert set(told["landmarks"]) == {r.get("seed", r.get("target")) for r in SEEDS + TARGETS}
    for mark in told["landmarks"].values():
        native = apply(to_t1w, np.array(mark["scanner_mm"]))
        assert native == pytest.approx(np.array(mark["t1w_mm"]), abs=1e-6)
        assert head.to_template(native) == pytest.approx(np.array(mark["template_mm"]), abs=2e-3)


def test_heads_do_not_fold_and_differ():
    grid = np.stack(np.meshgrid(*[np.arange(-80.0, 81, 20)] * 3, indexing="ij"), -1).reshape(-1, 3)
    affines = []
    for person in ("sub-T01", "sub-T02", "sub-H01"):
        head = draw_head(person, 2024)
        step = 0.01
        jacobian = np.stack(
            [
                (head.to_template(grid + step * e) - head.to_template(grid)) / step
                for e in np.eye(3)
            ],
            axis=-1,
        )
        assert np.linalg.det(jacobian).min() > 0.4
        affines.append(head.affine)
    assert np.abs(affines[0] - affines[1]).max() > 0.5


def test_t1w_shows_the_brain_where_the_truth_says(head_scan):
    path, told = head_scan
    image = nibabel.load(path)
    data = np.asanyarray(image.dataobj).astype(float)
    head = draw_head(PERSON, 2024)
    assert told["t1w_to_template"]["affine"] == head.affine.tolist()
    template, affine = load_template("t1")
    mapped = head.to_template(world(image.shape, image.affine))
    voxels = apply(np.linalg.inv(affine), mapped)
    expected = ndimage.map_coordinates(template, voxels.T, order=1).reshape(image.shape)
    brain = expected > 0.3
    assert np.corrcoef(expected[brain], data[brain])[0, 1] > 0.6  # bias and noise, no shift
    # Fat is bright beyond dark bone: a head, not a brain cut out.
    outside = ndimage.distance_transform_edt(~(expected > 0.15), sampling=2.0)
    upper = np.zeros(image.shape, bool)
    upper[..., image.shape[2] * 3 // 5 :] = True
    bone = data[upper & (outside > 3.5) & (outside < 5)]
    fat = data[upper & (outside > 9) & (outside < 12)]
    air = data[upper & (outside > 25)]
    assert np.median(fat) > 2 * np.median(bone) > 2 * np.median(air)
    assert np.rad2deg(nibabel.affines.obliquity(image.affine).max()) > 0.2


def test_t1w_with_impossible_voxels_is_refused(tmp_path):
    with pytest.raises(Fault, match="choose between 0.7 and 4"):
        simulate_raw_anatomy(
            PERSON, tmp_path / "sub-T02_T1w.nii.gz", voxel_mm=0.1, random_seed=2024
        )


def test_dataset_has_its_root_files(tmp_path):
    participants, _, _ = parametric_design(2, 2, random_seed=2024)
    write_dataset(tmp_path, participants, repetition_time=2.0, task="rest")
    description = json.loads((tmp_path / "dataset_description.json").read_text())
    assert description["DatasetType"] == "raw" and description["BIDSVersion"]
    assert json.loads((tmp_path / "task-rest_bold.json").read_text())["RepetitionTime"] == 2.0
    rows = read_sheet(tmp_path / "participants.tsv", ["participant_id", "age", "sex"]).rows
    assert [r["participant_id"] for r in rows] == [p["participant_id"] for p in participants]


def test_truth_stays_out_of_the_raw_data(made):
    for name in ("motion", "truth"):
        assert "sourcedata" in made[name].parts
    for name in ("bold", "sidecar"):
        assert "sourcedata" not in made[name].parts
