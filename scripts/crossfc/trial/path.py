"""Check paths that people write in the config and in sheets."""

import os
import re
from pathlib import Path

# Linux and macOS: longest name and longest path in bytes. A part of the limit for paths is kept for
# the names of files that are written below (a session's maps, and their temporary names).
LONGEST_NAME, LONGEST_PATH = 255, 3500

_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_VARIABLE = re.compile(r"\$(?:\w+|\{\w*\})|^~")


def path_fault(path: str) -> str | None:
    """Describe what is wrong with a path, and the remedy; None if nothing is.

    Only the text of the path is checked, not the disk. Environment variables are refused, because
    a job on another machine may have other values than the run that planned it.
    """
    if not path.strip():
        return "the path is empty; write one"
    if _ADDRESS.match(path):
        return (
            f"{path} is an address; fetch what is there, and write the path of the folder or file "
            "on this machine"
        )
    if _VARIABLE.search(path):
        filled = os.path.expanduser(os.path.expandvars(path))
        instead = f", such as {filled}" if not _VARIABLE.search(filled) else ""
        return f"{path} has a variable or ~, which is not filled in; write the path itself{instead}"
    sign = next((sign for sign in "{}" if sign in path), None)
    if sign is not None:
        return (
            f"{path} has {sign} in it, which Snakemake takes for the start or end of a wildcard; "
            "rename the folder or file"
        )
    if not path.isprintable():
        return (
            f"{path!r} has a line break, a tab or another sign that no path should have; rename it"
        )
    if len(os.fsencode(path)) <= LONGEST_NAME:
        # A short cut: every cluster job checks the paths of all scans, and few are long.
        return None
    longest = max(Path(path).parts, key=lambda part: len(os.fsencode(part)), default="")
    if len(os.fsencode(longest)) > LONGEST_NAME:
        return (
            f"{longest[:40]}… has {len(os.fsencode(longest))} bytes, but a name can have "
            f"{LONGEST_NAME}; shorten it"
        )
    if len(os.fsencode(os.path.abspath(path))) > LONGEST_PATH:
        return f"{path[:40]}… is longer than {LONGEST_PATH} bytes; choose a shorter path"
    return None


def told(path: str, home: str | Path) -> str:
    """Return a path for readers on other machines.

    A path in the study's folder (the working directory) or in the workflow's (``home``) is given
    relative to that folder. Of any other only the name is given, because the folders of a disk are
    private and do not exist on other machines.
    """
    full = os.path.abspath(path)
    for folder in (os.getcwd(), os.path.abspath(home)):
        if full.startswith(folder.rstrip(os.sep) + os.sep):
            return os.path.relpath(full, folder)
    return os.path.basename(full) if os.path.isabs(path) or path.startswith("..") else path


def is_file(path: str | Path) -> bool:
    """Test whether a file exists; False for a path that is invalid or not accessible."""
    try:
        return Path(path).is_file()
    except (OSError, ValueError):
        return False
