"""Quality of the study: the tables of sessions, motion, exclusions and likeness."""

from crossfc.plan.study import Stage

_TABLES = ("sessions", "motion", "excluded", "qcfc", "defects", "likeness")


class Quality(Stage):
    """Quality tables of the study, if the connectivity of every session is known."""

    def files(self) -> dict[str, str]:
        """Name the tables."""
        return {name: self.study.file("quality", f"{name}.tsv") for name in _TABLES}

    def results(self) -> list[str]:
        """List the tables that this study has."""
        return list(self.files().values()) if self.study.has_edges else []
