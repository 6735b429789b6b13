"""Whole files or none: everything is written under a temporary name and then renamed."""

import json
import math
import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import nibabel
    import pandas


def _granted() -> None:
    """Nobody is asked."""


# Asked before anything gets its name; raises where it may not. A job asks whether its run lives.
permission: Callable[[], None] = _granted


@contextmanager
def writing(path: str | os.PathLike) -> Iterator[Path]:
    """Return a temporary path in the same folder; rename it to ``path`` when the block succeeds.

    The temporary name ends as the real one does, so writers that look at the extension
    (nibabel, matplotlib) do the right thing. If the block raises, nothing is left behind; what a
    killed process leaves, the next one removes. Two processes may not write the same file at the
    same time.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    for left in _left(path, "part"):
        left.unlink(missing_ok=True)
    temporary = path.with_name(f".part{os.getpid()}_{path.name}")
    try:
        yield temporary
        with open(temporary, "rb") as written:
            os.fsync(written.fileno())
        permission()
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def writing_folder(path: str | os.PathLike) -> Iterator[Path]:
    """Return an empty folder beside ``path`` that takes its place when the block succeeds.

    What was in ``path`` before is then gone. If the block raises, or the process is killed,
    ``path`` is as it was; what a killed process leaves is ``.part<number>_<name>`` beside it, which
    the next one removes. Two processes may not write the same folder at the same time.
    """
    path = Path(path).resolve()
    path.parent.mkdir(parents=True, exist_ok=True)
    # One that goes on although its run was killed must not write into the next one's folder.
    temporary, old = (path.with_name(f".{w}{os.getpid()}_{path.name}") for w in ("part", "old"))
    for left in (*_left(path, "part"), *_left(path, "old")):
        shutil.rmtree(left, ignore_errors=True)
    temporary.mkdir()
    try:
        yield temporary
        permission()
        # A folder that holds something cannot be renamed over, so for a moment there is none.
        if path.exists():
            os.replace(path, old)
        os.replace(temporary, path)
    finally:
        for folder in (temporary, old):
            shutil.rmtree(folder, ignore_errors=True)


def _left(path: Path, word: str) -> list[Path]:
    """List what killed processes left of a file or folder, and not of one whose name ends alike."""
    own = re.compile(rf"\.{word}[0-9]+_{re.escape(path.name)}")
    return [path.with_name(name) for name in os.listdir(path.parent) if own.fullmatch(name)]


def write_text(path: str | os.PathLike, text: str) -> None:
    """Write text as UTF-8."""
    with writing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: str | os.PathLike, content: Any) -> None:
    """Write JSON, indented, with a final newline.

    NumPy numbers are written as plain ones, and numbers that are NaN or infinite, which JSON does
    not know, as null.
    """
    text = json.dumps(_plain(content), indent=2, ensure_ascii=False, allow_nan=False)
    write_text(path, text + "\n")


def write_table(path: str | os.PathLike, table: "pandas.DataFrame") -> None:
    """Write a table as BIDS does: tab-separated, ``n/a`` where a value is missing."""
    with writing(path) as temporary:
        table.to_csv(temporary, sep="\t", na_rep="n/a", index=False)


def write_columns(path: str | os.PathLike, columns: Mapping[str, Iterable[Any]]) -> None:
    """Write columns of words and floats as `write_table` does, to the byte.

    For jobs by the hundred that need pandas for nothing else: its import takes a tenth of a second.
    """
    values = [c.tolist() if hasattr(c, "tolist") else list(c) for c in columns.values()]
    lines = ["\t".join(columns)]
    for row in zip(*values, strict=True):
        lines.append("\t".join("n/a" if cell != cell else str(cell) for cell in row))
    write_text(path, "\n".join(lines) + "\n")


def save_image(path: str | os.PathLike, image: "nibabel.spatialimages.SpatialImage") -> None:
    """Write an image; ``.nii.gz`` bytes depend on the content only, not on name or time."""
    path = Path(path)
    if path.name.endswith(".nii.gz"):
        import zlib

        # A gzip header made by hand: GzipFile would put the temporary name and the time into it.
        raw = image.to_bytes()
        deflate = zlib.compressobj(level=4, wbits=31)
        with writing(path) as temporary:
            temporary.write_bytes(deflate.compress(raw) + deflate.flush())
        return
    with writing(path) as temporary:
        image.to_filename(temporary)


def _plain(value: Any) -> Any:
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
