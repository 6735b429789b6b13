"""What a twin is told of a trial: its labels in their order, and where treatments act."""

from collections.abc import Sequence
from dataclasses import dataclass

from crossfc.trial.configuration import Configuration
from crossfc.trial.contrast import main_occasion
from crossfc.trial.treatment import treatment_labels

# Share of the whole effect that is left at the occasions after the main one.
_LATER = 0.5


@dataclass(frozen=True)
class Scheme:
    """The labels of a trial.

    Attributes
    ----------
    groups : tuple of (str or None)
        Patients (None in a study of healthy people), then all others.
    treatments : tuple of str
        The reference first, the others from the lowest dose to the highest.
    occasions : tuple of str
        In the order of time; empty where each period has one session.
    main : str or None
        The occasion at which treatments are compared.
    n_periods : int
    """

    groups: tuple[str | None, ...]
    treatments: tuple[str, ...]
    occasions: tuple[str, ...] = ()
    main: str | None = None
    n_periods: int = 2

    @classmethod
    def crossover(cls, groups: Sequence[str | None], treatments: Sequence[str]) -> "Scheme":
        """Return the scheme of two treatments (active, control) in two periods."""
        active, control = treatments
        return cls(tuple(groups), (control, active))

    @property
    def labels(self) -> list[str]:
        """The groups that there are."""
        return [group for group in self.groups if group is not None]

    def role(self, group: str) -> int:
        """Return 0 for a group of patients, 1 for any other."""
        return min(self.groups.index(group), 1)

    def share(self, treatment: str | None, occasion: str | None) -> float:
        """Return the share of the whole effect that a treatment has at an occasion.

        The reference has none and the last treatment all of it; those between have equal steps. It
        is there at the main occasion, half of it at those after, nothing at those before. A single
        treatment has all of it.
        """
        if treatment not in self.treatments:
            return 0.0
        steps = len(self.treatments) - 1
        dose = self.treatments.index(treatment) / steps if steps else 1.0
        if self.main is None or occasion not in self.occasions:
            return dose
        after = self.occasions.index(occasion) - self.occasions.index(self.main)
        return 0.0 if after < 0 else dose * _LATER if after else dose


def scheme_of(config: Configuration, n_periods: int) -> Scheme:
    """Return the scheme of a configuration.

    Raises
    ------
    Fault
        If the main occasion is none of the occasions.
    """
    return Scheme(
        groups=tuple(config["groups"].values()),
        treatments=tuple(treatment_labels(config)),
        occasions=tuple(config["occasions"]),
        main=main_occasion(config),
        n_periods=n_periods,
    )
