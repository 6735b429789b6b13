"""Known movements are found, with the signs and axes that are promised."""

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage

from crossfc.session import template
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
AFFINE[:3, 3] = -AFFINE[:3, :3] @ [20, 24, 20]
SHAPE = (41, 49, 41)
MIDDLE = [0, -18, 8]  # of the brain in template space: it comes to lie in the grid's middle


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
    """The template's brain with the contrast of EPI, after it moved (a point p went to M p)."""
    standard = template.brain(2)
    brain = standard.get_fdata(dtype=np.float32)
    # A scanner blurs to about its voxels; a picture without that would be aliased.
    epi = ndimage.gaussian_filter(np.where(brain > 0.1, 1500 - 900 * brain, 0), 4 / 2.355 / 2)
    place = np.eye(4)
    place[:3, 3] = MIDDLE
    index = np.linalg.inv(standard.affine) @ place @ np.linalg.inv(moved_by) @ AFFINE
    return ndimage.affine_transform(epi, index[:3, :3], index[:3, 3], output_shape=SHAPE)


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    load_ants(threads=1, seed=1)


@pytest.fixture(scope="module")
def run():
    """Eight volumes of a moving head with 1 % noise, and where it went in each."""
    centre = np.zeros(3)
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
    assert np.max(off) < 0.05  # mm, on voxels of 4 mm with 1 % noise
    parameters = motion_parameters(relative, np.zeros(3))
    expected = motion_parameters(moved, np.zeros(3))
    np.testing.assert_allclose(parameters[:, :3], expected[:, :3], atol=0.04)
    np.testing.assert_allclose(parameters[:, 3:], expected[:, 3:], atol=0.001)
    brain = template.brain_mask(2)
    centroid = brain.affine[:3] @ [*np.argwhere(brain.get_fdata() > 0).mean(axis=0), 1] - MIDDLE
    assert np.linalg.norm(found.centre - centroid) < 4
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
