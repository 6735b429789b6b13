"""The mixed model of any design: against R, closed forms, and honest notes.

R as in `test_reml.py`; of contrasts lmerTest's `contest1D(m, weights, ddf = "Kenward-Roger")`.
"""

import itertools

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from crossfc.clinic.cells import COLUMNS, cell_model
from crossfc.fault import Fault
from tests.clinic.test_reml import read


def edges(x, seed="sgACC", target="PCC"):
    """Write a data set as a table of edges; what it has no column of is the same for everybody."""
    same = {"group": "HV", "treatment": np.nan, "period": np.nan}
    table = pd.DataFrame({"participant_id": x["person"].astype(str)})
    for column in ("group", "treatment", "period"):
        table[column] = x.get(column, same[column])
    if "occasion" in x:
        table["occasion"] = x["occasion"]
    return table.assign(seed=seed, target=target, fisher_z=x["value"].astype(float))


def design(contrasts, n_periods=1, groups=("HV",)):
    """contrasts: name to {(treatment, occasion): weight}."""
    rows = [
        {"contrast": name, "weights": [(*cell, weight) for cell, weight in weights.items()]}
        for name, weights in contrasts.items()
    ]
    return {"groups": list(groups), "n_periods": n_periods, "contrasts": rows}


def against(reference, *others):
    return {t: {(t, None): 1.0, (reference, None): -1.0} for t in others}


def terms(table):
    return table.set_index("term")


def assert_rows(table, rows):
    """Hold estimate, standard error and degrees of freedom against R, and the rest against them."""
    for term, values in rows.items():
        found = table.loc[term, ["estimate", "se", "df"]].astype(float)
        np.testing.assert_allclose(found, values, rtol=1e-7, err_msg=term)
    t, half = table["estimate"] / table["se"], stats.t.isf(0.025, table["df"]) * table["se"]
    np.testing.assert_allclose(table["t"], t)
    np.testing.assert_allclose(table["p"], 2 * stats.t.sf(abs(t), table["df"]))
    np.testing.assert_allclose(table["low"], table["estimate"] - half)
    np.testing.assert_allclose(table["high"], table["estimate"] + half)
    assert table["converged"].all()


def test_four_treatments_without_periods():
    """lmer(value ~ treatment + (1 | person), read("ergostool"), control = tight)"""
    found = cell_model(edges(read("ergostool")), design(against("T1", "T2", "T3", "T4")))
    assert list(found.columns) == COLUMNS
    error = (0.518683836620, 24)
    rows = {"T2_HV": (3.888888888889, *error), "T3_HV": (2.222222222222, *error),
            "T4_HV": (0.666666666667, *error)}  # fmt: skip
    assert found["term"].tolist() == list(rows)
    assert_rows(terms(found), rows)
    assert found["note"].eq("").all()
    assert found[["n_people", "n_sessions"]].drop_duplicates().values.tolist() == [[9, 36]]


def test_incomplete_blocks_in_two_periods_with_drop_outs():
    """Two of three treatments each: what people differ by tells something of treatments too.

    x <- read("incomplete")[-c(2, 7, 20), ]
    lmer(value ~ treatment + period + (1 | person), x, control = tight)
    """
    x = read("incomplete", (2, 7, 20))
    found = terms(cell_model(edges(x), design(against("A", "B", "C"), n_periods=2)))
    rows = {"B_HV": (1.388943976171, 0.635384448404, 16.1096141553),
            "C_HV": (0.407450947595, 0.641104394420, 18.9207042766)}  # fmt: skip
    assert_rows(found, rows)
    assert found["note"].eq("").all() and set(found["n_people"]) == {18}
    assert set(found["n_sessions"]) == {33}


def test_a_treatment_that_is_given_again():
    """lmer(value ~ treatment + period + (1 | person), read("replicate"), control = tight)"""
    found = terms(cell_model(edges(read("replicate")), design(against("A", "B"), n_periods=3)))
    assert_rows(found, {"B_HV": (10.22446966380, 4.70476976407, 69.7890876788)})


CONTRASTS = {
    "high": {("C", "min75"): 1.0, ("A", "min75"): -1.0},
    "course": {("B", "min30"): 0.5, ("B", "min240"): 0.5,
               ("A", "min30"): -0.5, ("A", "min240"): -0.5},
    "rise": {("C", "min75"): 1.0, ("C", "before"): -1.0,
             ("A", "min75"): -1.0, ("A", "before"): 1.0},
    "fall": {("C", "min75"): 1.0, ("C", "before"): -1.0},
}  # fmt: skip


def test_several_occasions_in_every_period_with_missing_visits():
    """Visits have effects, and what a person's visits of one period share is random.

    x <- read("pressure")[-c(3, 20, 21, 22, 23, 60, 61, 77, 100, 124, 140), ]
    x$p2 <- (x$period == 2) - 1/3; x$p3 <- (x$period == 3) - 1/3
    x$cell <- interaction(x$treatment, x$occasion)
    m <- lmer(value ~ 0 + cell + occasion:p2 + occasion:p3 + (1 | person) + (1 | person:period),
              x, control = tight)
    """
    x = read("pressure", (3, 20, 21, 22, 23, 60, 61, 77, 100, 124, 140))
    found = terms(cell_model(edges(x), design(CONTRASTS, n_periods=3)))
    rows = {
        "high_HV": (-7.509346840339, 3.37449278664, 84.9314164875),
        "course_HV": (0.139216335701, 2.55184464993, 46.4570838541),
        "rise_HV": (-6.578381269252, 4.31785471174, 82.9568424247),
        "fall_HV": (-4.828381269252, 3.16668823821, 83.4771045048),
    }
    assert list(found.index) == list(rows)
    assert_rows(found, rows)
    assert found["note"].eq("").all()


def test_groups_have_variances_of_their_own():
    """Without visits nothing is shared, and each group is what lmer says of it alone:

    x <- read("orthodont")[-c(4, 11, 40, 67, 68, 90), ]
    for (g in c("Male", "Female"))
      show(lmer(value ~ occasion + (1 | person), x[x$group == g, ], control = tight))
    """
    x = read("orthodont", (4, 11, 40, 67, 68, 90))
    growth = {"growth": {("any", "y12"): 1.0, ("any", "y10"): -1.0}}
    found = terms(cell_model(edges(x), design(growth, groups=("Male", "Female"))))
    male = (2.00587839708, 0.629447033229, 42.2740912364)
    female = (0.904080349204, 0.385270541754, 27.1605164690)
    assert found.index.tolist() == ["growth_Male", "growth_Female", "group_by_growth"]
    assert_rows(found, {"growth_Male": male, "growth_Female": female})
    # Variances of independent estimates add up, and so do those of their variances.
    estimate, error, df = found.loc["group_by_growth", ["estimate", "se", "df"]]
    assert estimate == pytest.approx(male[0] - female[0])
    assert error == pytest.approx(np.hypot(male[1], female[1]))
    assert 27 < df < 70
    assert found["n_people"].tolist() == [16, 11, 27]
    assert found["n_sessions"].tolist() == [61, 41, 102]
    assert found["note"].eq("").all()


def simulated(n, orders, *, rng, alike=1.0, error=0.5, effects=None, period=(0.0, 0.7, -0.4)):
    """Draw sessions of people in orders of treatments, one session a period."""
    rows = []
    for i in range(n):
        common = rng.normal(0, alike)
        for k, treatment in enumerate(orders[i % len(orders)]):
            value = common + rng.normal(0, error) + period[k] + (effects or {}).get(treatment, 0)
            rows.append((f"sub-{i:02d}", treatment, k + 1, value))
    return pd.DataFrame(rows, columns=["person", "treatment", "period", "value"])


ORDERS = list(itertools.permutations("ABC"))


def lm(x, columns):
    """Fit value by the first column with the others fixed; estimate, error and df of its levels."""
    dummies = [pd.get_dummies(x[column], drop_first=True) for column in columns]
    of = np.column_stack([np.ones(len(x)), *dummies]).astype(float)
    solved, rest, *_ = np.linalg.lstsq(of, x["value"], rcond=None)
    df = len(x) - of.shape[1]
    errors = np.sqrt(rest[0] / df * np.diag(np.linalg.inv(of.T @ of)))
    return [(solved[k], errors[k], df) for k in range(1, dummies[0].shape[1] + 1)]


def test_complete_people_are_analysed_as_with_people_fixed():
    """Balanced: the exact test of lm(value ~ person + period + treatment), for any variances."""
    for seed, alike in ((0, 1.0), (1, 0.0)):  # of which the second is less alike than by chance
        x = simulated(12, ORDERS, rng=np.random.default_rng(seed), alike=alike)
        if not alike:
            x["value"] -= 0.9 * x.groupby("person")["value"].transform("mean")
        found = terms(cell_model(edges(x), design(against("A", "B", "C"), n_periods=3)))
        theirs = lm(x, ["treatment", "person", "period"])
        assert_rows(found, dict(zip(("B_HV", "C_HV"), theirs, strict=True)))
        said = "less alike than those of two people (a negative variance)"
        assert found["note"].str.contains(said, regex=False).all() == (not alike)
        assert alike or found["note"].str.contains(said, regex=False).any()


def test_a_mean_over_occasions_has_the_error_of_periods_of_people():
    """Balanced: that of lm(value ~ treatment + person + period) of means, however alike visits are.

    Differences of occasions have the error of visits instead.
    """
    for seed, share in ((0, 0.6), (1, -0.4)):
        rng = np.random.default_rng(seed)
        x = simulated(12, ORDERS, rng=rng)
        both = np.linalg.cholesky([[1, share], [share, 1]]) @ rng.normal(size=(2, len(x)))
        x = pd.concat([x.assign(occasion=o, value=x["value"] * 0.1 + noise)
                       for o, noise in zip(("a", "b"), both, strict=True)])  # fmt: skip
        halves = {("B", "a"): 0.5, ("B", "b"): 0.5, ("A", "a"): -0.5, ("A", "b"): -0.5}
        fading = {("B", "a"): 1.0, ("B", "b"): -1.0, ("A", "a"): -1.0, ("A", "b"): 1.0}
        found = terms(cell_model(edges(x), design({"mean": halves, "fading": fading}, 3)))
        means = x.groupby(["person", "treatment", "period"], as_index=False)["value"].mean()
        wide = x.pivot(index=["person", "treatment", "period"], columns="occasion", values="value")
        falls = wide.assign(value=wide["a"] - wide["b"]).reset_index()
        rows = {"mean_HV": lm(means, ["treatment", "person", "period"])[0]}
        assert_rows(found.loc[["mean_HV"]], rows)
        # What people differ by in their fall is error here, so that people are not in this model.
        rows = {"fading_HV": lm(falls, ["treatment", "period"])[0]}
        assert_rows(found.loc[["fading_HV"]], rows)
        said = "the sessions of one period are less alike than those of two"
        assert found["note"].str.contains(said).all() == (share < 0)


def test_planted_effects_come_back_from_everybody_with_a_session():
    rng = np.random.default_rng(6)
    x = simulated(300, ORDERS, rng=rng, effects={"B": 0.5, "C": -0.3})
    x["group"] = np.where(x["person"].str[-1].isin(list("02468")), "TRD", "HV")
    x.loc[(x["group"] == "TRD") & (x["treatment"] == "B"), "value"] += 0.4
    left = x[rng.random(len(x)) > 0.3]
    asked = design(against("A", "B", "C"), n_periods=3, groups=("TRD", "HV"))
    found = terms(cell_model(edges(left), asked))
    planted = {"B_TRD": 0.9, "B_HV": 0.5, "group_by_B": 0.4,
               "C_TRD": -0.3, "C_HV": -0.3, "group_by_C": 0.0}  # fmt: skip
    assert found.index.tolist() == list(planted)
    for term, value in planted.items():
        assert found["estimate"][term] == pytest.approx(value, abs=4 * found["se"][term])
        assert found["se"][term] < 0.15
    assert found["n_people"]["group_by_B"] == left["person"].nunique()
    # Who lacks a session tells something all the same.
    whole = left.groupby("person")["treatment"].transform("nunique") == 3
    fewer = terms(cell_model(edges(left[whole]), asked))
    assert (found["se"] < fewer["se"]).all()


def test_three_groups_are_compared_in_pairs():
    x = simulated(30, ORDERS, rng=np.random.default_rng(3))
    x["group"] = x["person"].str[-1].map(lambda digit: "PQR"[int(digit) % 3])
    asked = design(against("A", "B"), n_periods=3, groups=("P", "Q", "R"))
    found = terms(cell_model(edges(x), asked))
    pairs = ["group_by_B_P_Q", "group_by_B_P_R", "group_by_B_Q_R"]
    assert found.index.tolist() == ["B_P", "B_Q", "B_R", *pairs]
    for pair in pairs:
        first, second = pair.split("_")[-2:]
        difference = found["estimate"][f"B_{first}"] - found["estimate"][f"B_{second}"]
        assert found["estimate"][pair] == pytest.approx(difference)


def test_a_baseline_before_all_treatment_is_in_no_period():
    """One order, so that treatments are confounded with periods; the baseline is compared all the
    same with what comes in any of them.
    """
    rng = np.random.default_rng(8)
    x = simulated(16, ["AB", "BA"], rng=rng, effects={"B": 1.0}).assign(occasion="day2")
    first = x.drop_duplicates("person").assign(
        treatment=np.nan, period=np.nan, occasion="b0", value=lambda of: of["value"] - 0.5
    )
    asked = design({"rise": {("B", "day2"): 1.0, ("n/a", "b0"): -1.0},
                    "drug": {("B", "day2"): 1.0, ("A", "day2"): -1.0}}, n_periods=2)  # fmt: skip
    found = terms(cell_model(edges(pd.concat([x, first])), asked))
    assert found["note"].eq("").all() and set(found["n_sessions"]) == {48}
    # Complete and balanced: means, and the drug as in pairs with the code of the order.
    means = x[x["treatment"] == "B"]["value"].mean(), first["value"].mean()
    assert found["estimate"]["rise_HV"] == pytest.approx(means[0] - means[1])
    wide = x.pivot(index="person", columns="treatment", values="value")
    code = np.where(np.arange(16) % 2 == 0, 1.0, -1.0)  # A first: 1
    solved = np.linalg.lstsq(np.column_stack([np.ones(16), code]), wide["B"] - wide["A"], None)[0]
    assert found["estimate"]["drug_HV"] == pytest.approx(solved[0])


def test_what_cannot_be_told_from_periods_has_no_row_but_a_note():
    rng = np.random.default_rng(9)
    x = simulated(20, ["ABC", "ACB"], rng=rng)  # A always first
    asked = design({**against("A", "B"), "C": {("C", None): 1.0, ("B", None): -1.0}}, n_periods=3)
    found = cell_model(edges(x), asked)
    assert found["term"].tolist() == ["C_HV"]
    assert found["converged"].all()
    said = "without B_HV: it cannot be told from the effects of periods"
    assert found["note"].tolist() == [said]
    # The same for everybody, so that groups can be compared.
    x["group"] = x["person"].str[-1].map(lambda digit: "PQ"[int(digit) // 2 % 2])
    asked["groups"] = ["P", "Q"]
    found = cell_model(edges(x), asked)
    assert found["term"].tolist() == ["group_by_B", "C_P", "C_Q", "group_by_C"]
    assert found["note"].str.contains("without B_Q: it cannot be told").all()


def test_an_empty_cell_has_no_row_but_a_note():
    x = simulated(20, ORDERS, rng=np.random.default_rng(2))
    x["group"] = np.where(x["person"].str[-1].isin(list("02468")), "TRD", "HV")
    x = x[(x["group"] == "HV") | (x["treatment"] != "C")]
    asked = design(against("A", "B", "C"), n_periods=3, groups=("TRD", "HV"))
    found = cell_model(edges(x), asked)
    assert found["term"].tolist() == ["B_TRD", "B_HV", "group_by_B", "C_HV"]
    said = "nobody of TRD has a session of C"
    notes = [f"without C_TRD: {said}", f"without group_by_C: {said}"]
    assert all(note.startswith("; ".join(notes)) for note in found["note"])
    # Where none is left, rows say so.
    found = cell_model(edges(x[x["group"] == "TRD"]), asked | design(against("A", "C")))
    assert found["term"].tolist() == ["C_HV"] and not found["converged"].any()
    assert found["note"].tolist() == ["without C_HV: nobody of HV has a session of C"]


def test_periods_that_are_not_known_are_left_out_and_told():
    x = simulated(12, ORDERS, rng=np.random.default_rng(5), period=(0, 0, 0))
    asked = design(against("A", "B"), n_periods=3)
    known = cell_model(edges(x), asked)
    assert known["note"].eq("").all()
    x.loc[[3, 7], "period"] = np.nan
    found = cell_model(edges(x), asked)
    said = "without effects of periods: the period of 2 sessions is not known"
    assert found["note"].tolist() == [said] and found["converged"].all()
    # Complete: the mean difference, with the error of lm(value ~ person + treatment).
    wide = x.pivot(index="person", columns="treatment", values="value")
    assert found["estimate"][0] == pytest.approx((wide["B"] - wide["A"]).mean())
    assert found["df"][0] == pytest.approx(22)


def test_parallel_arms_before_and_after_are_welchs_test_of_the_changes():
    rng = np.random.default_rng(10)
    rows = []
    for i in range(23):
        arm, common = ("drug" if i < 13 else "placebo"), rng.normal()
        sd = 0.5 if i < 13 else 0.2
        for occasion in ("before", "after"):
            value = common + rng.normal(0, sd)
            rows.append((f"sub-{i:02d}", arm, arm, occasion, value))
    x = pd.DataFrame(rows, columns=["person", "group", "treatment", "occasion", "value"])
    time = {"time": {("any", "after"): 1.0, ("any", "before"): -1.0}}
    found = terms(cell_model(edges(x), design(time, groups=("drug", "placebo"))))
    wide = x.pivot(index=["group", "person"], columns="occasion", values="value")
    change = wide["after"] - wide["before"]
    welch = stats.ttest_ind(change["drug"], change["placebo"], equal_var=False)
    row = found.loc["group_by_time"]
    assert (row["t"], row["df"], row["p"]) == pytest.approx(
        (welch.statistic, welch.df, welch.pvalue), rel=1e-7
    )
    paired = stats.ttest_1samp(change["drug"], 0)
    assert found["t"]["time_drug"] == pytest.approx(paired.statistic)
    assert found["df"]["time_drug"] == pytest.approx(12)
    # Sessions before all treatment may be of no arm's treatment: the occasion is what counts.
    x.loc[x["occasion"] == "before", "treatment"] = np.nan
    again = terms(cell_model(edges(x), design(time, groups=("drug", "placebo"))))
    pd.testing.assert_frame_equal(again, found)


def test_a_group_too_small_for_its_own_variances_shares_them():
    x = simulated(14, ORDERS, rng=np.random.default_rng(11))
    x["group"] = np.where(x["person"] < "sub-12", "TRD", "HV")
    asked = design(against("A", "B"), n_periods=3, groups=("TRD", "HV"))
    found = cell_model(edges(x), asked)
    assert found["converged"].all()
    assert found["note"].str.contains("one variance for all groups: what one of them has").all()


def test_the_group_whose_sessions_are_less_alike_is_named():
    x = simulated(24, ORDERS, rng=np.random.default_rng(15))
    second = x["person"] >= "sub-12"
    x["group"] = np.where(second, "HV", "TRD")
    x.loc[second, "value"] -= 0.9 * x.groupby("person")["value"].transform("mean")
    asked = design(against("A", "B"), n_periods=3, groups=("TRD", "HV"))
    found = cell_model(edges(x), asked)
    said = "the sessions of a person are less alike than those of two people in HV (a negative"
    assert found["note"].str.startswith(said).all() and found["converged"].all()


def test_people_with_one_session_only_are_compared_between_people():
    rng = np.random.default_rng(12)
    x = simulated(21, ["A", "B", "C"], rng=rng, period=(0,))
    found = terms(cell_model(edges(x), design(against("A", "B"), n_periods=1)))
    assert found["note"].str.contains("nobody has two sessions, so cells are compared").all()
    values = [x.loc[x["treatment"] == t, "value"].to_numpy() for t in "ABC"]
    error = np.sqrt(np.mean([np.var(v, ddof=1) for v in values]) * 2 / 7)
    assert found["se"]["B_HV"] == pytest.approx(error)
    assert found["df"]["B_HV"] == pytest.approx(18)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda x: x.assign(value=0.2), "all values are the same"),
        (lambda x: x[x["person"] == "sub-00"], "too few people and sessions for the model"),
        (lambda x: x.assign(value=x.groupby("person")["value"].transform("mean")),
         "not fitted: there is no variance of people, or none of their sessions"),
        (lambda x: x[:0], None),
    ],
)  # fmt: skip
def test_what_cannot_be_fitted_is_na_with_a_note(change, said):
    x = change(simulated(12, ORDERS, rng=np.random.default_rng(13)))
    found = cell_model(edges(x), design(against("A", "B"), n_periods=1))
    if said is None:
        assert found.empty and list(found.columns) == COLUMNS
        return
    assert found["term"].tolist() == ["B_HV"] and not found["converged"].any()
    assert found[["estimate", "low", "high", "se", "t", "df", "p"]].isna().all(axis=None)
    assert found["note"].str.contains(said).all()


def test_every_edge_has_its_rows_and_others_do_not_matter():
    rng = np.random.default_rng(14)
    one, other = (simulated(12, ORDERS, rng=rng) for _ in range(2))
    other.loc[4, "value"] = np.nan
    stranger = simulated(3, ORDERS, rng=rng).assign(group="BP", person=["x", "y", "z"] * 3)
    table = pd.concat([edges(one), edges(other, "dACC", "SMG"), edges(stranger)])
    asked = design(against("A", "B"), n_periods=3)
    found = cell_model(table, asked)
    assert found[["seed", "target", "n_sessions"]].values.tolist() == [
        ["sgACC", "PCC", 36], ["dACC", "SMG", 35],
    ]  # fmt: skip
    pd.testing.assert_frame_equal(found[:1], cell_model(edges(one), asked))
    with pytest.raises(Fault, match="no column period"):
        cell_model(table.drop(columns="period"), asked)
