"""A page without participant identifiers: numbers of its own replace them."""

import hashlib
import re
from collections.abc import Iterable

# An identifier in a file name; this person may no longer be in any table.
_IN_NAMES = r"sub-[A-Za-z0-9]+(?=/|_(?:ses|task|run|space)-)"


def anonymous(page: str, people: Iterable[str], study: str) -> str:
    """Replace every participant identifier in a page by a number of the page's own.

    The numbers do not follow the order of the identifiers. They are the same whenever a page with
    the same people is made again.

    Parameters
    ----------
    page : str
        HTML.
    people : iterable of str
        Identifiers (``sub-01``) of all people who may be named.
    study : str
        Name of the study; each study has its own order of numbers.

    Returns
    -------
    str
        The page with ``person 1``, ``person 2``, … instead of identifiers.
    """
    named = set(people) | set(re.findall(_IN_NAMES, page))

    def order(person: str) -> str:
        return hashlib.sha256(f"{study}\n{person}".encode()).hexdigest()

    numbers = {person: f"person {n}" for n, person in enumerate(sorted(named, key=order), 1)}
    if not numbers:
        return page
    # The longest identifiers are replaced first, and only whole ones: sub-1 is not part of sub-10.
    words = "|".join(re.escape(person) for person in sorted(numbers, key=len, reverse=True))
    return re.sub(rf"(?:{words})(?![A-Za-z0-9])", lambda found: numbers[found[0]], page)
