"""Smoothing inside a mask, as three dense matrix products."""

import numpy as np

from crossfc.array import BoolArray, FloatArray, SingleArray
from crossfc.session.gaussian import sigma_of

_TRUNCATE = 4.0


def gaussian_matrix(n: int, sigma: float) -> SingleArray:
    """Return the matrix that smooths a line of ``n`` voxels with a Gaussian, truncated at 4 sigma.

    Weights and truncation are those of scipy.ndimage.gaussian_filter1d.

    Parameters
    ----------
    n : int
    sigma : float
        Standard deviation of the Gaussian, in voxels.

    Returns
    -------
    (n, n) float32
        Rows near the ends do not sum to 1; `smooth_in_mask` corrects this by its division by the
        smoothed mask.
    """
    radius = int(_TRUNCATE * sigma + 0.5)
    distance = np.arange(n)[:, None] - np.arange(n)
    weights = np.exp(-0.5 * (distance / sigma) ** 2)
    weights[np.abs(distance) > radius] = 0
    reach = np.arange(-radius, radius + 1)
    matrix: SingleArray = (weights / np.exp(-0.5 * (reach / sigma) ** 2).sum()).astype(np.float32)
    return matrix


def smooth_in_mask(
    volumes: SingleArray, mask: BoolArray, fwhm_mm: float, voxel_mm: FloatArray
) -> SingleArray:
    """Smooth volumes inside a mask, using only voxels inside the mask.

    The smoothed data are divided by the smoothed mask (normalised convolution; Knutsson and
    Westin 1993), so a voxel at the edge is a weighted mean of voxels inside only. Dense matrix
    products are used because they are faster than filters that visit neighbouring voxels.

    Parameters
    ----------
    volumes : (t, z, y, x) float32
        The series. Changed in place: set to 0 outside the mask.
    mask : (z, y, x) bool
    fwhm_mm : float
        Full width at half maximum; 0 returns the volumes as they are.
    voxel_mm : (3,) float
        Voxel size along x, y, z.

    Returns
    -------
    (t, z, y, x) float32
    """
    volumes[:, ~mask] = 0
    if fwhm_mm == 0:
        return volumes
    widths = sigma_of(fwhm_mm) / np.asarray(voxel_mm)
    along_z, along_y, along_x = (
        gaussian_matrix(n, s) for n, s in zip(mask.shape, widths[::-1], strict=True)
    )

    def convolve(block: SingleArray) -> SingleArray:
        t, z, y, x = block.shape
        block = (block.reshape(-1, x) @ along_x).reshape(t * z, y, x)
        block = np.matmul(along_y, block).reshape(t, z, y * x)
        smooth: SingleArray = np.matmul(along_z, block).reshape(t, z, y, x)
        return smooth

    weight = convolve(mask[None].astype(np.float32))[0]
    # Inside the mask the weight is never 0, because a voxel contributes to its own mean.
    weight[~mask] = np.inf
    smoothed = np.empty_like(volumes)
    # In blocks of eight volumes, which stay in the processor's cache between the three products.
    for start in range(0, len(volumes), 8):
        smoothed[start : start + 8] = convolve(volumes[start : start + 8])
    smoothed /= weight
    return smoothed
