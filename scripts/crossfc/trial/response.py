"""Scores that are held against definitions of response and remission, with their baselines."""

from collections.abc import Sequence
from dataclasses import dataclass

from crossfc.trial.contrast import BEFORE, Cell, Contrast, contrast
from crossfc.trial.design import Trial, sessions_of
from crossfc.trial.scale import Scale
from crossfc.trial.session import Session

BEFORE_TREATMENT = "before all treatment"


@dataclass(frozen=True)
class Baseline:
    """Where the baseline of a scale is.

    Attributes
    ----------
    occasion : str or None
        None in a trial without occasions.
    before : bool
        Whether it is before all treatment, so that all treatments share it. Else every session has
        its own: that of its treatment at the occasion.
    """

    occasion: str | None
    before: bool

    @property
    def label(self) -> str:
        """The baseline in words."""
        return self.occasion or BEFORE_TREATMENT

    def sessions(self, sessions: Sequence[Session], treatment: str) -> list[Session]:
        """List a person's sessions at the baseline of a treatment."""
        return sessions_of(Cell(BEFORE if self.before else treatment, self.occasion), sessions)


def defined(trial: Trial) -> list[Scale]:
    """List the scales of a trial that define response or remission."""
    return [s for s in trial.scales.values() if (s.response_percent, s.remission_at) != (None,) * 2]


def baseline_of(trial: Trial, scale: str) -> Baseline | None:
    """Find the baseline of a scale: the first of these at which anybody was scored.

    The config's ``baseline_occasion``, of the treatment's own period; the last occasion before all
    treatment; the first occasion with scores, where nobody had more than one treatment.

    Returns
    -------
    Baseline or None
        None where there is none.
    """
    scored = [s for s in trial.kept_sessions() if s.scores.get(scale) is not None]
    at = trial.config["baseline_occasion"]
    if at is not None and any(s.occasion == at and s.treatment != BEFORE for s in scored):
        return Baseline(at, before=False)
    occasions = list(trial.config["occasions"])
    before = [s.occasion for s in scored if s.treatment == BEFORE]
    if before:
        last = max(before, key=lambda o: occasions.index(o) if o in occasions else -1)
        return Baseline(last, before=True)
    if trial.arms or len(trial.treatments) == 1:
        there = [o for o in occasions if any(s.occasion == o for s in scored)]
        if len(there) > 1:
            return Baseline(there[0], before=False)
    return None


def outcome_cells(trial: Trial, scale: str) -> list[Cell]:
    """List the cells in which response to a scale is told: under a treatment, not the baseline."""
    baseline = baseline_of(trial, scale)
    return [
        cell
        for cell in trial.cells
        if cell.treatment != BEFORE
        and not (baseline and not baseline.before and cell.occasion == baseline.occasion)
    ]


def compared(trial: Trial, scale: str) -> list[Contrast]:
    """List the pairs of cells that people have both of: a treatment and the reference.

    Each is at one occasion, and is named by treatment and occasion.
    """
    reference, *others = trial.treatments
    if trial.arms:
        return []
    cells = outcome_cells(trial, scale)
    occasions = dict.fromkeys(cell.occasion for cell in cells)
    return [
        contrast(Cell(other, at).label, {Cell(other, at): 1.0, Cell(reference, at): -1.0})
        for other in others
        for at in occasions
        if {Cell(other, at), Cell(reference, at)} <= set(cells)
    ]


def mean_score(sessions: Sequence[Session], scale: str) -> float | None:
    """Return the mean of a person's scores in a cell; None if there is none."""
    scores = [score for s in sessions if (score := s.scores.get(scale)) is not None]
    return sum(scores) / len(scores) if scores else None
