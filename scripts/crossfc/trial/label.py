"""Labels of people and sessions as tables write them: 01, 1, SUB-01 and sub_01 for sub-01."""

import re
from collections.abc import Iterable

from crossfc.fault import Fault


class Labels:
    """The identifiers that a data set has, found again however a table writes them.

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
        """Return what is left of a label without prefix, case and leading zeros."""
        text = re.sub(rf"^{self.entity}[-_ ]?", "", text.strip().casefold())
        # Spreadsheets and pandas write 1.0 for 1; no BIDS label has a full stop.
        text = re.sub(r"^(\d+)\.0+$", r"\1", text)
        return re.sub(r"[0-9]+", lambda digits: str(int(digits[0])), text)

    def alike(self, text: str) -> list[str]:
        """List the known identifiers that differ from ``text`` in prefix, case or zeros only."""
        return self._alike.get(self._bare(text), [])

    def find(self, text: str) -> str | None:
        """Return the identifier that a table means, or None where there is none.

        Raises
        ------
        Fault
            If it may mean several.
        """
        for exact in (text.strip(), f"{self.entity}-{text.strip()}"):
            if exact in self._known:
                return exact
        alike = self.alike(text)
        if len(alike) > 1:
            raise Fault(f"{text!r} may be {' or '.join(alike)}; write the whole label")
        return alike[0] if alike else None


def some(names: Iterable[object], most: int = 3) -> str:
    """Return the first few of many in words: ``a, b, c and 4 more``."""
    names = [str(name) for name in names]
    if len(names) <= most + 1:
        return ", ".join(names)
    return f"{', '.join(names[:most])} and {len(names) - most} more"
