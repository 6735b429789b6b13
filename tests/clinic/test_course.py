"""The course of scores: every cell, by group and by order of treatments."""

import numpy as np
import pytest
from scipy import stats

from crossfc.clinic.course import COLUMNS, course

CELLS = [("n/a", "b0"), ("drug", "d2"), ("placebo", "d2")]


def visit(score, treatment, occasion, sequence=None, group="MDD", scale="MADRS"):
    return {"scale": scale, "group": group, "participant_id": "sub-01", "session_id": "ses-1",
            "sequence": sequence, "treatment": treatment, "occasion": occasion,
            "score": score}  # fmt: skip


def test_every_cell_is_described_for_everybody_and_by_order():
    first, second = "drug-placebo", "placebo-drug"
    visits = [
        *(visit(score, "n/a", "b0", first) for score in (30.0, 34.0)),
        *(visit(score, "n/a", "b0", second) for score in (28.0, 33.0, 41.0)),
        visit(12.0, "drug", "d2", first),
        visit(9.0, "n/a", "b0", None, "HC"),
    ]
    table = course(visits, ["MDD", "HC"], ["MADRS", "SHAPS"], CELLS)
    assert table.columns.tolist() == COLUMNS
    assert table[["group", "sequence", "treatment", "n"]].values.tolist() == [
        ["MDD", "all", "n/a", 5],
        ["MDD", "all", "drug", 1],
        ["MDD", first, "n/a", 2],
        ["MDD", first, "drug", 1],
        ["MDD", second, "n/a", 3],
        ["HC", "all", "n/a", 1],
    ]
    scores = np.array([30, 34, 28, 33, 41.0])
    low, high = stats.t.interval(0.95, 4, scores.mean(), stats.sem(scores))
    row = table.iloc[0]
    assert [row["mean"], row["low"], row["high"], row["sd"]] == pytest.approx(
        [scores.mean(), low, high, scores.std(ddof=1)]
    )
    assert (row["lowest"], row["highest"]) == (28, 41)
    assert np.isnan(table["sd"][1]) and np.isnan(table["low"][1])


def test_a_trial_without_occasions_has_a_row_for_each_treatment():
    visits = [visit(1.0, "drug", None), visit(3.0, "placebo", None), visit(5.0, "placebo", None)]
    table = course(visits, ["MDD"], ["MADRS"], [("drug", None), ("placebo", None)])
    assert table[["treatment", "n", "mean"]].values.tolist() == [
        ["drug", 1, 1.0], ["placebo", 2, 4.0],
    ]  # fmt: skip
    assert table["occasion"].isna().all()
    assert course([], ["MDD"], ["MADRS"], CELLS).empty
