"""Three groups, and three parallel arms, from sheets and ready maps to the page."""

import json

import numpy as np
import pandas
import pytest

from tests.report.report_page import Page
from tests.workflow.conftest import copy_product
from tests.workflow.test_designs import effect_at_place, session, write_study
from tests.workflow.told import assert_told


def test_three_groups(tmp_path, root):
    study = copy_product(tmp_path / "study", root)
    people, sessions = [], []
    for i in range(24):
        person, group = f"sub-{i:02d}", ("TRD", "BP", "HV")[i % 3]
        order = ("ketamine", "placebo")[:: 1 - 2 * (i // 3 % 2)]
        people.append((person, group, "-".join(order)))
        sessions += [session(person, f"ses-{k}", label, k) | {"group": group}
                     for k, label in enumerate(order, 1)]  # fmt: skip
    groups = {s["session_id"] + s["participant_id"]: s.pop("group") for s in sessions}
    results = write_study(
        study, people, sessions,
        lambda s: 0.3 * (s["treatment"] == "ketamine")
        * (groups[s["session_id"] + s["participant_id"]] == "TRD"),
        groups=["TRD", "BP", "HV"], treatments={"active": "ketamine", "control": "placebo"},
    )  # fmt: skip
    done = study.snakemake()
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
    assert_told(results)
    maps = results / "group/maps"
    record = json.loads((maps / "group_by_drug/result.json").read_text())
    assert record["statistic_name"] == "Welch's F"
    assert record["n"] == {"TRD": 8, "BP": 8, "HV": 8}
    # A third of the people change by 0.3, the others do not: the groups' spread is 0.3 √2/3.
    assert effect_at_place(maps / "group_by_drug") == pytest.approx(0.1414, abs=0.02)
    assert effect_at_place(maps / "group_by_drug_TRD_HV") == pytest.approx(0.3, abs=0.02)
    assert effect_at_place(maps / "group_by_drug_BP_HV") == pytest.approx(0, abs=0.02)
    table = pandas.read_csv(maps / "pairs_of_groups.tsv", sep="\t")
    found = table[(table["measure"] == "extent") & (table["p_over_pairs"] < 0.05)]
    assert set(found["analysis"]) == {"group_by_drug_TRD_BP", "group_by_drug_TRD_HV"}
    scores = pandas.read_csv(results / "clinic/between_groups.tsv", sep="\t")
    assert scores["group"].tolist() == ["TRD-BP-HV", "TRD-BP", "TRD-HV", "BP-HV"]
    assert (scores["adjusted_p"][:3] < 0.001).all() and scores["adjusted_p_holm"][3] > 0.05
    page = Page(results / "report.html")
    assert "For sgACC, the change under ketamine (minus placebo) differed among TRD, BP and HV" in (
        page.text
    )
    assert "was more positive in TRD than in HV" in page.text
    assert "over the 3 pairs of groups p" in page.text
    assert "but pairs of groups are, over all pairs." in page.text
    assert "Clusters of pairs of groups, corrected over the pairs" in page.text
    assert "The 3 groups were compared in their differences with Welch's F over all" in page.text
    assert "corrected p of pairs were besides multiplied by their number (3)" in page.text
    assert "mixed model" not in page.text and "patients" not in page.text
    for kind in ("group_by_drug", "group_by_drug_TRD_BP", "group_by_drug_BP_HV"):
        assert f'id="analysis-{kind}"' in (results / "report.html").read_text()


@pytest.mark.slow
def test_three_parallel_arms(tmp_path, root):
    study = copy_product(tmp_path / "study", root)
    planted = {"placebo": 0.0, "low": 0.0, "high": 0.3}
    people = [(f"sub-{i:02d}", "MDD", "n/a") for i in range(21)]
    sessions = [
        session(person, f"ses-{when}", list(planted)[i % 3], "n/a", occasion=when)
        for i, (person, _, _) in enumerate(people)
        for when in ("before", "after")
    ]
    results = write_study(
        study, people, sessions,
        lambda s: (0.1 + planted[s["treatment"]]) * (s["occasion"] == "after"),
        groups=["MDD"], treatments=list(planted), occasions=["before", "after"],
    )  # fmt: skip
    done = study.snakemake()
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
    assert_told(results)
    maps = results / "group/maps"
    record = json.loads((maps / "group_by_time/result.json").read_text())
    assert record["arrangement"] == "shuffles" and record["model"] == "D ~ 1 + group"
    assert record["n"] == {"low": 7, "high": 7, "placebo": 7}
    record = json.loads((maps / "group_by_time_high_placebo/result.json").read_text())
    assert record["arrangement"] == "shuffles" and record["n"] == {"high": 7, "placebo": 7}
    assert effect_at_place(maps / "group_by_time_high_placebo") == pytest.approx(0.3, abs=0.02)
    assert effect_at_place(maps / "group_by_time_low_placebo") == pytest.approx(0, abs=0.02)
    assert effect_at_place(maps / "time_low") == pytest.approx(0.1, abs=0.02)
    change = pandas.read_csv(results / "clinic/between_groups.tsv", sep="\t")
    whole = change.iloc[0]
    assert whole["group"] == "low-high-placebo" and whole["unadjusted_p"] < 0.001
    assert np.isnan(whole["adjusted_p"])
    page = Page(results / "report.html")
    assert "a comparison of the parallel arms low, high and placebo" in page.text
    assert "among low, high and placebo" in page.text and "was more positive in high than in" in (
        page.text
    )
    assert "order of treatments" not in page.text.split("Inference was by permutation")[0]
