"""A job's log: what it is and reads; then its notes; then versions, what it made, and the figure.

A log that ends before its figure is of a job that failed, whose reason is its last line, or that
was killed from outside, and could say nothing. Logs are no inputs of any job, so that times may
stand in them.
"""

import ast
import os
import re
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from crossfc import __version__
from crossfc.jobs.last_line import bytes_label, counted, last_line

# How many lines `head` and `tail` have, in the log of a job that has a script.
HEAD_LINES, TAIL_LINES = 3, 3
_SCRIPTS = Path(__file__).resolve().parents[2]
_PERSON = re.compile(r"sub-[A-Za-z0-9]+")
_SESSION = re.compile(r"(sub-[A-Za-z0-9]+)[/_](ses-[A-Za-z0-9]+)")
# What begins the reason why a job failed: a fault's sentence, or a traceback.
_REASON = re.compile(r"^(crossfc: |Traceback )", re.MULTILINE)


def script() -> Path | None:
    """Return the script of this process; None if it is no job's."""
    path = getattr(sys.modules["__main__"], "__file__", None)
    if path is None or Path(path).resolve().parent != _SCRIPTS:
        return None
    return Path(path)


def study_of(log: Path) -> Path:
    """Return the folder of a study's results, in whose folder ``logs`` a log lies."""
    return next(folder.parent for folder in log.parents if folder.name == "logs")


def head(snakemake: Any, path: Path | None) -> str:
    """Return the lines with which a log begins.

    Parameters
    ----------
    snakemake : object
        The object that Snakemake provides in a script.
    path : path or None
        The script, whose docstring says what it does.
    """
    labels = ", ".join(f"{name} {value}" for name, value in snakemake.wildcards.items())
    lines = [f"crossfc {__version__}, {snakemake.rule}" + (f": {labels}" if labels else "")]
    if path is not None:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        lines.append((ast.get_docstring(tree) or "").partition("\n")[0])
    lines.append(f"reads {_read(snakemake.input)}; threads: {snakemake.threads}")
    return "\n".join(lines)


def _read(given: Any) -> str:
    """Say what a job reads: files and folders by name, and of how many people and sessions."""
    paths = [str(path) for path in given]
    if not paths:
        return "no file, but its parameters alone"
    named = {
        name: 1 if isinstance(own, str) else len(own) for name, own in given.items() if len(own)
    }
    sessions = {found.groups() for path in paths if (found := _SESSION.search(path))}
    people = {found[0] for path in paths if (found := _PERSON.search(path))}
    told = f" of {counted(len(sessions), 'session')}" if sessions else ""
    told += f" of {counted(len(people), 'person', 'people')}" if people else ""
    listed = ", ".join(f"{name} {number}" for name, number in named.items())
    return counted(len(paths), "input") + told + (f" ({listed})" if listed else "")


def versions(software: Mapping[str, str]) -> str:
    """Return the line that names the versions of a job's libraries."""
    return "with " + ", ".join(f"{name} {version}" for name, version in software.items())


def tail(snakemake: Any, path: Path | None, software: Mapping[str, str], seconds: float) -> str:
    """Return the lines with which the log of a job that succeeded ends; parameters as in `head`.

    Parameters
    ----------
    software : mapping
        Versions of Python and of the libraries that the job used.
    seconds : float
        How long it took.
    """
    files = list(_files(snakemake.output))
    size = sum(os.path.getsize(file) for file in files)
    made = f"made {counted(len(files), 'file')} ({bytes_label(size)})" if files else "made no file"
    figure = last_line(path.stem if path else "", snakemake)
    return "\n".join([versions(software), f"{made} in {seconds:.1f} s", figure])


def _files(made: Iterable[str]) -> Iterable[Path]:
    for path in map(Path, made):
        if path.is_dir():
            yield from (file for file in path.rglob("*") if file.is_file())
        elif path.is_file():
            yield path


def write(path: Path | None, text: str, *, anew: bool = False) -> None:
    """Write lines at the end of a log; ``anew`` empties it first. Without a log do nothing."""
    if path is None:
        return
    with open(path, "w" if anew else "a", encoding="utf-8") as log:
        log.write(text.rstrip("\n") + "\n")


def says_why(path: str | os.PathLike[str]) -> bool:
    """Test whether a log holds the reason why its job failed."""
    with suppress(OSError):
        return _REASON.search(Path(path).read_text(encoding="utf-8", errors="replace")) is not None
    return False
