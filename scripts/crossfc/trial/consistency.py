"""The sessions of a person: what must be alike in them, and what must differ."""

from collections.abc import Mapping

from crossfc.fault import at
from crossfc.trial.configuration import Configuration
from crossfc.trial.contrast import BEFORE
from crossfc.trial.image_name import differing, scan_kind
from crossfc.trial.participant import Participant
from crossfc.trial.sequence import join_order
from crossfc.trial.session import Session
from crossfc.trial.sheet import Sheet
from crossfc.trial.treatment import treatment_labels


def check_acquisitions(
    sheet: Sheet,
    participants: dict[str, Participant],
    sessions: list[Session],
    config: Configuration,
    faults: list[str],
) -> None:
    """Check that the scans of a person were acquired in the same way in all sessions.

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
            if key in allowed or key == "task" or earlier.cell == session.cell:
                continue
            faults.append(
                f"{at(sheet.path, session.row, 'scan')}: the scan under {session.cell.label} has "
                f"{now} where that under {earlier.cell.label} (row {earlier.row}) has {before}, so "
                "that what the scanner changed would be taken for the drug's effect; correct one, "
                f"exclude it with a reason, or add {key} to the config key scans_may_differ_in"
            )


def check_visits(
    sheet: Sheet,
    people_sheet: Sheet,
    participants: dict[str, Participant],
    sessions: list[Session],
    config: Configuration,
    faults: list[str],
) -> None:
    """Check each person's treatments and periods against each other and against the sequence.

    Nobody may have two sessions of one treatment at one occasion of one period, or two treatments
    in one period; a treatment may be given again in another period where its sequence says so. One
    sentence is added to ``faults`` for each fault.
    """
    labels = treatment_labels(config)
    of_cell: dict[tuple[str, str, str | None], Session] = {}
    of_period: dict[tuple[str, int], Session] = {}
    for session in sessions:
        person = participants[session.participant_id]
        # An unknown treatment is reported elsewhere.
        known = session.treatment in (*labels, BEFORE)
        if person.exclude or session.exclude or not known:
            continue
        name = person.participant_id
        earlier = of_cell.setdefault((name, *session.cell), session)
        if earlier is not session and not _given_again(person, earlier, session):
            faults.append(_twice(sheet, person, earlier, session, config))
        if session.period is None:
            continue
        where = at(sheet.path, session.row, "period")
        earlier = of_period.setdefault((name, session.period), session)
        order = person.order
        if earlier.treatment != session.treatment or (
            earlier is not session and earlier.occasion == session.occasion
        ):
            faults.append(
                f"{where}: {name} has two sessions in period {session.period} "
                f"(also row {earlier.row}); correct one"
            )
        elif order is not None and _at(order, session.period) not in (None, session.treatment):
            faults.append(
                f"{where}: period {session.period} under {session.treatment} contradicts the "
                f"sequence {person.sequence} of {name} in {people_sheet.path}; correct one of the "
                "two"
            )


def _at(order: tuple[str, ...], period: int) -> str | None:
    return order[period - 1] if period <= len(order) else None


def _given_again(person: Participant, earlier: Session, session: Session) -> bool:
    """Test whether a person had a treatment in several periods."""
    if earlier.period is None or session.period is None or earlier.period == session.period:
        return False
    return person.order is None or person.order.count(session.treatment) > 1


def _twice(
    sheet: Sheet, person: Participant, earlier: Session, session: Session, config: Configuration
) -> str:
    who, row = person.participant_id, earlier.row
    if session.occasion is not None:
        where = at(sheet.path, session.row, "occasion")
        under = "before all treatment" if session.treatment == BEFORE else session.treatment
        return (
            f"{where}: {who} has two sessions of {session.occasion} under {under} (also row {row})"
            "; correct one, or exclude it with a reason"
        )
    where = at(sheet.path, session.row, "treatment")
    if session.treatment == BEFORE:
        return (
            f"{where}: {who} has two sessions before all treatment (also row {row}); tell them "
            "apart by a column occasion, or exclude one with a reason"
        )
    again = (
        ""
        if isinstance(config["treatments"], Mapping)
        else ", give the period of each if the treatment was given again"
    )
    if not config["occasions"]:
        again += ", tell sessions of one period apart by a column occasion (config key occasions)"
    return (
        f"{where}: {who} received {session.treatment} twice (also row {row}); correct one{again}, "
        "or exclude it with a reason"
    )


def complete_order(participants: dict[str, Participant], sessions: list[Session]) -> None:
    """Fill in missing sequences from the periods of sessions, and missing periods from sequences.

    A sequence is filled in if the treatments of all periods from the first to the last are known
    and there are two of them or more; a period, if the sequence has the treatment once.
    ``participants`` and ``sessions`` are changed in place.
    """
    told: dict[str, dict[int, str]] = {}
    for session in sessions:
        if session.period is not None and not session.exclude:
            told.setdefault(session.participant_id, {})[session.period] = session.treatment
    last = max((max(own) for own in told.values()), default=0)
    for identifier, own in told.items():
        person = participants[identifier]
        if person.order is None and len(own) > 1 and sorted(own) == list(range(1, last + 1)):
            person.order = tuple(own[period] for period in sorted(own))
            person.sequence = join_order(person.order)
    for session in sessions:
        order = participants[session.participant_id].order or ()
        if session.period is None and order.count(session.treatment) == 1:
            session.period = order.index(session.treatment) + 1
