"""Whether a bundle names somebody: its files are searched for the identifiers of all people."""

import gzip
import re
from collections.abc import Collection
from pathlib import Path

from crossfc.fault import Fault

_HEADER = 1 << 16  # bytes at the start of an image, in which its header and extensions lie


def require_no_identifier(folder: Path, people: Collection[str]) -> None:
    """Refuse a folder in which the identifier of a person stands, in a file or its name.

    Of images the header is read.

    Parameters
    ----------
    folder : path
    people : collection of str
        Identifiers, such as ``sub-01``.

    Raises
    ------
    Fault
        If one is found; the sentence names the first file, but not the person.
    """
    if not people:
        return
    words = "|".join(re.escape(person) for person in sorted(people, key=len, reverse=True))
    pattern = re.compile(rf"(?<![A-Za-z0-9])(?:{words})(?![A-Za-z0-9])".encode())
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        name = path.relative_to(folder).as_posix()
        if pattern.search(name.encode()) or pattern.search(_content(path)):
            raise Fault(
                f"the bundle would name a person, in {name}; look whether a label of the study "
                "(group, scale, seed, contrast, its title) holds the identifier, and rename it"
            )


def _content(path: Path) -> bytes:
    if path.name.endswith(".gz"):
        with gzip.open(path) as content:
            return content.read(_HEADER)
    return path.read_bytes()
