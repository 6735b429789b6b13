"""Where the data are: which folder holds raw scans, and which derivatives of fMRIPrep."""

import os
from dataclasses import dataclass
from pathlib import Path

from crossfc.fault import Fault
from crossfc.proposal.survey import Survey, survey
from crossfc.session.connectivity.origin import programs, told
from crossfc.trial.path import path_fault
from crossfc.trial.sheet import read_text
from crossfc.trial.tree import IMAGE

_FMRIPREP = "fmriprep"
# How far above derivatives the raw data set is looked for: <data set>/derivatives/fmriprep.
_ABOVE = 2


@dataclass(frozen=True)
class Place:
    """The folders of a study's scans.

    Attributes
    ----------
    bids_dir : Path
        From which the sheets are made: the raw data set, or derivatives that have none beside them.
    listing : str or None
        A file below it that lists the images, where these are elsewhere.
    derivatives_dir : Path or None
        Derivatives of fMRIPrep; None if the way begins with raw scans.
    program : str
        What made the derivatives, in words; empty if there are none.
    scans : Survey
        Of ``bids_dir``.
    preprocessed : Survey or None
        Of ``derivatives_dir``.
    """

    bids_dir: Path
    listing: str | None
    derivatives_dir: Path | None
    program: str
    scans: Survey
    preprocessed: Survey | None


def find_place(dataset: str) -> Place:
    """Find raw scans and derivatives of fMRIPrep in, below and above a folder.

    Parameters
    ----------
    dataset : str
        A BIDS data set, or derivatives of fMRIPrep, as the user writes the path.

    Returns
    -------
    Place
        With paths that are relative if ``dataset`` is.

    Raises
    ------
    Fault
        If the folder does not exist or is no data set that sheets can be made from; with what to
        name or to do in place of it.
    """
    root = Path(dataset)
    if fault := path_fault(dataset):
        raise Fault(fault)
    if not root.exists():
        raise Fault(f"{root} does not exist; name the folder of the data set")
    if not root.is_dir():
        raise Fault(f"{root} is a file; name the folder of the data set")
    if not any(root.iterdir()):
        raise Fault(f"{root} is empty; name the folder of the data set, or download it there first")
    listing, found = None, survey(root)
    if not found.tree.people:
        raise Fault(f"{root} is no BIDS data set: it has no folder sub-* with files{_near(root)}")
    if not found.images and (listing := _listing(root)) is not None:
        found = survey(root, listing)
    if not found.images:
        raise Fault(_nothing(found))
    place = _derived(root, found) if found.preprocessed else _raw(root, listing, found)
    if not any(place.scans.sessions().values()):
        raise Fault(
            f"{place.bids_dir} has no session folders (sub-*/ses-*), and a trial within people has "
            "several sessions of each person; lay it out as sub-*/ses-*/func, or write both sheets "
            "by hand (README, Your trial)"
        )
    return place


def _raw(root: Path, listing: str | None, found: Survey) -> Place:
    """Return the place of a raw data set, with the derivatives of fMRIPrep below it, if any."""
    below = [path for path in sorted(root.glob("derivatives/*")) if _is_fmriprep(path)]
    if len(below) > 1:
        raise Fault(
            f"{root} has several derivatives of fMRIPrep ({', '.join(map(str, below))}); name the "
            f"one to be analysed, such as {below[-1]}"
        )
    if not below:
        return Place(root, listing, None, "", found, None)
    return Place(root, listing, below[0], told(programs(below[0])), found, survey(below[0]))


def _derived(root: Path, found: Survey) -> Place:
    """Return the place of derivatives, with the raw data set above them, if there is one."""
    program, raw = told(programs(root)), None
    for levels in range(1, _ABOVE + 1):
        above = Path(os.path.normpath(root / Path(*[".."] * levels)))
        if (above / "dataset_description.json").is_file() and any(above.glob("sub-*")):
            raw = above
            break
    scans = survey(raw) if raw is not None else found
    if raw is None or not scans.images or scans.preprocessed:
        return Place(root, None, root, program, found, found)
    return Place(raw, None, root, program, scans, found)


def _is_fmriprep(path: Path) -> bool:
    made_by = programs(path) if path.is_dir() else []
    return any(program["name"].lower() == _FMRIPREP for program in made_by)


def _listing(root: Path) -> str | None:
    """Find a file that lists the images of a data set, which are elsewhere."""
    for path in sorted(root.glob("*.txt")):
        lines = read_text(path).splitlines()
        if any(line.startswith("sub-") and line.endswith(IMAGE) for line in lines):
            return path.name
    return None


def _near(root: Path) -> str:
    """Word where a data set is, if it is below or above a folder, and what else may be meant."""
    below = sorted(path for path in root.glob("*/") if any(path.glob("sub-*/")))
    below = [path for path in below if not path.name.startswith((".", "sub-"))]
    if below:
        return f"; did you mean {below[0]}?"
    if any(root.glob("ses-*/")) or any(root.glob("func/")):
        return f"; name the folder above it, {os.path.normpath(root / '..')}"
    return "; name the root of one. Of ready maps the configuration is written by hand (entry maps)"


def _nothing(found: Survey) -> str:
    """Say what a data set without BOLD images has instead."""
    root = found.tree.root
    names = [path.name for path in found.tree.files]
    if any("map.nii" in name for name in names):
        return (
            f"{root} has maps and no BOLD images; of ready maps the configuration is written by "
            "hand (entry maps; config/README.md, key maps)"
        )
    derived = [name for name in names if "_bold.nii" in name]
    if derived:
        return (
            f"{root} has BOLD images, such as {derived[0]}, but neither raw ones in sub-*/[ses-*/]"
            "func nor those that fMRIPrep calls desc-preproc; name the folder of raw scans or of "
            "fMRIPrep's derivatives"
        )
    return (
        f"{root} has no BOLD images (sub-*/ses-*/func/*_bold.nii.gz) in its folders; name a data "
        "set that has, or fetch them (datalad get -n fetches the names alone)"
    )
