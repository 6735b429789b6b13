"""A head is found where it lies, and other changes of a picture are not taken for movements."""

import os
import subprocess
import sys

import numpy as np
import pytest
from scipy import ndimage

from crossfc.fault import Fault
from crossfc.session.preprocess.motion import brain_by_brightness
from crossfc.session.preprocess.realignment import Target
from tests.session.moving_head import SURFACE, grid, head, movement, off_mm

SHAPE = (41, 49, 41)
AFFINE = grid((4, 4, 4.4), SHAPE, "LAS", tilt=np.deg2rad(12))
SLIGHT = movement((0.3, -0.2, 0.15), (0.004, -0.003, 0.005))


def _noise(seed=0, spread=10.0, shape=SHAPE):
    return np.random.default_rng(seed).normal(0, spread, shape).astype(np.float32)


@pytest.fixture(scope="module")
def target():
    still = head(AFFINE, SHAPE)
    return Target(still + _noise(), AFFINE, brain_by_brightness(still, AFFINE))


def _find(target, volume, start=None):
    return target.find(volume, np.eye(4) if start is None else start)


def _off(pose, given):
    return off_mm(np.array([np.eye(4), pose.matrix]), np.array([np.eye(4), given]))[1]


@pytest.mark.parametrize(
    ("trans", "rot", "most"),
    [
        ((0, 0, 0), (0, 0, 0), 0.015),
        ((0.02, 0.01, -0.02), (0.0002, -0.0003, 0.0001), 0.015),
        ((0.3, -0.2, 0.15), (0.004, -0.003, 0.005), 0.03),
        ((2.5, -1.5, 2), (0.03, 0.02, -0.05), 0.05),
        ((-8, 6, 5), (0.12, -0.1, 0.1), 0.06),
    ],
)
def test_small_and_large_movements_are_found(target, trans, rot, most):
    given = movement(trans, rot)
    pose = _find(target, head(AFFINE, SHAPE, given) + _noise(1))
    assert pose.converged
    assert _off(pose, given) < most
    assert pose.correlation > 0.995
    assert pose.correlation >= pose.correlation_before - 1e-6
    assert 2 <= pose.iterations <= 10


@pytest.mark.parametrize(
    ("sizes", "shape", "codes", "tilt"),
    [
        ((4, 4, 4), (42, 50, 42), "RAS", 0.0),
        ((4, 4, 4), (42, 50, 42), "LPS", 0.3),
        ((3.2, 3.2, 6.5), (54, 64, 26), "LAS", 0.2),
        ((4, 4, 4.4), (50, 42, 40), "PSR", 0.05),
        ((5, 3, 4), (36, 64, 42), "RIA", -0.4),
        ((2, 2, 2.2), (84, 100, 76), "LAS", 0.1),
    ],
)
def test_any_grid(sizes, shape, codes, tilt):
    affine = grid(sizes, shape, codes, tilt)
    still = head(affine, shape)
    target = Target(still + _noise(2, shape=shape), affine, brain_by_brightness(still, affine))
    given = movement((1.2, -0.8, 0.9), (0.02, -0.015, 0.02))
    pose = _find(target, head(affine, shape, given) + _noise(3, shape=shape))
    assert pose.converged
    assert _off(pose, given) < 0.05


def _places():
    return np.moveaxis(np.indices(SHAPE), 0, -1) @ AFFINE[:3, :3].T + AFFINE[:3, 3]


def _blob(centre, width):
    return np.exp(-((_places() - centre) ** 2).sum(axis=-1) / (2 * width**2))


@pytest.mark.parametrize(
    ("what", "change"),
    [
        ("brighter", lambda v: 1.3 * v),
        ("offset", lambda v: v + 40),
        ("coil", lambda v: v * (1 + 0.001 * _places() @ [1.0, -1, 0.5])),
        ("activation", lambda v: v * (1 + 0.05 * _blob([20, 30, 25], 12))),
        ("dropout", lambda v: v * (1 - 0.6 * _blob([0, 50, -25], 9))),
    ],
)
def test_changes_of_brightness_are_no_movements(target, what, change):
    pose = _find(target, change(head(AFFINE, SHAPE, SLIGHT)) + _noise(4))
    assert pose.converged
    assert _off(pose, SLIGHT) < 0.05, what


def test_fluid_that_is_brighter_at_the_start_is_no_movement(target):
    """What lies around the brain and in its middle is up to twice as bright in a first volume."""
    volume = head(AFFINE, SHAPE, SLIGHT)
    fluid = np.clip((volume - 1100) / 400, 0, 1)
    pose = _find(target, volume * (1.05 + 0.6 * fluid) + _noise(5))
    assert pose.converged
    assert _off(pose, SLIGHT) < 0.15


def test_lost_slices_count_for_little(target):
    volume = head(AFFINE, SHAPE, SLIGHT) + _noise(6)
    volume[:, :, 14:18] *= 0.3
    volume[:, :, 25] = 0
    pose = _find(target, volume)
    assert pose.converged
    assert _off(pose, SLIGHT) < 0.06


def test_a_restless_place_counts_for_little_once_it_is_known():
    """Something bright that goes its own way, as an eye or a vessel does."""
    still = head(AFFINE, SHAPE)

    def seen(volume, seed):
        at = [26, 52, -20 + 5 * np.sin(2.0 * seed)]
        return volume * (1 + 0.8 * np.sin(1.3 * seed) * _blob(at, 9)) + _noise(seed)

    target = Target(still, AFFINE, brain_by_brightness(still, AFFINE))
    given = seen(head(AFFINE, SHAPE, SLIGHT), 7)
    unaware = _off(_find(target, given), SLIGHT)
    target.weigh([seen(still, seed) for seed in range(20, 36)], [np.eye(4)] * 16)
    aware = _off(_find(target, given), SLIGHT)
    assert aware < 0.04
    assert aware < unaware


def test_a_brain_cut_by_the_field_of_view():
    shape = (41, 49, 26)  # the lower third is not in the picture, and part of it comes and goes
    affine = grid((4, 4, 4.4), (41, 49, 41), "LAS", tilt=0.2)
    affine[:3, 3] += affine[:3, :3] @ [0, 0, 13]
    still = head(affine, shape)
    target = Target(still, affine, brain_by_brightness(still, affine))
    given = movement((0.5, -0.5, 3), (0.05, 0, 0.02))
    pose = _find(target, head(affine, shape, given) + _noise(8, shape=shape))
    assert pose.converged
    assert _off(pose, given) < 0.06


@pytest.mark.parametrize(
    "volume",
    [
        np.zeros(SHAPE),
        np.full(SHAPE, 700.0),
        500 + _noise(9, 200.0),
        np.abs(_noise(10, 900.0)),
        np.full(SHAPE, np.nan),
    ],
    ids=["empty", "flat", "noise", "dark noise", "nan"],
)
@pytest.mark.filterwarnings("error")
def test_a_volume_without_a_head_is_told_and_keeps_its_start(target, volume):
    pose = _find(target, volume, SLIGHT)
    assert not pose.converged
    np.testing.assert_array_equal(pose.matrix, SLIGHT)
    assert not pose.correlation > 0.5


def test_a_start_that_leads_nowhere_is_given_up(target):
    pose = _find(target, head(AFFINE, SHAPE, SLIGHT) + _noise(11), movement((90, 0, 0), (0, 0, 2)))
    assert pose.converged
    assert _off(pose, SLIGHT) < 0.03


def test_too_little_brain_is_refused():
    brain = np.zeros(SHAPE, dtype=bool)
    brain[0, 0, :2] = True
    with pytest.raises(Fault, match="too little of the brain"):
        Target(head(AFFINE, SHAPE), AFFINE, brain)


def test_slopes_are_those_of_the_interpolation(target):
    """Steps by hand from place to place change the volume by what the slopes say."""
    level = target._fine
    picture = level.read(head(AFFINE, SHAPE))
    step = 0.01
    for column, (trans, rot) in enumerate(
        [((step, 0, 0), (0, 0, 0)), ((0, step, 0), (0, 0, 0)), ((0, 0, step), (0, 0, 0)),
         ((0, 0, 0), (step / 50, 0, 0)), ((0, 0, 0), (0, step / 50, 0)),
         ((0, 0, 0), (0, 0, step / 50))]
    ):  # fmt: skip
        matrix = movement(trans, rot, level._pivot)
        ahead, _ = level.sample(picture, matrix)
        behind, _ = level.sample(picture, np.linalg.inv(matrix))
        by_hand = (ahead - behind) / (2 * step)
        expected = level._changes[column] * (by_hand.std() / level._changes[column].std())
        assert np.corrcoef(by_hand, expected)[0, 1] > 0.99
        assert by_hand @ level._changes[column] > 0


_PROGRAM = """
import sys
import numpy as np
from scipy import ndimage
from crossfc.session.preprocess.realignment import Target
noise = np.random.default_rng(3)
shape = (48, 56, 44)
ball = sum((i / n - 0.5) ** 2 for i, n in zip(np.indices(shape), shape)) < 0.18
smooth = ball * (1000 + 2000 * ndimage.gaussian_filter(noise.normal(size=shape), 1.5))
affine = np.diag([3.5, 3.5, 3.5, 1.0])
target = Target(smooth, affine, ball)
volumes = [ndimage.shift(smooth, (0.1 * k, -0.05 * k, 0)) + noise.normal(0, 9, shape)
           for k in range(8)]
for _ in range(2):
    poses = [target.find(v, np.eye(4)) for v in volumes]
    target.weigh(volumes, [p.matrix for p in poses])
    assert all(p.converged for p in poses)
sys.stdout.buffer.write(np.array([p.matrix for p in poses]).tobytes())
"""


def test_the_number_of_threads_changes_no_bit(root):
    def run(threads):
        names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
        variables = {name: str(threads) for name in names}
        return subprocess.run(
            [sys.executable, "-c", _PROGRAM],
            env=os.environ | variables | {"PYTHONPATH": str(root / "scripts")},
            check=True,
            capture_output=True,
        ).stdout

    one = run(1)
    assert len(one) == 8 * 16 * 8
    assert run(2) == one


def test_the_surface_is_on_the_brain():
    """The points by which movements are judged are as far out as the brain is."""
    still = head(AFFINE, SHAPE)
    at = (np.linalg.inv(AFFINE) @ np.c_[SURFACE, np.ones(6)].T)[:3]
    assert (ndimage.map_coordinates(still, at, order=1) > 200).all()
