"""Smoothing inside a mask: the same as scipy's filter divided by the filtered mask."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from crossfc.session.connectivity.smoothing import gaussian_matrix, smooth_in_mask


def ball(shape):
    """A mask that is no box, with a hole in it."""
    grid = np.indices(shape) - (np.array(shape)[:, None, None, None] - 1) / 2
    mask = (grid**2 / (np.array(shape)[:, None, None, None] / 2.2) ** 2).sum(axis=0) < 1
    mask[tuple(n // 2 for n in shape)] = False
    return mask


def by_scipy(volume, mask, fwhm, voxel_mm):
    sigma = fwhm / 2.3548200450309493 / np.asarray(voxel_mm, float)[::-1]
    options = {"sigma": sigma, "mode": "constant", "truncate": 4.0}
    weight = gaussian_filter(mask.astype(float), **options)
    data = gaussian_filter(np.where(mask, volume, 0).astype(float), **options)
    return np.where(mask, data / np.where(mask, weight, 1), 0)


@pytest.mark.parametrize("fwhm", [3, 5, 6, 8, 14])
@pytest.mark.parametrize("voxel_mm", [(3, 3, 3), (2, 3, 4.5)])
def test_it_is_the_filter_of_scipy_divided_by_the_filtered_mask(fwhm, voxel_mm):
    rng = np.random.default_rng(0)
    shape = (11, 14, 9)
    mask = ball(shape)
    volumes = rng.normal(size=(11, *shape)).astype(np.float32)
    wanted = np.stack([by_scipy(v, mask, fwhm, voxel_mm) for v in volumes])
    smoothed = smooth_in_mask(volumes.copy(), mask, fwhm, np.array(voxel_mm))
    assert smoothed.dtype == np.float32
    np.testing.assert_allclose(smoothed, wanted, atol=2e-6)
    assert (smoothed[:, ~mask] == 0).all()


def test_the_axes_are_those_of_the_voxel_sizes():
    """voxel_mm is along x, y, z and volumes are (t, z, y, x): a point spreads most along fine x."""
    mask = np.ones((15, 15, 15), bool)
    point = np.zeros((1, 15, 15, 15), np.float32)
    point[0, 7, 7, 7] = 1
    spread = smooth_in_mask(point, mask, 6, np.array([1.5, 3, 6]))[0]
    z, y, x = (spread.sum(axis=axes) for axes in ((1, 2), (0, 2), (0, 1)))
    position = np.arange(15) - 7
    widths = [np.sqrt((p * position**2).sum() / p.sum()) for p in (x, y, z)]
    # 6 mm FWHM is 2.548 mm sigma; coarse voxels sample it poorly, the finest one well.
    assert widths[0] == pytest.approx(2.548 / 1.5, rel=0.03)
    assert widths[0] > 1.8 * widths[1] > 3 * widths[2]


@pytest.mark.parametrize("fwhm", [0, 4, 12])
def test_a_constant_image_stays_constant(fwhm):
    mask = ball((9, 9, 9))
    volumes = np.full((2, 9, 9, 9), 7.0, np.float32)
    smoothed = smooth_in_mask(volumes, mask, fwhm, np.array([3, 3, 3]))
    np.testing.assert_allclose(smoothed[:, mask], 7, rtol=1e-6)


def test_nothing_leaks_in_from_outside():
    rng = np.random.default_rng(1)
    mask = ball((9, 10, 11))
    volumes = rng.normal(size=(2, 9, 10, 11)).astype(np.float32)
    other = volumes.copy()
    other[:, ~mask] = 1e6
    first = smooth_in_mask(volumes, mask, 8, np.array([3, 3, 3]))
    np.testing.assert_array_equal(first, smooth_in_mask(other, mask, 8, np.array([3, 3, 3])))


def test_no_smoothing_keeps_the_values_inside():
    rng = np.random.default_rng(2)
    mask = ball((7, 7, 7))
    volumes = rng.normal(size=(3, 7, 7, 7)).astype(np.float32)
    inside = volumes[:, mask].copy()
    same = smooth_in_mask(volumes, mask, 0, np.array([3, 3, 3]))
    np.testing.assert_array_equal(same[:, mask], inside)
    assert (same[:, ~mask] == 0).all()


@pytest.mark.parametrize("sigma", [0.05, 0.3, 0.9, 2.55])
def test_the_matrix_is_a_line_of_scipy(sigma):
    from scipy.ndimage import gaussian_filter1d

    wanted = gaussian_filter1d(np.eye(20), sigma, axis=0, mode="constant", truncate=4.0)
    np.testing.assert_allclose(gaussian_matrix(20, sigma), wanted, atol=1e-7)
