"""Carry-over: planted effects come back, and what a design cannot tell is not estimated."""

import itertools

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from crossfc.clinic.carryover import CANCELS, carryover, edge_carryover, score_carryover
from crossfc.plan import Plan
from crossfc.trial.carryover import carryovers, given_treatments

TREATMENTS = ["placebo", "low", "high"]
WILLIAMS = list(itertools.permutations(TREATMENTS))
SCALES = "scale\tinstrument\tlowest\thighest\tbetter\nMADRS\tMontgomery-Asberg\t0\t1000\tlower\n"


@pytest.fixture
def plan(tmp_path, root, monkeypatch):
    """Write the sheets of people with these orders, whose scores are planted, and plan the trial.

    ``score`` is called with the number of the person, the order and the place in it.
    """

    def make(orders, score, gone=(), spoil=None, occasions=(), **keys):
        monkeypatch.chdir(tmp_path)
        people, sessions = [], []
        for i, order in enumerate(orders):
            people.append((f"sub-{i:02d}", "HV", "-".join(order)))
            for place, treatment in enumerate(order):
                for at in occasions or (None,):
                    row = {"participant_id": f"sub-{i:02d}", "treatment": treatment}
                    row |= {"session_id": f"ses-{place}{at or ''}", "period": place + 1}
                    row |= {"scan": "n/a", "MADRS": score(i, order, place)}
                    row |= {"occasion": at} if occasions else {}
                    if (i, treatment) not in gone:
                        sessions.append(row)
        people = pd.DataFrame(people, columns=["participant_id", "group", "sequence"])
        sessions = pd.DataFrame(sessions)
        if spoil is not None:
            spoil(people, sessions)
        people.to_csv("participants.tsv", sep="\t", index=False)
        sessions.to_csv("sessions.tsv", sep="\t", index=False)
        (tmp_path / "scales.tsv").write_text(SCALES)
        sheets = {name: f"{name}.tsv" for name in ("participants", "sessions", "scales")}
        config = {"study": "x", "entry": "fmriprep", "derivatives_dir": "d", "sheets": sheets}
        config |= {"groups": ["HV"], "treatments": TREATMENTS}
        config |= {"occasions": list(occasions)} if occasions else {}
        return Plan(config | keys, root)

    return make


def table_of(plan):
    clinic, trial = plan.clinic, plan.checked_trial()
    return score_carryover(
        clinic.carryover_scores(),
        plan.designs(),
        list(trial.scales),
        clinic.carryover_treatments(),
    ).set_index("contrast")


DIRECT = {"placebo": 0.0, "low": 7.0, "high": -13.0}
PERIOD = (0.0, 3.0, 11.0)
CARRIED = {"placebo": 2.0, "low": 5.0, "high": -4.0}


def planted(i, order, place):
    """Person, treatment, period and first-order carry-over, without noise."""
    carried = CARRIED[order[place - 1]] if place else 0.0
    return 100 + 17 * i + DIRECT[order[place]] + PERIOD[place] + carried


def test_planted_effects_come_back_without_noise(plan):
    """With C the intercept is the direct contrast; without, carry-over is in it."""
    # Orders are not equally frequent, so that nothing cancels by chance.
    made = plan([*WILLIAMS, *WILLIAMS[:3], WILLIAMS[0]], planted)
    table = table_of(made)
    assert made.clinic.has_carryover and table["n"].tolist() == [10, 10]
    for name in ("low", "high"):
        row = table.loc[name]
        assert row["with_estimate"] == pytest.approx(DIRECT[name] - DIRECT["placebo"])
        for treatment in ("low", "high"):
            told = row[f"carryover_{treatment}_estimate"]
            assert told == pytest.approx(CARRIED[treatment] - CARRIED["placebo"])
        assert abs(row["without_estimate"] - DIRECT[name]) > 0.5
        assert pd.isna(row["because"]) and pd.isna(row["left"])


def test_every_number_is_that_of_statsmodels(plan):
    import statsmodels.api as sm

    rng = np.random.default_rng(5)
    noise = rng.normal(0, 10, (18, 3)).round()
    orders = WILLIAMS * 3
    made = plan(orders, lambda i, order, place: planted(i, order, place) + noise[i, place])
    row = table_of(made).loc["high"]
    design, delta = [], []
    for i, order in enumerate(orders):
        cells = [(order.index("high"), 1), (order.index("placebo"), -1)]
        delta.append(sum(w * (planted(i, order, k) + noise[i, k]) for k, w in cells))
        periods = [sum(w * (k == own) for k, w in cells) for own in (1, 2)]
        before = [sum(w for k, w in cells if k and order[k - 1] == t) for t in ("low", "high")]
        design.append([1, *periods, *before])
    fits = {
        "without": sm.OLS(delta, np.array(design)[:, :3].astype(float)).fit(),
        "with": sm.OLS(delta, np.array(design, float)).fit(),
    }
    places = {"without": ("without", 0), "with": ("with", 0)}
    places |= {"carryover_low": ("with", 3), "carryover_high": ("with", 4)}
    for name, (model, place) in places.items():
        fit = fits[model]
        told = [row[f"{name}_{of}"] for of in ("estimate", "low", "high", "df", "p")]
        limits = fit.conf_int()[place]
        assert told == pytest.approx([fit.params[place], *limits, fit.df_resid, fit.pvalues[place]])
        if name.startswith("carryover"):
            least, error = row[f"{name}_detectable"], fit.bse[place]
            beyond = stats.t.isf(0.025, fit.df_resid)
            above, below = stats.nct.cdf([beyond, -beyond], fit.df_resid, least / error)
            assert 1 - above + below == pytest.approx(0.8)


def test_a_latin_square_of_three_cannot_tell(plan):
    square = [("placebo", "low", "high"), ("low", "high", "placebo"), ("high", "placebo", "low")]
    rng = np.random.default_rng(2)
    table = table_of(plan(square * 4, lambda i, order, place: 50 + int(rng.integers(0, 20))))
    assert np.isfinite(table["without_estimate"]).all() and np.isfinite(table["without_low"]).all()
    told = [c for c in table if c.startswith(("with_", "carryover_"))]
    assert len(told) == 17 and table[told].isna().all(axis=None)
    assert set(table["because"]) == {
        "the sessions of this contrast alone do not tell carry-over from the difference, in the "
        "orders of these people"
    }


def test_in_abb_and_baa_periods_take_carry_over_off_already(plan):
    effects = {"placebo": 0.0, "low": 7.0}

    def score(i, order, place):
        carried = {"placebo": 0.0, "low": 20.0}[order[place - 1]] if place else 0.0
        return 50 + 9 * i + effects[order[place]] + PERIOD[place] + carried + (i // 2 + place) % 2

    orders = [("placebo", "low", "low"), ("low", "placebo", "placebo")] * 4
    row = table_of(plan(orders, score, treatments=["placebo", "low"])).loc["drug"]
    assert row["with_estimate"] == pytest.approx(row["without_estimate"])
    assert row["with_estimate"] == pytest.approx(7, abs=1)
    assert np.isnan(row["carryover_low_estimate"]) and row["because"].endswith(
        "do not tell carry-over of low from other effects"
    )


def test_what_follows_from_others_is_told_and_the_rest_is_estimated():
    """High stood before nothing but in one place, where P tells it apart: low alone is told."""
    rng = np.random.default_rng(3)
    periods = np.repeat([[1.0, 0], [0, 1], [-1, 1], [-1, 0], [0, -1], [1, -1]], 3, axis=0)
    low = rng.choice([-1.0, 0, 1], len(periods))
    before = np.column_stack([low, periods[:, 0]])
    delta = 4 + periods @ [2, 3] + 5 * low + rng.normal(0, 1e-6, len(low))
    found = carryover(delta, periods, before, ["low", "high"], {"active": "a", "control": "b"})
    assert found.given.estimate == pytest.approx(4, abs=1e-5)
    assert found.effects[0].estimate == pytest.approx(5, abs=1e-5)
    assert np.isnan(found.effects[1].estimate)
    assert found.because == (
        "the sessions of this contrast alone do not tell carry-over of high from other effects"
    )


def test_too_few_people_for_the_columns_have_no_estimate():
    rng = np.random.default_rng(4)
    delta, periods, before = rng.normal(size=5), rng.normal(size=(5, 2)), rng.normal(size=(5, 2))
    sides = {"active": "a", "control": "b"}
    found = carryover(delta, periods, before, ["low", "high"], sides)
    assert found.because == "5 people are too few for the 5 columns of the model"
    assert np.isfinite(found.without.p) and np.isnan(found.given.estimate)


def test_carry_over_cancels_between_occasions(plan):
    rng = np.random.default_rng(6)
    fading = {"low": {"d1": 1, "d8": -1}, "placebo": {"d1": -1, "d8": 1}}
    made = plan(
        WILLIAMS * 2, lambda i, order, place: int(rng.integers(20, 60)), occasions=("d1", "d8"),
        contrasts={"fading": fading},
    )  # fmt: skip
    row = table_of(made).loc["fading"]
    assert row["because"] == CANCELS and np.isfinite(row["without_p"])


def test_a_missing_session_was_still_given(plan):
    """What came before is the treatment of the sequence, whether it was scored or not."""
    made = plan(WILLIAMS, planted, gone=[(0, "low")])
    trial = made.checked_trial()
    assert given_treatments(trial)["sub-00"] == {1: "placebo", 2: "low", 3: "high"}
    rows = {(row["contrast"], row["participant_id"]): row for row in made.clinic.carryover_scores()}
    # placebo, low, high: before high was low, before placebo nothing.
    row = rows["high", "sub-00"]
    assert (row["carryover_low"], row["carryover_high"]) == (1, 0)
    # high, low, placebo: before placebo was low, which counts against it.
    row = rows["high", "sub-05"]
    assert (row["carryover_low"], row["carryover_high"]) == (-1, 0)


def test_whose_treatment_before_is_not_known_leaves_by_name(plan):
    def spoil(people, sessions):
        people["sequence"] = "n/a"
        # Of sub-00 (placebo, low, high) the second period has no session left to tell.
        sessions.drop(sessions.index[1], inplace=True)

    rng = np.random.default_rng(7)
    noise = rng.integers(0, 9, (12, 3))
    made = plan(WILLIAMS * 2, lambda i, o, k: planted(i, o, k) + noise[i, k], spoil=spoil)
    row = table_of(made).loc["high"]
    assert row["n"] == 11 and np.isfinite(row["with_p"])
    assert row["left"] == "sub-00 (the treatment of a period is not known)"


def test_among_treatments_that_are_not_analysed_nothing_is_known_of_what_came_before(plan):
    orders = [(*order, "x") for order in WILLIAMS]
    made = plan(orders, lambda *_: 20, unused={"treatments": ["x"]})
    assert made.checked_trial().n_periods == 3 and not made.clinic.has_carryover


def test_an_excluded_session_was_still_given(plan):
    def spoil(people, sessions):
        people["sequence"] = "n/a"
        sessions["exclude"], sessions["reason"] = "no", "n/a"
        sessions.loc[1, ["exclude", "reason"]] = ["yes", "fell asleep"]

    trial = plan(WILLIAMS, planted, spoil=spoil).checked_trial()
    assert trial.participants["sub-00"].order is None
    assert given_treatments(trial)["sub-00"] == {1: "placebo", 2: "low", 3: "high"}


def test_a_repeated_treatment_shares_its_weight(plan):
    made = plan([("low", "low", "placebo")], lambda *_: 20, treatments=["placebo", "low"])
    trial = made.checked_trial()
    (contrast,) = trial.contrasts
    (person,) = trial.compared(contrast, trial.kept_sessions())
    given = given_treatments(trial)["sub-00"]
    # low − placebo: low is half in period 1, half in period 2 after low; placebo after low.
    assert carryovers(person.sessions, given, ["low"]) == {"carryover_low": 0.5 - 1}


def test_two_periods_and_arms_have_none(plan):
    two = plan([("low", "placebo"), ("placebo", "low")], lambda *_: 20, treatments=TREATMENTS[:2])
    assert not two.clinic.has_carryover
    assert not any("carryover" in name for name in two.clinic.results())
    assert "clinical_carryover" not in two.report.job_labels()
    arms = plan(
        [("low",), ("placebo",)], lambda *_: 20, treatments=TREATMENTS[:2],
        occasions=("before", "after"),
    )  # fmt: skip
    assert arms.checked_trial().arms and not arms.clinic.has_carryover


def test_edges_have_the_model_of_scores(plan, tmp_path):
    """The same differences, as edges and as scores, have the same numbers."""
    rng = np.random.default_rng(8)
    value = rng.normal(0, 1, (12, 3)).round(3)
    made = plan(WILLIAMS * 2, lambda i, order, place: value[i, place] + 10)
    trial = made.checked_trial()
    folders, before = [], {}
    sessions = trial.kept_sessions()
    for design in made.designs():
        contrast = made.contrast(design["contrast"])
        people = trial.compared(contrast, sessions)
        folder = tmp_path / contrast.name
        folder.mkdir()
        folders.append(folder)
        names = [person.participant.participant_id for person in people]
        pd.DataFrame(
            [{"participant_id": name, "group": "HV", "sequence": "n/a", **person.order}
             for name, person in zip(names, people, strict=True)]
        ).to_csv(folder / "people.tsv", sep="\t", index=False)  # fmt: skip
        pd.DataFrame(
            [(s.participant_id, s.session_id, w) for person in people for s, w in person.sessions],
            columns=["participant_id", "session_id", "weight"],
        ).to_csv(folder / "sessions.tsv", sep="\t", index=False)
        pd.DataFrame(
            [(s.participant_id, s.session_id, "sgACC", "PCC", s.scores["MADRS"]) for s in sessions],
            columns=["participant_id", "session_id", "seed", "target", "fisher_z"],
        ).to_csv(folder / "edges.tsv", sep="\t", index=False)
        given = given_treatments(trial)
        before[contrast.name] = [
            {"participant_id": name} | carryovers(person.sessions, given[name], ["low", "high"])
            for name, person in zip(names, people, strict=True)
        ]
    edges = edge_carryover(made.designs(), folders, before, ["low", "high"])
    assert edges[["contrast", "seed", "target", "group"]].values.tolist() == [
        ["low", "sgACC", "PCC", "HV"], ["high", "sgACC", "PCC", "HV"],
    ]  # fmt: skip
    scores = table_of(made).reset_index()
    numbers = scores.columns[3:]
    pd.testing.assert_frame_equal(edges[numbers], scores[numbers])
