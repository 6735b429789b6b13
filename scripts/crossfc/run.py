"""The runs of the workflow in a folder: which is at work, and what a killed one left behind.

A run that is killed outright (kill -9, a closed terminal, a login node that restarts) cannot tidy
up. Snakemake's lock stays, so the next run is refused; and jobs on a cluster go on, so the next run
would start them a second time beside themselves. Every run therefore leaves a note of who it is as
long as it lives. The next one reads it: where the process is gone, the lock goes, and jobs that
still wait or run are cancelled. What cannot be known, as of a run on another machine, is asked.
"""

import atexit
import json
import os
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

from crossfc.fault import Fault

NOTES = Path(".snakemake/crossfc_runs")
_LOCKS = Path(".snakemake/locks")
_PATIENCE = 120  # seconds until cancelled jobs must have left the queue


def begin(jobs_name: str | None) -> None:
    """Leave a note of this run, which goes when the process ends in order.

    Parameters
    ----------
    jobs_name : str or None
        The name that all its jobs have in the cluster's queue; None for a local run.
    """
    NOTES.mkdir(parents=True, exist_ok=True)
    path = NOTES / f"{socket.gethostname()}-{os.getpid()}.json"
    note = {"host": socket.gethostname(), "process": os.getpid(), "jobs": jobs_name}
    path.write_text(json.dumps(note | {"born": _born(os.getpid())}), encoding="utf-8")
    atexit.register(path.unlink, missing_ok=True)


def free_lock() -> None:
    """Remove Snakemake's lock if all runs that may hold it were on the cluster and are dead.

    A local run's jobs may outlive it unseen, so its lock stays, as Snakemake means it to.
    """
    notes = _notes()
    if not notes or not all(_dead(note) and note["jobs"] for note in notes.values()):
        return
    noted = max(path.stat().st_mtime for path in notes)
    locks = list(_LOCKS.glob("*.lock"))
    # A lock that is newer than the note belongs to a run that has just begun.
    if all(lock.stat().st_mtime <= noted for lock in locks):
        for lock in locks:
            lock.unlink(missing_ok=True)


def end_left_over() -> None:
    """Cancel what dead runs left in the cluster's queue, and wait until it is gone.

    Raises
    ------
    Fault
        If it cannot be known whether another run is dead, or its jobs do not end.
    """
    for path, note in _notes().items():
        if note["process"] == os.getpid() and note["host"] == socket.gethostname():
            continue
        if note["jobs"] and note["host"] != socket.gethostname():
            raise Fault(
                f"a run on {note['host']} (process {note['process']}) is at work here or was "
                "killed, and only there one can tell; go on there, or make sure that it is dead "
                f"and `scancel --name {note['jobs']}; rm {path}`"
            )
        if _dead(note):
            if note["jobs"]:
                _cancel(note["jobs"])
            path.unlink(missing_ok=True)


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
    found = {}
    for path in NOTES.glob("*.json"):
        try:
            found[path] = json.loads(path.read_text(encoding="utf-8"))
        except (FileNotFoundError, json.JSONDecodeError):
            # Its run has ended this moment, or was killed while it wrote, before its first job.
            continue
    return found


def _dead(note: dict[str, Any]) -> bool:
    return note["host"] == socket.gethostname() and _born(note["process"]) != note["born"]


def _born(process: int) -> str | None:
    """Tell a process from a later one of the same number: when it began, since which start."""
    try:
        stat = Path(f"/proc/{process}/stat").read_text()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return None
    state, *fields = stat.rpartition(")")[2].split()
    return None if state == "Z" else f"{boot} {fields[18]}"
