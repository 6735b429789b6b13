"""Echoes of a raw run: which they are, and what keeps them from being combined."""

import json

import numpy as np
import pytest

from crossfc.fault import Fault
from crossfc.plan import Plan
from crossfc.session.echo import echoes_of, require_echoes
from tests.image import write_image

FUNC = "sub-01/ses-a/func"


def name(echo, run="sub-01_ses-a_task-rest"):
    return f"{FUNC}/{run}_echo-{echo}_bold.nii.gz"


@pytest.fixture
def bids(tmp_path):
    """Three echoes of one run, and one of another run."""

    def lay(echo, time=None, volumes=20, run="sub-01_ses-a_task-rest"):
        path = tmp_path / name(echo, run)
        path.parent.mkdir(parents=True, exist_ok=True)
        data = np.random.default_rng(echo).integers(1, 99, (4, 5, 6, volumes)).astype(np.int16)
        write_image(path, data, np.diag([3.0, 3, 3, 1]))
        sidecar = {"RepetitionTime": 2.0} | ({} if time is None else {"EchoTime": time})
        path.with_name(path.name.replace(".nii.gz", ".json")).write_text(json.dumps(sidecar))

    for echo in (1, 2, 3):
        lay(echo, 0.012 * echo)
    lay(1, 0.012, run="sub-01_ses-a_task-rest_run-2")
    (tmp_path / FUNC / "._sub-01_ses-a_task-rest_echo-4_bold.nii.gz").touch()
    return tmp_path, lay


def test_the_echoes_of_a_run_are_those_that_differ_in_echo_alone(bids):
    root, _ = bids
    assert echoes_of(name(2), root) == [name(1), name(2), name(3)]
    assert echoes_of(name(1).replace("_echo-1", ""), root) == []
    require_echoes(name(1), root)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            lambda root, lay: (root / name(3)).unlink(),
            "has the echoes 1, 2; combining them takes 3",
        ),
        (lambda root, lay: (root / name(1)).unlink(), "has the echoes 2, 3; combining"),
        (lambda root, lay: lay(5, 0.06), "has the echoes 1, 2, 3, 5; combining"),
        (lambda root, lay: lay(2), "echo-2_bold.nii.gz has no EchoTime in its sidecar"),
        (lambda root, lay: lay(3, 0.024), "the echo times 0.012, 0.024, 0.024 s in the order"),
        (lambda root, lay: lay(2, 0.024, 21), "echoes of different sizes .4×5×6×20; 4×5×6×21; "),
    ],
)
def test_echoes_that_cannot_be_combined_are_refused(bids, change, sentence):
    root, lay = bids
    change(root, lay)
    with pytest.raises(Fault, match=sentence):
        require_echoes(name(2), root)


def test_fmripreps_container_takes_all_echoes_of_the_one_that_the_sheet_names(
    bids, root, monkeypatch
):
    folder, lay = bids
    monkeypatch.chdir(root)
    (folder / "sub-01/anat").mkdir()
    write_image(folder / "sub-01/anat/sub-01_T1w.nii.gz", np.ones((4, 4, 4)), np.eye(4))
    (folder / "participants.tsv").write_text(
        "participant_id\tgroup\tsequence\tt1w\nsub-01\tTRD\tdrug-placebo\t"
        "sub-01/anat/sub-01_T1w.nii.gz\n"
    )
    (folder / "sessions.tsv").write_text(
        "participant_id\tsession_id\ttreatment\tperiod\tscan\n"
        f"sub-01\tses-a\tdrug\t1\t{name(1)}\nsub-01\tses-b\tplacebo\t2\tn/a\n"
    )
    (folder / "license.txt").write_text("a")
    config = {
        "study": "s", "entry": "raw", "bids_dir": str(folder), "results_dir": str(folder / "r"),
        "space": "MNI152NLin2009cAsym", "groups": ["TRD"], "treatments": ["placebo", "drug"],
        "sheets": {key: str(folder / f"{key}.tsv") for key in ("participants", "sessions")},
        "preprocessing": {
            "tool": "fmriprep-run", "fmriprep": {"fs_license": str(folder / "license.txt")}
        },
    }  # fmt: skip
    plan = Plan(config, root)
    files = plan.fmriprep.files("01")
    for echo in (1, 2, 3):
        image = str(folder / name(echo))
        assert image in files and image.replace(".nii.gz", ".json") in files
    assert not any("run-2" in path for path in files)
    made = plan.scans.preprocessed(name(1))
    assert all("echo" not in path for path in made.values())
    assert plan.scans.raw_scan("01", "a", "01_ses-a_task-rest") == name(1)
    lay(2)
    with pytest.raises(Fault, match="sessions.tsv, row 2: .*echo-2_bold.nii.gz has no EchoTime"):
        Plan(config, root)
    config["preprocessing"] = {"tool": "native"}
    config["space"] = "MNI152NLin2009aSym"
    with pytest.raises(Fault, match="scans of several echoes are not preprocessed here"):
        Plan(config, root)
