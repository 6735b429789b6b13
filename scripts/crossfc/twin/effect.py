"""The effects that are planted in a twin: where each holds, and what it makes of a contrast."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NotRequired, TypedDict

from crossfc.fault import raise_all
from crossfc.trial.configuration import TwinEffect
from crossfc.trial.contrast import ANY, BEFORE, Cell, Contrast
from crossfc.trial.sheet import did_you_mean
from crossfc.twin.design import SCORE_MODEL
from crossfc.twin.scheme import Scheme

if TYPE_CHECKING:
    from crossfc.twin.truth import Edge


class PlantedChange(TypedDict):
    """A row of planted_changes.tsv: the change of one edge in a contrast and group, Fisher z."""

    contrast: str
    seed: str
    target: str
    group: str
    change: float


CHANGE_COLUMNS = ["contrast", "seed", "target", "group", "change"]


class EffectWords(TypedDict):
    """An effect in truth.json; what does not stand there is any."""

    change: float
    treatment: NotRequired[str]
    occasion: NotRequired[str]
    group: NotRequired[str]
    period: NotRequired[int]


@dataclass(frozen=True)
class Effect:
    """A change of an edge (Fisher z) in the sessions to which all that is named applies.

    What is None is any. An effect of a period names no treatment. With a scale the change is per
    point of the score, and the effect is a tie, which holds everywhere.
    """

    seed: str
    target: str
    change: float
    treatment: str | None = None
    occasion: str | None = None
    group: str | None = None
    period: int | None = None
    scale: str | None = None

    @property
    def edge(self) -> str:
        """Name of the edge, such as ``pgACC-insulaR``."""
        return f"{self.seed}-{self.target}"

    def holds(self, treatment: str | None, occasion: str | None, group: str) -> bool:
        """Test whether it applies to a treatment at an occasion in a group, in some period."""
        return (
            self.treatment in (None, treatment)
            and self.occasion in (None, occasion)
            and self.group in (None, group)
        )

    def words(self) -> EffectWords:
        """Return it for truth.json."""
        found: EffectWords = {"change": self.change}
        if self.treatment is not None:
            found["treatment"] = self.treatment
        if self.occasion is not None:
            found["occasion"] = self.occasion
        if self.group is not None:
            found["group"] = self.group
        if self.period is not None:
            found["period"] = self.period
        return found


def default_effects(edges: Iterable["Edge"], scheme: Scheme) -> list[Effect]:
    """Return the effects of edges in a trial that names none of its own.

    Those of treatments by dose and occasion (`Scheme.share`), and of periods about their middle.
    """
    found = []
    for edge in edges:
        for group in scheme.labels:
            for treatment in scheme.treatments:
                for occasion in scheme.occasions or (None,):
                    change = scheme.share(treatment, occasion) * edge.drug[scheme.role(group)]
                    if change:
                        found.append(
                            Effect(edge.seed, edge.target, change, treatment, occasion, group)
                        )
        middle = (scheme.n_periods + 1) / 2
        if edge.period and scheme.n_periods > 1:
            found += [
                Effect(edge.seed, edge.target, edge.period * (k - middle), period=k)
                for k in range(1, scheme.n_periods + 1)
            ]
    return found


def read_effects(
    rows: Iterable[TwinEffect], scheme: Scheme, seeds: Sequence[str], targets: Sequence[str]
) -> list[Effect]:
    """Read the effects of the config key ``twin.effects``.

    Parameters
    ----------
    rows : iterable of mapping
    scheme : Scheme
    seeds, targets : sequence of str
        Names of the regions.

    Raises
    ------
    Fault
        One sentence for each label that the trial does not have, and for each effect that holds
        always or of a treatment in one period.
    """
    faults, found = [], []
    for number, row in enumerate(rows, 1):
        place = f"config key twin.effects, number {number}"
        known: dict[str, tuple[object, Sequence[str]]] = {
            "seed": (row["seed"], seeds),
            "target": (row["target"], targets),
            "treatment": (row.get("treatment"), scheme.treatments),
            "occasion": (row.get("occasion"), scheme.occasions),
            "group": (row.get("group"), scheme.labels),
        }
        for key, (label, labels) in known.items():
            if label is not None and label not in labels:
                named = f"the {key}s {', '.join(labels)}" if labels else f"the trial's {key}s"
                none = "" if labels else ", as it has none"
                remedy = did_you_mean(str(label), labels) or "; name one" if labels else ""
                faults.append(f"{place}: {label!r} is none of {named}{none}{remedy}")
        period, treatment, occasion = (row.get("period"), row.get("treatment"), row.get("occasion"))
        if period is not None and period > scheme.n_periods:
            faults.append(
                f"{place}: there is no period {period}, as the trial has {scheme.n_periods}; "
                "leave the key period out, or correct it"
            )
        if period is not None and treatment is not None:
            faults.append(
                f"{place}: an effect of a period holds whatever the treatment; leave out "
                "treatment or period"
            )
        if (scale := row.get("scale")) is not None:
            faults += _faults_of_tie(place, row, scale)
        elif (period, treatment, occasion) == (None, None, None):
            faults.append(
                f"{place}: it would hold in all sessions, so that nothing changes within anybody; "
                "name a treatment, an occasion, a period or a scale"
            )
        if treatment is not None and occasion is None:
            occasion = scheme.main
        found.append(
            Effect(
                row["seed"], row["target"], float(row["change"]),
                treatment, occasion, row.get("group"), period, scale,
            )
        )  # fmt: skip
    raise_all(faults)
    return found


def _faults_of_tie(place: str, row: TwinEffect, scale: str) -> list[str]:
    faults = []
    if scale not in SCORE_MODEL:
        faults.append(
            f"{place}: how people score on {scale!r} is not known; use one of "
            f"{', '.join(SCORE_MODEL)}"
        )
    if further := [key for key in ("treatment", "occasion", "group", "period") if key in row]:
        faults.append(
            f"{place}: a change per point of a score holds everywhere; leave out "
            f"{' and '.join(further)}, or scale"
        )
    return faults


def planted_changes(
    effects: Sequence[Effect],
    edges: Iterable["Edge"],
    contrasts: Iterable[Contrast],
    scheme: Scheme,
    *,
    arms: bool,
) -> list[PlantedChange]:
    """Compute what is planted in each contrast: Σ w(c) E(c) over its cells c.

    E(c) is the sum of the effects that hold in the cell, at equal shares of the periods, as the
    analyses estimate it (`crossfc.trial.visit`).

    Parameters
    ----------
    effects : sequence of Effect
    edges : iterable of Edge
    contrasts : iterable of Contrast
    scheme : Scheme
    arms : bool
        Treatments are parallel arms, and stand in place of groups.

    Returns
    -------
    list of PlantedChange
        Also those that are zero.
    """
    # Parallel arms are of people of one group.
    whose = (
        [(arm, scheme.labels[0], (arm,)) for arm in (*scheme.treatments[1:], scheme.treatments[0])]
        if arms
        else [(group, group, scheme.treatments) for group in scheme.labels]
    )
    return [
        {
            "contrast": contrast.name,
            "seed": edge.seed,
            "target": edge.target,
            "group": label,
            # Rounded, as sums of tenths that cancel must be zero.
            "change": round(
                sum(
                    weight * _expected([e for e in effects if e.edge == edge.name], cell, group,
                                       received, scheme.n_periods)
                    for cell, weight in contrast.weights
                ), 6
            ) + 0.0,
        }
        for contrast in contrasts
        for edge in edges
        for label, group, received in whose
    ]  # fmt: skip


def _expected(
    effects: Sequence[Effect], cell: Cell, group: str, received: Sequence[str], n_periods: int
) -> float:
    """Return the mean of what is planted in a cell, over treatments (of `ANY`) and periods."""
    treatments = received if cell.treatment == ANY else [cell.treatment]
    total = 0.0
    for effect in effects:
        held = [effect.holds(treatment, cell.occasion, group) for treatment in treatments]
        share = sum(held) / len(held)
        if effect.period is not None:
            share = 0.0 if cell.treatment == BEFORE else share / n_periods
        total += share * effect.change
    return total
