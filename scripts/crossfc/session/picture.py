"""Pictures to judge a registration by: the person's scan with the template's outlines on it."""

from pathlib import Path
from typing import Any

import numpy as np

from crossfc.atomic import writing
from crossfc.session import template

_PLACES_MM = (
    (-50, -35, -20, 2, 20, 35, 50),
    (-85, -60, -35, -10, 15, 35, 55),
    (-45, -30, -15, 0, 15, 35, 55),
)


def draw_normalisation(
    t1w: np.ndarray, participant_id: str, quality: dict[str, Any], path: Path
) -> None:
    """Draw the T1w in template space, the template's brain red and its white matter yellow.

    Parameters
    ----------
    t1w : ndarray
        On the template's 1 mm grid.
    participant_id : str
    quality : dict
        ``dice`` and ``correlation`` go into the title.
    path : Path
        Of the picture.
    """
    title = (
        f"{participant_id}: T1w in {template.SPACE}; template's brain (red), white matter "
        f"(yellow). Dice {quality['dice']:.3f}, correlation {quality['correlation']:.3f}"
    )
    _draw([t1w], template.brain(1).affine, None, title, path)


def draw_run(
    reference: np.ndarray,
    tsnr: np.ndarray,
    mask: np.ndarray,
    affine: np.ndarray,
    title: str,
    path: Path,
) -> None:
    """Draw a run's reference and temporal signal-to-noise ratio in template space.

    Parameters
    ----------
    reference, tsnr : ndarray, shape (x, y, z)
        On the output grid.
    mask : ndarray of bool, shape (x, y, z)
        The run's brain mask, outlined in blue.
    affine : ndarray, shape (4, 4)
        Of the output grid.
    title : str
    path : Path
        Of the picture.
    """
    _draw([reference, tsnr], affine, mask, title, path)


def _draw(
    volumes: list[np.ndarray],
    affine: np.ndarray,
    mask: np.ndarray | None,
    title: str,
    path: Path,
) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    standard = template.brain(1)
    brain = template.brain_mask(1).get_fdata()
    white = template.tissues(1)["wm"].get_fdata()
    figure = Figure(figsize=(12, 6.6 * len(volumes)), facecolor="black", layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(3 * len(volumes), 7)
    for part, volume in enumerate(volumes):
        bright = np.percentile(volume[volume > 0], 99.5) if (volume > 0).any() else 1
        for axis in range(3):
            for one, mm in zip(axes[3 * part + axis], _PLACES_MM[axis], strict=True):
                own = _slice(volume, affine, axis, mm)
                one.imshow(cmap="inferno" if part else "gray", vmin=0, vmax=bright, **own)
                outlines = [(brain, standard.affine, "#e8543a", 0.8)]
                if not part:
                    outlines.append((white, standard.affine, "#f2c14e", 0.4))
                if mask is not None:
                    outlines.append((mask.astype(float), affine, "#5ab4e5", 0.6))
                for values, where, colour, width in outlines:
                    drawn = _slice(values, where, axis, mm)
                    one.contour(
                        drawn["X"], [0.5], colors=colour, linewidths=width, origin="lower",
                        extent=drawn["extent"],
                    )  # fmt: skip
                one.set_title(f"{'xyz'[axis]} = {mm} mm", color="white", fontsize=7, pad=2)
                one.set_axis_off()
    figure.suptitle(title, color="white", fontsize=9)
    with writing(path) as temporary:
        figure.savefig(temporary, dpi=100, metadata={"Software": None})


def _slice(volume: np.ndarray, affine: np.ndarray, axis: int, mm: float) -> dict[str, Any]:
    """One slice as imshow takes it, in mm; the grid is straight and runs left to right."""
    steps = np.diag(affine)[:3]
    index = int(np.clip(round((mm - affine[axis, 3]) / steps[axis]), 0, volume.shape[axis] - 1))
    across, up = (a for a in range(3) if a != axis)
    extent = [
        affine[a, 3] + steps[a] * edge
        for a in (across, up)
        for edge in (-0.5, volume.shape[a] - 0.5)
    ]
    return {"X": np.take(volume, index, axis).T, "extent": extent, "origin": "lower"}
