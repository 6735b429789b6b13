"""Quality of the study: the tables of sessions, motion, rivals, exclusions and likeness."""

from typing import TYPE_CHECKING, Any

from crossfc.plan.clinic import Clinic
from crossfc.plan.region import Regions
from crossfc.plan.study import Stage, Study
from crossfc.trial import regions
from crossfc.trial.contrast import BEFORE
from crossfc.trial.design import weighted_sessions
from crossfc.trial.session import Session

if TYPE_CHECKING:
    from crossfc.quality.blinding import Guess

_TABLES = (
    *("sessions", "motion", "excluded", "qcfc", "rivals", "blinding", "effects_by_guess"),
    *("defects", "likeness", "ratings"),
)


class Quality(Stage):
    """Quality tables of the study, if the connectivity of every session is known."""

    def __init__(self, study: Study, regions: Regions, clinic: Clinic):
        super().__init__(study)
        self._regions = regions
        self._clinic = clinic

    def edges(self) -> list[list[str]]:
        """List seed and target of the edges whose effects are estimated given rival measures.

        They are those of the hypotheses (one over all seeds has the edges of all) or, without any
        at a target, all seeds and targets.
        """
        seeds = self._regions.seeds(self.study.primary)
        targets = regions.names(self.study.checked_trial().targets)
        stated = [(own.get("seed"), own.get("region")) for own in self.config["hypotheses"]]
        stated += [(own["seed"], own["target"]) for own in self.config["clinical"]["hypotheses"]]
        pairs = [
            (seed, region)
            for own, region in stated
            if region in targets
            for seed in ([own] if own else seeds)
        ] or [(seed, target) for seed in seeds for target in targets]
        return [list(pair) for pair in dict.fromkeys(pairs)]

    def guesses(self) -> "list[Guess]":
        """List every session under a treatment with its guess; empty if nobody guessed.

        Sessions need no scan. They are in the order of periods.
        """
        trial = self.study.checked_trial()
        kept = [s for s in trial.kept_sessions() if s.treatment != BEFORE]
        if not any(session.guess for session in kept):
            return []
        of_contrast: dict[tuple[str, str], list[str]] = {}
        of_person: dict[str, list[Session]] = {}
        for session in kept:
            of_person.setdefault(session.participant_id, []).append(session)
        for contrast in trial.contrasts:
            for own in of_person.values():
                for side in weighted_sessions(contrast, own).values():
                    for session, _ in side or ():
                        key = session.participant_id, session.session_id
                        of_contrast.setdefault(key, []).append(contrast.name)
        return [
            {
                "participant_id": session.participant_id,
                "session_id": session.session_id,
                "group": trial.participants[session.participant_id].group,
                "treatment": session.treatment,
                "occasion": session.occasion,
                "guess": session.guess,
                "contrasts": of_contrast.get((session.participant_id, session.session_id), []),
            }
            for session in sorted(kept, key=lambda s: (s.period or 0, s.session_id))
        ]

    def guess_choices(self) -> dict[str, Any]:
        """Return what effects by guess depend on besides edges; nothing if nobody guessed."""
        guesses, trial = self.guesses(), self.study.checked_trial()
        if not guesses:
            return {"guesses": [], "scores": [], "scales": [], "treatments": [], "groups": []}
        return {
            "guesses": guesses,
            "scores": self._clinic.scores(),
            "scales": list(trial.scales),
            "treatments": trial.treatments,
            "groups": trial.groups,
        }

    def files(self) -> dict[str, str]:
        """Name the tables."""
        return {name: self.study.file("quality", f"{name}.tsv") for name in _TABLES}

    def robustness_files(self) -> dict[str, str]:
        """Name the tables of other pipelines: how alike maps are, and where clusters are found."""
        names = {"maps": "robustness", "clusters": "cluster_robustness"}
        return {key: self.study.file(f"{name}.tsv") for key, name in names.items()}

    def fd_limits(self) -> list[float]:
        """List the stricter limits of motion (mm) under which answers are estimated again."""
        limit = self.config["exclusion"]["maximum_mean_fd_mm"]
        wanted = self.config["robustness"]["maximum_mean_fd_mm"] if self.study.has_edges else []
        # A limit that the exclusions have anyhow would repeat them.
        return sorted({fd for fd in wanted if fd < limit}, reverse=True)

    def motion(self) -> list[str]:
        """List the table of sessions, if limits of motion are varied."""
        return [self.files()["sessions"]] if self.fd_limits() else []

    def results(self) -> list[str]:
        """List the tables that this study has."""
        return list(self.files().values()) if self.study.has_edges else []
