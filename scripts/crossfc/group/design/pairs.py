"""Pairs of sessions: one difference map per person and seed, all in one search volume."""

import json
import os
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any, NotRequired, TypedDict

import nibabel as nib
import numpy as np
import pandas as pd

from crossfc import atomic
from crossfc.array import BoolArray, RealArray, SingleArray
from crossfc.fault import Fault
from crossfc.group.design.kind import Judge
from crossfc.group.design.options import Baseline
from crossfc.group.design.people import BASELINE, MAPS, PersonRow, people_table
from crossfc.group.design.side import Weighted
from crossfc.group.design.volume import Grid
from crossfc.session.placement import around_seeds
from crossfc.table import read_table
from crossfc.trial.contrast import DRUG, CellWeight
from crossfc.trial.regions import RegionRow
from crossfc.trial.visit import ORDER

# Options of `pair_sessions` that describe the contrast, and those that describe how the maps were
# made and how to read them.
DESIGN = ("contrast", "effect", "weights", "order", "arms", "baseline", "over_time")
READING = ("fwhm_mm", "level", "accept_unoriented", "zero_is_missing")


class PairsRecord(TypedDict):
    """What ``pairs.json`` says of the data of a contrast in a pipeline.

    ``contrast`` is its name, ``effect`` what it shows in a few words, ``treatments`` are the labels
    of its two sides, ``order`` the columns of people.tsv that free it from period effects;
    ``arms`` says whether groups are parallel arms, ``baseline`` which baseline is a covariate, if
    one is. ``weights`` are those of its cells, by the name of the contrast, ``space`` is the
    template space of the maps, None where it is not known. ``left_voxels`` counts voxels by the
    reason for which they are left out, and ``lost_to_one_person`` those that one person alone
    lacks. ``because`` is why nobody is left.
    """

    seeds: list[str]
    contrast: str
    effect: str
    order: list[str]
    arms: bool
    treatments: dict[str, str]
    weights: dict[str, list[CellWeight]]
    groups: dict[str, str | None]
    pipeline: str
    space: str | None
    level: str
    n_people: int
    n_voxels: int
    left_voxels: dict[str, int]
    lost_to_one_person: dict[str, int]
    fwhm_mm: float
    maps_kind: NotRequired[str | None]
    baseline: NotRequired[Baseline]
    over_time: NotRequired[bool]
    because: NotRequired[str | None]


def pair_sessions(
    people: Sequence[PersonRow],
    seeds: Sequence[str],
    treatments: dict[str, str],
    groups: dict[str, str | None],
    pipeline: str,
    out_dir: str | os.PathLike[str],
    *,
    contrast: str = DRUG,
    effect: str = "",
    weights: Sequence[CellWeight] = (),
    order: Sequence[str] = (ORDER,),
    arms: bool = False,
    baseline: Baseline | None = None,
    over_time: bool = False,
    seed_definitions: Sequence[RegionRow] = (),
    fwhm_mm: float,
    mask_file: str | os.PathLike[str] | None = None,
    level: str = "session",
    accept_unoriented: bool = False,
    zero_is_missing: bool,
    judge: Judge | None = None,
    space: str | None = None,
) -> PairsRecord:
    """Compute each person's contrast of sessions, for every seed.

    The sides of a contrast are sums of sessions times weights: in a crossover of two treatments,
    one session each. The data are the active side minus the control side.

    The search volume holds the voxels that all maps of all people cover, without the seeds and
    their smoothing halo. Written to ``out_dir``: ``delta.npy`` (active - control, float32, people
    × seeds × voxels), ``total.npy`` (active + control, same shape; not with ``level="contrast"``),
    ``baseline.npy`` (same shape, if there is a baseline), ``mask.nii.gz``, ``people.tsv`` and
    ``pairs.json``. Memory holds the maps of one person at a time. While it runs, the disk of
    ``out_dir`` needs twice the space of the arrays.

    Parameters
    ----------
    people : sequence of dict
        One per person with both sessions: ``participant_id``, ``group``, ``sequence``,
        covariates, ``mean_fd_<active|control>``, ``score_<scale>_<active|control>``, and the
        Fisher-z maps ``active`` and ``control`` (at level ``contrast``: ``contrast``), each a
        list in the order of ``seeds`` or a dict from seed to path, or a list of `Weighted`
        sessions, which are added up. ``sequence_code``,
        ``delta_mean_fd`` and ``delta_<scale>`` are computed if they are not given.
    seeds : sequence of str
    treatments : dict
        Labels of ``active`` and ``control``.
    groups : dict
        Labels of ``patients`` and ``controls``; one of them may be None.
    pipeline : str
    out_dir : path
    contrast, effect : str
        Name of the contrast, and what it shows in a few words.
    weights : sequence of CellWeight
        Those of the contrast's cells, for the record; by default 1 for the active side and -1 for
        the control.
    order : sequence of str
        Columns of the rows that free it from period effects; see `crossfc.trial.visit`.
    arms : bool
        Whether groups are parallel arms.
    baseline : Baseline, optional
        The baseline that is a covariate, for people who have maps under ``baseline``.
    over_time : bool
        Whether occasions are compared.
    seed_definitions : sequence of dict
        Rows of the seeds table. If there are none, the seeds stay in the search volume.
    fwhm_mm : float
        Smoothing of the maps (full width at half maximum, mm): the width of the halo around the
        seeds that is left out.
    mask_file : path, optional
        Mask to which the search volume is confined; see `crossfc.group.design.volume.Grid.mask`.
    level : str
        ``session``, or ``contrast`` for ready within-person contrast maps.
    accept_unoriented, zero_is_missing : bool
        See `crossfc.group.design.volume.Grid`.
    judge : Judge, optional
        For ready maps: checks and converts their values. Maps that crossfc made need none.
    space : str, optional
        Template space of the maps, for the record.

    Returns
    -------
    PairsRecord
        The content of ``pairs.json``.

    Raises
    ------
    Fault
        If a map is missing, empty, on another grid or the same as its counterpart, a person is
        listed twice, or no voxel is left.
    """
    people, seeds, out_dir = list(people), list(seeds), Path(out_dir)
    if level not in ("session", "contrast"):
        raise Fault(f'level is "{level}"; use session or contrast')
    kinds = MAPS[:2] if level == "session" else MAPS[2:]
    files = ["delta.npy", "total.npy"][: len(kinds)]
    if baseline is not None:
        kinds, files = (*kinds, BASELINE), [*files, "baseline.npy"]
    table = people_table(people, treatments, groups, order)
    grid = Grid(accept_unoriented, zero_is_missing)
    out_dir.parent.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        # Which voxels stay is known only after the last person. So all maps are written to a
        # scratch file first and copied from there, and memory does not grow with the people.
        scratch = [stack.enter_context(TemporaryFile(dir=out_dir.parent)) for _ in kinds]
        inside: list[BoolArray] = []
        for number, person in enumerate(people):
            maps = _read(person, kinds, seeds, grid, judge)
            if judge is not None and seed_definitions and level == "session":
                inside = inside or [
                    around_seeds([seed], seed_definitions, 0.0, grid.shape, grid.affine).ravel()
                    for seed in seeds
                ]
                for of_kind in maps[:2]:
                    for values, own in zip(of_kind, inside, strict=True):
                        judge.see_seed(values[own])
            covered = np.asarray(np.isfinite(maps).all(axis=(0, 1)))
            if number == 0:
                coverage = _Coverage(len(covered))
                candidates = np.flatnonzero(covered)
            coverage.add(covered)
            maps = maps[..., candidates]
            delta = maps[0] - maps[1] if level == "session" else maps[0]
            delta.tofile(scratch[0])
            if level == "session":
                (maps[0] + maps[1]).tofile(scratch[1])
            if baseline is not None:
                maps[-1].tofile(scratch[-1])
            if number == 0:
                first, constant = delta, np.ones(delta.shape, dtype=bool)
            constant &= delta == first
        if judge is not None:
            judge.require_no_correlations(_sessions(people[0], kinds[0], seeds)[0].maps[0])
        mask = coverage.everybody
        left = {"not covered in everybody": int(np.count_nonzero(coverage.anybody & ~mask))}

        def leave(out: BoolArray, reason: str) -> None:
            left[reason] = int(np.count_nonzero(mask & out))
            mask[out] = False

        if mask_file is not None:
            leave(~grid.mask(mask_file).ravel(), "outside the given mask")
        if seed_definitions:
            near = around_seeds(seeds, seed_definitions, fwhm_mm, grid.shape, grid.affine)
            leave(near.ravel(), "seed and its smoothing halo")
        flat = np.zeros_like(mask)
        flat[candidates[constant.any(axis=0)]] = len(people) > 1
        leave(flat, "the same in everybody")
        if not mask.any():
            raise Fault(
                f"no voxel is left to analyse in the maps of {len(people)} people ({left}); look "
                "at their coverage"
            )
        shape = (len(people), len(seeds), len(candidates))
        for name, file in zip(files, scratch, strict=True):
            _save_array(out_dir / name, file, shape, mask[candidates])
    image = grid.image(mask.reshape(grid.shape).astype(np.uint8))
    atomic.save_image(out_dir / "mask.nii.gz", image)
    atomic.write_table(out_dir / "people.tsv", table)
    record: PairsRecord = {
        "seeds": seeds,
        "contrast": contrast,
        "effect": effect or treatments["active"],
        "order": list(order),
        "arms": arms,
        "treatments": dict(treatments),
        "weights": {contrast: list(weights) or _sides(treatments)},
        "groups": dict(groups),
        "pipeline": pipeline,
        "space": space,
        "level": level,
        "n_people": len(people),
        "n_voxels": int(np.count_nonzero(mask)),
        "left_voxels": left,
        "lost_to_one_person": {
            person["participant_id"]: count
            for person, count in zip(people, coverage.lost_to_one, strict=True)
            if count
        },
        "fwhm_mm": fwhm_mm,
        "maps_kind": None if judge is None else judge.kind,
    }
    if baseline is not None:
        record["baseline"] = baseline
    if over_time:
        record["over_time"] = True
    atomic.write_json(out_dir / "pairs.json", record)
    return record


def no_pairs(
    people: Sequence[PersonRow],
    seeds: Sequence[str],
    treatments: dict[str, str],
    groups: dict[str, str | None],
    pipeline: str,
    out_dir: str | os.PathLike[str],
    fwhm_mm: float,
    because: str | None = None,
    *,
    contrast: str = DRUG,
    effect: str = "",
    weights: Sequence[CellWeight] = (),
    order: Sequence[str] = (ORDER,),
    arms: bool = False,
    baseline: Baseline | None = None,
    over_time: bool = False,
    space: str | None = None,
) -> PairsRecord:
    """Write the pairs of a contrast that nobody is left in, or has: no people and no voxels.

    Its analyses then report that they cannot be estimated, and the study goes on without them.

    Parameters
    ----------
    people, seeds, treatments, groups, pipeline, out_dir, fwhm_mm, contrast, effect, weights, \
    order, arms, baseline, over_time, space
        As in `pair_sessions`; the people are those who were excluded, if there are any.
    because : str, optional
        Why nobody is left, for the record of each analysis.

    Returns
    -------
    PairsRecord
        The content of ``pairs.json``.
    """
    out_dir = Path(out_dir)
    still = dict.fromkeys(("mean_fd_active", "mean_fd_control"), np.nan)
    # One row, if there is nobody, for the columns that a table of people has.
    nobody = {"participant_id": "", "group": next(filter(None, groups.values())), "sequence": ""}
    rows = [still | dict(person) for person in people or [nobody | dict.fromkeys(order, np.nan)]]
    table = people_table(rows, treatments, groups, order).iloc[:0]
    nothing = np.empty((0, len(seeds), 0), dtype=np.float32)
    names = ["delta.npy", "total.npy", *(["baseline.npy"] if baseline else [])]
    for name in names:
        with atomic.writing(out_dir / name) as temporary, open(temporary, "wb") as out:
            np.save(out, nothing)
    image = nib.Nifti1Image(np.zeros((1, 1, 1), dtype=np.uint8), np.eye(4))
    atomic.save_image(out_dir / "mask.nii.gz", image)
    atomic.write_table(out_dir / "people.tsv", table)
    record: PairsRecord = {
        "seeds": list(seeds),
        "contrast": contrast,
        "effect": effect or treatments["active"],
        "order": list(order),
        "arms": arms,
        "treatments": dict(treatments),
        "weights": {contrast: list(weights) or _sides(treatments)},
        "groups": dict(groups),
        "pipeline": pipeline,
        "space": space,
        "level": "session",
        "n_people": 0,
        "n_voxels": 0,
        "left_voxels": {},
        "lost_to_one_person": {},
        "fwhm_mm": fwhm_mm,
        "because": because,
    }
    if baseline is not None:
        record["baseline"] = baseline
    if over_time:
        record["over_time"] = True
    atomic.write_json(out_dir / "pairs.json", record)
    return record


def _sides(treatments: dict[str, str]) -> list[CellWeight]:
    """Return the weights of a contrast of two cells."""
    signs = {"active": 1.0, "control": -1.0}
    return [{"treatment": treatments[side], "occasion": None, "weight": sign}
            for side, sign in signs.items()]  # fmt: skip


@dataclass
class Pairs:
    """The pairs of sessions that `pair_sessions` wrote.

    Attributes
    ----------
    record : PairsRecord
        The content of pairs.json.
    people : DataFrame
        The table people.tsv, one row per person.
    delta, total : memory-mapped float32 ndarray, shape (n_people, n_seeds, n_voxels)
        Active - control and active + control, in units of the maps (Fisher z unless ``maps.kind``
        says otherwise). ``total`` is None for ready contrast maps.
    baseline : memory-mapped float32 ndarray, same shape, or None
        The baseline that is a covariate.
    mask : NIfTI image
        The search volume; its C order is the order of the voxels.
    """

    record: PairsRecord
    people: pd.DataFrame
    delta: SingleArray
    total: SingleArray | None
    mask: nib.Nifti1Image
    baseline: SingleArray | None = None

    @classmethod
    def read(cls, pairs_dir: str | os.PathLike[str]) -> "Pairs":
        """Open the folder; the arrays stay on disk until they are used.

        Raises
        ------
        Fault
            If the files do not belong together.
        """
        folder = Path(pairs_dir)
        if not (folder / "pairs.json").is_file():
            raise Fault(f"{folder / 'pairs.json'} is not there; pair the sessions first")
        record: PairsRecord = json.loads((folder / "pairs.json").read_text(encoding="utf-8"))
        delta = np.load(folder / "delta.npy", mmap_mode="r")
        total = None
        if record["level"] == "session":
            total = np.load(folder / "total.npy", mmap_mode="r")
        baseline = None
        if "baseline" in record:
            baseline = np.load(folder / "baseline.npy", mmap_mode="r")
        people = read_table(folder / "people.tsv")
        mask = nib.Nifti1Image.from_filename(folder / "mask.nii.gz")
        n_voxels = int(np.count_nonzero(np.asarray(mask.dataobj)))
        if delta.shape != (len(people), len(record["seeds"]), n_voxels):
            raise Fault(
                f"{folder}: delta.npy has shape {delta.shape}, but there are {len(people)} "
                f"people, {len(record['seeds'])} seeds and {n_voxels} voxels; pair the sessions "
                "again"
            )
        return cls(record, people, delta, total, mask, baseline)


def _sessions(person: PersonRow, kind: str, seeds: list[str]) -> list[Weighted]:
    """Return the sessions on one side of the contrast."""
    if kind not in person:
        raise Fault(f'{person["participant_id"]} has no maps under "{kind}"')
    given = person[kind]
    if isinstance(given, list) and given and isinstance(given[0], Weighted):
        return [Weighted(s.weight, _paths(person, kind, s.maps, seeds)) for s in given]
    return [Weighted(1.0, _paths(person, kind, given, seeds))]


def _paths(
    person: PersonRow, kind: str, given: Any, seeds: list[str]
) -> list[str | os.PathLike[str]]:
    name = person["participant_id"]
    if isinstance(given, str | os.PathLike):
        given = [given]
    if isinstance(given, dict):
        missing = [seed for seed in seeds if seed not in given]
        if missing:
            raise Fault(f"{name}, {kind}: no map for seed {', '.join(missing)}")
        return [given[seed] for seed in seeds]
    if len(given) != len(seeds):
        raise Fault(f"{name}, {kind}: {len(given)} maps for {len(seeds)} seeds; give one for each")
    return list(given)


def _read(
    person: PersonRow, kinds: Sequence[str], seeds: list[str], grid: Grid, judge: Judge | None
) -> RealArray:
    """Read the maps of one person: array of shape (n_kinds, n_seeds, voxels of the grid)."""

    def values(path: str | os.PathLike[str]) -> RealArray:
        read = grid.read(path).ravel()
        return read if judge is None else judge.read(read, path)

    earlier: list[tuple[RealArray, Sequence[str | os.PathLike[str]]]] = []

    def session(own: Weighted, kind: str) -> RealArray:
        maps = np.array([values(path) for path in own.maps])
        for other, paths in earlier if kind != BASELINE else ():
            for column, seed in enumerate(seeds):
                if np.array_equal(maps[column], other[column], equal_nan=True):
                    raise Fault(
                        f"{person['participant_id']}, seed {seed}: the maps of both sessions are "
                        f"the same ({paths[column]}, {own.maps[column]}); name each session's own"
                    )
        if kind != BASELINE:  # which may be one of the sessions
            earlier.append((maps, own.maps))
        return maps if own.weight == 1 else np.float32(own.weight) * maps

    sides = []
    for kind in kinds:
        first, *others = _sessions(person, kind, seeds)
        total = session(first, kind)
        for other in others:
            total = total + session(other, kind)
        sides.append(total)
    return np.array(sides)


class _Coverage:
    """Counts, person by person, how many people lack each voxel."""

    def __init__(self, n_voxels: int) -> None:
        self._n_people = 0
        self._lacking = np.zeros(n_voxels, dtype=np.int32)  # how many people lack the voxel
        self._last = np.zeros(n_voxels, dtype=np.int32)  # index of the last person who lacks it

    def add(self, covered: BoolArray) -> None:
        """Count the voxels that the next person covers (bool, shape (n_voxels,))."""
        self._lacking[~covered] += 1
        self._last[~covered] = self._n_people
        self._n_people += 1

    @property
    def everybody(self) -> BoolArray:
        nobody_lacks: BoolArray = self._lacking == 0
        return nobody_lacks

    @property
    def anybody(self) -> BoolArray:
        return self._lacking < self._n_people

    @property
    def lost_to_one(self) -> list[int]:
        """For each person, the number of voxels that this person alone lacks."""
        alone = self._last[(self._lacking == 1) & (self._n_people > 1)]
        counts: list[int] = np.bincount(alone, minlength=self._n_people).tolist()
        return counts


def _save_array(
    path: Path, scratch: IO[bytes], shape: tuple[int, int, int], keep: BoolArray
) -> None:
    """Copy the kept voxels from the scratch file to a .npy file, person by person."""
    n_people, n_seeds, n_voxels = shape
    scratch.seek(0)
    with atomic.writing(path) as temporary, open(temporary, "wb") as out:
        kept = (n_people, n_seeds, int(np.count_nonzero(keep)))
        header = {"descr": "<f4", "fortran_order": False, "shape": kept}
        np.lib.format.write_array_header_1_0(out, header)
        for _ in range(n_people):
            values = np.fromfile(scratch, np.float32, n_seeds * n_voxels)
            values.reshape(n_seeds, n_voxels)[:, keep].tofile(out)
