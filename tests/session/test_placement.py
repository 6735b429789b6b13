"""Regions in a grid: spheres against a fine grid, images voxel by voxel, on other grids."""

import numpy as np
import pytest

from crossfc.fault import Fault
from crossfc.session.placement import around_seeds, place
from tests.image import write_image

SHAPE = (12, 14, 10)
OBLIQUE = np.array([[-3.0, 0.3, 0, 15], [0.3, 3, 0.2, -20], [0, -0.2, 3.5, -14], [0, 0, 0, 1]])


def sphere(x, y, z, radius):
    return {"kind": "sphere", "x": x, "y": y, "z": z, "radius_mm": radius}


def by_points(rows, voxels, affine, n=40):
    """The share of n³ points of each voxel that lie in one of the spheres."""
    steps = (np.arange(n) + 0.5) / n - 0.5
    points = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), -1).reshape(-1, 3)
    found = []
    for voxel in voxels:
        mm = (voxel + points) @ affine[:3, :3].T + affine[:3, 3]
        inside = [
            ((mm - [r["x"], r["y"], r["z"]]) ** 2).sum(axis=1) <= r["radius_mm"] ** 2 for r in rows
        ]
        found.append(np.any(inside, axis=0).mean())
    return np.array(found)


@pytest.mark.parametrize("affine", [np.diag([3, 3, 3, 1]), OBLIQUE])
@pytest.mark.parametrize("radius", [3.1, 8])
def test_a_voxel_is_in_a_sphere_by_its_share(affine, radius):
    row = sphere(*(affine @ [5, 6, 4, 1])[:3] + [0.4, -0.7, 0.2], radius)
    found = place([row], "s", SHAPE, affine)
    whole = found.image()
    every = np.argwhere(np.ones(SHAPE))
    some = every[np.random.default_rng(0).permutation(len(every))[:200]]
    some = np.concatenate([some, found.voxels[found.in_grid][::4]])
    wanted = by_points([row], some, affine)
    np.testing.assert_allclose(whole[tuple(some.T)], wanted, atol=3e-3)
    assert ((whole > 0) & (whole < 1)).any() and (radius < 4 or (whole == 1).any())


def test_the_size_of_a_sphere_counts_what_lies_beyond_the_grid():
    found = place([sphere(0, 18, 12, 5)], "s", SHAPE, np.diag([3, 3, 3, 1]))
    assert found.size * 27 == pytest.approx(4 / 3 * np.pi * 5**3, rel=2e-3)
    # Voxel 0 reaches 1.5 mm to the left of the centre of the sphere.
    height = 5 - 1.5
    cap = np.pi * height**2 * (5 - height / 3)
    assert found.image().sum() * 27 == pytest.approx(4 / 3 * np.pi * 5**3 - cap, rel=3e-3)
    np.testing.assert_array_equal(found.centre, [0, 18, 12])


def test_two_rows_are_their_union():
    affine = np.diag([3, 3, 3, 1])
    rows = [sphere(9, 18, 12, 5), sphere(27, 18, 12, 5)]
    both = place(rows, "s", SHAPE, affine)
    alone = [place([row], "s", SHAPE, affine).image() for row in rows]
    np.testing.assert_allclose(both.image(), alone[0] + alone[1], atol=1e-6)
    np.testing.assert_array_equal(both.centre, [18, 18, 12])
    overlapping = place([rows[0], sphere(11, 18, 12, 5)], "s", SHAPE, affine)
    # The lens that two balls of radius r at a distance d share (Kern and Bland 1948).
    ball, lens = 4 / 3 * np.pi * 5**3, np.pi * (4 * 5 + 2) * (2 * 5 - 2) ** 2 / 12
    assert overlapping.size * 27 == pytest.approx(2 * ball - lens, rel=2e-3)


def test_a_sphere_and_an_image_are_their_union(tmp_path):
    affine = np.diag([3.0, 3, 3, 1])
    mask = np.zeros(SHAPE, np.uint8)
    mask[5, 6, 4], mask[9, 9, 9] = 1, 1
    row = {"kind": "mask", "file": str(write_image(tmp_path / "m.nii.gz", mask, affine))}
    ball = sphere(16, 18, 12, 4)
    found = place([ball, row], "s", SHAPE, affine)
    wanted = np.maximum(place([ball], "s", SHAPE, affine).image(), mask)
    np.testing.assert_allclose(found.image(), wanted)
    assert len(np.unique(found.voxels, axis=0)) == len(found.voxels)


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


def looked_up(labels, own, label, points):
    """Whether an image has the label (or any) at places, in the nearest voxel; each by itself."""
    inverse = np.linalg.inv(own)
    index = np.rint(np.asarray(points) @ inverse[:3, :3].T + inverse[:3, 3]).astype(int)
    inside = ((index >= 0) & (index < labels.shape)).all(axis=1)
    values = [labels[tuple(i)] if there else 0 for i, there in zip(index, inside, strict=True)]
    return np.greater(values, 0) if label is None else np.equal(values, label)


@pytest.mark.parametrize(("kind", "label"), [("label", 7), ("label", 2), ("mask", None)])
def test_images_on_a_coarser_grid_count_by_the_share_of_each_voxel(atlas, kind, label):
    path, labels, own = atlas
    affine = np.diag([3.0, 3, 3, 1])  # two voxels of the image along each edge
    row = {"kind": kind, "file": str(path), "label": label}
    found = place([row], "s", SHAPE, affine).image()
    steps = np.array([(i, j, k) for i in (-1, 1) for j in (-1, 1) for k in (-1, 1)]) * 0.75
    for index in np.ndindex(SHAPE):
        points = (affine @ [*index, 1])[:3] + steps
        assert found[index] == np.mean(looked_up(labels, own, label, points)), index
    assert 0 < (found > 0).sum() < found.size
    assert label is None or ((found > 0) & (found < 1)).any()


def test_images_on_a_finer_or_the_same_grid_count_by_the_nearest_voxel(atlas):
    path, labels, own = atlas
    row = {"kind": "label", "file": str(path), "label": 7}
    same = place([row], "s", labels.shape, own)
    np.testing.assert_array_equal(same.image(), labels == 7)
    middle = own[:3, :3] @ np.argwhere(labels == 7).mean(axis=0) + own[:3, 3]
    np.testing.assert_allclose(same.centre, middle)
    fine = np.diag([1.0, 1, 1, 1])
    fine[:3, 3] = [11.2, 4.1, 6.3]
    found = place([row], "s", (8, 7, 6), fine).image()
    for index in np.ndindex(found.shape):
        assert found[index] == looked_up(labels, own, 7, [(fine @ [*index, 1])[:3]])[0], index


@pytest.mark.parametrize("row", [sphere(500, 0, 0, 5), sphere(-9, 0, 0, 4)])
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
    assert set(map(tuple, np.argwhere(place(rows, "BA25", SHAPE, np.eye(4)).image()))) == wanted
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
