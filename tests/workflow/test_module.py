"""Another workflow uses crossfc as a module: crossfc works as ever, and its own rules as before."""

import shutil
from pathlib import Path

import pytest
import yaml

from tests.workflow.conftest import Study, copy_product, listed_jobs

HOST = """
configfile: "study.yaml"

keys = set(config["crossfc"])

rule all:
    input: "summary.txt"

rule notes:
    output: "notes.txt"
    shell: "echo noted >> {output}"

module crossfc:
    snakefile: "../clone/Snakefile"
    config: config["crossfc"]

use rule * from crossfc as trial_*

rule summary:
    input: "notes.txt", rules.trial_clinical_change.output
    params: kind="short"
    output: "summary.txt"
    shell: "cat {input} > {output}"

onstart:
    assert set(config["crossfc"]) == keys, "the configuration is changed"
    print("HOST STARTS")

onerror:
    print("HOST FAILS")
"""


@pytest.fixture
def host(tmp_path, root) -> Study:
    """A workflow in a folder of its own, with the clinical arm of the real trial as a module."""
    clone = copy_product(tmp_path / "clone", root)
    config = yaml.safe_load((clone.folder / "config/ds005917.yaml").read_text())
    study = Study(tmp_path / "host")
    shutil.copytree(clone.folder / "config/ds005917", study.folder / "config/ds005917")
    study.config_path.write_text(yaml.safe_dump({"crossfc": config, "other": 1}))
    (study.folder / "Snakefile").write_text(HOST)
    return study


def planned(host: Study, *arguments: str) -> set[str]:
    done = host.snakemake("--dry-run", *arguments)
    assert done.returncode == 0, done.stderr
    return set(listed_jobs(done.stdout + done.stderr)) - {"all"}


def test_crossfc_as_a_module(host):
    assert planned(host) == {"notes", "trial_clinical_change", "summary"}
    done = host.snakemake()
    assert done.returncode == 0, done.stderr
    # What begins a run of crossfc happened, and what the other workflow does then.
    results = host.folder / "results/ds005917"
    assert (results / ".crossfc/claim.json").is_file() and "HOST STARTS" in done.stdout
    assert not list((host.folder / ".snakemake/crossfc_runs").iterdir())
    record = results / "logs/records/clinic/change.tsv.record"
    assert record.is_file()
    assert planned(host) == set()

    # A change of either reruns what is of it, for its own reasons.
    host.edit("Snakefile", 'kind="short"', 'kind="long"')
    assert planned(host) == {"summary"}
    host.edit("Snakefile", 'kind="long"', 'kind="short"')
    config = host.config
    config["crossfc"]["groups"] = {"patients": "HC", "controls": "MDD"}
    host.config_path.write_text(yaml.safe_dump(config))
    assert "trial_clinical_change" in planned(host)
    config["crossfc"]["groups"] = {"patients": "MDD", "controls": "HC"}
    host.config_path.write_text(yaml.safe_dump(config))

    # Without a record crossfc makes a result anew; the other workflow keeps what is there.
    shutil.rmtree(host.folder / ".snakemake")
    assert planned(host) == set()
    record.unlink()
    assert planned(host) == {"trial_clinical_change", "summary"}


def test_rules_under_their_own_names_and_a_change_of_one(host):
    text = HOST.replace("use rule * from crossfc as trial_*", "use rule * from crossfc exclude all")
    text = text.replace("rules.trial_", "rules.")
    changed = 'use rule trial from crossfc as trial with:\n    benchmark: "benchmark.txt"\n'
    (host.folder / "Snakefile").write_text(text + changed)
    assert planned(host, "summary", "trial") == {"notes", "clinical_change", "summary", "trial"}
    done = host.snakemake("trial")
    assert done.returncode == 0, done.stderr
    assert (host.folder / "results/ds005917/trial/counts.tsv").is_file()
    assert (host.folder / "benchmark.txt").is_file()
    assert planned(host, "trial") == set()


def test_the_sheets_are_written_anew_under_another_name(host):
    (host.folder / "config/ds005917/participants.tsv").write_text("rubbish\n")
    assert host.snakemake("--dry-run", "trial_sheets").returncode == 0
    done = host.snakemake("--dry-run")
    assert done.returncode == 1 and "crossfc: " in done.stderr
    assert "participants.tsv" in done.stderr


def test_a_failed_job_is_named_with_its_log(host):
    clone = Path(host.folder.parent, "clone")
    with open(clone / "scripts/crossfc/jobs/job.py", "a") as module:
        module.write("\n\ndef _record(snakemake):\n    raise OSError(28, 'full')\n")
    done = host.snakemake("--keep-going")
    assert done.returncode == 1
    log = "results/ds005917/logs/clinical_change.log"
    assert f"crossfc: failed: trial_clinical_change, see {log}" in done.stderr
    assert "HOST FAILS" in done.stdout
    assert (host.folder / "notes.txt").is_file()


def test_two_studies_in_one_workflow_are_refused(host):
    other = HOST.replace("module crossfc:", "module second:").replace(
        'config["crossfc"]\n\nuse rule * from crossfc as trial_*',
        'config["crossfc"] | {"study": "second"}\n\nuse rule * from second as second_*',
    )
    start, end = other.index("module second:"), other.index("rule summary")
    (host.folder / "Snakefile").write_text(HOST + other[start:end])
    done = host.snakemake("--dry-run")
    assert done.returncode == 1
    assert "one workflow uses crossfc as a module for results/ds005917 and for" in done.stderr
