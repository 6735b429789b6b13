"""Designs: who is in, which columns, and what is said where a column falls out."""

import numpy as np
import pandas as pd
import pytest

from crossfc.fault import Fault
from crossfc.group.model import Inestimable, model
from crossfc.group.question import names, question

GROUPS = {"patients": "TRD", "controls": "HV"}
TREATMENTS = {"active": "ketamine", "control": "placebo"}


@pytest.fixture
def people():
    return pd.DataFrame(
        {
            "participant_id": [f"sub-{number:02}" for number in range(1, 11)],
            "group": ["TRD"] * 6 + ["HV"] * 4,
            "sequence_code": [-1.0, 1, -1, 1, -1, -1, 1, -1, 1, -1],
            "age": [30.0, 40, 50, 35, 45, 55, 22, 33, 44, 66],
            "sex": ["f", "m", "f", "m", "f", "f", "m", "f", "m", "f"],
            "site": ["a", "b", "c", "a", "b", "c", "a", "b", "c", "a"],
            "delta_MADRS": [-10.0, -5, np.nan, 2, -7, -1, np.nan, np.nan, 0, 0],
        }
    )


def build(name, people, **options):
    return model(question(name, GROUPS, TREATMENTS), people, GROUPS, **options)


def test_drug_is_an_intercept_with_an_uncentred_sequence(people):
    built = build("drug_TRD", people)
    assert built.rows.tolist() == [0, 1, 2, 3, 4, 5]
    assert (built.effect == 1).all()
    assert built.nuisance[:, 0].tolist() == [-1, 1, -1, 1, -1, -1]
    assert built.formula == "D ~ 1 + sequence" and built.arrangement == "sign flips"
    assert built.sequence_adjusted and built.second is None and built.left == []


def test_the_intercept_is_free_of_the_period_effect(people):
    # Active first: drug + (period 1 - period 2); control first: drug - (period 1 - period 2).
    drug, period = 0.4, 0.3  # period 2 minus period 1
    delta = drug + period * people["sequence_code"].to_numpy()
    built = build("drug_TRD", people)
    columns = np.column_stack([built.effect, built.nuisance])
    found = np.linalg.lstsq(columns, delta[built.rows], rcond=None)[0]
    np.testing.assert_allclose(found, [drug, period])


def test_group_coefficient_is_patients_minus_controls(people):
    built = build("group_by_drug", people)
    delta = np.where(people["group"] == "TRD", 1.5, 0.25)
    columns = np.column_stack([built.effect, built.nuisance])
    found = np.linalg.lstsq(columns, delta, rcond=None)[0]
    np.testing.assert_allclose(found[0], 1.25)
    assert built.formula == "D ~ 1 + group + sequence" and built.arrangement == "sign flips"
    assert built.second.tolist() == [False] * 6 + [True] * 4


def test_carryover_is_active_first_minus_control_first(people):
    people.loc[2, "sequence_code"] = np.nan
    built = build("carryover", people)
    assert [person["participant_id"] for person in built.left] == ["sub-03"]
    assert built.left[0]["reason"] == "order of treatments not known"
    total = np.where(people["sequence_code"] == -1, 3.0, 1.0)[built.rows]
    columns = np.column_stack([built.effect, built.nuisance])
    np.testing.assert_allclose(np.linalg.lstsq(columns, total, rcond=None)[0][0], 2)
    assert built.formula == "S ~ 1 + sequence + group" and not built.sequence_adjusted
    assert built.arrangement == "shuffles"


def test_whoever_lacks_the_score_leaves_by_name(people):
    built = build("change_MADRS", people)
    assert built.rows.tolist() == [0, 1, 3, 4, 5]  # patients only
    assert built.left == [
        {"participant_id": "sub-03", "group": "TRD", "reason": "no MADRS score in both sessions"}
    ]
    assert built.formula == "D ~ 1 + delta_MADRS + sequence"
    scores = people["delta_MADRS"][built.rows]
    np.testing.assert_allclose(built.effect, scores - scores.mean())


def test_covariates_are_centred_and_counted(people):
    people.loc[7, "age"] = np.nan
    built = build("group_by_drug", people, covariates=["age", "sex", "site"])
    assert built.left == [{"participant_id": "sub-08", "group": "HV", "reason": "age missing"}]
    assert built.nuisance_names == ["intercept", "sequence", "age", "sex", "site[b]", "site[c]"]
    np.testing.assert_allclose(built.nuisance[:, 2:].mean(0), 0, atol=1e-12)
    assert np.ptp(built.nuisance[:, 3]) == 2 and np.ptp(built.nuisance[:, 4]) == 1
    assert built.formula == "D ~ 1 + group + sequence + age + sex + site"


def test_blocks_come_along(people):
    built = build("change_MADRS", people, blocks="site")
    assert built.blocks.tolist() == ["a", "b", "a", "b", "c"]
    assert built.arrangement == "shuffles"


def test_the_arrangement_can_be_chosen(people):
    assert build("group_by_drug", people, arrangement="shuffles").arrangement == "shuffles"
    assert build("change_MADRS", people, arrangement="sign flips").arrangement == "sign flips"
    with pytest.raises(Fault, match="tests a mean"):
        build("drug_TRD", people, arrangement="shuffles")
    with pytest.raises(Fault, match='arrangement is "flips"'):
        build("drug_TRD", people, arrangement="flips")


@pytest.mark.parametrize(
    ("codes", "note"),
    [
        ([-1.0] * 6, "same order of treatments"),
        ([1.0, 1, np.nan, 1, np.nan, 1], "not known for 2 of 6 people and the same for all others"),
        ([np.nan] * 6, "not known for 6 of 6 people, so the model has no sequence term"),
    ],
)
def test_sequence_falls_out_with_a_note(people, codes, note):
    people.loc[:5, "sequence_code"] = codes
    built = build("drug_TRD", people)
    assert built.formula == "D ~ 1" and not built.sequence_adjusted
    assert built.nuisance.shape == (6, 0) and len(built.rows) == 6
    assert len(built.notes) == 1 and note in built.notes[0]


@pytest.mark.parametrize(
    ("name", "formula"),
    [
        ("drug_TRD", "D ~ 1 + sequence"),
        ("group_by_drug", "D ~ 1 + group + sequence"),
        ("change_MADRS", "D ~ 1 + delta_MADRS + sequence"),
    ],
)
def test_whose_order_is_unknown_leaves_and_the_others_keep_the_sequence(people, name, formula):
    before = build(name, people)
    people.loc[1, "sequence_code"] = np.nan
    built = build(name, people)
    assert built.formula == formula and built.sequence_adjusted and built.notes == []
    assert built.rows.tolist() == [row for row in before.rows if row != 1]
    gone = {
        "participant_id": "sub-02", "group": "TRD", "reason": "order of treatments not known",
    }  # fmt: skip
    assert [person for person in built.left if person not in before.left] == [gone]
    column = built.nuisance[:, built.nuisance_names.index("sequence")]
    assert column.tolist() == people["sequence_code"][built.rows].tolist()
    # The model is that of a study in which this person never was.
    alone = build(name, people.drop(index=1).reset_index(drop=True))
    np.testing.assert_array_equal(built.nuisance, alone.nuisance)
    np.testing.assert_array_equal(built.effect, alone.effect)


def test_the_unknown_order_of_people_outside_the_analysis_changes_nothing(people):
    before = build("drug_TRD", people)
    people.loc[6:, "sequence_code"] = np.nan
    built = build("drug_TRD", people)
    assert built.left == [] and built.sequence_adjusted
    np.testing.assert_array_equal(built.nuisance, before.nuisance)
    # Nor that of somebody who leaves for another reason; nobody leaves twice.
    people.loc[2, "sequence_code"] = np.nan
    left = build("change_MADRS", people).left
    assert [person["reason"] for person in left] == ["no MADRS score in both sessions"]


def test_a_group_without_any_order_stays_in_the_comparison(people):
    people.loc[6:, "sequence_code"] = np.nan
    built = build("group_by_drug", people)
    assert built.formula == "D ~ 1 + group" and len(built.rows) == 10 and built.left == []
    assert "not known for 4 of 10 people, among them everybody of HV" in built.notes[0]


def test_what_only_lacks_people_is_told_from_what_is_wrong(people):
    unscored = people.assign(delta_MADRS=np.nan)
    with pytest.raises(Inestimable, match="nobody is left") as caught:
        build("change_MADRS", unscored)
    assert len(caught.value.rows) == 0 and len(caught.value.left) == 6
    with pytest.raises(Inestimable, match="group is the same for all 6") as caught:
        build("group_by_drug", people.iloc[:6])
    assert caught.value.rows.tolist() == [0, 1, 2, 3, 4, 5] and caught.value.left == []
    with pytest.raises(Fault, match="needs the column") as caught:
        build("change_SHAPS", people)
    assert not isinstance(caught.value, Inestimable)


def test_a_constant_covariate_falls_out_with_a_note(people):
    people["sex"] = "f"
    built = build("group_by_drug", people, covariates=["sex"])
    assert built.covariates == [] and "sex is the same for everybody" in built.notes[0]


def test_what_cannot_be_estimated_is_refused(people):
    with pytest.raises(Fault, match='needs the column "delta_SHAPS"'):
        build("change_SHAPS", people)
    with pytest.raises(Fault, match="nobody is left"):
        build("change_MADRS", people.assign(delta_MADRS=np.nan))
    with pytest.raises(Fault, match="delta_MADRS is the same for all 6 people"):
        build("change_MADRS", people.assign(delta_MADRS=1.0))
    with pytest.raises(Fault, match="sequence is the same for all"):
        build("carryover", people.assign(sequence_code=1.0))
    with pytest.raises(Fault, match="group is the same for all 6"):
        build("group_by_drug", people.iloc[:6])


def test_names_of_analyses():
    assert names(GROUPS, ["MADRS", "SHAPS"]) == [
        "drug_TRD",
        "drug_HV",
        "group_by_drug",
        "group_by_drug_pooled",
        "group_by_drug_by_subregion",
        "carryover",
        "change_MADRS",
        "change_SHAPS",
    ]
    one = {"patients": "TRD", "controls": None}
    assert names(one, has_total=False) == ["drug_TRD"]
    assert names(one, sequence_known=False) == ["drug_TRD"]
    assert names(GROUPS, n_seeds=1) == ["drug_TRD", "drug_HV", "group_by_drug", "carryover"]


def test_every_analysis_has_its_words():
    for name in names(GROUPS, ["MADRS"]):
        asked = question(name, GROUPS, TREATMENTS)
        assert asked.name == name and asked.title and "?" in asked.text
    with pytest.raises(Fault, match='no analysis "drug_BP"'):
        question("drug_BP", GROUPS, TREATMENTS)
    with pytest.raises(Fault, match="no analysis"):
        question("group_by_drug", {"patients": "TRD", "controls": None}, TREATMENTS)
