"""Clinical change: against scipy, closed forms, and the numbers of a real trial."""

import io
import tarfile
import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from crossfc.clinic.change import change_between_groups, clinical_change
from crossfc.clinic.connectivity import connectivity_change, treatment_weights
from crossfc.clinic.order import (
    NO_PERIODS,
    adjusted_change,
    adjusted_difference,
    group_difference,
)
from crossfc.clinic.score import paired_scores
from crossfc.fault import Fault
from crossfc.group.inference.effect import jackknife_of_groups

TREATMENTS = {"active": "ketamine", "control": "placebo"}
ORDERS = ("ketamine-placebo", "placebo-ketamine")


def scores_of(active, control, group="TRD", scale="MADRS", sequence=None):
    n = len(active)
    return pd.DataFrame(
        {
            "participant_id": [f"sub-{group}{i:02d}" for i in range(n)],
            "group": group,
            "sequence": [ORDERS[i % 2] for i in range(n)] if sequence is None else sequence,
            "scale": scale,
            "active": np.asarray(active, float),
            "control": np.asarray(control, float),
        }
    )


def random_scores(rng, n=15, **kwargs):
    control = rng.integers(10, 40, n)
    return scores_of(control + rng.integers(-15, 6, n), control, **kwargs)


def one_row(scores):
    table, notes = clinical_change(scores, TREATMENTS, ["TRD"], ["MADRS"])
    assert len(table) == 1
    return table.iloc[0], notes


def test_columns_are_the_contract_in_order():
    table, notes = clinical_change(
        random_scores(np.random.default_rng(0)), TREATMENTS, ["TRD"], ["MADRS"]
    )
    assert " ".join(table.columns) == (
        "scale group n adjusted_n adjusted_estimate adjusted_low adjusted_high adjusted_t "
        "adjusted_df adjusted_p adjusted_wilcoxon_p unadjusted_because mean mean_low mean_high sd "
        "unadjusted_t unadjusted_df unadjusted_p unadjusted_wilcoxon_p "
        "g_av g_av_low g_av_high g_av_adjusted "
        "period_estimate period_low period_high period_t period_df period_p carryover_estimate "
        "carryover_low carryover_high carryover_t carryover_df carryover_p carryover_detectable "
        "n_active_first n_control_first"
    )
    assert notes == []


def test_every_number_is_that_of_scipy_and_statsmodels():
    import statsmodels.api as sm

    scores = random_scores(np.random.default_rng(1))
    row, _ = one_row(scores)
    delta = scores["active"] - scores["control"]
    paired = stats.ttest_rel(scores["active"], scores["control"])
    assert row["n"] == 15 and row["unadjusted_df"] == 14
    assert row["mean"] == pytest.approx(delta.mean())
    assert row["sd"] == pytest.approx(delta.std(ddof=1))
    plain = row["unadjusted_t"], row["unadjusted_p"]
    assert plain == pytest.approx((paired.statistic, paired.pvalue))
    code = np.where(scores["sequence"] == ORDERS[0], -1.0, 1.0)
    fit = sm.OLS(delta.to_numpy(), sm.add_constant(code)).fit()
    assert (row["adjusted_estimate"], row["period_estimate"]) == pytest.approx(tuple(fit.params))
    assert (row["adjusted_t"], row["period_t"]) == pytest.approx(tuple(fit.tvalues))
    assert (row["adjusted_p"], row["period_p"]) == pytest.approx(tuple(fit.pvalues))
    assert (row["adjusted_n"], row["adjusted_df"], row["period_df"]) == (15, 13, 13)
    limits = fit.conf_int()
    assert (row["adjusted_low"], row["adjusted_high"]) == pytest.approx(tuple(limits[0]))
    assert (row["period_low"], row["period_high"]) == pytest.approx(tuple(limits[1]))
    limits = paired.confidence_interval()
    assert (row["mean_low"], row["mean_high"]) == pytest.approx(tuple(limits))
    total = (scores["active"] + scores["control"]).to_numpy()
    carryover = stats.ttest_ind(total[code == -1], total[code == 1])
    assert row["carryover_t"] == pytest.approx(carryover.statistic)
    assert row["carryover_p"] == pytest.approx(carryover.pvalue)
    sums = total[code == -1].mean() - total[code == 1].mean()
    assert row["carryover_estimate"] == pytest.approx(sums)
    limits = carryover.confidence_interval()
    assert (row["carryover_low"], row["carryover_high"]) == pytest.approx(tuple(limits))
    exact = stats.PermutationMethod(n_resamples=np.inf)
    assert row["unadjusted_wilcoxon_p"] == pytest.approx(stats.wilcoxon(delta, method=exact).pvalue)
    # Koch's test: the differences between periods, compared between the orders.
    by_period = (-code * delta).to_numpy()
    shuffled = stats.permutation_test(
        (stats.rankdata(by_period)[code < 0], stats.rankdata(by_period)[code > 0]),
        lambda a, b, axis: np.abs(a.mean(axis=axis) - b.mean(axis=axis)),
        n_resamples=np.inf, vectorized=True, alternative="greater",
    )  # fmt: skip
    assert row["adjusted_wilcoxon_p"] == pytest.approx(shuffled.pvalue)
    assert (row["n_active_first"], row["n_control_first"]) == (8, 7)


def test_planted_drug_and_period_are_told_apart_in_an_unbalanced_trial():
    """Drug -4, period 2 minus period 1 = 3, ten people active first and two control first."""
    rng = np.random.default_rng(2)
    sequence = [ORDERS[0]] * 10 + [ORDERS[1]] * 2
    base = rng.normal(30, 5, 12)
    first = np.array([s == ORDERS[0] for s in sequence])
    active = base - 4 + np.where(first, 0, 3)
    control = base + np.where(first, 3, 0)
    row, _ = one_row(scores_of(active, control, sequence=sequence))
    assert row["adjusted_estimate"] == pytest.approx(-4)
    assert row["period_estimate"] == pytest.approx(3)
    assert row["mean"] == pytest.approx(-6)  # what is not adjusted for the period is wrong


def test_whose_order_is_unknown_is_only_in_what_needs_no_order():
    scores = random_scores(np.random.default_rng(7), 9)
    full, _ = one_row(scores)
    scores.loc[[2, 5], "sequence"] = ["n/a", None]
    row, notes = one_row(scores)
    known, silent = one_row(scores.drop(index=[2, 5]))
    assert silent == []
    adjusted = [c for c in row.index if c.startswith(("adjusted", "period", "carryover", "n_"))]
    assert len(adjusted) == 23 and row["adjusted_n"] == 7
    pd.testing.assert_series_equal(row[adjusted], known[adjusted])
    assert np.isfinite(row[adjusted].astype(float)).all()
    plain = ["n", "mean", "sd", *(f"unadjusted_{c}" for c in ("t", "df", "p", "wilcoxon_p"))]
    pd.testing.assert_series_equal(row[plain], full[plain])
    assert row["n"] == 9 and row["adjusted_estimate"] != full["adjusted_estimate"]
    assert len(notes) == 1
    assert "2 of 9 people (sub-TRD02, sub-TRD05)" in notes[0] and "(n = 7)" in notes[0]


@pytest.mark.parametrize(
    ("sequence", "said", "because"),
    [
        (
            [ORDERS[0]] * 6,
            ["everybody had the treatments in the same order"],
            "everybody had ketamine first",
        ),
        (
            [ORDERS[1]] * 4 + ["n/a", None],
            ["2 of 6", "everybody of known order had"],
            "everybody of known order had placebo first",
        ),
        (
            [ORDERS[0], ORDERS[1], *["n/a"] * 4],
            ["4 of 6", "too few people of known order (n = 2)"],
            "the order of treatments is known for 2 only",
        ),
        (["n/a"] * 6, ["6 of 6", "(n = 0)"], "the order of treatments is not known for anybody"),
    ],
)
def test_without_an_order_there_is_no_adjusted_effect_and_a_note(sequence, said, because):
    rng = np.random.default_rng(3)
    row, notes = one_row(random_scores(rng, 6, sequence=sequence))
    adjusted = [c for c in row.index if c.startswith(("adjusted", "period", "carryover"))]
    adjusted.remove("adjusted_n")
    assert len(adjusted) == 20 and row[adjusted].isna().all()
    assert row["adjusted_n"] == 0 and row["unadjusted_because"] == because
    assert np.isfinite(row["unadjusted_t"])
    assert len(notes) == len(said)
    assert all(words in note for words, note in zip(said, notes, strict=True))


def test_one_period_has_no_note_and_periods_alike_have_their_own():
    scores = random_scores(np.random.default_rng(3), 6).assign(period_2=1.0)
    given = scores, TREATMENTS, ["TRD"], ["MADRS"]
    table, notes = clinical_change(*given, ())
    assert table["unadjusted_because"][0] == NO_PERIODS and notes == []
    table, notes = clinical_change(*given, ("period_2",))
    assert table["unadjusted_because"][0] == "everybody had the same periods"
    assert notes == [
        "MADRS in TRD: everybody had the same periods, so the drug cannot be told from the period"
    ]


def test_too_few_people_for_a_covariate_have_no_estimate_and_this_reason():
    """Three people, whom intercept, order and baseline fit without anything left."""
    few = scores_of([3.0, 9, 4], [1.0, 2, 5]).assign(baseline=[1.0, 4, 2])
    said = "3 people are too few for the 3 columns of the model"
    table, _ = clinical_change(few, TREATMENTS, ["TRD"], ["MADRS"], baseline=True)
    row = table.iloc[0]
    assert row["unadjusted_because"] == said and row["adjusted_n"] == 0
    assert np.isnan(row[["adjusted_estimate", "adjusted_p", "period_estimate"]].astype(float)).all()
    delta = (few["active"] - few["control"]).to_numpy()
    code, baseline = np.array([-1.0, 1, -1]), few["baseline"].to_numpy()
    assert adjusted_change(delta, code, TREATMENTS, baseline).because == said
    plain = adjusted_change(delta, code, TREATMENTS)
    assert not plain.because and plain.test.df == 1
    # A fourth person leaves one degree of freedom.
    more = np.append(delta, 8.0), np.append(code, 1.0), TREATMENTS, np.append(baseline, 7.0)
    assert adjusted_change(*more).test.df == 1
    first = np.array([True, True, False, False])
    between = adjusted_difference(more[0], first, more[1], ["A", "B"], TREATMENTS, more[3])
    assert between.because == "4 people are too few for the 4 columns of the model"
    assert np.isnan(between.test.estimate)


@pytest.mark.parametrize(
    "scores",
    [
        scores_of([3.0, 5.0], [1.0, 2.0]),
        scores_of([3.0], [1.0]),
        scores_of([0.3, 1.3, 2.3, 3.3], [0.2, 1.2, 2.2, 3.2]),  # constant but for rounding
        scores_of([5.0, 5, 5, 5], [5.0, 5, 5, 5]),
        scores_of([0.0, 0, 0, 0], [0.0, 0, 0, 0]),
        scores_of([1.0, 2, 1, 2, 1, 2], [0.0] * 6),  # constant within each order
    ],
)
def test_degenerate_data_give_na_without_warnings_or_infinity(scores):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        row, notes = one_row(scores)
    numbers = row.drop(["scale", "group", "unadjusted_because"]).astype(float)
    assert not np.isinf(numbers).any()
    assert np.isnan(row["adjusted_t"]) and np.isnan(row["carryover_t"]) == np.isnan(
        row["carryover_p"]
    )
    if row["n"] != 6:
        assert np.isnan(row["unadjusted_t"]) and np.isnan(row["unadjusted_p"]) and notes


def test_missing_scores_leave_by_name_and_absent_scales_give_no_row():
    scores = pd.concat(
        [
            scores_of([1.0, 2, np.nan, 4, np.nan], [2.0, 4, 4, np.nan, np.nan]),
            scores_of([np.nan] * 3, [np.nan] * 3, group="HV"),
        ]
    )
    table = paired_scores(scores, ["TRD", "HV"], ["MADRS", "SHAPS"])
    assert list(table["group"].unique()) == ["TRD"]
    assert table["used"].tolist() == [True, True, False, False, False]
    assert table["reason"].tolist() == [
        "", "", "no active score", "no control score", "no active score and no control score",
    ]  # fmt: skip
    change, _ = clinical_change(scores, TREATMENTS, ["TRD", "HV"], ["MADRS", "SHAPS"])
    assert change[["scale", "group", "n"]].values.tolist() == [["MADRS", "TRD", 2]]


def test_rows_follow_the_order_asked_for():
    rng = np.random.default_rng(4)
    scores = pd.concat(
        [random_scores(rng, 6, group=g, scale=s) for s in ("SHAPS", "MADRS") for g in ("HV", "TRD")]
    )
    table, _ = clinical_change(scores, TREATMENTS, ["TRD", "HV"], ["MADRS", "SHAPS"])
    assert table[["scale", "group"]].values.tolist() == [
        ["MADRS", "TRD"], ["MADRS", "HV"], ["SHAPS", "TRD"], ["SHAPS", "HV"],
    ]  # fmt: skip


def test_change_between_groups_is_welch():
    rng = np.random.default_rng(5)
    trd, hv = random_scores(rng, 14), random_scores(rng, 9, group="HV")
    only = random_scores(rng, 9, scale="SHAPS")
    scores = pd.concat([trd, hv, only])
    table = change_between_groups(scores, TREATMENTS, ["TRD", "HV"], ["MADRS", "SHAPS"])
    expected = stats.ttest_ind(
        trd["active"] - trd["control"], hv["active"] - hv["control"], equal_var=False
    )
    assert table["scale"].tolist() == ["MADRS"]
    row = table.iloc[0]
    plain = ["unadjusted_t", "unadjusted_df", "unadjusted_p"]
    assert tuple(row[plain]) == pytest.approx((expected.statistic, expected.df, expected.pvalue))
    assert (row["n_TRD"], row["n_HV"]) == (14, 9)
    assert row["unadjusted_difference"] == pytest.approx(row["mean_TRD"] - row["mean_HV"])
    limits = expected.confidence_interval()
    assert (row["unadjusted_low"], row["unadjusted_high"]) == pytest.approx(tuple(limits))
    assert change_between_groups(scores, TREATMENTS, ["TRD"], ["MADRS"]).empty


def test_change_between_groups_is_adjusted_for_period():
    """Drug effects of 2 and 0, period 2 minus period 1 = -6; 10 of 12 and 2 of 12 active first.

    Unadjusted, patients seem to lose what is the period's.
    """
    rng = np.random.default_rng(12)
    parts, adjusted = [], []
    for group, effect, n_first in (("TRD", 2.0, 10), ("HV", 0.0, 2)):
        code = np.repeat([-1.0, 1.0], [n_first, 12 - n_first])
        delta = effect - 6 * code + rng.normal(0, 0.5, 12)
        sequence = [ORDERS[int(c > 0)] for c in code]
        parts.append(scores_of(30 + delta, [30.0] * 12, group=group, sequence=sequence))
        adjusted.append((code, delta))
    row = change_between_groups(pd.concat(parts), TREATMENTS, ["TRD", "HV"], ["MADRS"]).iloc[0]
    assert row["unadjusted_difference"] > 8 and row["unadjusted_because"] == ""
    assert row["adjusted_n"] == 24
    assert row["adjusted_estimate"] == pytest.approx(2.0, abs=0.8)
    assert row["adjusted_low"] < row["adjusted_estimate"] < row["adjusted_high"]
    half = stats.t.isf(0.025, row["adjusted_df"]) * row["adjusted_estimate"] / row["adjusted_t"]
    assert row["adjusted_high"] - row["adjusted_estimate"] == pytest.approx(half)
    code, delta = (np.concatenate(of) for of in zip(*adjusted, strict=True))
    columns = np.column_stack([np.repeat([0.5, -0.5], 12), np.ones(24), code])
    slope = np.linalg.lstsq(columns, delta, rcond=None)[0]
    assert row["adjusted_estimate"] == pytest.approx(slope[0])
    for part in parts:
        part["sequence"] = ORDERS[0]
    row = change_between_groups(pd.concat(parts), TREATMENTS, ["TRD", "HV"], ["MADRS"]).iloc[0]
    assert np.isnan(row["adjusted_p"]) and row["adjusted_n"] == 0
    assert row["unadjusted_because"] == "everybody had ketamine first"


def test_a_drug_found_by_ranks_is_not_the_periods():
    """Nothing but a period effect of two SD; 20 of 24 had ketamine first."""
    rng = np.random.default_rng(15)
    code = np.repeat([-1.0, 1.0], [20, 4])
    delta = np.round(2 * code + rng.normal(0, 1, 24), 1)
    sequence = [ORDERS[int(c > 0)] for c in code]
    row, _ = one_row(scores_of(30 + delta, [30.0] * 24, sequence=sequence))
    assert row["unadjusted_wilcoxon_p"] < 0.05 < row["adjusted_wilcoxon_p"]
    assert row["unadjusted_p"] < 0.05 < row["adjusted_p"]


def test_effect_size_of_groups_is_that_of_bonett():
    """Without an order: d and limits of Bonett (2008), as R's statpsych::ci.stdmean2.

    R> library(statpsych); ci.stdmean2(.05, m1, m2, sd1, sd2, 6, 5)
    The formula is written out here, as R is not needed for the tests.
    """
    first, second = np.array([3.0, 7, -2, 5, 9, 1]), np.array([0.0, 1, 0.5, 1.5, -1])
    sequence = {"sequence": "n/a"}
    parts = [
        scores_of(30 + first, [30.0] * 6, **sequence),
        scores_of(30 + second, [30.0] * 5, group="HV", **sequence),
    ]
    row = change_between_groups(pd.concat(parts), TREATMENTS, ["TRD", "HV"], ["MADRS"]).iloc[0]
    v1, v2 = first.var(ddof=1), second.var(ddof=1)
    s = np.sqrt((v1 + v2) / 2)
    d = (first.mean() - second.mean()) / s
    error = np.sqrt(d**2 * (v1**2 / 5 + v2**2 / 4) / (8 * s**4) + (v1 / 5 + v2 / 4) / s**2)
    z = stats.norm.isf(0.025)
    assert (row["g_low"], row["g_high"]) == pytest.approx((d - z * error, d + z * error))
    # Delacre et al. (2021): J at the degrees of freedom of the mean variance.
    df = (v1 + v2) ** 2 / (v1**2 / 5 + v2**2 / 4)
    assert row["g"] == pytest.approx(d * (1 - 3 / (4 * df - 1)), rel=2e-3)
    assert 0 < row["g"] < d


def test_interval_of_a_size_of_groups_is_wider_where_one_person_decides_the_spread():
    """Eight and eight people: Bonett's standard error, or the jackknife's if that is larger."""
    first = np.array([3.0, 2, 4, 3, 2, 4, 3, 3])
    second = np.array([0.0, 1, 0, -1, 1, 0, -1, 0])
    design = np.column_stack([np.repeat([0.5, -0.5], 8), np.ones(16)])
    for last, wider in ((3.0, False), (9.0, True)):
        delta = np.concatenate([first[:7], [last], second])
        variances = delta[:8].var(ddof=1), delta[8:].var(ddof=1)
        square = np.mean(variances)
        d = (delta[:8].mean() - delta[8:].mean()) / np.sqrt(square)
        spread = np.square(variances).sum() / 7 / (8 * square**2)
        bonett = np.sqrt(d**2 * spread + sum(variances) / 7 / square)
        jackknife = jackknife_of_groups(delta, design, np.arange(16) < 8)
        assert (jackknife > bonett) == wider
        size = group_difference(delta, np.arange(16) < 8, np.ones((16, 1)))[1]
        reach = stats.norm.isf(0.025) * max(bonett, jackknife)
        assert (size.low, size.high) == pytest.approx((d - reach, d + reach))


def test_bad_tables_are_refused():
    scores = random_scores(np.random.default_rng(6))
    with pytest.raises(Fault, match="no column control"):
        clinical_change(scores.drop(columns="control"), TREATMENTS, ["TRD"], ["MADRS"])
    with pytest.raises(Fault, match="sub-TRD00 for MADRS"):
        clinical_change(pd.concat([scores, scores]), TREATMENTS, ["TRD"], ["MADRS"])


def test_connectivity_change_is_active_minus_control():
    rows = [
        ("sub-2", "placebo", "sgACC", "PCC", 0.1),
        ("sub-2", "ketamine", "sgACC", "PCC", 0.4),
        ("sub-1", "ketamine", "sgACC", "PCC", 0.2),
        ("sub-2", "placebo", "pgACC", "PCC", np.inf),
        ("sub-2", "ketamine", "pgACC", "PCC", np.inf),
    ]
    columns = ["participant_id", "treatment", "seed", "target", "fisher_z"]
    table = pd.DataFrame(rows, columns=columns)
    table["session_id"] = "ses-" + table["treatment"]
    change = connectivity_change(table, treatment_weights(table, TREATMENTS))
    assert change.index.tolist() == ["sub-2", "sub-1"]
    assert change.columns.tolist() == [("sgACC", "PCC"), ("pgACC", "PCC")]
    np.testing.assert_allclose(change.to_numpy(), [[0.3, np.nan], [np.nan, np.nan]])
    with pytest.raises(Fault, match="two sessions of sub-2 with placebo"):
        treatment_weights(pd.concat([table, table.iloc[:1].assign(session_id="x")]), TREATMENTS)


def real_scores(shared_data):
    """MADRS of the people of OpenNeuro ds005917 with a rest scan under both treatments."""
    with tarfile.open(shared_data / "ds005917_v1.0.1_metadata.tar.gz") as archive:

        def member(ending):
            name = next(n for n in archive.getnames() if n.endswith(ending))
            return archive.extractfile(name).read().decode()

        files = member("files.txt").splitlines()
        people = pd.read_csv(
            io.StringIO(member("ds005917/participants.tsv")), sep="\t", na_values="n/a"
        ).set_index("participant_id")
        scores = pd.read_csv(
            io.StringIO(member("phenotype/phenotype.tsv")), sep="\t", na_values="n/a"
        ).set_index(["participant_id", "session_id"])["MADRS_Total"]
    scanned = {
        tuple(f.split("/")[:2]) for f in files if f.endswith("_bold.nii.gz") and "_task-rest_" in f
    }
    words = {"d": "ketamine", "p": "placebo"}
    rows = []
    for person, of in people.iterrows():
        if not {(person, "ses-d2"), (person, "ses-p2")} <= scanned:
            continue
        sequence = f"{words.get(of.infusion_1)}-{words.get(of.infusion_2)}"
        pair = [scores.get((person, s), np.nan) for s in ("ses-d2", "ses-p2")]
        rows.append((person, of.group, sequence, "MADRS", *pair))
    columns = ["participant_id", "group", "sequence", "scale", "active", "control"]
    return pd.DataFrame(rows, columns=columns)


def test_real_trial(shared_data):
    """MADRS in MDD of ds005917 v1.0.1, two days after infusion: computed independently."""
    scores = real_scores(shared_data)
    table, notes = clinical_change(scores, TREATMENTS, ["MDD"], ["MADRS"])
    row = table.iloc[0]
    assert (row["n"], row["unadjusted_df"]) == (24, 23)
    assert (row["n_active_first"], row["n_control_first"]) == (12, 12)
    assert round(row["mean"], 3) == -6.750 and round(row["sd"], 3) == 9.543
    assert round(row["unadjusted_t"], 4) == -3.4652 and round(row["unadjusted_p"], 5) == 0.00210
    assert round(row["adjusted_estimate"], 3) == -6.750
    assert round(row["adjusted_t"], 4) == -3.3891 and round(row["adjusted_p"], 5) == 0.00264
    assert abs(row["period_estimate"]) < 5e-4
    assert round(row["carryover_t"], 3) == -0.712 and round(row["carryover_p"], 3) == 0.484
    # Both sides within orders, by hand from the scores; the power of statsmodels.
    from statsmodels.stats.power import TTestIndPower

    within = [
        scores[scores["group"] == "MDD"].groupby("sequence")[s] for s in ("active", "control")
    ]
    spread = [side.var(ddof=1).mean() for side in within]  # twelve people in each order
    d = row["adjusted_estimate"] / np.sqrt(np.mean(spread))
    rest = scores.groupby(["group", "sequence"])[["active", "control"]].transform(
        lambda s: s - s.mean()
    )
    c = rest[scores["group"] == "MDD"].prod(axis=1).sum() / 22
    m = 22 * sum(spread) ** 2 / (spread[0] ** 2 + spread[1] ** 2 + 2 * c**2)
    assert (
        row["g_av"] == pytest.approx(d * (1 - 3 / (4 * m - 1)), rel=1e-3) and row["g_av_adjusted"]
    )
    assert row["g_av_low"] < row["g_av"] < row["g_av_high"] < 0
    error = row["carryover_estimate"] / row["carryover_t"]
    least = TTestIndPower().solve_power(nobs1=12, alpha=0.05, power=0.8) / np.sqrt(1 / 6)
    assert row["carryover_detectable"] == pytest.approx(error * least, rel=1e-4)
    assert (
        round(row["unadjusted_wilcoxon_p"], 4) == 0.0011
    )  # exact; the normal approximation gives 0.0019
    assert notes == []
