"""The order of treatments as a number, the same for sheets, scores and maps."""

from collections.abc import Mapping

from crossfc.fault import Fault
from crossfc.trial.sheet import MISSING


def sequence_code(sequence: object, treatments: Mapping[str, str]) -> int | None:
    """Code a sequence: -1 active first, +1 control first, None not known.

    With D = active - control, an active-first person has D = drug + period 1 - period 2 and a
    control-first one D = drug + period 2 - period 1. So the slope of D on this code, which is not
    centred, is the period effect (period 2 minus period 1) and the intercept the drug effect
    without it (Jones and Kenward 2014, Design and Analysis of Cross-Over Trials, ch. 2).

    Parameters
    ----------
    sequence : str or missing
        ``<treatment of period 1>-<treatment of period 2>``.
    treatments : mapping
        ``active`` and ``control`` to labels.

    Raises
    ------
    Fault
        If the sequence is none of the trial's two.
    """
    # NaN is how a data frame says that a cell is missing; it alone differs from itself.
    if sequence is None or sequence in MISSING or sequence != sequence:
        return None
    active, control = treatments["active"], treatments["control"]
    codes = {f"{active}-{control}": -1, f"{control}-{active}": 1}
    if sequence not in codes:
        raise Fault(f'sequence "{sequence}" is not one of {", ".join(codes)}; correct the sheet')
    return codes[sequence]
