"""What logs say of failed jobs and of warnings."""

import pytest

from crossfc.jobs.failure import failure, read_logs


def write(folder, label, text, finished):
    path = folder / f"{label}.log"
    path.parent.mkdir(parents=True, exist_ok=True)
    head = "crossfc 0.1.0, a rule\nwhat it does\nreads 2 inputs; threads: 1\n"
    tail = "with Python\nmade 1 file\nthe figure\n" if finished else ""
    path.write_text(head + text + tail)
    if finished:
        path.with_suffix(".json").write_text("{}")
    return path


TRACEBACK = 'Traceback (most recent call last):\n  File "x", line 1\nValueError: no\n'


@pytest.mark.parametrize(
    ("text", "finished", "why"),
    [
        ("crossfc: a.tsv, row 2 is wrong; mend it\ncrossfc: b\n", False,
         "a.tsv, row 2 is wrong; mend it"),
        ("20 of 99 permutations\n" + TRACEBACK, False, "ValueError: no"),
        ("20 of 99 permutations\n", False, None),  # at work, or killed
        ("", False, None),
        ("crossfc: was here before\n", True, None),
    ],
)  # fmt: skip
def test_why_a_job_failed(tmp_path, text, finished, why):
    assert failure(write(tmp_path, "a", text, finished)) == why
    assert failure(tmp_path / "none.log") is None


def test_failures_and_warnings_of_this_study_alone(tmp_path):
    write(tmp_path, "pair_sessions/primary_pairs", "everybody leaves\n\n", True)
    write(tmp_path, "group_test/primary_drug_TRD", "20 of 99 permutations\n", True)
    write(tmp_path, "connectivity_session/sub-01_ses-a", "crossfc: is truncated\n", False)
    write(tmp_path, "connectivity_session/sub-09_ses-a", "crossfc: left by another run\n", False)
    write(tmp_path, "group_test/scrub_drug_TRD", "crossfc: left by another config\n", False)
    write(tmp_path, "preprocess_session/sub-01_ses-a_task-rest", "swapped?\nswapped?\n", True)
    planned = ["pair_sessions/primary_pairs", "group_test/primary_drug_TRD"]
    found = read_logs(tmp_path, [("sub-01", "ses-a")], planned)
    assert [(own["job"], own["sentence"], own["failed"]) for own in found] == [
        ("connectivity_session sub-01_ses-a", "is truncated", True),
        ("pair_sessions primary_pairs", "everybody leaves", False),
        ("preprocess_session sub-01_ses-a_task-rest", "swapped?", False),
    ]
    assert found[0]["log"] == "connectivity_session/sub-01_ses-a.log"
