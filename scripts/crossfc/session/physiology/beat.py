"""Heart beats in a trace of the pulse or the ECG; heart rate and its variability."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from crossfc.array import BoolArray, FloatArray, IntArray
from crossfc.fault import Fault
from crossfc.session.physiology.trace import Trace, band_passed, usable
from crossfc.session.stretch import stretches

Kind = Literal["pulse", "ecg"]
# Words of a data set that tell an ECG from a pulse.
_WORDS: dict[Kind, tuple[str, ...]] = {
    "ecg": ("ecg", "ekg", "electrocardio"),
    "pulse": ("ppg", "pleth", "puls", "oximet", "finger"),
}


@dataclass(frozen=True)
class _Detector:
    """Two moving averages (Elgendi): band in Hz, windows in seconds, offset as a share."""

    low_hz: float
    high_hz: float
    peak_seconds: float
    beat_seconds: float
    offset: float


_DETECTORS: dict[Kind, _Detector] = {
    # Elgendi et al. 2013, PLoS ONE 8:e76585.
    "pulse": _Detector(0.5, 8.0, 0.111, 0.667, 0.02),
    # Elgendi 2013, PLoS ONE 8:e73557.
    "ecg": _Detector(8.0, 20.0, 0.097, 0.611, 0.08),
}
# Sampling below which beats are not looked for, and below which their intervals are too coarse for
# variability.
_LEAST_HZ: dict[Kind, float] = {"pulse": 10.0, "ecg": 50.0}
_LEAST_HZ_OF_VARIABILITY = 25.0
# Two beats are this far apart (seconds), and no farther.
_SHORTEST, _LONGEST = 0.3, 2.0
# An interval that differs by more than this share from the median of the eleven around it holds a
# beat too few or too many.
_ODD_SHARE, _AROUND = 0.3, 5
# Share of the scan that regular intervals have to cover.
_LEAST_REGULAR = 0.8
_PLAUSIBLE = 30.0, 180.0
# Power above 8 Hz, as a share of that from 0.5 to 8 Hz, above which a trace is an ECG. Pulses have
# below 0.02, ECGs above 0.3 (docs/preprocessing.md).
_ECG_SHARE = 0.1


@dataclass(frozen=True)
class Beats:
    """The heart beats of a recording.

    Attributes
    ----------
    times : (n_beats,) float64
        Seconds from the first volume, increasing; some lie before or after the scan.
    recorded : (float, float)
        From when to when the recording goes, in seconds.
    kind : {"pulse", "ecg"}
        What the beats were found in.
    seconds : float
        Length of the scan.
    sampling_hz : float
    """

    times: FloatArray
    recorded: tuple[float, float]
    kind: Kind
    seconds: float
    sampling_hz: float

    @property
    def during(self) -> FloatArray:
        """The times of the beats during the scan."""
        return self.times[(self.times >= 0) & (self.times < self.seconds)]

    @property
    def rate(self) -> float:
        """Heart rate per minute: 60 over the mean of the regular intervals (in seconds)."""
        intervals = np.diff(self.during)
        return float(60 / intervals[regular(intervals)].mean())

    @property
    def variability(self) -> float | None:
        """RMSSD in ms: root mean square of the differences of successive regular intervals.

        Task Force 1996, Circulation 93:1043-1065. None where sampled below 25 Hz.
        """
        if self.sampling_hz < _LEAST_HZ_OF_VARIABILITY:
            return None
        intervals = np.diff(self.during)
        kept = regular(intervals)
        differences = np.diff(intervals)[kept[1:] & kept[:-1]]
        return float(1000 * np.sqrt((differences**2).mean())) if len(differences) else None


def regular(intervals: FloatArray) -> BoolArray:
    """Return which intervals between beats hold neither a missed nor a false beat.

    Parameters
    ----------
    intervals : (n,) float
        Seconds.

    Returns
    -------
    (n,) bool
        From 0.3 to 2 s, and at most 30 % from the median of the eleven around.
    """
    middle = _local_median(intervals)
    plausible = (intervals >= _SHORTEST) & (intervals <= _LONGEST)
    return np.asarray(plausible & (np.abs(intervals - middle) <= _ODD_SHARE * middle))


def _local_median(intervals: FloatArray) -> FloatArray:
    if not len(intervals):
        return intervals
    padded = np.pad(intervals, _AROUND, mode="reflect" if len(intervals) > _AROUND else "edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * _AROUND + 1)
    return np.asarray(np.median(windows, axis=1))


def find_beats(trace: Trace, seconds: float, kind: Kind | None = None) -> Beats:
    """Find the heart beats during a scan.

    They are the highest points of blocks in which a short moving average of the squared, filtered
    trace exceeds a long one; by parts of a sample, on the parabola through the three samples at
    the top.

    Parameters
    ----------
    trace : Trace
    seconds : float
        Length of the scan.
    kind : {"pulse", "ecg"}, optional
        What was recorded; told from the words of the data set, or else from the trace, if None.

    Returns
    -------
    Beats

    Raises
    ------
    Fault
        If the trace cannot be used (see `crossfc.session.physiology.trace.usable`), too few
        regular beats are found, or their rate is not plausible. The sentence has no subject.
    """
    trace = usable(trace, seconds, _LEAST_HZ["pulse"])
    kind = kind or kind_of(trace)
    if trace.sampling_hz < _LEAST_HZ[kind]:
        raise Fault(
            f"an ECG sampled at {trace.sampling_hz:g} Hz, where {_LEAST_HZ[kind]:g} are due"
        )
    beats = Beats(_beats(trace, kind), (trace.start, trace.end), kind, seconds, trace.sampling_hz)
    intervals = np.diff(beats.during)
    covered = min(trace.end, seconds) - max(trace.start, 0.0)
    share = float(intervals[regular(intervals)].sum()) / covered
    if share < _LEAST_REGULAR:
        raise Fault(
            f"too few beats were found: {len(beats.during)} in {covered:.0f} s, of which regular "
            f"intervals cover {share:.0%}, where {_LEAST_REGULAR:.0%} are needed"
        )
    low, high = _PLAUSIBLE
    if not low <= beats.rate <= high:
        raise Fault(
            f"a heart rate of {beats.rate:.0f} per minute, which is not plausible ({low:.0f} to "
            f"{high:.0f})"
        )
    return beats


def kind_of(trace: Trace) -> Kind:
    """Tell an ECG from a pulse, by the words of the data set or else by the trace.

    An ECG has much of its power above 8 Hz, a pulse hardly any.
    """
    for kind, words in _WORDS.items():
        if any(word in trace.words for word in words):
            return kind
    if trace.sampling_hz < _LEAST_HZ["ecg"]:
        return "pulse"
    slow, fast = band_passed(trace, 0.5, 8.0), band_passed(trace, 8.0, 20.0)
    return "ecg" if fast.var() > _ECG_SHARE * slow.var() else "pulse"


def _beats(trace: Trace, kind: Kind) -> FloatArray:
    """Return the times of the beats, by two moving averages."""
    from scipy.ndimage import uniform_filter1d

    own = _DETECTORS[kind]
    filtered = band_passed(trace, own.low_hz, own.high_hz)
    # A pulse is the upper half of the wave; an R peak may point either way.
    height = np.abs(filtered) if kind == "ecg" else np.maximum(filtered, 0)
    squared = height**2
    short, long = (
        uniform_filter1d(squared, max(1, round(window * trace.sampling_hz)))
        for window in (own.peak_seconds, own.beat_seconds)
    )
    # The mean without the highest hundredth, so that one jerk of the hand hides no beats.
    usual = np.minimum(squared, np.quantile(squared, 0.99)).mean()
    inside = short > long + own.offset * usual
    least = round(own.peak_seconds * trace.sampling_hz)
    peaks = [
        start + int(height[start:stop].argmax())
        for start, stop in stretches(inside)
        if stop - start >= least
    ]
    kept = _apart(np.array(peaks, dtype=int), height, _SHORTEST * trace.sampling_hz)
    return trace.start + _refined(kept, height) / trace.sampling_hz


def _apart(peaks: IntArray, height: FloatArray, least: float) -> IntArray:
    """Keep the higher of two peaks that are closer than ``least`` samples."""
    kept: list[int] = []
    for peak in peaks:
        if kept and peak - kept[-1] < least:
            if height[peak] > height[kept[-1]]:
                kept[-1] = int(peak)
        else:
            kept.append(int(peak))
    return np.array(kept, dtype=int)


def _refined(peaks: IntArray, height: FloatArray) -> FloatArray:
    """Return peaks by parts of a sample, on the parabola through a peak and its neighbours."""
    inner = peaks[(peaks > 0) & (peaks < len(height) - 1)]
    before, at, after = height[inner - 1], height[inner], height[inner + 1]
    bend = before - 2 * at + after
    shift = np.where(bend < 0, 0.5 * (before - after) / np.where(bend < 0, bend, 1), 0)
    return np.asarray(inner + np.clip(shift, -0.5, 0.5), dtype=np.float64)
