"""What a run was planned from stays so for its jobs, whatever somebody edits meanwhile."""

import os
import subprocess
import sys

import pytest

from crossfc import provenance
from crossfc.jobs import planned
from crossfc.trial.sheet import read_text


@pytest.fixture(autouse=True)
def of_its_own(monkeypatch):
    """No run was planned before this test, and none is after it."""
    monkeypatch.delenv(planned.PLAN, raising=False)
    planned.disregard()
    yield
    planned.disregard()


@pytest.fixture
def sheet(tmp_path):
    path = tmp_path / "sessions.tsv"
    path.write_bytes(b"\xef\xbb\xbfparticipant_id\tMADRS\r\nsub-01\t12\r\n")
    return path


def test_what_is_read_while_planning_is_one_state(sheet):
    with planned.reading([sheet, sheet.parent / "none.tsv"]) as texts:
        sheet.write_text("edited")
        assert read_text(sheet) == "participant_id\tMADRS\r\nsub-01\t12\r\n"
    assert list(texts) == [str(sheet)]
    # Another plan reads anew.
    assert read_text(sheet) == "edited"
    with planned.reading([sheet]):
        assert read_text(sheet) == "edited"


def test_a_job_reads_what_the_run_was_planned_from(sheet, root, monkeypatch):
    monkeypatch.chdir(sheet.parent)
    before = sheet.read_bytes()
    with planned.reading(["sessions.tsv"]) as texts:
        planned.save("run.plan", {"study": "demo", "limits": [0.5, None]}, texts, {"a": "torn"})
    sheet.write_text("participant_id\tMADRS\nsub-01\t59\n")
    os.symlink(sheet, "other.tsv")
    program = """
from crossfc import provenance
from crossfc.jobs import planned
from crossfc.trial.sheet import read_text
config = {"sheets": {"sessions": "sessions.tsv"}, "strategies": "none.yaml"}
found = provenance.sheet_contents(config)
print([planned.config(), read_text("./sessions.tsv"), found, read_text("other.tsv")])
assert planned.repeats() == {"a": "torn"}
planned.disregard()
assert planned.repeats() is None
print(read_text("sessions.tsv"))
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(root / "scripts")},
        capture_output=True,
        text=True,
        check=True,
    )
    expected = [
        {"study": "demo", "limits": [0.5, None]},
        before.decode("utf-8-sig"),
        {"sessions": before, "strategies": None},
        "participant_id\tMADRS\nsub-01\t59\n",
    ]
    assert done.stdout == f"{expected}\nparticipant_id\tMADRS\nsub-01\t59\n\n"


def test_digest_is_of_what_was_planned(sheet):
    config = {"sheets": {"sessions": str(sheet)}, "strategies": str(sheet.parent / "none")}
    before = provenance.sheet_digests(config)
    assert before["sessions"] == provenance.file_digest(sheet) and before["strategies"] is None
    with planned.reading([sheet]):
        sheet.write_text("edited")
        assert provenance.sheet_digests(config) == before


def test_bytes_that_are_no_text_come_back(sheet):
    sheet.write_bytes(bytes(range(256)))
    with planned.reading([sheet]) as texts:
        planned.save(sheet.with_suffix(".plan"), {}, texts)
    planned._texts = None
    assert planned.content(sheet) == bytes(range(256))


def test_plan_that_is_gone_is_no_plan(sheet, monkeypatch):
    monkeypatch.setenv(planned.PLAN, str(sheet.parent / "gone.plan"))
    assert planned.config() is None and planned.content(sheet) is None
