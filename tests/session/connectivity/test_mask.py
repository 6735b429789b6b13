"""The brain mask of a session must lie on the grid of its scan."""

import numpy as np
import pytest

from crossfc.fault import Fault
from crossfc.session.connectivity.mask import open_mask
from crossfc.session.scan import open_scan
from tests.image import write_image

AFFINE = np.diag([3.0, 3, 3, 1])


@pytest.fixture
def scan(tmp_path):
    data = np.random.default_rng(0).normal(100, 5, size=(5, 6, 4, 25)).astype(np.float32)
    return open_scan(write_image(tmp_path / "bold.nii.gz", data, AFFINE))


def brain(shape=(5, 6, 4), dtype=np.uint8):
    mask = np.zeros(shape, dtype)
    mask[1:4, 1:5] = 1
    return mask


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32])
def test_a_mask_of_any_type_is_read(tmp_path, scan, dtype):
    found = open_mask(write_image(tmp_path / "mask.nii.gz", brain(dtype=dtype), AFFINE), scan)
    assert found.dtype == bool
    np.testing.assert_array_equal(found, brain() == 1)


@pytest.mark.parametrize("what", ["shape", "moved", "voxels", "flipped"])
def test_another_grid_is_refused_with_both_files(tmp_path, scan, what):
    affine = AFFINE.copy()
    data = brain((5, 6, 5)) if what == "shape" else brain()
    affine[0, 3] += 3 * (what == "moved")
    affine[2, 2] += 0.5 * (what == "voxels")
    affine[0, 0] *= -1 if what == "flipped" else 1
    with pytest.raises(Fault, match=r"mask.nii.gz lies on another grid .*bold.nii.gz.*; use the"):
        open_mask(write_image(tmp_path / "mask.nii.gz", data, affine), scan)


def test_an_empty_mask_or_none_is_refused(tmp_path, scan):
    with pytest.raises(Fault, match="mask.nii.gz has the value 0 in every voxel"):
        open_mask(
            write_image(tmp_path / "mask.nii.gz", np.zeros((5, 6, 4), np.uint8), AFFINE), scan
        )
    with pytest.raises(Fault, match="none.nii.gz does not exist"):
        open_mask(tmp_path / "none.nii.gz", scan)


@pytest.mark.parametrize(
    ("shift", "same"), [(5e-4, True), (0.02, True), (0.16, True), (0.4, False)]
)
def test_less_than_a_tenth_of_a_voxel_is_the_same_grid(tmp_path, scan, shift, same):
    """Programs round affines; a mask of 3 mm that lies 0.02 mm off is the scan's own."""
    affine = AFFINE.copy()
    affine[:3, 3] += shift
    path = write_image(tmp_path / "mask.nii.gz", brain(), affine)
    if same:
        np.testing.assert_array_equal(open_mask(path, scan), brain() == 1)
        return
    with pytest.raises(Fault, match=rf"bold.nii.gz \(up to {shift * 3**0.5:.3g} mm away\)"):
        open_mask(path, scan)
