"""RETROICOR: what the phases of heart beat and breathing explain of a scan.

Glover, Li and Ress 2000, Magnetic Resonance in Medicine 44:162-167. Their phases are of each slice;
a scan in template space has one time per volume, to which its slices were brought or in which they
lie (docs/preprocessing.md says what that costs).
"""

import numpy as np

from crossfc.array import FloatArray
from crossfc.session.physiology.beat import Beats, regular
from crossfc.session.physiology.breath import Breaths

# Steps of the histogram that makes depths of breathing phases.
_STEPS = 100


def cardiac_phase(beats: Beats, times: FloatArray) -> FloatArray:
    """Return the phase of the heart beat: from 0 at a beat, in a line, to 2π at the next.

    An interval that is a whole multiple of the usual one (within a third) holds beats that were
    missed, which are put in at equal distances; a false beat, which makes two short intervals, is
    taken out. Before the first and after the last beat the usual interval goes on.

    Parameters
    ----------
    beats : Beats
    times : (n,) float
        Seconds from the first volume.

    Returns
    -------
    (n,) float64
        Radians, from 0 to 2π; NaN where nothing was recorded.
    """
    known = _repaired(beats.times)
    count = np.interp(times, known, np.arange(len(known)))
    first, last = known[1] - known[0], known[-1] - known[-2]
    count = np.where(times < known[0], (times - known[0]) / first, count)
    count = np.where(times > known[-1], len(known) - 1 + (times - known[-1]) / last, count)
    start, end = beats.recorded
    phase = 2 * np.pi * (count % 1)
    return np.where((times >= start) & (times <= end), phase, np.nan)


def _repaired(times: FloatArray) -> FloatArray:
    """Put in missed beats and take out false ones."""
    usual = float(np.median(np.diff(times)[regular(np.diff(times))]))
    kept = [float(times[0])]
    for time in times[1:]:
        if time - kept[-1] < usual * 0.6:
            continue
        missed = round((time - kept[-1]) / usual) - 1
        kept += list(np.linspace(kept[-1], time, missed + 2)[1:-1]) if missed > 0 else []
        kept.append(float(time))
    return np.array(kept)


def respiratory_phase(breaths: Breaths, times: FloatArray) -> FloatArray:
    """Return the phase of breathing, by the histogram of its depth.

    π times the share of samples that are as low as the trace or lower, in 100 steps, with the sign
    of the trace's slope (Glover et al. 2000, equation 3): 0 at the end of breathing out, ±π at the
    end of breathing in.

    Parameters
    ----------
    breaths : Breaths
    times : (n,) float
        Seconds from the first volume.

    Returns
    -------
    (n,) float64
        Radians, from -π to π; NaN where nothing was recorded.
    """
    trace = breaths.trace.values
    depth = trace - trace.min()
    highest = depth.max()
    counts, _ = np.histogram(depth, bins=_STEPS, range=(0, highest))
    share = np.concatenate([[0], np.cumsum(counts)]) / counts.sum()
    recorded = breaths.trace.times
    own = np.interp(times, recorded, depth)
    slope = np.interp(times, recorded, np.gradient(trace))
    step = np.rint(_STEPS * own / highest).astype(int)
    phase = np.pi * share[step] * np.where(slope < 0, -1, 1)
    start, end = breaths.recorded
    return np.where((times >= start) & (times <= end), phase, np.nan)


def harmonics(phase: FloatArray, name: str, order: int) -> dict[str, FloatArray]:
    """Return cosine and sine of the multiples of a phase, up to an order.

    Parameters
    ----------
    phase : (n,) float
        Radians.
    name : str
        For the names of the columns.
    order : int

    Returns
    -------
    dict
        ``retroicor_<name>_cos1``, ``…_sin1``, ``…_cos2``, … to (n,) float64.
    """
    return {
        f"retroicor_{name}_{word}{m}": function(m * phase)
        for m in range(1, order + 1)
        for word, function in (("cos", np.cos), ("sin", np.sin))
    }


def interaction(cardiac: FloatArray, respiratory: FloatArray) -> dict[str, FloatArray]:
    """Return cosine and sine of the sum and the difference of the two phases.

    Brooks et al. 2008, NeuroImage 39:680-692; Harvey et al. 2008, JMRI 28:1337-1344.
    """
    both = {"sum": cardiac + respiratory, "difference": cardiac - respiratory}
    return {
        key: column
        for word, phase in both.items()
        for key, column in harmonics(phase, word, 1).items()
    }
