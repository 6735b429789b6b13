"""Keep the configuration and sheets from which a run was planned, for all its jobs.

A run may take days, and somebody may correct a score meanwhile. A cluster job reads the sheets
again when it starts. It must find them as they were when the run was planned; otherwise results
would contain the new value but be recorded with the old one. So a run saves what it read, and its
jobs read that.
"""

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, TypedDict

from crossfc.trial import sheet

# Environment variable of every job of a run: the path of the file that `save` wrote.
PLAN = "CROSSFC_PLAN"


class Kept(TypedDict):
    """What `save` writes: the configuration, the texts by absolute path, and why no repeats."""

    config: dict[str, Any]
    texts: dict[str, str]
    repeats: dict[str, str | None]


# Contents by absolute path; None until first needed.
_texts: dict[str, bytes] | None = None


@contextmanager
def reading(paths: Iterable[str | Path]) -> Iterator[dict[str, bytes]]:
    """Read files once; within the block, `content` returns what was read.

    Parameters
    ----------
    paths : iterable of path
        The files of the design. A file that cannot be read is skipped; whoever needs it reports
        the error.

    Yields
    ------
    dict
        Absolute path to content, for `save`. In a job, the content when the run was planned.
    """
    global _texts
    before = _planned()
    found = {}
    for path in paths:
        name = os.path.abspath(path)
        try:
            found[name] = before[name] if name in before else Path(name).read_bytes()
        except (OSError, ValueError):
            continue
    _texts = before | found
    try:
        yield found
    finally:
        _texts = before


def content(path: str | Path) -> bytes | None:
    """Return the content of a file of the design when the run was planned; None for other files."""
    return _planned().get(os.path.abspath(path))


def save(
    path: str | Path,
    config: dict[str, Any],
    texts: dict[str, bytes],
    repeats: Mapping[str, str | None] | None = None,
) -> None:
    """Save the configuration and the texts of a plan for the jobs that this process will start."""
    # With surrogateescape, bytes that are not valid UTF-8 are restored exactly.
    kept = {name: text.decode("utf-8", "surrogateescape") for name, text in texts.items()}
    temporary = Path(f"{path}.part")
    content: Kept = {"config": config, "texts": kept, "repeats": dict(repeats or {})}
    temporary.write_text(json.dumps(content), encoding="ascii")
    os.replace(temporary, path)
    _read.cache_clear()
    os.environ[PLAN] = os.path.abspath(path)


def config() -> dict[str, Any] | None:
    """Return the configuration from which the run of this job was planned; None outside a job."""
    found = _kept()
    return found and found["config"]


def repeats() -> dict[str, str | None] | None:
    """Return why repeat runs are not used, as the run of this job was planned; None outside a job.

    A repeat that goes missing while a job waits must not be passed over by the job alone: its
    result would be of other scans than its record says.
    """
    found = _kept()
    return found and found.get("repeats")


def disregard() -> None:
    """Use files as they are now, because this process starts a run or writes the sheets itself."""
    global _texts
    os.environ.pop(PLAN, None)
    _texts = None


def _planned() -> dict[str, bytes]:
    global _texts
    if _texts is None:
        kept = _kept()
        texts = kept["texts"] if kept else {}
        _texts = {name: text.encode("utf-8", "surrogateescape") for name, text in texts.items()}
    return _texts


def _kept() -> Kept | None:
    path = os.environ.get(PLAN)
    if not path:
        return None
    try:
        return _read(path)
    except FileNotFoundError:
        # A later run has cleaned up after this one and will end its jobs.
        return None


@lru_cache(maxsize=1)
def _read(path: str) -> Kept:
    found: Kept = json.loads(Path(path).read_text(encoding="ascii"))
    return found


# Whoever reads sheets stands below this machinery and does not know it.
sheet.as_planned = content
