"""The template: the MNI152 bundled with nilearn (ICBM 2009a nonlinear symmetric average brain).

Fonov et al. 2011, NeuroImage 54:313. The template has no skull. Its brain mask is where the
template is above 0.2, as in nilearn's own brain mask.

The files are read from nilearn's folder. nilearn is imported only to interpolate them, because the
import takes longer than computing the connectivity of a session.
"""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import nibabel
import numpy as np

from crossfc.bids import TEMPLATE_SPACE
from crossfc.fault import Fault

SPACE = TEMPLATE_SPACE
_FILE = "mni_icbm152_{}_tal_nlin_sym_09a_converted.nii.gz"
_BRAIN = 0.2
_image: Any = nibabel.Nifti1Image  # nibabel states no types for it


def load_template(kind: str) -> tuple[np.ndarray, np.ndarray]:
    """Load one image of the template at 1 mm.

    Parameters
    ----------
    kind : {"t1", "gm", "wm"}
        T1-weighted brain without skull, or a tissue probability.

    Returns
    -------
    data : ndarray of float32, shape (197, 233, 189)
        Between 0 and 1.
    affine : ndarray, shape (4, 4)
        Voxel indices to world coordinates (mm, RAS+).

    Raises
    ------
    Fault
        If nilearn is not installed or lacks the file.
    """
    spec = find_spec("nilearn")
    if spec is None or not spec.submodule_search_locations:
        raise Fault("nilearn is not installed; the template is taken from it")
    folder = Path(spec.submodule_search_locations[0]) / "datasets" / "data"
    path = folder / _FILE.format(kind)
    if not path.is_file():
        raise Fault(f"{path} is missing; install nilearn 0.9 or newer, whole")
    image: Any = nibabel.load(path)
    # dataobj keeps the 8-bit values; get_fdata would make 70 MB of float64 from them.
    data = np.asanyarray(image.dataobj).astype(np.float32)
    data /= np.float32(255)
    return data, image.affine


def in_brain(values: np.ndarray) -> np.ndarray:
    """Test which intensities of the T1-weighted template (float32) belong to its brain mask.

    In double precision, voxels of exactly 0.2 would belong to it; for nilearn they do not.
    """
    inside: np.ndarray = values > np.float32(_BRAIN)
    return inside


def brain(resolution_mm: float) -> nibabel.Nifti1Image:
    """Return the template brain; all results of native preprocessing lie on its grid.

    Parameters
    ----------
    resolution_mm : float
        Voxel size: a multiple of 0.5 mm from 1 to 6. Every grid begins at the same axes as the
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
    return _on_grid("t1", resolution_mm)


def brain_mask(resolution_mm: float) -> nibabel.Nifti1Image:
    """Return the brain mask of the template (uint8), which includes ventricles and outer CSF."""
    image: Any = brain(resolution_mm)
    made: nibabel.Nifti1Image = _image(
        in_brain(np.asarray(image.dataobj)).astype(np.uint8), image.affine
    )
    return made


def tissues(resolution_mm: float) -> dict[str, nibabel.Nifti1Image]:
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
    gm = _on_grid("gm", resolution_mm)
    inside = brain_mask(resolution_mm).get_fdata() > 0
    grey = np.clip(gm.get_fdata(), 0, 1) * inside
    white = np.clip(_on_grid("wm", resolution_mm).get_fdata(), 0, 1) * inside
    total = np.maximum(grey + white, 1)
    grey, white = grey / total, white / total
    maps = {"csf": inside - grey - white, "gm": grey, "wm": white}
    return {
        name: _image(np.clip(values, 0, 1).astype(np.float32), gm.affine)
        for name, values in maps.items()
    }


def _on_grid(kind: str, resolution_mm: float) -> nibabel.Nifti1Image:
    """Return one image of the template, interpolated to a voxel size as nilearn does."""
    if not 1 <= resolution_mm <= 6 or 2 * resolution_mm != int(2 * resolution_mm):
        raise Fault(
            f"preprocessing.resolution_mm is {resolution_mm:g}; choose a multiple of 0.5 from 1 "
            "to 6, such as 2, 2.5, 3 or 3.5"
        )
    image: nibabel.Nifti1Image = _image(*load_template(kind))
    if resolution_mm != 1:
        from nilearn.image import resample_img

        axes = np.eye(3) * resolution_mm
        image = resample_img(image, axes, force_resample=True, copy_header=True)
    return image
