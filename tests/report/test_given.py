"""What the page says of maps that are given the change of a measure of scans."""

import shutil
from dataclasses import replace

import pytest

from crossfc.group.analysis import analyse
from crossfc.group.design.options import AnalysisOptions
from crossfc.report.maps import facts
from crossfc.report.narrative import FOUND, cluster_sentence, map_answer, question_of
from crossfc.report.planted import _changes
from crossfc.report.results import Results
from crossfc.report.study import read_results
from tests.report.report_page import Page, page_of
from tests.report.report_specimen import READ


@pytest.fixture(scope="module")
def arguments(found, tmp_path_factory) -> dict:
    """What the page of a study is made of that asked for the change of head pitch."""
    group = tmp_path_factory.mktemp("given") / "group"
    shutil.copytree(found.folder / "group", group)
    pairs = group / "primary" / "pairs"
    names = ["drug_TRD", "group_by_drug"]
    for name in names:
        choices = found.plan.group.test_choices(name)
        given = f"{name}_given_head_pitch"
        options = AnalysisOptions.from_params(choices["options"])
        analyse(given, pairs, pairs.with_name(given), options, people=choices["people"])
    return {
        "group_dir": group,
        "analyses": [*names, *(f"{name}_given_head_pitch" for name in names)],
        "made": [*found.arguments["made"], group],
    }


@pytest.fixture(scope="module")
def given(found, arguments) -> Results:
    known = found.arguments | arguments
    return read_results(**{key: known.get(key) for key in READ})


@pytest.fixture(scope="module")
def given_page(found, arguments, tmp_path_factory) -> Page:
    return page_of(found, tmp_path_factory.mktemp("pages") / "given.html", **arguments)


def own(results: Results, name: str):
    return next(analysis for analysis in results.analyses if analysis.name == name)


def test_answers_say_what_is_given(given):
    mean = own(given, "drug_TRD_given_head_pitch")
    answer = map_answer(given, mean)
    assert question_of(given, mean) == (
        "Given the change of head pitch, which seed changed its connectivity under ketamine "
        "(against placebo) in TRD?"
    )
    assert answer.verdict == FOUND
    assert answer.sentence.startswith(
        "Given the change of head pitch, in TRD, the connectivity of "
    )
    assert "adjusted for the order of treatments and the change of head pitch" in answer.sentence
    assert answer.short.startswith("Ketamine in TRD, given the change of head pitch: ")
    assert ("given", "the change of head pitch") in facts(mean)
    between = own(given, "group_by_drug_given_head_pitch")
    row = between.clusters.iloc[0].to_dict()
    assert cluster_sentence(given, between, row).startswith(
        f"Given the change of head pitch, for {row['seed']}, the change under ketamine "
    )
    # Of the analysis without the measure nothing else is said than before.
    plain = own(given, "drug_TRD")
    assert "head pitch" not in map_answer(given, plain).sentence + str(facts(plain))


def test_the_sign_in_words_is_that_of_the_effect(given):
    mean = own(given, "drug_TRD_given_head_pitch")
    for row in mean.significant().to_dict("records"):
        said = cluster_sentence(given, mean, row)
        assert ("was higher under" in said) == (row["effect_in_sample"] > 0)


def test_what_does_not_survive_given_the_measure_is_not_called_explained_by_it(given):
    mean = own(given, "drug_TRD_given_head_pitch")
    silent = replace(
        mean,
        clusters=mean.clusters.iloc[:0],
        record=mean.record
        | {
            "per_seed": {
                s: p | {"p_fwe_cluster_min": 0.4} for s, p in mean.record["per_seed"].items()
            }
        },
    )
    answer = map_answer(given, silent)
    assert answer.sentence.startswith("Given the change of head pitch, no effect survived correct")
    told = "does not show that it explains them"
    assert any(told in sentence for sentence in answer.details)
    # Where nothing is found without it either, there is nothing to warn of.
    plain = own(given, "drug_TRD")
    without = replace(plain, clusters=plain.clusters.iloc[:0])
    others = [without if a is plain else a for a in given.analyses]
    answer = map_answer(replace(given, analyses=others), silent)
    assert not any(told in sentence for sentence in answer.details)


def test_the_page_and_its_methods_tell_of_it(given_page):
    text = given_page.text
    assert "Given the change of head pitch, in TRD, the connectivity of" in text
    assert "they were estimated again given the change of head pitch: the same contrast" in text
    # What was flipped.
    assert "effect of ketamine in TRD and TRD given the change of head pitch" in text


def test_what_was_planted_is_held_against_the_analyses_without_the_measure(given):
    edge = {"seed": "pgACC", "target": "insulaR"}
    fewer = [analysis for analysis in given.analyses if not analysis.given]
    told = _changes(given, edge)
    assert told and told == _changes(replace(given, analyses=fewer), edge)
