"""The quality page and the pages of people, of a study that was run."""

import os
import re
import shutil
from pathlib import Path

import pandas as pd
import pytest

from crossfc import atomic
from crossfc.quality.rating import rating_table
from crossfc.report.quality_page import write_quality_pages
from tests.report.browser import browser, chromium, kept, violations
from tests.report.report_page import Page
from tests.report.report_specimen import ACTIVE, CONTROL, Specimen

SAID = [
    {"participant_id": "sub-01", "session_id": "ses-k2", "rater": "AB", "rating": "bad",
     "exclude": True, "reason": "ringing"},
    {"participant_id": "sub-01", "session_id": "ses-k2", "rater": "CD", "rating": "poor",
     "exclude": False, "reason": None},
]  # fmt: skip
LOGS = [
    {"job": "group_test primary_drug_TRD", "log": "group_test/primary_drug_TRD.log",
     "sentence": "atlas.nii is cut; fetch it again", "failed": True},
    *({"job": f"preprocess_session sub-0{k}_ses-k2", "log": f"p/sub-0{k}_ses-k2.log",
       "sentence": f"sub-0{k}: the cost is 0.8{k}", "failed": False} for k in (1, 2)),
]  # fmt: skip


def folder_of(found: Specimen, folder: Path) -> Path:
    """Link a study's results, so that pages can be written beside them."""
    for path in found.folder.iterdir():
        (folder / path.name).symlink_to(path)
    (folder / "quality").unlink()
    shutil.copytree(found.folder / "quality", folder / "quality")
    atomic.write_table(folder / "quality/ratings.tsv", rating_table(SAID))
    table = pd.read_csv(folder / "quality/sessions.tsv", sep="\t", keep_default_na=False)
    table.loc[3, "mean_fd"] = 3.0
    table.loc[3, "notes"] = "sform and qform differ"
    atomic.write_table(folder / "quality/sessions.tsv", table)
    return folder


@pytest.fixture(scope="module")
def pages(found, tmp_path_factory):
    """The folder of the pages, and the quality page."""
    folder = folder_of(found, tmp_path_factory.mktemp("quality pages"))
    contents = found.plan.quality_page.contents()
    contents["reports"] = {"sub-01": ["prep/sub-01.html", "prep/sub-01_ses-1.html"]}
    (folder / "prep").mkdir()
    (folder / "prep/sub-01.html").touch()
    write_quality_pages(folder / "quality.html", folder / "people", logs=LOGS, **contents)
    return folder, Page(folder / "quality.html")


@pytest.mark.skipif(chromium() is None, reason="no Chromium here")
@pytest.mark.skipif("CROSSFC_AXE" not in os.environ, reason="no axe-core here (CROSSFC_AXE)")
def test_in_a_browser_they_are_sound(pages):
    folder, page = pages
    with browser() as running:
        for path in (page.path, folder / "people/sub-01.html"):
            tab = running.open(path)
            tab.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
            assert violations(tab) == [] and tab.messages == []
            assert not [url for url in tab.requests if not url.startswith(("file:", "data:"))]
            for width in (1440, 1024, 390):
                tab.resize(width)
                assert tab.evaluate("document.documentElement.scrollWidth") <= width, path.name
                kept(tab, f"{path.stem}_{width}")


@pytest.mark.skipif(chromium() is None, reason="no Chromium here")
def test_names_of_dots_show_when_the_keyboard_reaches_them(pages):
    with browser() as running:
        tab = running.open(pages[1].path)
        link = "document.querySelector('svg.chart a')"
        tab.evaluate(f"{link}.focus()")
        name = tab.evaluate(f"{link}.querySelector('title').textContent")
        assert name.startswith("sub-")
        assert tab.evaluate("document.querySelector('.tip').textContent") == name
        assert not tab.evaluate("document.querySelector('.tip').hidden")


def addresses(page: Page) -> set[str]:
    found = {a.get("href") or "" for _, a in page.tags} | {a.get("src") or "" for _, a in page.tags}
    return {word for word in found if word and not word.startswith(("#", "data:"))}


def test_every_person_has_a_page_whose_pictures_are_there(pages):
    folder, page = pages
    people = sorted(path.stem for path in (folder / "people").iterdir())
    assert people == sorted(
        path.name for path in folder.glob("sub-*") if any(path.glob("ses-*/func/*_qc.tsv"))
    )
    assert {f"people/{person}.html" for person in people} <= addresses(page)
    for name in (page, *(Page(folder / f"people/{person}.html") for person in people[:3])):
        base = folder if name is page else folder / "people"
        for address in addresses(name) - {"report.html"}:
            assert (base / address.replace("%20", " ")).exists(), address
        assert not name.open
    pictures = [word for word in addresses(name) if word.endswith((".jpg", ".png"))]
    # Two sessions: outlines, seeds, targets, a carpet before and in two pipelines after cleaning.
    assert len(pictures) == 2 * 6


def test_a_page_shows_regions_with_their_numbers_and_what_leaves(pages):
    folder, _ = pages
    page = Page(folder / "people/sub-01.html")
    assert page.text.count("pgACC : ") + page.text.count("pgACC: ") == 2
    assert re.search(r"\d+ % with signal, tSNR \d", page.text)
    assert "ses-k2: bad by AB (ringing)" in page.text and "ses-k2: poor by CD" in page.text
    assert "fMRIPrep's report sub-01.html" in page.text
    assert "sub-01_ses-1.html" not in page.raw  # it is not there
    assert "sub-01\tses-k2\tinitials\texclude\twhy" in page.raw
    # Traces and carpets of both pipelines in both sessions, and their confounds.
    assert len(page.all("svg", class_="chart carpet")) == 4
    assert len(page.all("svg", class_="confounds")) == 4
    assert "Most with the mean of the mask, before cleaning: " in page.text


def test_no_page_tells_a_treatment(pages):
    folder, page = pages
    for path in (folder / "quality.html", *(folder / "people").iterdir()):
        for word in (ACTIVE, CONTROL):
            assert word not in path.read_text()


def test_outliers_ratings_failures_and_limits_are_named(pages):
    folder, page = pages
    sessions = pd.read_csv(folder / "quality/sessions.tsv", sep="\t")
    who = " ".join(sessions.loc[3, ["participant_id", "session_id"]])
    charts = [a["aria-label"] for a in page.all("svg", class_="chart")]
    assert f"mean FD (mm) of {len(sessions)} sessions" in charts
    assert f"{who}: 3" in page.raw and "Sessions far from the others" in page.text
    limits = page.text.partition("Limits in force")[2]
    assert "mean FD above (mm) 0.5 1 exclusion.maximum_mean_fd_mm" in limits
    assert "minutes kept below no limit exclusion.minimum_minutes_kept" in limits
    assert "sub-01 ses-k2: bad by AB and poor by CD" in page.text
    assert "1 job failed." in page.text and "atlas.nii is cut; fetch it again" in page.text
    assert "sub-01: the cost is 0.81 2 logs/p/sub-01_ses-k2.log" in page.text
    assert f"sform and qform differ 1 {who}" in page.text


def test_qcfc_is_held_against_chance(pages):
    _, page = pages
    table = re.search(r"all: the median size of r over 4 edges is ([\d.]+)", page.text)
    assert table and "by chance with" in page.text
    assert "Over the distance between seed and target Spearman's ρ" in page.text


def test_without_identifiers_there_is_one_page_and_no_name(found, tmp_path):
    folder = folder_of(found, tmp_path)
    contents = found.plan.quality_page.contents()
    write_quality_pages(folder / "quality.html", None, logs=LOGS, **contents)
    told = (folder / "quality.html").read_text()
    assert "sub-" not in told and "person 1" in told and not (folder / "people").exists()
