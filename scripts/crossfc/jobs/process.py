"""Processes told from later ones of the same number: who started a job, and whether that lives.

A run that is killed outright (kill -9, a closed terminal, a power cut) does not end its jobs. Each
job therefore knows by its environment who started it, ends when that process ends, and is found by
the next run if it did not.
"""

import json
import os
import select
import signal
import socket
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

# In the environment of every job: `identity` of the Snakemake process that started it, as JSON.
STARTER = "CROSSFC_STARTED_BY"
_PROC = Path("/proc")
_PATIENCE = 60  # seconds until killed processes must be gone


def identity(process: int | None = None) -> dict[str, Any]:
    """Return who a process is, for `dead`.

    Parameters
    ----------
    process : int, optional
        This one where None.

    Returns
    -------
    dict
        ``host``; ``place``, within which process numbers mean something; ``process``; and
        ``born``, which no later process of that number has (None where that is not known).
    """
    process = os.getpid() if process is None else process
    return {
        "host": socket.gethostname(),
        "place": _place(),
        "process": process,
        "born": born(process),
    }


def _place() -> str:
    """Name machine and space of process numbers; a container may have a space of its own."""
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
    """Return when a process began, since which start of the machine; None where it is gone."""
    fields = _stat(process)
    try:
        boot = (_PROC / "sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return None
    return None if not fields or fields[0] == "Z" else f"{boot} {fields[19]}"


def _stat(process: int) -> list[str]:
    """Return what the kernel says of a process from its state on; nothing where it is gone."""
    try:
        return (_PROC / f"{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def dead(who: dict[str, Any]) -> bool | None:
    """Return whether a process has ended; None where that cannot be known from here."""
    if who.get("place") != _place():
        return None
    now = born(who["process"])
    if now is not None:
        return now != who["born"]
    if who["born"] is None or not _stat(who["process"]):
        # No /proc here, or another user's process that is hidden: it may still answer.
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


def starter() -> dict[str, Any] | None:
    """Return the `identity` of who started this process; None where nobody said."""
    return _parsed(os.environ.get(STARTER))


def _parsed(text: str | bytes | None) -> dict[str, Any] | None:
    try:
        found = json.loads(text) if text else None
    except ValueError:
        return None
    return found if isinstance(found, dict) and {"process", "born"} <= found.keys() else None


def starts_jobs() -> None:
    """Tell the jobs that this process will start who it is."""
    os.environ[STARTER] = json.dumps(identity())


def await_end(who: dict[str, Any]) -> bool:
    """Wait until a process has ended; at once False where that cannot be known from here."""
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
                # What has ended may be kept by its parent for a moment.
                time.sleep(0.01)
    finally:
        if handle is not None:
            os.close(handle)
    return True


def left_over() -> list[int]:
    """List the processes here whose starter is dead, and all that they started in turn."""
    orphans = []
    known: dict[bytes, bool] = {}
    for process in _numbers():
        try:
            environment = (_PROC / f"{process}/environ").read_bytes()
        except OSError:
            # Somebody else's, or gone.
            continue
        for entry in environment.split(b"\0"):
            name, _, text = entry.partition(b"=")
            if name == STARTER.encode() and process != os.getpid():
                if text not in known:
                    who = _parsed(text)
                    known[text] = bool(who and dead(who))
                if known[text]:
                    orphans.append(process)
    return sorted({*orphans, *descendants(orphans)})


def _numbers() -> list[int]:
    try:
        return [int(name) for name in os.listdir(_PROC) if name.isdigit()]
    except OSError:
        return []


def descendants(processes: Iterable[int]) -> list[int]:
    """List what processes have started, and what that started in turn."""
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
    """Kill processes, and wait until they are gone.

    Returns
    -------
    list of int
        Those that do not end, as one that waits for a disk that does not answer.
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
