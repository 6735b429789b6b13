"""People who leave an analysis, as the record of the analysis lists them."""

from typing import TypedDict


class LeftPerson(TypedDict):
    """A person who is not analysed, and why."""

    participant_id: str
    group: str
    reason: str
