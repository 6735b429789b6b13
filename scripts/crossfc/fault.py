"""Faults of the input, each reported as one clear sentence to the person who can correct it."""

import re
from collections.abc import Callable, Sequence
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
Result = TypeVar("Result")

# Longest line of a message, in characters.
LONGEST = 1000
# Largest number of lines in a message.
MOST = 25
_NUMBER = re.compile(r"[+-]?\d+(?:[.,]\d+)?(?:e[+-]?\d+)?")
# Parts in which sentences about the same cause may differ: a row; a path, file, person or session
# of BIDS; a number.
_VARYING = re.compile(
    r"\brow \d+"
    r"|[^\s\"'(),;:]*\b(?:sub|ses)-[A-Za-z0-9]+[^\s\"'(),;:]*"
    r"|(?<![\w.])[+-]?\d+(?:[.,]\d+)?(?:e[+-]?\d+)?(?!\w)"
)


class Fault(ValueError):
    """Input that cannot be analysed.

    The message says where the fault is (file and, if there are any, row and column), what is wrong
    and what to do about it. Scripts print it without a traceback. As it may quote anything,
    unprintable characters are escaped, and a long line is cut in the middle, because the place is
    at the beginning and the remedy at the end.
    """

    def __init__(self, message: object) -> None:
        super().__init__("\n".join(map(_readable, str(message).split("\n"))))


def _readable(line: str) -> str:
    line = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in line)
    if len(line) <= LONGEST:
        return line
    return f"{line[: LONGEST - 250]} […] {line[-240:]}"


class Gathering:
    """Collects the faults of several calls, so that all of them are reported together."""

    def __init__(self) -> None:
        self.faults: list[str] = []

    def call(
        self, function: Callable[P, Result], *arguments: P.args, **options: P.kwargs
    ) -> Result | None:
        """Call a function and return its result; keep a Fault that it raises, and return None."""
        try:
            return function(*arguments, **options)
        except Fault as fault:
            # Two calls may find the same fault, such as one in the repetition time.
            lines = str(fault).splitlines()
            self.faults.extend(line for line in lines if line not in self.faults)
            return None

    def raise_all(self) -> None:
        """Raise one Fault with all collected causes (see `raise_all`).

        Raises
        ------
        Fault
            If any call raised one.
        """
        raise_all(self.faults)


def at(file: object, row: int | None = None, column: str | None = None) -> str:
    """Describe where a fault is, such as ``file, row 3, column "period"``.

    Rows are counted as in a spreadsheet: the header is row 1.
    """
    place = str(file)
    if row is not None:
        place += f", row {row}"
    if column is not None:
        place += f', column "{column}"'
    return place


def raise_all(faults: Sequence[str]) -> None:
    """Raise one Fault that lists every cause once, so that all can be corrected together.

    Raises
    ------
    Fault
        If ``faults`` is not empty; see `causes`.
    """
    if faults:
        raise Fault("\n".join(causes(faults)))


def causes(faults: Sequence[str]) -> list[str]:
    """Return one line for each cause.

    Sentences that only differ in row, person, session, file or numbers have the same cause, such
    as a treatment that is misspelt in every row. They are combined: the first sentence is kept,
    followed by how many there are and the first three places (of a path the last part).

    Parameters
    ----------
    faults : sequence of str
        Sentences; some may contain several lines.

    Returns
    -------
    list of str
        In the order in which the causes were found, at most `MOST`, and a last line that says how
        many are not shown.
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
    """Return a placeholder for a varying part: with its suffix (bold.nii.gz) if it is a file."""
    name = place[0].rpartition("/")[2]  # the file name alone, as folders may contain underscores
    _, underscore, suffix = name.rpartition("_")
    return f"\0{suffix}" if underscore else "\0"


def _together(sentences: list[str]) -> str:
    if len(sentences) == 1:
        return sentences[0]
    found = [_VARYING.findall(sentence) for sentence in sentences]
    columns = [i for i, own in enumerate(zip(*found, strict=True)) if len(set(own)) > 1]
    # The place is a row or a file; numbers that differ are wrong values, not places.
    place = next((i for i in columns if not _NUMBER.fullmatch(found[0][i])), columns[0])
    places = list(dict.fromkeys(own[place] for own in found))
    names = [name.rpartition("/")[2] or name for name in places]
    # The first sentence has the whole path; of the others, the name tells which file it is.
    places = names if len(set(names)) == len(places) else places
    shown = ", ".join(places[:3]) + (f" and {len(places) - 3} more" if len(places) > 3 else "")
    return f"{sentences[0]} ({len(sentences)} such: {shown})"
