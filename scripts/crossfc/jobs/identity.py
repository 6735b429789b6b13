"""What a file holds, told cheaply: its time stamp tells when it was copied, not whether it changed.

A file that is replaced by an older version (rsync -a, tar, git-annex) has an older time stamp, and
one that was only touched or copied has a newer one. A planning asks for thousands of files, so a
compressed image is told by the checksum that gzip ends with (RFC 1952, section 2.3.1), and what
must be read as a whole is read once: its digest is kept under what the file system says of it.
"""

import hashlib
import json
import os
import struct
import time
from pathlib import Path

_FIXED = 10  # bytes of the header of gzip
_TRAILER = 8  # CRC-32 and length of what was compressed
_EXTRA = 4  # flag of a header with extra fields, as of blocked gzip, whose last block is empty
_SETTLED = 2.0  # seconds after which a file system is sure to give another change another time


class Identities:
    """Identities of files; digests are remembered in a file from one run to the next.

    Parameters
    ----------
    memory : path
        May be lost at any time.
    """

    def __init__(self, memory: str | Path):
        self._path = Path(memory).absolute()
        self._changed = False
        try:
            known = json.loads(self._path.read_text(encoding="ascii"))
        except (OSError, ValueError):
            known = {}
        self._known: dict[str, list] = known if isinstance(known, dict) else {}

    def of(self, path: str | Path) -> str | None:
        """Return what tells a file's content from another; None where there is no such file.

        Equal for equal content, whatever the time stamp; of a folder, by the names and sizes of
        what it holds.
        """
        try:
            status = os.stat(path)
            if os.path.isdir(path):
                text = json.dumps(listing(path), sort_keys=True)
                return f"folder:{hashlib.sha256(text.encode()).hexdigest()}"
            if str(path).endswith(".gz") and (found := _gzip(path, status.st_size)):
                return found
            return self._digest(os.fspath(path), status)
        except OSError:
            # Missing, a link to nothing, or not to be read: its job says so.
            return None

    def save(self) -> None:
        """Remember for the next run."""
        if not self._changed:
            return
        temporary = self._path.with_name(f"{self._path.name}.part{os.getpid()}")
        try:
            temporary.write_text(json.dumps(self._known), encoding="ascii")
            os.replace(temporary, self._path)
        except OSError:
            # A folder that cannot be written to can still be planned in.
            return

    def _digest(self, path: str, status: os.stat_result) -> str:
        # The time of the last change of a file's entry cannot be set back, other than its mtime.
        state = [status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns]
        known = self._known.get(os.path.abspath(path))
        if known and known[:-1] == state:
            return known[-1]
        with open(path, "rb") as content:
            found = f"sha256:{hashlib.file_digest(content, 'sha256').hexdigest()}"
        if time.time() - status.st_ctime > _SETTLED:
            self._known[os.path.abspath(path)] = [*state, found]
            self._changed = True
        return found


def listing(path: str | Path) -> dict[str, int]:
    """Return the sizes of what a file or folder holds, by name below it; a file's own name is empty.

    Hidden files do not count: time stamps of Snakemake's, what desktops and network disks leave.
    """
    if not os.path.isdir(path):
        return {"": os.stat(path).st_size}
    found: dict[str, int] = {}
    waiting = [(os.fspath(path), "")]
    while waiting:
        folder, below = waiting.pop()
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    waiting.append((entry.path, f"{below}{entry.name}/"))
                else:
                    found[below + entry.name] = entry.stat(follow_symlinks=False).st_size
    return found


def _gzip(path: str | Path, size: int) -> str | None:
    """Return a compressed file's identity; None where its last bytes do not tell of all of it."""
    if size < _FIXED + _TRAILER:
        return None
    with open(path, "rb", buffering=0) as content:
        header = content.read(_FIXED)
        content.seek(-_TRAILER, os.SEEK_END)
        checksum, length = struct.unpack("<II", content.read(_TRAILER))
    if header[:2] != b"\x1f\x8b" or header[3] & _EXTRA or not length:
        return None
    return f"gzip:{size}:{length}:{checksum:08x}"
