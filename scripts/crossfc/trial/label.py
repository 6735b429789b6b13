"""Match labels of people and sessions as written in tables, such as 1 or SUB-01 for sub-01."""

import re
from collections.abc import Iterable

from crossfc.fault import Fault


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
