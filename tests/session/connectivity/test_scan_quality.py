"""Measures of quality."""

from pathlib import Path

import numpy as np
import pytest

from crossfc.session.connectivity import scan_quality as quality
from crossfc.session.connectivity.confounds import Confounds


def table(fd, **columns):
    columns = {"framewise_displacement": np.array(fd, float)} | columns
    return Confounds(Path("confounds.tsv"), columns, {})


def test_motion_leaves_out_the_first_volume_that_has_no_displacement():
    dvars = np.array([np.nan, 1.0, 2.0, 3.0, 6.0])
    found = quality.motion(table([np.nan, 0.2, 0.4, 0.6, 1.2], std_dvars=dvars, dvars=dvars * 9))
    assert found == pytest.approx(
        {
            "mean_fd": 0.6,
            "median_fd": 0.5,
            "max_fd": 1.2,
            "share_fd_above_0.5": 0.5,
            "mean_dvars": 3.0,
        }
    )


def test_dvars_that_is_not_there_is_none():
    assert quality.motion(table([np.nan, 0.1]))["mean_dvars"] is None
    empty = np.array([np.nan, np.nan])
    assert quality.motion(table([np.nan, 0.1], dvars=empty))["mean_dvars"] is None
    assert quality.motion(table([np.nan, 0.1], dvars=np.array([np.nan, 7.0])))["mean_dvars"] == 7


def test_temporal_snr_is_mean_over_deviation():
    snr = quality.temporal_snr(np.array([100.0, 5.0, 7.0]), np.array([2.0, 0.5, 0.0]))
    assert snr.tolist() == [50, 10, 0]


def test_dice():
    a, b = np.array([1, 1, 1, 0, 0], bool), np.array([0, 1, 1, 1, 1], bool)
    assert quality.dice(a, b) == pytest.approx(2 * 2 / (3 + 4))
    assert quality.dice(a, a) == 1
    assert quality.dice(a, ~a) == 0
    assert quality.dice(a & ~a, b & ~b) == 0
