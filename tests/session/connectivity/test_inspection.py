"""What is looked at of a session: carpets, slices, traces and correlations of confounds."""

import numpy as np
import pytest
from PIL import Image

from crossfc.session.connectivity import carpet, picture
from crossfc.session.connectivity.inspection import confound_correlations, dvars
from crossfc.session.connectivity.picture import Placed
from crossfc.session.placement import Place

# A grid of 4 mm that runs from right to left, as some scanners write it.
SHAPE = (45, 54, 44)
AFFINE = np.array([[-4.0, 0, 0, 88], [0, 4, 0, -122], [0, 0, 4, -82], [0, 0, 0, 1]])


def ball(centre, radius):
    mm = np.moveaxis(np.indices(SHAPE), 0, -1) @ AFFINE[:3, :3].T + AFFINE[:3, 3]
    return ((mm - centre) ** 2).sum(axis=-1) <= radius**2


def pixels(path):
    return np.asarray(Image.open(path).convert("RGB")).astype(int)


@pytest.mark.parametrize("n_voxels", [1, 5, 1000])
def test_the_carpet_is_a_picture_of_the_same_bytes_each_time(tmp_path, n_voxels):
    rng = np.random.default_rng(0)
    voxels = rng.normal(size=(30, n_voxels)).astype(np.float32)
    voxels[:, 0] = 0
    for name in ("a.png", "sub/b.png"):
        carpet.draw_carpet(tmp_path / name, carpet.carpet_rows(voxels), np.ones(30, bool))
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "sub" / "b.png").read_bytes()
    assert pixels(tmp_path / "a.png").shape == (min(n_voxels, 180), 30, 3)


def test_a_carpet_shows_each_row_in_its_own_deviations_from_the_top_downwards(tmp_path):
    rows = np.repeat(np.arange(402) % 3 - 1.0, 2).reshape(402, 2)
    rows[:, 1] *= 100
    rows[7] = np.nan  # left out
    rows[9] = 50  # no measurement: it must not make the others pale
    counted = np.arange(402) != 9
    carpet.draw_carpet(tmp_path / "a.png", rows, counted)
    found = pixels(tmp_path / "a.png")
    # -1.2, 0 and 1.2 standard deviations of -2 to 2, in 15 grey levels.
    assert found[:, :3, 0].tolist() == [[55, 128, 200]] * 2
    assert found[:, 7].tolist() == [list(carpet._LEFT_OUT)] * 2
    assert found[1, 9, 0] == 255 and found[0, 9, 0] != 255  # the first row is the lowest slice


def test_a_carpet_of_any_length_is_small(tmp_path):
    rng = np.random.default_rng(0)
    voxels = rng.normal(size=(1300, 900)).astype(np.float32)
    carpet.draw_carpet(tmp_path / "a.png", carpet.carpet_rows(voxels), np.ones(1300, bool))
    assert (tmp_path / "a.png").stat().st_size < 60_000


def test_slices_show_left_on_the_left_and_the_places_that_are_told(tmp_path):
    mask = ball((0, -16, 10), 60)
    image = 100.0 * mask + 100 * ball((-43, -16, 10), 14)  # bright on the left
    picture.draw_outlines(tmp_path / "a.jpg", image, AFFINE, mask)
    found, (tiles, size) = pixels(tmp_path / "a.jpg"), picture.outline_tiles()
    assert found.shape == (size[1], size[0], 3)
    for tile, mm in tiles:
        own = found[tile.top : tile.top + tile.height, tile.left : tile.left + tile.width]
        left, right = own[:, : tile.width // 2], own[:, tile.width // 2 :]
        if (tile.axis, mm) in ((1, -10), (2, 15)):
            assert left.mean() > right.mean() + 3
        if tile.axis == 0:  # sagittal slices: the bright ball is in those of the left alone
            assert ((own.min(axis=-1) > 200).sum() > 50) == (mm in (-50, -35))
    assert (tmp_path / "a.jpg").stat().st_size < 60_000


def placed(voxels, with_signal):
    """A region of whole voxels."""
    own = np.argwhere(voxels)
    place = Place(own, np.ones(len(own)), voxels.shape, AFFINE[:3, :3] @ own.mean(axis=0))
    return Placed(place, place.within(with_signal))


def test_a_region_is_green_where_there_is_signal_and_red_where_it_is_lost(tmp_path):
    mask = ball((0, 20, 0), 50)
    seed = ball((8, 40, -8), 10)
    lost = seed & (np.indices(SHAPE)[2] < 18)
    regions = {"a": placed(seed, ~lost), "b": placed(ball((-30, 0, 0), 8), seed & False)}
    axes = picture.SEED_AXES
    picture.draw_regions(tmp_path / "a.jpg", 100.0 * mask, AFFINE, mask, regions, axes)
    found, (tiles, _) = pixels(tmp_path / "a.jpg"), picture.region_tiles(2, axes)
    green, red = (
        (found[..., k] > found[..., m] + 25) & (found[..., k] > found[..., 2] + 25)
        for k, m in ((1, 0), (0, 1))
    )
    for number, own in enumerate(tiles):
        for tile in own[:2]:  # the axial slice lies above what is lost
            cut = np.s_[tile.top : tile.top + tile.height, tile.left : tile.left + tile.width]
            # JPEG leaves a few pixels of any colour around an edge.
            assert red[cut].sum() > 20
            assert (green[cut].sum() > 20) == (number == 0)
    # The sagittal slice lies at the seed's middle: what it covers there.
    sagittal = tiles[0][0]
    cut = np.s_[sagittal.top : sagittal.top + sagittal.height, : sagittal.width]
    most = seed.sum(axis=(1, 2)).max() * 4**2  # voxels of 4 mm, pixels of 1 mm
    assert (green[cut] | red[cut]).sum() == pytest.approx(most, rel=0.15)


def test_targets_stand_in_rows():
    tiles, (width, height) = picture.region_tiles(7, picture.TARGET_AXES)
    (last,) = tiles[-1]
    (first,) = tiles[0]
    assert (last.left, last.top) == (first.width, first.height)
    assert (width, height) == (5 * first.width, 2 * first.height)


def test_the_image_is_the_mean_of_measurements_or_what_shows_the_brain_without_one():
    rng = np.random.default_rng(0)
    series = 100 + rng.normal(size=(2, 3, 4, 90))
    usable = np.arange(90) % 3 != 0
    series[..., ~usable] = 1e6
    found = picture.reference(series, usable, has_mean=True)
    assert np.abs(found - 100).max() < 1.5
    spread = picture.reference(series - 100, usable, has_mean=False)
    assert spread.min() > 0.3 and spread.max() < 2


def test_dvars_is_the_root_mean_square_of_differences_between_kept_neighbours():
    voxels = np.array([[0.0, 0], [3, 4], [3, 4], [0, 0]])
    found = dvars(voxels, np.array([True, True, True, True]))
    assert np.isnan(found[0]) and found[1:].tolist() == [np.sqrt(12.5), 0, np.sqrt(12.5)]
    found = dvars(voxels, np.array([True, True, False, True]))
    assert np.isnan(found).tolist() == [True, False, True, True]


def test_confounds_are_correlated_over_kept_volumes_the_strongest_first_kept():
    rng = np.random.default_rng(0)
    signal, kept = rng.normal(size=60), np.arange(60) > 4
    confounds = {f"c{k:02d}": rng.normal(size=60) + k / 20 * signal for k in range(45)}
    confounds |= {"motion_outlier00": (np.arange(60) == 7) * 1.0, "dvars": rng.normal(size=60)}
    fd = np.where(np.arange(60) == 9, np.nan, rng.random(60))
    table = confound_correlations(confounds, signal, {"dvars": fd, "fd": np.ones(60)}, kept)
    names = table["confound"]
    assert names[:3] == ["mask_signal", "mask_dvars", "fd"] and len(names) == 43
    used = kept & np.isfinite(fd)
    r = {name: abs(np.corrcoef(signal[used], own[used])[0, 1]) for name, own in confounds.items()}
    del r["motion_outlier00"]
    assert set(r) - set(names) == set(sorted(r, key=r.get)[:6])
    assert names == list(table)[1:]
    expected = np.corrcoef(signal[used], confounds["c44"][used])[0, 1]
    assert table["c44"][0] == pytest.approx(expected, abs=6e-4)
    assert table["mask_signal"][names.index("c44")] == table["c44"][0]
    assert np.isnan(table["fd"]).all()  # it does not vary
