"""A trace: one column of a physiological recording, on the clock of its scan."""

from dataclasses import dataclass, replace

import numpy as np

from crossfc.array import FloatArray
from crossfc.fault import Fault
from crossfc.session.stretch import in_stretches

# A recording says something of a scan if it covers this share of it, and this many seconds: heart
# rate variability is taken from a minute or more (Task Force 1996, Circulation 93:1043-1065, asks
# for five, for the bands of its spectrum).
LEAST_SHARE, LEAST_SECONDS = 0.9, 60.0
# A trace that stays at its highest or lowest value for longer than the first (seconds), and for
# more than the second of its time in sum, was cut there by the amplifier.
_PLATEAU_SECONDS, _CLIPPED_SHARE = 0.1, 0.1
# Share of samples that may be missing; they are put on a line between their neighbours.
_MISSING_SHARE = 0.05
# Seconds before and after the scan that are looked at too, so that the beat and the breath during
# which it begins or ends are whole.
_AROUND_SECONDS = 30.0


@dataclass(frozen=True)
class Trace:
    """One column of a recording.

    Attributes
    ----------
    values : (n_samples,) float64
        In the units of the recording; NaN if missing.
    sampling_hz : float
        Samples per second.
    start : float
        Seconds from the first volume of the scan to the first sample; negative if the recording
        began before the scan (``StartTime`` of BIDS).
    words : str
        What the data set says of it (name of the column, label, description), in lower case.
    """

    values: FloatArray
    sampling_hz: float
    start: float
    words: str = ""

    @property
    def times(self) -> FloatArray:
        """Seconds from the first volume of the scan, (n_samples,) float64."""
        return self.start + np.arange(len(self.values)) / self.sampling_hz

    @property
    def end(self) -> float:
        """The time at which the last sample ends, in seconds."""
        return self.start + len(self.values) / self.sampling_hz

    def within(self, seconds: float, around: float = 0.0) -> "Trace":
        """Return the part of the trace during the scan.

        Parameters
        ----------
        seconds : float
            Length of the scan.
        around : float
            Seconds before and after it that are kept too.
        """
        times = self.times
        first, last = np.searchsorted(times, [-around - 1e-9, seconds + around - 1e-9])
        start = self.start + first / self.sampling_hz
        return replace(self, values=self.values[first:last], start=start)


def usable(trace: Trace, seconds: float, least_hz: float) -> Trace:
    """Return the part of a trace that is looked at: the scan and half a minute around it.

    Missing samples are put on a line between their neighbours.

    Parameters
    ----------
    trace : Trace
    seconds : float
        Length of the scan.
    least_hz : float
        Samples per second that are needed.

    Returns
    -------
    Trace

    Raises
    ------
    Fault
        If the trace cannot be used: sampled too slowly, during too little of the scan, with too
        many samples missing, constant, or clipped. The sentence has no subject.
    """
    if trace.sampling_hz < least_hz:
        raise Fault(f"sampled at {trace.sampling_hz:g} Hz, where {least_hz:g} are needed")
    covered = max(0.0, min(trace.end, seconds) - max(trace.start, 0.0))
    if covered < LEAST_SECONDS:
        raise Fault(
            f"{covered:.0f} of {seconds:.0f} seconds of the scan, too short: {LEAST_SECONDS:.0f} "
            "are needed"
        )
    if covered < LEAST_SHARE * seconds:
        raise Fault(
            f"{covered:.0f} of {seconds:.0f} seconds of the scan ({covered / seconds:.0%}, where "
            f"{LEAST_SHARE:.0%} are needed)"
        )
    inside = trace.within(seconds).values
    known = np.isfinite(inside)
    if 1 - known.mean() > _MISSING_SHARE:
        raise Fault(f"{1 - known.mean():.0%} of its samples are missing")
    lowest, highest = inside[known].min(), inside[known].max()
    if highest - lowest <= 1e-9 * max(abs(lowest), abs(highest)):
        raise Fault(f"constant at {lowest:g} during the scan")
    plateau = max(2, round(_PLATEAU_SECONDS * trace.sampling_hz))
    clipped = sum(in_stretches(inside == limit, plateau).mean() for limit in (lowest, highest))
    if clipped > _CLIPPED_SHARE:
        raise Fault(f"clipped: at its highest or lowest value for {clipped:.0%} of the scan")
    wide = trace.within(seconds, _AROUND_SECONDS)
    known = np.isfinite(wide.values)
    sample = np.arange(len(known))
    return replace(wide, values=np.interp(sample, sample[known], wide.values[known]))


def band_passed(trace: Trace, low_hz: float, high_hz: float) -> FloatArray:
    """Filter a trace without delay: Butterworth of second order, forwards and backwards.

    Parameters
    ----------
    trace : Trace
        Without missing samples.
    low_hz, high_hz : float
        Edges of the band; the upper one is lowered to 0.45 of the sampling frequency.

    Returns
    -------
    (n_samples,) float64
    """
    from scipy.signal import butter, sosfiltfilt

    high_hz = min(high_hz, 0.45 * trace.sampling_hz)
    sections = butter(2, [low_hz, high_hz], btype="bandpass", fs=trace.sampling_hz, output="sos")
    # Mirrored at both ends for one period of the lower edge. SciPy's default turns the mirrored
    # part upside down, so that the level of a slow wave steps where it ends.
    around = min(len(trace.values) - 1, round(trace.sampling_hz / low_hz))
    values = trace.values - trace.values.mean()
    filtered: FloatArray = sosfiltfilt(sections, values, padtype="even", padlen=around)
    return filtered
