"""The clinical arm: the scores of every person, and the changes that are correlated."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from crossfc.fault import raise_all
from crossfc.plan.people import People
from crossfc.plan.region import Regions
from crossfc.plan.study import Stage, Study
from crossfc.trial import regions, response
from crossfc.trial.carryover import carryovers, given_treatments, separable
from crossfc.trial.contrast import Contrast
from crossfc.trial.design import baseline_score, sessions_of, weighted_sessions, weighted_sum
from crossfc.trial.first_period import compares_first_periods, first_scores
from crossfc.trial.occasion import comparisons
from crossfc.trial.participant import Participant
from crossfc.trial.session import Session
from crossfc.trial.sheet import did_you_mean

if TYPE_CHECKING:
    from crossfc.clinic.course import CourseDesign, Visit
    from crossfc.clinic.evidence import SmallestEffects
    from crossfc.clinic.occasion import OccasionDesign
    from crossfc.clinic.response import Comparison, Criteria, Status


class Clinic(Stage):
    """The clinical arm: the scores of every person, and the changes that are correlated."""

    def __init__(self, study: Study, regions: Regions, people: People):
        super().__init__(study)
        self._regions = regions
        self._people = people

    def check(self) -> None:
        """Refuse labels in the config key ``clinical`` that the sheets do not have."""
        trial, clinical = self.study.checked_trial(), self.config["clinical"]
        known = {
            "groups": trial.groups,
            "seed": self._regions.seeds(self.study.primary),
            "target": regions.names(trial.targets),
            "scales": list(trial.scales),
        }
        named = [("clinical.groups", "groups", group) for group in clinical["groups"] or ()]
        for i, hypothesis in enumerate(clinical["hypotheses"], 1):
            place = f"clinical.hypotheses, number {i}"
            named += [(place, kind, hypothesis[kind]) for kind in ("seed", "target")]
            named += [(place, "scales", scale) for scale in hypothesis.get("scales", ())]
        raise_all(
            [
                f"config key {place}: {word!r} is none of {', '.join(known[kind])}"
                f"{did_you_mean(word, known[kind])}; correct it"
                for place, kind, word in named
                if word not in known[kind]
            ]
        )

    def correlated_groups(self) -> list[str]:
        """List the groups in which changes are correlated, in the order of the trial."""
        groups = self.study.checked_trial().groups
        wanted = self.config["clinical"]["groups"] or groups[:1]
        return [group for group in groups if group in wanted]

    def correlation_choices(self) -> dict[str, Any]:
        """Return the choices that correlations depend on, besides the edges and the people.

        Hypotheses stated beforehand are not among them: they change only what the report shows.
        """
        own = {name: self.config["clinical"][name] for name in ("permutations", "seed")}
        smallest = self.config["clinical"]["smallest_correlation"]
        return own | {"groups": self.correlated_groups(), "smallest_correlation": smallest}

    def correlated_scores(self) -> dict[str, list[dict[str, Any]]]:
        """Return the scores of the people of each contrast, in the groups that are correlated."""
        groups = self.correlated_groups()
        return {c.name: self._people.scored(groups, c) for c in self.study.contrasts()}

    def scores(self) -> list[dict[str, Any]]:
        """List one row per contrast, scale and person: both sides, and whether both are known.

        Sessions need no scan. A person without a session of one side has the score of the other.
        """
        trial = self.study.checked_trial()
        return self._scores([(contrast, tuple(trial.scales)) for contrast in trial.contrasts])

    def _scores(
        self,
        contrasts: Sequence[tuple[Contrast, Sequence[str]]],
        given: Mapping[str, Mapping[int, str]] | None = None,
    ) -> list[dict[str, Any]]:
        """List the rows of contrasts, each with its scales.

        ``given`` are the treatments of each person by period, if columns of carry-over are wanted.
        """
        rows, people = [], self._kept()
        for contrast, scales in contrasts:
            for scale in scales:
                # The baseline is a covariate only of scales that were scored at it.
                of_people = [baseline_score(contrast, own, scale) for _, own in people]
                needed = bool(contrast.baseline) and any(b is not None for b in of_people)
                rows += [
                    self._score(contrast, scale, *person, given, baseline, needed)
                    for person, baseline in zip(people, of_people, strict=True)
                ]
        return rows

    def _kept(self) -> list[tuple[Participant, list[Session]]]:
        """List the people of the study, each with the sessions that are not excluded."""
        trial = self.study.checked_trial()
        kept: dict[str, list[Session]] = {}
        for session in trial.kept_sessions():
            kept.setdefault(session.participant_id, []).append(session)
        return [
            (person, kept.get(person.participant_id, []))
            for person in trial.participants.values()
            if trial.included(person.participant_id)
        ]

    @property
    def has_periods(self) -> bool:
        """Whether a contrast has columns of periods, so that sequences can be told apart."""
        trial = self.study.checked_trial()
        return any(trial.visit_columns(contrast) for contrast in trial.contrasts)

    @property
    def compares_first_periods(self) -> bool:
        """Whether treatments can be compared in the first period."""
        trial = self.study.checked_trial()
        return any(compares_first_periods(trial, contrast) for contrast in trial.contrasts)

    def first_scores(self) -> list[dict[str, Any]]:
        """List the scores of the first period, of every contrast of two treatments."""
        trial = self.study.checked_trial()
        return [
            row
            for contrast in trial.contrasts
            if compares_first_periods(trial, contrast)
            for person, own in self._kept()
            for row in first_scores(trial, contrast, person, own)
        ]

    @property
    def has_criteria(self) -> bool:
        """Whether a scale defines response or remission."""
        return bool(response.defined(self.study.checked_trial()))

    def criteria(self) -> "list[Criteria]":
        """List the definitions of response and remission, with the place of the baseline."""
        trial = self.study.checked_trial()
        return [
            {
                "scale": scale.scale,
                "lowest": scale.lowest,
                "highest": scale.highest,
                "better": scale.better,
                "response_percent": scale.response_percent,
                "remission_at": scale.remission_at,
                "baseline": of.label if (of := response.baseline_of(trial, scale.scale)) else None,
            }
            for scale in response.defined(trial)
        ]

    def statuses(self) -> "list[Status]":
        """List scores and baselines of everybody, in every cell in which response is told."""
        trial = self.study.checked_trial()
        rows: list[Status] = []
        for scale in response.defined(trial):
            baseline = response.baseline_of(trial, scale.scale)
            cells = response.outcome_cells(trial, scale.scale)
            for person, own in self._kept():
                if response.mean_score(own, scale.scale) is None:
                    continue
                for cell in cells:
                    if trial.arms and cell.treatment != person.group:
                        continue
                    before = baseline.sessions(own, cell.treatment) if baseline else []
                    rows.append(
                        {
                            "scale": scale.scale,
                            "group": person.group,
                            "participant_id": person.participant_id,
                            "treatment": cell.treatment,
                            "occasion": cell.occasion,
                            "score": response.mean_score(sessions_of(cell, own), scale.scale),
                            "baseline": response.mean_score(before, scale.scale),
                        }
                    )
        return rows

    def response_comparisons(self) -> "list[Comparison]":
        """List in which pairs of treatments response is compared within people."""
        trial = self.study.checked_trial()
        return [
            {
                "contrast": of.name,
                "scale": scale.scale,
                "treatment": of.weights[0][0].treatment,
                "reference": of.weights[1][0].treatment,
                "occasion": of.weights[0][0].occasion,
                "order": trial.visit_columns(of),
            }
            for scale in response.defined(trial)
            for of in response.compared(trial, scale.scale)
        ]

    def response_pairs(self) -> list[dict[str, Any]]:
        """List scores and baselines of everybody on both sides of these comparisons."""
        trial = self.study.checked_trial()
        rows = []
        for scale in response.defined(trial):
            baseline = response.baseline_of(trial, scale.scale)
            for of in response.compared(trial, scale.scale):
                for person, own in self._kept():
                    row: dict[str, Any] = {"contrast": of.name, "scale": scale.scale}
                    row |= {"group": person.group, "participant_id": person.participant_id}
                    known = []
                    for side, (cell, weight) in zip(("active", "control"), of.weights, strict=True):
                        there = sessions_of(cell, own)
                        before = baseline.sessions(own, cell.treatment) if baseline else []
                        row[side] = response.mean_score(there, scale.scale)
                        row[f"{side}_baseline"] = response.mean_score(before, scale.scale)
                        known += [(session, weight / len(there)) for session in there]
                    if row["active"] is not None or row["control"] is not None:
                        rows.append(row | trial.comparing(of, person, tuple(known)).order)
        return rows

    def occasion_scores(self) -> list[dict[str, Any]]:
        """List the rows of `scores` of what is compared at each occasion."""
        compared = comparisons(self.study.checked_trial())
        return self._scores([(own.contrast, own.scales) for own in compared])

    def occasion_designs(self) -> "list[OccasionDesign]":
        """Return what is compared at each occasion, as plain values."""
        trial = self.study.checked_trial()
        return [
            {
                "contrast": own.contrast.name,
                "occasion": own.occasion,
                "since": own.since,
                "treatment": own.treatment,
                "reference": own.reference,
                "scales": list(own.scales),
                "order": trial.visit_columns(own.contrast),
                "baseline": self.study.baseline(own.contrast),
                "sides": own.contrast.sides,
            }
            for own in comparisons(trial)
        ]

    def _score(
        self,
        contrast: Contrast,
        scale: str,
        person: Participant,
        sessions: list[Session],
        given: Mapping[str, Mapping[int, str]] | None,
        baseline: float | None,
        needs_baseline: bool,
    ) -> dict[str, Any]:
        sides = weighted_sessions(contrast, sessions)
        scores = {
            side: own and weighted_sum((session.scores.get(scale), w) for session, w in own)
            for side, own in sides.items()
        }
        labels = contrast.sides
        absent = [labels[side] for side, value in scores.items() if value is None]
        known = [(s, w if side == "active" else -w)
                 for side, own in sides.items() for s, w in own or ()]  # fmt: skip
        trial = self.study.checked_trial()
        order = trial.comparing(contrast, person, tuple(known)).order
        if given is not None:
            own = given[person.participant_id]
            order = order | carryovers(known, own, self.carryover_treatments())
        absent += ["baseline"] if needs_baseline and baseline is None else []
        return {
            "contrast": contrast.name,
            "scale": scale,
            "group": person.group,
            "participant_id": person.participant_id,
            "sequence": person.sequence,
            **order,
            **({"baseline": baseline} if contrast.baseline else {}),
            **scores,
            "used": not absent,
            "reason": f"no score under {' and '.join(absent)}" if absent else None,
        }

    def visits(self) -> "list[Visit]":
        """List one row per score: of every session that is not excluded, also without a scan."""
        trial = self.study.checked_trial()
        return [
            {
                "scale": scale,
                "group": trial.participants[session.participant_id].group,
                "participant_id": session.participant_id,
                "session_id": session.session_id,
                "sequence": trial.participants[session.participant_id].sequence,
                "treatment": session.treatment,
                "occasion": session.occasion,
                "score": score,
            }
            for scale in trial.scales
            for session in trial.kept_sessions()
            if (score := session.scores.get(scale)) is not None
        ]

    def course_design(self) -> "CourseDesign":
        """Return the groups, scales and cells of the course of scores, in their order."""
        trial = self.study.checked_trial()
        cells = [(cell.treatment, cell.occasion) for cell in trial.cells]
        return {"groups": trial.groups, "scales": list(trial.scales), "cells": cells}

    @property
    def has_carryover(self) -> bool:
        """Whether columns of carry-over can be made: within people, in three periods or more."""
        return separable(self.study.checked_trial())

    def carryover_treatments(self) -> list[str]:
        """List the treatments that have a column of carry-over: all but the reference."""
        return self.study.checked_trial().treatments[1:]

    def carryover_scores(self) -> list[dict[str, Any]]:
        """List the rows of `scores`, with the columns of carry-over."""
        trial = self.study.checked_trial()
        every = [(contrast, tuple(trial.scales)) for contrast in trial.contrasts]
        return self._scores(every, given_treatments(trial))

    def carryover_people(self) -> dict[str, list[dict[str, Any]]]:
        """Return the columns of carry-over of the people of each contrast who have its scans."""
        trial = self.study.checked_trial()
        given, treatments = given_treatments(trial), self.carryover_treatments()
        return {
            contrast.name: [
                {"participant_id": (name := person.participant.participant_id)}
                | carryovers(person.sessions, given[name], treatments)
                for person in self.study.compared(contrast)
            ]
            for contrast in trial.contrasts
        }

    def smallest_effects(self) -> "SmallestEffects":
        """Return the smallest effects of interest of scales, edges and correlations, as stated."""
        trial, clinical = self.study.checked_trial(), self.config["clinical"]
        return {
            "smallest_change": {
                name: scale.smallest_change for name, scale in trial.scales.items()
            },
            "smallest_fisher_z": clinical["smallest_fisher_z"],
            "smallest_correlation": clinical["smallest_correlation"],
        }

    def scales(self) -> list[dict[str, Any]]:
        """List the scales as plain rows."""
        return [asdict(scale) for scale in self.study.checked_trial().scales.values()]

    def change_files(self) -> dict[str, str]:
        """Name the tables of the change of scores."""
        names = {"change": "change", "scores": "scores", "between": "between_groups"}
        names |= {"course": "course"} | self._files_of_sheets()
        # Of one occasion the table would repeat that of changes.
        names |= {"occasions": "occasions"} if len(self.config["occasions"]) > 1 else {}
        return {key: self.study.file("clinic", f"{name}.tsv") for key, name in names.items()}

    def _files_of_sheets(self) -> dict[str, str]:
        """Name the tables that depend on the sheets; none as long as these are not written."""
        # Rules are read before the target `sheets` writes them.
        if self.study.trial is None:
            return {}
        names = {"sequences": "sequences"} if self.has_periods else {}
        names |= {"first_period": "first_period"} if self.compares_first_periods else {}
        if self.has_criteria:
            names |= {"response": "response"}
            names |= {"response_pairs": "response_pairs"} if self.response_comparisons() else {}
        return names

    def correlation_files(self) -> dict[str, str]:
        """Name the tables of the correlations of changes."""
        names = ("correlation", "points", "left")
        return {name: self.study.file("clinic", f"{name}.tsv") for name in names}

    def evidence_file(self) -> str:
        """Name the table of what the sample says of each test."""
        return self.study.file("clinic", "evidence.tsv")

    def evidence_correlation(self) -> list[str]:
        """Name the table of correlations, if the study has one."""
        correlated = self.study.has_edges and self.study.checked_trial().scales
        return [self.correlation_files()["correlation"]] if correlated else []

    @property
    def has_evidence(self) -> bool:
        """Whether there is a test to judge: scores, or edges."""
        return bool(self.study.checked_trial().scales) or self.study.has_edges

    def carryover_files(self) -> dict[str, str]:
        """Name the tables of carry-over: of scores, and of edges."""
        names = ("carryover", "edge_carryover")
        return {name: self.study.file("clinic", f"{name}.tsv") for name in names}

    def results(self) -> list[str]:
        """List the clinical tables that this study has."""
        edges, carryover = self.study.has_edges, self.carryover_files()
        found = [carryover["edge_carryover"]] if edges and self.has_carryover else []
        found += [self.evidence_file()] if self.has_evidence else []
        if not self.study.checked_trial().scales:
            return found
        found += [carryover["carryover"]] if self.has_carryover else []
        found += list(self.change_files().values())
        return found + (list(self.correlation_files().values()) if edges else [])
