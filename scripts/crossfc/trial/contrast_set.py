"""Sets of contrasts that are tested together: does any of them differ from zero?"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from crossfc.fault import raise_all
from crossfc.trial.configuration import Configuration
from crossfc.trial.contrast import Contrast, faults_of_name
from crossfc.trial.sheet import did_you_mean


@dataclass(frozen=True)
class ContrastSet:
    """Contrasts that are tested together (an omnibus test).

    Attributes
    ----------
    name : str
        Part of the names of analyses and files.
    contrasts : tuple of Contrast
        Two or more, none of which follows from the others.
    """

    name: str
    contrasts: tuple[Contrast, ...]

    @property
    def labels(self) -> list[str]:
        """Both sides of each contrast in words."""
        return [f"{contrast.active} − {contrast.control}" for contrast in self.contrasts]


def read_sets(config: Configuration, contrasts: Sequence[Contrast]) -> list[ContrastSet]:
    """Read the sets of contrasts of the configuration.

    Raises
    ------
    Fault
        One sentence per fault of the key ``sets``.
    """
    by_name = {contrast.name: contrast for contrast in contrasts}
    found, faults = [], []
    for name, named in config["sets"].items():
        place = f"config key sets.{name}"
        faults += faults_of_name(place, name)
        if name in by_name:
            faults.append(f"{place}: a contrast is called {name} too; rename one of them")
        unknown = [label for label in named if label not in by_name]
        faults += [
            f"{place}: {label!r} is none of the contrasts {', '.join(by_name)}"
            f"{did_you_mean(label, by_name) or '; correct it'}"
            for label in unknown
        ]
        if unknown:
            continue
        own = tuple(by_name[label] for label in named)
        if len(own) < 2:
            faults.append(f"{place}: a set has two contrasts or more; name another one")
        elif (last := _dependent(own)) is not None:
            faults.append(
                f"{place}: {last} follows from the contrasts before it, so it adds nothing to the "
                "set; leave it out"
            )
        found.append(ContrastSet(name, own))
    raise_all(faults)
    return found


def _dependent(contrasts: Sequence[Contrast]) -> str | None:
    """Name the first contrast that is a sum of those before it, times numbers."""
    cells = list(dict.fromkeys(cell for own in contrasts for cell, _ in own.weights))
    rows = np.array([[dict(own.weights).get(cell, 0.0) for cell in cells] for own in contrasts])
    for number in range(2, len(rows) + 1):
        if np.linalg.matrix_rank(rows[:number], tol=1e-9) < number:
            return contrasts[number - 1].name
    return None
