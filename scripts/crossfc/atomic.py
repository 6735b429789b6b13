"""Write files completely or not at all: under a temporary name, which is then renamed."""

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
    """Permit everything: the default outside of jobs."""


# Called before a temporary file is renamed; raises an exception to prevent it. A job sets a
# function here that checks whether its run is still alive.
permission: Callable[[], None] = _granted


@contextmanager
def writing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Provide a temporary path in the same folder, which is renamed to ``path`` after the block.

    The temporary name has the same extension, so that writers that choose the format by it
    (nibabel, matplotlib) work. If the block raises an exception, the temporary file is removed; if
    the process is killed, the next one removes it. Two processes must not write the same file at
    the same time.
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
def writing_folder(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Provide an empty temporary folder beside ``path``, which replaces ``path`` after the block.

    The former content of ``path`` is then deleted. If the block raises an exception or the process
    is killed, ``path`` stays as it was. A killed process leaves ``.part<number>_<name>`` beside
    it, which the next one removes. Two processes must not write the same folder at the same time.
    """
    path = Path(path).resolve()
    path.parent.mkdir(parents=True, exist_ok=True)
    # The name contains the process number, so that a job that goes on although its run was killed
    # does not write into the folder of the next job.
    temporary, old = (path.with_name(f".{w}{os.getpid()}_{path.name}") for w in ("part", "old"))
    for left in (*_left(path, "part"), *_left(path, "old")):
        shutil.rmtree(left, ignore_errors=True)
    temporary.mkdir()
    try:
        yield temporary
        permission()
        # A folder that is not empty cannot be replaced in one step, so for a moment there is none.
        if path.exists():
            os.replace(path, old)
        os.replace(temporary, path)
    finally:
        for folder in (temporary, old):
            shutil.rmtree(folder, ignore_errors=True)


def _left(path: Path, word: str) -> list[Path]:
    """List the temporary files that killed processes left for exactly this file or folder."""
    own = re.compile(rf"\.{word}[0-9]+_{re.escape(path.name)}")
    return [path.with_name(name) for name in os.listdir(path.parent) if own.fullmatch(name)]


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write text to a file as UTF-8."""
    with writing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: str | os.PathLike[str], content: Any) -> None:
    """Write JSON, indented, with a final newline.

    NumPy numbers and arrays are written as plain numbers and lists. NaN and infinite numbers, which
    do not exist in JSON, are written as null.
    """
    text = json.dumps(_plain(content), indent=2, ensure_ascii=False, allow_nan=False)
    write_text(path, text + "\n")


def write_table(path: str | os.PathLike[str], table: "pandas.DataFrame") -> None:
    """Write a table as in BIDS: tab-separated, with ``n/a`` for missing values."""
    with writing(path) as temporary:
        table.to_csv(temporary, sep="\t", na_rep="n/a", index=False)


def write_columns(path: str | os.PathLike[str], columns: Mapping[str, Iterable[Any]]) -> None:
    """Write columns of words and floats, giving the same bytes as `write_table`.

    It is meant for rules with hundreds of jobs that do not need pandas otherwise, because importing
    pandas takes a tenth of a second.
    """
    values = [c.tolist() if hasattr(c, "tolist") else list(c) for c in columns.values()]
    lines = ["\t".join(columns)]
    for row in zip(*values, strict=True):
        lines.append("\t".join("n/a" if cell != cell else str(cell) for cell in row))
    write_text(path, "\n".join(lines) + "\n")


def save_image(path: str | os.PathLike[str], image: "nibabel.spatialimages.SpatialImage") -> None:
    """Write an image; the bytes of a ``.nii.gz`` depend on its content only, not on name and time.

    ``image`` is a nibabel image; the extension of ``path`` decides whether it is compressed.
    """
    path = Path(path)
    if path.name.endswith(".nii.gz"):
        import zlib

        # Compressed without GzipFile, which would write the temporary name and the time into the
        # header.
        raw = image.to_bytes()  # type: ignore[attr-defined] # only NIfTI ends in .nii.gz
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
