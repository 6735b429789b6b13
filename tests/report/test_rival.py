"""Rival explanations on the page: every sentence is that of its row."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from crossfc.report.blinding import index_sentence
from crossfc.report.rival import measured, rival_lines, rival_sentence
from tests.report.report_page import page_of

ROW = {
    "group": "TRD", "measure": "mean_fd", "n": 20, "effect": 0.2, "effect_low": 0.1,
    "effect_high": 0.3, "given": 0.15, "given_low": 0.04, "given_high": 0.26, "share_left": 0.75,
    "change": 0.05, "change_low": -0.02, "change_high": 0.12, "change_p": 0.2, "because": None,
    "left": None,
}  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {},
            "Given the change of mean FD, what is left is +0.150 [0.040, 0.260], 75 % of +0.200 "
            "(20 people). That the measure itself changed is not shown (+0.050 [−0.020, 0.120] "
            "mm).",
        ),
        (
            {"given_low": -0.04, "change_p": 0.01, "change_low": 0.02, "left": "sub-1 (no value)"},
            "Given the change of mean FD, what is left is +0.150 [−0.040, 0.260], 75 % of +0.200 "
            "(20 people); this interval contains zero, so an effect beside it is not shown. The "
            "measure itself changed (+0.050 [0.020, 0.120] mm): it may be a mediator as well as a "
            "rival. Not in it: sub-1 (no value).",
        ),
        (
            {"given": -0.1, "given_low": -0.2, "given_high": -0.01, "share_left": -0.5},
            "Given the change of mean FD, what is left is −0.100 [−0.200, −0.010], against +0.200 "
            "without it (20 people). That the measure itself changed is not shown (+0.050 [−0.020, "
            "0.120] mm).",
        ),
        (
            {"group": "group_by_drug", "effect_low": -0.1, "given_low": -0.1,
             "share_left": np.nan, "change_p": np.nan, "measure": "tsnr_sgACC"},
            "Given the change of tSNR of the seed sgACC, what is left is +0.150 [−0.100, 0.260] "
            "(20 people). Whether the measure itself changed differently in the groups cannot be "
            "tested.",
        ),
    ],
)  # fmt: skip
def test_a_sentence_is_that_of_its_row(changes, expected):
    assert rival_sentence(ROW | changes) == expected


def test_rivals_of_which_nothing_can_be_told_share_a_line():
    nothing = {"given": np.nan, "because": "the change is the same"}
    rows = [ROW, ROW | nothing, ROW | nothing | {"measure": "head_pitch"}]
    assert rival_lines(rows)[1:] == [
        "Given the change of mean FD or head pitch nothing can be told: the change is the same."
    ]


def test_the_page_tells_the_effects_of_hypotheses_and_the_table_all(found, tmp_path):
    page = page_of(found, tmp_path / "report.html")
    assert "pgACC – insulaR, TRD. ketamine − placebo: z −" in page.text
    assert "Given the change of SD of the global signal, what is left is" in page.text
    # In the specimen the drug lowers the global signal in everybody.
    assert "The measure itself changed (−0." in page.text
    assert "artefact" not in page.text.lower()
    assert "SD of the global signal" in page.text and "(Judd et al. 2001)" in page.text
    assert "of every hypothesised pair of seed and target, mean FD, mean DVARS" in page.text
    page = page_of(found, tmp_path / "other.html", hypotheses_dir=None)
    assert "of every pair of seed and target, mean FD, mean DVARS" in page.text
    assert "pgACC – insulaR, TRD. ketamine" not in page.text and "given the change of" in page.text


def test_the_page_tells_how_people_guessed_and_the_effect_by_guess(found, tmp_path):
    page = page_of(found, tmp_path / "report.html")
    # Of the people with a session under ketamine every fifth does not know, and one guess is wrong.
    assert "Under ketamine, " in page.text and "Under placebo, " in page.text
    assert "guessed another treatment and" in page.text and "Bang's index +0." in page.text
    assert "Changes by guess (ketamine − placebo); p not corrected" in page.text
    assert "pgACC – insulaR (z)" in page.text and "right − wrong" in page.text
    assert "blinding index of each treatment (Bang et al. 2004)" in page.text
    without = [path for path in found.arguments["made"] if path != found.folder]
    page = page_of(found, tmp_path / "none.html", made=without)
    assert "Bang's index" not in page.text


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (0.1, 0.9, "more guessed right than by chance"),
        (-0.9, -0.1, "fewer guessed right than by chance"),
        (-0.1, 0.4, "the interval contains chance"),
    ],
)
def test_a_verdict_on_guesses_is_that_of_the_interval(low, high, words):
    row = {
        "treatment": "ketamine", "occasion": "day2", "n": 20, "n_right": 12, "n_wrong": 5,
        "n_unknown": 3, "index": 0.35, "index_low": low, "index_high": high,
    }  # fmt: skip
    told = index_sentence(row)
    assert told.startswith(
        "Under ketamine at day2, 12 of 20 guessed it, 5 guessed another treatment and 3 did not "
        "know: Bang's index +0.35 ["
    )
    assert told.endswith(f"; {words}.")


@pytest.mark.parametrize("step", [1, -1])
def test_the_methods_name_each_kind_of_measure_once_in_one_order(step):
    names = ["tsnr_median", "mean_fd", "tsnr_sgACC", "tsnr_dACC", "target_coverage_vmPFC"]
    rows = pd.DataFrame({"measure": [*names, *names][::step]})
    assert measured(SimpleNamespace(rivals=rows)) == (
        "mean FD, median tSNR, tSNR of the seed and coverage of the target"
    )
    assert measured(SimpleNamespace(rivals=pd.DataFrame())) == ""
