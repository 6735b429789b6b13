"""The tutorial from fMRIPrep to a report, command by command as it stands there."""

import pandas
import pytest
import yaml

from tests.documents.block import commands, documents
from tests.documents.exception import EXCEPTIONS, reason_of
from tests.report.report_page import Page

pytestmark = pytest.mark.slow
DOCUMENT = "docs/tutorial_fmriprep.md"


@pytest.fixture(scope="module")
def followed(clone, root):
    """Run every command of the tutorial in its order; return what each printed, and the folder."""
    said = {}
    for command in commands(DOCUMENT, documents(root)[DOCUMENT]):
        if reason_of(command, EXCEPTIONS) is not None:
            continue
        done = clone.run(command.text)
        assert done.returncode == 0, f"{command}\n{done.stdout[-3000:]}{done.stderr[-4000:]}"
        said[command.text] = done.stdout
    return said, clone.folder


def printed(said, *words) -> list[str]:
    """What the commands with these words printed, in their order."""
    return [text for command, text in said.items() if all(word in command for word in words)]


def test_the_command_line_says_what_the_tutorial_says_it_does(followed):
    said, folder = followed
    (proposed,) = printed(said, "crossfc init")
    assert "18 people" in proposed and "Fill in what is marked ??? in it: treatments." in proposed
    (understood,) = printed(said, "crossfc validate")
    assert understood.startswith("Study practice, entry fmriprep: it can be run.")
    assert "drug: ketamine − placebo; complete in MDD 10, HC 8" in understood
    # The command stands there twice; what it said last is kept.
    (changed,) = printed(said, "crossfc why")
    assert "group.permutations" in changed and "connectivity_session" not in changed
    config = yaml.safe_load((folder / "config/practice/config.yaml").read_text())
    assert config["treatments"] == ["placebo", "ketamine"] and len(config["hypotheses"]) == 3


def test_the_page_finds_what_the_tutorial_says_is_planted(followed):
    results = followed[1] / "results/practice"
    stated = pandas.read_csv(results / "hypotheses/hypotheses.tsv", sep="\t")
    assert stated["verdict"].tolist()[:2] == ["supported", "not significant"]
    assert stated["estimate"][0] > 0
    left = pandas.read_csv(results / "quality/excluded.tsv", sep="\t")
    row = left[left["participant_id"] == "sub-16"]
    assert row["exclusion_reasons"].str.contains("moved throughout").all() and len(row)
    page = Page(results / "report.html")
    assert "supported" in page.text.lower()
    assert (results / "bundle/README.md").exists() and (results / "quality.html").exists()
    assert len(list((results / "people").glob("*.html"))) == 18


def test_every_file_that_the_tutorial_points_to_is_there(followed):
    results = followed[1] / "results/practice"
    for name in (
        *("methods.md", "references.bib", "checklists/cobidas.tsv", "provenance.json"),
        *("trial/left.tsv", "hypotheses/hypotheses.tsv", "clinic/change.tsv"),
        *("quality/sessions.tsv", "quality/sessions.json", "group/primary/drug_MDD/clusters.tsv"),
    ):
        assert (results / name).is_file(), name
    assert (results / "group/primary/pairs/delta.npy").is_file()
    assert list(results.glob("sub-*/ses-*/func/*_boldmap.nii.gz"))
