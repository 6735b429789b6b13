"""Raw scans are checked before any work: every fault at once, and nothing said of whole ones."""

import gzip
import json

import numpy as np
import pytest

from crossfc.fault import Fault
from crossfc.session import scan
from crossfc.session.check import check_run, check_t1w
from tests.image import write_image

SCAN = "sub-01/ses-a/func/sub-01_ses-a_task-rest_bold.nii.gz"
T1W = "sub-01/anat/sub-01_T1w.nii.gz"
SHAPE, VOLUMES, TR = (12, 11, 10), 30, 2.0
SIDECAR = {"RepetitionTime": TR, "SliceTiming": [k * TR / 10 for k in range(10)]}


def series():
    return np.random.default_rng(1).integers(100, 900, (*SHAPE, VOLUMES)).astype(np.int16)


@pytest.fixture
def root(tmp_path):
    write_image(tmp_path / SCAN, series())
    write_image(tmp_path / T1W, series()[..., 0])
    (tmp_path / "task-rest_bold.json").write_text(json.dumps(SIDECAR))
    return tmp_path


def check(root, **choices):
    check_run(SCAN, root, **choices)
    check_t1w(root / T1W, accept_unoriented=choices.get("accept_unoriented", False))


def test_whole_scans_pass_without_reading_their_voxels(root, monkeypatch):
    monkeypatch.setattr(scan, "_whole_file", None)
    check(root)


def _sidecar(**changes):
    def change(root):
        content = {k: v for k, v in (SIDECAR | changes).items() if v != "gone"}
        (root / "task-rest_bold.json").write_text(json.dumps(content))

    return change


def _bold(change, **options):
    return lambda root: write_image(root / SCAN, change(series()), **options)


def _cut(name, inside=False):
    def change(root):
        whole = (root / name).read_bytes()
        content = gzip.decompress(whole)[:-400] if inside else None
        (root / name).write_bytes(gzip.compress(content) if inside else whole[: len(whole) // 2])

    return change


def _field_map(root):
    folder = root / "sub-01/ses-a/fmap"
    folder.mkdir()
    (folder / "sub-01_ses-a_phasediff.json").write_text(
        json.dumps({"IntendedFor": f"bids::{SCAN}"})
    )


SHEAR = np.diag([-3.0, 3, 3, 1])
SHEAR[0, 1] = 0.4

FAULTS = {
    "no slice timing": (_sidecar(SliceTiming="gone"), "has no SliceTiming; add it"),
    "milliseconds": (
        _sidecar(SliceTiming=[k * 200 for k in range(10)]),
        "looks like milliseconds; divide it by 1000",
    ),
    "slices": (_sidecar(SliceTiming=[0, 1]), "lists 2 slices but the scan has 12×11×10 voxels"),
    "direction": (
        _sidecar(SliceEncodingDirection="j"),
        "lists 10 slices but the scan has 11 along j",
    ),
    "text": (_sidecar(SliceTiming="ascending"), 'SliceTiming "ascending"; give a plain list'),
    "repetition time": (_sidecar(RepetitionTime=2.2), "2 s in its header but 2.2 s in its sidecar"),
    "repetition time of a text": (
        _sidecar(RepetitionTime="2.0"),
        'RepetitionTime "2.0"; give seconds above 0',
    ),
    "json": (
        lambda root: (root / "task-rest_bold.json").write_text("{,}"),
        "task-rest_bold.json is no valid JSON",
    ),
    "three dimensions": (_bold(lambda d: d[..., 0]), "where 4 dimensions are due"),
    "few volumes": (_bold(lambda d: d[..., :15]), "has 15 volumes, fewer than 20"),
    "orientation": (_bold(lambda d: d, codes=(0, 0)), "sform_code and qform_code are 0"),
    "shear": (_bold(lambda d: d, affine=SHEAR, codes=(1, 0)), "an affine with shear"),
    "truncated": (_cut(SCAN), "rest_bold.nii.gz is truncated or corrupt"),
    "shorter than its header": (_cut(SCAN, inside=True), "bytes of voxels where the header says"),
    "truncated T1w": (_cut(T1W), "sub-01_T1w.nii.gz is truncated or corrupt"),
    "four-dimensional T1w": (
        lambda root: write_image(root / T1W, series()),
        "where 3 dimensions are due",
    ),
    "unoriented T1w": (
        lambda root: write_image(root / T1W, series()[..., 0], codes=(0, 0)),
        "sub-01_T1w.nii.gz does not say how it lies",
    ),
    "field map": (_field_map, "has sidecars of field maps without images .sub-01/ses-a/fmap/.*"),
}


@pytest.mark.parametrize("what", FAULTS)
def test_each_fault_is_one_sentence_with_the_file(root, what):
    break_it, sentence = FAULTS[what]
    break_it(root)
    with pytest.raises(Fault, match=sentence) as caught:
        check(root)
    text = str(caught.value)
    assert "\n" not in text
    assert str(root) in text
    assert ";" in text or "," in text  # what is wrong, and what to do


def test_all_faults_of_a_run_are_told_at_once_and_once(root):
    _field_map(root)
    _sidecar(SliceTiming="ascending", RepetitionTime="2")(root)
    with pytest.raises(Fault) as caught:
        check(root)
    lines = str(caught.value).splitlines()
    assert len(lines) == len(set(lines)) == 3
    for words in ("field maps without", "SliceTiming", "RepetitionTime"):
        assert sum(words in line for line in lines) == 1, lines


def test_what_the_config_accepts_passes(root):
    _field_map(root)
    _sidecar(SliceTiming="gone")(root)
    _bold(lambda d: d, codes=(0, 0))(root)
    check(root, field_maps="ignore", slice_timing="skip", accept_unoriented=True)


def test_a_stream_in_several_pieces_is_no_fault(root):
    """Tools that compress in parallel write several gz streams: the last one's size says little."""
    content = gzip.decompress((root / SCAN).read_bytes())
    half = len(content) // 2
    pieces = gzip.compress(content[:half]) + gzip.compress(content[half:])
    (root / SCAN).write_bytes(pieces)
    check(root)
    (root / SCAN).write_bytes(gzip.compress(content + b"more"))
    check(root)
    (root / SCAN).write_bytes(gzip.compress(content[:half]) + gzip.compress(content[half:-9]))
    with pytest.raises(Fault, match="truncated: it holds 79191 bytes .* says 79200"):
        check(root)


def test_an_uncompressed_scan_is_judged_by_its_size(root):
    whole = gzip.decompress((root / T1W).read_bytes())
    path = root / "sub-01/anat/sub-01_T1w.nii"
    path.write_bytes(whole)
    check_t1w(path)
    path.write_bytes(whole[:-1])
    with pytest.raises(Fault, match="truncated: it holds 2639 bytes of voxels where .* says 2640"):
        check_t1w(path)


def test_a_mode_that_does_not_exist_is_refused(root):
    with pytest.raises(Fault, match='field_maps is "apply"; choose "use", "ignore" or "refuse"'):
        check(root, field_maps="apply")
