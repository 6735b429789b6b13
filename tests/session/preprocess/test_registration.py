"""Matrices of ANTs mean what we say they mean, and composed steps land where they should."""

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage
from scipy.spatial.transform import Rotation

from crossfc.fault import Fault
from crossfc.session.image import mask_image, onto_grid, probability_image, scaled_image
from crossfc.session.preprocess import coregistration
from crossfc.session.preprocess.boundary import Boundary, Refinement
from crossfc.session.preprocess.coregistration import coregister, doubts
from crossfc.session.preprocess.registration import (
    affine_of,
    load_ants,
    mask_dice,
    matrix_of,
    register_rigid,
    settings,
    to_ants,
    transform_points,
    write_matrix,
)
from crossfc.session.preprocess.resampling import points_in_reference, resample_run

OBLIQUE = np.eye(4)
OBLIQUE[:3, :3] = Rotation.from_euler("xyz", [0.2, -0.1, 0.05]).as_matrix() @ np.diag([-3, 3, 3.3])
OBLIQUE[:3, 3] = [40, -50, -20]


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    load_ants(threads=1, random_seed=1)


def _matrix(angles, shift):
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_euler("xyz", angles).as_matrix()
    matrix[:3, 3] = shift
    return matrix


def test_affines_go_to_ants_and_back():
    image = to_ants(np.zeros((4, 5, 6)), OBLIQUE)
    np.testing.assert_allclose(affine_of(image), OBLIQUE, atol=1e-5)


def test_shear_is_refused():
    sheared = np.eye(4)
    sheared[0, 1] = 0.2
    with pytest.raises(Fault, match="shear"):
        to_ants(np.zeros((4, 4, 4)), sheared)


def test_matrices_go_to_files_and_back(tmp_path):
    matrix = _matrix([0.1, -0.2, 0.3], [4, -5, 6])
    write_matrix(matrix, tmp_path / "a.mat")
    np.testing.assert_allclose(matrix_of(tmp_path / "a.mat"), matrix, atol=1e-5)
    points = np.array([[1.0, 2, 3], [-40, 50, 60]])
    expected = nib.affines.apply_affine(matrix, points)
    np.testing.assert_allclose(transform_points(points, tmp_path / "a.mat"), expected, atol=1e-3)


def test_ants_reads_the_matrix_as_fixed_to_moving(tmp_path):
    import ants

    rng = np.random.default_rng(0)
    moving = rng.random((20, 22, 18)).astype(np.float32)
    matrix = _matrix([0.05, 0.1, -0.08], [3, -2, 4])
    write_matrix(matrix, tmp_path / "a.mat")
    fixed = to_ants(np.zeros((15, 16, 17)), np.diag([2.0, 2, 2, 1]))
    image = to_ants(moving, OBLIQUE)
    theirs = ants.apply_transforms(fixed, image, [str(tmp_path / "a.mat")]).numpy()
    ours = onto_grid(moving, OBLIQUE, matrix @ np.diag([2.0, 2, 2, 1]), (15, 16, 17))
    inner = (theirs > 0) & (ours > 0)
    assert inner.sum() > 500
    np.testing.assert_allclose(ours[inner], theirs[inner], atol=2e-3)


def test_one_interpolation_undoes_motion_coregistration_and_normalisation(tmp_path):
    """A smooth picture in template space, seen through all three, comes back as it was."""
    anatomy_to_bold = _matrix([0.1, 0.02, -0.04], [5, -8, 3])
    template_to_anatomy = _matrix([-0.05, 0.1, 0.06], [2, 6, -9])
    template_to_anatomy[:3, :3] *= 1.1
    write_matrix(template_to_anatomy, tmp_path / "norm.mat")
    motion = np.array([np.eye(4), _matrix([0.02, 0, -0.03], [1, 0.5, -0.7])])

    def picture(points):  # in template space
        x, y, z = (points / 30).T
        return 500 + 100 * (np.sin(x) * np.cos(0.8 * y) + np.sin(1.1 * z + x))

    shape, affine = (40, 42, 36), OBLIQUE.copy()
    affine[:3, 3] = -affine[:3, :3] @ [20, 21, 18] + [5, -2, 4]
    voxels = nib.affines.apply_affine(affine, np.indices(shape).reshape(3, -1).T)
    run = []
    for one in motion:
        back = np.linalg.inv(one @ anatomy_to_bold @ template_to_anatomy)
        run.append(picture(nib.affines.apply_affine(back, voxels)).reshape(shape))
    grid = nib.Nifti1Image(np.zeros((20, 22, 24)), np.diag([4.0, 4, 4, 1]))
    grid.affine[:3, 3] = [-38, -42, -46]
    grid = nib.Nifti1Image(np.zeros((20, 22, 24)), grid.affine)
    points = points_in_reference(grid, tmp_path / "norm.mat", anatomy_to_bold)
    data = np.stack(run, axis=-1).astype(np.float32)
    found, covered = resample_run(data, affine, motion, points, grid.shape)
    goal = picture(
        nib.affines.apply_affine(grid.affine, np.indices(grid.shape).reshape(3, -1).T)
    ).reshape(grid.shape)
    assert found.shape == (20, 22, 24, 2)
    assert 0.5 < covered.mean() < 1
    for v in range(2):
        # Cubic splines, half a unit of 700; the outermost voxels are continued, so looser there.
        assert np.quantile(np.abs(found[..., v] - goal)[covered], 0.99) < 0.5
    assert (found[..., 0][~covered & (found[..., 1] == 0)] == 0).any()


def test_seed_0_is_a_seed_too():
    """ANTs takes the clock for it, and samples its metrics otherwise every time."""
    rng = np.random.default_rng(1)
    picture = ndimage.gaussian_filter(rng.normal(size=(40, 40, 40)), 3).astype(np.float32) * 100
    moved = ndimage.shift(picture, (1.3, -0.7, 2.1), order=1)
    grid = np.diag([3.0, 3, 3, 1])

    def found(seed):
        load_ants(threads=1, random_seed=seed)
        assert settings()["seed"] == seed
        return register_rigid(
            to_ants(picture, grid), to_ants(moved, grid), initial=np.eye(4), metric="mattes",
            iterations=(20,), shrink=(1,), smooth=(1,), sampling=0.2,
        )  # fmt: skip

    try:
        first, again, other = found(0), found(0), found(7)
    finally:
        load_ants(threads=1, random_seed=1)
    assert first.tobytes() == again.tobytes()
    assert first.tobytes() != other.tobytes()


def test_coregistration_finds_another_contrast_that_was_moved():
    from crossfc import template

    standard = template.brain(2)
    t1w = standard.get_fdata(dtype=np.float32) * 800
    mask = t1w > 160
    true = _matrix([0.12, -0.05, 0.08], [8, -12, 6])
    affine = OBLIQUE.copy()
    affine[:3, 3] = -affine[:3, :3] @ [32, 36, 24] + [8, -30, 26]
    shape = (64, 72, 50)
    seen = onto_grid(t1w, standard.affine, np.linalg.inv(true) @ affine, shape)
    rng = np.random.default_rng(4)
    bold = np.where(seen > 160, 1400 - seen, 20) + rng.normal(0, 15, shape)
    found = coregister(
        bold.astype(np.float32),
        seen > 160,
        affine,
        nib.Nifti1Image(t1w, standard.affine),
        nib.Nifti1Image(mask.astype(np.uint8), standard.affine),
    )
    points = np.array([[50, 0, 0], [-50, 0, 0], [0, 60, 0], [0, -80, 0], [0, 0, 60], [0, 0, -40]])
    off = nib.affines.apply_affine(found.matrix, points) - nib.affines.apply_affine(true, points)
    assert np.linalg.norm(off, axis=1).max() < 1  # a third of a voxel
    assert found.quality["dice"] > 0.93
    assert found.quality["mutual_information"] > 2 * found.quality["mutual_information_start"]


def test_without_white_matter_the_boundary_is_not_used_and_that_is_said():
    from crossfc import template

    standard = template.brain(4)
    t1w = nib.Nifti1Image(standard.get_fdata(dtype=np.float32) * 800, standard.affine)
    mask = nib.Nifti1Image((t1w.get_fdata() > 160).astype(np.uint8), standard.affine)
    nothing = nib.Nifti1Image(np.zeros(t1w.shape, dtype=np.float32), standard.affine)
    bold = np.where(mask.get_fdata() > 0, 1400 - t1w.get_fdata(), 20).astype(np.float32)
    found = coregister(bold, mask.get_fdata() > 0, standard.affine, t1w, mask, nothing)
    plain = coregister(bold, mask.get_fdata() > 0, standard.affine, t1w, mask)
    np.testing.assert_array_equal(found.matrix, plain.matrix)
    assert found.quality["boundary_refined"] is False
    (sentence,) = found.warnings
    assert "by mutual information alone" in sentence
    assert "has a surface of 0 points only" in sentence
    assert plain.warnings == []


def test_what_speaks_against_a_coregistration_is_said():
    good = {"boundary_cost_taken": 0.45, "boundary_cost_mirrored": 0.84, "dice": 0.94}
    assert doubts(good | {"left_right": "as the header says"}, 0.7) == []
    assert doubts({"boundary_cost_taken": None, "dice": 0.94}, 0.7) == []
    (sentence,) = doubts(good | {"boundary_cost_taken": 0.83}, 0.7)
    assert "cost 0.83" in sentence
    assert "of different people" in sentence
    assert doubts(good | {"boundary_cost_taken": 0.83}, 0.9) == []
    swapped = {"boundary_cost_taken": 0.83, "boundary_cost_mirrored": 0.46, "dice": 0.94}
    (sentence,) = doubts(swapped | {"left_right": "swapped?"}, 0.7)
    assert "left and right may be swapped" in sentence
    assert "(boundary's cost 0.46) than the T1w does (0.83)" in sentence
    swapped |= {"boundary_cost_mirrored": 0.75, "left_right": "swapped?"}
    assert ["boundary is not seen" in s for s in doubts(swapped, 0.7)] == [False, True]
    (sentence,) = doubts(good | {"dice": 0.79}, 0.7)
    assert "Dice 0.79" in sentence


@pytest.mark.parametrize(
    ("own", "mirrored", "told"),
    [
        (0.45, 0.83, "as the header says"),
        (0.83, 0.45, "swapped?"),
        (0.45, 0.455, "not told"),
        (0.89, 0.84, "not told"),  # another person's T1w: neither fits
    ],
)
def test_left_and_right_are_told_by_the_better_fit(monkeypatch, own, mirrored, told):
    def refinement(cost):
        quality = {"boundary_cost": cost, "boundary_cost_start": cost + 0.1}
        return Refinement(np.eye(4), True, "", quality)

    monkeypatch.setattr(coregistration, "refine_on_boundary", lambda *_: refinement(mirrored))
    surface = Boundary(np.zeros((3, 3)), np.ones((3, 3)), np.zeros((6, 3)))
    found = coregistration.compare_mirrored(
        np.ones((2, 2, 2)), np.eye(4), surface, refinement(own), np.diag([-1.0, 1, 1, 1])
    )
    assert found == {"boundary_cost_mirrored": mirrored, "left_right": told}


def test_empty_masks_are_refused():
    empty = nib.Nifti1Image(np.zeros((5, 5, 5), dtype=np.uint8), np.eye(4))
    with pytest.raises(Fault, match="mask is empty"):
        coregister(np.ones((5, 5, 5)), np.ones((5, 5, 5), dtype=bool), np.eye(4), empty, empty)


def test_images_are_stored_small_and_exact_enough(tmp_path):
    rng = np.random.default_rng(0)
    data = rng.normal(900, 300, (5, 6, 7, 4)).astype(np.float32)
    data[0] = 0
    image = scaled_image(data, OBLIQUE, 2.5)
    nib.save(image, tmp_path / "a.nii.gz")
    back = nib.load(tmp_path / "a.nii.gz")
    assert back.get_data_dtype() == np.int16
    assert (back.get_fdata()[0] == 0).all()
    np.testing.assert_allclose(back.get_fdata(), data, atol=np.abs(data).max() / 32767)
    assert back.header.get_zooms()[3] == 2.5
    assert back.header.get_xyzt_units() == ("mm", "sec")
    np.testing.assert_allclose(back.get_qform(), OBLIQUE, atol=1e-4)
    assert (int(back.header["sform_code"]), int(back.header["qform_code"])) == (2, 2)
    share = probability_image(np.linspace(0, 1, 27).reshape(3, 3, 3), np.eye(4))
    nib.save(share, tmp_path / "p.nii.gz")
    loaded = nib.load(tmp_path / "p.nii.gz").get_fdata().ravel()
    np.testing.assert_allclose(loaded, np.linspace(0, 1, 27), atol=0.002)
    mask = mask_image(np.eye(3)[None] > 0, np.eye(4))
    assert sorted(np.unique(mask.get_fdata())) == [0, 1]


def test_dice():
    first, second = np.zeros(10, dtype=bool), np.zeros(10, dtype=bool)
    first[:4] = second[2:8] = True
    assert mask_dice(first, second) == pytest.approx(2 * 2 / 10)
    assert mask_dice(np.zeros(3), np.zeros(3)) == 0
