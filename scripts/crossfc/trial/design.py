"""The crossover design: who received which treatment in which period, checked as one trial.

It is a two-period, two-treatment crossover (Senn 2002, Cross-over Trials in Clinical Research,
ch. 3): each person has at most one session under each treatment, and the sequence says which came
first.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from crossfc.fault import Fault, raise_all
from crossfc.trial import regions
from crossfc.trial.configuration import Configuration
from crossfc.trial.covariate import CATEGORICAL, CONTINUOUS
from crossfc.trial.crossover import Pair, check_acquisitions, check_crossover, complete_order
from crossfc.trial.left import LeftRow
from crossfc.trial.participant import (
    PARTICIPANT_COLUMNS,
    Participant,
    covariate_types,
    read_participants,
)
from crossfc.trial.scale import Scale, number, read_scales
from crossfc.trial.sequence import sequence_code
from crossfc.trial.session import (
    OPTIONAL_SESSION_COLUMNS,
    SESSION_COLUMNS,
    Session,
    read_sessions,
)
from crossfc.trial.sheet import Sheet, read_sheet


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

    @property
    def groups(self) -> list[str]:
        """Labels of the groups, patients first."""
        return [label for label in self.config["groups"].values() if label]

    @property
    def treatments(self) -> dict[str, str]:
        """Labels of the treatments by role: active and control."""
        return self.config["treatments"]

    def included(self, participant_id: str) -> bool:
        """Test whether a person belongs to the study's groups and is not excluded."""
        person = self.participants[participant_id]
        return not person.exclude and person.group in self.groups

    def kept_sessions(self) -> list[Session]:
        """Return the sessions that are not excluded in the sheet, of people in the study."""
        return [s for s in self.sessions if self.included(s.participant_id) and not s.exclude]

    def scanned_sessions(self) -> list[Session]:
        """Return the kept sessions that have a scan."""
        return [s for s in self.kept_sessions() if s.scans]

    def pairs(self, sessions: list[Session] | None = None) -> list[Pair]:
        """Return the people with both treatments among ``sessions`` (default: scanned ones)."""
        sessions = self.scanned_sessions() if sessions is None else sessions
        by_person: dict[str, dict[str, Session]] = {}
        for session in sessions:
            by_person.setdefault(session.participant_id, {})[session.treatment] = session
        active, control = self.treatments["active"], self.treatments["control"]
        return [
            Pair(self.participants[p], found[active], found[control])
            for p, found in sorted(by_person.items())
            if active in found and control in found
        ]

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
            scanned = {s.treatment for s in own if self._usable(s) and not s.exclude}
            for session in own:
                if session.exclude:
                    leaves(person, "session", session.session_id, "all", str(session.reason))
            absent = [t for t in self.treatments.values() if t not in scanned]
            if len(absent) == 2:
                why = f"no {self._material} in either session"
                if any(session.exclude for session in own):
                    # A session that was scanned and then excluded does not lack a scan.
                    why = "; ".join(self._absence(own, treatment) for treatment in absent)
                leaves(person, "participant", "", "all", why)
            elif absent:
                leaves(person, "participant", "", "paired", self._why_absent(own, absent[0]))
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

    def _why_absent(self, own: list[Session], treatment: str) -> str:
        why = self._absence(own, treatment)
        return why if self._ready_maps else f"{why}; stays in the mixed model"

    def _absence(self, own: list[Session], treatment: str) -> str:
        session = next((s for s in own if s.treatment == treatment and s.exclude), None)
        if session is not None:
            return f"{session.session_id} ({treatment}) is excluded"
        return f"no {self._material} under {treatment}"

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
            "sequence_code": sequence_code(person.sequence, self.treatments),
        } | {c: number(v) if types[c] == CONTINUOUS else v for c, v in chosen.items()}

    def _sequence(self, first: str) -> str:
        second = "control" if first == "active" else "active"
        return f"{self.treatments[first]}-{self.treatments[second]}"

    def counts(self) -> list[dict[str, object]]:
        """Count, for each group, sessions scanned per treatment, people and sequences.

        Returns
        -------
        list of dict
            One row per group: scanned sessions under each treatment, people with both treatments
            (``both``) and with at least one (``either``), and how many of the former had each
            treatment first. With ready contrast maps only their number.
        """
        table = []
        for group in self.groups:
            scanned = [
                s
                for s in self.kept_sessions()
                if self._usable(s) and self.participants[s.participant_id].group == group
            ]
            pairs = self.pairs(scanned)
            row: dict[str, object] = {"group": group}
            if self._contrasts:
                own = [p for p in self.participants.values() if p.group == group]
                table.append(row | {"contrast_maps": sum(map(self.has_contrast, own))})
                continue
            for role in ("active", "control"):
                label = self.treatments[role]
                row[f"scanned_{label}"] = sum(s.treatment == label for s in scanned)
            row["both"] = len(pairs)
            row["either"] = len({s.participant_id for s in scanned})
            for role in ("active", "control"):
                row[f"{self.treatments[role]}_first"] = sum(
                    p.participant.sequence == self._sequence(role) for p in pairs
                )
            table.append(row)
        return table


def _by_person(sessions: list[Session]) -> dict[str, list[Session]]:
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
    paths = config["sheets"]
    scales = read_scales(paths["scales"], (*SESSION_COLUMNS, *OPTIONAL_SESSION_COLUMNS))
    seed_sets = regions.read_seeds(paths["seeds"])
    targets = regions.read_targets(paths["targets"])
    for pipeline, choices in config["pipelines"].items():
        regions.choose_set(seed_sets, choices["seed_set"], pipeline, paths["seeds"])

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
    trial.seed_sets, trial.targets = seed_sets, targets
    return trial


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
    check_crossover(session_sheet, people_sheet, participants, sessions, config, faults)
    if config["entry"] != "maps":
        check_acquisitions(session_sheet, participants, sessions, config, faults)
    raise_all(faults)
    complete_order(participants, sessions, config)
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
    )
