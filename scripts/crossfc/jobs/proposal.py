"""The command ``init``: propose a configuration, and sheets, from what a data set tells."""

import os
import re
import shlex
from pathlib import Path

from crossfc import atomic
from crossfc.fault import Fault
from crossfc.plan import Plan
from crossfc.proposal.draft import draft
from crossfc.proposal.place import Place, find_place
from crossfc.proposal.survey import content
from crossfc.trial.document import load_yaml
from crossfc.trial.label import natural, some
from crossfc.trial.new_sheets import write_sheets
from crossfc.trial.open_entry import OPEN, open_keys
from crossfc.trial.scale import read_scales

CONFIG = "config.yaml"
_SHEETS = ("participants.tsv", "sessions.tsv")


def propose(dataset: str, output: str | None, home: Path) -> tuple[list[str], bool]:
    """Write a proposed configuration of a data set and, if it tells everything, the sheets.

    The data set is never written to, and no file is written over.

    Parameters
    ----------
    dataset : str
        Folder of a BIDS data set, or of derivatives of fMRIPrep.
    output : str, optional
        Folder of the configuration and the sheets; by default one below config, named as the study.
    home : path
        Folder of the workflow.

    Returns
    -------
    lines : list of str
        To print: what was written, what is to be filled in, and the next commands.
    sound : bool
        False if sheets could not be made, although nothing is to be filled in.

    Raises
    ------
    Fault
        If the folder is no data set, or a file is there already.
    """
    place = find_place(dataset)
    study = _study(place)
    folder = Path(output) if output is not None else Path("config") / study
    _require_free(folder, place)
    scales = list(read_scales(home / "config/scales.tsv", ()))
    text = draft(place, dataset, study, folder, scales)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / CONFIG
    atomic.write_text(path, text)
    found = place.preprocessed or place.scans
    sessions = sorted(place.scans.sessions(), key=natural)
    lines = [
        f"{dataset}: {len(found.tree.people)} people, sessions {some(sessions, 6)}; "
        f"{'; '.join(content(found))}",
        f"Wrote {path}.",
    ]
    if keys := open_keys(load_yaml(path)):
        lines += [f"Fill in what is marked {OPEN} in it: {some(keys, 12)}. Then:"]
        return [*lines, *_commands(path, home, sheets=True)], True
    try:
        said, _ = write_sheets(Plan(load_yaml(path), home, [path], read_sheets=False).for_sheets())
    except Fault as fault:
        lines += ["The sheets could not be made of it:", *str(fault).splitlines(), "Then:"]
        return [*lines, *_commands(path, home, sheets=True)], False
    return [
        *lines,
        *said,
        "Look through all three, then:",
        *_commands(path, home, sheets=False),
    ], True


def _commands(path: Path, home: Path, *, sheets: bool) -> list[str]:
    """List the commands to type next, from where this one was typed."""
    configfile = ["--configfile", str(path)]
    elsewhere = [] if Path("Snakefile").exists() else ["-s", os.path.relpath(home / "Snakefile")]
    commands = [
        ["snakemake", "--cores", "1", "sheets", *elsewhere, *configfile],
        ["python", os.path.relpath(home / "scripts/crossfc"), "validate", *configfile],
        ["snakemake", "--cores", str(os.cpu_count() or 1), *elsewhere, *configfile],
    ]
    return [f"  {shlex.join(words)}" for words in commands[0 if sheets else 1 :]]


def _study(place: Place) -> str:
    """Name a study by its data set: the folder's name, or of derivatives that above them."""
    folder = Path(os.path.abspath(place.bids_dir))
    words = [re.sub("[^A-Za-z0-9_-]+", "_", part).strip("_") for part in folder.parts[::-1]]
    common = ("", "derivatives", "fmriprep", "bids", "data", "rawdata", "output", "out")
    return next((word for word in words if word.lower() not in common), "study")[:100]


def _require_free(folder: Path, place: Place) -> None:
    """Refuse to write into the data set, or over a file.

    Raises
    ------
    Fault
        With the remedy.
    """
    own = Path(os.path.realpath(folder))
    for data in dict.fromkeys([place.bids_dir, place.derivatives_dir]):
        if data is not None and own.is_relative_to(os.path.realpath(data)):
            raise Fault(
                f"{folder} lies in the data set {data}, which is never written to; name another "
                "folder with --output"
            )
    for name in (CONFIG, *_SHEETS):
        if os.path.lexists(folder / name):
            raise Fault(
                f"{folder / name} is there already and is not written over; remove it, or name "
                "another folder with --output"
            )
    existing = own
    while not existing.exists():
        existing = existing.parent
    if not existing.is_dir() or not os.access(existing, os.W_OK):
        raise Fault(f"{existing} is no folder that can be written to; name another with --output")
