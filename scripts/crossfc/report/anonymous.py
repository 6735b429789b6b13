"""A page without participant identifiers: numbers of its own in their place."""

import hashlib
import re
from collections.abc import Iterable

# An identifier in the name of a file, of somebody who may be in no table any more.
_IN_NAMES = r"sub-[A-Za-z0-9]+(?=/|_(?:ses|task|run|space)-)"


def anonymous(page: str, people: Iterable[str], study: str) -> str:
    """Return a page in which every participant identifier is a number of the page's own.

    The numbers do not follow the order of the identifiers, and are the same whenever the page of
    the same people is made again.

    Parameters
    ----------
    page : str
        HTML.
    people : iterable of str
        Identifiers (``sub-01``) of all who may be named.
    study : str
        Name of the study; another one has another order.

    Returns
    -------
    str
        With ``person 1``, ``person 2``, … in their place.
    """
    named = set(people) | set(re.findall(_IN_NAMES, page))

    def order(person: str) -> str:
        return hashlib.sha256(f"{study}\n{person}".encode()).hexdigest()

    numbers = {person: f"person {n}" for n, person in enumerate(sorted(named, key=order), 1)}
    if not numbers:
        return page
    # The longest first, and none that goes on: sub-1 is no part of sub-10.
    words = "|".join(re.escape(person) for person in sorted(numbers, key=len, reverse=True))
    return re.sub(rf"(?:{words})(?![A-Za-z0-9])", lambda found: numbers[found[0]], page)
