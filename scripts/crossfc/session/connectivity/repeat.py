"""Repeat runs of one session: which of them is the session's scan, and why not the others."""

import math
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from crossfc.fault import Fault, raise_all

Opened = TypeVar("Opened")

# Repeats are made to one protocol. One that lacks more than a tenth of the volumes of the longest
# was broken off; that it has little motion is then no merit.
LEAST_SHARE = 0.9


def choose_repeat(
    runs: Sequence[dict[str, Any]],
    open_run: Callable[[dict[str, Any]], Opened],
    measure: Callable[[Opened], tuple[int, float | None]],
) -> tuple[int, Opened, list[dict[str, Any]], list[dict[str, str]]]:
    """Choose the repeat with the lowest mean framewise displacement among the whole ones.

    The rule knows nothing of connectivity or outcome. A tie goes to the earlier run. A run that
    cannot be used is passed over, where there is another.

    Parameters
    ----------
    runs : sequence of dict
        Each with its name ``scan``.
    open_run : callable
        Reads a run; raises Fault where it cannot be used.
    measure : callable
        Gives the number of usable volumes of what was read, and its mean framewise displacement
        (mm), None where it is not known.

    Returns
    -------
    index : int
    opened : object
        What ``open_run`` gave of it.
    considered : list of dict
        ``scan`` and ``mean_fd`` of each run that could be read.
    passed_over : list of dict
        ``scan`` and ``reason`` of each run that is no choice.

    Raises
    ------
    Fault
        If no run can be used, with the faults of all.
    """
    if len(runs) == 1:
        opened = open_run(runs[0])
        return 0, opened, [{"scan": runs[0]["scan"], "mean_fd": measure(opened)[1]}], []
    measured: dict[int, tuple[int, float | None]] = {}
    passed_over: list[dict[str, str]] = []
    faults: list[str] = []
    for i, run in enumerate(runs):
        try:
            # One run at a time is held in memory; the chosen one is read again.
            measured[i] = measure(open_run(run))
        except Fault as fault:
            faults += str(fault).splitlines()
            passed_over.append({"scan": run["scan"], "reason": str(fault)})
    if not measured:
        raise_all(faults)
    longest = max(volumes for volumes, _ in measured.values())
    whole = {}
    for i, (volumes, mean_fd) in measured.items():
        if volumes >= LEAST_SHARE * longest:
            # Where no displacement is known, nothing speaks for the run.
            whole[i] = math.inf if mean_fd is None else mean_fd
            continue
        reason = f"{volumes} usable volumes where another repeat has {longest}"
        passed_over.append({"scan": runs[i]["scan"], "reason": reason})
    index = min(whole, key=whole.__getitem__)
    considered = [{"scan": runs[i]["scan"], "mean_fd": fd} for i, (_, fd) in measured.items()]
    passed_over.sort(key=lambda run: [r["scan"] for r in runs].index(run["scan"]))
    return index, open_run(runs[index]), considered, passed_over
