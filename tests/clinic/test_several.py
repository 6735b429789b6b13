"""Scores of three and more groups: F against R, pairs against the comparison of two, Holm."""

import numpy as np
import pandas as pd
import pytest

from crossfc.clinic.change import change_between_groups
from crossfc.clinic.several import welch_f
from crossfc.significance import holm
from tests.clinic.test_change import ORDERS, TREATMENTS, random_scores
from tests.group.inference.test_welch_f import DF, A, B, C, F, P

GROUPS = ["TRD", "BP", "HV"]


def several(rng, scale="MADRS"):
    sizes = zip(GROUPS, (9, 12, 15), strict=True)
    return pd.concat([random_scores(rng, n, group=group, scale=scale) for group, n in sizes])


def test_f_is_that_of_r():
    # oneway.test(y ~ g, var.equal = FALSE); the R code is in tests/group/inference/test_welch_f.py.
    test = welch_f(np.array(A + B + C), np.repeat(["x", "y", "z"], [8, 12, 10]))
    assert (test.f, test.df_effect, test.df, test.p) == pytest.approx((F, 2, DF, P), rel=1e-12)


def test_all_groups_are_compared_and_then_pairs():
    scores = several(np.random.default_rng(0))
    table = change_between_groups(scores, TREATMENTS, GROUPS, ["MADRS", "SHAPS"])
    assert table["group"].tolist() == ["TRD-BP-HV", "TRD-BP", "TRD-HV", "BP-HV"]
    whole = table.iloc[0]
    delta, group = scores["active"] - scores["control"], scores["group"].to_numpy()
    plain = welch_f(delta.to_numpy(), group)
    assert tuple(whole[["unadjusted_f", "df_effect", "unadjusted_df", "unadjusted_p"]]) == plain
    code = np.where(scores["sequence"] == ORDERS[0], -1.0, 1.0)
    design = np.column_stack([np.ones(len(code)), code])
    adjusted = welch_f(delta.to_numpy(), group, design)
    assert tuple(whole[["adjusted_f", "df_effect", "adjusted_df", "adjusted_p"]]) == adjusted
    assert whole["adjusted_n"] == 36 and whole["n_BP"] == 12
    for _, row in table.iloc[1:].iterrows():
        pair = row["group"].split("-")
        two = change_between_groups(
            scores[scores["group"].isin(pair)], TREATMENTS, pair, ["MADRS"]
        ).iloc[0]
        pd.testing.assert_series_equal(row[two.index], two, check_names=False)
    for name in ("adjusted_p", "unadjusted_p"):
        np.testing.assert_allclose(table[f"{name}_holm"][1:], holm(table[name][1:].to_numpy(float)))
        assert np.isnan(table[f"{name}_holm"][0])


def test_two_groups_have_no_column_of_several():
    scores = several(np.random.default_rng(1))
    table = change_between_groups(scores, TREATMENTS, ["TRD", "HV"], ["MADRS"])
    assert not {"df_effect", "adjusted_f", "adjusted_p_holm"} & set(table.columns)


def test_of_a_scale_of_two_groups_the_pair_is_left():
    scores = several(np.random.default_rng(2))
    scores = scores[scores["group"] != "BP"]
    table = change_between_groups(scores, TREATMENTS, GROUPS, ["MADRS"])
    assert table["group"].tolist() == ["TRD-HV"] and np.isnan(table["df_effect"][0])
    assert table["adjusted_p_holm"][0] == table["adjusted_p"][0]


def test_why_all_groups_are_not_adjusted():
    scores = several(np.random.default_rng(3))
    scores.loc[scores["group"] == "BP", "sequence"] = None
    whole = change_between_groups(scores, TREATMENTS, GROUPS, ["MADRS"]).iloc[0]
    assert whole["unadjusted_because"] == "the order of treatments is not known for anybody of BP"
    assert np.isnan(whole["adjusted_p"]) and np.isfinite(whole["unadjusted_p"])


def test_holm_is_that_of_r():
    # p.adjust(c(0.01, 0.04, 0.03, 0.005, NA, 0.9), "holm")
    p = np.array([0.01, 0.04, 0.03, 0.005, np.nan, 0.9])
    np.testing.assert_allclose(holm(p), [0.04, 0.09, 0.09, 0.025, np.nan, 0.9])
