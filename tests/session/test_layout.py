"""File names of a session: fMRIPrep's going in, BIDS derivatives coming out."""

from pathlib import Path

import pytest

from crossfc.bids import parse_name
from crossfc.fault import Fault
from crossfc.session import layout

SCAN = "sub-01/ses-d2/func/sub-01_ses-d2_task-rest_run-02_bold.nii.gz"


def test_preprocessed_names_are_those_of_fmriprep():
    found = layout.preprocessed(SCAN, "prep", "MNI152NLin2009cAsym", "2")
    folder = Path("prep/sub-01/ses-d2/func")
    stem = "sub-01_ses-d2_task-rest_run-02"
    space = f"{stem}_space-MNI152NLin2009cAsym_res-2"
    assert found == {
        "bold": folder / f"{space}_desc-preproc_bold.nii.gz",
        "bold_sidecar": folder / f"{space}_desc-preproc_bold.json",
        "mask": folder / f"{space}_desc-brain_mask.nii.gz",
        "boldref": folder / f"{space}_boldref.nii.gz",
        "confounds": folder / f"{stem}_desc-confounds_timeseries.tsv",
        "confounds_sidecar": folder / f"{stem}_desc-confounds_timeseries.json",
    }
    # One echo stands for all; the series that combines them is named without it.
    echo = SCAN.replace("_bold", "_echo-1_bold")
    assert layout.preprocessed(echo, "prep", "MNI152NLin2009cAsym", "2") == found
    without = layout.preprocessed(SCAN, "prep", "MNI152NLin2009cAsym")
    assert "res-" not in str(without["bold"])


def test_a_scan_that_is_no_bids_name_is_refused():
    with pytest.raises(Fault, match="rest.nii.gz is no BIDS file name"):
        layout.preprocessed("sub-01/func/rest.nii.gz", "prep", "MNI")


def test_connectivity_names():
    found = layout.connectivity(
        "sub-01", "ses-d2", "rest", "results/demo", "MNI", "gsr", ["sgACC", "dACC"]
    )
    folder = Path("results/demo/sub-01/ses-d2/func")
    stem = "sub-01_ses-d2_task-rest_space-MNI"
    assert found == {
        "maps": [
            folder / f"{stem}_seed-{seed}_stat-fisherz_desc-gsr_boldmap.nii.gz"
            for seed in ("sgACC", "dACC")
        ],
        "timeseries": folder / f"{stem}_desc-gsr_timeseries.tsv",
        "relmat": folder / f"{stem}_stat-fisherz_desc-gsr_relmat.tsv",
        "qc": folder / f"{stem}_desc-gsr_qc.json",
    }


def test_anatomy_and_what_is_looked_at_have_bids_names():
    found = layout.anatomy("sub-01", "prep", "MNI152NLin2009aSym")
    assert {p.parent for p in found.values()} == {Path("prep/sub-01/anat")}
    assert len(set(found.values())) == len(found)
    for path in found.values():
        assert parse_name(path.name)[0]["sub"] == "01"
    name = found["transform"].name
    assert name == "sub-01_from-T1w_to-MNI152NLin2009aSym_mode-image_xfm.h5"
    folder = layout.session_folder("sub-01", "ses-d2", "results")
    assert folder == Path("results/sub-01/ses-d2/func")
    found = layout.inspection("sub-01", "ses-d2", "rest", "MNI", ["primary"], folder)
    start = "sub-01_ses-d2_task-rest_space-MNI"
    assert found["carpet"] == folder / f"{start}_desc-carpet_bold.png"
    own = found["pipelines"]["primary"]
    assert own["confounds"].name == f"{start}_stat-pearson_desc-primary_relmat.tsv"
    own = [path for kind, path in found.items() if kind != "pipelines"] + list(own.values())
    assert len(set(own)) == 7 and all(parse_name(p.name)[0]["ses"] == "d2" for p in own)


def test_pipelines_with_the_same_seeds_share_the_picture_of_the_first_by_name():
    found = layout.drawn_seeds({"scrub": [1], "gsr": [1], "primary": [2]})
    assert found == {"scrub": "gsr", "gsr": "gsr", "primary": "primary"}


def test_nothing_of_two_sessions_pipelines_or_seeds_falls_together():
    paths = [
        path
        for sub in ("sub-01", "sub-02")
        for ses in ("ses-1", "ses-2")
        for pipeline in ("primary", "gsr")
        for made in [layout.connectivity(sub, ses, "rest", "r", "MNI", pipeline, ["a", "b"])]
        for path in [*made["maps"], made["timeseries"], made["relmat"], made["qc"]]
    ]
    assert len(set(paths)) == len(paths) == 8 * 5
