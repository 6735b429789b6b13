"""Framewise displacement and rmsd, by hand and by FSL's order of matrices."""

import nibabel as nib
import numpy as np
import pytest

from crossfc.session.displacement import framewise_displacement, grid_middle, relative_rms
from crossfc.twin.motion import rigid, simulate_motion
from tests.session.moving_head import movement


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
        [movement((0, 0, 0), (0, 0, 0)), movement((0.3, 0.1, -0.2), (0.01, 0.02, 0), centre)]
    )
    rng = np.random.default_rng(0)
    ball = rng.normal(size=(200_000, 3))
    ball *= (80 * rng.random(200_000) ** (1 / 3) / np.linalg.norm(ball, axis=1))[:, None]
    went = nib.affines.apply_affine(matrices[1], ball + centre) - (ball + centre)
    expected = np.sqrt((went**2).sum(axis=1).mean())
    found = relative_rms(matrices, centre)
    assert np.isnan(found[0])
    assert found[1] == pytest.approx(expected, rel=0.005)


def test_relative_rms_of_a_shift_and_of_a_turn():
    motion = np.zeros((4, 6))
    motion[1:, 0] = 0.3  # one step of 0.3 mm along x
    motion[2:, 4] = 0.01  # then a turn of 0.01 rad
    matrices = np.array([rigid(row) for row in motion])
    # A turn by angle a moves a sphere of radius R by 2 sin(a/2) R sqrt(2/5) in the square mean.
    turn = 2 * np.sin(0.005) * 80 * np.sqrt(2 / 5)
    assert relative_rms(matrices, np.zeros(3))[1:] == pytest.approx([0.3, turn, 0])
    # About another centre it carries the sphere along.
    shift = 2 * np.sin(0.005) * 30
    off_axis = relative_rms(matrices, np.array([30.0, 7, 0]))[1:]
    assert off_axis == pytest.approx([0.3, np.hypot(turn, shift), 0])


def test_relative_rms_is_that_of_fsl_and_fmriprep():
    """FSL's rmsdiff, and fMRIPrep's FSLRMSDeviation: of T1 inverse(T0), volume to reference."""
    motion = simulate_motion(np.random.default_rng(3), 40, 2.0, 0.4)
    matrices, centre = np.array([rigid(row) for row in motion]), np.array([1.0, -18, 20])
    to_reference = np.linalg.inv(matrices)
    expected = []
    for before, after in zip(to_reference[:-1], to_reference[1:], strict=True):
        change = after @ np.linalg.inv(before) - np.eye(4)
        shift = change[:3, :3] @ centre + change[:3, 3]
        expected.append(np.sqrt(80**2 / 5 * np.sum(change[:3, :3] ** 2) + shift @ shift))
    np.testing.assert_allclose(relative_rms(matrices, centre)[1:], expected, rtol=1e-9)
    # Other orders and centres are another measure, by per cents.
    wrong = relative_rms(to_reference, centre)[1:]
    assert np.abs(wrong / expected - 1).max() > 0.001


def test_the_middle_of_a_grid_lies_between_its_outer_voxels():
    affine = np.array([[-2.0, 0, 0, 90], [0, 2, 0.1, -126], [0, 0, 2.5, -72], [0, 0, 0, 1]])
    shape = (91, 109, 60)
    outer = affine @ np.array([[0, 0, 0, 1], [90, 108, 59, 1]]).T
    np.testing.assert_allclose(grid_middle(shape, affine), outer[:3].mean(axis=1))
