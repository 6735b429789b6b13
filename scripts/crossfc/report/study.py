"""Read the folders of a study into one set of results."""

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from crossfc.group.design.people import with_columns
from crossfc.group.findings.result import RESULT_FILE
from crossfc.report import number
from crossfc.report.results import (
    Analysis,
    ContrastData,
    Results,
    count_pairs,
    read_analysis,
    read_json,
    read_table,
)
from crossfc.significance import SIGNIFICANT

QUALITY_TABLES = (*("sessions", "motion", "excluded", "rivals", "blinding", "effects_by_guess"),)
# Folders and files of results, below the folder of a study.
PLACES = (
    "clinic/*",
    "group/*",
    "group/*/*",
    "hypotheses/*",
    "quality/*",
    "sub-*/ses-*/*",
    "*.tsv",
    "truth.json",
)


class Planned:
    """The files and folders that a plan makes; other files beside them are not part of its results.

    Parameters
    ----------
    made : iterable of path
        Files and folders; everything in such a folder counts as made.
    """

    def __init__(self, made: Iterable[str | os.PathLike[str]]) -> None:
        self.made = {Path(path) for path in made}
        self.above = {parent for path in self.made for parent in path.parents}

    def holds(self, path: Path) -> bool:
        """Return whether the plan makes a path, either itself or with a folder that contains it."""
        return path in self.made or any(parent in self.made for parent in path.parents)

    def describes(self, path: Path) -> bool:
        """Return whether a path is the sidecar of a table that the plan makes."""
        return path.suffix == ".json" and self.holds(path.with_suffix(".tsv"))

    def left_over(self, folder: Path) -> list[str]:
        """List the results below a study's folder that the plan does not make, as paths from it."""
        found: list[Path] = []
        for path in (p for place in PLACES for p in sorted(folder.glob(place))):
            hidden = path.name.startswith(".")
            own = self.holds(path) or self.describes(path) or path in self.above
            if not (hidden or own or path.parent in found):
                found.append(path)
        return sorted(str(path.relative_to(folder)) for path in found)


def read_results(
    config: dict[str, Any],
    analyses: Sequence[str],
    pipelines: Sequence[str],
    made: Iterable[str | os.PathLike[str]],
    group_dir: Path | None,
    clinic_dir: Path | None,
    quality_dir: Path | None,
    trial_dir: Path | None,
    robustness: Path | None,
    truth: Path | None,
    planted_changes: Path | None,
    scales: Sequence[Mapping[str, Any]],
    seeds: Sequence[Mapping[str, Any]],
    targets: Sequence[Mapping[str, Any]],
    covariates: Sequence[Mapping[str, Any]] = (),
    designs: Sequence[Mapping[str, Any]] = (),
    design_name: str = "",
    hypotheses_dir: Path | None = None,
) -> Results:
    """Read all results that a study has written; a missing table becomes an empty one.

    Files that exist but are not ``made`` count as missing, as they come from an earlier
    configuration or sheet. The parameters are those of :func:`crossfc.report.page.write_report`.
    """
    planned, several = Planned(made), len(designs) > 1
    base = Path(group_dir) / pipelines[0] if group_dir else None
    folders = {
        str(design["contrast"]): base / (f"pairs_{design['contrast']}" if several else "pairs")
        for design in designs
        if base
    }
    pairs = next(iter(folders.values()), base / "pairs" if base else None)
    asked = [(name, base / name) for name in analyses] if base else []
    found = [read_analysis(name, folder) for name, folder in asked if planned.holds(folder)]
    read = [analysis for analysis in found if analysis is not None]
    count_pairs(read)
    clinical = Path(clinic_dir) if clinic_dir else None
    quality = Path(quality_dir) if quality_dir else None
    trial = Path(trial_dir) if trial_dir else None

    def made_table(folder: Path | None, name: str) -> pd.DataFrame:
        if folder is None or not planned.holds(folder / name):
            return pd.DataFrame()
        return read_table(folder / name)

    contrasts: list[Path | None] = [*folders.values()] or [pairs]
    left = [made_table(folder, "left.tsv") for folder in (trial, *contrasts, clinical)]
    left = [table for table in left if len(table)]
    further = sorted(quality.glob("*.tsv")) if quality and quality.is_dir() else []
    further = [path for path in further if planned.holds(path) and path.stem not in QUALITY_TABLES]
    paired = made_table(pairs, "people.tsv")
    of_contrast = {}
    for name, folder in folders.items():
        own = made_table(folder, "people.tsv")
        made_here = planned.holds(folder)
        record = read_json(folder / "pairs.json") if made_here else {}
        people = with_columns(own, covariates) if len(own) else own
        of_contrast[name] = ContrastData(people, record, folder if record else None)
    known = truth is not None and planned.holds(truth)
    return Results(
        config=config,
        analyses=read,
        # The list of people of the derivative data set is in the folder above the trial's.
        people=made_table(trial.parent if trial else None, "participants.tsv"),
        paired=with_columns(paired, covariates) if len(paired) else paired,
        left=pd.concat(left).drop_duplicates().reset_index(drop=True) if left else pd.DataFrame(),
        edges=made_table(pairs, "edges.tsv"),
        pairs=read_json(pairs / "pairs.json") if pairs and planned.holds(pairs) else {},
        mixed=made_table(base, "mixed.tsv"),
        change=made_table(clinical, "change.tsv"),
        scores=made_table(clinical, "scores.tsv"),
        correlation=made_table(clinical, "correlation.tsv"),
        points=made_table(clinical, "points.tsv"),
        sessions=made_table(quality, "sessions.tsv"),
        motion=made_table(quality, "motion.tsv"),
        excluded=made_table(quality, "excluded.tsv"),
        rivals=made_table(quality, "rivals.tsv"),
        blinding=made_table(quality, "blinding.tsv"),
        effects_by_guess=made_table(quality, "effects_by_guess.tsv"),
        quality_tables={path.stem: read_table(path) for path in further},
        between=made_table(clinical, "between_groups.tsv"),
        family=made_table(base, "family.tsv"),
        pairs_of_groups=made_table(base, "pairs_of_groups.tsv"),
        sensitivity=made_table(base, "sensitivity.tsv"),
        robustness=made_table(robustness.parent, robustness.name) if robustness else pd.DataFrame(),
        pipelines=list(pipelines),
        scales={str(row["scale"]): dict(row) for row in scales},
        seeds=[dict(row) for row in seeds],
        target_rows=[dict(row) for row in targets],
        truth=read_json(truth) or None if known else None,
        planted_changes=(
            made_table(planted_changes.parent, planted_changes.name)
            if planted_changes
            else pd.DataFrame()
        ),
        designs=list(designs),
        design_name=design_name,
        course=made_table(clinical, "course.tsv"),
        occasions=made_table(clinical, "occasions.tsv"),
        carryover=made_table(clinical, "carryover.tsv"),
        edge_carryover=made_table(clinical, "edge_carryover.tsv"),
        hypotheses=made_table(hypotheses_dir, "hypotheses.tsv"),
        specifications=made_table(hypotheses_dir, "specifications.tsv"),
        cluster_robustness=(
            made_table(robustness.parent, "cluster_robustness.tsv")
            if robustness
            else pd.DataFrame()
        ),
        carryover_pipelines=_carryover_pipelines(read, group_dir, pipelines, planned),
        sequences=made_table(clinical, "sequences.tsv"),
        first_period=made_table(clinical, "first_period.tsv"),
        response=made_table(clinical, "response.tsv"),
        response_pairs=made_table(clinical, "response_pairs.tsv"),
        evidence=made_table(clinical, "evidence.tsv"),
        n_contrasts=max(len(designs), 1),
        of_contrast=of_contrast,
    )


def _carryover_pipelines(
    analyses: Sequence[Analysis], group_dir: Path | None, pipelines: Sequence[str], planned: Planned
) -> dict[str, list[str]]:
    """List the pipelines in which carry-over survived correction, with the seeds and their p."""
    found: dict[str, list[str]] = {}
    names = [analysis.name for analysis in analyses if analysis.kind == "carryover"]
    for pipeline in pipelines:
        for name in names:
            folder = Path(group_dir or ".") / pipeline / name
            record = read_json(folder / RESULT_FILE) if planned.holds(folder) else {}
            for seed, summary in record.get("per_seed", {}).items():
                p = summary["p_fwe_cluster_min"]
                if p < SIGNIFICANT:
                    told = f"{seed}, p = {number.probability(p)}"
                    found.setdefault(pipeline, []).append(told)
    return found
