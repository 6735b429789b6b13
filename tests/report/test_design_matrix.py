"""The design matrix as a picture: a shade for every value, and which column is under test."""

import re

import pandas as pd
import pytest

from crossfc.report.design_matrix import design_picture

DESIGN = pd.DataFrame(
    {
        "participant_id": ["a", "b", "c", "d"],
        "exchangeability_block": [1, 1, 2, 2],
        "delta_MADRS": [-2.0, 0.0, 1.0, 2.0],
        "intercept": 1.0,
        "sequence": [1.0, -1.0, 1.0, -1.0],
    }
)


def test_shades_are_the_values():
    drawn = design_picture(DESIGN, ["delta_MADRS"], "change with MADRS")
    heights = [
        (float(x), float(height) / 5, float(shade))
        for x, height, shade in re.findall(
            r'<rect x="([\d.]+)"[^>]* height="([\d.]+)" fill="currentColor"'
            r' fill-opacity="([\d.]+)"',
            drawn,
        )
    ]
    columns = [[own[1:] for own in heights if own[0] == x] for x in (8, 86, 164)]
    # Sorted by the sequence (1 first), then by the score; light is the smallest of a column.
    shades = {-2: 0.08, 0: 0.44, 1: 0.62, 2: 0.8}
    assert columns[0] == [(1, pytest.approx(shades[score])) for score in (1, -2, 2, 0)]
    assert columns[1] == [(4, pytest.approx(0.8))]
    assert columns[2] == [(2, pytest.approx(0.8)), (2, pytest.approx(0.08))]
    assert "delta_MADRS: -2 to 2" in drawn.replace("−", "-") and "intercept: 1<" in drawn
    assert 'aria-label="Design matrix of change with MADRS: 4 people in rows; columns ' in drawn
    assert "delta_MADRS (under test), intercept, sequence" in drawn
    assert drawn.count(">under test<") == 1


def test_nobody_is_no_picture():
    assert design_picture(DESIGN[:0], ["intercept"], "x") == ""


def test_the_page_has_the_matrix_of_every_analysis_that_was_estimated(found_results, found_page):
    for analysis in found_results.analyses:
        n = len(pd.read_csv(analysis.folder / "design.tsv", sep="\t"))
        assert n == sum(analysis.record["n"].values())
        assert f"Design matrix of {analysis.title}: {n} people in rows" in found_page.raw
