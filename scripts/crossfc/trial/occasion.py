"""Occasions: what is compared at each of them, whatever contrasts the configuration states."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from crossfc.trial.contrast import ANY, Cell, Contrast, contrast, with_baseline
from crossfc.trial.design import Trial


@dataclass(frozen=True)
class Comparison:
    """What is compared in scores at one occasion.

    Attributes
    ----------
    contrast : Contrast
        A treatment minus the reference at the occasion, or the occasion minus an earlier one.
    occasion : str
    since : str or None
        The earlier occasion; None where treatments are compared.
    treatment, reference : str or None
        The treatments compared; None where the comparison is with an earlier occasion.
    scales : tuple of str
        The scales that have scores for it.
    """

    contrast: Contrast
    occasion: str
    since: str | None
    treatment: str | None
    reference: str | None
    scales: tuple[str, ...]


def comparisons(trial: Trial) -> list[Comparison]:
    """List what is compared at each occasion of a trial.

    Within people who had several treatments it is each other treatment minus the reference, at
    every occasion with scores under both. In parallel arms and in a single arm it is the change
    since the first occasion at which the scale has scores.

    Returns
    -------
    list of Comparison
        By treatment and in the order of time; empty in a trial of fewer than two occasions, where
        the contrasts say it all.
    """
    occasions: Sequence[str] = trial.config["occasions"]
    if len(occasions) < 2:
        return []
    scored: dict[Cell, set[str]] = {}
    for session in trial.kept_sessions():
        own = {scale for scale, score in session.scores.items() if score is not None}
        scored.setdefault(session.cell, set()).update(own)
    reference, *others = trial.treatments
    if others and not trial.arms:
        return [
            Comparison(difference, occasion, None, other, reference, scales)
            for other in others
            for occasion in occasions
            if (difference := _difference(trial, other, reference, occasion))
            and (scales := _in_all(trial, [scored.get(c, set()) for c, _ in difference.weights]))
        ]
    at = {
        occasion: set[str]().union(*(own for c, own in scored.items() if c.occasion == occasion))
        for occasion in occasions
    }
    found = []
    for place, first in enumerate(occasions):
        earlier = set[str]().union(*(at[occasion] for occasion in occasions[:place]))
        for occasion in occasions[place + 1 :]:
            if scales := _in_all(trial, [at[first] - earlier, at[occasion]]):
                weights = {Cell(ANY, occasion): 1.0, Cell(ANY, first): -1.0}
                change = contrast(f"{occasion} since {first}", weights)
                change = _with_covariate(trial, change)
                found.append(Comparison(change, occasion, first, None, None, scales))
    return found


def _difference(trial: Trial, other: str, reference: str, occasion: str) -> Contrast:
    weights = {Cell(other, occasion): 1.0, Cell(reference, occasion): -1.0}
    return _with_covariate(trial, contrast(f"{other} at {occasion}", weights))


def _with_covariate(trial: Trial, of: Contrast) -> Contrast:
    """Add the baseline as a covariate, if it is one; it is subtracted from contrasts alone.

    What is compared at an occasion is named by that occasion, so it must not hold another one.
    """
    return replace(of, baseline=with_baseline(of, trial.config, trial.arms).baseline)


def _in_all(trial: Trial, scored: Sequence[set[str]]) -> tuple[str, ...]:
    return tuple(scale for scale in trial.scales if all(scale in own for own in scored))
