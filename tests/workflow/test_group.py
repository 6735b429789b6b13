"""The group's rules: what reruns them, families of analyses, and choices that are refused."""

import json

import pandas
import pytest

from tests.report.report_page import Page


def rules_of(jobs) -> set[str]:
    return {job.split()[0] for job in jobs}


def test_more_threads_and_memory_rerun_nothing(study):
    study.set_config(group__threads=2, group__memory_gb=0.5)
    assert not study.would_run()


@pytest.mark.parametrize(
    ("key", "value", "tests"),
    [
        ("tfce", False, 6),
        ("tail", False, 6),
        ("connectivity", 6, 6),
        # Of two pipelines, the one analysis of the three that it says something about.
        ("drug_arrangement", "re-randomisation", 2),
    ],
)
def test_another_inference_reruns_the_group_tests(study, key, value, tests):
    study.set_config(**{f"group__{key}": value})
    jobs = study.would_run()
    assert sum(n for job, n in jobs.items() if job.startswith("group_test")) == tests
    rules = {"group_test", "robustness", "hypotheses", "report", "provenance", "all"}
    # A fitted tail gives p that are far below what decides whether an effect is found.
    assert rules_of(jobs) == rules | ({"sensitivity"} if key != "tail" else set())


def test_the_page_has_all_that_was_made(finished):
    page = Page(finished.folder / "results/small/report.html")
    assert "5 TRD and 4 HV with both sessions" in page.text
    for name in ("drug_TRD", "group_by_drug", "change_MADRS"):
        assert page.all("article", id=f"analysis-{name}")
    for part in ("Clinical change", "Correlations of change", "Motion and signal", "Sessions",
                 "Carpet plots of the 4 sessions", "Mixed model", "Other pipelines",
                 "Who was analysed", "People with one session"):  # fmt: skip
        assert part in page.text, part
    assert "Left in the results" not in page.text


def test_a_family_is_corrected_and_shown(study):
    family = ["group_by_drug", "group_by_drug_pooled"]
    study.set_config(group__analyses=family, group__families=[family])
    assert "group_family" in rules_of(study.would_run())
    done = study.snakemake()
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
    results = study.folder / "results/small"
    for pipeline in ("primary", "gsr"):
        table = pandas.read_csv(results / f"group/{pipeline}/family.tsv", sep="\t")
        assert set(table["analysis"]) <= set(family) and len(table)
        assert (table["p_joint"] >= table["p_within"]).all()
        digests = {
            json.loads((results / f"group/{pipeline}/{name}/result.json").read_text())[
                "arrangement_digest"
            ]
            for name in family
        }
        assert len(digests) == 1
    page = (results / "report.html").read_text()
    assert "Clusters corrected over families of analyses" in page
    # What the first run made and this plan does not is named, and not told.
    left = page.partition("Left in the results by an earlier")[2].partition("</details>")[0]
    assert "group/primary/drug_TRD" in left and "group_by_drug_pooled" not in left
    assert 'id="analysis-drug_TRD"' not in page
    study.set_config(group__families=[])
    done = study.snakemake(str((results / "report.html").relative_to(study.folder)))
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
    page = (results / "report.html").read_text()
    assert (results / "group/primary/family.tsv").exists()
    assert "Clusters corrected over families of analyses" not in page
    assert "group/primary/family.tsv" in page.partition("Left in the results by")[2]
    # Nothing is left of what is written beside a folder before it takes its place.
    assert not list((results / "group").rglob(".part*")) + list((results / "group").rglob(".old*"))


def test_choices_that_do_not_go_together_are_refused(study):
    study.set_config(group__families=[["drug_TRD", "group_by_drg"]])
    done = study.snakemake("-n")
    text = done.stdout + done.stderr
    assert done.returncode != 0 and "Traceback" not in text
    assert "group.families, number 1: group_by_drg is none of the analyses that are run" in text
    assert "did you mean" in text
    study.set_config(group__families=[], group__block_exchange="whole")
    done = study.snakemake("-n")
    text = done.stdout + done.stderr
    assert done.returncode != 0 and "Traceback" not in text
    assert "config key group.block_exchange: whole blocks are to be exchanged" in text


@pytest.mark.slow
def test_sessions_leave_a_sensitivity_pipeline_and_the_study_goes_on(study):
    """Censoring that leaves too little of one person, or of everybody, is no fault of the study."""
    results = study.folder / "results/small"
    pairs = results / "group/primary/pairs/delta.npy"
    before = pairs.read_bytes()
    sessions = pandas.read_csv(results / "quality/sessions.tsv", sep="\t")
    people = pandas.read_csv(pairs.with_name("people.tsv"), sep="\t")["participant_id"]
    restless = sessions[sessions["participant_id"].isin(people)]["median_fd"].max()
    study.set_config(
        group__analyses=["drug_TRD"],
        pipelines__few=study.config["pipelines"]["primary"]
        | {"censor_fd_mm": float(restless) * 0.999},
        pipelines__nobody={"censor_fd_mm": 0.001},
    )
    done = study.snakemake()
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
    assert pairs.read_bytes() == before
    excluded = pandas.read_csv(results / "quality/excluded.tsv", sep="\t")
    left = {
        name: excluded["pipelines"]
        .str.split(", ")
        .map(lambda names, name=name: name in names)
        .sum()
        for name in ("primary", "few", "nobody")
    }
    assert left["primary"] == 0 and 0 < left["few"] < len(sessions)
    assert left["nobody"] == len(sessions)
    assert excluded["exclusion_reasons"].str.contains("censored|degrees of freedom").all()
    n = {
        name: json.loads((results / f"group/{name}/pairs/pairs.json").read_text())["n_people"]
        for name in ("primary", "few", "nobody")
    }
    assert n["primary"] == 9 and 0 < n["few"] < 9 and n["nobody"] == 0
    gone = pandas.read_csv(results / "group/few/pairs/left.tsv", sep="\t")
    assert set(people) - set(gone["participant_id"]) and gone["reason"].notna().all()
    told = pandas.read_csv(results / "robustness.tsv", sep="\t")
    assert "nobody" not in set(told["pipeline"])
    assert "drug_TRD cannot be estimated in nobody" in (results / "logs/robustness.log").read_text()
    page = (results / "report.html").read_text()
    assert "Sessions that left a pipeline by quality" in page
    # Where everybody leaves the primary pipeline, the clinical arm still has its page.
    study.set_config(pipelines__primary={"censor_fd_mm": 0.001})
    done = study.snakemake()
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
    page = Page(results / "report.html")
    assert (
        "could not be estimated: pipeline primary: all 9 people leave by the quality" in page.text
    )
    change = pandas.read_csv(results / "clinic/change.tsv", sep="\t")
    tested = change[(change["scale"] == "MADRS") & (change["group"] == "TRD")]
    p = float(tested["p_holm"].iloc[0])
    assert f"MADRS: no significant change in TRD (corrected p = {p:.2f})" in page.text
