"""Codes of treatments, and the file that says what they stand for."""

import pytest

from crossfc.fault import Fault
from crossfc.plan import Plan
from tests.plan.test_plan import PEOPLE, sessions


@pytest.fixture
def study(tmp_path, monkeypatch):
    """Return a blinded study in the working directory, with its sheets and no unblinding."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "participants.tsv").write_text(
        PEOPLE.replace("ketamine", "A").replace("placebo", "B")
    )
    (tmp_path / "sessions.tsv").write_text(
        sessions().replace("ketamine", "A").replace("placebo", "B")
    )
    return {
        "study": "small",
        "entry": "fmriprep",
        "derivatives_dir": "derivatives",
        "sheets": {"participants": "participants.tsv", "sessions": "sessions.tsv"},
        "groups": {"patients": "TRD", "controls": "HV"},
        "treatments": {"active": "A", "control": "B"},
        "blinding": {"file": "unblinding.tsv"},
    }


def test_without_a_file_the_run_is_blinded(study, root, tmp_path):
    blinded = Plan(study, root)
    assert blinded.blinding.record() == {
        "codes": ["B", "A"], "names": None, "file": "unblinding.tsv"
    }  # fmt: skip
    (tmp_path / "unblinding.tsv").write_text("code\ttreatment\nA\tplacebo\nB\tketamine\n")
    unblinded = Plan(study, root)
    names = unblinded.blinding.record()["names"]
    assert names == {"A": "placebo", "B": "ketamine"}
    # Nothing but the page's words depends on it.
    for own in (lambda p: p.report.contents(), lambda p: p.report.choices(), lambda p: p.designs(),
                lambda p: p.preregistration.choices()):  # fmt: skip
        assert own(blinded) == own(unblinded)
    assert Plan(study | {"blinding": None}, root).blinding.record() is None


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        ("A\tketamine\n", "unblinding.tsv: has no row for B; add it"),
        (
            "A\tketamine\nC\tplacebo\nB\tx\n",
            "row 3, column \"code\": 'C' is none of the treatments",
        ),
        ("A\tketamine\nA\tplacebo\nB\tx\n", 'row 3, column "code": A stands there twice'),
        ("A\tketamine\nB\tketamine\n", 'row 3, column "treatment": ketamine has two codes'),
        ("A\tS-ketamine\nB\tx\n", "row 2, column \"treatment\": 'S-ketamine' has a hyphen"),
        ("A\tB\nB\tketamine\n", 'row 2, column "treatment": B is a code itself'),
        ("A\tn/a\nB\tketamine\n", 'row 2, column "treatment": is empty'),
    ],
)
def test_a_file_that_does_not_fit_is_refused(study, root, tmp_path, rows, sentence):
    (tmp_path / "unblinding.tsv").write_text(f"code\ttreatment\n{rows}")
    with pytest.raises(Fault) as caught:
        Plan(study, root)
    (line,) = str(caught.value).splitlines()
    assert sentence in line


def test_a_code_that_is_a_group_too_is_refused(study, root, tmp_path):
    (tmp_path / "participants.tsv").write_text(
        (tmp_path / "participants.tsv").read_text().replace("TRD", "A")
    )
    with pytest.raises(Fault, match="the code A is the label of a group too"):
        Plan(study | {"groups": {"patients": "A", "controls": "HV"}}, root)
