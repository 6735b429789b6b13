"""The two sessions of a person as a crossover: what must be alike in them, and what must differ."""

from dataclasses import dataclass

from crossfc.fault import at
from crossfc.trial.configuration import Configuration
from crossfc.trial.image_name import differing, scan_kind
from crossfc.trial.participant import Participant
from crossfc.trial.sequence import orders
from crossfc.trial.session import Session
from crossfc.trial.sheet import Sheet


@dataclass(frozen=True)
class Pair:
    """A person with a session under each treatment."""

    participant: Participant
    active: Session | None
    control: Session | None


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
        different = differing(scan_kind(earlier.scans[0]), scan_kind(session.scans[0]))
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
    periods = orders(config["treatments"])
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
        elif periods.get(person.sequence, {}).get(session.period) not in (None, session.treatment):
            faults.append(
                f"{where}: period {session.period} under {session.treatment} contradicts the "
                f"sequence {person.sequence} of {person.participant_id} in "
                f"{people_sheet.path}; correct one of the two"
            )


def complete_order(
    participants: dict[str, Participant], sessions: list[Session], config: Configuration
) -> None:
    """Fill in missing sequences from the periods of sessions, and missing periods from sequences.

    ``participants`` and ``sessions`` are changed in place.
    """
    periods = orders(config["treatments"])
    told: dict[str, set[tuple[int, str]]] = {}
    for session in sessions:
        if session.period is not None and not session.exclude:
            told.setdefault(session.participant_id, set()).add((session.period, session.treatment))
    for label, order in periods.items():
        for identifier, own in told.items():
            if own == set(order.items()) and participants[identifier].sequence is None:
                participants[identifier].sequence = label
    for session in sessions:
        for period, treatment in periods.get(
            participants[session.participant_id].sequence, {}
        ).items():
            if session.period is None and session.treatment == treatment:
                session.period = period
