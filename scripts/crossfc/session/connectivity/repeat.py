"""Choose one of the repeat runs of a session."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NotRequired, TypedDict, TypeVar

from crossfc.fault import Fault, raise_all
from crossfc.session.connectivity.record import ConsideredRun, PassedOverRun
from crossfc.session.physiology.recording import RecordingFiles

Opened = TypeVar("Opened")

# Repeats follow one protocol. One that has less than this share of the volumes of the longest was
# stopped early; it is not chosen even if it has little motion.
LEAST_SHARE = 0.9


class Run(TypedDict):
    """A preprocessed run: its name in the sheet, and its files.

    ``sidecars`` are those of the BOLD, from the root of the data set downwards. ``recordings`` are
    those of pulse and breathing during the run, ``recordings_absent`` sentences on recordings whose
    content is not here; ``coregistration`` is fMRIPrep's transform between the run and the T1w,
    where it is known. A run that was cleaned before (``cleaned``) may lack mask and confounds, and
    may have ``motion`` and ``outliers``; ``aroma``, or ``mixing`` and ``metrics``, are tables of
    components.
    """

    scan: str
    bold: str | Path
    mask: NotRequired[str | Path | None]
    confounds: NotRequired[str | Path | None]
    cleaned: NotRequired[bool]
    motion: NotRequired[str | Path | None]
    outliers: NotRequired[str | Path | None]
    aroma: NotRequired[str | Path | None]
    mixing: NotRequired[str | Path | None]
    metrics: NotRequired[str | Path | None]
    sidecars: NotRequired[Sequence[str | Path]]
    recordings: NotRequired[Sequence[RecordingFiles]]
    recordings_absent: NotRequired[Sequence[str]]
    coregistration: NotRequired[str | Path | None]


def choose_repeat(
    runs: Sequence[Run],
    open_run: Callable[[Run], Opened],
    measure: Callable[[Opened], tuple[int, float | None]],
) -> tuple[int, Opened, list[ConsideredRun], list[PassedOverRun]]:
    """Choose the complete repeat with the lowest mean framewise displacement.

    The choice does not depend on connectivity or outcome. If two runs are equal, the earlier one
    is taken. A run that cannot be used is passed over if there is another.

    Parameters
    ----------
    runs : sequence of Run
    open_run : callable
        Reads a run; raises Fault if it cannot be used.
    measure : callable
        Takes what ``open_run`` returned; returns the number of usable volumes and the mean
        framewise displacement (mm; None if not known).

    Returns
    -------
    index : int
        Position of the chosen run in ``runs``.
    opened : object
        What ``open_run`` returned for it.
    considered : list of ConsideredRun
        The runs that could be read.
    passed_over : list of PassedOverRun
        The runs that could not be chosen.

    Raises
    ------
    Fault
        If no run can be used; with the reasons of all.
    """
    if len(runs) == 1:
        opened = open_run(runs[0])
        return 0, opened, [{"scan": runs[0]["scan"], "mean_fd": measure(opened)[1]}], []
    measured: dict[int, tuple[int, float | None]] = {}
    passed_over: list[PassedOverRun] = []
    faults: list[str] = []
    for i, run in enumerate(runs):
        try:
            # Only one run is in memory at a time; the chosen one is read again at the end.
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
            # A run without known displacement is chosen last.
            whole[i] = math.inf if mean_fd is None else mean_fd
            continue
        reason = f"{volumes} usable volumes where another repeat has {longest}"
        passed_over.append({"scan": runs[i]["scan"], "reason": reason})
    index = min(whole, key=whole.__getitem__)
    considered: list[ConsideredRun] = [
        {"scan": runs[i]["scan"], "mean_fd": fd} for i, (_, fd) in measured.items()
    ]
    passed_over.sort(key=lambda run: [r["scan"] for r in runs].index(run["scan"]))
    return index, open_run(runs[index]), considered, passed_over
