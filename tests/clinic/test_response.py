"""Response and remission: against statsmodels, enumeration, and published examples."""

from itertools import product
from math import comb

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar as of_statsmodels
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

from crossfc.clinic.response import (
    COLUMNS,
    NO_BASELINE,
    NOT_TWO_PERIODS,
    PAIRED_COLUMNS,
    REMISSION,
    RESPONSE,
    is_met,
    mainland_gart,
    mcnemar,
    newcombe,
    paired_response_table,
    response_table,
    wilson,
)

MADRS = {"scale": "MADRS", "lowest": 0.0, "highest": 60.0, "better": "lower",
         "response_percent": 50.0, "remission_at": 10.0, "baseline": "b0"}  # fmt: skip
TEPS = {"scale": "TEPS", "lowest": 10.0, "highest": 60.0, "better": "higher",
        "response_percent": 40.0, "remission_at": 50.0, "baseline": "b0"}  # fmt: skip


@pytest.mark.parametrize(
    ("scale", "criterion", "score", "baseline", "met"),
    [
        (MADRS, RESPONSE, 15, 30, True),
        (MADRS, RESPONSE, 15.01, 30, False),
        (MADRS, RESPONSE, 40, 30, False),
        (MADRS, RESPONSE, 15, None, None),
        (MADRS, RESPONSE, 0, 0, None),  # nothing to win
        (MADRS, REMISSION, 10, None, True),
        (MADRS, REMISSION, 11, None, False),
        (TEPS, RESPONSE, 36, 20, True),  # 16 of the 40 points to 60
        (TEPS, RESPONSE, 35, 20, False),
        (TEPS, REMISSION, 50, None, True),
        (TEPS, REMISSION, 49, None, False),
        (MADRS | {"response_percent": 30.0}, RESPONSE, 21, 30, True),
    ],
)  # fmt: skip
def test_what_counts_as_response_and_as_remission(scale, criterion, score, baseline, met):
    assert is_met(criterion, scale, score, baseline) is met


def test_a_scale_that_does_not_begin_at_zero_counts_from_its_best_score():
    """A PANSS of 30 at least: 90 to 60 is half of the way (and 33 % of the plain score)."""
    panss = MADRS | {"lowest": 30.0, "highest": 210.0}
    assert is_met(RESPONSE, panss, 60, 90) and not is_met(RESPONSE, panss, 61, 90)


@pytest.mark.parametrize(("n_met", "n"), [(0, 13), (1, 7), (4, 27), (12, 24), (17, 17)])
def test_shares_have_the_interval_of_statsmodels(n_met, n):
    expected = proportion_confint(n_met, n, method="wilson")
    assert wilson(n_met, n) == pytest.approx(expected, abs=1e-12)
    assert np.isnan(wilson(0, 0)).all()


def test_the_interval_of_a_paired_difference():
    # Shares that go together no more than by chance: Newcombe's interval of independent shares.
    both, first, second, neither = 6, 9, 4, 6
    independent = confint_proportions_2indep(15, 25, 10, 25, method="newcomb", compare="diff")
    assert newcombe(both, first, second, neither) == pytest.approx(independent)
    # Shares that go together have a narrower one, which is turned where the sides change places.
    low, high = newcombe(13, 2, 0, 10)
    assert high - low < 0.7 * np.diff(confint_proportions_2indep(
        15, 25, 13, 25, method="newcomb", compare="diff"))[0]  # fmt: skip
    assert newcombe(13, 0, 2, 10) == pytest.approx((-high, -low))
    assert newcombe(0, 0, 0, 9) == pytest.approx((-wilson(0, 9)[1], wilson(0, 9)[1]))


def test_the_interval_of_a_paired_difference_covers():
    """All tables of 14 people, at 40 sets of probabilities: coverage is summed, not drawn."""
    rng = np.random.default_rng(0)
    n = 14
    tables = [(*t, n - sum(t)) for t in product(range(n + 1), repeat=3) if sum(t) <= n]
    limits = np.array([newcombe(*table) for table in tables])
    covered = []
    for shares in rng.dirichlet([2, 1, 1, 2], 40):
        chance = stats.multinomial.pmf(tables, n, shares)
        true = shares[1] - shares[2]
        covered.append(chance[(limits[:, 0] <= true) & (true <= limits[:, 1])].sum())
    assert 0.94 < np.mean(covered) < 0.98 and min(covered) > 0.91


def test_both_exact_p():
    for first, second in ((3, 0), (9, 2), (4, 4), (0, 0)):
        table = [[5, first], [second, 7]]
        expected = of_statsmodels(table, exact=True).pvalue if first + second else 1.0
        assert mcnemar(first, second) == pytest.approx(min(expected, 1))
    # Formoterol and salbutamol (Senn 2002, ch. 4): preferences 9 : 0 and 1 : 6, eight of nobody.
    code = np.repeat([-1.0, 1.0], 12)
    period_1_better = np.array([1] * 9 + [0] * 3 + [1] + [0] * 5 + [-1] * 6)
    delta = period_1_better * -code  # formoterol was in period 1 where it came first
    ways = {k: comb(9, k) * comb(7, 10 - k) / comb(16, 10) for k in range(3, 10)}
    expected = sum(way for way in ways.values() if way <= ways[9] * (1 + 1e-9))
    assert mainland_gart(delta, code) == pytest.approx(expected)
    assert mainland_gart(delta, -code) == pytest.approx(expected)
    # What is the period's alone is no difference of treatments, though most had one order.
    code = np.repeat([-1.0, 1.0], [14, 2])
    assert mainland_gart(-code, code) == 1.0 and mcnemar(14, 2) < 0.05


def statuses(rows):
    keys = ("participant_id", "treatment", "score", "baseline")
    return [
        {"scale": "MADRS", "group": "MDD", "occasion": "d2"} | dict(zip(keys, row, strict=True))
        for row in rows
    ]


def test_counts_name_whom_they_lack():
    rows = statuses([
        ("sub-1", "drug", 12, 30), ("sub-2", "drug", 9, 12), ("sub-3", "drug", None, 31),
        ("sub-4", "drug", 5, None), ("sub-5", "drug", 0, 0), ("sub-6", "drug", 28, 30),
        ("sub-1", "pill", None, 30),
    ])  # fmt: skip
    table = response_table(rows, [MADRS], ["MDD", "HC"], [("drug", "d2"), ("pill", "d2")])
    assert table.columns.tolist() == COLUMNS
    assert table[["criterion", "treatment", "n", "n_met"]].values.tolist() == [
        ["response", "drug", 3, 1], ["remission", "drug", 5, 3],
    ]  # fmt: skip
    response, remission = table.to_dict("records")
    assert response["left"] == (
        "sub-3 (no score); sub-4 (no baseline score); "
        "sub-5 (the best score at the baseline already)"
    )
    assert remission["left"] == "sub-3 (no score)" and remission["proportion"] == 0.6
    assert (response["low"], response["high"]) == wilson(1, 3)
    table = response_table(rows, [MADRS | {"baseline": None}], ["MDD"], [("drug", "d2")])
    assert table["because"][0] == NO_BASELINE and pd.isna(table["because"][1])
    assert table["n"].tolist() == [0, 5]
    assert response_table([], [MADRS], ["MDD"], [("drug", "d2")]).empty


def pairs_of(scores, codes, **columns):
    return [
        {"contrast": "drug", "scale": "MADRS", "group": "MDD", "participant_id": f"sub-{i}",
         "sequence_code": code, "active": active, "control": control,
         "active_baseline": 30.0, "control_baseline": 30.0} | columns
        for i, ((active, control), code) in enumerate(zip(scores, codes, strict=True))
    ]  # fmt: skip


COMPARED = {"contrast": "drug", "scale": "MADRS", "treatment": "drug", "reference": "pill",
            "occasion": None, "order": ["sequence_code"]}  # fmt: skip


def test_the_difference_within_people_is_adjusted_for_period():
    """Ten had the drug first, four the pill; period 2 makes responders by itself."""
    import statsmodels.api as sm

    rng = np.random.default_rng(5)
    codes = [-1.0] * 10 + [1.0] * 4
    scores = [tuple(rng.choice([8.0, 14.0, 25.0], 2)) for _ in codes]
    table = paired_response_table(pairs_of(scores, codes), [COMPARED], [MADRS], ["MDD"])
    assert table.columns.tolist() == PAIRED_COLUMNS
    assert table["criterion"].tolist() == ["response", "remission"]
    row = table.iloc[0]
    met = np.array(scores) <= 15
    delta = met[:, 0].astype(float) - met[:, 1]
    fit = sm.OLS(delta, sm.add_constant(np.array(codes))).fit()
    assert row["difference"] == pytest.approx(fit.params[0])
    assert (row["low"], row["high"]) == pytest.approx(tuple(fit.conf_int()[0]))
    assert row["adjusted"] and row["adjusted_n"] == row["n"] == 14
    counts = row[["both", "treatment_only", "reference_only", "neither"]].tolist()
    assert counts == [(met.sum(1) == 2).sum(), (delta > 0).sum(), (delta < 0).sum(),
                      (met.sum(1) == 0).sum()]  # fmt: skip
    assert row["p_mainland_gart"] == mainland_gart(delta, np.array(codes))


def test_without_orders_it_is_newcombes_and_says_why():
    scores = [(8.0, 25.0), (25.0, 8.0), (9.0, 24.0), (30.0, 31.0), (8.0, None), (None, None)]
    pairs = pairs_of(scores, [np.nan] * 6)
    (row,) = paired_response_table(
        pairs, [COMPARED], [MADRS | {"response_percent": None}], ["MDD"]
    ).to_dict("records")
    assert not row["adjusted"] and row["adjusted_n"] == 0
    assert row["unadjusted_because"] == "the order of treatments is not known for anybody"
    assert row["because"] == row["unadjusted_because"] and np.isnan(row["p_mainland_gart"])
    assert row["difference"] == 0.25 and (row["low"], row["high"]) == newcombe(0, 2, 1, 1)
    assert row["left"] == "sub-4 (no score under pill); sub-5 (no score)"
    three = COMPARED | {"order": ["period_2", "period_3"]}
    pairs = pairs_of(scores[:4], [0.0] * 4, period_2=0.5, period_3=0.0)
    row = paired_response_table(pairs, [three], [MADRS], ["MDD"]).iloc[0]
    assert row["because"] == NOT_TWO_PERIODS
    assert row["unadjusted_because"] == "everybody had the same periods"
    none = paired_response_table(pairs_of([(None, 3.0)], [1.0]), [COMPARED], [MADRS], ["MDD"])
    assert none.empty and isinstance(none, pd.DataFrame)
