"""Where seeds and targets lie in a grid: one rule each for spheres, masks and labels.

A voxel belongs to a region by the share of it that lies in the region. A mask is where its image is
above zero, as in FSL (``fslmaths -mas``), and a label where the atlas, whose values must be whole
numbers, has that number. NaN belongs to neither.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from crossfc.array import BoolArray, FloatArray, IntArray, RealArray, SingleArray
from crossfc.fault import Fault
from crossfc.session import sphere
from crossfc.session.scan import open_scan

# Along an edge, a voxel is looked up in an image at so many places at most.
_MOST_PLACES = 5
# Single precision, in which images are read, holds whole numbers up to here.
_LARGEST_LABEL = 2**24


@dataclass(frozen=True)
class Place:
    """A region in a grid: its voxels, also those beyond the edges of the grid, and their weights.

    Attributes
    ----------
    voxels : (n, 3) int
        Indices.
    weight : (n,) float64
        Share of each voxel that belongs to the region, above 0 and up to 1.
    shape : (nx, ny, nz)
        Of the grid.
    centre : (3,) float64
        Where the region's middle should be (mm): of spheres the mean of their centres, by
        their volumes; of an image the middle of its voxels in its own grid.
    """

    voxels: IntArray
    weight: FloatArray
    shape: tuple[int, ...]
    centre: FloatArray

    @cached_property
    def in_grid(self) -> BoolArray:
        """Whether each voxel lies in the grid, (n,) bool."""
        return _in_grid(self.voxels, self.shape)

    @property
    def size(self) -> float:
        """Size in voxels: the sum of the weights, also of voxels beyond the grid."""
        return float(self.weight.sum())

    def within(self, mask: BoolArray) -> BoolArray:
        """Return which of the voxels lie in a mask, (n,) bool; ``mask`` is (nx, ny, nz) bool."""
        found = self.in_grid.copy()
        found[found] = mask[tuple(self.voxels[found].T)]
        return found

    def image(self, some: BoolArray | None = None) -> SingleArray:
        """Return the weights on the grid, (nx, ny, nz) float32: of all voxels, or of some (n,)."""
        values = np.zeros(self.shape, dtype=np.float32)
        shown = self.in_grid if some is None else self.in_grid & some
        values[tuple(self.voxels[shown].T)] = self.weight[shown]
        return values


def place(
    rows: Sequence[Mapping[str, Any]], name: str, shape: tuple[int, ...], affine: FloatArray
) -> Place:
    """Place a region in a grid.

    Of an image that is finer than the grid, the share of a voxel is counted at evenly spaced places
    in it, as many as the image has voxels there (5 along an edge at most); of one that is not
    finer, the voxel nearest to the centre decides. Of several images and spheres, the largest share
    counts.

    Parameters
    ----------
    rows : sequence of dict
        The region's rows of the sheet: kind, x, y, z, radius_mm, file, label. The region is their
        union.
    name : str
        For messages.
    shape : (nx, ny, nz)
    affine : (4, 4) float
        Voxel indices to mm.

    Returns
    -------
    Place

    Raises
    ------
    Fault
        If the region has no voxel in this grid, or its image cannot be read.
    """
    affine = np.asarray(affine, dtype=float)
    spheres = [row for row in rows if row["kind"] == "sphere"]
    images = [_image_of(row, name) for row in rows if row["kind"] != "sphere"]
    parts = [sphere.shares(*_spheres(spheres), affine)] if spheres else []
    parts += [_shares_of_image(*image, shape, affine) for image in images]
    voxels, weight = parts[0] if len(parts) == 1 else _largest(parts)
    found = Place(voxels, weight, tuple(shape), _middle(spheres, images))
    if not found.in_grid.any():
        raise Fault(
            f"region {name} has no voxel in the grid of the scan; correct its coordinates (mm, "
            "MNI), its label or its radius (against the voxel size) in the sheet"
        )
    return found


def _largest(parts: Sequence[tuple[IntArray, FloatArray]]) -> tuple[IntArray, FloatArray]:
    """Join voxels with their shares; of a voxel that several have, the largest share counts."""
    every = np.concatenate([voxels for voxels, _ in parts])
    voxels, at = np.unique(every, axis=0, return_inverse=True)
    weight = np.zeros(len(voxels))
    np.maximum.at(weight, at.ravel(), np.concatenate([share for _, share in parts]))
    return voxels, weight


def _shares_of_image(
    wanted: BoolArray, own: FloatArray, shape: tuple[int, ...], affine: FloatArray
) -> tuple[IntArray, FloatArray]:
    """Return the voxels of a grid that an image reaches into, and the share of each in it."""
    inside = np.argwhere(wanted)
    if not len(inside):
        return np.empty((0, 3), dtype=int), np.empty(0)
    to_grid = np.linalg.inv(np.linalg.inv(own) @ affine)
    # The box of the grid that holds the box of the image's voxels.
    low, high = inside.min(axis=0) - 0.5, inside.max(axis=0) + 0.5
    corners = np.array([[(low, high)[k][a] for a, k in enumerate(c)] for c in np.ndindex(2, 2, 2)])
    ends = corners @ to_grid[:3, :3].T + to_grid[:3, 3]
    first = np.clip(np.floor(ends.min(axis=0)), 0, shape).astype(int)
    last = np.clip(np.ceil(ends.max(axis=0)) + 1, 0, shape).astype(int)
    axes = [np.arange(a, b) for a, b in zip(first, last, strict=True)]
    voxels = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    share = mean_over_voxels(wanted, own, voxels, affine)
    reached = share > 0
    return voxels[reached], share[reached]


def mean_over_voxels(
    values: RealArray | BoolArray, own: FloatArray, voxels: IntArray, affine: FloatArray
) -> FloatArray:
    """Return the mean of an image over each of some voxels of another grid.

    It is looked up at evenly spaced places in a voxel, as many as the image has voxels there (5
    along an edge at most).

    Parameters
    ----------
    values : (i, j, k) float or bool
        The image, in its own grid.
    own : (4, 4) float
        Voxel indices of the image to mm.
    voxels : (n, 3) int
        Indices in the other grid.
    affine : (4, 4) float
        Of the other grid.

    Returns
    -------
    (n,) float64
        What lies beyond the image counts as 0.
    """
    to_image = np.linalg.inv(own) @ affine
    # How many of the image's voxels a voxel of the grid spans along each of its axes.
    spans = np.linalg.norm(affine[:3, :3], axis=0) / np.linalg.norm(own[:3, :3], axis=0).min()
    counts = np.clip(np.rint(spans), 1, _MOST_PLACES).astype(int)
    steps = np.meshgrid(*((np.arange(n) + 0.5) / n - 0.5 for n in counts), indexing="ij")
    total: FloatArray = np.zeros(len(voxels))
    for step in np.stack(steps, axis=-1).reshape(-1, 3):
        index = np.rint((voxels + step) @ to_image[:3, :3].T + to_image[:3, 3]).astype(int)
        there = _in_grid(index, values.shape)
        total[there] += values[tuple(index[there].T)]
    total /= counts.prod()
    return total


def _spheres(rows: Sequence[Mapping[str, Any]]) -> tuple[FloatArray, FloatArray]:
    """Return the centres (n, 3) and radii (n,) of spheres, mm."""
    centres = np.array([[row["x"], row["y"], row["z"]] for row in rows], dtype=float)
    return centres, np.array([row["radius_mm"] for row in rows], dtype=float)


def _middle(
    spheres: Sequence[Mapping[str, Any]], images: Sequence[tuple[BoolArray, FloatArray]]
) -> FloatArray:
    """Return the mean place (mm) of spheres and images, by their volumes; NaN if they are empty."""
    places, volumes = [np.full(3, np.nan)], [0.0]
    for row in spheres:
        places.append(np.array([row["x"], row["y"], row["z"]], dtype=float))
        volumes.append(4 / 3 * np.pi * float(row["radius_mm"]) ** 3)
    for wanted, own in images:
        if wanted.any():
            places.append(own[:3, :3] @ np.argwhere(wanted).mean(axis=0) + own[:3, 3])
            volumes.append(float(wanted.sum() * abs(np.linalg.det(own[:3, :3]))))
    if len(places) == 1:
        return places[0]
    middle: FloatArray = np.average(places[1:], axis=0, weights=volumes[1:])
    return middle


def around_seeds(
    seeds: Sequence[str],
    definitions: Sequence[Mapping[str, Any]],
    fwhm_mm: float,
    shape: tuple[int, ...],
    affine: FloatArray,
) -> BoolArray:
    """Mark the seeds and the halo into which smoothing carries their signal.

    Parameters
    ----------
    seeds : sequence of str
        Names of the seeds to mark.
    definitions : sequence of dict
        Rows of the sheet of seeds, as in `place`, with ``seed``.
    fwhm_mm : float
        Full width at half maximum of the smoothing, mm: the width of the halo.
    shape : tuple of int
        Shape (i, j, k) of the grid.
    affine : ndarray, shape (4, 4)
        From voxels of the grid to mm.

    Returns
    -------
    bool ndarray, shape (i, j, k)
        True for voxels whose centre is no further than ``fwhm_mm`` from a seed (from its sphere,
        or from the centre of a voxel of its image and half that voxel's diagonal), and for those
        that its sphere reaches into.

    Raises
    ------
    Fault
        If a seed has no definition or its image holds no voxel of it.
    """
    affine = np.asarray(affine, dtype=float)
    near = np.zeros(shape, dtype=bool)
    for seed in seeds:
        rows = [row for row in definitions if row["seed"] == seed]
        if not rows:
            raise Fault(f'seed "{seed}" has no definition; add its row to seeds.tsv')
        for row in rows:
            if row["kind"] == "sphere":
                (centre,), (radius,) = _spheres([row])
                reached, _ = sphere.shares(centre, np.array([radius]), affine)
                for voxels in (reached, sphere.voxels_near(centre, radius + fwhm_mm, affine)):
                    near[tuple(voxels[_in_grid(voxels, shape)].T)] = True
            else:
                near |= _around_image(row, seed, fwhm_mm, shape, affine)
    return near


def in_mask(values: RealArray) -> BoolArray:
    """Test which values of a mask image are inside: those above zero, so not NaN."""
    return values > 0


def label_numbers(values: RealArray, path: str | Path) -> IntArray:
    """Return the labels of an atlas as whole numbers.

    Parameters
    ----------
    values : ndarray of float32
        As read from the image; NaN counts as 0, no label.
    path : path
        For messages.

    Returns
    -------
    ndarray of int64, same shape

    Raises
    ------
    Fault
        If a value is no whole number, or is too large for single precision.
    """
    values = np.nan_to_num(values, nan=0.0)
    numbers = np.rint(values)
    # A file's slope and intercept may leave a rounding error.
    odd = np.abs(values - numbers) > 1e-4 * np.maximum(np.abs(values), 1)
    if odd.any():
        raise Fault(
            f"{path} holds values that are no whole numbers, such as {values[odd][0]:g}, so it is "
            "no atlas of labels or was interpolated; resample it by nearest neighbour, or use "
            "kind mask"
        )
    if np.abs(numbers).max(initial=0) > _LARGEST_LABEL:
        raise Fault(
            f"{path} holds labels above {_LARGEST_LABEL}, which single precision cannot tell "
            "apart; give them smaller numbers"
        )
    whole: IntArray = numbers.astype(np.int64)
    return whole


def at_nearest(
    wanted: BoolArray, own: FloatArray, shape: tuple[int, ...], affine: FloatArray
) -> BoolArray:
    """Carry voxels of an image to another grid, by the nearest voxel.

    Parameters
    ----------
    wanted : (i, j, k) bool
        In the image's own grid.
    own : (4, 4) float
        Voxel indices of the image to mm.
    shape : (nx, ny, nz)
        Shape of the other grid.
    affine : (4, 4) float
        Voxel indices of the other grid to mm.

    Returns
    -------
    (nx, ny, nz) bool
        False outside the image.
    """
    to_image = np.linalg.inv(own) @ affine
    grid = np.indices(shape).reshape(3, -1)
    index = np.rint(to_image[:3, :3] @ grid + to_image[:3, 3:]).astype(int)
    inside = ((index >= 0) & (index < np.array(wanted.shape)[:, None])).all(axis=0)
    found = np.zeros(inside.size, dtype=bool)
    found[inside] = wanted[tuple(index[:, inside])]
    return found.reshape(shape)


def _in_grid(voxels: IntArray, shape: tuple[int, ...]) -> BoolArray:
    inside: BoolArray = np.asarray(((voxels >= 0) & (voxels < shape)).all(axis=1))
    return inside


def _image_of(row: Mapping[str, Any], name: str) -> tuple[BoolArray, FloatArray]:
    """Read a mask or label, in its own grid: its voxels (i, j, k) bool, and its affine."""
    try:
        image = open_scan(row["file"], dimensions=3, kind="region")
        if row["kind"] == "mask":
            return in_mask(image.data), image.affine
        return label_numbers(image.data, image.path) == int(row["label"]), image.affine
    except Fault as fault:
        raise Fault(f'region {name}, column "file": {fault}') from None


def _around_image(
    row: Mapping[str, Any], seed: str, fwhm_mm: float, shape: tuple[int, ...], affine: FloatArray
) -> BoolArray:
    from scipy.spatial import cKDTree

    inside, own = _image_of(row, seed)
    places = np.argwhere(inside)
    if len(places) == 0:
        raise Fault(f'{row["file"]} holds no voxel of seed "{seed}"; correct its label')
    tree = cKDTree(places @ own[:3, :3].T + own[:3, 3])
    # Half a voxel's diagonal is added, as a seed voxel is a box and not a point.
    box = np.linalg.norm(own[:3, :3] @ (0.5, 0.5, 0.5))
    points = np.moveaxis(np.indices(shape), 0, -1) @ affine[:3, :3].T + affine[:3, 3]
    distance, _ = tree.query(points.reshape(-1, 3), distance_upper_bound=fwhm_mm + box)
    near: BoolArray = np.isfinite(distance).reshape(shape)
    return near
