"""Sheet and config edited while a run is going on: results and record hold what was planned."""

import json
import os
import subprocess
import sys
import time

from crossfc import provenance
from crossfc.jobs import planned
from tests.workflow.test_why import edit_cell

SCORES = "results/small/clinic/scores.tsv"


def score(study) -> str:
    lines = (study.folder / SCORES).read_text().splitlines()
    (row,) = [x for x in lines if x.startswith("drug\tMADRS\t") and "\tsub-T03\t" in x]
    return row.split("\t")[lines[0].split("\t").index("active")]


def edit(study) -> None:
    edit_cell(study, "sub-T03\tses-ketamine", "MADRS", "59")
    study.set_config(title="Edited", group__permutations=7)


def test_job_of_a_cluster_reads_what_was_planned(study, monkeypatch):
    """What a node does, without a cluster: the workflow is read again for one job."""
    before, config = score(study), study.config
    assert float(before) != 59
    sheet = study.folder / "design/sessions.tsv"
    with planned.reading([sheet]) as texts:
        monkeypatch.setenv(planned.PLAN, "")
        planned.save(study.folder / "run.plan", config, texts)
    edit(study)
    (study.folder / SCORES).unlink()
    job = ("--mode", "remote", "--target-jobs", "clinical_change:", "--allowed-rules")
    job = (*job, "clinical_change", "--force", "--nolock", "--rerun-triggers", "params")
    done = study.snakemake(*job)
    assert done.returncode == 0, done.stderr
    assert score(study) == before


def test_record_holds_what_was_planned(study):
    study.set_config(title="Planned")
    sheet = study.folder / "design/sessions.tsv"
    before, text = score(study), sheet.read_bytes()
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    run = subprocess.Popen(
        [sys.executable, "-m", "snakemake", "--cores", "2", "--configfile", study.config_path],
        cwd=study.folder,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    notes = study.folder / ".snakemake/crossfc_runs"
    while run.poll() is None and not list(notes.glob("*.plan")):
        time.sleep(0.01)
    edit(study)
    assert run.wait(120) == 0
    assert score(study) == before
    results = study.folder / "results/small"
    assert (results / "trial/sheets/sessions.tsv").read_bytes() == text
    record = json.loads((results / "provenance.json").read_text())
    assert (
        record["config"]["title"] == "Planned" and record["config"]["group"]["permutations"] == 99
    )
    assert record["sheets"]["sessions"] == provenance.file_digest(
        results / "trial/sheets/sessions.tsv"
    )
    assert "Planned" in (results / "report.html").read_text()
    assert not list(notes.iterdir())
