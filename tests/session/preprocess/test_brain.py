"""Brain extraction on a head drawn by hand, and T1w scans that are none."""

import itertools

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage
from scipy.spatial.transform import Rotation

from crossfc import template
from crossfc.fault import Fault
from crossfc.session.image import onto_grid
from crossfc.session.preprocess.anatomy import normalise_subject, working_head
from crossfc.session.preprocess.brain import coverage, lay_template, refine_mask, segment
from crossfc.session.preprocess.registration import affine_of, load_ants, mask_dice, to_ants
from crossfc.session.scan import open_scan


def _drawn_head():
    """White and grey matter, CSF, a bright skull 6 mm off with one thin bridge; 2 mm voxels."""
    grid = np.indices((80, 96, 80)).reshape(3, -1).T - [39.5, 47.5, 39.5]
    distance = (np.linalg.norm(grid / [1, 1.2, 1], axis=1)).reshape(80, 96, 80)
    head = np.full(distance.shape, 5.0)
    head[distance < 30] = 25  # CSF
    head[distance < 27] = 60  # grey
    head[distance < 23] = 100  # white
    head[distance < 5] = 25  # a ventricle
    head[(distance > 31) & (distance < 34)] = 90  # fat
    head[39:41, 39:41, 66:75] = 80  # a vessel that leads from the brain to the fat
    head += np.random.default_rng(0).normal(0, 3, head.shape)
    return head.astype(np.float32), distance


@pytest.mark.parametrize("carried_radius", [25.5, 27, 28.5])
def test_brightness_decides_where_the_brain_ends(carried_radius):
    head, distance = _drawn_head()
    found = refine_mask(head, distance < carried_radius, 2.0)
    # Whatever the template said within 3 mm, the grey matter's edge is found.
    assert mask_dice(found, distance < 27) > 0.97
    assert found[39, 47, 39]  # the ventricle belongs to it
    assert not found[distance > 31].any()  # the skull does not
    assert ndimage.label(found)[1] == 1


def test_the_template_is_laid_onto_a_shifted_tilted_larger_brain():
    load_ants(threads=1, random_seed=1)
    import ants

    standard = template.brain(2)
    brain = standard.get_fdata(dtype=np.float32)
    true = np.diag([1.08, 1.05, 1.1, 1.0])
    true[1, 2], true[2, 1] = -0.15, 0.15
    true[:3, 3] = [6, -14, 22]
    affine = np.diag([-2.0, 2, 2, 1])
    affine[:3, 3] = [110, -150, -110]
    shape = (110, 130, 120)
    head = onto_grid(brain, standard.affine, np.linalg.inv(true) @ affine, shape)
    # A bright neck pulls the centre of mass down.
    head[40:70, 50:75, :28] = np.maximum(head[40:70, 50:75, :28], 0.8)
    fixed = to_ants(brain, standard.affine)
    region = ants.iMath(to_ants(brain > 0.2, standard.affine), "MD", 3)
    matrix, likeness = lay_template(to_ants(head, affine), fixed, region)
    points = np.array([[60, 0, 0], [-60, 0, 0], [0, 65, 0], [0, -90, 0], [0, 0, 70], [0, -30, -40]])
    off = nib.affines.apply_affine(matrix, points) - nib.affines.apply_affine(true, points)
    assert np.linalg.norm(off, axis=1).max() < 1.5
    assert likeness > 0.9


def test_the_order_of_the_axes_makes_no_difference(tmp_path):
    """All 48 ways to store an oblique head give the very same working copy of it."""
    load_ants(threads=1, random_seed=1)
    rng = np.random.default_rng(0)
    data = ndimage.gaussian_filter(rng.normal(size=(30, 36, 32)), 2).astype(np.float32)
    affine = np.eye(4)
    affine[:3, :3] = Rotation.from_euler("xyz", [0.3, -0.2, 0.25]).as_matrix() @ np.diag(
        [1.1, 1.0, 1.2]
    )
    affine[:3, 3] = [-20, -40, 10]
    image = nib.Nifti1Image(data, affine)
    first, count = None, 0
    for axes in itertools.permutations(range(3)):
        for flips in itertools.product((-1, 1), repeat=3):
            turn = np.stack([axes, flips], axis=1)
            nib.save(image.as_reoriented(turn), tmp_path / "a_T1w.nii")
            head = working_head(open_scan(tmp_path / "a_T1w.nii", dimensions=3))
            if first is None:
                first = head
            assert head.numpy().tobytes() == first.numpy().tobytes()
            np.testing.assert_array_equal(affine_of(head), affine_of(first))
            count += 1
    assert count == 48
    assert nib.orientations.aff2axcodes(affine_of(first)) == ("R", "A", "S")


def test_the_template_outside_the_picture_is_told():
    head = to_ants(np.ones((50, 60, 40), dtype=np.float32), np.diag([2.0, 2, 2, 1]))
    inside = to_ants(np.ones((20, 20, 20), dtype=np.float32), np.diag([4.0, 4, 4, 1]))
    shown = coverage(head, inside, np.eye(4))
    assert shown[:, :, :20].all()  # up to 79 mm
    up = np.eye(4)
    up[2, 3] = 40
    shown = coverage(head, inside, up)
    assert shown[:, :, :10].all() and not shown[:, :, 11:].any()
    assert not coverage(head, inside, up, margin_mm=8)[:, :, 9].any()
    # Slices of zeros, as defacing and padding leave them, show nothing.
    padded = np.ones((50, 60, 40), dtype=np.float32)
    padded[:, :, 20:] = 0
    assert not coverage(to_ants(padded, np.diag([2.0, 2, 2, 1])), inside, np.eye(4))[..., 11:].any()


def test_segmentation_repeats_to_the_bit():
    load_ants(threads=1, random_seed=1)
    slab = np.s_[:, :, 10:30]
    head = template.brain(4).get_fdata(dtype=np.float32)[slab]
    mask = head > 0.2
    head = head + np.random.default_rng(0).normal(0, 0.05, head.shape).astype(np.float32)
    priors = {n: i.get_fdata(dtype=np.float32)[slab] for n, i in template.tissues(4).items()}
    first, second = (segment(head, mask, priors) for _ in range(2))
    for name in ("csf", "gm", "wm"):
        assert first[name].tobytes() == second[name].tobytes()
    assert mask_dice(first["wm"] > 0.5, priors["wm"] > 0.5) > 0.8


def normalise(folder):
    """Normalise the T1w of a folder, into ``out`` in it."""
    normalise_subject(
        folder / "a_T1w.nii.gz",
        folder / "out",
        "sub-01",
        random_seed=1,
        threads=1,
        accept_unoriented=False,
    )


def test_a_truncated_t1w_leaves_nothing_behind(tmp_path):
    image = nib.Nifti1Image(np.random.default_rng(0).random((20, 20, 20)), np.eye(4))
    nib.save(image, tmp_path / "a_T1w.nii.gz")
    whole = (tmp_path / "a_T1w.nii.gz").read_bytes()
    (tmp_path / "a_T1w.nii.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(Fault, match="a_T1w.nii.gz is truncated or corrupt"):
        normalise(tmp_path)
    assert not (tmp_path / "out").exists()


def test_a_series_is_no_t1w(tmp_path):
    image = nib.Nifti1Image(np.random.default_rng(0).random((6, 6, 6, 30)), np.eye(4))
    nib.save(image, tmp_path / "a_T1w.nii.gz")
    with pytest.raises(Fault, match="a_T1w.nii.gz has shape 6×6×6×30 where 3 dimensions"):
        normalise_subject(
            tmp_path / "a_T1w.nii.gz",
            tmp_path,
            "sub-01",
            random_seed=1,
            threads=1,
            accept_unoriented=False,
        )


def _ball():
    grid = np.indices((60, 70, 60)).reshape(3, -1).T - [30, 35, 30]
    radius = 3 * np.linalg.norm(grid, axis=1).reshape(60, 70, 60)
    noise = np.random.default_rng(0).normal(0, 5, radius.shape)
    return np.where(radius < 75, 500, 5) + noise


def _noise():
    rng = np.random.default_rng(0)
    return ndimage.gaussian_filter(rng.normal(size=(60, 70, 60)), 2) * 1000 + 300


def _t2w():
    """The twin's head in another contrast: fluid brightest, white matter darkest of the brain."""
    from crossfc.twin.head import around_at, brain_at, draw_head

    world = nib.affines.apply_affine(THREE, np.indices((60, 70, 60)).reshape(3, -1).T)
    at = draw_head("sub-T02", 2024).to_template(world.astype(np.float32))
    grey, white, around = brain_at("gm", at), brain_at("wm", at), around_at(at)
    fluid = around["fluid"] * (1 - np.clip(grey + white, 0, 1))
    head = 0.62 * grey + 0.45 * white + fluid + 0.06 * around["bone"] + 0.7 * around["fat"]
    head += 0.3 * around["soft"] + around["eye"] + 0.3 * around["marrow"]
    return 1000 * head.reshape(60, 70, 60)


THREE = np.diag([3.0, 3, 3, 1])
THREE[:3, 3] = [-90, -123, -90]


@pytest.mark.slow
@pytest.mark.parametrize("drawn", [_ball, _noise, _t2w])
def test_what_is_no_t1w_of_a_head_is_refused(drawn, tmp_path):
    image = nib.Nifti1Image(np.abs(drawn()).astype(np.int16), THREE)
    nib.save(image, tmp_path / "a_T1w.nii.gz")
    with pytest.raises(Fault, match="(brain was not found in|not the contrast of).*a_T1w.nii.gz"):
        normalise(tmp_path)
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_a_head_cut_off_at_the_top_is_refused(tmp_path):
    from crossfc.twin.head import draw_head
    from crossfc.twin.scanner import simulate_raw_anatomy

    simulate_raw_anatomy("sub-T03", tmp_path / "sub-T03_T1w.nii.gz", voxel_mm=3, random_seed=2024)
    image = nib.as_closest_canonical(nib.load(tmp_path / "sub-T03_T1w.nii.gz"))
    standard = template.brain_mask(3)
    inside = nib.affines.apply_affine(standard.affine, np.argwhere(standard.get_fdata() > 0))
    own = draw_head("sub-T03", 2024).from_template(inside)
    place = nib.affines.apply_affine(np.linalg.inv(image.affine), own)[:, 2]
    kept = int(np.quantile(place, 0.84))  # 16 % of the brain lie higher
    cut = image.slicer[:, :, :kept]
    nib.save(cut, tmp_path / "sub-T03_T1w.nii.gz")
    # Which sentence depends on whether what is left is enough to find it by.
    with pytest.raises(Fault, match="ends inside the brain: |brain was not found.* whole head"):
        normalise_subject(
            tmp_path / "sub-T03_T1w.nii.gz",
            tmp_path / "out",
            "sub-01",
            random_seed=1,
            threads=1,
            accept_unoriented=False,
        )
    assert not (tmp_path / "out").exists()
