"""The quality page and the pages of people: what they are made from."""

from pathlib import Path
from typing import Any

from crossfc.plan.connectivity import Connectivity
from crossfc.plan.exclusion import Exclusion
from crossfc.plan.preprocess import Preprocess
from crossfc.plan.quality import Quality
from crossfc.plan.region import Regions
from crossfc.plan.study import Stage, Study
from crossfc.session import layout

# The templates of these pages; the report has its own.
TEMPLATES = ("quality_page.html.j2", "session.html.j2", "quality_style.html.j2")
_SHARED = ("style.css.j2", "macros.html.j2", "points.js")
# The folder of the people's pages, and the tables that are shown.
_PEOPLE = "people"
_TABLES = ("sessions", "excluded", "ratings", "qcfc")


class QualityPage(Stage):
    """The quality page and the pages of people, if the connectivity of every session is known."""

    def __init__(
        self,
        study: Study,
        regions: Regions,
        connectivity: Connectivity,
        preprocess: Preprocess,
        quality: Quality,
        exclusion: Exclusion,
    ):
        super().__init__(study)
        self._regions = regions
        self._connectivity = connectivity
        self._preprocess = preprocess
        self._quality = quality
        self._exclusion = exclusion

    @property
    def file(self) -> str:
        """The quality page."""
        return self.study.file("quality.html")

    def people(self) -> list[str]:
        """Name the folder of the people's pages; none where pages may not name anybody."""
        return [self.study.file(_PEOPLE)] if self.config["report"]["participant_ids"] else []

    def results(self) -> list[str]:
        """List the page and the folder, if the study has them."""
        return [self.file, *self.people()] if self.study.has_edges else []

    def inputs(self) -> list[str]:
        """List what the pages are made from."""
        tables = self._quality.files()
        return [*self._connectivity.folders(), *(tables[name] for name in _TABLES)]

    def templates(self) -> list[Path]:
        """List the templates that the pages are made with."""
        folder = self.study.home / "workflow" / "report"
        return [folder / name for name in (*TEMPLATES, *_SHARED)]

    def contents(self) -> dict[str, Any]:
        """Return what the pages are made from: paths from the results, and plain structures."""
        pipelines = self.study.pipelines
        keys = ("study", "title", "pipelines", "connectivity")
        return {
            "config": {key: self.config[key] for key in keys}  # type: ignore[literal-required]
            | {"exclusion": self._exclusion.limits()},
            "pipelines": pipelines,
            "volumes": self._connectivity.volume_tables(),
            "seeds": {name: self._regions.seeds(name) for name in pipelines},
            "drawn": layout.drawn_seeds({n: self._regions.seed_rows(n) for n in pipelines}),
            "seed_rows": self._regions.seed_rows(self.study.primary),
            "target_rows": self._regions.target_rows(),
            "registrations_made": self._preprocess.registrations(),
            "reports": self._preprocess.reports(),
        }
