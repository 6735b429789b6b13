"""Parts of the page: flow of people, charts, what was planted, methods."""

import re

import pytest

from crossfc.report import clinic, figure, people, planted
from crossfc.report.citation import REFERENCES, Citations
from crossfc.report.methods import band, methods
from crossfc.report.page import TEMPLATES, environment_of
from tests.report.report_page import page_of


def test_flow_adds_up(found_results):
    patients, controls = people.flows(found_results)
    assert (patients.known, patients.paired, patients.one_session, patients.left_whole) == (
        9,
        7,
        1,
        1,
    )
    assert (controls.known, controls.paired) == (3, 3)
    assert sum(n for _, n in patients.by_sequence) == 7
    assert patients.by_sequence[0][0] == "ketamine then placebo"


def test_paired_chart_has_everybody_twice_and_a_mean():
    group = {"name": "G", "css": "g0", "people": [("a<b", 1.0, 2.0), ("c", 2.0, 4.0), ("d", 3, 3)]}
    drawn = figure.paired([group], ("p", "k"), "z", "alt")
    assert drawn.count("<circle") == 6
    assert drawn.count('class="pt mean') == 2
    assert "a&lt;b" in drawn
    assert "a<b" not in drawn


def test_words_in_charts_are_escaped():
    group = {"name": "<G>", "css": "g0", "people": [("a", 1.0, 2.0)]}
    drawn = figure.paired([group], ("p<", "k"), "<z>", '"alt"')
    strip = figure.p_strip([("<s>", 0.2)], 0.001, 0.05, "<alt>")
    for text in (drawn, strip):
        assert not re.search(r"<(G|z|s|alt)>|p<<", text)
    assert "&lt;G&gt;" in drawn
    assert "&lt;s&gt;" in strip


def test_mean_interval_is_students():
    mean, low, high = figure.mean_interval([1.0, 2.0, 3.0])
    # t(0.975, 2) = 4.302653, standard error 1 / sqrt(3)
    assert (mean, low, high) == pytest.approx((2.0, 2 - 2.484138, 2 + 2.484138), abs=1e-5)


def test_scatter_line_is_least_squares():
    points = [(0.0, 1.0, "a", "g0", "circle"), (1.0, 3.0, "b", "g0", "circle"),
              (2.0, 5.0, "c", "g0", "triangle")]  # fmt: skip
    drawn = figure.scatter(points, "x", "y", "alt")
    x1, y1, x2, y2 = map(
        float,
        re.search(
            r'x1="([\d.]+)" y1="([\d.]+)" x2="([\d.]+)" y2="([\d.]+)" class="fit"', drawn
        ).groups(),
    )
    circles = re.findall(r'cx="([\d.]+)" cy="([\d.]+)"', drawn)
    # The points lie on one line, so the first is its left end.
    assert (float(circles[0][0]), float(circles[0][1])) == pytest.approx((x1, y1), abs=0.2)
    assert x2 > x1
    assert y2 < y1


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (-0.37, 0.02), (3.0, 3.4), (1200.0, 5000.0)])
def test_ticks_are_inside_and_enough(low, high):
    found = figure.ticks(low, high)
    assert len(found) >= 3
    assert min(found) >= low - 1e-9
    assert max(found) <= high + 1e-9


def test_what_was_planted_is_found_or_missed(found_results, null_results):
    table = planted.table(found_results)
    verdicts = {(row[0], row[2].split(",")[0]): row[3] for row in table.rows}
    assert verdicts["pgACC–insulaR", "drug effect in TRD"] == "found"
    assert verdicts["dACC–SMG", "drug effect in TRD"] == "found"
    assert verdicts["dACC–insulaR", "no drug effect in TRD"] == "nothing found, as planted"
    # The same claims about data without an effect: none may be called found.
    missed = [
        row[3] for row in planted.table(null_results).rows if row[2].startswith("drug effect")
    ]
    assert missed == ["missed", "missed"]


def test_points_tell_the_order_by_shape(found_results):
    assert clinic.shape_of(found_results, "ketamine-placebo") == "circle"
    assert clinic.shape_of(found_results, "placebo-ketamine") == "triangle"
    assert clinic.shape_of(found_results, "n/a") == "square"


def test_methods_quote_the_configuration(found, found_results):
    environment = environment_of(TEMPLATES)
    made = methods(found_results, environment, found.arguments["strategies"], {"crossfc": "9.9"})
    text = " ".join(p for _, paragraphs in made.parts for p in paragraphs)
    for words in ("0.008–0.1 Hz", "6 mm full width", "up to 99 arrangements", "p < 0.001",
                  "999 permutations", "24 parameters (Friston et al. 1996)", "gsr (confound",
                  "crossfc 9.9", "7 people of TRD"):  # fmt: skip
        assert words in text
    listed = {reference.short for reference in made.references}
    assert "Friston et al. 1996" in listed
    assert "Esteban et al. 2019" in listed
    cited = set(re.findall(r"[A-ZÖ][a-zöA-Z]+(?: et al\.| & [A-Z][a-z]+)? (?:19|20)\d\d", text))
    assert cited == listed


def test_methods_follow_a_changed_configuration(found, tmp_path):
    config = found.arguments["config"]
    pipelines = {"only": {"strategy": "none", "high_pass_hz": 0, "low_pass_hz": None,
                          "censor_fd_mm": 0.4, "fwhm_mm": 0, "seed_set": "x"}}  # fmt: skip
    group = tmp_path / "group"
    group.mkdir()
    (group / "only").symlink_to(found.folder / "group" / "primary")
    page = page_of(
        found, tmp_path / "p.html", config=config | {"pipelines": pipelines}, group_dir=group
    )
    assert "framewise displacement exceeded 0.4 mm" in page.text
    assert "Maps were smoothed" not in page.text
    assert "analyses were repeated" not in page.text


@pytest.mark.parametrize(
    ("high", "low", "words"),
    [
        (0.01, 0.1, "outside 0.01–0.1 Hz"),
        (0.01, None, "below 0.01 Hz"),
        (0, 0.1, "above 0.1 Hz"),
        (0, None, ""),
    ],
)
def test_band(high, low, words):
    assert band({"high_pass_hz": high, "low_pass_hz": low}).endswith(words)
    assert bool(band({"high_pass_hz": high, "low_pass_hz": low})) == bool(words)


def test_citations_are_listed_once_by_author():
    cite = Citations()
    assert cite("winkler2014", "nichols2002") == "(Nichols & Holmes 2002; Winkler et al. 2014)"
    cite("nichols2002")
    assert [r.short for r in cite.listed()] == ["Nichols & Holmes 2002", "Winkler et al. 2014"]
    assert all(r.doi.startswith("10.") for r in REFERENCES.values())
