"""Known movements are found, with the signs and axes that fMRIPrep's names promise."""

import json

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage

from crossfc import template
from crossfc.fault import Fault
from crossfc.session.displacement import relative_rms
from crossfc.session.layout import raw_twin
from crossfc.session.preprocess.loss import lost_shares
from crossfc.session.preprocess.motion import (
    Motion,
    count_non_steady,
    estimate_motion,
    grid_axes,
    motion_parameters,
    to_reference,
)
from crossfc.twin import scanner
from crossfc.twin.motion import rigid
from tests.session.moving_head import MIDDLE, grid, head, movement, off_mm
from tests.twin.twin_regions import SEEDS, TARGETS, planted

# Oblique and with the first axis from right to left, as scanners write it.
SHAPE = (41, 49, 41)
AFFINE = grid((4, 4, 4.4), SHAPE, "LAS", tilt=np.deg2rad(12))


@pytest.fixture(scope="module")
def run():
    """Eight volumes of a moving head with 1 % noise, and where it went in each."""
    moved = np.array(
        [
            movement(trans, rot)
            for trans, rot in [
                ((0, 0, 0), (0, 0, 0)),
                ((1.0, 0, 0), (0, 0, 0)),
                ((0, -0.6, 0), (0, 0, 0)),
                ((0, 0, 0.4), (0, 0, 0)),
                ((0, 0, 0), (0.02, 0, 0)),
                ((0, 0, 0), (0, -0.015, 0)),
                ((0, 0, 0), (0, 0, 0.03)),
                ((2.5, -1.5, 2), (0.03, 0.02, -0.05)),
            ]
        ]
    )
    noise = np.random.default_rng(7)
    volumes = [head(AFFINE, SHAPE, m) + noise.normal(0, 10, SHAPE) for m in moved]
    return np.stack(volumes, axis=-1).astype(np.float32), moved


@pytest.fixture(scope="module")
def found(run):
    return estimate_motion(run[0], AFFINE)


def test_known_movements_are_found(run, found):
    data, moved = run
    # Only differences to the first volume count: the reference is a median of all.
    assert off_mm(found.matrices, moved).max() < 0.05  # mm, on voxels of 4 mm with 1 % noise
    # The reference is one of the positions, sharp, and volumes come back onto it.
    last = to_reference(data[..., 7], AFFINE, found.matrices[7])
    inner = ndimage.binary_erosion(found.mask, iterations=2)
    assert np.corrcoef(last[inner], found.reference[inner])[0, 1] > 0.98
    assert np.corrcoef(data[..., 7][inner], found.reference[inner])[0, 1] < 0.97
    brain = template.brain_mask(2)
    centroid = brain.affine[:3] @ [*np.argwhere(brain.get_fdata() > 0).mean(axis=0), 1] - MIDDLE
    assert np.linalg.norm(found.centre - centroid) < 4


def test_quality_goes_with_the_volumes(run, found):
    quality = json.loads(json.dumps(found.quality))
    assert quality["not_converged"] == []
    assert all(len(quality[k]) == 8 for k in ("correlation_before", "correlation", "iterations"))
    assert min(quality["correlation"]) > 0.99
    assert quality["correlation"][7] > quality["correlation_before"][7] + 0.02
    assert max(quality["iterations"]) < 10


def test_the_same_run_gives_the_same_matrices_in_any_order_of_memory(run):
    data, _ = run
    first = estimate_motion(data[..., :3], AFFINE)
    second = estimate_motion(np.asfortranarray(data[..., :3]), AFFINE)
    np.testing.assert_array_equal(first.matrices, second.matrices)
    np.testing.assert_array_equal(first.reference, second.reference)


def test_empty_and_spoilt_volumes_are_told_and_harm_no_other(run):
    data, moved = run
    data = np.concatenate([data, data[..., 1:7]], axis=-1)
    moved = np.concatenate([moved, moved[1:7]])
    spoilt = [0, 5, 9]
    data[..., 0] = 0
    data[..., 5] = np.random.default_rng(1).normal(500, 200, SHAPE)
    data[..., 9] = 300
    motion = estimate_motion(data, AFFINE)
    assert np.flatnonzero(~motion.converged).tolist() == spoilt
    assert motion.quality["not_converged"] == spoilt
    assert motion.quality["correlation"][0] is None
    good = np.setdiff1d(np.arange(14), spoilt)
    assert off_mm(motion.matrices[good], moved[good]).max() < 0.06
    assert np.isfinite(motion.matrices).all()
    # Such a volume lies where its neighbour towards the middle lies.
    assert any(np.array_equal(motion.matrices[5], motion.matrices[n]) for n in (4, 6))


@pytest.fixture(scope="module")
def stopped(run):
    """A run that was stopped by hand, with volumes that are no pictures of the head; and whole."""
    rng = np.random.default_rng(3)
    data = np.concatenate([run[0]] * 3, axis=-1)
    data += rng.normal(0, 3, data.shape).astype(np.float32)
    spoilt = np.concatenate([data, np.zeros((*SHAPE, 30), np.float32)], axis=-1)
    spoilt[..., 20:, 23] = 0  # the last one was half taken
    spoilt[..., 20, 9] = 0  # one slice lost
    spoilt[..., 12] = spoilt[..., 11]
    spoilt[..., 4] = 300 + rng.normal(0, 4, SHAPE)
    spoilt[..., 6] = 0.45 * spoilt[..., 6] + rng.normal(0, 500, SHAPE)
    return estimate_motion(spoilt, AFFINE), estimate_motion(data[..., :23], AFFINE)


def test_what_shows_no_head_has_no_displacement(stopped):
    found, whole = stopped
    # Volumes 6 and 4: noise over the head, and noise alone.
    assert {v for v in found.losses if v < 24} == {4, 6, 9, 12, 23}
    assert {v for v in found.losses if v >= 24} == set(range(24, 54))
    assert found.losses[9] == "3% of the layers without signal"
    assert found.losses[23].endswith("of the layers without signal")
    assert found.losses[12] == "repeats the volume before"
    assert set(found.losses.values()) >= {"empty"}
    assert found.quality["lost"]["12"] == "repeats the volume before"
    # Where one slice is lost the head's place is known, so that the next volume's step is too.
    missing = np.flatnonzero(np.isnan(found.framewise_displacement))
    assert missing.tolist() == [0, 4, 5, 6, 7, 9, 12, 13, *range(23, 54)]
    assert np.array_equal(np.isnan(found.rmsd), np.isnan(found.framewise_displacement))
    known = np.setdiff1d(np.arange(23), missing)
    np.testing.assert_allclose(
        found.framewise_displacement[known], whole.framewise_displacement[known], atol=0.1
    )
    # The worst volumes are not the best: without them the run moves as much as it did.
    by_all = np.nanmean(found.framewise_displacement)
    assert by_all == pytest.approx(np.nanmean(whole.framewise_displacement), rel=0.15)
    assert np.isfinite(found.parameters).all()
    np.testing.assert_array_equal(found.matrices[4], found.matrices[5])
    np.testing.assert_array_equal(found.matrices[53], found.matrices[22])


def test_a_run_of_which_most_is_missing_is_made_of_what_is_there(run):
    data = np.zeros((*SHAPE, 40), np.float32)
    data[..., [1, *range(33, 40)]] = run[0]
    found = estimate_motion(data, AFFINE)
    assert off_mm(found.matrices[[1, *range(33, 40)]], run[1]).max() < 0.06
    assert np.flatnonzero(~found.lost).tolist() == [1, *range(33, 40)]
    assert np.flatnonzero(~found.unknown_steps).tolist() == list(range(34, 40))


def test_bright_volumes_at_the_start_stay_out_of_the_reference(run):
    data, moved = run
    data = np.concatenate([data, data[..., ::-1]], axis=-1)
    data[..., 8] += 1  # where the run turns back, no volume repeats the one before
    moved = np.concatenate([moved, moved[::-1]])
    data[..., :2] *= 1.0 + 0.5 * np.clip((data[..., :2] - 900) / 600, 0, 1)  # fluid above all
    motion = estimate_motion(data, AFFINE, first=2)
    assert motion.converged.all()
    off = off_mm(motion.matrices[2:], moved[2:])
    assert off.max() < 0.06
    assert off_mm(motion.matrices[[2, 0, 1]], moved[[2, 0, 1]]).max() < 0.15
    steady = estimate_motion(data[..., 2:], AFFINE)
    np.testing.assert_allclose(motion.reference, steady.reference, atol=1)


def test_a_run_without_a_brain_is_refused():
    with pytest.raises(Fault, match="leave the session out"):
        estimate_motion(np.full((16, 16, 16, 4), 5, dtype=np.float32), np.diag([4, 4, 4, 1.0]))


def _twin(folder, mean_fd, patch=None, **more):
    """One raw run of the digital twin, and the true matrices: first volume to each volume."""
    _, truth_of_all = planted(2, 2)
    person = sorted(truth_of_all["sessions"])[0]
    session = sorted(truth_of_all["sessions"][person])[0]
    scan = f"{person}/{session}/func/{person}_{session}_task-rest_bold.nii.gz"
    truth = truth_of_all["sessions"][person][session] | {"mean_fd": {scan: mean_fd}}
    paths = raw_twin(scan, folder)
    more = {"volumes": 120, "repetition_time": 2.5, "random_seed": 2024} | more
    scanner.simulate_raw_session(person, session, truth, SEEDS, TARGETS, paths, **more)
    image = nib.load(paths["bold"])
    centre = np.array(json.loads(paths["truth"].read_text())["motion"]["centre"])
    rows = np.loadtxt(paths["motion"], skiprows=1)
    matrices = np.array([rigid(row, centre) for row in rows])
    return np.asanyarray(image.dataobj), image.affine, matrices


def _errors(motion, truth):
    """Lengths of the errors, mm at the brain and degrees, but for the reference's constant."""
    about = np.eye(4)
    about[:3, 3] = motion.centre
    own = np.linalg.inv(about) @ np.linalg.inv(truth) @ motion.matrices @ about
    constant = own[len(own) // 2]
    for _ in range(3):
        apart = own @ np.linalg.inv(constant)
        mean = np.median(apart, axis=0)
        left, _, right = np.linalg.svd(mean[:3, :3])
        mean[:3, :3] = left @ right
        constant = mean @ constant
    apart = own @ np.linalg.inv(constant)
    trace = np.trace(apart[:, :3, :3], axis1=1, axis2=2)
    skew = apart[:, :3, :3] - np.swapaxes(apart[:, :3, :3], 1, 2)
    turn = np.arctan2(np.sqrt((skew**2).sum(axis=(1, 2)) / 8), (trace - 1) / 2)
    return np.linalg.norm(apart[:, :3, 3], axis=1), np.rad2deg(turn)


def _assert_accurate(motion, truth):
    shift, turn = _errors(motion, truth)
    assert motion.converged.all()
    assert motion.losses == {}
    assert np.sqrt((shift**2).mean()) < 0.03
    assert np.sqrt((turn**2).mean()) < 0.03
    assert shift.max() < 0.15
    assert turn.max() < 0.15


def test_motion_of_a_short_twin(tmp_path):
    """Whole head, oblique, brain cut by the field of view, signal, noise and slice timing."""
    data, affine, truth = _twin(
        tmp_path, 0.4, volumes=24, slices=30, voxel_mm=4.0, matrix=56, non_steady_volumes=2
    )
    motion = estimate_motion(data, affine, first=count_non_steady(data))
    _assert_accurate(motion, truth)


@pytest.mark.slow
@pytest.mark.parametrize("mean_fd", [0.1, 0.25, 0.5])
@pytest.mark.parametrize("orientation", ["axial", "sagittal"])
def test_motion_of_long_twins(tmp_path, mean_fd, orientation):
    data, affine, truth = _twin(tmp_path, mean_fd, volumes=120, orientation=orientation)
    _assert_accurate(estimate_motion(data, affine, first=2), truth)


@pytest.mark.slow
def test_motion_of_a_twin_without_signal_noise_and_slice_timing(tmp_path, monkeypatch):
    monkeypatch.setattr(scanner, "_NOISE", 0.0)
    monkeypatch.setattr(scanner, "slice_times", lambda slices, _: [0.0] * slices)
    courses = scanner.SignalModel.courses
    monkeypatch.setattr(scanner.SignalModel, "courses", lambda s, t: 0 * courses(s, t))
    data, affine, truth = _twin(tmp_path, 0.2, volumes=60)
    motion = estimate_motion(data, affine, first=2)
    _assert_accurate(motion, truth)
    shift, turn = _errors(motion, truth)
    assert np.sqrt((shift**2).mean()) < 0.005
    assert np.sqrt((turn**2).mean()) < 0.005


@pytest.mark.slow
def test_jerks_of_three_millimetres(tmp_path, monkeypatch):
    drawn = scanner.simulate_motion

    def jerky(random, volumes, *rest):
        motion = drawn(random, volumes, *rest)
        for volume in range(12, volumes - 5, 17):
            direction = random.normal(size=6)
            direction[:3] *= random.uniform(2, 3) / np.linalg.norm(direction[:3])
            direction[3:] *= random.uniform(0.02, 0.045) / np.linalg.norm(direction[3:])
            motion[volume : volume + 2] += direction
        return motion

    monkeypatch.setattr(scanner, "simulate_motion", jerky)
    data, affine, truth = _twin(tmp_path, 0.2, volumes=120)
    _assert_accurate(estimate_motion(data, affine, first=2), truth)


# What fMRIPrep wrote of three volumes of OpenNeuro's ds000005 (public domain; sub-01, mixed gambles
# task, run 1), as the tests of niworkflows keep it. The head motion transforms, from the reference
# to the volume, LPS: rotation by rows, then translation.
ITK = [
    "1 2.19652e-07 -0.000617 2.19652e-07 1 0.000356 0.000617 -0.000356 0.999999 "
    "-0.0198273 0.0558417 -0.00925011",
    "1 0.000573021 -0.000128908 -0.000572979 1 0.000161074 0.000129092 -0.000160926 1 "
    "-0.00936206 -0.0233705 -0.0490914",
    "1 0.000573005 -7.29627e-05 -0.000572995 1 6.50418e-05 7.30372e-05 -6.49581e-05 1 "
    "-0.0076044 -0.0226739 -0.0354961",
]
# trans_x, y, z, rot_x, y, z of these volumes in the confounds, and rmsd of the third.
CONFOUNDS = [
    [1.19425e-05, 0.0443863, 0.00472985, 0.000356176, -0.000617445, 0.0],
    [0.0161497, -0.0263834, 0.0464668, 0.000161259, -0.00012937, 0.000573335],
    [0.0161482, -0.0226144, 0.0345415, 6.52323e-05, -7.27644e-05, 0.000573335],
]
RMSD = 0.0131254
# Centre of gravity of that reference and middle of its field of view, RAS+ mm; fitted to all 16
# volumes of the file, as the picture itself is not at hand.
GRAVITY = np.array([3.746, 19.043, -32.111])
FIELD_MIDDLE = np.array([3.145, 26.156, -33.062])


def test_parameters_are_those_that_fmriprep_reports():
    lps = np.diag([-1.0, -1, 1, 1])
    matrices = np.tile(np.eye(4), (3, 1, 1))
    for matrix, line in zip(matrices, ITK, strict=True):
        numbers = np.array([float(number) for number in line.split()])
        matrix[:3] = np.column_stack([numbers[:9].reshape(3, 3), numbers[9:]])
    matrices = lps @ matrices @ lps
    parameters = motion_parameters(matrices, GRAVITY, grid_axes(np.diag([3.1, 3.1, 4, 1])))
    np.testing.assert_allclose(parameters[:, :3], np.array(CONFOUNDS)[:, :3], atol=1e-4)
    np.testing.assert_allclose(parameters[:, 3:], np.array(CONFOUNDS)[:, 3:], atol=1e-6)
    assert relative_rms(matrices, FIELD_MIDDLE)[2] == pytest.approx(RMSD, abs=1e-4)


def _mcflirt(matrix, affine, shape, gravity):
    """Parameters by MCFLIRT's own steps, in its coordinates: voxels times their sizes."""
    sizes = np.linalg.norm(affine[:3, :3], axis=0)
    scaled = np.diag([*sizes, 1.0])
    if np.linalg.det(affine[:3, :3]) > 0:
        turned = np.diag([-1.0, 1, 1, 1])
        turned[0, 3] = (shape[0] - 1) * sizes[0]
        scaled = turned @ scaled
    to_world = affine @ np.linalg.inv(scaled)
    back = np.linalg.inv(to_world) @ np.linalg.inv(matrix) @ to_world  # volume to reference
    centre = (np.linalg.inv(to_world) @ [*gravity, 1])[:3]
    return back[:3, :3] @ centre + back[:3, 3] - centre, back[:3, :3]


@pytest.mark.parametrize(
    ("codes", "tilt"), [("LAS", 0.0), ("RAS", 0.0), ("LAS", 0.3), ("PSR", 0.1), ("RIA", -0.2)]
)
def test_parameters_are_mcflirts_on_any_grid(codes, tilt):
    shape = (40, 48, 30)
    affine = grid((3, 3.5, 4), shape, codes, tilt)
    gravity = np.array([4.0, -7, 11])
    matrix = movement((1.5, -2, 0.7), (0.1, -0.06, 0.2), (10, 0, -5))
    shift, turn = _mcflirt(matrix, affine, shape, gravity)
    found = motion_parameters(matrix[None], gravity, grid_axes(affine))[0]
    np.testing.assert_allclose(found[:3], shift, atol=1e-10)
    # Left-handed turns are right-handed ones by the opposite angle.
    np.testing.assert_allclose(movement((0, 0, 0), -found[3:])[:3, :3], turn, atol=1e-10)


@pytest.mark.parametrize(("column", "sign"), [(0, 1), (1, -1), (2, -1), (3, 1), (4, -1), (5, -1)])
def test_signs_on_a_grid_along_the_worlds_axes(column, sign):
    """A head that moves along or about one axis of the world changes one parameter."""
    centre = np.array([3.0, -10, 20])
    given = np.zeros(6)
    given[column] = 0.04
    matrix = movement(given[:3], given[3:], centre)
    for codes in ("RAS", "LAS"):
        axes = grid_axes(grid((3, 3, 3), (10, 10, 10), codes))
        found = motion_parameters(matrix[None], centre, axes)[0]
        np.testing.assert_allclose(found, sign * given, atol=1e-12)
    np.testing.assert_allclose(motion_parameters(matrix[None], centre)[0], found, atol=1e-12)
    if column == 3:  # such a turn takes the nose, in front of the centre, up
        assert (matrix @ [*(centre + [0, 80, 0]), 1])[2] > centre[2] + 3


def test_a_run_gives_its_parameters_in_fmripreps_convention(run, found):
    _, moved = run
    axes = grid_axes(AFFINE)
    relative = found.matrices @ np.linalg.inv(found.matrices[0])
    expected = motion_parameters(moved, np.zeros(3), axes)
    parameters = motion_parameters(relative, np.zeros(3), axes)
    np.testing.assert_allclose(parameters[:, :3], expected[:, :3], atol=0.04)
    np.testing.assert_allclose(parameters[:, 3:], expected[:, 3:], atol=0.001)
    # Tilted by 12 degrees: upwards in the world is partly along the grid's second axis.
    assert parameters[3, 1] == pytest.approx(-0.4 * np.sin(np.deg2rad(12)), abs=0.03)
    assert found.parameters.shape == (8, 6)
    index = ndimage.center_of_mass(found.reference - found.reference.min())
    np.testing.assert_allclose(found.centre, nib.affines.apply_affine(AFFINE, index), atol=1e-3)
    middle = nib.affines.apply_affine(AFFINE, (np.array(SHAPE) - 1) / 2)
    np.testing.assert_allclose(found.rmsd, relative_rms(found.matrices, middle))


def test_motion_made_by_hand_has_parameters():
    matrices = np.tile(np.eye(4), (3, 1, 1))
    matrices[:, 0, 3] = [0, 1, 2]
    motion = Motion(matrices, np.ones((4, 4, 4)), np.ones((4, 4, 4), bool), np.zeros(3))
    np.testing.assert_allclose(motion.parameters[:, 0], [0, 1, 2])
    np.testing.assert_allclose(motion.rmsd[1:], 1)


def test_a_head_that_moves_far_is_whole():
    moves = [movement((0, 0, z), (x, 0, 0)) for z, x in ((0, 0), (9, 0), (-9, 0), (3, 0.25))]
    data = np.stack([head(AFFINE, SHAPE, m) for m in moves], axis=-1)[..., [0, 1, 2, 3, 0, 0, 0]]
    assert (lost_shares(data, AFFINE) == 0).all()
    for axis in range(3):  # whichever way the slices lie, wherever the lost one is
        for k in range(12, 30):
            one = data[..., :4].copy()
            one[(slice(None),) * axis + (k,)][..., 1] = 7
            assert (lost_shares(one, AFFINE) > 0).tolist() == [False, True, False, False]
    assert (lost_shares(np.zeros((4, 4, 4, 3)), np.eye(4)) == 1).all()


def test_lost_volumes_say_nothing_of_the_steady_state():
    data = np.random.default_rng(0).normal(1000, 3, (5, 5, 5, 60)).astype(np.float32)
    data[..., 0] *= 1.5
    data[..., 2] *= 1.1
    lost = np.zeros(60, dtype=bool)
    lost[[1, *range(20, 60)]] = True
    data[..., lost] = 0
    assert count_non_steady(data, lost=lost) == 3
    lost[:] = True
    assert count_non_steady(0 * data, lost=lost) == 0


def test_bright_volumes_at_the_start_are_counted():
    data = np.random.default_rng(0).normal(1000, 3, (5, 5, 5, 60)).astype(np.float32)
    assert count_non_steady(data) == 0
    data[..., 0] *= 1.5
    data[..., 1] *= 1.1
    data[..., 20] *= 1.3  # a spike later on is none of them
    assert count_non_steady(data) == 2
    data[..., 0] *= 0.1  # a dark first volume is another fault
    assert count_non_steady(data) == 0
    assert count_non_steady(np.ones((2, 2, 2, 30), dtype=np.float32)) == 0
