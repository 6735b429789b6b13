"""Identify the content of a file at low cost, without relying on its time stamp.

A time stamp shows when a file was written or copied, not whether its content changed: a file
replaced by an older version (rsync -a, tar, git-annex) has an older time stamp, and one that was
only touched or copied has a newer one. Planning asks for thousands of files. Therefore a compressed
image is identified by the checksum at the end of a gzip file (RFC 1952, section 2.3.1). Other files
are read once, and their digest is remembered together with their inode, size and times.
"""

import hashlib
import json
import os
import struct
import time
from pathlib import Path
from typing import Any

_FIXED = 10  # bytes of the gzip header
_TRAILER = 8  # bytes of the CRC-32 and the length of the uncompressed data
_EXTRA = 4  # flag for extra fields in the header (blocked gzip, whose last block is empty)
_SETTLED = 2.0  # seconds after which a further change is sure to get another time stamp


class Identities:
    """Identities of the contents of files; digests are remembered in a file between runs.

    Parameters
    ----------
    memory : path
        The file with the digests. It may be deleted at any time.
    """

    def __init__(self, memory: str | Path):
        self._path = Path(memory).absolute()
        self._changed = False
        try:
            known = json.loads(self._path.read_text(encoding="ascii"))
        except (OSError, ValueError):
            known = {}
        # The digest comes last, after what shows that the file has not changed since.
        self._known: dict[str, list[Any]] = known if isinstance(known, dict) else {}

    def of(self, path: str | Path) -> str | None:
        """Return a text that identifies the content of a file; None if it cannot be read.

        Files with equal content have equal identities, whatever their time stamps. A folder is
        identified by the names and sizes of the files in it.
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
            # The file is missing, a broken link, or not readable; the job that reads it reports so.
            return None

    def save(self) -> None:
        """Write the digests to the file, for the next run."""
        if not self._changed:
            return
        temporary = self._path.with_name(f"{self._path.name}.part{os.getpid()}")
        try:
            temporary.write_text(json.dumps(self._known), encoding="ascii")
            os.replace(temporary, self._path)
        except OSError:
            # Planning also works in a folder that cannot be written to.
            return

    def _digest(self, path: str, status: os.stat_result) -> str:
        # Unlike mtime, ctime cannot be set back by users.
        state = [status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns]
        known = self._known.get(os.path.abspath(path))
        if known and known[:-1] == state:
            return str(known[-1])
        with open(path, "rb") as content:
            found = f"sha256:{hashlib.file_digest(content, 'sha256').hexdigest()}"
        if time.time() - status.st_ctime > _SETTLED:
            self._known[os.path.abspath(path)] = [*state, found]
            self._changed = True
        return found


def listing(path: str | Path) -> dict[str, int]:
    """Return the sizes (bytes) of the files in a folder, by relative path.

    For a single file, the only name is "". Hidden files are ignored: Snakemake's time stamps, and
    files of desktops and network disks.
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
    """Return the identity of a gzip file from its last bytes; None if they do not cover it all."""
    if size < _FIXED + _TRAILER:
        return None
    with open(path, "rb", buffering=0) as content:
        header = content.read(_FIXED)
        content.seek(-_TRAILER, os.SEEK_END)
        checksum, length = struct.unpack("<II", content.read(_TRAILER))
    if header[:2] != b"\x1f\x8b" or header[3] & _EXTRA or not length:
        return None
    return f"gzip:{size}:{length}:{checksum:08x}"
