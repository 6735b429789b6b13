"""The clinical tables of a trial: one part for each contrast, with its name in the first column."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypedDict

import pandas as pd

from crossfc.clinic.change import change_between_groups, clinical_change
from crossfc.clinic.correlation import ClinicalCorrelation, clinical_correlation
from crossfc.clinic.score import BASELINE, paired_scores
from crossfc.clinic.score_family import corrected
from crossfc.group.design.options import Baseline
from crossfc.group.design.people import with_columns
from crossfc.table import read_table


class Design(TypedDict):
    """A contrast: its name, cells, columns of periods, labels of groups and of its sides.

    ``n_cells`` counts those of the contrast, ``n_sessions`` those that a person needs, with its
    baseline.

    ``baseline`` is the covariate that it has, if any.

    ``effect`` is what it shows in a few words, ``crossed`` are the two treatments that change
    places in it, if there are such; ``occasions`` are the sides that are no treatment.
    """

    contrast: str
    n_cells: int
    n_sessions: int
    effect: str
    arms: bool
    order: list[str]
    baseline: Baseline | None
    crossed: list[str]
    occasions: list[str]
    groups: dict[str, str | None]
    treatments: dict[str, str]


class ChangeTables(NamedTuple):
    """The tables of changes in scores, and notes."""

    change: pd.DataFrame
    scores: pd.DataFrame
    between: pd.DataFrame
    notes: list[str]


def groups_of(design: Design) -> list[str]:
    """List the labels of the groups, patients first."""
    return [group for group in design["groups"].values() if group]


def joined(designs: Sequence[Design], tables: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """Join the tables of contrasts, whose names become the first column.

    Parameters
    ----------
    designs : sequence of Design
    tables : iterable of DataFrame
        One for each of them; not changed.
    """
    parts = []
    for design, table in zip(designs, tables, strict=True):
        part = table.copy()
        part.insert(0, "contrast", design["contrast"])
        parts.append(part)
    return pd.concat(parts, ignore_index=True)


def change_tables(
    scores: Sequence[Mapping[str, Any]], designs: Sequence[Design], scales: Sequence[str]
) -> ChangeTables:
    """Test the change of each scale in every contrast, within groups and between groups.

    Parameters
    ----------
    scores : sequence of dict
        One row per contrast, scale and person: contrast, scale, group, participant_id, sequence,
        the columns of periods, active, control.
    designs : sequence of Design
    scales : sequence of str

    Returns
    -------
    ChangeTables
        See `crossfc.clinic.change`; notes name their contrast where there are several.
    """
    everything = pd.DataFrame(list(scores))
    changes, listed, between, told = [], [], [], []
    for design in designs:
        own = everything[everything["contrast"] == design["contrast"]]
        groups, order = groups_of(design), design["order"]
        baseline = design["baseline"]
        if baseline is None:
            own = own.drop(columns=BASELINE, errors="ignore")
        table, notes = clinical_change(
            own,
            design["treatments"],
            groups,
            scales,
            order,
            carries_over=design["n_cells"] == 2,
            baseline=baseline is not None and baseline["within"],
        )
        changes.append(table)
        listed.append(paired_scores(own, groups, scales, order))
        between.append(change_between_groups(own, design["treatments"], groups, scales, order))
        told += _named(design, designs, notes)
    return ChangeTables(
        corrected(joined(designs, changes)),
        joined(designs, listed),
        corrected(joined(designs, between)),
        told,
    )


def correlation_tables(
    designs: Sequence[Design],
    folders: Sequence[str | Path],
    scores: Mapping[str, Sequence[Mapping[str, Any]]],
    groups: Sequence[str],
    scales: Sequence[str],
    *,
    n_permutations: int,
    random_seed: int,
    smallest: float | None = None,
) -> ClinicalCorrelation:
    """Correlate changes in connectivity and in scores in every contrast.

    Parameters
    ----------
    designs : sequence of Design
    folders : sequence of path
        The folder of each contrast's data: people.tsv, sessions.tsv, edges.tsv.
    scores : mapping
        Name of each contrast to rows with participant_id and the scores of both sides.
    groups, scales, n_permutations, random_seed, smallest
        See `crossfc.clinic.correlation.clinical_correlation`.
    """
    parts, told = [], []
    for design, folder in zip(designs, map(Path, folders), strict=True):
        people = with_columns(read_table(folder / "people.tsv"), scores[design["contrast"]])
        found = clinical_correlation(
            read_table(folder / "edges.tsv"),
            people,
            design["treatments"],
            groups,
            scales,
            covariates=[*design["order"], "delta_mean_fd"],
            order=design["order"],
            weights=read_table(folder / "sessions.tsv"),
            n_permutations=n_permutations,
            random_seed=random_seed,
            smallest=smallest,
        )
        parts.append(found)
        told += _named(design, designs, found.notes)
    return ClinicalCorrelation(
        joined(designs, [part.table for part in parts]),
        joined(designs, [part.points for part in parts]),
        pd.concat([part.left for part in parts], ignore_index=True),
        told,
    )


def _named(design: Design, designs: Sequence[Design], notes: Iterable[str]) -> list[str]:
    return [f"{design['contrast']}, {note}" if len(designs) > 1 else note for note in notes]
