"""A finished run says what it made: tables, maps, logs; and BIDS and repositories accept it."""

import gzip
import json
import shutil
import subprocess

import pytest

from crossfc.table import read_table
from tests.workflow.told import assert_told, undescribed, without_figure


@pytest.fixture
def results(finished):
    return finished.folder / "results/small"


def test_every_table_and_map_is_described_and_every_log_has_a_figure(results):
    assert_told(results)
    analysed = (results / "logs/group_test/primary_drug_TRD.log").read_text().splitlines()
    assert analysed[0].endswith("group_test: pipeline primary, analysis drug_TRD")
    assert analysed[2] == "reads 3 inputs (pairs 1, atlas 1, atlas_names 1); threads: 1"
    assert "numba" in analysed[-3] and analysed[-1].startswith("5 people (TRD 5); largest t ")
    session = (results / "logs/connectivity_session/sub-T01_ses-placebo.log").read_text()
    assert "primary: 58 of 60 volumes kept, 46 degrees of freedom" in session.splitlines()[-1]


def test_what_is_missing_is_seen(results, tmp_path):
    """The check above can fail: without a sidecar, a column in it, or a log's last line."""
    copy = shutil.copytree(results, tmp_path / "copy")
    (copy / "quality/sessions.json").unlink()
    said = json.loads((copy / "clinic/change.json").read_text())
    del said["p_holm"]
    (copy / "clinic/change.json").write_text(json.dumps(said))
    (copy / "group/primary/drug_TRD/seed-dACC_stat-t_statmap.json").unlink()
    log = copy / "logs/report.log"
    log.write_text("\n".join(log.read_text().splitlines()[:-1]) + "\n")
    found = undescribed(copy)
    assert "clinic/change.tsv: p_holm" in found and "quality/sessions.tsv: scan" in found
    assert "group/primary/drug_TRD/seed-dACC_stat-t_statmap.nii.gz" in found
    assert [line.partition(":")[0] for line in without_figure(copy)] == ["logs/report.log"]


def test_bids_accepts_the_results(results):
    """By the official validator, with no error."""
    validator = shutil.which("bids-validator-deno")
    if validator is None:
        pytest.skip("bids-validator-deno (PyPI) is not installed; results are checked where it is")
    done = subprocess.run([validator, "--format", "json", results], capture_output=True, text=True)
    issues = json.loads(done.stdout)["issues"]["issues"]
    assert not [issue for issue in issues if issue["severity"] == "error"]


def test_the_bundle_of_a_run_names_nobody(study):
    """Every file of it is searched for every person of the sheets, and for everybody's values."""
    results = study.folder / "results/small"
    done = study.snakemake("bundle")
    assert done.returncode == 0, done.stderr[-3000:]
    people = read_table(results / "trial/sheets/participants.tsv")["participant_id"]
    edges = read_table(results / "group/primary/pairs/edges.tsv")["fisher_z"]
    motion = read_table(results / "quality/sessions.tsv")["mean_fd"]
    # Of so few digits as 0.124 the like stands anywhere.
    own = {text for v in (*edges.dropna(), *motion) if len(text := f"{v:.7g}") > 8}
    files = [path for path in (results / "bundle").rglob("*") if path.is_file()]
    assert len(people) == 10 and len(own) > 300 and len(files) > 100
    for path in files:
        held = path.read_bytes()
        held = gzip.decompress(held) if path.suffix == ".gz" else held
        text = f"{path}\n".encode() + held
        assert not [person for person in people if person.encode() in text], path
        if path.suffix != ".gz":
            assert not [value for value in own if value.encode() in held], path
    withheld = read_table(results / "bundle/withheld.tsv")
    assert "maps of group_by_drug" in set(withheld["what"])  # four of its people are healthy
    assert (results / "bundle/maps/drug_TRD").is_dir()
    assert_told(results)
    assert not study.would_run() and not study.would_run("bundle")


def test_a_blinded_study_shares_nothing_yet(study):
    study.set_config(blinding={"file": "codes.tsv"})
    done = study.snakemake("-n", "bundle")
    assert done.returncode == 1
    assert "crossfc: config key blinding: codes.tsv does not say yet" in done.stderr
