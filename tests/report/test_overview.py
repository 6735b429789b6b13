"""The first screen and who was studied: every number from the tables, in the right words."""

import re

import numpy as np
import pandas as pd
import pytest

from crossfc.group.design.pairs import Pairs
from crossfc.report import characteristics, hypotheses, mean_map, overview
from crossfc.report.citation import bibtex, read_references
from crossfc.report.number import fixed, interval, signed
from crossfc.report.outcome import answers
from crossfc.report.region_picture import region_pictures


@pytest.fixture(scope="module")
def first(found, found_results):
    cards = hypotheses.cards(found_results, found.arguments["hypotheses"])
    return overview.overview(found_results, cards, answers(found_results))


def test_every_hypothesis_has_a_line_with_its_own_numbers(first, found_results):
    table = found_results.hypotheses.to_dict("records")
    assert len(first.lines) == len(table) and first.further == 0
    for line, row in zip(first.lines, table, strict=True):
        value = fixed if row["unit"] == "r" else signed
        said = f"{value(row['estimate'], 2)} {interval(row['low'], row['high'])}"
        assert said in line.numbers
        assert line.word == row["verdict"]
        ways = f"{row['n_significant']:.0f} of {row['n_specifications']:.0f} ways"
        assert (ways in line.numbers) == (row["n_specifications"] > 1)


def test_the_picture_is_of_the_first_supported_hypothesis_of_maps(first, found_results):
    table = found_results.hypotheses
    row = table[(table["kind"] == "map") & (table["verdict"] == "supported")].iloc[0]
    title = next(a.title for a in found_results.analyses if a.name == row["analysis"])
    assert first.picture.about == f"{title}: {row['seed']}"
    target = next(r for r in found_results.target_rows if r["target"] == row["region"])
    at = ", ".join(f"{target[axis]:g}".replace("-", "−") for axis in "xyz")
    assert f"Cuts through the region at ({at}) mm" in first.picture.caption


def test_without_hypotheses_the_answers_stand_first(null_results):
    told = answers(null_results)
    shown = overview.overview(null_results, [], told)
    assert [line.title for line in shown.lines] == [a.short for a in told[: overview.SHOWN]]
    assert shown.further == len(told) - overview.SHOWN
    assert shown.picture is not None


def test_what_is_asked_names_seeds_scales_and_groups(found_results):
    said = overview.asked(found_results)
    assert said.startswith("What changed (ketamine minus placebo) in the connectivity of pgACC")
    assert "MADRS" in said and said.endswith("in TRD and in HV?")


def test_characteristics_count_and_average_the_analysed(found_results):
    made = characteristics.characteristics(found_results)
    titles = [title for title, _ in made.columns]
    people = found_results.people
    own = people[people["participant_id"].isin(found_results.paired["participant_id"])]
    rows = {row[0]: dict(zip(titles[1:], row[1:], strict=True)) for row in made.rows}
    for group in ("TRD", "HV"):
        of = own[own["group"] == group]
        assert rows["people"][group] == str(len(of))
        for order in of["sequence"].unique():
            title = f"{group}, {order.replace('-', ' then ')}"
            assert rows["people"][title] == str((of["sequence"] == order).sum())
        age = pd.to_numeric(of["age"])
        assert rows["age"][group] == f"{fixed(age.mean())} ({fixed(age.std())})"


def test_mean_maps_are_means_of_the_pairs(found_results):
    drawn = mean_map.mean_maps(found_results)
    assert [one.title for one in drawn] == found_results.pairs["seeds"]
    assert all(len(one.strips) == 4 for one in drawn)
    data = next(iter(found_results.of_contrast.values()))
    pairs = Pairs.read(data.folder)
    means = mean_map._means(found_results, pairs, 0)
    rows = (pairs.people["group"] == "TRD").to_numpy()
    change = pairs.delta[rows, 0].mean(axis=0)
    n = f"(n = {rows.sum()})"
    told = means[f"TRD under ketamine {n}"] - means[f"TRD under placebo {n}"]
    np.testing.assert_allclose(told, change, atol=1e-6)


def test_regions_are_drawn_where_the_sheet_puts_them(found_results):
    drawn = region_pictures(found_results)
    rows = [*found_results.seeds, *found_results.target_rows]
    assert {one.name for one in drawn} == {r.get("seed") or r.get("target") for r in rows}
    sphere = next(r for r in found_results.seeds if r["kind"] == "sphere")
    picture = next(one for one in drawn if one.name == sphere["seed"])
    volume = int(re.search(r"seed, ([\d\u202f  ]+) mm³", picture.caption)[1].replace(" ", "")
                 .replace("\u202f", "").replace(" ", ""))  # fmt: skip
    of_sphere = 4 / 3 * np.pi * float(sphere["radius_mm"]) ** 3
    alone = sum(r["seed"] == sphere["seed"] for r in found_results.seeds) == 1
    assert not alone or volume == pytest.approx(of_sphere, rel=0.1)


def test_the_bibliography_can_be_read(root):
    works = read_references(root / "workflow/report/references.json")
    entry = works["abraham2014"].bibtex
    assert entry.startswith("@article{abraham2014,\n  author = {Abraham, A and Pedregosa, F")
    assert "and others}" in entry and "year = {2014}" in entry
    for work in works.values():
        assert work.bibtex.count("{") == work.bibtex.count("}")
    book = {"id": "x", "author": [{"family": "A", "given": "B"}], "title": "T & U",
            "issued": {"date-parts": [[2000]]}, "container-title": "P", "number": "n"}  # fmt: skip
    assert bibtex(book).startswith("@misc{x,") and r"{T \& U}" in bibtex(book)


def test_methods_and_references_are_written_beside_the_page(found, tmp_path):
    from tests.report.report_page import page_of

    page = page_of(found, tmp_path / "report.html", manuscript=tmp_path, analyses=["drug_TRD"])
    text = (tmp_path / "methods.md").read_text()
    assert text.startswith("# Methods\n\n## ") and "\n\n## References\n\n1. " in text
    assert (tmp_path / "references.bib").read_text().count("\n@") + 1 == len(
        re.findall(r"^\d+\. ", text, re.MULTILINE)
    )
    assert page.all("a", href="methods.md") and page.all("a", href="references.bib")
