"""Field maps are found by every way of naming, and refused with a way out."""

import json

import nibabel as nib
import numpy as np
import pytest

from crossfc.fault import Fault
from crossfc.session.preprocess.fieldmap import (
    choose_field_map,
    field_map_files,
    field_maps_for,
    refuse_field_maps,
)

SCAN = "sub-01/ses-a/func/sub-01_ses-a_task-rest_bold.nii.gz"
OTHER = "ses-a/func/sub-01_ses-a_task-nap_bold.nii.gz"


@pytest.fixture
def root(tmp_path):
    (tmp_path / SCAN).parent.mkdir(parents=True)
    return tmp_path


def _write(root, name, content=None, session="ses-a"):
    """A field map's image (a name is all that is looked at) and, where given, its sidecar."""
    folder = root / "sub-01" / session / "fmap" if session else root / "sub-01/fmap"
    folder.mkdir(parents=True, exist_ok=True)
    stem = f"sub-01_{session}_{name}" if session else f"sub-01_{name}"
    (folder / f"{stem}.nii.gz").write_bytes(b"")
    if content is not None:
        (folder / f"{stem}.json").write_text(json.dumps(content))
    return (folder / f"{stem}.nii.gz").relative_to(root).as_posix()


@pytest.mark.parametrize(
    "intended",
    [
        "ses-a/func/sub-01_ses-a_task-rest_bold.nii.gz",
        [OTHER, "ses-a/func/sub-01_ses-a_task-rest_bold.nii.gz"],
        [f"bids::{SCAN}"],
        f"bids:raw:{SCAN}",
        f"/{SCAN}",
        "ses-a/func/sub-01_ses-a_task-rest_bold.nii",
    ],
)
@pytest.mark.parametrize("session", ["ses-a", "ses-b", None])
def test_intended_for_is_heard_however_it_is_written(root, intended, session):
    wanted = _write(root, "dir-AP_epi", {"IntendedFor": intended}, session)
    _write(root, "dir-PA_epi", {"IntendedFor": OTHER}, session)
    assert field_maps_for(root, SCAN) == [wanted]


def test_phase_difference_by_identifier(root):
    sidecar = root / SCAN.replace(".nii.gz", ".json")
    sidecar.write_text(json.dumps({"B0FieldSource": "phase0"}))
    wanted = _write(root, "phasediff", {"B0FieldIdentifier": ["phase0", "spare"]})
    _write(root, "magnitude1", {"B0FieldIdentifier": "other"})
    assert field_maps_for(root, SCAN) == [wanted]


def test_a_source_that_is_no_field_map_of_the_folders_is_told_by_its_name(root):
    (root / "task-rest_bold.json").write_text(json.dumps({"B0FieldSource": ["pepolar1"]}))
    assert field_maps_for(root, SCAN) == ["B0FieldSource pepolar1"]


def test_one_that_does_not_say_what_it_is_for_may_be_for_this_scan(root):
    silent = [_write(root, "dir-AP_epi"), _write(root, "dir-PA_epi", {"EchoTime": 0.05})]
    above = _write(root, "fieldmap", session=None)
    _write(root, "dir-AP_epi", session="ses-b")
    assert field_maps_for(root, SCAN) == sorted([above, *silent])


def test_what_inherits_its_purpose_is_heard(root):
    (root / "epi.json").write_text(json.dumps({"IntendedFor": OTHER}))
    _write(root, "dir-AP_epi")
    assert field_maps_for(root, SCAN) == []


def test_junk_and_other_people_are_passed_over(root):
    folder = root / "sub-01/ses-a/fmap"
    folder.mkdir(parents=True)
    (folder / "._sub-01_ses-a_epi.json").write_bytes(b"\x00\x05")
    (folder / "notes.txt").write_text("none")
    (root / "sub-02/ses-a/fmap").mkdir(parents=True)
    (root / "sub-02/ses-a/fmap/sub-02_ses-a_epi.nii.gz").write_bytes(b"")
    assert field_map_files(root, SCAN) == []
    assert field_maps_for(root, SCAN) == []


def test_a_sidecar_that_cannot_be_read_is_refused(root):
    _write(root, "dir-AP_epi", {})
    (root / "sub-01/ses-a/fmap/sub-01_ses-a_dir-AP_epi.json").write_text("{")
    with pytest.raises(Fault, match="dir-AP_epi.json is no valid JSON"):
        field_maps_for(root, SCAN)


def test_the_refusal_names_them_and_the_ways_out():
    refuse_field_maps([], SCAN)
    with pytest.raises(Fault) as caught:
        refuse_field_maps([f"m{i}_epi.nii.gz" for i in range(5)], SCAN)
    text = str(caught.value)
    assert text.startswith(f"{SCAN} has field maps (m0_epi.nii.gz, m1_epi.nii.gz, m2_epi.nii.gz ")
    assert "and 2 more" in text
    assert "preprocessing.field_maps is refuse" in text and "ignore" in text
    assert "\n" not in text


SAID = {"PhaseEncodingDirection": "j-", "TotalReadoutTime": 0.04}


def _image(root, name, content=None, **more):
    path = root / _write(root, name, content, **more)
    nib.save(nib.Nifti1Image(np.ones((4, 5, 6), np.float32), np.eye(4)), path)
    return path.relative_to(root).as_posix()


def _run(root, **said):
    nib.save(nib.Nifti1Image(np.ones((4, 5, 6, 2), np.float32), np.eye(4)), root / SCAN)
    (root / SCAN.replace(".nii.gz", ".json")).write_text(json.dumps(SAID | said))


def _for(direction="j", **said):
    intended = {"IntendedFor": f"bids::{SCAN}"}
    return intended | {"PhaseEncodingDirection": direction, "TotalReadoutTime": 0.04} | said


def test_two_polarities_begin_with_that_of_the_run(root):
    _run(root)
    ap, pa = _image(root, "dir-AP_epi", _for("j-")), _image(root, "dir-PA_epi", _for("j"))
    chosen = choose_field_map(root, SCAN)
    assert (chosen.kind, chosen.named_by) == ("epi", "IntendedFor")
    assert chosen.paths == [ap, pa]
    _run(root, PhaseEncodingDirection="j")
    assert choose_field_map(root, SCAN).paths == [pa, ap]


def test_one_image_of_the_other_polarity_is_paired_with_the_run(root):
    _run(root)
    pa = _image(root, "dir-PA_epi", _for("j"))
    assert choose_field_map(root, SCAN).paths == [pa]


def test_an_identifier_comes_before_what_a_map_is_intended_for(root):
    _run(root, B0FieldSource="b0")
    _image(root, "dir-PA_epi", _for("j"))
    own = {"B0FieldIdentifier": "b0", "Units": "Hz"}
    wanted = _image(root, "fieldmap", own), _image(root, "magnitude", {})
    chosen = choose_field_map(root, SCAN)
    assert (chosen.kind, chosen.named_by) == ("fieldmap", "B0FieldSource")
    assert chosen.paths == list(wanted)


def test_no_field_map_is_none(root):
    _run(root)
    assert choose_field_map(root, SCAN) is None


INCOMPLETE = {
    "the same polarity": ("dir-AP_epi", _for("j-"), "there is none of the opposite"),
    "another axis": ("dir-LR_epi", _for("i"), "there is none of the opposite"),
    "no readout time": ("dir-PA_epi", _for("j", TotalReadoutTime="n/a"), "give seconds"),
    "phases": ("phasediff", _for(), "does not unwrap; give the field in Hz"),
    "no magnitude": ("fieldmap", _for(Units="Hz"), "has no magnitude image beside it"),
    "no link": ("dir-PA_epi", SAID, "do not say which runs they are for"),
    "no field": ("magnitude1", _for(), "of which none tells a field"),
}


@pytest.mark.parametrize("what", INCOMPLETE)
def test_what_is_incomplete_is_one_sentence_with_a_remedy(root, what):
    name, said, words = INCOMPLETE[what]
    _run(root)
    _image(root, name, said)
    with pytest.raises(Fault, match=words) as caught:
        choose_field_map(root, SCAN)
    assert "\n" not in str(caught.value) and "field_maps: ignore" in str(caught.value)


def test_a_map_of_another_session_does_not_serve(root):
    _run(root)
    _image(root, "dir-PA_epi", _for("j"), session="ses-b")
    with pytest.raises(Fault, match="has field maps of another session only"):
        choose_field_map(root, SCAN)


def test_a_field_in_another_unit_is_refused(root):
    _run(root)
    _image(root, "magnitude", {})
    _image(root, "fieldmap", _for(Units="T"))
    with pytest.raises(Fault, match='Units "T"; give Hz or rad/s'):
        choose_field_map(root, SCAN)
