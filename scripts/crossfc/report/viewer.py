"""The viewer of the group maps: what the page holds so that a reader can look at every voxel.

The page shows each map as a picture; the viewer cuts through the same maps anywhere. It is drawn by
a script of the page (``viewer.js``), which unpacks nothing before the reader opens it. Colours,
opacity and outlines are those of `crossfc.report.slices`, whose numbers are handed to the script.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup

from crossfc.array import BoolArray, FloatArray, IntArray, SingleArray
from crossfc.group.findings.region import Atlas, names_at
from crossfc.report import number, slices
from crossfc.report.maps import scale_name, statistic_maps, statistic_of
from crossfc.report.narrative import seed_word
from crossfc.report.packed_volume import MOST_STEPS, packed_bytes, packed_labels, packed_map
from crossfc.report.results import Analysis, Results, Row

# What values are rounded to: the finest with which all maps take no more room than this.
STEPS = (0.01, 0.02, 0.05, 0.1)
MOST_BYTES = 8_000_000
# Of the template's copy; finer than most maps, and a sixth of the room of 1 mm.
TEMPLATE_MM = 1.5
# Grey values of the template are rounded to multiples of this, which is not visible.
GREY_STEP = 5
# The entries of the colour scale, from −1 to 1.
COLOURS = 511

# What the script reads; see `viewer`.
Entry = dict[str, Any]


@dataclass(frozen=True)
class Viewer:
    """The viewer on the page.

    ``data`` is the JSON for its script, ``maps`` are those in it (analysis, seed), ``step`` is what
    values are rounded to, and ``left_out`` names the maps for which there was no room.
    """

    data: Markup
    maps: list[tuple[str, str]]
    step: str
    left_out: list[str]


@dataclass
class _Volumes:
    """Grids and search volumes, which maps share: each is written once."""

    atlas: Atlas | None
    grids: list[Entry] = field(default_factory=list)
    insides: list[Entry] = field(default_factory=list)
    _known: dict[Any, int] = field(default_factory=dict)

    def inside(self, volume: slices.Volume) -> int:
        """Return the number of a volume's search volume: of the voxels with a value."""
        inside = np.isfinite(volume.values)
        key = (inside.shape, volume.from_mm.tobytes(), inside.tobytes())
        if key not in self._known:
            self._known[key] = len(self.insides)
            self.insides.append({"grid": self._grid(volume), "voxels": packed_labels(inside)})
        return self._known[key]

    def _grid(self, volume: slices.Volume) -> int:
        key = (volume.values.shape, volume.from_mm.tobytes())
        if key not in self._known:
            self._known[key] = len(self.grids)
            grid = grid_entry(volume.values.shape, volume.from_mm)
            if self.atlas is not None:
                to_mm = np.linalg.inv(volume.from_mm)
                voxels = np.indices(volume.values.shape).reshape(3, -1).T
                names, which = names_at(self.atlas, voxels @ to_mm[:3, :3].T + to_mm[:3, 3])
                grid |= {"regions": names, "labels": packed_labels(which)}
            self.grids.append(grid)
        return self._known[key]


def grid_entry(shape: Sequence[int], from_mm: FloatArray) -> Entry:
    """Describe a grid: its shape, and the rows of the matrices from and to mm."""
    to_mm = np.linalg.inv(from_mm)
    rounded = [np.round(matrix[:3], 9).tolist() for matrix in (from_mm, to_mm)]
    return {"shape": list(shape), "from_mm": rounded[0], "to_mm": rounded[1]}


def viewer(
    results: Results, atlas: Mapping[str, Any] | None = None, most_bytes: int = MOST_BYTES
) -> Viewer | None:
    """Collect the maps of t or F of every analysis.

    Parameters
    ----------
    results : Results
    atlas : dict, optional
        ``image`` and ``table`` (paths) that name regions; see `Atlas`.
    most_bytes : int
        The room for all maps. Values are rounded more where it does not suffice; where the
        coarsest of `STEPS` does not help, the last maps are left out and named.

    Returns
    -------
    Viewer or None
        None if there is no map.
    """
    volumes = _Volumes(Atlas(atlas["image"], atlas["table"]) if atlas else None)
    described = list(_analyses(results, volumes))
    analyses = [analysis for analysis, _ in described]
    paths = [path for _, own in described for path in own]
    if not paths:
        return None
    shared = {
        "grids": volumes.grids,
        "insides": volumes.insides,
        "template": _template(),
        "box": slices.BOX,
        "planes": slices.PLANES,
        "colours": packed_bytes(slices.colour(np.linspace(-1, 1, COLOURS))),
        "faded": slices.FADED,
        "mm": slices.STEP_MM,
    }
    room = most_bytes - len(json.dumps([shared, analyses]))
    for step in STEPS:
        packed = _packed(paths, step, room)
        if len(packed) == len(paths):
            break
    if not packed:
        return None
    maps = [(analysis, one) for analysis in analyses for one in analysis["maps"]]
    shown, left_out = maps[: len(packed)], maps[len(packed) :]
    for (_, one), values in zip(shown, packed, strict=True):
        one["values"] = values
    for analysis in analyses:
        analysis["maps"] = [one for one in analysis["maps"] if "values" in one]
    own = {
        "step": step,
        "most": step * MOST_STEPS,
        "analyses": [analysis for analysis in analyses if analysis["maps"]],
    }
    # In a script of a page only "<" could mean something else.
    text = json.dumps(shared | own, ensure_ascii=False).replace("<", "\\u003c")
    return Viewer(
        Markup(text),
        [(analysis["name"], one["name"]) for analysis, one in shown],
        number.general(step),
        [f"{analysis['title']}, {one['seed']}" for analysis, one in left_out],
    )


def _packed(paths: Sequence[Path], step: float, room: int) -> list[str]:
    """Pack maps in their order, as many as there is room for."""
    packed: list[str] = []
    for path in paths:
        values = slices.Volume.load(path).values
        packed.append(packed_map(values, np.isfinite(values), step))
        room -= len(packed[-1])
        if room < 0:
            return packed[:-1]
    return packed


def _template() -> Entry:
    """Return the template, brain only: grey values in steps of `GREY_STEP`."""
    ends = slices.BOX.values()
    axes = [np.arange(low, high + TEMPLATE_MM / 2, TEMPLATE_MM) for low, high in ends]
    points = np.stack(np.meshgrid(*axes, indexing="ij"))
    grey, brain = slices.greys(slices.template().sample(points))
    to_mm = np.diag([TEMPLATE_MM] * 3 + [1.0])
    to_mm[:3, 3] = [low for low, _ in ends]
    grid = grid_entry(grey.shape, np.linalg.inv(to_mm))
    return grid | {
        "step": GREY_STEP,
        "voxels": packed_labels(brain),
        "values": packed_map(grey.astype(np.float32), brain, GREY_STEP),
    }


def _analyses(results: Results, volumes: _Volumes) -> Iterator[tuple[Entry, list[Path]]]:
    """Describe all analyses and their maps, but for the values; of each also the files of these."""
    for view in results.views():
        for analysis in view.analyses:
            statistic, paths = statistic_of(analysis), statistic_maps(analysis)
            if not paths:
                continue
            threshold = analysis.threshold() or 0.0
            entry = {
                "name": analysis.name,
                "title": analysis.title,
                "statistic": statistic,
                "scale": scale_name(view, analysis, statistic),
                "threshold": threshold,
                "top": slices.scale_limit(list(paths.values()), threshold),
                "maps": [_map(analysis, seed, path, volumes) for seed, path in paths.items()],
            }
            yield entry, list(paths.values())


def _map(analysis: Analysis, seed: str, path: Path, volumes: _Volumes) -> Entry:
    volume = slices.Volume.load(path)
    peaks = _peaks(analysis, seed)
    found = {
        "name": seed,
        "seed": seed_word(seed),
        "inside": volumes.inside(volume),
        "peaks": peaks,
        "start": peaks[0]["at"] if peaks else slices.extreme(path),
    }
    p_path = analysis.statmap(seed, "pfwecluster")
    if p_path.is_file():
        p = slices.Volume.load(p_path).values
        beyond = np.abs(np.nan_to_num(volume.values)) >= (analysis.threshold() or np.inf)
        found |= _clusters(analysis, seed, p, beyond, volume.from_mm)
    return found


def _clusters(
    analysis: Analysis, seed: str, p: SingleArray, beyond: BoolArray, from_mm: FloatArray
) -> Entry:
    """Label voxels in clusters by their corrected p, and word each p as the tables do."""
    # A cluster's p can be 1, as that of voxels in no cluster is; the threshold tells them apart.
    inside = np.isfinite(p) & ((p < 1) | beyond)
    values, which = np.unique(p[inside], return_inverse=True)
    labels: IntArray = np.zeros(p.shape, dtype=int)
    labels[inside] = which + 1
    words = [analysis.p_equals(float(value)).partition(" (")[0] for value in values]
    # The tables know which p come from a fitted tail.
    for row in _of_seed(analysis.clusters, seed):
        voxel = np.rint(from_mm[:3] @ [row["x"], row["y"], row["z"], 1.0]).astype(int)
        if all(0 <= v < n for v, n in zip(voxel, p.shape, strict=True)) and labels[tuple(voxel)]:
            words[labels[tuple(voxel)] - 1] = analysis.p_of(row)
    significant = (values < analysis.level).tolist()
    return {"clusters": packed_labels(labels), "p": words, "significant": significant}


def _of_seed(table: Any, seed: str) -> list[Row]:
    if table.empty:
        return []
    rows: list[Row] = table[table["seed"] == seed].to_dict("records")
    return rows


def _peaks(analysis: Analysis, seed: str) -> list[Entry]:
    """List the peaks of a map in the order of its clusters: where, and in words."""
    statistic = str(analysis.record.get("statistic", "t"))
    clusters = {(row["sign"], row["cluster"]): row for row in _of_seed(analysis.clusters, seed)}
    found = []
    for row in _of_seed(analysis.peaks, seed):
        cluster = clusters[row["sign"], row["cluster"]]
        place = [float(row[axis]) for axis in slices.AXES]
        parts = [
            f"{statistic} = {number.fixed(row['stat'])}",
            "" if number.missing(row.get("region")) else str(row["region"]),
            f"{number.place(*place)} mm",
            f"cluster {analysis.p_of(cluster)}",
        ]
        found.append({"at": place, "words": "; ".join(part for part in parts if part)})
    return found
