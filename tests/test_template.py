"""The template on its grids, against nilearn's own loaders; read without nilearn at 1 mm."""

import subprocess
import sys

import numpy as np
import pytest
from nilearn import datasets

from crossfc import template
from crossfc.fault import Fault


@pytest.mark.parametrize("resolution_mm", [1, 3, 4])
def test_brain_and_mask_are_nilearns(resolution_mm):
    for own, theirs in (
        (template.brain, datasets.load_mni152_template),
        (template.brain_mask, datasets.load_mni152_brain_mask),
    ):
        image, wanted = own(resolution_mm), theirs(resolution=resolution_mm)
        np.testing.assert_array_equal(image.affine, wanted.affine)
        np.testing.assert_array_equal(image.get_fdata(), wanted.get_fdata())


def test_tissues_are_nilearns_and_csf_is_the_rest_of_the_brain():
    tissues, inside = template.tissues(3), template.brain_mask(3).get_fdata() > 0
    grey = datasets.load_mni152_gm_template(resolution=3).get_fdata()
    white = datasets.load_mni152_wm_template(resolution=3).get_fdata()
    both = inside & (grey + white <= 1)
    np.testing.assert_allclose(tissues["gm"].get_fdata()[both], grey[both], atol=1e-6)
    np.testing.assert_allclose(tissues["wm"].get_fdata()[both], white[both], atol=1e-6)
    total = sum(image.get_fdata() for image in tissues.values())
    np.testing.assert_allclose(total, inside, atol=1e-6)


def test_half_millimetres_begin_at_the_same_corner():
    fine, half = template.brain(1), template.brain(2.5)
    np.testing.assert_array_equal(half.affine[:3, 3], fine.affine[:3, 3])
    np.testing.assert_array_equal(np.diag(half.affine), [2.5, 2.5, 2.5, 1])
    at = tuple(slice(None, None, 5) for _ in "xyz")
    every = tuple(slice(None, None, 2) for _ in "xyz")
    # 2.5 mm meets the 1 mm grid at every other voxel.
    seen = half.get_fdata()[every]
    np.testing.assert_allclose(
        seen[:-1, :-1, :-1],
        fine.get_fdata()[at][tuple(slice(n - 1) for n in seen.shape)],
        atol=1e-6,
    )


@pytest.mark.parametrize("resolution_mm", [0.5, 2.25, 7])
def test_other_voxel_sizes_are_refused(resolution_mm):
    with pytest.raises(Fault, match="preprocessing.resolution_mm is .* multiple of 0.5"):
        template.brain(resolution_mm)


def test_the_file_is_read_without_importing_nilearn():
    """As its import takes longer than the connectivity of a session."""
    code = "import sys; from crossfc import template; template.load_template('t1'); "
    code += "assert 'nilearn' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": ":".join(sys.path)})
