"""What a scan itself shows of breathing, arousal and the pose of the head, besides its motion.

Such measures are rivals of a drug's effect on connectivity: a drug may act on the breath or on the
pose of the head, and these on the scan. None of them depends on connectivity or outcome.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from crossfc.array import BoolArray, FloatArray, RealArray
from crossfc.session.connectivity.confounds import Confounds
from crossfc.session.connectivity.record import ScanMeasures

# Breaths per second (Hz) at rest: 12 to 30 a minute.
RESPIRATORY_BAND_HZ = (0.2, 0.5)
# Deep breaths, and bursts of breathing whose depth tapers and grows again, move the global signal
# in cycles of some 20 to 100 s (Power et al. 2018, PNAS 115:E2105; Lynch et al. 2020, Nat Commun
# 11:5290).
BURST_BAND_HZ = (0.01, 0.05)
# Slower than this is drift, and no part of the power that is shared out.
_DRIFT_HZ = 0.01
# The height of bursts: what the envelope of the slow global signal exceeds in 5 % of the volumes.
_HEIGHT = 0.95
# A band of fewer frequencies, and a scan of which fewer volumes are sound, says too little.
_FEWEST_FREQUENCIES, _LEAST_SOUND = 3, 0.5
# Of most scans of the brain the direction of phase encoding is that from back to front.
_USUAL_AXIS = "y"
TO_T1W = "pose against the person's T1w"


def scan_measures(
    series: RealArray,
    mean: RealArray,
    inside: BoolArray,
    usable: BoolArray,
    repetition_time: float,
    confounds: Confounds,
    sidecar: Mapping[str, Any],
    pose: FloatArray | None,
    *,
    has_mean: bool,
) -> ScanMeasures:
    """Measure the global signal, breathing in the motion parameters, and the pitch of the head.

    Parameters
    ----------
    series : (t, z, y, x) float
        The unsmoothed series without their means.
    mean : (z, y, x) float
        The means.
    inside : (z, y, x) bool
        Voxels of the brain with signal.
    usable : (t,) bool
        Valid volumes in the steady state.
    repetition_time : float
        Seconds.
    confounds : Confounds
    sidecar : mapping
        The scan's; ``PhaseEncodingDirection`` is read.
    pose : (4, 4) float or None
        Matrix from points of the person's T1w to points of the scan, mm, RAS+; None if not known.
    has_mean : bool
        False of a series that was demeaned, whose percentages are not defined.

    Returns
    -------
    ScanMeasures
        What cannot be measured is None, with the reason in ``unmeasured``.
    """
    unmeasured: dict[str, str] = {}
    found: ScanMeasures = {
        "global_signal_sd": None,
        "global_signal_bursts": None,
        "respiratory_motion": None,
        "respiratory_motion_axis": None,
        "respiratory_motion_to_hz": None,
        "head_pitch": None,
        "head_pitch_source": None,
        "unmeasured": unmeasured,
    }
    level = float(mean[inside].mean(dtype=np.float64))
    if not has_mean or level <= 0:
        unmeasured["global_signal"] = "the series has no mean, of which a percentage could be told"
    else:
        # Volume by volume, because a copy of the voxels inside would be as large as the scan.
        signal = np.array([volume[inside].mean(dtype=np.float64) for volume in series])
        percent = 100 * signal / level
        found["global_signal_sd"] = _number(global_signal_sd(percent, usable))
        bursts = global_signal_bursts(percent, usable, repetition_time)
        found["global_signal_bursts"] = _number(bursts)
        if found["global_signal_bursts"] is None:
            unmeasured["global_signal_bursts"] = "the scan is too short, or too little of it valid"
    _respiration(found, confounds, usable, repetition_time, sidecar)
    if pose is None:
        unmeasured["head_pitch"] = "the coregistration with the T1w is not known"
    else:
        found["head_pitch"] = head_pitch(pose)
        found["head_pitch_source"] = TO_T1W
    return found


def global_signal_sd(percent: FloatArray, usable: BoolArray) -> float:
    """Return the standard deviation of the global signal, % of its mean.

    Linear and quadratic trends are removed. Wong et al. 2013 (NeuroImage 83:983) call it the
    amplitude of the global signal.

    Parameters
    ----------
    percent : (t,) float
        The mean over the brain, in percent of its mean in time.
    usable : (t,) bool
        Volumes that count.

    Returns
    -------
    float
        NaN with fewer than five volumes.
    """
    values = percent[usable]
    if len(values) < 5:
        return np.nan
    return float(_without_trend(values, np.flatnonzero(usable).astype(float), 2).std())


def global_signal_bursts(percent: FloatArray, usable: BoolArray, repetition_time: float) -> float:
    """Return the height of the slow bursts of the global signal, % of its mean.

    It is the 95th percentile over the scan of the envelope (the size of the analytic signal;
    Gabor 1946, J Inst Electr Eng 93:429) of the global signal between 0.01 and 0.05 Hz
    (`BURST_BAND_HZ`). The standard deviation is that of the whole scan; this is how far the signal
    swings while it does.

    Parameters
    ----------
    percent : (t,) float
        The mean over the brain, in percent of its mean in time.
    usable : (t,) bool
        Volumes that count; others are interpolated.
    repetition_time : float
        Seconds.

    Returns
    -------
    float
        NaN if fewer than half of the volumes are usable, or the scan is too short for the band.
    """
    values = _filled(percent, usable)
    if values is None:
        return np.nan
    frequencies = np.fft.fftfreq(len(values), repetition_time)
    low, high = BURST_BAND_HZ
    # The spectrum of the analytic signal: positive frequencies, twice.
    kept = (frequencies >= low) & (frequencies <= high)
    if kept.sum() < _FEWEST_FREQUENCIES:
        return np.nan
    analytic = np.fft.ifft(np.where(kept, 2 * np.fft.fft(values), 0))
    return float(np.quantile(np.abs(analytic)[usable], _HEIGHT))


def respiratory_share(parameter: FloatArray, usable: BoolArray, repetition_time: float) -> float:
    """Return the share of a motion parameter's power that is at the rate of breathing, 0 to 1.

    Breathing moves the head, and shifts the image along the direction of phase encoding without
    any motion (Power et al. 2019, NeuroImage 201:116041; Fair et al. 2020, NeuroImage 208:116400).
    The power is that of the periodogram under a Hann window, without a straight line; the share is
    that of 0.2 to 0.5 Hz, or to the highest frequency of the scan, in all above 0.01 Hz.

    Parameters
    ----------
    parameter : (t,) float
        mm or radians.
    usable : (t,) bool
        Volumes that count; others are interpolated.
    repetition_time : float
        Seconds.

    Returns
    -------
    float
        NaN if the scan has too few frequencies in the band, or the parameter does not vary.
    """
    values = _filled(parameter, usable)
    if values is None:
        return np.nan
    power = np.abs(np.fft.rfft(values * np.hanning(len(values)))) ** 2
    frequencies = np.fft.rfftfreq(len(values), repetition_time)
    low, high = RESPIRATORY_BAND_HZ
    band = (frequencies >= low) & (frequencies <= high)
    whole = power[frequencies > _DRIFT_HZ].sum()
    if band.sum() < _FEWEST_FREQUENCIES or whole <= 1e-20 * max(float(np.ptp(parameter)), 1):
        return np.nan
    return float(power[band].sum() / whole)


def highest_breathing(repetition_time: float) -> float:
    """Return up to which rate breathing is in the respiratory band of a scan, Hz.

    Above the Nyquist frequency 1 / (2 TR) a rate f is seen at 1 / TR - f. What is folded into the
    band again is in it, so with TR 2 s (Nyquist 0.25 Hz) breathing of 0.2 to 0.3 Hz is; faster
    breathing is folded below the band, to where it cannot be told from drift.

    Parameters
    ----------
    repetition_time : float
        Seconds.

    Returns
    -------
    float
        At most the upper end of the band; not above its lower end where the scan has no such band.
    """
    low, high = RESPIRATORY_BAND_HZ
    return min(high, 1 / repetition_time - low)


def head_pitch(pose: FloatArray) -> float:
    """Return how far the head is tilted back against its pose in the T1w, degrees.

    It is that of the scan's reference image. The motion parameters are not added: they are about
    the axes of the grid, which need not be those of the head.

    Parameters
    ----------
    pose : (4, 4) float
        Matrix from points of the T1w to points of the scan's reference, mm, RAS+.

    Returns
    -------
    float
        The rotation about the axis from left to right; positive with the nose up. Sessions of a
        person that have one T1w can be compared.
    """
    # The rotation that is nearest to the matrix, which may also scale.
    left, _, right = np.linalg.svd(pose[:3, :3])
    rotation = left @ right
    return float(np.degrees(np.arctan2(rotation[2, 1], rotation[2, 2])))


def _respiration(
    found: ScanMeasures,
    confounds: Confounds,
    usable: BoolArray,
    repetition_time: float,
    sidecar: Mapping[str, Any],
) -> None:
    """Fill in what the motion parameters show of breathing."""
    low, unmeasured = RESPIRATORY_BAND_HZ[0], found["unmeasured"]
    highest = highest_breathing(repetition_time)
    if highest <= low:
        unmeasured["respiratory_motion"] = (
            f"a repetition time of {repetition_time:g} s samples frequencies up to "
            f"{0.5 / repetition_time:.2f} Hz, so that breathing is folded to below {low:g} Hz"
        )
        return
    # Axes i, j and k of the image are those along which MCFLIRT, and so fMRIPrep, tells motion.
    told = sidecar.get("PhaseEncodingDirection")
    axis = dict(zip("ijk", "xyz", strict=True)).get(str(told)[:1])
    name = f"trans_{axis or _USUAL_AXIS}"
    if name not in confounds.columns:
        unmeasured["respiratory_motion"] = f"the confounds have no {name}"
        return
    share = respiratory_share(confounds.columns[name], usable, repetition_time)
    found["respiratory_motion"] = _number(share)
    if found["respiratory_motion"] is None:
        unmeasured["respiratory_motion"] = "the scan is too short, or its motion is not known"
        return
    found["respiratory_motion_axis"] = (
        f"{axis} (phase encoding)" if axis else f"{_USUAL_AXIS} (phase encoding not stated)"
    )
    found["respiratory_motion_to_hz"] = highest


def _filled(values: FloatArray, usable: BoolArray) -> FloatArray | None:
    """Interpolate what does not count, and remove a straight line; None if too little counts."""
    known = usable & np.isfinite(values)
    if known.sum() < max(_LEAST_SOUND * len(values), 5):
        return None
    places = np.arange(len(values), dtype=float)
    filled = np.interp(places, places[known], values[known])
    return _without_trend(filled, places, 1)


def _without_trend(values: FloatArray, places: FloatArray, order: int) -> FloatArray:
    """Return residuals on a polynomial of time."""
    time = (places - places.mean()) / max(float(np.ptp(places)), 1.0)
    columns = np.vander(time, order + 1)
    rest: FloatArray = values - columns @ np.linalg.lstsq(columns, values, rcond=None)[0]
    return rest


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
