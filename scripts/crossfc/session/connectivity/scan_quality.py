"""Quality of one session, in measures that are blind to the outcome."""

import numpy as np

from crossfc.session.connectivity.confounds import Confounds, framewise_displacement


def motion(confounds: Confounds, sound: np.ndarray | None = None) -> dict[str, float | None]:
    """Summarise motion and signal change.

    Parameters
    ----------
    confounds : Confounds
    sound : (n_volumes,) bool, optional
        Volumes that are measurements; of the others nothing can be said. All where None.

    Returns
    -------
    dict
        mean_fd, median_fd, max_fd (mm; Power et al. 2012), share_fd_above_0.5, mean_dvars
        (standardised where the table has it); over volumes where it is known, None where there
        is none.
    """
    sound = np.ones(confounds.n_volumes, dtype=bool) if sound is None else sound
    fd = framewise_displacement(confounds)[1:][sound[1:]]
    fd = fd[np.isfinite(fd)]
    dvars = next(
        (confounds.columns[c] for c in ("std_dvars", "dvars") if c in confounds.columns), None
    )
    if not fd.size:
        names = ("mean_fd", "median_fd", "max_fd", "share_fd_above_0.5", "mean_dvars")
        return dict.fromkeys(names)
    return {
        "mean_fd": float(fd.mean()),
        "median_fd": float(np.median(fd)),
        "max_fd": float(fd.max()),
        "share_fd_above_0.5": float((fd > 0.5).mean()),
        "mean_dvars": None if dvars is None else _finite_mean(dvars[sound]),
    }


def _finite_mean(values: np.ndarray) -> float | None:
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if finite.size else None


def temporal_snr(mean: np.ndarray, deviation: np.ndarray) -> np.ndarray:
    """Return the temporal signal-to-noise ratio, mean over standard deviation in time."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(deviation > 0, mean / deviation, 0)


def dice(a: np.ndarray, b: np.ndarray) -> float:
    """Return the overlap of two masks (Dice 1945, Ecology 26:297-302)."""
    both = a.sum() + b.sum()
    return float(2 * (a & b).sum() / both) if both else 0.0
