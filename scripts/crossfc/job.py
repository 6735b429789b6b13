"""A job: one script run by the workflow, with its threads, its log and its faults in order."""

import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from crossfc.fault import Fault

_THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS",
)


@contextmanager
def job(snakemake: Any) -> Iterator[None]:
    """Run the body of a script with the threads it was given.

    Libraries read their number of threads when they are imported, so numerical modules are
    imported inside the block.

    Parameters
    ----------
    snakemake : object
        What Snakemake gives a script; only ``threads`` and ``log`` are used.

    Notes
    -----
    A Fault is printed as its sentence and ends the script with exit code 1. Anything else is a
    bug: its traceback goes to the log too.
    """
    for variable in _THREAD_VARIABLES:
        os.environ[variable] = str(snakemake.threads)
    log = Path(snakemake.log[0]) if snakemake.log else None
    if log is not None:
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text("", encoding="utf-8")
    try:
        yield
    except Fault as fault:
        _say(f"crossfc: {fault}", log)
        sys.exit(1)
    except Exception:
        _say(traceback.format_exc(), log)
        sys.exit(1)


def note(snakemake: Any, text: str) -> None:
    """Write a line into the job's log."""
    with open(snakemake.log[0], "a", encoding="utf-8") as log:
        log.write(text + "\n")


def _say(text: str, log: Path | None) -> None:
    print(text, file=sys.stderr, flush=True)
    if log is not None:
        with open(log, "a", encoding="utf-8") as lines:
            lines.write(text.rstrip("\n") + "\n")
