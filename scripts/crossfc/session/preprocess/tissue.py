"""Masks of the person's brain and tissues in template space, for a functional run."""

from pathlib import Path

import nibabel as nib
import numpy as np
from scipy import ndimage

from crossfc import template
from crossfc.session.gaussian import sigma_of
from crossfc.session.image import onto_grid
from crossfc.session.preprocess.registration import transform_points

# Voxel size of the grid on which masks are made; the cortex is about two such voxels thick.
_FINE_MM = 1.5


def tissues_in_template(anat: dict[str, Path]) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Transform the person's brain mask and tissue maps to a fine grid in template space.

    Parameters
    ----------
    anat : dict of Path
        Files of `layout.anatomy`.

    Returns
    -------
    carried : dict of ndarray of float32, shape (x, y, z)
        ``mask``, ``csf``, ``gm``, ``wm``, 0 to 1; the outline is the contour at 0.5.
    affine : ndarray, shape (4, 4)
        Voxel indices of the fine grid to mm.
    """
    standard = template.brain(2)
    fine = standard.affine @ np.diag([_FINE_MM / 2] * 3 + [1])
    shape = tuple(int(n) for n in np.ceil(np.array(standard.shape) * 2 / _FINE_MM))
    places = np.indices(shape).reshape(3, -1).T
    # The deformation is computed once for all images, and only the box around the brain is read: a
    # T1w of 0.7 mm has forty million voxels, of which the brain is a tenth.
    points = transform_points(nib.affines.apply_affine(fine, places), anat["transform"])
    mask = nib.Nifti1Image.from_filename(anat["mask"])
    bounds = ndimage.find_objects((np.asarray(mask.dataobj) > 0).astype(np.int8))[0]
    box = tuple(slice(max(s.start - 2, 0), s.stop + 2) for s in bounds)
    index = nib.affines.apply_affine(np.linalg.inv(mask.affine), points)
    index -= [s.start for s in box]
    carried = {
        name: ndimage.map_coordinates(
            np.asarray(nib.Nifti1Image.from_filename(anat[name]).dataobj[box], dtype=np.float32),
            index.T,
            order=1,
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
    brain : ndarray of bool, shape of the output grid
    tissue : dict of ndarray of bool, shape of the output grid
        ``csf`` and ``wm``: voxels in which the eroded mask, smoothed to the width of an output
        voxel, is at least 0.9. If there are fewer than 20, the 20 highest are taken, as far as they
        are above 0.5.
    """
    brain = carried["mask"]
    eroded = tissue_masks(carried, brain > 0.5, _FINE_MM)
    width = sigma_of(float(grid.header.get_zooms()[0])) / _FINE_MM
    tissue = {}
    for name, mask in eroded.items():
        wide = ndimage.gaussian_filter(mask, width)
        certain = onto_grid(wide, fine, grid.affine, grid.shape)
        enough = np.sort(certain, axis=None)[-20]
        tissue[name] = certain > np.clip(np.nextafter(enough, np.float32(0)), 0.5, 0.9)
    return onto_grid(brain, fine, grid.affine, grid.shape) > 0.5, tissue


def tissue_masks(
    probabilities: dict[str, np.ndarray], brain: np.ndarray, voxel_mm: float
) -> dict[str, np.ndarray]:
    """Return masks of CSF and white matter at a distance from grey matter and the brain's edge.

    Parameters
    ----------
    probabilities : dict of ndarray, shape (x, y, z)
        ``csf``, ``gm``, ``wm``, 0 to 1, on a fine grid in template space (about 1 to 2 mm).
    brain : ndarray of bool, shape (x, y, z)
        Brain mask on that grid.
    voxel_mm : float
        Voxel size of that grid.

    Returns
    -------
    dict of ndarray of float32, shape (x, y, z)
        ``csf`` and ``wm``: 1 where the probability is above 0.95 and no grey matter (above 0.5,
        pieces of at least 40 mm³) is within 2 mm (CSF) or 3 mm (white matter). CSF is also more
        than 6 mm from the brain's edge, where the subarachnoid space shares voxels with the
        cortex.
    """
    grey = probabilities["gm"] > 0.5
    # Ignore small pieces: in white matter and around ventricles they are partial volume effects.
    pieces, _ = ndimage.label(grey)
    big = np.bincount(pieces.ravel()) * voxel_mm**3 >= 40
    big[0] = False
    from_grey = ndimage.distance_transform_edt(~big[pieces]) * voxel_mm
    from_edge = ndimage.distance_transform_edt(np.pad(brain, 1))[1:-1, 1:-1, 1:-1] * voxel_mm
    csf = (probabilities["csf"] > 0.95) & (from_grey > 2) & (from_edge > 6)
    white = (probabilities["wm"] > 0.95) & (from_grey > 3)
    return {"csf": (csf & brain).astype(np.float32), "wm": (white & brain).astype(np.float32)}
