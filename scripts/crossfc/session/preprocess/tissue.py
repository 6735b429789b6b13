"""The person's brain and tissues in template space, as masks for a functional run."""

from pathlib import Path

import nibabel as nib
import numpy as np
from scipy import ndimage

from crossfc.session import template
from crossfc.session.image import onto_grid
from crossfc.session.preprocess.registration import transform_points

# Masks are made where a cortical sheet is still two voxels thick.
_FINE_MM = 1.5


def tissues_in_template(anat: dict[str, Path]) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Carry the person's brain and tissues to a fine grid of the template.

    Parameters
    ----------
    anat : dict of Path
        Files of `layout.anatomy`.

    Returns
    -------
    carried : dict of ndarray of float32
        ``mask``, ``csf``, ``gm``, ``wm``, 0 to 1; a contour is where they are a half.
    affine : ndarray, shape (4, 4)
        Of their grid.
    """
    standard = template.brain(2)
    fine = standard.affine @ np.diag([_FINE_MM / 2] * 3 + [1])
    shape = tuple(int(n) for n in np.ceil(np.array(standard.shape) * 2 / _FINE_MM))
    places = np.indices(shape).reshape(3, -1).T
    # The deformation is worked out once for all images, and they are read around the brain only:
    # a T1w of 0.7 mm has forty million voxels of which the brain holds a tenth.
    points = transform_points(nib.affines.apply_affine(fine, places), anat["transform"])
    mask = nib.load(anat["mask"])
    bounds = ndimage.find_objects((np.asarray(mask.dataobj) > 0).astype(np.int8))[0]
    box = tuple(slice(max(s.start - 2, 0), s.stop + 2) for s in bounds)
    index = nib.affines.apply_affine(np.linalg.inv(mask.affine), points)
    index -= [s.start for s in box]
    carried = {
        name: ndimage.map_coordinates(
            np.asarray(nib.load(anat[name]).dataobj[box], dtype=np.float32), index.T, order=1
        ).reshape(shape)
        for name in ("mask", "csf", "gm", "wm")
    }
    return carried, fine


def masks_on_grid(
    carried: dict[str, np.ndarray], fine: np.ndarray, grid: nib.Nifti1Image
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Make masks of the brain and of eroded tissues on the output grid.

    Parameters
    ----------
    carried, fine
        From `tissues_in_template`.
    grid : nibabel image
        Output grid, in template space.

    Returns
    -------
    brain : ndarray of bool
    tissue : dict of ndarray of bool
        ``csf`` and ``wm``; an output voxel counts where it is at least nine tenths certain
        tissue (the eroded mask read with the width of the voxel). Where fewer than 20 voxels are,
        the 20 most certain ones are taken as far as they are half certain.
    """
    brain = carried["mask"]
    eroded = tissue_masks(carried, brain > 0.5, _FINE_MM)
    sigma = float(grid.header.get_zooms()[0]) / 2.355 / _FINE_MM
    tissue = {}
    for name, mask in eroded.items():
        wide = ndimage.gaussian_filter(mask, sigma)
        certain = onto_grid(wide, fine, grid.affine, grid.shape)
        enough = np.sort(certain, axis=None)[-20]
        tissue[name] = certain > np.clip(np.nextafter(enough, np.float32(0)), 0.5, 0.9)
    return onto_grid(brain, fine, grid.affine, grid.shape) > 0.5, tissue


def tissue_masks(
    probabilities: dict[str, np.ndarray], brain: np.ndarray, voxel_mm: float
) -> dict[str, np.ndarray]:
    """Masks of CSF and white matter that keep clear of grey matter and of the brain's edge.

    Parameters
    ----------
    probabilities : dict of ndarray, shape (x, y, z)
        ``csf``, ``gm``, ``wm`` on a fine grid in template space (about 1 to 2 mm).
    brain : ndarray of bool
        Brain mask on that grid.
    voxel_mm : float
        Of that grid.

    Returns
    -------
    dict of ndarray of float32
        ``csf`` and ``wm``: 1 where the tissue is certain (above 0.95) and no grey matter (above
        0.5, pieces of at least 40 mm³) is within 2 mm (CSF) or 3 mm (white matter); CSF keeps
        6 mm from the brain's edge too, where the subarachnoid space shares voxels with the cortex.
    """
    grey = probabilities["gm"] > 0.5
    # Specks in the white matter and a ventricle's lining are partial volume, not grey matter.
    pieces, _ = ndimage.label(grey)
    big = np.bincount(pieces.ravel()) * voxel_mm**3 >= 40
    big[0] = False
    from_grey = ndimage.distance_transform_edt(~big[pieces]) * voxel_mm
    from_edge = ndimage.distance_transform_edt(np.pad(brain, 1))[1:-1, 1:-1, 1:-1] * voxel_mm
    csf = (probabilities["csf"] > 0.95) & (from_grey > 2) & (from_edge > 6)
    white = (probabilities["wm"] > 0.95) & (from_grey > 3)
    return {"csf": (csf & brain).astype(np.float32), "wm": (white & brain).astype(np.float32)}
