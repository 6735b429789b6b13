"""Read the sheets of seeds and targets, whose rows say where regions are."""

import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, NotRequired, TypeAlias, TypedDict, cast

from crossfc.fault import Fault, raise_all
from crossfc.trial import space
from crossfc.trial.configuration import Configuration
from crossfc.trial.path import path_fault
from crossfc.trial.scale import number
from crossfc.trial.sheet import Row, Sheet, did_you_mean, read_sheet

PLACE = ["kind", "x", "y", "z", "radius_mm", "file", "label", "space", "citation"]
SEED_COLUMNS = ["set", "seed", *PLACE, "provenance"]
TARGET_COLUMNS = ["target", *PLACE, "provenance"]

# ASSUME: a template brain in MNI space fits in this box (mm). Whether a region lies in the mask of
# a session is tested later.
_BOX = {"x": (-80, 80), "y": (-115, 85), "z": (-75, 95)}


class _RegionRow(TypedDict):
    seed: NotRequired[str]
    target: NotRequired[str]
    space: NotRequired[str | None]
    citation: NotRequired[str | None]
    provenance: NotRequired[str | None]


class SphereRow(_RegionRow):
    """A sphere as a plain row, in mm."""

    kind: Literal["sphere"]
    x: float
    y: float
    z: float
    radius_mm: float
    file: NotRequired[str | None]


class MaskRow(_RegionRow):
    """The voxels of an image that are not 0, as a plain row."""

    kind: Literal["mask"]
    file: str


class LabelRow(_RegionRow):
    """The voxels of an image that have one number, as a plain row."""

    kind: Literal["label"]
    file: str
    label: int


# A region as it is handed to jobs, with its name under ``seed`` or ``target``. Cells that its kind
# does not need may be there too.
RegionRow: TypeAlias = SphereRow | MaskRow | LabelRow


@dataclass(frozen=True)
class Region:
    """One row of the sheet. A region with several rows is their union (such as both hemispheres).

    Coordinates are in mm (MNI152). ``kind`` is sphere, mask or label.
    """

    name: str
    kind: str
    x: float | None
    y: float | None
    z: float | None
    radius_mm: float | None
    file: str | None
    label: int | None
    space: str | None
    citation: str | None
    provenance: str | None

    def as_row(self, name_column: Literal["seed", "target"]) -> RegionRow:
        """Return a plain row with the name under ``seed`` or ``target``."""
        plain = asdict(self)
        return cast(RegionRow, {name_column: plain.pop("name")} | plain)


def read_seeds(path: str | Path) -> dict[str, list[Region]]:
    """Read the sheet of seeds.

    Returns
    -------
    dict
        Seed set to its regions, in the order of the sheet.

    Raises
    ------
    Fault
        One sentence per fault of the sheet.
    """
    sheet = read_sheet(path, SEED_COLUMNS[:3], SEED_COLUMNS)
    sets: dict[str, list[Region]] = {}
    for row, region in _regions(sheet, "seed"):
        sets.setdefault(row["set"], []).append(region)
    return sets


def read_targets(path: str | Path) -> list[Region]:
    """Read the sheet of a-priori target regions (see `read_seeds`)."""
    sheet = read_sheet(path, TARGET_COLUMNS[:2], TARGET_COLUMNS)
    return [region for _, region in _regions(sheet, "target")]


def check_sets(sets: dict[str, list[Region]], config: Configuration, path: str) -> None:
    """Check that the seed sets of the configuration exist and can be held against each other.

    Parameters
    ----------
    sets : dict
        Seed set to its regions.
    config : Configuration
    path : str
        The sheet of seeds.

    Raises
    ------
    Fault
        If there is no set of a name, or if a further seed set (``robustness.seed_sets``) has none
        of the primary pipeline's seeds by name.
    """
    pipelines, further = config["pipelines"], config["robustness"]["seed_sets"]
    wanted = [("robustness.seed_sets", name) for name in further]
    wanted += [(f"pipelines.{own}.seed_set", made["seed_set"]) for own, made in pipelines.items()]
    for key, name in wanted:
        if name not in sets:
            raise Fault(
                f"config key {key}: {path} has no set {name}"
                f"{did_you_mean(name, sets)}; it has {', '.join(sets)}"
            )
    seeds = names(sets[pipelines[config["primary"]]["seed_set"]])
    for name in further:
        if not set(seeds) & set(names(sets[name])):
            raise Fault(
                f"config key robustness.seed_sets: {name} has no seed of the name "
                f"{' or '.join(seeds)}, so that nothing can be held against it; call its seeds "
                f"alike in {path}, or remove it"
            )


def names(regions: list[Region]) -> list[str]:
    """Return the names of regions in the order of the sheet, without repetitions."""
    return list(dict.fromkeys(region.name for region in regions))


def _regions(sheet: Sheet, column: str) -> list[tuple[Row, Region]]:
    faults: list[str] = []
    found: list[tuple[Row, Region]] = []
    for row in sheet.rows:
        if row.get(column) is None or not re.fullmatch("[A-Za-z0-9]{1,50}", row[column]):
            faults.append(
                f"{sheet.at(row, column)}: the name {row[column]!r} becomes part of file names; "
                "use letters and digits only, 50 at most"
            )
            continue
        if row[column] == column:
            # Tables of edges already have a column of this name.
            faults.append(f"{sheet.at(row, column)}: a region needs another name than {column!r}")
            continue
        if "set" in row.cells and row.get("set") is None:
            faults.append(f"{sheet.at(row, 'set')}: a seed belongs to a set; name one")
            continue
        problem = _problem(row, sheet)
        if problem:
            faults.append(problem)
            continue
        region = Region(
            name=row[column],
            kind=row["kind"],
            **{c: number(row.get(c)) for c in ("x", "y", "z", "radius_mm")},
            file=row.get("file"),
            label=int(row["label"]) if row["kind"] == "label" else None,
            space=row.get("space"),
            citation=row.get("citation"),
            provenance=row.get("provenance"),
        )
        if any(region == old for other, old in found if other.get("set") == row.get("set")):
            faults.append(f"{sheet.at(row)} repeats an earlier row; remove one of the two")
        found.append((row, region))
    raise_all(faults)
    return found


def _problem(row: Row, sheet: Sheet) -> str | None:
    named = row.get("space")
    why = named and space.problem(named, unversioned=True)
    if why:
        return f"{sheet.at(row, 'space')}: {named} {why}; give the place in MNI152 and say so here"
    kind = row.get("kind")
    if kind not in ("sphere", "mask", "label"):
        return f"{sheet.at(row, 'kind')}: {kind!r} is none of sphere, mask, label; write one"
    if kind == "sphere":
        for column in ("x", "y", "z", "radius_mm"):
            value = number(row.get(column))
            if value is None:
                return f"{sheet.at(row, column)}: a sphere needs a number here (mm); write it"
            lowest, highest = _BOX.get(column, (0.5, 30))
            if not lowest <= value <= highest:
                return (
                    f"{sheet.at(row, column)}: {value:g} mm lies outside the brain or is no "
                    f"sensible radius ({lowest} to {highest}); correct it"
                )
        return None
    if not row.get("file"):
        return f"{sheet.at(row, 'file')}: a {kind} needs an image file; name it here"
    if fault := path_fault(row["file"]):
        return f"{sheet.at(row, 'file')}: {fault}"
    if kind == "label" and not re.fullmatch("[1-9][0-9]{0,8}", row.get("label") or ""):
        return f"{sheet.at(row, 'label')}: write the number of the label in its image, 1 or more"
    return None
