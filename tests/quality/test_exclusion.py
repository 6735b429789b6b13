"""Sessions that leave by quality, with their reasons."""

import json

import pytest

from crossfc import atomic
from crossfc.clinic.correlation import clinical_correlation
from crossfc.clinic.mixed import mixed_model
from crossfc.group.analysis import analyse
from crossfc.group.design.pairs import no_pairs
from crossfc.group.design.people import with_columns
from crossfc.group.edges import edge_rows
from crossfc.quality.exclusion import (
    defective_volumes,
    exclusion_reasons,
    nobody_stays,
    quality_table,
    split,
)
from crossfc.quality.motion import quality_connectivity
from crossfc.quality.rating import rating_table
from crossfc.table import read_table
from tests.group.analysis_options import analysis_options

LIMITS = {
    "maximum_mean_fd_mm": 0.5,
    "maximum_censored_share": 0.5,
    "maximum_defective_share": 0.1,
    "minimum_minutes_kept": 2,
    "minimum_template_dice": 0.8,
}
GOOD = {
    "mean_fd": 0.2, "median_fd": 0.1, "max_fd": 1.0, "share_fd_above_0.5": 0.01, "mean_dvars": 1.0,
    "tsnr_median": 60.0, "mask_voxels": 9, "mask_dice_template": 0.95, "zero_variance_voxels": 0,
    "voxels_without_signal": 3, "repetition_time": 2.0, "volumes_defective": 1,
    "defective_volumes": [{"volume": 80, "reason": "blank"}], "exclusion_reasons": [],
    "targets_left_out": ["20% of target SMG lies in the brain mask with signal, less than 50%"],
    "volumes": 100, "volumes_non_steady": 2, "volumes_censored": 10, "volumes_kept": 88,
    "residual_degrees_of_freedom": 30, "scan": "x", "runs_considered": [{}, {}],
    "seeds": {"sgACC": {"coverage": 0.9, "tsnr": 30.0, "voxels": 13.2, "offset_mm": 0.1,
                        "grey_matter": None, "grey_signal": None}},
}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"mean_fd": 0.51}, "mean framewise displacement 0.51 mm above 0.5 mm"),
        ({"volumes_censored": 51}, "51% of the volumes censored, more than 50%"),
        (
            {"volumes_defective": 11},
            "11% of the volumes are no measurement (volumes counted from 0: 80 blank), more than",
        ),
        ({"volumes_kept": 59}, "2.0 minutes kept, fewer than 2"),
        (
            {"exclusion_reasons": ["12 residual degrees of freedom, fewer than 20"]},
            "12 residual degrees of freedom, fewer than 20",
        ),
        ({"mask_dice_template": 0.79}, "overlaps the template by 0.79 (Dice), less than 0.8"),
    ],
)
def test_each_limit_has_its_reason(change, words):
    assert exclusion_reasons(GOOD, LIMITS) == []
    (reason,) = exclusion_reasons(GOOD | change, LIMITS)
    assert words in reason


def test_a_poor_coregistration_leaves_where_that_is_asked_for(tmp_path):
    record = GOOD | {"boundary_cost": 0.83, "left_right": "swapped?"}
    assert exclusion_reasons(record, LIMITS | {"maximum_boundary_cost": None}) == []
    (reason,) = exclusion_reasons(record, LIMITS | {"maximum_boundary_cost": 0.8})
    assert reason == "cost of the white matter's boundary 0.83 above 0.8"
    # fMRIPrep tells no cost, nor does a run that shows too little of the boundary.
    unknown = GOOD | {"boundary_cost": None}
    assert exclusion_reasons(unknown, LIMITS | {"maximum_boundary_cost": 0.8}) == []
    (tmp_path / "qc.json").write_text(json.dumps(record))
    sessions = [{"participant_id": "sub-1", "group": "TRD", "session_id": "ses-a"}]
    table = quality_table(sessions, [tmp_path / "qc.json"], LIMITS)
    assert table.loc[0, "boundary_cost"] == 0.83
    assert table.loc[0, "left_right"] == "swapped?"


def test_places_without_signal_leave_where_that_is_asked_for(tmp_path):
    seeds = {"sgACC": GOOD["seeds"]["sgACC"] | {"grey_matter": 0.7, "grey_signal": 0.42}}
    record = GOOD | {"seeds": seeds, "boundary_cost_subgenual": 0.91,
                     "boundary_cost_ventromedial": None}  # fmt: skip
    none = {"maximum_local_boundary_cost": None, "minimum_seed_grey_signal": None}
    assert exclusion_reasons(record, LIMITS | none) == []
    asked = {"maximum_local_boundary_cost": 0.9, "minimum_seed_grey_signal": 0.5}
    assert exclusion_reasons(record, LIMITS | asked) == [
        "cost of the white matter's boundary near the subgenual cortex 0.91 above 0.9",
        "42% of the grey matter of seed sgACC has signal, less than 50%",
    ]
    # Where nobody knows, nobody leaves.
    assert exclusion_reasons(GOOD, LIMITS | asked) == []
    (tmp_path / "qc.json").write_text(json.dumps(record))
    sessions = [{"participant_id": "sub-1", "group": "TRD", "session_id": "ses-a"}]
    row = quality_table(sessions, [tmp_path / "qc.json"], LIMITS).loc[0]
    assert (row["grey_signal_sgACC"], row["boundary_cost_subgenual"]) == (0.42, 0.91)


def rating(session, rater, exclude):
    word = "bad" if exclude else "good"
    return {
        "participant_id": "sub-1", "session_id": session, "rater": rater, "rating": word,
        "exclude": exclude, "reason": "ringing",
    }  # fmt: skip


def test_a_session_leaves_if_any_rater_excludes_it(tmp_path):
    (tmp_path / "qc.json").write_text(json.dumps(GOOD | {"mean_fd": 0.6}))
    sessions = [
        {"participant_id": "sub-1", "group": "TRD", "session_id": name} for name in ("ses-a", "b")
    ]
    ratings = [rating("ses-a", "AB", True), rating("ses-a", "CD", False), rating("b", "AB", False)]
    records = [tmp_path / "qc.json"] * 2
    table = quality_table(sessions, records, LIMITS | {"maximum_mean_fd_mm": 1}, ratings)
    assert list(table["excluded"]) == [True, False]
    assert table.loc[0, "exclusion_reasons"] == "rated bad by AB: ringing"
    # Beside what the limits say.
    both = quality_table(sessions, records, LIMITS, ratings).loc[0, "exclusion_reasons"]
    assert both.startswith("mean framewise displacement") and both.endswith("by AB: ringing")
    told = rating_table(ratings)
    assert list(told["session_excluded"]) == [True, True, False]
    assert list(told["raters_disagree"]) == [True, True, False]
    assert list(rating_table([]).columns) == list(told.columns)


def test_a_person_with_one_bad_session_leaves_by_name(tmp_path):
    sessions, paths = [], []
    for person in ("sub-1", "sub-2"):
        for session in ("ses-a", "ses-b"):
            moved = (person, session) == ("sub-2", "ses-b")
            path = tmp_path / f"{person}{session}.json"
            own = {"mean_fd": 0.9 if moved else 0.2, "regressors": ["csf", "rot_x"]}
            own |= {"preprocessed_by": "fMRIPrep 23.2.3", "notes": ["one", "two"]}
            own["runs_passed_over"] = [{"scan": "run-2", "reason": "is truncated"}]
            path.write_text(json.dumps(GOOD | own))
            paths.append(path)
            sessions.append({"participant_id": person, "group": "TRD", "session_id": session})
    table = quality_table(sessions, paths, LIMITS)
    assert list(table["excluded"]) == [False, False, False, True]
    assert list(table["coverage_sgACC"]) == [0.9] * 4
    assert list(table["share_censored"]) == [0.1] * 4
    assert table["targets_left_out"].str.contains("20% of target SMG").all()
    volumes = defective_volumes([s | {"treatment": "A"} for s in sessions], paths)
    assert volumes[["volume", "reason"]].values.tolist() == [[80, "blank"]] * 4
    assert list(table["confounds_removed"]) == [2] * 4
    assert set(table["preprocessed_by"]) == {"fMRIPrep 23.2.3"}
    assert set(table["notes"]) == {"one; two"}
    assert set(table["runs_passed_over"]) == {"run-2: is truncated"}
    people = [
        {
            "participant_id": p,
            "group": "TRD",
            "sessions": ["ses-a", "ses-b"],
            "weights": [1.0, -1.0],
        }
        for p in ("sub-1", "sub-2")
    ]
    staying, left = split(people, table)
    assert [p["participant_id"] for p in staying] == ["sub-1"]
    assert staying[0]["mean_fd_active"] == 0.2
    assert [(row["participant_id"], row["what"]) for row in left] == [("sub-2", "ses-b")]
    assert "0.90 mm above" in left[0]["reason"]
    # A baseline that is a covariate is needed as well.
    for person in people:
        person |= {"sessions": ["ses-a"], "weights": [1.0], "baseline_sessions": ["ses-b"]}
    staying, left = split(people, table)
    assert [p["participant_id"] for p in staying] == ["sub-1"]
    assert [(row["participant_id"], row["what"]) for row in left] == [("sub-2", "ses-b")]
    assert staying[0]["mean_fd_control"] == 0.0


def test_limits_that_are_not_set_and_displacement_that_is_not_known_exclude_nobody():
    limits = LIMITS | {"minimum_minutes_kept": None}
    assert exclusion_reasons(GOOD | {"volumes_kept": 3, "mean_fd": None}, limits) == []


def test_a_pipeline_that_everybody_leaves_is_one_sentence():
    left = [
        {"participant_id": f"sub-{i}", "reason": "2 residual degrees of freedom, fewer than 20"}
        for i in (1, 1, 2)
    ]
    said = nobody_stays([], left, "scrub")
    assert "pipeline scrub: all 2 people leave" in said and "fewer than 20 (3 sessions)" in said
    assert "choose a lighter cleaning" in said
    assert nobody_stays([{"participant_id": "sub-3"}], left, "scrub") is None
    # Where nobody had a pair at all, pairing says so itself.
    assert nobody_stays([], [], "scrub") is None


def test_tables_of_nobody_are_empty(tmp_path):
    """Everybody may leave by quality; the clinical arm and its page need no scan."""
    labels = {"active": "drug", "control": "placebo"}, {"patients": "TRD", "controls": "HV"}
    person = {"participant_id": "sub-1", "group": "TRD", "sequence": "drug-placebo"}
    no_pairs([person], ["pgACC"], *labels, "primary", tmp_path, 6, because="all left")
    atomic.write_table(tmp_path / "edges.tsv", edge_rows([], []))
    edges, people = read_table(tmp_path / "edges.tsv"), read_table(tmp_path / "people.tsv")
    assert len(edges) == len(people) == 0
    groups = ["TRD", "HV"]
    assert len(mixed_model(edges, labels[0], groups)) == 0
    assert len(quality_connectivity(edges, people, labels[0], groups)) == 0
    scores = [{"participant_id": "sub-1", "score_M_active": 1.0, "score_M_control": 2.0}]
    people = with_columns(people, scores)
    found = clinical_correlation(
        edges, people, labels[0], ["TRD"], ["M"], n_permutations=99, random_seed=0
    )
    assert len(found.table) == 0
    assert found.notes == ["TRD: nobody with both sessions is left; not tested"]
    told = analyse("change_M", tmp_path, tmp_path / "change", analysis_options(), people=scores)
    assert not told["estimable"]
    assert told["notes"] == ["This analysis cannot be estimated. all left."]
