"""The template: nilearn's bundled MNI152, the ICBM 2009a nonlinear symmetric average brain.

Fonov et al. 2011, NeuroImage 54:313. It comes without skull; its mask is the template above 0.2,
as nilearn's own brain mask.
"""

import nibabel as nib
import numpy as np

from crossfc.bids import TEMPLATE_SPACE
from crossfc.fault import Fault

SPACE = TEMPLATE_SPACE


def brain(resolution_mm: int = 3) -> nib.Nifti1Image:
    """Give the template, 0 to 1; its grid is the one all native results lie on."""
    from nilearn.datasets import load_mni152_template

    return load_mni152_template(resolution=_checked(resolution_mm))


def brain_mask(resolution_mm: int = 3) -> nib.Nifti1Image:
    """Give the template's brain mask, ventricles and outer CSF included (uint8)."""
    image = brain(resolution_mm)
    return nib.Nifti1Image((image.get_fdata() > 0.2).astype(np.uint8), image.affine)


def tissues(resolution_mm: int = 2) -> dict[str, nib.Nifti1Image]:
    """Give the template's tissue probabilities: ``csf``, ``gm``, ``wm``, adding to 1 in the brain.

    nilearn bundles grey and white matter; CSF is what remains of the brain.
    """
    from nilearn.datasets import load_mni152_gm_template, load_mni152_wm_template

    resolution_mm = _checked(resolution_mm)
    gm = load_mni152_gm_template(resolution=resolution_mm)
    inside = brain_mask(resolution_mm).get_fdata() > 0
    grey = np.clip(gm.get_fdata(), 0, 1) * inside
    white = np.clip(load_mni152_wm_template(resolution=resolution_mm).get_fdata(), 0, 1) * inside
    total = np.maximum(grey + white, 1)
    grey, white = grey / total, white / total
    maps = {"csf": inside - grey - white, "gm": grey, "wm": white}
    return {
        name: nib.Nifti1Image(np.clip(values, 0, 1).astype(np.float32), gm.affine)
        for name, values in maps.items()
    }


def _checked(resolution_mm: int) -> int:
    if resolution_mm not in range(1, 7):
        raise Fault(
            f"preprocessing.resolution_mm is {resolution_mm}; choose a whole number from 1 to 6"
        )
    return int(resolution_mm)
