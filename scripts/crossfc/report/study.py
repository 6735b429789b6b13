"""From the folders of a study to one set of results."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from crossfc.report.results import Results, read_analysis, read_json, read_table

QUALITY_TABLES = ("sessions", "motion", "excluded")


def read_results(
    config: dict[str, Any],
    analyses: Sequence[str],
    group_dir: Path | None,
    clinical_dir: Path | None,
    quality_dir: Path | None,
    trial_dir: Path | None,
    robustness: Path | None,
    truth: Path | None,
    scales: Any,
    seeds: Any,
    targets: Any,
) -> Results:
    """Read whatever a study has written; what is missing becomes an empty table.

    The parameters are those of :func:`crossfc.report.page.write_report`.
    """
    primary = next(iter(config.get("pipelines") or {"primary": {}}))
    base = Path(group_dir) / primary if group_dir else None
    pairs = base / "pairs" if base else None
    found = [read_analysis(name, base / name) for name in analyses] if base else []
    clinical = Path(clinical_dir) if clinical_dir else None
    quality = Path(quality_dir) if quality_dir else None
    trial = Path(trial_dir) if trial_dir else None

    def first(name: str, *folders: Path | None) -> pd.DataFrame:
        """The first of the folders that holds the table."""
        for folder in folders:
            if folder is not None and (folder / name).is_file():
                return read_table(folder / name)
        return pd.DataFrame()

    left = [read_table(f / "left.tsv") for f in (trial, pairs, base, clinical) if f]
    left = [table for table in left if len(table)]
    further = sorted(quality.glob("*.tsv")) if quality and quality.is_dir() else []
    return Results(
        config=config,
        analyses=[analysis for analysis in found if analysis is not None],
        # The derivative data set's own list of people lies above the folder of the trial.
        people=first("participants.tsv", trial, trial.parent if trial else None),
        paired=first("people.tsv", pairs, base),
        left=pd.concat(left).drop_duplicates().reset_index(drop=True) if left else pd.DataFrame(),
        targets=first("targets.tsv", pairs, base),
        pairs=read_json(pairs / "pairs.json") if pairs else {},
        mixed=read_table(base / "mixed.tsv") if base else pd.DataFrame(),
        change=first("change.tsv", clinical),
        scores=first("scores.tsv", clinical),
        correlation=first("correlation.tsv", clinical),
        points=first("points.tsv", clinical),
        sessions=first("sessions.tsv", quality),
        motion=first("motion.tsv", quality),
        excluded=first("excluded.tsv", quality),
        quality_tables={f.stem: read_table(f) for f in further if f.stem not in QUALITY_TABLES},
        between=first("between_groups.tsv", clinical),
        family=read_table(base / "family.tsv") if base else pd.DataFrame(),
        robustness=read_table(Path(robustness)) if robustness else pd.DataFrame(),
        scales=_by_name(scales, "scale"),
        seeds=_rows(seeds),
        target_rows=_rows(targets),
        truth=read_json(Path(truth)) or None if truth else None,
    )


def _rows(table: Any) -> list[dict[str, Any]]:
    """A table in any of its forms (path, frame, list of rows, None) as a list of rows."""
    if table is None:
        return []
    if isinstance(table, str | Path):
        table = read_table(Path(table))
    if isinstance(table, pd.DataFrame):
        return table.to_dict("records")
    return [dict(row) for row in table]


def _by_name(table: Any, key: str) -> dict[str, dict[str, Any]]:
    """The rows of a table by their name."""
    if isinstance(table, Mapping):
        return {str(name): dict(row) for name, row in table.items()}
    return {str(row[key]): row for row in _rows(table)}
