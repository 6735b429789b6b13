"""Who leaves the study, or a part of it: the rows of the tables ``left.tsv``."""

from typing import TypedDict


class LeftRow(TypedDict):
    """A person or session that leaves.

    ``level`` is participant or session, ``what`` the session, ``analysis`` the part of the study
    that it leaves.
    """

    participant_id: str
    group: str
    level: str
    what: str
    analysis: str
    reason: str


LEFT_COLUMNS = ["participant_id", "group", "level", "what", "analysis", "reason"]
