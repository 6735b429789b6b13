"""Tell crossfc's own rules from others, because another workflow may use crossfc as a module.

What crossfc changes in Snakemake holds for its own rules only; those of the other workflow run as
they would without it.
"""

import os
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

# Folders of the Snakefiles of crossfc that this process has read, and the one of this module.
_homes = {os.path.realpath(Path(__file__).parents[3])}


def add_home(folder: str | Path) -> None:
    """Count the rules below the folder of a Snakefile as crossfc's; it may be of another copy."""
    _homes.add(os.path.realpath(folder))
    _of_crossfc.cache_clear()


def is_own(rule: Any) -> bool:
    """Test whether a rule is of crossfc, also if another workflow uses it under another name."""
    return _of_crossfc(str(rule.snakefile))


@lru_cache
def _of_crossfc(snakefile: str) -> bool:
    path = os.path.realpath(snakefile)
    return any(
        path == f"{home}/Snakefile" or path.startswith(f"{home}/workflow/rules/") for home in _homes
    )


def all_own(jobs: Iterable[Any]) -> bool:
    """Test whether all jobs of a batch are of crossfc."""
    return all(is_own(job.rule) for job in jobs)
