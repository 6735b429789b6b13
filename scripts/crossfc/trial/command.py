"""The command that a sentence tells somebody to type."""

import os
import shlex
from collections.abc import Iterable
from pathlib import Path


def snakemake(target: str, configfiles: Iterable[str | Path] = ()) -> str:
    """Return the command that makes a target of the study at hand.

    The target comes before ``--configfile``, which takes all words that follow it for files.

    Parameters
    ----------
    target : str
    configfiles : iterable of path
        What was given to Snakemake as ``--configfile``.
    """
    words = ["snakemake", "--cores", "1", target]
    files = [_short(Path(path)) for path in configfiles]
    return shlex.join([*words, "--configfile", *files] if files else words)


def _short(path: Path) -> str:
    """Return the path from here where the file is below, else as it stands."""
    try:
        return str(path.relative_to(os.getcwd()))
    except ValueError:
        return str(path)
