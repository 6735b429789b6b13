"""The runs of the workflow in a folder: find those that are active, clean up after killed ones.

A run that is killed (kill -9, a closed terminal, a login node that restarts) cannot clean up.
Snakemake's lock remains, so that the next run is refused; and its jobs go on, so that the next run
would start the same jobs a second time. Therefore every run keeps a note that identifies it, which
is removed when it ends. The next run reads these notes: if the process of a note is dead, its lock
is removed, and its jobs that still wait or run are ended. If this cannot be known, because the run
was on another machine, the user is asked.
"""

import atexit
import json
import os
import subprocess
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from crossfc.fault import Fault
from crossfc.jobs import process

NOTES = Path(".snakemake/crossfc_runs")
_LOCKS = Path(".snakemake/locks")
_SHOWN = 20  # names of jobs that are listed in a sentence
_PATIENCE = 120  # seconds to wait until cancelled jobs have left the queue


def begin() -> None:
    """Write the note of this run; it is removed when the process ends normally."""
    note()
    atexit.register(_forget, _own_note())


def plan_file() -> Path:
    """Return the file in which this run saves its plan (see `crossfc.jobs.planned`)."""
    return _own_note().with_suffix(".plan")


def _forget(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.with_suffix(".plan").unlink(missing_ok=True)


def note(
    jobs: str | None = None,
    locks: Iterable[str] | None = None,
    queue: str | None = None,
    submitted: str | None = None,
) -> None:
    """Update the note of this run; values that are not given stay as they are.

    Parameters
    ----------
    jobs : str, optional
        The name of all its jobs in SLURM's queue; None for runs without SLURM.
    locks : iterable of str, optional
        The files of Snakemake's lock that belong to this run.
    queue : str, optional
        The executor, if it is neither local nor SLURM (cluster-generic, lsf, …).
    submitted : str, optional
        The identifier of one more job of this run in such a queue.
    """
    path = _own_note()
    path.parent.mkdir(parents=True, exist_ok=True)
    content: dict[str, Any] = {"jobs": None, "locks": None, "queue": None, "submitted": []}
    content |= (_read(path) or {}) | process.identity()
    content |= {} if jobs is None else {"jobs": jobs}
    content |= {} if queue is None else {"queue": queue}
    content["submitted"] += [] if submitted is None else [submitted]
    content |= {} if locks is None else {"locks": [Path(lock).name for lock in locks]}
    temporary = path.with_suffix(".part")
    temporary.write_text(json.dumps(content), encoding="utf-8")
    os.replace(temporary, path)


def _own_note() -> Path:
    own = process.identity()
    # The path is absolute, because the working directory may have changed when it is removed.
    return Path(f"{NOTES}/{own['host']}-{own['process']}.json").resolve()


def free_lock() -> None:
    """Remove the files of Snakemake's lock that belong to dead runs."""
    notes = _notes().values()
    gone = [own for own in notes if process.dead(own)]
    others = [own for own in notes if not process.dead(own)]
    if not gone:
        return
    held = {lock for own in others for lock in own["locks"] or ()}
    free = {lock for own in gone for lock in own["locks"] or ()} - held
    if any(own["locks"] is None for own in others):
        # Another run is taking its lock at this moment, and any file may be its own.
        return
    if any(own["locks"] is None for own in gone):
        # The run was killed before it noted its lock files; they are those that no other run holds.
        free = {path.name for path in _LOCKS.glob("*.lock")} - held
    for lock in free:
        (_LOCKS / lock).unlink(missing_ok=True)


def refuse_lock() -> None:
    """Raise a fault that says who holds the lock, if a note shows it.

    Raises
    ------
    Fault
        If there is a note of a run that is active, or that is on another machine.
    """
    for path, own in _notes().items():
        ended = process.dead(own)
        if own["process"] == os.getpid() or ended:
            continue
        who = f"a run on {own['host']} (process {own['process']})"
        if ended is None:
            raise Fault(
                f"{who} is at work here or was killed, and only there one can tell; go on there, "
                f"or make sure that it is dead, `rm {path}` and add --unlock to the command once"
            )
        raise Fault(f"{who} is at work on the same results; wait until it has ended, or stop it")


def end_left_over() -> list[str]:
    """End the jobs that dead runs left on this machine and in SLURM's queue.

    Returns
    -------
    list of str
        One sentence for each dead run that may have left jobs in a queue other than SLURM's, which
        the user must end. Such jobs do no harm to results, which are never written in part.

    Raises
    ------
    Fault
        If it cannot be known whether a run is dead, or its jobs do not end.
    """
    staying = process.kill(process.left_over())
    if staying:
        raise Fault(
            f"jobs of a killed run do not end (process {', '.join(map(str, staying))}); start "
            "again when they are gone"
        )
    said = []
    for path, own in _notes().items():
        ended = process.dead(own)
        if ended is None and own["jobs"]:
            raise Fault(
                f"a run on {own['host']} (process {own['process']}) is at work here or was "
                "killed, and only there one can tell; go on there, or make sure that it is dead "
                f"and `scancel --name {own['jobs']}; rm {path}`"
            )
        if ended:
            if own["jobs"]:
                _cancel(own["jobs"])
            elif own.get("queue"):
                said.append(_left(own))
            _forget(path)
    return said


def _left(own: dict[str, Any]) -> str:
    last = own.get("submitted", [])[-_SHOWN:]
    which = f", the last of them {' '.join(last)}" if last else ""
    return (
        f"a run that was killed may have left jobs in the queue of {own['queue']}{which}; end "
        "them (bkill, qdel, …), or their work is done twice: results stay whole either way"
    )


def _cancel(name: str) -> None:
    end = time.monotonic() + _PATIENCE
    while _queue("squeue", "--me", "--noheader", "--format=%i", f"--name={name}"):
        if time.monotonic() > end:
            raise Fault(
                f"jobs of a killed run are cancelled but do not end (squeue --name {name}); start "
                "again when they are gone"
            )
        _queue("scancel", "--me", f"--name={name}")
        time.sleep(1)


def _queue(*command: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise Fault(
            f"a killed run may have left jobs on the cluster, but there is no {command[0]} here; "
            "start again where there is one"
        ) from None
    if done.returncode:
        raise Fault(f"`{' '.join(command)}` failed: {done.stderr.strip()}; try again later")
    return done.stdout.strip()


def _notes() -> dict[Path, dict[str, Any]]:
    found = {path: _read(path) for path in NOTES.glob("*.json")}
    return {path: own for path, own in found.items() if own is not None}


def _read(path: Path) -> dict[str, Any] | None:
    """Read a note; None if its run has just ended and removed it, or if it is not a valid note."""
    try:
        own = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    needed = {"host", "place", "process", "born", "jobs", "locks"}
    return own if isinstance(own, dict) and needed <= own.keys() else None
