"""Seeds and targets drawn on the template, where the coordinates put them."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from nibabel.affines import apply_affine

from crossfc.array import BoolArray, FloatArray
from crossfc.report import number, slices
from crossfc.report.results import Results, Row
from crossfc.session.placement import place


@dataclass
class RegionPicture:
    """A region: three cuts through its middle with its outline, and where that is."""

    name: str
    cuts: str
    caption: str


def region_pictures(results: Results) -> list[RegionPicture]:
    """Draw every seed, then every target, at 1 mm on the bundled template.

    A region whose image is not there any more is left out.
    """
    template = slices.template()
    affine = np.asarray(np.linalg.inv(template.from_mm), dtype=float)
    found = []
    for role, name, rows in _regions(results):
        if any(row.get("file") and not Path(str(row["file"])).is_file() for row in rows):
            continue
        mask, _ = place(rows, name, template.values.shape, affine)
        centre = apply_affine(affine, np.argwhere(mask).mean(axis=0))
        x, y, z = _within(mask, affine, centre)
        cuts = slices.outlined(
            slices.Volume(mask.astype(np.float32), template.from_mm), (x, y, z),
            f"{role} {name} on the template",
        )  # fmt: skip
        size = f"{number.whole(int(mask.sum()))} mm³"
        caption = f"{role}, {size}, cut at {number.place(x, y, z)} mm"
        found.append(RegionPicture(name, cuts, caption))
    return found


def _regions(results: Results) -> Iterator[tuple[str, str, list[Row]]]:
    """Yield role, name and rows of every region."""
    for role, rows in (("seed", results.seeds), ("target", results.target_rows)):
        for name in dict.fromkeys(str(row[role]) for row in rows):
            yield role, name, [row for row in rows if row[role] == name]


def _within(mask: BoolArray, affine: FloatArray, centre: FloatArray) -> slices.Place:
    """Return the voxel of a region nearest to its middle, mm: of two halves it is in one."""
    places = apply_affine(affine, np.argwhere(mask))
    nearest = places[np.argmin(((places - centre) ** 2).sum(axis=1))]
    x, y, z = (float(round(v)) for v in nearest)
    return x, y, z
