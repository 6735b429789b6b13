"""A finished run says what it made: tables, maps, logs; and BIDS and repositories accept it."""

import json
import shutil
import subprocess

import pytest

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
