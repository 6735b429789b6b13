"""Read the sheets of people and sessions, and check them against each other."""

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from crossfc.bids import DERIVED, parse_name
from crossfc.fault import Fault, at
from crossfc.trial.configuration import Configuration
from crossfc.trial.covariate import check_levels, covariate_type, declared, is_taken
from crossfc.trial.path import path_fault
from crossfc.trial.scale import Scale, read_score
from crossfc.trial.sheet import Row, Sheet, did_you_mean

PARTICIPANT_COLUMNS = ["participant_id", "group", "sequence"]
SESSION_COLUMNS = ["participant_id", "session_id", "treatment", "period", "scan"]
OPTIONAL_SESSION_COLUMNS = ["exclude", "reason"]


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
    active: Session | None
    control: Session | None


def read_participants(
    sheet: Sheet, config: Configuration, faults: list[str]
) -> dict[str, Participant]:
    """Read the people of a trial; add one sentence to ``faults`` for each fault.

    Returns
    -------
    dict
        participant_id to `Participant`.
    """
    groups = [g for g in config["groups"].values() if g]
    unused = config["unused"]["groups"]
    sequences = list(_orders(config))
    absent = _absent_labels(sheet, "group", config["groups"], unused, faults)
    foreign = _foreign_sequences(sheet, config, faults)
    known = {*PARTICIPANT_COLUMNS, "t1w", "exclude", "reason"}
    faults += _unusable_columns(sheet, config, known)
    people: dict[str, Participant] = {}
    for row in sheet.rows:
        identifier = row["participant_id"]
        if not re.fullmatch("sub-[A-Za-z0-9]+", identifier):
            faults.append(
                f"{sheet.at(row, 'participant_id')}: {identifier!r} is no BIDS participant; "
                "write such as sub-01"
            )
            continue
        if identifier in people:
            faults.append(f"{sheet.at(row)} repeats {identifier}; remove one of the rows")
            continue
        exclude, reason = _exclusion(sheet, row, faults)
        sequence = _sequence_of_two(row.get("sequence"), config)
        if row["group"] in unused:
            exclude, reason = True, f"group {row['group']} is not used (config key unused.groups)"
        elif not exclude and row["group"] not in groups and not absent:
            faults.append(
                f"{sheet.at(row, 'group')}: {row['group']!r} is none of the study's groups "
                f"({', '.join(groups)}){did_you_mean(row['group'], groups)}; correct it, exclude "
                "the person with a reason, or list the group in the config key unused.groups"
            )
        if not exclude and not foreign and sequence is not None and sequence not in sequences:
            faults.append(
                f"{sheet.at(row, 'sequence')}: {sequence!r} is neither {sequences[0]} nor "
                f"{sequences[1]}; correct it, or write n/a where the order is not known"
            )
        covariates = {c: row.get(c) for c in sheet.columns if c not in known}
        if row.get("t1w") is not None and row["group"] not in unused:
            _check_image(sheet, row, "t1w", row["t1w"], {"sub": identifier}, "T1w", faults)
        people[identifier] = Participant(
            identifier, row["group"], sequence, covariates, row.get("t1w"), exclude, reason
        )
    return people


def _absent_labels(
    sheet: Sheet,
    column: str,
    used: Mapping[str, str | None],
    unused: list[str],
    faults: list[str],
) -> bool:
    """Add a fault for each label in the config that no row has; return whether there is one.

    If there is, the config is probably wrong, and the rows are not reported as faults as well.
    ``used`` are the labels by role, ``unused`` those of rows that are no part of the crossover.
    """
    key = f"{column}s"
    found = list(dict.fromkeys(row[column] for row in sheet.rows))
    named = [(f"{key}.{role}", label) for role, label in used.items() if label]
    named += [(f"unused.{key}", label) for label in unused]
    absent = [(place, label) for place, label in named if found and label not in found]
    others = [word for word in found if word not in [label for _, label in named]]
    for place, label in absent:
        faults.append(
            f"config key {place}: no row of {sheet.path} has the {column} {label}"
            f"{_near(label, others)}; it has {_some(found)}; correct the key, or the sheet"
        )
    return bool(absent)


def _foreign_sequences(sheet: Sheet, config: Configuration, faults: list[str]) -> bool:
    """Add one fault if no sequence in the sheet uses the config's treatments; return whether so."""
    used = [
        row
        for row in sheet.rows
        if row["group"] not in config["unused"]["groups"]
        and (row.get("exclude") or "no").lower() != "yes"
    ]
    told = [_sequence_of_two(row.get("sequence"), config) for row in used]
    found = list(dict.fromkeys(text for text in told if text is not None))
    orders = list(_orders(config))
    if not found or any(order in found for order in orders):
        return False
    faults.append(
        f"{sheet.at(column='sequence')}: no row has {orders[0]} or {orders[1]}, the labels of the "
        f"config key treatments; it has {_some(found)}; correct the key or the sheet, or write n/a "
        "where the order is not known"
    )
    return True


def _near(word: str, known: list[str]) -> str:
    hint = did_you_mean(word, known).removeprefix("; ")
    return f" ({hint})" if hint else ""


def _some(words: list[str]) -> str:
    return ", ".join(words[:6]) + (f" and {len(words) - 6} more" if len(words) > 6 else "")


def _sequence_of_two(sequence: str | None, config: Configuration) -> str | None:
    """Return a sequence without the treatments that are not used."""
    if sequence is None or sequence in _orders(config):
        return sequence
    shorter = sequence
    for label in sorted(config["unused"]["treatments"], key=len, reverse=True):
        shorter = re.sub(f"(?:^|-){re.escape(label)}(?=-|$)", "", shorter).strip("-")
    return shorter if shorter in _orders(config) else sequence


def _unusable_columns(sheet: Sheet, config: Configuration, known: set[str]) -> list[str]:
    """List faults of covariates and blocks: columns that do not exist or belong to the design."""
    faults = []
    blocks = config["group"]["blocks"]
    named = [("covariates", name) for name in declared(config)]
    named += [("group.blocks", blocks)] if blocks is not None else []
    for key, column in named:
        if column not in sheet.columns:
            faults.append(
                f"config key {key}: {sheet.path} has no column {column}"
                f"{did_you_mean(column, sheet.columns) or '; add the column, or remove the key'}"
            )
        elif key == "covariates" and column in known:
            faults.append(
                f"config key {key}: {column} is part of the design, no covariate; remove it"
            )
        elif key == "group.blocks" and column in known - {"group", "sequence"}:
            faults.append(
                f"config key {key}: {column} is part of the design and names no blocks; name a "
                "column such as the scanner, or group or sequence, or remove the key"
            )
        elif is_taken(column):
            faults.append(
                f"config key {key}: {column} is the name of a column that is made from the "
                f"sessions; give the column of {sheet.path} another name"
            )
    used = {column for _, column in named}
    for column in sheet.columns:
        # Further columns are allowed, so a misspelt "exclude" would silently exclude nobody.
        close = difflib.get_close_matches(column.lower(), ("exclude", "reason"), n=1, cutoff=0.8)
        if close and column not in known | used and close[0] not in sheet.columns:
            faults.append(
                f"{sheet.at(column=column)} is no column of the design; did you mean {close[0]}? "
                "rename it"
            )
    return faults


def covariate_types(
    sheet: Sheet, people: dict[str, Participant], config: Configuration, faults: list[str]
) -> dict[str, str]:
    """Return the type of every covariate, and check the values of covariates and blocks.

    One sentence is added to ``faults`` for each fault.
    """
    rows = [
        row
        for row in sheet.rows
        if row["participant_id"] in people and not people[row["participant_id"]].exclude
    ]
    design = {*PARTICIPANT_COLUMNS, "t1w", "exclude", "reason"}
    types = {
        name: covariate_type(sheet, name, rows, given, faults)
        for name, given in declared(config).items()
        if name in sheet.columns and name not in design
    }
    blocks = config["group"]["blocks"]
    if blocks in sheet.columns and blocks not in types:
        check_levels(sheet, blocks, rows, faults)
    return types


def read_sessions(
    sheet: Sheet,
    participants: dict[str, Participant],
    scales: dict[str, Scale],
    config: Configuration,
    faults: list[str],
) -> tuple[list[Session], list[Session]]:
    """Read the sessions of a trial; add one sentence to ``faults`` for each fault.

    Returns
    -------
    sessions : list of Session
        Sessions of the two treatments of the crossover.
    unused : list of Session
        Sessions of further treatments (config key ``unused.treatments``).
    """
    treatments = list(config["treatments"].values())
    further = config["unused"]["treatments"]
    absent = _absent_labels(sheet, "treatment", config["treatments"], further, faults)
    other_task = _other_task(sheet, config, faults)
    sessions: list[Session] = []
    unused: list[Session] = []
    seen: dict[tuple[str, str], int] = {}
    rows_of_scan: dict[str, int] = {}
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
        if not re.fullmatch("ses-[A-Za-z0-9]+", name):
            faults.append(
                f"{sheet.at(row, 'session_id')}: {name!r} is no BIDS session; write such as ses-1"
            )
        period = row.get("period")
        whole = re.fullmatch("[1-9]", period or "")
        if row["treatment"] in further:
            why = f"treatment {row['treatment']} is not used (config key unused.treatments)"
            place = int(whole[0]) if whole else None
            spare = Session(person, name, row["treatment"], place, [], {}, True, why, row.number)
            unused.append(spare)
            continue
        if participants[person].group in config["unused"]["groups"]:
            continue
        exclude, reason = _exclusion(sheet, row, faults)
        if not exclude and row["treatment"] not in treatments and not absent:
            hint = did_you_mean(row["treatment"], treatments)
            faults.append(
                f"{sheet.at(row, 'treatment')}: {row['treatment']!r} is neither "
                f"{' nor '.join(treatments)}{hint}; correct it, or list it in the config key "
                "unused.treatments"
            )
        if period not in (None, "1", "2") and not (further and whole):
            faults.append(
                f"{sheet.at(row, 'period')}: {period!r} is neither 1 nor 2; correct it, or write "
                "n/a where the order is not known (where there are further treatments, list them "
                "in the config key unused.treatments)"
            )
            period = None
        scans = [s.strip() for s in (row.get("scan") or "").split(";") if s.strip()]
        for scan in scans:
            own = {"sub": person, "ses": name}
            if not other_task and _task(scan) not in (None, config["task"]):
                faults.append(
                    f"{sheet.at(row, 'scan')}: {scan} is of task {_task(scan)}, but config key "
                    f"task is {config['task']}; correct the cell, or the key"
                )
            _check_image(sheet, row, "scan", scan, own, "bold", faults)
            if scan in rows_of_scan:
                faults.append(
                    f"{sheet.at(row, 'scan')}: {scan} is the scan of row {rows_of_scan[scan]} "
                    "already; correct one of the two"
                )
            rows_of_scan[scan] = row.number
        if config["entry"] != "maps":
            _check_repeats(sheet, row, scans, faults)
        sessions.append(
            Session(
                participant_id=person,
                session_id=name,
                treatment=row["treatment"],
                period=None if period is None else int(period),
                scans=scans,
                scores={
                    s: read_score(sheet, row, scales[s], faults) for s in scales if s in row.cells
                },
                exclude=exclude,
                reason=reason,
                row=row.number,
            )
        )
    _rank_periods(sessions, unused)
    return sessions, unused


def _rank_periods(sessions: list[Session], unused: list[Session]) -> None:
    """Renumber the periods of the two treatments as 1 and 2 if a person had further treatments."""
    known: dict[str, list[tuple[int, Session]]] = {}
    for session in sessions:
        if session.period is not None and not session.exclude:
            known.setdefault(session.participant_id, []).append((session.period, session))
    among = {s.participant_id for s in unused if s.period is not None}
    among |= {person for person, own in known.items() if any(period > 2 for period, _ in own)}
    for person in among & known.keys():
        periods = sorted({period for period, _ in known[person]})
        for period, session in known[person]:
            # With one session only, it is not known whether it was the first of the two.
            session.period = periods.index(period) + 1 if len(periods) == 2 else None


def _task(scan: str) -> str | None:
    found = re.search(r"_task-([A-Za-z0-9+]+)_", PurePosixPath(scan).name)
    return found[1] if found else None


def _other_task(sheet: Sheet, config: Configuration, faults: list[str]) -> bool:
    """Add a fault if no scan in the sheet has the task of the config; return whether so."""
    scans = [scan for row in sheet.rows for scan in (row.get("scan") or "").split(";")]
    found = list(dict.fromkeys(task for task in map(_task, scans) if task is not None))
    if not found or config["task"] in found:
        return False
    faults.append(
        f"config key task: no scan of {sheet.path} has task-{config['task']}"
        f"{_near(config['task'], found)}; they have "
        f"{_some([f'task-{task}' for task in found])}; correct the key, or the sheet"
    )
    return True


def scan_kind(scan: str) -> dict[str, str]:
    """Return the entities in a file name that describe how the scan was acquired.

    These are all but sub, ses and run, and those that preprocessing adds to names.
    """
    try:
        entities, _, _ = parse_name(PurePosixPath(scan).name)
    except Fault:
        return {}
    return {k: v for k, v in entities.items() if k not in ("sub", "ses", "run", *DERIVED)}


def _differing(first: dict[str, str], second: dict[str, str]) -> dict[str, tuple[str, str]]:
    """Return the entities in which two scans differ, each with both labels in words."""

    def shown(key: str, kind: dict[str, str]) -> str:
        return f"{key}-{kind[key]}" if key in kind else f"no {key}"

    return {
        key: (shown(key, first), shown(key, second))
        for key in sorted({*first, *second})
        if first.get(key) != second.get(key)
    }


def _check_repeats(sheet: Sheet, row: Row, scans: list[str], faults: list[str]) -> None:
    """Check that the scans in one cell differ in the number of the run only."""
    if len(scans) < 2:
        return
    where = sheet.at(row, "scan")
    numbers: dict[str, str] = {}
    for scan in scans:
        different = _differing(scan_kind(scans[0]), scan_kind(scan))
        if different:
            labels = ", ".join(" and ".join(pair) for pair in different.values())
            faults.append(
                f"{where}: {labels} are no repeats of one another, which differ in run only; "
                "write the one that all sessions have"
            )
            return
        found = re.search(r"_run-0*([0-9]+)_", PurePosixPath(scan).name)
        earlier = numbers.setdefault(found[1] if found else "1", scan)
        if earlier is not scan:
            faults.append(
                f"{where}: {earlier} and {scan} are both run {found[1] if found else 1}; remove one"
            )


def check_acquisitions(
    sheet: Sheet,
    participants: dict[str, Participant],
    sessions: list[Session],
    config: Configuration,
    faults: list[str],
) -> None:
    """Check that the scans of a person were acquired in the same way under both treatments.

    Differences are compared by the entities in file names; one sentence is added to ``faults`` for
    each.
    """
    allowed = config["scans_may_differ_in"]
    first: dict[str, Session] = {}
    for session in sessions:
        person = participants[session.participant_id]
        if person.exclude or session.exclude or not session.scans:
            continue
        earlier = first.setdefault(session.participant_id, session)
        different = _differing(scan_kind(earlier.scans[0]), scan_kind(session.scans[0]))
        for key, (before, now) in different.items():
            # A wrong task is reported elsewhere.
            if key in allowed or key == "task" or earlier.treatment == session.treatment:
                continue
            faults.append(
                f"{at(sheet.path, session.row, 'scan')}: the scan under {session.treatment} has "
                f"{now} where that under {earlier.treatment} (row {earlier.row}) has {before}, so "
                "that what the scanner changed would be taken for the drug's effect; correct one, "
                f"exclude it with a reason, or add {key} to the config key scans_may_differ_in"
            )


def _check_image(
    sheet: Sheet,
    row: Row,
    column: str,
    path: str,
    own: dict[str, str],
    suffix: str,
    faults: list[str],
) -> None:
    """Check that an image has a BIDS name, a relative path, and entities that fit its row."""
    where = sheet.at(row, column)
    if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
        faults.append(f"{where}: write the path below the data set in place of {path}")
        return
    if fault := path_fault(path):
        faults.append(f"{where}: {fault}")
        return
    try:
        entities, found, extension = parse_name(PurePosixPath(path).name)
    except Fault as fault:
        faults.append(f"{where}: {fault}")
        return
    if found != suffix or extension not in (".nii", ".nii.gz"):
        faults.append(f"{where}: {path} is no image *_{suffix}.nii.gz; name one")
    for key, identifier in own.items():
        # Names in a data set without session folders have no ses entity, which is no fault.
        if key in entities and f"{key}-{entities[key]}" != identifier:
            faults.append(
                f"{where}: {path} is of {key}-{entities[key]} in a row of {identifier}; correct "
                "one of the two"
            )


def _exclusion(sheet: Sheet, row: Row, faults: list[str]) -> tuple[bool, str | None]:
    value, reason = (row.get("exclude") or "no").lower(), row.get("reason")
    if value not in ("yes", "no"):
        faults.append(f"{sheet.at(row, 'exclude')}: {value!r} is neither yes nor no; write one")
    if value == "yes" and reason is None:
        faults.append(f"{sheet.at(row, 'reason')}: who is excluded needs a reason; write it here")
    return value == "yes", reason


def check_crossover(
    sheet: Sheet,
    people_sheet: Sheet,
    participants: dict[str, Participant],
    sessions: list[Session],
    config: Configuration,
    faults: list[str],
) -> None:
    """Check that nobody has a treatment or period twice, or a period that contradicts the sequence.

    One sentence is added to ``faults`` for each fault.
    """
    orders = _orders(config)
    seen: dict[tuple[str, str], Session] = {}
    seen_period: dict[tuple[str, int], Session] = {}
    for session in sessions:
        person = participants[session.participant_id]
        # An unknown treatment is reported elsewhere.
        known = session.treatment in config["treatments"].values()
        if person.exclude or session.exclude or not known:
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
        elif orders.get(person.sequence, {}).get(session.period) not in (None, session.treatment):
            faults.append(
                f"{where}: period {session.period} under {session.treatment} contradicts the "
                f"sequence {person.sequence} of {person.participant_id} in "
                f"{people_sheet.path}; correct one of the two"
            )


def _orders(config: Configuration) -> dict[str | None, dict[int, str]]:
    """Return the two possible sequences: label to a dictionary from period to treatment."""
    a, b = config["treatments"]["active"], config["treatments"]["control"]
    return {f"{a}-{b}": {1: a, 2: b}, f"{b}-{a}": {1: b, 2: a}}


def complete_order(
    participants: dict[str, Participant], sessions: list[Session], config: Configuration
) -> None:
    """Fill in missing sequences from the periods of sessions, and missing periods from sequences.

    ``participants`` and ``sessions`` are changed in place.
    """
    orders = _orders(config)
    told: dict[str, set[tuple[int, str]]] = {}
    for session in sessions:
        if session.period is not None and not session.exclude:
            told.setdefault(session.participant_id, set()).add((session.period, session.treatment))
    for label, order in orders.items():
        for identifier, own in told.items():
            if own == set(order.items()) and participants[identifier].sequence is None:
                participants[identifier].sequence = label
    for session in sessions:
        for period, treatment in orders.get(
            participants[session.participant_id].sequence, {}
        ).items():
            if session.period is None and session.treatment == treatment:
                session.period = period
