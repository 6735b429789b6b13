"""The data of several contrasts of the same people, which are tested together."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np

from crossfc.array import BoolArray, SingleArray
from crossfc.fault import Fault
from crossfc.group.design.left import LeftPerson
from crossfc.group.design.options import Together
from crossfc.group.design.pairs import Pairs, PairsRecord


@dataclass
class Joined:
    """The data of a set: the pairs, who is in some of its contrasts only, and notes."""

    pairs: Pairs
    left: list[LeftPerson]
    notes: list[str]


def joined_pairs(
    folders: Sequence[str | os.PathLike[str]],
    together: Together,
    scratch: str | os.PathLike[str],
) -> "Joined":
    """Join the data of contrasts: people and voxels that all of them have.

    Parameters
    ----------
    folders : sequence of path
        The folder of each contrast's data (`crossfc.group.design.pairs.pair_sessions`), in the
        order of ``together``.
    together : Together
    scratch : path
        Folder for the joined arrays, which the caller removes.

    Returns
    -------
    Joined
        ``delta`` (and ``baseline``, where every contrast has one) hold the seeds of the first
        contrast, then those of the second, and so on; there is no ``total``. The columns of
        periods have the label of their contrast before their name.

    Raises
    ------
    Fault
        If the contrasts have other seeds, grids or groups.
    """
    parts = [Pairs.read(folder) for folder in folders]
    first = parts[0].record
    empty = [part for part in parts if not part.record["n_people"]]
    for part in empty:
        of = part.record["contrast"]
        because = part.record.get("because") or f"nobody has the sessions of the contrast {of}"
        return _nothing(part, together, because)
    for part, folder in zip(parts[1:], folders[1:], strict=True):
        like = part.mask.shape == parts[0].mask.shape
        if part.record["seeds"] != first["seeds"] or not like:
            raise Fault(f"{folder} has other seeds or another grid; pair the sessions again")
    ids = [part.people["participant_id"] for part in parts]
    people = [name for name in ids[0] if all(name in set(own) for own in ids[1:])]
    rows = [part.people.set_index("participant_id").index.get_indexer(people) for part in parts]
    table = parts[0].people.iloc[rows[0]].drop(columns=first["order"]).reset_index(drop=True)
    order: list[str] = []
    left: list[LeftPerson] = []
    notes: list[str] = []
    for part, own in zip(parts, rows, strict=True):
        for column in part.record["order"]:
            name = f"{part.record['contrast']}_{column}"
            table[name] = part.people[column].iloc[own].to_numpy()
            order.append(name)
    inside: list[BoolArray] = [np.asarray(part.mask.dataobj) != 0 for part in parts]
    mask: BoolArray = np.logical_and.reduce(inside)
    if people and not mask.any():
        raise Fault(
            f"no voxel is in the search volumes of all contrasts of the set {together['name']}; "
            "look at their coverage"
        )
    keep = [np.flatnonzero(mask[own]) for own in inside]

    def join(name: str, arrays: Sequence[SingleArray]) -> SingleArray:
        n_seeds = len(first["seeds"])
        shape = (len(people), n_seeds * len(arrays), int(np.count_nonzero(mask)))
        if not np.prod(shape):
            return np.empty(shape, dtype=np.float32)
        found = np.lib.format.open_memmap(
            Path(scratch) / name, mode="w+", dtype=np.float32, shape=shape
        )
        for number, (array, own, voxels) in enumerate(zip(arrays, rows, keep, strict=True)):
            for person, row in enumerate(own):
                place = slice(number * n_seeds, (number + 1) * n_seeds)
                found[person, place] = np.asarray(array[row])[:, voxels]
        joined: SingleArray = found
        return joined

    everybody = dict.fromkeys(name for own in ids for name in own)
    for name in (name for name in everybody if name not in people):
        lacking = [p.record["contrast"] for p, own in zip(parts, ids, strict=True)
                   if name not in set(own)]  # fmt: skip
        has = next(p for p, own in zip(parts, ids, strict=True) if name in set(own))
        group = has.people.set_index("participant_id").loc[name, "group"]
        left.append(
            {
                "participant_id": name,
                "group": str(group),
                "reason": f"not in the contrast {' and '.join(lacking)}",
            }
        )
    baselines = [part.baseline for part in parts]
    given = [array for array in baselines if array is not None]
    record: PairsRecord = {
        **first,
        "contrast": together["name"],
        "effect": f"any of {' and '.join(together['labels'])}",
        "weights": {k: own for part in parts for k, own in part.record["weights"].items()},
        "order": order,
        "level": "contrast",
        "n_people": len(people),
        "n_voxels": int(np.count_nonzero(mask)),
    }
    if len(given) < len(parts):
        record.pop("baseline", None)
    if 0 < len(given) < len(parts):
        without = [part.record["contrast"] for part in parts if part.baseline is None]
        notes.append(
            f"The contrast {' and '.join(without)} has no baseline as a covariate, so this set has "
            "none."
        )
    image = nib.Nifti1Image(mask.astype(np.uint8), parts[0].mask.affine, parts[0].mask.header)
    pairs = Pairs(
        record,
        table,
        join("delta.npy", [part.delta for part in parts]),
        None,
        image,
        join("baseline.npy", given) if len(given) == len(parts) else None,
    )
    return Joined(pairs, left, notes)


def _nothing(part: Pairs, together: Together, because: str) -> "Joined":
    """Return pairs without people, of a set of which one contrast has nobody."""
    record: PairsRecord = {**part.record, "contrast": together["name"], "because": because}
    nothing: SingleArray = np.empty((0, len(record["seeds"]) * len(together["labels"]), 0), "f4")
    return Joined(Pairs(record, part.people, nothing, None, part.mask), [], [])
