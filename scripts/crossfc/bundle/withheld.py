"""What is withheld from the bundle: whatever is about too few people of a group."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import NamedTuple


class Withheld(NamedTuple):
    """Something that is not in the bundle, and why."""

    what: str
    because: str


def too_few(counts: Mapping[str, int], smallest: int) -> str | None:
    """Say which groups are too small for their values to be shared; None if none is.

    Parameters
    ----------
    counts : mapping
        Number of people by the label of their group.
    smallest : int
        Number of people from which on a group's values are shared.
    """
    small = [f"{label} ({n})" for label, n in counts.items() if n < smallest]
    if not small:
        return None
    return f"fewer than {smallest} people: {', '.join(small)}"


def groups_of(label: str, groups: Sequence[str]) -> list[str]:
    """Return the groups that a row is about: one, or two of which the first minus the second.

    Parameters
    ----------
    label : str
        A group, or two with a hyphen between them; labels may have hyphens themselves.
    groups : sequence of str
        All labels.
    """
    pairs = {"-".join(pair): list(pair) for pair in combinations(groups, 2)}
    return [label] if label in groups else pairs[label]
