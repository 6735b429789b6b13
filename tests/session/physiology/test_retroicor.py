"""RETROICOR and the respiration response, against loops and formulas written out."""

import math

import neurokit2
import numpy as np
import pytest

from crossfc.session.physiology.beat import Beats, find_beats
from crossfc.session.physiology.breath import find_breaths
from crossfc.session.physiology.response import respiration_response, respiratory_volume_regressor
from crossfc.session.physiology.retroicor import (
    cardiac_phase,
    harmonics,
    interaction,
    respiratory_phase,
)
from tests.session.physiology.recorded import beat_times, belt, ecg, pulse, trace

SECONDS = 120.0
VOLUMES = np.arange(60) * 2.0 + 1.0


def beats_of(times, recorded=(-5.0, 125.0)):
    return Beats(np.asarray(times), recorded, "pulse", SECONDS, 100.0)


def test_cardiac_phase_by_hand():
    beats = beat_times(SECONDS)
    phase = cardiac_phase(beats_of(beats), VOLUMES)
    for time, own in zip(VOLUMES, phase, strict=True):
        before, after = beats[beats <= time].max(), beats[beats > time].min()
        assert own == pytest.approx(2 * math.pi * (time - before) / (after - before), abs=1e-9)


def test_cardiac_phase_agrees_with_neurokit():
    hz = 100
    times = np.arange(0, SECONDS, 1 / hz)
    found = find_beats(trace(ecg(times, beat_times(SECONDS)), hz), SECONDS)
    peaks = np.round(found.times * hz).astype(int)
    marks = np.zeros(len(times))
    marks[peaks] = 1
    expected = 2 * np.pi * neurokit2.signal_phase(marks, method="percent")
    inner = (found.times[0] < VOLUMES) & (found.times[-1] > VOLUMES)
    apart = cardiac_phase(found, VOLUMES) - expected[np.round(VOLUMES * hz).astype(int)]
    apart = (apart + np.pi) % (2 * np.pi) - np.pi
    # Half a sample of 10 ms in a beat of 0.9 s, at either end.
    assert np.abs(apart[inner]).max() < 2 * np.pi * 0.02 / 0.9


def test_a_missed_and_a_false_beat_leave_the_phase_as_it_is():
    even = np.arange(-5, 126, 0.8)
    expected = cardiac_phase(beats_of(even), VOLUMES)
    without = np.delete(even, [30, 31, 60])
    with_one = np.sort(np.append(even, even[100] + 0.3))
    for times in (without, with_one):
        apart = np.exp(1j * cardiac_phase(beats_of(times), VOLUMES)) - np.exp(1j * expected)
        assert np.abs(apart).max() < 1e-6


def test_phases_before_the_first_beat_go_on_and_outside_the_recording_are_missing():
    even = np.arange(4.0, 100, 0.8)
    phase = cardiac_phase(beats_of(even, (0.0, 103.0)), VOLUMES)
    expected = 2 * np.pi * ((VOLUMES - 4.0) / 0.8 % 1)
    there = VOLUMES <= 103
    assert np.exp(1j * phase[there]) == pytest.approx(np.exp(1j * expected[there]), abs=1e-6)
    assert np.isnan(phase[~there]).all() and (~there).any()


def test_respiratory_phase_by_hand():
    hz = 20.0
    times = np.arange(0, SECONDS, 1 / hz)
    breaths = find_breaths(trace(belt(times, 14.0, deep=(60.0,)), hz), SECONDS)
    values = breaths.trace.values - breaths.trace.values.min()
    highest = values.max()
    moments = times[20:-20:37]
    phase = respiratory_phase(breaths, moments)
    for moment, own in zip(moments, phase, strict=True):
        at = round(moment * hz)
        # Counted one by one: how many samples lie in the steps up to that of this sample.
        step = round(100 * values[at] / highest)
        below = sum(1 for value in values if value < step * highest / 100)
        sign = -1 if values[at + 1] < values[at - 1] else 1
        assert own == pytest.approx(sign * math.pi * below / len(values), abs=0.01)
    # Of even breaths the end of breathing in is π in size, that of breathing out 0.
    even = find_breaths(trace(belt(times, 14.0), hz), SECONDS)
    assert np.abs(respiratory_phase(even, even.peaks[2:-2])).min() > 0.9 * np.pi
    assert np.abs(respiratory_phase(even, even.troughs[2:-2])).max() < 0.1 * np.pi


def test_columns_are_cosines_and_sines_of_multiples():
    phase = np.linspace(0, 6, 50)
    columns = harmonics(phase, "cardiac", 2)
    assert list(columns) == [f"retroicor_cardiac_{c}" for c in ("cos1", "sin1", "cos2", "sin2")]
    assert columns["retroicor_cardiac_sin2"] == pytest.approx(np.sin(2 * phase))
    both = interaction(phase, phase[::-1])
    assert len(both) == 4
    assert both["retroicor_difference_cos1"] == pytest.approx(np.cos(phase - phase[::-1]))


@pytest.mark.parametrize(("offset", "least"), [(0.0, 0.999), (0.25, 0.9)])
def test_what_the_phase_explains_of_slices_taken_elsewhere_in_the_volume(offset, least):
    """At 1 s per volume and a heart of usual variability; a quarter of a volume is a shift only."""
    moments = np.arange(110) * 1.0 + 0.5
    beats = beats_of(beat_times(SECONDS))
    columns = np.column_stack(
        [np.ones(110), *harmonics(cardiac_phase(beats, moments), "cardiac", 1).values()]
    )
    planted = np.cos(cardiac_phase(beats, moments + offset))
    left = planted - columns @ np.linalg.lstsq(columns, planted, rcond=None)[0]
    assert 1 - left.var() / planted.var() > least


def test_response_is_the_published_formula():
    for t in (0.0, 1.0, 3.36, 10.0, 16.0, 40.0):
        expected = 0.6 * t**2.1 * math.exp(-t / 1.6) - 0.0023 * t**3.54 * math.exp(-t / 4.25)
        assert respiration_response(np.array([t]))[0] == pytest.approx(expected, abs=1e-12)
    times = np.arange(0, 60, 0.01)
    response = respiration_response(times)
    # Birn et al. 2008: an early rise at about 3 s, an undershoot at about 16 s.
    assert times[response.argmax()] == pytest.approx(3.1, abs=0.3)
    assert times[response.argmin()] == pytest.approx(16, abs=1)
    assert abs(response[-1]) < 0.01 * response.max()


def test_volume_regressor_is_the_convolution_by_hand():
    hz = 20.0
    times = np.arange(0, SECONDS, 1 / hz)
    breaths = find_breaths(trace(belt(times, 15.0, deep=(30.0, 70.0)), hz), SECONDS)
    grid = np.arange(0, SECONDS, 0.1)
    mean = breaths.volume_per_time(grid).mean()
    own = respiratory_volume_regressor(breaths, VOLUMES)
    for time, value in list(zip(VOLUMES, own, strict=True))[10::7]:
        lags = np.arange(0, min(time, 60), 0.02)
        volume = breaths.volume_per_time(time - lags) - mean
        expected = np.trapezoid(volume * respiration_response(lags), lags)
        assert value == pytest.approx(expected, abs=0.03 * np.abs(own).max())


def test_planted_heart_beat_is_taken_out_of_noise():
    hz = 50.0
    times = np.arange(0, SECONDS, 1 / hz)
    truth = beat_times(SECONDS)
    found = find_beats(trace(pulse(times, truth, noise=0.05), hz), SECONDS)
    rng = np.random.default_rng(5)
    before = [truth[truth <= t].max() for t in VOLUMES]
    after = [truth[truth > t].min() for t in VOLUMES]
    phase = 2 * np.pi * (VOLUMES - before) / (np.array(after) - before)
    noise = rng.normal(size=60)
    columns = np.column_stack(
        [np.ones(60), *harmonics(cardiac_phase(found, VOLUMES), "cardiac", 2).values()]
    )

    def left(series):
        return series - columns @ np.linalg.lstsq(columns, series, rcond=None)[0]

    both = left(3 * np.sin(phase) + noise)
    assert np.std(both - left(noise)) < 0.1 * 3 / np.sqrt(2)
