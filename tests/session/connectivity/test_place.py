"""Regions in a grid: voxel by voxel against brute force, images on other grids."""

import nibabel
import numpy as np
import pytest

from crossfc.atomic import save_image
from crossfc.fault import Fault
from crossfc.session.connectivity.place import region_mask

SHAPE = (12, 14, 10)
OBLIQUE = np.array([[-3.0, 0.3, 0, 15], [0.3, 3, 0.2, -20], [0, -0.2, 3.5, -14], [0, 0, 0, 1]])


def sphere(x, y, z, radius):
    return {"kind": "sphere", "x": x, "y": y, "z": z, "radius_mm": radius}


def brute_force(row, shape, affine):
    inside = np.zeros(shape, bool)
    for index in np.ndindex(shape):
        mm = affine @ [*index, 1]
        far = (mm[0] - row["x"]) ** 2 + (mm[1] - row["y"]) ** 2 + (mm[2] - row["z"]) ** 2
        inside[index] = far <= row["radius_mm"] ** 2
    return inside


@pytest.mark.parametrize("affine", [np.diag([3, 3, 3, 1]), OBLIQUE])
@pytest.mark.parametrize("radius", [3.1, 5, 8])
def test_a_sphere_is_every_voxel_whose_centre_lies_in_it(affine, radius):
    row = sphere(*(affine @ [5, 6, 4, 1])[:3] + [0.4, -0.7, 0.2], radius)
    found = region_mask([row], "s", SHAPE, affine)
    np.testing.assert_array_equal(found, brute_force(row, SHAPE, affine))
    assert found.any()


def test_a_voxel_on_the_surface_is_inside():
    found = region_mask([sphere(15, 18, 12, 3)], "s", SHAPE, np.diag([3, 3, 3, 1]))
    assert found.sum() == 7


def test_two_rows_are_their_union():
    affine = np.diag([3, 3, 3, 1])
    rows = [sphere(9, 18, 12, 5), sphere(27, 18, 12, 5)]
    both = region_mask(rows, "s", SHAPE, affine)
    np.testing.assert_array_equal(
        both, brute_force(rows[0], SHAPE, affine) | brute_force(rows[1], SHAPE, affine)
    )
    overlapping = region_mask([rows[0], sphere(11, 18, 12, 5)], "s", SHAPE, affine)
    assert overlapping.sum() < 2 * region_mask(rows[:1], "s", SHAPE, affine).sum()


@pytest.fixture
def atlas(tmp_path):
    """A label image on a finer grid of its own: label 2 left of x = 15 mm, 7 right of it."""
    affine = np.array([[-1.5, 0, 0, 40], [0, 1.5, 0, -2], [0, 0, 1.5, -2], [0, 0, 0, 1]])
    labels = np.zeros((30, 30, 22), np.int16)
    x = 40 - 1.5 * np.arange(30)
    labels[x < 15] = 2
    labels[x >= 15] = 7
    labels[:, :, :4] = 0
    path = tmp_path / "atlas.nii.gz"
    image = nibabel.Nifti1Image(labels, affine)
    image.set_sform(affine, 4)
    save_image(path, image)
    return path, labels, affine


@pytest.mark.parametrize(("kind", "label"), [("label", 7), ("label", 2), ("mask", None)])
def test_images_on_another_grid_give_the_value_at_the_nearest_voxel(atlas, kind, label):
    path, labels, own = atlas
    affine = np.diag([3.0, 3, 3, 1])
    row = {"kind": kind, "file": str(path), "label": label}
    found = region_mask([row], "s", SHAPE, affine)
    for index in np.ndindex(SHAPE):
        i, j, k = (int(round(v)) for v in (np.linalg.inv(own) @ affine @ [*index, 1])[:3])
        in_image = 0 <= i < 30 and 0 <= j < 30 and 0 <= k < 22
        value = labels[i, j, k] if in_image else 0
        assert found[index] == (value > 0 if label is None else value == label), index
    assert 0 < found.sum() < found.size


@pytest.mark.parametrize(
    "row", [sphere(500, 0, 0, 5), sphere(1.5, 1.5, 1.5, 0.5), sphere(-9, 0, 0, 4)]
)
def test_a_region_without_a_voxel_is_refused_by_name(row):
    with pytest.raises(Fault, match="region sgACC has no voxel in the grid .*correct"):
        region_mask([row], "sgACC", SHAPE, np.diag([3, 3, 3, 1]))


def test_a_label_that_the_image_does_not_hold(atlas):
    with pytest.raises(Fault, match="region BA25 has no voxel"):
        region_mask(
            [{"kind": "label", "file": str(atlas[0]), "label": 99}], "BA25", SHAPE, np.eye(4)
        )


def write_image(path, data):
    image = nibabel.Nifti1Image(data, np.eye(4))
    image.set_sform(np.eye(4), 4)
    nibabel.save(image, path)


@pytest.mark.parametrize("what", ["missing", "text", "truncated", "4D", "extension"])
def test_an_image_that_cannot_be_read_is_a_fault_of_that_region(tmp_path, what):
    path = tmp_path / ("mask.mnc" if what == "extension" else "mask.nii.gz")
    if what == "text":
        path.write_text("no image")
    elif what == "4D":
        write_image(path, np.arange(48, dtype=np.int16).reshape(2, 3, 4, 2))
    elif what == "truncated":
        write_image(path, np.arange(2400, dtype=np.int16).reshape(20, 30, 4))
        path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(Fault, match=rf'region BA25, column "file": .*{path.name}'):
        region_mask([{"kind": "mask", "file": str(path), "label": None}], "BA25", SHAPE, np.eye(4))
