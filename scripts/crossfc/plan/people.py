"""The people of the study as rows: who is paired, with which columns and scores."""

from collections.abc import Sequence
from typing import Any

from crossfc.plan.study import Stage
from crossfc.trial.session import SessionRow


class People(Stage):
    """The people of the study as rows: who is paired, with which columns and scores."""

    def rows(self) -> list[dict[str, Any]]:
        """List the paired people, without paths, so that moving a data set reruns nothing.

        Scores, covariates and blocks are not part of the rows; only analyses that use them get them
        (`people_of`, `scored`).

        Returns
        -------
        list of dict
            participant_id, group, sequence, sequence_code, and ``sessions`` (active, then control).
        """
        words = ("participant_id", "group", "sequence", "sequence_code")
        rows = []
        for pair in self.study.paired():
            row = self.study.checked_trial().person_row(pair.participant)
            own = [s.session_id for s in (pair.active, pair.control) if s]
            rows.append({word: row[word] for word in words} | {"sessions": own})
        return rows

    def scored(self, groups: Sequence[str]) -> list[dict[str, Any]]:
        """List the scores, under both treatments, of the paired people of some groups."""
        return self.people_with([], list(self.study.checked_trial().scales), groups)

    def people_with(
        self, columns: list[str], scales: list[str], groups: Sequence[str] | None = None
    ) -> list[dict[str, Any]]:
        if not columns and not scales:
            return []
        rows = []
        for pair in self.study.paired():
            if groups is not None and pair.participant.group not in groups:
                continue
            known = self.study.checked_trial().person_row(pair.participant)
            row = {column: known[column] for column in ("participant_id", *dict.fromkeys(columns))}
            for scale in scales:
                for role, session in (("active", pair.active), ("control", pair.control)):
                    row[f"score_{scale}_{role}"] = session and session.scores.get(scale)
            rows.append(row)
        return rows

    def participants(self) -> list[dict[str, Any]]:
        """List the people of the study as in the participants.tsv of the results."""
        trial = self.study.checked_trial()
        return [
            {"participant_id": p.participant_id, "group": p.group, "sequence": p.sequence}
            | p.covariates
            for p in trial.participants.values()
            if trial.included(p.participant_id)
        ]

    def sessions_of_people(self) -> list[SessionRow]:
        """List one plain row per session with a scan: who, group, treatment, period."""
        trial = self.study.checked_trial()
        return [
            {
                "participant_id": s.participant_id,
                "group": trial.participants[s.participant_id].group,
                "sequence": trial.participants[s.participant_id].sequence,
                "session_id": s.session_id,
                "treatment": s.treatment,
                "period": s.period,
            }
            for s in self.study.sessions()
        ]
