"""Figures to judge a registration: a scan overlaid with the outlines that it should agree with."""

from pathlib import Path
from typing import Any

import numpy as np

from crossfc import template
from crossfc.atomic import writing
from crossfc.session.image import onto_grid

# An image whose contour at 0.5 is drawn, its affine, the colour, the width of the line.
_Outline = tuple[np.ndarray, np.ndarray, str, float]
_BRAIN, _WHITE, _RUN = "#e8543a", "#f2c14e", "#5ab4e5"

# Left and right, back and front, bottom and top of the part shown, mm.
_FIELD_MM = ((-88, 88), (-122, 90), (-82, 92))
_PLACES_MM = (
    (-50, -35, -20, 2, 20, 35, 50),
    (-85, -60, -35, -10, 15, 35, 55),
    (-45, -30, -15, 0, 15, 35, 55),
)


def draw_normalisation(
    t1w: np.ndarray, participant_id: str, quality: dict[str, Any], path: Path
) -> None:
    """Draw the T1w in template space, with the template's brain in red and white matter in yellow.

    Parameters
    ----------
    t1w : ndarray, shape (x, y, z)
        The normalised T1w on the template's 1 mm grid.
    participant_id : str
    quality : dict
        ``dice`` and ``correlation`` are written into the title.
    path : Path
        The PNG to write.
    """
    title = (
        f"{participant_id}: T1w in {template.SPACE}; template's brain (red), white matter "
        f"(yellow). Dice {quality['dice']:.3f}, correlation {quality['correlation']:.3f}"
    )
    standard = template.brain(1).affine
    white = (template.tissues(1)["wm"].get_fdata(), standard, _WHITE, 0.4)
    _draw([t1w], standard, [[_template_outline(), white]], title, path)


def draw_run(
    reference: np.ndarray,
    tsnr: np.ndarray,
    mask: np.ndarray,
    affine: np.ndarray,
    title: str,
    path: Path,
    white: tuple[np.ndarray, np.ndarray] | None = None,
) -> None:
    """Draw a run's reference and temporal signal-to-noise ratio in template space.

    The outline of the white matter is drawn in yellow on the reference; if the coregistration is
    right, it follows the edges in the functional image. The template's brain is red on both.

    Parameters
    ----------
    reference, tsnr : ndarray, shape (x, y, z)
        On the output grid.
    mask : ndarray of bool, shape (x, y, z)
        The brain as found in the run itself, outlined in blue.
    affine : ndarray, shape (4, 4)
        Voxel indices of the output grid to mm.
    title : str
    path : Path
        The PNG to write.
    white : (ndarray of shape (x, y, z), ndarray of shape (4, 4)), optional
        Probability of the person's white matter in template space, and its affine; default that of
        the template.
    """
    if white is None:
        white = template.tissues(1)["wm"].get_fdata(), template.brain(1).affine
    white_line = (*white, _WHITE, 0.7)
    seen = (mask.astype(float), affine, _RUN, 0.6)
    brain = _template_outline()
    _draw([reference, tsnr], affine, [[brain, seen, white_line], [brain, seen]], title, path)


def _template_outline() -> _Outline:
    image = template.brain_mask(1)
    return image.get_fdata(), image.affine, _BRAIN, 0.8


def _draw(
    volumes: list[np.ndarray],
    affine: np.ndarray,
    outlines: list[list[_Outline]],
    title: str,
    path: Path,
) -> None:
    """Draw volumes that lie on one grid, the first in grey and the second in colours.

    ``outlines`` has one list per volume.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(14, 7.2 * len(volumes)), facecolor="black", layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(3 * len(volumes), 7)
    for part, volume in enumerate(volumes):
        dark, bright = _window(volume, affine)
        for axis in range(3):
            for one, mm in zip(axes[3 * part + axis], _PLACES_MM[axis], strict=True):
                own = _slice(volume, affine, axis, mm)
                one.imshow(cmap="inferno" if part else "gray", vmin=dark, vmax=bright, **own)
                for values, where, colour, width in outlines[part]:
                    drawn = _slice(values, where, axis, mm)
                    one.contour(
                        drawn["X"], [0.5], colors=colour, linewidths=width, origin="lower",
                        extent=drawn["extent"],
                    )  # fmt: skip
                across, up = (_FIELD_MM[a] for a in range(3) if a != axis)
                one.set(xlim=across, ylim=up)
                one.set_title(f"{'xyz'[axis]} = {mm} mm", color="white", fontsize=7, pad=2)
                one.set_axis_off()
    figure.suptitle(title, color="white", fontsize=9)
    with writing(path) as temporary:
        figure.savefig(temporary, dpi=100, metadata={"Software": None})


def _window(volume: np.ndarray, affine: np.ndarray) -> tuple[float, float]:
    """Return the values to show as black and white, from the range of the brain.

    With this range, the tissues in the brain can be told apart.
    """
    standard = template.brain_mask(3)
    inside = onto_grid(standard.get_fdata(), standard.affine, affine, volume.shape) > 0.5
    values = volume[inside & (volume > 0)]
    if not values.size:
        return 0.0, 1.0
    low, high = np.percentile(values, [2, 99.5])
    return 0.6 * float(low), float(high)


def _slice(volume: np.ndarray, affine: np.ndarray, axis: int, mm: float) -> dict[str, Any]:
    """Return the arguments of imshow for one slice, with axes in mm.

    The axes of the grid must run along those of the world, from left to right.
    """
    steps = np.diag(affine)[:3]
    index = int(np.clip(round((mm - affine[axis, 3]) / steps[axis]), 0, volume.shape[axis] - 1))
    across, up = (a for a in range(3) if a != axis)
    extent = [
        affine[a, 3] + steps[a] * edge
        for a in (across, up)
        for edge in (-0.5, volume.shape[a] - 0.5)
    ]
    return {"X": np.take(volume, index, axis).T, "extent": extent, "origin": "lower"}
