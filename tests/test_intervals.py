"""Every interval has its coverage in docs/statistics.md, computed as the tables are."""

import re
from itertools import takewhile

import numpy as np
import pytest
from scipy import stats

from crossfc.clinic.student import one_sample
from crossfc.outputs import outputs
from crossfc.report.figure import mean_interval

REFERENCE = re.compile(r"\*([^*]+)\*|\]\((#[^)]+)\)")


@pytest.fixture
def benchmark(root, monkeypatch):
    monkeypatch.syspath_prepend(str(root / "benchmarks"))
    import interval_coverage

    return interval_coverage


@pytest.fixture
def exact(root, monkeypatch):
    monkeypatch.syspath_prepend(str(root / "benchmarks"))
    import exact_coverage

    return exact_coverage


@pytest.fixture(scope="module")
def page(root) -> str:
    return (root / "docs" / "statistics.md").read_text()


@pytest.fixture(scope="module")
def section(page) -> str:
    """What the page says of intervals."""
    return page.partition("\n## What every interval covers\n")[2].partition("\n## ")[0]


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def table_after(text: str, head: str) -> list[list[str]]:
    """The rows of the table whose head begins so, without the head."""
    lines = text[text.index(head) :].splitlines()[2:]
    return [cells(line) for line in takewhile(lambda line: line.startswith("|"), lines)]


def figures(section: str) -> dict[str, str]:
    """Name of every row of the figures, and what it has for the smallest study."""
    told = section.partition("<!-- figures -->")[2].partition("<!-- end of figures -->")[0]
    rows = [cells(line) for line in told.splitlines() if re.match(r"\| [^|-]", line)]
    return {row[0]: row[1] for row in rows if row[0]}


def intervals() -> set[tuple[str, str]]:
    """File and column of every lower end that has an upper one."""
    found = set()
    for output in outputs():
        names = {column.name for column in output.columns}
        lower = {name for name in names if re.search(r"(^|_)low$", name)}
        assert {re.sub("low$", "high", name) for name in lower} <= names
        found |= {(output.path, name) for name in lower}
    return found


def test_the_page_says_of_every_interval_where_its_coverage_stands(page, section):
    anchors = {
        "#" + re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-")
        for title in re.findall(r"^#+ (.+)$", page, flags=re.M)
    }
    known, told, file = figures(section), set(), ""
    for table, columns, _, coverage in table_after(section, "| table | lower ends |"):
        file = table.strip("`") or file
        told |= {(file, column) for column in re.findall(r"`([^`]+)`", columns)}
        references = [row or anchor for row, anchor in REFERENCE.findall(coverage)]
        assert references, (file, columns)
        for reference in references:
            assert reference in anchors or reference in known, reference
    assert told == intervals()


def test_the_figures_are_those_that_the_command_has(benchmark, exact, section):
    rows: set[str] = set()
    for part in benchmark.DRAWN.values():
        found = list(part.measure(np.random.default_rng(0), "ties", 12, 1))
        rows |= {one.row for one in found}
        for one in found:
            if isinstance(one, benchmark.Interval) and np.isfinite(one.low).all():
                assert np.all(one.low <= one.high)
    told = figures(section)
    # What is counted is the same every time.
    counted = figures("<!-- figures -->" + "\n".join(exact.counts((12,), (50,))))
    assert counted and counted == {row: told[row] for row in counted}
    assert set(told) == {*rows, *counted}


def test_standardised_effects_have_the_right_truth(benchmark):
    """Coverage where it is exact, and nearly so, of 2,000 data sets of the largest study."""
    low, high = stats.binom.ppf([0.001, 0.999], 2000, 0.95) / 2000
    for kind in ("normal", "ties"):
        found = list(benchmark.sizes_of_mean(np.random.default_rng(1), kind, 29, 2000, 0.8))
        found.append(benchmark.size_of_scores(np.random.default_rng(2), kind, 29, 2000, 0.8))
        for one in found:
            assert low <= np.mean((one.low <= one.truth) & (one.truth <= one.high)) <= high + 0.01


def test_a_figure_is_a_share_of_what_is_known_and_bold_where_it_is_bad(benchmark):
    count = benchmark.Count().more(np.array([True, False, False]), np.array([True, True, False]))
    assert count == (1, 2, 3) and count.cell(benchmark.COVERAGE) == ".500"
    assert count.cell(benchmark.ERROR) == ".333"
    assert benchmark.Count(900, 1000, 1000).cell(benchmark.COVERAGE) == "**.900**"
    assert benchmark.Count(950, 1000, 1000).cell(benchmark.COVERAGE) == ".950"
    assert benchmark.Count(90, 900, 1000).cell(benchmark.ERROR) == "**.090**"
    assert benchmark.Count(50, 900, 1000).cell(benchmark.ERROR) == ".050"
    assert benchmark.Count(0, 0, 5).cell(benchmark.COVERAGE) == "–"


def test_the_command_prints_tables(benchmark, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["interval_coverage.py", "--only", "guesses", "--sets", "2"])
    benchmark.main()
    printed = capsys.readouterr().out
    assert "Coverage of the 95 % interval, n = 12 / 16 / 24 / 29 (2 data sets each" in printed
    row = next(line for line in printed.splitlines() if "right less wrong" in line)
    shares = re.findall(r"[.\d]+", " ".join(cells(row)[1:]))
    assert len(shares) == 16 and set(map(float, shares)) <= {0.0, 0.5, 1.0}


def test_means_in_charts_have_the_interval_of_tables():
    values = np.random.default_rng(3).normal(2, 3, 11)
    test = one_sample(values)
    assert mean_interval(values) == pytest.approx((test.estimate, test.low, test.high))
