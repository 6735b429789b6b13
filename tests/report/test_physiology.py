"""What the page says of recordings: how many are usable, and which are not and why."""

from types import SimpleNamespace

import pandas as pd

from crossfc.report.physiology import sentences


def page(rows):
    columns = ["participant_id", "session_id", "heart_rate", "respiration_rate", "physiology_note"]
    return sentences(SimpleNamespace(sessions=pd.DataFrame(rows, columns=columns)))


def test_nothing_is_said_where_nobody_has_a_recording():
    assert page([["sub-01", "ses-1", None, None, None]] * 2) == []
    assert sentences(SimpleNamespace(sessions=pd.DataFrame())) == []


def test_counts_reasons_and_sessions_without():
    said = page(
        [
            ["sub-01", "ses-1", 62.0, 14.0, None],
            ["sub-01", "ses-2", None, 15.0, "run, cardiac: constant at 5 during the scan"],
            ["sub-02", "ses-1", 70.0, 13.0, float("nan")],
            ["sub-02", "ses-2", None, None, None],
        ]
    )
    assert said == [
        "Of 4 sessions, 2 have a usable recording of heart beats, and 3 of breathing.",
        "No recording lies beside the scan of sub-02 ses-2.",
        "What could not be used, or is odd: sub-01 ses-2: run, cardiac: constant at 5 during the "
        "scan.",
    ]


def test_many_reasons_are_cut_and_counted():
    rows = [[f"sub-{k:02}", "ses-1", None, None, f"reason {k}"] for k in range(9)]
    last = page([*rows, ["sub-10", "ses-1", 60.0, None, None]])[-1]
    assert "sub-04 ses-1: reason 4; 4 more in quality/sessions.tsv." in last
    assert "reason 5" not in last
