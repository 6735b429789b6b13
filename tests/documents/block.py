"""The commands of documents: what stands in their fenced blocks of a shell."""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

_FENCE = re.compile(r"^( *)```(\w*)[^\n]*\n(.*?)^\1```", re.MULTILINE | re.DOTALL)
_SHELLS = ("bash", "sh", "shell", "console")
_HERE_DOCUMENT = re.compile(r"<<-?\s*['\"]?(\w+)['\"]?")


@dataclass(frozen=True)
class Command:
    """A command of a document: where it stands, and its text, which may have several lines."""

    document: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.document}, line {self.line}: {self.text}"


def commands(document: str, text: str) -> list[Command]:
    """Read the commands of a document in their order; of blocks `console`, those after `$`."""
    found = []
    for block in _FENCE.finditer(text):
        if block[2] not in _SHELLS:
            continue
        first = text.count("\n", 0, block.start(3)) + 1
        lines = [line.removeprefix(block[1]) for line in block[3].splitlines()]
        if block[2] == "console":
            lines = [line[2:] if line.startswith("$ ") else "" for line in lines]
        found += _split(document, first, lines)
    return found


def _split(document: str, first: int, lines: list[str]) -> list[Command]:
    found: list[Command] = []
    pending: list[str] = []
    for number, line in enumerate(lines, first):
        if not pending and (not line.strip() or line.lstrip().startswith("#")):
            continue
        pending.append(line)
        if _is_whole(pending):
            found.append(Command(document, number - len(pending) + 1, "\n".join(pending)))
            pending = []
    assert not pending, f"{document}: a command does not end: {pending[0]}"
    return found


def _is_whole(lines: list[str]) -> bool:
    """Test whether a command ends here: no open quote, here-document or trailing backslash."""
    if here := _HERE_DOCUMENT.search(lines[0]):
        return lines[-1].strip() == here[1]
    if lines[-1].endswith("\\"):
        return False
    try:
        shlex.split("\n".join(lines), comments=True)
    except ValueError:
        return False
    return True


def documents(root: Path) -> dict[str, str]:
    """Return the documents whose commands and names must be true: path in the repository, text."""
    paths = [root / "README.md", root / "CONTRIBUTING.md", *sorted((root / "docs").glob("*.md"))]
    return {str(path.relative_to(root)): path.read_text(encoding="utf-8") for path in paths}
