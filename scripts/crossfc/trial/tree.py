"""The files of a BIDS data set, by their names.

Only names are read, so that images may be elsewhere (a listing of paths, or links of git-annex
whose content was not fetched). Links to folders are followed.
"""

import os
import re
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from crossfc.bids import is_participant, parse_name
from crossfc.fault import Fault, raise_all
from crossfc.trial.sheet import read_text

IMAGE = (".nii.gz", ".nii")


@dataclass
class Tree:
    """The files of a data set.

    Attributes
    ----------
    root : path
    files : list of path
        Files in the folders of people, relative to the root, without hidden ones.
    empty : list of str
        Folders of people without files.
    aside : list of str
        Folders and images that look like part of the data set but do not have BIDS names.
    """

    root: Path
    files: list[PurePosixPath]
    empty: list[str] = field(default_factory=list)
    aside: list[str] = field(default_factory=list)

    @property
    def people(self) -> set[str]:
        """People whose folders contain files."""
        return {path.parts[0] for path in self.files}

    @property
    def sessions(self) -> set[tuple[str, str]]:
        """Person and session of every session folder that contains files."""
        deep = (path.parts for path in self.files if len(path.parts) > 2)
        return {(parts[0], parts[1]) for parts in deep if parts[1].startswith("ses-")}


def read_tree(root: Path, listing: str | None) -> Tree:
    """Read the files of a data set from its folders, or from a listing of its paths.

    Parameters
    ----------
    root : path
    listing : str, optional
        A file below ``root`` with one path per line; it is used if it exists.

    Returns
    -------
    Tree

    Raises
    ------
    Fault
        If a folder of a person or session is a file or a broken link, cannot be read or is written
        in another case, or if the listing has no path of a data set.
    """
    if listing is not None and (root / listing).is_file():
        lines = read_text(root / listing).splitlines()
        paths = [PurePosixPath(line.strip()) for line in lines if line.strip()]
        files = sorted(p for p in paths if _of_a_person(p))
        if not files:
            first = f"; its first line is {str(paths[0])!r}" if paths else ""
            raise Fault(
                f"config key dataset.listing: {root / listing} has no path such as "
                f"sub-01/ses-1/func/…{first}; write the paths from the root of the data set, one "
                "a line"
            )
        return Tree(root, files)
    walk = _Walk(root)
    raise_all(walk.faults)
    files = sorted(p for p in walk.files if _of_a_person(p))
    return Tree(root, files, walk.empty, walk.aside)


def _of_a_person(path: PurePosixPath) -> bool:
    return (
        len(path.parts) > 1
        and is_participant(path.parts[0])
        and path.name.startswith("sub-")
        and not any(part.startswith(".") for part in path.parts)
    )


class _Walk:
    """Walk through sub-*/[ses-*/]<data type>/, the only folders that contain scans.

    derivatives/ and sourcedata/ contain files with the same names and are skipped.
    """

    def __init__(self, root: Path):
        self.files: list[PurePosixPath] = []
        self.empty: list[str] = []
        self.aside: list[str] = []
        self.faults: list[str] = []
        self._root = root
        own = [e for e in self._entries(root) if re.match("(?i)sub[-_]", e.name)]
        names = {e.name for e in own}
        for entry in own:
            if not is_participant(entry.name):
                self._misnamed(entry, "sub", names)
                continue
            if not self._is_folder(entry):
                continue
            before = len(self.files)
            self._person(entry)
            if len(self.files) == before:
                self.empty.append(entry.name)

    def _entries(self, folder: str | Path) -> list[os.DirEntry[str]]:
        try:
            with os.scandir(folder) as found:
                entries = [e for e in found if not e.name.startswith(".")]
        except OSError as error:
            raise Fault(
                f"{folder} cannot be read ({error.strerror}); check its permissions"
            ) from None
        return sorted(entries, key=lambda e: e.name)

    def _is_folder(self, entry: os.DirEntry[str]) -> bool:
        """Test whether an entry is a folder; add a fault if it is not."""
        if entry.is_dir():
            return True
        what, remedy = "is a file where a folder is due", "rename it"
        if entry.is_symlink() and not os.path.exists(entry.path):
            what = f"is a link to {os.readlink(entry.path)}, which is not here"
            remedy = "fetch or mount what it points to"
        self.faults.append(f"{entry.path} {what}; {remedy}, or remove it")
        return False

    def _misnamed(self, entry: os.DirEntry[str], entity: str, names: Collection[str]) -> None:
        """Add a fault for a folder with sub or ses in another case; collect other odd names."""
        proper = re.sub(f"(?i)^{entity}[-_]", f"{entity}-", entry.name)
        right = re.fullmatch(f"{entity}-[A-Za-z0-9]+", proper) and proper not in names
        if entry.is_dir() and right:
            self.faults.append(f"{entry.path} is no BIDS name; rename the folder to {proper}")
            return
        # fMRIPrep puts its pages beside the folders of people.
        if entry.is_dir() or not entry.name.endswith((".tsv", ".json", ".html")):
            self.aside.append(os.path.relpath(entry.path, self._root))

    def _person(self, person: os.DirEntry[str]) -> None:
        entries = self._entries(person.path)
        names = {e.name for e in entries}
        for entry in entries:
            if re.fullmatch("ses-[A-Za-z0-9]+", entry.name):
                if self._is_folder(entry):
                    self._types(entry.path)
            elif re.match("(?i)ses[-_]", entry.name):
                self._misnamed(entry, "ses", names)
        self._types(person.path)

    def _types(self, folder: str) -> None:
        """Collect the files of a folder and of its subfolders (data types)."""
        entries = self._entries(folder)
        names = {e.name for e in entries}
        for entry in entries:
            if re.match("(?i)ses[-_]", entry.name):
                continue
            kind = entry.name.lower()
            if kind in ("anat", "func") and entry.name != kind and kind not in names:
                self.faults.append(f"{entry.path} is no BIDS name; rename it to {kind}")
            elif entry.name in ("anat", "func") and not self._is_folder(entry):
                continue
            elif entry.is_dir():
                for file in self._entries(entry.path):
                    self._take(file)
            else:
                self._take(entry)

    def _take(self, entry: os.DirEntry[str]) -> None:
        path = PurePosixPath(os.path.relpath(entry.path, self._root))
        self.files.append(path)
        if path.name.lower().endswith(IMAGE) and not _is_bids(path.name):
            self.aside.append(str(path))


def _is_bids(name: str) -> bool:
    try:
        parse_name(name)
    except Fault:
        return False
    return name.startswith("sub-") and name.endswith(IMAGE)
