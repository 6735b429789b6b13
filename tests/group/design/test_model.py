"""Designs: who is in, which columns, and what is said where a column falls out."""

from itertools import combinations, product

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from crossfc.fault import Fault
from crossfc.group.design.arrangement import shuffles
from crossfc.group.design.model import Inestimable, model
from crossfc.group.design.question import names, question
from crossfc.group.inference.effect import hedges_g
from crossfc.group.inference.statistic import Student
from crossfc.trial.role import roles
from tests.group.analysis_options import analysis_options

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
    asked = question(name, GROUPS, TREATMENTS)
    return model(asked, people, GROUPS, analysis_options(**options))


@pytest.mark.parametrize("role", ["patients", "controls"])
def test_a_study_of_one_group_asks_the_same_whatever_its_role(people, role):
    groups = {"patients": None, "controls": None} | {role: "HV"}
    found = names(groups, ["MADRS"], sequence_known=True)
    within = ["drug_HV", "drug_HV_pooled", "drug_HV_by_subregion"]
    assert found == [*within, "carryover", "change_MADRS"]
    people = people[people["group"] == "HV"].assign(delta_MADRS=[1.0, 2, 3, 5])
    for name in found:
        asked = question(name, groups, TREATMENTS)
        assert "None" not in asked.title + asked.text and "patient" not in asked.text
        assert model(asked, people, groups, analysis_options()).rows.tolist() == [0, 1, 2, 3]


def test_drug_is_an_intercept_with_an_uncentred_sequence(people):
    built = build("drug_TRD", people)
    assert built.rows.tolist() == [0, 1, 2, 3, 4, 5]
    assert (built.effect == 1).all()
    assert built.nuisance[:, 0].tolist() == [-1, 1, -1, 1, -1, -1]
    assert built.formula == "D ~ 1 + sequence" and built.arrangement == "sign flips"
    assert built.sequence_adjusted and built.variance_groups is None and built.left == []


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
    assert built.variance_groups.tolist() == [False] * 6 + [True] * 4


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
    types = {"age": "continuous", "sex": "categorical", "site": "categorical"}
    built = build("group_by_drug", people, covariates=types)
    assert built.left == [{"participant_id": "sub-08", "group": "HV", "reason": "age missing"}]
    assert built.nuisance_names == ["intercept", "sequence", "age", "sex", "site[b]", "site[c]"]
    np.testing.assert_allclose(built.nuisance[:, 2:].mean(0), 0, atol=1e-12)
    assert np.ptp(built.nuisance[:, 3]) == 2 and np.ptp(built.nuisance[:, 4]) == 1
    assert built.formula == "D ~ 1 + group + sequence + age + sex + site"
    assert built.covariates == list(types)


@pytest.mark.parametrize("name", names(GROUPS, ["MADRS"]))
def test_covariates_are_used_where_groups_are_compared(people, name):
    """They differ between people, and a person is compared with nobody else elsewhere."""
    people.loc[0, "age"] = np.nan
    built = build(name, people, covariates={"age": "continuous", "site": "categorical"})
    plain = build(name, people)
    if name.startswith("group_by_drug"):
        assert built.covariates == ["age", "site"] and len(built.rows) == len(plain.rows) - 1
        return
    assert built.covariates == [] and built.formula == plain.formula and built.left == plain.left
    np.testing.assert_array_equal(built.nuisance, plain.nuisance)


def test_coded_categories_are_categories_even_if_a_table_gave_them_back_as_numbers(people):
    words = build("group_by_drug", people, covariates={"site": "categorical"})
    assert words.covariate_levels == {"site": ["a", "b", "c"]}
    coded = people.assign(site=people["site"].map({"a": 2.0, "b": 10.0, "c": 1000001.0}))
    built = build("group_by_drug", coded, covariates={"site": "categorical", "age": "continuous"})
    assert built.nuisance_names[2:] == ["site[10]", "site[1000001]", "age"]
    np.testing.assert_array_equal(built.nuisance[:, :4], words.nuisance)
    assert built.covariate_levels == {"site": ["2", "10", "1000001"], "age": []}
    line = build("group_by_drug", coded, covariates={"site": "continuous"})
    assert line.nuisance_names[2:] == ["site"]
    with pytest.raises(Fault, match='"site" is declared continuous, but has words'):
        build("group_by_drug", people, covariates={"site": "continuous"})


def test_blocks_come_along(people):
    built = build("change_MADRS", people, blocks="site")
    assert built.blocks.tolist() == ["a", "b", "a", "b", "c"]
    assert built.arrangement == "sign flips"


@pytest.mark.parametrize("name", ["group_by_drug", "change_MADRS", "carryover"])
@pytest.mark.parametrize("chosen", ["sign flips", "re-randomisation"])
def test_how_means_are_tested_is_no_matter_of_other_questions(people, name, chosen):
    built, default = build(name, people, drug_arrangement=chosen), build(name, people)
    assert built.arrangement == default.arrangement and built.flip is None
    np.testing.assert_array_equal(built.nuisance, default.nuisance)
    np.testing.assert_array_equal(built.effect, default.effect)


@pytest.mark.parametrize("name", names(GROUPS, ["MADRS"], sequence_known=True))
def test_automatic_is_the_default_of_every_question(people, name):
    people = pd.concat([people] * 3, ignore_index=True)
    chosen = build(name, people, drug_arrangement="automatic")
    default = build(name, people, drug_arrangement=None)
    assert chosen.arrangement == default.arrangement and chosen.notes == default.notes
    assert (chosen.flip is None) == (default.flip is None)
    if name == "drug_TRD":  # 18 people of both orders
        assert chosen.arrangement == "shuffles" and chosen.flip is not None


def test_how_blocks_are_exchanged_comes_along(people):
    assert build("drug_TRD", people, blocks="site").block_exchange == "within"
    built = build("drug_TRD", people, blocks="site", block_exchange="whole")
    assert built.block_exchange == "whole" and built.blocks.tolist() == ["a", "b", "c"] * 2


@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        ({"drug_arrangement": "shuffles"}, "group.drug_arrangement: 'shuffles' is none of autom"),
        ({"block_exchange": "all", "blocks": "site"}, "group.block_exchange: 'all' is neither"),
        ({"block_exchange": "whole"}, "whole blocks are to be exchanged, but group.blocks names"),
    ],
)
def test_options_that_mean_nothing_are_refused(chosen, said):
    with pytest.raises(Fault, match=said):
        analysis_options(**chosen)


def plain_t(columns, data):
    """t of the first column by the normal equations."""
    inverse = np.linalg.inv(columns.T @ columns)
    beta = inverse @ columns.T @ data
    rest = data - columns @ beta
    variance = (rest**2).sum(0) / (len(columns) - columns.shape[1])
    return beta[0] / np.sqrt(variance * inverse[0, 0])


def test_rerandomisation_estimates_what_the_intercept_does(people):
    people = pd.concat([people] * 3, ignore_index=True).assign(group="TRD")
    rng = np.random.default_rng(0)
    people.loc[4, "sequence_code"] = np.nan
    plain = build("drug_TRD", people, drug_arrangement="sign flips")
    drawn = build("drug_TRD", people)
    assert drawn.arrangement == "shuffles" and plain.flip is None
    assert drawn.formula == plain.formula and drawn.left == plain.left and len(drawn.left) == 1
    assert drawn.rows.tolist() == plain.rows.tolist() and drawn.notes == []
    code = people["sequence_code"].to_numpy()[drawn.rows]
    assert drawn.flip.tolist() == drawn.effect.tolist() == code.tolist()
    assert (drawn.nuisance[:, 0] == 1).all()  # what differs between periods
    delta = 0.3 + 0.5 * code[:, None] + rng.standard_normal((29, 50))
    one = Student(plain.effect, plain.nuisance)
    other = Student(drawn.effect, drawn.nuisance)
    by_mean, by_order = one.fit(delta), other.fit(drawn.flip[:, None] * delta)
    np.testing.assert_allclose(by_order.effect, by_mean.effect, rtol=1e-9)
    np.testing.assert_allclose(by_order.standard_error, by_mean.standard_error, rtol=1e-9)
    np.testing.assert_allclose(by_order.t, by_mean.t, rtol=1e-9)
    np.testing.assert_allclose(
        hedges_g(by_order.t, other.df, other.effect_variance),
        hedges_g(by_mean.t, one.df, one.effect_variance),
        rtol=1e-7,
    )
    period_2_less_1 = code[:, None] * delta
    theirs = stats.ttest_ind(period_2_less_1[code > 0], period_2_less_1[code < 0])
    np.testing.assert_allclose(by_order.t, theirs.statistic, rtol=1e-9)


def orders_drawn_again(codes, strata):
    """All ways to draw the orders, with as many of each in every stratum as there were."""
    members = [np.flatnonzero(strata == stratum) for stratum in np.unique(strata)]
    ways = [combinations(people, int((codes[people] > 0).sum())) for people in members]
    for chosen in product(*ways):
        again = np.full(len(codes), -1.0)
        again[[person for of in chosen for person in of]] = 1
        yield again


@pytest.mark.parametrize("blocks", [None, "stratum"])
def test_shuffles_are_the_orders_that_could_have_been_drawn(people, blocks):
    people = people.assign(group="TRD", stratum=["a", "b", "a", "a", "b", "b", "b", "a", "b", "b"])
    built = build("drug_TRD", people, drug_arrangement="re-randomisation", blocks=blocks)
    codes = people["sequence_code"].to_numpy()
    strata = people["stratum"].to_numpy() if blocks else np.zeros(10)
    delta = np.random.default_rng(1).exponential(size=10)
    # Had another order been drawn, the drug doing nothing, the periods would be as they are.
    period_2_less_1 = codes * delta
    expected = [
        plain_t(np.column_stack([np.ones(10), again]), again * period_2_less_1)
        for again in orders_drawn_again(codes, strata)
    ]
    statistic = Student(built.effect, built.nuisance)
    found = shuffles(statistic.design, 1000, 0, built.blocks)
    assert found.exhaustive and len(found) == len(expected) == (80 if blocks else 210)
    data = built.flip * delta
    columns = found.arranged(statistic.design).transpose(0, 2, 1).astype(float)
    made = np.array([plain_t(arranged, data) for arranged in columns])
    np.testing.assert_allclose(np.sort(made), np.sort(expected), rtol=1e-9)
    # The one that was drawn comes first, and is the intercept's t.
    np.testing.assert_allclose(
        made[0], plain_t(np.column_stack([np.ones(10), codes]), delta), rtol=1e-9
    )


@pytest.mark.parametrize(
    ("first", "second", "blocks", "least"),
    [
        (4, 4, None, "70 ways only, so no p could be below 0.0286;"),
        (5, 5, None, ""),  # 252 drawings, of which two have the observed t or minus it
        (10, 2, None, "66 ways only, so no p could be below 0.0152;"),
        (9, 3, None, ""),  # 220, one
        (6, 6, "pair", "64 ways only, so no p could be below 0.0312;"),
        (8, 8, "pair", ""),  # 256, two
        (1, 11, None, "12 ways only, so no p could be below 0.0833;"),
    ],
)
def test_orders_are_drawn_again_where_that_can_give_a_small_p(first, second, blocks, least):
    n = first + second
    people = pd.DataFrame(
        {
            "participant_id": [f"sub-{number:02}" for number in range(n)],
            "group": "TRD",
            "sequence_code": [-1.0] * first + [1.0] * second,
            "pair": [number % first for number in range(n)],
        }
    )
    built = build("drug_TRD", people, blocks=blocks)
    if not least:
        assert built.arrangement == "shuffles" and built.flip is not None and built.notes == []
        return
    assert built.arrangement == "sign flips" and built.flip is None
    assert built.notes == [
        f"The orders of treatments ({first} active first, {second} control first) can be drawn in "
        f"{least} instead signs are flipped, which is right where the differences are symmetric "
        "about their mean."
    ]
    chosen = build("drug_TRD", people, drug_arrangement="re-randomisation")
    assert chosen.arrangement == "shuffles" and chosen.notes == []


def test_orders_that_were_not_drawn_are_not_drawn_again(people):
    for codes, said in (
        ([1.0, 1, np.nan, 1, 1, 1], "all known orders are the same"),
        ([np.nan] * 6, "no order is known"),
    ):
        people.loc[:5, "sequence_code"] = codes
        with pytest.raises(Inestimable, match=f"of the 6 people to analyse {said}") as caught:
            build("drug_TRD", people, drug_arrangement="re-randomisation")
        assert caught.value.rows.tolist() == [0, 1, 2, 3, 4, 5] and caught.value.left == []


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
    assert built.formula == formula and built.sequence_adjusted
    # Five people cannot be drawn again.
    assert [note[:33] for note in built.notes] == (
        ["The orders of treatments (4 activ"] if name == "drug_TRD" else []
    )
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
    built = build("group_by_drug", people, covariates={"sex": "categorical"})
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
        "drug_TRD_pooled",
        "drug_TRD_by_subregion",
        "drug_HV_pooled",
        "drug_HV_by_subregion",
        "group_by_drug",
        "group_by_drug_pooled",
        "group_by_drug_by_subregion",
        "carryover",
        "change_MADRS",
        "change_SHAPS",
    ]
    one = {"patients": "TRD", "controls": None}
    own = ["drug_TRD", "drug_TRD_pooled", "drug_TRD_by_subregion"]
    assert names(one, has_total=False) == names(one, sequence_known=False) == own
    with pytest.raises(Fault, match="groups A and A_pooled give two analyses the name drug_A_pool"):
        names({"patients": "A", "controls": "A_pooled"})
    assert names(GROUPS, n_seeds=1) == ["drug_TRD", "drug_HV", "group_by_drug", "carryover"]


def test_every_analysis_has_its_words():
    for name in names(GROUPS, ["MADRS"]):
        asked = question(name, GROUPS, TREATMENTS)
        assert asked.name == name and asked.title and "?" in asked.text
    assert "in connectivity (ketamine - placebo) go with" in asked.text
    sums = {"active": "ketamine post + placebo pre", "control": "placebo post + ketamine pre"}
    said = "(ketamine post + placebo pre) - (placebo post + ketamine pre)"
    for name in ("change_MADRS", "drug_TRD_by_subregion", "group_by_drug"):
        assert f"change in connectivity ({said})" in question(name, GROUPS, sums).text
    with pytest.raises(Fault, match='no analysis "drug_BP"'):
        question("drug_BP", GROUPS, TREATMENTS)
    with pytest.raises(Fault, match="no analysis"):
        question("group_by_drug", {"patients": "TRD", "controls": None}, TREATMENTS)


THREE = {"patients": "TRD", "controls": "BP", "group_3": "HV"}


def test_three_groups_are_compared_together_and_in_pairs():
    pairs = ["group_by_drug_TRD_BP", "group_by_drug_TRD_HV", "group_by_drug_BP_HV"]
    within = [f"drug_{label}{end}" for label in ("TRD", "BP", "HV") for end in ("",)]
    found = names(THREE, ["MADRS"], n_seeds=1)
    assert found == [*within, "group_by_drug", *pairs, "carryover", "change_MADRS"]
    found = names(THREE, contrast="low")
    assert "group_by_low_TRD_BP" in found and found[-3:-1] == [
        "group_by_low_pooled", "group_by_low_by_subregion",
    ]  # fmt: skip
    for name in names(THREE, ["MADRS"]):
        asked = question(name, THREE, TREATMENTS)
        assert asked.name == name and "?" in asked.text
        if name.startswith("group_by"):
            assert asked.groups == (tuple(name.split("_")[3:]) if name in pairs else
                                    ("TRD", "BP", "HV"))  # fmt: skip
    asked = question("group_by_drug", THREE, TREATMENTS)
    assert asked.title == "TRD versus BP versus HV: change under ketamine, per subregion"
    assert "differ among TRD, BP and HV, for each seed?" in asked.text
    assert question("change_MADRS", THREE, TREATMENTS).group == "TRD"


@pytest.mark.parametrize(
    ("labels", "name"),
    [
        (("a", "b_c", "a_b", "c"), "group_by_drug_a_b_c"),
        (("by", "subregion", "x"), "group_by_drug_by_subregion"),
    ],
)
def test_labels_that_give_two_analyses_one_name_are_refused(labels, name):
    with pytest.raises(Fault, match=f"give two analyses the name {name}; rename one"):
        names(roles(labels))


def test_f_of_three_groups_and_its_pairs(people):
    people = people.assign(group=["TRD"] * 3 + ["BP"] * 3 + ["HV"] * 4)
    options = analysis_options(covariates={"age": "continuous"})
    whole = model(question("group_by_drug", THREE, TREATMENTS), people, THREE, options)
    assert whole.formula == "D ~ 1 + group + sequence + age" and whole.arrangement == "sign flips"
    assert whole.variance_groups.tolist() == [0] * 3 + [1] * 3 + [2] * 4
    assert whole.effect.tolist() == [[-1, -1]] * 3 + [[1, 0]] * 3 + [[0, 1]] * 4
    pair = model(question("group_by_drug_BP_HV", THREE, TREATMENTS), people, THREE, options)
    assert pair.rows.tolist() == list(range(3, 10))
    assert pair.effect.tolist() == [0.5] * 3 + [-0.5] * 4
    assert pair.variance_groups.tolist() == [False] * 3 + [True] * 4
    ages = people["age"].to_numpy()[3:]
    assert pair.nuisance[:, -1].tolist() == (ages - ages.mean()).tolist()
    carried = model(question("carryover", THREE, TREATMENTS), people, THREE, options)
    assert carried.formula == "S ~ 1 + sequence + group"
    assert carried.nuisance_names == ["intercept", "group[BP]", "group[HV]"]
    arms = model(question("group_by_drug", THREE, TREATMENTS), people, THREE, options, arms=True)
    assert arms.arrangement == "shuffles"


def test_a_group_of_three_without_anybody_is_named(people):
    people = people.assign(group=["TRD"] * 3 + ["BP"] * 3 + ["HV"] * 4)
    with pytest.raises(Inestimable, match="nobody of BP is left to compare"):
        model(question("group_by_drug", THREE, TREATMENTS), people[people["group"] != "BP"], THREE,
              analysis_options())  # fmt: skip


def test_a_change_over_time_says_so_also_with_periods_in_the_model(people):
    people = people.assign(period_2=[0.5, -0.5] * 5)
    asked = question("rise_TRD", GROUPS, {"active": "day2", "control": "b0"}, "rise", "rise")
    said = "effects of treatment and time cannot be told apart"
    for over_time in (True, False):
        built = model(
            asked, people, GROUPS, analysis_options(), order=["period_2"], over_time=over_time
        )
        assert built.formula == "D ~ 1 + period_2"
        assert any(said in note for note in built.notes) == over_time


def test_periods_that_cancel_are_not_taken_for_confounded(people):
    people = people.assign(period_2=0.0)
    asked = question("since_TRD", GROUPS, {"active": "post", "control": "pre"}, "since", "since")
    built = model(asked, people, GROUPS, analysis_options(), order=["period_2"], over_time=True)
    assert built.formula == "D ~ 1"
    assert any("effects of periods cancel" in note for note in built.notes)
    assert not any("drug and period" in note for note in built.notes)


def test_carryover_has_the_groups_that_are_left(people):
    """Of three groups whose first is gone, two are still told apart."""
    three = roles(["BP", "TRD", "HV"])
    asked = question("carryover", three, TREATMENTS)
    built = model(asked, people, three, analysis_options())
    assert built.formula == "S ~ 1 + sequence + group"
