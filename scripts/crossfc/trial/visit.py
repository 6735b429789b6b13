"""Visits: columns that free a contrast of the effects of periods.

A visit is a period at an occasion, and has an effect of its own (practice, habituation, the
season). For person i, period k and occasion o the column is

    P_i(k, o) = Σ w(c) (1[c was in period k] - 1/K), over cells c of occasion o,

with w the weights of the contrast and K the number of periods. With the columns of k = 2 … K, the
intercept of D ~ 1 + P is the contrast at equal shares of the periods (Jones and Kenward 2014,
Design and Analysis of Cross-Over Trials, ch. 5; Senn 2002, Cross-over Trials in Clinical Research).
In a trial of two treatments and two periods there is one column, which is the code of the order.
"""

from collections.abc import Mapping, Sequence

from crossfc.trial.contrast import BEFORE, Contrast
from crossfc.trial.participant import Participant
from crossfc.trial.session import Session

# The column of two treatments in two periods: -1 if the active one came first, +1 if the control.
ORDER = "sequence_code"


def visit_columns(contrast: Contrast, n_periods: int) -> list[str]:
    """Name the columns of a contrast: ``sequence_code``, or ``period_2``, ``period_3_day2``, ….

    Parameters
    ----------
    contrast : Contrast
    n_periods : int
        Number of periods of the trial.

    Returns
    -------
    list of str
        Empty if there is one period.
    """
    if contrast.treatments and n_periods == 2:
        return [ORDER]
    occasions = dict.fromkeys(c.occasion for c, _ in contrast.weights if c.treatment != BEFORE)
    return [_name(k, occasion) for occasion in occasions for k in range(2, n_periods + 1)]


def visits(
    contrast: Contrast,
    person: Participant,
    sessions: Sequence[tuple[Session, float]],
    n_periods: int,
) -> dict[str, float | None]:
    """Compute the columns of one person.

    Parameters
    ----------
    contrast : Contrast
    person : Participant
    sessions : sequence of (Session, float)
        The person's sessions in the contrast, and the weight of each.
    n_periods : int
        As in `visit_columns`.

    Returns
    -------
    dict
        Each column to its value; None if the period of one of the sessions is not known.
    """
    columns = visit_columns(contrast, n_periods)
    if columns == [ORDER] and contrast.treatments:
        return {ORDER: order_code(person.order, contrast.treatments)}
    of_treatment = [(s, w) for s, w in sessions if s.treatment != BEFORE]
    if any(session.period is None for session, _ in of_treatment):
        return dict.fromkeys(columns)
    values: dict[str, float | None] = {}
    occasions = dict.fromkeys(c.occasion for c, _ in contrast.weights if c.treatment != BEFORE)
    for occasion in occasions:
        own = [(s, w) for s, w in of_treatment if s.occasion == occasion]
        for k in range(2, n_periods + 1):
            terms = [w * ((s.period == k) - 1 / n_periods) for s, w in own]
            # Rounded, as sums of thirds that are equal must be equal numbers.
            values[_name(k, occasion)] = round(sum(terms), 12) + 0.0
    return values


def order_code(order: Sequence[str] | None, sides: tuple[str, str]) -> int | None:
    """Return -1 if the first of two treatments came first, +1 if the second did, else None.

    Parameters
    ----------
    order : sequence of str or None
        Treatments of the periods, in their order.
    sides : (str, str)
        The treatment with positive weight, and the one with negative weight.
    """
    if order is None or not set(sides) <= set(order):
        return None
    return -1 if order.index(sides[0]) < order.index(sides[1]) else 1


def _name(period: int, occasion: str | None) -> str:
    return f"period_{period}" + (f"_{occasion}" if occasion else "")


def complete(columns: Mapping[str, float | None]) -> bool:
    """Test whether all columns of a person are known."""
    return all(value is not None for value in columns.values())
