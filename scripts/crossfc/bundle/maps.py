"""The maps of the bundle: effect, variance, statistic, p and search volume of every analysis."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import nibabel as nib
import numpy as np

from crossfc import atomic
from crossfc.array import RealArray
from crossfc.bids import bids_name
from crossfc.group.findings.map_sidecar import MAP, map_sidecar, parts_of
from crossfc.group.findings.result import Result

# Copied as they are; the standard error is shared as variance, and the rest follows from these.
_COPIED = (
    *("t", "F", "effect", "puncorrected", "qfdr"),
    *("pfwevoxel", "pfwecluster", "pfwemass", "pfwetfce", "pfweequivalence"),
)


class SharedMap(NamedTuple):
    """A map of the bundle: its path in it, the seed and statistic, and what its sidecar says.

    The search volume is of no seed.
    """

    path: str
    seed: str | None
    stat: str
    sidecar: dict[str, Any]


def write_maps(result: Result, folder: Path, out: Path) -> list[SharedMap]:
    """Write the maps of an analysis into the bundle, each with its sidecar.

    Parameters
    ----------
    result : Result
        The record of an analysis that was estimated.
    folder : path
        The folder of the analysis.
    out : path
        The folder of the bundle; maps go to ``maps/<analysis>``, with the analysis in their names,
        as repositories may lay all of them into one folder.

    Returns
    -------
    list of SharedMap
    """
    place = out / "maps" / result["analysis"]
    place.mkdir(parents=True)
    found = []
    for seed, stat, image in _maps(result, folder):
        name = f"{result['analysis']}_{_name(seed, stat)}"
        path = place / f"{name}.nii.gz"
        if isinstance(image, Path):
            shutil.copyfile(image, path)
        else:
            atomic.save_image(path, image)
        said = map_sidecar(result, seed, stat)
        atomic.write_json(place / f"{name}.json", said)
        found.append(SharedMap(path.relative_to(out).as_posix(), seed, stat, said))
    return found


def _name(seed: str | None, stat: str) -> str:
    if seed is None:
        return bids_name({"desc": "searchvolume"}, stat, "")
    return bids_name({"seed": seed, "stat": stat}, "statmap", "")


def _maps(result: Result, folder: Path) -> Iterator[tuple[str | None, str, Path | nib.Nifti1Image]]:
    """Yield seed, statistic and map: files to copy, and images that are made here."""
    paths = {parts_of(path.name): path for path in sorted(folder.glob(MAP))}
    for seed in result["seeds"]:
        for stat in (stat for stat in _COPIED if (seed, stat) in paths):
            yield seed, stat, paths[seed, stat]
        if (seed, "stderr") in paths:
            yield seed, "variance", _changed(paths[seed, "stderr"], np.square)
    # All maps of an analysis have the same search volume.
    first = paths[result["seeds"][0], result["statistic"]]
    yield None, "mask", _changed(first, np.isfinite)


def _changed(path: Path, change: np.ufunc) -> nib.Nifti1Image:
    """Return an image with a function of its values, without the intent of the first."""
    image = nib.Nifti1Image.from_filename(path)
    values: RealArray = change(np.asarray(image.dataobj, dtype=np.float32))
    kind = np.uint8 if values.dtype == bool else np.float32
    header = image.header.copy()
    header.set_intent("none")
    header.set_data_dtype(kind)
    return nib.Nifti1Image(values.astype(kind), image.affine, header)
