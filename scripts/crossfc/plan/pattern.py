"""Paths with wildcards: how a rule names the files of every person, session and scan."""

from pathlib import Path

from crossfc.trial.session import Session

# Placeholder labels that stand for the wildcards.
SUB, SES, SCAN = "sub-PARTICIPANT", "ses-SESSION", "sub-SCAN"


def pattern(path: str | Path) -> str:
    """Turn a path with placeholder labels into a pattern with wildcards."""
    return (
        str(path)
        .replace(SUB, "sub-{participant}")
        .replace(SES, "ses-{session}")
        .replace(SCAN, "sub-{scan}")
    )


def filled(pattern: str, session: Session) -> str:
    """Replace the wildcards of a pattern by the labels of a session."""
    person = session.participant_id.removeprefix("sub-")
    own = session.session_id.removeprefix("ses-")
    return pattern.replace("{participant}", person).replace("{session}", own)
