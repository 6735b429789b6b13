"""The people of the study as rows: who is paired, with which columns and scores."""

from collections.abc import Sequence
from typing import Any

from crossfc.plan.study import Stage
from crossfc.trial.contrast import Contrast
from crossfc.trial.design import Compared
from crossfc.trial.session import SessionRow


class People(Stage):
    """The people of the study as rows: who is paired, with which columns and scores."""

    def rows(self, contrast: Contrast) -> list[dict[str, Any]]:
        """List the people of a contrast, without paths, so that moving a data set reruns nothing.

        Scores, covariates and blocks are not part of the rows; only analyses that use them get them
        (`people_with`, `scored`).

        Returns
        -------
        list of dict
            participant_id, group, sequence, the columns of periods, and ``sessions`` (those with
            positive weights first) with their ``weights``; also ``baseline_sessions`` and
            ``baseline_weights`` where the baseline is a covariate.
        """
        return [
            {
                "participant_id": person.participant.participant_id,
                "group": person.participant.group,
                "sequence": person.participant.sequence,
            }
            | person.order
            | {
                "sessions": [session.session_id for session, _ in person.sessions],
                "weights": [weight for _, weight in person.sessions],
            }
            | _baseline(person)
            for person in self.study.compared(contrast)
        ]

    def scored(self, groups: Sequence[str], contrast: Contrast) -> list[dict[str, Any]]:
        """List the scores, on both sides of a contrast, of the people of some groups."""
        return self.people_with([], list(self.study.checked_trial().scales), contrast, groups)

    def people_with(
        self,
        columns: list[str],
        scales: list[str],
        contrast: Contrast,
        groups: Sequence[str] | None = None,
    ) -> list[dict[str, Any]]:
        """List the people of a contrast with some covariates and scores."""
        if not columns and not scales:
            return []
        rows = []
        for person in self.study.compared(contrast):
            if groups is not None and person.participant.group not in groups:
                continue
            known = self.study.checked_trial().person_row(person.participant)
            row = {column: known[column] for column in ("participant_id", *dict.fromkeys(columns))}
            for scale in scales:
                row[f"score_{scale}_active"] = person.score(scale, positive=True)
                row[f"score_{scale}_control"] = person.score(scale, positive=False)
            rows.append(row)
        return rows

    def covariates(self) -> list[dict[str, Any]]:
        """List the covariates of everybody in some contrast."""
        columns = list(self.study.checked_trial().covariate_types)
        found: dict[str, dict[str, Any]] = {}
        for contrast in self.study.contrasts():
            for row in self.people_with(columns, [], contrast):
                found.setdefault(row["participant_id"], row)
        return [row for _, row in sorted(found.items())]

    def participants(self) -> list[dict[str, Any]]:
        """List the people of the study as in the participants.tsv of the results."""
        trial = self.study.checked_trial()
        return [
            {"participant_id": p.participant_id, "group": p.group, "sequence": p.sequence}
            | p.covariates
            for p in trial.participants.values()
            if trial.included(p.participant_id)
        ]

    def by_group(self) -> list[dict[str, Any]]:
        """Count the people of the sheets by group, and by their orders of treatments.

        Returns
        -------
        list of dict
            One for each group of the study: ``group``, ``people``, ``excluded`` (of the group, and
            not among the people) and ``orders`` (order, or "order not known", to people).
        """
        trial, found = self.study.checked_trial(), []
        for group in dict.fromkeys(person.group for person in trial.participants.values()):
            own = [p for p in trial.participants.values() if p.group == group]
            if not (kept := [p for p in own if trial.included(p.participant_id)]):
                continue
            orders = [p.sequence or "order not known" for p in kept]
            found.append(
                {
                    "group": group,
                    "people": len(kept),
                    "excluded": len(own) - len(kept),
                    "orders": {name: orders.count(name) for name in dict.fromkeys(orders)},
                }
            )
        return found

    def sessions_of_people(self) -> list[SessionRow]:
        """List one plain row per session with a scan: who, group, treatment, period."""
        trial, rows = self.study.checked_trial(), list[SessionRow]()
        for session in self.study.sessions():
            person = trial.participants[session.participant_id]
            row: SessionRow = {
                "participant_id": session.participant_id,
                "group": person.group,
                "sequence": person.sequence,
                "session_id": session.session_id,
                "treatment": session.treatment,
                "period": session.period,
            }
            if trial.config["occasions"]:
                row["occasion"] = session.occasion
            rows.append(row)
        return rows


def _baseline(person: Compared) -> dict[str, Any]:
    if not person.baseline:
        return {}
    return {
        "baseline_sessions": [session.session_id for session, _ in person.baseline],
        "baseline_weights": [weight for _, weight in person.baseline],
    }
