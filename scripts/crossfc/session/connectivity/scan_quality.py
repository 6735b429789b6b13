"""Quality measures of one session, none of which depends on connectivity or outcome."""

import numpy as np

from crossfc.array import BoolArray, RealArray
from crossfc.session.connectivity.confounds import Confounds, framewise_displacement
from crossfc.session.connectivity.record import MotionQuality


def motion(confounds: Confounds, sound: BoolArray | None = None) -> MotionQuality:
    """Summarise motion and signal change.

    Parameters
    ----------
    confounds : Confounds
    sound : (n_volumes,) bool, optional
        Volumes without a defect; the others are left out. All volumes if None.

    Returns
    -------
    MotionQuality
        mean_fd, median_fd, max_fd (mm; Power et al. 2012), share_fd_above_0.5, mean_dvars
        (standardised DVARS if the table has it), over the volumes for which they are known. All
        are None if the framewise displacement of no volume is known.
    """
    sound = np.ones(confounds.n_volumes, dtype=bool) if sound is None else sound
    fd = framewise_displacement(confounds)[1:][sound[1:]]
    fd = fd[np.isfinite(fd)]
    dvars = next(
        (confounds.columns[c] for c in ("std_dvars", "dvars") if c in confounds.columns), None
    )
    if not fd.size:
        return {
            "mean_fd": None,
            "median_fd": None,
            "max_fd": None,
            "share_fd_above_0.5": None,
            "mean_dvars": None,
        }
    return {
        "mean_fd": float(fd.mean()),
        "median_fd": float(np.median(fd)),
        "max_fd": float(fd.max()),
        "share_fd_above_0.5": float((fd > 0.5).mean()),
        "mean_dvars": None if dvars is None else _finite_mean(dvars[sound]),
    }


def _finite_mean(values: RealArray) -> float | None:
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if finite.size else None


def temporal_snr(mean: RealArray, deviation: RealArray) -> RealArray:
    """Return the temporal signal-to-noise ratio, mean over standard deviation in time.

    Parameters
    ----------
    mean, deviation : ndarray
        Per voxel, of one shape.

    Returns
    -------
    ndarray
        Of the same shape; 0 where the deviation is 0.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(deviation > 0, mean / deviation, 0)


def dice(a: BoolArray, b: BoolArray) -> float:
    """Return the overlap of two masks (Dice 1945, Ecology 26:297-302).

    Parameters
    ----------
    a, b : ndarray of bool
        Of one shape.

    Returns
    -------
    float
        0 to 1; 0 if both masks are empty.
    """
    both = a.sum() + b.sum()
    return float(2 * (a & b).sum() / both) if both else 0.0
