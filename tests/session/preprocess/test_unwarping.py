"""A planted distortion is undone along every axis and polarity, whatever tells the readout time."""

import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from crossfc.fault import Fault
from crossfc.session.preprocess.polarity import Distorted, field_of_pair
from crossfc.session.preprocess.readout import read_readout
from crossfc.session.preprocess.resampling import resample_volume
from crossfc.session.preprocess.unwarping import Unwarping
from crossfc.twin import susceptibility

SHAPE = (30, 28, 26)
AFFINE = np.array([[-3.0, 0, 0, 44], [0, 3, 0, -41], [0, 0, 3, -38], [0, 0, 0, 1]])
DIRECTIONS = ("i", "i-", "j", "j-", "k", "k-")
TOTAL_S = 0.04


def _head(places):
    """A ball with a pattern in it, in voxels, at places (3, …)."""
    middle = (np.array(SHAPE) - 1) / 2
    apart = [p - m for p, m in zip(places, middle, strict=True)]
    distance = np.sqrt(sum(a**2 for a in apart))
    pattern = sum(np.cos(0.9 * a + k) for k, a in enumerate(apart))
    return (100 + 15 * pattern) / (1 + np.exp(2 * (distance - 10)))


def _hz(places):
    """A field of 50 Hz at a place inside the ball: 2 voxels at 40 ms."""
    squared = sum((p - c) ** 2 for p, c in zip(places, (15, 17, 11), strict=True))
    return 50 * np.exp(-squared / (2 * 4.0**2))


def _scanned(direction):
    """The head as a readout of this direction shows it."""
    readout = susceptibility.Readout(direction, TOTAL_S)
    grid, fine = susceptibility.finer(np.eye(4), SHAPE, readout.axis)
    places = np.einsum("ij,j...->i...", grid[:3, :3], np.indices(fine, float))
    places += grid[:3, 3].reshape(3, 1, 1, 1)
    image = susceptibility.read_out(_head(places), _hz(places), readout, SHAPE)
    return image.reshape(SHAPE)


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_a_known_field_is_undone(direction):
    readout = read_readout(
        {"PhaseEncodingDirection": direction, "TotalReadoutTime": TOTAL_S}, SHAPE, "x"
    )
    places = np.indices(SHAPE, float)
    unwarping = Unwarping(readout.axis, _hz(places) * readout.voxels_per_hz, AFFINE, {})
    distorted, true = _scanned(direction), _head(places)
    # The readout of the twin averages over the triangle between neighbouring voxels.
    true = ndimage.convolve1d(true, [1 / 8, 3 / 4, 1 / 8], axis=readout.axis)
    inside = ndimage.binary_erosion(true > 50, iterations=1)
    before, after = (
        np.sqrt(np.mean((image - true)[inside] ** 2))
        for image in (distorted, unwarping.undo(distorted))
    )
    assert after < 0.25 * before
    # Composed into the one resampling it does the same.
    points = places.reshape(3, -1).T @ AFFINE[:3, :3].T + AFFINE[:3, 3]
    resampled = resample_volume(distorted, AFFINE, points, SHAPE, unwarping)
    np.testing.assert_allclose(
        resampled[inside], unwarping.undo(distorted)[inside], rtol=2e-3, atol=0.05
    )


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_two_polarities_tell_the_field(direction):
    axis = direction[0]
    other = axis if direction.endswith("-") else f"{axis}-"
    sign = -1 if direction.endswith("-") else 1
    first, second = (
        Distorted(_scanned(d), AFFINE, "ijk".index(axis), s * TOTAL_S)
        for d, s in ((direction, sign), (other, -sign))
    )
    places = np.indices(SHAPE, float)
    inside = _head(places) > 60
    found = field_of_pair(first, second, inside)
    shift_mm = 3 * TOTAL_S * _hz(places)
    missed = np.abs(3 * TOTAL_S * found.hz - shift_mm)
    strong = inside & (shift_mm > 2)
    assert shift_mm[strong].mean() > 3
    assert missed[strong].mean() < 0.2 * shift_mm[strong].mean()
    assert missed[inside].mean() < 0.3
    assert np.abs(found.pose - np.eye(4)).max() < 0.2  # the head did not move


def test_a_head_that_moved_between_two_polarities_is_found():
    """Across the axis of phase encoding; along it a constant field tells the same."""
    first = Distorted(_scanned("j-"), AFFINE, 1, -TOTAL_S)
    moved = ndimage.shift(_scanned("j"), (0.5, 0, -0.4), order=3, mode="nearest")
    found = field_of_pair(
        first, Distorted(moved, AFFINE, 1, TOTAL_S), _head(np.indices(SHAPE, float)) > 60
    )
    assert found.pose[:3, 3] == pytest.approx([-1.5, 0, -1.2], abs=0.25)


@pytest.mark.parametrize(
    ("said", "total_s"),
    [
        ({"TotalReadoutTime": 0.05, "EffectiveEchoSpacing": 0.9}, 0.05),
        ({"EffectiveEchoSpacing": 0.0005}, 0.0005 * 63),  # GE and Siemens
        ({"EstimatedTotalReadoutTime": 0.031}, 0.031),  # dcm2niix, Philips
        ({"EstimatedEffectiveEchoSpacing": 0.0004}, 0.0004 * 63),
        # Fat is 434.3 Hz off at 3 T; that it lands 15 voxels away takes 34.5 ms.
        ({"WaterFatShift": 15.0, "MagneticFieldStrength": 3}, 15 / 434.2854),
        (
            {"WaterFatShift": 15.0, "ImagingFrequency": 127.7, "EPIFactor": 31},
            15 / 434.18 * 31 / 32,
        ),
    ],
)
def test_the_readout_time_of_each_maker(said, total_s):
    for direction in DIRECTIONS:
        readout = read_readout(said | {"PhaseEncodingDirection": direction}, (64,) * 3, "x")
        assert readout.total_s == pytest.approx(total_s, rel=1e-4)
        assert readout.voxels_per_hz == (-1 if "-" in direction else 1) * readout.total_s
        assert readout.axis == "ijk".index(direction[0])


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"TotalReadoutTime": 0.05}, "no PhaseEncodingDirection"),
        ({"PhaseEncodingDirection": "AP"}, 'PhaseEncodingDirection "AP"'),
        ({"PhaseEncodingDirection": "j", "TotalReadoutTime": 31}, "looks like milliseconds"),
        ({"PhaseEncodingDirection": "j", "EffectiveEchoSpacing": "n/a"}, "give seconds"),
        ({"PhaseEncodingDirection": "j", "WaterFatShift": 15}, "neither TotalReadoutTime"),
    ],
)
def test_a_readout_that_cannot_be_told_is_one_sentence(said, words):
    with pytest.raises(Fault, match=words) as caught:
        read_readout(said, (64, 64, 36), "bold.nii.gz")
    assert "\n" not in str(caught.value) and "field_maps: ignore" in str(caught.value)


@pytest.mark.slow
def test_the_distortion_of_the_twin_is_more_than_halved(tmp_path, monkeypatch):
    """At sgACC and vmPFC, from a pair of spin echoes between which the head moved."""
    from crossfc.session.preprocess.coregistration import coregister
    from crossfc.session.preprocess.registration import load_ants

    monkeypatch.syspath_prepend(Path(__file__).parents[3] / "benchmarks")
    import field_maps

    load_ants(threads=1, random_seed=1)
    scan = field_maps.simulate(tmp_path, "sub-T02", volumes=8)
    own = field_maps.simulate_t1w(tmp_path, "sub-T02")
    reference, brain, affine = field_maps.reference_of(tmp_path, scan)
    anatomy = own["t1w"], own["mask"], own["white"]
    before = coregister(reference, brain, affine, *anatomy)
    unwarping = field_maps.unwarping_of(tmp_path, scan, "pair", reference, brain, affine)
    mask = unwarping.undo(brain.astype(np.float32), modulate=False) > 0.5
    after = coregister(unwarping.undo(reference), mask, affine, *anatomy)
    wrong = field_maps.errors(tmp_path, scan, before.matrix, affine, None)
    right = field_maps.errors(tmp_path, scan, after.matrix, affine, unwarping)
    for region in ("sgACC", "vmPFC"):
        assert wrong[region] > 3
        assert right[region] < wrong[region] / 2
    sys.modules.pop("field_maps")
