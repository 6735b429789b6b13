"""Mean connectivity of every seed, by group and side of the contrast: what the change is of."""

from dataclasses import dataclass

import numpy as np

from crossfc.array import FloatArray
from crossfc.group.design.kind import words
from crossfc.group.design.pairs import Pairs
from crossfc.report import slices
from crossfc.report.results import Results

# At the top of the colour scale: this percentile of the absolute means.
_TOP_PERCENTILE = 99.0


@dataclass
class MeanMaps:
    """The mean maps of one seed: a strip of slices for each group and side, and their scale."""

    title: str
    scale: str
    strips: list[tuple[str, str]]


def mean_maps(results: Results) -> list[MeanMaps]:
    """Draw the plain mean maps of the contrast in view.

    Parameters
    ----------
    results : Results
        Of one contrast.

    Returns
    -------
    list of MeanMaps
        One per seed; empty for ready contrast maps, which hold no single sides, and where nobody
        is left.
    """
    data = results.of_contrast.get(str(results.design.get("contrast")))
    if data is None or data.folder is None:
        return []
    pairs = Pairs.read(data.folder)
    if pairs.total is None or not len(pairs.people):
        return []
    inside = np.asarray(pairs.mask.dataobj) != 0
    quantity = words(pairs.record.get("maps_kind"))
    of = f" ({results.heading})" if results.heading else ""
    found = []
    for column, seed in enumerate(pairs.record["seeds"]):
        means = _means(results, pairs, column)
        top = max(float(np.percentile(np.abs(mean), _TOP_PERCENTILE)) for mean in means.values())
        top = float(np.ceil(top * 10) / 10) or 1.0
        strips = []
        for title, mean in means.items():
            values = np.full(inside.shape, np.nan, dtype=np.float32)
            values[inside] = mean
            volume = slices.Volume(values, np.linalg.inv(np.asarray(pairs.mask.affine)))
            alt = f"Mean {quantity} of {seed}, {title}; axial slices"
            strips.append((title, slices.axial(volume, top, alt)))
        alt = f"Colour scale of the mean {quantity} up to {top:g}"
        scale = slices.legend(top, top / 2, f"mean {quantity}", one_sided=False, alt=alt)
        found.append(MeanMaps(f"{seed}{of}", scale, strips))
    return found


def _means(results: Results, pairs: Pairs, column: int) -> dict[str, FloatArray]:
    """Return the mean map of every group under control and active; total is their sum."""
    assert pairs.total is not None
    found: dict[str, FloatArray] = {}
    for group in results.groups:
        rows = np.flatnonzero(pairs.people["group"] == group)
        if not len(rows):
            continue
        total = pairs.total[rows, column].mean(axis=0, dtype=float)
        delta = pairs.delta[rows, column].mean(axis=0, dtype=float)
        counted = f"n = {len(rows)}"
        found[f"{group} {results.on_control} ({counted})"] = (total - delta) / 2
        found[f"{group} {results.on_active} ({counted})"] = (total + delta) / 2
    return found
