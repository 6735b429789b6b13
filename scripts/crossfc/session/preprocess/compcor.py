"""Noise components (CompCor, Behzadi et al. 2007, NeuroImage 37:90) and cosine drifts.

They are computed as by nipype for fMRIPrep: drifts are removed by cosines, each voxel is scaled to
unit variance, and principal components over time are retained until half of the variance is
explained. Anatomical CompCor takes the voxels of CSF and white matter, temporal CompCor those that
vary most.
"""

from dataclasses import dataclass

import numpy as np

from crossfc.array import BoolArray
from crossfc.session.cosine import cosines

# nipype and fMRIPrep: a high-pass filter of 128 s, 0.0078 Hz.
PERIOD_CUT_SECONDS = 128.0
_VARIABLE_SHARE = 0.02


@dataclass(frozen=True)
class Components:
    """Principal components of one mask.

    Attributes
    ----------
    series : ndarray, shape (volumes, retained)
        Retained components, scaled to norm 1, sorted by variance.
    singular_values : ndarray, shape (components,)
        Of all components, retained ones first.
    explained : ndarray, shape (components,)
        Share of the variance that each component explains, 0 to 1.
    voxels : int
        Number of voxels in the mask that vary.
    """

    series: np.ndarray
    singular_values: np.ndarray
    explained: np.ndarray
    voxels: int


def cosine_drifts(
    volumes: int, repetition_time: float, period_cut: float = PERIOD_CUT_SECONDS
) -> np.ndarray:
    """Return slow discrete cosines that model drifts, without the constant.

    Their number is that of fMRIPrep's ``cosine`` columns (nipype). It is one fewer than in SPM,
    because nipype's order counts the constant.

    Parameters
    ----------
    volumes : int
    repetition_time : float
        Seconds.
    period_cut : float
        Longest period that is kept in the data, seconds; slower drifts are modelled.

    Returns
    -------
    ndarray, shape (volumes, order)
        order = floor(2 volumes TR / cut) - 1, at least 0; columns of unit norm.
    """
    order = max(int(np.floor(2 * volumes * repetition_time / period_cut)) - 1, 0)
    order = min(order, volumes - 1)
    return cosines(volumes, np.arange(1, order + 1))


def principal_components(
    series: np.ndarray,
    drifts: np.ndarray,
    explained: float = 0.5,
) -> Components:
    """Compute principal components over time; retain those that explain a share of the variance.

    Parameters
    ----------
    series : ndarray, shape (volumes, voxels)
    drifts : ndarray, shape (volumes, order)
        Removed from the series first, together with the mean.
    explained : float
        Share of the variance that the retained components explain together, 0 to 1.

    Returns
    -------
    Components
        Without any component if no voxel varies.
    """
    volumes = len(series)
    basis, _ = np.linalg.qr(np.column_stack([np.ones(volumes), drifts]))
    clean = series.astype(np.float64) - basis @ (basis.T @ series)
    deviation = clean.std(axis=0)
    # Leave out constant voxels; scaled to unit variance, they would be pure rounding errors.
    varies = deviation > 1e-6 * np.maximum(np.abs(series).max(axis=0), 1e-30)
    if not varies.any():
        return Components(np.zeros((volumes, 0)), np.zeros(0), np.zeros(0), 0)
    clean = clean[:, varies] / deviation[varies]
    squares, vectors = np.linalg.eigh(clean @ clean.T)
    squares, vectors = squares[::-1], vectors[:, ::-1]
    rank = min(int(varies.sum()), volumes - basis.shape[1])
    squares, vectors = np.maximum(squares[:rank], 0), vectors[:, :rank]
    share = squares / squares.sum()
    count = int(np.searchsorted(np.cumsum(share), explained - 1e-12)) + 1
    kept = vectors[:, :count]
    # The sign of a component is arbitrary; make its largest absolute value positive.
    largest = np.abs(kept).argmax(axis=0)
    kept = kept * np.sign(kept[largest, np.arange(count)])
    return Components(kept, np.sqrt(squares), share, int(varies.sum()))


def most_variable(series: np.ndarray, share: float = _VARIABLE_SHARE) -> np.ndarray:
    """Find the voxels that vary most over time: the mask of temporal CompCor.

    The standard deviation is computed after a quadratic trend is removed, as nipype does.

    Parameters
    ----------
    series : ndarray, shape (volumes, voxels)
    share : float
        Share of the voxels to find, 0 to 1.

    Returns
    -------
    ndarray of bool, shape (voxels,)
    """
    trend, _ = np.linalg.qr(np.vander(np.linspace(-1, 1, len(series)), 3))
    trend = trend.astype(series.dtype, copy=False)
    rest = series - trend @ (trend.T @ series)
    deviation = rest.std(axis=0, dtype=np.float64)
    most: BoolArray = deviation >= np.percentile(deviation, round(100 * (1 - share)))
    return most
