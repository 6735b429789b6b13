"""Find the files of a run in a folder of derivatives, by BIDS entities rather than by strings.

Names of derivatives differ from those of raw runs: fMRIPrep writes run-1 for a raw run-01 (20.2),
leaves out the echo of a combined multi-echo series and the part of a magnitude image, and adds
entities of its own. If nothing matches, the error message describes what is in the folder instead.
"""

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath

from crossfc.bids import parse_name
from crossfc.fault import Fault
from crossfc.session.sidecar import names_of_sidecars, sidecar_paths
from crossfc.trial.space import problem

# Entities that preprocessing adds; all others come from the name of the raw run.
_ADDED = ("space", "cohort", "res", "den", "desc", "label", "hemi", "from", "to", "mode", "stat")
# Entities that preprocessing leaves out when it combines images.
COMBINED = ("echo", "part")
# Entities whose labels are compared as numbers: 01 is the same as 1.
_NUMBERS = ("run", "echo", "split", "chunk", "flip", "inv")

PREPROC = "preproc"
# For each kind of file: its suffixes (including older ones), extensions and the label of desc.
KINDS: dict[str, tuple[tuple[str, ...], tuple[str, ...], str | None]] = {
    "bold": (("bold",), (".nii.gz", ".nii"), PREPROC),
    "mask": (("mask",), (".nii.gz", ".nii"), "brain"),
    "confounds": (("timeseries", "regressors"), (".tsv",), "confounds"),
    # XCP-D's motion, and which volumes it took out; of all volumes.
    "motion": (("motion",), (".tsv",), None),
    "outliers": (("outliers",), (".tsv",), None),
    # Components: those that fMRIPost-AROMA rejects; all of tedana, and what it makes of them.
    "aroma": (("timeseries",), (".tsv",), "aroma"),
    "mixing": (("mixing",), (".tsv",), "ICA"),
    "metrics": (("metrics",), (".tsv",), "tedana"),
}
_IMAGES = ("bold", "mask")
_WORDS = {
    "bold": "preprocessed BOLD",
    "mask": "brain mask",
    "confounds": "confounds table",
    "motion": "table of motion",
    "outliers": "table of outliers",
    "aroma": "table of components (desc-aroma_timeseries)",
    "mixing": "table of components (desc-ICA_mixing)",
    "metrics": "table of what components are (desc-tedana_metrics)",
}


@dataclass(frozen=True)
class _Candidate:
    name: str
    own: dict[str, str]
    space: str | None
    res: str | None
    rest: dict[str, str]


def own_entities(scan: str) -> dict[str, str]:
    """Return the entities of the raw run from a file name, without leading zeros in numbers.

    Parameters
    ----------
    scan : str
        Path or name of a raw run, or of an image that was made from it.
    """
    entities, _, _ = parse_name(PurePosixPath(scan).name)
    return {key: _number(key, label) for key, label in entities.items() if key not in _ADDED}


def check_scan(scan: str, space: str, res: str | None, desc: str | None = PREPROC) -> None:
    """Refuse the name of a derivative that differs from what the config asks for.

    Names of raw runs are accepted. What fMRIPrep preprocessed stands for all that was made of it.

    Raises
    ------
    Fault
        If its space, resolution (``res``) or ``desc`` differs.
    """
    entities, _, _ = parse_name(PurePosixPath(scan).name)
    added = {key: label for key, label in entities.items() if key in _ADDED}
    if not added:
        return
    for key, wanted in (("space", space), ("res", res)):
        if added.get(key) != wanted:
            has = f"{key}-{added[key]}" if key in added else f"no {key}"
            raise Fault(
                f"{scan} has {has}, but the config says {key}: {wanted or 'null'}; correct the "
                "config, or name the raw run, as sub-…_task-…_bold.nii.gz"
            )
    if added.get("desc", PREPROC) not in (PREPROC, desc):
        raise Fault(
            f"{scan} has desc-{added['desc']}, but what is analysed is desc-{desc}; name that, or "
            f"the raw run, or write derivatives.desc: {added['desc']} in the config"
        )


def find(
    scan: str,
    kind: str,
    derivatives_dir: str | Path,
    space: str,
    res: str | None,
    listed: Callable[[Path], Iterable[str]] | None = None,
    desc: str | None = PREPROC,
) -> Path:
    """Find a file that fMRIPrep, or a program that worked on its output, made from one run.

    Parameters
    ----------
    scan : str
        Path of the run (or of its derivative) relative to the root of the data set.
    kind : str
        Of `KINDS`.
    derivatives_dir : path
    space, res : str
        Labels that the file must have; ``res`` is None if it must have no such entity.
    listed : callable, optional
        Function that lists the names in a folder, such as one with a cache; default `names_in`.
    desc : str or None
        Label of the BOLD; None if it must have no such entity.

    Returns
    -------
    Path

    Raises
    ------
    Fault
        If no file matches, or more than one.
    """
    folder = Path(derivatives_dir) / PurePosixPath(scan).parent
    names = list((listed or names_in)(folder))
    found = _candidates(names, kind, desc)
    wanted = own_entities(scan)
    # A table lies in no space.
    place = (space, res) if kind in _IMAGES else (None, None)
    placed = [c for c in found if (c.space, c.res) == place and not c.rest]
    fitting = [c for c in placed if _fits(c.own, wanted)]
    # Prefer the name with the fewest entities: the combined series of all echoes to a single echo.
    fewest = min((len(c.own) for c in fitting), default=0)
    best = [c for c in fitting if len(c.own) == fewest]
    exact = [c for c in best if _literal(c.name) == _literal(PurePosixPath(scan).name)]
    best = exact if len(exact) == 1 else best
    echoes = [c.own["echo"] for c in placed if "echo" in c.own and _fits(c.own, wanted | c.own)]
    if len(best) == 1 and not ("echo" in best[0].own and len(set(echoes)) > 1):
        return folder / best[0].name
    if len(best) == 1:
        raise Fault(
            f"{folder} has the echoes {', '.join(sorted(set(echoes)))} of {best[0].name} one by "
            "one and no series that combines them; run fMRIPrep so that it does (it leaves the "
            "echo out of the name), or exclude the session with a reason"
        )
    said = _label(_literal(PurePosixPath(scan).name))
    if best:
        raise Fault(
            f"{folder} has {len(best)} files that are the {_WORDS[kind]} of {said} "
            f"({', '.join(c.name for c in best)}); remove those that are not"
        )
    words = f"desc-{desc} BOLD" if kind == "bold" and desc != PREPROC else _WORDS[kind]
    missing = f"{words} of {said}" + (f" in {_place(*place)}" if place[0] else "")
    instead = _instead(Path(derivatives_dir), folder, found, wanted, *place)
    if kind == "bold" and not found and (others := _descriptions(names, wanted)):
        labels = ", ".join(f"desc-{other}" if other else "no desc" for other in others)
        instead = f"it has {labels}; correct derivatives.desc in the config"
    raise Fault(f"{folder} has no {missing}: {instead}")


def coregistration(scan: str, names: Iterable[str]) -> str | None:
    """Choose the transform between a run and the T1w from some names of files.

    Parameters
    ----------
    scan : str
        Path or name of the run, or of an image that was made from it.
    names : iterable of str
        fMRIPrep names it ``from-boldref_to-T1w`` or, up to 23.1, ``from-scanner_to-T1w``.

    Returns
    -------
    str or None
        None if none belongs to the run, or several do.
    """
    wanted, fitting = own_entities(scan), []
    for name in names:
        if not name.endswith("_xfm.txt"):
            continue
        try:
            entities, _, _ = parse_name(name)
        except Fault:
            continue
        places = entities.get("from"), entities.get("to"), entities.get("mode", "image")
        own = {k: _number(k, v) for k, v in entities.items() if k not in _ADDED}
        if places in (("boldref", "T1w", "image"), ("scanner", "T1w", "image")):
            fitting += [name] if _fits(own, wanted) else []
    return fitting[0] if len(fitting) == 1 else None


def belonging(scan: str, kind: str, paths: Iterable[str], desc: str | None = None) -> str | None:
    """Choose the file of a kind that belongs to a run from some paths.

    Parameters
    ----------
    scan : str
        Path or name of the run, or of an image that was made from it.
    kind : str
        Of `KINDS`.
    paths : iterable of str
    desc : str, optional
        Label of the BOLD, if that is looked for.

    Returns
    -------
    str or None
        None if none belongs to the run. Of several the one with the fewest entities.
    """
    wanted = own_entities(scan)
    fitting = [
        (len(candidate.own), path)
        for path in map(str, paths)
        for candidate in _candidates([Path(path).name], kind, desc)
        if _fits(candidate.own, wanted)
    ]
    return min(fitting)[1] if fitting else None


def names_in(folder: Path) -> list[str]:
    """List the names in a folder; empty if it cannot be read."""
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []


def _candidates(
    names: Iterable[str], kind: str, bold_desc: str | None = PREPROC
) -> list[_Candidate]:
    suffixes, extensions, own_desc = KINDS[kind]
    desc = bold_desc if kind == "bold" else own_desc
    endings = tuple(f"_{s}{e}" for s in suffixes for e in extensions)
    # Names are split only where they may fit, as folders may hold thousands.
    part = "_desc-" if desc is None else f"_desc-{desc}_"
    found = []
    for name in names:
        if not name.endswith(endings) or (part in name) == (desc is None):
            continue
        try:
            entities, _, _ = parse_name(name)
        except Fault:
            continue  # such as ._sub-01_…, which macOS creates
        own = {k: _number(k, v) for k, v in entities.items() if k not in _ADDED}
        rest = {
            k: v for k, v in entities.items() if k in _ADDED and k not in ("space", "res", "desc")
        }
        found.append(_Candidate(name, own, entities.get("space"), entities.get("res"), rest))
    return found


def _descriptions(names: Iterable[str], wanted: dict[str, str]) -> list[str | None]:
    """Return the labels of desc that the BOLD images of a run have; None for no such entity."""
    found: dict[str | None, None] = {}
    for name in names:
        if not name.endswith(("_bold.nii.gz", "_bold.nii")):
            continue
        try:
            entities, _, _ = parse_name(name)
        except Fault:
            continue
        own = {k: _number(k, v) for k, v in entities.items() if k not in _ADDED}
        if _fits(own, wanted):
            found[entities.get("desc")] = None
    return list(found)


def _fits(own: dict[str, str], wanted: dict[str, str]) -> bool:
    """Test whether a file belongs to a run, by its entities.

    All labels must agree, and only entities that combining drops may be missing in the file.
    """
    if any(wanted.get(key) != label for key, label in own.items()):
        return False
    return all(key in own or key in COMBINED for key in wanted)


def _number(key: str, label: str) -> str:
    return (label.lstrip("0") or "0") if key in _NUMBERS and label.isdigit() else label


def _literal(name: str) -> dict[str, str]:
    entities, _, _ = parse_name(name)
    return {key: label for key, label in entities.items() if key not in _ADDED}


def _label(own: dict[str, str]) -> str:
    return "_".join(f"{key}-{label}" for key, label in own.items())


def _place(space: str | None, res: str | None) -> str:
    parts = [f"space-{space}" if space else "no space", f"res-{res}" if res else ""]
    return "_".join(filter(None, parts))


def _instead(
    root: Path,
    folder: Path,
    found: list[_Candidate],
    wanted: dict[str, str],
    space: str | None,
    res: str | None,
) -> str:
    """Describe what is found in place of a missing file, and what to do about it."""
    leave = "or exclude the session with a reason"
    if not folder.is_dir():
        return f"{_missing_folder(root, folder)}, {leave}"
    places = dict.fromkeys((c.space, c.res) for c in found if _fits(c.own, wanted))
    if places:
        in_space = [(own_space, own_res) for own_space, own_res in places if own_space]
        shown = _listed([_place(*p) for p in in_space]) or "no space entity (the run's own grid)"
        remedy = _other_place(in_space, space)
        return f"it has this run in {shown}; {remedy}, {leave}"
    others = [c for c in found if (c.space, c.res) == (space, res)] or found
    if others:
        shown = _listed(list(dict.fromkeys(_label(c.own) for c in others)))
        return f"it has {shown}; correct the row's scan, {leave}"
    return f"it has none of any run; run fMRIPrep for it, {leave}"


def _other_place(places: list[tuple[str, str | None]], wanted: str | None) -> str:
    """Describe how to set the config to a space that exists, or how to make the wanted one."""
    fitting = [p for p in places if p[0] == wanted] or [p for p in places if not problem(p[0])]
    if not fitting:
        return f"run fMRIPrep with --output-spaces {wanted}"
    if len(fitting) > 1:
        return "correct space and res in the config"
    (space, res) = fitting[0]
    words = [] if space == wanted else [f"space: {space}"]
    words.append(f'res: "{res}"' if res else "res: null")
    return f"write {' and '.join(words)} in the config"


def _missing_folder(root: Path, folder: Path) -> str:
    """Describe which part of a path does not exist, and what is beside it."""
    missing = folder
    while missing != root and not missing.parent.is_dir():
        missing = missing.parent
    if missing == root:
        return f"{root} does not exist; correct derivatives_dir in the config"
    if missing.is_symlink():
        return f"{missing} is a link to nowhere; restore what it links to"
    kind = missing.name.split("-")[0]
    beside = [n for n in names_in(missing.parent) if n.startswith(f"{kind}-") and "." not in n]
    if beside:
        return (
            f"{missing.parent} has no {missing.name} (it has {_listed(beside)}); run fMRIPrep for "
            "it, correct the row"
        )
    below = [
        name for name in names_in(root) if any(n.startswith("sub-") for n in names_in(root / name))
    ]
    if kind == "sub" and below:
        return (
            f"{root} has no sub-* folders, but {root / below[0]} has; correct derivatives_dir in "
            "the config"
        )
    return f"{missing.parent} has no {missing.name}; correct derivatives_dir or the row"


def _listed(items: list[str]) -> str:
    more = f" and {len(items) - 3} more" if len(items) > 3 else ""
    return ", ".join(items[:3]) + more


class Matches:
    """The files of runs in one folder of derivatives; results of the search are kept.

    Parameters
    ----------
    derivatives_dir : path
    space, res : str
        Labels that images must have; ``res`` is None if they must have no such entity.
    desc : str or None
        Label of the BOLD.
    fmriprep_dir : path, optional
        Where masks and tables of confounds are that ``derivatives_dir`` does not have.
    components_dir : path, optional
        Where the components of fMRIPost-AROMA or tedana are.
    cleaned : bool
        Whether the BOLD was cleaned before, so that it needs neither mask nor confounds.
    """

    def __init__(
        self,
        derivatives_dir: str | Path,
        space: str,
        res: str | None,
        desc: str | None = PREPROC,
        fmriprep_dir: str | Path | None = None,
        components_dir: str | Path | None = None,
        cleaned: bool = False,
    ) -> None:
        self.derivatives_dir = Path(derivatives_dir)
        self.space, self.res, self.desc, self.cleaned = space, res, desc, cleaned
        self._fmriprep_dir = None if fmriprep_dir is None else Path(fmriprep_dir)
        self._components_dir = None if components_dir is None else Path(components_dir)
        self._found: dict[str, dict[str, Path] | Fault] = {}
        self._names = lru_cache(maxsize=4096)(names_in)
        self._sidecar_names = lru_cache(maxsize=4096)(names_of_sidecars)

    def files(self, scan: str) -> dict[str, Path]:
        """Return the paths of a run's files by kind.

        ``bold``, ``mask`` and ``confounds``; of cleaned runs mask and confounds where they are,
        ``motion`` and ``outliers``; and components, where there are any.

        Raises
        ------
        Fault
            One sentence per file that was not found.
        """
        if scan not in self._found:
            self._found[scan] = self._search(scan)
        found = self._found[scan]
        if isinstance(found, Fault):
            raise found
        return found

    def sidecars(self, scan: str) -> list[Path]:
        """List the sidecars of a run's BOLD, from the root of the data set downwards."""
        bold = self.files(scan)["bold"].relative_to(self.derivatives_dir)
        return sidecar_paths(self.derivatives_dir, bold, self._sidecar_names)

    def coregistration(self, scan: str) -> Path | None:
        """Return the transform between a run and the T1w, where there is one."""
        for root in self._roots:
            folder = root / PurePosixPath(scan).parent
            name = coregistration(scan, self._names(folder))
            if name is not None:
                return folder / name
        return None

    @property
    def _roots(self) -> list[Path]:
        """The folders in which what is not the BOLD is looked for, in this order."""
        further = [] if self._fmriprep_dir is None else [self._fmriprep_dir]
        return [self.derivatives_dir, *further]

    def _search(self, scan: str) -> dict[str, Path] | Fault:
        found: dict[str, Path] = {}
        faults: list[str] = []
        try:
            check_scan(scan, self.space, self.res, self.desc)
            found["bold"] = find(
                scan, "bold", self.derivatives_dir, self.space, self.res, self._names, self.desc
            )
        except Fault as fault:
            # Mask and table would be missing for the same reason as the BOLD.
            return fault
        for kind in ("mask", "confounds"):
            try:
                found[kind] = self._first(scan, kind, self._roots)
            except Fault as fault:
                faults += [] if self.cleaned else [str(fault)]
        for kind in ("motion", "outliers") if self.cleaned else ():
            try:
                found[kind] = self._first(scan, kind, [self.derivatives_dir])
            except Fault:
                continue
        if self._components_dir is not None:
            try:
                found |= self._components(scan, self._components_dir)
            except Fault as fault:
                faults.append(str(fault))
        return Fault("\n".join(faults)) if faults else found

    def _first(self, scan: str, kind: str, roots: Iterable[Path]) -> Path:
        """Find a file in the first of some folders that has it; the fault is of the first."""
        first: Fault | None = None
        for root in roots:
            try:
                return find(scan, kind, root, self.space, self.res, self._names)
            except Fault as fault:
                first = first or fault
        assert first is not None
        raise first

    def _components(self, scan: str, root: Path) -> dict[str, Path]:
        """Find the tables of components of a run."""
        try:
            return {"aroma": self._first(scan, "aroma", [root])}
        except Fault as fault:
            missing = fault
        try:
            mixing = self._first(scan, "mixing", [root])
        except Fault:
            raise Fault(
                f"{missing} (nor has it desc-ICA_mixing, which tedana writes); correct "
                "derivatives.components_dir"
            ) from None
        return {"mixing": mixing, "metrics": self._first(scan, "metrics", [root])}
