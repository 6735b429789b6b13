"""Seed connectivity of one session: Fisher-z maps, computed without a cleaned 4D image.

Cleaning is the projection P = I - QQᵀ, which is symmetric and idempotent. Therefore the correlation
of a cleaned seed s with a cleaned voxel y is r = ⟨Ps, y⟩ / (‖Ps‖ ‖Py‖), with
‖Py‖² = ‖y‖² - ‖Qᵀy‖². Two matrix products are enough for all voxels, and the voxels themselves need
not be cleaned.
"""

from typing import TypeVar

import numpy as np

from crossfc.array import FloatArray, RealArray, SingleArray
from crossfc.session.connectivity.cleaning import Interpolated

# Correlations are limited to this, because Fisher z is infinite at 1 (a voxel with itself).
_LARGEST_R = 1 - 1e-7

Correlations = TypeVar("Correlations", SingleArray, FloatArray)


def fisher_z(r: Correlations) -> Correlations:
    """Return Fisher's z = artanh r (Fisher 1915, Biometrika 10:507-521), finite even at |r| = 1.

    ``r`` is an array of correlations of any shape; the result has the same shape.
    """
    z: Correlations = np.arctanh(np.clip(r, -_LARGEST_R, _LARGEST_R))
    return z


def at_reference(degrees_of_freedom: int, reference: float | None) -> float:
    """Return the factor that brings Fisher z to their spread with other degrees of freedom.

    Without connectivity the variance of z is 1 / (n - 3) over n independent volumes (Fisher 1915),
    which are one more than the degrees of freedom ν left by cleaning: 1 / (ν - 2). Of series that
    are correlated in time it is larger, by a factor that is alike in sessions of one study.

    Parameters
    ----------
    degrees_of_freedom : int
        Of the session, more than 2.
    reference : float or None
        Those whose spread is wanted; None leaves z alone.

    Returns
    -------
    float
        √((ν - 2) / (reference - 2)), or 1.
    """
    if reference is None:
        return 1.0
    return float(np.sqrt((degrees_of_freedom - 2) / (reference - 2)))


def clean(series: RealArray, basis: FloatArray | Interpolated) -> FloatArray:
    """Clean series.

    Parameters
    ----------
    series : (n_kept, n) float
        Series of the kept volumes, in columns.
    basis : (n_kept, rank) float, or Interpolated
        Orthonormal columns to project out, or the cleaning that interpolates censored volumes.

    Returns
    -------
    (n_kept, n) float64
    """
    own: FloatArray = np.asarray(series, dtype=float)
    if isinstance(basis, Interpolated):
        cleaned: FloatArray = basis.frame @ (basis.analysis @ (own - own.mean(axis=0)))
        return cleaned
    return own - basis @ (basis.T @ own)


def seed_maps(
    voxels: SingleArray, seeds: RealArray, basis: FloatArray | Interpolated
) -> tuple[SingleArray, SingleArray]:
    """Correlate cleaned seeds with every cleaned voxel.

    Parameters
    ----------
    voxels : (n_kept, n_voxels) float32
        Series of the voxels, with their means removed but not cleaned.
    seeds : (n_kept, n_seeds) float
        Series of the seeds, not cleaned.
    basis : (n_kept, rank) float, or Interpolated
        From `crossfc.session.connectivity.cleaning.basis` or
        `crossfc.session.connectivity.cleaning.interpolated`.

    Returns
    -------
    z : (n_seeds, n_voxels) float32
        Fisher z; NaN where a voxel or a seed has no variance left after cleaning.
    share : (n_voxels,) float32
        Share of each voxel's variance that cleaning left.
    """
    cleaned_seeds = _unit(seeds, basis)
    total = np.einsum("tv,tv->v", voxels, voxels, dtype=np.float64)
    if isinstance(basis, Interpolated):
        cleaned = basis.analysis.astype(np.float32) @ voxels
        left = np.einsum("kv,kv->v", cleaned, cleaned, dtype=np.float64)
        product = (basis.frame.T @ cleaned_seeds).astype(np.float32).T @ cleaned
        return _fisher_maps(product, left, total)
    # One product gives both the numerators and the part of each voxel that is removed.
    stacked = np.hstack([cleaned_seeds, basis]).astype(np.float32)
    product = stacked.T @ voxels
    n_seeds = seeds.shape[1]
    removed = np.einsum("kv,kv->v", product[n_seeds:], product[n_seeds:], dtype=np.float64)
    return _fisher_maps(product[:n_seeds], total - removed, total)


def _fisher_maps(
    product: SingleArray, left: FloatArray, total: FloatArray
) -> tuple[SingleArray, SingleArray]:
    # float32 products have an error near 1e-6 of the total; what is left below 1e-5 counts as 0.
    empty = left <= 1e-5 * total
    left[empty] = np.nan
    with np.errstate(invalid="ignore", divide="ignore"):
        z = fisher_z(product / np.sqrt(left)).astype(np.float32)
        share = (left / total).astype(np.float32)
    return z, share


def edge_table(
    seeds: RealArray, targets: RealArray, basis: FloatArray | Interpolated
) -> FloatArray:
    """Correlate cleaned seeds with cleaned targets.

    Parameters
    ----------
    seeds : (n_kept, n_seeds) float
        Series of the seeds, not cleaned.
    targets : (n_kept, n_targets) float
        Series of the targets, not cleaned.
    basis : (n_kept, rank) float, or Interpolated
        As in `seed_maps`.

    Returns
    -------
    (n_seeds, n_targets) float64
        Fisher z; NaN where one of the two has no variance left after cleaning.
    """
    return fisher_z(_unit(seeds, basis).T @ _unit(targets, basis))


def _unit(series: RealArray, basis: FloatArray | Interpolated) -> FloatArray:
    """Clean series and scale them to norm 1; NaN if only rounding errors are left of a series."""
    cleaned = clean(series, basis)
    norms = np.linalg.norm(cleaned, axis=0)
    unit: FloatArray = cleaned / np.where(
        norms > 1e-9 * np.linalg.norm(series, axis=0), norms, np.nan
    )
    return unit
