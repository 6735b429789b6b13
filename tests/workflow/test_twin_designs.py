"""Twins of designs beyond two by two, from their sheets to the page: what was planted is found."""

import pandas
import pytest

from tests.report.report_page import Page
from tests.workflow.conftest import copy_product
from tests.workflow.test_demo import near
from tests.workflow.told import assert_told

pytestmark = pytest.mark.slow

SMG = ((-58, -36, 32), (58, -36, 32))
PCC, HIPPOCAMPUS = ((-8, -56, 26),), ((-26, -20, -16), (26, -20, -16))


@pytest.fixture(scope="module")
def results(tmp_path_factory, root):
    """Run an example of config/ once; return the folder of its results."""
    made = {}

    def run(name):
        if name not in made:
            study = copy_product(tmp_path_factory.mktemp(name) / "clone", root)
            done = study.snakemake(config=study.folder / f"config/twin_{name}.yaml")
            assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-5000:]
            made[name] = study.folder / f"results/twin{name}"
            assert_told(made[name])
        return made[name]

    return run


def table(folder, name):
    return pandas.read_csv(folder / name, sep="\t", keep_default_na=False)


def found(folder, analysis, seed, sign):
    """The clusters of a seed that survive correction."""
    rows = table(folder, f"group/primary/{analysis}/clusters.tsv")
    kept = (rows["p_fwe_cluster"].astype(float) < 0.05) & (rows["seed"] == seed)
    return rows[kept & (rows["sign"] == sign)]


def at_none(folder, analysis, seed, places):
    return not any(
        near(found(folder, analysis, seed, sign), place) for sign in "+-" for place in places
    )


def test_three_treatments_in_a_williams_design(results):
    folder = results("williams")
    for analysis in ("low_HV", "high_HV"):
        higher = found(folder, analysis, "dACC", "+")
        assert all(near(higher, place) for place in SMG)
        assert found(folder, analysis, "dACC", "-").empty
        # Planted over the periods, in whatever treatment; and nowhere.
        assert at_none(folder, analysis, "pgACC", PCC)
        assert at_none(folder, analysis, "sgACC", HIPPOCAMPUS)
    left = table(folder, "trial/left.tsv")
    assert set(left["analysis"]) == {"low", "high"} and left["reason"].str.startswith("no ").all()
    page = Page(folder / "report.html")
    assert "in a Williams design" in page.text and "patients" not in page.text
    assert "low − placebo in HV, Δz = +0.45" in page.text
    assert "high − placebo in HV, Δz = +0.90" in page.text
    assert "no high − placebo in HV" in page.text


def test_parallel_arms_before_and_after(results):
    folder = results("arms")
    between = found(folder, "group_by_time", "dACC", "+")
    assert all(near(between, place) for place in SMG)
    assert at_none(folder, "group_by_time", "pgACC", PCC)  # the same in both arms
    assert at_none(folder, "group_by_time", "sgACC", HIPPOCAMPUS)
    for arm in ("drug", "placebo"):
        assert near(found(folder, f"time_{arm}", "pgACC", "+"), *PCC)
    assert all(near(found(folder, "time_drug", "dACC", "+"), place) for place in SMG)
    assert at_none(folder, "time_placebo", "dACC", SMG)
    planted = table(folder, "planted_changes.tsv")
    planted = planted.set_index(["seed", "target", "group"]).sort_index()
    assert planted.loc["dACC", "SMG"]["change"].to_dict() == {"drug": 0.8, "placebo": 0.0}
    page = Page(folder / "report.html")
    assert "change from before to after in drug, Δz = +0.80" in page.text
    assert "change from before to after, drug against placebo, difference of Δz = +0.80" in (
        page.text
    )


def test_a_baseline_in_every_period(results):
    folder = results("baselines")
    higher = found(folder, "drug_MDD", "dACC", "+")
    assert all(near(higher, place) for place in SMG)
    assert at_none(folder, "drug_MDD", "pgACC", PCC)
    assert at_none(folder, "drug_MDD", "sgACC", HIPPOCAMPUS)
    assert "ketamine day2 − placebo day2 in MDD, Δz = +0.80" in Page(folder / "report.html").text
