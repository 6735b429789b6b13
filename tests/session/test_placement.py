"""Regions in a grid: voxel by voxel against brute force, images on other grids."""

import numpy as np
import pytest

from crossfc.fault import Fault
from crossfc.session.placement import around_seeds, place
from tests.image import write_image

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
    found = place([row], "s", SHAPE, affine)[0]
    np.testing.assert_array_equal(found, brute_force(row, SHAPE, affine))
    assert found.any()


def test_a_voxel_on_the_surface_is_inside():
    found = place([sphere(15, 18, 12, 3)], "s", SHAPE, np.diag([3, 3, 3, 1]))[0]
    assert found.sum() == 7


def test_two_rows_are_their_union():
    affine = np.diag([3, 3, 3, 1])
    rows = [sphere(9, 18, 12, 5), sphere(27, 18, 12, 5)]
    both = place(rows, "s", SHAPE, affine)[0]
    np.testing.assert_array_equal(
        both, brute_force(rows[0], SHAPE, affine) | brute_force(rows[1], SHAPE, affine)
    )
    overlapping = place([rows[0], sphere(11, 18, 12, 5)], "s", SHAPE, affine)[0]
    assert overlapping.sum() < 2 * place(rows[:1], "s", SHAPE, affine)[0].sum()


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
    return write_image(path, labels, affine), labels, affine


@pytest.mark.parametrize(("kind", "label"), [("label", 7), ("label", 2), ("mask", None)])
def test_images_on_another_grid_give_the_value_at_the_nearest_voxel(atlas, kind, label):
    path, labels, own = atlas
    affine = np.diag([3.0, 3, 3, 1])
    row = {"kind": kind, "file": str(path), "label": label}
    found = place([row], "s", SHAPE, affine)[0]
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
        place([row], "sgACC", SHAPE, np.diag([3, 3, 3, 1]))


def test_a_label_that_the_image_does_not_hold(atlas):
    with pytest.raises(Fault, match="region BA25 has no voxel"):
        place([{"kind": "label", "file": str(atlas[0]), "label": 99}], "BA25", SHAPE, np.eye(4))


@pytest.mark.parametrize("kind", ["mask", "label"])
def test_a_mask_is_above_zero_a_label_its_number_and_nan_neither(tmp_path, kind):
    values = np.zeros(SHAPE, np.float32)
    values[3, 4, 5], values[6, 6, 6], values[8, 8, 8] = 2.00001, -2, np.nan
    values[1, 1, 1] = 0.25 if kind == "mask" else 3
    path = tmp_path / "region.nii.gz"
    write_image(path, values, np.eye(4))
    rows = [{"seed": "BA25", "kind": kind, "file": str(path), "label": 2}]
    wanted = {(3, 4, 5), (1, 1, 1)} if kind == "mask" else {(3, 4, 5)}
    assert set(map(tuple, np.argwhere(place(rows, "BA25", SHAPE, np.eye(4))[0]))) == wanted
    assert set(map(tuple, np.argwhere(around_seeds(["BA25"], rows, 0, SHAPE, np.eye(4))))) == wanted


@pytest.mark.parametrize(
    ("odd", "words"),
    [(2.4, "no whole numbers, such as 2.4.*nearest neighbour"), (2.0**25, "labels above 16777216")],
)
def test_an_atlas_holds_whole_numbers(tmp_path, odd, words):
    values = np.zeros(SHAPE, np.float32)
    values[3, 4, 5], values[6, 6, 6] = 2, odd
    path = tmp_path / "atlas.nii.gz"
    write_image(path, values, np.eye(4))
    rows = [{"seed": "BA25", "kind": "label", "file": str(path), "label": 2}]
    with pytest.raises(Fault, match=f"region BA25.*{words}"):
        place(rows, "BA25", SHAPE, np.eye(4))
    with pytest.raises(Fault, match=f"region BA25.*{words}"):
        around_seeds(["BA25"], rows, 6, SHAPE, np.eye(4))


@pytest.mark.parametrize("what", ["missing", "text", "truncated", "4D", "extension"])
def test_an_image_that_cannot_be_read_is_a_fault_of_that_region(tmp_path, what):
    path = tmp_path / ("mask.mnc" if what == "extension" else "mask.nii.gz")
    if what == "text":
        path.write_text("no image")
    elif what == "4D":
        write_image(path, np.arange(48, dtype=np.int16).reshape(2, 3, 4, 2), np.eye(4))
    elif what == "truncated":
        write_image(path, np.arange(2400, dtype=np.int16).reshape(20, 30, 4), np.eye(4))
        path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(Fault, match=rf'region BA25, column "file": .*{path.name}'):
        place([{"kind": "mask", "file": str(path), "label": None}], "BA25", SHAPE, np.eye(4))
