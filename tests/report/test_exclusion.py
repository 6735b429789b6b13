"""Limits on the quality page: of which columns each is, and who is beyond it."""

import pandas as pd

from crossfc.report.exclusion import LIMITS, limit_table, limits_of

CONFIG = {
    "exclusion": {
        "maximum_mean_fd_mm": 0.5, "maximum_boundary_cost": None,
        "maximum_local_boundary_cost": 0.9, "minimum_seed_grey_signal": 0.5,
    },
    "connectivity": {"minimum_seed_coverage": 0.6, "minimum_seed_tsnr": 10},
}  # fmt: skip
SESSIONS = pd.DataFrame(
    {
        "mean_fd": [0.2, 0.6], "boundary_cost": [0.4, 0.95],
        "boundary_cost_subgenual": [0.5, 0.91], "boundary_cost_ventromedial": [0.92, 0.93],
        "tsnr_median": [5.0, 5.0], "tsnr_sgACC": [20.0, 9.0], "tsnr_pgACC": [20.0, 21.0],
        "coverage_sgACC": [1.0, 0.7], "target_coverage_SMG": [0.1, 0.1],
        "grey_matter_sgACC": [0.4, 0.4], "grey_signal_sgACC": [0.4, 0.9],
        "target_grey_signal_SMG": [0.1, 0.1],
    }
)  # fmt: skip


def test_each_limit_is_of_its_columns_and_of_no_other():
    assert limits_of(CONFIG, SESSIONS.columns) == {
        "mean_fd": 0.5,
        "boundary_cost_subgenual": 0.9,
        "boundary_cost_ventromedial": 0.9,
        "coverage_sgACC": 0.6,
        "tsnr_sgACC": 10,
        "tsnr_pgACC": 10,
        "grey_signal_sgACC": 0.5,
    }


def test_the_table_counts_sessions_beyond_each():
    table = limit_table(CONFIG, SESSIONS)
    told = {row[3].partition(".")[2]: row[1:3] for row in table.rows}
    assert list(told) == list(LIMITS)
    assert told["maximum_mean_fd_mm"] == ["0.5", "1"]
    assert told["maximum_boundary_cost"] == ["no limit", ""]
    assert told["maximum_local_boundary_cost"] == ["0.9", "2"]  # either place
    assert told["minimum_seed_coverage"] == ["0.6", "0"]
    assert told["minimum_seed_tsnr"] == ["10", "1"]
    assert told["minimum_seed_grey_signal"] == ["0.5", "1"]
