"""Exclusion of sessions: the limits of quality, and what raters said of sessions."""

from typing import cast

from crossfc.plan.study import Stage
from crossfc.trial.limit import ExclusionLimits
from crossfc.trial.rating import RatingRow


class Exclusion(Stage):
    """Exclusion of sessions: the limits of quality, and what raters said of sessions."""

    def limits(self) -> ExclusionLimits:
        """Return the limits of quality; where the ratings lie is none of them."""
        own = {key: value for key, value in self.config["exclusion"].items() if key != "ratings"}
        return cast(ExclusionLimits, own)

    def ratings(self) -> list[RatingRow]:
        """List all ratings; empty if the config names none."""
        return self.study.checked_trial().ratings

    def excluding(self) -> list[RatingRow]:
        """List the ratings by which a session with a scan leaves.

        The group analyses depend on these alone, so that a session that is rated well reruns none.
        """
        scanned = {(s.participant_id, s.session_id) for s in self.study.sessions()}
        return [
            own
            for own in self.ratings()
            if own["exclude"] and (own["participant_id"], own["session_id"]) in scanned
        ]
