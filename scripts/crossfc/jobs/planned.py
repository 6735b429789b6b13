"""What a run was planned from: configuration and sheets, read once and the same for all its jobs.

A run may go on for days, and somebody corrects a score meanwhile. A job of a cluster reads the
sheets again when it starts; it must find what the run was planned from, or results would hold the
new value under a record of the old one. So a run keeps what it read, and its jobs read that.
"""

import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

# In the environment of every job of a run: the file that `save` wrote.
PLAN = "CROSSFC_PLAN"

# By absolute path; None until asked for.
_texts: dict[str, bytes] | None = None


@contextmanager
def reading(paths: Iterable[str | Path]) -> Iterator[dict[str, bytes]]:
    """Read files once: within the block, `content` gives of each what it holds now.

    Parameters
    ----------
    paths : iterable of path
        The files that are the design; those that cannot be read are left to who asks for them.

    Yields
    ------
    dict
        Absolute path to content, for `save`. In a job of a run, what the run was planned from.
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
    """Return what a file of the design held when the run was planned; None for any other file."""
    return _planned().get(os.path.abspath(path))


def save(path: str | Path, config: dict[str, Any], texts: dict[str, bytes]) -> None:
    """Keep a plan's configuration and texts for the jobs that this process will start."""
    # Bytes that are no UTF-8 come back as they were.
    kept = {name: text.decode("utf-8", "surrogateescape") for name, text in texts.items()}
    temporary = Path(f"{path}.part")
    temporary.write_text(json.dumps({"config": config, "texts": kept}), encoding="ascii")
    os.replace(temporary, path)
    os.environ[PLAN] = os.path.abspath(path)


def config() -> dict[str, Any] | None:
    """Return the configuration that the run of this job was planned from; None in no such job."""
    found = _kept()
    return found and found["config"]


def disregard() -> None:
    """Read files as they are now: this process begins a run, or writes the sheets itself."""
    global _texts
    os.environ.pop(PLAN, None)
    _texts = None


def _planned() -> dict[str, bytes]:
    global _texts
    if _texts is None:
        texts = (_kept() or {"texts": {}})["texts"]
        _texts = {name: text.encode("utf-8", "surrogateescape") for name, text in texts.items()}
    return _texts


def _kept() -> dict[str, Any] | None:
    path = os.environ.get(PLAN)
    if not path:
        return None
    try:
        return json.loads(Path(path).read_text(encoding="ascii"))
    except FileNotFoundError:
        # A later run has ended this one, and will end its jobs.
        return None
