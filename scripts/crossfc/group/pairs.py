"""Pairs of sessions: one difference map per person and seed, all in one search volume."""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd

from crossfc import atomic
from crossfc.fault import Fault
from crossfc.group.volume import Grid, around_seeds
from crossfc.trial.sequence import sequence_code

_MAPS = ("active", "control", "contrast")


def pair_sessions(
    people: Sequence[dict],
    seeds: Sequence[str],
    treatments: dict[str, str],
    groups: dict[str, str | None],
    pipeline: str,
    out_dir: str | os.PathLike,
    *,
    seed_definitions: Sequence[dict] = (),
    fwhm_mm: float = 0.0,
    mask_file: str | os.PathLike | None = None,
    level: str = "session",
    accept_unoriented: bool = False,
    zero_is_missing: bool = False,
) -> dict:
    """Subtract each person's control session from the active one, for every seed.

    The search volume is what all maps of all people cover, minus the seeds and their smoothing
    halo. Written to ``out_dir``: ``delta.npy`` (active - control, float32, people × seeds ×
    voxels), ``total.npy`` (active + control), ``mask.nii.gz``, ``people.tsv``, ``pairs.json``.
    With ``level="contrast"`` there is no ``total.npy``.

    Parameters
    ----------
    people : sequence of dict
        One per person with both sessions: ``participant_id``, ``group``, ``sequence``,
        covariates, ``mean_fd_<active|control>``, ``score_<scale>_<active|control>``, and the
        Fisher-z maps ``active`` and ``control`` (at level ``contrast``: ``contrast``), each a
        list in the order of ``seeds`` or a dict from seed to path. ``sequence_code``,
        ``delta_mean_fd`` and ``delta_<scale>`` are worked out where they are not given.
    seeds : sequence of str
    treatments : dict
        ``active`` and ``control`` to labels.
    groups : dict
        ``patients`` and ``controls`` (or None) to labels.
    pipeline : str
    out_dir : path
    seed_definitions : sequence of dict
        Rows of the seeds table; none of them, and the seeds stay in the search volume.
    fwhm_mm : float
        Width of the halo left out around the seeds.
    mask_file : path, optional
        Analyse inside this mask only.
    level : str
        ``session``, or ``contrast`` for ready within-person contrast maps.
    accept_unoriented, zero_is_missing : bool
        See `crossfc.group.volume.Grid`.

    Returns
    -------
    dict
        What ``pairs.json`` holds.

    Raises
    ------
    Fault
        If a map is missing, empty, on another grid or the same as its counterpart, a person is
        listed twice, or no voxel is left.
    """
    people, seeds, out_dir = list(people), list(seeds), Path(out_dir)
    if level not in ("session", "contrast"):
        raise Fault(f'level is "{level}"; use session or contrast')
    kinds = _MAPS[:2] if level == "session" else _MAPS[2:]
    table = _people_table(people, treatments, groups)
    grid = Grid(accept_unoriented, zero_is_missing)
    n_people, n_seeds = len(people), len(seeds)
    covered = np.zeros((n_people, 0), dtype=bool)
    delta = total = candidates = None
    for row, person in enumerate(people):
        listed = [_paths(person, kind, seeds) for kind in kinds]
        for column, seed in enumerate(seeds):
            maps = [grid.read(paths[column]) for paths in listed]
            if candidates is None:
                covered = np.ones((n_people, maps[0].size), dtype=bool)
                candidates = np.flatnonzero(np.isfinite(maps[0]))
                delta = np.empty((n_people, n_seeds, len(candidates)), dtype=np.float32)
                total = np.empty_like(delta) if level == "session" else None
            for values in maps:
                covered[row] &= np.isfinite(values).ravel()
            values = [each.ravel()[candidates] for each in maps]
            if level == "contrast":
                delta[row, column] = values[0]
                continue
            if np.array_equal(values[0], values[1], equal_nan=True):
                raise Fault(
                    f"{person['participant_id']}, seed {seed}: the maps of both sessions are the "
                    f"same ({listed[0][column]}, {listed[1][column]}); name each session's own"
                )
            np.subtract(values[0], values[1], out=delta[row, column])
            np.add(values[0], values[1], out=total[row, column])

    mask, left = covered.all(axis=0), {}
    left["not covered in everybody"] = int(np.count_nonzero(covered.any(axis=0) & ~mask))

    def leave(out: np.ndarray, reason: str) -> None:
        left[reason] = int(np.count_nonzero(mask & out))
        mask[out] = False

    if mask_file is not None:
        leave(~grid.mask(mask_file).ravel(), "outside the given mask")
    if seed_definitions:
        near = around_seeds(seeds, seed_definitions, fwhm_mm, grid.shape, grid.affine)
        leave(near.ravel(), "seed and its smoothing halo")
    with np.errstate(invalid="ignore"):
        constant = (np.ptp(delta, axis=0) == 0).any(axis=0)
    flat = np.zeros_like(mask)
    flat[candidates[constant]] = n_people > 1
    leave(flat, "the same in everybody")
    if not mask.any():
        raise Fault(
            f"no voxel is left to analyse in the maps of {n_people} people ({left}); look at "
            "their coverage"
        )
    alone = _alone(covered)
    keep = mask[candidates]
    _save_array(out_dir / "delta.npy", delta, keep)
    if total is not None:
        _save_array(out_dir / "total.npy", total, keep)
    image = grid.image(mask.reshape(grid.shape).astype(np.uint8))
    atomic.save_image(out_dir / "mask.nii.gz", image)
    atomic.write_table(out_dir / "people.tsv", table)
    record = {
        "seeds": seeds,
        "treatments": dict(treatments),
        "groups": dict(groups),
        "pipeline": pipeline,
        "level": level,
        "n_people": n_people,
        "n_voxels": int(np.count_nonzero(mask)),
        "left_voxels": left,
        "lost_to_one_person": {
            person["participant_id"]: count
            for person, count in zip(people, alone, strict=True)
            if count
        },
        "fwhm_mm": fwhm_mm,
    }
    atomic.write_json(out_dir / "pairs.json", record)
    return record


@dataclass
class Pairs:
    """What `pair_sessions` wrote.

    Attributes
    ----------
    record : dict
        pairs.json.
    people : DataFrame
    delta, total : memory-mapped float32 ndarray, shape (n_people, n_seeds, n_voxels)
        Total is None for ready contrast maps.
    mask : NIfTI image
    """

    record: dict
    people: pd.DataFrame
    delta: np.ndarray
    total: np.ndarray | None
    mask: nib.Nifti1Image

    @classmethod
    def read(cls, pairs_dir: str | os.PathLike) -> "Pairs":
        """Open the folder; the arrays stay on the disk until they are used.

        Raises
        ------
        Fault
            If the files do not belong together.
        """
        folder = Path(pairs_dir)
        if not (folder / "pairs.json").is_file():
            raise Fault(f"{folder / 'pairs.json'} is not there; pair the sessions first")
        record = json.loads((folder / "pairs.json").read_text(encoding="utf-8"))
        delta = np.load(folder / "delta.npy", mmap_mode="r")
        total = None
        if record["level"] == "session":
            total = np.load(folder / "total.npy", mmap_mode="r")
        people, mask = read_people(folder / "people.tsv"), nib.load(folder / "mask.nii.gz")
        n_voxels = int(np.count_nonzero(np.asarray(mask.dataobj)))
        if delta.shape != (len(people), len(record["seeds"]), n_voxels):
            raise Fault(
                f"{folder}: delta.npy has shape {delta.shape}, but there are {len(people)} "
                f"people, {len(record['seeds'])} seeds and {n_voxels} voxels; pair the sessions "
                "again"
            )
        return cls(record, people, delta, total, mask)


def read_people(path: str | os.PathLike) -> pd.DataFrame:
    """Read people.tsv: identifiers and labels as text, ``n/a`` as missing."""
    text = {"participant_id": str, "group": str, "sequence": str}
    return pd.read_csv(path, sep="\t", dtype=text, na_values=["n/a", ""], keep_default_na=False)


def _people_table(people: list[dict], treatments: dict, groups: dict) -> pd.DataFrame:
    if not people:
        raise Fault("nobody has both sessions, so there is nothing to pair; see the sheets")
    labels = {label for label in groups.values() if label}
    rows, seen = [], set()
    for person in people:
        name = person["participant_id"]
        if name in seen:
            raise Fault(f"{name} is listed twice; keep one row")
        seen.add(name)
        if person["group"] not in labels:
            raise Fault(f'{name} is in group "{person["group"]}"; use one of {sorted(labels)}')
        row = {key: value for key, value in person.items() if key not in _MAPS}
        row.setdefault("sequence", np.nan)
        row["sequence_code"] = sequence_code(row["sequence"], treatments)
        rows.append(row)
    table = pd.DataFrame(rows)
    first = ["participant_id", "group", "sequence", "sequence_code"]
    table = table[first + [column for column in table.columns if column not in first]]
    starts = {"mean_fd": "delta_mean_fd"} | {
        column.removesuffix("_active"): "delta_" + column[len("score_") : -len("_active")]
        for column in table.columns
        if column.startswith("score_") and column.endswith("_active")
    }
    for start, change in starts.items():
        both = [f"{start}_active", f"{start}_control"]
        if change not in table.columns and set(both) <= set(table.columns):
            table[both] = table[both].apply(pd.to_numeric)
            table[change] = table[both[0]] - table[both[1]]
    return table


def _paths(person: dict, kind: str, seeds: list[str]) -> list:
    name = person["participant_id"]
    if kind not in person:
        raise Fault(f'{name} has no maps under "{kind}"')
    given = person[kind]
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


def _alone(covered: np.ndarray) -> list[int]:
    """For each person, the voxels that everybody else covers."""
    if len(covered) < 2:
        return [0] * len(covered)
    lacking = covered.sum(axis=0) == len(covered) - 1
    return [int(np.count_nonzero(lacking & ~row)) for row in covered]


def _save_array(path: Path, values: np.ndarray, keep: np.ndarray) -> None:
    """Write the kept voxels person by person, so that no second copy is held."""
    shape = (*values.shape[:2], int(np.count_nonzero(keep)))
    with atomic.writing(path) as temporary:
        written = np.lib.format.open_memmap(temporary, "w+", dtype=np.float32, shape=shape)
        for row in range(len(values)):
            written[row] = values[row][:, keep]
        written.flush()
        del written
