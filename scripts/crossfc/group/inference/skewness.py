"""Skewness of the differences that an analysis tests, beyond what chance and outliers produce.

Tests of a mean assume that the differences are symmetric about their mean. Sign flips assume it
directly. Re-randomisation of the orders assumes it as soon as "no effect in anybody" is read as "no
mean effect". So the skewness is reported beside the analysis.
"""

import numpy as np

from crossfc.array import BoolArray, FloatArray, LabelArray, MapData

_VOXELS = 4096  # evenly spaced voxels that are used; the result is a mean over them
_FLIPS = 64


def skewness(
    data: MapData,
    model: FloatArray,
    flip: FloatArray | None = None,
    groups: LabelArray | None = None,
    flat: BoolArray | None = None,
    n_covariates: int = 0,
) -> float:
    """Compute the root mean square skewness of the differences over voxels, corrected for chance.

    By chance alone the squared skewness is above zero, and more so with long tails. How much is
    estimated from the residuals: if they are symmetric, each could as well have the other sign. So
    the mean squared skewness over 64 random sign flips of the residuals, fitted again, is
    subtracted. The rest is about zero for normal errors, and small for symmetric errors with long
    tails (0.4 for Student's t on 5 degrees of freedom in 12 people).

    Parameters
    ----------
    data : array, shape (n_people, n_voxels) or (n_people, n_measures, n_voxels)
        Only ``shape`` and ``[..., part]`` are used.
    model : ndarray, shape (n_people, n_columns)
        All columns of the model.
    flip : ndarray, shape (n_people,), optional
        +1 or -1, by which data and model were multiplied; the skewness is that of the data before
        this.
    groups : ndarray, shape (n_people,), optional
        Variance groups. Residuals are standardised within each group, and the largest skewness of
        a group is returned. Skewness in one group alone, or of opposite sign in two, makes a
        comparison wrong, but would be small or zero over all people.
    flat : bool ndarray, shape (n_voxels,), optional
        True for voxels that are left out.
    n_covariates : int
        The last measures of the data are covariates by voxel; without the measures before them
        there is then one, or as many as covariates.

    Returns
    -------
    float
        Skewness, without unit. With few people it is too small, as the skewness of a sample
        cannot exceed about the square root of their number. NaN with fewer than three people or
        without voxels.
    """
    n_people, n_voxels = data.shape[0], data.shape[-1]
    groups = np.zeros(n_people, dtype=int) if groups is None else np.asarray(groups)
    flat = np.zeros(n_voxels, dtype=bool) if flat is None else flat
    part = slice(0, n_voxels, max(1, n_voxels // _VOXELS))
    if n_people < 3 or flat[part].all():
        return float("nan")
    read = np.asarray(data[..., part], dtype=float)[..., ~flat[part]]
    given = read.reshape(n_people, -1, read.shape[-1])
    n_measures = given.shape[1] - n_covariates
    y, given = given[:, :n_measures].reshape(n_people, -1), given[:, n_measures:]
    if flip is not None:
        sign = np.reshape(flip, (-1, 1))
        y, model, given = y * sign, model * sign, given * sign[..., None]
    basis = np.linalg.qr(model)[0]
    given = given - np.einsum("ni,mi,mkv->nkv", basis, basis, given)
    further = np.zeros((n_people, 0, y.shape[1]))
    if n_covariates:
        # The same covariates for every measure, as columns of length 1.
        own = np.linalg.qr(np.moveaxis(given, -1, 0))[0]
        further = np.tile(np.moveaxis(own, 0, -1), (1, 1, n_measures))
    members = [groups == group for group in np.unique(groups)]

    def residual(values: FloatArray) -> FloatArray:
        e = values - basis @ (basis.T @ values)
        for column in range(n_covariates):
            own = further[:, column]
            e = e - own * np.einsum("nv,nv->v", own, e)
        return e

    def squares(values: FloatArray) -> FloatArray:
        """Compute the mean squared skewness over voxels, for each group."""
        e = residual(values)
        found = []
        for own in members:
            spread = np.sqrt(np.mean(np.square(e[own]), axis=0))
            z = e[own] / np.where(spread > 0, spread, 1)
            found.append(np.mean(np.square(np.mean(z**3, axis=0))))
        return np.array(found)

    e = residual(y)
    rng = np.random.default_rng(0)
    chance = [squares(e * rng.choice([-1.0, 1.0], (n_people, 1))) for _ in range(_FLIPS)]
    beyond = squares(y) - np.mean(chance, axis=0)
    return float(np.sqrt(max(beyond.max(), 0.0)))
