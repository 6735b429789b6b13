"""Statistical maps on the template: nothing is hidden, and significant clusters are outlined.

Maps have transparent thresholding (Taylor et al. 2023, NeuroImage 274:120138): values above the
cluster-forming threshold are opaque, values below it fade with the square of the statistic, and
clusters whose corrected p is below 0.05 have an outline.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from html import escape
from pathlib import Path
from typing import Any, TypeAlias, cast

import numpy as np

from crossfc.array import BoolArray, FloatArray, PixelArray, SingleArray
from crossfc.report import figure, number
from crossfc.significance import SIGNIFICANT
from crossfc.template import load_template

# The box that is shown, in mm; it contains the brain of the template.
BOX = {"x": (-76.0, 76.0), "y": (-110.0, 78.0), "z": (-64.0, 84.0)}
STEP_MM = 1.0
AXIAL_MM = (-22.0, -6.0, 10.0, 28.0, 46.0)
GAP = 6
# The opacity of values that lie just below the threshold.
FADED = 0.8
# In-plane axes of a cut: (across, up).
PLANES = {"x": ("y", "z"), "y": ("x", "z"), "z": ("x", "y")}
AXES = "xyz"

_COLOUR_STEP = 8  # colours are rounded to multiples of this

# Orange above zero, blue below: distinct with any colour vision, and from grey by lightness.
_SHARE = np.array([0.0, 0.35, 0.7, 1.0])
_ABOVE = np.array([[127, 39, 4], [217, 72, 1], [253, 141, 60], [254, 217, 118]], dtype=float)
_BELOW = np.array([[8, 48, 107], [33, 113, 181], [66, 166, 220], [158, 226, 240]], dtype=float)

# Coordinates in mm.
Place: TypeAlias = tuple[float, float, float]


@dataclass(frozen=True)
class Volume:
    """An image in memory: its values, and the transformation from mm to voxels."""

    values: SingleArray
    from_mm: FloatArray

    @classmethod
    def load(cls, path: Path) -> "Volume":
        """Read an image of three dimensions; a fourth one of length 1 is dropped."""
        from crossfc.group.design.volume import load

        image = load(path)
        values = np.asarray(image.dataobj, dtype=np.float32)
        if values.ndim == 4:
            values = values[..., 0]
        return cls(values, np.linalg.inv(np.asarray(image.affine)))

    def sample(self, millimetres: FloatArray) -> FloatArray:
        """Interpolate linearly at points in mm, shape (3, …).

        Returns
        -------
        ndarray, shape (…)
            NaN where most of the interpolation weight falls on voxels that are NaN.
        """
        from scipy.ndimage import map_coordinates

        matrix, shift = self.from_mm[:3, :3], self.from_mm[:3, 3]
        index = np.tensordot(matrix, millimetres, 1)
        index += shift.reshape(3, *[1] * (millimetres.ndim - 1))
        known = np.isfinite(self.values)
        filled = np.where(known, self.values, 0).astype(np.float32)
        value = map_coordinates(filled, index, order=1, mode="constant")
        weight = map_coordinates(known.astype(np.float32), index, order=1, mode="constant")
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(weight > 0.5, value / weight, np.nan)


@lru_cache(maxsize=1)
def template() -> Volume:
    """Return the bundled MNI template (ICBM 2009a nonlinear symmetric), brain only, 1 mm."""
    values, affine = load_template("t1")
    return Volume(values, np.linalg.inv(affine))


def plane(axis: str, at: float) -> FloatArray:
    """Return the points of a cut through the template, superior or anterior on top.

    Parameters
    ----------
    axis : {"x", "y", "z"}
        The axis that the cut is perpendicular to.
    at : float
        Position of the cut on this axis, mm.

    Returns
    -------
    ndarray, shape (3, height, width)
        Coordinates, mm.
    """
    across, up = PLANES[axis]
    u = np.arange(BOX[across][0], BOX[across][1] + STEP_MM / 2, STEP_MM)
    v = np.arange(BOX[up][1], BOX[up][0] - STEP_MM / 2, -STEP_MM)
    points = np.empty((3, len(v), len(u)))
    points[AXES.index(axis)] = at
    points[AXES.index(across)] = u[None, :]
    points[AXES.index(up)] = v[:, None]
    return points


@lru_cache(maxsize=64)
def underlay(axis: str, at: float) -> tuple[FloatArray, BoolArray]:
    """Return a cut through the template as grey values, and where the brain is.

    Parameters
    ----------
    axis, at
        See `plane`.

    Returns
    -------
    grey : ndarray, shape (height, width)
        Grey values, 0 to 255.
    brain : bool ndarray, shape (height, width)
    """
    return greys(template().sample(plane(axis, at)))


def greys(intensity: FloatArray) -> tuple[FloatArray, BoolArray]:
    """Return intensities of the template as grey values from 0 to 255, and where the brain is."""
    known = np.nan_to_num(intensity)
    return 40 + 190 * np.clip(known / 0.95, 0, 1), known > 0.12


def colour(share: FloatArray) -> FloatArray:
    """Return the colours of values from -1 to 1.

    Parameters
    ----------
    share : ndarray
        Values as a share of the largest one shown, in any shape.

    Returns
    -------
    ndarray, shape (*share.shape, 3)
        Red, green and blue; larger sizes have the colour of 1 or -1.
    """
    size = np.clip(np.abs(share), 0, 1)
    above = np.stack([np.interp(size, _SHARE, _ABOVE[:, c]) for c in range(3)], axis=-1)
    below = np.stack([np.interp(size, _SHARE, _BELOW[:, c]) for c in range(3)], axis=-1)
    return np.where((share >= 0)[..., None], above, below)


def opacity(values: FloatArray, threshold: float) -> FloatArray:
    """Compute the opacity of values: full from the threshold up, fading below it.

    Parameters
    ----------
    values : ndarray
        The statistic in any shape; its sign is ignored.
    threshold : float
        Cluster-forming value of the statistic.

    Returns
    -------
    ndarray
        In the shape of ``values``: 1 from the threshold up, (value / threshold)² times 0.8 below
        it, and 0 where a value is not finite.
    """
    size = np.abs(np.nan_to_num(values))
    if threshold <= 0:
        return np.where(np.isfinite(values), 1.0, 0.0)
    faded = FADED * np.clip(size / threshold, 0, 1) ** 2
    return np.where(np.isfinite(values), np.where(size >= threshold, 1.0, faded), 0.0)


def scale_limit(paths: Sequence[Path], threshold: float | None) -> float:
    """Compute the top of a colour scale for several maps: their 99.9th percentile, rounded."""
    tops = [threshold or 0.0]
    for path in paths:
        values = Volume.load(path).values
        values = np.abs(values[np.isfinite(values)])
        if len(values):
            tops.append(float(np.percentile(values, 99.9)))
    return float(np.ceil(max(tops) * 2) / 2) or 1.0


def extreme(path: Path) -> Place:
    """Return the coordinates (mm) of the voxel with the largest absolute value."""
    volume = Volume.load(path)
    if not np.isfinite(volume.values).any():
        return (0.0, 0.0, 0.0)
    index = np.unravel_index(np.nanargmax(np.abs(volume.values)), volume.values.shape)
    place = np.linalg.inv(volume.from_mm) @ np.array([*index, 1.0])
    x, y, z = (float(round(v, 1)) for v in place[:3])
    return x, y, z


def montage(
    stat: Path,
    p_cluster: Path | None,
    threshold: float,
    top: float,
    peak: Sequence[float],
    alt: str,
    level: float = SIGNIFICANT,
) -> tuple[str, str]:
    """Draw a map: three cuts through one point, and five axial slices that are always the same.

    Parameters
    ----------
    stat, p_cluster : path
        Maps of the statistic and, if there is one, of the corrected p of clusters, which are
        outlined where it is below ``level``.
    threshold : float
        Cluster-forming value of the statistic.
    top : float
        Value at the ends of the colour scale.
    peak : (x, y, z)
        Coordinates of the point through which to cut, mm.
    alt : str
        Alternative text for screen readers.
    level : float

    Returns
    -------
    (str, str)
        Two SVG drawings.
    """
    volume = Volume.load(stat)
    significant = None
    if p_cluster is not None and p_cluster.is_file():
        p = Volume.load(p_cluster)
        inside = np.isfinite(p.values) & (p.values < level)
        if inside.any():
            significant = Volume(inside.astype(np.float32), p.from_mm)
    cuts = list(zip(AXES, (float(v) for v in peak), strict=True))
    marks = [tuple(float(v) for v in peak)] * 3
    first = _strip(volume, significant, threshold, top, cuts, marks, f"{alt}; cuts through a peak")
    axial = [("z", at) for at in AXIAL_MM]
    second = _strip(
        volume, significant, threshold, top, axial, [None] * len(axial), f"{alt}; axial slices"
    )
    return first, second


def outlined(region: Volume, at: Place, alt: str) -> str:
    """Draw three cuts through the template with the outline of a region (1 inside, 0 outside)."""
    nothing = Volume(np.full((1, 1, 1), np.nan, dtype=np.float32), np.eye(4))
    cuts = list(zip(AXES, at, strict=True))
    return _strip(nothing, region, 0.0, 1.0, cuts, [None] * 3, alt)


def axial(volume: Volume, top: float, alt: str) -> str:
    """Draw the five axial slices of a map as one SVG, without outlines.

    Nothing is cut off: below half of the scale colours fade with the square of the value.

    Parameters
    ----------
    volume : Volume
    top : float
        Value at the ends of the colour scale.
    alt : str
        Alternative text for screen readers.
    """
    cuts = [("z", at) for at in AXIAL_MM]
    return _strip(volume, None, top / 2, top, cuts, [None] * len(cuts), alt)


def _strip(
    volume: Volume,
    significant: Volume | None,
    threshold: float,
    top: float,
    cuts: Sequence[tuple[str, float]],
    marks: Sequence[tuple[float, ...] | None],
    alt: str,
) -> str:
    """Draw cuts side by side: one picture below, outlines and words as vectors above."""
    panels = [_panel(volume, axis, at, threshold, top) for axis, at in cuts]
    height = max(panel.shape[0] for panel in panels)
    width = sum(panel.shape[1] for panel in panels) + GAP * (len(panels) - 1)
    canvas = np.zeros((height, width, 4), dtype=np.uint8)
    over, x = [], 0
    for panel, (axis, at), mark in zip(panels, cuts, marks, strict=True):
        h, w = panel.shape[:2]
        y = (height - h) // 2
        canvas[y : y + h, x : x + w] = panel
        if significant is not None:
            over.append(_outline(significant.sample(plane(axis, at)), x, y))
        across, up = PLANES[axis]
        if mark is not None:
            u = x + (mark[AXES.index(across)] - BOX[across][0]) / STEP_MM
            v = y + (BOX[up][1] - mark[AXES.index(up)]) / STEP_MM
            arms = ((-9, 0, -4, 0), (4, 0, 9, 0), (0, -9, 0, -4), (0, 4, 0, 9))
            ends = [(u + a, v + b, u + c, v + d) for a, b, c, d in arms]
            path = "".join(f"M{a:.1f} {b:.1f}L{c:.1f} {d:.1f}" for a, b, c, d in ends)
            over.append(f'<path class="cross" d="{path}"/>')
        over.append(_word(x + w / 2, height + 14, f"{axis} = {number.fixed(at, 0)}", "middle"))
        if across == "x":
            over.append(_word(x + 3, y + 14, "L", "start"))
            over.append(_word(x + w - 3, y + 14, "R", "end"))
        x += w + GAP
    body = f'<image width="{width}" height="{height}" href="{picture(canvas)}"/>' + "".join(over)
    return (
        f'<svg class="brain" viewBox="0 0 {width} {height + 20}" role="img" '
        f'style="flex:{width} 1 {width // 2}px" aria-label="{escape(alt)}">{body}</svg>'
    )


def _panel(volume: Volume, axis: str, at: float, threshold: float, top: float) -> PixelArray:
    grey, brain = underlay(axis, round(at, 2))
    values = volume.sample(plane(axis, at))
    alpha = opacity(values, threshold)[..., None]
    rgb = grey[..., None] * (1 - alpha) + colour(np.nan_to_num(values) / top) * alpha
    return np.dstack([rgb.round().astype(np.uint8), np.where(brain, 255, 0).astype(np.uint8)])


def _outline(inside: FloatArray, x: float, y: float) -> str:
    """Return the edge of the significant voxels in one cut, as an SVG path."""
    inside = np.nan_to_num(inside)
    if inside.max() <= 0.5:
        return ""
    import contourpy

    # Each line is an array of points.
    lines = cast(list[FloatArray], contourpy.contour_generator(z=inside).lines(0.5))
    parts = []
    for points in lines:
        steps = "L".join(f"{u + x + 0.5:.1f} {v + y + 0.5:.1f}" for u, v in points)
        parts.append(f"M{steps}")
    path = "".join(parts)
    return f'<path class="halo" d="{path}"/><path class="edge" d="{path}"/>'


def _word(x: float, y: float, text: Any, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(str(text))}</text>'


def picture(rgba: PixelArray) -> str:
    """Return an image as a data URL; pixels with an opacity of 0 are transparent.

    Colours are rounded to multiples of `_COLOUR_STEP`, which is not visible, and kept as they are
    then (lossless WebP, a bit more than half the bytes of a PNG). Lossy pictures halve the
    resolution of colours, and a palette chosen from the picture would go mostly to the many greys
    of the template.
    """
    from PIL import Image

    rounded = rgba.copy()
    steps = np.round(rgba[..., :3] / _COLOUR_STEP)
    rounded[..., :3] = np.minimum(_COLOUR_STEP * steps, 255).astype(np.uint8)
    rounded[rgba[..., 3] == 0] = 0
    written = io.BytesIO()
    Image.fromarray(rounded, mode="RGBA").save(written, "WEBP", lossless=True, quality=75, method=4)
    return figure.inlined(written.getvalue(), "webp")


def legend(top: float, threshold: float | None, name: str, one_sided: bool, alt: str) -> str:
    """Draw the colour scale with the threshold marked."""
    low = 0.0 if one_sided else -top
    values = np.linspace(low, top, 256)
    strip = colour(values / top)
    alpha = opacity(values, threshold or 0.0)[:, None]
    strip = strip * alpha + 150 * (1 - alpha)
    rgba = np.dstack([np.repeat(strip[None], 12, axis=0).round(), np.full((12, 256), 255)])
    body = [f'<image x="22" y="14" width="256" height="12" href="{picture(rgba.astype(np.uint8))}" '
            'preserveAspectRatio="none"/>']  # fmt: skip
    at = [low, 0.0, top] if not one_sided else [0.0, top]
    words = list(at)
    at += [v for v in (threshold, -(threshold or 0)) if v and low < v < top]
    for value in at:
        x = 22 + 256 * (value - low) / (top - low)
        body.append(f'<path class="cross" d="M{x:.1f} 12v16"/>')
        # Labels that would overlap are left out; their mark stays.
        room = min([abs(value - other) for other in words if other != value], default=top)
        if value in words or room > 0.1 * (top - low):
            body.append(_word(x, 40, number.fixed(value, 1), "middle"))
    body.append(_word(150, 9, name, "middle"))
    return (
        f'<svg class="scale" viewBox="0 0 300 44" width="300" height="44" role="img" '
        f'aria-label="{escape(alt)}">{"".join(body)}</svg>'
    )
