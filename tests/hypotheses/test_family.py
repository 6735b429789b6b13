"""The confirmatory family: correction, verdicts, and the ways to analyse."""

import numpy as np
import pandas as pd
import pytest

from crossfc.group.design.question import question
from crossfc.group.region_mean import EffectTest, untested
from crossfc.hypotheses import family
from crossfc.hypotheses.family import Source, hypothesis_tables
from crossfc.hypotheses.score_test import score_test

DESIGN = {
    "contrast": "drug", "n_cells": 2, "n_sessions": 2, "effect": "ketamine", "arms": False,
    "order": ["sequence_code"], "baseline": None, "crossed": [], "occasions": [],
    "groups": {"patients": "TRD", "controls": "HV"},
    "treatments": {"active": "ketamine", "control": "placebo"},
}  # fmt: skip
NAN = float("nan")


def hypothesis(number, kind="map", direction="", **more):
    return {
        "hypothesis": number, "kind": kind, "contrast": "drug", "analysis": "drug_TRD", "group": "",
        "seed": "sgACC", "region": "vmPFC", "scale": "", "direction": direction,
    } | more  # fmt: skip


def result_of(estimate, p, statistic="t"):
    return EffectTest(20, statistic, estimate / 0.1, 18, estimate, estimate - 0.2, estimate + 0.2,
                  "Fisher z", p, "sequence_code", "")  # fmt: skip


@pytest.fixture
def tables(monkeypatch):
    """Give a function from hypotheses and their tests, by pipeline and limit, to the tables."""

    def make(stated, tests, pipelines=("primary", "gsr"), limits=()):
        empty = pd.DataFrame()
        folders = {name: {"drug": name} for name in pipelines}
        source = Source(folders, [DESIGN], empty, empty, None, {}, 99, 0)
        monkeypatch.setattr(
            family, "_tested", lambda row, _, name, limit: tests[row["hypothesis"], name, limit]
        )
        return hypothesis_tables(stated, source, limits)

    return make


def test_p_are_corrected_by_holms_steps_over_those_that_are_tested(tables):
    stated = [hypothesis(n) for n in (1, 2, 3, 4)]
    p = {1: 0.012, 2: 0.03, 3: 0.001}
    tests = {(n, "primary", None): result_of(0.3, p[n]) for n in p}
    tests[4, "primary", None] = untested(0, "nobody is left")
    found = tables(stated, tests, ["primary"]).hypotheses
    assert found["p_holm"].tolist()[:3] == pytest.approx([0.024, 0.03, 0.003])
    assert found["n_tests"].tolist() == [3] * 4
    assert found["verdict"].tolist() == ["supported"] * 3 + ["not tested"]


@pytest.mark.parametrize(
    ("direction", "estimate", "p", "verdict"),
    [
        ("", -0.3, 0.01, "supported"),
        ("negative", -0.3, 0.01, "supported"),
        ("positive", -0.3, 0.01, "opposite"),
        ("positive", 0.3, 0.04, "supported"),
        ("positive", 0.3, 0.06, "not significant"),
        ("positive", -0.3, 0.06, "not significant"),
    ],
)
def test_verdicts(tables, direction, estimate, p, verdict):
    tests = {(1, "primary", None): result_of(estimate, p)}
    found = tables([hypothesis(1, direction=direction)], tests, ["primary"]).hypotheses
    assert found["verdict"].tolist() == [verdict]


def test_in_how_many_ways_a_hypothesis_holds(tables):
    stated = [hypothesis(1), hypothesis(2)]
    of_first = {
        ("primary", None): result_of(0.3, 0.01), ("primary", 0.2): result_of(0.2, 0.2),
        ("gsr", None): result_of(0.25, 0.03), ("gsr", 0.2): result_of(-0.1, 0.001),
    }  # fmt: skip
    tests = {(1, *place): test for place, test in of_first.items()}
    # In gsr the family's other test is not made, so that p = 0.03 stays as it is.
    tests |= {(2, "primary", None): result_of(0.1, 0.5), (2, "primary", 0.2): result_of(0.2, 0.5)}
    tests |= {(2, "gsr", limit): untested(3, "the pipeline has no seed") for limit in (None, 0.2)}
    found = tables(stated, tests, limits=[0.2])
    first, second = found.hypotheses.to_dict("records")
    assert (first["n_specifications"], first["n_same_sign"], first["n_significant"]) == (4, 3, 2)
    assert first["not_significant_in"] == "primary, FD up to 0.2 mm; gsr, FD up to 0.2 mm"
    assert first["p_holm"] == pytest.approx(0.02)
    assert (second["n_same_sign"], second["n_significant"]) == (2, 0)
    specifications = found.specifications
    assert len(specifications) == 8 and specifications["primary"].sum() == 2
    gsr = specifications[(specifications["pipeline"] == "gsr") & (specifications["n_tests"] == 1)]
    assert len(gsr) == 4


def test_a_score_has_one_way_and_is_in_every_family(tables):
    stated = [hypothesis(1), hypothesis(2, "score", scale="MADRS", seed="", region="")]
    tests = {(1, name, None): result_of(0.3, 0.02) for name in ("primary", "gsr")}
    tests |= {(2, name, None): result_of(-5, 0.04) for name in ("primary", "gsr")}
    found = tables(stated, tests)
    assert found.hypotheses["n_specifications"].tolist() == [2, 1]
    assert found.hypotheses["p_holm"].tolist() == pytest.approx([0.04, 0.04])
    gsr = found.specifications[found.specifications["pipeline"] == "gsr"]
    assert gsr[["p_holm", "n_tests"]].to_numpy().tolist() == [[pytest.approx(0.04), 2]]


def test_a_limit_that_leaves_out_nobody_is_no_other_way(tables):
    tests = {(1, "primary", limit): result_of(0.3, 0.01) for limit in (None, 0.3)}
    tests[1, "primary", 0.2] = result_of(0.25, 0.02)
    found = tables([hypothesis(1)], tests, ["primary"], limits=[0.3, 0.2])
    assert found.hypotheses["n_specifications"].tolist() == [2]
    limits = found.specifications["maximum_mean_fd_mm"]
    assert limits.isna().tolist() == [True, False] and limits[1] == 0.2


def test_an_f_has_no_sign(tables):
    tests = {(1, name, None): result_of(0.3, 0.01, "F") for name in ("primary", "gsr")}
    row = tables([hypothesis(1)], tests).hypotheses.iloc[0]
    assert row["verdict"] == "supported" and row["n_significant"] == 2
    assert pd.isna(row["n_same_sign"])


CHANGE = pd.DataFrame(
    [
        {
            "contrast": "drug", "scale": "MADRS", "group": "TRD", "n": 24, "adjusted_n": 22,
            "adjusted_estimate": -6.0, "adjusted_low": -9.0, "adjusted_high": -3.0,
            "adjusted_t": -4.0, "adjusted_df": 20, "adjusted_p": 0.001, "unadjusted_because": NAN,
            "mean": -5.0, "mean_low": -8.0, "mean_high": -2.0, "unadjusted_t": -3.0,
            "unadjusted_df": 23, "unadjusted_p": 0.006,
        }
    ]
)  # fmt: skip


def test_a_score_is_told_by_its_adjusted_test_else_by_the_plain_one():
    groups, treatments = DESIGN["groups"], DESIGN["treatments"]
    asked = question("drug_TRD", groups, treatments)
    found = score_test(asked, "MADRS", CHANGE, pd.DataFrame())
    assert (found.estimate, found.low, found.high, found.p, found.n) == (-6, -9, -3, 0.001, 22)
    assert found.adjusted_for == "period"
    plain = CHANGE.assign(adjusted_p=np.nan, adjusted_estimate=np.nan)
    found = score_test(asked, "MADRS", plain, pd.DataFrame())
    assert (found.estimate, found.low, found.high, found.p, found.n) == (-5, -8, -2, 0.006, 24)
    assert found.adjusted_for == ""
    assert "nobody" in score_test(asked, "SHAPS", CHANGE, pd.DataFrame()).because


def test_a_difference_of_groups_in_a_score():
    row = {
        "contrast": "drug", "scale": "MADRS", "group": "TRD-HV", "n_TRD": 24, "n_HV": 17,
        "adjusted_n": 41, "adjusted_estimate": -5.0, "adjusted_low": -8.0, "adjusted_high": -2.0,
        "adjusted_t": -3.5, "adjusted_df": 33.3, "adjusted_p": 0.002, "unadjusted_because": NAN,
        "unadjusted_difference": -4.0, "unadjusted_low": -7.0, "unadjusted_high": -1.0,
        "unadjusted_t": -2.9, "unadjusted_df": 30, "unadjusted_p": 0.006,
    }  # fmt: skip
    asked = question("group_by_drug", DESIGN["groups"], DESIGN["treatments"])
    found = score_test(asked, "MADRS", CHANGE, pd.DataFrame([row]))
    assert (found.estimate, found.p, found.n, found.df) == (-5, 0.002, 41, 33.3)
    found = score_test(asked, "MADRS", CHANGE, pd.DataFrame([row | {"adjusted_p": NAN}]))
    assert (found.estimate, found.p, found.n) == (-4, 0.006, 41)
