"""The planted truth of a twin: the correlations of each session and how they are computed."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from math import sqrt, tanh
from typing import Any, TypedDict

import numpy as np

from crossfc.fault import Fault
from crossfc.trial.contrast import BEFORE
from crossfc.trial.regions import RegionRow
from crossfc.twin.design import SCORE_MODEL, Row, SessionTruth, number, stream
from crossfc.twin.effect import Effect, default_effects
from crossfc.twin.scheme import Scheme

# Standard deviation of a session's measured Fisher z about the planted one, for two regions in 120
# volumes of 2.5 s, cleaned with 24 motion parameters, aCompCor and 0.008-0.1 Hz. Only used for the
# expected effect sizes; a test measures it.
MEASUREMENT_SD = 0.22
_LIMIT = 1.25  # Fisher z, a correlation of 0.85; larger ones do not occur in brains

FORMULA = (
    "fisher_z = baseline + group[group] + person + active * drug[group] + (period - 1.5) * period"
    " + sum over scales of sign * slope / 2 * (change - expected change of the group) + session;"
    " active is 1 or 0, sign is +1 under the active treatment and -1 under the other; person and"
    " session are normal with the standard deviations given; limited to ±1.25;"
    " correlation = tanh(fisher_z)"
)
# The same for any design.
DESIGN_FORMULA = (
    "fisher_z = baseline + group[group] + person + sum of the effects that hold in the session + "
    "sum over scales of slope * (excess - mean excess of the person's sessions) + state + session;"
    " an effect holds where its treatment, occasion, group and period, as far as they are named,"
    " are those of the session; excess = score - share of the session * expected change of the"
    " group; person, session and state (which the sessions of a person in one period share) are"
    " normal with the standard deviations given; limited to ±1.25; correlation = tanh(fisher_z)"
)


@dataclass(frozen=True)
class Edge:
    """A planted connection between a seed and a target; all values in Fisher z.

    ``drug`` and ``group`` are effects in (patients, controls). ``ties`` maps a scale to a slope:
    Fisher z per point of the change in score (active minus control). ``person_sd`` and
    ``session_sd`` are standard deviations between people and between sessions.
    """

    seed: str
    target: str
    meaning: str
    baseline: float = 0.25
    drug: tuple[float, float] = (0.0, 0.0)
    group: tuple[float, float] = (0.0, 0.0)
    period: float = 0.0
    ties: dict[str, float] = field(default_factory=dict)
    person_sd: float = 0.10
    session_sd: float = 0.06

    @property
    def name(self) -> str:
        """Name of the edge, such as ``pgACC-insulaR``."""
        return f"{self.seed}-{self.target}"


EDGES = (
    Edge(
        "pgACC", "insulaR", "group by drug, and tied to the change in depression",
        baseline=0.25, drug=(-0.45, 0.25), group=(0.10, 0.0), ties={"MADRS": 0.024},
    ),
    Edge(
        "sgACC", "ventralStriatum", "tied to the change in anhedonia, hardly a mean effect",
        baseline=0.30, drug=(0.05, 0.0), ties={"SHAPS": -0.030, "TEPS_A": 0.030},
    ),
    Edge(
        "dACC", "SMG", "group by drug, in the other direction",
        baseline=0.10, drug=(0.45, -0.20), group=(-0.10, 0.0),
    ),
    Edge(
        "pgACC", "PCC", "period 2 above period 1, no effect of the drug",
        baseline=0.40, period=0.30,
    ),
    Edge("sgACC", "hippocampus", "no effect of anything: a null", baseline=0.25),
    Edge(
        "sgACC", "vmPFC", "group by drug common to the three subregions",
        baseline=0.25, drug=(0.25, -0.12),
    ),
    Edge(
        "pgACC", "vmPFC", "group by drug common to the three subregions",
        baseline=0.25, drug=(0.25, -0.12),
    ),
    Edge(
        "dACC", "vmPFC", "group by drug common to the three subregions",
        baseline=0.05, drug=(0.25, -0.12),
    ),
)  # fmt: skip

# Mean framewise displacement (mm) of a person under the control treatment: its median, the standard
# deviations of its logarithm between people and between sessions, and the factor by which the
# active treatment multiplies it.
_FD_MEDIAN, _FD_PERSON, _FD_SESSION, _FD_ACTIVE = 0.12, 0.25, 0.15, 1.25
_FD_RANGE = (0.05, 0.40)
_FD_REPEAT = 1.3  # factor of the second run of a session, so that the first has less motion


class Truth(TypedDict):
    """What is planted in a study, and the settings with which it was drawn.

    ``sessions`` are by person and session. ``not_planted`` names the edges whose regions are not in
    the sheets. Groups and treatments are by role in a crossover of two treatments, else lists.
    """

    formula: str
    random_seed: int
    groups: dict[str, str | None] | list[str]
    treatments: dict[str, str] | list[str]
    measurement_sd: float
    edges: list[dict[str, Any]]
    not_planted: list[str]
    motion: dict[str, Any]
    sessions: dict[str, dict[str, SessionTruth]]


def plant(
    participants: Iterable[Row],
    sessions: Iterable[Row],
    seeds: Iterable[RegionRow],
    targets: Iterable[RegionRow],
    strengths: dict[str, float] | None = None,
    *,
    groups: Sequence[str | None],
    treatments: Sequence[str],
    edges: Sequence[Edge] = EDGES,
    random_seed: int,
) -> Truth:
    """Compute the true correlations of every session.

    The truth of a person depends only on the rows of that person, so a change of a row changes the
    truth of one person only.

    Parameters
    ----------
    participants, sessions : list of dict
        Rows of the sheets; people of other groups are left out.
    seeds, targets : list of dict
        Rows of the sheets (seeds of one seed set). Edges whose regions are not in the sheets are
        not planted; they are listed in ``not_planted``.
    strengths : dict, optional
        Edge name (``pgACC-insulaR``), or ``all``, to a factor for its effects (drug, period,
        ties); 0 makes an edge without effects.
    groups : (str, str or None)
        Labels of patients and controls.
    treatments : (str, str)
        Labels of the active and the control treatment.
    edges : sequence of Edge
    random_seed : int

    Returns
    -------
    Truth
        In types that can be written as JSON.

    Raises
    ------
    Fault
        If ``strengths`` names an edge that does not exist.
    """
    sessions = list(sessions)
    scheme = Scheme.crossover(groups, treatments)
    edges = _strengthen(edges, strengths or {})
    planted = _with_regions(edges, seeds, targets)
    scales = _columns(sessions)
    return {
        "formula": FORMULA,
        "random_seed": int(random_seed),
        "groups": {"patients": groups[0], "controls": groups[1]},
        "treatments": {"active": treatments[0], "control": treatments[1]},
        "measurement_sd": MEASUREMENT_SD,
        "edges": [_describe(e, groups, scales) for e in planted],
        "not_planted": [e.name for e in edges if e not in planted],
        "motion": _motion(),
        "sessions": _sessions(
            list(participants), sessions, _Sources(
                planted, default_effects(planted, scheme), scales, scheme, 0.0, random_seed
            )
        ),
    }  # fmt: skip


def plant_design(
    participants: Iterable[Row],
    sessions: Iterable[Row],
    edges: Sequence[Edge],
    effects: Sequence[Effect],
    *,
    scheme: Scheme,
    period_sd: float,
    random_seed: int,
) -> Truth:
    """Compute the true correlations of every session of any design.

    As in `plant`, the truth of a person depends on the rows of that person only.

    Parameters
    ----------
    participants, sessions : list of dict
        Rows of the sheets, with the column ``occasion`` where there are occasions. In parallel arms
        a person's group is that of the people, not the arm.
    edges : sequence of Edge
        See `edges_of`.
    effects : sequence of Effect
        Everything that changes within people.
    scheme : Scheme
    period_sd : float
        Standard deviation (Fisher z) of what the sessions of one person in one period share.
    random_seed : int

    Returns
    -------
    Truth
        In types that can be written as JSON.
    """
    sessions = list(sessions)
    scales = _columns(sessions)
    spread = period_sd if scheme.occasions else 0.0
    return {
        "formula": DESIGN_FORMULA,
        "random_seed": int(random_seed),
        "groups": scheme.labels,
        "treatments": list(scheme.treatments),
        "measurement_sd": MEASUREMENT_SD,
        "edges": [
            {
                "edge": edge.name,
                "seed": edge.seed,
                "target": edge.target,
                "meaning": edge.meaning,
                "baseline": edge.baseline,
                "group": {g: edge.group[scheme.role(g)] for g in scheme.labels},
                "effects": [e.words() for e in effects if e.edge == edge.name],
                "ties": _ties(edge, scheme.groups, scales),
                "person_sd": edge.person_sd,
                "period_sd": spread,
                "session_sd": edge.session_sd,
            }
            for edge in edges
        ],
        "not_planted": [e.name for e in EDGES if e.name not in {own.name for own in edges}],
        "motion": _motion()
        | {"formula": "mean FD = median * exp(person + session) * (1 + share * (factor - 1))"},
        "sessions": _sessions(
            list(participants),
            sessions,
            _Sources(edges, effects, scales, scheme, spread, random_seed),
        ),
    }


def edges_of(
    seeds: Iterable[RegionRow],
    targets: Iterable[RegionRow],
    strengths: dict[str, float],
    effects: Sequence[Effect] | None,
) -> tuple[list[Edge], list[Effect]]:
    """Return the edges that are planted, and the effects that are given, times their strengths.

    Parameters
    ----------
    seeds, targets : list of dict
        Rows of the sheets (seeds of one seed set).
    strengths : dict
        As in `plant`.
    effects : sequence of Effect or None
        Effects in place of those of `EDGES`; their edges are planted too. None for those of
        `EDGES`.

    Returns
    -------
    edges : list of Edge
        Those of `EDGES` whose regions are in the sheets, then those of further effects.
    effects : list of Effect
        Without ties, which belong to the edges; empty if there are none given.

    Raises
    ------
    Fault
        If ``strengths`` names an edge that does not exist.
    """
    known = list(EDGES)
    for effect in effects or ():
        if effect.edge not in {edge.name for edge in known}:
            known.append(Edge(effect.seed, effect.target, "an effect in the config"))
    edges = _with_regions(_strengthen(known, strengths), seeds, targets)
    if effects is None:
        return edges, []
    scaled = [
        replace(e, change=strengths.get(e.edge, strengths.get("all", 1.0)) * e.change)
        for e in effects
    ]
    told = {effect.edge for effect in effects}
    bare = [
        replace(
            edge,
            drug=(0.0, 0.0),
            period=0.0,
            ties={e.scale: e.change for e in scaled if e.edge == edge.name and e.scale},
            meaning=f"{'an' if edge.name in told else 'no'} effect in the config",
        )
        for edge in edges
    ]
    return bare, [effect for effect in scaled if effect.scale is None]


@dataclass(frozen=True)
class _Sources:
    """What the truth of a session is made of."""

    edges: Sequence[Edge]
    effects: Sequence[Effect]
    scales: dict[str, str]
    scheme: Scheme
    period_sd: float
    random_seed: int


def _with_regions(
    edges: Sequence[Edge], seeds: Iterable[RegionRow], targets: Iterable[RegionRow]
) -> list[Edge]:
    names = {row["seed"] for row in seeds}, {row["target"] for row in targets}
    return [e for e in edges if e.seed in names[0] and e.target in names[1]]


def _motion() -> dict[str, Any]:
    return {
        "formula": "mean FD = median * exp(person + session) * (active factor if active)",
        "median_mm": _FD_MEDIAN,
        "person_sd": _FD_PERSON,
        "session_sd": _FD_SESSION,
        "active_factor": _FD_ACTIVE,
        "repeat_factor": _FD_REPEAT,
        "limits_mm": list(_FD_RANGE),
    }


def _sessions(
    participants: Sequence[Row], sessions: Sequence[Row], sources: _Sources
) -> dict[str, dict[str, SessionTruth]]:
    people = {p["participant_id"]: p for p in participants if p["group"] in sources.scheme.labels}
    by_person: dict[str, list[Row]] = {}
    for row in sessions:
        known = row["treatment"] in (*sources.scheme.treatments, BEFORE)
        if row["participant_id"] in people and known:
            by_person.setdefault(row["participant_id"], []).append(row)
    return {
        person: {row["session_id"]: _session(row, rows, people[person], sources) for row in rows}
        for person, rows in by_person.items()
    }


def _columns(sessions: Sequence[Row]) -> dict[str, str]:
    """Return the column of each scale, which may have an ending (``MADRS_Total`` for MADRS)."""
    found: dict[str, str] = {}
    for column in sessions[0] if sessions else ():
        for instrument in SCORE_MODEL:
            if column == instrument or column.startswith(f"{instrument}_"):
                found.setdefault(instrument, column)
    return found


def _strengthen(edges: Sequence[Edge], strengths: dict[str, float]) -> list[Edge]:
    unknown = sorted(set(strengths) - {e.name for e in edges} - {"all"})
    if unknown:
        raise Fault(
            f"config key twin.strengths: there is no edge {', '.join(unknown)}; known are all, "
            f"{', '.join(e.name for e in edges)}"
        )
    result = []
    for edge in edges:
        factor = float(strengths.get(edge.name, strengths.get("all", 1.0)))
        result.append(
            replace(
                edge,
                drug=(factor * edge.drug[0], factor * edge.drug[1]),
                period=factor * edge.period,
                ties={scale: factor * slope for scale, slope in edge.ties.items()},
            )
        )
    return result


def _ties(edge: Edge, groups: Sequence[str | None], scales: dict[str, str]) -> dict[str, Any]:
    return {
        scale: {
            "slope_per_point": slope,
            "planted": scale in scales,
            "expected_change": {
                g: SCORE_MODEL[scale][min(role, 1)][2] for role, g in enumerate(groups) if g
            },
        }
        | (
            {"column": scales[scale]}
            if scale in scales
            else {"why_not": "the design has no such scale"}
        )
        for scale, slope in edge.ties.items()
    }


def _describe(edge: Edge, groups: Sequence[str | None], scales: dict[str, str]) -> dict[str, Any]:
    return {
        "edge": edge.name,
        "seed": edge.seed,
        "target": edge.target,
        "meaning": edge.meaning,
        "baseline": edge.baseline,
        "group": {g: edge.group[role] for role, g in enumerate(groups) if g},
        "drug": {g: edge.drug[role] for role, g in enumerate(groups) if g},
        "period": edge.period,
        "ties": _ties(edge, groups, scales),
        "person_sd": edge.person_sd,
        "session_sd": edge.session_sd,
        "hedges_g": _hedges(edge, groups, scales),
    }


def _change_sd(edge: Edge, role: int, scales: dict[str, str], measurement_sd: float) -> float:
    # ASSUME: the variances of ties add up as if scales were independent, although their changes
    # are correlated.
    variance = 2 * (edge.session_sd**2 + measurement_sd**2)
    for scale in scales.keys() & edge.ties:
        variance += (edge.ties[scale] * SCORE_MODEL[scale][role][3]) ** 2
    return sqrt(variance)


def _hedges(edge: Edge, groups: Sequence[str | None], scales: dict[str, str]) -> dict[str, float]:
    """Return the true values that Hedges' g estimates, with and without measurement error."""
    result = {}
    for word, error in (("true", 0.0), ("measured", MEASUREMENT_SD)):
        patients, controls = (_change_sd(edge, role, scales, error) for role in (0, 1))
        for role, label, spread in zip((0, 1), groups, (patients, controls), strict=True):
            if label is not None:
                result[f"drug_{label}_{word}"] = edge.drug[role] / spread
        if None not in groups:
            pooled = sqrt((patients**2 + controls**2) / 2)
            result[f"group_by_drug_{word}"] = (edge.drug[0] - edge.drug[1]) / pooled
    return {key: round(value, 3) for key, value in result.items()}


def _session(row: Row, rows: Sequence[Row], person: Row, sources: _Sources) -> SessionTruth:
    scheme, random_seed = sources.scheme, sources.random_seed
    who, when, group = row["participant_id"], row["session_id"], person["group"]
    role = scheme.role(group)
    treatment, occasion, period = row["treatment"], row.get("occasion"), number(row.get("period"))
    z = {}
    for edge in sources.edges:
        value = edge.baseline + edge.group[role]
        value += stream(random_seed, who, "edge", edge.name).normal(scale=edge.person_sd)
        value += stream(random_seed, who, when, "edge", edge.name).normal(scale=edge.session_sd)
        for effect in sources.effects:
            of_now = effect.edge == edge.name and effect.period in (None, period)
            if of_now and effect.holds(treatment, occasion, group):
                value += effect.change
        for scale in sorted(sources.scales.keys() & edge.ties):
            excess = _excess(row, rows, scale, sources, role)
            if excess is not None:
                value += edge.ties[scale] * excess
        if sources.period_sd and period is not None:
            state = stream(random_seed, who, "period", int(period), "edge", edge.name)
            value += state.normal(scale=sources.period_sd)
        z[edge.name] = round(float(np.clip(value, -_LIMIT, _LIMIT)), 6)
    fd = _FD_MEDIAN * (1 + (_FD_ACTIVE - 1) * scheme.share(treatment, occasion))
    fd *= np.exp(stream(random_seed, who, "fd").normal(scale=_FD_PERSON))
    fd *= np.exp(stream(random_seed, who, when, "fd").normal(scale=_FD_SESSION))
    scans = [s.strip() for s in str(row.get("scan") or "").split(";")]
    told: SessionTruth = {
        "group": group,
        "treatment": treatment,
        "period": None if period is None else int(period),
        "fisher_z": z,
        "correlation": {name: round(tanh(value), 6) for name, value in z.items()},
        "mean_fd": {
            scan: round(float(np.clip(fd * (_FD_REPEAT if again else 1.0), *_FD_RANGE)), 4)
            for again, scan in enumerate(s for s in scans if s and s != "n/a")
        },
    }
    if occasion is not None:
        told["occasion"] = occasion
    return told


def _excess(
    row: Row, rows: Sequence[Row], scale: str, sources: _Sources, role: int
) -> float | None:
    """Return how far a session's score lies from what is expected, about the person's own mean.

    Of two sessions it is half of what the change exceeds the expected change by, with the sign of
    the treatment. None if the score is missing.
    """
    column, expected = sources.scales[scale], SCORE_MODEL[scale][role][2]
    found = {}
    for other in rows:
        score = number(other.get(column))
        if score is not None:
            share = sources.scheme.share(other["treatment"], other.get("occasion"))
            found[other["session_id"]] = score - share * expected
    if row["session_id"] not in found:
        return None
    return found[row["session_id"]] - sum(found.values()) / len(found)
