"""Carry-over: columns for what the treatment of the period before has left behind.

Let a person's value in cell c, which is in period k at occasion o, be

    Y_i(c) = s_i + τ(c) + π(k, o) + λ(t),

with s_i of the person, τ of treatment and occasion, π of the visit, and λ(t) of the treatment t of
period k - 1 (first-order carry-over, alike at every occasion; there is none in period 1 and before
all treatment). For D_i = Σ w(c) Y_i(c) with Σ w = 0, λ comes in as Σ λ(t) C_i(t), where

    C_i(t) = Σ w(c) 1[t was given in the period before c's], over cells c.

The C_i(t) of all treatments add up to the weights of the periods after the first, which the columns
P of periods (`crossfc.trial.visit`) hold already. So that of the reference r is left out, and in

    D ~ 1 + P + C

the coefficient of C(t) is λ(t) - λ(r), and λ(r) is part of the effects of the periods after the
first. The intercept is Σ w τ, the contrast free of period effects and of first-order carry-over, if
the weights add up to zero at every occasion, as they do where treatments are compared. In other
contrasts (the drug against a baseline before all treatment) it holds the mean effect of the visits
too, as it does without C. The columns are not centred, as no share of carry-over is the right one.

Jones and Kenward 2014, Design and Analysis of Cross-Over Trials, ch. 5. In two periods C follows
from P, so that carry-over is told from the sum of both sessions alone (`crossfc.clinic.change`).
"""

from collections.abc import Mapping, Sequence

from crossfc.trial.contrast import BEFORE
from crossfc.trial.design import Trial
from crossfc.trial.session import Session

PREFIX = "carryover_"


def separable(trial: Trial) -> bool:
    """Test whether a trial can have columns of carry-over: in three periods, within people.

    Periods are counted without the treatments of the config key ``unused.treatments``, so that what
    came before a session is not known where there are such.
    """
    within = not trial.arms and len(trial.treatments) > 1
    return within and trial.n_periods > 2 and not trial.config["unused"]["treatments"]


def given_treatments(trial: Trial) -> dict[str, dict[int, str]]:
    """Return the treatment of every person in each period, where it is known.

    A treatment was given also where its session is missing or excluded.
    """
    given = {
        name: dict(enumerate(person.order or (), 1)) for name, person in trial.participants.items()
    }
    for session in trial.kept_sessions():
        if session.period is not None:
            given[session.participant_id][session.period] = session.treatment
    for session in trial.sessions:
        if session.period is not None and session.treatment in trial.treatments:
            given[session.participant_id].setdefault(session.period, session.treatment)
    return given


def carryovers(
    sessions: Sequence[tuple[Session, float]],
    given: Mapping[int, str],
    treatments: Sequence[str],
) -> dict[str, float | None]:
    """Compute the columns of one person in a contrast.

    Parameters
    ----------
    sessions : sequence of (Session, float)
        The person's sessions in the contrast, and the weight of each.
    given : mapping
        The treatment of each period, as far as known (`given_treatments`).
    treatments : sequence of str
        Those that have a column: all but the reference.

    Returns
    -------
    dict
        ``carryover_<treatment>`` to its value; None if the period of a session is not known, or the
        treatment of the period before it.
    """
    of_treatment = [(session, w) for session, w in sessions if session.treatment != BEFORE]
    values = dict.fromkeys(treatments, 0.0)
    for session, weight in of_treatment:
        if session.period == 1:
            continue
        before = None if session.period is None else given.get(session.period - 1)
        if before is None:
            return {f"{PREFIX}{treatment}": None for treatment in treatments}
        if before in values:
            values[before] += weight
    # Rounded, as sums of thirds that are equal must be equal numbers.
    return {f"{PREFIX}{t}": round(value, 12) + 0.0 for t, value in values.items()}
