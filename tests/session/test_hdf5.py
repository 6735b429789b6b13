"""Composite transforms are the same bytes whenever they are written, and still say the same."""

import time

import numpy as np

from crossfc.session.hdf5 import checksum, forget_times
from crossfc.session.preprocess.registration import load_ants, transform_points, write_matrix


def test_the_checksum_is_the_published_one():
    # Values from the self-test of lookup3.c.
    assert checksum(b"") == 0xDEADBEEF
    assert checksum(b"Four score and seven years ago") == 0x17770551


def test_transforms_written_at_different_times_are_the_same_bytes(tmp_path):
    load_ants(threads=1, random_seed=1)
    matrix = np.array([[1.0, 0.1, 0, 4], [-0.1, 1, 0, -5], [0, 0, 1.1, 6], [0, 0, 0, 1]])
    write_matrix(matrix, tmp_path / "a.h5")
    time.sleep(1.1)
    write_matrix(matrix, tmp_path / "b.h5")
    before = (tmp_path / "a.h5").read_bytes()
    assert before != (tmp_path / "b.h5").read_bytes()  # what this module is for
    for name in "ab":
        forget_times(tmp_path / f"{name}.h5")
    after = (tmp_path / "a.h5").read_bytes()
    assert after == (tmp_path / "b.h5").read_bytes()
    assert 0 < sum(x != y for x, y in zip(before, after, strict=True)) < 500
    points = np.array([[1.0, 2, 3], [-40, 50, 60]])
    expected = points @ matrix[:3, :3].T + matrix[:3, 3]
    np.testing.assert_allclose(transform_points(points, tmp_path / "a.h5"), expected, atol=1e-4)


def test_what_is_no_header_is_left_alone(tmp_path):
    content = b"some text OHDR\x02\x20" + bytes(range(200))
    (tmp_path / "x").write_bytes(content)
    forget_times(tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == content
