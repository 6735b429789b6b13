"""Find the brain in a T1-weighted head, without a trained network.

The template's brain is registered to the head. The metric is computed inside the template's brain
only, so that skull and neck have no influence. This gives the brain mask to within a few
millimetres. The brightness of the head then decides where exactly the brain ends.
"""

import itertools
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from scipy import fft, ndimage
from scipy.spatial.transform import Rotation

from crossfc.array import BoolArray, FloatArray, RealArray, SingleArray
from crossfc.session.gaussian import sigma_of
from crossfc.session.preprocess.registration import affine_of, register_rigid, write_matrix

# The brain counts as found if the correlation of head and template in it is at least this. Real
# T1w have 0.50 and more, noise and phantoms 0.25 and less.
FOUND = 0.3
# The search for the brain: voxel size, half the edge of the box around the template's brain (mm),
# scale factors, and nods (degrees).
_COARSE_MM = 5.0
_REACH_MM = 115.0
_SCALES = (0.82, 0.9, 1.0, 1.08)
_NODS = (-40, -30, -20, -10, 0, 10, 20, 30, 40)
# How many poses are refined at most, and the correlation from which on no other one is tried.
_TRIED, _SURE = 4, 0.7
# Limits of the brain's volume relative to the template's (1.9 l); people have 0.55 to 1.1.
_SMALLEST, _LARGEST = 0.35, 1.4

_LEVELS: dict[str, Any] = {
    "iterations": (500, 200, 50),
    "shrink": (4, 3, 2),
    "smooth": (3, 2, 1),
    "sampling": 0.2,
}


def find_pose(head: Any, template: Any, region: Any) -> list[tuple[float, np.ndarray]]:
    """Search a whole head for the template's brain, at any position and in several sizes.

    On a 5 mm grid the template is scaled (0.82 to 1.08 of its size: it is larger than most brains)
    and tilted (nod of -40 to 40 degrees). For each scale and nod, the correlation with the head
    inside the template's region is computed for all positions at once by Fourier transforms
    (Padfield 2012, IEEE Trans Image Process 21:2706). So no guess of the brain's position is
    needed, and necks, shoulders and other rotations of up to 30 degrees do no harm.

    Parameters
    ----------
    head, template : ANTsImage
    region : ANTsImage
        Mask in the template: its brain and a margin.

    Returns
    -------
    list of (float, ndarray, shape (4, 4))
        For each scale and nod, the correlation at the best position and the matrix (template point
        to head point, mm, RAS+); best first.
    """
    values, grid = _coarse_head(head)
    own, known = affine_of(template), region.numpy() > 0
    blurred = ndimage.gaussian_filter(template.numpy(), _coarse_blur(own))
    middle = nib.affines.apply_affine(own, ndimage.center_of_mass(known))
    reach = 2 * int(np.ceil(_REACH_MM / _COARSE_MM)) + 1
    offsets = (np.indices((reach,) * 3).reshape(3, -1).T - reach // 2) * _COARSE_MM
    padded = tuple(fft.next_fast_len(n + reach, real=True) for n in values.shape)
    seen, squared = (fft.rfftn(part, padded) for part in (values, values**2))
    found = []
    for scale, nod in itertools.product(_SCALES, np.deg2rad(_NODS)):
        turn = scale * Rotation.from_euler("x", nod).as_matrix()
        places = nib.affines.apply_affine(
            np.linalg.inv(own), offsets @ np.linalg.inv(turn).T + middle
        ).T
        weight = ndimage.map_coordinates(known.astype(np.float32), places, order=0) > 0.5
        drawn = ndimage.map_coordinates(blurred, places, order=1)
        drawn = np.where(weight, drawn - drawn[weight].mean(), 0).reshape((reach,) * 3)
        weight = weight.reshape(drawn.shape).astype(np.float32)

        def at_all_places(picture: np.ndarray, kernel: np.ndarray) -> np.ndarray:
            product = picture * np.conj(fft.rfftn(kernel, padded))
            everywhere: RealArray = fft.irfftn(product, padded)
            return everywhere

        spread = at_all_places(squared, weight) - at_all_places(seen, weight) ** 2 / weight.sum()
        spread = np.maximum(spread, 1e-3 * spread.max())  # avoids a division by 0 in empty places
        match = at_all_places(seen, drawn) / np.sqrt(spread * (drawn**2).sum())
        place = np.array(np.unravel_index(np.argmax(match), padded))
        # The transform is periodic: positions beyond the end of the image are before its start.
        place = np.where(place > np.array(values.shape), place - padded, place)
        centre = grid[:3, 3] + (place + reach // 2) * _COARSE_MM
        matrix = np.eye(4)
        matrix[:3, :3], matrix[:3, 3] = turn, centre - turn @ middle
        found.append((float(match.max()), matrix))
    return sorted(found, key=lambda pair: -pair[0])


def lay_template(head: Any, template: Any, region: Any) -> tuple[np.ndarray, float]:
    """Find the affine from a template without skull to a head.

    The best poses of `find_pose` are refined on the head after a coarse bias correction, and the
    one with the highest correlation is taken. The metric is the squared correlation, which also
    works if the contrast is inverted. Mutual information would tend to enlarge the template until
    it meets the skin, which is the strongest edge of the head.

    Parameters
    ----------
    head, template : ANTsImage
    region : ANTsImage
        Mask in the template: its brain and a margin.

    Returns
    -------
    matrix : ndarray, shape (4, 4)
        Template point to head point, mm, RAS+.
    likeness : float
        Correlation of head and template in the template's brain; 0 if no pose succeeded. Far
        below 0, the brain was found but the contrast is not that of a T1w.
    """
    import ants

    flat = head / ants.n4_bias_field_correction(
        head, shrink_factor=6, convergence={"iters": [30, 30], "tol": 1e-4}, return_bias_field=True
    )
    best = (0.0, np.eye(4))
    for _, start in find_pose(flat, template, region)[:_TRIED]:
        try:
            matrix = register_rigid(
                template, flat, initial=start, mask=region, kind="Affine", metric="GC", **_LEVELS
            )
        except RuntimeError:
            continue  # ANTs fails if a start leads out of the image; the other poses remain
        if not _SMALLEST < np.linalg.det(matrix[:3, :3]) < _LARGEST:
            continue
        likeness = _likeness(flat, template, matrix)
        if abs(likeness) > abs(best[0]):
            best = (likeness, matrix)
        if likeness >= _SURE:
            break
    return best[1], best[0]


def coverage(head: Any, template: Any, matrix: np.ndarray, margin_mm: float = 0.0) -> np.ndarray:
    """Return which voxels of the template lie inside the field of view of the head image.

    Parameters
    ----------
    head, template : ANTsImage
    matrix : ndarray, shape (4, 4)
        Template point to head point, mm, RAS+.
    margin_mm : float
        Distance from the edge of the field of view that voxels must have.

    Returns
    -------
    ndarray of bool
        On the template's grid. Slices of zeros at the ends of the head image do not count as part
        of its field of view.
    """
    values = head.numpy() != 0
    bounds = ndimage.find_objects(values.astype(np.int8))[0]
    index = np.linalg.inv(affine_of(head)) @ matrix @ affine_of(template)
    places = nib.affines.apply_affine(index, np.indices(template.shape).reshape(3, -1).T)
    margin = margin_mm / np.array(head.spacing)
    low = np.array([s.start for s in bounds]) - 0.5 + margin
    high = np.array([s.stop for s in bounds]) - 0.5 - margin
    inside: BoolArray = ((places >= low) & (places <= high)).all(axis=1)
    return inside.reshape(template.shape)


def tissue_brightness(head: Any, tissues: dict[str, Any], matrix: np.ndarray) -> dict[str, float]:
    """Return the median brightness of the head in each tissue (template above 0.9 of it).

    Parameters
    ----------
    head : ANTsImage
    tissues : dict of ANTsImage
        ``csf``, ``gm``, ``wm`` of the template.
    matrix : ndarray, shape (4, 4)
        Template point to head point, mm, RAS+.

    Returns
    -------
    dict of float
        Under the names of the tissues; NaN if no such voxel lies in the head image.
    """
    result = {}
    for name, image in tissues.items():
        values = _read(head, image, matrix, np.nan)
        chosen = values[(image.numpy() > 0.9) & np.isfinite(values)]
        result[name] = float(np.median(chosen)) if chosen.size else float("nan")
    return result


def refine_mask(head: np.ndarray, carried: np.ndarray, voxel_mm: float) -> np.ndarray:
    """Refine a brain mask by the brightness of the head.

    Within 4 mm of the template's mask, voxels brighter than half-way between CSF and grey matter
    count as tissue. A morphological opening cuts thin bridges to skull and fat, the largest piece
    is kept, and a closing fills sulci and ventricles.

    Parameters
    ----------
    head : ndarray, shape (x, y, z)
        Bias-corrected T1w.
    carried : ndarray of bool, shape (x, y, z)
        The template's brain mask, transformed to the head.
    voxel_mm : float
        Voxel size of the isotropic grid.

    Returns
    -------
    ndarray of bool, shape (x, y, z)
    """

    def ball(radius_mm: float) -> np.ndarray:
        reach = max(1, round(radius_mm / voxel_mm))
        grid = np.indices((2 * reach + 1,) * 3) - reach
        inside: BoolArray = (grid**2).sum(axis=0) <= (radius_mm / voxel_mm) ** 2 + 0.5
        return inside

    bounds = ndimage.find_objects(carried.astype(np.int8))[0]
    box = tuple(slice(max(s.start - 12, 0), s.stop + 12) for s in bounds)
    values, inside = head[box], carried[box]
    near = ndimage.binary_dilation(inside, ball(4))
    # Estimate the levels in a mask widened by 6 mm, so that it contains CSF and bone even if the
    # template's mask is too small. Voxels much brighter than the brain are fat or vessels.
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
        Bias-corrected T1w on an isotropic grid.
    mask : ndarray of bool, shape (x, y, z)
        Brain mask.
    priors : dict of ndarray, shape (x, y, z)
        ``csf``, ``gm``, ``wm``: probabilities of the template, transformed to the head.

    Returns
    -------
    dict of ndarray of float32, shape (x, y, z)
        Probabilities under the same names, 0 outside the mask.
    """
    import ants

    bounds = ndimage.find_objects(mask.astype(np.int8))[0]
    box = tuple(slice(max(s.start - 2, 0), s.stop + 2) for s in bounds)
    total = np.asarray(sum(priors.values()))[box] + 0.03
    # Images without origin and orientation are used, because Atropos refuses images whose origins
    # differ in the last digit.
    found = ants.atropos(
        a=_plain(head[box]),
        x=_plain(mask[box]),
        i=[_plain((priors[name][box] + 0.01) / total) for name in ("csf", "gm", "wm")],
        m="[0.1,1x1x1]",
        c="[5,0]",
        priorweight=0.25,
        # Without r=0 the order of voxels is random, with a random seed from the clock.
        r=0,
    )
    result = {}
    for name, image in zip(("csf", "gm", "wm"), found["probabilityimages"], strict=True):
        result[name] = np.zeros(head.shape, dtype=np.float32)
        result[name][box] = image.numpy() * mask[box]
    return result


def register_deformable(
    fixed: Any, moving: Any, matrix: np.ndarray, region: Any, folder: Path, careful: bool
) -> tuple[str, str]:
    """Refine an affine by the deformable registration SyN (Avants et al. 2008).

    Parameters
    ----------
    fixed, moving : ANTsImage
    matrix : ndarray, shape (4, 4)
        The affine: fixed point to moving point, mm, RAS+.
    region : ANTsImage
        Mask in the fixed image in which the metric is computed.
    folder : Path
        Folder for the transforms.
    careful : bool
        If true, use local cross-correlation down to full resolution; otherwise mutual information
        on coarser grids only.

    Returns
    -------
    forward, inverse : str
        Paths of composite transforms (``.h5``): fixed point to moving point, and back.
    """
    import ants

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
    """Return the typical brightness of CSF, grey and white matter, (3,), by k-means."""
    levels: RealArray = np.quantile(values, [0.05, 0.5, 0.9])
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


def _coarse_blur(affine: np.ndarray) -> np.ndarray:
    blur: FloatArray = sigma_of(_COARSE_MM) / np.linalg.norm(affine[:3, :3], axis=0)
    return blur


def _coarse_head(head: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return the head on a 5 mm grid along the world's axes, and the affine of this grid.

    Brightness is limited, so that fat is not brighter than the brightest brain.
    """
    values, own = head.numpy(), affine_of(head)
    bright = values[values > np.median(values)]
    if bright.size:
        values = np.clip(values, 0, np.quantile(bright, 0.98))
    # Scale to at most 1, so that sums of squares stay precise in single precision.
    values = ndimage.gaussian_filter(values / max(values.max(), 1e-6), _coarse_blur(own))
    corners = np.array(np.meshgrid(*[(0, n - 1) for n in values.shape])).reshape(3, -1).T
    world = nib.affines.apply_affine(own, corners)
    low, high = world.min(axis=0), world.max(axis=0)
    grid = np.diag([_COARSE_MM] * 3 + [1.0])
    grid[:3, 3] = low
    shape = tuple(int(n) for n in np.ceil((high - low) / _COARSE_MM) + 1)
    index = np.linalg.inv(own) @ grid
    return ndimage.affine_transform(
        values, index[:3, :3], index[:3, 3], output_shape=shape, order=1
    ), grid


def _read(head: Any, template: Any, matrix: np.ndarray, outside: float) -> np.ndarray:
    index = np.linalg.inv(affine_of(head)) @ matrix @ affine_of(template)
    read: SingleArray = ndimage.affine_transform(
        head.numpy(), index[:3, :3], index[:3, 3], output_shape=template.shape, order=1,
        cval=outside,
    )  # fmt: skip
    return read


def _likeness(head: Any, template: Any, matrix: np.ndarray) -> float:
    """Return the correlation of head and template in the part of the brain in the field of view.

    0 if that is less than half of the template's brain.
    """
    brain = template.numpy() > 0.2
    seen = _read(head, template, matrix, np.nan)[brain]
    shown = np.isfinite(seen)
    if shown.mean() < 0.5 or not seen[shown].any():
        return 0.0
    return float(np.corrcoef(seen[shown], template.numpy()[brain][shown])[0, 1])
