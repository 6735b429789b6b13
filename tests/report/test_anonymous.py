"""A page without identifiers: nobody's is left, nobody's number tells the order."""

import re

from crossfc.report.anonymous import anonymous
from crossfc.trial.path import told
from tests.report.report_page import page_of


def test_every_identifier_is_a_number_of_the_pages_own():
    page = "sub-1 left; sub-10: 3; sub-2/ses-1 and sub-9_ses-2_task-rest; a sub-second sub-region"
    found = anonymous(page, ["sub-1", "sub-10", "sub-2"], "trial")
    assert not re.search("sub-[0-9]", found) and "a sub-second sub-region" in found
    numbers = re.findall("person ([0-9]+)", found)
    assert sorted(numbers) == ["1", "2", "3", "4"]
    # The same person, the same number; again, the same page.
    twice = anonymous("sub-1 and sub-1", ["sub-1", "sub-2"], "trial")
    assert len(set(re.findall("person ([0-9]+)", twice))) == 1
    assert found == anonymous(page, {"sub-2", "sub-10", "sub-1"}, "trial")


def test_numbers_follow_no_order_of_identifiers():
    people = [f"sub-{i:02}" for i in range(30)]
    numbers = [int(n) for n in re.findall("[0-9]+", anonymous(" ".join(people), people, "trial"))]
    assert sorted(numbers) == list(range(1, 31)) and numbers != sorted(numbers)
    other = anonymous(" ".join(people), people, "other")
    assert [int(n) for n in re.findall("[0-9]+", other)] != numbers


def test_paths_are_told_without_the_folders_of_a_disk(tmp_path, monkeypatch):
    (tmp_path / "study").mkdir()
    monkeypatch.chdir(tmp_path / "study")
    home = tmp_path / "crossfc"
    assert told(str(home / "config/strategies.yaml"), home) == "config/strategies.yaml"
    assert told("../crossfc/config/strategies.yaml", home) == "config/strategies.yaml"
    assert told(str(tmp_path / "study/own.yaml"), home) == "own.yaml"
    assert told("design/own.yaml", home) == "design/own.yaml"
    assert told("/home/anna/atlases/own.nii.gz", home) == "own.nii.gz"
    assert told("../other/own.nii.gz", home) == "own.nii.gz"


def test_a_page_without_identifiers(null, null_page, tmp_path):
    config = null.arguments["config"] | {"report": {"participant_ids": False}}
    page = page_of(null, tmp_path / "page.html", config=config)
    assert re.search(r"\bsub-[A-Za-z0-9]", null_page.raw)
    assert not re.search(r"\bsub-[A-Za-z0-9]", page.raw)
    assert "Participant identifiers are left out of this page" in page.text
    assert "Participant identifiers" not in null_page.text
    assert not page.all("img", class_="carpet")
    people = {*re.findall(r"\bsub-[A-Za-z0-9]+", null_page.text)}
    assert len({*re.findall(r"person \d+", page.text)}) >= len(people) > 5
