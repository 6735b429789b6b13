"""The crossover design: who received what in which period, checked as one trial.

A two-period, two-treatment crossover (Senn 2002, Cross-over Trials in Clinical Research, ch. 3):
each person has at most one session under each treatment, and the sequence says which came first.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from crossfc.fault import Fault, at, raise_all
from crossfc.trial import regions
from crossfc.trial.sheet import Row, Sheet, did_you_mean, read_sheet

PARTICIPANT_COLUMNS = ["participant_id", "group", "sequence"]
SESSION_COLUMNS = ["participant_id", "session_id", "treatment", "period", "scan"]
OPTIONAL_SESSION_COLUMNS = ["exclude", "reason"]
LEFT_COLUMNS = ["participant_id", "group", "level", "what", "analysis", "reason"]
SCALE_COLUMNS = ["scale", "instrument", "lowest", "highest", "better"]


@dataclass(frozen=True)
class Scale:
    """An instrument: its range, and whether a higher score is better or worse."""

    scale: str
    instrument: str
    lowest: float
    highest: float
    better: str
    construct: str | None = None


@dataclass
class Participant:
    """One person of the trial."""

    participant_id: str
    group: str
    sequence: str | None
    covariates: dict[str, str | None]
    t1w: str | None
    exclude: bool
    reason: str | None


@dataclass
class Session:
    """One session: a treatment in a period, with a scan (or repeats) and scores."""

    participant_id: str
    session_id: str
    treatment: str
    period: int | None
    scans: list[str]
    scores: dict[str, float | None]
    exclude: bool
    reason: str | None
    row: int


@dataclass(frozen=True)
class Pair:
    """A person with a session under each treatment."""

    participant: Participant
    active: Session
    control: Session


@dataclass
class Trial:
    """A checked trial. `load` makes it; nothing in it is a surprise afterwards."""

    config: dict[str, Any]
    participants: dict[str, Participant]
    sessions: list[Session]
    scales: dict[str, Scale]
    seed_sets: dict[str, list[regions.Region]]
    targets: list[regions.Region]
    notes: list[str] = field(default_factory=list)

    @property
    def groups(self) -> list[str]:
        """Labels of the groups, patients first."""
        labels = self.config["groups"]
        return [g for g in (labels["patients"], labels.get("controls")) if g]

    @property
    def treatments(self) -> dict[str, str]:
        """Labels of the treatments by role: active and control."""
        return self.config["treatments"]

    def included(self, participant_id: str) -> bool:
        """Say whether a person belongs to the study's groups and is not excluded."""
        person = self.participants[participant_id]
        return not person.exclude and person.group in self.groups

    def kept_sessions(self) -> list[Session]:
        """Give the sessions of people in the study that are not excluded by hand."""
        return [s for s in self.sessions if self.included(s.participant_id) and not s.exclude]

    def scanned_sessions(self) -> list[Session]:
        """Give the kept sessions that have a scan."""
        return [s for s in self.kept_sessions() if s.scans]

    def pairs(self, sessions: list[Session] | None = None) -> list[Pair]:
        """Give the people with both treatments among ``sessions`` (default: those scanned)."""
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

    def left(self) -> list[dict[str, str]]:
        """List by name and reason everyone and every session that leaves the paired analyses.

        Returns
        -------
        list of dict
            Columns participant_id, group, level (participant or session), what, analysis,
            reason, in the order of the sheets.
        """
        rows = []

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
            own = [s for s in self.sessions if s.participant_id == person.participant_id]
            scanned = {s.treatment: s for s in own if s.scans and not s.exclude}
            for session in own:
                if session.exclude:
                    leaves(person, "session", session.session_id, "all", str(session.reason))
            absent = [t for t in self.treatments.values() if t not in scanned]
            if len(absent) == 2:
                leaves(person, "participant", "", "all", f"no {self._task} scan in either session")
            elif absent:
                leaves(person, "participant", "", "paired", self._why_absent(own, absent[0]))
        return rows

    @property
    def _task(self) -> str:
        return self.config["task"]

    def _why_absent(self, own: list[Session], treatment: str) -> str:
        session = next((s for s in own if s.treatment == treatment and s.exclude), None)
        if session is not None:
            return f"{session.session_id} ({treatment}) is excluded; stays in the mixed model"
        return f"no {self._task} scan under {treatment}; stays in the mixed model"

    def person_row(self, person: Participant) -> dict[str, object]:
        """Give a person's row for the group floor: a plain dictionary."""
        chosen = {c: person.covariates.get(c) for c in self.config["covariates"]}
        return {
            "participant_id": person.participant_id,
            "group": person.group,
            "sequence": person.sequence,
            "sequence_code": self.sequence_code(person.sequence),
        } | {c: _number_or_text(v) for c, v in chosen.items()}

    def sequence_code(self, sequence: str | None) -> int | None:
        """Code a sequence: -1 active first, +1 control first, None unknown.

        With D = active - control, an active-first person has D = drug + period 1 - period 2 and
        a control-first one D = drug + period 2 - period 1, so the slope of D on this code is the
        period effect (period 2 minus period 1) and the intercept the drug effect without it.
        """
        if sequence is None:
            return None
        return -1 if sequence == self._sequence("active") else 1

    def _sequence(self, first: str) -> str:
        second = "control" if first == "active" else "active"
        return f"{self.treatments[first]}-{self.treatments[second]}"

    def counts(self) -> list[dict[str, object]]:
        """Count per group: people, sessions scanned per treatment, both, either, sequences."""
        table = []
        for group in self.groups:
            scanned = [
                s for s in self.scanned_sessions() if self.participants[s.participant_id].group == group
            ]
            pairs = [p for p in self.pairs(scanned)]
            row: dict[str, object] = {"group": group}
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


def load(config: dict[str, Any]) -> Trial:
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
    scales = _read_scales(paths["scales"])
    seed_sets = regions.read_seeds(paths["seeds"])
    targets = regions.read_targets(paths["targets"])
    for pipeline, choices in config["pipelines"].items():
        regions.choose_set(seed_sets, choices["seed_set"], pipeline, paths["seeds"])

    people_sheet = read_sheet(paths["participants"], PARTICIPANT_COLUMNS)
    known = [*SESSION_COLUMNS, *OPTIONAL_SESSION_COLUMNS, *scales]
    try:
        session_sheet = read_sheet(paths["sessions"], SESSION_COLUMNS, known)
    except Fault as fault:
        if "is unknown" in str(fault):
            raise Fault(f"{fault} (a scale needs a row in {paths['scales']})") from None
        raise
    faults: list[str] = []
    participants = _participants(people_sheet, config, faults)
    sessions = _sessions(session_sheet, participants, scales, config, faults)
    _check_crossover(session_sheet, people_sheet, participants, sessions, config, faults)
    raise_all(faults)
    used = [s for s in scales if s in session_sheet.columns]
    return Trial(
        config=config,
        participants=participants,
        sessions=sessions,
        scales={s: scales[s] for s in used},
        seed_sets=seed_sets,
        targets=targets,
    )


def _read_scales(path: str | Path) -> dict[str, Scale]:
    sheet = read_sheet(path, SCALE_COLUMNS)
    scales: dict[str, Scale] = {}
    faults = []
    for row in sheet.rows:
        name = row["scale"]
        lowest, highest = _number(row.get("lowest")), _number(row.get("highest"))
        if name in scales:
            faults.append(f"{sheet.at(row, 'scale')}: {name} stands there twice; remove one")
        elif not name.replace("_", "").isalnum():
            faults.append(f"{sheet.at(row, 'scale')}: use letters, digits and _ only in {name!r}")
        elif lowest is None or highest is None or lowest >= highest:
            faults.append(f"{sheet.at(row, 'lowest')}: lowest and highest must be numbers in order")
        elif row["better"] not in ("higher", "lower"):
            faults.append(f"{sheet.at(row, 'better')}: {row['better']!r} is neither higher nor lower")
        else:
            scales[name] = Scale(
                name, row["instrument"], lowest, highest, row["better"], row.get("construct")
            )
    raise_all(faults)
    return scales


def _participants(
    sheet: Sheet, config: dict[str, Any], faults: list[str]
) -> dict[str, Participant]:
    groups = [g for g in config["groups"].values() if g]
    a, b = config["treatments"]["active"], config["treatments"]["control"]
    sequences = (f"{a}-{b}", f"{b}-{a}")
    for covariate in config["covariates"]:
        if covariate not in sheet.columns:
            faults.append(
                f"config key covariates: {sheet.path} has no column {covariate}"
                f"{did_you_mean(covariate, sheet.columns)}"
            )
    known = {*PARTICIPANT_COLUMNS, "t1w", "exclude", "reason"}
    people: dict[str, Participant] = {}
    for row in sheet.rows:
        identifier = row["participant_id"]
        if not identifier.startswith("sub-") or not identifier[4:].isalnum():
            faults.append(
                f"{sheet.at(row, 'participant_id')}: {identifier!r} is no BIDS participant; "
                "write such as sub-01"
            )
            continue
        if identifier in people:
            faults.append(f"{sheet.at(row)} repeats {identifier}; remove one of the rows")
            continue
        exclude, reason = _exclusion(sheet, row, faults)
        sequence = row.get("sequence")
        if not exclude and row["group"] not in groups:
            faults.append(
                f"{sheet.at(row, 'group')}: {row['group']!r} is none of the study's groups "
                f"({', '.join(groups)}){did_you_mean(row['group'], groups)}; correct it, or exclude "
                "the person with a reason"
            )
        if not exclude and sequence is not None and sequence not in sequences:
            faults.append(
                f"{sheet.at(row, 'sequence')}: {sequence!r} is neither {sequences[0]} nor "
                f"{sequences[1]}; correct it, or write n/a where the order is not known"
            )
        covariates = {c: row.get(c) for c in sheet.columns if c not in known}
        people[identifier] = Participant(
            identifier, row["group"], sequence, covariates, row.get("t1w"), exclude, reason
        )
    return people


def _sessions(
    sheet: Sheet,
    participants: dict[str, Participant],
    scales: dict[str, Scale],
    config: dict[str, Any],
    faults: list[str],
) -> list[Session]:
    treatments = list(config["treatments"].values())
    sessions: list[Session] = []
    seen: dict[tuple[str, str], int] = {}
    for row in sheet.rows:
        person, name = row["participant_id"], row["session_id"]
        if (person, name) in seen:
            faults.append(
                f"{sheet.at(row)} repeats {person} {name} of row {seen[person, name]}; remove one "
                '(repeat runs of one session go into one cell of "scan", separated by ;)'
            )
            continue
        seen[person, name] = row.number
        if person not in participants:
            faults.append(
                f"{sheet.at(row, 'participant_id')}: {person} has no row in the sheet of "
                f"participants{did_you_mean(person, participants)}; add it there"
            )
            continue
        if not name.startswith("ses-") or not name[4:].isalnum():
            faults.append(
                f"{sheet.at(row, 'session_id')}: {name!r} is no BIDS session; write such as ses-1"
            )
        if row["treatment"] not in treatments:
            faults.append(
                f"{sheet.at(row, 'treatment')}: {row['treatment']!r} is neither "
                f"{' nor '.join(treatments)}{did_you_mean(row['treatment'], treatments)}"
            )
        period = row.get("period")
        if period not in (None, "1", "2"):
            faults.append(f"{sheet.at(row, 'period')}: {period!r} is neither 1 nor 2 (nor n/a)")
            period = None
        exclude, reason = _exclusion(sheet, row, faults)
        sessions.append(
            Session(
                participant_id=person,
                session_id=name,
                treatment=row["treatment"],
                period=None if period is None else int(period),
                scans=[s.strip() for s in (row.get("scan") or "").split(";") if s.strip()],
                scores={s: _score(sheet, row, scales[s], faults) for s in scales if s in row.cells},
                exclude=exclude,
                reason=reason,
                row=row.number,
            )
        )
    return sessions


def _exclusion(sheet: Sheet, row: Row, faults: list[str]) -> tuple[bool, str | None]:
    value, reason = (row.get("exclude") or "no").lower(), row.get("reason")
    if value not in ("yes", "no"):
        faults.append(f"{sheet.at(row, 'exclude')}: {value!r} is neither yes nor no")
    if value == "yes" and reason is None:
        faults.append(f"{sheet.at(row, 'reason')}: who is excluded needs a reason; write it here")
    return value == "yes", reason


def _score(sheet: Sheet, row: Row, scale: Scale, faults: list[str]) -> float | None:
    text = row.get(scale.scale)
    if text is None:
        return None
    value = _number(text)
    if value is None:
        faults.append(f"{sheet.at(row, scale.scale)}: {text!r} is no number; correct it or write n/a")
    elif not scale.lowest <= value <= scale.highest:
        faults.append(
            f"{sheet.at(row, scale.scale)}: {text} is outside the scale's range "
            f"{scale.lowest:g} to {scale.highest:g}; correct the score or write n/a"
        )
    return value


def _check_crossover(
    sheet: Sheet,
    people_sheet: Sheet,
    participants: dict[str, Participant],
    sessions: list[Session],
    config: dict[str, Any],
    faults: list[str],
) -> None:
    seen: dict[tuple[str, str], Session] = {}
    seen_period: dict[tuple[str, int], Session] = {}
    for session in sessions:
        person = participants[session.participant_id]
        if person.exclude or session.exclude:
            continue
        where = at(sheet.path, session.row, "treatment")
        earlier = seen.setdefault((person.participant_id, session.treatment), session)
        if earlier is not session:
            faults.append(
                f"{where}: {person.participant_id} received {session.treatment} twice (also row "
                f"{earlier.row}); correct one, or exclude it with a reason"
            )
        if session.period is None:
            continue
        where = at(sheet.path, session.row, "period")
        earlier = seen_period.setdefault((person.participant_id, session.period), session)
        if earlier is not session:
            faults.append(
                f"{where}: {person.participant_id} has two sessions in period {session.period} "
                f"(also row {earlier.row}); correct one"
            )
        elif person.sequence is not None:
            order = person.sequence.split("-")
            in_order = len(order) == 2 and set(order) == set(config["treatments"].values())
            if in_order and order[session.period - 1] != session.treatment:
                faults.append(
                    f"{where}: period {session.period} under {session.treatment} contradicts the "
                    f"sequence {person.sequence} of {person.participant_id} in "
                    f"{people_sheet.path}; correct one of the two"
                )


def _number(text: str | None) -> float | None:
    try:
        return float(text) if text is not None else None
    except ValueError:
        return None


def _number_or_text(text: str | None) -> float | str | None:
    number = _number(text)
    return text if number is None else number
