"""The record of a run: which parts it has, and that it counts the jobs that left a record."""

import hashlib
import json
from importlib.metadata import version

import pytest

from crossfc import provenance
from crossfc.fault import Fault
from crossfc.jobs.job import digest_of_lock, machine, software


def job_record(folder, name, rule, **changes):
    record = {"rule": rule, "threads": 1, "software": {"numpy": "2.3.5"}} | changes
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps(record))


def test_software_is_what_the_process_imported():
    import nibabel

    found = software()
    assert found["nibabel"] == nibabel.__version__
    assert found["python"].startswith("3.11.")


def test_packages_are_those_installed():
    found = provenance.packages()
    assert found["scipy"] == version("scipy") and found["snakemake"] == version("snakemake")


def test_lock_and_machine(root):
    assert digest_of_lock() == hashlib.sha256((root / "uv.lock").read_bytes()).hexdigest()
    assert "Linux" in machine() and "glibc" in machine()


def test_seeds_are_numbers_not_regions():
    config = {"seed": "sgACC", "group": {"seed": 4}, "twin": {"seed": 0, "people": 3}}
    assert provenance.seeds(config) == {"group.seed": 4, "twin.seed": 0}


def test_jobs_are_counted_by_what_they_ran_with(tmp_path):
    sessions = [("sub-01", "ses-a"), ("sub-01", "ses-b"), ("sub-02", "ses-a")]
    for person, session in sessions:
        job_record(tmp_path / "connect", f"{person}_{session}", "connect")
    job_record(tmp_path / "connect", "sub-02_ses-a", "connect", threads=4)
    # Left by an earlier run, of a person who is in the study no more.
    job_record(tmp_path / "connect", "sub-03_ses-a", "connect")
    job_record(tmp_path, "report", "report")
    job_record(tmp_path, "old", "a_rule_that_is_gone")
    found = provenance.jobs(tmp_path, ["connect", "report"], sessions)
    assert [(alike["jobs"], alike["threads"]) for alike in found["connect"]] == [(2, 1), (1, 4)]
    assert found["report"] == [{"jobs": 1, "threads": 1, "software": {"numpy": "2.3.5"}}]
    assert set(found) == {"connect", "report"}


def test_jobs_of_an_earlier_configuration_are_not_counted(tmp_path):
    for name in ("primary_drug_TRD", "gone_drug_TRD"):
        job_record(tmp_path / "group_test", name, "group_test")
    job_record(tmp_path / "connect", "sub-01_ses-a", "connect")
    job_record(tmp_path, "clinical_change", "clinical_change")
    planned = ["group_test/primary_drug_TRD", "report"]
    rules = ["group_test", "connect", "clinical_change"]
    found = provenance.jobs(tmp_path, rules, [("sub-01", "ses-a")], planned)
    assert {rule: [alike["jobs"] for alike in own] for rule, own in found.items()} == {
        "group_test": [1],
        "connect": [1],
    }


def test_results_without_a_record_are_refused(tmp_path):
    with pytest.raises(Fault, match="provenance.json does not exist; name a folder"):
        provenance.read(tmp_path)
