"""Volumes that are no measurement: all that is planted is found, and nothing that lives."""

from pathlib import Path

import numpy as np
import pytest

from crossfc.session.connectivity.confounds import Confounds
from crossfc.session.connectivity.defect import defects

N, SHAPE, TR = 100, (16, 18, 16), 2.0  # z, y, x


def run(change=None, steady=None):
    """A run of a head with contrast, changed in place; give what is found."""
    rng = np.random.default_rng(0)
    picture = 800 + 400 * rng.random(SHAPE)
    data = (picture * (1 + 0.015 * rng.normal(size=(N, *SHAPE)))).astype(np.float32)
    if change is not None:
        data = change(data)
    mask = np.zeros(SHAPE, bool)
    mask[2:-2, 2:-2, 2:-2] = True
    still = Confounds(Path("x.tsv"), {"framewise_displacement": np.zeros(N)}, {})
    return defects(data, mask, np.ones(N, bool) if steady is None else steady, still)


def put(place, value):
    def change(data):
        data[place] = value(data[place]) if callable(value) else value
        return data

    return change


def wave(of_time):
    return lambda data: data * of_time(np.arange(N) * TR).astype(np.float32)[:, None, None, None]


@pytest.mark.parametrize(
    ("change", "volumes", "reason"),
    [
        (put(40, 0), [40], "blank"),
        (put(slice(90, None), 0), range(90, 100), "blank"),
        (put(slice(40, None), 0), range(40, 100), "blank"),
        (put(np.s_[99, 8:], 0), [99], "of the brain without signal"),
        (put(np.s_[40, 7], 0), [40], "of the brain without signal"),
        (put(40, 700), [40], "does not look like the other volumes"),
        (put(40, lambda v: v * 1.06), [40], "spike: the brain is 6 % brighter"),
        (put(slice(40, 42), lambda v: v * 0.5), [40, 41], "the brain is 50 % darker than usual"),
        (put(np.s_[40, 7], lambda v: v * 1.13), [40], "a part of the brain is 13 % brighter"),
        (lambda d: d[[*range(41), 40, *range(42, N)]], [41], "repeats the volume before"),
        (lambda d: d[[*range(70), 40, *range(71, N)]], [70], "repeats volume 40"),
        (lambda d: put(np.s_[41, 8:], d[40, 8:])(d), [41], "of the brain repeats the volume"),
        (lambda d: put(40, 0)(d) - d.mean(axis=0), [40], "times as much as other volumes"),
    ],
)
def test_what_is_no_measurement_is_named_and_nothing_else(change, volumes, reason):
    found = run(change)
    assert list(found) == list(volumes)
    assert all(reason in said for said in found.values())


@pytest.mark.parametrize(
    "change",
    [
        None,
        wave(lambda t: 1 + 0.03 * np.sin(2 * np.pi * t / 20)),
        wave(lambda t: 1 - 0.04 * sum(np.exp(-0.5 * ((t - s) / 4) ** 2) for s in (40, 90, 150))),
        wave(lambda t: 1 + 0.1 * (t > 100)),
        wave(lambda t: 1 + 0.2 * t / t[-1]),
        lambda d: d - d.mean(axis=0),
        lambda d: 100 * d / d.mean(axis=0),
        lambda d: np.rint(d),
    ],
)
def test_breaths_waves_steps_drifts_and_scaled_series_are_none(change):
    assert run(change) == {}


def test_before_steady_state_only_lost_signal_counts():
    steady = np.arange(N) > 1
    assert run(put(0, lambda v: v * 1.3), steady) == {}
    assert list(run(put(1, 0), steady)) == [1]


def test_neighbours_that_slice_timing_smeared_a_blank_volume_into_go_too():
    def smeared(data):
        data[40] = 0
        shift = np.exp(2j * np.pi * np.fft.rfftfreq(N)[:, None, None] * 0.4)
        data[:, ::2] = np.fft.irfft(np.fft.rfft(data[:, ::2], axis=0) * shift[..., None], N, axis=0)
        return data

    found = run(smeared)
    assert {38, 39, 40, 41, 42} <= set(found) and len(found) < 20
    assert any("slice timing" in reason for reason in found.values())
