"""Quality of the study: the tables of sessions, motion, exclusions and likeness."""

from crossfc.plan.study import Stage

_TABLES = ("sessions", "motion", "excluded", "qcfc", "defects", "likeness")


class Quality(Stage):
    """Quality tables of the study, if the connectivity of every session is known."""

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
