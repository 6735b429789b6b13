"""Designs of trials, as the sheets of a few people whose orders repeat."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from crossfc import atomic
from crossfc.array import BoolArray, FloatArray, IntArray
from crossfc.clinic.order import order_columns
from crossfc.fault import Fault
from crossfc.sample_size.arguments import CROSSOVER, DESIGNS, PARALLEL, WILLIAMS_3, WILLIAMS_4
from crossfc.trial import config as configuration
from crossfc.trial.dataset import Table
from crossfc.trial.design import Trial, load
from crossfc.twin.enrolment import enrol

_TREATMENTS = {
    CROSSOVER: ["placebo", "drug"],
    WILLIAMS_3: ["placebo", "low", "high"],
    WILLIAMS_4: ["placebo", "low", "middle", "high"],
    PARALLEL: ["placebo", "drug"],
}
_GROUP = "people"
_HOME = Path(__file__).resolve().parents[3]


@dataclass(frozen=True)
class Person:
    """What one order of treatments means for a contrast.

    Attributes
    ----------
    weights : ndarray, shape (n_sessions,)
        The weight of each session, in the order of time.
    treated : ndarray of bool, shape (n_sessions,)
        Whether the effect is in a session.
    periods : ndarray, shape (n_columns,)
        The columns that free the contrast from period effects.
    first : bool
        Whether the person is in the first arm, that of the drug; True in crossovers.
    """

    weights: FloatArray
    treated: BoolArray
    periods: FloatArray
    first: bool

    @property
    def last_session(self) -> int:
        """Number of the last session that the contrast needs, from 1."""
        return int(np.flatnonzero(self.weights)[-1]) + 1


@dataclass(frozen=True)
class TrialDesign:
    """A design: its sheets with one person of each order, checked as any trial is.

    Attributes
    ----------
    name : str
        One of `DESIGNS`.
    trial : Trial
    """

    name: str
    trial: Trial

    @classmethod
    def of(cls, name: str) -> "TrialDesign":
        """Write the sheets of a design as a twin's, and read them as those of a trial.

        Raises
        ------
        Fault
            If there is no such design.
        """
        if name not in DESIGNS:
            raise Fault(f"there is no design {name!r}; use one of {', '.join(DESIGNS)}")
        arms, treatments = name == PARALLEL, _TREATMENTS[name]
        orders: Any = "williams"
        if len(treatments) == 2:
            orders = [[t] for t in treatments] if arms else [treatments, treatments[::-1]]
        number = 2 if len(treatments) == 2 else {3: 6, 4: 4}[len(treatments)]
        with tempfile.TemporaryDirectory() as folder:
            sheets = {key: str(Path(folder) / f"{key}.tsv") for key in ("participants", "sessions")}
            sheets |= {
                key: str(_HOME / f"config/{key}.tsv") for key in ("scales", "seeds", "targets")
            }
            config = configuration.check(
                {
                    "study": "planned",
                    "entry": "maps",
                    "derivatives_dir": folder,
                    "sheets": sheets,
                    "groups": [_GROUP],
                    "treatments": treatments,
                    "occasions": ["before", "after"] if arms else [],
                    "twin": {
                        "design": {"people": {_GROUP: number}, "orders": orders, "scales": []}
                    },
                },
                configuration.load_schema(_HOME / "workflow/schemas/config.schema.yaml"),
            )
            participants, sessions, _ = enrol(config)
            _write(sheets["participants"], participants)
            _write(sheets["sessions"], sessions)
            return cls(name, load(config))

    @property
    def arms(self) -> bool:
        """Whether people have one treatment each."""
        return self.name == PARALLEL

    @cached_property
    def people(self) -> list[Person]:
        """One person of each order."""
        contrast = self.trial.contrasts[0]
        sides, columns = contrast.sides, self.trial.visit_columns(contrast)
        found = []
        for compared in self.trial.compared(contrast, self.trial.kept_sessions()):
            own = [
                s
                for s in self.trial.kept_sessions()
                if s.participant_id == compared.participant.participant_id
            ]
            weight = {session.session_id: value for session, value in compared.sessions}
            active = [
                (s.treatment == self.trial.treatments[1] and s.occasion == "after")
                if self.arms
                else s.treatment == sides["active"]
                for s in own
            ]
            row = pd.DataFrame([dict(compared.order)], columns=columns, dtype=float)
            found.append(
                Person(
                    np.array([weight.get(s.session_id, 0.0) for s in own]),
                    np.array(active),
                    order_columns(row, sides, columns).reshape(-1),
                    not self.arms or own[0].treatment == self.trial.treatments[1],
                )
            )
        return found

    @property
    def n_orders(self) -> int:
        """Number of orders of treatments, or of arms."""
        return len(self.people)

    def dealt(self, n_people: int) -> IntArray:
        """Return the order of each of some people: all equally often, but for those left over."""
        return np.arange(n_people) % self.n_orders

    def staying(self, n_people: int, dropouts: float, rng: np.random.Generator) -> BoolArray:
        """Draw who has all sessions that the contrast needs.

        A share of people leaves after some of their sessions, one at least, as in a twin
        (`crossfc.twin.enrolment`): anybody may, after any session but the last.

        Parameters
        ----------
        n_people : int
        dropouts : float
            The share, 0 to 1.
        rng : numpy.random.Generator

        Returns
        -------
        bool ndarray, shape (n_people,)
        """
        stays = np.ones(n_people, dtype=bool)
        last = np.array([person.last_session for person in self.people])[self.dealt(n_people)]
        leaving = rng.permutation(n_people)[: round(dropouts * n_people)]
        n_sessions = len(self.people[0].weights)
        stays[leaving] = rng.integers(1, n_sessions, size=len(leaving)) >= last[leaving]
        return stays

    def period_columns(self, orders: IntArray) -> FloatArray:
        """Return the columns of periods of people by their order, as `order_columns` does."""
        columns = np.array([person.periods for person in self.people])[orders]
        one: FloatArray = columns[:, 0] if self._one_column else columns
        return one

    @property
    def _one_column(self) -> bool:
        return self.name == CROSSOVER

    @property
    def sides(self) -> dict[str, str]:
        """Labels of the contrast's sides, ``active`` and ``control``."""
        return self.trial.contrasts[0].sides

    @property
    def compared(self) -> str:
        """What is compared, in words."""
        if self.arms:
            reference, drug = self.trial.treatments
            return f"between {drug} and {reference} in the change since before"
        return f"between {self.sides['active']} and {self.sides['control']}"


def _write(path: str, sheet: Table) -> None:
    atomic.write_table(path, pd.DataFrame(sheet.rows, columns=sheet.columns))


def members(design: TrialDesign, orders: Sequence[int] | IntArray) -> BoolArray:
    """Tell who of some people, by their order, is in the first arm."""
    first: BoolArray = np.array([person.first for person in design.people])[np.asarray(orders)]
    return first
