"""Components, drifts and the masks they are taken from."""

import numpy as np
import pytest

from crossfc.session.preprocess.compcor import cosine_drifts, most_variable, principal_components
from crossfc.session.preprocess.tissue import tissue_masks


def test_drifts_are_the_slow_part_of_the_cosine_basis():
    drifts = cosine_drifts(192, 2.5)
    assert drifts.shape == (192, 6)  # 2 × 480 s / 128 s = 7.5, and the constant counts
    np.testing.assert_allclose(drifts.T @ drifts, np.eye(6), atol=1e-12)
    np.testing.assert_allclose(drifts.sum(axis=0), 0, atol=1e-12)
    # The k-th goes through k half waves: SPM's spm_dctmtx.
    n = np.arange(192)
    expected = np.sqrt(2 / 192) * np.cos(np.pi * (2 * n + 1) * 3 / (2 * 192))
    np.testing.assert_allclose(drifts[:, 2], expected, atol=1e-12)


@pytest.mark.parametrize(
    ("volumes", "repetition_time", "count"),
    [
        # Real tables of fMRIPrep: 200 volumes of 2 s (AOMIC) have cosine00 to cosine04.
        (200, 2.0, 5),
        (160, 2.0, 4),
        (64, 2.0, 1),
        (32, 2.0, 0),
        (20, 2.0, 0),
        (148, 2.1, 3),
    ],
)
def test_as_many_cosines_as_fmriprep(volumes, repetition_time, count):
    assert cosine_drifts(volumes, repetition_time).shape == (volumes, count)


def test_two_planted_signals_are_the_components():
    rng = np.random.default_rng(0)
    at = np.arange(150)
    signals = np.column_stack([np.sin(at * 0.9), np.sin(at * 1.7 + 1)])
    weights = np.concatenate([np.outer([3, 0], np.ones(60)), np.outer([0, 3], np.ones(30))], axis=1)
    drifts = cosine_drifts(150, 2.0)
    series = 800 + 60 * drifts[:, :1] + signals @ weights + rng.normal(0, 0.3, (150, 90))
    found = principal_components(series, drifts, explained=0.8)
    assert found.series.shape == (150, 2)
    for k in range(2):
        assert abs(np.corrcoef(found.series[:, k], signals[:, k])[0, 1]) > 0.99
    np.testing.assert_allclose(found.series.T @ found.series, np.eye(2), atol=1e-10)
    np.testing.assert_allclose(drifts.T @ found.series, 0, atol=1e-10)
    assert found.explained[0] > found.explained[1] > found.explained[2]
    assert found.explained.sum() == pytest.approx(1)
    # Against numpy's own decomposition of the scaled voxels.
    basis, _ = np.linalg.qr(np.column_stack([np.ones(150), drifts]))
    clean = series - basis @ (basis.T @ series)
    values = np.linalg.svd(clean / clean.std(axis=0), compute_uv=False)
    np.testing.assert_allclose(found.singular_values[:20], values[:20], rtol=1e-8)


def test_components_are_retained_until_half_is_explained():
    rng = np.random.default_rng(1)
    found = principal_components(rng.normal(size=(100, 300)), np.zeros((100, 0)))
    kept = found.series.shape[1]
    cumulative = np.cumsum(found.explained)
    assert cumulative[kept - 1] >= 0.5 > cumulative[kept - 2]


def test_voxels_that_do_not_vary_give_no_components():
    found = principal_components(np.full((50, 10), 3.1), np.zeros((50, 0)))
    assert found.series.shape == (50, 0)
    mixed = np.full((50, 3), 3.1)
    mixed[:, 1] = np.sin(np.arange(50))
    found = principal_components(mixed, np.zeros((50, 0)))
    assert (found.series.shape, found.voxels) == ((50, 1), 1)
    assert np.isfinite(found.series).all()


def test_the_most_variable_voxels_are_found_whatever_their_trend():
    rng = np.random.default_rng(4)
    at = np.linspace(-1, 1, 120)
    series = rng.normal(900, 1, (120, 500))
    series[:, :40] += 50 * at[:, None] + 80 * at[:, None] ** 2  # steep, but they do not vary
    noisy = rng.choice(500, 10, replace=False)
    series[:, noisy] += rng.normal(0, 3, (120, 10))
    found = most_variable(series.astype(np.float32))
    assert sorted(np.flatnonzero(found)) == sorted(noisy)


def test_tissue_masks_keep_clear_of_grey_matter_and_of_the_edge():
    # A cube of white matter with a ventricle, a shell of grey matter and outer CSF around it.
    shape, voxel = (60, 60, 60), 1.5
    grid = np.abs(np.indices(shape) - 29.5).max(axis=0)
    csf = ((grid < 8) | (grid > 25)).astype(float)
    grey = ((grid > 20) & (grid <= 25)).astype(float)
    white = ((grid >= 8) & (grid <= 20)).astype(float)
    brain = grid < 28
    grey[30, 30, 41] = 1  # a speck of partial volume in the white matter
    white[30, 30, 41] = 0
    masks = tissue_masks({"csf": csf, "gm": grey, "wm": white}, brain, voxel)
    inner = masks["csf"] > 0
    np.testing.assert_array_equal(inner, grid < 8)  # the ventricle, and nothing of the outer CSF
    kept = masks["wm"] > 0
    assert grid[kept].max() == 17.5  # grey begins at 20.5, and 18.5 is not more than 3 mm away
    assert kept[30, 30, 39]  # the speck took only itself away
    assert not kept[30, 30, 41]
    assert grid[kept].min() == 8.5
