"""A run's derivatives are found by entities and numbers; what is not there is told by what is."""

from pathlib import Path

import pytest

from crossfc.fault import Fault
from crossfc.session.connectivity.match import Matches, check_scan, find

SPACE = "MNI152NLin2009cAsym"
FUNC = "sub-01/ses-1/func"


def lay(root: Path, *runs: str, spaces=(SPACE,), res="", table="timeseries", folder=FUNC) -> None:
    """Lay out what fMRIPrep writes of runs, as empty files."""
    here = root / folder
    here.mkdir(parents=True, exist_ok=True)
    for run in runs:
        for space in spaces:
            start = f"{run}_space-{space}" + (f"_res-{res}" if res else "")
            for name in ("desc-preproc_bold.nii.gz", "desc-preproc_bold.json"):
                (here / f"{start}_{name}").touch()
            (here / f"{start}_boldref.nii.gz").touch()
            (here / f"{start}_desc-brain_mask.nii.gz").touch()
        (here / f"{run}_desc-confounds_{table}.tsv").touch()
        (here / f"{run}_desc-preproc_bold.nii.gz").touch()  # on the run's own grid
        (here / f"{run}_desc-brain_mask.nii.gz").touch()


def found(root, scan, res=None):
    files = Matches(root, SPACE, res).files(f"{FUNC}/{scan}")
    return {kind: path.relative_to(root / FUNC).as_posix() for kind, path in files.items()}


@pytest.mark.parametrize(
    ("written", "scan"),
    [
        ("sub-01_ses-1_task-rest", "sub-01_ses-1_task-rest_bold.nii.gz"),
        ("sub-01_ses-1_task-rest_run-1", "sub-01_ses-1_task-rest_run-01_bold.nii.gz"),
        ("sub-01_ses-1_task-rest_run-01", "sub-01_ses-1_task-rest_run-1_bold.nii.gz"),
        ("sub-01_ses-1_task-rest", "sub-01_ses-1_task-rest_echo-1_bold.nii.gz"),
        ("sub-01_ses-1_task-rest", "sub-01_ses-1_task-rest_part-mag_bold.nii.gz"),
        ("sub-01_ses-1_task-rest_run-2", "sub-01_ses-1_task-rest_run-02_echo-3_bold.nii"),
        ("sub-01_ses-1_task-rest_acq-mb_dir-AP_run-1",
         "sub-01_ses-1_task-rest_acq-mb_dir-AP_run-1_bold.nii.gz"),
        # The name of the derivative itself.
        ("sub-01_ses-1_task-rest_run-1",
         f"sub-01_ses-1_task-rest_run-01_space-{SPACE}_desc-preproc_bold.nii.gz"),
    ],
)  # fmt: skip
def test_a_run_is_matched_by_entities_and_numbers(tmp_path, written, scan):
    other = written.replace("task-rest", "task-nback")
    lay(tmp_path, written, other, spaces=(SPACE, "T1w", "MNI152NLin6Asym"))
    (tmp_path / FUNC / f"._{written}_space-{SPACE}_desc-preproc_bold.nii.gz").touch()
    assert found(tmp_path, scan) == {
        "bold": f"{written}_space-{SPACE}_desc-preproc_bold.nii.gz",
        "mask": f"{written}_space-{SPACE}_desc-brain_mask.nii.gz",
        "confounds": f"{written}_desc-confounds_timeseries.tsv",
    }


def test_the_combined_series_comes_before_one_echo(tmp_path):
    combined, single = "sub-01_ses-1_task-rest", "sub-01_ses-1_task-rest_echo-1"
    lay(tmp_path, combined, single)
    assert found(tmp_path, f"{single}_bold.nii.gz")["bold"].startswith(f"{combined}_space")


def test_one_echo_of_several_is_not_taken_for_the_series(tmp_path):
    first, second = (f"sub-01_ses-1_task-rest_echo-{k}" for k in (1, 2))
    lay(tmp_path, first)
    assert "echo-1" in found(tmp_path, f"{first}_bold.nii.gz")["bold"]  # the only one there is
    lay(tmp_path, second)
    with pytest.raises(Fault, match="has the echoes 1, 2 of .* no series that combines them; run"):
        found(tmp_path, f"{first}_bold.nii.gz")


def test_uncompressed_images_are_found(tmp_path):
    lay(tmp_path, "sub-01_ses-1_task-rest")
    for path in (tmp_path / FUNC).glob("*.nii.gz"):
        path.rename(path.with_suffix(""))
    assert found(tmp_path, "sub-01_ses-1_task-rest_bold.nii.gz")["bold"].endswith("_bold.nii")


def test_the_literal_name_comes_first_among_equal_numbers(tmp_path):
    lay(tmp_path, "sub-01_ses-1_task-rest_run-1", "sub-01_ses-1_task-rest_run-01")
    bold = found(tmp_path, "sub-01_ses-1_task-rest_run-01_bold.nii.gz")["bold"]
    assert "_run-01_" in bold
    with pytest.raises(Fault, match="has 2 files that are the preprocessed BOLD of .*run-1"):
        found(tmp_path, "sub-01_ses-1_task-rest_run-001_bold.nii.gz")


def test_older_tables_and_resolutions(tmp_path):
    lay(tmp_path, "sub-01_ses-1_task-rest", res="2", table="regressors")
    files = found(tmp_path, "sub-01_ses-1_task-rest_bold.nii.gz", res="2")
    assert files["bold"] == f"sub-01_ses-1_task-rest_space-{SPACE}_res-2_desc-preproc_bold.nii.gz"
    assert files["confounds"] == "sub-01_ses-1_task-rest_desc-confounds_regressors.tsv"


REST = f"{FUNC}/sub-01_ses-1_task-rest_bold.nii.gz"


@pytest.mark.parametrize(
    ("runs", "options", "scan", "said"),
    [
        (["sub-01_ses-1_task-rest"], {"res": "2"}, REST,
         f'it has this run in space-{SPACE}_res-2; write res: "2" in the config'),
        (["sub-01_ses-1_task-rest"], {"spaces": ["MNI152NLin6Asym"], "res": "2"}, REST,
         'space-MNI152NLin6Asym_res-2; write space: MNI152NLin6Asym and res: "2" in the config'),
        (["sub-01_ses-1_task-rest_run-1", "sub-01_ses-1_task-rest_run-2"], {}, REST,
         "it has sub-01_ses-1_task-rest_run-1, sub-01_ses-1_task-rest_run-2; correct the row's"),
        (["sub-01_ses-1_task-restingstate"], {}, REST, "it has sub-01_ses-1_task-restingstate; "),
        (["sub-01_ses-1_task-rest"], {"spaces": ["T1w"]}, REST,
         f"it has this run in space-T1w; run fMRIPrep with --output-spaces {SPACE}, or exclude"),
        (["sub-01_ses-1_task-rest"], {"spaces": []}, REST,
         "in no space entity (the run's own grid); run fMRIPrep with --output-spaces"),
        ([], {}, REST, "it has none of any run; run fMRIPrep for it"),
        ([], {}, REST.replace("ses-1", "ses-01"), "sub-01 has no ses-01 (it has ses-1); run"),
        ([], {}, REST.replace("sub-01", "sub-02"), "has no sub-02 (it has sub-01); run fMRIPrep"),
    ],
)  # fmt: skip
def test_what_is_not_there_is_told_by_what_is(tmp_path, runs, options, scan, said):
    lay(tmp_path, *runs, **options)
    with pytest.raises(Fault) as caught:
        find(scan, "bold", tmp_path, SPACE, None)
    assert said in str(caught.value) and "exclude the session with a reason" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_one_folder_too_high_is_told(tmp_path):
    lay(tmp_path / "fmriprep", "sub-01_ses-1_task-rest")
    with pytest.raises(Fault, match=r"has no sub-\* folders, but .*fmriprep has; correct deriv"):
        find(REST, "bold", tmp_path, SPACE, None)


def test_a_missing_mask_is_told_beside_a_bold_that_is_there(tmp_path):
    lay(tmp_path, "sub-01_ses-1_task-rest")
    (tmp_path / FUNC / f"sub-01_ses-1_task-rest_space-{SPACE}_desc-brain_mask.nii.gz").unlink()
    (tmp_path / FUNC / "sub-01_ses-1_task-rest_desc-confounds_timeseries.tsv").unlink()
    with pytest.raises(Fault) as caught:
        found(tmp_path, "sub-01_ses-1_task-rest_bold.nii.gz")
    mask, table = str(caught.value).splitlines()
    assert f"has no brain mask of sub-01_ses-1_task-rest in space-{SPACE}" in mask
    assert "has no confounds table of sub-01_ses-1_task-rest: it has none of any run" in table


@pytest.mark.parametrize(
    ("added", "said"),
    [
        ("space-T1w_desc-preproc", "has space-T1w, but the config says space: MNI152NLin2009cAsym"),
        (f"space-{SPACE}_res-2_desc-preproc", "has res-2, but the config says res: null"),
        ("desc-preproc", "has no space, but the config says space"),
        (f"space-{SPACE}_desc-smoothAROMAnonaggr", "what is analysed is desc-preproc"),
    ],
)
def test_the_name_of_another_derivative_is_refused(added, said):
    with pytest.raises(Fault) as caught:
        check_scan(f"{FUNC}/sub-01_ses-1_task-rest_{added}_bold.nii.gz", SPACE, None)
    assert said in str(caught.value)


def test_inherited_sidecars_are_found_dangling_or_not(tmp_path):
    lay(tmp_path, "sub-01_ses-1_task-rest")
    (tmp_path / "task-rest_bold.json").symlink_to(".git/annex/objects/x")
    (tmp_path / "task-nback_bold.json").touch()
    paths = Matches(tmp_path, SPACE, None).sidecars(REST)
    assert [p.relative_to(tmp_path).as_posix() for p in paths] == [
        "task-rest_bold.json",
        f"{FUNC}/sub-01_ses-1_task-rest_space-{SPACE}_desc-preproc_bold.json",
    ]
