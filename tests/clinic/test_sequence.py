"""Changes by sequence, and the first period alone: plans of whole trials, SciPy, least squares."""

import itertools

import numpy as np
import pandas as pd
import pytest
import yaml
from scipy import stats

from crossfc.clinic.change import clinical_change
from crossfc.clinic.contrast import groups_of
from crossfc.clinic.first_period import COLUMNS as FIRST_COLUMNS
from crossfc.clinic.first_period import first_period_table
from crossfc.clinic.response import paired_response_table, response_table
from crossfc.clinic.sequence import COLUMNS, sequence_table
from crossfc.plan import Plan
from crossfc.trial.first_period import UNKNOWN

SCALES = (
    "scale\tinstrument\tlowest\thighest\tbetter\tresponse_percent\tremission_at\n"
    "MADRS\tMontgomery-Asberg\t0\t60\tlower\t50\t10\nSHAPS\tSnaith-Hamilton\t14\t56\tlower\tn/a\tn/a\n"
)
TWO = {"treatments": {"active": "drug", "control": "pill"}}


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
        return Plan(config | {"groups": ["MDD"]} | keys, root)

    return make


def session(person, label, treatment, period, score, occasion=None, **scores):
    row = {"participant_id": person, "session_id": label, "treatment": treatment,
           "period": period, "MADRS": score}  # fmt: skip
    return row | ({"occasion": occasion} if occasion else {}) | scores


def sequences_of(made):
    table = sequence_table(made.clinic.scores(), made.designs(), list(made.trial.scales))
    assert table.columns.tolist() == COLUMNS
    return table


def first_of(made):
    designs, scales = made.designs(), list(made.trial.scales)
    table = first_period_table(made.clinic.first_scores(), designs, scales)
    assert table.columns.tolist() == FIRST_COLUMNS
    return table


def crossover(n=11, seed=0, unknown=(), only_first=()):
    """People in both orders; some without an order, some without a second session."""
    rng = np.random.default_rng(seed)
    people, sessions = [], []
    for i in range(n):
        name, order = f"sub-{i:02d}", ("drug", "pill") if i % 3 else ("pill", "drug")
        known = name not in unknown
        people.append((name, "MDD", "-".join(order) if known else "n/a"))
        for period, treatment in enumerate(order, 1):
            if period == 1 or name not in only_first:
                at = period if known else "n/a"
                sessions.append(session(name, f"ses-{period}", treatment, at, rng.integers(5, 40)))
    return people, sessions


def test_changes_by_sequence_are_paired_differences(plan):
    people, sessions = crossover(unknown=("sub-04", "sub-06", "sub-07"), only_first=("sub-02",))
    made = plan(people, sessions, **TWO)
    table = sequences_of(made)
    table["sequence"] = table["sequence"].fillna("n/a")
    assert table["sequence"].tolist() == ["drug-pill", "pill-drug", "n/a"]
    wide = pd.DataFrame(sessions).pivot(index="participant_id", columns="treatment", values="MADRS")
    delta = (wide["drug"] - wide["pill"]).dropna()
    assert table["n"].sum() == len(delta) == 10
    of_order = {name: sequence for name, _, sequence in people}
    for row in table.to_dict("records"):
        own = delta[[name for name in delta.index if of_order[name] == row["sequence"]]]
        low, high = stats.t.interval(0.95, len(own) - 1, own.mean(), stats.sem(own))
        found = row["n"], row["difference"], row["low"], row["high"], row["sd"]
        assert found == pytest.approx((len(own), own.mean(), low, high, own.std(ddof=1)))
    # Their mean at equal shares is the period-adjusted change.
    change, _ = clinical_change(
        pd.DataFrame(made.clinic.scores()), TWO["treatments"], ["MDD"], ["MADRS"]
    )
    assert table["difference"][:2].mean() == pytest.approx(change["adjusted_estimate"][0])


def test_the_first_period_is_welch_with_everybody_who_has_it(plan):
    people, sessions = crossover(12, unknown=("sub-04",), only_first=("sub-02", "sub-03"))
    sessions = [s for s in sessions if (s["participant_id"], s["period"]) != ("sub-05", 1)]
    made = plan(people, sessions, **TWO)
    (row,) = first_of(made).to_dict("records")
    first = {s["participant_id"]: s for s in sessions if s["period"] == 1}
    sides = [[s["MADRS"] for s in first.values() if s["treatment"] == t] for t in ("drug", "pill")]
    expected = stats.ttest_ind(*sides, equal_var=False)
    assert (row["n_active"], row["n_control"]) == tuple(map(len, sides)) == (6, 4)
    assert (row["t"], row["df"], row["p"]) == pytest.approx(
        (expected.statistic, expected.df, expected.pvalue)
    )
    assert (row["low"], row["high"]) == pytest.approx(tuple(expected.confidence_interval()))
    assert (row["mean_active"], row["sd_active"]) == pytest.approx(
        (np.mean(sides[0]), np.std(sides[0], ddof=1))
    )
    assert row["difference"] == pytest.approx(np.mean(sides[0]) - np.mean(sides[1]))
    assert row["left"] == f"sub-04 ({UNKNOWN}); sub-05 (no score under drug in period 1)"
    assert row["because"] is None or pd.isna(row["because"])


def test_a_first_period_of_one_treatment_says_why_there_is_no_test(plan):
    people, sessions = crossover(6)
    same = [(name, group, "drug-pill") for name, group, _ in people]
    for place, row in enumerate(sessions):
        row["treatment"] = ("drug", "pill")[place % 2]
    (row,) = first_of(plan(same, sessions, **TWO)).to_dict("records")
    assert row["because"] == "0 with a score had pill first, and a test takes 2"
    assert np.isnan(row["p"]) and row["n_active"] == 6


def test_three_treatments_are_compared_with_who_had_the_reference_first(plan):
    orders = list(itertools.permutations(["pill", "low", "high"]))
    rng = np.random.default_rng(2)
    people = [(f"sub-{i:02d}", "MDD", "-".join(orders[i % 6])) for i in range(18)]
    sessions = [
        session(f"sub-{i:02d}", f"ses-{k}", t, k, rng.integers(5, 40))
        for i in range(18) for k, t in enumerate(orders[i % 6], 1)
    ]  # fmt: skip
    made = plan(people, sessions, treatments=["pill", "low", "high"])
    table = first_of(made)
    assert table["contrast"].tolist() == ["low", "high"]
    assert table[["n_active", "n_control"]].values.tolist() == [[6, 6], [6, 6]]
    first = pd.DataFrame(sessions).query("period == 1").set_index("treatment")["MADRS"]
    expected = stats.ttest_ind(first["high"], first["pill"], equal_var=False)
    assert table["p"][1] == pytest.approx(expected.pvalue)
    by_sequence = sequences_of(made)
    assert by_sequence["n"].tolist() == [3] * 12


def test_occasions_of_the_first_period_have_the_weights_of_the_contrast(plan):
    people, sessions = [], []
    rng = np.random.default_rng(3)
    for i in range(8):
        order = ("drug", "pill") if i % 2 else ("pill", "drug")
        people.append((f"sub-{i}", "MDD", "-".join(order)))
        sessions += [
            session(f"sub-{i}", f"ses-{k}{at}", t, k, rng.integers(5, 40), at)
            for k, t in enumerate(order, 1) for at in ("day2", "day10")
        ]  # fmt: skip
    fading = {"drug": {"day2": 1, "day10": -1}, "pill": {"day2": -1, "day10": 1}}
    keys = {"treatments": ["pill", "drug"], "occasions": ["day2", "day10"]}
    made = plan(people, sessions, contrasts={"fading": fading}, **keys)
    (row,) = first_of(made).to_dict("records")
    wide = pd.DataFrame(sessions).query("period == 1").pivot(
        index=["participant_id", "treatment"], columns="occasion", values="MADRS"
    )  # fmt: skip
    fade = (wide["day2"] - wide["day10"]).unstack()
    expected = stats.ttest_ind(fade["drug"].dropna(), fade["pill"].dropna(), equal_var=False)
    assert row["t"] == pytest.approx(expected.statistic)


def test_arms_and_one_treatment_have_no_sequences_and_respond_since_their_first_occasion(plan):
    rng = np.random.default_rng(4)
    for treatments in (["pill", "drug"], ["drug"]):
        people, sessions = [], []
        for i in range(8):
            own = treatments[i % len(treatments)]
            people.append((f"sub-{i}", "MDD", own))
            sessions += [
                session(f"sub-{i}", f"ses-{at}", own, 1, rng.integers(5, 40), at)
                for at in ("before", "after")
            ]
        made = plan(people, sessions, treatments=treatments, occasions=["before", "after"])
        files = made.clinic.change_files()
        assert "response" in files
        assert not {"sequences", "first_period", "response_pairs"} & set(files)
        assert sequences_of(made).empty and first_of(made).empty
        assert made.clinic.criteria()[0]["baseline"] == "before"
        cells = made.clinic.course_design()["cells"]
        groups = made.trial.groups
        table = response_table(made.clinic.statuses(), made.clinic.criteria(), groups, cells)
        wide = pd.DataFrame(sessions).pivot(
            index="participant_id", columns="occasion", values="MADRS"
        )
        met = {"response": wide["after"] <= wide["before"] / 2, "remission": wide["after"] <= 10}
        for criterion, rows in table.groupby("criterion"):
            assert rows["n_met"].sum() == met[criterion].sum() and rows["n"].sum() == 8
        assert set(table["occasion"]) == {"after"} and len(table) == 2 * len(treatments)


def test_baselines_of_periods_come_before_those_before_all_treatment(plan):
    people, sessions = [], []
    for i, order in enumerate([("drug", "pill"), ("pill", "drug")] * 3):
        people.append((f"sub-{i}", "MDD", "-".join(order)))
        sessions.append(session(f"sub-{i}", "ses-b0", "n/a", "n/a", 40, "b0"))
        for k, t in enumerate(order, 1):
            sessions.append(session(f"sub-{i}", f"ses-{k}base", t, k, 20, "base"))
            after = 9 if t == "drug" else 12
            sessions.append(session(f"sub-{i}", f"ses-{k}day2", t, k, after, "day2"))
    keys = {"treatments": ["pill", "drug"], "occasions": ["b0", "base", "day2"]}

    def met(**more):
        made = plan(people, sessions, **keys, **more)
        clinic = made.clinic
        cells = clinic.course_design()["cells"]
        table = response_table(clinic.statuses(), clinic.criteria(), ["MDD"], cells)
        own = table[(table["criterion"] == "response") & (table["occasion"] == "day2")]
        counts = dict(zip(own["treatment"], own["n_met"], strict=True))
        paired = paired_response_table(
            clinic.response_pairs(), clinic.response_comparisons(), clinic.criteria(), ["MDD"]
        )
        at = paired[(paired["criterion"] == "response") & (paired["occasion"] == "day2")]
        assert at["treatment_only"].tolist() == [counts["drug"] - counts["pill"]]
        return set(table["baseline"].dropna()), counts

    assert met(baseline_occasion="base") == ({"base"}, {"drug": 6, "pill": 0})
    assert met() == ({"b0"}, {"drug": 6, "pill": 6})


def test_the_course_of_a_real_trial(root, monkeypatch, tmp_path):
    """ds005917: response is that of the phenotype table, half of the score at b0 or less."""
    config = yaml.safe_load((root / "config/ds005917_course.yaml").read_text())
    made = Plan(config | {"results_dir": str(tmp_path)}, root)
    sheet = pd.read_csv(
        root / "config/ds005917/course/sessions.tsv", sep="\t", na_values="n/a"
    ).query("exclude == 'no'")
    people = pd.read_csv(root / "config/ds005917/course/participants.tsv", sep="\t")
    patients = people.query("group == 'MDD' and exclude == 'no'")["participant_id"]
    wide = sheet[sheet["participant_id"].isin(patients)].pivot_table(
        index="participant_id", columns="session_id", values="MADRS_Total"
    )
    clinic = made.clinic
    table = response_table(
        clinic.statuses(), clinic.criteria(), groups_of(made.designs()[0]),
        clinic.course_design()["cells"],
    )  # fmt: skip
    own = table.query("criterion == 'response' and scale == 'MADRS_Total' and group == 'MDD'")
    for treatment, at, label in (
        ("ketamine", "day2", "ses-d2"), ("placebo", "day2", "ses-p2"),
        ("ketamine", "day10", "ses-d10"), ("placebo", "day10", "ses-p10"),
    ):  # fmt: skip
        both = wide[["ses-b0", label]].dropna()
        row = own[(own["treatment"] == treatment) & (own["occasion"] == at)].iloc[0]
        assert row["n"] == len(both)
        assert row["n_met"] == (both[label] <= both["ses-b0"] / 2).sum()
        assert row["baseline"] == "b0"
