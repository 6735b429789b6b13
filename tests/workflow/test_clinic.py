"""The clinical arm of the real trial: no image, no data set, the known numbers."""

import re
import shutil
import sys

import pandas
import pytest

from tests.workflow.conftest import Study, copy_product
from tests.workflow.told import assert_told


@pytest.fixture
def clone(tmp_path, root) -> Study:
    return copy_product(tmp_path / "clone", root)


def test_clinical_change_of_the_real_trial(tmp_path, root):
    # A folder whose name has a space, the environment in it.
    clone = copy_product(tmp_path / "OneDrive - Uni" / "crossfc", root)
    (clone.folder / ".venv").symlink_to(sys.prefix)
    clone.python = str(clone.folder / ".venv/bin/python")
    config = clone.folder / "config/ds005917.yaml"
    done = clone.snakemake("clinical_change", config=config)
    assert done.returncode == 0, done.stderr
    assert_told(clone.folder / "results/ds005917")
    table = pandas.read_csv(clone.folder / "results/ds005917/clinic/change.tsv", sep="\t")
    assert sorted(set(table["scale"])) == ["HAM17_Total", "HAMD_Bech", "MADRS_Total"]
    madrs = table.set_index(["scale", "group"]).loc[("MADRS_Total", "MDD")]
    assert madrs["n"] == 24
    # Computed independently from the metadata, each to its last printed digit.
    known = {
        "mean": "-6.750",
        "sd": "9.543",
        "unadjusted_t": "-3.4652",
        "unadjusted_df": "23",
        "unadjusted_p": "0.00210",
        "adjusted_t": "-3.3891",
        "adjusted_p": "0.00264",
        "carryover_t": "-0.712",
        "carryover_p": "0.484",
        "unadjusted_wilcoxon_p": "0.0011",
    }
    for column, digits in known.items():
        places = len(digits.partition(".")[2])
        assert f"{madrs[column]:.{places}f}" == digits, column
    assert abs(madrs["period_estimate"]) < 1e-12
    assert (madrs["n_active_first"], madrs["n_control_first"]) == (12, 12)


def test_sheets_of_the_real_trial(clone, shared_data, tmp_path):
    shutil.unpack_archive(shared_data / "ds005917_v1.0.1_metadata.tar.gz", tmp_path)
    before = {p.name: p.read_bytes() for p in (clone.folder / "config/ds005917").glob("*.tsv")}
    (clone.folder / "config/ds005917/participants.tsv").unlink()
    # A broken sheet is a reason to write it anew.
    (clone.folder / "config/ds005917/sessions.tsv").write_text("rubbish\n")
    config = clone.folder / "config/ds005917.yaml"
    bids = f"bids_dir={tmp_path / 'ds005917'}"
    done = clone.snakemake("sheets", "--config", bids, config=config)
    assert done.returncode == 0, done.stderr
    after = {p.name: p.read_bytes() for p in (clone.folder / "config/ds005917").glob("*.tsv")}
    assert after == before
    kept = clone.folder / "config/ds005917/sessions.tsv.bak-1"
    assert kept.read_text() == "rubbish\n"
    text = done.stdout + done.stderr
    assert "scanned_ketamine 27, scanned_placebo 26, both 24, either 29" in text
    assert "scanned_ketamine 19, scanned_placebo 17, both 17, either 19" in text
    assert "leaves (paired): sub-MOA113: no rest scan under ketamine" in text
    assert "sessions that are not named in the config are not used: ses-" in text


def test_a_study_of_images_without_any_scan_is_refused(clone):
    path = clone.folder / "config/ds005917/sessions.tsv"
    path.write_text(re.sub(r"sub-\S+_bold\.nii\.gz", "n/a", path.read_text()))
    config = clone.folder / "config/ds005917.yaml"
    done = clone.snakemake("-n", config=config)
    text = done.stdout + done.stderr
    assert done.returncode != 0
    assert "Job stats" not in text and "Traceback" not in text
    assert "sessions.tsv: no session that is used has a scan" in text
    assert "clinical_change, or report for a page of the clinic alone" in text
    assert clone.snakemake("-n", "report", config=config).returncode == 0
