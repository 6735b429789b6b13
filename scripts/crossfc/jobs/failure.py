"""What jobs wrote into their logs: why they failed, and what they warned of.

Between its head and its tail (`crossfc.jobs.log`) a log has notes. A job empties its log and
removes the record beside it when it begins, and writes the record when it has succeeded
(`crossfc.jobs.job`). So a log without a record is of a job that failed, was killed or is at work.
"""

import re
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from crossfc.jobs.log import HEAD_LINES, TAIL_LINES

if TYPE_CHECKING:
    from crossfc.report.log import LogRow

# Rules whose logs hold warnings, a line each. Other logs hold progress and tables, or what another
# program prints.
_WARN = frozenset(
    ("preprocess_session", "pair_sessions", "quality_group", "clinical_correlation", "robustness")
)


def failure(log: str | Path) -> str | None:
    """Return why the job of a log failed in its last attempt; None if it did not, or said nothing.

    Parameters
    ----------
    log : path

    Returns
    -------
    str or None
        The first sentence of the fault or, of an unexpected error, the last line of its traceback.
    """
    path = Path(log)
    if not path.is_file() or path.with_suffix(".json").exists():
        return None
    lines = path.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    for number, line in enumerate(lines):
        if line.startswith("crossfc: "):
            return line.removeprefix("crossfc: ")
        if line.startswith("Traceback "):
            return lines[-1] if number + 1 < len(lines) else line
    return None


def read_logs(
    folder: str | Path, sessions: Iterable[tuple[str, ...]], planned: Collection[str]
) -> "list[LogRow]":
    """List the failures and warnings in the logs of a study.

    Parameters
    ----------
    folder : path
        The folder of logs.
    sessions : iterable of (str, str)
        participant_id and session_id of the sessions of the study; logs of others, left by earlier
        runs, are ignored.
    planned : collection of str
        The jobs that belong to no person, as paths of their logs without extension.

    Returns
    -------
    list of LogRow
        Failures first, then by job.
    """
    known = {label for own in sessions for label in (own[0], "_".join(own))}
    found: list[LogRow] = []
    for path in sorted(Path(folder).rglob("*.log")):
        label = path.relative_to(folder).with_suffix("").as_posix()
        own = re.match(r"sub-[A-Za-z0-9]+(_ses-[A-Za-z0-9]+)?", path.stem)
        if own[0] not in known if own else label not in planned:
            continue
        row = {"job": label.replace("/", " "), "log": f"{label}.log"}
        why = failure(path)
        if why is not None:
            found.append({"job": row["job"], "log": row["log"], "sentence": why, "failed": True})
        elif label.split("/")[0] in _WARN:
            lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
            notes = lines[HEAD_LINES : len(lines) - TAIL_LINES]
            found += [
                {"job": row["job"], "log": row["log"], "sentence": line, "failed": False}
                for line in dict.fromkeys(filter(str.strip, notes))
            ]
    return sorted(found, key=lambda own: (not own["failed"], own["job"]))
