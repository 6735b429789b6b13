"""How much the people of groups vary about a model, one group against another."""

import numpy as np

from crossfc.array import BoolArray, FloatArray, LabelArray, MapData

_VOXELS = 4096  # evenly spaced voxels that are used


def spread(
    data: MapData,
    model: FloatArray,
    groups: LabelArray,
    flat: BoolArray | None = None,
    n_covariates: int = 0,
) -> FloatArray:
    """Compute the residual variance of each group, from the median over voxels and measures.

    The median of the sums of squares is divided by that of χ² with as many degrees of freedom, so
    that small groups are not taken to vary less.

    Parameters
    ----------
    data : array, shape (n_people, n_voxels) or (n_people, n_measures, n_voxels)
        Only ``shape`` and ``[..., part]`` are used.
    model : ndarray, shape (n_people, n_columns)
        All columns of the model, among them the difference of the groups.
    groups : ndarray, shape (n_people,)
    flat : bool ndarray, shape (n_voxels,), optional
        True for voxels that are left out.
    n_covariates : int
        The last measures of the data are covariates by voxel, which are not looked at: variances
        are those about the model without them.

    Returns
    -------
    ndarray, shape (n_groups,)
        In squared units of the data, in the order of the sorted labels. NaN for a group without
        residual degrees of freedom.
    """
    from scipy.special import chdtri

    n_people, n_voxels = data.shape[0], data.shape[-1]
    part = slice(0, n_voxels, max(1, n_voxels // _VOXELS))
    keep = np.ones(n_voxels, dtype=bool) if flat is None else ~flat
    read = np.asarray(data[..., part], dtype=float)[..., keep[part]]
    measures = read.reshape(n_people, -1, read.shape[-1])
    y = measures[:, : measures.shape[1] - n_covariates].reshape(n_people, -1)
    basis = np.linalg.qr(model)[0]
    e = y - basis @ (basis.T @ y)
    room = 1 - np.square(basis).sum(axis=1)
    found = []
    for group in np.unique(groups):
        own = np.asarray(groups) == group
        df = room[own].sum()
        known = df > 0.5 and y.shape[1] > 0
        squares = np.square(e[own]).sum(axis=0)
        # The median of a sum of squares of few people is below its mean, df variances.
        found.append(float(np.median(squares) / chdtri(df, 0.5)) if known else np.nan)
    return np.array(found)
