"""Breaths: their rate, volume per time and deep breaths, against counts that are known."""

import neurokit2
import numpy as np
import pytest

from crossfc.fault import Fault
from crossfc.session.physiology.breath import find_breaths
from tests.session.physiology.recorded import belt, trace

SECONDS = 180.0


def made(rate=15.0, hz=50.0, start=0.0, seconds=SECONDS, **options):
    times = start + np.arange(0, seconds - start, 1 / hz)
    return trace(belt(times, rate, **options), hz, start)


@pytest.mark.parametrize("rate", [7.0, 15.0, 30.0])
@pytest.mark.parametrize("hz", [4.0, 50.0, 400.0])
def test_rate_and_volume_of_even_breathing(rate, hz):
    found = find_breaths(made(rate, hz), SECONDS)
    assert found.rate == pytest.approx(rate, rel=0.01)
    assert abs(len(found.peaks) - SECONDS * rate / 60) <= 1
    # A sine of amplitude 1 has its quartiles at ±√½, so its depth is 1.349 · 2 / √2 deviations;
    # each breath takes 60 / rate seconds.
    expected = 1.349 * np.sqrt(2) * rate / 60
    inner = found.volume_per_time(np.arange(15, SECONDS - 15, 1.0))
    assert inner == pytest.approx(expected, rel=0.05)
    mean, deviation = found.volume
    assert mean == pytest.approx(expected, rel=0.05) and deviation < 0.1 * mean
    assert found.deep == 0


def test_volume_per_time_agrees_with_neurokit():
    hz = 25
    values = neurokit2.rsp_simulate(
        duration=120, sampling_rate=hz, respiratory_rate=16, random_state=4
    )
    expected = neurokit2.rsp_rvt(values, sampling_rate=hz, method="birn2006", silent=True)
    found = find_breaths(trace(values, hz), 120.0)
    assert found.rate == pytest.approx(16, abs=0.7)
    times = np.arange(len(expected)) / hz
    inner = (times > 12) & (times < 108) & np.isfinite(expected)
    own = found.volume_per_time(times)[inner]
    assert np.corrcoef(own, expected[inner])[0, 1] > 0.95
    # neurokit has the trace in other units (standard deviations of all samples): one factor.
    ratio = own / expected[inner]
    assert ratio.std() < 0.05 * ratio.mean()


def test_deep_breaths_are_counted_per_minute():
    moments = (31.0, 70.5, 71.0, 110.0, 149.0)  # two of these are in one breath
    found = find_breaths(made(deep=moments), SECONDS)
    assert found.deep == pytest.approx(4 / 3, rel=1e-3)


def test_only_the_scan_counts():
    moments = (-20.0, 60.0, 185.0)
    found = find_breaths(made(start=-40.0, seconds=220.0, deep=moments), SECONDS)
    assert found.deep == pytest.approx(1 / 3)
    assert found.recorded[0] == pytest.approx(-30, abs=0.1)


def test_drift_and_pulse_in_the_belt_change_nothing():
    hz = 50.0
    times = np.arange(0, SECONDS, 1 / hz)
    clean = belt(times)
    dirty = clean + 0.02 * times + 0.05 * np.sin(2 * np.pi * 1.1 * times)
    a, b = (find_breaths(trace(values, hz), SECONDS) for values in (clean, dirty))
    assert b.rate == pytest.approx(a.rate, rel=0.01)
    assert len(b.peaks) == len(a.peaks) and b.deep == a.deep == 0


def test_a_cough_hides_no_breaths():
    hz = 50.0
    times = np.arange(0, SECONDS, 1 / hz)
    values = belt(times)
    values[(times > 90) & (times < 90.6)] -= 30
    found = find_breaths(trace(values, hz), SECONDS)
    assert abs(len(found.peaks) - 45) <= 3


def _walk(times):
    return np.random.default_rng(2).normal(size=len(times)).cumsum()


def _noise(times):
    return np.random.default_rng(2).normal(size=len(times))


def _slipping(times):
    values = belt(times)
    for moment in np.arange(20, 180, 25):
        values[(times > moment) & (times < moment + 1)] -= 40
    return values


@pytest.mark.parametrize(
    ("draw", "said"),
    [
        (_walk, "hardly any breathing in it|too irregular for breathing"),
        (_noise, "hardly any breathing in it"),
        (_slipping, "too irregular|the person moved or the belt slipped"),
        (lambda t: np.full(len(t), 3.0), "constant at 3 during the scan"),
        (lambda t: np.clip(belt(t), 0.2, 0.6), "clipped"),
        (lambda t: np.sin(2 * np.pi * t / 50), "hardly any breathing|too few breaths|plausible"),
    ],
)
def test_an_unusable_trace_says_why(draw, said):
    times = np.arange(0, SECONDS, 0.02)
    with pytest.raises(Fault, match=said):
        find_breaths(trace(draw(times), 50.0), SECONDS)


@pytest.mark.parametrize("seed", range(8))
def test_noise_of_any_slope_has_no_respiration_rate(seed):
    noise = np.random.default_rng(seed).normal(size=9000)
    spectrum = np.fft.rfft(noise) / np.arange(1, 4502) ** (0.5 + seed / 8)
    smooth = np.convolve(noise, np.exp(-np.arange(500) / 100), "same")
    for values in (noise.cumsum(), np.fft.irfft(spectrum), smooth):
        with pytest.raises(Fault):
            find_breaths(trace(values, 50.0), SECONDS)
