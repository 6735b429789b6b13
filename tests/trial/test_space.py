"""Spaces: MNI coordinates hold in adult versions of MNI152, and nowhere else."""

import pytest

from crossfc.trial.space import MNI, problem


@pytest.mark.parametrize("space", MNI)
def test_adult_mni_spaces_pass(space):
    assert problem(space) is None


@pytest.mark.parametrize(
    ("space", "why"),
    [
        ("T1w", "own head"),
        ("anat", "own head"),
        ("func", "space of each scan"),
        ("boldref", "space of each scan"),
        ("fsnative", "surface"),
        ("fsaverage5", "surface"),
        ("fsLR", "surface"),
        ("MNIPediatricAsym", "children"),
        ("MNIInfant", "children"),
        ("UNCInfant", "children"),
        ("OASIS30ANTs", "not MNI's"),
        ("Talairach", "another system"),
        ("MNI305", "older template"),
        ("MNIColin27", "older template"),
        ("MNI152NLin2009cAsm", "did you mean MNI152NLin2009cAsym?"),
        ("mymni", "is no MNI152 template of adults that crossfc knows"),
        ("MNI152", "is no MNI152 template"),
    ],
)
def test_other_spaces_are_refused_with_what_they_are(space, why):
    assert why in problem(space)
    assert "seeds and targets are MNI152 coordinates" in problem(space)


def test_ready_maps_may_name_no_version():
    assert problem("MNI152", unversioned=True) is None
