"""File names of BIDS: built from entities in the standard's order, and read back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossfc.bids import ENTITY_ORDER, bids_name, dataset_description, label, parse_name
from crossfc.fault import Fault

LABELS = st.text("abcXYZ019+", min_size=1, max_size=6)
ENTITIES = st.dictionaries(st.sampled_from(ENTITY_ORDER), LABELS, min_size=1, max_size=6)
SUFFIXES = st.sampled_from(["bold", "T1w", "boldmap", "timeseries"])
EXTENSIONS = st.sampled_from([".nii.gz", ".nii", ".json", ".tsv", ".h5"])


@given(ENTITIES, SUFFIXES, EXTENSIONS)
def test_a_name_reads_back_as_it_was_built(entities, suffix, extension):
    name = bids_name(entities, suffix, extension)
    assert parse_name(name) == (entities, suffix, extension)
    assert list(parse_name(name)[0]) == [e for e in ENTITY_ORDER if e in entities]


@given(ENTITIES, SUFFIXES)
def test_the_order_of_the_dictionary_does_not_matter(entities, suffix):
    backwards = dict(reversed(entities.items()))
    assert bids_name(backwards, suffix, ".nii") == bids_name(entities, suffix, ".nii")


@given(st.text(max_size=40))
def test_any_text_is_a_name_or_a_fault(name):
    try:
        entities, suffix, extension = parse_name(name)
    except Fault:
        return
    parts = [f"{key}-{value}" for key, value in entities.items()]
    assert "_".join([*parts, suffix]) + extension == name


def test_the_names_of_the_standard():
    entities = {"desc": "preproc", "space": "MNI152NLin2009cAsym", "sub": "01", "res": "2"}
    entities |= {"task": "rest", "ses": "d2", "run": "01", "acq": None, "dir": ""}
    assert bids_name(entities, "bold", ".nii.gz") == (
        "sub-01_ses-d2_task-rest_run-01_space-MNI152NLin2009cAsym_res-2_desc-preproc_bold.nii.gz"
    )


@pytest.mark.parametrize(
    "name",
    [
        "._sub-01_task-rest_bold.nii.gz",
        "sub-01_task-rest_bold",
        "sub_01_bold.nii.gz",
        "sub-01_task-rest state_bold.nii.gz",
        "sub-01_sub-02_bold.nii.gz",
        "sub-01_bold.nii.gz\n",
        "bold.nii.gz",
        "",
    ],
)
def test_what_is_no_bids_name_is_refused(name):
    with pytest.raises(Fault, match="is no BIDS file name"):
        parse_name(name)


@pytest.mark.parametrize("bad", ["rest_state", "rest-state", "rest state", "a/b", "ä", "1\n"])
def test_labels_are_letters_and_digits(bad):
    with pytest.raises(Fault, match="letters and digits only"):
        bids_name({"sub": "01", "task": bad}, "bold", ".nii")


def test_unknown_entities_are_refused():
    with pytest.raises(Fault, match="no entity subject"):
        bids_name({"subject": "01"}, "bold", ".nii")


def test_labels_of_identifiers():
    assert [label(i) for i in ("sub-01", "ses-d2", "01")] == ["01", "d2", "01"]


def test_dataset_description_is_that_of_a_derivative():
    made = dataset_description("demo", "1.2")
    assert made["DatasetType"] == "derivative"
    assert made["GeneratedBy"] == [{"Name": "crossfc", "Version": "1.2"}]
    assert made["BIDSVersion"].startswith("1.")
