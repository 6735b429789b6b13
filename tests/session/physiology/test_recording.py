"""Recordings by the rules of BIDS, and what is said of one that cannot be read."""

import gzip
import json

import numpy as np
import pytest

from crossfc.fault import Fault
from crossfc.session.physiology.measure import read_physiology
from crossfc.session.physiology.recording import files_of, read_recording, recordings_of
from tests.session.physiology.recorded import beat_times, belt, pulse, write

SCAN = "sub-01/ses-1/func/sub-01_ses-1_task-rest_run-01_bold.nii.gz"
SECONDS = 120.0


@pytest.fixture(scope="module")
def columns():
    times = np.arange(0, SECONDS, 0.02)
    trigger = (times % 2 < 0.04).astype(float)
    return {
        "cardiac": pulse(times, beat_times(SECONDS), 0.02),
        "respiratory": belt(times, 15.0),
        "trigger": trigger,
    }


def test_a_recording_has_the_entities_of_its_scan():
    names = [
        "sub-01_ses-1_task-rest_run-01_physio.tsv.gz",
        "sub-01_ses-1_task-rest_run-1_recording-belt_physio.tsv.gz",
        "sub-01_ses-1_task-rest_run-02_physio.tsv.gz",
        "sub-01_ses-1_task-rest_physio.tsv.gz",
        "sub-01_ses-1_task-rest_acq-fast_run-01_physio.tsv.gz",
        "._sub-01_ses-1_task-rest_run-01_physio.tsv.gz",
        "sub-01_ses-1_task-rest_run-01_physio.json",
        "sub-01_ses-1_task-rest_run-01_stim.tsv.gz",
    ]
    assert recordings_of(SCAN, names) == sorted(names[:2])
    derivative = "sub-01_ses-1_task-rest_run-1_space-MNI152NLin2009cAsym_desc-preproc_bold.nii.gz"
    assert recordings_of(derivative, names) == sorted(names[:2])
    echo = SCAN.replace("_bold", "_echo-1_bold")
    assert recordings_of(echo, names) == sorted(names[:2])


def test_sidecars_are_inherited(tmp_path, columns):
    stem = "sub-01_ses-1_task-rest_run-01_recording-belt"
    folder = tmp_path / "sub-01/ses-1/func"
    files = write(folder, columns, stem=stem, StartTime=None, Columns=None)
    (tmp_path / "task-rest_physio.json").write_text(
        json.dumps({"StartTime": 9, "Columns": list(columns), "SamplingFrequency": 7})
    )
    upper = tmp_path / "sub-01/ses-1/sub-01_ses-1_task-rest_physio.json"
    upper.write_text('{"StartTime": -3.5}')
    (tmp_path / "task-other_physio.json").write_text('{"StartTime": 77}')
    given = [str(p) for p in tmp_path.rglob("*physio*")]
    (found,) = files_of(SCAN, given)
    assert found["path"] == str(files["path"])
    assert [p.name for p in found["sidecars"]] == [
        "task-rest_physio.json",
        "sub-01_ses-1_task-rest_physio.json",
        f"{stem}_physio.json",
    ]
    traces = read_recording(found)
    assert set(traces) == {"cardiac", "respiratory", "trigger"}
    own = traces["cardiac"]
    assert (own.start, own.sampling_hz) == (-3.5, 50.0)
    assert own.times[:2] == pytest.approx([-3.5, -3.48])
    assert own.values == pytest.approx(columns["cardiac"], rel=1e-4, abs=1e-5)
    assert "belt" in own.words


def test_other_names_of_columns_and_descriptions(tmp_path, columns):
    files = write(
        tmp_path,
        {"PPG": columns["cardiac"], "resp": columns["respiratory"], "x": columns["trigger"]},
        PPG={"Description": "Finger oximeter"},
    )
    traces = read_recording(files)
    assert set(traces) == {"cardiac", "respiratory"}
    assert "finger oximeter" in traces["cardiac"].words


def test_measures_of_a_whole_recording(tmp_path, columns):
    found = read_physiology([write(tmp_path, columns)], SECONDS, 2.0)
    own = found.quality()
    assert own["heart_rate"] == pytest.approx(66, abs=0.5)
    assert own["respiration_rate"] == pytest.approx(15, abs=0.2)
    assert own["deep_breaths"] == 0 and own["physiology_note"] is None
    assert own["heart_rate_variability"] > 10 and own["respiratory_volume"] > 0.3


def test_beats_and_breaths_may_be_in_two_recordings(tmp_path, columns):
    heart = write(tmp_path, {"cardiac": columns["cardiac"]}, stem="sub-01_recording-heart")
    times = np.arange(-20, SECONDS, 0.1)
    lungs = write(
        tmp_path, {"respiratory": belt(times)}, hz=10.0, start=-20.0, stem="sub-01_recording-lungs"
    )
    own = read_physiology([heart, lungs], SECONDS, 2.0).quality()
    assert own["heart_rate"] == pytest.approx(66, abs=0.5)
    assert own["respiration_rate"] == pytest.approx(15, abs=0.2)


def test_without_recordings_nothing_is_said():
    own = read_physiology([], SECONDS, 2.0).quality()
    assert set(own.values()) == {None} and len(own) == 7


def test_start_time_is_kept_to(tmp_path, columns):
    """A recording that began 100 s late says so, and has no number."""
    own = read_physiology([write(tmp_path, columns, start=100.0)], SECONDS, 2.0).quality()
    assert own["heart_rate"] is None and own["respiration_rate"] is None
    assert "20 of 120 seconds of the scan, too short" in own["physiology_note"]


def test_triggers_elsewhere_than_the_scan_are_told(tmp_path, columns):
    late = columns | {"trigger": np.where(np.arange(6000) > 1000, columns["trigger"], 0)}
    note = read_physiology([write(tmp_path, late)], SECONDS, 2.0).quality()["physiology_note"]
    assert "no trigger of the scanner is at the start of the scan" in note
    assert "(the first is at 20.0 s)" in note
    # Volumes before the first, whose triggers come earlier, are no contradiction.
    times = np.arange(-10, SECONDS, 0.02)
    early = {"respiratory": belt(times), "trigger": ((times + 10) % 2 < 0.04).astype(float)}
    files = write(tmp_path, early, start=-10.0, stem="sub-02")
    assert read_physiology([files], SECONDS, 2.0).quality()["physiology_note"] is None


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"SamplingFrequency": None}, "its sidecar lacks SamplingFrequency; write what BIDS"),
        ({"StartTime": None, "Columns": None}, "lacks StartTime and Columns"),
        ({"SamplingFrequency": 0}, "has SamplingFrequency 0; write samples per second, above 0"),
        ({"SamplingFrequency": "50 Hz"}, 'has SamplingFrequency "50 Hz"'),
        ({"StartTime": "now"}, 'has StartTime "now"; write seconds from the first volume'),
        ({"Columns": "cardiac"}, 'has Columns "cardiac"; write a list of names'),
        ({"Columns": ["cardiac"]}, "has 3 columns where its sidecar names 1; correct Columns"),
        (
            {"Columns": ["ppg", "ecg", "trigger"]},
            "ecg, ppg may each be the cardiac trace|ppg, ecg may each be the cardiac trace",
        ),
    ],
)
def test_a_sidecar_at_fault_is_told_and_gives_no_number(tmp_path, columns, fields, said):
    files = write(tmp_path, columns, **fields)
    with pytest.raises(Fault, match=said):
        read_recording(files)
    own = read_physiology([files], SECONDS, 2.0).quality()
    assert own.pop("physiology_note") and set(own.values()) == {None}


def _header(path):
    text = gzip.decompress(path.read_bytes())
    path.write_bytes(gzip.compress(b"cardiac\trespiratory\ttrigger\n" + text))


def _cut(path):
    path.write_bytes(path.read_bytes()[:3000])


def _no_gzip(path):
    path.write_bytes(b"1\t2\t3\n")


def _empty(path):
    path.write_bytes(gzip.compress(b""))


def _ragged(path):
    path.write_bytes(gzip.compress(b"1\t2\t3\n1\t2\t3\t4\n"))


def _words(path):
    path.write_bytes(gzip.compress(b"1\t2\t3\nx\t2\t3\n"))


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (
            _header,
            "holds what is no number .'cardiac' in the first row, which is no header in BIDS",
        ),
        (_cut, "cannot be unpacked"),
        (_no_gzip, "cannot be unpacked"),
        (_empty, "is empty"),
        (_ragged, "is no table"),
        (_words, "holds what is no number; write numbers"),
        (lambda path: path.unlink(), "does not exist"),
    ],
)
def test_a_file_at_fault_is_told_and_gives_no_number(tmp_path, columns, spoil, said):
    files = write(tmp_path, columns)
    spoil(files["path"])
    with pytest.raises(Fault, match=said):
        read_recording(files)
    own = read_physiology([files], SECONDS, 2.0).quality()
    note = own.pop("physiology_note")
    assert note and "\n" not in note and set(own.values()) == {None}


def test_one_trace_at_fault_leaves_the_other(tmp_path, columns):
    spoilt = columns | {"cardiac": np.full(6000, 5.0)}
    found = read_physiology([write(tmp_path, spoilt)], SECONDS, 2.0)
    own = found.quality()
    assert own["heart_rate"] is None and own["respiration_rate"] == pytest.approx(15, abs=0.2)
    assert own["physiology_note"] == (
        "sub-01_ses-1_task-rest_physio, cardiac: constant at 5 during the scan"
    )
    assert found.lacking({"respiratory_volume": True}) == []
    both = {"retroicor": {"cardiac": 2, "respiratory": 2, "interaction": False}}
    assert found.lacking(both) == [
        "no usable cardiac recording, which the confound strategy needs: "
        "sub-01_ses-1_task-rest_physio, cardiac: constant at 5 during the scan"
    ]
