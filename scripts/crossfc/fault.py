"""A fault of the input: one clear sentence for the person who can mend it."""

import re
from collections.abc import Callable, Sequence
from typing import Any

# A line of a message, in characters.
LONGEST = 1000
# At most so many lines are said at once.
MOST = 25
_NUMBER = re.compile(r"[+-]?\d+(?:[.,]\d+)?(?:e[+-]?\d+)?")
# What tells places of one cause apart: a row; a path, file, person or session of BIDS; a number.
_VARYING = re.compile(
    r"\brow \d+"
    r"|[^\s\"'(),;:]*\b(?:sub|ses)-[A-Za-z0-9]+[^\s\"'(),;:]*"
    r"|(?<![\w.])[+-]?\d+(?:[.,]\d+)?(?:e[+-]?\d+)?(?!\w)"
)


class Fault(ValueError):
    """Input that cannot be analysed.

    The message names the file, the row and column where there are such, what is wrong and what
    to do about it. Scripts print it without a traceback. What it quotes may be anything: signs
    that would move the cursor are written out, and a long line is cut in its middle, as its place
    stands at the beginning and its remedy at the end.
    """

    def __init__(self, message: object) -> None:
        super().__init__("\n".join(map(_readable, str(message).split("\n"))))


def _readable(line: str) -> str:
    line = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in line)
    if len(line) <= LONGEST:
        return line
    return f"{line[: LONGEST - 250]} […] {line[-240:]}"


class Gathering:
    """Calls whose faults are put aside, so that all of them are told together."""

    def __init__(self) -> None:
        self.faults: list[str] = []

    def call(self, function: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        """Return what the function does, or None where it raises a Fault."""
        try:
            return function(*arguments, **options)
        except Fault as fault:
            # One fault may be met twice, as a repetition time in sidecar and scan.
            lines = str(fault).splitlines()
            self.faults.extend(line for line in lines if line not in self.faults)
            return None

    def raise_all(self) -> None:
        """Raise one Fault with every cause (see `raise_all`).

        Raises
        ------
        Fault
            If there was one.
        """
        raise_all(self.faults)


def at(file: object, row: int | None = None, column: str | None = None) -> str:
    """Describe where a fault is, as ``file, row 3, column "period"``.

    Rows are counted as a spreadsheet does: the header is row 1.
    """
    place = str(file)
    if row is not None:
        place += f", row {row}"
    if column is not None:
        place += f', column "{column}"'
    return place


def raise_all(faults: Sequence[str]) -> None:
    """Raise one Fault listing every cause once, so that a sheet is mended in one go.

    Raises
    ------
    Fault
        If ``faults`` is not empty; see `causes`.
    """
    if faults:
        raise Fault("\n".join(causes(faults)))


def causes(faults: Sequence[str]) -> list[str]:
    """Return one line for each cause.

    Sentences that differ only in their row, person, session, file or numbers are one fault that
    was made once and found many times, such as a treatment that is spelt otherwise in every row.
    The first of them stays as it is, followed by where the first three are and how many.

    Parameters
    ----------
    faults : sequence of str
        Sentences, of which some may hold several lines.

    Returns
    -------
    list of str
        In the order in which each cause was found first, at most `MOST`, with a last line that
        says how many are not shown.
    """
    alike: dict[str, list[str]] = {}
    for sentence in dict.fromkeys(line for fault in faults for line in fault.split("\n")):
        alike.setdefault(_VARYING.sub(_kind, sentence), []).append(sentence)
    lines = [_together(sentences) for sentences in alike.values()]
    if len(lines) > MOST:
        more = len(lines) - MOST
        lines = [*lines[:MOST], f"… and {more} more causes; mend these first and see what is left"]
    return lines


def _kind(place: re.Match[str]) -> str:
    """Return what a place is: of a file its suffix (such as bold.nii.gz), of others nothing."""
    name = place[0].rpartition("/")[2]  # an underscore in a folder's name says nothing of a file
    _, underscore, suffix = name.rpartition("_")
    return f"\0{suffix}" if underscore else "\0"


def _together(sentences: list[str]) -> str:
    if len(sentences) == 1:
        return sentences[0]
    found = [_VARYING.findall(sentence) for sentence in sentences]
    columns = [i for i, own in enumerate(zip(*found, strict=True)) if len(set(own)) > 1]
    # A place is a row or a file; other numbers are what is wrong there.
    place = next((i for i in columns if not _NUMBER.fullmatch(found[0][i])), columns[0])
    places = list(dict.fromkeys(own[place] for own in found))
    shown = ", ".join(places[:3]) + (", …" if len(places) > 3 else "")
    return f"{sentences[0]} ({len(sentences)} times: {shown})"
