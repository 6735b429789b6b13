"""Recordings are inputs of the job of their session, and of no other."""

import numpy as np
import pytest

from crossfc.fault import Fault
from crossfc.plan import Plan
from crossfc.session.physiology.recording import files_of
from tests.plan.test_plan import refusal, study  # noqa: F401 (a fixture)
from tests.session.physiology.recorded import write

FOLDER = "data/sub-01/ses-1/func"
STEM = "sub-01_ses-1_task-rest"


@pytest.fixture
def recorded(study, tmp_path):  # noqa: F811
    """One session of four has a recording."""
    ramp = np.arange(20.0)
    write(tmp_path / FOLDER, {"cardiac": ramp, "respiratory": ramp}, stem=STEM)
    return study


def inputs(config, root):
    plan = Plan(config, root)
    return {
        (person, session): plan.recordings.inputs(person, session)
        for person in ("01", "02")
        for session in ("1", "2")
    }


@pytest.mark.parametrize("entry", ["fmriprep", "raw"])
def test_a_recording_is_input_of_its_session_only(recorded, root, entry):
    config = recorded | {"entry": entry}
    if entry == "raw":
        del config["derivatives_dir"]
    found = inputs(config, root)
    own = found.pop(("01", "1"))
    assert own == [f"{FOLDER}/{STEM}_physio.{ending}" for ending in ("tsv.gz", "json")]
    assert list(found.values()) == [[]] * 3
    # What the job makes of them: a recording with its sidecar, for its run alone.
    scan = f"sub-01/ses-1/func/{STEM}_bold.nii.gz"
    (files,) = files_of(scan, own)
    assert [str(path) for path in (files["path"], *files["sidecars"])] == own
    assert files_of(scan.replace("ses-1", "ses-2"), own) == []


def test_a_sidecar_of_all_is_input_where_there_is_a_recording(recorded, root, tmp_path):
    (tmp_path / "data/task-rest_physio.json").write_text("{}")
    found = inputs(recorded, root)
    assert found.pop(("01", "1"))[1] == "data/task-rest_physio.json"
    assert list(found.values()) == [[]] * 3


def test_the_data_set_may_be_named_and_lie_elsewhere(recorded, root, tmp_path):
    (tmp_path / "data").rename(tmp_path / "raw")
    assert not any(inputs(recorded, root).values())
    assert inputs(recorded | {"bids_dir": str(tmp_path / "raw")}, root)["01", "1"]


def test_a_twin_has_no_recordings(recorded, root):
    assert not any(inputs(recorded | {"twin": {}}, root).values())


def test_a_recording_that_was_not_fetched_is_no_input_and_is_told(recorded, root, tmp_path):
    path = tmp_path / FOLDER / f"{STEM}_physio.tsv.gz"
    path.unlink()
    path.symlink_to("../../../.git/annex/objects/xx/yy")
    plan = Plan(recorded, root)
    assert plan.recordings.inputs("01", "1") == []
    (told,) = plan.recordings.absent("01", "1").values()
    assert told[0].startswith(f"sub-01/ses-1/func/{STEM}_physio.tsv.gz is a link into git-annex")
    assert plan.recordings.absent("01", "2") == {}


RICOR = {"pipelines": {"primary": {"strategy": "acompcor_retroicor"}}}


def test_a_strategy_that_needs_recordings_is_refused_where_there_are_none(recorded, root, tmp_path):
    assert Plan(recorded | RICOR, root).recordings.faults == []
    (tmp_path / FOLDER / f"{STEM}_physio.tsv.gz").unlink()
    plan = Plan(recorded | RICOR, root)
    (said,) = plan.recordings.faults
    assert said == (
        "config key pipelines.primary.strategy: acompcor_retroicor needs recordings of pulse or "
        "breathing, and there is no *_physio.tsv.gz beside the raw scans in bids_dir (data); "
        "choose another strategy, or name the data set that has them in bids_dir"
    )
    with pytest.raises(Fault, match="acompcor_retroicor needs recordings"):
        plan.connectivity.require_sound()
    (of_twin,) = Plan(recorded | RICOR | {"twin": {}}, root).recordings.faults
    assert "there is no *_physio.tsv.gz of a twin" in of_twin


def test_what_was_recorded_is_checked_in_the_config(recorded, root):
    assert Plan(recorded, root).connectivity.cardiac() is None
    assert Plan(recorded | {"physiology": {"cardiac": "ecg"}}, root).connectivity.cardiac() == "ecg"
    assert "physiology.cardiac" in refusal(recorded | {"physiology": {"cardiac": "eeg"}}, root)
