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
    from crossfc.twin.truth import Truth


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

    def truth(self) -> "Truth":
        """Plan the truth of the digital twin: all effects that are planted."""
        from crossfc.twin import truth as twin_truth

        trial, labels = self.study.checked_trial(), self.config["groups"]
        if len(labels) > 2:
            raise Fault(
                "config key twin: scans are simulated for one or two groups; delete the key twin, "
                f"or list all but two of {', '.join(trial.groups)} in the config key unused.groups"
            )
        people = [
            {"participant_id": p.participant_id, "group": p.group, "sequence": p.sequence}
            for p in trial.participants.values()
            if trial.included(p.participant_id)
        ]
        sessions: list[dict[str, Any]] = [
            {
                "participant_id": s.participant_id,
                "session_id": s.session_id,
                "treatment": s.treatment,
                "period": s.period,
                "scan": ";".join(s.scans),
            }
            | dict(s.scores)
            for s in self.study.sessions()
        ]
        return twin_truth.plant(
            people,
            sessions,
            self._regions.seed_rows(self.study.primary),
            self._regions.target_rows(),
            groups=(labels["patients"], labels["controls"]),
            treatments=self._treatments(),
            strengths=self.choices["strengths"],
            random_seed=self.choices["seed"],
        )

    def _treatments(self) -> tuple[str, str]:
        """Return the active treatment and the control.

        Raises
        ------
        Fault
            If the trial is no crossover of two treatments.
        """
        labels = self.study.checked_trial().treatments
        if len(labels) != 2 or self.config["occasions"]:
            raise Fault(
                "config key twin: scans are simulated for two treatments with one session each; "
                "delete the key twin, or name two treatments and no occasions"
            )
        return labels[1], labels[0]

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
