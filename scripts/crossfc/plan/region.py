"""Seed and target regions: their places for each pipeline, and the images that define them."""

from functools import cached_property
from typing import cast

from crossfc import content
from crossfc.plan.study import Stage
from crossfc.trial.regions import RegionRow


class Regions(Stage):
    """Seed and target regions: their places for each pipeline, and the images that define them."""

    def placed(self, row: RegionRow) -> RegionRow:
        if file := row.get("file"):
            return cast(RegionRow, {**row, "file": self.study.found(file)})
        return row

    def _bare(self, row: RegionRow) -> RegionRow:
        """Return a region without citation and provenance, which only the report needs."""
        words = ("citation", "provenance")
        kept = {key: value for key, value in self.placed(row).items() if key not in words}
        return cast(RegionRow, kept)

    def seed_rows(self, pipeline: str) -> list[RegionRow]:
        """Return the rows of a pipeline's seed set: where the seeds are, without citations."""
        return self._seeds[self.seed_set(pipeline)]

    def seed_set(self, pipeline: str) -> str:
        first = next(iter(self.config["pipelines"].values()))
        return str(self.config["pipelines"].get(pipeline, first)["seed_set"])

    @cached_property
    def _seeds(self) -> dict[str, list[RegionRow]]:
        sets = self.study.checked_trial().seed_sets
        return {name: [self._bare(row.as_row("seed")) for row in sets[name]] for name in sets}

    def seeds(self, pipeline: str) -> list[str]:
        """Return the names of a pipeline's seeds."""
        return list(dict.fromkeys(row["seed"] for row in self.seed_rows(pipeline)))

    def files(self, pipelines: list[str]) -> list[str]:
        """List the images that define targets and the seeds of some pipelines.

        Raises
        ------
        Fault
            If an image does not exist.
        """
        rows = [row for name in pipelines for row in self.seed_rows(name)] + self.target_rows()
        files = list(dict.fromkeys(file for row in rows if (file := row.get("file"))))
        sheets = f"{self.config['sheets']['seeds']} or {self.config['sheets']['targets']}"
        for path in files:
            content.require(path, f"which the column file of {sheets} names", "correct the path")
        return files

    def target_rows(self) -> list[RegionRow]:
        """Return the rows of the targets: where they are, without citations."""
        return self._targets

    @cached_property
    def _targets(self) -> list[RegionRow]:
        return [self._bare(row.as_row("target")) for row in self.study.checked_trial().targets]
