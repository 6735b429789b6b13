"""Cleaning as one projection: confounds, drift and stop band in one matrix.

Filtering and regressing in turn lets each step bring back what the other removed (Lindquist et
al. 2019, Human Brain Mapping 40:2358-2376). Here both are columns of one matrix from which
censored volumes are left out, as AFNI's 3dTproject does, so no order matters.
"""

import numpy as np

from crossfc.fault import Fault


def stop_band(
    n_volumes: int, repetition_time: float, high_pass_hz: float, low_pass_hz: float | None
) -> np.ndarray:
    """Give the discrete cosines outside the pass band, the constant among them.

    Parameters
    ----------
    n_volumes : int
    repetition_time : float
        Seconds per volume.
    high_pass_hz, low_pass_hz : float
        Edges of the pass band in Hz; no upper one where None.

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
    time = (np.arange(n_volumes) + 0.5) / n_volumes
    cosines = np.cos(np.pi * np.outer(time, k[stopped])) * np.sqrt(2 / n_volumes)
    cosines[:, 0] = 1 / np.sqrt(n_volumes)
    return cosines


def basis(
    confounds: np.ndarray,
    repetition_time: float,
    high_pass_hz: float,
    low_pass_hz: float | None,
    kept: np.ndarray,
) -> np.ndarray:
    """Give an orthonormal basis of everything that cleaning removes.

    Parameters
    ----------
    confounds : (n_volumes, n_confounds) float
    repetition_time : float
        Seconds per volume.
    high_pass_hz, low_pass_hz : float
        Pass band in Hz.
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
    # A constant confound adds nothing to the constant column; what the subtraction leaves of it
    # is rounding. Each column is its own measure: squares of rotations are 1e-15 of the square of
    # the global signal and still vary.
    varies = norms > 10 * len(own) * np.finfo(float).eps * np.abs(own).max(axis=0, initial=0)
    scaled = scaled[:, varies] / norms[varies]
    left, singular, _ = np.linalg.svd(np.hstack([band, scaled]), full_matrices=False)
    rank = int((singular > singular[0] * max(left.shape) * np.finfo(float).eps).sum())
    return left[:, :rank]


def kept_volumes(
    framewise_displacement: np.ndarray,
    non_steady: np.ndarray,
    censor_fd_mm: float | None,
    minimum_run: int = 1,
) -> np.ndarray:
    """Say which volumes stay.

    Parameters
    ----------
    framewise_displacement : (n_volumes,) float
        In mm.
    non_steady : (n_volumes,) bool
        Volumes before steady state; always censored.
    censor_fd_mm : float or None
        Volumes that moved more than this are censored (Power et al. 2012); none where None.
    minimum_run : int
        Kept stretches shorter than this are censored too.

    Returns
    -------
    (n_volumes,) bool
    """
    kept = ~non_steady
    if censor_fd_mm is not None:
        kept &= ~(framewise_displacement > censor_fd_mm)
        edges = np.flatnonzero(np.diff(np.concatenate([[0], kept.astype(int), [0]])))
        for start, stop in zip(edges[::2], edges[1::2], strict=True):
            if stop - start < minimum_run:
                kept[start:stop] = False
    return kept


def require_degrees_of_freedom(
    n_kept: int, rank: int, minimum: int, scan: str, pipeline: str
) -> int:
    """Give the residual degrees of freedom of a cleaned series, or refuse.

    Raises
    ------
    Fault
        If fewer than ``minimum`` are left.
    """
    left = n_kept - rank
    if left < minimum:
        raise Fault(
            f"{scan}: pipeline {pipeline} keeps {n_kept} volumes and removes {rank} dimensions, "
            f"so {left} degrees of freedom are left where {minimum} are asked for; exclude the "
            "session in the sheet of sessions with this reason, or choose a lighter strategy or "
            "wider pass band"
        )
    return left
