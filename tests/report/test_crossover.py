"""What the page says beside the comparison within people: sequences, first period, response."""

import numpy as np
import pandas as pd
import pytest

from crossfc.clinic.change import change_between_groups, clinical_change
from crossfc.clinic.response import paired_response_table, response_table
from crossfc.clinic.score_family import corrected
from crossfc.report import crossover, response
from crossfc.report.group_comparison import comparison
from crossfc.report.number import fixed, interval, p_equals, signed
from crossfc.report.outcome import told_change
from tests.report.test_outcome import TREATMENTS, results_of, scores_of


def test_carryover_comes_with_interval_and_what_could_have_been_found():
    results = results_of(scores_of(-4.0, 2.0, (9, 7), carryover=1.0))
    row = results.change.iloc[0]
    (said,) = crossover.carryover_sentences(results)
    limits = interval(row["carryover_low"], row["carryover_high"])
    assert f"carry-over {signed(row['carryover_estimate'])} {limits}, " in said
    assert p_equals(row["carryover_p"]) in said
    least = row["carryover_detectable"]
    assert f"of {fixed(least)} points is the smallest" in said
    assert f"({signed(row['adjusted_estimate'])}) by half of it, {fixed(least / 2)} points" in said
    # One order of treatments has no carry-over to tell.
    assert crossover.carryover_sentences(results_of(scores_of(-4.0, 2.0, (9, 0)))) == []


def test_half_of_a_carryover_moves_the_adjusted_change():
    """In scores without noise: what the sentence says of half of it is so."""
    plain, carried = (scores_of(-4.0, 2.0, (6, 4), noise=0.0) for _ in range(2))
    first = carried["sequence"] == "ketamine-placebo"
    carried.loc[first, "control"] += 3.0  # ketamine carries over into the placebo session
    changes = [
        clinical_change(scores, TREATMENTS, ["TRD"], ["MADRS"])[0].iloc[0]
        for scores in (plain, carried)
    ]
    moved = [change["carryover_estimate"] for change in changes]
    assert moved[1] - moved[0] == pytest.approx(3.0)
    by = changes[1]["adjusted_estimate"] - changes[0]["adjusted_estimate"]
    assert by == pytest.approx(-1.5)


def two_groups(first, second):
    """Two groups with these changes, period-adjusted; ten in each order of the first group."""
    scores = pd.concat(
        [
            scores_of(first, 3.0, (10, 4), noise=2.0, seed=1),
            scores_of(second, 3.0, (4, 8), noise=2.0, seed=2, group="HV"),
        ]
    )
    return results_of(scores, groups=("TRD", "HV"))


def said_of(results, scale):
    own = results.change[results.change["scale"] == scale].to_dict("records")
    unlike = len({told_change(row).significant for row in own}) == 2
    return " ".join(comparison(results, scale, unlike=unlike).sentences)


@pytest.mark.parametrize(
    ("second", "verb", "one_only"),
    [
        (0.0, "was more negative in TRD than in HV", True),
        (-4.2, "did not differ significantly", False),
    ],
)
def test_groups_are_compared_in_a_sentence_of_the_adjusted_test(second, verb, one_only):
    results = two_groups(-4.0, second)
    said = said_of(results, "MADRS")
    row = results.between.iloc[0]
    assert verb in said and "adjusted for period" in said
    assert signed(row["adjusted_estimate"]) in said and p_equals(row["adjusted_p"]) in said
    assert interval(row["adjusted_low"], row["adjusted_high"]) in said
    assert interval(row["g_low"], row["g_high"]) in said
    assert ("no difference between them" in said) == one_only
    assert said_of(results, "SHAPS") == ""


def test_significant_here_and_not_there_is_said_to_be_no_difference():
    """Changes that are alike, one of few people: the sentence does not say that groups differ."""
    scores = pd.concat(
        [
            scores_of(-1.2, 0.0, (12, 12), noise=1.0, seed=1),
            scores_of(-1.2, 0.0, (2, 2), noise=1.0, seed=4, group="HV"),
        ]
    )
    results = results_of(scores, groups=("TRD", "HV"))
    p = results.change["adjusted_p"]
    assert p[0] < 0.05 < p[1]
    said = said_of(results, "MADRS")
    assert "did not differ significantly" in said and "only this comparison tells" in said


def test_groups_without_orders_say_so_and_one_group_says_nothing():
    results = two_groups(-4.0, 0.0)
    scores = results.scores.assign(sequence="ketamine-placebo")
    between = change_between_groups(scores, TREATMENTS, ["TRD", "HV"], ["MADRS"])
    results.between = corrected(between)
    said = said_of(results, "MADRS")
    assert "not adjusted for period, as everybody had ketamine first" in said
    assert signed(results.between["unadjusted_difference"][0]) in said
    assert said_of(results_of(scores_of(-4.0, 2.0, (5, 5))), "MADRS") == ""


def test_several_groups_are_told_by_f():
    rng = np.random.default_rng(0)
    groups = ("A", "B", "C")
    scores = pd.concat(
        [scores_of(d, 1.0, (6, 6), noise=1.5, seed=int(rng.integers(99)), group=g)
         for g, d in zip(groups, (-5.0, 0.0, 0.0), strict=True)]
    )  # fmt: skip
    results = results_of(scores, groups=groups)
    row = results.between[results.between["df_effect"].notna()].iloc[0]
    said = said_of(results, "MADRS")
    assert f"F(2, {row['adjusted_df']:.3g}) = {fixed(row['adjusted_f'])}" in said
    assert said.startswith("The groups differed") and p_equals(row["adjusted_p"]) in said


def test_the_page_has_every_part(found, found_page, found_results):
    text = found_page.text
    for words in (
        "Hedges' g_av", "Changes of scores (ketamine − placebo) by sequence",
        "First period alone, compared between people", "power of a parallel trial",
        "Scores by sequence and period: mean (SD), n", "Response and remission within people",
        "is the smallest that this test finds with a power of 80 %",
    ):  # fmt: skip
        assert words in text, words
    change = found_results.change.iloc[0]
    assert interval(change["g_av_low"], change["g_av_high"]) in text
    assert interval(change["carryover_low"], change["carryover_high"]) in text
    assert said_of(found_results, "MADRS") in text
    first = found_results.first_period.iloc[0]
    assert interval(first["low"], first["high"]) in text


def test_means_of_periods_stand_under_their_period(found_results):
    table = crossover.period_table(found_results)
    assert [title for title, _ in table.columns] == [
        "scale", "group", "sequence", "period 1", "period 2",
    ]  # fmt: skip
    course = found_results.course
    for scale, group, sequence, *cells in table.rows:
        for treatment, cell in zip(sequence.split("-"), cells, strict=True):
            same = course["scale"].eq(scale) & course["group"].eq(group)
            same &= course["sequence"].eq(sequence) & course["treatment"].eq(treatment)
            (row,) = course[same].to_dict("records")
            means = f"{fixed(row['mean'])} ({fixed(row['sd'])}), n = {row['n']}"
            assert cell == f"{treatment}: {means}"


def test_widths_are_those_of_the_two_intervals(found_results):
    table = crossover.first_period_table(found_results)
    place = [title for title, _ in table.columns].index("width of the interval, within people 1")
    first, change = found_results.first_period.iloc[0], found_results.change.iloc[0]
    within = change["adjusted_high"] - change["adjusted_low"]
    assert table.rows[0][place] == fixed((first["high"] - first["low"]) / within)


@pytest.mark.parametrize(
    ("lowest", "better", "words"),
    [(0, "lower", "a score 50 % or more below that at b0"),
     (30, "lower", "a way of 50 % or more to the best score of the scale, from that at b0"),
     (0, "higher", "a way of 50 % or more to the best score of the scale, from that at b0")],
)  # fmt: skip
def test_response_is_defined_in_words(found_results, lowest, better, words):
    scale = {"scale": "X", "lowest": lowest, "highest": 60, "better": better,
             "response_percent": 50.0, "remission_at": 40.0, "baseline": "b0"}  # fmt: skip
    status = {"scale": "X", "group": "TRD", "participant_id": "sub-1", "treatment": "drug",
              "occasion": None, "score": 35.0, "baseline": 45.0}  # fmt: skip
    results = results_of(scores_of(-4.0, 2.0, (5, 5)))
    results.scales = {"X": scale}
    results.response = response_table([status], [scale], ["TRD"], [("drug", None)])
    results.response_pairs = paired_response_table([], [], [scale], ["TRD"])
    (said,) = response.definitions(results)
    end = "less" if better == "lower" else "more"
    assert said == f"X: response is {words}; remission is a score of 40 or {end}."
    assert response.response_table(results).rows[0][:3] == ["response", "X", "TRD"]
    assert response.paired_table(results) is None
    scale["baseline"] = None
    results.response = response_table([status], [scale], ["TRD"], [("drug", None)])
    (said,) = response.definitions(results)
    assert "(not told, as there is no score before treatment)" in said
    assert [row[0] for row in response.response_table(results).rows] == ["remission"]


@pytest.mark.parametrize(
    ("baseline", "words"),
    [("before all treatment", "below that before all treatment;"), ("before", "at before;")],
)
def test_an_occasion_may_be_called_before(baseline, words):
    results = results_of(scores_of(-4.0, 2.0, (5, 5)))
    scale = {"scale": "X", "lowest": 0, "highest": 60, "better": "lower",
             "response_percent": 50.0, "remission_at": 10.0, "baseline": baseline}  # fmt: skip
    status = {"scale": "X", "group": "TRD", "participant_id": "sub-1", "treatment": "drug",
              "occasion": None, "score": 5.0, "baseline": 45.0}  # fmt: skip
    results.scales = {"X": scale}
    results.response = response_table([status], [scale], ["TRD"], [("drug", None)])
    assert words in response.definitions(results)[0]


def test_arms_of_one_period_have_nothing_to_adjust_for():
    results = two_groups(-4.0, 0.0)
    scores = results.scores
    results.between = change_between_groups(scores, TREATMENTS, ["TRD", "HV"], ["MADRS"], ())
    assert "adjusted" not in said_of(results, "MADRS")
