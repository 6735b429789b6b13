"""Commands to type, as they are quoted in messages."""

import os
import shlex
from collections.abc import Iterable
from pathlib import Path


def snakemake(target: str, configfiles: Iterable[str | Path] = ()) -> str:
    """Return the Snakemake command that makes a target of the current study.

    The target comes before ``--configfile``, because that option takes all words after it as files.

    Parameters
    ----------
    target : str
    configfiles : iterable of path
        The files given to Snakemake as ``--configfile``.

    Returns
    -------
    str
    """
    words = ["snakemake", "--cores", "1", target]
    files = [_short(Path(path)) for path in configfiles]
    return shlex.join([*words, "--configfile", *files] if files else words)


def _short(path: Path) -> str:
    """Return a path relative to the working directory if it lies below, else unchanged."""
    try:
        return str(path.relative_to(os.getcwd()))
    except ValueError:
        return str(path)
