"""Scores at every occasion: against SciPy, least squares by hand, and a real trial's sheets."""

import itertools

import numpy as np
import pandas as pd
import pytest
import yaml
from scipy import stats

from crossfc.clinic.contrast import change_tables
from crossfc.clinic.occasion import COLUMNS, occasion_table
from crossfc.plan import Plan
from crossfc.trial.occasion import comparisons

SCALES = (
    "scale\tinstrument\tlowest\thighest\tbetter\n"
    "MADRS\tMontgomery-Asberg\t0\t60\tlower\nSHAPS\tSnaith-Hamilton\t14\t56\tlower\n"
)
ORDERS = list(itertools.permutations(["placebo", "low", "high"]))


@pytest.fixture
def plan(tmp_path, root, monkeypatch):
    """Write the sheets of a trial without scans, and plan it."""

    def make(people, sessions, **keys):
        monkeypatch.chdir(tmp_path)
        columns = ["participant_id", "group", "sequence"]
        pd.DataFrame(people, columns=columns).to_csv("participants.tsv", sep="\t", index=False)
        table = pd.DataFrame(sessions).assign(scan="n/a").fillna("n/a")
        table.to_csv("sessions.tsv", sep="\t", index=False)
        (tmp_path / "scales.tsv").write_text(SCALES)
        sheets = {name: f"{name}.tsv" for name in ("participants", "sessions", "scales")}
        config = {"study": "x", "entry": "fmriprep", "derivatives_dir": "d", "sheets": sheets}
        return Plan(config | {"groups": ["HV"]} | keys, root)

    return make


def session(person, label, treatment, period, occasion, MADRS, SHAPS="n/a"):  # noqa: N803
    return {"participant_id": person, "session_id": label, "treatment": treatment,
            "period": period, "occasion": occasion, "MADRS": MADRS, "SHAPS": SHAPS}  # fmt: skip


def table_of(plan):
    """Make the table as the rule does."""
    clinic, trial = plan.clinic, plan.checked_trial()
    table, notes = occasion_table(
        clinic.occasion_scores(), clinic.occasion_designs(), trial.groups, list(trial.scales)
    )
    assert table.columns.tolist() == COLUMNS
    return table, notes


def least_squares(columns, values):
    """Return intercept, interval, df and p of a regression, from the normal equations."""
    design = np.column_stack([np.ones(len(values)), *columns])
    inverse = np.linalg.inv(design.T @ design)
    coefficients = inverse @ design.T @ values
    df = len(values) - design.shape[1]
    error = np.sqrt(((values - design @ coefficients) ** 2).sum() / df * inverse[0, 0])
    half = stats.t.ppf(0.975, df) * error
    p = 2 * stats.t.sf(abs(coefficients[0]) / error, df)
    return [coefficients[0], coefficients[0] - half, coefficients[0] + half, df, p]


def test_the_ketamine_trial(root, monkeypatch):
    """Every number from the sheets by themselves: means by order, their pooled variance."""
    monkeypatch.chdir(root)
    plan = Plan(yaml.safe_load((root / "config/ds005917_course.yaml").read_text()), root)
    table, _ = table_of(plan)
    folder = root / "config/ds005917/course"
    people = pd.read_csv(folder / "participants.tsv", sep="\t").set_index("participant_id")
    sheet = pd.read_csv(folder / "sessions.tsv", sep="\t", na_values="n/a")
    scores = sheet.pivot(index="participant_id", columns="session_id", values="MADRS_Total")
    rows = table[(table["scale"] == "MADRS_Total") & (table["group"] == "MDD")]
    rows = rows.set_index(["occasion", "sequence"])
    for occasion, after, told in (("day2", ("ses-d2", "ses-p2"), -6.75),
                                  ("day10", ("ses-d10", "ses-p10"), -4.2727)):  # fmt: skip
        delta = (scores[after[0]] - scores[after[1]]).dropna()
        own = people.loc[delta.index]
        delta = delta[(own["group"] == "MDD") & (own.get("exclude", "no") != "yes")]
        orders = [part.to_numpy() for _, part in delta.groupby(people["sequence"])]
        assert len(orders) == 2
        n = [len(part) for part in orders]
        pooled = sum(((part - part.mean()) ** 2).sum() for part in orders) / (sum(n) - 2)
        estimate = (orders[0].mean() + orders[1].mean()) / 2
        error = np.sqrt(pooled * (1 / n[0] + 1 / n[1])) / 2
        half = stats.t.ppf(0.975, sum(n) - 2) * error
        row = rows.loc[(occasion, "all")]
        assert row["estimate"] == pytest.approx(told, abs=5e-5)
        assert row[["estimate", "low", "high"]].tolist() == pytest.approx(
            [estimate, estimate - half, estimate + half]
        )
        assert (row["n"], row["df"]) == (sum(n), sum(n) - 2)
        assert row["p"] == pytest.approx(2 * stats.t.sf(abs(estimate) / error, sum(n) - 2))
        first = stats.ttest_1samp(orders[0], 0)
        told_first = rows.loc[(occasion, "ketamine-placebo")]
        limits = first.confidence_interval()
        assert told_first[["estimate", "low", "high"]].tolist() == pytest.approx(
            [orders[0].mean(), limits.low, limits.high]
        )
        assert np.isnan(told_first["p"]) and told_first["n"] == n[0]
    # A contrast of the config that is the same comparison has the same numbers.
    change = change_tables(plan.clinic.scores(), plan.designs(), list(plan.trial.scales)).change
    change = change[change["contrast"].isin(["day2", "day10"])]
    same = table[(table["sequence"] == "all") & (table["group"] != "MDD-HC")]
    keys = {"occasion": "contrast", "estimate": "adjusted_estimate", "low": "adjusted_low"}
    keys |= {"p": "adjusted_p", "df": "adjusted_df", "n": "adjusted_n"}
    left = same.rename(columns=keys).set_index(["scale", "group", "contrast"])[
        list(keys.values())[1:]
    ]
    right = change.set_index(["scale", "group", "contrast"]).loc[left.index, left.columns]
    pd.testing.assert_frame_equal(left, right, check_dtype=False)


def three(scores_of):
    """Twelve people with three treatments in all orders, two occasions in each period."""
    people, sessions = [], []
    for i in range(12):
        order, person = ORDERS[i % 6], f"sub-{i:02d}"
        people.append((person, "HV", "-".join(order)))
        for period, treatment in enumerate(order, 1):
            sessions += [
                session(person, f"ses-{period}{at}", treatment, period, f"day{at}",
                        scores_of(i, treatment, period, at))
                for at in (1, 8)
            ]  # fmt: skip
    return people, sessions


def test_three_treatments_at_every_occasion_whatever_the_contrasts(plan):
    rng = np.random.default_rng(0)
    score = {
        (i, t, day): int(rng.integers(10, 40))
        for i in range(12)
        for t in ORDERS[0]
        for day in (1, 8)
    }
    people, sessions = three(lambda i, t, period, at: score[i, t, at])
    # Who lacks a score at one occasion leaves that difference by name, and no other.
    gone = next(s for s in sessions if s["participant_id"] == "sub-03" and s["occasion"] == "day8"
                and s["treatment"] == "high")  # fmt: skip
    gone["MADRS"] = "n/a"
    given = {"treatments": ["placebo", "low", "high"], "occasions": ["day1", "day8"]}
    table, notes = table_of(plan(people, sessions, **given, main_occasion="day1"))
    everybody = table[table["sequence"] == "all"]
    assert everybody[["treatment", "reference", "occasion", "n"]].values.tolist() == [
        ["low", "placebo", "day1", 12], ["low", "placebo", "day8", 12],
        ["high", "placebo", "day1", 12], ["high", "placebo", "day8", 11],
    ]  # fmt: skip
    assert everybody["left"].fillna("").tolist() == [
        *[""] * 3, "sub-03 (no score under high day8)",
    ]  # fmt: skip
    assert everybody["adjusted"].all() and notes == []
    for row in everybody.to_dict("records"):
        day, label = int(row["occasion"][3:]), row["treatment"]
        own = [i for i in range(12) if (i, label, day) != (3, "high", 8)]
        delta = np.array([score[i, label, day] - score[i, "placebo", day] for i in own], float)
        columns = [
            [(ORDERS[i % 6].index(label) == k) - (ORDERS[i % 6].index("placebo") == k) for i in own]
            for k in (1, 2)
        ]
        told = [row[name] for name in ("estimate", "low", "high", "df", "p")]
        assert told == pytest.approx(least_squares(columns, delta))
    # The orders, each with its plain mean.
    assert (table["sequence"] != "all").sum() == 4 * 6


def arms(scores_of, n=14):
    people = [(f"sub-{i:02d}", "HV", "n/a") for i in range(n)]
    return people, [
        session(person, f"ses-{at}", ("placebo", "drug")[i % 2], "n/a", at, *scores_of(i, at))
        for i, (person, _, _) in enumerate(people)
        for at in ("before", "week1", "week4")
    ]


def test_arms_change_since_the_first_occasion_with_scores(plan):
    rng = np.random.default_rng(1)
    madrs = rng.integers(10, 40, (14, 3))
    shaps = rng.integers(14, 50, (14, 3))
    place = {"before": 0, "week1": 1, "week4": 2}
    people, sessions = arms(
        lambda i, at: (madrs[i, place[at]], "n/a" if at == "before" else shaps[i, place[at]])
    )
    given = {"treatments": ["placebo", "drug"], "occasions": list(place)}
    made = plan(people, sessions, **given)
    table, _ = table_of(made)
    assert table[["scale", "occasion", "since", "group", "n"]].values.tolist() == [
        [scale, occasion, since, *group]
        for scale, occasion, since in (("MADRS", "week1", "before"), ("MADRS", "week4", "before"),
                                       ("SHAPS", "week4", "week1"))
        for group in (("drug", 7), ("placebo", 7), ("drug-placebo", 14))
    ]  # fmt: skip
    assert table["treatment"].isna().all() and not table["adjusted"].any()
    drug = np.arange(14) % 2 == 1
    for of, scores, (now, first) in (("week1", madrs, (1, 0)), ("week4", madrs, (2, 0)),
                                     ("week4", shaps, (2, 1))):  # fmt: skip
        change = (scores[:, now] - scores[:, first]).astype(float)
        scale = "MADRS" if scores is madrs else "SHAPS"
        rows = table[(table["scale"] == scale) & (table["occasion"] == of)].set_index("group")
        within = stats.ttest_1samp(change[drug], 0)
        assert rows.loc["drug", ["estimate", "p"]].tolist() == pytest.approx(
            [change[drug].mean(), within.pvalue]
        )
        between = stats.ttest_ind(change[drug], change[~drug], equal_var=False)
        limits = between.confidence_interval()
        told = rows.loc["drug-placebo", ["estimate", "low", "high", "df", "p"]].tolist()
        estimate = change[drug].mean() - change[~drug].mean()
        assert told == pytest.approx(
            [estimate, limits.low, limits.high, between.df, between.pvalue]
        )


def test_a_single_arm_changes_since_the_first_occasion(plan):
    people, sessions = arms(lambda i, at: (20 + i % 3 - 5 * (at != "before") * (i % 4), "n/a"), 9)
    for own in sessions:
        own["treatment"] = "psilocybin"
    sessions[2]["MADRS"] = "n/a"  # week4 of sub-00
    table, _ = table_of(plan(people, sessions, treatments=["psilocybin"],
                           occasions=["before", "week1", "week4"]))  # fmt: skip
    told = table[["occasion", "since", "group", "n", "left"]].fillna("")
    assert told.values.tolist() == [
        ["week1", "before", "HV", 9, ""],
        ["week4", "before", "HV", 8, "sub-00 (no score at week4)"],
    ]
    change = np.array([-5.0 * (i % 4) for i in range(9)])
    assert table["estimate"].tolist() == pytest.approx([change.mean(), change[1:].mean()])
    assert table["p"][0] == pytest.approx(stats.ttest_1samp(change, 0).pvalue)


def test_one_occasion_has_no_table_of_its_own(plan):
    people = [("sub-1", "HV", "drug-placebo"), ("sub-2", "HV", "placebo-drug")]
    sessions = [
        {"participant_id": person, "session_id": f"ses-{label}", "treatment": label,
         "period": "n/a", "MADRS": 20}
        for person, _, _ in people
        for label in ("drug", "placebo")
    ]  # fmt: skip
    made = plan(people, sessions, treatments=["placebo", "drug"])
    assert comparisons(made.checked_trial()) == []
    assert "occasions" not in made.clinic.change_files()
    assert not any("occasions" in name for name in made.clinic.results())


def crossed(scores_of, n=10):
    """Two treatments in two periods, each with a session before and after it."""
    people, sessions = [], []
    for i in range(n):
        order, person = ORDERS_OF_TWO[i % 2], f"sub-{i:02d}"
        people.append((person, "HV", "-".join(order)))
        sessions += [
            session(person, f"ses-{period}{at}", label, period, at, *scores_of(i, label, at))
            for period, label in enumerate(order, 1)
            for at in ("pre", "post")
        ]
    return people, sessions


ORDERS_OF_TWO = (("drug", "placebo"), ("placebo", "drug"))
PRE_POST = {"treatments": ["placebo", "drug"], "occasions": ["pre", "post"],
            "baseline_occasion": "pre"}  # fmt: skip
WITHOUT = "SHAPS: nobody has a score of it at the baseline, so it is tested without this covariate"


def drawn(n=10):
    rng = np.random.default_rng(5)
    return {(i, t, at): int(rng.integers(15, 40)) for i in range(n) for t in ("placebo", "drug")
            for at in ("pre", "post")}  # fmt: skip


def test_a_scale_without_scores_at_the_baseline_is_tested_without_it(plan):
    score = drawn()
    people, sessions = crossed(
        lambda i, t, at: (score[i, t, at], "n/a" if at == "pre" else score[i, t, at] + 1)
    )
    made = plan(people, sessions, **PRE_POST)
    table, notes = table_of(made)
    assert notes == [f"drug at post, {WITHOUT}"]
    rows = table[(table["sequence"] == "all") & (table["occasion"] == "post")].set_index("scale")
    found = change_tables(made.clinic.scores(), made.designs(), list(made.trial.scales))
    assert found.notes == [WITHOUT] and found.scores["used"].all()
    change = found.change.set_index("scale")
    code = [(-1, 1)[i % 2] for i in range(10)]
    delta, before = (
        np.array([score[i, "drug", at] - score[i, "placebo", at] for i in range(10)], float)
        for at in ("post", "pre")
    )
    for scale, columns in (("MADRS", [code, before]), ("SHAPS", [code])):
        right = least_squares(columns, delta)
        names = ["estimate", "low", "high", "df", "p"]
        assert rows.loc[scale, names].tolist() == pytest.approx(right)
        told = change.loc[scale, [f"adjusted_{name}" for name in names]].tolist()
        assert told == pytest.approx(right) and change.loc[scale, "n"] == 10


def test_a_baseline_that_is_subtracted_is_not_in_the_differences_at_an_occasion(plan):
    """The row is called drug - placebo at post, and holds this."""
    score = drawn()
    people, sessions = crossed(lambda i, t, at: (score[i, t, at], "n/a"))
    made = plan(people, sessions, **PRE_POST, baseline="difference")
    table, _ = table_of(made)
    code = [(-1, 1)[i % 2] for i in range(10)]
    rows = table[table["sequence"] == "all"].set_index("occasion")
    assert rows.index.tolist() == ["pre", "post"]
    for at, row in rows.iterrows():
        delta = [score[i, "drug", at] - score[i, "placebo", at] for i in range(10)]
        told = row[["estimate", "low", "high", "df", "p"]].tolist()
        assert told == pytest.approx(least_squares([code], np.array(delta, float)))
