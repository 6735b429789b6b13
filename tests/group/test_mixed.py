"""The mixed model: closed forms where all is balanced, planted effects, and honest fallbacks."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from crossfc.fault import Fault
from crossfc.group.mixed import COLUMNS, mixed_model, variance_ratio

TREATMENTS = {"active": "ketamine", "control": "placebo"}


def sessions(values, groups=None, orders=None, seed="sgACC", target="PCC"):
    """values (n, 2): active and control, NaN for a session that does not exist."""
    rows = []
    for i, pair in enumerate(values):
        active_first = orders[i] if orders is not None else i % 2 == 0
        for treatment, value in zip(("ketamine", "placebo"), pair, strict=True):
            if np.isnan(value):
                continue
            period = 1 if (treatment == "ketamine") == active_first else 2
            group = "TRD" if groups is None else groups[i]
            rows.append((f"sub-{i:02d}", group, treatment, period, seed, target, value))
    columns = ["participant_id", "group", "treatment", "period", "seed", "target", "fisher_z"]
    return pd.DataFrame(rows, columns=columns)


def correlated(rng, n):
    return rng.normal(0.3, 0.2, (n, 1)) + rng.normal(0, 0.1, (n, 2))


def terms(table):
    return table.set_index("term")


def test_pairs_of_one_group_give_the_paired_t():
    values = correlated(np.random.default_rng(0), 20)
    targets = sessions(values).assign(period=np.nan)
    table = mixed_model(targets, TREATMENTS, ["TRD"])
    assert list(table.columns) == COLUMNS
    assert table["term"].tolist() == ["intercept", "drug"]
    drug = terms(table).loc["drug"]
    paired = stats.ttest_rel(values[:, 0], values[:, 1])
    assert drug["estimate"] == pytest.approx(np.mean(values[:, 0] - values[:, 1]), abs=1e-9)
    assert drug["z"] == pytest.approx(paired.statistic, rel=1e-6)
    assert drug["p"] == pytest.approx(2 * stats.norm.sf(abs(drug["z"])))
    assert drug["converged"] and "without period: it is not known for 40 sessions" in drug["note"]
    assert (drug["n_people"], drug["n_sessions"]) == (20, 40)


def test_pairs_of_two_groups_give_the_closed_forms():
    rng = np.random.default_rng(1)
    values = correlated(rng, 21)
    groups = ["TRD"] * 12 + ["HV"] * 9
    targets = sessions(values, groups).assign(period="n/a")
    table = terms(mixed_model(targets, TREATMENTS, ["TRD", "HV"]))
    delta, mean = values[:, 0] - values[:, 1], values.mean(axis=1)
    a, b = np.arange(21) < 12, np.arange(21) >= 12
    assert table["estimate"]["drug"] == pytest.approx(
        (delta[a].mean() + delta[b].mean()) / 2, abs=1e-9
    )
    assert table["estimate"]["group_by_drug"] == pytest.approx(
        delta[a].mean() - delta[b].mean(), abs=1e-9
    )
    assert table["estimate"]["group"] == pytest.approx(mean[a].mean() - mean[b].mean(), abs=1e-9)
    pooled = stats.ttest_ind(delta[a], delta[b]).statistic
    assert table["z"]["group_by_drug"] == pytest.approx(pooled, rel=1e-6)


def test_period_adjusts_as_the_sequence_code_does():
    """In pairs the drug effect is the intercept of D ~ 1 + code and the period its slope.

    The means of people know of the period too, but nothing where people differ by much.
    """
    rng = np.random.default_rng(2)
    orders = [True] * 12 + [False] * 4
    values = correlated(rng, 16) + rng.normal(0, 20, (16, 1))
    code = np.where(orders, -1.0, 1.0)
    design = np.column_stack([np.ones(16), code])
    drug, period = np.linalg.lstsq(design, values[:, 0] - values[:, 1], rcond=None)[0]
    table = terms(mixed_model(sessions(values, orders=orders), TREATMENTS, ["TRD"]))
    assert table["estimate"]["drug"] == pytest.approx(drug, abs=1e-5)
    assert table["estimate"]["period"] == pytest.approx(period, abs=1e-5)
    assert abs(drug - np.mean(values[:, 0] - values[:, 1])) > 1e-3  # the mean is another number
    assert table["note"].eq("").all() and table["converged"].all()


def test_planted_effects_come_back_with_one_session_people():
    rng = np.random.default_rng(3)
    n = 400
    groups = np.where(np.arange(n) % 2 == 0, "TRD", "HV")
    orders = rng.random(n) < 0.5
    values = correlated(rng, n)
    values[:, 0] += np.where(groups == "TRD", 0.15, 0.05)
    values[:, 1] += np.where(orders, -0.06, 0)  # period 2 minus period 1 is -0.06
    values[:, 0] += np.where(orders, 0, -0.06)
    lost = rng.random(n) < 0.3
    values[lost, rng.integers(0, 2, lost.sum())] = np.nan
    targets = sessions(values, groups, orders)
    table = terms(mixed_model(targets, TREATMENTS, ["TRD", "HV"]))
    planted = {"drug": 0.10, "group_by_drug": 0.10, "period": -0.06, "group": 0.05}
    for term, value in planted.items():
        assert table["estimate"][term] == pytest.approx(value, abs=4 * table["se"][term])
        assert table["se"][term] < 0.04
    assert table["n_people"]["drug"] == n
    assert table["n_sessions"]["drug"] == 2 * n - lost.sum()
    # A person with one session is not thrown away: pairs alone know less.
    pairs = terms(mixed_model(sessions(values[~lost], groups[~lost], orders[~lost]),
                              TREATMENTS, ["TRD", "HV"]))  # fmt: skip
    assert table["se"]["drug"] < pairs["se"]["drug"]


def test_is_what_statsmodels_gives():
    import statsmodels.formula.api as smf

    rng = np.random.default_rng(4)
    values = correlated(rng, 24)
    values[:5, 0] = np.nan
    groups = ["TRD", "HV", "TRD", "TRD"] * 6
    targets = sessions(values, groups)
    frame = targets.assign(
        g=np.where(targets["group"] == "TRD", 0.5, -0.5),
        d=np.where(targets["treatment"] == "ketamine", 0.5, -0.5),
    )
    fit = smf.mixedlm("fisher_z ~ g * d + period", frame, groups=frame["participant_id"]).fit()
    table = terms(mixed_model(targets, TREATMENTS, ["TRD", "HV"]))
    for ours, theirs in {"drug": "d", "group": "g", "group_by_drug": "g:d"}.items():
        assert table["estimate"][ours] == pytest.approx(fit.params[theirs], abs=2e-4)
        assert table["se"][ours] == pytest.approx(fit.bse[theirs], rel=5e-3)


@pytest.mark.parametrize("opposed", [0.06, 0.1, 0.2])
def test_no_variance_between_people_falls_back_and_says_so(opposed):
    """Sessions of a person less alike than those of strangers: the variance would be negative."""
    import statsmodels.api as sm

    rng = np.random.default_rng(5)
    common = rng.normal(0, opposed, (16, 1))
    values = 0.3 + np.hstack([common, -common]) + rng.normal(0, 0.05, (16, 2))
    targets = sessions(values).assign(period=np.nan)
    table = mixed_model(targets, TREATMENTS, ["TRD"])
    assert not table["converged"].any()
    assert table["note"].str.contains("variance between people came out as zero").all()
    assert table["note"].str.contains("clustered by person").all()
    drug = np.where(targets["treatment"] == "ketamine", 0.5, -0.5)
    fit = sm.OLS(targets["fisher_z"].to_numpy(), sm.add_constant(drug)).fit(
        cov_type="cluster", cov_kwds={"groups": pd.factorize(targets["participant_id"])[0]}
    )
    np.testing.assert_allclose(table["estimate"], fit.params)
    np.testing.assert_allclose(table["se"], fit.bse)
    np.testing.assert_allclose(table["p"], fit.pvalues)


def test_no_variance_within_people_falls_back_and_says_so():
    values = np.random.default_rng(8).normal(0.3, 0.1, (12, 1)) + np.array([[0.05, 0.0]])
    table = terms(mixed_model(sessions(values).assign(period=np.nan), TREATMENTS, ["TRD"]))
    assert table["note"].str.contains("variance within people came out as zero").all()
    assert not table["converged"].any()
    assert table["estimate"]["drug"] == pytest.approx(0.05)


@pytest.mark.parametrize("n", [12, 30])
def test_variance_ratio_of_pairs_is_that_of_the_analysis_of_variance(n):
    """In complete pairs REML is the analysis of variance, with zero for what is negative."""
    rng = np.random.default_rng(n)
    clear = 0
    for between in (0.0, 0.05, 0.1, 0.4):
        values = rng.normal(0, between, (n, 1)) + rng.normal(0, 0.1, (n, 2))
        within = np.var(values[:, 0] - values[:, 1], ddof=1) / 2
        expected = (np.var(values.mean(axis=1), ddof=1) - within / 2) / within
        design = np.column_stack([np.ones(2 * n), np.tile([0.5, -0.5], n)])
        ratio = variance_ratio(values.ravel(), design, np.repeat(np.arange(n), 2))
        assert ratio == pytest.approx(max(expected, 0.0), rel=1e-5)
        clear += expected > 0
    assert clear >= 2


def test_people_with_one_session_only_fall_back():
    rng = np.random.default_rng(6)
    values = rng.normal(0.3, 0.1, (20, 2))
    values[np.arange(20), np.arange(20) % 2] = np.nan
    table = mixed_model(sessions(values, orders=[True] * 20), TREATMENTS, ["TRD"])
    assert not table["converged"].any()
    assert table["note"].str.contains("nobody has two sessions").all()
    # All active first: then period and drug are one thing.
    assert table["term"].tolist() == ["intercept", "drug"]
    assert table["note"].str.contains("without period: it cannot be told").all()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("values", "said"),
    [(np.full((8, 2), 0.2), "all values are the same"), ([[0.1, 0.2], [0.2, 0.1]], "too few")],
)
def test_what_cannot_be_fitted_is_na_with_a_note(values, said):
    table = mixed_model(sessions(values), TREATMENTS, ["TRD"])
    assert table["term"].tolist() == ["intercept", "drug", "period"]
    assert table[["estimate", "se", "z", "p"]].isna().all(axis=None)
    assert table["note"].str.contains(said).all() and not table["converged"].any()


def test_every_seed_and_target_has_its_rows_and_others_do_not_matter():
    rng = np.random.default_rng(7)
    values = correlated(rng, 14)
    one = sessions(values)
    other = sessions(correlated(rng, 14), seed="dACC", target="SMG")
    other.loc[3, "fisher_z"] = np.nan
    stranger = sessions(correlated(rng, 3), groups=["BP"] * 3)
    table = mixed_model(pd.concat([one, other, stranger]), TREATMENTS, ["TRD"])
    assert table[["seed", "target"]].drop_duplicates().values.tolist() == [
        ["sgACC", "PCC"], ["dACC", "SMG"],
    ]  # fmt: skip
    alone = mixed_model(one, TREATMENTS, ["TRD"])
    pd.testing.assert_frame_equal(table[table["seed"] == "sgACC"], alone)
    assert table[table["seed"] == "dACC"]["n_sessions"].unique().tolist() == [27]


def test_bad_tables_are_refused():
    targets = sessions([[0.1, 0.2]] * 4)
    with pytest.raises(Fault, match="no column period"):
        mixed_model(targets.drop(columns="period"), TREATMENTS, ["TRD"])
    with pytest.raises(Fault, match="treatment saline"):
        mixed_model(targets.replace("placebo", "saline"), TREATMENTS, ["TRD"])
