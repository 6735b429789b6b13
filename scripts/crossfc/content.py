"""Check whether the content of a user's file is present on this machine.

DataLad, git-annex and Git LFS leave a placeholder for a file that was not fetched: a broken link,
or a short text (a pointer). Code that opens a user's file calls these functions first, so that the
message says what the file is, and a placeholder is never taken for a missing file or for content.
"""

import os
import re
from pathlib import Path

from crossfc.fault import Fault

# Pointer files of git-annex have up to 32 KiB; those of Git LFS are shorter.
_LONGEST_POINTER = 32768
_ANNEX = re.compile(rb"(/annex/objects/|(\.\./)*(\./)?\.git/annex/objects/)")
_LFS = b"version https://git-lfs.github.com/spec/"


def absence(path: str | os.PathLike[str]) -> str | None:
    """Explain why the content of a file cannot be read, and what to do about it.

    Parameters
    ----------
    path : path

    Returns
    -------
    str or None
        A phrase to follow the file's name in a sentence, such as ``does not exist``, with a remedy
        if the cause suggests one. None if the file has its content.
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
        # Such as a loop of links, a name that is too long, or a folder without permission.
        reason = getattr(error, "strerror", None) or error
        return f"cannot be opened ({reason}); check its path and permissions"
    if path.is_dir():
        return "is a folder, where a file is due"
    return None if size else "is empty (0 bytes); copy or fetch it again"


def stand_in(path: str | os.PathLike[str]) -> str | None:
    """Describe a broken link or a pointer file, as in `absence`; return None for other files."""
    path = Path(path)
    try:
        if 0 < os.stat(path).st_size <= _LONGEST_POINTER and not path.is_dir():
            return _pointer(path)
    except FileNotFoundError:
        return _dangling(path) if path.is_symlink() else None
    except (OSError, ValueError):
        pass
    return None


def require(path: str | os.PathLike[str], needed_by: str = "", remedy: str = "") -> None:
    """Refuse a file whose content is not present.

    Parameters
    ----------
    path : path
    needed_by : str
        Phrase that says who needs the file, such as ``which sessions.tsv, row 3 needs``.
    remedy : str
        What to do if the file does not exist; broken links and pointers have their own remedies.

    Raises
    ------
    Fault
        If the content is not present.
    """
    why = absence(path)
    if why is not None:
        raise Fault(refusal(path, why, needed_by, remedy))


def refusal(path: str | os.PathLike[str], why: str, needed_by: str = "", remedy: str = "") -> str:
    """Return a sentence about a file whose content is not present (see `absence`, `require`)."""
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
