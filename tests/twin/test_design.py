"""The design of the twin and the truth planted in it."""

import json

import numpy as np
import pytest

from crossfc.fault import Fault
from crossfc.trial.sheet import read_sheet
from crossfc.twin.design import SCALE_ROWS, parametric_design, simulate_scores, write_sheets
from crossfc.twin.truth import EDGES, plant
from tests.twin.twin_regions import GROUPS, SEEDS, TARGETS, TREATMENTS


def truth_of(participants, sessions, **more):
    more = {"random_seed": 2024} | more
    return plant(
        participants, sessions, SEEDS, TARGETS, groups=GROUPS, treatments=TREATMENTS, **more
    )


def changes(sessions, scale, group_of):
    """Active minus control by group, people with both."""
    scores = {}
    for row in sessions:
        scores.setdefault(row["participant_id"], {})[row["treatment"]] = row[scale]
    found = {}
    for person, pair in scores.items():
        if len(pair) == 2:
            change = pair["ketamine"] - pair["placebo"]
            found.setdefault(group_of[person], []).append(change)
    return {group: np.array(values, float) for group, values in found.items()}


def test_design_has_pairs_missing_sessions_and_unbalanced_sequences():
    participants, sessions, scales = parametric_design(random_seed=2024)
    by_person = {p["participant_id"]: [] for p in participants}
    for row in sessions:
        by_person[row["participant_id"]].append(row)
    pairs = [p for p in participants if len(by_person[p["participant_id"]]) == 2]
    count = {g: sum(p["group"] == g for p in pairs) for g in GROUPS}
    assert count == {"TRD": 16, "HV": 12}
    assert len(participants) - len(pairs) == 2
    first = {
        g: sum(p["sequence"] == "ketamine-placebo" for p in pairs if p["group"] == g)
        for g in GROUPS
    }
    assert first == {"TRD": 9, "HV": 5}
    for person in participants:
        order = person["sequence"].split("-")
        for row in by_person[person["participant_id"]]:
            assert row["treatment"] == order[row["period"] - 1]
            for scan in row["scan"].split(";"):
                assert scan.startswith(f"{person['participant_id']}/{row['session_id']}/func/")
    assert sum(";" in row["scan"] for row in sessions) == 1
    assert [row["scale"] for row in scales] == ["MADRS", "SHAPS", "TEPS_A", "TEPS_C"]


def test_scores_lie_in_range_and_improve_in_patients():
    participants, sessions, _ = parametric_design(400, 300, one_session=0, random_seed=2024)
    group_of = {p["participant_id"]: p["group"] for p in participants}
    for scale in SCALE_ROWS:
        scores = np.array([row[scale["scale"]] for row in sessions])
        assert scores.dtype.kind == "i"
        assert scale["lowest"] <= scores.min() and scores.max() <= scale["highest"]
    madrs = changes(sessions, "MADRS", group_of)
    assert madrs["TRD"].mean() == pytest.approx(-7, abs=1.2)
    assert madrs["TRD"].std() == pytest.approx(9, abs=1.2)
    assert abs(madrs["HV"].mean()) < 0.5
    shaps = changes(sessions, "SHAPS", group_of)
    shared = np.corrcoef(madrs["TRD"], shaps["TRD"])[0, 1]
    assert 0.2 < shared < 0.6  # anhedonia is partly its own thing


def test_design_depends_on_the_seed_only():
    assert parametric_design(random_seed=5) == parametric_design(random_seed=5)
    assert parametric_design(random_seed=5)[1] != parametric_design(random_seed=6)[1]


def test_blinded_one_group_design():
    participants, sessions, _ = parametric_design(
        6, 0, ("MDD", None), ("A", "B"), one_session=1, repeat_runs=0, random_seed=2024
    )
    assert {p["group"] for p in participants} == {"MDD"} and len(participants) == 7
    assert {row["session_id"] for row in sessions} == {"ses-A", "ses-B"}


def test_impossible_sequences_are_refused():
    with pytest.raises(Fault, match="have the active treatment first cannot be"):
        parametric_design(4, 4, active_first=(5, 1), random_seed=2024)


def test_simulated_scores_leave_real_ones_alone():
    participants, sessions, _ = parametric_design(3, 2, one_session=0, random_seed=2024)
    real = [{k: v for k, v in row.items() if k != "SHAPS"} | {"MADRS": 33} for row in sessions]
    filled = simulate_scores(
        participants, real, groups=GROUPS, treatments=TREATMENTS, random_seed=2024
    )
    assert {row["MADRS"] for row in filled} == {33}
    assert [row["SHAPS"] for row in filled] == [row["SHAPS"] for row in sessions]
    assert "SHAPS" not in real[0]


def test_unknown_scale_is_refused():
    scales = [{"scale": "XYZ", "lowest": 0, "highest": 9, "better": "lower"}]
    with pytest.raises(Fault, match="how people score on XYZ is not known"):
        parametric_design(2, 2, scales=scales, random_seed=2024)


def test_sheets_are_written_as_they_are_read(tmp_path):
    participants, sessions, scales = parametric_design(3, 2, random_seed=2024)
    write_sheets(tmp_path, participants, sessions, scales)
    sheet = read_sheet(tmp_path / "sessions.tsv", ["participant_id", "scan"])
    assert [r["participant_id"] for r in sheet.rows] == [r["participant_id"] for r in sessions]
    assert sheet.rows[0].get("reason") is None and sheet.rows[0]["exclude"] == "no"
    assert len(read_sheet(tmp_path / "scales.tsv", ["scale"]).rows) == 4


def test_truth_follows_its_formula_in_a_large_trial():
    participants, sessions, _ = parametric_design(
        400, 400, one_session=0, repeat_runs=0, random_seed=2024
    )
    truth = json.loads(json.dumps(truth_of(participants, sessions)))
    group_of = {p["participant_id"]: p["group"] for p in participants}
    period_of = {(r["participant_id"], r["treatment"]): r["period"] for r in sessions}

    def difference(edge, key):
        by_person = {}
        for row in sessions:
            who = row["participant_id"]
            z = truth["sessions"][who][row["session_id"]]["fisher_z"][edge]
            by_person.setdefault(who, {})[key(row)] = z
        return by_person

    for described in truth["edges"]:
        pairs = difference(described["edge"], lambda row: row["treatment"])
        for group in GROUPS:
            # Half the sample took each order, nearly; the period effect is taken out.
            change = [
                z["ketamine"]
                - z["placebo"]
                - described["period"] * (period_of[who, "ketamine"] - period_of[who, "placebo"])
                for who, z in pairs.items()
                if group_of[who] == group
            ]
            assert np.mean(change) == pytest.approx(described["drug"][group], abs=0.06)
    tied = difference("pgACC-insulaR", lambda row: row["treatment"])
    madrs = {}
    for row in sessions:
        madrs.setdefault(row["participant_id"], {})[row["treatment"]] = row["MADRS"]
    patients = [who for who in tied if group_of[who] == "TRD"]
    x = [madrs[who]["ketamine"] - madrs[who]["placebo"] for who in patients]
    y = [tied[who]["ketamine"] - tied[who]["placebo"] for who in patients]
    slope = truth["edges"][0]["ties"]["MADRS"]["slope_per_point"]
    assert np.polyfit(x, y, 1)[0] == pytest.approx(slope, rel=0.15)


def test_truth_of_a_person_depends_on_that_person_only():
    participants, sessions, _ = parametric_design(random_seed=2024)
    whole = truth_of(participants, sessions)
    one = participants[4]["participant_id"]
    alone = truth_of(
        [p for p in participants if p["participant_id"] == one],
        [r for r in sessions if r["participant_id"] == one],
    )
    assert alone["sessions"][one] == whole["sessions"][one]


def test_design_without_anhedonia_scales_says_what_is_not_tied():
    participants, sessions, _ = parametric_design(random_seed=2024)
    bare = [{k: v for k, v in r.items() if k not in ("SHAPS", "TEPS_A")} for r in sessions]
    truth = truth_of(participants, bare)
    edge = next(e for e in truth["edges"] if e["edge"] == "sgACC-ventralStriatum")
    assert not any(tie["planted"] for tie in edge["ties"].values())
    assert edge["ties"]["SHAPS"]["why_not"] == "the design has no such scale"


def test_real_design_is_planted_with_the_scores_it_has(root):
    """ds005917 has a total of MADRS and no anhedonia scale; those are simulated."""
    folder = root / "config" / "ds005917"
    participants = [r.cells for r in read_sheet(folder / "participants.tsv", ["group"]).rows]
    sessions = [r.cells for r in read_sheet(folder / "sessions.tsv", ["treatment"]).rows]
    given = {"groups": ("MDD", "HC"), "treatments": TREATMENTS, "random_seed": 2024}
    truth = plant(participants, sessions, SEEDS, TARGETS, **given)
    ties = {e["edge"]: e["ties"] for e in truth["edges"]}
    assert ties["pgACC-insulaR"]["MADRS"]["column"] == "MADRS_Total"
    assert not ties["sgACC-ventralStriatum"]["SHAPS"]["planted"]
    filled = simulate_scores(participants, sessions, SCALE_ROWS[1:], **given)
    truth = plant(participants, filled, SEEDS, TARGETS, **given)
    ties = {e["edge"]: e["ties"] for e in truth["edges"]}
    assert ties["sgACC-ventralStriatum"]["SHAPS"]["planted"]
    assert filled[0]["MADRS_Total"] == sessions[0]["MADRS_Total"]
    assert {"MDD", "HC"} == {s["group"] for p in truth["sessions"].values() for s in p.values()}


def test_strengths_make_an_edge_null_and_unknown_ones_are_refused():
    participants, sessions, _ = parametric_design(3, 3, random_seed=2024)
    truth = truth_of(participants, sessions, strengths={"all": 0.0, "dACC-SMG": 2.0})
    by_name = {e["edge"]: e for e in truth["edges"]}
    assert set(by_name["pgACC-insulaR"]["drug"].values()) == {0.0}
    plain = {e.name: e for e in EDGES}["dACC-SMG"]
    assert by_name["dACC-SMG"]["drug"]["TRD"] == 2 * plain.drug[0] != 0
    with pytest.raises(Fault, match="there is no edge nowhere"):
        truth_of(participants, sessions, strengths={"nowhere": 1})


def test_edges_without_their_regions_are_named():
    participants, sessions, _ = parametric_design(3, 3, random_seed=2024)
    truth = plant(
        participants,
        sessions,
        SEEDS,
        TARGETS[1:],
        groups=GROUPS,
        treatments=TREATMENTS,
        random_seed=2024,
    )
    assert truth["not_planted"] == ["pgACC-insulaR"]


def test_more_motion_under_the_active_treatment():
    participants, sessions, _ = parametric_design(
        200, 200, one_session=0, repeat_runs=1, random_seed=2024
    )
    truth = truth_of(participants, sessions)["sessions"]
    fd = {"ketamine": [], "placebo": []}
    for person in truth.values():
        for session in person.values():
            fd[session["treatment"]].append(next(iter(session["mean_fd"].values())))
    ratio = np.median(fd["ketamine"]) / np.median(fd["placebo"])
    assert ratio == pytest.approx(1.25, abs=0.08)
    repeated = [s for s in truth["sub-T01"].values() if len(s["mean_fd"]) == 2]
    first, second = repeated[0]["mean_fd"].values()
    assert second > first
