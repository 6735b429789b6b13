"""Labels as people write them: 1 or SUB-01 for sub-01, and those of the config in the sheets."""

import re
from collections.abc import Iterable, Mapping

from crossfc.bids import is_participant
from crossfc.fault import Fault
from crossfc.trial.sheet import Row, Sheet, did_you_mean


def is_participant_of(sheet: Sheet, row: Row, faults: list[str]) -> bool:
    """Test whether a row's participant_id is one of BIDS; if not, add a sentence to ``faults``."""
    identifier = row["participant_id"]
    if is_participant(identifier):
        return True
    faults.append(
        f"{sheet.at(row, 'participant_id')}: {identifier!r} is no BIDS participant; write such as "
        "sub-01"
    )
    return False


class Labels:
    """The identifiers of a data set, to be found from the way in which tables write them.

    For ``sub-01`` a table may have 01, 1, SUB-01 or sub_01.

    Parameters
    ----------
    entity : str
        ``sub`` or ``ses``.
    known : iterable of str
        Whole identifiers, such as ``sub-01``.
    """

    def __init__(self, entity: str, known: Iterable[str]):
        self.entity = entity
        self._known = dict.fromkeys(known)
        self._alike: dict[str, list[str]] = {}
        for identifier in self._known:
            self._alike.setdefault(self._bare(identifier), []).append(identifier)

    def _bare(self, text: str) -> str:
        """Return a label without its prefix and leading zeros, in lower case."""
        text = re.sub(rf"^{self.entity}[-_ ]?", "", text.strip().casefold())
        # Spreadsheets and pandas write 1.0 for 1; BIDS labels contain no full stop.
        text = re.sub(r"^(\d+)\.0+$", r"\1", text)
        return re.sub(r"[0-9]+", lambda digits: str(int(digits[0])), text)

    def alike(self, text: str) -> list[str]:
        """List the known identifiers that only differ from ``text`` in prefix, case or zeros."""
        return self._alike.get(self._bare(text), [])

    def find(self, text: str) -> str | None:
        """Return the known identifier that a table means by ``text``; None if there is none.

        Raises
        ------
        Fault
            If ``text`` may mean several.
        """
        for exact in (text.strip(), f"{self.entity}-{text.strip()}"):
            if exact in self._known:
                return exact
        alike = self.alike(text)
        if len(alike) > 1:
            raise Fault(f"{text!r} may be {' or '.join(alike)}; write the whole label")
        return alike[0] if alike else None


def some(names: Iterable[object], most: int = 3) -> str:
    """List the first few names in words, such as ``a, b, c and 4 more``."""
    words = [str(name) for name in names]
    if len(words) <= most + 1:
        return ", ".join(words)
    return f"{', '.join(words[:most])} and {len(words) - most} more"


def absent_labels(
    sheet: Sheet,
    column: str,
    used: Mapping[str, str | None],
    unused: list[str],
    faults: list[str],
) -> bool:
    """Add a fault for each label in the config that no row has; return whether there is one.

    If there is, the config is probably wrong, and the rows are not reported as faults as well.
    ``used`` are the labels by the config key that names them, ``unused`` those of rows that are no
    part of the trial.
    """
    key = f"{column}s"
    found = list(dict.fromkeys(row[column] for row in sheet.rows))
    named = [(place, label) for place, label in used.items() if label]
    named += [(f"unused.{key}", label) for label in unused]
    absent = [(place, label) for place, label in named if found and label not in found]
    others = [word for word in found if word not in [label for _, label in named]]
    for place, label in absent:
        faults.append(
            f"config key {place}: no row of {sheet.path} has the {column} {label}"
            f"{near(label, others)}; it has {some(found, 6)}; correct the key, or the sheet"
        )
    return bool(absent)


def near(word: str, known: Iterable[str]) -> str:
    """Return `` (did you mean X?)``, or "" if no known word is similar."""
    hint = did_you_mean(word, known).removeprefix("; ")
    return f" ({hint})" if hint else ""


def natural(label: str) -> list[tuple[str, int]]:
    """Return a key by which labels are sorted, numbers in them as numbers."""
    return [(text, int(digits or 0)) for text, digits in re.findall(r"(\D*)(\d*)", label)]
