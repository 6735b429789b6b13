"""The scores of the first period: who had which treatment first, and how they were then."""

from collections.abc import Iterator, Sequence

from crossfc.trial.contrast import Contrast
from crossfc.trial.design import Trial, sessions_of, weighted_sum
from crossfc.trial.participant import Participant
from crossfc.trial.session import Session

UNKNOWN = "the treatment of the first period is not known"


def compares_first_periods(trial: Trial, contrast: Contrast) -> bool:
    """Test whether a contrast is of two treatments that people had in several periods."""
    return not trial.arms and trial.n_periods > 1 and contrast.treatments is not None


def first_sessions(
    person: Participant, sessions: Sequence[Session]
) -> tuple[str | None, list[Session]]:
    """Return a person's treatment in the first period and the sessions of that period.

    The treatment is None if it is not known. It is told by a session of period 1 or by the
    sequence, so that who has no other session is told too.
    """
    first = next((s.treatment for s in sessions if s.period == 1), None)
    if first is None and person.order:
        first = person.order[0]
    own = [s for s in sessions if s.treatment == first and s.period in (1, None)]
    return first, own


def first_scores(
    trial: Trial, contrast: Contrast, person: Participant, sessions: Sequence[Session]
) -> Iterator[dict[str, object]]:
    """List a person's score of every scale in the first period.

    At several occasions it is the sum of scores with the weights that the treatments have in the
    contrast. Who had a third treatment first is in no row: there is nothing to compare.

    Parameters
    ----------
    trial : Trial
    contrast : Contrast
        One for which `compares_first_periods` holds.
    person : Participant
    sessions : sequence of Session
        The person's sessions.

    Yields
    ------
    dict
        A row of `crossfc.clinic.first_period.FirstScore`.
    """
    pair = contrast.treatments
    if pair is None or not sessions:
        return
    first, own = first_sessions(person, sessions)
    if first is not None and first not in pair:
        return
    # Both treatments have these weights: their difference is what the contrast is.
    cells = [(cell, weight) for cell, weight in contrast.weights if cell.treatment == pair[0]]
    for scale in trial.scales:
        score = None
        if first is not None:
            there = [(sessions_of(cell._replace(treatment=first), own), w) for cell, w in cells]
            values = [(s.scores.get(scale), w / len(of)) for of, w in there for s in of]
            score = weighted_sum(values) if all(of for of, _ in there) else None
        side = None if first is None else "active" if first == pair[0] else "control"
        reason = UNKNOWN if side is None else f"no score under {first} in period 1"
        if score is None and not any(s.scores.get(scale) is not None for s in sessions):
            continue  # never scored on this scale
        yield {
            "contrast": contrast.name,
            "scale": scale,
            "group": person.group,
            "participant_id": person.participant_id,
            "side": side,
            "score": score,
            "reason": None if score is not None else reason,
        }
