"""Slices taken at different times show the same wave at the same moment after correction."""

import numpy as np
import pytest

from crossfc.fault import Fault
from crossfc.session.slice_timing import correct_slice_timing, read_slice_timing

TR = 2.5
SLICES = 12

ASCENDING = np.arange(SLICES) * TR / SLICES
INTERLEAVED = np.empty(SLICES)
INTERLEAVED[0::2] = np.arange(6) * TR / SLICES
INTERLEAVED[1::2] = np.arange(6, 12) * TR / SLICES
MULTIBAND = np.tile(np.array([0, 2, 1, 3]) * TR / 4, 3)


def _wave(times, frequency, volumes=120):
    """A sine in every slice, read when that slice is taken; shape (2, 2, slices, volumes)."""
    at = np.arange(volumes) * TR + np.asarray(times)[:, None]
    series = 700 + 0.2 * at + 10 * np.sin(2 * np.pi * frequency * at + 0.7)
    return np.broadcast_to(series, (2, 2, *series.shape)).astype(np.float32)


@pytest.mark.parametrize("times", [ASCENDING, ASCENDING[::-1], INTERLEAVED, MULTIBAND])
@pytest.mark.parametrize("frequency", [0.02, 0.08, 0.15])
def test_a_wave_of_known_phase_is_recovered(times, frequency):
    timing, reason = read_slice_timing(
        {"SliceTiming": list(times)}, (2, 2, SLICES, 120), TR, "a_bold.nii.gz"
    )
    assert reason == ""
    assert timing.reference == pytest.approx((times.min() + times.max()) / 2)
    raw = _wave(times, frequency)
    corrected = correct_slice_timing(raw, timing, TR)
    goal = _wave(np.full(SLICES, timing.reference), frequency)
    before, after = np.abs(raw - goal), np.abs(corrected - goal)
    # Ten volumes from the ends the error is below 1 % of the amplitude up to 75 % of the Nyquist
    # frequency; in the band of resting-state fluctuations three volumes suffice.
    assert after[..., 10:-10].max() < 0.1
    assert after[..., 10:-10].max() < before[..., 10:-10].max() / 100
    if frequency < 0.1:
        assert after[..., 3:-3].max() < 0.1
        # The very ends hang on how the series is continued; they are not made worse.
        assert after.max() < before.max()


def test_slices_along_another_axis_and_backwards():
    times = np.arange(5) * TR / 5
    rng = np.random.default_rng(0)
    data = rng.normal(500, 5, (5, 3, 4, 60)).astype(np.float32)
    forwards, _ = read_slice_timing(
        {"SliceTiming": list(times), "SliceEncodingDirection": "i"}, data.shape, TR, "a"
    )
    backwards, _ = read_slice_timing(
        {"SliceTiming": list(times), "SliceEncodingDirection": "i-"}, data.shape, TR, "a"
    )
    assert forwards.axis == backwards.axis == 0
    np.testing.assert_array_equal(backwards.seconds, times[::-1])
    turned = correct_slice_timing(data[::-1], backwards, TR)[::-1]
    np.testing.assert_allclose(correct_slice_timing(data, forwards, TR), turned, atol=1e-3)


def test_the_slice_at_the_reference_and_early_volumes_are_left_alone():
    times = np.array([0.0, 1.0, 2.0])
    timing, _ = read_slice_timing({"SliceTiming": list(times)}, (2, 2, 3, 40), TR, "a")
    data = np.random.default_rng(1).normal(500, 5, (2, 2, 3, 40)).astype(np.float32)
    data[..., :3] += 800
    corrected = correct_slice_timing(data, timing, TR, first=3)
    np.testing.assert_array_equal(corrected[:, :, 1], data[:, :, 1])
    np.testing.assert_array_equal(corrected[..., :3], data[..., :3])
    assert np.abs(corrected[..., 3:] - 500).max() < 60
    assert corrected.dtype == np.float32


@pytest.mark.parametrize(
    ("sidecar", "sentence"),
    [
        ({}, "has no SliceTiming.*preprocessing.slice_timing: skip"),
        ({"SliceTiming": [0, 1, 2, 0.5]}, "lists 4 slices but the scan has 3 along k"),
        ({"SliceTiming": [0, -0.1, 1]}, r"negative time \(-0.1 s\)"),
        ({"SliceTiming": [0, 800, 1600]}, "looks like milliseconds; give seconds"),
        ({"SliceTiming": [0, 1, 2.5]}, "goes up to 2.5, beyond the repetition time"),
        ({"SliceTiming": [0, 1, None]}, "no list of numbers"),
        ({"SliceTiming": "ascending"}, "no list of numbers"),
        ({"SliceTiming": [0, 1, 2], "SliceEncodingDirection": "z"}, "SliceEncodingDirection 'z'"),
    ],
)
def test_faulty_slice_timing_is_refused(sidecar, sentence):
    with pytest.raises(Fault, match=sentence) as caught:
        read_slice_timing(sidecar, (4, 4, 3, 30), TR, "sub-01_bold.nii.gz")
    assert "sub-01_bold.nii.gz" in str(caught.value)


def test_a_mode_that_does_not_exist_is_refused():
    with pytest.raises(Fault, match='is "ignore"; choose "require" or "skip"'):
        read_slice_timing({}, (4, 4, 3, 30), TR, "a", "ignore")


@pytest.mark.parametrize(
    ("sidecar", "mode", "why"),
    [
        ({}, "skip", "no SliceTiming and preprocessing.slice_timing is skip"),
        ({"SliceTimingCorrected": True}, "require", "corrected already"),
        ({"SliceTiming": [0, 0, 0]}, "require", "same time"),
        ({"SliceTiming": [0, 1, 2], "MRAcquisitionType": "3D"}, "require", "3D acquisition"),
    ],
)
def test_where_nothing_is_to_be_done_it_is_said_why(sidecar, mode, why):
    timing, reason = read_slice_timing(sidecar, (4, 4, 3, 30), TR, "a", mode)
    assert timing is None
    assert why in reason
