"""The template: the MNI152 bundled with nilearn (ICBM 2009a nonlinear symmetric average brain).

Fonov et al. 2011, NeuroImage 54:313. The template has no skull. Its brain mask is where the
template is above 0.2, as in nilearn's own brain mask.
"""

from collections.abc import Callable
from functools import lru_cache

import nibabel as nib
import numpy as np

from crossfc.bids import TEMPLATE_SPACE
from crossfc.fault import Fault

SPACE = TEMPLATE_SPACE


def brain(resolution_mm: float = 3) -> nib.Nifti1Image:
    """Return the template brain; all results of native preprocessing lie on its grid.

    Parameters
    ----------
    resolution_mm : float
        Voxel size: a multiple of 0.5 mm from 1 to 6. Every grid begins at the same corner as the
        1 mm one and covers its field of view; grids of whole millimetres are nilearn's own.

    Returns
    -------
    nibabel.Nifti1Image
        Intensities from 0 to 1.

    Raises
    ------
    Fault
        If the voxel size is not allowed.
    """
    from nilearn.datasets import load_mni152_template

    return _on_grid(load_mni152_template, resolution_mm)


def brain_mask(resolution_mm: float = 3) -> nib.Nifti1Image:
    """Return the brain mask of the template (uint8), which includes ventricles and outer CSF."""
    image = brain(resolution_mm)
    return nib.Nifti1Image((image.get_fdata() > 0.2).astype(np.uint8), image.affine)


def tissues(resolution_mm: float = 2) -> dict[str, nib.Nifti1Image]:
    """Return the tissue probabilities of the template.

    nilearn bundles grey and white matter; CSF is the rest of the brain.

    Parameters
    ----------
    resolution_mm : float
        As in `brain`.

    Returns
    -------
    dict of nibabel.Nifti1Image
        ``csf``, ``gm`` and ``wm``, which add up to 1 within the brain mask and are 0 outside.
    """
    from nilearn.datasets import load_mni152_gm_template, load_mni152_wm_template

    gm = _on_grid(load_mni152_gm_template, resolution_mm)
    inside = brain_mask(resolution_mm).get_fdata() > 0
    grey = np.clip(gm.get_fdata(), 0, 1) * inside
    white = np.clip(_on_grid(load_mni152_wm_template, resolution_mm).get_fdata(), 0, 1) * inside
    total = np.maximum(grey + white, 1)
    grey, white = grey / total, white / total
    maps = {"csf": inside - grey - white, "gm": grey, "wm": white}
    return {
        name: nib.Nifti1Image(np.clip(values, 0, 1).astype(np.float32), gm.affine)
        for name, values in maps.items()
    }


def _on_grid(load: Callable[..., nib.Nifti1Image], resolution_mm: float) -> nib.Nifti1Image:
    """Load one image of the template with the given voxel size.

    nilearn offers whole millimetres only; for half millimetres the image is interpolated in the
    same way.
    """
    if not 1 <= resolution_mm <= 6 or 2 * resolution_mm != int(2 * resolution_mm):
        raise Fault(
            f"preprocessing.resolution_mm is {resolution_mm:g}; choose a multiple of 0.5 from 1 "
            "to 6, such as 2, 2.5, 3 or 3.5"
        )
    if resolution_mm == int(resolution_mm):
        return load(resolution=int(resolution_mm))
    return _halved(load, float(resolution_mm))


@lru_cache(maxsize=3)
def _halved(load: Callable[..., nib.Nifti1Image], resolution_mm: float) -> nib.Nifti1Image:
    from nilearn.image import resample_img

    fine = load(resolution=1)
    image: nib.Nifti1Image = resample_img(
        fine, np.eye(3) * resolution_mm, force_resample=True, copy_header=True
    )
    return image
