"""Evidence of every test: the numbers of the models that are told, and of statsmodels."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import stats
from statsmodels.stats.weightstats import CompareMeans, DescrStatsW, ttost_paired

from crossfc.clinic.bayes_factor import change_bayes_factor, correlation_bayes_factor
from crossfc.clinic.change import change_between_groups, clinical_change
from crossfc.clinic.equivalence import EFFECT, EQUIVALENT, SMALL, UNDECIDED, equivalence_p, verdict
from crossfc.clinic.estimate import edge_estimates
from crossfc.clinic.evidence import COLUMNS, evidence_table
from crossfc.clinic.power import detectable_correlation
from crossfc.clinic.shuffle import shuffles_within
from crossfc.clinic.studentised import Studentised, nuisance_basis

SIDES = {"active": "ketamine", "control": "placebo"}
NOTHING = {"smallest_change": {}, "smallest_fisher_z": None, "smallest_correlation": None}


def design(groups=("TRD", "HV"), order=("sequence_code",), baseline=None):
    names = ("patients", "controls", "others")
    return {
        **{"contrast": "drug", "n_cells": 2, "n_sessions": 2, "effect": "ketamine", "arms": False},
        **{"order": list(order), "baseline": baseline, "crossed": list(SIDES.values())},
        **{"occasions": [], "treatments": SIDES},
        "groups": dict(zip(names, groups, strict=False)),
    }


def scores(seed=0, sizes=(9, 7), groups=("TRD", "HV"), drug=(-4.0, 0.0), known=True):
    rng = np.random.default_rng(seed)
    rows = []
    for group, size, effect in zip(groups, sizes, drug, strict=True):
        for k in range(size):
            code = -1.0 if k % 3 else 1.0
            control = rng.normal(30, 5)
            active = control + effect + 1.5 * code + rng.normal(0, 2)
            order = "ketamine-placebo" if code < 0 else "placebo-ketamine"
            rows.append(
                {
                    **{"contrast": "drug", "scale": "MADRS", "group": group},
                    "participant_id": f"sub-{group}{k}",
                    "sequence": order if known else "n/a",
                    "sequence_code": code if known else np.nan,
                    **{"active": active, "control": control},
                }
            )
    return rows


def judged(rows, bound=3.0, **keys):
    smallest = NOTHING | {"smallest_change": {"MADRS": bound}}
    return evidence_table(rows, [design(**keys)], ["MADRS"], smallest).set_index("group")


def test_equivalence_is_that_of_statsmodels_where_there_is_no_period():
    rows = scores(known=False)
    table, frame = judged(rows), pd.DataFrame(rows)
    for group in ("TRD", "HV"):
        own = frame[frame["group"] == group]
        p, *_ = ttost_paired(own["active"].to_numpy(), own["control"].to_numpy(), -3, 3)
        again, *_ = DescrStatsW(own["active"] - own["control"]).ttost_mean(-3, 3)
        told = table.loc[group]
        assert told["p_equivalence"] == pytest.approx(p) == pytest.approx(again)
        assert not told["adjusted"] and told["because"].startswith("the order of treatments is not")
        t, plain = stats.ttest_rel(own["active"], own["control"])
        assert told["p"] == pytest.approx(plain)
        assert told["bayes_factor"] == pytest.approx(change_bayes_factor(t, len(own) - 1, len(own)))
    change = frame["active"] - frame["control"]
    sides = (DescrStatsW(change[frame["group"] == group]) for group in ("TRD", "HV"))
    p, *_ = CompareMeans(*sides).ttost_ind(-3, 3, usevar="unequal")
    assert table.loc["TRD-HV", "p_equivalence"] == pytest.approx(p)


def test_with_periods_all_numbers_are_those_of_the_adjusted_model():
    rows = scores()
    table, frame = judged(rows), pd.DataFrame(rows)
    change = frame["active"] - frame["control"]
    for group in ("TRD", "HV"):
        own = frame["group"] == group
        x = sm.add_constant(frame.loc[own, "sequence_code"].to_numpy())
        fit = sm.OLS(change[own].to_numpy(), x).fit()
        told = table.loc[group]
        sides = [fit.t_test(([[1, 0]], side)) for side in (-3, 3)]
        low, high = (
            stats.t.sf(sides[0].tvalue.item(), fit.df_resid),
            stats.t.cdf(sides[1].tvalue.item(), fit.df_resid),
        )
        assert told["p_equivalence"] == pytest.approx(max(low, high))
        assert told["p"] == pytest.approx(fit.pvalues[0]) and told["adjusted"]
        effective = fit.mse_resid / fit.bse[0] ** 2
        factor = change_bayes_factor(fit.tvalues[0], fit.df_resid, effective)
        assert told["bayes_factor"] == pytest.approx(factor)
        assert effective < own.sum()
        first = int((frame.loc[own, "sequence_code"] < 0).sum())
        ranks = stats.mannwhitneyu(range(first), range(99, 99 + own.sum() - first), method="exact")
        assert told["p_smallest"] == pytest.approx(ranks.pvalue)


def test_the_estimates_are_those_of_the_tables_of_results():
    rows = scores(sizes=(9, 7, 8), groups=("TRD", "HV", "BP"), drug=(-4.0, 0.0, 1.0))
    groups = ("TRD", "HV", "BP")
    table, frame = judged(rows, groups=groups), pd.DataFrame(rows)
    change = clinical_change(frame, SIDES, groups, ["MADRS"])[0].set_index("group")
    between = change_between_groups(frame, SIDES, groups, ["MADRS"]).set_index("group")
    # F over all groups has no single effect.
    assert list(table.index) == [*groups, "TRD-HV", "TRD-BP", "HV-BP"]
    for results in (change, between.drop("TRD-HV-BP")):
        for group, row in results.iterrows():
            told = table.loc[group, ["estimate", "low", "high", "p", "n"]].to_list()
            names = ["estimate", "low", "high", "p", "n"]
            assert told == pytest.approx([row[f"adjusted_{name}"] for name in names])


@pytest.mark.parametrize("seed", range(5))
def test_equivalent_is_a_90_percent_interval_within_the_bounds(seed):
    rng = np.random.default_rng(seed)
    drawn = zip(rng.normal(0, 1, 40), rng.uniform(0.1, 1, 40), range(2, 42), strict=True)
    for estimate, error, df in drawn:
        reach = stats.t.isf(0.05, df) * error
        within = abs(estimate) + reach < 1
        assert (equivalence_p(estimate, error, df, 1.0) < 0.05) == within


def test_four_answers():
    assert verdict(0.2, 0.01) == EQUIVALENT and verdict(0.2, 0.2) == UNDECIDED
    assert verdict(0.01, 0.01) == SMALL and verdict(0.01, 0.2) == EFFECT
    # Without a bound nothing is equivalent to nothing; without a test there is no answer.
    assert verdict(0.2, np.nan) == UNDECIDED and verdict(np.nan, np.nan) == ""


def test_too_few_and_constant_changes_say_why():
    rows = scores(sizes=(2, 4))
    for row in rows[2:]:
        row["active"] = row["control"] = 30.0
    table = judged(rows)
    assert table.loc["TRD", "because"] == "a test takes 3 people"
    assert table.loc["HV", "because"] == "the change is the same in everybody"
    assert table.loc[["TRD", "HV"], ["p", "verdict", "bayes_factor", "detectable"]].isna().all(None)


def test_without_a_smallest_effect_the_rest_stands():
    row = evidence_table(scores(), [design()], ["MADRS"], NOTHING).iloc[0]
    assert np.isnan(row["p_equivalence"]) and row["verdict"] == EFFECT
    assert row["bayes_factor"] > 1 and row["detectable"] > 0 and np.isnan(row["interest_power"])
    assert list(evidence_table([], [design()], [], NOTHING).columns) == COLUMNS


def test_edges_have_the_model_of_scores():
    """An edge whose Fisher z are the scores has their numbers, baseline and all."""
    rng = np.random.default_rng(2)
    rows, edges, weights, before = scores(), [], [], []
    for row in rows:
        row["baseline"] = rng.normal()
        sides = {"ketamine": row["active"], "placebo": row["control"], "base": row["baseline"]}
        for session, value in sides.items():
            name = {"participant_id": row["participant_id"], "session_id": session}
            edges.append(name | {"seed": "a", "target": "b", "fisher_z": value})
            weight = {"ketamine": 1.0, "placebo": -1.0}.get(session)
            (weights if weight else before).append(name | {"weight": weight or 1.0})
    people, tables = pd.DataFrame(rows), [pd.DataFrame(part) for part in (edges, weights, before)]
    for within in (True, False):
        own = design(baseline={"occasion": "b0", "within": within})
        told = edge_estimates(tables[0], people, tables[1], own, tables[2])
        smallest = NOTHING | {"smallest_change": {"MADRS": 3.0}}
        table = evidence_table(rows, [own], ["MADRS"], smallest).set_index("group")
        assert [one.group for *_, one in told] == list(table.index)
        for _, _, one in told:
            row = table.loc[one.group]
            assert one.test.estimate == pytest.approx(row["estimate"])
            assert one.test.p == pytest.approx(row["p"]) and np.isnan(one.rank_p_smallest)


def correlation_row(r=0.4, df=10, error=0.3, p=0.2, p_equivalence=0.6, given="order of treatments"):
    return {
        **{"contrast": "drug", "seed": "a", "target": "b", "scale": "MADRS", "group": "TRD"},
        **{"n": df + 3, "r": r, "ci_low": -0.2, "ci_high": 0.8, "p_permutation": p},
        **{"adjusted_for": given, "unadjusted_because": np.nan, "df": df, "fisher_z_error": error},
        **{"p_smallest": 0.001, "p_equivalence": p_equivalence},
    }


def test_a_correlation_given_the_order_counts_one_person_less():
    rows = pd.DataFrame([correlation_row(), correlation_row(r=1.0, error=np.nan)])
    smallest = NOTHING | {"smallest_correlation": 0.5}
    table = evidence_table([], [design()], [], smallest, correlation=rows)
    told = table.iloc[0]
    assert told["bayes_factor"] == pytest.approx(correlation_bayes_factor(0.4, 12))
    assert told["detectable"] == pytest.approx(detectable_correlation(12))
    assert told["adjusted"] and told["verdict"] == UNDECIDED and told["smallest"] == 0.5
    # On a line there is no standard error, so nothing that needs one.
    assert table.iloc[1][["power", "type_m", "interest_power"]].isna().all()


@pytest.mark.parametrize("within", [False, True])
def test_equivalence_of_a_correlation_is_that_of_its_shuffles(within):
    """By brute force: a new fit of every shuffle, people left out one by one."""
    rng = np.random.default_rng(3)
    n, bound = 11, 0.6
    blocks = np.where(np.arange(n) % 2, 1.0, -1.0) if within else np.zeros(n)
    x, y = rng.standard_normal((2, n, 1))
    shuffles = shuffles_within(blocks, 199, 1)
    basis = nuisance_basis(blocks)
    found = Studentised(x, y, basis, shuffles, bound)

    def fisher_z(a, b, keep):
        left = [v[keep] - basis[keep] @ np.linalg.lstsq(basis[keep], v[keep])[0] for v in (a, b)]
        return np.arctanh(np.corrcoef(*left)[0, 1])

    def studentised(b):
        every = np.arange(n)
        each = np.array([fisher_z(x[:, 0], b, every[every != i]) for i in every])
        error = np.sqrt((n - 1) / n * ((each - each.mean()) ** 2).sum())
        return fisher_z(x[:, 0], b, every), error

    z, error = studentised(y[:, 0])
    null = np.array([np.divide(*studentised(y[order, 0])) for order in shuffles])
    sides = []
    for t, drawn in (((np.arctanh(bound) + z) / error, null),
                     ((np.arctanh(bound) - z) / error, -null)):  # fmt: skip
        share = (1 + (drawn >= t - 1e-9).sum()) / (1 + len(null))
        sides.append(max(share, stats.t.sf(t, n - 1 - basis.shape[1])))
    assert found.p_equivalence[0, 0] == pytest.approx(max(sides), rel=1e-6)
    assert found.error[0, 0] == pytest.approx(error)


def test_equivalence_errs_seldom_at_its_bounds():
    """People whose true change is the bound itself are called equivalent in 5 % at most."""
    rng = np.random.default_rng(5)
    hits = []
    for _ in range(600):
        delta = 1.0 + rng.normal(0, 0.5, 12)
        told = stats.ttest_1samp(delta, 0)
        error = delta.std(ddof=1) / np.sqrt(12)
        assert told.statistic == pytest.approx(delta.mean() / error)
        hits.append(equivalence_p(delta.mean(), error, 11, 1.0) < 0.05)
    # 95 of 100 such shares of a true 5 % lie between .033 and .068.
    assert 0.03 < np.mean(hits) < 0.07
