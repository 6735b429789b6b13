"""Pairs of three and more groups: the clusters of each, with p corrected over all pairs."""

import os
from collections.abc import Mapping, Sequence

import pandas as pd

from crossfc.group.findings.joint import MEASURES
from crossfc.group.findings.result import read_result
from crossfc.table import read_table

_COLUMNS = [
    "contrast", "analysis", "seed", "measure", "sign", "cluster", "x", "y", "z", "region",
    "p_within", "p_over_pairs", "n_pairs",
]  # fmt: skip


def pairs_table(
    pairs: Mapping[str, Sequence[str]], folders: Mapping[str, str | os.PathLike[str]]
) -> pd.DataFrame:
    """Correct the clusters of pairs of groups over all pairs of a contrast.

    p corrected within a pair (over its voxels and maps) are multiplied by the number of pairs
    (Bonferroni), which is right for any dependence between pairs, for sign flips of residuals and
    for people who change their arms. Holm's steps would be right only for the claim that a pair
    differs somewhere: once one cluster of a pair is significant, its other voxels may still be
    without an effect, so the next pair may not be tested at a milder level.

    Parameters
    ----------
    pairs : mapping
        Name of each contrast, and the names of its comparisons of two groups. One without an
        estimate does not count.
    folders : mapping
        Name of each analysis, and the folder that `crossfc.group.analysis.analyse` wrote.

    Returns
    -------
    DataFrame
        One row per cluster and measure: ``measure`` (extent, mass, tfce, or voxel for the peak),
        ``p_within`` (corrected within the pair), ``p_over_pairs`` and ``n_pairs``.
    """
    tables = []
    for contrast, names in pairs.items():
        done = [name for name in names if read_result(folders[name])["estimable"]]
        for name in done:
            clusters = read_table(os.path.join(folders[name], "clusters.tsv"))
            for measure, column in MEASURES.items():
                within = pd.to_numeric(clusters[column])
                known = within.notna()  # TFCE may not have been asked for
                over = (within * len(done)).clip(upper=1)
                own = clusters.assign(
                    contrast=contrast,
                    measure=measure,
                    p_within=within,
                    p_over_pairs=over,
                    n_pairs=len(done),
                )
                tables.append(own[known])
    tables = [table for table in tables if len(table)]
    return pd.concat(tables)[_COLUMNS] if tables else pd.DataFrame(columns=_COLUMNS)
