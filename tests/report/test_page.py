"""The page: self-contained, complete, escaped, and whole where parts of the study are missing."""

import json
import re
import shutil

import pandas as pd
import pytest

from crossfc.fault import Fault
from crossfc.group.findings.joint import joint_table
from crossfc.report.number import probability
from crossfc.report.page import write_report
from tests.report.report_page import page_of
from tests.report.report_specimen import CONTROLS, PATIENTS, PIPELINES, make

# A page of one analysis, where a test asks of no other.
FEW = {"analyses": ["drug_TRD"]}


def test_nothing_comes_from_elsewhere(found, found_page):
    for tag, attributes in found_page.tags:
        assert tag not in ("link", "iframe", "object", "embed")
        for key in ("src", "href", "xlink:href", "srcset", "poster", "data"):
            value = attributes.get(key)
            if value is None:
                continue
            doi = tag == "a" and value.startswith("https://doi.org/10.")
            # Files of the study, beside the page.
            file = tag == "a" and ":" not in value and (found.folder / value).exists()
            assert (
                doi
                or file
                or value.startswith(("#", "quality.html"))
                or re.match(r"data:image/(png|webp|svg\+xml);base64,", value)
            ), f"{tag} {key} {value[:60]}"
    assert "@import" not in found_page.raw
    assert not re.search(r"url\(\s*['\"]?http", found_page.raw)
    assert not any("src" in attributes for attributes in found_page.all("script"))


def test_links_within_lead_somewhere_and_ids_are_unique(found_page):
    ids = [a["id"] for _, a in found_page.tags if a.get("id")]
    assert len(ids) == len(set(ids))
    inside = [a["href"][1:] for a in found_page.all("a", href="#") if a["href"].startswith("#")]
    assert inside
    assert set(inside) <= set(ids)


def test_tags_are_balanced(found_page, null_page):
    assert found_page.open == []
    assert null_page.open == []


def test_accessible(found_page):
    assert found_page.all("html", lang="en")
    assert all(a.get("alt") for a in found_page.all("img"))
    assert all(a.get("aria-label") for a in found_page.all("svg"))
    assert all(a.get("scope") in ("col", "row") for a in found_page.all("th"))
    assert len(found_page.all("caption")) == len(found_page.all("table"))


def test_every_analysis_and_map_is_there(found, found_page):
    for name in found.arguments["analyses"]:
        assert found_page.all("article", id=f"analysis-{name}")
        folder = found.folder / "group" / "primary" / name
        maps = list(folder.glob("*stat-[tF]_statmap.nii.gz"))
        part = _part(found_page.raw, f'id="analysis-{name}"', "</article>")
        assert len(maps) > 0
        # Cuts and slices of the statistic, and slices of the effect size.
        assert part.count('class="brain"') == 3 * len(maps)


def test_every_cluster_and_peak_has_its_row(found, found_page):
    for name in found.arguments["analyses"]:
        folder = found.folder / "group/primary" / name
        clusters = pd.read_csv(folder / "clusters.tsv", sep="\t")
        peaks = pd.read_csv(folder / "peaks.tsv", sep="\t")
        several = peaks.groupby(["seed", "sign", "cluster"])["peak"].transform("max") > 1
        part = _part(found_page.raw, f'id="analysis-{name}"', "</article>")
        significant = int((clusters["p_fwe_cluster"] < 0.05).sum())
        # Where they are: those that survived, and all. What they and the first of each seed hold.
        assert len(re.findall(r'<tr class="mark">', part)) == 3 * significant
        first = clusters.sort_values(["p_fwe_cluster", "size_mm3"], ascending=[True, False])
        told = (first["p_fwe_cluster"] < 0.05) | (first.groupby("seed").cumcount() == 0)
        rows = part.count("<tr>") + part.count('<tr class="mark">')
        tables = (significant > 0) + 2 * (len(clusters) > 0) + several.any()
        assert rows == len(clusters) + significant + told.sum() + several.sum() + tables


def test_what_was_extrapolated_is_marked(found, found_page, null_page, tmp_path):
    folder = found.folder / "group/primary/drug_TRD"
    clusters = pd.read_csv(folder / "clusters.tsv", sep="\t")
    marked = clusters["extrapolated"].fillna("").str.count("p_fwe")
    assert marked.any() and not marked.all()
    part = _part(found_page.raw, 'id="analysis-drug_TRD"', "</article>")
    table = _part(part, "<caption>All clusters", "</table>")
    assert table.count("†") == marked.sum()
    row = clusters[marked > 0].iloc[0]
    column = row["extrapolated"].split(", ")[0]
    assert f"{probability(row[column])}†<" in table
    assert "† Reached by so few permutations that it was not counted" in part
    assert "† marks p that so few permutations reach" in found_page.text
    group = tmp_path / "group"
    shutil.copytree(found.folder / "group", group)
    for path in (group / "primary").glob("*/result.json"):
        record = json.loads(path.read_text()) | {"tail": {}}
        for part in record["per_seed"].values():
            part["extrapolated"] = []
        path.write_text(json.dumps(record))
        table = pd.read_csv(path.parent / "clusters.tsv", sep="\t").assign(extrapolated="")
        table.to_csv(path.parent / "clusters.tsv", sep="\t", index=False, na_rep="n/a")
    assert "†" not in page_of(found, tmp_path / "counted.html", group_dir=group, **FEW).text


def test_values_are_told_twice(found, found_page):
    folder = found.folder / "group/primary/drug_TRD"
    row = pd.read_csv(folder / "clusters.tsv", sep="\t").sort_values("p_fwe_cluster").iloc[0]
    part = _part(found_page.raw, 'id="analysis-drug_TRD"', "</article>")
    table = _part(part, "<caption>What the clusters hold", "</table>").replace("−", "-")
    for first, second in (
        ("effect_in_sample", "effect_loo"),
        ("mean_TRD_ketamine", "loo_mean_TRD_ketamine"),
        ("mean_TRD_placebo", "loo_mean_TRD_placebo"),
        # Means are told of everybody in the study, and effects of those analysed.
        ("mean_HV_placebo", "loo_mean_HV_placebo"),
    ):
        assert f">{row[first]:.2f} ({row[second]:.2f})<" in table
    assert f">{row['n_folds']} of {PATIENTS}<" in table
    low, high = row["hedges_g_low"], row["hedges_g_high"]
    assert f">{row['hedges_g']:.2f} [{low:.2f}, {high:.2f}]<" in table
    assert "Esterman et al. 2010" in part


def test_a_cluster_that_stands_on_one_person_is_said_to(found, found_page, tmp_path):
    assert "stands on single people" not in found_page.text
    group = tmp_path / "group"
    shutil.copytree(found.folder / "group", group)
    path = group / "primary/drug_TRD/clusters.tsv"
    table = pd.read_csv(path, sep="\t").sort_values("p_fwe_cluster", ignore_index=True)
    assert table["p_fwe_cluster"][0] < 0.05
    person, whole = table["without_person"][0], table["effect_in_sample"][0]
    table.loc[0, ["n_decisive", "effect_without_person", "p_without_person"]] = [2, whole / 2, 0.13]
    table.to_csv(path, sep="\t", index=False, na_rep="n/a")
    page = page_of(found, tmp_path / "page.html", group_dir=group, **FEW)
    part = _part(page.text.replace("−", "-"), "stands on single people", "people).")
    assert f"without {person} alone the effect on its mean is {whole / 2:.2f}" in part
    assert f"in place of {whole:.2f} (p = 0.13, uncorrected; so it is without any one of 2" in part
    config = found.arguments["config"] | {"report": {"participant_ids": False}}
    hidden = page_of(found, tmp_path / "hidden.html", group_dir=group, config=config, **FEW)
    assert "stands on single people" in hidden.text and person not in hidden.raw


def test_families_have_their_table(found, found_page, tmp_path):
    assert not found_page.all("h3", id="families")
    group = tmp_path / "group"
    shutil.copytree(found.folder / "group", group)
    names = ["drug_TRD", "drug_TRD_pooled"]
    family = joint_table([names], {name: group / "primary" / name for name in names})
    family.to_csv(group / "primary" / "family.tsv", sep="\t", index=False)
    config = found.arguments["config"]
    config = config | {"group": config["group"] | {"families": [names]}}
    page = page_of(
        found, tmp_path / "page.html", group_dir=group, config=config, analyses=names
    )  # fmt: skip
    table = _part(page.raw, "<caption>Clusters corrected over families", "</table>")
    joint = family["p_joint"] < 0.05
    assert joint.any() and not joint.all()
    assert table.count('<tr class="mark">') == joint.sum()
    assert "corrected together in the family of drug_TRD and drug_TRD_pooled" in page.text
    assert "Analyses are not corrected for one another but in the families below." in page.text


def test_every_point_of_a_correlation_is_drawn(found, found_page):
    points = pd.read_csv(found.folder / "clinic/points.tsv", sep="\t")
    n = points.groupby(["seed", "target", "scale"]).size().iloc[0]
    scatters = re.findall(r'<svg class="chart"[^>]*aria-label="Scatter of.*?</svg>', found_page.raw)
    assert len(scatters) >= 6
    assert all(drawn.count('class="pt ') == n for drawn in scatters)


def test_hypotheses_are_drawn_whatever_their_p(null, null_page):
    assert "pgACC–insulaR and MADRS, TRD" in null_page.text
    assert "stated beforehand (Q 1)" in null_page.text


def test_names_and_reasons_are_escaped(found, found_page, tmp_path):
    assert "<script> " not in found_page.raw.replace("<script>\n", "")
    assert "fell asleep &amp; left &lt;script&gt;" in found_page.raw
    nasty = found.arguments["config"] | {"title": '<img src=x onerror="x">'}
    page = page_of(found, tmp_path / "nasty.html", config=nasty, **FEW)
    assert "x" not in [image["src"] for image in page.all("img")]
    assert '<img src=x onerror="x">' in page.text


def test_labels_come_from_the_study(tmp_path):
    primary = {"primary": PIPELINES["primary"]}
    specimen = make(tmp_path, groups=("MDD", "old"), analyses=["drug_MDD"], pipelines=primary)
    page = page_of(specimen, tmp_path / "page.html")
    assert "TRD" not in page.text and "HV" not in page.text
    assert "In MDD, the connectivity of" in page.text
    assert page.open == []


def test_only_the_worst_carpets_are_shown(found, found_page):
    shown = found_page.all("img", class_="carpet")
    assert len(shown) == 4
    sessions = pd.read_csv(found.folder / "quality/sessions.tsv", sep="\t")
    assert len(found.arguments["carpets"]) == len(sessions)
    worst = sessions.sort_values("mean_fd", ascending=False).iloc[0]
    assert worst["participant_id"] in shown[0]["alt"] and worst["session_id"] in shown[0]["alt"]


def test_clinical_only(found, tmp_path):
    gone = dict.fromkeys(("group_dir", "quality_dir", "robustness", "truth", "planted_changes")) | {
        "carpets": []
    }
    page = page_of(found, tmp_path / "clinic.html", analyses=[], **gone)
    assert "In TRD, MADRS was lower under ketamine than under placebo" in page.text
    assert "Group maps" not in page.text
    assert "No scans were analysed" in page.text
    assert f"{PATIENTS} people of TRD" in page.text


def test_links_hold_without_the_scores_of_each_person(found, tmp_path):
    clinic = tmp_path / "clinic"
    shutil.copytree(found.folder / "clinic", clinic)
    (clinic / "scores.tsv").unlink()
    (clinic / "points.tsv").unlink()
    page = page_of(found, tmp_path / "page.html", clinic_dir=clinic, **FEW)
    ids = {a["id"] for _, a in page.tags if a.get("id")}
    assert {a["href"][1:] for a in page.all("a", href="#") if a["href"][0] == "#"} <= ids
    assert "was lower under ketamine than under placebo, the better direction" in page.text


def _ready_maps(found, folder) -> tuple[dict, pd.DataFrame]:
    """Return the arguments of a page on ready maps, and its clusters: no quality, no edges."""
    shutil.copytree(found.folder / "group/primary", folder / "group/maps")
    for name in ("edges.tsv", "pairs/edges.tsv", "mixed.tsv"):
        (folder / "group/maps" / name).unlink(missing_ok=True)
    gone = dict.fromkeys(("quality_dir", "robustness", "truth", "planted_changes", "clinic_dir"))
    config = found.arguments["config"] | {"entry": "maps"}
    clusters = pd.read_csv(folder / "group/maps/drug_TRD/clusters.tsv", sep="\t")
    own = {"config": config, "pipelines": ["maps"], "group_dir": folder / "group", "carpets": []}
    return gone | own | FEW, clusters


def test_ready_maps_have_their_numbers(found, tmp_path):
    arguments, clusters = _ready_maps(found, tmp_path)
    page = page_of(found, tmp_path / "maps.html", **arguments)
    assert f"{PATIENTS} TRD and {CONTROLS} HV with both sessions" in page.text
    found_ones = clusters[clusters["p_fwe_cluster"] < 0.05]
    assert len(found_ones) > 0
    part = _part(page.raw, 'id="analysis-drug_TRD"', "</article>")
    assert len(re.findall(r'<tr class="mark">', part)) == 3 * len(found_ones)
    row = found_ones.sort_values("p_fwe_cluster").iloc[0]
    assert row["region"] in page.text and f"corrected p = {row['p_fwe_cluster']:.2f}" in page.text
    assert "No scans were analysed" not in page.text
    assert "Ready maps come without records of motion" in page.text
    assert "primary pipeline " not in page.text
    assert "Connectivity maps (Fisher z) were made outside of crossfc" in page.text


def test_pipelines_may_have_any_name(found, tmp_path):
    """The first one is the plan's, whatever the configuration's order and words."""
    shutil.copytree(found.folder / "group/primary", tmp_path / "group/zeta")
    own = found.arguments["config"]
    config = own | {"pipelines": {"alpha": {"fwhm_mm": 4}, "zeta": own["pipelines"]["primary"]}}
    page = page_of(
        found, tmp_path / "page.html", config=config, pipelines=["zeta", "alpha"],
        group_dir=tmp_path / "group", robustness=None, **FEW | {"carpets": []},
    )  # fmt: skip
    assert "In TRD, the connectivity of pgACC was lower" in page.text
    assert "primary pipeline zeta" in page.text
    assert "Gaussian of 6 mm" in page.text
    assert "repeated with another choice: alpha (smoothing FWHM (mm) 4)" in page.text


def test_what_the_plan_does_not_make_is_not_told(found, found_page, tmp_path):
    """Results of an earlier configuration lie there still: they are named, and not read."""
    study = tmp_path / "results"
    shutil.copytree(found.folder, study)
    (study / "group/primary/family.tsv").write_text("family\tanalysis\tp_joint\n1\tx\t0.01\n")
    (study / "group/old/drug_TRD").mkdir(parents=True)
    (study / "quality/qcfc_old.tsv").write_text("seed\tp\na\t0.5\n")
    (study / "sub-77/ses-1/func").mkdir(parents=True)
    places = {
        "group_dir": study / "group", "clinic_dir": study / "clinic",
        "quality_dir": study / "quality", "trial_dir": study / "trial",
        "robustness": study / "robustness.tsv", "truth": study / "truth.json",
        "planted_changes": study / "planted_changes.tsv",
        "carpets": [],
    }  # fmt: skip
    kept = ("trial", "participants.tsv", "group/primary/pairs", "group/primary/drug_TRD")
    kept += tuple(f"quality/{name}.tsv" for name in ("sessions", "motion", "excluded"))
    made = [study / name for name in kept]
    page = page_of(
        found, study / "report.html", made=made, analyses=["drug_TRD"], pipelines=["primary"],
        **places,
    )  # fmt: skip
    text = page.text
    assert "In TRD, the connectivity of pgACC was lower" in text
    for gone in ("MADRS was", "Correlations of change", "Other pipelines", "Mixed model",
                 "Families of analyses", "What was planted", "qcfc old"):  # fmt: skip
        assert gone not in text, gone
    named = _part(page.raw, "Left in the results by an earlier", "</details>")
    for left in ("clinic/change.tsv", "group/old", "group/primary/drug_HV", "truth.json",
                 "group/primary/family.tsv", "group/primary/mixed.tsv", "quality/qcfc_old.tsv",
                 "robustness.tsv", "sub-77/ses-1/func"):  # fmt: skip
        assert left in named, left
    for own in (*kept, "report.html", "group/old/drug_TRD"):
        assert f" {own}," not in named
    assert "Left in the results" not in found_page.text


def test_no_clinic(found, tmp_path):
    page = page_of(found, tmp_path / "maps.html", clinic_dir=None, scales=(), **FEW)
    assert "In TRD, the connectivity of pgACC was lower" in page.text
    assert not page.all("section", id="clinical")
    assert not page.all("section", id="correlations")


def test_one_group_and_unknown_order(tmp_path):
    specimen = make(
        tmp_path, groups=("TRD",), sequence_known=False, analyses=["drug_TRD"],
        pipelines={"primary": PIPELINES["primary"]},
    )  # fmt: skip
    page = page_of(specimen, tmp_path / "page.html")
    assert "order not known" in page.text
    record = json.loads((specimen.folder / "group/primary/drug_TRD/result.json").read_text())
    assert record["notes"] and all(note in page.text for note in record["notes"])
    assert "the order of treatments was not in the model" in page.text
    assert "HV" not in page.text


def test_nothing_at_all(tmp_path):
    config = {"study": "x", "groups": {"patients": "P", "controls": None},
              "treatments": {"active": "a", "control": "b"}}  # fmt: skip
    write_report(tmp_path / "empty.html", config=config, made=[], pipelines=["primary"])
    text = (tmp_path / "empty.html").read_text()
    assert "There are no results to answer from yet." in text


def test_missing_maps_and_clusters(found, tmp_path):
    group = tmp_path / "group"
    shutil.copytree(found.folder / "group", group)
    folder = group / "primary" / "drug_TRD"
    for path in folder.glob("*.nii.gz"):
        path.unlink()
    for name in ("clusters.tsv", "cells.tsv"):
        header = (folder / name).read_text().splitlines()[0]
        (folder / name).write_text(header + "\n")
    page = page_of(found, tmp_path / "page.html", group_dir=group, **FEW)
    part = _part(page.raw, 'id="analysis-drug_TRD"', "</article>")
    assert "No map was written." in part
    assert "No voxel lies above the cluster-forming threshold." in part


def test_broken_record_is_a_fault(found, tmp_path):
    folder = tmp_path / "group/primary/drug_TRD"
    folder.mkdir(parents=True)
    (folder / "result.json").write_text("{")
    with pytest.raises(Fault, match="result.json is not JSON"):
        page_of(found, tmp_path / "x.html", group_dir=tmp_path / "group", analyses=["drug_TRD"])


def test_same_results_same_bytes(found, tmp_path):
    first = page_of(found, tmp_path / "page.html", **FEW)
    assert page_of(found, tmp_path / "again.html", **FEW).raw == first.raw


def _part(text: str, start: str, end: str) -> str:
    begin = text.index(start)
    return text[begin : text.index(end, begin)]
