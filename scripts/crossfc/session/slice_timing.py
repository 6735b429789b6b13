"""Slices of one volume are taken one after the other: bring them to one moment.

Each slice's series is shifted in time by a phase ramp in the frequency domain, which is exact for
everything below the Nyquist frequency (as AFNI's 3dTshift -Fourier). The ends are continued by
point reflection, which keeps value and slope, so that the ends do not ring.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from crossfc.fault import Fault

_AXES = {"i": 0, "j": 1, "k": 2}


@dataclass(frozen=True)
class SliceTiming:
    """When each slice is taken.

    Attributes
    ----------
    seconds : ndarray, shape (slices,)
        Time after the start of the volume, in the order of the voxel index along `axis`.
    axis : int
        Array axis of the slices.
    reference : float
        The moment all slices are brought to: half-way between the first and the last slice, the
        middle of the acquisition (the default of fMRIPrep, ``--slice-time-ref 0.5``).
    """

    seconds: np.ndarray
    axis: int
    reference: float


def read_slice_timing(
    sidecar: Mapping[str, Any],
    shape: tuple[int, ...],
    repetition_time: float,
    scan: object,
    slice_timing: str = "require",
) -> tuple[SliceTiming | None, str]:
    """Read and check SliceTiming; say why where nothing is to be done.

    Parameters
    ----------
    sidecar : mapping
        Merged JSON of the scan; SliceTiming in seconds, SliceEncodingDirection (default ``k``;
        with a minus the list begins at the highest index), SliceTimingCorrected.
    shape : tuple of int
        Of the scan.
    repetition_time : float
        Seconds.
    scan : path
        Named in faults.
    slice_timing : {"require", "skip"}
        What to do where the scan has no SliceTiming.

    Returns
    -------
    timing : SliceTiming or None
        None where no correction is to be made.
    reason : str
        Why not, else "".

    Raises
    ------
    Fault
        If SliceTiming is missing and required, or does not fit the scan.
    """
    if slice_timing not in ("require", "skip"):
        raise Fault(f'preprocessing.slice_timing is "{slice_timing}"; choose "require" or "skip"')
    if sidecar.get("SliceTimingCorrected") is True:
        return None, "the sidecar says that slice timing has been corrected already"
    listed = sidecar.get("SliceTiming")
    if listed is None:
        if slice_timing == "require":
            raise Fault(
                f"the sidecar of {scan} has no SliceTiming; add it, or go on without the "
                "correction by setting preprocessing.slice_timing: skip"
            )
        return None, "the sidecar has no SliceTiming and preprocessing.slice_timing is skip"
    if sidecar.get("MRAcquisitionType") == "3D":
        return None, "the scan is a 3D acquisition, which has no slices in time"
    direction = sidecar.get("SliceEncodingDirection", "k")
    if direction not in ("i", "j", "k", "i-", "j-", "k-"):
        raise Fault(
            f"the sidecar of {scan} has SliceEncodingDirection {direction!r}; give i, j or k, "
            "with a minus where the list begins at the highest index"
        )
    axis = _AXES[direction[0]]
    try:
        seconds = np.asarray(listed, dtype=np.float64)
    except (TypeError, ValueError):
        seconds = np.full(1, np.nan)
    if seconds.ndim != 1 or not np.isfinite(seconds).all():
        raise Fault(f"SliceTiming in the sidecar of {scan} is no list of numbers; mend it")
    if len(seconds) != shape[axis]:
        raise Fault(
            f"SliceTiming in the sidecar of {scan} lists {len(seconds)} slices but the scan has "
            f"{shape[axis]} along {direction[0]}; mend SliceTiming or SliceEncodingDirection"
        )
    if seconds.min() < 0:
        raise Fault(
            f"SliceTiming in the sidecar of {scan} has a negative time ({seconds.min():g} s); "
            "times count from the start of the volume"
        )
    if seconds.max() >= repetition_time:
        milliseconds = 10 < seconds.max() < 1000 * repetition_time
        raise Fault(
            f"SliceTiming in the sidecar of {scan} goes up to {seconds.max():g}, beyond the "
            f"repetition time of {repetition_time:g} s"
            + (": it looks like milliseconds; give seconds" if milliseconds else "; mend it")
        )
    if direction.endswith("-"):
        seconds = seconds[::-1]
    if np.ptp(seconds) == 0:
        return None, "all slices are taken at the same time"
    return SliceTiming(seconds, axis, float(seconds.min() + seconds.max()) / 2), ""


def correct_slice_timing(
    data: np.ndarray, timing: SliceTiming, repetition_time: float, first: int = 0
) -> np.ndarray:
    """Bring all slices to the reference moment.

    Parameters
    ----------
    data : ndarray, shape (x, y, z, volumes)
    timing : SliceTiming
    repetition_time : float
        Seconds.
    first : int
        Volumes before this one are copied as they are: the bright ones before the steady state
        would leak into their neighbours.

    Returns
    -------
    ndarray of float32, shape (x, y, z, volumes)
    """
    corrected = np.array(data, dtype=np.float32)
    for index, seconds in enumerate(timing.seconds):
        place: list[Any] = [slice(None)] * 4
        place[timing.axis] = index
        place[3] = slice(first, None)
        ahead = (timing.reference - seconds) / repetition_time
        corrected[tuple(place)] = _later(corrected[tuple(place)], ahead)
    return corrected


def _later(series: np.ndarray, ahead: float) -> np.ndarray:
    """Read series (…, volumes) ``ahead`` volumes later, by a phase ramp."""
    from scipy import fft

    if ahead == 0:
        return series
    n = series.shape[-1]
    length = fft.prev_fast_len(3 * n - 2, real=True)
    before = (length - n) // 2
    after = length - n - before
    first, last = series[..., :1], series[..., -1:]
    extended = np.concatenate(
        [
            2 * first - series[..., before:0:-1],
            series,
            2 * last - series[..., -2 : -after - 2 : -1],
        ],
        axis=-1,
    )
    # Without the line between its ends, the extended series closes on itself.
    at = np.arange(length, dtype=np.float32)
    start = extended[..., :1]
    slope = (extended[..., -1:] - start) / np.float32(length - 1)
    spectrum = fft.rfft(extended - (start + slope * at), axis=-1)
    ramp = np.exp(2j * np.pi * fft.rfftfreq(length) * ahead)
    if length % 2 == 0:
        ramp[-1] = ramp[-1].real
    shifted = fft.irfft(spectrum * ramp.astype(np.complex64), length, axis=-1)
    kept = slice(before, before + n)
    return shifted[..., kept] + start + slope * (at[kept] + np.float32(ahead))
