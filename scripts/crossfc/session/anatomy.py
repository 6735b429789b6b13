"""One person's anatomy: bias-corrected, without skull, segmented, normalised to the template."""

from pathlib import Path
from typing import Any

import numpy as np

from crossfc.atomic import save_image, write_json, writing
from crossfc.fault import Fault
from crossfc.session import template
from crossfc.session.brain import lay_template, refine_mask, register_deformable, segment
from crossfc.session.image import mask_image, onto_grid, probability_image, scaled_image
from crossfc.session.layout import anatomy
from crossfc.session.picture import draw_normalisation
from crossfc.session.registration import (
    affine_of,
    load_ants,
    mask_dice,
    register_rigid,
    to_ants,
    workplace,
)
from crossfc.session.scan import Scan, open_scan

# Registration and segmentation work on these grids; the results are written on the scan's own.
_HEAD_MM = 1.5
_TEMPLATE_MM = 2


def normalise_subject(
    t1w: str | Path,
    derivatives_dir: str | Path,
    participant_id: str,
    *,
    seed: int = 1,
    threads: int = 1,
    accept_unoriented: bool = False,
) -> dict[str, Any]:
    """Normalise a T1-weighted scan to the template and write the files of `layout.anatomy`.

    N4 bias correction (Tustison et al. 2010); brain by template and brightness; affine and SyN
    (local cross-correlation, Avants et al. 2008), brain to brain at 2 mm; tissues by Atropos with
    the template's tissue maps as priors. Works on defaced heads: nothing outside the brain counts.

    Parameters
    ----------
    t1w : path
        Raw T1-weighted scan.
    derivatives_dir : path
        Root of the derivative data set.
    participant_id : str
        Such as ``sub-01``.
    seed, threads : int
        Of ANTs; the result is reproducible with one thread.
    accept_unoriented : bool
        As in `open_scan`.

    Returns
    -------
    dict
        The content of the quality file: ``dice`` and ``dice_affine`` (brain mask against the
        template's, with and without the deformation), ``correlation`` (T1w and template in the
        brain), ``jacobian_min`` and ``jacobian_max`` (local change of volume of the deformation;
        at or below 0 the picture is folded), volumes of the tissues in ml, ``warnings``.

    Raises
    ------
    Fault
        If the scan is faulty or its brain cannot be found.
    """
    ants = load_ants(threads, seed)
    scan = open_scan(t1w, dimensions=3, accept_unoriented=accept_unoriented)
    files = anatomy(participant_id, derivatives_dir, template.SPACE)
    whole = to_ants(scan.data, scan.affine)
    blur = np.sqrt(np.maximum(_HEAD_MM**2 - scan.voxel_sizes**2, 0)) / 2.355
    head = ants.resample_image(
        ants.smooth_image(whole, blur.tolist(), sigma_in_physical_coordinates=True)
        if blur.any()
        else whole,
        (_HEAD_MM,) * 3,
        use_voxels=False,
        interp_type=0,
    )
    standard = _image(template.brain(_TEMPLATE_MM))
    standard_mask = _image(template.brain_mask(_TEMPLATE_MM))
    crop = ants.iMath(standard_mask, "MD", 5)
    fixed = ants.crop_image(standard, crop)
    inside = ants.crop_image(standard_mask, crop)
    region = ants.iMath(inside, "MD", 3)
    with workplace() as folder:
        bias = _bias(head, None)
        head = head / bias
        matrix, likeness = lay_template(head, fixed, region)
        if likeness < 0.3:
            raise Fault(
                f"the brain was not found in {scan.path} (correlation with the template "
                f"{likeness:.2f}); check that it is a T1-weighted head and how it is oriented"
            )
        _, back = register_deformable(fixed, head, matrix, region, folder, careful=False)
        carried = ants.apply_transforms(head, standard_mask, [back]).numpy() > 0.5
        mask = refine_mask(head.numpy(), carried, _HEAD_MM)
        near = head.new_image_like(mask.astype(np.float32))
        more = _bias(head, ants.iMath(near, "MD", 2))
        head, bias = head / more, bias * more
        brain = head.new_image_like(head.numpy() * mask)
        matrix = register_rigid(
            fixed, brain, initial=matrix, metric="mattes", iterations=(500, 200, 50),
            shrink=(4, 3, 2), smooth=(3, 2, 1), sampling=0.2, kind="Affine",
        )  # fmt: skip
        forward, back = register_deformable(fixed, brain, matrix, region, folder, careful=True)
        priors = {
            name: ants.apply_transforms(head, _image(image), [back]).numpy()
            for name, image in template.tissues(_TEMPLATE_MM).items()
        }
        tissues = segment(head.numpy(), mask, priors)
        quality = _quality(scan, standard, standard_mask, brain, mask, matrix, forward, folder)
        quality |= {"correlation_head_affine": likeness}
        for name, probability in tissues.items():
            quality[f"volume_ml_{name}"] = float(probability.sum()) * _HEAD_MM**3 / 1000
        quality["warnings"] = _warnings(quality) + list(scan.notes)
        corrected = _corrected(scan, bias, mask)
        with writing(files["transform"]) as temporary:
            temporary.write_bytes(Path(forward).read_bytes())
        shown = ants.apply_transforms(
            _image(template.brain(1)), to_ants(corrected, scan.affine), [forward]
        )
    grid = affine_of(head)
    save_image(files["t1w"], scaled_image(corrected, scan.affine))
    save_image(files["t1w_template"], scaled_image(shown.numpy(), affine_of(shown)))
    fine = onto_grid(mask, grid, scan.affine, scan.data.shape) > 0.5
    save_image(files["mask"], mask_image(fine, scan.affine))
    for name, probability in tissues.items():
        fine = onto_grid(probability, grid, scan.affine, scan.data.shape)
        save_image(files[name], probability_image(fine, scan.affine))
    draw_normalisation(shown.numpy(), participant_id, quality, files["figure"])
    write_json(files["quality"], quality)
    return quality


def _image(image: Any) -> Any:
    return to_ants(image.get_fdata(dtype=np.float32), image.affine)


def _bias(head: Any, mask: Any) -> Any:
    """Bias field of N4 on the working grid."""
    import ants

    return ants.n4_bias_field_correction(
        head,
        mask=mask,
        shrink_factor=3,
        convergence={"iters": [50, 50, 30], "tol": 1e-6},
        return_bias_field=True,
    )


def _corrected(scan: Scan, bias: Any, mask: np.ndarray) -> np.ndarray:
    """Divide the scan by the bias field, which means nothing far from the brain: limited there."""
    field = bias.numpy()
    low, high = field[mask].min(), field[mask].max()
    field = onto_grid(np.clip(field, low, high), affine_of(bias), scan.affine, scan.data.shape)
    # The working grid ends up to a voxel before the scan does; 0 there would divide by nothing.
    return scan.data / np.where(field < low, np.float32(field[field >= low].mean()), field)


def _quality(
    scan: Scan, standard: Any, standard_mask: Any, brain: Any, mask: np.ndarray,
    matrix: np.ndarray, forward: str, folder: Path,
) -> dict[str, Any]:  # fmt: skip
    import ants

    from crossfc.session.registration import write_matrix

    write_matrix(matrix, folder / "affine.mat")
    own = brain.new_image_like(mask.astype(np.float32))
    inside = standard_mask.numpy() > 0
    shown = ants.apply_transforms(standard, brain, [forward]).numpy()
    by_affine = ants.apply_transforms(standard, own, [str(folder / "affine.mat")]).numpy() > 0.5
    by_all = ants.apply_transforms(standard, own, [forward]).numpy() > 0.5
    field = ants.apply_transforms(standard, brain, [forward], compose=str(folder / "total_"))
    jacobian = ants.create_jacobian_determinant_image(standard, field).numpy()[inside]
    jacobian = jacobian / np.linalg.det(matrix[:3, :3])
    return {
        "source": scan.path.name,
        "space": template.SPACE,
        "dice": mask_dice(by_all, inside),
        "dice_affine": mask_dice(by_affine, inside),
        "correlation": float(np.corrcoef(shown[inside], standard.numpy()[inside])[0, 1]),
        "jacobian_min": float(jacobian.min()),
        "jacobian_max": float(jacobian.max()),
        "affine_volume_ratio": float(np.linalg.det(matrix[:3, :3])),
    }


def _warnings(quality: dict[str, Any]) -> list[str]:
    said = []
    if quality["dice"] < 0.93 or quality["correlation"] < 0.6:
        said.append(
            f"the normalisation fits poorly (Dice {quality['dice']:.2f}, correlation "
            f"{quality['correlation']:.2f}); look at the figure"
        )
    if quality["jacobian_min"] <= 0:
        said.append("the deformation is folded somewhere; look at the figure")
    return said
