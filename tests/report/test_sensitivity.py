"""What the maps could have found, on the page."""

import dataclasses
import re

import numpy as np
import pytest

from crossfc.report import sensitivity
from crossfc.report.results import Results


def analysis(results: Results, name: str):
    return next(a for a in results.analyses if a.name == name)


def test_a_sentence_has_the_numbers_of_the_table(found_results, found_page):
    table = found_results.sensitivity
    assert set(table["analysis"]) == {"drug_TRD", "drug_HV", "group_by_drug"}
    for name, what in (("drug_TRD", "a change"), ("group_by_drug", "a difference between the")):
        said = sensitivity.sentence(found_results, analysis(found_results, name))
        rows = table[(table["analysis"] == name) & (table["measure"] == "extent")]
        row = rows.iloc[0]
        assert f"{what}" in said and f"of {row['smallest']:.2g} in Fisher z, up or down" in said
        assert f"[{row['smallest_low']:.2g}, {row['smallest_high']:.2g}]" in said
        assert "20 mm radius" in said and "planted 40 times" in said
        assert said in found_page.text
        # 80 % are reached between the sizes on both sides of it.
        below, above = (rows["delta_z"] < row["smallest"], rows["delta_z"] >= row["smallest"])
        assert (rows["power"][below] < 0.8).all() and (rows["power"][above] >= 0.8).all()


def test_that_nothing_was_found_is_never_said_to_be_no_effect(null_results, found_results):
    for results in (null_results, found_results):
        for own in results.analyses:
            said = sensitivity.sentence(results, own)
            if said:
                warned = "does not say that there is no effect" in said
                assert warned == (len(own.significant()) == 0), own.name
    assert not sensitivity.sentence(found_results, analysis(found_results, "carryover"))


def test_beyond_the_largest_size_is_said_with_its_power(null_results):
    table = null_results.sensitivity.copy()
    own = table["analysis"] == "drug_TRD"
    table.loc[own, ["smallest", "smallest_high"]] = np.inf
    table.loc[own, "power"] = 0.6
    changed = dataclasses.replace(null_results, sensitivity=table)
    said = sensitivity.sentence(changed, analysis(changed, "drug_TRD"))
    assert "even a change of 0.8 in Fisher z" in said and re.search(r"power of 60 % \[", said)
    shown = sensitivity.size_table(changed)
    assert shown is not None
    sizes = [row[2] for row in shown.rows if row[0] == "Ketamine in TRD"]
    assert sizes == ["> 0.8"] * len(sizes) and sizes


def test_curves_and_table_are_there_for_every_analysis_with_an_answer(found_results, found_page):
    curves = sensitivity.curves(found_results)
    assert [c.title for c in curves] == [
        a.title for a in found_results.analyses
        if a.name in ("drug_TRD", "drug_HV", "group_by_drug")
    ]  # fmt: skip
    assert all(c.chart.count("<circle") == 4 * 10 + 4 for c in curves)
    assert found_page.all("h3", id="sensitivity")
    shown = sensitivity.size_table(found_results)
    assert shown is not None and len(shown.rows) == 3 * 4


@pytest.mark.parametrize("name", ["drug_TRD", "group_by_drug"])
def test_a_reason_takes_the_place_of_numbers(null_results, name):
    row = dict.fromkeys(null_results.sensitivity.columns) | {"analysis": name, "because": "Why."}
    table = null_results.sensitivity
    table = table[table["analysis"] != name]
    table.loc[len(table) + 99] = row
    changed = dataclasses.replace(null_results, sensitivity=table)
    said = sensitivity.sentence(changed, analysis(changed, name))
    assert said == "What it could have found is not known. Why."
    shown = sensitivity.size_table(changed)
    assert shown is not None and [row[-1] for row in shown.rows if row[-1]] == ["Why."]
    assert len(sensitivity.curves(changed)) == 2
