"""Shares of voxels in spheres: closed forms, a fine grid, and any affine."""

import numpy as np
import pytest

from crossfc.session.sphere import shares
from tests.session.test_placement import by_points, sphere

SHEARED = np.array([[3, 1.0, 0, 7], [0, 3, 1.5, -2], [0, 0, 4, 1], [0, 0, 0, 1]])
AFFINES = {
    "4 mm": np.diag([4.0, 4, 4, 1]),
    "long": np.diag([-2.0, 3, 5, 1]),
    "oblique": np.array([[-3, 0.3, 0, 15], [0.3, 3, 0.2, -20], [0, -0.2, 3.5, -14], [0, 0, 0, 1]]),
    "sheared": SHEARED,
}


@pytest.mark.parametrize("affine", AFFINES.values(), ids=AFFINES)
def test_shares_are_those_of_a_fine_grid_within_the_stated_error(affine):
    row = sphere(1.3, -0.8, 2.1, 5)
    voxels, share = shares(np.array([[1.3, -0.8, 2.1]]), np.array([5.0]), affine)
    some = np.argsort(np.abs(share - 0.5))[:6]
    # 150³ points tell a share to 0.0003.
    np.testing.assert_allclose(
        share[some], by_points([row], voxels[some], affine, 150), atol=1.3e-3
    )


@pytest.mark.parametrize("radius", [4, 5, 8])
@pytest.mark.parametrize("affine", AFFINES.values(), ids=AFFINES)
def test_volume_and_middle_are_those_of_the_sphere_wherever_it_lies(affine, radius):
    for centre in np.random.default_rng(0).uniform(-4, 4, (10, 3)):
        voxels, share = shares(centre, np.array([radius]), affine)
        volume = share.sum() * abs(np.linalg.det(affine[:3, :3]))
        assert volume == pytest.approx(4 / 3 * np.pi * radius**3, rel=2e-3)
        middle = np.average(voxels @ affine[:3, :3].T + affine[:3, 3], axis=0, weights=share)
        assert np.linalg.norm(middle - centre) < 0.2


def test_one_eighth_of_a_sphere_at_the_corner_of_a_voxel():
    voxels, share = shares(
        np.array([[0.5, 0.5, 0.5]]) * 4, np.array([3.0]), np.diag([4.0, 4, 4, 1])
    )
    assert len(voxels) == 8
    np.testing.assert_allclose(share, np.pi / 6 * (3 / 4) ** 3, atol=1e-3)


def test_a_sphere_inside_one_voxel_and_a_voxel_inside_a_sphere():
    voxels, share = shares(np.zeros((1, 3)), np.array([1.0]), np.diag([4.0, 4, 4, 1]))
    assert voxels.tolist() == [[0, 0, 0]]
    assert share[0] == pytest.approx(4 / 3 * np.pi / 64, abs=1e-3)
    voxels, share = shares(np.zeros((1, 3)), np.array([30.0]), np.diag([4.0, 4, 4, 1]))
    assert share[(voxels == 0).all(axis=1)] == 1 and share.max() == 1


def test_overlapping_spheres_count_once():
    centres = np.array([[0.0, 0, 0], [3, 1, 0], [0, 0, 0]])
    rows = [sphere(*c, r) for c, r in zip(centres, (4, 3, 2), strict=True)]
    voxels, share = shares(centres, np.array([4.0, 3, 2]), AFFINES["oblique"])
    some = np.argsort(np.abs(share - 0.5))[:8]
    wanted = by_points(rows, voxels[some], AFFINES["oblique"], 80)
    np.testing.assert_allclose(share[some], wanted, atol=2e-3)
