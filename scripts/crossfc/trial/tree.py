"""The files of a BIDS data set by name: which scans and anatomies it holds.

Names only: a data set whose images are elsewhere (a listing of paths, or links into an annex that
is not fetched) reads like any other. Folders that are links are gone into.
"""

import os
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from crossfc.bids import DERIVED, ENTITY_ORDER, bids_name, parse_name
from crossfc.fault import Fault, raise_all
from crossfc.trial.label import some
from crossfc.trial.sheet import did_you_mean, read_text

_IMAGE = (".nii.gz", ".nii")
_BESIDE = (".json", ".tsv", ".tsv.gz")

# A sentence of `sheets` and of the plan.
MULTI_ECHO = (
    "{}: scans of several echoes are not preprocessed here, and one echo alone would be another "
    "measurement; preprocess them with fMRIPrep and use entry fmriprep (a scan of one echo needs "
    "no echo- in its name)"
)


@dataclass
class Tree:
    """What lies in a data set.

    Attributes
    ----------
    root : path
    files : list of path
        Files in folders of people, below the root, without hidden ones.
    empty : list of str
        Folders of people in which nothing lies.
    aside : list of str
        Names of folders and images that look like part of the data set and are no BIDS names.
    """

    root: Path
    files: list[PurePosixPath]
    empty: list[str] = field(default_factory=list)
    aside: list[str] = field(default_factory=list)

    @property
    def people(self) -> set[str]:
        """Return the people in whose folders files lie."""
        return {path.parts[0] for path in self.files}

    @property
    def sessions(self) -> set[tuple[str, str]]:
        """Return person and session of every session folder in which files lie."""
        return {p.parts[:2] for p in self.files if len(p.parts) > 2 and p.parts[1][:4] == "ses-"}


def read_tree(root: Path, listing: str | None) -> Tree:
    """Look through a data set's folders, or through a listing of its paths.

    Parameters
    ----------
    root : path
    listing : str, optional
        A file below ``root`` with one path per line, used where it exists.

    Raises
    ------
    Fault
        If a folder of a person or session is a file, a link to nothing, cannot be read or is
        written in another case, or if the listing has no path of a data set.
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
        and re.fullmatch("sub-[A-Za-z0-9]+", path.parts[0]) is not None
        and path.name.startswith("sub-")
        and not any(part.startswith(".") for part in path.parts)
    )


class _Walk:
    """Go through sub-*/[ses-*/]<data type>/, the only folders that hold scans.

    derivatives/ and sourcedata/ hold files of the same names and are not gone into.
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
            if not re.fullmatch("sub-[A-Za-z0-9]+", entry.name):
                self._misnamed(entry, "sub", names)
                continue
            if not self._is_folder(entry):
                continue
            before = len(self.files)
            self._person(entry)
            if len(self.files) == before:
                self.empty.append(entry.name)

    def _entries(self, folder: str | Path) -> list[os.DirEntry]:
        try:
            with os.scandir(folder) as found:
                entries = [e for e in found if not e.name.startswith(".")]
        except OSError as error:
            raise Fault(
                f"{folder} cannot be read ({error.strerror}); check its permissions"
            ) from None
        return sorted(entries, key=lambda e: e.name)

    def _is_folder(self, entry: os.DirEntry) -> bool:
        """Return whether what must be a folder is one; a fault where it is not."""
        if entry.is_dir():
            return True
        what, remedy = "is a file where a folder is due", "rename it"
        if entry.is_symlink() and not os.path.exists(entry.path):
            what = f"is a link to {os.readlink(entry.path)}, which is not here"
            remedy = "fetch or mount what it points to"
        self.faults.append(f"{entry.path} {what}; {remedy}, or remove it")
        return False

    def _misnamed(self, entry: os.DirEntry, entity: str, names: Collection[str]) -> None:
        """Refuse sub-… or ses-… in another case, and put other such names aside."""
        proper = re.sub(f"(?i)^{entity}[-_]", f"{entity}-", entry.name)
        right = re.fullmatch(f"{entity}-[A-Za-z0-9]+", proper) and proper not in names
        if entry.is_dir() and right:
            self.faults.append(f"{entry.path} is no BIDS name; rename the folder to {proper}")
            return
        if entry.is_dir() or not entry.name.endswith((".tsv", ".json")):
            self.aside.append(os.path.relpath(entry.path, self._root))

    def _person(self, person: os.DirEntry) -> None:
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
        """Take the files of a folder, and of its folders of data types."""
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

    def _take(self, entry: os.DirEntry) -> None:
        path = PurePosixPath(os.path.relpath(entry.path, self._root))
        self.files.append(path)
        if path.name.lower().endswith(_IMAGE) and not _is_bids(path.name):
            self.aside.append(str(path))


def _is_bids(name: str) -> bool:
    try:
        parse_name(name)
    except Fault:
        return False
    return name.startswith("sub-") and name.endswith(_IMAGE)


# Scans -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Run:
    """A BOLD run by its name."""

    path: str
    person: str
    session: str
    entities: dict[str, str]

    @property
    def kind(self) -> dict[str, str]:
        """Return what must be the same in repeats: all entities but those of the run itself."""
        return {k: v for k, v in self.entities.items() if k not in ("sub", "ses", "run")}

    @property
    def place(self) -> str:
        """Such as ``sub-01 ses-1``."""
        return f"{self.person} {self.session}".strip()


def find_scans(
    tree: Tree, config: dict[str, Any], people: Collection[str]
) -> tuple[dict[tuple[str, str], list[str]], list[str]]:
    """Find the scans of the study's sessions.

    Parameters
    ----------
    tree : Tree
    config : dict
        A checked configuration.
    people : collection of str
        Who is part of the study: what others' sessions hold cannot be at fault.

    Returns
    -------
    scans : dict
        (person, session) to paths; several are repeats that differ in ``run`` only.
    notes : list of str
        What was not taken, by name and reason.

    Raises
    ------
    Fault
        If no scan is the study's, with what is there; if scans of one session are no repeats; if
        echoes are to be preprocessed; if a scan lies in another's folder.
    """
    notes: list[str] = []
    faults: list[str] = []
    every = _runs(tree, config, people, faults, notes)
    raise_all(faults)
    sessions = config["dataset"]["sessions"]
    own = [run for run in every if run.session in sessions]
    kept = own
    for key, wanted in _filters(config):
        before, kept = kept, [run for run in kept if wanted(run)]
        _say_filtered(key, before, kept, config, notes)
    scans: dict[tuple[str, str], list[Run]] = {}
    for run in kept:
        scans.setdefault((run.person, run.session), []).append(run)
    echoes: list[str] = []
    scans = {key: _one_echo(runs, echoes) for key, runs in scans.items()}
    if echoes and config["entry"] == "raw":
        raise Fault(MULTI_ECHO.format(some(echoes)))
    if echoes:
        notes.append(f"of several echoes, the first stands in the sheet for all: {some(echoes)}")
    _check_repeats(scans.values())
    _say_kinds(scans.values(), notes)
    return {key: [run.path for run in runs] for key, runs in scans.items()}, notes


def _runs(
    tree: Tree,
    config: dict[str, Any],
    people: Collection[str],
    faults: list[str],
    notes: list[str],
) -> list[Run]:
    """List the BOLD runs of people in the study; those of derivatives by their raw names."""
    found: dict[str, Run] = {}
    derived, loose, elsewhere, formats = [], [], [], []
    for path in tree.files:
        parts = path.parts
        if parts[0] not in people:
            continue
        try:
            entities, suffix, extension = parse_name(path.name)
        except Fault:
            continue
        name = str(path)
        if suffix != "bold" or extension in _BESIDE:
            continue
        if extension not in _IMAGE:
            formats.append(name)
            continue
        if len(parts) not in (3, 4) or parts[-2] != "func":
            elsewhere.append(name)
            continue
        if any(key in entities for key in DERIVED):
            if config["entry"] != "fmriprep" or entities.get("desc", "preproc") != "preproc":
                derived.append(name)
                continue
            entities = {k: v for k, v in entities.items() if k not in DERIVED}
            if set(entities) <= set(ENTITY_ORDER):
                name = str(path.with_name(bids_name(entities, suffix, extension)))
        session = parts[1] if len(parts) == 4 else ""
        folder = {"sub": parts[0], "ses": session}
        for key in ("sub", "ses"):
            label = f"{key}-{entities[key]}" if key in entities else folder[key]
            if label != folder[key] and (folder[key] or key == "sub"):
                faults.append(
                    f"{tree.root / path} is of {label} by its name, in a folder of "
                    f"{folder[key]}; rename or move it"
                )
        if not session:
            loose.append(name)
        found.setdefault(name, Run(name, parts[0], session, entities))
    runs = list(found.values())
    if loose and len(loose) == len(runs):
        faults.append(
            f"config key bids_dir: all scans of {tree.root} lie in no session folder (such as "
            f"{loose[0]}); lay the data set out as sub-*/ses-*/func"
        )
    elif loose:
        notes.append(f"not used, as they lie in no session folder: {some(loose)}")
    for why, names in (
        ("are derivatives", derived),
        ("lie in no folder func", elsewhere),
        ("are no NIfTI files", formats),
    ):
        if names:
            notes.append(f"not used, as they {why}: {some(names)}")
    return runs


def _index(label: str) -> int | None:
    """Return the number of a run or echo (01 is 1); None where it is none."""
    return int(label) if label.isascii() and label.isdecimal() else None


def _number(run: Run) -> int | None:
    return _index(run.entities.get("run", "1"))


def _filters(config: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Return what a scan must be, each with the config key that says so."""
    mapping = config["dataset"]["scan"]
    for key, value in ({"task": config["task"]} | mapping.get("entities", {})).items():
        yield key, lambda run, key=key, value=value: _same(key, run.entities.get(key), value)
    runs = mapping.get("runs")
    if runs is not None:
        yield "runs", lambda run: _number(run) in runs
    yield "part", lambda run: run.entities.get("part", "mag") == "mag"


def _same(key: str, own: str | None, wanted: str | None) -> bool:
    if own is None or wanted is None or key not in ("run", "echo"):
        return own == wanted
    return own == wanted or (_index(own) is not None and _index(own) == _index(wanted))


def _say_filtered(
    key: str,
    before: list[Run],
    kept: list[Run],
    config: dict[str, Any],
    notes: list[str],
) -> None:
    """Return which sessions lose all their scans by a choice of the config.

    Raises
    ------
    Fault
        If nobody's scan is left, or a label differs in case only.
    """
    scan = config["dataset"]["scan"]
    entity = "run" if key == "runs" else key
    place, wanted = {
        "task": ("config key task", f"task-{config['task']}"),
        "runs": (
            "config key dataset.scan.runs",
            " or ".join(f"run-{i}" for i in scan.get("runs") or ()),
        ),
        "part": ("the data set", "part-mag"),
    }.get(key, (f"config key dataset.scan.entities.{key}", _shown(key, scan["entities"].get(key))))
    there = Counter(_shown(entity, run.entities.get(entity)) for run in before)
    if before and not kept:
        raise Fault(
            f"{place}: no scan of the study's sessions has {wanted}; they have "
            + ", ".join(f"{label} ({n})" for label, n in there.most_common(8))
            + (did_you_mean(wanted, there) or "; correct it")
        )
    having = {run.place for run in kept}
    lost: dict[str, set[str]] = {}
    for run in before:
        if run.place not in having:
            label = _shown(entity, run.entities.get(entity))
            if label.casefold() == wanted.casefold():
                raise Fault(f"{run.path} has {label} where the study has {wanted}; rename it")
            lost.setdefault(run.place, set()).add(label)
    if lost:
        named = some(f"{where} ({', '.join(sorted(labels))})" for where, labels in lost.items())
        notes.append(f"no scan of {wanted} in {named}")


def _shown(key: str, value: str | None) -> str:
    return f"no {key}" if value is None else f"{key}-{value}"


def _one_echo(runs: list[Run], echoes: list[str]) -> list[Run]:
    """Take the first of the echoes of a run; fMRIPrep names what it makes of them without echo."""
    if not any("echo" in run.entities for run in runs):
        return runs
    echoes.append(runs[0].place)
    first: dict[tuple, Run] = {}
    for run in sorted(runs, key=lambda r: _index(r.entities.get("echo", "0")) or 0):
        first.setdefault(tuple((k, v) for k, v in run.entities.items() if k != "echo"), run)
    return sorted(first.values(), key=lambda run: run.path)


def _check_repeats(scans: Iterable[list[Run]]) -> None:
    """Refuse scans of one session that differ in more than the number of the run."""
    differing: dict[str, tuple[list[str], str]] = {}
    faults = []
    for runs in scans:
        keys = sorted({key for run in runs for key in run.kind})
        keys = [k for k in keys if len({run.kind.get(k) for run in runs}) > 1]
        for key in keys:
            labels = sorted({_shown(key, run.kind.get(key)) for run in runs})
            example = next(run.kind[key] for run in runs if key in run.kind)
            places, _ = differing.setdefault(
                " and ".join(labels), ([], f"dataset.scan.entities: {{{key}: {example}}}")
            )
            places.append(runs[0].place)
        numbers: dict[int | None, Run] = {}
        for run in runs if not keys else []:
            earlier = numbers.setdefault(_number(run), run)
            if earlier is not run and _number(run) is not None:
                faults.append(
                    f"{earlier.path} and {run.path} are both run {_number(run)} of {run.place}; "
                    "remove one, or give it another number"
                )
    for labels, (places, remedy) in differing.items():
        faults.append(
            f"the scans of {some(places)} are no repeats of one another: they are {labels}, and "
            f"repeats differ in run only; choose one by the config key {remedy}"
        )
    raise_all(faults)


def _say_kinds(scans: Iterable[list[Run]], notes: list[str]) -> None:
    """Describe where the scans of the study are not all of one kind."""
    scans = [runs for runs in scans if runs]
    for key in sorted({key for runs in scans for key in runs[0].kind} - {"task", "echo", "part"}):
        places: dict[str, list[str]] = {}
        for runs in scans:
            places.setdefault(_shown(key, runs[0].kind.get(key)), []).append(runs[0].place)
        if len(places) > 1:
            named = (f"{label} in {some(where)}" for label, where in sorted(places.items()))
            notes.append(f"the scans of the study differ in {key}: {'; '.join(named)}")


# Anatomies ----------------------------------------------------------------------------------------


def find_anatomies(files: list[PurePosixPath]) -> dict[str, list[tuple[str, str]]]:
    """List the T1w images by person, each as (session or "", path); derivatives are none."""
    found: dict[str, list[tuple[str, str]]] = {}
    for path in files:
        if len(path.parts) not in (3, 4) or path.parts[-2] != "anat":
            continue
        try:
            entities, suffix, extension = parse_name(path.name)
        except Fault:
            continue
        if suffix != "T1w" or extension not in _IMAGE or any(k in entities for k in DERIVED):
            continue
        session = path.parts[1] if len(path.parts) == 4 else ""
        found.setdefault(path.parts[0], []).append((session, str(path)))
    return found
