"""The BOLD runs of a data set, and which of them are the scans of the study's sessions."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from crossfc.bids import DERIVED, ENTITY_ORDER, bids_name, parse_name
from crossfc.fault import Fault, raise_all
from crossfc.trial.configuration import Configuration
from crossfc.trial.label import some
from crossfc.trial.sheet import did_you_mean
from crossfc.trial.tree import IMAGE, Tree

# What lies beside images: sidecars, events, and fMRIPrep's pictures.
_BESIDE = (".json", ".tsv", ".tsv.gz", ".svg")

# Message used by the rule `sheets` and by the plan.
MULTI_ECHO = (
    "{}: scans of several echoes are not preprocessed here, and one echo alone would be another "
    "measurement; let fMRIPrep combine them (preprocessing.tool: fmriprep-run, or its output by "
    "entry fmriprep; docs/inputs.md); a scan of one echo needs no echo- in its name"
)


@dataclass(frozen=True)
class Run:
    """A BOLD run, described by its name."""

    path: str
    person: str
    session: str
    entities: dict[str, str]

    @property
    def kind(self) -> dict[str, str]:
        """Entities that must be the same in repeat runs: all but sub, ses and run."""
        return {k: v for k, v in self.entities.items() if k not in ("sub", "ses", "run")}

    @property
    def place(self) -> str:
        """Person and session, such as ``sub-01 ses-1``."""
        return f"{self.person} {self.session}".strip()


def find_scans(
    tree: Tree, config: Configuration, people: Collection[str], sessions: Collection[str]
) -> tuple[dict[tuple[str, str], list[str]], list[str]]:
    """Find the scans of the study's sessions.

    Parameters
    ----------
    tree : Tree
    config : dict
        A checked configuration.
    people : collection of str
        The people in the study; scans of others are ignored.
    sessions : collection of str
        The sessions of the study.

    Returns
    -------
    scans : dict
        (person, session) to paths; several paths are repeats that only differ in ``run``.
    notes : list of str
        Which scans are not used, and why.

    Raises
    ------
    Fault
        If no scan fits the study (with what the data set has), if scans of one session are not
        repeats of one another, if scans of several echoes would have to be preprocessed, or if a
        scan lies in the folder of another person or session.
    """
    notes: list[str] = []
    faults: list[str] = []
    every = _runs(tree, config, people, faults, notes)
    raise_all(faults)
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
    if echoes and config["entry"] == "raw" and config["preprocessing"]["tool"] == "native":
        raise Fault(MULTI_ECHO.format(some(echoes)))
    if echoes:
        notes.append(f"of several echoes, the first stands in the sheet for all: {some(echoes)}")
    _check_repeats(scans.values())
    _say_kinds(scans.values(), notes)
    return {key: [run.path for run in runs] for key, runs in scans.items()}, notes


def is_scan(path: str, config: Configuration) -> bool:
    """Test whether a file is by its name a scan that the config asks for."""
    try:
        entities, suffix, _ = parse_name(PurePosixPath(path).name)
    except Fault:
        return False
    run = Run(path, "", "", entities)
    return suffix == "bold" and all(wanted(run) for _, wanted in _filters(config))


def _runs(
    tree: Tree,
    config: Configuration,
    people: Collection[str],
    faults: list[str],
    notes: list[str],
) -> list[Run]:
    """List the BOLD runs of people in the study; derivatives are listed by their raw names."""
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
        if extension not in IMAGE:
            formats.append(name)
            continue
        if len(parts) not in (3, 4) or parts[-2] != "func":
            elsewhere.append(name)
            continue
        if any(key in entities for key in DERIVED):
            analysed = ("preproc", config["derivatives"]["desc"])
            if config["entry"] != "fmriprep" or entities.get("desc", "preproc") not in analysed:
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
    """Return the number of a run or echo (1 for 01); None if the label is not a number."""
    return int(label) if label.isascii() and label.isdecimal() else None


def _number(run: Run) -> int | None:
    return _index(run.entities.get("run", "1"))


def _filters(config: Configuration) -> Iterator[tuple[str, Any]]:
    """Return the conditions that a scan must fulfil, each with its config key."""
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
    config: Configuration,
    notes: list[str],
) -> None:
    """Note which sessions lose all their scans by a condition in the config.

    Raises
    ------
    Fault
        If no scan is left at all, or a label differs from the config in case only.
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
    """Keep the first echo of each run, to stand for all: fMRIPrep combines the echoes."""
    if not any("echo" in run.entities for run in runs):
        return runs
    echoes.append(runs[0].place)
    first: dict[tuple[tuple[str, str], ...], Run] = {}
    for run in sorted(runs, key=lambda r: _index(r.entities.get("echo", "0")) or 0):
        first.setdefault(tuple((k, v) for k, v in run.entities.items() if k != "echo"), run)
    return sorted(first.values(), key=lambda run: run.path)


def _check_repeats(scans: Iterable[list[Run]]) -> None:
    """Refuse scans of one session that differ in more than ``run``."""
    differing: dict[str, tuple[list[str], str]] = {}
    faults = []
    for runs in scans:
        keys = sorted({key for run in runs for key in run.kind})
        keys = [k for k in keys if len({run.kind.get(k) for run in runs}) > 1]
        for key in keys:
            shown = sorted({_shown(key, run.kind.get(key)) for run in runs})
            example = next(run.kind[key] for run in runs if key in run.kind)
            places, _ = differing.setdefault(
                " and ".join(shown), ([], f"dataset.scan.entities: {{{key}: {example}}}")
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
    """Note the entities in which scans of the study differ."""
    scans = [runs for runs in scans if runs]
    for key in sorted({key for runs in scans for key in runs[0].kind} - {"task", "echo", "part"}):
        places: dict[str, list[str]] = {}
        for runs in scans:
            places.setdefault(_shown(key, runs[0].kind.get(key)), []).append(runs[0].place)
        if len(places) > 1:
            named = (f"{label} in {some(where)}" for label, where in sorted(places.items()))
            notes.append(f"the scans of the study differ in {key}: {'; '.join(named)}")
