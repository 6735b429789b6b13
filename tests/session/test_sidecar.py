"""Sidecars: inherited as BIDS says, and refused where a field is not what it should be."""

import json

import pytest

from crossfc.fault import Fault
from crossfc.session.sidecar import check_sidecar, read_sidecar, sidecar_paths

SCAN = "sub-01/ses-d2/func/sub-01_ses-d2_task-rest_run-1_bold.nii.gz"


def _data_set(root, files):
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(json.dumps(content))


def test_sidecars_are_inherited_from_the_root_down(tmp_path):
    _data_set(
        tmp_path,
        {
            "task-rest_bold.json": {"RepetitionTime": 2, "EchoTime": 0.03, "TaskName": "rest"},
            "sub-01/sub-01_task-rest_bold.json": {"EchoTime": 0.025},
            "sub-01/ses-d2/func/sub-01_ses-d2_task-rest_run-1_bold.json": {"FlipAngle": 80},
            # None of these applies.
            "task-nback_bold.json": {"EchoTime": 1},
            "task-rest_events.json": {"EchoTime": 2},
            "task-rest_sbref.json": {"EchoTime": 2},
            "sub-01/sub-01_ses-p2_task-rest_bold.json": {"EchoTime": 3},
            "sub-01/ses-d2/func/sub-01_ses-d2_task-rest_run-2_bold.json": {"EchoTime": 4},
        },
    )
    junk = tmp_path / "sub-01/ses-d2/func/._sub-01_ses-d2_task-rest_run-1_bold.json"
    junk.write_bytes(b"\x00\x05\x16\x07Mac OS X")
    (tmp_path / "._task-rest_bold.json").write_bytes(b"\x00\x05")
    paths = sidecar_paths(tmp_path, SCAN)
    assert [p.name for p in paths] == [
        "task-rest_bold.json",
        "sub-01_task-rest_bold.json",
        "sub-01_ses-d2_task-rest_run-1_bold.json",
    ]
    assert read_sidecar(paths) == {
        "RepetitionTime": 2,
        "EchoTime": 0.025,
        "TaskName": "rest",
        "FlipAngle": 80,
    }


def test_the_more_specific_sidecar_of_a_folder_wins(tmp_path):
    _data_set(tmp_path, {"bold.json": {"a": 1, "b": 1}, "task-rest_bold.json": {"b": 2}})
    assert read_sidecar(sidecar_paths(tmp_path, SCAN)) == {"a": 1, "b": 2}


def test_no_sidecar_is_no_fault(tmp_path):
    assert read_sidecar(sidecar_paths(tmp_path, SCAN)) == {}


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b'{"RepetitionTime": 2,}', "no valid JSON .line 1"),
        (b"[1, 2]", "holds no JSON object"),
        (b"\xff\xfe\x00", "is not UTF-8"),
    ],
)
def test_broken_sidecars_are_refused(tmp_path, content, sentence):
    (tmp_path / "task-rest_bold.json").write_bytes(content)
    with pytest.raises(Fault, match=sentence):
        read_sidecar(sidecar_paths(tmp_path, SCAN))


WHOLE = {
    "RepetitionTime": 2.5,
    "SliceTiming": [0, 1.25],
    "SliceEncodingDirection": "k-",
    "SliceTimingCorrected": False,
    "MRAcquisitionType": "2D",
    "TaskName": "rest",
    "B0FieldSource": ["pepolar0", "phase0"],
    "EchoTime": "whatever nobody reads",
}


def test_a_whole_sidecar_passes():
    check_sidecar(WHOLE, "a_bold.nii.gz")
    check_sidecar({}, "a_bold.nii.gz")


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("RepetitionTime", "2.5", 'RepetitionTime "2.5"; give seconds above 0'),
        ("RepetitionTime", [2.5], r"RepetitionTime \[2.5\]; give seconds above 0"),
        ("RepetitionTime", True, "RepetitionTime true; give seconds above 0"),
        ("RepetitionTime", 0, "RepetitionTime 0; give seconds above 0"),
        ("RepetitionTime", None, "RepetitionTime null; give seconds above 0"),
        ("SliceTiming", {"0": 1}, "SliceTiming .*; give a plain list of numbers"),
        ("SliceEncodingDirection", ["k"], "SliceEncodingDirection .*; give i, j or k"),
        ("SliceEncodingDirection", 2, "SliceEncodingDirection 2; give i, j or k"),
        ("SliceTimingCorrected", 1, "SliceTimingCorrected 1; give true or false"),
        ("MRAcquisitionType", ["2D"], "MRAcquisitionType .*; give 2D or 3D"),
        ("TaskName", 7, "TaskName 7; give a text"),
        ("B0FieldSource", [1], r"B0FieldSource \[1\]; give a text or a list of texts"),
        ("VolumeTiming", [0, 2, 7], "has VolumeTiming, so its volumes are not evenly spaced"),
    ],
)
def test_fields_of_a_wrong_type_are_refused_by_name(field, value, sentence):
    with pytest.raises(Fault, match=sentence) as caught:
        check_sidecar(WHOLE | {field: value}, "a_bold.nii.gz")
    assert "a_bold.nii.gz" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_all_fields_at_fault_are_told_at_once():
    with pytest.raises(Fault) as caught:
        check_sidecar(WHOLE | {"RepetitionTime": "2", "TaskName": None}, "a")
    assert len(str(caught.value).splitlines()) == 2


def test_long_values_are_shortened():
    with pytest.raises(Fault) as caught:
        check_sidecar({"SliceTiming": ["x"] * 500}, "a")
    assert len(str(caught.value)) < 200
