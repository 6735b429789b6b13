"""`snakemake --report` carries the pages and the tables, each with what it holds."""

import base64
import json

import pytest

from crossfc.outputs import outputs

RESULTS = "results/small/"


def carried(study):
    """Make the report; return what it holds, by the path from the study's results."""
    done = study.snakemake("--report", "carried.html")
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
    raw = (study.folder / "carried.html").read_text()
    start = "var results = "
    held, _ = json.JSONDecoder().raw_decode(raw[raw.index(start + "{") + len(start) :])
    assert all(path.startswith(RESULTS) for path in held)
    return {path.removeprefix(RESULTS): own for path, own in held.items()}


def test_pages_and_tables_are_carried_with_what_they_hold(study):
    held = carried(study)
    analyses = {path.split("/")[2] for path in held if path.endswith("/clusters.tsv")}
    made = study.folder / RESULTS / "group/primary"
    assert analyses == {path.parent.name for path in made.glob("*/clusters.tsv")}
    for kind in ("", "hypotheses/", "clinic/", "quality/", "checklists/"):
        folder = study.folder / RESULTS / kind
        wanted = {kind + path.name for path in folder.glob("*.tsv")} - {
            "participants.tsv", "planted_changes.tsv"
        }  # fmt: skip
        assert wanted and wanted <= set(held), kind
    described = outputs()
    for path, own in held.items():
        content = base64.b64decode(own["data_uri"].partition("base64,")[2])
        assert content == (study.folder / RESULTS / path).read_bytes(), path
        said = next(output for output in described if output.is_at(path)).description
        assert said.split("`")[0].split("<")[0][:60] in own["caption"], path
    assert {"report.html", "quality.html", "methods.md", "references.bib"} <= set(held)
    assert held["group/gsr/drug_TRD/clusters.tsv"]["labels"] == {
        "result": "clusters.tsv", "pipeline": "gsr", "analysis": "drug_TRD"
    }  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(
    "choice", [{"blinding": {"file": "unblinding.tsv"}}, {"report__participant_ids": False}]
)
def test_only_pages_where_tables_would_tell_too_much(study, choice):
    study.set_config(**choice)
    pages = {"report.html", "quality.html", "methods.md", "references.bib"}
    assert set(carried(study)) == pages
