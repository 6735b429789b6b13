"""Coregister a functional reference with the T1w of the same person (rigid, six parameters).

Mutual information (ANTs) finds an approximate pose, and the boundary of the white matter refines it
(`crossfc.session.preprocess.boundary`), as fMRIPrep does with mri_coreg and bbregister. Only the
matrix is estimated; no image is interpolated for output here.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypedDict

import nibabel as nib
import numpy as np

from crossfc.array import FloatArray
from crossfc.fault import Fault
from crossfc.session import misfit
from crossfc.session.gaussian import sigma_of
from crossfc.session.image import onto_grid
from crossfc.session.preprocess.boundary import (
    SWAPPED_MARGIN,
    Boundary,
    BoundaryQuality,
    Refinement,
    cost_near,
    mirror,
    mirror_plane,
    refine_on_boundary,
    white_boundary,
)
from crossfc.session.preprocess.registration import (
    affine_of,
    mask_dice,
    mutual_information,
    register_rigid,
    to_ants,
    transform_points,
)

_HEAD_MM = 2
# Where echo-planar images are distorted and dark, above the sinuses, in the template (mm): the
# middle of published places of the subgenual cingulate, and ventromedial prefrontal cortex. The
# surface within so many mm has a cost of its own.
DISTORTED = {
    "subgenual": ((-5.0, 26.0, -8.0), (5.0, 26.0, -8.0)),
    "ventromedial": ((-5.0, 50.0, -12.0), (5.0, 50.0, -12.0)),
}
NEAR_MM = 15.0


class Mirrored(TypedDict):
    """What laying the mirrored boundary tells of left and right; see `Coregistration`."""

    boundary_cost_mirrored: float
    left_right: str


class CoregistrationQuality(BoundaryQuality):
    """How well a functional reference was registered; see `Coregistration`."""

    mutual_information: float
    mutual_information_start: float
    dice: float
    displacement_mm: float


@dataclass(frozen=True)
class Coregistration:
    """Pose of a functional reference relative to the T1w.

    Attributes
    ----------
    matrix : ndarray, shape (4, 4)
        T1w point to point of the functional reference, mm, RAS+.
    quality : CoregistrationQuality
        ``mutual_information`` of T1w and reference in the brain (nats, 32 bins),
        ``mutual_information_start`` (the same in scanner coordinates, before registration),
        ``dice`` (overlap of the brain found in the reference by its brightness with the T1w's
        brain, in the field of view), ``displacement_mm`` (of the centre of the brain, in total),
        the values of `boundary.Refinement`, ``boundary_cost_mirrored`` (cost of the mirrored
        surface) and ``left_right``: "as the header says" if the mirrored surface costs more,
        "swapped?" if it costs less, "not told" if there is no clear difference,
        ``boundary_cost_subgenual`` and ``boundary_cost_ventromedial``: cost of the surface near
        `DISTORTED`, where images are distorted and dark (None if there is too little of it).
    warnings : list of str
        Sentences, such as that the boundary was not used and why.
    """

    matrix: np.ndarray
    quality: CoregistrationQuality
    warnings: list[str] = field(default_factory=list)


def coregister(
    reference: np.ndarray,
    reference_mask: np.ndarray,
    affine: np.ndarray,
    t1w: nib.Nifti1Image,
    t1w_mask: nib.Nifti1Image,
    white: nib.Nifti1Image | None = None,
    transform: str | Path | None = None,
    poor_cost: float = misfit.BOUNDARY_COST,
) -> Coregistration:
    """Register a functional reference to the T1w.

    The bias field of the reference is removed (N4). Registration by mutual information begins
    from two starts: the scanner coordinates as they are, and the centres of the two brains
    aligned. The better result is refined on the whole images, with the metric computed in the
    T1w's brain. Then the pose is refined on the boundary of the white matter (Greve and Fischl
    2009). To see whether one of the images has left and right swapped, the mirrored boundary is
    registered as well (the idea is from AFNI's check, Glen et al. 2020, Front Neuroinform 14:18).

    Parameters
    ----------
    reference : ndarray, shape (x, y, z)
        Functional reference.
    reference_mask : ndarray of bool, shape (x, y, z)
        Brain in the reference.
    affine : ndarray, shape (4, 4)
        Voxel indices of the reference to mm, RAS+.
    t1w, t1w_mask : nibabel images
        Bias-corrected T1w and its brain mask.
    white : nibabel image, optional
        Probability of white matter on the T1w's grid; without it the boundary is not used.
    transform : path, optional
        Transform of the anatomy (template point to T1w point), from which the plane between the
        hemispheres is found. Without it left and right are not checked.
    poor_cost : float
        Cost of the boundary above which there is a warning.

    Returns
    -------
    Coregistration

    Raises
    ------
    Fault
        If a mask is empty, or the two images do not overlap.
    """
    import ants

    if not reference_mask.any() or not np.asarray(t1w_mask.dataobj).any():
        raise Fault("a brain mask is empty, so functional scan and T1w cannot be registered")
    head, inside = _working_copies(t1w, t1w_mask)
    region = ants.iMath(inside, "MD", 2)
    raw = to_ants(reference, affine)
    own = to_ants(reference_mask.astype(np.float32), affine)
    bold = ants.n4_bias_field_correction(
        raw, mask=ants.iMath(own, "MD", 2), shrink_factor=2,
        convergence={"iters": [50, 50, 30], "tol": 1e-6},
    )  # fmt: skip
    brain, bold_brain = head * inside, bold * own
    between = np.eye(4)
    between[:3, 3] = _centroid(own) - _centroid(inside)
    tried = []
    for start in (np.eye(4), between):
        if _mutual_information(brain, bold_brain, inside, start) <= 0:
            continue  # the images do not overlap
        found = register_rigid(
            brain, bold_brain, initial=start, metric="mattes", iterations=(200, 100),
            shrink=(4, 2), smooth=(2, 1), sampling=0.25,
        )  # fmt: skip
        tried.append((_mutual_information(brain, bold_brain, inside, found), found))
    if not tried:
        raise Fault("the functional scan and the T1w do not show the same place; check that they "
                    "are of the same person and oriented")  # fmt: skip
    _, start = max(tried, key=lambda pair: pair[0])
    matrix = register_rigid(
        head, bold, initial=start, metric="mattes", iterations=(100, 50), shrink=(2, 1),
        smooth=(1, 0), sampling=0.25, mask=region,
    )  # fmt: skip
    on_boundary: BoundaryQuality = {"boundary_refined": False, "boundary_cost_taken": None}
    warnings = []
    if white is not None:
        matrix, on_boundary, reason = _refined(
            bold.numpy(), affine, white, t1w_mask, matrix, transform
        )
        if reason:
            warnings.append(
                "the functional scan was laid onto the T1w by mutual information alone: "
                f"refinement on the white matter's boundary was not taken, as {reason}; look at "
                "the picture"
            )
    moved = (matrix @ [*_centroid(inside), 1])[:3] - _centroid(inside)
    quality: CoregistrationQuality = {
        "mutual_information": _mutual_information(head, bold, inside, matrix),
        "mutual_information_start": _mutual_information(head, bold, inside, np.eye(4)),
        "dice": _overlap(inside, reference_mask, affine, matrix),
        "displacement_mm": float(np.linalg.norm(moved)),
        **on_boundary,
    }
    return Coregistration(matrix, quality, warnings + doubts(quality, poor_cost))


def _refined(
    bold: np.ndarray,
    affine: np.ndarray,
    white: nib.Nifti1Image,
    mask: nib.Nifti1Image,
    start: np.ndarray,
    transform: str | Path | None,
) -> tuple[np.ndarray, BoundaryQuality, str]:
    """Refine a pose on the boundary.

    Returns
    -------
    matrix : ndarray, shape (4, 4)
        T1w point to reference point, mm, RAS+.
    quality : BoundaryQuality
    reason : str
        Why the refined pose was not accepted; empty if it was.
    """
    try:
        boundary = white_boundary(white, mask)
    except Fault as fault:
        nothing: BoundaryQuality = {"boundary_refined": False, "boundary_cost_taken": None}
        return start, nothing, str(fault)
    refined = refine_on_boundary(bold, affine, boundary, start)
    quality: BoundaryQuality = {**refined.quality}
    if transform is not None and quality["boundary_cost_taken"] is not None:
        # The hemispheres of the template meet at x = 0.
        between = np.stack(np.meshgrid(0.0, np.arange(-90.0, 70, 8), np.arange(-40.0, 75, 8)), -1)
        reflection = mirror_plane(transform_points(between.reshape(-1, 3), transform))
        told = compare_mirrored(bold, affine, boundary, refined, reflection)
        quality["boundary_cost_mirrored"] = told["boundary_cost_mirrored"]
        quality["left_right"] = told["left_right"]
        near = {
            name: cost_near(
                bold, affine, boundary, refined.matrix,
                transform_points(np.array(places), transform), NEAR_MM,
            )
            for name, places in DISTORTED.items()
        }  # fmt: skip
        quality["boundary_cost_subgenual"] = near["subgenual"]
        quality["boundary_cost_ventromedial"] = near["ventromedial"]
    return refined.matrix, quality, refined.reason


def compare_mirrored(
    bold: np.ndarray,
    affine: np.ndarray,
    boundary: Boundary,
    refined: Refinement,
    reflection: np.ndarray,
) -> Mirrored:
    """Register the mirrored boundary as well, starting from the refined pose, and compare costs.

    Parameters
    ----------
    bold : ndarray, shape (x, y, z)
        The functional reference.
    affine : ndarray, shape (4, 4)
        Its affine, voxel indices to mm.
    boundary : Boundary
    refined : Refinement
        Result of `refine_on_boundary` for this boundary.
    reflection : ndarray, shape (4, 4)
        From `boundary.mirror_plane`.

    Returns
    -------
    Mirrored
    """
    other = refine_on_boundary(bold, affine, mirror(boundary, reflection), refined.matrix)
    own, mirrored = (
        min(q["boundary_cost"], q["boundary_cost_start"]) for q in (refined.quality, other.quality)
    )
    told = "not told"
    # If neither fits, the difference is due to chance: a run of studyforrest on another person's
    # T1w costs 0.89, mirrored 0.84.
    if min(own, mirrored) <= misfit.BOUNDARY_COST and abs(own - mirrored) >= SWAPPED_MARGIN:
        told = "swapped?" if mirrored < own else "as the header says"
    return {"boundary_cost_mirrored": mirrored, "left_right": told}


def doubts(quality: CoregistrationQuality, poor_cost: float) -> list[str]:
    """List warnings about a coregistration that may be wrong.

    Parameters
    ----------
    quality : CoregistrationQuality
    poor_cost : float
        Cost of the boundary above which there is a warning.

    Returns
    -------
    list of str
        Sentences; empty if nothing is suspicious.
    """
    said = []
    cost, mirrored = quality["boundary_cost_taken"], quality.get("boundary_cost_mirrored")
    swapped = quality.get("left_right") == "swapped?"
    if swapped:
        said.append(
            "left and right may be swapped: the mirrored T1w fits the functional scan better "
            f"(boundary's cost {mirrored:.2f}) than the T1w does ({cost:.2f}); one of the two has "
            "left and right the wrong way round, find out which before anything is published"
        )
    # Do not warn of a poor fit that is explained by swapped sides, because the mirror image fits.
    if (
        cost is not None
        and cost > poor_cost
        and not (swapped and mirrored is not None and mirrored <= poor_cost)
    ):
        said.append(
            "the white matter's boundary is not seen where the T1w has it (cost "
            f"{cost:.2f}; a scan's own T1w gives about 0.45, another person's 0.8, 1 is chance): "
            "the coregistration failed, or scan and T1w are of different people, or the scan has "
            "hardly any contrast; look at the picture"
        )
    if quality["dice"] < misfit.BRAIN_DICE:
        said.append(
            "the brain that the functional scan shows is not where the T1w has it (Dice "
            f"{quality['dice']:.2f}); look at the picture"
        )
    return said


def _working_copies(t1w: nib.Nifti1Image, t1w_mask: nib.Nifti1Image) -> tuple[Any, Any]:
    """Return the T1w and its mask around the brain on a 2 mm grid, smoothed to that resolution."""
    from scipy import ndimage

    affine = t1w.affine
    sizes = np.linalg.norm(affine[:3, :3], axis=0)
    mask = np.asarray(t1w_mask.dataobj) > 0
    margin = np.ceil(15 / sizes).astype(int)
    box = tuple(
        slice(max(s.start - m, 0), s.stop + m)
        for s, m in zip(ndimage.find_objects(mask.astype(np.int8))[0], margin, strict=True)
    )
    values = np.asarray(t1w.dataobj[box], dtype=np.float32)
    blur = sigma_of(np.sqrt(np.maximum(_HEAD_MM**2 - sizes**2, 0))) / sizes
    values = ndimage.gaussian_filter(values, blur)
    boxed = affine.copy()
    boxed[:3, 3] += affine[:3, :3] @ [s.start for s in box]
    grid = boxed @ np.diag([*(_HEAD_MM / sizes), 1.0])
    shape = tuple(int(n) for n in np.ceil(np.array(values.shape) * sizes / _HEAD_MM))
    head = onto_grid(values, boxed, grid, shape)
    inside = onto_grid(mask[box].astype(np.float32), boxed, grid, shape) > 0.5
    return to_ants(head, grid), to_ants(inside, grid)


def _centroid(mask: Any) -> np.ndarray:
    affine = affine_of(mask)
    inside = np.argwhere(mask.numpy() > 0)
    centroid: FloatArray = affine[:3, :3] @ inside.mean(axis=0) + affine[:3, 3]
    return centroid


def _mutual_information(head: Any, bold: Any, inside: Any, matrix: np.ndarray) -> float:
    """Return the mutual information of both images in the T1w's brain, in nats (32 by 32 bins).

    0 if less than a tenth of the brain lies in both.
    """
    brain = inside.numpy() > 0
    grid = affine_of(head)
    seen = onto_grid(bold.numpy(), affine_of(bold), matrix @ grid, head.shape)
    both = brain & (seen > 0)
    if both.sum() < 0.1 * brain.sum():
        return 0.0
    return mutual_information(head.numpy()[both], seen[both])


def _overlap(
    inside: Any, reference_mask: np.ndarray, affine: np.ndarray, matrix: np.ndarray
) -> float:
    """Return the Dice overlap of both brains, on the grid of the functional reference."""
    carried = onto_grid(
        inside.numpy(), affine_of(inside), np.linalg.inv(matrix) @ affine, reference_mask.shape
    )
    return mask_dice(carried > 0.5, reference_mask)
