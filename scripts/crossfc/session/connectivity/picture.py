"""Pictures of a session's brain: its mean image with outlines, and with seeds or targets.

They are small, and hold no words: whoever shows them knows the places of the slices
(`outline_tiles`, `region_tiles`) and writes beside them. They are drawn by NumPy, as a plotting
library would take longer to import than the connectivity of a session takes to compute.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TypeVar

import numpy as np

from crossfc import atomic, template
from crossfc.array import BoolArray, FloatArray, PixelArray, RealArray, SingleArray
from crossfc.session.placement import Place

# Left and right, back and front, bottom and top of a slice, mm: the template and a margin.
_FIELD_MM = ((-80.0, 80.0), (-115.0, 83.0), (-79.0, 86.0))
_PIXEL_MM, _FINE_MM, _FEW_REGIONS = 1.5, 1.0, 4  # a few seeds are shown larger
# Where slices of the outlines are, along each axis.
PLACES_MM = (
    (-50, -35, -20, 2, 20, 35, 50),
    (-85, -60, -35, -10, 15, 35, 55),
    (-45, -30, -15, 0, 15, 35, 55),
)
# The planes in which regions are shown, and how many of those shown in one plane make a row.
SEED_AXES, TARGET_AXES = (0, 1, 2), (2,)
_ACROSS = 5
_BRAIN, _WHITE, _MASK = (232, 84, 58), (242, 193, 78), (90, 180, 229)
_COVERED, _LOST = (70, 200, 120), (232, 40, 40)
_QUALITIES, _MOST_BYTES = (60, 50, 40, 30), 58_000  # of JPEG
_FEW = 20  # volumes that are enough for a mean image

Values = TypeVar("Values", BoolArray, SingleArray)


@dataclass(frozen=True)
class Tile:
    """A slice in a picture: its axis (0 is sagittal), and its place in pixels."""

    axis: int
    left: int
    top: int
    width: int
    height: int


@dataclass(frozen=True)
class Placed:
    """A region in a session.

    Attributes
    ----------
    place : Place
    covered : (n,) bool
        Which of its voxels are in the mask and have signal.
    """

    place: Place
    covered: BoolArray


def _size(axis: int, pixel_mm: float) -> tuple[int, int]:
    """Return width and height of a slice in pixels."""
    width, height = (
        round((_FIELD_MM[a][1] - _FIELD_MM[a][0]) / pixel_mm) for a in range(3) if a != axis
    )
    return width, height


def outline_tiles() -> tuple[list[tuple[Tile, int]], tuple[int, int]]:
    """Return the slices of the picture of outlines with their places (mm), and its size.

    Returns
    -------
    tiles : list of (Tile, int)
    size : (width, height)
        Pixels.
    """
    found, top = [], 0
    for axis, places in enumerate(PLACES_MM):
        width, height = _size(axis, _PIXEL_MM)
        found += [(Tile(axis, k * width, top, width, height), mm) for k, mm in enumerate(places)]
        top += height
    return found, (max(tile.left + tile.width for tile, _ in found), top)


def region_tiles(n: int, axes: Sequence[int]) -> tuple[list[list[Tile]], tuple[int, int]]:
    """Return the slices of each of n regions along some axes, and the size of their picture.

    Regions of which several slices are shown stand below each other, others in rows.

    Returns
    -------
    tiles : list of list of Tile
        One list per region.
    size : (width, height)
        Pixels.
    """
    across = 1 if len(axes) > 1 else _ACROSS
    sizes = [_size(axis, _region_pixel_mm(n, axes)) for axis in axes]
    widths, tall = [width for width, _ in sizes], max(height for _, height in sizes)
    found = []
    for k in range(n):
        row, column = divmod(k, across)
        left = column * sum(widths)
        tiles = []
        for axis, width in zip(axes, widths, strict=True):
            tiles.append(Tile(axis, left, row * tall, width, tall))
            left += width
        found.append(tiles)
    return found, (min(n, across) * sum(widths), -(-n // across) * tall)


def _region_pixel_mm(n: int, axes: Sequence[int]) -> float:
    return _FINE_MM if len(axes) > 1 and n <= _FEW_REGIONS else _PIXEL_MM


def reference(series: RealArray, usable: BoolArray, has_mean: bool) -> FloatArray:
    """Return the image in which a session is looked at: the mean of some of its volumes.

    Parameters
    ----------
    series : (x, y, z, t) float
        The scan, with what is outside the brain mask.
    usable : (t,) bool
        Volumes that count; evenly spaced ones of them are taken.
    has_mean : bool
        False for a demeaned series, of which the standard deviation shows the anatomy better.

    Returns
    -------
    (x, y, z) float64
    """
    known = np.flatnonzero(usable)
    few = known[:: max(1, len(known) // _FEW)]
    volumes = series[..., few]
    image: FloatArray = (
        volumes.mean(axis=-1, dtype=np.float64)
        if has_mean
        else volumes.std(axis=-1, dtype=np.float64)
    )
    return np.nan_to_num(image)


def draw_outlines(path: str | Path, image: RealArray, affine: FloatArray, mask: BoolArray) -> None:
    """Draw the mean image with the template's brain (red) and white matter (yellow) and the mask.

    Where the registration is right, the template's outlines run along the edges of the picture.

    Parameters
    ----------
    path : path
        The JPEG to write.
    image : (x, y, z) float
        See `reference`.
    affine : (4, 4) float
        Voxel indices to mm.
    mask : (x, y, z) bool
        Voxels that are analysed, outlined in blue.
    """
    t1, standard = template.load_template("t1")
    brain = template.in_brain(t1)
    white = template.load_template("wm")[0] > 0.5
    tiles, size = outline_tiles()
    canvas, window, smooth = _canvas(size), _window(image, mask), mask.astype(np.float32)
    for tile, mm in tiles:
        points = _points(tile.axis, mm, _PIXEL_MM)
        grey = _grey(image, affine, points, window)
        grey[_edge(_nearest(white, standard, points))] = _WHITE
        grey[_edge(_nearest(brain, standard, points))] = _BRAIN
        grey[_edge(_sampled(smooth, affine, points) > 0.5)] = _MASK
        _put(canvas, tile, grey)
    _save_jpeg(path, canvas)


def draw_regions(
    path: str | Path,
    image: RealArray,
    affine: FloatArray,
    mask: BoolArray,
    regions: Mapping[str, Placed],
    axes: Sequence[int],
) -> None:
    """Draw regions on the mean image: green where there is signal, red where it is lost.

    Each region is cut where it is largest.

    Parameters
    ----------
    path : path
        The JPEG to write.
    image, affine, mask
        As in `draw_outlines`; the mask is outlined too.
    regions : mapping
        Name to its place, in the order of the picture. Voxels are coloured by the share of them
        that is in the region.
    axes : sequence of int
        `SEED_AXES` or `TARGET_AXES`.
    """
    tiles, size = region_tiles(len(regions), axes)
    pixel_mm = _region_pixel_mm(len(regions), axes)
    canvas, window, smooth = _canvas(size), _window(image, mask), mask.astype(np.float32)
    for own, region in zip(tiles, regions.values(), strict=True):
        where = _widest(region.place, affine)
        parts = (
            (region.place.image(~region.covered), _LOST),
            (region.place.image(region.covered), _COVERED),
        )
        for tile in own:
            points = _points(tile.axis, where[tile.axis], pixel_mm)
            grey = _grey(image, affine, points, window)
            grey[_edge(_sampled(smooth, affine, points) > 0.5)] = _MASK
            for weights, colour in parts:
                share = 0.7 * _nearest(weights, affine, points)
                inside, opaque = share > 0, share[share > 0, None]
                grey[inside] = ((1 - opaque) * grey[inside] + opaque * colour).astype(np.uint8)
            _put(canvas, tile, grey)
    _save_jpeg(path, canvas)


def _canvas(size: tuple[int, int]) -> PixelArray:
    width, height = size
    return np.zeros((height, width, 3), dtype=np.uint8)


def _put(canvas: PixelArray, tile: Tile, pixels: PixelArray) -> None:
    """Put a slice into the middle of its tile."""
    top = tile.top + (tile.height - len(pixels)) // 2
    canvas[top : top + len(pixels), tile.left : tile.left + tile.width] = pixels


def _points(axis: int, mm: float, pixel_mm: float) -> FloatArray:
    """Return the places of the pixels of a slice, mm, (height, width, 3): top row first."""
    across, up = (a for a in range(3) if a != axis)
    width, height = _size(axis, pixel_mm)
    found = np.full((height, width, 3), float(mm))
    found[..., across] = _FIELD_MM[across][0] + pixel_mm * (np.arange(width) + 0.5)
    found[..., up] = (_FIELD_MM[up][1] - pixel_mm * (np.arange(height) + 0.5))[:, None]
    return found


def _indices(affine: FloatArray, points: FloatArray) -> FloatArray:
    inverse = np.linalg.inv(affine)
    found: FloatArray = points @ inverse[:3, :3].T + inverse[:3, 3]
    return found


def _sampled(volume: RealArray, affine: FloatArray, points: FloatArray) -> FloatArray:
    """Interpolate a volume linearly at places (mm); 0 outside of its voxels."""
    last = np.array(volume.shape) - 1
    exact = _indices(affine, points)
    index = np.clip(exact, 0, last)
    low = np.minimum(index.astype(int), np.maximum(last - 1, 0))
    # One number per pixel in place of three makes the look-up fast.
    steps = np.array([volume.shape[1] * volume.shape[2], volume.shape[2], 1])
    flat, start = volume.ravel(), low @ steps
    x, y, z = np.moveaxis(index - low, -1, 0)
    found = np.zeros(points.shape[:-1])
    for i, j, k in np.ndindex(2, 2, 2):
        weight = (x if i else 1 - x) * (y if j else 1 - y) * (z if k else 1 - z)
        found += weight * flat[np.minimum(start + (i, j, k) @ steps, flat.size - 1)]
    found[(np.abs(exact - index) > 0.5).any(axis=-1)] = 0
    return found


def _nearest(volume: Values, affine: FloatArray, points: FloatArray) -> Values:
    """Look up a volume at places (mm), in the nearest voxel; 0 (False) outside of it."""
    at = np.rint(_indices(affine, points)).astype(int)
    inside = ((at >= 0) & (at < volume.shape)).all(axis=-1)
    found: Values = np.zeros(points.shape[:-1], dtype=volume.dtype)
    found[inside] = volume[tuple(at[inside].T)]
    return found


def _edge(inside: BoolArray) -> BoolArray:
    """Return the pixels inside that have a neighbour outside."""
    framed = np.pad(inside, 1)
    core = framed[:-2, 1:-1] & framed[2:, 1:-1] & framed[1:-1, :-2] & framed[1:-1, 2:]
    return inside & ~core


def _window(image: RealArray, mask: BoolArray) -> tuple[float, float]:
    """Return the values that are black and white, from the range in the brain."""
    low, high = np.percentile(image[mask], [2, 99.5]) if mask.any() else (0.0, 1.0)
    return 0.6 * float(low), float(high)


def _grey(
    image: RealArray, affine: FloatArray, points: FloatArray, window: tuple[float, float]
) -> PixelArray:
    """Return a slice of the image in grey levels, (height, width, 3)."""
    dark, bright = window
    level = (_sampled(image, affine, points) - dark) / max(bright - dark, 1e-9)
    grey = (255 * np.clip(level, 0, 1)).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=-1)


def _widest(region: Place, affine: FloatArray) -> FloatArray:
    """Return, along each axis of the world, the place (mm) at which a region is largest."""
    inside = region.in_grid
    places = region.voxels[inside] @ affine[:3, :3].T + affine[:3, 3]
    found = np.zeros(3)
    for axis in range(3 if len(places) else 0):
        values, at = np.unique(np.round(places[:, axis], 1), return_inverse=True)
        sizes = np.bincount(at.ravel(), region.weight[inside])
        # Of equally wide places the middle one, as of a sphere between two slices.
        widest = values[sizes > sizes.max() - 1e-6]
        found[axis] = widest[len(widest) // 2]
    return found


def _save_jpeg(path: str | Path, pixels: PixelArray) -> None:
    """Write a JPEG of the best quality with which it is small."""
    from PIL import Image

    picture = Image.fromarray(pixels)
    for quality in _QUALITIES:
        # Without subsampling, which would blur the colours of thin lines.
        written = BytesIO()
        picture.save(written, format="JPEG", quality=quality, subsampling=0, optimize=True)
        if written.tell() <= _MOST_BYTES:
            break
    with atomic.writing(path) as temporary:
        temporary.write_bytes(written.getvalue())
