"""The sentences say what the numbers say."""

import dataclasses
import re

import pandas as pd
import pytest

from crossfc.report.clusters import cluster_table
from crossfc.report.narrative import (
    FOUND,
    NONE,
    PEAK,
    cluster_sentence,
    direction,
    goes_with,
    map_answer,
    region_of,
)
from crossfc.report.outcome import answers
from tests.report.report_specimen import PATIENTS


def answer_of(results, name):
    """The answer of one analysis."""
    return next(a for a in answers(results) if a.analysis is not None and a.analysis.name == name)


@pytest.mark.parametrize("which", ["found_results", "null_results"])
def test_verdicts_follow_the_corrected_p(which, request):
    results = request.getfixturevalue(which)
    for analysis in results.analyses:
        if analysis.kind == "carryover":
            continue
        answer = answer_of(results, analysis.name)
        p = pd.read_csv(analysis.folder / "clusters.tsv", sep="\t")["p_fwe_cluster"]
        assert (answer.verdict == FOUND) == bool((p < 0.05).any())


def test_the_null_study_claims_nothing(null_results):
    for answer in answers(null_results):
        if answer.analysis is not None and answer.verdict != FOUND:
            assert answer.verdict in (NONE, PEAK)
            assert answer.sentence.startswith("No effect survived correction")
            smallest = min(answer.analysis.smallest(s) for s in answer.analysis.seeds)
            told = float(re.search(r"smallest corrected p = ([\d.]+)", answer.sentence)[1])
            assert told == pytest.approx(smallest, rel=0.06)
    assert answer_of(null_results, "drug_TRD").verdict != FOUND
    assert answer_of(null_results, "group_by_drug").verdict != FOUND


def test_another_measure_is_told_and_does_not_make_a_finding(null_results):
    analysis = next(a for a in null_results.analyses if a.name == "drug_TRD")
    assert analysis.significant().empty
    seed = analysis.seeds[0]
    kept = {key: dict(analysis.record["per_seed"][key]) for key in analysis.seeds}
    tail = analysis.record["tail"]
    analysis.record["tail"] = tail | {"tfce": tail["tfce"] | {"smallest_p": 0.0001}}
    silent = {f"p_fwe_{which}_min": 0.5 for which in ("voxel", "mass", "tfce")}
    try:
        for key in analysis.seeds:
            analysis.record["per_seed"][key] |= silent | {"extrapolated": []}
        assert answer_of(null_results, "drug_TRD").verdict == NONE
        told = {"p_fwe_mass_min": 0.03, "p_fwe_tfce_min": 0.0004, "extrapolated": ["tfce"]}
        analysis.record["per_seed"][seed] |= told
        answer = answer_of(null_results, "drug_TRD")
        assert answer.verdict == PEAK
        assert f"but cluster mass and TFCE of {seed} did." in answer.short
        assert answer.details == [
            "At the level of cluster mass (p = 0.030) and TFCE (p = 0.00040†), an effect of "
            f"{seed} survived correction though no cluster did by its extent."
        ]
    finally:
        analysis.record["per_seed"] |= kept
        analysis.record["tail"] = tail


def test_direction_place_and_cells(found_results):
    analysis = next(a for a in found_results.analyses if a.name == "drug_TRD")
    row = analysis.significant("pgACC").iloc[0]
    answer = answer_of(found_results, "drug_TRD")
    sentence = next(s for s in [answer.sentence, *answer.details] if "connectivity of pgACC" in s)
    assert row["sign"] == "-"
    assert "was lower under ketamine than under placebo" in sentence
    assert f"({row['x']:.0f}, {row['y']:.0f}," in sentence.replace("−", "-")
    share = f"{100 * row['region_share']:.0f} %"
    assert f"({row['region']} ({share} of the cluster), peak (" in sentence
    assert f"{row['peak_region']}, " in sentence
    cells = sentence.replace("−", "-")
    assert f"Δz = {row['effect_in_sample']:+.2f} in the cluster" in cells
    assert f"{row['mean_TRD_placebo']:.2f} under placebo" in cells
    assert f"{row['mean_TRD_ketamine']:.2f} under ketamine" in cells
    assert f"TRD n = {PATIENTS}" in sentence


@pytest.mark.parametrize(
    ("name", "up", "down"),
    [
        ("drug_TRD", "higher", "lower"),
        ("group_by_drug", "more positive", "more negative"),
        ("change_MADRS", "positive slope", "negative slope"),
        ("carryover", "higher", "lower"),
        ("drug_TRD_by_subregion", "", ""),
    ],
)
def test_directions_are_words_in_sentences_and_tables(found_results, name, up, down):
    analysis = next(a for a in found_results.analyses if a.name == name)
    assert [direction(analysis, sign) for sign in "+-"] == [up, down]
    clusters = analysis.clusters.head(1)
    if clusters.empty:
        clusters = next(a for a in found_results.analyses if a.name == "drug_TRD").clusters.head(1)
    signs = pd.concat([clusters] * 3).assign(sign=["+", "-", "+"], p_fwe_cluster=0.01)
    several = dataclasses.replace(analysis, clusters=signs)
    answer = map_answer(found_results, several)
    further = next(line for line in answer.details if line.startswith("Further clusters of"))
    region = region_of(signs.iloc[0].to_dict())
    words = [f"{region}, {word}" if word else region for word in (down, up)]
    assert further.endswith(f": {'; '.join(words)}.")
    table = cluster_table(several, signs, "caption")
    titles = [title for title, _ in table.columns]
    assert "sign" not in titles and ("direction" in titles) == bool(up)
    if up:
        place = titles.index("direction")
        assert [row[place] for row in table.rows] == [up, down, up]


def test_labels_of_several_words_are_found_in_the_tables(found_results):
    """A side such as "ketamine day2" is mean_TRD_ketamine_day2 in clusters.tsv."""
    (analysis,) = [a for a in found_results.analyses if a.name == "drug_TRD"]
    row = analysis.significant().iloc[0].to_dict()
    before = cluster_sentence(found_results, analysis, row)
    sides = {"active": "ketamine day2", "control": "placebo day2"}
    design = dict(found_results.designs[0]) | {"treatments": sides}
    occasions = dataclasses.replace(found_results, designs=[design])
    renamed = {
        name + "_day2" if name.endswith(("_ketamine", "_placebo")) else name: value
        for name, value in row.items()
    }
    said = cluster_sentence(occasions, analysis, renamed)
    assert "mean z" in said and said == before.replace("ketamine", "ketamine day2").replace(
        "placebo", "placebo day2"
    )


def test_groups_are_compared_in_the_right_direction(found_results):
    answer = answer_of(found_results, "group_by_drug")
    text = " ".join([answer.sentence, *answer.details])
    assert "For pgACC, the change under ketamine (minus placebo) was more negative in TRD" in text
    assert "For dACC, the change under ketamine (minus placebo) was more positive in TRD" in text


@pytest.mark.parametrize("which", ["found_results", "null_results"])
def test_no_weasel_words(which, request):
    results = request.getfixturevalue(which)
    text = " ".join(" ".join([a.sentence, a.short, *a.details]) for a in answers(results)).lower()
    for word in ("trend", "marginal", "approach", "nearly", "almost", "tended"):
        assert not re.search(rf"\b{word}", text)


def test_one_seed_found_is_no_difference_between_seeds(found_results):
    analysis = next(a for a in found_results.analyses if a.name == "drug_TRD")
    kept = analysis.clusters
    analysis.clusters = kept[(kept["seed"] == "pgACC") | (kept["p_fwe_cluster"] >= 0.05)]
    try:
        answer = answer_of(found_results, "drug_TRD")
    finally:
        analysis.clusters = kept
    # Of patients alone, not of the difference between the groups.
    asked = next(a for a in found_results.analyses if a.name == "drug_TRD_by_subregion")
    found = not asked.significant().empty
    said = "Whether the seeds differ is answered by" if found else "found no cluster that survived"
    assert any(said in s for s in answer.details)
    kept, kept_all = analysis.clusters, list(found_results.analyses)
    analysis.clusters = kept[(kept["seed"] == "pgACC") | (kept["p_fwe_cluster"] >= 0.05)]
    found_results.analyses[:] = [a for a in kept_all if a is not asked]
    try:
        answer = answer_of(found_results, "drug_TRD")
    finally:
        analysis.clusters, found_results.analyses[:] = kept, kept_all
    assert any("shows no effect" in s or "show no effect" in s for s in answer.details)


def test_seeds_of_one_group_are_pooled_and_compared_in_words(found_results):
    answer = answer_of(found_results, "drug_TRD_pooled")
    assert answer.question == (
        "Over all seeds together, did connectivity change under ketamine (against placebo) in TRD?"
    )
    assert answer.short.startswith("Ketamine in TRD, mean of the seeds: ")
    analysis = answer.analysis
    row = analysis.clusters.iloc[0].to_dict() | {"sign": "-"}
    sentence = cluster_sentence(found_results, analysis, row)
    assert sentence.startswith(
        "In TRD, connectivity averaged over the seeds was lower under ketamine than under placebo ("
    )
    answer = answer_of(found_results, "drug_TRD_by_subregion")
    assert answer.question == (
        "Did the change of connectivity under ketamine in TRD depend on the seed?"
    )
    assert answer.short.startswith("Ketamine in TRD, differing by seed: ")
    row = answer.analysis.clusters.iloc[0].to_dict()
    sentence = cluster_sentence(found_results, answer.analysis, row)
    assert sentence.startswith(
        "In TRD, the change under ketamine (minus placebo) depended on the seed ("
    )
    assert "between the groups" not in sentence and f"TRD n = {PATIENTS}" in sentence


def test_clinical_direction(found_results):
    scores = {a.anchor: a for a in answers(found_results) if a.anchor.startswith("clinical-")}
    assert (
        "was lower under ketamine than under placebo, the better"
        in scores["clinical-MADRS"].sentence
    )
    assert (
        "was higher under ketamine than under placebo, the better"
        in scores["clinical-TEPS_A"].sentence
    )
    row = found_results.change.set_index(["scale", "group"]).loc[("MADRS", "TRD")]
    assert f"t({PATIENTS - 2}) = −{abs(row['adjusted_t']):.2f}" in scores["clinical-MADRS"].sentence


@pytest.mark.parametrize(
    ("scale", "positive", "words"),
    [
        ("MADRS", True, "the worse direction"),
        ("MADRS", False, "the better direction"),
        ("TEPS_A", True, "the better direction"),
        ("TEPS_A", False, "the worse direction"),
    ],
)
def test_slopes_are_told_by_the_direction_of_the_scale(found_results, scale, positive, words):
    assert words in goes_with(found_results, scale, positive)


def test_correlations_follow_q(found_results, null_results):
    for results in (found_results, null_results):
        told = [a for a in answers(results) if a.anchor == "correlations"]
        assert len(told) == 2
        for answer in told:
            construct = "depression" if "depression" in answer.question else "anhedonia"
            scales = [s for s, row in results.scales.items() if row["construct"] == construct]
            q = results.correlation.loc[results.correlation["scale"].isin(scales), "q_fdr"]
            assert (answer.verdict == FOUND) == bool((q < 0.05).any())
            assert "12 tests" in answer.sentence
