"""Breaths in the trace of a belt: their rate, volume per time, and deep breaths."""

from dataclasses import dataclass, replace

import numpy as np

from crossfc.array import FloatArray
from crossfc.fault import Fault
from crossfc.session.physiology.trace import Trace, band_passed, usable

_LEAST_HZ = 2.0
# A belt is sampled far more finely than breathing needs; it is averaged down to about this.
_ENOUGH_HZ = 20.0
# Band of the trace in which breaths are found, and that of breathing itself, in Hz.
_BAND, _BREATHING = (0.03, 2.0), (4 / 60, 40 / 60)
# Breaths are peaks so many seconds apart that stand out by so many standard deviations (Power et
# al. 2020, NeuroImage 204:116234). The deviation is taken from the quartiles: a cough or a change
# of posture, ten times as large as a breath, would hide the breaths around it otherwise.
_APART_SECONDS, _PROMINENCE = 0.8, 0.5
# What stands out by less than this share of the usual breath is none (Khodadad et al. 2018,
# Physiological Measurement 39:094001).
_SHALLOWEST = 0.3
# Distance of the quartiles of a normal distribution, in standard deviations.
_QUARTILES = 1.349
# Share of the trace's power that lies in the band of breathing; noise of any slope has less.
_LEAST_BREATHING = 0.5
_FEWEST = 4
# A breath is deep if its depth is this multiple of the usual one (Vlemincx et al. 2010, Biological
# Psychology 84:82-87: twice the mean volume; here the median, which deep breaths do not raise).
_DEEP = 2.0
# No breath is deeper than this multiple, which is about the vital capacity; what is, is a cough, a
# movement or a belt that slipped. Of a usable trace it is at most this share.
_DEEPEST, _ODD_SHARE, _ODD_BREATHS = 10.0, 0.02, 2
# Times between breaths spread by at most this share of their median (standard deviation from the
# quartiles). Belts have 0.07 to 0.26, noise of any slope 0.38 and more (docs/preprocessing.md).
_MOST_IRREGULAR = 0.35


@dataclass(frozen=True)
class Breaths:
    """The breaths of a recording.

    Attributes
    ----------
    trace : Trace
        The filtered trace, breathing in upwards, in standard deviations of the scan (from its
        quartiles).
    peaks, troughs : (n,) float64
        Seconds from the first volume: ends of breathing in, and the lowest point before each.
    height_of_peaks, height_of_troughs : (n,) float64
        The trace there.
    seconds : float
        Length of the scan.
    """

    trace: Trace
    peaks: FloatArray
    troughs: FloatArray
    height_of_peaks: FloatArray
    height_of_troughs: FloatArray
    seconds: float

    @property
    def recorded(self) -> tuple[float, float]:
        """From when to when the recording goes, in seconds."""
        return self.trace.start, self.trace.end

    @property
    def rate(self) -> float:
        """Breaths per minute, over the time from the first to the last breath of the scan."""
        during = self.peaks[(self.peaks >= 0) & (self.peaks < self.seconds)]
        return float(60 * (len(during) - 1) / (during[-1] - during[0]))

    def volume_per_time(self, times: FloatArray) -> FloatArray:
        """Return the respiratory volume per time (RVT).

        The line through the peaks minus the line through the troughs, over the line through the
        times between peaks, each placed in the middle of its breath (Birn et al. 2006, NeuroImage
        31:1536-1548).

        Parameters
        ----------
        times : (n,) float
            Seconds from the first volume.

        Returns
        -------
        (n,) float64
            Standard deviations of the trace per second.
        """
        middle = (self.peaks[1:] + self.peaks[:-1]) / 2
        depth = np.interp(times, self.peaks, self.height_of_peaks)
        depth -= np.interp(times, self.troughs, self.height_of_troughs)
        return np.asarray(depth / np.interp(times, middle, np.diff(self.peaks)))

    @property
    def volume(self) -> tuple[float, float]:
        """Mean and standard deviation of the respiratory volume per time over the scan."""
        times = self.trace.within(self.seconds).times
        values = self.volume_per_time(times)
        return float(values.mean()), float(values.std())

    @property
    def deep(self) -> float:
        """Deep breaths per minute: twice as deep as the median breath of the scan, or more."""
        depth = self.depth
        deep = (depth >= _DEEP * np.median(depth)) & (depth <= _DEEPEST * np.median(depth))
        start, end = self.recorded
        return float(60 * deep.sum() / (min(end, self.seconds) - max(start, 0.0)))

    @property
    def depth(self) -> FloatArray:
        """Depth of each breath of the scan, from its trough to its peak."""
        during = (self.peaks >= 0) & (self.peaks < self.seconds)
        return (self.height_of_peaks - self.height_of_troughs)[during]


def find_breaths(trace: Trace, seconds: float) -> Breaths:
    """Find the breaths during a scan.

    Parameters
    ----------
    trace : Trace
        Of a belt; larger values for breathing in.
    seconds : float
        Length of the scan.

    Returns
    -------
    Breaths

    Raises
    ------
    Fault
        If the trace cannot be used (see `crossfc.session.physiology.trace.usable`), holds little
        that breathes, or the rate is not plausible. The sentence has no subject.
    """
    from scipy.signal import find_peaks

    trace = _averaged(usable(trace, seconds, _LEAST_HZ))
    share = _breathing_share(trace.within(seconds))
    if share < _LEAST_BREATHING:
        raise Fault(
            f"hardly any breathing in it: {share:.0%} of its power is between 4 and 40 per minute, "
            f"where {_LEAST_BREATHING:.0%} are needed"
        )
    filtered = replace(trace, values=band_passed(trace, *_BAND))
    low, high = np.quantile(filtered.within(seconds).values, [0.25, 0.75])
    filtered = replace(filtered, values=filtered.values * (_QUARTILES / (high - low)))
    values, hz = filtered.values, filtered.sampling_hz
    apart = max(1, _APART_SECONDS * hz)
    peaks, about = find_peaks(values, distance=apart, prominence=_PROMINENCE)
    if len(peaks):
        own = about["prominences"]
        peaks = peaks[own >= _SHALLOWEST * np.median(own)]
    starts = np.concatenate([[0], peaks[:-1]])
    troughs = np.array(
        [a + int(values[a : b + 1].argmin()) for a, b in zip(starts, peaks, strict=True)], dtype=int
    )
    times = filtered.times
    breaths = Breaths(
        filtered, times[peaks], times[troughs], values[peaks], values[troughs], seconds
    )
    depth = breaths.depth
    if len(depth) < _FEWEST:
        raise Fault(f"too few breaths were found: {len(depth)}, where {_FEWEST} are needed")
    odd = int((depth > _DEEPEST * np.median(depth)).sum())
    if odd > max(_ODD_BREATHS, _ODD_SHARE * len(depth)):
        raise Fault(
            f"{odd} of {len(depth)} breaths seem more than {_DEEPEST:.0f} times as deep as the "
            "median one, so the person moved or the belt slipped"
        )
    between = np.diff(breaths.peaks)
    quarter, half, three = np.quantile(between, [0.25, 0.5, 0.75])
    spread = (three - quarter) / _QUARTILES / half
    if spread > _MOST_IRREGULAR:
        raise Fault(
            f"too irregular for breathing: times between breaths spread by {spread:.0%} of their "
            f"median, where {_MOST_IRREGULAR:.0%} are the most"
        )
    low, high = (60 * edge for edge in _BREATHING)
    if not low <= breaths.rate <= high:
        raise Fault(
            f"a respiration rate of {breaths.rate:.1f} per minute, which is not plausible "
            f"({low:.0f} to {high:.0f})"
        )
    return breaths


def _averaged(trace: Trace) -> Trace:
    """Average neighbouring samples, so that about 20 a second are left."""
    size = int(trace.sampling_hz // _ENOUGH_HZ)
    if size < 2:
        return trace
    whole = len(trace.values) // size * size
    return replace(
        trace,
        values=trace.values[:whole].reshape(-1, size).mean(axis=1),
        sampling_hz=trace.sampling_hz / size,
        start=trace.start + (size - 1) / 2 / trace.sampling_hz,
    )


def _breathing_share(trace: Trace) -> float:
    """Return the share of the power above 0.03 Hz that lies in the band of breathing."""
    from scipy.signal import periodogram

    frequency, power = periodogram(trace.values, trace.sampling_hz, window="hann", detrend="linear")
    varying = power[frequency > _BAND[0]].sum()
    breathing = power[(frequency >= _BREATHING[0]) & (frequency <= _BREATHING[1])].sum()
    return float(breathing / varying) if varying > 0 else 0.0
