"""Slice timing correction: shift all slices of a volume to the same moment.

The order of steps is that of fMRIPrep (read in 25.2): head motion is estimated on the raw series;
slices are shifted in time on the grid on which they were acquired, because interpolation in space
would mix slices; then motion and all other transforms are applied in one spatial interpolation. The
reference moment is also fMRIPrep's: half-way between the first and the last slice
(``--slice-time-ref 0.5``), to the millisecond. It becomes StartTime in the sidecar of the result.

The series of each slice is shifted in time by a phase ramp in the frequency domain, which is exact
for everything below the Nyquist frequency (as AFNI's 3dTshift -Fourier). Both ends are extended by
point reflection, which keeps value and slope and so avoids ringing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from crossfc.array import RealArray
from crossfc.fault import Fault
from crossfc.session.sidecar import check_sidecar

_AXES = "ijk"


@dataclass(frozen=True)
class SliceTiming:
    """Acquisition times of the slices.

    Attributes
    ----------
    seconds : ndarray, shape (slices,)
        Time after the start of the volume (s), in the order of the voxel index along `axis`. In a
        multiband scan several slices have the same time.
    axis : int
        Array axis of the slices.
    axis_from : str
        Where the axis is known from, for the record.
    reference : float
        Moment to which all slices are shifted, seconds after the start of the volume.
    """

    seconds: np.ndarray
    axis: int
    axis_from: str
    reference: float

    @property
    def direction(self) -> str:
        """The axis as BIDS names it: i, j or k."""
        return _AXES[self.axis]


def read_slice_timing(
    sidecar: Mapping[str, Any],
    shape: tuple[int, ...],
    repetition_time: float,
    scan: object,
    slice_timing: str = "require",
    slice_axis: int | None = None,
) -> tuple[SliceTiming | None, str]:
    """Read and check SliceTiming, and decide whether a correction is needed.

    Parameters
    ----------
    sidecar : mapping
        Merged JSON of the scan. Used are SliceTiming (seconds), SliceEncodingDirection (with a
        minus, the list begins at the highest index), SliceTimingCorrected and MRAcquisitionType.
    shape : tuple of int
        Shape of the scan.
    repetition_time : float
        Seconds.
    scan : path
        The scan to name in error messages.
    slice_timing : {"require", "skip"}
        What to do if the scan has no SliceTiming.
    slice_axis : int, optional
        Array axis of the slices according to the header (dim_info).

    Returns
    -------
    timing : SliceTiming or None
        None if no correction is to be made.
    reason : str
        Why no correction is made; empty if it is.

    Raises
    ------
    Fault
        If SliceTiming is missing and required, is of a wrong type, or does not fit the scan.
    """
    if slice_timing not in ("require", "skip"):
        raise Fault(f'preprocessing.slice_timing is "{slice_timing}"; choose "require" or "skip"')
    check_sidecar(sidecar, scan)
    if sidecar.get("SliceTimingCorrected") is True:
        return None, "the sidecar says that slice timing has been corrected already"
    if sidecar.get("MRAcquisitionType") == "3D":
        return None, "the scan is a 3D acquisition, which has no slices in time"
    listed = sidecar.get("SliceTiming")
    if listed is None:
        if slice_timing == "require":
            raise Fault(
                f"the sidecar of {scan} has no SliceTiming; add it, or go on without the "
                "correction by setting preprocessing.slice_timing: skip"
            )
        return None, "the sidecar has no SliceTiming and preprocessing.slice_timing is skip"
    direction = sidecar.get("SliceEncodingDirection")
    axis, axis_from = _slice_axis(direction, len(listed), shape, slice_axis, scan)
    seconds = np.asarray(listed, dtype=np.float64)
    if seconds.min() < 0:
        raise Fault(
            f"SliceTiming in the sidecar of {scan} has a negative time ({seconds.min():g} s); "
            "give times from the start of the volume"
        )
    if seconds.max() >= repetition_time:
        milliseconds = 10 < seconds.max() < 1000 * repetition_time
        raise Fault(
            f"SliceTiming in the sidecar of {scan} goes up to {seconds.max():g}, beyond the "
            f"repetition time of {repetition_time:g} s"
            + (
                ": it looks like milliseconds; divide it by 1000"
                if milliseconds
                else "; find out which of the two is right and mend the other"
            )
        )
    if np.ptp(seconds) == 0:
        return None, "SliceTiming says that all slices are taken at the same time"
    if direction is not None and direction.endswith("-"):
        seconds = seconds[::-1]
    reference = round(float(seconds.min() + seconds.max()) / 2, 3)
    return SliceTiming(seconds, axis, axis_from, reference), ""


def _slice_axis(
    direction: str | None,
    slices: int,
    shape: tuple[int, ...],
    slice_axis: int | None,
    scan: object,
) -> tuple[int, str]:
    """Find the array axis of the slices, and where it is known from.

    It is taken from SliceEncodingDirection if that is given, and otherwise from the header (as BIDS
    says). Many headers do not contain it; then the axis follows from the number of slices.
    """
    size = "×".join(map(str, shape[:3]))
    fits = [axis for axis in range(3) if shape[axis] == slices]
    if direction is not None:
        axis = _AXES.index(direction[0])
        if axis not in fits:
            raise Fault(
                f"SliceTiming in the sidecar of {scan} lists {slices} slices but the scan has "
                f"{shape[axis]} along {direction[0]} ({size} voxels); mend SliceTiming or "
                "SliceEncodingDirection"
            )
        return axis, "SliceEncodingDirection"
    if not fits:
        raise Fault(
            f"SliceTiming in the sidecar of {scan} lists {slices} slices but the scan has {size} "
            "voxels; mend SliceTiming"
        )
    if slice_axis in fits:
        return slice_axis, "dim_info of the header"
    if len(fits) == 1:
        return fits[0], "the number of slices"
    if 2 in fits:
        # ASSUME: the axis is k, as fMRIPrep and all converters take it; this is only wrong for an
        # image whose axes were rearranged.
        return 2, "the usual order of axes"
    raise Fault(
        f"SliceTiming in the sidecar of {scan} lists {slices} slices, which fits two axes of the "
        f"scan ({size} voxels); add SliceEncodingDirection"
    )


def correct_slice_timing(
    data: np.ndarray,
    timing: SliceTiming,
    repetition_time: float,
    first: int = 0,
    lost: np.ndarray | None = None,
) -> np.ndarray:
    """Shift all slices in time to the reference moment.

    Parameters
    ----------
    data : ndarray, shape (x, y, z, volumes)
    timing : SliceTiming
    repetition_time : float
        Seconds.
    first : int
        Volumes before this one are copied unchanged and not used, because the bright volumes
        before the steady state would leak into their neighbours.
    lost : ndarray of bool, shape (volumes,), optional
        Lost volumes, which do not show the whole head. They are copied unchanged. So that they do
        not leak into other volumes, they are replaced by a linear interpolation of their
        neighbours during the shift; lost volumes at the ends of the run are left out of it.

    Returns
    -------
    ndarray of float32, shape (x, y, z, volumes)
    """
    corrected = np.array(data, dtype=np.float32)
    lost = np.zeros(data.shape[3], dtype=bool) if lost is None else lost
    whole = np.flatnonzero(~lost)
    whole = whole[whole >= first]
    if not whole.size:
        return corrected
    moved = slice(int(whole[0]), int(whole[-1]) + 1)
    gaps = np.flatnonzero(lost[moved])
    for index, seconds in enumerate(timing.seconds):
        place: list[Any] = [slice(None)] * 4
        place[timing.axis] = index
        place[3] = moved
        ahead = (timing.reference - seconds) / repetition_time
        series = corrected[tuple(place)]
        own = series[..., gaps]  # a copy
        series[..., gaps] = _between(series, gaps)
        later = _later(series, ahead)
        later[..., gaps] = own
        corrected[tuple(place)] = later
    return corrected


def _between(series: np.ndarray, gaps: np.ndarray) -> np.ndarray:
    """Interpolate gaps linearly between their neighbours, along the last axis.

    The first and the last volume must not be gaps.
    """
    known = np.setdiff1d(np.arange(series.shape[-1]), gaps)
    after = np.searchsorted(known, gaps)
    left, right = known[after - 1], known[after]
    share = ((gaps - left) / (right - left)).astype(np.float32)
    between: RealArray = series[..., left] * (1 - share) + series[..., right] * share
    return between


def _later(series: np.ndarray, ahead: float) -> np.ndarray:
    """Return series (…, volumes) as they are ``ahead`` volumes later, by a phase ramp."""
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
    # Subtract the line between its ends, so that the extended series is periodic.
    at = np.arange(length, dtype=np.float32)
    start = extended[..., :1]
    slope = (extended[..., -1:] - start) / np.float32(length - 1)
    spectrum = fft.rfft(extended - (start + slope * at), axis=-1)
    ramp = np.exp(2j * np.pi * fft.rfftfreq(length) * ahead)
    if length % 2 == 0:
        ramp[-1] = ramp[-1].real
    shifted = fft.irfft(spectrum * ramp.astype(np.complex64), length, axis=-1)
    kept = slice(before, before + n)
    later: RealArray = shifted[..., kept] + start + slope * (at[kept] + np.float32(ahead))
    return later
