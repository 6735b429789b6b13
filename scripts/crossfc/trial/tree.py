"""The files of a BIDS data set by name: which scans and anatomies it holds.

Names only: a data set whose images are elsewhere (a listing of paths, or links into an annex that
is not fetched) reads like any other.
"""

from pathlib import Path, PurePosixPath
from typing import Any

from crossfc.bids import parse_name
from crossfc.fault import Fault
from crossfc.trial.sheet import read_text


def list_files(root: Path, listing: str | None) -> list[PurePosixPath]:
    """List a data set's files below its root, without hidden files and resource forks.

    Parameters
    ----------
    root : path
    listing : str, optional
        A file below ``root`` with one path per line, used where it exists.
    """
    if listing is not None and (root / listing).is_file():
        lines = read_text(root / listing).splitlines()
        found = [PurePosixPath(line.strip()) for line in lines if line.strip()]
    else:
        # Only sub-* folders of the root: derivatives/ and sourcedata/ hold files of the same
        # names. Links into an annex may dangle: their names still tell what the data set holds.
        found = [
            PurePosixPath(p.relative_to(root).as_posix())
            for folder in root.glob("sub-*")
            for p in folder.rglob("sub-*")
            if p.is_symlink() or p.is_file()
        ]
    return sorted(
        p
        for p in found
        if len(p.parts) > 1
        and p.parts[0].startswith("sub-")
        and not any(part.startswith(".") for part in p.parts)
    )


def find_scans(
    files: list[PurePosixPath], config: dict[str, Any]
) -> dict[tuple[str, str], list[str]]:
    """List the BOLD runs of the study's task by person and session, as sub-…, ses-…."""
    mapping = config["dataset"]["scan"]
    runs, wanted = mapping.get("runs"), mapping.get("entities", {}) | {"task": config["task"]}
    scans: dict[tuple[str, str], list[str]] = {}
    for path in files:
        if len(path.parts) != 4 or path.parts[-2] != "func":
            continue
        try:
            entities, suffix, extension = parse_name(path.name)
        except Fault:
            continue
        if suffix != "bold" or extension not in (".nii.gz", ".nii"):
            continue
        if any(entities.get(key) != value for key, value in wanted.items()):
            continue
        if runs is not None and _index(entities.get("run", "1")) not in runs:
            continue
        if _index(entities.get("echo", "1")) != 1 or entities.get("part", "mag") != "mag":
            continue
        scans.setdefault((path.parts[0], path.parts[1]), []).append(str(path))
    return scans


def _index(label: str) -> int | None:
    """Give the number of a run or echo (01 is 1); None where it is none."""
    return int(label) if label.isascii() and label.isdecimal() else None


def find_anatomies(files: list[PurePosixPath]) -> dict[str, list[tuple[str, str]]]:
    """List the T1w images by person, each as (session or "", path)."""
    found: dict[str, list[tuple[str, str]]] = {}
    for path in files:
        if not path.name.endswith(("_T1w.nii.gz", "_T1w.nii")) or path.parts[-2] != "anat":
            continue
        try:
            parse_name(path.name)
        except Fault:
            continue
        session = path.parts[1] if len(path.parts) == 4 else ""
        found.setdefault(path.parts[0], []).append((session, str(path)))
    return found
