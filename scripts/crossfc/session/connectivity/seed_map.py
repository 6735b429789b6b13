"""Seed connectivity of one session: Fisher-z maps without a cleaned 4D volume.

With P = I - QQᵀ the projection that cleans, the correlation of a cleaned seed s with a cleaned
voxel y is r = ⟨Ps, y⟩ / (‖Ps‖ ‖Py‖), because P is symmetric and idempotent, and
‖Py‖² = ‖y‖² - ‖Qᵀy‖². So all voxels take two matrix products and nothing is filtered twice.
"""

import numpy as np

from crossfc.session.connectivity.cleaning import Interpolated

# A correlation this near 1 is a voxel with itself; its Fisher z would be infinite.
_LARGEST_R = 1 - 1e-7


def fisher_z(r: np.ndarray) -> np.ndarray:
    """Return Fisher's z = artanh r (Fisher 1915, Biometrika 10:507-521), finite at |r| = 1."""
    return np.arctanh(np.clip(r, -_LARGEST_R, _LARGEST_R))


def clean(series: np.ndarray, basis: np.ndarray | Interpolated) -> np.ndarray:
    """Remove a basis from series.

    Parameters
    ----------
    series : (n_kept, n) float
    basis : (n_kept, rank) float, or Interpolated
        Orthonormal columns; or the cleaning that fills censored volumes in.

    Returns
    -------
    (n_kept, n) float64
    """
    series = np.asarray(series, dtype=float)
    if isinstance(basis, Interpolated):
        return basis.frame @ (basis.analysis @ (series - series.mean(axis=0)))
    return series - basis @ (basis.T @ series)


def seed_maps(
    voxels: np.ndarray, seeds: np.ndarray, basis: np.ndarray | Interpolated
) -> tuple[np.ndarray, np.ndarray]:
    """Correlate cleaned seeds with every cleaned voxel.

    Parameters
    ----------
    voxels : (n_kept, n_voxels) float32
        Series of the voxels, with their means removed; not cleaned.
    seeds : (n_kept, n_seeds) float
        Series of the seeds; not cleaned.
    basis : (n_kept, rank) float, or Interpolated
        Of `crossfc.session.connectivity.cleaning.basis` or
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
    # One product for both: the rows of the numerator and those of the removed part.
    stacked = np.hstack([cleaned_seeds, basis]).astype(np.float32)
    product = stacked.T @ voxels
    n_seeds = seeds.shape[1]
    removed = np.einsum("kv,kv->v", product[n_seeds:], product[n_seeds:], dtype=np.float64)
    return _fisher_maps(product[:n_seeds], total - removed, total)


def _fisher_maps(
    product: np.ndarray, left: np.ndarray, total: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    # float32 products carry a relative error near 1e-6 of the total: less than that is nothing.
    empty = left <= 1e-5 * total
    left[empty] = np.nan
    with np.errstate(invalid="ignore", divide="ignore"):
        z = fisher_z(product / np.sqrt(left)).astype(np.float32)
        share = (left / total).astype(np.float32)
    return z, share


def edge_table(
    seeds: np.ndarray, targets: np.ndarray, basis: np.ndarray | Interpolated
) -> np.ndarray:
    """Correlate cleaned seeds with cleaned targets.

    Parameters
    ----------
    seeds : (n_kept, n_seeds) float
    targets : (n_kept, n_targets) float
    basis : (n_kept, rank) float, or Interpolated

    Returns
    -------
    (n_seeds, n_targets) float64
        Fisher z; NaN where one of the two has no variance left after cleaning.
    """
    return fisher_z(_unit(seeds, basis).T @ _unit(targets, basis))


def _unit(series: np.ndarray, basis: np.ndarray | Interpolated) -> np.ndarray:
    """Clean series and scale them to length 1; NaN where nothing but rounding is left."""
    cleaned = clean(series, basis)
    norms = np.linalg.norm(cleaned, axis=0)
    return cleaned / np.where(norms > 1e-9 * np.linalg.norm(series, axis=0), norms, np.nan)
