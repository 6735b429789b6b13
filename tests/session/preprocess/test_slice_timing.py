"""Slices taken at different times show the same wave at the same moment after correction."""

import json
import tarfile
from collections import Counter

import numpy as np
import pytest

from crossfc.fault import Fault
from crossfc.session.preprocess.slice_timing import correct_slice_timing, read_slice_timing

TR = 2.5
VOLUMES = 120


def _ascending(slices):
    return np.arange(slices) * TR / slices


def _interleaved(slices, first):
    """Every second slice first, beginning with slice 0 or 1."""
    order = [*range(first, slices, 2), *range(1 - first, slices, 2)]
    times = np.empty(slices)
    times[order] = np.arange(slices) * TR / slices
    return times


def _multiband(slices, factor):
    """Slices that are slices / factor apart share a time; within a band every second one first."""
    band = slices // factor
    return np.tile(_interleaved(band, 0), factor)


ORDERS = {
    "45 ascending": _ascending(45),
    "44 descending": _ascending(44)[::-1],
    "43 interleaved": _interleaved(43, 0),
    "40 interleaved, second slice first": _interleaved(40, 1),
    "45 multiband 3": _multiband(45, 3),
    "64 multiband 8": _multiband(64, 8),
    "12 uneven, a pause at the end": np.round(_ascending(12) * 0.6 + 0.05, 4),
}


def _wave(times, frequency, axis=2):
    """A sine in every slice, read when that slice is taken; the other axes have 2 and 3 voxels."""
    at = np.arange(VOLUMES) * TR + np.asarray(times)[:, None]
    series = 700 + 0.2 * at + 10 * np.sin(2 * np.pi * frequency * at + 0.7)
    whole = np.broadcast_to(series, (2, 3, *series.shape)).astype(np.float32)
    return np.moveaxis(whole, 2, axis)


def _delays(data, frequency, reference, axis):
    """How much later than the reference each slice's wave is, seconds, fitted off the ends."""
    kept = slice(10, -10)
    at = np.arange(VOLUMES)[kept] * TR + reference
    turns = 2 * np.pi * frequency
    model = np.column_stack([np.ones(len(at)), at, np.sin(turns * at), np.cos(turns * at)])
    series = np.moveaxis(data, axis, 0)[:, 0, 0, kept].astype(float)
    _, _, sine, cosine = np.linalg.lstsq(model, series.T, rcond=None)[0]
    return (np.arctan2(cosine, sine) - 0.7) / turns


@pytest.mark.parametrize("axis", [2, 1, 0], ids=["axial", "coronal", "sagittal"])
@pytest.mark.parametrize("order", ORDERS)
def test_the_phase_of_a_wave_is_that_of_the_middle_of_the_acquisition(order, axis):
    """Slices along any axis of the image, with and without SliceEncodingDirection."""
    times = ORDERS[order]
    middle = (times.min() + times.max()) / 2
    for frequency in (0.02, 0.09):
        raw = _wave(times, frequency, axis)
        for sidecar in ({}, {"SliceEncodingDirection": "ijk"[axis]}):
            timing, reason = read_slice_timing(
                {"SliceTiming": list(times)} | sidecar, raw.shape, TR, "a_bold.nii.gz"
            )
            assert (timing.axis, timing.direction, reason) == (axis, "ijk"[axis], "")
            assert timing.reference == pytest.approx(middle, abs=5.1e-4)  # to the millisecond
            corrected = correct_slice_timing(raw, timing, TR)
            off = np.abs(_delays(corrected, frequency, timing.reference, axis)).max()
            before = np.abs(_delays(raw, frequency, timing.reference, axis)).max()
            assert before == pytest.approx(np.abs(times - timing.reference).max(), rel=0.01)
            assert off < 0.0002  # seconds, of up to 1.25


@pytest.mark.parametrize("order", ["45 ascending", "43 interleaved", "64 multiband 8"])
@pytest.mark.parametrize("frequency", [0.02, 0.08, 0.15])
def test_a_wave_is_recovered_up_to_its_ends(order, frequency):
    times = ORDERS[order]
    raw = _wave(times, frequency)
    timing, _ = read_slice_timing({"SliceTiming": list(times)}, raw.shape, TR, "a")
    corrected = correct_slice_timing(raw, timing, TR)
    goal = _wave(np.full(len(times), timing.reference), frequency)
    before, after = np.abs(raw - goal), np.abs(corrected - goal)
    # Ten volumes from the ends the error is below 1 % of the amplitude up to 75 % of the Nyquist
    # frequency; in the band of resting-state fluctuations three volumes suffice.
    assert after[..., 10:-10].max() < 0.1
    assert after[..., 10:-10].max() < before[..., 10:-10].max() / 100
    if frequency < 0.1:
        assert after[..., 3:-3].max() < 0.1
        # The very ends hang on how the series is continued; they are not made worse.
        assert after.max() < before.max()


@pytest.mark.parametrize(
    ("times", "reference"),
    [
        # The examples in fMRIPrep's own documentation of StartTime.
        ([0.0, 0.2, 0.4, 0.6], 0.3),
        ([0.0, 0.2, 0.4, 0.6, 0.8], 0.4),
        # numpy rounds half to even, and so do we: 0.5345 -> 0.534, the multiband run of rapidtide.
        ([0.0, 0.498, 1.069, 0.5], 0.534),
        ([0.05, 1.85, 1.0], 0.95),
    ],
)
def test_the_reference_is_the_start_time_of_fmriprep(times, reference):
    timing, _ = read_slice_timing({"SliceTiming": times}, (9, 9, len(times), 30), TR, "a")
    first, last = min(times), max(times)
    assert timing.reference == np.round(first + 0.5 * (last - first), 3) == reference


@pytest.mark.parametrize(
    ("shape", "slice_axis", "axis", "told_by"),
    [
        ((64, 64, 45), None, 2, "the number of slices"),
        ((45, 64, 64), None, 0, "the number of slices"),
        ((64, 45, 64), None, 1, "the number of slices"),
        ((64, 45, 64), 2, 1, "the number of slices"),  # a header that was not turned with its image
        ((45, 64, 45), 0, 0, "dim_info of the header"),
        ((45, 45, 45), 1, 1, "dim_info of the header"),
        ((45, 64, 45), None, 2, "the usual order of axes"),
        ((45, 64, 45), 1, 2, "the usual order of axes"),
    ],
)
def test_without_a_direction_the_axis_is_found(shape, slice_axis, axis, told_by):
    timing, _ = read_slice_timing(
        {"SliceTiming": list(_ascending(45))}, (*shape, 30), TR, "a", slice_axis=slice_axis
    )
    assert (timing.axis, timing.axis_from) == (axis, told_by)


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
        ({}, "has no SliceTiming; add it, or .*preprocessing.slice_timing: skip"),
        (
            {"SliceTiming": [0, 1, 2, 0.5], "SliceEncodingDirection": "k"},
            "lists 4 slices but the scan has 3 along k .6×5×3 voxels.; mend",
        ),
        ({"SliceTiming": [0, 1, 2, 0.5]}, "lists 4 slices but the scan has 6×5×3 voxels; mend"),
        ({"SliceTiming": []}, "lists 0 slices but the scan has 6×5×3 voxels; mend"),
        ({"SliceTiming": [0, -0.1, 1]}, r"negative time \(-0.1 s\); give"),
        ({"SliceTiming": [0, 800, 1600]}, "looks like milliseconds; divide it by 1000"),
        ({"SliceTiming": [0, 1, 2.5]}, "goes up to 2.5, beyond the repetition time.*; find out"),
        ({"SliceTiming": [0, 1, None]}, r"SliceTiming \[0, 1, null\]; give a plain list"),
        ({"SliceTiming": [[0, 1, 2]]}, r"SliceTiming \[\[0, 1, 2\]\]; give a plain list"),
        ({"SliceTiming": ["0", "1", "2"]}, "give a plain list of numbers"),
        ({"SliceTiming": [0, True, 2]}, "give a plain list of numbers"),
        ({"SliceTiming": [0, float("nan"), 2]}, "give a plain list of numbers"),
        ({"SliceTiming": "ascending"}, 'SliceTiming "ascending"; give a plain list'),
        ({"SliceTiming": 0.5}, "SliceTiming 0.5; give a plain list"),
        (
            {"SliceTiming": [0, 1, 2], "SliceEncodingDirection": "z"},
            'SliceEncodingDirection "z"; give i, j or k',
        ),
        (
            {"SliceTiming": [0, 1, 2], "SliceTimingCorrected": "yes"},
            'SliceTimingCorrected "yes"; give true or false',
        ),
    ],
)
def test_faulty_slice_timing_is_refused(sidecar, sentence):
    with pytest.raises(Fault, match=sentence) as caught:
        read_slice_timing(sidecar, (6, 5, 3, 30), TR, "sub-01_bold.nii.gz")
    assert "sub-01_bold.nii.gz" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_axis_that_cannot_be_told_is_refused():
    with pytest.raises(Fault, match="fits two axes of the scan .*; add SliceEncodingDirection"):
        read_slice_timing({"SliceTiming": [0, 1, 2]}, (3, 3, 5, 30), TR, "a")


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


def test_every_run_of_the_ketamine_trial_is_understood(shared_data):
    """ds005917: sidecars of 250 real runs, 45 slices but for three, without a direction."""
    found = Counter()
    with tarfile.open(shared_data / "ds005917_v1.0.1_metadata.tar.gz") as archive:
        for member in archive:
            name = member.name.rsplit("/", 1)[-1]
            if not (name.startswith("sub-") and name.endswith("task-rest_run-01_bold.json")):
                continue
            sidecar = json.load(archive.extractfile(member))
            slices = len(sidecar["SliceTiming"])
            shape = (64, 64, slices, 192)
            timing, _ = read_slice_timing(sidecar, shape, sidecar["RepetitionTime"], name)
            found[slices, timing.direction, timing.reference] += 1
    assert sum(found.values()) > 230
    assert set(found) == {
        (45, "k", 1.222),
        (44, "k", 1.222),
        (43, "k", 1.221),
        (40, "k", 1.219),
    }


def test_lost_volumes_leak_into_no_other():
    """Zeros at the end, the start and within: the others are as if the zeros were not there."""
    timing, _ = read_slice_timing(
        {"SliceTiming": ORDERS["43 interleaved"].tolist()}, (2, 3, 43, VOLUMES), TR, "a scan"
    )
    whole = _wave(ORDERS["43 interleaved"], 0.02)
    spoilt = whole.copy()
    lost = np.zeros(VOLUMES, dtype=bool)
    lost[[0, 1, 50, *range(100, VOLUMES)]] = True
    spoilt[..., lost] = 0
    found = correct_slice_timing(spoilt, timing, TR, lost=lost)
    np.testing.assert_array_equal(found[..., lost], 0)
    expected = correct_slice_timing(whole[..., 2:100], timing, TR)
    # The wave has an amplitude of 10; without this the zero volume rings with some 100.
    apart = np.abs(found[..., 2:100] - expected)[..., np.delete(np.arange(98), 48)]
    assert apart.max() < 0.35
    lost[50], spoilt[..., 50] = False, whole[..., 50]
    found = correct_slice_timing(spoilt, timing, TR, lost=lost)
    np.testing.assert_array_equal(found[..., 2:100], expected)
    lost[:] = True
    np.testing.assert_array_equal(correct_slice_timing(whole, timing, TR, lost=lost), whole)
