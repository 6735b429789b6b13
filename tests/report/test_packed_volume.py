"""Packed volumes: they are read back to half a step, and take little room."""

import base64
import gzip
import zlib

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from crossfc.report.packed_volume import MOST_STEPS, packed_labels, packed_map, predicted


def numbers(packed: str, count: int) -> list[int]:
    """Read whole numbers: a byte for each; of each 255 the next two bytes behind them."""
    read = zlib.decompress(base64.b64decode(packed))
    out, behind = list(read[:count]), count
    for n, value in enumerate(out):
        if value == 255:
            out[n] = read[behind] + 256 * read[behind + 1]
            behind += 2
    assert behind == len(read)
    return out


def unpacked(packed: str, inside: np.ndarray, step: float) -> np.ndarray:
    """Read a map voxel by voxel, as the page does; NaN outside."""
    coded = iter(numbers(packed, int(inside.sum())))
    steps = np.zeros(inside.shape, dtype=int)
    for voxel in map(tuple, np.argwhere(inside)):
        # Only voxels before this one may be known.
        known = np.zeros_like(inside)
        before = tuple(slice(max(v - 1, 0), v + 1) for v in voxel)
        known[before] = inside[before]
        code = next(coded)
        error = -(code + 1) // 2 if code % 2 else code // 2
        said = int(predicted(steps[before], known[before])[-1, -1, -1])
        steps[voxel] = (said + error + 2**15) % 2**16 - 2**15
    return np.where(inside, steps * step, np.nan)


def smooth(shape: tuple[int, ...], width: float, random: int = 0) -> np.ndarray:
    """A smooth map with a standard deviation of 1.5."""
    values = gaussian_filter(np.random.default_rng(random).standard_normal(shape), width)
    return (1.5 * values / values.std()).astype(np.float32)


@pytest.mark.parametrize("step", [0.01, 0.1])
def test_a_map_is_read_back_to_half_a_step(step):
    values = smooth((9, 11, 7), 1.0)
    inside = smooth((9, 11, 7), 1.5, 1) > -1  # with holes, and ragged at the edge
    assert 0.5 < inside.mean() < 0.95
    read = unpacked(packed_map(np.where(inside, values, np.nan), inside, step), inside, step)
    assert (np.isfinite(read) == inside).all()
    assert np.abs(read - values)[inside].max() <= step / 2 + 1e-6


def test_noise_of_any_size_is_read_back():
    """Errors of predictions that need more than 16 bits, and values that 16 bits do not hold."""
    values = np.random.default_rng(2).choice([-400, -327, 0.004, 327, 400], (5, 6, 7))
    inside = np.ones(values.shape, bool)
    read = unpacked(packed_map(values.astype(np.float32), inside, 0.01), inside, 0.01)
    assert np.abs(read - np.clip(values, -MOST_STEPS * 0.01, MOST_STEPS * 0.01)).max() < 0.006


def test_labels_are_read_back():
    labels = np.random.default_rng(3).choice([0, 1, 254, 255, 256, 65535], (4, 5, 6))
    assert numbers(packed_labels(labels), labels.size) == labels.ravel().tolist()


def test_a_smooth_map_takes_less_than_half_of_a_compressed_image():
    values = smooth((40, 40, 40), 2.0)
    inside = np.ones(values.shape, bool)
    image = gzip.compress(np.rint(values / 0.01).astype(np.int16).tobytes(), 9)
    assert len(base64.b64decode(packed_map(values, inside, 0.01))) < 0.5 * len(image)


def test_prediction_of_a_plane_is_exact_where_the_neighbours_are_known():
    i, j, k = np.indices((4, 5, 6))
    plane = 2 * i - 3 * j + 5 * k + 7
    inside = np.ones(plane.shape, bool)
    assert (predicted(plane, inside) == plane)[1:, 1:, 1:].all()
    assert (predicted(plane, inside) == plane)[0, 1:, 1:].all()
    assert (predicted(plane, inside) == plane - 5)[0, 0, 1:].all()
    assert predicted(plane, inside)[0, 0, 0] == 0
    inside[2, 2, 2] = False
    assert predicted(plane, inside)[3, 3, 3] == plane[3, 3, 3]  # from two neighbours and theirs
    assert predicted(plane, inside)[2, 2, 3] == plane[2, 2, 3]
