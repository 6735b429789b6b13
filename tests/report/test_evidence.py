"""What the page says the sample can say: the numbers of the table, and never the reverse."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from crossfc.clinic.equivalence import EFFECT, EQUIVALENT, SMALL, UNDECIDED
from crossfc.report import evidence, number


def row(**changed):
    return {
        **{"contrast": "drug", "kind": "score", "scale": "MADRS", "seed": "n/a", "target": "n/a"},
        **{"group": "TRD", "n": 9, "estimate": -4.0, "low": -6.0, "high": -2.0, "p": 0.002},
        **{"adjusted": True, "because": np.nan, "smallest": 2.0, "p_equivalence": 0.98},
        **{"verdict": EFFECT, "bayes_factor": 25.0, "prior": "Cauchy", "detectable": 2.9},
        **{"power": 0.97, "type_s": 0.0, "type_m": 1.02, "interest_power": 0.4},
        **{"interest_type_s": 0.001, "interest_type_m": 1.6, "p_smallest": 0.0159},
    } | changed


def section_of(results, *rows):
    return evidence.section(dataclasses.replace(results, evidence=pd.DataFrame(list(rows))))


def test_every_row_of_the_specimen_is_on_the_page(found_page, found_results):
    assert found_page.all("section", id="evidence")
    table = found_results.evidence
    assert set(table["kind"]) == {"score", "edge", "correlation"}
    for own in table[table["kind"] == "score"].to_dict("records"):
        assert f"{own['scale']}, {own['group'].replace('-', ' − ')}: " in found_page.text
        assert number.interval(own["low"], own["high"]) in found_page.text
    assert "not significant is no evidence of no effect" in found_page.text.lower()
    told = [a for a in found_results.analyses if "smallest_effect" in a.record]
    assert {a.kind for a in told} >= {"drug", "drug_pooled", "group_by_drug"}
    for analysis in told:
        (said,) = evidence.map_sentences(analysis)
        assert said in found_page.text
    (change,) = (a for a in found_results.analyses if a.kind == "change")
    assert evidence.map_sentences(change) == []
    assert "errors of type M and S (Gelman & Carlin 2014)" in found_page.text


def test_four_answers_in_words():
    said = {
        verdict: evidence.answer(row(verdict=verdict))
        for verdict in (EFFECT, SMALL, EQUIVALENT, UNDECIDED)
    }
    assert said[EFFECT] == "p below 0.05 by itself"
    assert said[SMALL] == "other than zero, but smaller than of interest (within ±2)"
    assert said[EQUIVALENT] == "equivalent to nothing (within ±2)"
    assert said[UNDECIDED] == "undecided: neither an effect nor its absence is shown"
    without = evidence.answer(row(verdict=UNDECIDED, smallest=np.nan, p_equivalence=np.nan))
    assert without.endswith("no smallest effect of interest is stated")
    assert "too few people" in evidence.answer(row(verdict=UNDECIDED, p_equivalence=np.nan))
    assert evidence.answer(row(verdict=np.nan)) == "no test"


@pytest.mark.parametrize(
    ("factor", "shown", "said"),
    [
        (25.0, "25", "25 times as likely if the change is other than zero as if it is zero"),
        (0.25, "1/4", "4 times as likely if the change is zero as if it is not"),
        (3e7, "> 10\u2009000", "more than 10\u2009000 times as likely if the change is other"),
        (1e-9, "< 1/10\u2009000", "more than 10\u2009000 times as likely if the change is zero"),
    ],
)
def test_a_bayes_factor_speaks_for_what_it_is_for(found_results, factor, shown, said):
    assert evidence.odds(factor) == shown
    told = section_of(found_results, row(bayes_factor=factor)).sentences[0]
    assert f"The data are {said}" in told


def test_groups_that_are_compared_are_told_as_a_difference(found_results):
    told = section_of(found_results, row(group="TRD-HV")).sentences[0]
    assert told.startswith("MADRS, TRD − HV: −4.00 [−6.00, −2.00], p = 0.0020; p below 0.05")
    assert "if the difference between the groups' changes is other than zero" in told


def test_few_people_are_warned_of(found_results):
    told = section_of(found_results, row(n=5, p_smallest=2 / 32))
    assert told.warnings == [
        "With 5 people of TRD no p by ranks can be below 0.062, whatever the data, so that none "
        "can be significant."
    ]
    assert section_of(found_results, row(p_smallest=0.002)).warnings == []
    few = row(kind="correlation", n=4, p_smallest=1 / 24)
    assert "no p by permutation can be below 0.04" in section_of(found_results, few).warnings[0]


def test_what_could_have_been_found_is_told_of_every_group(found_results):
    edges = [row(kind="edge", scale="n/a", seed="a", target=t, detectable=d)
             for t, d in (("b", 0.11), ("c", 0.24))]  # fmt: skip
    told = section_of(found_results, *edges, row(kind="correlation", n=9, detectable=0.821))
    assert told.sentences[0].startswith(
        "Changes of a-priori edges, TRD: with n = 9 the smallest in Fisher z that is found in 80 % "
        "of studies is 0.11 to 0.24"
    )
    assert "found in 80 % of studies is 0.82 (t-test of r in normal data" in told.sentences[1]
    assert [len(table.rows) for table in told.tables] == [2, 1]


def test_without_tests_there_is_no_section(found_results):
    empty = dataclasses.replace(found_results, evidence=pd.DataFrame())
    assert evidence.section(empty) is None
    untested = row(p=np.nan, verdict="n/a", because="a test takes 3 people", detectable=np.nan)
    told = section_of(found_results, untested)
    assert told.sentences == [] and told.tables[0].rows[0][-1] == "a test takes 3 people"
