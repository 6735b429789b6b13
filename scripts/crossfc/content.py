"""The content of a user's file: here, or only a link or a pointer to where it once was.

DataLad, git-annex and Git LFS leave a stand-in for a file that was not fetched: a link to nowhere,
or a short text. Whoever opens a user's file asks here first, so that such a file is named as what
it is and never taken for one that does not exist, or for its own content.
"""

import os
import re
from pathlib import Path

from crossfc.fault import Fault

# git-annex takes files of up to 32 KiB for its pointers; those of Git LFS are shorter.
_LONGEST_POINTER = 32768
_ANNEX = re.compile(rb"(/annex/objects/|(\.\./)*(\./)?\.git/annex/objects/)")
_LFS = b"version https://git-lfs.github.com/spec/"


def absence(path: str | Path) -> str | None:
    """Explain why a file's content cannot be read here, and what to do about it.

    Parameters
    ----------
    path : path

    Returns
    -------
    str or None
        What follows the file's name in a sentence, such as ``does not exist``, with a remedy
        where the cause tells one; None where there is a file with content of its own.
    """
    path = Path(path)
    why = stand_in(path)
    if why is not None:
        return why
    try:
        size = os.stat(path).st_size
    except (FileNotFoundError, NotADirectoryError):
        return "does not exist"
    except (OSError, ValueError) as error:
        # A loop of links, a name that is too long, a folder that may not be entered.
        reason = getattr(error, "strerror", None) or error
        return f"cannot be opened ({reason}); check its path and permissions"
    if path.is_dir():
        return "is a folder, where a file is due"
    return None if size else "is empty (0 bytes); copy or fetch it again"


def stand_in(path: str | Path) -> str | None:
    """Say that a file is a link to nowhere or a pointer, as in `absence`; None for any other."""
    path = Path(path)
    try:
        if 0 < os.stat(path).st_size <= _LONGEST_POINTER and not path.is_dir():
            return _pointer(path)
    except FileNotFoundError:
        return _dangling(path) if path.is_symlink() else None
    except (OSError, ValueError):
        pass
    return None


def require(path: str | Path, needed_by: str = "", remedy: str = "") -> None:
    """Refuse a file whose content is not here.

    Parameters
    ----------
    path : path
    needed_by : str
        Who needs it, such as ``which sessions.tsv, row 3 needs``.
    remedy : str
        What to do where the file does not exist at all; a link or pointer has its own.

    Raises
    ------
    Fault
        If the content is not here.
    """
    why = absence(path)
    if why is not None:
        raise Fault(refusal(path, why, needed_by, remedy))


def refusal(path: str | Path, why: str, needed_by: str = "", remedy: str = "") -> str:
    """Return the sentence for a file whose content is not here (see `absence`, `require`)."""
    what, _, own = why.partition("; ")
    needed = f", {needed_by}" if needed_by else ""
    given = own or remedy or "restore the file"
    return f"{path} {what}{needed}; {given}"


def _dangling(path: Path) -> str:
    target = os.readlink(path)
    if "annex/objects/" in target or ".git/annex/" in target:
        return (
            "is a link into git-annex whose content is not here; fetch its content "
            f"(datalad get {path})"
        )
    return (
        f"is a link to {target}, where nothing is; fetch its content (datalad get {path} where "
        "it is a DataLad data set), or restore what it links to"
    )


def _pointer(path: Path) -> str | None:
    with open(path, "rb") as stream:
        start = stream.read(64)
    if _ANNEX.match(start):
        return (
            "is a pointer of git-annex whose content is not here; fetch its content "
            f"(datalad get {path})"
        )
    if start.startswith(_LFS):
        return (
            "is a pointer of Git LFS whose content is not here; fetch its content "
            f"(git lfs pull --include {path})"
        )
    return None
