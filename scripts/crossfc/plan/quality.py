"""Quality of the study: the tables of sessions, motion, rivals, exclusions and likeness."""

from crossfc.plan.region import Regions
from crossfc.plan.study import Stage, Study
from crossfc.trial import regions

_TABLES = ("sessions", "motion", "excluded", "qcfc", "rivals", "defects", "likeness")


class Quality(Stage):
    """Quality tables of the study, if the connectivity of every session is known."""

    def __init__(self, study: Study, regions: Regions):
        super().__init__(study)
        self._regions = regions

    def edges(self) -> list[list[str]]:
        """List seed and target of the edges whose effects are estimated given rival measures.

        They are those of the hypotheses or, without any, all seeds and targets.
        """
        stated = self.config["clinical"]["hypotheses"]
        pairs = [(own["seed"], own["target"]) for own in stated] or [
            (seed, target)
            for seed in self._regions.seeds(self.study.primary)
            for target in regions.names(self.study.checked_trial().targets)
        ]
        return [list(pair) for pair in dict.fromkeys(pairs)]

    def files(self) -> dict[str, str]:
        """Name the tables."""
        return {name: self.study.file("quality", f"{name}.tsv") for name in _TABLES}

    def results(self) -> list[str]:
        """List the tables that this study has."""
        return list(self.files().values()) if self.study.has_edges else []
