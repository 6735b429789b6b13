"""Mixed models of the edges of any design: a mean for each cell, and contrasts of the means.

They include everybody with at least one session, and are a check on the analyses of contrast maps,
which need no model of the variances. A crossover of two treatments with one session each has a
model of its own (`crossfc.clinic.mixed`).
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypedDict

import numpy as np
import pandas as pd

from crossfc.array import BoolArray, FloatArray, IntArray
from crossfc.clinic.reml import LEAST_FREEDOM, BlockReml, Effect, block_reml
from crossfc.clinic.student import t_test
from crossfc.table import require_columns
from crossfc.trial.contrast import ANY, BEFORE, Cell

_TESTED = ("estimate", "low", "high", "se", "t", "df", "p")
COLUMNS = [
    *("seed", "target", "term", *_TESTED, "n_people", "n_sessions"),
    *("converged", "note"),
]
_ROUNDING = 1e-9
_SILENT = 1e-7  # largest weight of what no session tells of


class CellContrast(TypedDict):
    """A contrast as a plain row: its name, and treatment, occasion and weight of each cell."""

    contrast: str
    weights: list[tuple[str, str | None, float]]


class CellDesign(TypedDict):
    """What the model depends on besides the edges: groups, number of periods, contrasts."""

    groups: list[str]
    n_periods: int
    contrasts: list[CellContrast]


class _Group(NamedTuple):
    """A cell in a group."""

    group: str
    cell: Cell


class _Term(NamedTuple):
    """A contrast in a group, or its difference between two."""

    name: str
    contrast: CellContrast
    groups: tuple[str, ...]


@dataclass(frozen=True)
class _Means:
    """The fixed effects: a mean for each cell in each group, then the visits.

    Attributes
    ----------
    design : ndarray, shape (n_sessions, n_columns)
    columns : list
        What the first columns stand for.
    """

    design: FloatArray
    columns: list[_Group]

    def weights(self, contrast: CellContrast, group: str) -> FloatArray | Cell:
        """Return a contrast in a group as weights of the columns, or a cell without sessions."""
        found = np.zeros(self.design.shape[1])
        for treatment, occasion, weight in contrast["weights"]:
            own = [
                number
                for number, (label, cell) in enumerate(self.columns)
                if label == group
                and cell.occasion == occasion
                and treatment in (ANY, cell.treatment)
            ]
            if not own:
                return Cell(treatment, occasion)
            found[own] += weight / len(own)
        return found


def cell_model(edges: pd.DataFrame, design: CellDesign) -> pd.DataFrame:
    """Fit fisher_z ~ cell by group + visit for each seed and target, and test the contrasts.

    Every cell (treatment and occasion) has a mean in each group. Visits (a period at an occasion)
    have effects of their own, the same in all groups: columns 1[period k] - 1/K for k = 2 … K at
    every occasion, so that means are those at equal shares of the K periods
    (`crossfc.trial.visit`). Sessions before all treatment are in no period and have none.

    Sessions share random effects: of the person; of the person in this period, if some people have
    several sessions in one; and errors. Each group has variances of its own, if what every group
    has tells them; otherwise they are shared. They may be negative (`block_reml`). t has the
    standard error and degrees of freedom of Kenward and Roger (1997, Biometrics 53:983).

    Parameters
    ----------
    edges : DataFrame
        The table ``edges.tsv``: participant_id, group, treatment, period, seed, target, fisher_z,
        and occasion in trials with occasions; one row per session, seed and target.
    design : CellDesign

    Returns
    -------
    DataFrame
        The table ``mixed.tsv``: one row per seed, target and term. Terms are each contrast in each
        group (``<contrast>_<group>``) and its difference between groups (``group_by_<contrast>``:
        the first group minus the second; of three and more groups each pair has a row,
        ``group_by_<contrast>_<first>_<second>``). People and sessions are those of the term's
        groups. A term that cannot be estimated has no row, and the note of the others gives the
        reason. If a model cannot be fitted, or none of its terms estimated, its rows hold NaN,
        ``converged`` is False, and the note gives the reason.

    Raises
    ------
    Fault
        If a column is missing.
    """
    keys = ["participant_id", "group", "treatment", "period", "seed", "target", "fisher_z"]
    require_columns(edges, keys, "the table of edges")
    rows: list[dict[str, object]] = []
    for (seed, target), part in edges.groupby(["seed", "target"], sort=False):
        known = np.isfinite(part["fisher_z"].to_numpy(float))
        part = part[known & part["group"].isin(design["groups"])]
        for row in _edge(part, design):
            rows.append({"seed": seed, "target": target, **row})
    return pd.DataFrame(rows, columns=COLUMNS)


def _edge(part: pd.DataFrame, design: CellDesign) -> list[dict[str, object]]:
    """Fit one seed and target; return the rows of its terms."""
    groups = design["groups"]
    sessions = _Sessions.of(part, design)
    means, notes = sessions.means()
    basis, silent = _spaces(means.design)
    terms = _terms(design)
    weights, reasons = _weighed(terms, means, silent)
    fitted: BlockReml | None = None
    if weights:
        fitted, told = _fit(sessions, means.design @ basis)
        notes += told
    converged = fitted is not None
    rows = []
    for term in terms:
        if weights and term.name not in weights:
            continue
        numbers = dict.fromkeys(_TESTED, np.nan)
        if fitted is not None:
            estimate, error, freedom = fitted.tested(weights[term.name] @ basis)
            test = t_test(estimate, error, freedom)
            numbers = {"se": error, **test._asdict()}
        own = np.isin(sessions.group, [groups.index(group) for group in term.groups])
        rows.append(
            {
                "term": term.name,
                **{key: numbers[key] for key in _TESTED},
                "n_people": len(np.unique(sessions.person[own])),
                "n_sessions": int(own.sum()),
                "converged": converged,
                "note": "; ".join([*reasons, *notes]),
            }
        )
    return rows


def _terms(design: CellDesign) -> list[_Term]:
    """List all terms, in the order of the rows."""
    found = []
    pairs = list(itertools.combinations(design["groups"], 2))
    for contrast in design["contrasts"]:
        name = contrast["contrast"]
        found += [_Term(f"{name}_{group}", contrast, (group,)) for group in design["groups"]]
        for pair in pairs:
            suffix = "" if len(pairs) == 1 else f"_{pair[0]}_{pair[1]}"
            found.append(_Term(f"group_by_{name}{suffix}", contrast, pair))
    return found


def _weighed(
    terms: Sequence[_Term], means: _Means, silent: FloatArray
) -> tuple[dict[str, FloatArray], list[str]]:
    """Return the weights of the terms that can be estimated, and why others cannot."""
    found: dict[str, FloatArray] = {}
    reasons = []
    for term in terms:
        weights, empty = np.zeros(means.design.shape[1]), []
        for sign, group in zip((1, -1), term.groups, strict=False):
            own = means.weights(term.contrast, group)
            if isinstance(own, Cell):
                empty.append(f"nobody of {group} has a session of {own.label}")
            else:
                weights = weights + sign * own
        if empty:
            reasons.append(f"without {term.name}: {' and '.join(empty)}")
        elif np.abs(weights @ silent).max(initial=0) < _SILENT:
            found[term.name] = weights
        else:
            # Without visits every mean of a cell can be estimated.
            reasons.append(f"without {term.name}: it cannot be told from the effects of periods")
    return found, reasons


def _spaces(design: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Part combinations of columns into those that sessions tell of and those that they do not.

    Returns
    -------
    told, silent : ndarray, shape (n_columns, rank) and (n_columns, n_columns - rank)
        Orthonormal.
    """
    if not len(design):
        return np.empty((design.shape[1], 0)), np.eye(design.shape[1])
    sizes, turned = np.linalg.svd(np.linalg.qr(design, mode="r"), full_matrices=True)[1:]
    rank = int((sizes > _ROUNDING * sizes.max()).sum())
    return turned[:rank].T, turned[rank:].T


@dataclass(frozen=True)
class _Sessions:
    """The sessions of an edge: values, and numbers of groups, people and periods.

    Attributes
    ----------
    period : ndarray, shape (n_sessions,)
        0 before all treatment; NaN where it is not known.
    """

    values: FloatArray
    cells: list[_Group]
    group: IntArray
    person: IntArray
    period: FloatArray
    n_periods: int
    groups: list[str]

    @classmethod
    def of(cls, part: pd.DataFrame, design: CellDesign) -> "_Sessions":
        """Read the sessions of an edge."""
        treatment = part["treatment"].fillna(BEFORE).astype(str).to_numpy()
        occasion: list[str | None] = [None] * len(part)
        if "occasion" in part:
            occasion = [None if pd.isna(o) else str(o) for o in part["occasion"]]
        group = part["group"].to_numpy()
        period = pd.to_numeric(part["period"], errors="coerce").to_numpy(float)
        period = np.where(np.isin(period, np.arange(design["n_periods"]) + 1), period, np.nan)
        each = zip(group, treatment, occasion, strict=True)
        return cls(
            values=part["fisher_z"].to_numpy(float),
            cells=[_Group(str(g), Cell(str(t), o)) for g, t, o in each],
            group=np.array([design["groups"].index(label) for label in group], dtype=int),
            person=pd.factorize(part["participant_id"])[0],
            period=np.where(treatment == BEFORE, 0, period),
            n_periods=design["n_periods"],
            groups=design["groups"],
        )

    @property
    def before(self) -> BoolArray:
        """Which sessions are before all treatment."""
        return np.array([own.cell.treatment == BEFORE for own in self.cells], dtype=bool)

    @property
    def has_visits(self) -> bool:
        """Whether visits are in the model: there are several periods, all of them known."""
        return self.n_periods > 1 and bool(np.isfinite(self.period).all())

    def means(self) -> tuple[_Means, list[str]]:
        """Return the fixed effects, and a note if visits are not among them."""
        columns = list(dict.fromkeys(self.cells))
        found = [np.array([own == column for own in self.cells], float) for column in columns]
        notes = []
        if self.has_visits:
            occasions = np.array([str(own.cell.occasion) for own in self.cells])
            for occasion in dict.fromkeys(occasions[~self.before]):
                here = (occasions == occasion) & ~self.before
                for k in range(2, self.n_periods + 1):
                    found.append(here * ((self.period == k) - 1 / self.n_periods))
        elif self.n_periods > 1:
            unknown = int(np.isnan(self.period).sum())
            notes.append(
                f"without effects of periods: the period of {unknown} sessions is not known"
            )
        shape = len(self.cells), len(found)
        return _Means(np.array(found).T.reshape(shape), columns), notes

    @property
    def units(self) -> list[IntArray]:
        """What sessions share effects in, the largest first: people, periods of people, sessions.

        Periods only where visits are in the model and some people have several sessions in one;
        people only where some have several sessions.
        """
        alone = np.arange(len(self.values))
        # Sessions before all treatment are a period of their own.
        period = self.person * (self.n_periods + 1) + np.nan_to_num(self.period).astype(int)
        several = self.has_visits and np.bincount(period).max(initial=0) > 1
        units = [self.person, period, alone] if several else [self.person, alone]
        return units if np.bincount(self.person).max(initial=0) > 1 else [alone]


def _effects(units: Sequence[IntArray], group: IntArray) -> list[Effect]:
    """Return the random effects of units, with variances of their own in each group."""
    return [
        Effect(unit, (group == number).astype(float))
        for unit in units
        for number in range(int(group.max()) + 1)
    ]


def _freedom(design: FloatArray, units: Sequence[IntArray], group: IntArray) -> FloatArray:
    """Compute what the terms leave of the differences between units, in each group.

    Returns
    -------
    ndarray, shape (n_units * n_groups,)
        Residual degrees of freedom of each effect of `_effects`, if all variances were equal.
    """
    basis = np.linalg.qr(design)[0]
    left = []
    for number in range(int(group.max()) + 1):
        own = group == number
        left.append(np.diff([_left(basis[own], unit[own]) for unit in units], prepend=0.0))
    return np.array(left).T.ravel()


def _left(basis: FloatArray, unit: IntArray) -> float:
    """Compute the degrees of freedom that the terms leave of the means of units."""
    labels, inverse, counts = np.unique(unit, return_inverse=True, return_counts=True)
    sums = np.zeros((len(labels), basis.shape[1]))
    np.add.at(sums, inverse.ravel(), basis)
    return len(labels) - float((np.square(sums).sum(axis=1) / counts).sum())


def _fit(sessions: _Sessions, design: FloatArray) -> tuple[BlockReml | None, list[str]]:
    """Fit the sessions of an edge; None if that is not possible, and notes with the reason."""
    values, units = sessions.values, sessions.units
    scale = float(np.std(values))
    if scale <= 1e-12 * float(np.abs(values).max()):
        return None, ["all values are the same"]
    notes = []
    if len(units) == 1:
        notes.append("nobody has two sessions, so cells are compared between people")
    present, group = np.unique(sessions.group, return_inverse=True)
    labels = [sessions.groups[number] for number in present]
    shared = np.zeros_like(group)
    attempts = [(units, group)] if group.any() else []
    attempts.append((units, shared))
    if len(units) == 3:
        attempts.append(([units[0], units[2]], shared))
    enough = False
    for of_units, of_groups in attempts:
        least = LEAST_FREEDOM if of_groups.any() else LEAST_FREEDOM / 2
        if _freedom(design, of_units, of_groups).min() < least - 1e-9:
            continue
        enough = True
        effects = _effects(of_units, of_groups)
        fitted = block_reml(values / scale, design, sessions.person, effects)
        if fitted is None:
            continue
        if group.any() and not of_groups.any():
            notes.append(
                "one variance for all groups: what one of them has does not tell one of its own"
            )
        if len(of_units) < len(units):
            notes.append("without what sessions of one period share, which too few people tell")
        return fitted.scaled(scale), notes + _less_alike(fitted.variances, len(of_units), labels)
    notes.append(
        "not fitted: there is no variance of people, or none of their sessions, so that there is "
        "no error to compare with"
        if enough
        else "too few people and sessions for the model"
    )
    return None, notes


def _less_alike(variances: FloatArray, n_units: int, groups: Sequence[str]) -> list[str]:
    """Note which variances are negative, and of which groups if they have their own."""
    words = ["the sessions of a person are less alike than those of two people"]
    if n_units == 3:
        words.append("the sessions of one period are less alike than those of two")
    found = []
    for said, own in zip(words, variances.reshape(n_units, -1)[:-1], strict=False):
        some = [group for group, variance in zip(groups, own, strict=False) if variance < 0]
        if some and len(own) > 1:
            said += f" in {' and '.join(some)}"
        found += [said] if some else []
    return found and [f"{' and '.join(found)} (a negative variance)"]
