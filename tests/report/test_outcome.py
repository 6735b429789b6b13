"""What is said of a score: direction, number, interval, p and n are of one model."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from crossfc.clinic.change import change_between_groups, clinical_change
from crossfc.clinic.score_family import corrected
from crossfc.report import clinic
from crossfc.report.narrative import FOUND, NONE, UNKNOWN
from crossfc.report.outcome import clinical_answers, correlation_numbers

TREATMENTS = {"active": "ketamine", "control": "placebo"}
ORDERS = {-1: "ketamine-placebo", 1: "placebo-ketamine"}


def scores_of(drug, period, n_first, noise=0.8, group="TRD", seed=3, carryover=0.0):
    """People with a drug and a period effect; ``n_first`` = (active first, control first)."""
    rng = np.random.default_rng(seed)
    rows = []
    for i, code in enumerate(np.repeat([-1, 1], n_first)):
        base = 30 + rng.normal() + (carryover if code < 0 else 0)
        active = base + drug + (period if code > 0 else 0) + rng.normal(0, noise)
        control = base + (period if code < 0 else 0) + rng.normal(0, noise)
        rows.append(
            {"participant_id": f"{group}{i:02d}", "group": group, "sequence": ORDERS[code]}
            | {"scale": "MADRS", "active": active, "control": control}
        )
    return pd.DataFrame(rows)


def results_of(scores, groups=("TRD",), better="lower"):
    change, _ = clinical_change(scores, TREATMENTS, groups, ["MADRS"])
    between = change_between_groups(scores, TREATMENTS, groups, ["MADRS"])
    return SimpleNamespace(
        change=corrected(change), scores=scores, groups=list(groups),
        active="ketamine", control="placebo",
        better=lambda scale: better, on_active="under ketamine", on_control="under placebo",
        prefix="", heading="", effect="ketamine", baseline=None, adjusted_for="period",
        adjusted_where="period where the order is known", difference="ketamine − placebo",
        on_both="under placebo and ketamine",
        between=corrected(between), config={},
    )  # fmt: skip


def answer_of(scores, **options):
    results = results_of(scores, **options)
    (answer,) = clinical_answers(results)
    return answer, results.change.iloc[0]


def printed(value, sign=True):
    return f"{value:+.2f}" if sign else f"{value:.2f}"


@pytest.mark.parametrize(
    ("drug", "period", "n_first", "word"),
    [
        (1.8, 6.0, (12, 4), "higher"),
        (-1.8, -6.0, (12, 4), "lower"),
        (-2.9, 8.0, (4, 14), "lower"),
        (2.9, -8.0, (4, 14), "higher"),
    ],
)
@pytest.mark.parametrize("better", ["lower", "higher"])
def test_direction_number_interval_and_p_are_of_the_adjusted_model(
    drug, period, n_first, word, better
):
    answer, row = answer_of(scores_of(drug, period, n_first), better=better)
    assert row["mean"] * row["adjusted_estimate"] < 0  # the plain mean points the other way
    assert answer.verdict == FOUND
    told, _, other = answer.sentence.replace("−", "-").partition(". The plain mean")
    good = "better" if (better == "higher") == (word == "higher") else "worse"
    assert told.startswith(
        f"In TRD, MADRS was {word} under ketamine than under placebo, the {good} direction "
        f"(period-adjusted difference {printed(row['adjusted_estimate'])}, 95 % interval "
        f"[{printed(row['adjusted_low'], False)}, {printed(row['adjusted_high'], False)}], "
        f"t({sum(n_first) - 2}) = {printed(row['adjusted_t'], False)}, p = "
    )
    assert told.endswith(f"; n = {sum(n_first)})")
    assert printed(row["mean"]) not in told
    # What the chart shows is said, with its reason.
    assert f"({printed(row['mean'])}, p = " in other and "points the other way" in other
    assert f"({n_first[0]} had ketamine first and {n_first[1]} had placebo first)" in other
    assert f"differed by {printed(row['period_estimate'])} from period 1 to period 2" in other
    assert answer.short.replace("−", "-").startswith(
        f"MADRS: {printed(row['adjusted_estimate'])} in TRD (p = "
    )


def test_a_significant_mean_that_is_the_periods_is_no_finding():
    answer, row = answer_of(scores_of(0.0, 6.0, (14, 3)))
    assert row["unadjusted_p"] < 0.05 < row["adjusted_p"] and answer.verdict == NONE
    told, _, other = answer.sentence.partition(". The plain mean")
    assert told.startswith("In TRD, no difference in MADRS was significant (period-adjusted")
    assert "is below 0.05 before correction" in other


@pytest.mark.parametrize(
    ("n_first", "because"),
    [((9, 0), "everybody had ketamine first"), ((0, 9), "everybody had placebo first")],
)
def test_without_an_adjusted_model_the_plain_one_is_told_and_the_reason(n_first, because):
    answer, row = answer_of(scores_of(-3.0, 1.0, n_first))
    numbers = f"mean difference {printed(row['mean'])}, 95 % interval "
    assert f"({numbers}[" in answer.sentence.replace("−", "-")
    assert answer.sentence.endswith(f"; n = 9; not adjusted for period, as {because}).")


def test_people_of_unknown_order_are_not_counted_where_they_are_not():
    scores = scores_of(-3.0, 2.0, (7, 5))
    scores.loc[[1, 3], "sequence"] = "n/a"
    answer, row = answer_of(scores)
    assert (row["n"], row["adjusted_n"]) == (12, 10)
    assert "n = 10, without 2 whose order of treatments is not known)" in answer.sentence


def test_a_scale_on_which_everybody_changes_alike_has_no_p_for_a_reason():
    scores = scores_of(-3.0, 1.0, (5, 5))
    scores["active"] = scores["control"] - 5.0
    answer, _ = answer_of(scores)
    assert answer.verdict == UNKNOWN
    assert "p n/a, as the change is the same in everybody; n = 10" in answer.sentence


def test_too_few_to_test_is_not_called_a_null_finding():
    answer, _ = answer_of(scores_of(-3.0, 0.0, (1, 1)))
    assert answer.verdict == UNKNOWN
    assert "could not be tested" in answer.sentence
    assert "p n/a, as a test takes 3 people; n = 2" in answer.sentence
    assert "not comparable in TRD" in answer.short


def test_the_first_sentence_is_of_the_group_in_which_something_was_found():
    scores = pd.concat(
        [scores_of(0.0, 1.0, (6, 6)), scores_of(4.0, 1.0, (6, 6), group="HV", seed=4)]
    )
    answer, _ = answer_of(scores, groups=("TRD", "HV"))
    assert answer.verdict == FOUND and answer.sentence.startswith("In HV, MADRS was higher")
    assert answer.details[0].startswith("In TRD, no difference")


def test_tables_put_what_is_told_in_bold():
    scores = pd.concat(
        [scores_of(1.8, 6.0, (12, 4)), scores_of(0.0, 6.0, (4, 12), group="HV", seed=5)]
    )
    results = results_of(scores, ("TRD", "HV"))
    table = clinic.change_table(results)
    assert table.marked == {0}
    titles = [title for title, _ in table.columns]
    assert titles.index("ketamine − placebo, adjusted for period") < titles.index(
        "ketamine − placebo, not adjusted"
    )
    between = clinic.between_table(results)
    row = results.between.iloc[0]
    # Patients gain 1.8 more; the plain difference is the period's.
    assert row["unadjusted_difference"] < 0 < row["adjusted_estimate"] and between.marked == {0}
    assert f"{row['adjusted_estimate']:+.2f}" in between.rows[0]


def test_what_turned_the_sign_may_be_the_baseline():
    """Orders are equally frequent, so that the order turns nothing; the baseline does."""
    rng = np.random.default_rng(2)
    scores = scores_of(0.0, 0.0, (10, 10))
    before = rng.normal(6, 2, 20)
    scores["active"] = scores["control"] - 3 + before + rng.normal(0, 0.1, 20)
    scores["baseline"] = before
    results = results_of(scores)
    results.change = corrected(
        clinical_change(scores, TREATMENTS, ["TRD"], ["MADRS"], baseline=True)[0]
    )
    results.baseline, results.adjusted_for = "pre", "period and baseline"
    (answer,) = clinical_answers(results)
    row = results.change.iloc[0]
    assert row["adjusted_estimate"] < 0 < row["mean"]
    told, _, other = answer.sentence.replace("−", "-").partition(". The plain mean")
    number = printed(row["adjusted_estimate"])
    assert f"difference adjusted for period and baseline {number}, 95 %" in told
    assert ": it is not adjusted for the order of treatments and the baseline (10 had" in other
    # Of a scale that nobody has at the baseline, sentences and captions do not speak of it.
    scores["baseline"] = np.nan
    without = results_of(scores.drop(columns="baseline"))
    without.scores, without.baseline = scores, "pre"
    without.adjusted_for, without.adjusted_where = "period and baseline", "period and baseline"
    (answer,) = clinical_answers(without)
    assert "(period-adjusted difference" in answer.sentence
    said = "period and baseline, MADRS without the baseline, at which nobody was scored"
    assert clinic.change_table(without).caption.endswith(said)


@pytest.mark.parametrize("sign", [1, -1])
def test_clinical_carryover_is_active_first_minus_control_first(sign):
    results = results_of(scores_of(0.0, 1.0, (8, 8), carryover=sign * 4.0))
    row = results.change.iloc[0]
    assert np.sign(row["carryover_estimate"]) == np.sign(row["carryover_t"]) == sign
    assert row["carryover_estimate"] == pytest.approx(sign * 8, abs=2)
    titles = [title for title, _ in clinic.change_table(results).columns]
    assert "carry-over (sum, ketamine first − placebo first)" in titles


def correlation_row(**changes):
    row = {"r": 0.5, "ci_low": 0.1, "ci_high": 0.7, "p_permutation": 0.01, "q_fdr": 0.04, "n": 20}
    row |= {"adjusted_for": "order of treatments", "unadjusted_because": "n/a"}
    row |= {"no_interval_because": "n/a", "n_decisive": 0, "decisive_person": "n/a"}
    row |= {"pearson_n": 20, "pearson_r": 0.45, "pearson_p": 0.02}
    return row | changes


def said_of(**changes):
    return correlation_numbers(SimpleNamespace(config={}), correlation_row(**changes))


def test_numbers_of_a_correlation_are_of_one_model_and_say_which():
    told = "r = 0.50 [0.10, 0.70], permutation p = 0.010, q = 0.040, n = 20"
    assert said_of() == f"adjusted for the order of treatments, {told}"
    reason = "everybody had ketamine first"
    unadjusted = said_of(adjusted_for="n/a", unadjusted_because=reason)
    assert unadjusted == f"{told}; not adjusted for the order of treatments, as {reason}"


@pytest.mark.parametrize("told", [True, False])
def test_a_plain_correlation_that_tells_another_story_is_told_too(told):
    said = said_of(p_permutation=0.01 if told else 0.3, pearson_p=0.3 if told else 0.01)
    assert said.endswith(f"; not adjusted r = 0.45, p = {'0.30' if told else '0.010'}")
    said = said_of(pearson_r=-0.45, pearson_p=0.01)
    assert said.endswith("; not adjusted, it is the other way round, r = −0.45, p = 0.010")
    assert "not adjusted" not in said_of(pearson_r=-0.05, pearson_p=0.8, p_permutation=0.6)


def test_who_decides_a_correlation_is_said():
    one = {"decisive_person": "sub-T03", "decisive_r": 0.21, "decisive_p": 0.34}
    said = said_of(n_decisive=1, **one)
    assert said.endswith(
        "; one person decides whether p is below 0.05: without sub-T03 r = 0.21, p = 0.34"
    )
    said = said_of(n_decisive=3, **one)
    assert "any one of 3 people decides whether p is below 0.05, most of all sub-T03" in said


def test_a_correlation_without_an_interval_says_why():
    said = said_of(ci_low=np.nan, ci_high=np.nan, no_interval_because="fewer than 8 people")
    assert "r = 0.50 (no interval: fewer than 8 people), permutation p = 0.010" in said


def test_a_correlation_that_covariates_turn_is_told_so():
    partial = {"partial_p": 0.4, "partial_covariates": "sequence_code, delta_mean_fd"}
    said = said_of(partial_r=-0.2, **partial)
    assert said.endswith("n = 20; given the covariates (order, motion) the other way round, "
                         "partial r = −0.20, p = 0.40")  # fmt: skip
    said = said_of(partial_r=0.4, **partial)
    assert said.endswith("; given the covariates (order, motion) partial r = 0.40, p = 0.40")
    # With the order alone it would be the same number again.
    assert "partial" not in said_of(
        partial_r=0.5, partial_p=0.01, partial_covariates="sequence_code"
    )


def test_a_chart_shows_what_its_number_is_of():
    points = pd.DataFrame(
        {"seed": "sgACC", "target": "PCC", "scale": "MADRS", "group": "TRD",
         "participant_id": ["a", "b", "c", "d", "e"],
         "sequence": ["ketamine-placebo"] * 2 + ["placebo-ketamine"] * 2 + ["n/a"],
         "delta_fisher_z": [0.1, 0.2, 1.1, 1.2, 7.0], "delta_score": [1.0, 2, 11, 12, 70],
         "adjusted_delta_fisher_z": [0.6, 0.7, 0.6, 0.7, np.nan],
         "adjusted_delta_score": [6.0, 7, 6, 7, np.nan]}
    )  # fmt: skip
    results = SimpleNamespace(points=points, crossed=("ketamine", "placebo"), groups=["TRD"])
    row = {"seed": "sgACC", "target": "PCC", "scale": "MADRS", "group": "TRD", "r": 1.0}
    adjusted = clinic.point_chart(results, row | {"adjusted_for": "order of treatments"})
    assert "4 people of TRD" in adjusted and "Δ MADRS, adjusted for order" in adjusted
    plain = clinic.point_chart(results, row | {"adjusted_for": "n/a"})
    assert "5 people of TRD" in plain and "adjusted" not in plain
