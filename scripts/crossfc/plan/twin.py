"""The digital twin: the effects that are planted, and the files that it consists of."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from crossfc.fault import Fault
from crossfc.jobs import need
from crossfc.plan.pattern import SCAN, SES, SUB, pattern
from crossfc.plan.region import Regions
from crossfc.plan.scan import Scans
from crossfc.plan.study import Stage, Study
from crossfc.session import layout
from crossfc.trial.configuration import TwinChoices

if TYPE_CHECKING:
    from crossfc.twin.design import SessionTruth
    from crossfc.twin.effect import Effect, PlantedChange
    from crossfc.twin.scheme import Scheme
    from crossfc.twin.truth import Edge, Truth


class Twin(Stage):
    """The digital twin: the effects that are planted, and the files that it consists of."""

    def __init__(self, study: Study, scans: Scans, regions: Regions):
        super().__init__(study)
        self._scans = scans
        self._regions = regions

    @property
    def choices(self) -> TwinChoices:
        """The config key ``twin``.

        Raises
        ------
        Fault
            If the study is of real scans.
        """
        choices = self.config["twin"]
        if choices is None:
            raise Fault("config key twin: is null, so no scans are simulated; write its keys")
        return choices

    def check(self) -> None:
        """Refuse a design and effects that the study does not have.

        Raises
        ------
        Fault
            One sentence for each fault.
        """
        if self.config["twin"] is None:
            return
        if self.choices["design"] is not None:
            from crossfc.twin.enrolment import check_design

            check_design(self.config, self.choices["design"])
        self._planted()

    def scan_choices(self) -> dict[str, Any]:
        """Return the keys of ``twin`` that a simulated scan depends on, besides the truth."""
        of_trial = ("design", "effects", "period_sd")
        return {key: value for key, value in self.choices.items() if key not in of_trial}

    def truth(self) -> "Truth":
        """Plan the truth of the digital twin: all effects that are planted."""
        from crossfc.twin import truth as twin_truth

        people, sessions = self._people(), self._session_rows()
        if self._two_by_two:
            reference, active = self.study.checked_trial().treatments
            return twin_truth.plant(
                people,
                sessions,
                self._regions.seed_rows(self.study.primary),
                self._regions.target_rows(),
                groups=tuple(self.config["groups"].values()),
                treatments=(active, reference),
                strengths=self.choices["strengths"],
                random_seed=self.choices["seed"],
            )
        edges, effects = self._planted()
        return twin_truth.plant_design(
            people,
            sessions,
            edges,
            effects,
            scheme=self._scheme,
            period_sd=self.choices["period_sd"],
            random_seed=self.choices["seed"],
        )

    def planted_changes(self) -> "list[PlantedChange]":
        """Return what is planted in each contrast, edge and group: as in planted_changes.tsv."""
        from crossfc.twin.effect import planted_changes

        edges, effects = self._planted()
        trial = self.study.checked_trial()
        return planted_changes(effects, edges, trial.contrasts, self._scheme, arms=trial.arms)

    @property
    def _two_by_two(self) -> bool:
        """Whether two treatments are crossed over in two periods, with a twin's own effects."""
        trial, own = self.study.checked_trial(), self.choices["effects"]
        crossed = len(trial.treatments) == 2 and not trial.arms and trial.n_periods == 2
        plain = not self.config["occasions"] and len(self.config["groups"]) < 3
        return crossed and plain and own is None

    @property
    def _scheme(self) -> "Scheme":
        from crossfc.twin.scheme import scheme_of

        return scheme_of(self.config, self.study.checked_trial().n_periods)

    def _planted(self) -> "tuple[list[Edge], list[Effect]]":
        """Return the edges that are planted, and all that changes them within people."""
        from crossfc.twin.effect import default_effects, read_effects
        from crossfc.twin.truth import edges_of

        own, scheme, effects = self.choices["effects"], self._scheme, None
        seeds = self._regions.seed_rows(self.study.primary)
        targets = self._regions.target_rows()
        if own is not None:
            names = [row["seed"] for row in seeds], [row["target"] for row in targets]
            seed_names, target_names = (list(dict.fromkeys(each)) for each in names)
            effects = read_effects(own, scheme, seed_names, target_names)
        edges, told = edges_of(seeds, targets, self.choices["strengths"], effects)
        return edges, default_effects(edges, scheme) if effects is None else told

    def _people(self) -> list[dict[str, Any]]:
        trial = self.study.checked_trial()
        # The arm of a person stands in place of the group, and arms are of one group.
        (group, *_) = [label for label in self.config["groups"].values() if label]
        return [
            {
                "participant_id": p.participant_id,
                "group": group if trial.arms else p.group,
                "sequence": p.sequence,
            }
            for p in trial.participants.values()
            if trial.included(p.participant_id)
        ]

    def _session_rows(self) -> list[dict[str, Any]]:
        at = bool(self.config["occasions"])
        return [
            {
                "participant_id": s.participant_id,
                "session_id": s.session_id,
                "treatment": s.treatment,
                "period": s.period,
                "scan": ";".join(s.scans),
            }
            | ({"occasion": s.occasion} if at else {})
            | dict(s.scores)
            for s in self.study.sessions()
        ]

    @staticmethod
    def of_session(truth: "Truth", participant: str, session: str) -> "SessionTruth":
        """Return the effects that are planted in one session."""
        return truth["sessions"][f"sub-{participant}"][f"ses-{session}"]

    def raw_head(self) -> list[str]:
        """List the files at the root of a raw twin."""
        sidecar = f"task-{self.config['task']}_bold.json"
        return ["dataset_description.json", "README", "participants.tsv", sidecar]

    def raw_files(self, scan: str) -> dict[str, str]:
        """Return the files of a raw simulated run."""
        paths = layout.raw_twin(scan, self.config["bids_dir"])
        return {key: str(path) for key, path in paths.items()}

    def raw_pattern(self) -> dict[str, str]:
        """Return the files of a raw simulated run, as patterns with wildcards."""
        found = self.raw_files(f"{SUB}/{SES}/func/{SCAN}_bold.nii.gz")
        return {key: pattern(path) for key, path in found.items()}

    def scans(self) -> list[str]:
        """List all files of the twin."""
        sessions = self.study.sessions()
        if self.study.entry == "fmriprep":
            return [self._scans.preprocessed(scan)["bold"] for s in sessions for scan in s.scans]
        root = Path(self.config["bids_dir"])
        people = {s.participant_id for s in sessions}
        # People without a T1w were refused when the sheets were checked (`Preprocess.check`).
        known = self.study.checked_trial().participants
        anatomies = [str(root / str(known[person].t1w)) for person in sorted(people)]
        return anatomies + [str(root / scan) for s in sessions for scan in s.scans]

    def sizes(self) -> dict[str, float]:
        """Compute the size (MB) of a simulated scan in template space."""
        volumes, resolution_mm = self.choices["volumes"], self.choices["resolution_mm"]
        return {"scan": need.volumes_mb(volumes, resolution_mm)}
