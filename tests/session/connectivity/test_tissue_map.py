"""Which map of grey matter of a person is taken, and what is said where there is none."""

import pytest

from crossfc.session.connectivity.tissue_map import find_grey_matter

SPACE = "MNI152NLin2009cAsym"


@pytest.fixture
def derivatives(tmp_path):
    """A function that makes empty files below a folder of derivatives, and searches there."""

    def search(*names, res="2"):
        for name in names:
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        found = find_grey_matter("sub-01", "ses-1", tmp_path, SPACE, res)
        return found if isinstance(found, str) else str(found.relative_to(tmp_path))

    return search


def test_probabilities_go_before_labels_and_the_own_resolution_before_another(derivatives):
    anat = f"sub-01/anat/sub-01_space-{SPACE}"
    none = derivatives(
        "sub-01/anat/sub-01_label-GM_probseg.nii.gz", f"{anat}_desc-brain_mask.nii.gz"
    )
    assert none == (
        f"no label-GM_probseg and no dseg in space-{SPACE} in sub-01/ses-1/anat or sub-01/anat"
    )
    assert derivatives(f"{anat}_dseg.nii.gz") == f"{anat}_dseg.nii.gz"
    assert derivatives(f"{anat}_res-2_dseg.nii.gz") == f"{anat}_res-2_dseg.nii.gz"
    wrong = f"{anat}_label-WM_probseg.nii.gz", f"{anat}_res-2_desc-aseg_dseg.nii.gz"
    assert derivatives(*wrong) == f"{anat}_res-2_dseg.nii.gz"
    assert derivatives(f"{anat}_label-GM_probseg.nii.gz") == f"{anat}_label-GM_probseg.nii.gz"
    best = f"{anat}_res-2_label-GM_probseg.nii.gz"
    assert derivatives(best) == best
    assert derivatives(res=None) == f"{anat}_label-GM_probseg.nii.gz"


def test_the_anatomy_of_the_session_goes_before_that_of_the_person(derivatives):
    own = f"sub-01/ses-1/anat/sub-01_ses-1_space-{SPACE}_dseg.nii.gz"
    other = f"sub-01/ses-2/anat/sub-01_ses-2_space-{SPACE}_label-GM_probseg.nii.gz"
    assert derivatives(f"sub-01/anat/sub-01_space-{SPACE}_dseg.nii.gz", own, other) == own


def test_of_several_none_is_taken(derivatives):
    names = [f"sub-01/anat/sub-01_acq-{a}_space-{SPACE}_dseg.nii.gz" for a in "ab"]
    assert "several maps of grey matter" in derivatives(*names)
