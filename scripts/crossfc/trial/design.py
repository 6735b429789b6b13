"""The design: who received which treatment in which period, checked as one trial.

Designs are data: any number of treatments, periods and occasions, in crossovers (Senn 2002,
Cross-over Trials in Clinical Research; Jones and Kenward 2014, Design and Analysis of Cross-Over
Trials), in parallel arms, or before and after a single treatment. What is compared within people
are contrasts over cells of treatment and occasion (`crossfc.trial.contrast`).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from crossfc.fault import Fault, Gathering, raise_all
from crossfc.trial import regions
from crossfc.trial.arm import are_arms, assign_arms, check_arms
from crossfc.trial.configuration import Configuration
from crossfc.trial.consistency import check_acquisitions, check_visits, complete_order
from crossfc.trial.contrast import ANY, BEFORE, NO_BASELINE, Cell, Contrast, read_contrasts
from crossfc.trial.contrast_set import ContrastSet, read_sets
from crossfc.trial.covariate import CATEGORICAL, CONTINUOUS
from crossfc.trial.left import LeftRow
from crossfc.trial.participant import (
    PARTICIPANT_COLUMNS,
    Participant,
    covariate_types,
    read_participants,
)
from crossfc.trial.rating import RatingRow, read_ratings
from crossfc.trial.recognition import design_name
from crossfc.trial.role import roles
from crossfc.trial.scale import Scale, number, read_scales
from crossfc.trial.session import (
    OPTIONAL_SESSION_COLUMNS,
    SESSION_COLUMNS,
    Session,
    read_sessions,
)
from crossfc.trial.sheet import Sheet, read_sheet
from crossfc.trial.treatment import treatment_labels
from crossfc.trial.visit import visit_columns, visits

# What people and sessions leave in a trial of one contrast.
PAIRED = "paired"
# The end of the reason why somebody with some scans leaves a contrast.
IN_MIXED_MODEL = "stays in the mixed model"


@dataclass(frozen=True)
class Compared:
    """A person with everything that a contrast compares.

    Attributes
    ----------
    participant : Participant
    sessions : tuple of (Session, float)
        The sessions and their weights, those with positive weights first. Where a treatment was
        given again, its weight is shared by its sessions. Empty for ready contrast maps of people
        without sessions in the sheet.
    order : dict
        The columns of `crossfc.trial.visit.visits`.
    baseline : tuple of (Session, float)
        The sessions of the baseline that is a covariate, and their weights.
    """

    participant: Participant
    sessions: tuple[tuple[Session, float], ...]
    order: dict[str, float | None]
    baseline: tuple[tuple[Session, float], ...] = ()

    def side(self, positive: bool) -> list[tuple[Session, float]]:
        """Return the sessions of one side of the contrast, and the sizes of their weights."""
        return [(s, abs(w)) for s, w in self.sessions if (w > 0) == positive]

    def score(self, scale: str, positive: bool) -> float | None:
        """Return the weighted sum of a scale over one side; None if a score is missing."""
        return weighted_sum((s.scores.get(scale), w) for s, w in self.side(positive))

    def scored(self, scale: str) -> bool:
        """Test whether a person has a score of a scale in every session."""
        return bool(self.sessions) and all(
            s.scores.get(scale) is not None for s, _ in self.sessions
        )


def weighted_sum(values: Iterable[tuple[float | None, float]]) -> float | None:
    """Add up values times weights; None if there is none, or one is missing."""
    total, some = 0.0, False
    for value, weight in values:
        if value is None:
            return None
        total, some = total + (value if weight == 1 else weight * value), True
    return total if some else None


@dataclass
class Trial:
    """A checked trial, as returned by `load`."""

    config: Configuration
    participants: dict[str, Participant]
    sessions: list[Session]
    scales: dict[str, Scale]
    seed_sets: dict[str, list[regions.Region]]
    targets: list[regions.Region]
    covariate_types: dict[str, str]
    unused_sessions: list[Session]
    contrasts: list[Contrast]
    sets: list[ContrastSet]
    arms: bool
    ratings: list[RatingRow] = field(default_factory=list)

    @property
    def group_roles(self) -> dict[str, str | None]:
        """Labels of the groups that are compared, by role: ``patients``, ``controls``, and others.

        Parallel arms take the place of groups; the arm of the reference is the last, which of two
        is that of the controls.
        """
        if not self.arms:
            return self.config["groups"]
        reference, *others = self.treatments
        return roles([*others, reference])

    @property
    def groups(self) -> list[str]:
        """Labels of the groups, patients first."""
        return [label for label in self.group_roles.values() if label]

    @property
    def treatments(self) -> list[str]:
        """Labels of the treatments, the reference first."""
        return treatment_labels(self.config)

    @cached_property
    def n_periods(self) -> int:
        """The number of periods: in parallel arms one, in crossovers at least two.

        Where nobody's periods are known there are as many as treatments.
        """
        if self.arms or len(self.treatments) == 1:
            return 1
        people = [p for p in self.participants.values() if self.included(p.participant_id)]
        lengths = [len(person.order or ()) for person in people]
        known = max([*lengths, *(s.period or 0 for s in self.kept_sessions())], default=0)
        return max(known, 2) if known else len(self.treatments)

    def included(self, participant_id: str) -> bool:
        """Test whether a person belongs to the study's groups and is not excluded."""
        person = self.participants[participant_id]
        return not person.exclude and person.group in (
            *self.config["groups"].values(),
            *self.groups,
        )

    def kept_sessions(self) -> list[Session]:
        """Return the sessions that are not excluded in the sheet, of people in the study."""
        return [s for s in self.sessions if self.included(s.participant_id) and not s.exclude]

    def scanned_sessions(self) -> list[Session]:
        """Return the kept sessions that have a scan."""
        return [s for s in self.kept_sessions() if s.scans]

    def compared(
        self, contrast: Contrast, sessions: Sequence[Session] | None = None
    ) -> list[Compared]:
        """List the people with all cells of a contrast among ``sessions`` (default: scanned)."""
        found = []
        chosen = self.scanned_sessions() if sessions is None else sessions
        for name, own in sorted(_by_person(chosen).items()):
            cells, baseline = _weighted(contrast.weights, own), _weighted(contrast.baseline, own)
            if cells is not None and baseline is not None:
                person = self.comparing(contrast, self.participants[name], cells)
                found.append(replace(person, baseline=baseline))
        return found

    def comparing(
        self,
        contrast: Contrast,
        person: Participant,
        sessions: tuple[tuple[Session, float], ...] = (),
    ) -> Compared:
        """Return a person with weighted sessions and the columns of their periods."""
        order = visits(contrast, person, sessions, self.n_periods)
        return Compared(person, sessions, order)

    def visit_columns(self, contrast: Contrast) -> list[str]:
        """Name the columns that free a contrast of period effects."""
        return visit_columns(contrast, self.n_periods)

    def left(self) -> list[LeftRow]:
        """List all people and sessions that are left out of the paired analyses, with reasons.

        Returns
        -------
        list of LeftRow
            Sorted by name.
        """
        rows: list[LeftRow] = []

        def leaves(person: Participant, level: str, what: str, analysis: str, why: str) -> None:
            rows.append(
                {
                    "participant_id": person.participant_id,
                    "group": person.group,
                    "level": level,
                    "what": what,
                    "analysis": analysis,
                    "reason": why,
                }
            )

        for person in self.participants.values():
            if person.exclude:
                leaves(person, "participant", "", "all", str(person.reason))
                continue
            for session in self._unused_of.get(person.participant_id, []):
                leaves(person, "session", session.session_id, "all", str(session.reason))
            if self._contrasts and self.has_contrast(person):
                continue
            own = self._sessions_of.get(person.participant_id, [])
            scanned = [s for s in own if self._usable(s) and not s.exclude]
            for session in own:
                if session.exclude:
                    leaves(person, "session", session.session_id, "all", str(session.reason))
            if not scanned:
                leaves(person, "participant", "", "all", self._why_nothing(own))
                continue
            for contrast in self.contrasts:
                absent = [c for c in contrast.cells if not sessions_of(c, scanned)]
                if absent:
                    analysis = PAIRED if len(self.contrasts) == 1 else contrast.name
                    leaves(person, "participant", "", analysis, self._why_absent(own, absent))
        return rows

    @cached_property
    def _sessions_of(self) -> dict[str, list[Session]]:
        return _by_person(self.sessions)

    @cached_property
    def _unused_of(self) -> dict[str, list[Session]]:
        return _by_person(self.unused_sessions)

    @property
    def _ready_maps(self) -> bool:
        return self.config["entry"] == "maps"

    @property
    def _contrasts(self) -> bool:
        return self._ready_maps and self.config["maps"]["level"] == "contrast"

    def has_contrast(self, person: Participant) -> bool:
        """Test whether a person's ready contrast map is used (no session may be excluded)."""
        own = self._sessions_of.get(person.participant_id, [])
        return self.included(person.participant_id) and not any(s.exclude for s in own)

    @property
    def _material(self) -> str:
        return "map" if self._ready_maps else f"{self.config['task']} scan"

    def _usable(self, session: Session) -> bool:
        """Test whether a session can be analysed; with ready maps it needs no scan in the sheet."""
        return bool(session.scans) or self._ready_maps

    def _why_nothing(self, own: list[Session]) -> str:
        """Explain why a person has nothing to analyse."""
        if any(session.exclude for session in own):
            # A session that was scanned and then excluded does not lack a scan.
            cells = dict.fromkeys(c for of in self.contrasts for c in of.cells)
            in_order = sorted(cells, key=lambda c: self._place(c.treatment))
            return "; ".join(self._absence(own, cell) for cell in in_order)
        either = "either" if len(self.treatments) == 2 and self.n_occasions == 1 else "any"
        return f"no {self._material} in {either} session"

    def _place(self, label: str) -> int:
        """Return the place of a treatment among those compared: active before control."""
        named = [BEFORE, *reversed(self.treatments), ANY]
        return named.index(label)

    @property
    def n_occasions(self) -> int:
        """The number of occasions."""
        return max(len(self.config["occasions"]), 1)

    def _why_absent(self, own: list[Session], absent: list[Cell]) -> str:
        why = "; ".join(self._absence(own, cell) for cell in absent)
        # Ready maps come without the edges to which the model is fitted.
        return why if self._ready_maps else f"{why}; {IN_MIXED_MODEL}"

    def _absence(self, own: list[Session], cell: Cell) -> str:
        session = next((s for s in sessions_of(cell, own) if s.exclude), None)
        if session is not None:
            return f"{session.session_id} ({cell.label}) is excluded"
        if cell.treatment in (BEFORE, ANY):
            return f"no {self._material} at {cell.occasion}"
        return f"no {self._material} under {cell.label}"

    @property
    def name(self) -> str:
        """The design in words, to follow "the trial was"."""
        people = [p for p in self.participants.values() if self.included(p.participant_id)]
        orders = [person.order for person in people if person.order]
        occasions = self.config["occasions"]
        return design_name(self.treatments, self.n_periods, occasions, orders, arms=self.arms)

    @property
    def of_pairs(self) -> bool:
        """Whether one or two groups have pairs of sessions, one under each of two treatments."""
        of_two = len(self.treatments) == 2 and len(self.contrasts) == 1 and len(self.groups) <= 2
        if not of_two or self.n_occasions > 1 or self.contrasts[0].treatments is None:
            return False
        several = _by_person(self.scanned_sessions()).values()
        return all(
            len(own) <= 2 and all(session.treatment != BEFORE for session in own) for own in several
        )

    def person_row(self, person: Participant) -> dict[str, object]:
        """Return a person's row in the tables of the group level, as a plain dictionary."""
        types = dict(self.covariate_types)
        if blocks := self.config["group"]["blocks"]:
            types.setdefault(blocks, CATEGORICAL)
        chosen = {c: person.covariates.get(c) for c in types if c not in PARTICIPANT_COLUMNS}
        return {
            "participant_id": person.participant_id,
            "group": person.group,
            "sequence": person.sequence,
        } | {c: number(v) if types[c] == CONTINUOUS else v for c, v in chosen.items()}

    def counts(self) -> list[dict[str, object]]:
        """Count, for each group, sessions scanned per treatment, people and sequences.

        Returns
        -------
        list of dict
            One row per group: scanned sessions in each cell, people with all sessions of a
            contrast (``both``, or ``complete_<contrast>`` where there are several) and with at
            least one session (``either``), and how many of those with all sessions of some
            contrast had each treatment first. With ready contrast maps only their number.
        """
        table = []
        for group in self.groups:
            scanned = [
                s
                for s in self.kept_sessions()
                if self._usable(s) and self.participants[s.participant_id].group == group
            ]
            row: dict[str, object] = {"group": group}
            if self._contrasts:
                own = [p for p in self.participants.values() if p.group == group]
                table.append(row | {"contrast_maps": sum(map(self.has_contrast, own))})
                continue
            for cell in self.cells:
                name = cell.label.replace(" ", "_")
                row[f"scanned_{name}"] = sum(s.cell == cell for s in scanned)
            of_contrast = {c.name: self.compared(c, scanned) for c in self.contrasts}
            if len(self.contrasts) == 1:
                row["both"] = len(of_contrast[self.contrasts[0].name])
            else:
                row |= {f"complete_{name}": len(people) for name, people in of_contrast.items()}
            row["either"] = len({s.participant_id for s in scanned})
            complete = {p.participant.participant_id: p.participant for c in of_contrast.values()
                        for p in c}  # fmt: skip
            orders = [person.order for person in complete.values() if person.order]
            for label in reversed(self.treatments):
                if self.n_periods > 1:
                    row[f"{label}_first"] = sum(order[0] == label for order in orders)
            table.append(row)
        return table

    @cached_property
    def cells(self) -> list[Cell]:
        """The cells that the trial has: the reference last, occasions in the order of time.

        Sessions before all treatment come first.
        """
        occasions = self.config["occasions"]
        there = {session.cell for session in self.kept_sessions()}
        there |= {c for of in self.contrasts for c in of.cells if c.treatment != ANY}
        return sorted(
            there,
            key=lambda c: (
                self._place(c.treatment),
                occasions.index(c.occasion) if c.occasion else 0,
            ),
        )


def _weighted(
    weights: Iterable[tuple[Cell, float]], own: Sequence[Session]
) -> tuple[tuple[Session, float], ...] | None:
    """Return a person's sessions in some cells and their weights; None if a cell has none."""
    cells = [(sessions_of(cell, own), weight) for cell, weight in weights]
    if not all(several for several, _ in cells):
        return None
    return tuple((s, w / len(several)) for several, w in cells for s in several)


def baseline_score(contrast: Contrast, sessions: Sequence[Session], scale: str) -> float | None:
    """Return the weighted sum of a person's scores in the baseline of a contrast, if complete."""
    own = _weighted(contrast.baseline, sessions)
    return None if own is None else weighted_sum((s.scores.get(scale), w) for s, w in own)


def weighted_sessions(
    contrast: Contrast, sessions: Sequence[Session]
) -> dict[str, list[tuple[Session, float]] | None]:
    """Return a person's sessions on each side of a contrast, with the sizes of their weights.

    Returns
    -------
    dict
        ``active`` and ``control``; None for a side that lacks the sessions of a cell.
    """
    found: dict[str, list[tuple[Session, float]] | None] = {"active": [], "control": []}
    for cell, weight in contrast.weights:
        side = "active" if weight > 0 else "control"
        several, known = sessions_of(cell, sessions), found[side]
        if not several or known is None:
            found[side] = None
        else:
            known += [(session, abs(weight) / len(several)) for session in several]
    return found


def sessions_of(cell: Cell, sessions: Iterable[Session]) -> list[Session]:
    """List the sessions of a cell."""
    if cell.treatment == ANY:
        return [session for session in sessions if session.occasion == cell.occasion]
    return [session for session in sessions if session.cell == cell]


def _by_person(sessions: Sequence[Session]) -> dict[str, list[Session]]:
    # One pass over all sessions; a search for each person would take quadratic time.
    found: dict[str, list[Session]] = {}
    for session in sessions:
        found.setdefault(session.participant_id, []).append(session)
    return found


def load(config: Configuration) -> Trial:
    """Read the sheets and check them as one trial.

    Parameters
    ----------
    config : dict
        A checked configuration (`crossfc.trial.config.check`).

    Returns
    -------
    Trial

    Raises
    ------
    Fault
        One sentence per fault, each with file, row, column and remedy.
    """
    paths, gathering = config["sheets"], Gathering()
    design = (*SESSION_COLUMNS, *OPTIONAL_SESSION_COLUMNS)
    scales = gathering.call(read_scales, paths["scales"], design)
    seed_sets = gathering.call(regions.read_seeds, paths["seeds"])
    targets = gathering.call(regions.read_targets, paths["targets"])
    if seed_sets is not None:
        gathering.call(regions.check_sets, seed_sets, config, paths["seeds"])
    trial = None if scales is None else gathering.call(_sheets_of, config, scales)
    gathering.raise_all()
    assert trial is not None and seed_sets is not None and targets is not None
    trial.seed_sets, trial.targets = seed_sets, targets
    return trial


def _sheets_of(config: Configuration, scales: dict[str, Scale]) -> Trial:
    """Read the sheets of people and sessions, and check them as one trial."""
    paths = config["sheets"]
    for key in ("participants", "sessions"):
        if not Path(paths[key]).is_file():
            raise Fault(
                f"{paths[key]} does not exist; write it, or let `snakemake --cores 1 sheets` do so"
            )
    people_sheet = read_sheet(paths["participants"], PARTICIPANT_COLUMNS)
    known = [*SESSION_COLUMNS, *OPTIONAL_SESSION_COLUMNS, *scales]
    try:
        session_sheet = read_sheet(paths["sessions"], SESSION_COLUMNS, known)
    except Fault as fault:
        if "is unknown" in str(fault):
            raise Fault(f"{fault} (a scale needs a row in {paths['scales']})") from None
        raise
    trial = check_sheets(people_sheet, session_sheet, scales, config)
    if (ratings := config["exclusion"]["ratings"]) is not None:
        trial.ratings = read_ratings(ratings, session_sheet)
    return trial


def _check_baseline(config: Configuration, sessions: Sequence[Session], arms: bool) -> None:
    """Refuse a baseline that no treatment has, such as one before all treatment."""
    occasion = config["baseline_occasion"]
    there = any(s.occasion == occasion and s.treatment != BEFORE for s in sessions)
    if occasion is None or arms or there or config["baseline"] == NO_BASELINE:
        return
    raise Fault(
        f"config key baseline_occasion: no session under a treatment is at {occasion}, and one "
        "before all treatment is no baseline of a period; leave the key out, or give each "
        "period's own baseline its treatment in the sheet of sessions"
    )


def check_sheets(
    people_sheet: Sheet, session_sheet: Sheet, scales: dict[str, Scale], config: Configuration
) -> Trial:
    """Check the sheets of people and sessions as one trial.

    Returns
    -------
    Trial
        Without seeds and targets, which have sheets of their own.

    Raises
    ------
    Fault
        One sentence per fault, each with file, row, column and remedy.
    """
    faults: list[str] = []
    participants = read_participants(people_sheet, config, faults)
    types = covariate_types(people_sheet, participants, config, faults)
    sessions, unused = read_sessions(session_sheet, participants, scales, config, faults)
    check_visits(session_sheet, people_sheet, participants, sessions, config, faults)
    if config["entry"] != "maps":
        check_acquisitions(session_sheet, participants, sessions, config, faults)
    raise_all(faults)
    complete_order(participants, sessions)
    arms = are_arms(participants, sessions, config)
    contrasts = read_contrasts(config, arms=arms)
    _check_baseline(config, sessions, arms)
    if arms:
        check_arms(config)
        assign_arms(participants, sessions)
    # Always in the same order, so that another order of rows in the sheets changes nothing.
    participants = dict(sorted(participants.items()))
    for rows in (sessions, unused):
        rows.sort(key=lambda session: (session.participant_id, session.session_id))
    used = [s for s in scales if s in session_sheet.columns]
    return Trial(
        config=config,
        participants=participants,
        sessions=sessions,
        scales={s: scales[s] for s in used},
        seed_sets={},
        targets=[],
        covariate_types=types,
        unused_sessions=unused,
        contrasts=contrasts,
        sets=read_sets(config, contrasts),
        arms=arms,
    )
