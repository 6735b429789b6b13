"""The mixed model: closed forms where all is balanced, planted effects, and honest fallbacks."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from crossfc.clinic.mixed import COLUMNS, _design, mixed_model, rotated
from crossfc.clinic.reml import reml
from crossfc.fault import Fault

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
    assert drug["t"] == pytest.approx(paired.statistic, rel=1e-7)
    assert drug["df"] == pytest.approx(19) and drug["p"] == pytest.approx(paired.pvalue)
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
    for term, of in (("group_by_drug", delta), ("group", mean)):
        welch = stats.ttest_ind(of[a], of[b], equal_var=False)
        assert table["t"][term] == pytest.approx(welch.statistic, rel=1e-7)
        assert table["df"][term] == pytest.approx(welch.df, rel=1e-7)
        assert table["p"][term] == pytest.approx(welch.pvalue, rel=1e-7)


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


# Person, group, treatment, period, value: 24 people, of whom six have one session.
PEOPLE = """
0 TRD p 2 -0.013; 1 HV p 1 0.176; 2 TRD p 2 0.421; 3 TRD p 1 0.453; 4 TRD p 2 0.07;
5 HV k 2 0.317; 5 HV p 1 0.4; 6 TRD k 1 0.271; 6 TRD p 2 0.077; 7 TRD k 2 0.25; 7 TRD p 1 0.309;
8 TRD k 1 0.053; 8 TRD p 2 0.063; 9 HV k 2 0.277; 9 HV p 1 0.288; 10 TRD k 1 0.267;
10 TRD p 2 0.289; 11 TRD k 2 0.591; 11 TRD p 1 0.602; 12 TRD k 1 0.569; 12 TRD p 2 0.313;
13 HV k 2 0.373; 13 HV p 1 0.448; 14 TRD k 1 -0.094; 14 TRD p 2 -0.035; 15 TRD k 2 0.752;
15 TRD p 1 0.828; 16 TRD k 1 -0.215; 16 TRD p 2 0.054; 17 HV k 2 0.485; 17 HV p 1 0.537;
18 TRD k 1 0.319; 18 TRD p 2 0.3; 19 TRD k 2 0.23; 19 TRD p 1 0.141; 20 TRD k 1 0.167;
21 HV k 2 0.066; 21 HV p 1 0.287; 22 TRD k 1 0.298; 22 TRD p 2 0.25; 23 TRD k 2 0.484;
23 TRD p 1 0.264
"""
TERMS = ["intercept", "group", "drug", "group_by_drug", "period"]


def trial():
    rows = [row.split() for row in PEOPLE.split(";")]
    table = pd.DataFrame(rows, columns=["participant_id", "group", "treatment", "period", "z"])
    table = table.assign(seed="sgACC", target="PCC", fisher_z=table.pop("z").astype(float))
    table["treatment"] = table["treatment"].map({"k": "ketamine", "p": "placebo"})
    return table.assign(period=table["period"].astype(int))


def test_one_group_is_what_lmertest_and_pbkrtest_give():
    """R 4.2.2, lme4 1.1-31, lmerTest 3.1-3, pbkrtest 0.5.2; ``x`` has the first 14 people:

    x$d <- ifelse(x$treatment == "ketamine", .5, -.5); x$p <- x$period - 1.5
    m <- lmer(fisher_z ~ d + p + (1 | participant_id), x)
    print(summary(m, ddf = "Kenward-Roger")$coefficients, digits = 10)
    """
    first = trial()
    first = first[first["participant_id"].astype(int) < 14].assign(group="TRD")
    table = terms(mixed_model(first, TREATMENTS, ["TRD"]))
    theirs = {
        "intercept": (0.29486825323, 0.04498313221, 13.195086532, 1.710309759e-05),
        "drug": (0.03316507789, 0.03228344489, 7.457959736, 3.364363732e-01),
        "period": (-0.08070214612, 0.03219488281, 7.640921757, 3.787606889e-02),
    }
    for term, values in theirs.items():
        ours = table.loc[term, ["estimate", "se", "df", "p"]].astype(float)
        np.testing.assert_allclose(ours, values, rtol=2e-6, err_msg=term)
    assert table["converged"].all()


def fitted(groups):
    of = trial()
    design, _ = _design(of, TREATMENTS, ["TRD", "HV"])
    person = pd.factorize(of["participant_id"])[0]
    found = reml(*rotated(of["fisher_z"].to_numpy(), design.to_numpy(), person, groups(of)))
    numbers = np.column_stack([found.estimates, found.errors, found.freedom])
    return found, pd.DataFrame(numbers, index=design.columns).loc[TERMS].to_numpy()


def test_one_variance_for_two_groups_is_what_lmertest_and_pbkrtest_give():
    """As above, with everybody:

    x$g <- ifelse(x$group == "TRD", .5, -.5)
    m <- lmer(fisher_z ~ g * d + p + (1 | participant_id), x)
    print(VarCorr(m)); print(summary(m, ddf = "Kenward-Roger")$coefficients, digits = 10)
    """
    found, numbers = fitted(lambda of: np.zeros(len(of), dtype=int))
    theirs = [
        (0.289878121720, 0.05056862813, 21.72045716),
        (-0.050207935626, 0.10113725626, 21.72045716),
        (-0.029308205721, 0.03739924347, 15.75017873),
        (0.107530109284, 0.08322512692, 15.49140672),
        (0.001037439428, 0.03736694324, 15.81631862),
    ]
    # lmer stops at 1e-6 or so of its own optimum.
    np.testing.assert_allclose(numbers, theirs, rtol=1e-5)
    both, within = found.variances
    np.testing.assert_allclose(np.sqrt((both - within) / 2), 0.201762167, rtol=1e-5)
    np.testing.assert_allclose(np.sqrt(within), 0.093498028, rtol=1e-5)


def test_variances_by_group_are_those_of_nlme():
    """R as above, nlme 3.1-162:

    x$trd <- as.numeric(x$group == "TRD"); x$hv <- 1 - x$trd
    m <- lme(fisher_z ~ g * d + p, x, random = list(participant_id = pdDiag(~ 0 + trd + hv)),
             weights = varIdent(form = ~ 1 | group),
             control = lmeControl(msTol = 1e-12, tolerance = 1e-10, opt = "optim"))
    print(fixef(m), digits = 13); print(VarCorr(m))
    print(m$sigma * coef(m$modelStruct$varStruct, unconstrained = FALSE, allCoef = TRUE))
    """
    found, numbers = fitted(lambda of: (of["group"] == "HV").to_numpy(dtype=int))
    theirs = [
        0.2896488944105, -0.0496613233660, -0.0297270533497, 0.1082185553056, 0.0007954431894,
    ]  # fmt: skip
    np.testing.assert_allclose(numbers[:, 0], theirs, rtol=1e-6)
    between = np.sqrt((found.variances[:2] - found.variances[2:]) / 2)
    np.testing.assert_allclose(between, [0.2173780956, 0.1349838331], rtol=1e-6)
    np.testing.assert_allclose(
        np.sqrt(found.variances[2:]), [0.1035144836, 0.05645176285], rtol=1e-6
    )
    # What the product tells is this model.
    table = terms(mixed_model(trial(), TREATMENTS, ["TRD", "HV"])).loc[TERMS]
    np.testing.assert_allclose(table[["estimate", "se", "df"]].to_numpy(float), numbers, rtol=1e-8)
    assert table["converged"].all() and table["note"].eq("").all()


def test_the_gradient_and_the_maximum_are_those_of_the_likelihood():
    """Against the restricted likelihood of the sessions themselves, with full matrices."""
    of = trial()
    design, _ = _design(of, TREATMENTS, ["TRD", "HV"])
    x, y = design.to_numpy(), of["fisher_z"].to_numpy()
    same = (of["participant_id"].to_numpy()[:, None] == of["participant_id"].to_numpy()).astype(int)
    group = (of["group"] == "HV").to_numpy().astype(int)

    def likelihood(variances):
        both, within = variances[group], variances[2 + group]
        covariance = same * (both - within)[:, None] / 2 + np.diag(within)
        inverse = np.linalg.inv(covariance)
        information = x.T @ inverse @ x
        rest = y - x @ np.linalg.solve(information, x.T @ inverse @ y)
        logs = np.linalg.slogdet(covariance)[1] + np.linalg.slogdet(information)[1]
        return -0.5 * (logs + rest @ inverse @ rest)

    found, _ = fitted(lambda of: group)
    best = likelihood(found.variances)
    assert best == pytest.approx(found.likelihood, abs=1e-9)
    rng = np.random.default_rng(0)
    for _ in range(50):
        assert likelihood(found.variances * np.exp(rng.normal(0, 0.05, 4))) < best
    for k in range(4):
        moved = found.variances.copy()
        moved[k] *= np.exp(1e-4)
        assert abs(likelihood(moved) - best) < 1e-6


@pytest.mark.parametrize("opposed", [0.06, 0.1, 0.2])
def test_sessions_less_alike_than_those_of_strangers_are_fitted(opposed):
    """A random intercept would need a negative variance; the paired t test needs none."""
    rng = np.random.default_rng(5)
    common = rng.normal(0, opposed, (16, 1))
    values = 0.3 + np.hstack([common, -common]) + rng.normal(0, 0.05, (16, 2))
    table = mixed_model(sessions(values).assign(period=np.nan), TREATMENTS, ["TRD"])
    assert table["converged"].all() and not table["note"].str.contains("variance").any()
    paired = stats.ttest_rel(values[:, 0], values[:, 1])
    drug = terms(table).loc["drug"]
    assert drug["t"] == pytest.approx(paired.statistic) and drug["df"] == pytest.approx(15)


def test_differences_that_do_not_vary_have_no_error_and_no_p():
    values = np.random.default_rng(8).normal(0.3, 0.1, (12, 1)) + np.array([[0.05, 0.0]])
    table = mixed_model(sessions(values).assign(period=np.nan), TREATMENTS, ["TRD"])
    assert table[["estimate", "se", "t", "df", "p"]].isna().all(axis=None)
    assert (
        table["note"]
        .str.contains("no variance, in the sums or in the differences of two sessions")
        .all()
    )
    assert not table["converged"].any()


def test_a_variance_of_a_group_that_comes_out_as_zero_is_not_used():
    """Three controls whose differences are the same: their drug effect is not certain."""
    rng = np.random.default_rng(3)
    values = correlated(rng, 14)
    values[11:, 0] = values[11:, 1] + 0.1
    groups = ["TRD"] * 11 + ["HV"] * 3
    table = terms(
        mixed_model(sessions(values, groups).assign(period="n/a"), TREATMENTS, ["TRD", "HV"])
    )
    assert table["converged"].all()
    assert table["note"].str.contains("one variance for both groups").all()
    delta = values[:, 0] - values[:, 1]
    error = np.sqrt(np.var(delta[:11]) * 11 / 12 * (1 / 11 + 1 / 3))  # the controls add nothing
    expected = (delta[:11].mean() - 0.1) / -error
    assert -table["t"]["group_by_drug"] == pytest.approx(expected)


def test_a_group_too_small_for_its_own_variance_shares_one():
    rng = np.random.default_rng(9)
    values = correlated(rng, 14)
    groups = ["TRD"] * 11 + ["HV"] * 3
    table = mixed_model(sessions(values, groups).assign(period="n/a"), TREATMENTS, ["TRD", "HV"])
    assert table["converged"].all()
    assert table["note"].str.contains("group").sum() == 0  # two degrees of freedom are enough
    table = terms(
        mixed_model(
            sessions(values[:13], groups[:13]).assign(period="n/a"), TREATMENTS, ["TRD", "HV"]
        )
    )
    assert table["note"].str.contains("one variance for both groups: what one of them has").all()
    delta = values[:13, 0] - values[:13, 1]
    pooled = stats.ttest_ind(delta[:11], delta[11:])
    assert table["t"]["group_by_drug"] == pytest.approx(pooled.statistic)
    assert table["df"]["group_by_drug"] == pytest.approx(11)


def test_more_than_two_sessions_of_a_person_are_refused():
    targets = sessions(correlated(np.random.default_rng(1), 8))
    with pytest.raises(
        Fault, match="3 sessions of sub-00 for sgACC and PCC, where a person has two"
    ):
        mixed_model(pd.concat([targets, targets.iloc[:1]]), TREATMENTS, ["TRD"])


def test_people_with_one_session_only_are_compared_between_people():
    rng = np.random.default_rng(6)
    values = rng.normal(0.3, 0.1, (20, 2))
    values[np.arange(20), np.arange(20) % 2] = np.nan
    table = mixed_model(sessions(values, orders=[True] * 20), TREATMENTS, ["TRD"])
    assert table["converged"].all()
    assert table["note"].str.contains("nobody has two sessions, so treatments are compared").all()
    active = np.arange(20) % 2 == 1
    theirs = stats.ttest_ind(values[active, 0], values[~active, 1])
    drug = terms(table).loc["drug"]
    assert drug["t"] == pytest.approx(theirs.statistic) and drug["df"] == pytest.approx(18)
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
    assert table[["estimate", "se", "t", "df", "p"]].isna().all(axis=None)
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
