"""Where the brain is in a T1-weighted head, found without any trained network.

The template's brain is laid onto the head (with the metric looking inside the template's brain
only, so that skull and neck do not pull), which gives the mask up to a few millimetres. The
brightness of the head then decides where exactly the brain ends.
"""

import itertools
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from scipy import fft, ndimage
from scipy.spatial.transform import Rotation

from crossfc.session.preprocess.registration import affine_of, register_rigid, write_matrix

# Correlation of head and template in the brain from which on the brain counts as found. Real T1w
# have 0.50 and more, noise and phantoms 0.25 and less.
FOUND = 0.3
# The search for the brain: grid, half the edge of what is looked for (mm), sizes, nods (degrees).
_COARSE_MM = 5.0
_REACH_MM = 115.0
_SCALES = (0.82, 0.9, 1.0, 1.08)
_NODS = (-40, -30, -20, -10, 0, 10, 20, 30, 40)
# How many poses are refined, and the correlation at which no other one is tried.
_TRIED, _SURE = 4, 0.7
# Volume of a head's brain over the template's: people's are 0.55 to 1.1 (template 1.9 l).
_SMALLEST, _LARGEST = 0.35, 1.4

_LEVELS: dict[str, Any] = {
    "iterations": (500, 200, 50),
    "shrink": (4, 3, 2),
    "smooth": (3, 2, 1),
    "sampling": 0.2,
}


def find_pose(head: Any, template: Any, region: Any) -> list[tuple[float, np.ndarray]]:
    """Search a whole head for the template's brain, wherever and however large it is.

    On a 5 mm grid the template is scaled (0.82 to 1.08 of its size: it is larger than most brains)
    and tipped (nod of -40 to 40 degrees); for each of these the correlation with the head inside
    the template's region is had for every place at once by Fourier transforms (Padfield 2012,
    IEEE Trans Image Process 21:2706). No guess is made of where in the picture the brain lies,
    and necks, shoulders and other turns of up to 30 degrees do no harm.

    Parameters
    ----------
    head, template : ANTsImage
    region : ANTsImage
        Mask in the template: its brain and a little around it.

    Returns
    -------
    list of (float, ndarray)
        Correlation and matrix (template point to head point, mm, RAS+) of each scale and nod,
        best first.
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
            return fft.irfftn(picture * np.conj(fft.rfftn(kernel, padded)), padded)

        spread = at_all_places(squared, weight) - at_all_places(seen, weight) ** 2 / weight.sum()
        spread = np.maximum(spread, 1e-3 * spread.max())  # nothing to see there
        match = at_all_places(seen, drawn) / np.sqrt(spread * (drawn**2).sum())
        place = np.array(np.unravel_index(np.argmax(match), padded))
        # The transform is periodic: what lies beyond the picture lies before it.
        place = np.where(place > np.array(values.shape), place - padded, place)
        centre = grid[:3, 3] + (place + reach // 2) * _COARSE_MM
        matrix = np.eye(4)
        matrix[:3, :3], matrix[:3, 3] = turn, centre - turn @ middle
        found.append((float(match.max()), matrix))
    return sorted(found, key=lambda pair: -pair[0])


def lay_template(head: Any, template: Any, region: Any) -> tuple[np.ndarray, float]:
    """Find the affine that lays a skull-less template onto a head.

    The best poses of `find_pose` are refined on the head without its coarse bias field, and the
    one that gives most likeness is taken. The metric is the squared correlation, which holds for
    a contrast turned round too; mutual information would rather blow the template up to the
    skin, as that is the head's strongest edge.

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
        Correlation of head and template in the template's brain; 0 where no search succeeded.
        A brain that was found and is far below 0 has another contrast than a T1w.
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
            continue  # ANTs gives up where a start leads out of the picture; others remain
        if not _SMALLEST < np.linalg.det(matrix[:3, :3]) < _LARGEST:
            continue
        likeness = _likeness(flat, template, matrix)
        if abs(likeness) > abs(best[0]):
            best = (likeness, matrix)
        if likeness >= _SURE:
            break
    return best[1], best[0]


def coverage(head: Any, template: Any, matrix: np.ndarray, margin_mm: float = 0.0) -> np.ndarray:
    """Return which voxels of the template lie inside the picture of the head.

    Parameters
    ----------
    head, template : ANTsImage
    matrix : ndarray, shape (4, 4)
        Template point to head point.
    margin_mm : float
        How far inside.

    Returns
    -------
    ndarray of bool
        On the template's grid. Slices that hold nothing but zeros, at the ends of the head's
        picture, are not part of it.
    """
    values = head.numpy() != 0
    bounds = ndimage.find_objects(values.astype(np.int8))[0]
    index = np.linalg.inv(affine_of(head)) @ matrix @ affine_of(template)
    places = nib.affines.apply_affine(index, np.indices(template.shape).reshape(3, -1).T)
    margin = margin_mm / np.array(head.spacing)
    low = np.array([s.start for s in bounds]) - 0.5 + margin
    high = np.array([s.stop for s in bounds]) - 0.5 - margin
    return ((places >= low) & (places <= high)).all(axis=1).reshape(template.shape)


def tissue_brightness(head: Any, tissues: dict[str, Any], matrix: np.ndarray) -> dict[str, float]:
    """Median brightness of the head where the template is at least 0.9 of one tissue.

    Parameters
    ----------
    head : ANTsImage
    tissues : dict of ANTsImage
        ``csf``, ``gm``, ``wm`` of the template.
    matrix : ndarray, shape (4, 4)
        Template point to head point.
    """
    result = {}
    for name, image in tissues.items():
        values = _read(head, image, matrix, np.nan)
        chosen = values[(image.numpy() > 0.9) & np.isfinite(values)]
        result[name] = float(np.median(chosen)) if chosen.size else float("nan")
    return result


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
        # Atropos visits voxels in random order and takes its seed from the clock unless told.
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


def _coarse_blur(affine: np.ndarray) -> np.ndarray:
    return _COARSE_MM / 2.355 / np.linalg.norm(affine[:3, :3], axis=0)


def _coarse_head(head: Any) -> tuple[np.ndarray, np.ndarray]:
    """The head on a coarse straight grid, fat no brighter than the brightest brain, and affine."""
    values, own = head.numpy(), affine_of(head)
    bright = values[values > np.median(values)]
    if bright.size:
        values = np.clip(values, 0, np.quantile(bright, 0.98))
    # Between 0 and 1, so that sums of squares keep their digits in single precision.
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
    return ndimage.affine_transform(
        head.numpy(), index[:3, :3], index[:3, 3], output_shape=template.shape, order=1,
        cval=outside,
    )  # fmt: skip


def _likeness(head: Any, template: Any, matrix: np.ndarray) -> float:
    """Correlation in the template's brain where the picture shows it; 0 where it shows no half."""
    brain = template.numpy() > 0.2
    seen = _read(head, template, matrix, np.nan)[brain]
    shown = np.isfinite(seen)
    if shown.mean() < 0.5 or not seen[shown].any():
        return 0.0
    return float(np.corrcoef(seen[shown], template.numpy()[brain][shown])[0, 1])
