"""A blinded page hides every direction; an unblinded one has names in place of codes."""

import re
from dataclasses import replace

import pandas as pd
import pytest

from crossfc.hypotheses.family import OPPOSITE, SUPPORTED
from crossfc.report.blinded import context
from crossfc.report.methods import methods
from crossfc.report.page import TEMPLATES, environment_of
from crossfc.report.unblinding import Words
from tests.report.report_page import Page, page_of
from tests.report.report_specimen import HYPOTHESES

BLIND = {"codes": ["placebo", "ketamine"], "names": None, "file": "unblinding.tsv"}
WORDS = [{"name": own.get("name", ""), "citation": ""} for own in HYPOTHESES]
# Of the same lengths and in the same order, so that charts and tables are laid out alike.
NAMES = {"ketamine": "lormetaz", "placebo": "quinine"}


def turned(frame: pd.DataFrame, signed: str) -> pd.DataFrame:
    """Return a table with the other direction: signed columns negated, limits swapped."""
    found = frame.copy()
    for column in frame.columns:
        if re.fullmatch(signed, str(column)) and frame[column].dtype.kind == "f":
            swapped = column
            for one, other in (("low", "high"), ("high", "low")):
                if re.search(rf"(^|_){one}$", column):
                    swapped = re.sub(f"{one}$", other, column)
            found[column] = -frame[swapped]
    return found


@pytest.fixture(scope="module")
def reversed_results(found_results):
    """The same study, had every contrast been computed the other way round."""
    stated = turned(found_results.hypotheses, "estimate|low|high|value")
    verdicts = {SUPPORTED: OPPOSITE, OPPOSITE: SUPPORTED}
    stated["verdict"] = [
        verdicts.get(v, v) if d in ("positive", "negative") else v
        for v, d in zip(stated["verdict"], stated["direction"], strict=True)
    ]
    numbers = r"adjusted_(estimate|low|high|t)|mean(_low|_high)?|unadjusted_t|g_av(_low|_high)?"
    analyses = [
        replace(
            own,
            clusters=turned(own.clusters, "peak_stat|hedges_g.*|effect.*")
            .assign(
                sign=own.clusters["sign"].map({"+": "-", "-": "+"}),
            )
            # Positive clusters are listed before negative ones.
            .sort_values("sign", kind="stable"),
        )
        for own in found_results.analyses
    ]
    return replace(
        found_results,
        hypotheses=stated,
        change=turned(found_results.change, numbers),
        between=turned(found_results.between, numbers),
        correlation=turned(found_results.correlation, "r|ci_low|ci_high"),
        analyses=analyses,
    )


def test_the_page_is_the_same_had_every_contrast_been_the_other_way_round(
    found_results, reversed_results
):
    assert (
        reversed_results.change["adjusted_estimate"].iloc[0]
        * found_results.change["adjusted_estimate"].iloc[0]
        < 0
    )
    one, other = (context(own, BLIND, WORDS) for own in (found_results, reversed_results))
    assert len(one["tables"]) > 8 and one == other
    environment = environment_of(TEMPLATES)
    texts = [methods(own, environment, {}, {}).parts for own in (found_results, reversed_results)]
    assert texts[0] == texts[1]


@pytest.fixture(scope="module")
def blinded_page(found, tmp_path_factory) -> Page:
    return page_of(found, tmp_path_factory.mktemp("blinded") / "page.html", blinding=BLIND)


def test_no_direction_is_on_a_blinded_page(blinded_page, found_page):
    # The whole page has all of these.
    told = (r"\b(higher|lower|more positive|more negative)\b (under|in)", r"<svg", "supported",
            r"data:image/", r"Δz = [−+]", r"\[−?\d")  # fmt: skip
    body = blinded_page.raw.split('id="methods"')[0]
    listed = body.replace("whether a hypothesis is supported", "")
    for words in told:
        assert re.search(words, found_page.raw), words
        assert not re.search(words, listed), words
    # Nothing negative but places.
    cells = re.findall(r'<td class="num">(−[^<]*)</td>', body)
    assert all(re.fullmatch(r"−\d+", cell) for cell in cells)
    assert "This run is blinded: treatments are the codes placebo and ketamine" in body
    whoever = 'opens this page and <a href="quality.html">that of quality</a> only'
    assert whoever in body


def test_sizes_and_p_are_those_of_the_results(blinded_page, found_results):
    row = found_results.hypotheses.to_dict("records")[1]
    size = f"{abs(row['estimate']):.3f}"
    assert row["estimate"] < 0 and size in blinded_page.text and f"−{size}" not in blinded_page.text


def test_names_take_the_place_of_codes_and_nothing_else_changes(found, found_page, tmp_path):
    """Held against the page of the codes, its text replaced: no other word is like these codes."""
    page = page_of(found, tmp_path / "page.html", blinding=BLIND | {"names": NAMES})
    sentence = (
        "Unblinded by unblinding.tsv: ketamine is lormetaz; placebo is quinine. Every number is "
        "as it was computed under codes, and so is the direction of what is compared: "
        "lormetaz − quinine."
    )
    assert sentence in page.text
    wanted = found_page.raw
    for code, name in NAMES.items():
        wanted = wanted.replace(code, name).replace(code.capitalize(), name.capitalize())

    def lines(raw: str) -> list[str]:
        # The configuration is told as it was run.
        whole = re.sub(r"<pre>.*?</pre>", "", raw, flags=re.DOTALL)
        return re.sub("<p>Unblinded by[^<]*</p>", "", whole).splitlines()

    assert lines(page.raw) == lines(wanted)
    assert "ketamine" in re.search(r"<pre>.*?</pre>", page.raw, re.DOTALL)[0]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("A", "drug"),
        ("A-B", "drug-placebo"),
        ("B-A-B", "placebo-drug-placebo"),
        ("mean of A day2 and A day10", "mean of drug day2 and drug day10"),
        ("TEPS_A", "TEPS_A"),
        ("A2", "A2"),
    ],
)
def test_labels_of_letters(text, wanted):
    assert Words({"A": "drug", "B": "placebo"}, arms=False).label(text) == wanted


def test_a_letter_that_is_no_code_stays():
    words = Words({"A": "drug", "B": "placebo"}, arms=False)
    text = "who had A first and who had B first? (A diagnostic; no analysis switches on it.)"
    told = words.label(text, article=True)
    assert told == text.replace("had A", "had drug").replace("had B", "had placebo")
    assert words.label("A in TRD", article=True) == "Drug in TRD"
    assert words.reason("A headache under B; ses-A (A) is excluded") == (
        "A headache under placebo; ses-A (drug) is excluded"
    )
    names = (
        "mean_TRD_A",
        "carryover_B_p",
        "carryover_low",
        "A_first",
        "TEPS_A",
        "loo_mean_TRD_A_day2",
    )
    assert [words.column(name) for name in names] == [
        *("mean_TRD_drug", "carryover_placebo_p", "carryover_low", "A_first", "TEPS_A"),
        "loo_mean_TRD_drug_day2",
    ]
    arms = Words({"A": "drug", "B": "placebo"}, arms=True)
    assert arms.column("mean_A_B") == "mean_drug_placebo"
    spaced = Words({"A": "control drug", "B": "verum"}, arms=False)
    assert spaced.column("mean_TRD_A") == "mean_TRD_control_drug"
    assert arms.analysis_name("group_by_time_A_B") == "group_by_time_drug_placebo"
