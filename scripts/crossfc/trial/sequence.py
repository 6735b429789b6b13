"""The order of treatments: its label, its periods, and its code as a number."""

from collections.abc import Mapping, Sequence

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


def read_order(
    sequence: str | None, treatments: Sequence[str], unused: Sequence[str] = ()
) -> tuple[str, ...] | None:
    """Read the treatments of a sequence such as ``A-B-C``, in the order of periods.

    Parameters
    ----------
    sequence : str or None
        Labels joined by hyphens; labels themselves may contain hyphens.
    treatments : sequence of str
    unused : sequence of str
        Further treatments, which are left out of the order.

    Returns
    -------
    tuple of str or None
        None if there is no sequence, or it holds anything but these labels.
    """
    if sequence is None:
        return None
    read = _labels(sequence, sorted({*treatments, *unused}, key=len, reverse=True))
    return None if read is None else tuple(label for label in read if label not in unused)


def _labels(text: str, known: Sequence[str]) -> list[str] | None:
    for label in known:
        if text == label:
            return [label]
        if text.startswith(f"{label}-"):
            rest = _labels(text[len(label) + 1 :], known)
            if rest is not None:
                return [label, *rest]
    return None


def join_order(order: Sequence[str]) -> str:
    """Write an order of treatments as the label of a sequence."""
    return "-".join(order)
