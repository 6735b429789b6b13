"""Carpet plot: all volumes of a session in one figure (Power 2017, NeuroImage 154:150-158)."""

from pathlib import Path

import numpy as np

from crossfc import atomic
from crossfc.array import BoolArray, FloatArray, SingleArray

_ROWS = 400


def draw_carpet(
    path: str | Path,
    voxels: SingleArray,
    fd: FloatArray,
    censored: BoolArray,
    title: str,
    repetition_time: float,
    sound: BoolArray | None = None,
) -> None:
    """Draw framewise displacement and, below it, the signal of the voxels over time as grey levels.

    Parameters
    ----------
    path : path
        The PNG to write.
    voxels : (n_volumes, n_voxels) float32
        Series without their means, in the order of the mask (from the lowest slice upwards).
    fd : (n_volumes,) float
        Framewise displacement in mm.
    censored : (n_volumes,) bool
        Volumes to mark in red.
    title : str
    repetition_time : float
        Seconds.
    sound : (n_volumes,) bool, optional
        Volumes that are valid measurements; only these are used to scale the grey levels. All
        volumes if None.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    n_volumes, n_voxels = voxels.shape
    edges = np.linspace(0, n_voxels, min(_ROWS, n_voxels) + 1).astype(int)
    rows = np.add.reduceat(voxels, edges[:-1], axis=1) / np.diff(edges)
    deviation = (rows if sound is None or sound.all() else rows[sound]).std(axis=0)
    carpet = (rows / np.where(deviation > 0, deviation, 1)).T[::-1]

    figure = Figure(figsize=(8, 4), layout="constrained")
    FigureCanvasAgg(figure)
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(1, 3))
    seconds = np.arange(n_volumes) * repetition_time
    top.plot(seconds, fd, color="#1f4e79", linewidth=0.8)
    for t in seconds[censored]:
        top.axvline(t, color="#c0392b", linewidth=0.8, alpha=0.6)
    top.set_ylabel("FD (mm)")
    top.set_ylim(0, max(0.6, float(np.nanmax(fd)) * 1.05))
    top.set_title(title, fontsize=9, loc="left")
    bottom.imshow(
        carpet,
        aspect="auto",
        cmap="gray",
        vmin=-2,
        vmax=2,
        extent=(0, n_volumes * repetition_time, 0, 1),
        interpolation="none",
    )
    bottom.set_yticks([0.02, 0.98], ["inferior", "superior"])
    bottom.set_xlabel("seconds")
    with atomic.writing(path) as temporary:
        # Fixed metadata, so that the same data give the same bytes.
        figure.savefig(temporary, dpi=90, metadata={"Software": None})
