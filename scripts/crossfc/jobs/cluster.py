"""Report problems of jobs on a SLURM cluster that Snakemake's executor does not show.

These are: why sbatch refused a job (Snakemake does not print this for batches); whether the reason
is temporary, such as a limit on the number of jobs, or would be the same at every retry; and why
jobs wait in the queue. Written for version 2.8 of Snakemake's executor for SLURM.
"""

import re
import subprocess
import threading
import time
from collections.abc import Callable

_MESSAGE = re.compile(r"The error message was '(.*?)'\.\n", re.DOTALL)
# Temporary reasons of sbatch: the user has too many jobs, or the controller does not answer.
_PASSING = re.compile(
    r"MaxSubmit|MaxJobCount|[Ss]ocket timed out|[Uu]nable to contact|temporarily unable|"
    r"Resource temporarily unavailable|Zero Bytes|Connection (refused|timed out)"
)
_REMEDIES = (
    (
        r"[Ii]nvalid (account|partition|qos)|account or account/partition",
        "correct slurm_account and slurm_partition in the profile",
    ),
    (
        r"[Mm]emory|node configuration|CPU count|time limit|size and/or time",
        "no node that you may use has so much: name another partition, or ask for less "
        "(--set-resources RULE:mem_mb=…, RULE:runtime=…)",
    ),
)
_BETWEEN = 30.0  # seconds until a job that was refused for a temporary reason is submitted again
_LOOK = 60.0  # seconds between two looks at waiting jobs
_LONG = 1800.0  # seconds after which an ordinary wait is reported
# Reasons in squeue that mean an ordinary wait.
_TURN = {"None", "Priority", "Resources", "Dependency", "BeginTime", "Cleaning", "(null)"}


def passes(message: str) -> bool:
    """Test whether sbatch refused a job for a temporary reason, so that it may accept it later."""
    return bool(_PASSING.search(message))


def sbatch_error(said: str) -> str | None:
    """Return what sbatch printed when it refused a job; None if the job failed in another way.

    Parameters
    ----------
    said : str
        The executor's message about the job.
    """
    if "sbatch failed" not in said:
        return None
    found = _MESSAGE.search(said + "\n")
    return found[1] if found else said


def refusal(said: str, what: str) -> str | None:
    """Return one sentence about a job that SLURM refused; None if it failed in another way.

    Parameters
    ----------
    said : str
        The executor's message about the job.
    what : str
        The job in words, such as ``a batch of 10 (connectivity_session)``.

    Returns
    -------
    str or None
    """
    message = sbatch_error(said)
    if message is None:
        return None
    lines = [
        line.strip().removeprefix("sbatch: ").removeprefix("error: ")
        for line in message.splitlines()
    ]
    # sbatch prints a general and a specific reason, in either order; keep both.
    reason = "; ".join(dict.fromkeys(line for line in lines if line))
    remedy = next((words for pattern, words in _REMEDIES if re.search(pattern, reason)), None)
    return f"SLURM refused {what}: {reason}" + (f"; {remedy}" if remedy else "")


class Patience:
    """Wait before submissions that SLURM refused for a temporary reason are tried again.

    Parameters
    ----------
    say : callable
        Called once for each reason, with a sentence that says why submissions wait.
    between : float
        Seconds between two attempts.
    """

    def __init__(self, say: Callable[[str], None], between: float = _BETWEEN):
        self._say, self._between = say, between
        self._stopped = threading.Event()
        self._told: set[str] = set()

    def stop(self) -> None:
        """Let nobody wait any longer, because the run ends."""
        self._stopped.set()

    def wait(self, message: str) -> bool:
        """Wait until the next attempt; return False if the run ends."""
        reason = (message.strip().splitlines() or [""])[0]
        if reason not in self._told:
            self._told.add(reason)
            self._say(
                f"SLURM takes no more jobs for now ({reason}); submissions wait, and are tried "
                f"again every {self._between:g} s (fewer at once: jobs in the profile)"
            )
        return not self._stopped.wait(self._between)


class Waiting:
    """Report why jobs wait in SLURM's queue.

    A reason that may need action is reported at once, an ordinary wait only after half an hour.

    Parameters
    ----------
    say : callable
        Called with each sentence.
    clock : callable
        Returns a monotonic time in seconds.
    """

    def __init__(self, say: Callable[[str], None], clock: Callable[[], float] = time.monotonic):
        self._say, self._clock = say, clock
        self._looked = -_LOOK
        self._since: dict[str, float] = {}
        self._told: set[str] = set()

    def look(self, name: str) -> None:
        """Ask squeue about the jobs with a name, at most once per minute, and report waits."""
        now = self._clock()
        if now - self._looked < _LOOK:
            return
        self._looked = now
        by_reason: dict[str, list[str]] = {}
        for line in _pending(name):
            job, _, reason = line.strip().partition("|")
            by_reason.setdefault(reason.strip("() "), []).append(job)
        self._since = {reason: self._since.get(reason, now) for reason in by_reason}
        for reason, jobs in by_reason.items():
            turn = reason in _TURN or not reason
            if reason in self._told or (turn and now - self._since[reason] < _LONG):
                continue
            self._told.add(reason)
            number = f"job {jobs[0]} waits" if len(jobs) == 1 else f"{len(jobs)} jobs wait"
            if turn:
                waited = round((now - self._since[reason]) / 60)
                self._say(f"{number} in SLURM's queue since {waited} minutes (reason: {reason})")
            else:
                self._say(
                    f"{number} in SLURM's queue, and squeue says why: {reason}; if that does not "
                    f"pass, stop this run and change the profile (scontrol show job {jobs[0]} "
                    "tells more)"
                )


def _pending(name: str) -> list[str]:
    command = ["squeue", "--me", "--noheader", "--states=PENDING", "--format=%i|%r"]
    try:
        done = subprocess.run(
            [*command, f"--name={name}"], capture_output=True, text=True, check=False, timeout=60
        )
    except (OSError, subprocess.TimeoutExpired):
        return []
    return done.stdout.splitlines() if done.returncode == 0 else []
