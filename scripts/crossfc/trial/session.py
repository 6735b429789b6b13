"""The sheet of sessions: who had which treatment in which period, with which scan and scores."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NotRequired, TypedDict

from crossfc.trial.configuration import Configuration
from crossfc.trial.contrast import BEFORE, Cell
from crossfc.trial.image_name import check_image, check_repeats, task_of
from crossfc.trial.label import absent_labels, near, some
from crossfc.trial.participant import Participant, exclusion
from crossfc.trial.scale import Scale, read_score
from crossfc.trial.sheet import Row, Sheet, did_you_mean
from crossfc.trial.treatment import alternatives, treatment_labels, treatment_places

SESSION_COLUMNS = ["participant_id", "session_id", "treatment", "period", "scan"]
OPTIONAL_SESSION_COLUMNS = ["occasion", "guess", "exclude", "reason"]


@dataclass
class Session:
    """One session: a treatment in a period at an occasion, with a scan (or repeats) and scores.

    The treatment is `crossfc.trial.contrast.BEFORE` before all treatment; the occasion is None in a
    trial with one session in each period. The guess is the treatment that the person believed to
    have had; None for not known.
    """

    participant_id: str
    session_id: str
    treatment: str
    period: int | None
    scans: list[str]
    scores: dict[str, float | None]
    exclude: bool
    reason: str | None
    row: int
    occasion: str | None = None
    guess: str | None = None

    @property
    def cell(self) -> Cell:
        """The treatment and the occasion."""
        return Cell(self.treatment, self.occasion)


class SessionRow(TypedDict):
    """A session with a scan as a plain row, with what is known of its person."""

    participant_id: str
    group: str
    sequence: str | None
    session_id: str
    treatment: str
    period: int | None
    occasion: NotRequired[str | None]


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
        Sessions of the trial's treatments, and those before all treatment.
    unused : list of Session
        Sessions of further treatments (config key ``unused.treatments``).
    """
    treatments = treatment_labels(config)
    of_two = isinstance(config["treatments"], Mapping)
    further = config["unused"]["treatments"]
    absent = absent_labels(sheet, "treatment", treatment_places(config), further, faults)
    _check_occasions(sheet, config, faults)
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
        exclude, reason = exclusion(sheet, row, faults)
        before = not of_two and row.get("treatment") is None
        if not exclude and row["treatment"] not in treatments and not absent and not before:
            hint = did_you_mean(row["treatment"], treatments)
            known = alternatives(reversed(treatments))
            faults.append(
                f"{sheet.at(row, 'treatment')}: {row['treatment']!r} is {known}{hint}; correct it, "
                "or list it in the config key unused.treatments"
            )
        if not of_two and period is not None and not whole:
            faults.append(
                f"{sheet.at(row, 'period')}: {period!r} is no number of a period; write 1 to 9, or "
                "n/a where it is not known or before all treatment"
            )
            period = None
        if before and period is not None and not exclude:
            faults.append(
                f"{sheet.at(row, 'period')}: a session before all treatment (treatment n/a) is in "
                f"no period, and this one says {period}; write n/a, or fill in the treatment"
            )
        if of_two and period not in (None, "1", "2") and not (further and whole):
            faults.append(
                f"{sheet.at(row, 'period')}: {period!r} is neither 1 nor 2; correct it, or write "
                "n/a where the order is not known (where there are further treatments, list them "
                "in the config key unused.treatments)"
            )
            period = None
        scans = [s.strip() for s in (row.get("scan") or "").split(";") if s.strip()]
        for scan in scans:
            own = {"sub": person, "ses": name}
            if not other_task and task_of(scan) not in (None, config["task"]):
                faults.append(
                    f"{sheet.at(row, 'scan')}: {scan} is of task {task_of(scan)}, but config key "
                    f"task is {config['task']}; correct the cell, or the key"
                )
            check_image(sheet, row, "scan", scan, own, "bold", faults)
            if scan in rows_of_scan:
                faults.append(
                    f"{sheet.at(row, 'scan')}: {scan} is the scan of row {rows_of_scan[scan]} "
                    "already; correct one of the two"
                )
            rows_of_scan[scan] = row.number
        if config["entry"] != "maps":
            check_repeats(sheet, row, scans, faults)
        sessions.append(
            Session(
                participant_id=person,
                session_id=name,
                treatment=BEFORE if before else row["treatment"],
                period=None if period is None else int(period),
                scans=scans,
                scores={
                    s: read_score(sheet, row, scales[s], faults) for s in scales if s in row.cells
                },
                exclude=exclude,
                reason=reason,
                row=row.number,
                occasion=_occasion(sheet, row, config, exclude, faults),
                guess=None if exclude else _guess(sheet, row, config, before, faults),
            )
        )
    if of_two:
        _rank_periods(sessions, unused)
    return sessions, unused


def _check_occasions(sheet: Sheet, config: Configuration, faults: list[str]) -> None:
    """Add a fault if the sheet and the config do not both have occasions, or none of them."""
    occasions = config["occasions"]
    if "occasion" in sheet.columns and not occasions:
        found = list(dict.fromkeys(row.get("occasion") for row in sheet.rows))
        named = some([word for word in found if word is not None], 6)
        if named:
            faults.append(
                f"config key occasions: {sheet.path} has a column occasion with {named}; list them "
                "in the order of time, such as occasions: [baseline, day2]"
            )
    elif occasions and "occasion" not in sheet.columns:
        faults.append(
            f"{sheet.path} has no column occasion, and the config key occasions names "
            f"{', '.join(occasions)}; add the column, or remove the key"
        )


def _occasion(
    sheet: Sheet, row: Row, config: Configuration, exclude: bool, faults: list[str]
) -> str | None:
    """Return the occasion of a row; add a fault if it is none of the config's."""
    occasions = config["occasions"]
    if not occasions or "occasion" not in sheet.columns:
        return None
    occasion = row.get("occasion")
    if occasion not in occasions and not exclude:
        faults.append(
            f"{sheet.at(row, 'occasion')}: {occasion or 'n/a'!r} is none of the occasions "
            f"{', '.join(occasions)}{did_you_mean(occasion or '', occasions)}; correct it, or add "
            "it to the config key occasions"
        )
    return occasion


def _guess(
    sheet: Sheet, row: Row, config: Configuration, before: bool, faults: list[str]
) -> str | None:
    """Return which treatment the person guessed; add a fault if it is none of the trial's."""
    guess = row.get("guess") if "guess" in sheet.columns else None
    if guess is None:
        return None
    known = [*treatment_labels(config), *config["unused"]["treatments"]]
    if before:
        faults.append(
            f"{sheet.at(row, 'guess')}: {guess!r} is guessed of a session before all treatment "
            "(treatment n/a), which has none to guess; write n/a, or fill in the treatment"
        )
    elif guess not in known:
        faults.append(
            f"{sheet.at(row, 'guess')}: {guess!r} is none of the treatments {', '.join(known)}"
            f"{did_you_mean(guess, known)}; correct it, or write n/a where the person does not know"
        )
    return guess


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


def _other_task(sheet: Sheet, config: Configuration, faults: list[str]) -> bool:
    """Add a fault if no scan in the sheet has the task of the config; return whether so."""
    scans = [scan for row in sheet.rows for scan in (row.get("scan") or "").split(";")]
    found = list(dict.fromkeys(task for task in map(task_of, scans) if task is not None))
    if not found or config["task"] in found:
        return False
    faults.append(
        f"config key task: no scan of {sheet.path} has task-{config['task']}"
        f"{near(config['task'], found)}; they have "
        f"{some([f'task-{task}' for task in found], 6)}; correct the key, or the sheet"
    )
    return True
