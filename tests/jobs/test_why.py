"""What a job was given before, told from what its record keeps of it, by name."""

from dataclasses import replace
from pathlib import Path

import pytest

from crossfc.jobs.parameter import Study
from crossfc.jobs.why import Job, explain, listing
from crossfc.trial.sheet import Row, Sheet

CONFIG = {
    "treatments": {"active": "drug", "control": "placebo"},
    "group": {"permutations": 500, "seed": 0, "tail": True, "tfce": True, "blocks": None},
    "clinical": {"permutations": 500},
}
CHOICES = {"permutations": 500, "seed": 0, "tail": True, "tfce": True}
NOW = {"choices": CHOICES, "code": "1"}
# As parameters of their own.
PLAIN = {"permutations": 500, "seed": 0}
DEFINITIONS = {"scripts/group_test.py": "a", "crossfc.group.inference.tail.fit": "b"}


@pytest.fixture
def study() -> Study:
    rows = [Row(2, {"participant_id": "sub-01", "session_id": "ses-a", "treatment": "drug"})]
    columns = ["participant_id", "session_id", "treatment"]
    return Study(CONFIG, {"sessions": Sheet(Path("sessions.tsv"), columns, rows)})


def job(before: dict, now: dict, rule: str = "group_test", **known) -> Job:
    recorded = {
        "parameters": {name: repr(value) for name, value in before.items()},
        "input": [],
        "environment": None,
        "definitions": DEFINITIONS,
    }
    return Job(rule, params=now, recorded=recorded, **{"definitions": DEFINITIONS} | known)


@pytest.mark.parametrize(
    ("before", "sentence"),
    [
        ({"choices": CHOICES | {"permutations": 99}}, "config key group.permutations: 99 → 500"),
        ({"choices": CHOICES | {"tail": False}}, "config key group.tail: false → true"),
        ({"old": 3}, "old is no longer asked for"),
    ],
)
def test_one_parameter(study, before, sentence):
    assert explain(job(NOW | before, NOW), study) == [sentence]


@pytest.mark.parametrize(
    ("changed", "sentences"),
    [
        ({"scripts/group_test.py": "0"}, ["scripts/group_test.py was edited"]),
        (
            {"crossfc.group.inference.tail.fit": "0", "crossfc.group.inference.tail.far": "3"},
            [
                "crossfc.group.inference.tail.fit was edited",
                "the code no longer uses crossfc.group.inference.tail.far",
            ],
        ),
        # It has moved; something else must have changed.
        (
            {"crossfc.group.inference.tail.fit": None, "crossfc.group.far.fit": "b"},
            ["its code was edited"],
        ),
    ],
)
def test_code(study, changed, sentences):
    before = {k: v for k, v in (DEFINITIONS | changed).items() if v}
    edited = job(NOW | {"code": "0"}, NOW)
    edited.recorded["definitions"] = before
    assert explain(edited, study) == sentences


def test_code_whose_definitions_are_not_known(study):
    edited = job(NOW | {"code": "0"}, NOW)
    edited.recorded["definitions"] = {}
    assert explain(edited, study) == ["its code was edited"]


def test_two_numbers_at_once(study):
    assert explain(job(PLAIN | {"permutations": 7, "seed": 9}, PLAIN), study) == [
        "config key group.permutations: 7 → 500",
        "config key group.seed: 9 → 0",
    ]


def test_one_of_two_equal_values_changes(study):
    same = {"permutations": 500, "seed": 500}
    assert explain(job(same, PLAIN), study) == ["config key group.seed: 500 → 0"]
    assert explain(job(same | {"permutations": 0, "seed": 0}, PLAIN), study) == [
        "config key group.permutations: 0 → 500"
    ]


def test_ratings(study):
    def rows(*said):
        own = {"participant_id": "sub-01", "session_id": "ses-a", "reason": "ringing"}
        return {"ratings": [own | {"rater": rater, "rating": word} for rater, word in said]}

    place = "config key exclusion.ratings, sub-01 ses-a, rater"
    now = rows(("AB", "bad"), ("CD", "good"))
    before = job(NOW | rows(("CD", "bad"), ("EF", "bad")), NOW | now, "pair_sessions")
    assert sorted(explain(before, study)) == [
        f"{place} AB: bad is new",
        f"{place} CD, column rating: bad → good",
        f"{place} EF: bad is gone",
    ]


def test_scores_over_sessions_follow_from_those_of_sessions(study):
    """Response and the first period have rows without a session; the visits tell the change."""
    person = {"participant_id": "sub-01", "scale": "MADRS", "group": "TRD"}

    def rows(score, left=False):
        visit = person | {"session_id": "ses-a", "treatment": "ketamine", "score": score}
        status = person | {"treatment": "ketamine", "occasion": None, "score": score,
                           "baseline": score}  # fmt: skip
        first = person | {"contrast": "drug", "side": "active", "score": score, "reason": None}
        return {
            "visits": [] if left else [visit], "statuses": [] if left else [status],
            "first_scores": [] if left else [first],
        }  # fmt: skip

    (told,) = explain(job(NOW | rows(20), NOW | rows(12), "clinical_change"), study)
    assert "sub-01" in told and "MADRS" in told and told.endswith(": 20 → 12")
    (told,) = explain(job(NOW | rows(20), NOW | rows(20, left=True), "clinical_change"), study)
    assert "sub-01 ses-a" in told


def test_values_that_change_places(study):
    assert explain(job({"permutations": 0, "seed": 500}, PLAIN), study) == [
        "config key group.permutations: 0 → 500",
        "config key group.seed: 500 → 0",
    ]


def test_a_record_without_names_says_so_and_nothing_else(study):
    old = job(NOW, NOW)
    old.recorded["parameters"] = None
    assert explain(old, study) == [
        "its record is of an earlier version of crossfc, without the names of parameters: what "
        "changed cannot be said"
    ]


def test_never_run_incomplete_asked_for_and_updated(study):
    assert explain(Job("report", missing=["r.html"]), study) == ["it has not been run yet"]
    failed = Job("report", missing=["r.html"], failed="a.tsv is cut; write it again (see r.log)")
    assert explain(failed, study) == [
        "its last attempt failed: a.tsv is cut; write it again (see r.log)"
    ]
    assert explain(replace(job(NOW, NOW), forced=True), study) == ["the command line asks for it"]
    assert explain(replace(job(NOW, NOW), incomplete=["a.tsv"]), study) == [
        "a.tsv was left half-written by a run that was stopped"
    ]


def test_inputs_that_came_and_went(study):
    changed = replace(job(NOW, NOW), inputs=["a", "b", "c"])
    changed.recorded["input"] = ["a", "x"]
    assert explain(changed, study) == [
        "it no longer reads x",
        "it reads for the first time b",
        "it reads for the first time c",
    ]


def test_environment_by_package(study):
    now = "dependencies:\n  - numpy =2.4.0\n  - scipy =1.15.2\n"
    changed = replace(job(NOW, NOW), software=True, environment=now)
    assert explain(changed, study) == ["its software is from conda now"]
    changed.recorded["environment"] = now.replace("2.4.0", "2.3.5")
    assert explain(changed, study) == ["environment: numpy 2.3.5 → 2.4.0"]


def test_jobs_with_the_same_reasons_are_said_together(study):
    before = NOW | {"choices": CHOICES | {"tail": False}}
    jobs = [job(before, NOW, labels=name) for name in ("b", "a")]
    after = job(NOW, NOW, rule="report", upstream=["x"])
    assert listing([*jobs, after], study) == [
        "group_test, 2 jobs: a, b",
        "  config key group.tail: false → true",
        "then, because what they read is made again: report",
    ]
