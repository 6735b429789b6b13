"""The order of treatments: its label, its periods, and its code as a number."""

import re
from collections.abc import Iterable, Mapping

from crossfc.fault import Fault
from crossfc.trial.sheet import MISSING


def sequence_code(sequence: object, treatments: Mapping[str, str]) -> int | None:
    """Return the code of a sequence: -1 if active came first, +1 if control did, None if unknown.

    Let D = active - control. If active came first, D = drug + period 1 - period 2; if control came
    first, D = drug + period 2 - period 1. So in a regression of D on this code, which is not
    centred, the slope is the period effect (period 2 minus period 1), and the intercept is the
    drug effect adjusted for it (Jones and Kenward 2014, Design and Analysis of Cross-Over Trials,
    ch. 2).

    Parameters
    ----------
    sequence : str or missing
        ``<treatment of period 1>-<treatment of period 2>``.
    treatments : mapping
        ``active`` and ``control`` to labels.

    Raises
    ------
    Fault
        If the sequence is not one of the two of the trial.
    """
    # A data frame marks a missing cell by NaN, which is the only value that differs from itself.
    if sequence is None or sequence in MISSING or sequence != sequence:
        return None
    active, control = treatments["active"], treatments["control"]
    codes = {f"{active}-{control}": -1, f"{control}-{active}": 1}
    if sequence not in codes:
        raise Fault(f'sequence "{sequence}" is not one of {", ".join(codes)}; correct the sheet')
    return codes[sequence]


def orders(treatments: Mapping[str, str]) -> dict[str | None, dict[int, str]]:
    """Return the two possible sequences: label to a dictionary from period to treatment."""
    a, b = treatments["active"], treatments["control"]
    return {f"{a}-{b}": {1: a, 2: b}, f"{b}-{a}": {1: b, 2: a}}


def sequence_of_two(
    sequence: str | None, treatments: Mapping[str, str], unused: Iterable[str]
) -> str | None:
    """Return a sequence without the treatments that are not used."""
    possible = orders(treatments)
    if sequence is None or sequence in possible:
        return sequence
    shorter = sequence
    for label in sorted(unused, key=len, reverse=True):
        shorter = re.sub(f"(?:^|-){re.escape(label)}(?=-|$)", "", shorter).strip("-")
    return shorter if shorter in possible else sequence
