"""Parallel arms: a trial in which nobody had more than one of its treatments."""

import re
from collections.abc import Iterable, Mapping

from crossfc.fault import raise_all
from crossfc.trial.configuration import Configuration
from crossfc.trial.contrast import BEFORE
from crossfc.trial.participant import Participant
from crossfc.trial.session import Session
from crossfc.trial.treatment import treatment_labels


def are_arms(
    participants: dict[str, Participant], sessions: Iterable[Session], config: Configuration
) -> bool:
    """Test whether treatments are parallel arms: a list of them, and nobody had more than one.

    An ``active`` treatment and a ``control`` are those of a crossover.
    """
    if isinstance(config["treatments"], Mapping) or len(treatment_labels(config)) < 2:
        return False
    had = _had(participants, sessions)
    return bool(had) and all(len(own) == 1 for own in had.values())


def _had(participants: dict[str, Participant], sessions: Iterable[Session]) -> dict[str, set[str]]:
    """Return the treatments that each person had, by sessions and by sequence."""
    had: dict[str, set[str]] = {}
    for session in sessions:
        person = participants[session.participant_id]
        if not person.exclude and session.treatment != BEFORE:
            had.setdefault(person.participant_id, set()).add(session.treatment)
    for name, person in participants.items():
        if person.order and not person.exclude:
            had.setdefault(name, set()).update(person.order)
    return had


def check_arms(config: Configuration) -> None:
    """Refuse parallel arms that cannot be compared.

    Raises
    ------
    Fault
        If there is more than one group, or an arm whose label cannot be part of file names.
    """
    faults = []
    labels = treatment_labels(config)
    why = "nobody had more than one treatment, so treatments are parallel arms"
    groups = [label for label in config["groups"].values() if label]
    if len(groups) > 1:
        faults.append(
            f"config key groups: {why}, which are compared in one group of people; name one of "
            f"{', '.join(groups)}, and list the others in the config key unused.groups"
        )
    faults += [
        f"config key treatments: {why}, and the label {label!r} becomes part of file names; use "
        "letters, digits and _ only"
        for label in labels
        if not re.fullmatch("[A-Za-z0-9_]{1,50}", label)
    ]
    raise_all(faults)


def assign_arms(participants: dict[str, Participant], sessions: Iterable[Session]) -> None:
    """Make the arm of each person their group; ``participants`` is changed in place."""
    for name, own in _had(participants, sessions).items():
        (participants[name].group,) = own
