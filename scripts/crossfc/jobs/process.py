"""Identify processes, also after their number was reused: who started a job, and is it alive.

A run that is killed (kill -9, a closed terminal, a power cut) cannot end its jobs. Therefore an
environment variable tells each job which process started it. The job ends when that process ends;
if it does not, the next run finds it by this variable.
"""

import json
import os
import select
import signal
import socket
import time
from collections.abc import Iterable
from pathlib import Path
from typing import NotRequired, TypedDict

# Environment variable of every job: `identity` of the Snakemake process that started it, as JSON.
STARTER = "CROSSFC_STARTED_BY"
_PROC = Path("/proc")
_PATIENCE = 60  # seconds to wait until killed processes are gone


class Identity(TypedDict):
    """A process that no later process with its number can be taken for.

    ``host``; ``place`` (see `_place`); ``process``, its number, which is only valid within
    ``place``; and ``born``, which differs from that of any later process with the same number (None
    if not known). ``folder`` is its working directory, of a process that starts jobs.
    """

    host: str
    place: str
    process: int
    born: str | None
    folder: NotRequired[str]


def identity(process: int | None = None) -> Identity:
    """Return the identity of a process, for `dead`.

    Parameters
    ----------
    process : int, optional
        Number of the process; default this one.

    Returns
    -------
    Identity
        Without ``folder``.
    """
    process = os.getpid() if process is None else process
    return {
        "host": socket.gethostname(),
        "place": _place(),
        "process": process,
        "born": born(process),
    }


def _place() -> str:
    """Return the machine and the namespace of process numbers (a container may have its own)."""
    try:
        machine = Path("/etc/machine-id").read_text(encoding="ascii").strip()
    except OSError:
        machine = ""
    try:
        space = os.readlink(_PROC / "self/ns/pid")
    except OSError:
        space = ""
    return f"{socket.gethostname()} {machine} {space}"


def born(process: int) -> str | None:
    """Return the start of the machine and the start time of a process; None if it is gone."""
    fields = _stat(process)
    try:
        boot = (_PROC / "sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return None
    return None if not fields or fields[0] == "Z" else f"{boot} {fields[19]}"


def _stat(process: int) -> list[str]:
    """Return the fields of ``/proc/<process>/stat`` from the state on; empty if it is gone."""
    try:
        return (_PROC / f"{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def dead(who: Identity) -> bool | None:
    """Test whether a process has ended; None if that cannot be known on this machine."""
    if who.get("place") != _place():
        return None
    now = born(who["process"])
    if now is not None:
        return now != who["born"]
    if who["born"] is None or not _stat(who["process"]):
        # There is no /proc here, or a process of another user is hidden; it may still exist.
        return None if _answers(who["process"]) else True
    return True


def _answers(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def starter() -> Identity | None:
    """Return the `identity` of the run that started this process; None if there is none."""
    return _parsed(os.environ.get(STARTER))


def _parsed(text: str | bytes | None) -> Identity | None:
    try:
        found: Identity | None = json.loads(text) if text else None
    except ValueError:
        return None
    return found if isinstance(found, dict) and {"process", "born"} <= found.keys() else None


def starts_jobs() -> None:
    """Set the environment variable that tells jobs that this process started them."""
    os.environ[STARTER] = json.dumps(identity() | {"folder": os.getcwd()})


def await_end(who: Identity) -> bool:
    """Wait until a process has ended; return False at once if that cannot be known here."""
    try:
        handle = os.pidfd_open(who["process"])
    except (AttributeError, OSError):
        handle = None
    try:
        while not (ended := dead(who)):
            if ended is None:
                return False
            if handle is None:
                time.sleep(1)
            else:
                waiting = select.poll()
                waiting.register(handle, select.POLLIN)
                waiting.poll()
                # An ended process may still exist for a moment until its parent notices.
                time.sleep(0.01)
    finally:
        if handle is not None:
            os.close(handle)
    return True


def left_over() -> list[int]:
    """List the processes on this machine that a dead run in this folder started.

    With all their descendants. What runs of other studies have left is theirs to end: where SLURM
    runs on this very machine, their batches go on.
    """
    here = os.getcwd()
    orphans = []
    known: dict[bytes, bool] = {}
    for process in _numbers():
        try:
            environment = (_PROC / f"{process}/environ").read_bytes()
        except OSError:
            # The process belongs to another user, or is gone.
            continue
        for entry in environment.split(b"\0"):
            name, _, text = entry.partition(b"=")
            if name == STARTER.encode() and process != os.getpid():
                if text not in known:
                    who = _parsed(text)
                    known[text] = bool(who and who.get("folder", here) == here and dead(who))
                if known[text]:
                    orphans.append(process)
    return sorted({*orphans, *descendants(orphans)})


def _numbers() -> list[int]:
    try:
        return [int(name) for name in os.listdir(_PROC) if name.isdigit()]
    except OSError:
        return []


def descendants(processes: Iterable[int]) -> list[int]:
    """List the child processes of some processes, and all their descendants."""
    children: dict[int, list[int]] = {}
    for process in _numbers():
        if fields := _stat(process):
            children.setdefault(int(fields[1]), []).append(process)
    found: list[int] = []
    waiting = list(processes)
    while waiting:
        own = children.pop(waiting.pop(), [])
        found += own
        waiting += own
    return found


def kill(processes: Iterable[int]) -> list[int]:
    """Kill processes and wait until they are gone.

    Returns
    -------
    list of int
        Processes that do not end, such as one that waits for a disk that does not respond.
    """
    alive = {process: born(process) for process in processes}
    end = time.monotonic() + _PATIENCE
    for process in alive:
        _signal(process)
    while alive := {p: since for p, since in alive.items() if since and born(p) == since}:
        if time.monotonic() > end:
            break
        time.sleep(0.02)
    return sorted(alive)


def _signal(process: int) -> None:
    try:
        os.kill(process, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return
