"""Maps: colours, opacity and outlines say what the voxels hold, on the right side."""

import base64
import io
import re

import nibabel
import numpy as np
import pytest
from PIL import Image

from crossfc.report import slices


@pytest.fixture(scope="module")
def maps(tmp_path_factory):
    """A t map with a strong ball in the right insula and a weak one left; p of the right."""
    folder = tmp_path_factory.mktemp("maps")
    affine = np.diag([4.0, 4, 4, 1])
    affine[:3, 3] = (-80, -112, -68)
    shape = (41, 49, 40)
    grid = np.argwhere(np.ones(shape, bool)) * 4 + affine[:3, 3]
    t = np.zeros(len(grid), np.float32)
    p = np.ones(len(grid), np.float32)
    right = ((grid - (40, 12, 0)) ** 2).sum(1) < 12**2
    left = ((grid - (-40, 12, 0)) ** 2).sum(1) < 12**2
    t[right], t[left], p[right] = -6, 2, 0.01
    out = []
    # The second pair is stored from right to left: the picture must be the same.
    for flip in (False, True):
        pair = []
        for name, values in (("t", t), ("p", p)):
            data, where = values.reshape(shape), affine.copy()
            if flip:
                data = data[::-1]
                where[0] = (-4, 0, 0, affine[0, 3] + 4 * (shape[0] - 1))
            path = folder / f"{name}{flip}.nii.gz"
            nibabel.save(nibabel.Nifti1Image(data, where), path)
            pair.append(path)
        out.append(pair)
    return out


def pixels(svg: str) -> np.ndarray:
    """The picture of a drawing."""
    coded = re.search(r"data:image/webp;base64,([^\"]+)", svg)[1]
    return np.array(Image.open(io.BytesIO(base64.b64decode(coded))).convert("RGBA")).astype(int)


def test_left_is_left_whichever_way_the_file_is_stored(maps):
    pictures = []
    for t, p in maps:
        cuts, axial = slices.montage(t, p, 4.0, 6.0, (40, 12, 0), "a map")
        pictures.append((pixels(cuts), pixels(axial)))
        assert 'class="edge"' in cuts
        third = pixels(
            slices._strip(slices.Volume.load(t), None, 4.0, 6.0, [("z", 0.0)], [None], "")
        )
        v, u = int(slices.BOX["y"][1] - 12), int(40 - slices.BOX["x"][0])
        blue = third[v, u]
        orange = third[v, int(-40 - slices.BOX["x"][0])]
        assert blue[2] > blue[0] + 40
        assert 0 < orange[0] - orange[2] < 60  # faded: below the threshold, yet not hidden
    for first, second in zip(*pictures, strict=True):
        assert np.abs(first - second).mean() < 0.5


def test_the_outline_lies_where_the_cluster_is(maps):
    t, p = maps[0]
    cuts, _ = slices.montage(t, p, 4.0, 6.0, (40, 12, 0), "a map")
    edge = re.findall(r'class="edge" d="([^"]+)"', cuts)
    assert len(edge) == 3
    points = np.array([[float(v) for v in q.split()] for q in re.split("[ML]", edge[2]) if q])
    offset = sum(
        slices.BOX[slices.PLANES[axis][0]][1]
        - slices.BOX[slices.PLANES[axis][0]][0]
        + 1
        + slices.GAP
        for axis in "xy"
    )
    assert points[:, 0].mean() - offset + slices.BOX["x"][0] == pytest.approx(40.5, abs=2.5)


def test_nothing_significant_no_outline(maps, tmp_path):
    t, p = maps[0]
    image = nibabel.load(p)
    ones = nibabel.Nifti1Image(np.ones(image.shape, np.float32), image.affine)
    nibabel.save(ones, tmp_path / "p.nii.gz")
    cuts, axial = slices.montage(t, tmp_path / "p.nii.gz", 4.0, 6.0, (0, 0, 0), "a map")
    assert "edge" not in cuts + axial


def test_opacity_is_full_from_the_threshold_and_fades_below():
    alpha = slices.opacity(np.array([0.0, 1.5, -2.999, 3.0, -9.0, np.nan]), 3.0)
    assert alpha[[3, 4]].tolist() == [1, 1]
    assert alpha[[0, 5]].tolist() == [0, 0]
    assert alpha[1] == pytest.approx(0.2)
    assert 0.7 < alpha[2] < 0.81


def test_signs_differ_in_hue_and_grow_lighter():
    above, below = slices.colour(np.array([0.2, 1.0])), slices.colour(np.array([-0.2, -1.0]))
    assert (above[:, 0] > above[:, 2]).all()
    assert (below[:, 2] > below[:, 0]).all()
    assert above[1].sum() > above[0].sum()
    assert below[1].sum() > below[0].sum()


def test_missing_voxels_are_not_read_as_zero():
    values = np.full((4, 4, 4), np.nan, np.float32)
    values[:2] = 5
    volume = slices.Volume(values, np.eye(4))
    line = volume.sample(np.array([[0.0, 1.2, 3.0], [1, 1, 1], [1, 1, 1]]))
    assert line[:2] == pytest.approx([5, 5])
    assert np.isnan(line[2])


@pytest.mark.parametrize("step", [1, 8])
def test_the_colours_of_a_map_are_kept(maps, step):
    """Few coloured voxels among many grey ones keep their colour, both signs."""
    t = slices.Volume.load(maps[0][0])
    volume = slices.Volume(np.where(t.values < 0, t.values, 2.5 * t.values), t.from_mm)
    wanted = slices._panel(volume, "z", 0.0, 4.0, 6.0).astype(int)[::step, ::step]
    drawn = slices.picture(wanted.astype(np.uint8))
    made = np.array(Image.open(io.BytesIO(base64.b64decode(drawn.partition(",")[2]))))
    assert made.shape == wanted.shape
    made = pixels(f"{drawn}'".replace("'", '"'))
    inside = wanted[..., 3] == 255
    assert ((made[..., 3] == 255) == inside).all()
    assert np.abs(made[..., :3] - wanted[..., :3])[inside].max() <= 4
    red = made[..., 0] - made[..., 2]
    assert (red[inside] > 100).sum() * step**2 > 200 and (red[inside] < -60).sum() * step**2 > 200
