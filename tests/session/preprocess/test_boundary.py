"""The surface of the white matter lies where it was drawn, and the pose is found on it."""

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage

from crossfc import template
from crossfc.fault import Fault
from crossfc.session.image import onto_grid
from crossfc.session.preprocess.boundary import (
    FARTHEST_MM,
    Boundary,
    cost_near,
    mirror,
    mirror_plane,
    pose,
    refine_on_boundary,
    white_boundary,
)
from crossfc.session.preprocess.coregistration import DISTORTED, NEAR_MM, compare_mirrored

OBLIQUE = pose(np.array([0, 0, 0, -14.0, 4.0, 3.0]), np.zeros(3)) @ np.diag([-3.5, 3.5, 3.5, 1])
SHAPE = (56, 64, 40)


def _ball(radius=22.0):
    """A soft ball on an oblique grid whose axes are swapped, flipped and of different lengths."""
    affine = pose(np.array([0, 0, 0, 20.0, -9.0, 15.0]), np.zeros(3)) @ np.array(
        [[0, 0, 1.5, -40.0], [-1.0, 0, 0, 45.0], [0, -1.2, 0, 42.0], [0, 0, 0, 1]]
    )
    shape = (90, 72, 54)
    world = nib.affines.apply_affine(affine, np.indices(shape).reshape(3, -1).T)
    centre = world.mean(axis=0)
    distance = np.linalg.norm(world - centre, axis=1).reshape(shape)
    return np.clip(0.5 + (radius - distance) / 3, 0, 1).astype(np.float32), affine, centre, distance


def test_the_surface_is_found_within_a_fraction_of_a_voxel():
    white, affine, centre, distance = _ball()
    mask = nib.Nifti1Image((distance < 30).astype(np.uint8), affine)
    found = white_boundary(nib.Nifti1Image(white, affine), mask, most=3000)
    outwards = found.points - centre
    radius = np.linalg.norm(outwards, axis=1)
    assert np.abs(radius - 22).max() < 0.1
    assert ((found.normals * outwards).sum(axis=1) / radius).min() > 0.99
    assert 2500 < len(found.points) < 6000
    # On all sides alike.
    assert np.linalg.norm(found.centre - centre) < 0.5
    np.testing.assert_allclose(found.box.mean(axis=0), centre, atol=1)


def test_where_the_mask_cuts_the_white_matter_there_is_no_surface():
    white, affine, centre, distance = _ball()
    world = nib.affines.apply_affine(affine, np.indices(white.shape).reshape(3, -1).T)
    kept = (world[:, 2] > centre[2] - 10).reshape(white.shape)
    mask = nib.Nifti1Image(((distance < 30) & kept).astype(np.uint8), affine)
    found = white_boundary(nib.Nifti1Image(white * kept, affine), mask)
    assert found.points[:, 2].min() > centre[2] - 9


def test_what_has_no_surface_is_refused():
    white, affine, _, distance = _ball()
    mask = nib.Nifti1Image((distance < 30).astype(np.uint8), affine)
    with pytest.raises(Fault, match="surface of 0 points"):
        white_boundary(nib.Nifti1Image(0 * white, affine), mask)
    with pytest.raises(Fault, match="different grids"):
        white_boundary(nib.Nifti1Image(white[1:], affine), mask)
    with pytest.raises(Fault, match="mask of the T1w is empty"):
        white_boundary(nib.Nifti1Image(white, affine), nib.Nifti1Image(0 * white, affine))


@pytest.fixture(scope="module")
def brain():
    """The boundary of the template's own white matter, and its tissues."""
    tissues = {n: i.get_fdata(dtype=np.float32) for n, i in template.tissues(2).items()}
    mask = template.brain_mask(2)
    white = nib.Nifti1Image(tissues["wm"], mask.affine)
    return white_boundary(white, mask), tissues, mask.affine


def _seen(brain, matrix, levels=(0.82, 0.68, 1.0), noise=0.015):
    """An EPI of the brain under a pose: grey, white, fluid; a bias field; signal lost in front."""
    _, tissues, own = brain
    picture = sum(
        level * tissues[name] for name, level in zip(("gm", "wm", "csf"), levels, strict=True)
    )
    picture = ndimage.gaussian_filter(picture, 3.5 / 2.355 / 2)
    affine = OBLIQUE.copy()
    affine[:3, 3] = [0, -18, 8] - affine[:3, :3] @ (np.array(SHAPE) / 2)
    epi = onto_grid(picture, own, np.linalg.inv(matrix) @ affine, SHAPE)
    world = nib.affines.apply_affine(affine, np.indices(SHAPE).reshape(3, -1).T).reshape(*SHAPE, 3)
    bias = np.exp(world[..., 1] / 200 - world[..., 2] / 250)
    lost = 1 - 0.8 * np.exp(-((world - [0, 45, -15]) ** 2).sum(axis=-1) / (2 * 15**2))
    random = np.random.default_rng(5)
    return 1000 * (epi * bias * lost + random.normal(0, noise, SHAPE)).astype(np.float32), affine


def _error(found, true, boundary):
    apart = nib.affines.apply_affine(found, boundary.points) - nib.affines.apply_affine(
        true, boundary.points
    )
    return np.linalg.norm(apart, axis=1).mean()


@pytest.mark.parametrize("off", [(0.6, -0.4, 0.5, 0.5, -0.4, 0.3), (4, -5, 4, 4, -4, 3)])
def test_the_pose_is_found_from_near_and_far(brain, off):
    boundary = brain[0]
    true = pose(np.array([3.0, -6, 5, 5, -3, 2]), boundary.centre)
    epi, affine = _seen(brain, true)
    start = true @ pose(np.array(off, dtype=float), boundary.centre)
    found = refine_on_boundary(epi, affine, boundary, start)
    assert _error(start, true, boundary) > 0.9
    assert found.kept
    assert found.reason == ""
    assert _error(found.matrix, true, boundary) < 0.25  # a fourteenth of a voxel
    said = found.quality
    assert said["boundary_cost"] < said["boundary_cost_start"] < 1.1
    assert said["boundary_contrast_percent"] > 4
    np.testing.assert_allclose(
        said["boundary_displacement_mm"], _error(found.matrix, start, boundary), rtol=1e-6
    )
    assert said["boundary_refined"] is True
    # Rigid: lengths stay.
    np.testing.assert_allclose(found.matrix[:3, :3].T @ found.matrix[:3, :3], np.eye(3), atol=1e-9)


def test_the_cost_of_a_place_tells_of_distortion_that_the_whole_does_not(brain):
    """A shift of up to 8 mm around the ventromedial cortex, in an image that fits elsewhere."""
    boundary, tissues, own = brain
    picture = 0.82 * tissues["gm"] + 0.68 * tissues["wm"] + tissues["csf"]
    world = nib.affines.apply_affine(own, np.indices(picture.shape).reshape(3, -1).T)
    places = np.array(DISTORTED["ventromedial"])
    apart = np.linalg.norm(world[:, None] - places[None], axis=2).min(axis=1)
    shift = 8 * np.exp(-(apart**2) / (2 * 12**2)).reshape(picture.shape)
    at = np.indices(picture.shape).astype(float)
    at[1] += shift / np.linalg.norm(own[:3, 1])
    distorted = ndimage.map_coordinates(picture, at, order=1)

    def costs(image):
        whole = cost_near(image, own, boundary, np.eye(4), boundary.centre[None], 500.0)
        return whole, *(
            cost_near(image, own, boundary, np.eye(4), np.array(DISTORTED[name]), NEAR_MM)
            for name in ("subgenual", "ventromedial")
        )

    plain, shifted = costs(picture), costs(distorted)
    # Everything is near within 500 mm, and then it is the cost of the whole surface.
    found = refine_on_boundary(picture, own, boundary, np.eye(4))
    assert plain[0] == pytest.approx(found.quality["boundary_cost_start"])
    assert max(plain) < 0.3
    assert shifted[0] - plain[0] < 0.05
    assert shifted[2] - plain[2] > 0.3
    assert shifted[2] - plain[2] > 2 * (shifted[1] - plain[1]) > 0


def test_a_place_without_surface_or_out_of_view_has_no_cost(brain):
    boundary, tissues, own = brain
    image = tissues["gm"]
    far = np.array([[0.0, 200.0, 0.0]])
    assert cost_near(image, own, boundary, np.eye(4), far, NEAR_MM) is None
    away = np.eye(4)
    away[1, 3] = 300.0
    place = np.array(DISTORTED["subgenual"])
    assert cost_near(image, own, boundary, away, place, NEAR_MM) is None


def test_the_start_is_kept_where_the_brain_would_move_too_far(brain):
    boundary = brain[0]
    true = np.eye(4)
    epi, affine = _seen(brain, true)
    start = pose(np.array([-7.0, 3, -6, -3, 6, 5]), boundary.centre)
    found = refine_on_boundary(epi, affine, boundary, start)
    assert found.quality["boundary_displacement_max_mm"] > FARTHEST_MM
    assert not found.kept
    assert "moved the brain by" in found.reason
    np.testing.assert_array_equal(found.matrix, start)


def test_the_start_is_kept_where_nothing_is_seen(brain):
    boundary = brain[0]
    _, affine = _seen(brain, np.eye(4))
    found = refine_on_boundary(np.full(SHAPE, 500.0), affine, boundary, np.eye(4))
    assert not found.kept
    assert "did not fall" in found.reason
    # A T1w contrast: white matter brightest, so the boundary has the wrong sign all over.
    epi, affine = _seen(brain, np.eye(4), levels=(0.7, 1.0, 0.3))
    found = refine_on_boundary(epi, affine, boundary, np.eye(4))
    assert not found.kept
    assert found.quality["boundary_cost_start"] > 1.3
    assert "hardly seen" in found.reason or "moved the brain" in found.reason
    np.testing.assert_array_equal(found.matrix, np.eye(4))


def test_a_surface_is_mirrored_at_the_plane_between_the_halves(brain):
    boundary = brain[0]
    turned = pose(np.array([4.0, -7, 3, 6, -9, 12]), np.zeros(3))
    rng = np.random.default_rng(2)
    between = rng.uniform(-60, 60, (200, 3)) * [0, 1, 1] + rng.normal(0, 0.5, (200, 3))
    reflection = mirror_plane(nib.affines.apply_affine(turned, between))
    np.testing.assert_allclose(reflection @ reflection, np.eye(4), atol=1e-9)
    expected = turned @ np.diag([-1.0, 1, 1, 1]) @ np.linalg.inv(turned)
    there = nib.affines.apply_affine(turned, boundary.points)
    apart = nib.affines.apply_affine(reflection, there) - nib.affines.apply_affine(expected, there)
    assert np.linalg.norm(apart, axis=1).max() < 1.0
    mirrored = mirror(boundary, np.diag([-1.0, 1, 1, 1]))
    np.testing.assert_allclose(mirrored.points, boundary.points * [-1, 1, 1])
    np.testing.assert_allclose(mirrored.normals, boundary.normals * [-1, 1, 1])


@pytest.mark.parametrize("swapped", [False, True])
def test_a_scan_with_left_and_right_swapped_is_told(brain, swapped):
    """A brain whose halves differ by some millimetres, as everybody's do."""
    _, tissues, affine = brain
    places = np.indices(tissues["wm"].shape).astype(float)
    x, y, z = nib.affines.apply_affine(affine, places.reshape(3, -1).T).T
    bump = 5 * np.exp(-((x - 35) ** 2 + (y + 40) ** 2 + (z - 20) ** 2) / (2 * 25**2))
    bump -= 4 * np.exp(-((x + 30) ** 2 + (y - 30) ** 2 + (z - 15) ** 2) / (2 * 25**2))
    places[1] += (bump / affine[1, 1]).reshape(places[1].shape)
    bent = {n: ndimage.map_coordinates(t, places, order=1) for n, t in tissues.items()}
    mask = nib.Nifti1Image((sum(bent.values()) > 0.5).astype(np.uint8), affine)
    boundary = white_boundary(nib.Nifti1Image(bent["wm"], affine), mask, most=2500)
    at_x_0 = np.diag([-1.0, 1, 1, 1])
    true = pose(np.array([2.0, -3, 1, 2, -1, 3]), boundary.centre)
    seen = true @ at_x_0 if swapped else true  # what the scanner sees, or what it is told to be
    epi, grid = _seen((boundary, bent, affine), seen)
    start = true @ pose(np.array([0.5, -0.5, 0.4, 0.5, -0.4, 0.3]), boundary.centre)
    refined = refine_on_boundary(epi, grid, boundary, start)
    found = compare_mirrored(epi, grid, boundary, refined, at_x_0)
    print(swapped, refined.quality["boundary_cost"], found)
    assert found["left_right"] == ("swapped?" if swapped else "as the header says")


def test_where_no_boundary_is_seen_left_and_right_are_not_told(brain):
    few = Boundary(brain[0].points[::10], brain[0].normals[::10], brain[0].box)
    _, affine = _seen(brain, np.eye(4))
    blank = 500 + np.random.default_rng(0).normal(0, 20, SHAPE).astype(np.float32)
    refined = refine_on_boundary(blank, affine, few, np.eye(4))
    found = compare_mirrored(blank, affine, few, refined, np.diag([-1.0, 1, 1, 1]))
    assert found["left_right"] == "not told"


def test_the_same_input_gives_the_same_bytes(brain):
    boundary = brain[0]
    epi, affine = _seen(brain, np.eye(4))
    start = pose(np.array([1.0, 1, 1, 1, 1, 1]), boundary.centre)
    first, second = (refine_on_boundary(epi, affine, boundary, start) for _ in range(2))
    assert first.matrix.tobytes() == second.matrix.tobytes()
