"""The checklists: what the record says, what it cannot know, and no result."""

from dataclasses import replace

import pandas as pd
import pytest

from crossfc.report.checklist import COLUMNS, NOT_KNOWN
from crossfc.report.cobidas import cobidas
from crossfc.report.consort import consort
from crossfc.report.methods import Methods
from crossfc.report.people import everybody
from tests.report.report_page import page_of
from tests.report.report_specimen import ATTENTION, PATIENTS
from tests.report.test_preregistration import RECORD

NO_TEXT = Methods([], [], None)


@pytest.fixture(scope="module")
def tables(found, tmp_path_factory):
    """The checklists of a study, and its page, as the job writes them."""
    folder = tmp_path_factory.mktemp("study")
    page = page_of(found, folder / "page.html", checklists=folder / "checklists")
    names = ("cobidas", "consort_crossover")
    read = {
        name: pd.read_csv(folder / f"checklists/{name}.tsv", sep="\t", keep_default_na=False)
        for name in names
    }
    return page, read


def said(table: pd.DataFrame, item: str) -> str:
    (row,) = table[table["item"].astype(str) == item].to_dict("records")
    return row["said"]


def test_every_item_of_consort_is_there_once(tables):
    table = tables[1]["consort_crossover"]
    assert list(table.columns) == COLUMNS
    # The items of CONSORT 2010, which the extension keeps.
    letters = {1: "ab", 2: "ab", 3: "ab", 4: "ab", 6: "ab", 7: "ab", 8: "ab", 11: "ab", 12: "ab",
               13: "ab", 14: "ab", 17: "ab"}  # fmt: skip
    items = [f"{n}{letter}" for n in range(1, 26) for letter in letters.get(n, " ")]
    assert list(table["item"]) == [item.strip() for item in items]


def test_numbers_are_those_of_the_sheets(tables, found):
    sheet = pd.read_csv(found.folder.parents[1] / "participants.tsv", sep="\t")
    patients = sheet[sheet["group"] == "TRD"]
    paired = patients[~patients["participant_id"].isin(["sub-98", "sub-99"])]
    orders = paired["sequence"].value_counts()
    told = said(tables[1]["consort_crossover"], "13a")
    first = told.split("; ")[0]
    assert first.startswith(f"TRD: {len(patients)} known") and f", {PATIENTS} with both" in first
    for order, n in orders.items():
        assert f"{n} {order.replace('-', ' then ')}" in first
    # One person leaves, with two sessions.
    assert f"2 sessions ({ATTENTION})" in said(tables[1]["consort_crossover"], "13b")


def test_what_the_record_cannot_tell_is_said(tables):
    page, read = tables
    table = read["consort_crossover"]
    for item in ("4a", "8a", "9", "10", "19", "25"):
        assert said(table, item) == NOT_KNOWN
    assert said(table, "23") == NOT_KNOWN
    # No place is named where there is nothing to find.
    for own in read.values():
        unknown = own[own["said"] == NOT_KNOWN]
        assert len(unknown) > 5 and set(unknown["where"]) == {"n/a"}
        assert own["said"].str.len().min() >= 3
    told = (read["cobidas"]["said"] != NOT_KNOWN).sum()
    assert (
        f"COBIDAS ( checklists/cobidas.tsv ): {told} of {len(read['cobidas'])} items" in page.text
    )


def test_no_result_is_in_them(found_results):
    """Results turned around and emptied leave every word as it was."""
    flipped = {
        name: frame.assign(**{c: -frame[c] for c in frame.select_dtypes("float").columns})
        for name in ("change", "correlation", "hypotheses", "rivals", "robustness", "mixed")
        if len(frame := getattr(found_results, name))
    }
    assert {"change", "correlation", "hypotheses"} <= set(flipped)
    analyses = [
        replace(
            own,
            clusters=own.clusters.iloc[:0],
            peaks=own.peaks.iloc[:0],
            record=own.record | {"per_seed": {}},
        )
        for own in found_results.analyses
    ]
    assert any(len(own.clusters) for own in found_results.analyses)
    turned = replace(found_results, analyses=analyses, **flipped)
    assert consort(turned, None) == consort(found_results, None)
    assert cobidas(turned, NO_TEXT, {}, None) == cobidas(found_results, NO_TEXT, {}, None)


def test_nobody_is_named(tables, found_results):
    people = everybody(found_results)
    for table in tables[1].values():
        assert not any(person in cell for person in people for cell in table["said"])


def test_the_plan_is_told_in_them(found_results):
    rows = {row.item: row for row in consort(found_results, RECORD)}
    assert "in 2 points" in rows["3b"].said
    assert rows["6b"].said == "Hypothesis added after the plan: x."
    assert RECORD["digest"] in rows["23"].said
    own = [row.said for row in cobidas(found_results, NO_TEXT, {}, RECORD)]
    assert RECORD["digest"] in own


def test_a_trial_that_is_no_crossover_is_sent_elsewhere(found_results):
    arms = replace(found_results, design_name="a comparison of the parallel arms low and placebo")
    assert "take CONSORT 2010 in its place" in consort(arms, None)[0].said
    assert consort(found_results, None)[0].said == NOT_KNOWN
