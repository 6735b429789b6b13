"""Families of analyses: their clusters, with p corrected over the whole family."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from crossfc.group.findings.result import read_result
from crossfc.group.inference.family import joint_p, require_same_arrangements
from crossfc.table import read_table

_COLUMNS = [
    "family", "analysis", "seed", "measure", "sign", "cluster", "x", "y", "z", "region",
    "p_within", "p_joint",
]  # fmt: skip
# Columns of null.tsv, and the columns of clusters.tsv that hold the p of each.
MEASURES = {
    "extent": "p_fwe_cluster", "mass": "p_fwe_mass", "tfce": "p_fwe_tfce", "voxel": "p_fwe_peak",
}  # fmt: skip


def joint_table(
    families: Sequence[Sequence[str]], folders: Mapping[str, str | os.PathLike[str]]
) -> pd.DataFrame:
    """Correct the clusters of analyses over all analyses of their family.

    Parameters
    ----------
    families : sequence of sequence of str
        Names of the analyses of each family. An analysis without an estimate is left out.
    folders : mapping
        Name of each analysis, and the folder that `crossfc.group.analysis.analyse` wrote.

    Returns
    -------
    DataFrame
        One row per cluster and measure: ``family`` (numbered from 1), ``measure`` (extent, mass,
        tfce, or voxel for the peak), ``p_within`` (corrected within the analysis) and ``p_joint``
        (corrected over the family).

    Notes
    -----
    Analyses of several contrasts whose people differ, as after an exclusion by quality, have other
    arrangements. Their p are multiplied by the number of analyses (Bonferroni), which holds
    whatever they have in common.

    Raises
    ------
    Fault
        If the analyses of a family, of one contrast, do not have the same arrangements.
    """
    tables: list[pd.DataFrame] = []
    for number, names in enumerate(families, start=1):
        records = [read_result(folders[name]) for name in names]
        done = [Path(folders[record["analysis"]]) for record in records if record["estimable"]]
        if not done:
            continue
        estimated = [record for record in records if record["estimable"]]
        several = len({record["contrast"] for record in estimated}) > 1
        if several and len({record["arrangement_digest"] for record in estimated}) > 1:
            tables += _by_number(number, done)
            continue
        require_same_arrangements(estimated)
        nulls = [read_table(folder / "null.tsv") for folder in done]
        clusters = [read_table(folder / "clusters.tsv") for folder in done]
        for measure, column in MEASURES.items():
            if any(measure not in null for null in nulls):
                continue
            within = [table[column].to_numpy(dtype=float) for table in clusters]
            joint = joint_p(within, [null[measure].to_numpy() for null in nulls])
            tables += [
                table.assign(family=number, measure=measure, p_within=before, p_joint=after)
                for table, before, after in zip(clusters, within, joint, strict=True)
            ]
    tables = [table for table in tables if len(table)]
    return pd.concat(tables)[_COLUMNS] if tables else pd.DataFrame(columns=_COLUMNS)


def _by_number(number: int, done: Sequence[Path]) -> list[pd.DataFrame]:
    """Correct the clusters of a family's analyses by their number."""
    tables = []
    for clusters in (read_table(folder / "clusters.tsv") for folder in done):
        for measure, column in MEASURES.items():
            if column in clusters:
                within = clusters[column].to_numpy(dtype=float)
                joint = np.minimum(1, len(done) * within)
                tables.append(
                    clusters.assign(family=number, measure=measure, p_within=within, p_joint=joint)
                )
    return tables
