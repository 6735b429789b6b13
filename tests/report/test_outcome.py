"""What is said of a score: direction, number, interval, p and n are of one model."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from crossfc.group.change import change_between_groups, clinical_change
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
    return SimpleNamespace(
        change=change, scores=scores, groups=list(groups), active="ketamine", control="placebo",
        better=lambda scale: better,
        between=change_between_groups(scores, TREATMENTS, groups, ["MADRS"]), config={},
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
    assert row["p"] < 0.05 < row["adjusted_p"] and answer.verdict == NONE
    told, _, other = answer.sentence.partition(". The plain mean")
    assert told.startswith("In TRD, no difference in MADRS was significant (period-adjusted")
    assert "is significant" in other


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
    assert row["difference"] < 0 < row["adjusted_estimate"] and between.marked == {0}
    assert f"{row['adjusted_estimate']:+.2f}" in between.rows[0]


@pytest.mark.parametrize("sign", [1, -1])
def test_clinical_carryover_is_active_first_minus_control_first(sign):
    results = results_of(scores_of(0.0, 1.0, (8, 8), carryover=sign * 4.0))
    row = results.change.iloc[0]
    assert np.sign(row["carryover_estimate"]) == np.sign(row["carryover_t"]) == sign
    assert row["carryover_estimate"] == pytest.approx(sign * 8, abs=2)
    titles = [title for title, _ in clinic.change_table(results).columns]
    assert "carry-over (sum, ketamine first − placebo first)" in titles


def test_a_correlation_that_covariates_turn_is_told_so():
    row = {"pearson_r": 0.5, "ci_low": 0.1, "ci_high": 0.7, "p_permutation": 0.01, "q_fdr": 0.04}
    row |= {"n": 20, "partial_r": -0.2, "partial_p": 0.4}
    said = correlation_numbers(SimpleNamespace(config={}), row)
    assert said.endswith("n = 20; given the covariates the other way round, partial r = −0.20, "
                         "p = 0.40")  # fmt: skip
    row["partial_r"] = 0.4
    said = correlation_numbers(SimpleNamespace(config={}), row)
    assert said.endswith("; given the covariates partial r = 0.40, p = 0.40")
