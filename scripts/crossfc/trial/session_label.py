"""What session labels tell, such as ``ses-ketamine2`` of a treatment and a day."""

import re
from collections.abc import Iterable, Iterator, Sequence

from crossfc.fault import raise_all
from crossfc.trial.configuration import SessionMapping
from crossfc.trial.session_word import Words


def fields_of(pattern: str) -> list[str]:
    """List what a pattern of labels tells, such as ``treatment`` and ``occasion``."""
    return re.findall(r"\{([^{}]*)\}", pattern)


def read_labels(
    labels: Iterable[str], pattern: str | None, words: Words
) -> dict[str, SessionMapping]:
    """Read the session labels that are built by a pattern.

    Parameters
    ----------
    labels : iterable of str
        Such as ``ses-ketamine2``.
    pattern : str, optional
        Such as ``ses-{treatment}{occasion}``; ``*`` stands for anything.
    words : Words

    Returns
    -------
    dict
        What each label tells; labels that are built otherwise are left out.

    Raises
    ------
    Fault
        If a label can be read in two ways.
    """
    if pattern is None:
        return {}
    pieces = [piece for piece in re.split(r"(\{[^{}]*\}|\*)", pattern) if piece]
    found: dict[str, SessionMapping] = {}
    faults = []
    for label in labels:
        ways = {tuple(sorted(told.items())) for told in _ways(label, pieces, words)}
        if len(ways) > 1:
            first, second, *_ = (" + ".join(word for _, word in way) for way in sorted(ways))
            faults.append(
                f"config key dataset.session_source.label: {label} can be read as {first} and as "
                f"{second}; make pattern or words clearer, or name each session in dataset.sessions"
            )
        elif ways:
            found[label] = words.mapping(dict(ways.pop()))
    raise_all(faults)
    return found


def _ways(text: str, pieces: Sequence[str], words: Words) -> Iterator[dict[str, str]]:
    """Give each way in which a text can be built of the pieces of a pattern."""
    if not pieces:
        if not text:
            yield {}
        return
    piece, rest = pieces[0], pieces[1:]
    if piece == "*":
        for length in range(len(text) + 1):
            yield from _ways(text[length:], rest, words)
        return
    what = piece[1:-1] if piece.startswith("{") else None
    for word in [piece] if what is None else words.of(what):
        if text.startswith(word):
            for told in _ways(text[len(word) :], rest, words):
                yield told if what is None else {what: word, **told}
