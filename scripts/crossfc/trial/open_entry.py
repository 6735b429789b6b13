"""Entries of a proposed configuration that the data set does not tell, and people must fill in."""

from typing import Any

from crossfc.trial.label import some

OPEN = "???"


def open_keys(value: Any, path: str = "") -> list[str]:
    """List the keys that hold `OPEN`, such as ``dataset.sessions.ses-1.treatment``."""
    if value == OPEN:
        return [path]
    if isinstance(value, dict):
        inner = [(own, f"{path}.{key}" if path else str(key)) for key, own in value.items()]
    else:
        inner = [(own, path) for own in value] if isinstance(value, list) else []
    return list(dict.fromkeys(key for own, place in inner for key in open_keys(own, place)))


def unfilled(config: dict[str, Any]) -> list[str]:
    """Say in one sentence which keys are still to be filled in; an empty list if there are none."""
    keys = open_keys(config)
    if not keys:
        return []
    these, hold = ("key", "holds") if len(keys) == 1 else ("keys", "hold")
    return [
        f"config {these} {some(keys, 6)}: still {hold} {OPEN}; fill in what the comment beside it "
        "asks for"
    ]
