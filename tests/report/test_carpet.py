"""Traces above carpets, drawn on one axis of time."""

import base64
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from crossfc.report.carpet import CarpetView, carpet_chart, inlined_carpet


@pytest.fixture
def view() -> CarpetView:
    dvars = np.r_[np.nan, 1 + np.arange(9) % 2]
    table = {
        "framewise_displacement": np.r_[0, 0.2 * np.ones(8), 0.9],
        "dvars": dvars,
        "global_signal": np.r_[400.0, np.arange(9) - 4],
        "kept_primary": np.arange(10) > 0,
        "kept_scrub": ~np.isin(np.arange(10), [0, 5, 6, 9]),
        "dvars_scrub": np.where(np.isin(np.arange(10), [0, 1, 5, 6, 7, 9]), np.nan, dvars / 2),
        "global_signal_scrub": np.r_[np.nan, np.arange(9) - 4],
    }
    return CarpetView(pd.DataFrame(table), "scrub", 2.0, "a b.png", "after.png", 0.5)


def test_what_is_left_out_is_shaded_on_the_axis_of_the_traces(view):
    drawn = carpet_chart(view, "of sub-1")
    shaded = re.findall(r'class="left-out" x="([\d.]+)" y="[\d.]+" width="([\d.]+)"', drawn)
    # 10 volumes of 2 s over 566 pixels from 58 on: the first, the sixth and seventh, the last.
    assert [(float(x), float(w)) for x, w in shaded] == [(58, 56.6), (341, 113.2), (567.4, 56.6)]
    assert drawn.count("<image") == 2 and 'href="a b.png"' in drawn
    assert drawn.count('class="trace after"') == 3 and drawn.count('class="trace before"') == 2
    assert 'class="level"' in drawn  # the limit of censoring


def test_the_first_volume_does_not_flatten_the_trace_and_gaps_break_it(view):
    drawn = carpet_chart(view, "")
    signal = drawn[drawn.index("Global signal") : drawn.index("All voxels")]
    # 400 %, which no pipeline keeps, ends at the border; the rest fills the panel.
    heights = [float(y) for y in re.findall(r"[ML][\d.]+ ([\d.]+)", signal.split('before" d=')[1])]
    top, bottom = min(heights), max(heights[:10])
    assert heights[0] == top and bottom - heights[9] > 40
    after = drawn[drawn.index("DVARS") : drawn.index("Global")].split('after" d=')[1]
    assert after.count("M") == 2  # volumes 2 to 4, and 8


def test_a_session_that_leaves_shows_what_was_before(view):
    table = view.volumes.drop(columns=["dvars_scrub", "global_signal_scrub"])
    drawn = carpet_chart(replace(view, volumes=table, after=None, censor_fd_mm=None), "")
    assert drawn.count("<image") == 1 and "after cleaning</text>" not in drawn.partition("All")[2]
    assert drawn.count('class="trace after"') == 1  # framewise displacement


def test_in_a_page_of_its_own_it_brings_its_colours(view):
    kind, _, text = inlined_carpet(view, "of sub-1").partition(",")
    told = base64.b64decode(text).decode()
    assert kind == "data:image/svg+xml;base64"
    assert told.startswith('<svg xmlns="http://www.w3.org/2000/svg"') and ".trace{" in told
