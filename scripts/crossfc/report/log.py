"""What logs of jobs say: failures, and warnings of a kind together."""

import re
from collections.abc import Sequence
from typing import TypedDict

import pandas as pd

from crossfc.report import number
from crossfc.report.table import Table


class LogRow(TypedDict):
    """A sentence of a job's log; ``log`` is the path from the folder of logs."""

    job: str
    log: str
    sentence: str
    failed: bool


def failed(logs: Sequence[LogRow]) -> Table | None:
    """Tabulate the jobs that failed; None if none did."""
    rows = [[own["job"], own["sentence"], f"logs/{own['log']}"] for own in logs if own["failed"]]
    if not rows:
        return None
    columns = [("job", False), ("what it said", False), ("log", False)]
    return Table("Jobs that failed", columns, rows)


def warned(logs: Sequence[LogRow], sessions: pd.DataFrame) -> Table | None:
    """Group warnings that say the same of several jobs or sessions, with where they stand."""
    alike: dict[str, list[tuple[str, str]]] = {}
    told = [(own["sentence"], f"logs/{own['log']}") for own in logs if not own["failed"]]
    for row in sessions.to_dict("records"):
        for column in ("notes", "runs_passed_over", "physiology_note"):
            said = row.get(column)
            if isinstance(said, str):
                where = f"{row['participant_id']} {row['session_id']}"
                told += [(sentence, where) for sentence in said.split("; ")]
    for sentence, where in told:
        key = re.sub(r"(sub|ses)-[A-Za-z0-9]+|\d+(\.\d+)?", "#", sentence)
        alike.setdefault(key, []).append((sentence, where))
    rows = []
    for own in sorted(alike.values(), key=len, reverse=True):
        places = list(dict.fromkeys(where for _, where in own))
        more = f" and {len(places) - 3} more" if len(places) > 3 else ""
        rows.append([own[0][0], number.whole(len(own)), ", ".join(places[:3]) + more])
    if not rows:
        return None
    columns = [("warning (the first of its kind)", False), ("times", True), ("where", False)]
    return Table("What was noticed in scans and logs", columns, rows)
