"""Seeds and targets drawn on the template, where the coordinates put them."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from nibabel.affines import apply_affine

from crossfc.array import FloatArray
from crossfc.report import number, slices
from crossfc.report.results import Results, Row
from crossfc.session.placement import Place, place


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
        placed = place(rows, name, template.values.shape, affine)
        x, y, z = _within(placed, affine)
        cuts = slices.outlined(
            slices.Volume(placed.image(), template.from_mm), (x, y, z),
            f"{role} {name} on the template",
        )  # fmt: skip
        size = f"{number.whole(round(placed.size))} mm³"
        caption = f"{role}, {size}, cut at {number.place(x, y, z)} mm"
        found.append(RegionPicture(name, cuts, caption))
    return found


def _regions(results: Results) -> Iterator[tuple[str, str, list[Row]]]:
    """Yield role, name and rows of every region."""
    for role, rows in (("seed", results.seeds), ("target", results.target_rows)):
        for name in dict.fromkeys(str(row[role]) for row in rows):
            yield role, name, [row for row in rows if row[role] == name]


def _within(placed: Place, affine: FloatArray) -> slices.Place:
    """Return the voxel of a region nearest to its middle, mm: of two halves it is in one."""
    places = apply_affine(affine, placed.voxels[placed.weight >= 0.5])
    nearest = places[np.argmin(((places - placed.centre) ** 2).sum(axis=1))]
    x, y, z = (float(round(v)) for v in nearest)
    return x, y, z
