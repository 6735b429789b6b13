"""YAML with a comment beside every key, as people write it by hand."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from crossfc.trial.open_entry import OPEN

_WIDTH = 100  # columns
_COMMENT = 40  # column at which comments beside keys begin


class Text:
    """The lines of a configuration, in the order in which they are added."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def __str__(self) -> str:
        return "\n".join(self.lines) + "\n"

    def key(self, name: str, value: Any = None, comment: str = "", depth: int = 0) -> None:
        """Add a key with its value in one line; None for a key whose value are the next lines.

        The comment stands beside it, if there is room, or else above it.
        """
        comment = _printable(comment)
        shown = "" if value is None else f" {flow(value)}"
        line = f"{'  ' * depth}{flow(name)}:{shown}"
        beside = f"{line:{_COMMENT - 1}} # {comment}" if comment else line
        if len(beside) > _WIDTH:
            self.note(comment, depth)
            beside = line
        self.lines.append(beside)

    def note(self, comment: str, depth: int = 0) -> None:
        """Add lines of comment."""
        start = f"{'  ' * depth}# "
        self.lines += textwrap.wrap(
            _printable(comment),
            _WIDTH,
            initial_indent=start,
            subsequent_indent=start,
            break_long_words=False,
            break_on_hyphens=False,
        )

    def gap(self) -> None:
        """Add an empty line."""
        self.lines.append("")


def _printable(comment: str) -> str:
    """Return a comment in one line, as it may quote what tables of a data set say."""
    return "".join(sign if sign.isprintable() else " " for sign in comment)


def flow(value: Any) -> str:
    """Write a value in one line of YAML."""
    if value == OPEN:
        return f'"{OPEN}"'
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{flow(key)}: {flow(own)}' for key, own in value.items())}}}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return f"[{', '.join(map(flow, value))}]"
    # Written as part of a list, so that what ends an entry of a list is put in quotes.
    dumped = yaml.safe_dump([value], default_flow_style=True, allow_unicode=True, width=10**6)
    return str(dumped).strip()[1:-1]
