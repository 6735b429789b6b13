"""Anatomy of one person: bias correction, brain mask, segmentation, normalisation to template."""

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from scipy import ndimage

from crossfc import template
from crossfc.array import SingleArray
from crossfc.atomic import save_image, write_json, writing
from crossfc.fault import Fault
from crossfc.session import misfit
from crossfc.session.gaussian import sigma_of
from crossfc.session.hdf5 import forget_times
from crossfc.session.image import mask_image, onto_grid, probability_image, scaled_image
from crossfc.session.layout import anatomy
from crossfc.session.preprocess.brain import (
    FOUND,
    coverage,
    lay_template,
    refine_mask,
    register_deformable,
    segment,
    tissue_brightness,
)
from crossfc.session.preprocess.picture import draw_normalisation
from crossfc.session.preprocess.registration import (
    affine_of,
    load_ants,
    mask_dice,
    mutual_information,
    register_rigid,
    settings,
    to_ants,
    transform_points,
    workplace,
    write_matrix,
)
from crossfc.session.scan import Scan, open_scan

# Voxel sizes of the grids used for registration and segmentation. Results are written on the grid
# of the scan.
_HEAD_MM = 1.5
_TEMPLATE_MM = 2
# If the field of view ends inside the brain, the metric leaves out a rim of this width.
_EDGE_MM = 3.0
# Largest share of the template's brain that may lie outside the field of view, and the share above
# which there is a warning.
_MISSING_MOST, _MISSING_SAID = 0.1, 0.01
# Heads are tilted by up to about 30 degrees; above this angle the header is probably wrong.
_TURNED_MOST = 50.0
_TISSUE_NAMES = (("fluid", "csf"), ("grey matter", "gm"), ("white matter", "wm"))


def normalise_subject(
    t1w: str | Path,
    derivatives_dir: str | Path,
    participant_id: str,
    *,
    random_seed: int,
    threads: int,
    accept_unoriented: bool,
) -> dict[str, Any]:
    """Normalise a T1-weighted scan to the template and write the files of `layout.anatomy`.

    The steps are: find the brain anywhere in the image (`brain.find_pose`); N4 bias correction in
    and around it (Tustison et al. 2010); brain mask from template and brightness; affine and SyN
    registration of brain to template brain at 2 mm (local cross-correlation, Avants et al. 2008);
    segmentation by Atropos with the template's tissue maps as priors. It works on defaced heads,
    because nothing outside the brain is used. If the field of view ends inside the brain, the
    metric uses the part inside.

    Parameters
    ----------
    t1w : path
        Raw T1-weighted scan.
    derivatives_dir : path
        Root of the derivative data set.
    participant_id : str
        Such as ``sub-01``.
    random_seed : int
        Random seed of ANTs.
    threads : int
        Number of threads of ANTs. The result is reproducible to the bit if this and the random
        seed are the same.
    accept_unoriented : bool
        As in `open_scan`.

    Returns
    -------
    dict
        The content of the quality file: ``dice`` and ``dice_affine`` (overlap of the brain mask
        and the template's, with and without the deformation), ``correlation`` and
        ``mutual_information`` (nats) of T1w and template in the brain, ``jacobian_min`` (smallest
        local volume ratio of the deformation in the whole image of the template; at or below 0
        the deformation is folded), ``jacobian_max`` and the quantiles ``jacobian_p1`` and
        ``jacobian_p99`` (in the brain), ``displacement_mean_mm`` and ``displacement_max_mm`` (by
        the deformation, beyond the affine), ``coverage`` (share of the template's brain in the
        field of view), ``contrast_wm_gm`` (brightness of white over grey matter),
        ``turned_degrees`` (rotation between head and template), volumes of the tissues in ml,
        ``seed``, ``threads``, ``warnings``.

    Raises
    ------
    Fault
        If the scan is faulty, its brain cannot be found, more than a tenth of the brain lies
        outside the field of view, or the contrast is not that of a T1w.
    """
    ants = load_ants(threads, random_seed)
    scan = open_scan(t1w, dimensions=3, accept_unoriented=accept_unoriented)
    files = anatomy(participant_id, derivatives_dir, template.SPACE)
    head = working_head(scan)
    standard = _image(template.brain(_TEMPLATE_MM))
    standard_mask = _image(template.brain_mask(_TEMPLATE_MM))
    crop = ants.iMath(standard_mask, "MD", 5)
    fixed = ants.crop_image(standard, crop)
    inside = ants.crop_image(standard_mask, crop)
    region = ants.iMath(inside, "MD", 3)
    tissue_maps = {n: _image(i) for n, i in template.tissues(_TEMPLATE_MM).items()}
    with workplace() as folder:
        matrix, likeness = lay_template(head, fixed, region)
        contrast = _check_head(scan.path, head, fixed, inside, tissue_maps, matrix, likeness)
        shown_share = float(coverage(head, fixed, matrix)[inside.numpy() > 0].mean())
        region = region * coverage(head, fixed, matrix, _EDGE_MM).astype(np.float32)
        write_matrix(matrix, folder / "laid.mat")
        near = ants.apply_transforms(
            head, ants.iMath(inside, "MD", 3), [str(folder / "laid.mat")],
            whichtoinvert=[True], interpolator="nearestNeighbor",
        )  # fmt: skip
        bias = _bias(head, near)
        head = head / bias
        _, back = register_deformable(fixed, head, matrix, region, folder, careful=False)
        carried = ants.apply_transforms(head, standard_mask, [back]).numpy() > 0.5
        mask = refine_mask(head.numpy(), carried, _HEAD_MM)
        near = head.new_image_like(mask.astype(np.float32))
        more = _bias(head, ants.iMath(near, "MD", 2))
        head, bias = head / more, bias * more
        brain = head.new_image_like(head.numpy() * mask)
        matrix = register_rigid(
            fixed, brain, initial=matrix, metric="mattes", iterations=(500, 200, 50),
            shrink=(4, 3, 2), smooth=(3, 2, 1), sampling=0.2, kind="Affine", mask=region,
        )  # fmt: skip
        forward, back = register_deformable(fixed, brain, matrix, region, folder, careful=True)
        priors = {
            name: ants.apply_transforms(head, image, [back]).numpy()
            for name, image in tissue_maps.items()
        }
        tissues = segment(head.numpy(), mask, priors)
        quality = _quality(scan, standard, standard_mask, brain, mask, matrix, forward, folder)
        quality |= {
            "correlation_head_affine": likeness,
            "turned_degrees": _turn(matrix),
            "contrast_wm_gm": contrast,
            "coverage": shown_share,
        }
        for name, probability in tissues.items():
            quality[f"volume_ml_{name}"] = float(probability.sum()) * _HEAD_MM**3 / 1000
        quality |= settings()
        quality["warnings"] = _warnings(quality) + list(scan.notes)
        corrected = _corrected(scan, bias, mask)
        with writing(files["transform"]) as temporary:
            temporary.write_bytes(Path(forward).read_bytes())
            forget_times(temporary)
        shown = ants.apply_transforms(
            _image(template.brain(1)), to_ants(corrected, scan.affine), [forward]
        )
        grey = ants.apply_transforms(standard, head.new_image_like(tissues["gm"]), [forward])
    grid = affine_of(head)
    save_image(files["t1w"], scaled_image(corrected, scan.affine))
    save_image(files["t1w_template"], scaled_image(shown.numpy(), affine_of(shown)))
    fine = onto_grid(mask, grid, scan.affine, scan.data.shape) > 0.5
    save_image(files["mask"], mask_image(fine, scan.affine))
    for name, probability in tissues.items():
        finer = onto_grid(probability, grid, scan.affine, scan.data.shape)
        save_image(files[name], probability_image(finer, scan.affine))
    save_image(files["gm_template"], probability_image(grey.numpy(), affine_of(grey)))
    draw_normalisation(shown.numpy(), participant_id, quality, files["figure"])
    write_json(files["quality"], quality)
    return quality


def working_head(scan: Scan) -> Any:
    """Return the head as an ANTs image with 1.5 mm voxels, smoothed to that resolution.

    Axes are first permuted and flipped to the closest to RAS+, so that the order in which the scan
    stores its axes makes no difference to later steps.
    """
    import ants

    straight = nib.as_closest_canonical(nib.Nifti1Image(scan.data, scan.affine))
    affine = straight.affine.copy()
    # In single precision the last digits of the origin depend on which corner of the image it
    # belongs to. Rounding removes them, because later steps would let them grow to tenths of a
    # millimetre in places.
    affine[:3, 3] = affine[:3, 3].round(2)
    sizes = np.linalg.norm(affine[:3, :3], axis=0)
    blur = sigma_of(np.sqrt(np.maximum(_HEAD_MM**2 - sizes**2, 0))) / sizes
    values = ndimage.gaussian_filter(np.asarray(straight.dataobj, dtype=np.float32), blur)
    return ants.resample_image(
        to_ants(values, affine), (_HEAD_MM,) * 3, use_voxels=False, interp_type=0
    )


def _check_head(
    path: Path, head: Any, fixed: Any, inside: Any, tissues: dict[str, Any],
    matrix: np.ndarray, likeness: float,
) -> float:  # fmt: skip
    """Check that an image is a T1w of a whole head; return its contrast of white to grey matter."""
    if abs(likeness) < FOUND:
        raise Fault(
            f"the brain was not found in {path} (correlation with the template "
            f"{likeness:.2f}); check that it is a T1w of a whole head and how it is oriented"
        )
    bright = tissue_brightness(head, tissues, matrix)
    contrast = bright["wm"] / bright["gm"] if bright["gm"] > 0 else float("nan")
    if likeness < 0 or not contrast > 1 or not bright["csf"] < bright["wm"]:
        levels = ", ".join(f"{n} {bright[k]:.3g}" for n, k in _TISSUE_NAMES)
        raise Fault(
            f"{path} has not the contrast of a T1w ({levels}; white matter has to be brightest "
            "and fluid darkest): it looks like another sequence (T2w, FLAIR, functional); name "
            "the person's T1w"
        )
    missing = 1 - coverage(head, fixed, matrix)[inside.numpy() > 0].mean()
    if missing > _MISSING_MOST:
        raise Fault(
            f"the picture of {path} ends inside the brain: {100 * missing:.0f} % of it lies "
            "outside; choose another T1w of this person"
        )
    return contrast


def _image(image: Any) -> Any:
    return to_ants(image.get_fdata(dtype=np.float32), image.affine)


def _bias(head: Any, mask: Any) -> Any:
    """Estimate the bias field by N4 in a mask, on the working grid."""
    import ants

    return ants.n4_bias_field_correction(
        head,
        mask=mask,
        shrink_factor=3,
        convergence={"iters": [50, 50, 30], "tol": 1e-6},
        return_bias_field=True,
    )


def _corrected(scan: Scan, bias: Any, mask: np.ndarray) -> np.ndarray:
    """Divide the scan by the bias field, limited to its range in the brain.

    Far from the brain the estimated field is meaningless.
    """
    field = bias.numpy()
    low, high = field[mask].min(), field[mask].max()
    field = onto_grid(np.clip(field, low, high), affine_of(bias), scan.affine, scan.data.shape)
    # The working grid ends up to a voxel before the scan does, so the field is 0 at the edge of the
    # scan; replace that, to avoid a division by 0.
    corrected: SingleArray = scan.data / np.where(
        field < low, np.float32(field[field >= low].mean()), field
    )
    return corrected


def _quality(
    scan: Scan, standard: Any, standard_mask: Any, brain: Any, mask: np.ndarray,
    matrix: np.ndarray, forward: str, folder: Path,
) -> dict[str, Any]:  # fmt: skip
    import ants

    write_matrix(matrix, folder / "affine.mat")
    own = brain.new_image_like(mask.astype(np.float32))
    inside = standard_mask.numpy() > 0
    shown = ants.apply_transforms(standard, brain, [forward]).numpy()
    by_affine = ants.apply_transforms(standard, own, [str(folder / "affine.mat")]).numpy() > 0.5
    by_all = ants.apply_transforms(standard, own, [forward]).numpy() > 0.5
    field = ants.apply_transforms(standard, brain, [forward], compose=str(folder / "total_"))
    jacobian = ants.create_jacobian_determinant_image(standard, field).numpy()
    jacobian /= np.linalg.det(matrix[:3, :3])
    lowest, jacobian = jacobian.min(), jacobian[inside]
    points = nib.affines.apply_affine(affine_of(standard), np.argwhere(inside)[::50])
    moved = transform_points(points, forward) - nib.affines.apply_affine(matrix, points)
    moved = np.linalg.norm(moved, axis=1)
    return {
        "source": scan.path.name,
        "space": template.SPACE,
        "dice": mask_dice(by_all, inside),
        "dice_affine": mask_dice(by_affine, inside),
        "correlation": float(np.corrcoef(shown[inside], standard.numpy()[inside])[0, 1]),
        "mutual_information": mutual_information(shown[inside], standard.numpy()[inside]),
        "jacobian_min": float(lowest),
        "jacobian_p1": float(np.quantile(jacobian, 0.01)),
        "jacobian_p99": float(np.quantile(jacobian, 0.99)),
        "jacobian_max": float(jacobian.max()),
        "displacement_mean_mm": float(moved.mean()),
        "displacement_max_mm": float(moved.max()),
        "affine_volume_ratio": float(np.linalg.det(matrix[:3, :3])),
    }


def _turn(matrix: np.ndarray) -> float:
    """Return the angle of the rotation in an affine in degrees, without its scaling and shear."""
    left, _, right = np.linalg.svd(matrix[:3, :3])
    cosine = (np.trace(left @ right) - 1) / 2
    return float(np.rad2deg(np.arccos(np.clip(cosine, -1, 1))))


def _warnings(quality: dict[str, Any]) -> list[str]:
    said = []
    if (
        quality["dice"] < misfit.TEMPLATE_DICE
        or quality["correlation"] < misfit.TEMPLATE_CORRELATION
    ):
        said.append(
            f"the normalisation fits poorly (Dice {quality['dice']:.2f}, correlation "
            f"{quality['correlation']:.2f}); look at the figure"
        )
    if quality["jacobian_min"] <= 0:
        said.append("the deformation is folded somewhere; look at the figure")
    if quality["turned_degrees"] > _TURNED_MOST:
        said.append(
            f"the head is turned by {quality['turned_degrees']:.0f} degrees against what the "
            "header says, so left and right may be wrong too; check the orientation of the scan"
        )
    if quality["coverage"] < 1 - _MISSING_SAID:
        said.append(
            f"{100 * (1 - quality['coverage']):.0f} % of the brain lie outside the picture of the "
            "T1w; the normalisation there is a continuation"
        )
    return said
