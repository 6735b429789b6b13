"""What changes of breathing do to the signal some seconds later."""

import numpy as np

from crossfc.array import FloatArray
from crossfc.session.physiology.breath import Breaths

# Grid of the convolution, and the time after which the response is over, in seconds.
_STEP, _OVER = 0.1, 60.0


def respiration_response(times: FloatArray) -> FloatArray:
    """Return the respiration response function.

    0.6 t^2.1 exp(-t / 1.6) - 0.0023 t^3.54 exp(-t / 4.25) (Birn et al. 2008, NeuroImage 40:644-654,
    equation 3).

    Parameters
    ----------
    times : (n,) float
        Seconds after the breath, 0 or more.

    Returns
    -------
    (n,) float64
        In arbitrary units.
    """
    rise = 0.6 * times**2.1 * np.exp(-times / 1.6)
    fall = 0.0023 * times**3.54 * np.exp(-times / 4.25)
    return np.asarray(rise - fall)


def respiratory_volume_regressor(breaths: Breaths, times: FloatArray) -> FloatArray:
    """Return the respiratory volume per time, convolved with the respiration response function.

    Parameters
    ----------
    breaths : Breaths
    times : (n,) float
        Seconds from the first volume, the moments of the volumes.

    Returns
    -------
    (n,) float64
        NaN where nothing was recorded. Before the recording, breathing is taken to have been as it
        was on average.
    """
    start, end = breaths.recorded
    grid: FloatArray = np.arange(start, end, _STEP, dtype=np.float64)
    volume = breaths.volume_per_time(grid)
    response = respiration_response(np.arange(0, _OVER, _STEP, dtype=np.float64))
    convolved = _STEP * np.convolve(volume - volume.mean(), response)[: len(grid)]
    known = (times >= start) & (times <= end)
    return np.where(known, np.interp(times, grid, convolved), np.nan)
