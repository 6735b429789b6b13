"""Display names: sentences say them, and nothing that is looked up changes."""

import pytest

from crossfc.report.display_name import ambiguous, displayed
from tests.report.report_page import page_of

NAMES = {"TRD": "treatment-resistant depression", "insulaR": "right insula", "ketamine": "a & b"}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("<p>In TRD, insulaR.</p>", "<p>In treatment-resistant depression, right insula.</p>"),
        ("<h3>TRD against HV</h3>", "<h3>Treatment-resistant depression against HV</h3>"),
        ("<p>under ketamine. Ketamine in</p>", "<p>under a &amp; b. A &amp; b in</p>"),
        # A code that begins a word, or a part of a path, a file or a label, is none.
        ("<p>drug_TRD TRDs sub-TRD TRD/x x/TRD TRD.tsv</p>",) * 2,
        ("<td>x</td><table><td>TRD</td></table>TRD",
         "<td>x</td><table><td>TRD</td></table>treatment-resistant depression"),
        ('<svg aria-label="TRD"><text>TRD</text></svg>',) * 2,
        ("<code>TRD</code><pre>TRD</pre><style>TRD</style>",) * 2,
        ('<a href="#a-TRD">pgACC–insulaR</a>', '<a href="#a-TRD">pgACC–right insula</a>'),
    ],
)  # fmt: skip
def test_sentences_say_names_and_tables_keep_codes(before, after):
    assert displayed(before, NAMES) == after


def test_the_longest_code_goes_first():
    names = {"MADRS": "depression", "MADRS_Total": "depression score"}
    assert displayed("<p>a MADRS_Total, a MADRS</p>", names) == (
        "<p>a depression score, a depression</p>"
    )


def test_words_of_the_page_are_no_codes(root):
    codes = ["TRD", "ketamine", "placebo", "low", "drug", "sgACC", "insulaR", "n"]
    assert ambiguous(codes, root / "workflow/report") == ["low", "drug", "n"]


def test_a_page_with_names(found, tmp_path):
    config = found.arguments["config"]
    labels = {"TRD": "treatment-resistant depression", "pgACC": "perigenual ACC"}
    changed = config | {"report": config["report"] | {"labels": labels}}
    few = {"analyses": ["drug_TRD"]}
    page = page_of(found, tmp_path / "named.html", config=changed, **few)
    plain = page_of(found, tmp_path / "plain.html", **few)
    assert "In treatment-resistant depression, the connectivity of perigenual ACC was" in page.text
    assert "TRD: treatment-resistant depression" not in plain.text
    # The same links and tables as without.
    for tag in ("a", "table", "svg"):
        assert len(page.all(tag)) == len(plain.all(tag))
    links = [{a["href"] for a in one.all("a")} for one in (page, plain)]
    assert links[0] == links[1]
