"""Skewness of the differences that an analysis tests, beyond what chance and outliers would show.

Tests of a mean stand on differences that are as likely to lie above their mean as below it, sign
flips openly, and the drawing of orders as soon as "no effect in anybody" is read as "no mean
effect". So the skewness is told beside the analysis.
"""

import numpy as np

from crossfc.group.statistic import chunks


def skewness(
    data: np.ndarray, model: np.ndarray, flip: np.ndarray | None = None,
    groups: np.ndarray | None = None, flat: np.ndarray | None = None,
) -> float:  # fmt: skip
    """Compute the root mean square skewness of the differences over voxels, less what chance gives.

    With e the residuals of a voxel, standardised, the sum of h = e³ - 3e is n times their
    skewness, and the mean of h_i h_j over all pairs of people estimates the squared skewness
    without the square of any one person, so that long tails alone add little to it. What pairs
    of normal errors would give, because they were standardised by their own spread, is taken off,
    exactly for a model of the mean alone. (e³ alone is the third moment; -3e is what
    the estimated mean takes from it, as in the third Hermite polynomial.)

    Parameters
    ----------
    data : array, shape (n_people, n_voxels) or (n_people, n_measures, n_voxels)
        Read by ``shape`` and ``[..., part]`` only.
    model : ndarray, shape (n_people, n_columns)
        All columns of the model.
    flip : ndarray, shape (n_people,), optional
        +1 or -1, by which data and model were multiplied; the skewness is that before it.
    groups : ndarray, shape (n_people,), optional
        Residuals are standardised within each of these variance groups.
    flat : bool ndarray, shape (n_voxels,), optional
        Voxels that are left out.

    Returns
    -------
    float
        Of few people it comes out too small: the sample's skewness cannot be larger than about
        the root of their number. NaN where there are fewer than three people or no voxels.
    """
    n_people, n_voxels = data.shape[0], data.shape[-1]
    basis = np.linalg.qr(model)[0]
    groups = np.zeros(n_people, dtype=int) if groups is None else np.asarray(groups)
    flat = np.zeros(n_voxels, dtype=bool) if flat is None else flat
    if n_people < 3 or flat.all():
        return float("nan")
    total, count = 0.0, 0
    for part in chunks(data.shape):
        y = np.asarray(data[..., part], dtype=float)[..., ~flat[part]].reshape(n_people, -1)
        e = y - basis @ (basis.T @ y)
        if flip is not None:
            e *= np.asarray(flip, dtype=float)[:, None]
        for group in np.unique(groups):
            own = groups == group
            spread = np.sqrt(np.mean(np.square(e[own]), axis=0))
            e[own] /= np.where(spread > 0, spread, 1)
        h = e**3 - 3 * e
        pairs = np.square(h.sum(axis=0)) - np.square(h).sum(axis=0)
        total += float(pairs.sum())
        count += pairs.size
    squared = (total / count - _normal(n_people)) / (n_people * (n_people - 1))
    return float(np.sqrt(max(squared, 0.0)))


def _normal(n: int) -> float:
    """Expected sum of h_i h_j over pairs of n normal values, standardised by their own spread."""
    fourth = 3 * (n - 1) / (n + 1)
    sixth = 15 * (n - 1) ** 2 / ((n + 1) * (n + 3))
    return 6 * n**2 * (n - 2) / ((n + 1) * (n + 3)) - n * (sixth - 6 * fourth + 9)
