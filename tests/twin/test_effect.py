"""What is planted in any design: per cell, per contrast, and in the sessions."""

import numpy as np
import pytest

from crossfc.fault import Fault
from crossfc.plan import Plan
from crossfc.trial.new_sheets import write_sheets
from crossfc.twin.enrolment import enrol
from crossfc.twin.truth import EDGES
from tests.twin.test_enrolment import ARMS, BASELINES, WILLIAMS

SMG, PCC = {"seed": "dACC", "target": "SMG"}, {"seed": "pgACC", "target": "PCC"}


@pytest.fixture
def planned(root, tmp_path, monkeypatch):
    """Make the sheets of a twin, and plan it."""
    monkeypatch.chdir(tmp_path)

    def made(given, effects=None, contrasts=None, *, people=None, twin=None):
        given = dict(given)
        design = given.pop("design")
        design = design | {"people": people or design["people"], "dropouts": 0}
        twin = {"design": design, "effects": effects} | (twin or {})
        sheets = {key: f"{key}.tsv" for key in ("participants", "sessions")}
        base = {"study": "s", "entry": "fmriprep", "derivatives_dir": "d", "sheets": sheets}
        config = base | given | {"twin": twin, "contrasts": contrasts or {}}
        write_sheets(Plan(config, root, read_sheets=False).for_sheets(), enrol)
        return Plan(config, root)

    return made


def changes(plan):
    return {
        (row["contrast"], f"{row['seed']}-{row['target']}", row["group"]): row["change"]
        for row in plan.twin.planted_changes()
    }


def differences(plan, truth, contrast, edge):
    """The true differences of people, by group or arm, as they were drawn."""
    found = {}
    for person in plan.compared(plan.contrast(contrast)):
        own = truth["sessions"][person.participant.participant_id]
        total = sum(w * own[s.session_id]["fisher_z"][edge] for s, w in person.sessions)
        found.setdefault(person.participant.group, []).append(total)
    return {group: np.array(values) for group, values in found.items()}


def test_contrasts_are_sums_of_weights_over_cells(planned):
    effects = [
        SMG | {"treatment": "low", "change": 0.2},
        SMG | {"treatment": "high", "change": 0.5},
        SMG | {"treatment": "high", "change": 0.1},
        PCC | {"period": 2, "change": 0.3},
    ]
    contrasts = {
        "low": {"low": 1, "placebo": -1},
        "dose": {"high": 1, "placebo": -1},
        "bend": {"high": 1, "placebo": 1, "low": -2},
    }
    found = changes(planned(WILLIAMS, effects, contrasts))
    assert found["low", "dACC-SMG", "HV"] == 0.2
    assert found["dose", "dACC-SMG", "HV"] == 0.6  # both effects of high
    assert found["bend", "dACC-SMG", "HV"] == 0.2  # 0.6 - 2 * 0.2
    assert found["dose", "pgACC-PCC", "HV"] == 0  # periods are no drug
    assert found["dose", "sgACC-vmPFC", "HV"] == 0  # nothing else is planted
    assert len(found) == 3 * len(EDGES)


def test_effects_of_groups_and_occasions(planned):
    effects = [
        SMG | {"treatment": "ketamine", "group": "MDD", "change": 0.4},  # on day 2, the main one
        SMG | {"treatment": "ketamine", "occasion": "baseline", "change": 0.1},
        PCC | {"occasion": "day2", "change": 0.2},
        PCC | {"period": 2, "change": 0.3},
    ]
    contrasts = {
        "drug": {"ketamine": 1, "placebo": -1},
        "first": {"ketamine": {"baseline": 1}, "placebo": {"baseline": -1}},
        "rise": {"ketamine": {"day2": 1}, "n/a": {"b0": -1}},
    }
    found = changes(planned(BASELINES, effects, contrasts))
    of = {key: value for key, value in found.items() if value}
    assert of == {
        ("drug", "dACC-SMG", "MDD"): 0.4,
        ("first", "dACC-SMG", "MDD"): 0.1,
        ("first", "dACC-SMG", "HV"): 0.1,
        ("rise", "dACC-SMG", "MDD"): 0.4,
        # The effect of day 2, and half of that of periods, which b0 has none of.
        ("rise", "pgACC-PCC", "MDD"): 0.35,
        ("rise", "pgACC-PCC", "HV"): 0.35,
    }


def test_arms_stand_in_place_of_groups(planned):
    effects = [
        SMG | {"treatment": "drug", "change": 0.4},
        PCC | {"occasion": "after", "change": 0.2},
    ]
    found = {key: value for key, value in changes(planned(ARMS, effects)).items() if value}
    assert found == {
        ("time", "dACC-SMG", "drug"): 0.4,
        ("time", "pgACC-PCC", "drug"): 0.2,
        ("time", "pgACC-PCC", "placebo"): 0.2,
    }


def test_effects_by_default_grow_with_the_dose(planned):
    plan = planned(WILLIAMS)
    found = changes(plan)
    for edge in EDGES:
        assert found["high", edge.name, "HV"] == pytest.approx(edge.drug[1])
        assert found["low", edge.name, "HV"] == pytest.approx(edge.drug[1] / 2)
    half = planned(WILLIAMS, twin={"strengths": {"all": 0.5, "dACC-SMG": 0}})
    assert changes(half)["high", "pgACC-insulaR", "HV"] == pytest.approx(0.125)
    assert changes(half)["high", "dACC-SMG", "HV"] == 0


@pytest.mark.parametrize(
    ("given", "people", "contrasts"),
    [
        (WILLIAMS, {"HV": 240}, None),
        (ARMS, {"MDD": 240}, None),
        (
            BASELINES,
            {"MDD": 160, "HV": 160},
            {
                "drug": {"ketamine": 1, "placebo": -1},
                "rise": {"ketamine": {"day2": 1}, "n/a": {"b0": -1}},
            },
        ),
    ],
)
def test_sessions_hold_what_the_contrasts_say(planned, given, people, contrasts):
    """The mean over many people in balanced orders, drawn session by session."""
    plan = planned(given, contrasts=contrasts, people=people)
    found, truth = changes(plan), plan.twin.truth()
    some = 0
    for contrast in plan.contrasts():
        for edge in ("pgACC-insulaR", "dACC-SMG", "pgACC-PCC", "sgACC-hippocampus"):
            for group, values in differences(plan, truth, contrast.name, edge).items():
                expected = found[contrast.name, edge, group]
                error = values.std() / np.sqrt(len(values))
                assert abs(values.mean() - expected) < 4 * error, (contrast.name, edge, group)
                some += abs(expected) > 10 * error
    assert some >= 2  # what is planted is much larger than what the test would let pass


def test_a_baseline_tells_of_the_later_scan_of_its_period(planned):
    within = {}
    for spread in (0.0, 0.25):
        plan = planned(BASELINES, [], people={"MDD": 160, "HV": 2}, twin={"period_sd": spread})
        pairs = []
        for own in plan.twin.truth()["sessions"].values():
            z = {
                (s["treatment"], s["occasion"]): s["fisher_z"]["sgACC-hippocampus"]
                for s in own.values()
            }
            pairs.append([z["ketamine", o] - z["placebo", o] for o in ("baseline", "day2")])
        within[spread] = np.corrcoef(np.transpose(pairs))[0, 1]
    assert abs(within[0.0]) < 0.25
    # 2 * 0.25² of the variance is the period's, 2 * 0.06² the session's own.
    assert within[0.25] == pytest.approx(0.25**2 / (0.25**2 + 0.06**2), abs=0.04)


def test_a_tie_makes_connectivity_follow_the_score(planned):
    effects = [{"seed": "sgACC", "target": "vmPFC", "scale": "MADRS", "change": 0.02}]
    plan = planned(ARMS, effects, people={"MDD": 160})
    (contrast,), truth = plan.contrasts(), plan.twin.truth()
    x, y = [], []
    for person in plan.compared(contrast):
        own = truth["sessions"][person.participant.participant_id]
        x.append(sum(w * s.scores["MADRS"] for s, w in person.sessions))
        y.append(
            sum(w * own[s.session_id]["fisher_z"]["sgACC-vmPFC"] for s, w in person.sessions)
            + 0.02 * -7 * (person.participant.group == "drug")
        )
    assert np.polyfit(x, y, 1)[0] == pytest.approx(0.02, abs=0.002)
    assert set(changes(plan).values()) == {0.0}
    edges = {edge["edge"]: edge for edge in truth["edges"]}
    assert edges["sgACC-vmPFC"]["ties"]["MADRS"]["slope_per_point"] == 0.02
    assert not edges["pgACC-insulaR"]["ties"]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (SMG | {"treatment": "hihg"}, "'hihg' is none of the treatments placebo, low, high"),
        (SMG | {"treatment": "low", "group": "MDD"}, "'MDD' is none of the groups HV"),
        (SMG | {"treatment": "low", "occasion": "day2"}, "'day2' is none of the trial's occasions"),
        ({"seed": "dacc", "target": "SMG", "period": 2}, "'dacc' is none of the seeds"),
        ({"seed": "dACC", "target": "SMA", "period": 2}, "'SMA' is none of the targets"),
        (SMG | {"period": 4}, "there is no period 4, as the trial has 3"),
        (SMG | {"period": 2, "treatment": "low"}, "leave out treatment or period"),
        (SMG, "name a treatment, an occasion, a period or a scale"),
        (SMG | {"scale": "PANSS"}, "how people score on 'PANSS' is not known; use one of MADRS"),
        (SMG | {"scale": "MADRS", "period": 2}, "leave out period, or scale"),
    ],
)
def test_an_effect_that_cannot_be_is_told(planned, row, said):
    with pytest.raises(Fault) as caught:
        planned(WILLIAMS, [row | {"change": 0.3}])
    sentence = str(caught.value)
    assert said in sentence and "\n" not in sentence
    assert sentence.startswith("config key twin.effects, number 1: ")
