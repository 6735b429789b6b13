"""Cleaning as one projection: confounds, drift and stop band in one matrix.

If filtering and confound regression are separate steps, each can bring back what the other removed
(Lindquist et al. 2019, Human Brain Mapping 40:2358-2376). Here confounds and the cosines of the
stop band are columns of one matrix, without its rows for censored volumes, as in AFNI's
3dTproject; they are removed together, so there is no order of steps.

With censored volumes left out, every cosine of the stop band costs one degree of freedom, and the
shorter the repetition time, the more cosines there are. Therefore censored volumes may be
interpolated for the filter only (Power et al. 2014, NeuroImage 84:320-341; XCP-D, Mehta et al.
2024): series and confounds are filtered in the same way with all volumes present, then the
censored volumes are left out again, and the filtered confounds are projected out.
docs/preprocessing.md compares the two methods.
"""

from dataclasses import dataclass

import numpy as np

from crossfc.array import BoolArray, FloatArray
from crossfc.session.cosine import cosines
from crossfc.session.stretch import in_stretches

INTERPOLATE, EXACT = "interpolate", "exact"
# Power assumed in the pass band, relative to the rest, when gaps are interpolated: 2 gives more
# variance, 20 more bias. Lines and cubic splines have more bias (docs/preprocessing.md).
_SIGNAL_TO_NOISE = 5.0


@dataclass(frozen=True)
class Interpolated:
    """Cleaning in which censored volumes are interpolated for the filter, as two matrices.

    A series y of the kept volumes is cleaned as ``frame @ (analysis @ y)``. The columns of
    ``frame`` are orthonormal, so norms and inner products of cleaned series can be computed from
    the shorter ``analysis @ y``.

    Attributes
    ----------
    analysis : (rank, n_kept) float64
    frame : (n_kept, rank) float64
    """

    analysis: FloatArray
    frame: FloatArray

    @property
    def degrees_of_freedom(self) -> float:
        """Effective degrees of freedom of the correlation of two cleaned series of white noise.

        They are tr(V)² / tr(V²), with V the covariance of a cleaned white series (Worsley and
        Friston 1995, NeuroImage 2:173-181). Interpolated values add no information, so they do
        not increase this number.
        """
        covariance = self.analysis @ self.analysis.T
        return float(np.trace(covariance) ** 2 / (covariance**2).sum()) if len(covariance) else 0.0


def stop_band(
    n_volumes: int, repetition_time: float, high_pass_hz: float, low_pass_hz: float | None
) -> FloatArray:
    """Return the discrete cosines outside the pass band, including the constant.

    Parameters
    ----------
    n_volumes : int
    repetition_time : float
        Seconds per volume.
    high_pass_hz, low_pass_hz : float
        Edges of the pass band in Hz; no upper edge if ``low_pass_hz`` is None.

    Returns
    -------
    (n_volumes, n_cosines) float64
        Orthonormal columns of the DCT-II; column k has the frequency k / (2 n TR).
    """
    k = np.arange(n_volumes)
    frequency = k / (2 * n_volumes * repetition_time)
    stopped = (frequency < high_pass_hz) | (k == 0)
    if low_pass_hz is not None:
        stopped |= frequency > low_pass_hz
    return cosines(n_volumes, k[stopped])


def basis(
    confounds: FloatArray,
    repetition_time: float,
    high_pass_hz: float,
    low_pass_hz: float | None,
    kept: BoolArray,
) -> FloatArray:
    """Return an orthonormal basis of everything that cleaning removes.

    Parameters
    ----------
    confounds : (n_volumes, n_confounds) float
        In any units; every column is scaled.
    repetition_time : float
        Seconds per volume.
    high_pass_hz, low_pass_hz : float
        Edges of the pass band in Hz; no upper edge if ``low_pass_hz`` is None.
    kept : (n_volumes,) bool
        Volumes that are not censored.

    Returns
    -------
    (n_kept, rank) float64
        Q; a series y of the kept volumes is cleaned as y - Q (Qᵀ y).
    """
    band = stop_band(len(kept), repetition_time, high_pass_hz, low_pass_hz)[kept]
    own = confounds[kept]
    scaled = own - own.mean(axis=0)
    norms = np.linalg.norm(scaled, axis=0)
    # A constant confound adds nothing to the constant column: after its mean is subtracted, only
    # rounding errors remain. Whether a column varies is judged relative to its own values, because
    # squares of rotations are 1e-15 of the square of the global signal and still vary.
    varies = norms > 10 * len(own) * np.finfo(float).eps * np.abs(own).max(axis=0, initial=0)
    scaled = scaled[:, varies] / norms[varies]
    return _orthonormal(np.hstack([band, scaled]))


def has_gaps(kept: BoolArray) -> bool:
    """Test whether a censored volume lies between kept ones, so that there is a gap to fill.

    Parameters
    ----------
    kept : (n_volumes,) bool
    """
    inside = np.flatnonzero(kept)
    return bool(inside.size) and not kept[inside[0] : inside[-1] + 1].all()


def interpolated(
    confounds: FloatArray,
    repetition_time: float,
    high_pass_hz: float,
    low_pass_hz: float,
    kept: BoolArray,
) -> Interpolated:
    """Return the cleaning in which censored volumes are interpolated, for the filter only.

    A censored value is replaced by the value expected from the kept ones (kriging; Wiener 1949).
    The model for this has a drift below the pass band that is fitted without a penalty, and a
    fixed multiple of the power of the rest within the pass band. The interpolation is the same
    linear map for every series and confound. Volumes before the first and after the last kept one
    are dropped before filtering.

    Parameters
    ----------
    As `basis`.

    Returns
    -------
    Interpolated
    """
    first, last = np.flatnonzero(kept)[[0, -1]]
    inside = kept[first : last + 1]
    whole = stop_band(len(inside), repetition_time, np.inf, None)
    frequency = np.arange(len(inside)) / (2 * len(inside) * repetition_time)
    drift = (frequency < high_pass_hz) | (frequency == 0)
    passed = whole[:, ~drift & (frequency <= low_pass_hz)]
    coefficients = passed.T @ _filling(inside, whole[:, drift], passed)
    filtered = passed[inside] @ coefficients

    own = confounds[kept]
    scaled = own - own.mean(axis=0)
    norms = np.linalg.norm(scaled, axis=0)
    varies = norms > 10 * len(own) * np.finfo(float).eps * np.abs(own).max(axis=0, initial=0)
    removed = filtered @ (scaled[:, varies] / norms[varies])
    removed = removed[:, np.linalg.norm(removed, axis=0) > 1e-8]
    constant = np.ones((len(own), 1)) / np.sqrt(len(own))
    nuisance = _orthonormal(np.hstack([constant, removed]))
    remaining = passed[inside] - nuisance @ (nuisance.T @ passed[inside])
    left, singular, right = _decomposed(remaining)
    rank = int((singular > 1e-8).sum())
    analysis = (singular[:rank, None] * right[:rank]) @ coefficients
    return Interpolated(analysis, left[:, :rank])


def _filling(kept: BoolArray, drift: FloatArray, passed: FloatArray) -> FloatArray:
    """Return the matrix (n_volumes, n_kept) that copies kept volumes and interpolates the others.

    Parameters
    ----------
    kept : (n_volumes,) bool
    drift : (n_volumes, n_drift) float
        Cosines below the pass band.
    passed : (n_volumes, n_passed) float
        Cosines in the pass band.
    """
    covariance = (_SIGNAL_TO_NOISE - 1) * passed @ passed.T
    covariance[np.diag_indices_from(covariance)] += 1
    within = np.linalg.inv(covariance[np.ix_(kept, kept)])
    free = drift[kept]
    # The drift is fitted by generalised least squares, so it is interpolated without shrinkage.
    fit = np.linalg.pinv(free.T @ within @ free) @ (free.T @ within)
    filling = np.zeros((len(kept), int(kept.sum())))
    filling[kept] = np.eye(int(kept.sum()))
    expected = covariance[np.ix_(~kept, kept)] @ within
    filling[~kept] = drift[~kept] @ fit + expected - (expected @ free) @ fit
    return filling


def _orthonormal(columns: FloatArray) -> FloatArray:
    """Return an orthonormal basis of the space that the columns span."""
    left, singular, _ = _decomposed(columns)
    rank = int((singular > singular[0] * max(left.shape) * np.finfo(float).eps).sum())
    return left[:, :rank]


def _decomposed(matrix: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the singular value decomposition, even if the fast algorithm does not converge."""
    try:
        left, singular, right = np.linalg.svd(matrix, full_matrices=False)
    except np.linalg.LinAlgError:
        from scipy.linalg import svd

        left, singular, right = svd(matrix, full_matrices=False, lapack_driver="gesvd")
    return left, singular, right


def kept_volumes(
    framewise_displacement: FloatArray,
    non_steady: BoolArray,
    censor_fd_mm: float | None,
    minimum_run: int = 1,
) -> BoolArray:
    """Return which volumes are kept (not censored).

    Parameters
    ----------
    framewise_displacement : (n_volumes,) float
        In mm.
    non_steady : (n_volumes,) bool
        Volumes before the steady state; always censored.
    censor_fd_mm : float or None
        Volumes with a larger framewise displacement are censored (Power et al. 2012). If None,
        only those in ``non_steady`` are.
    minimum_run : int
        Runs of fewer kept volumes in a row than this are censored too.

    Returns
    -------
    (n_volumes,) bool
    """
    kept = ~non_steady
    if censor_fd_mm is not None:
        kept &= ~(framewise_displacement > censor_fd_mm)
        kept = in_stretches(kept, minimum_run)
    return kept
