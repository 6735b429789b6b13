"""The confirmatory family on the page: which number each sentence tells, and in which direction."""

import re

import pandas as pd
import pytest

from crossfc.report.hypotheses import robust
from crossfc.report.number import fixed, interval, p_equals, signed
from crossfc.table import read_table


@pytest.fixture(scope="module")
def family(found):
    return read_table(found.folder / "hypotheses/hypotheses.tsv")


def card_of(page, number):
    own = re.search(rf'id="hypothesis-{number}">(.*?)</article>', page.raw, re.DOTALL)[1]
    return re.sub(r"\s+", " ", re.sub("<[^>]+>", " ", re.sub("<svg.*?</svg>", "", own)))


def test_the_correlation_is_that_of_the_table_of_correlations(found, family):
    table = read_table(found.folder / "clinic/correlation.tsv")
    wanted = (table["seed"] == "pgACC") & (table["target"] == "insulaR")
    row = table[wanted & (table["scale"] == "MADRS")].iloc[0]
    own = family.iloc[0]
    assert own[["estimate", "low", "high", "p", "n"]].tolist() == pytest.approx(
        row[["r", "ci_low", "ci_high", "p_permutation", "n"]].tolist()
    )


def test_the_score_is_that_of_the_table_of_changes(found, family):
    table = read_table(found.folder / "clinic/change.tsv")
    row = table[(table["scale"] == "MADRS") & (table["group"] == "TRD")].iloc[0]
    own = family.iloc[2]
    assert own[["estimate", "low", "high", "p", "n"]].tolist() == pytest.approx(
        row[[f"adjusted_{name}" for name in ("estimate", "low", "high", "p", "n")]].tolist()
    )


def test_the_planted_effect_is_supported_with_its_sign(found_page, family):
    row = family.iloc[1]
    assert row["verdict"] == "supported" and row["estimate"] < 0 and row["p_holm"] < 0.05
    told = card_of(found_page, 2)
    assert "supported" in told and "(stated: negative)" in told
    assert (
        "the connectivity of pgACC with insulaR was lower under ketamine than under placebo" in told
    )
    assert (
        f"Δz = {signed(row['estimate'])}, 95 % interval {interval(row['low'], row['high'])}" in told
    )
    assert f"corrected over 4 hypotheses {p_equals(row['p_holm'])}" in told


def test_no_sentence_of_a_hypothesis_that_is_not_significant_has_a_direction(null_page, null):
    table = read_table(null.folder / "hypotheses/hypotheses.tsv")
    row = table.iloc[3]
    assert row["verdict"] == "not significant"
    told = card_of(null_page, 4)
    assert "dACC–insulaR in TRD (ketamine − placebo): no significant effect (Δz = " in told
    assert "higher" not in told and "lower" not in told and fixed(row["value"]) in told


def test_names_of_the_config_are_the_titles(found_page):
    assert re.search(r"Mood \(stated: negative\)", card_of(found_page, 3))
    assert "Q 1" in card_of(found_page, 1)


def test_the_first_sentence_counts_what_is_supported(found_page, family):
    supported = int((family["verdict"] == "supported").sum())
    said = (
        "4 hypotheses were stated before the data were seen. They are one family: p are corrected "
        f"over all 4 (Holm), and for nothing else. {supported} {'is' if supported == 1 else 'are'} "
        "supported."
    )
    assert said in found_page.text
    assert "Exploratory answers" in found_page.text


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (
            {"n_specifications": 9, "n_same_sign": 9, "n_significant": 7, "verdict": "supported",
             "not_significant_in": "scrub; gsr, FD up to 0.2 mm"},
            "Robustness: the same sign in 9, significant in 7 of 9 ways to analyse; not in scrub; "
            "gsr, FD up to 0.2 mm.",
        ),
        (
            {"n_specifications": 3, "n_same_sign": None, "n_significant": 0,
             "verdict": "not significant", "not_significant_in": "primary; gsr; scrub"},
            "Robustness: significant in 0 of 3 ways to analyse.",
        ),
        ({"n_specifications": 1, "verdict": "supported"}, ""),
    ],
)  # fmt: skip
def test_how_far_it_holds(row, said):
    assert robust(row) == said


def test_clusters_are_told_with_the_pipelines_that_find_them(found, found_page):
    table = read_table(found.folder / "cluster_robustness.tsv")
    own = table[table["maximum_mean_fd_mm"].isna()]
    first = own[(own["analysis"] == "drug_TRD")]
    assert len(first)
    for (_, _, _), rows in first.groupby(["seed", "cluster", "sign"]):
        count = int(rows["found"].sum())
        assert f"Found in {count} of {len(rows)} pipelines" in found_page.text
    # In the primary pipeline every cluster finds itself.
    assert own.loc[own["pipeline"] == "primary", "found"].astype(bool).all()
    signed_rows = own[own["statistic"] == "t"]
    of_primary = signed_rows[signed_rows["pipeline"] == "primary"]
    assert of_primary["same_sign"].astype(bool).all()
    assert (pd.to_numeric(of_primary["p"]) < 0.05).all()
