"""Inputs that became faulty after a run was planned, while their job waited in a queue.

Only the job that reads such an input must fail, not its whole batch. So its input is then a file
that does not exist; the job fails for want of it, and the reason is reported.
"""

import os
from collections.abc import Iterable

# Names of inputs that do not exist, to the reason.
_reasons: dict[str, str] = {}


def stand_in(reason: str) -> str:
    """Return the name of a file that does not exist, for an input that cannot be determined."""
    name = f"input_at_fault_{len(_reasons) + 1}"
    _reasons[name] = reason
    return name


def reason(paths: Iterable[str]) -> str | None:
    """Return one sentence about the first file that does not exist; None if all do."""
    gone = next((path for path in paths if not os.path.exists(path)), None)
    if gone is None:
        return None
    return _reasons.get(gone, f"{gone} was there when the run was planned, and is gone; restore it")
