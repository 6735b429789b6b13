"""Known movements are found, with the signs and axes that are promised."""

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage

from crossfc.session.motion import (
    count_non_steady,
    estimate_motion,
    framewise_displacement,
    motion_parameters,
    relative_rms,
    to_reference,
)
from crossfc.session.registration import load_ants

# Oblique and with the first axis from right to left, as scanners write it.
TILT = np.deg2rad(12)
AFFINE = np.eye(4)
AFFINE[:3, :3] = np.array(
    [[1, 0, 0], [0, np.cos(TILT), -np.sin(TILT)], [0, np.sin(TILT), np.cos(TILT)]]
) @ np.diag([-4.0, 4.0, 4.4])
AFFINE[:3, 3] = -AFFINE[:3, :3] @ [16, 18, 13] + [2, -5, 8]
SHAPE = (33, 37, 27)


def _rotation(x=0.0, y=0.0, z=0.0):
    """Rx Ry Rz, written out by hand."""
    about_x = [[1, 0, 0], [0, np.cos(x), -np.sin(x)], [0, np.sin(x), np.cos(x)]]
    about_y = [[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]]
    about_z = [[np.cos(z), -np.sin(z), 0], [np.sin(z), np.cos(z), 0], [0, 0, 1]]
    return np.array(about_x) @ np.array(about_y) @ np.array(about_z)


def _matrix(trans, rot, centre):
    matrix = np.eye(4)
    matrix[:3, :3] = _rotation(*rot)
    matrix[:3, 3] = np.asarray(centre) + trans - matrix[:3, :3] @ centre
    return matrix


def _head(moved_by):
    """A lopsided head, drawn in world coordinates after it moved (a point p went to M p)."""
    points = nib.affines.apply_affine(AFFINE, np.indices(SHAPE).reshape(3, -1).T)
    at = nib.affines.apply_affine(np.linalg.inv(moved_by), points) - [2, -5, 8]
    scaled = at / [46, 56, 40]
    head = 1000 / (1 + np.exp(((scaled**2).sum(axis=1) - 1) * 8))
    for place, size, height in [
        ((20, 25, 10), 10, 500), ((-15, 30, -8), 8, -600), ((-25, -20, 15), 12, 400),
        ((10, -30, -12), 9, -500), ((5, 5, 22), 7, 600), ((28, -8, -10), 7, -400),
    ]:  # fmt: skip
        head += height * np.exp(-((at - place) ** 2).sum(axis=1) / (2 * size**2))
    return np.maximum(head, 0).reshape(SHAPE)


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    load_ants(threads=1, seed=1)


@pytest.fixture(scope="module")
def run():
    """Eight volumes of a moving head with 1 % noise, and where it went in each."""
    centre = np.array([2.0, -5, 8])
    steps = [
        ((0, 0, 0), (0, 0, 0)),
        ((1.0, 0, 0), (0, 0, 0)),
        ((0, -0.6, 0), (0, 0, 0)),
        ((0, 0, 0.4), (0, 0, 0)),
        ((0, 0, 0), (0.02, 0, 0)),
        ((0, 0, 0), (0, -0.015, 0)),
        ((0, 0, 0), (0, 0, 0.03)),
        ((2.5, -1.5, 2), (0.03, 0.02, -0.05)),
    ]
    moved = np.array([_matrix(t, r, centre) for t, r in steps])
    noise = np.random.default_rng(7)
    volumes = [_head(m) + noise.normal(0, 10, SHAPE) for m in moved]
    return np.stack(volumes, axis=-1).astype(np.float32), moved


def test_known_movements_are_found(run):
    data, moved = run
    found = estimate_motion(data, AFFINE)
    # Only differences to the first volume count: the reference is a median of all.
    relative = found.matrices @ np.linalg.inv(found.matrices[0])
    wrong = relative @ np.linalg.inv(moved)
    points = np.array([[40, 0, 0], [-40, 0, 0], [0, 50, 0], [0, -50, 0], [0, 0, 35], [0, 0, -35]])
    off = [np.linalg.norm(nib.affines.apply_affine(m, points) - points, axis=1) for m in wrong]
    # A thirtieth of a voxel: two registrations, 1 % noise, and far less texture than in a brain
    # (on a real picture the error is three times smaller, see test_real_scan).
    assert np.max(off) < 4 / 30
    parameters = motion_parameters(relative, np.array([2.0, -5, 8]))
    expected = motion_parameters(moved, np.array([2.0, -5, 8]))
    np.testing.assert_allclose(parameters[:, :3], expected[:, :3], atol=0.05)
    np.testing.assert_allclose(parameters[:, 3:], expected[:, 3:], atol=0.002)
    assert np.linalg.norm(found.centre - [2, -5, 8]) < 6
    # The reference is one of the positions, sharp, and volumes come back onto it.
    last = to_reference(data[..., 7], AFFINE, found.matrices[7])
    inner = ndimage.binary_erosion(found.mask, iterations=2)
    assert np.corrcoef(last[inner], found.reference[inner])[0, 1] > 0.98
    assert np.corrcoef(data[..., 7][inner], found.reference[inner])[0, 1] < 0.97


def test_the_same_run_gives_the_same_matrices(run):
    data, _ = run
    first = estimate_motion(data[..., :3], AFFINE)
    second = estimate_motion(data[..., :3], AFFINE)
    np.testing.assert_array_equal(first.matrices, second.matrices)


@pytest.mark.parametrize("column", range(6))
def test_each_parameter_is_the_movement_of_the_head_in_the_world(column):
    centre = np.array([3.0, -10, 20])
    given = np.zeros(6)
    given[column] = 0.04
    matrix = _matrix(given[:3], given[3:], centre)
    np.testing.assert_allclose(motion_parameters(matrix[None], centre)[0], given, atol=1e-12)
    if column == 0:  # the whole head went to the right (+x)
        np.testing.assert_allclose((matrix @ [0, 0, 0, 1])[:3], [0.04, 0, 0], atol=1e-12)
    if column == 3:  # the nose, in front of the centre, went up
        assert (matrix @ [*(centre + [0, 80, 0]), 1])[2] > centre[2] + 3
    if column == 4:  # the top of the head went to the right
        assert (matrix @ [*(centre + [0, 0, 80]), 1])[0] > centre[0] + 3
    if column == 5:  # the nose went to the left
        assert (matrix @ [*(centre + [0, 80, 0]), 1])[0] < centre[0] - 3


def test_all_six_parameters_come_back_from_a_composed_movement():
    centre = np.array([3.0, -10, 20])
    given = np.array([1.5, -2, 0.7, 0.1, -0.06, 0.2])
    found = motion_parameters(_matrix(given[:3], given[3:], centre)[None], centre)[0]
    np.testing.assert_allclose(found, given, atol=1e-12)


def test_framewise_displacement_by_hand():
    parameters = np.array(
        [[0, 0, 0, 0, 0, 0], [0.1, -0.2, 0.3, 0.01, 0, -0.002], [0.1, 0, 0.3, 0.01, 0.004, 0]]
    )
    found = framewise_displacement(parameters)
    assert np.isnan(found[0])
    # 0.6 mm + 50 mm × 0.012 rad; 0.2 mm + 50 mm × 0.006 rad
    np.testing.assert_allclose(found[1:], [1.2, 0.5])


def test_relative_rms_is_the_mean_movement_of_a_sphere():
    centre = np.array([1.0, -20, 10])
    matrices = np.array(
        [_matrix((0, 0, 0), (0, 0, 0), centre), _matrix((0.3, 0.1, -0.2), (0.01, 0.02, 0), centre)]
    )
    rng = np.random.default_rng(0)
    ball = rng.normal(size=(200_000, 3))
    ball *= (80 * rng.random(200_000) ** (1 / 3) / np.linalg.norm(ball, axis=1))[:, None]
    went = nib.affines.apply_affine(matrices[1], ball + centre) - (ball + centre)
    expected = np.sqrt((went**2).sum(axis=1).mean())
    found = relative_rms(matrices, centre)
    assert np.isnan(found[0])
    assert found[1] == pytest.approx(expected, rel=0.005)


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
