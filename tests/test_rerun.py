"""What a job was given before, told from what Snakemake keeps of it: values without names."""

from dataclasses import replace
from pathlib import Path

import pytest

from crossfc.rerun import Job, Study, explain, listing
from crossfc.trial.sheet import Row, Sheet

CONFIG = {
    "treatments": {"active": "drug", "control": "placebo"},
    "group": {"permutations": 500, "seed": 0, "tail": True, "tfce": True, "blocks": None},
    "clinical": {"permutations": 500},
}
CHOICES = {"permutations": 500, "seed": 0, "tail": True, "tfce": True}
NOW = {"choices": CHOICES, "code": {"group_test.py": "1"}}
# As parameters of their own, whose names are not kept.
PLAIN = {"permutations": 500, "seed": 0}


@pytest.fixture
def study() -> Study:
    rows = [Row(2, {"participant_id": "sub-01", "session_id": "ses-a", "treatment": "drug"})]
    columns = ["participant_id", "session_id", "treatment"]
    return Study(CONFIG, {"sessions": Sheet(Path("sessions.tsv"), columns, rows)})


def job(before: dict, now: dict, rule: str = "group_test", **known) -> Job:
    recorded = {"params": [repr(v) for v in before.values()], "input": [], "environment": None}
    return Job(rule, params=now, recorded=recorded, **known)


@pytest.mark.parametrize(
    ("before", "sentence"),
    [
        ({"choices": CHOICES | {"permutations": 99}}, "config key group.permutations: 99 → 500"),
        ({"choices": CHOICES | {"tail": False}}, "config key group.tail: false → true"),
        ({"code": {"group_test.py": "0"}}, "scripts/group_test.py was edited"),
        (
            {"code": {"group_test.py": "1", "crossfc/old.py": "3"}},
            "the code no longer uses crossfc/old.py",
        ),
    ],
)
def test_one_parameter(study, before, sentence):
    assert explain(job(NOW | before, NOW), study) == [sentence]


def test_two_numbers_at_once_are_not_guessed(study):
    """Without names, which of two numbers was which is not known, and is not claimed."""
    found = explain(job(PLAIN | {"permutations": 7, "seed": 9}, PLAIN), study)
    assert found == [
        "config key group.permutations is now 500",
        "config key group.seed is now 0",
    ]


def test_two_numbers_are_told_apart_by_the_last_record(study):
    before = CONFIG | {"group": CONFIG["group"] | {"permutations": 7, "seed": 9}}
    known = Study(CONFIG, study.sheets, before)
    assert explain(job(PLAIN | {"permutations": 7, "seed": 9}, PLAIN), known) == [
        "config key group.permutations: 7 → 500",
        "config key group.seed: 9 → 0",
    ]


def test_never_run_incomplete_asked_for_and_updated(study):
    assert explain(Job("report", missing=["r.html"]), study) == ["it has not been run yet"]
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
