"""Hypotheses of the config that the trial cannot have are refused in a sentence."""

import pytest

from crossfc.plan import Plan
from tests.plan.test_plan import refusal, study  # noqa: F401

MAP = {"analysis": "drug_TRD", "seed": "sgACC", "region": "insulaR"}
SCORE = {"analysis": "drug_TRD", "scale": "MADRS"}
CHANGE = {"seed": "sgACC", "region": "insulaR", "scale": "MADRS"}

FAULTS = [
    ({}, "number 1: needs an analysis (of maps: with seed and region; of a score: with scale), or"),
    (MAP | {"analysis": "drug_TDR"}, "analysis 'drug_TDR' is none of drug_TRD"),
    (MAP | {"seed": "sgAC"}, "seed 'sgAC' is none of sgACC, pgACC, dACC; did you mean sgACC?"),
    (MAP | {"region": "insula"}, "region 'insula' is no target of"),
    (MAP | {"scale": "MADRS"}, "a map has no scale; remove it, or name the analysis change_MADRS"),
    (MAP | {"group": "TRD"}, "says of which group and contrast it is; remove group and contrast"),
    ({"analysis": "drug_TRD", "region": "insulaR"}, "drug_TRD needs a seed; add the key seed"),
    (MAP | {"analysis": "drug_TRD_pooled"}, "drug_TRD_pooled is over seeds; remove the key seed"),
    (MAP | {"analysis": "carryover"}, "carryover is a diagnostic; name another analysis"),
    (
        {"analysis": "drug_TRD_by_subregion", "region": "insulaR", "direction": "positive"},
        "drug_TRD_by_subregion has no direction; remove it",
    ),
    (SCORE | {"scale": "MADR"}, "scale 'MADR' is none of"),
    (SCORE | {"seed": "sgACC"}, "needs a region, if it is of a map, or a scale and no seed"),
    (
        SCORE | {"analysis": "change_MADRS"},
        "'change_MADRS' is none of|of scores there are",
    ),
    (CHANGE | {"region": "insulaL"}, "'insulaL' is none of the targets insulaR"),
    (CHANGE | {"group": "XX"}, "group 'XX' is none of TRD, HV"),
    (CHANGE | {"contrast": "low"}, "contrast 'low' is none of drug"),
]


@pytest.mark.parametrize(("own", "said"), FAULTS)
def test_a_hypothesis_that_cannot_be_is_refused(study, root, own, said):  # noqa: F811
    told = refusal(study | {"hypotheses": [own]}, root)
    assert "config key hypotheses, number 1" in told
    assert any(part in told for part in said.split("|"))


def test_the_rows_of_hypotheses(study, root):  # noqa: F811
    stated = [
        MAP | {"direction": "positive", "citation": "A 1"},
        SCORE,
        CHANGE,
        {"analysis": "group_by_drug_pooled", "region": "precuneus (R)"},
    ]
    old = {"clinical": {"hypotheses": [{"seed": "dACC", "target": "SMG", "scales": ["MADRS"]}]}}
    plan = Plan(study | {"hypotheses": stated} | old, root)
    rows = plan.hypotheses.rows()
    assert [row["kind"] for row in rows] == ["map", "score", "correlation", "map", "correlation"]
    assert [row["hypothesis"] for row in rows] == [1, 2, 3, 4, 5]
    assert rows[0]["rows"][0]["target"] == "insulaR" and rows[0]["direction"] == "positive"
    assert rows[2]["group"] == "TRD" and rows[4]["region"] == "SMG"
    assert rows[3]["rows"][0]["kind"] == "label"
    assert not any("citation" in row or "name" in row for row in rows)
    assert plan.hypotheses.words()[0] == {"name": "", "citation": "A 1"}
    assert plan.hypotheses.results() and plan.hypotheses.choices()["fd_limits"] == [0.3, 0.2]


def test_without_hypotheses_there_are_no_tables(study, root):  # noqa: F811
    assert Plan(study, root).hypotheses.results() == []


def test_limits_that_are_no_stricter_are_left_out(study, root):  # noqa: F811
    limits = {"exclusion": {"maximum_mean_fd_mm": 0.25}}
    assert Plan(study | limits, root).quality.fd_limits() == [0.2]
