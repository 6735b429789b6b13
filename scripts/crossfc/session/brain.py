"""Where the brain is in a T1-weighted head, found without any trained network.

The template's brain is laid onto the head (with the metric looking inside the template's brain
only, so that skull and neck do not pull), which gives the mask up to a few millimetres. The
brightness of the head then decides where exactly the brain ends.
"""

from pathlib import Path
from typing import Any

import numpy as np
from scipy import ndimage

from crossfc.session.registration import affine_of, register_rigid

_LEVELS: dict[str, Any] = {
    "metric": "mattes",
    "iterations": (500, 200, 50),
    "shrink": (4, 3, 2),
    "smooth": (3, 2, 1),
    "sampling": 0.2,
}


def lay_template(head: Any, template: Any, region: Any) -> tuple[np.ndarray, float]:
    """Find the affine that lays a skull-less template onto a head.

    A scan that reaches down to the shoulders has its centre of mass in the throat, so the search
    begins at several places and the best one wins.

    Parameters
    ----------
    head, template : ANTsImage
    region : ANTsImage
        Mask in the template: its brain and a little around it.

    Returns
    -------
    matrix : ndarray, shape (4, 4)
        Template point to head point, mm, RAS+.
    likeness : float
        Correlation of head and template in the template's brain; -1 where no search succeeded.
    """
    best = (-np.inf, np.eye(4))
    centre = _centre_of_mass(head) - _centre_of_mass(template)
    starts = [np.zeros(3), centre, centre + [0, 0, 30], centre + [0, 0, 60]]
    for shift in starts:
        start = np.eye(4)
        start[:3, 3] = shift
        # A start that leaves less than half of the template inside the head's picture is none.
        if not _overlaps(head, template, start):
            continue
        try:
            found = register_rigid(template, head, initial=start, mask=region, **_LEVELS)
        except RuntimeError:
            continue  # ANTs gives up where a start leads out of the picture; others remain
        likeness = _likeness(head, template, found)
        if likeness > best[0]:
            best = (likeness, found)
    if best[0] == -np.inf:
        return best[1], -1.0
    matrix = register_rigid(template, head, initial=best[1], mask=region, kind="Affine", **_LEVELS)
    return matrix, _likeness(head, template, matrix)


def refine_mask(head: np.ndarray, carried: np.ndarray, voxel_mm: float) -> np.ndarray:
    """Let the brightness of the head decide where the brain ends.

    Within 4 mm of the carried mask, voxels brighter than half-way between CSF and grey matter are
    tissue; thin bridges to skull and fat are cut by an opening, the largest piece is kept, sulci
    and ventricles are filled by a closing.

    Parameters
    ----------
    head : ndarray, shape (x, y, z)
        Bias-corrected.
    carried : ndarray of bool, shape (x, y, z)
        The template's brain on the head.
    voxel_mm : float
        Of the isotropic grid.
    """

    def ball(radius_mm: float) -> np.ndarray:
        reach = max(1, round(radius_mm / voxel_mm))
        grid = np.indices((2 * reach + 1,) * 3) - reach
        return (grid**2).sum(axis=0) <= (radius_mm / voxel_mm) ** 2 + 0.5

    bounds = ndimage.find_objects(carried.astype(np.int8))[0]
    box = tuple(slice(max(s.start - 12, 0), s.stop + 12) for s in bounds)
    values, inside = head[box], carried[box]
    near = ndimage.binary_dilation(inside, ball(4))
    # The rim holds CSF and bone even where the carried mask is too tight to hold any; what is far
    # brighter than the brain is fat or a vessel.
    dull = ndimage.binary_dilation(inside, ball(6)) & (
        values < 1.5 * np.quantile(values[inside], 0.9)
    )
    csf, grey, white = _three_levels(values[dull])
    core = ndimage.binary_erosion(inside, ball(4))
    tissue = near & (values > (csf + grey) / 2) & (values < 1.5 * white)
    pieces, count = ndimage.label(ndimage.binary_erosion(tissue | core, ball(2)))
    if count == 0:
        return carried
    largest = pieces == np.argmax(np.bincount(pieces.ravel())[1:]) + 1
    brain = (ndimage.binary_dilation(largest, ball(2.5)) & tissue) | core
    padded = np.pad(brain, 12)
    brain = ndimage.binary_closing(padded, ball(10))[12:-12, 12:-12, 12:-12] & near
    brain = ndimage.binary_opening(ndimage.binary_fill_holes(brain), ball(4))
    mask = np.zeros(head.shape, dtype=bool)
    mask[box] = brain
    return mask


def segment(
    head: np.ndarray, mask: np.ndarray, priors: dict[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Split the brain into CSF, grey and white matter (Atropos, Avants et al. 2011).

    Parameters
    ----------
    head : ndarray, shape (x, y, z)
        Bias-corrected, isotropic.
    mask : ndarray of bool
    priors : dict of ndarray
        ``csf``, ``gm``, ``wm`` of the template, carried onto the head.

    Returns
    -------
    dict of ndarray
        Probabilities under the same names, 0 outside the mask.
    """
    import ants

    bounds = ndimage.find_objects(mask.astype(np.int8))[0]
    box = tuple(slice(max(s.start - 2, 0), s.stop + 2) for s in bounds)
    total = sum(priors.values())[box] + 0.03
    # Atropos compares origins digit by digit, so it works on a grid without an orientation.
    found = ants.atropos(
        a=_plain(head[box]),
        x=_plain(mask[box]),
        i=[_plain((priors[name][box] + 0.01) / total) for name in ("csf", "gm", "wm")],
        m="[0.1,1x1x1]",
        c="[5,0]",
        priorweight=0.25,
    )
    result = {}
    for name, image in zip(("csf", "gm", "wm"), found["probabilityimages"], strict=True):
        result[name] = np.zeros(head.shape, dtype=np.float32)
        result[name][box] = image.numpy() * mask[box]
    return result


def register_deformable(
    fixed: Any, moving: Any, matrix: np.ndarray, region: Any, folder: Path, careful: bool
) -> tuple[str, str]:
    """Refine an affine by SyN (Avants et al. 2008).

    Parameters
    ----------
    fixed, moving : ANTsImage
    matrix : ndarray, shape (4, 4)
        Fixed point to moving point.
    region : ANTsImage
        Mask of the metric in the fixed image.
    folder : Path
        Where the transforms are written.
    careful : bool
        Local cross-correlation down to the full grid; else mutual information on coarse ones.

    Returns
    -------
    forward, inverse : str
        Composite transforms (``.h5``): fixed point to moving point, and back.
    """
    import ants

    from crossfc.session.registration import write_matrix

    start = folder / "start.mat"
    write_matrix(matrix, start)
    choice = (
        {"syn_metric": "CC", "syn_sampling": 2, "reg_iterations": (40, 20, 8)}
        if careful
        else {"syn_metric": "mattes", "reg_iterations": (40, 20, 0)}
    )
    found = ants.registration(
        fixed,
        moving,
        type_of_transform="SyNOnly",
        initial_transform=str(start),
        outprefix=str(folder / ("careful_" if careful else "quick_")),
        mask=region,
        write_composite_transform=True,
        **choice,
    )
    return found["fwdtransforms"], found["invtransforms"]


def _three_levels(values: np.ndarray) -> np.ndarray:
    """Typical brightness of CSF, grey and white matter: k-means in one dimension."""
    levels = np.quantile(values, [0.05, 0.5, 0.9])
    for _ in range(50):
        nearest = np.searchsorted((levels[1:] + levels[:-1]) / 2, values)
        means = np.bincount(nearest, values, 3) / np.maximum(np.bincount(nearest, minlength=3), 1)
        if np.allclose(means, levels, rtol=1e-5):
            break
        levels = means
    return levels


def _plain(values: np.ndarray) -> Any:
    import ants

    return ants.from_numpy(np.ascontiguousarray(values, dtype=np.float32))


def _centre_of_mass(image: Any) -> np.ndarray:
    affine = affine_of(image)
    return affine[:3, :3] @ ndimage.center_of_mass(image.numpy()) + affine[:3, 3]


def _read(head: Any, template: Any, matrix: np.ndarray, outside: float) -> np.ndarray:
    index = np.linalg.inv(affine_of(head)) @ matrix @ affine_of(template)
    return ndimage.affine_transform(
        head.numpy(), index[:3, :3], index[:3, 3], output_shape=template.shape, order=1,
        cval=outside,
    )  # fmt: skip


def _overlaps(head: Any, template: Any, matrix: np.ndarray) -> bool:
    brain = template.numpy() > 0.2
    return np.isfinite(_read(head, template, matrix, np.nan)[brain]).mean() > 0.5


def _likeness(head: Any, template: Any, matrix: np.ndarray) -> float:
    brain = template.numpy() > 0.2
    seen = _read(head, template, matrix, 0.0)[brain]
    return float(np.corrcoef(seen, template.numpy()[brain])[0, 1]) if seen.any() else -1.0
