"""What the page says of the analysis plan."""

from tests.report.report_page import page_of

RECORD = {
    "digest": "a1" * 32,
    "run_digest": "b2" * 32,
    "as_planned": False,
    "deviations": [
        "config key group.permutations: 5000 → 999.",
        "Hypothesis added after the plan: x.",
    ],
    "notes": ["People in TRD: 20 when the plan was written, 11 now."],
    "crossfc": "0.0.9",
}


def test_deviations_are_told_at_the_top_and_listed(null, tmp_path):
    page = page_of(null, tmp_path / "page.html", preregistration=RECORD)
    sentence = "The run deviates from its analysis plan (digest a1a1a1a1a1a1…) in 2 points."
    assert page.text.index(sentence) < page.text.index("Corrected p: family-wise")
    assert all(line in page.text for line in RECORD["deviations"] + RECORD["notes"])
    assert "a1" * 32 in page.text and "b2" * 32 in page.text
    assert page.all("a", href="#plan") and page.all("h3", id="plan")


def test_a_run_that_is_its_plan_says_so(null, null_page, tmp_path):
    same = RECORD | {"as_planned": True, "deviations": [], "run_digest": RECORD["digest"]}
    page = page_of(null, tmp_path / "page.html", preregistration=same)
    assert "Analysed as planned: the run is its analysis plan (digest a1a1a1a1a1a1…)." in page.text
    assert "deviates" not in page.text and "of this run:" not in page.text
    # Without a plan nothing is said of one.
    assert "analysis plan" not in null_page.text and not null_page.all("h3", id="plan")
