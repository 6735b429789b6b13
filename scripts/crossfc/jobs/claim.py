"""Claims: a record of which folders and files were made by crossfc and may be overwritten.

Simulated and preprocessed scans are named like those of a scanner's data set or of fMRIPrep's
derivatives. So a folder that the config names by mistake, or a file that somebody put into one of
our folders, could be overwritten. To prevent this, a folder counts as made by crossfc only if it
contained no file before the first run that filled it; that run writes a claim into it. A file in
it counts as made by crossfc only if the job that made it recorded it, with its size and a digest.
Nothing else is ever overwritten.

Only the standard library is imported here, because this runs whenever jobs are planned.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from crossfc import atomic
from crossfc.fault import Fault

FOLDER = ".crossfc"
_CLAIM = f"{FOLDER}/claim.json"
_FILES = f"{FOLDER}/files"
_SAMPLE = 1 << 16  # bytes read from either end of a large file
_WHOLE = 1 << 22  # files up to this size are read as a whole


RESULTS, TWIN, PREPROCESSED = "results", "simulated scans", "preprocessed scans"


def make(root: str | os.PathLike[str], kind: str) -> None:
    """Claim a folder, and create it if needed. Check it with `fault` first.

    Parameters
    ----------
    root : path
    kind : str
        What the folder is for: `RESULTS`, `TWIN` or `PREPROCESSED`. The kind is recorded so that
        simulated scans, for example, never overwrite preprocessed ones.

    Raises
    ------
    Fault
        If the folder cannot be written to.
    """
    root = Path(root)
    if _bound(root):
        return
    try:
        root.mkdir(parents=True, exist_ok=True)
        said = {"made_by": "crossfc", "holds": kind}
        atomic.write_json(root / _CLAIM, said | _place(root))
    except OSError as error:
        raise Fault(
            f"{root} cannot be written to ({error.strerror}); change its permissions, or name "
            "another folder in the config"
        ) from None


def kind_of(root: str | os.PathLike[str]) -> str | None:
    """Return what a folder is claimed for, even if it is a copy; None if it has no claim."""
    said = _read(Path(root) / _CLAIM)
    if not isinstance(said, dict):
        return None
    return str(said.get("holds", "a purpose that its claim does not name"))


def first_file(root: str | os.PathLike[str]) -> str | None:
    """Return the relative path of a file in a folder; None if it has no file or does not exist.

    Hidden files (of version control, of the desktop) are ignored, except ``.bidsignore``, which
    belongs to a data set.
    """
    found = next(_files(Path(root)), None)
    return None if found is None else str(found.relative_to(root))


def is_result(root: str | os.PathLike[str]) -> bool:
    """Test whether a folder's ``dataset_description.json`` is one of results of crossfc."""
    said = _read(Path(root) / "dataset_description.json")
    if not isinstance(said, dict) or str(said.get("Name")).endswith(", preprocessed"):
        return False
    made = said.get("GeneratedBy")
    made = made if isinstance(made, list) else [made]
    return any(isinstance(one, dict) and one.get("Name") == "crossfc" for one in made)


@contextmanager
def making(*paths: str | os.PathLike[str]) -> Iterator[None]:
    """Record the files that the block writes, all of them in one claimed folder.

    Their names are already recorded before the block, so that a job that was killed half-way can
    run again and overwrite them.

    Parameters
    ----------
    *paths : path
        All files that are written, including those that are not outputs in the workflow.
    """
    files = [Path(path) for path in paths]
    root = _root_of(files[0])
    names = [path.relative_to(root).as_posix() for path in files]
    record = root / _FILES / f"{names[0]}.json"
    atomic.write_json(record, dict.fromkeys(names))
    yield
    states = {n: _state(p) for n, p in zip(names, files, strict=True) if p.is_file()}
    atomic.write_json(record, states)


def fault(root: str | os.PathLike[str], kind: str, files: Iterable[str | os.PathLike[str]]) -> str:
    """Describe why files must not be written into a folder: existing files not made by crossfc.

    Parameters
    ----------
    root : path
        The folder; it need not exist.
    kind : str
        What it would be claimed for (see `make`).
    files : iterable of path
        All files that may be written into it.

    Returns
    -------
    str
        Part of a sentence that names the first such files; empty if files may be written.
    """
    root = Path(root)
    known = kind_of(root)
    if known is None:
        found = first_file(root)
        if found is None:
            return ""
        return f"{root} was not made by crossfc, or by a version without claims (it holds {found})"
    if known != kind:
        return f"{root} was made by crossfc for {known}"
    records = _records(root)
    if not _bound(root):
        # The claim was made elsewhere. If the whole folder was copied, all files in it are ours; if
        # only the claim was copied, there are files of others.
        foreign = [path for path in _files(root) if not _is_ours(path, root, records)]
    else:
        foreign = [p for p in map(Path, files) if os.path.lexists(p)]
        foreign = [p for p in foreign if not _is_ours(p, root, records)]
        foreign += _outside(root, files)
    if not foreign:
        return ""
    said = ", ".join(str(path) for path in foreign[:3])
    more = f" and {len(foreign) - 3} more" if len(foreign) > 3 else ""
    return f"{said}{more} in {root}: not made by crossfc, or changed since"


def _outside(root: Path, files: Iterable[str | os.PathLike[str]]) -> list[Path]:
    """List the folders of files that lie outside ``root``, because they are links."""
    inside = root.resolve()
    parents = dict.fromkeys(Path(path).parent for path in files)
    return [p for p in parents if not p.resolve().is_relative_to(inside)]


def _files(root: Path) -> Iterator[Path]:
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if not name.startswith(".") or name == ".bidsignore":
                yield Path(folder, name)
        # crossfc makes no links to folders, so somebody else made this one.
        yield from (Path(folder, name) for name in folders if Path(folder, name).is_symlink())


def _records(root: Path) -> dict[str, list[Any]]:
    """Return the records of jobs: file name to its states (None if the job did not finish)."""
    found: dict[str, list[Any]] = {}
    for folder, _, names in os.walk(root / _FILES):
        for name in names:
            if name.endswith(".json") and not name.startswith("."):
                said = _read(Path(folder, name))
                for path, state in (said if isinstance(said, dict) else {}).items():
                    found.setdefault(path, []).append(state)
    return found


def _is_ours(path: Path, root: Path, records: dict[str, list[Any]]) -> bool:
    states = records.get(path.relative_to(root).as_posix())
    if not states or not path.is_file():
        return False
    known = [state for state in states if isinstance(state, dict)]
    if len(known) < len(states):
        return True  # the job that was writing it was killed
    status = path.stat()
    sized = [state for state in known if state.get("size") == status.st_size]
    if any(state.get("time") == status.st_mtime_ns for state in sized):
        return True
    # The file may be a copy with another modification time; then compare the content.
    return bool(sized) and _digest(path) in [state.get("digest") for state in sized]


def _state(path: Path) -> dict[str, Any]:
    status = path.stat()
    return {"size": status.st_size, "time": status.st_mtime_ns, "digest": _digest(path)}


def _digest(path: Path) -> str:
    """Return the SHA-256 of a file; for a large file of both ends only, to save time."""
    size = path.stat().st_size
    with open(path, "rb") as content:
        if size <= _WHOLE:
            return hashlib.file_digest(content, "sha256").hexdigest()
        total = hashlib.sha256(content.read(_SAMPLE))
        content.seek(size - _SAMPLE)
        total.update(content.read(_SAMPLE))
    return total.hexdigest()


def _root_of(path: Path) -> Path:
    """Return the root of the data set that a file belongs to: the parent of the person's folder."""
    person = path.name.partition("_")[0]
    if person.startswith("sub-"):
        for folder in path.parents:
            if folder.name == person:
                return folder.parent
    return path.parent


def _place(root: Path) -> dict[str, Any]:
    return {"folder": str(root.resolve()), "inode": root.stat().st_ino}


def _bound(root: Path) -> bool:
    """Test whether the claim was made in this folder (which may have been moved), not in a copy."""
    said = _read(root / _CLAIM)
    if not isinstance(said, dict):
        return False
    return any(said.get(key) == value for key, value in _place(root).items())


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
