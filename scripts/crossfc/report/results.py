"""The results of a study as the page reads them: every table that exists."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeAlias

import pandas as pd

from crossfc import table
from crossfc.fault import Fault
from crossfc.group.design.question import SETS, group_labels
from crossfc.group.findings.result import RESULT_FILE, Result, read_result
from crossfc.measure import GIVEN
from crossfc.report import number
from crossfc.significance import SIGNIFICANT
from crossfc.trial.contrast import difference_label, side_in_difference
from crossfc.trial.visit import ORDER

# Measures of clusters that have a corrected p, in words.
MEASURES = {
    "p_fwe_cluster": "extent", "p_fwe_mass": "mass", "p_fwe_tfce": "tfce", "p_fwe_peak": "voxel",
}  # fmt: skip

# A row of a table, by column.
Row: TypeAlias = Mapping[str, Any]


@dataclass
class Analysis:
    """One group analysis: its folder, record and tables."""

    name: str
    kind: str
    folder: Path
    record: Result
    clusters: pd.DataFrame
    cells: pd.DataFrame
    peaks: pd.DataFrame = field(default_factory=pd.DataFrame)
    # Of a comparison of two of three and more groups: how many such pairs were compared.
    n_pairs: int = 1

    @property
    def level(self) -> float:
        """The level of a p that is corrected within the analysis: that of pairs is shared."""
        return SIGNIFICANT / self.n_pairs

    @property
    def given(self) -> str:
        """Which change of a measure of scans is given, in words; empty if none is."""
        measure = GIVEN.get(self.record.get("given", ""))
        return f"the change of {measure.label}" if measure else ""

    @property
    def without_sign(self) -> bool:
        """Whether the statistic is an F, which has no sign."""
        return str(self.record.get("statistic", "t")).upper().startswith("F")

    @property
    def seeds(self) -> list[str]:
        """Seeds, or what stands for them (pooled, subregion), in the order of the record."""
        return self.record["seeds"]

    @property
    def title(self) -> str:
        """The title for readers."""
        return self.record["title"]

    @property
    def n_permutations(self) -> int | None:
        """Number of arrangements that were drawn."""
        return self.record.get("n_permutations")

    @property
    def copies(self) -> int:
        """Number of arrangements that give the same statistic: two for two-sided sign flips."""
        return self.record["copies"] if self.exhaustive else 1

    def p_equals(self, p: float | None, beyond: str | None = None) -> str:
        """Format a corrected p; a p that could not be smaller is marked.

        ``beyond`` names the measure whose fitted tail gave p, if p was extrapolated.
        """
        least = None
        if beyond is not None:
            fitted = (self.record.get("tail") or {}).get(beyond)
            least = float(fitted.get("smallest_p", 0)) if fitted else 0.0
        return number.p_equals(p, self.n_permutations, self.exhaustive, self.copies, least)

    def p_of(self, row: Row, column: str = "p_fwe_cluster", *, brief: bool = True) -> str:
        """Format a corrected p in a row of clusters.tsv; ``brief`` leaves out remarks."""
        named = str(row.get("extrapolated", "")).split(", ")
        said = self.p_equals(row[column], MEASURES[column] if column in named else None)
        return said.partition(" (")[0] if brief else said

    def smallest_equals(self, seed: str, which: str = "cluster") -> str:
        """Format the smallest corrected p of a seed."""
        measure = {"cluster": "extent"}.get(which, which)
        # An extrapolated p is smaller than all counted ones.
        beyond = measure in (self.per_seed(seed).get("extrapolated") or [])
        return self.p_equals(self.smallest(seed, which), measure if beyond else None)

    @property
    def extrapolated(self) -> bool:
        """Whether some p come from a fitted tail."""
        return any(self.per_seed(seed).get("extrapolated") for seed in self.seeds)

    @property
    def lowest_p(self) -> float:
        """The smallest p that the arrangements can give."""
        return number.smallest_p(self.n_permutations, self.exhaustive, self.copies)

    @property
    def exhaustive(self) -> bool:
        """Whether all arrangements were enumerated."""
        return bool(self.record.get("exhaustive"))

    def per_seed(self, seed: str) -> Mapping[str, Any]:
        """Return the summary of one seed (`MapSummary`); empty if the record has none."""
        summaries: Mapping[str, Mapping[str, Any]] = self.record["per_seed"]
        return summaries.get(seed, {})

    def statmap(self, seed: str, stat: str) -> Path:
        """Return the path of one of the maps."""
        return self.folder / f"seed-{seed}_stat-{stat}_statmap.nii.gz"

    def significant(self, seed: str | None = None) -> pd.DataFrame:
        """Return the clusters whose corrected p is below 0.05, the smallest p first.

        That of a pair of groups is corrected over the pairs too.
        """
        if self.clusters.empty:
            return self.clusters
        keep = self.clusters["p_fwe_cluster"] < self.level
        if seed is not None:
            keep &= self.clusters["seed"] == seed
        return self.clusters[keep].sort_values("p_fwe_cluster", kind="stable")

    def smallest(self, seed: str, which: str = "cluster") -> float | None:
        """Return a seed's smallest corrected p, by cluster (its extent), mass, tfce or voxel."""
        return self.per_seed(seed).get(f"p_fwe_{which}_min")

    def threshold(self) -> float | None:
        """The value of the statistic at which clusters were formed (two-sided p; F: one-sided)."""
        return self.record.get("forming_threshold")


@dataclass
class ContrastData:
    """The people of a contrast, the record of its data, and their folder, if it was made."""

    paired: pd.DataFrame = field(default_factory=pd.DataFrame)
    pairs: Mapping[str, Any] = field(default_factory=dict)
    folder: Path | None = None


@dataclass
class Results:
    """Everything the page is made of. A table that was not written is an empty frame."""

    config: dict[str, Any]
    analyses: list[Analysis]
    people: pd.DataFrame
    paired: pd.DataFrame
    left: pd.DataFrame
    edges: pd.DataFrame
    pairs: Mapping[str, Any]
    mixed: pd.DataFrame
    change: pd.DataFrame
    scores: pd.DataFrame
    correlation: pd.DataFrame
    points: pd.DataFrame
    sessions: pd.DataFrame
    motion: pd.DataFrame
    excluded: pd.DataFrame
    quality_tables: dict[str, pd.DataFrame]
    robustness: pd.DataFrame
    pipelines: list[str]
    rivals: pd.DataFrame = field(default_factory=pd.DataFrame)
    blinding: pd.DataFrame = field(default_factory=pd.DataFrame)
    effects_by_guess: pd.DataFrame = field(default_factory=pd.DataFrame)
    between: pd.DataFrame = field(default_factory=pd.DataFrame)
    family: pd.DataFrame = field(default_factory=pd.DataFrame)
    scales: dict[str, dict[str, Any]] = field(default_factory=dict)
    seeds: list[dict[str, Any]] = field(default_factory=list)
    target_rows: list[dict[str, Any]] = field(default_factory=list)
    truth: dict[str, Any] | None = None
    planted_changes: pd.DataFrame = field(default_factory=pd.DataFrame)
    designs: list[Mapping[str, Any]] = field(default_factory=list)
    of_contrast: dict[str, ContrastData] = field(default_factory=dict)
    n_contrasts: int = 1
    design_name: str = ""
    course: pd.DataFrame = field(default_factory=pd.DataFrame)
    occasions: pd.DataFrame = field(default_factory=pd.DataFrame)
    carryover: pd.DataFrame = field(default_factory=pd.DataFrame)
    edge_carryover: pd.DataFrame = field(default_factory=pd.DataFrame)
    evidence: pd.DataFrame = field(default_factory=pd.DataFrame)
    pairs_of_groups: pd.DataFrame = field(default_factory=pd.DataFrame)
    hypotheses: pd.DataFrame = field(default_factory=pd.DataFrame)
    specifications: pd.DataFrame = field(default_factory=pd.DataFrame)
    cluster_robustness: pd.DataFrame = field(default_factory=pd.DataFrame)
    # Pipelines in which carry-over survived correction, and for which seeds.
    carryover_pipelines: dict[str, list[str]] = field(default_factory=dict)
    sequences: pd.DataFrame = field(default_factory=pd.DataFrame)
    first_period: pd.DataFrame = field(default_factory=pd.DataFrame)
    response: pd.DataFrame = field(default_factory=pd.DataFrame)
    response_pairs: pd.DataFrame = field(default_factory=pd.DataFrame)
    sensitivity: pd.DataFrame = field(default_factory=pd.DataFrame)

    def views(self) -> "list[Results]":
        """Return the results of each contrast by itself; of a single contrast, all results.

        Sets of contrasts are with the first one.
        """
        if len(self.designs) < 2:
            return [self]
        return [self._view(design) for design in self.designs]

    def _view(self, design: Mapping[str, Any]) -> "Results":
        name = design["contrast"]

        def own(frame: pd.DataFrame) -> pd.DataFrame:
            if "contrast" not in frame:
                return frame
            return frame[frame["contrast"] == name].reset_index(drop=True)

        data = self.of_contrast.get(name, ContrastData())
        tables = (
            "change", "scores", "correlation", "points", "motion", "rivals", "between",
            "effects_by_guess", "planted_changes", "sequences", "first_period", "evidence",
        )  # fmt: skip
        return replace(
            self,
            designs=[design],
            analyses=[
                a
                for a in self.analyses
                if a.record.get("contrast") == name
                or (design is self.designs[0] and a.kind in SETS)
            ],
            paired=data.paired,
            pairs=data.pairs,
            **{table: own(getattr(self, table)) for table in tables},
        )

    @property
    def design(self) -> Mapping[str, Any]:
        """The contrast in view: its name, the labels of groups and sides; see `Study.designs`."""
        return self.designs[0] if self.designs else self.config

    @property
    def mixes_contrasts(self) -> bool:
        """Whether the mixed model is that of contrasts, and not that of pairs of sessions."""
        return "low" in self.mixed

    @property
    def prefix(self) -> str:
        """What tells apart the places of contrasts on the page; empty if there is one."""
        return f"{self.design['contrast']}-" if self.n_contrasts > 1 else ""

    @property
    def sessions_of_people(self) -> str:
        """The sessions that a person needs, in words: ``both sessions``, ``all sessions``."""
        n_sessions = self.design.get("n_sessions", self.design.get("n_cells", 2))
        return "both sessions" if n_sessions == 2 else f"all {n_sessions} sessions"

    @property
    def groups(self) -> list[str]:
        """Group labels, patients first."""
        return [str(label) for label in group_labels(self.design.get("groups") or {})]

    @property
    def active(self) -> str:
        """Label of the active side of the contrast: the drug."""
        return str(self.design["treatments"]["active"])

    @property
    def control(self) -> str:
        """Label of the control side of the contrast: placebo or comparator."""
        return str(self.design["treatments"]["control"])

    @property
    def order(self) -> list[str]:
        """The columns of people.tsv that free the contrast in view from period effects."""
        named = self.design.get("order", [ORDER])
        return [str(name) for name in named]

    @property
    def baseline(self) -> str | None:
        """The occasion whose contrast is a covariate of the contrast in view, if there is one."""
        given = self.design.get("baseline")
        return None if given is None else str(given["occasion"])

    @property
    def adjusted_for(self) -> str:
        """What adjusted tests of scores and motion are adjusted for: ``period and baseline``."""
        return adjustment(order=bool(self.order), baseline=bool(self.baseline))

    @property
    def adjusted_where(self) -> str:
        """The same with its condition: ``period where the order is known``."""
        return self.adjusted_for + (" where the order is known" if self.order else "")

    @property
    def crosses_over(self) -> bool:
        """Whether the contrast in view is of two treatments in two periods."""
        return self.order == [ORDER]

    @property
    def crossed(self) -> tuple[str, str] | None:
        """The two treatments that change places in the contrast in view, if there are such."""
        pair = self.design.get("crossed", [self.active, self.control])
        return (str(pair[0]), str(pair[1])) if self.crosses_over and len(pair) == 2 else None

    @property
    def effect(self) -> str:
        """What the contrast in view shows, in a few words: ``ketamine``."""
        return str(self.design.get("effect") or self.active)

    @property
    def over_time(self) -> bool:
        """Whether the contrast in view is of occasions, under whatever treatment."""
        return {"active", "control"} <= set(self.design.get("occasions", ()))

    @property
    def heading(self) -> str:
        """The contrast in view for lists of several; empty if there is one."""
        return self.difference if self.n_contrasts > 1 else ""

    @property
    def difference(self) -> str:
        """The contrast in view as a difference, sums in brackets: ``ketamine − placebo``."""
        return difference_label(self.active, self.control)

    @property
    def minus(self) -> str:
        """The same in a sentence: ``ketamine minus placebo``."""
        return self.difference.replace(" − ", " minus ")

    @property
    def minus_control(self) -> str:
        """What is subtracted, behind the other side: ``minus placebo``."""
        return f"minus {side_in_difference(self.control)}"

    @property
    def on_both(self) -> str:
        """Both sides in sentences: ``under placebo and ketamine``, ``at before and after``."""
        same = self._preposition("active") == self._preposition("control")
        return f"{self.on_control} and {self.active if same else self.on_active}"

    @property
    def on_active(self) -> str:
        """The active side in sentences: ``under ketamine``, ``at day2``."""
        return f"{self._preposition('active')} {self.active}"

    @property
    def on_control(self) -> str:
        """The control side in sentences."""
        return f"{self._preposition('control')} {self.control}"

    def _preposition(self, side: str) -> str:
        return "at" if side in self.design.get("occasions", ()) else "under"

    def better(self, scale: str) -> str | None:
        """Return whether a ``higher`` or a ``lower`` score is better; None if it is not stated."""
        value = self.scales.get(scale, {}).get("better")
        return value if value in ("higher", "lower") else None

    def of_kind(self, *kinds: str) -> list[Analysis]:
        """List the analyses of these kinds, in the order in which they were named."""
        return [a for a in self.analyses if a.kind in kinds]


def adjustment(*, order: bool, baseline: bool) -> str:
    """Word what tests are adjusted for: ``period and baseline``."""
    parts = (["period"] if order else []) + (["baseline"] if baseline else [])
    return " and ".join(parts) or "period"


def adjusts_for_baseline(results: Results, scale: str) -> bool:
    """Whether the baseline is a covariate of a scale: somebody was scored at it."""
    if not results.baseline:
        return False
    if "baseline" not in results.scores:
        return True
    own = results.scores.loc[results.scores["scale"] == scale, "baseline"]
    return own.empty or bool(own.notna().any())


def read_table(path: Path | None) -> pd.DataFrame:
    """Read a table; return an empty frame if the file does not exist."""
    if path is None or not Path(path).is_file():
        return pd.DataFrame()
    frame = table.read_table(path)
    for column in set(table.LABELS) & set(frame.columns):
        frame[column] = frame[column].fillna("n/a")
    return frame


def read_json(path: Path | None) -> dict[str, Any]:
    """Read a record; return an empty one if the file does not exist.

    Raises
    ------
    Fault
        If the file exists but is not valid JSON.
    """
    if path is None or not Path(path).is_file():
        return {}
    try:
        content: dict[str, Any] = json.loads(Path(path).read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise Fault(f"{path} is not JSON ({error}); remove it and run its rule again") from error
    return content


def read_analysis(name: str, folder: Path) -> Analysis | None:
    """Read one analysis; None if it has no record."""
    if not (folder / RESULT_FILE).is_file():
        return None
    record = read_result(folder)
    return Analysis(
        name,
        record["kind"],
        folder,
        record,
        _with_places(read_table(folder / "clusters.tsv")),
        read_table(folder / "cells.tsv"),
        _with_places(read_table(folder / "peaks.tsv")),
    )


def count_pairs(analyses: Sequence[Analysis]) -> None:
    """Tell comparisons of pairs of groups over how many pairs of their contrast p are corrected."""
    pairs: dict[str, list[Analysis]] = {}
    for analysis in analyses:
        if len(analysis.record.get("groups", ())) == 2 and analysis.record["estimable"]:
            pairs.setdefault(analysis.record["contrast"], []).append(analysis)
    for of_contrast in pairs.values():
        for analysis in of_contrast:
            analysis.n_pairs = len(of_contrast)


def _with_places(table: pd.DataFrame) -> pd.DataFrame:
    """Replace missing names of regions by words that fit into sentences and titles."""
    if "region" in table:
        table["region"] = table["region"].astype(object).fillna("an unnamed region")
    return table
