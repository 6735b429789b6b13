"""Clusters of the primary pipeline, in the other pipelines and in the people who moved less."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from nibabel.affines import apply_affine

from crossfc.array import BoolArray, FloatArray, IntArray
from crossfc.clinic.contrast import Design
from crossfc.group.design.options import AnalysisChoices, AnalysisOptions
from crossfc.group.design.pairs import Pairs
from crossfc.group.design.people import with_columns
from crossfc.group.design.question import BETWEEN_SEEDS, OVER_SEEDS, SETS, question
from crossfc.group.design.volume import load
from crossfc.group.findings.result import Result, read_result
from crossfc.group.region_mean import Estimate, mean_test, untested
from crossfc.quality.stillness import different_ways, still_people
from crossfc.significance import SIGNIFICANT
from crossfc.table import read_table

COLUMNS = [
    *("analysis", "seed", "cluster", "sign", "pipeline", "maximum_mean_fd_mm", "found"),
    *("n", "statistic", "value", "df", "estimate", "low", "high", "p", "same_sign", "because"),
]
# Dimensions in which neighbours may differ, of 6, 18 and 26 neighbours.
_DIMENSIONS = {6: 1, 18: 2, 26: 3}


@dataclass(frozen=True)
class PipelineData:
    """Where a pipeline's analyses are, and its data.

    Attributes
    ----------
    analyses : path
        Folder that holds a folder for each analysis.
    pairs : mapping
        Contrast to the folder of its data.
    """

    analyses: Path
    pairs: Mapping[str, Path]


def cluster_robustness(
    pipelines: Mapping[str, PipelineData],
    choices: Mapping[str, AnalysisChoices],
    designs: Sequence[Design],
    connectivity: int,
    motion: pd.DataFrame | None = None,
    fd_limits: Sequence[float] = (),
) -> pd.DataFrame:
    """Look for every significant cluster of the primary pipeline elsewhere.

    Parameters
    ----------
    pipelines : mapping
        Name to data, the primary one first.
    choices : mapping
        Name of each analysis to what it depends on besides its data.
    designs : sequence of Design
        The contrasts.
    connectivity : int
        Neighbours in clusters: 6, 18 or 26.
    motion : DataFrame, optional
        participant_id, session_id and mean_fd of every session.
    fd_limits : sequence of float
        Stricter limits of a session's mean framewise displacement, mm.

    Returns
    -------
    DataFrame
        One row per cluster and pipeline, and per limit. ``found`` tells whether the pipeline has a
        significant cluster of the same seed and sign that overlaps it (p corrected by extent); with
        a limit it is not asked, as no map is made. ``estimate`` with its interval is the mean over
        the cluster's voxels; p is not corrected, and as the cluster was chosen in these people,
        both are too optimistic in every pipeline.
    """
    of_contrast = {design["contrast"]: design for design in designs}
    rows: list[dict[str, Any]] = []
    primary = next(iter(pipelines.values()))
    for analysis, own in choices.items():
        folder = primary.analyses / analysis
        record = read_result(folder)
        clusters = read_table(folder / "clusters.tsv")
        if not record["estimable"] or clusters.empty:
            continue
        for found in clusters[clusters["p_fwe_cluster"] < SIGNIFICANT].to_dict("records"):
            voxels = _voxels(folder, record, found, connectivity)
            for pipeline, data in pipelines.items():
                there = _found(data.analyses / analysis, record, found, voxels)
                for limit in (None, *fd_limits):
                    test = _estimate(record, found, voxels, data, own, of_contrast, motion, limit)
                    rows.append(_row(found, pipeline, limit, there, test))
    table = pd.DataFrame(rows, columns=COLUMNS)
    return different_ways(table, ["analysis", "seed", "cluster", "sign"])


def _row(
    cluster: Mapping[Any, Any],
    pipeline: str,
    limit: float | None,
    found: bool | None,
    test: Estimate,
) -> dict[str, Any]:
    signed = test.statistic == "t"
    same = (test.estimate < 0) == (cluster["sign"] == "-") if signed else None
    told = {name: value for name, value in asdict(test).items() if name in COLUMNS}
    return (
        {name: cluster[name] for name in ("analysis", "seed", "cluster", "sign")}
        | {"pipeline": pipeline, "maximum_mean_fd_mm": limit}
        | {"found": found if limit is None else None, "same_sign": same}
        | told
    )


def _map(folder: Path, seed: str, stat: str) -> tuple[FloatArray, FloatArray]:
    image = load(folder / f"seed-{seed}_stat-{stat}_statmap.nii.gz")
    return np.asarray(image.dataobj, dtype=float), np.asarray(image.affine)


def _significant(folder: Path, record: Result, seed: str, sign: str) -> BoolArray:
    """Return the voxels of a map's significant clusters of one sign."""
    p, _ = _map(folder, seed, "pfwecluster")
    is_f = record.get("statistic", "t").startswith("F")
    value, _ = _map(folder, seed, "F" if is_f else "t")
    chosen: BoolArray = (p < SIGNIFICANT) & (is_f | ((value < 0) == (sign == "-")))
    return chosen


def _voxels(
    folder: Path, record: Result, cluster: Mapping[Any, Any], connectivity: int
) -> BoolArray:
    """Return the voxels of a significant cluster."""
    from scipy.ndimage import generate_binary_structure
    from scipy.ndimage import label as connected

    inside = _significant(folder, record, cluster["seed"], cluster["sign"])
    _, affine = _map(folder, cluster["seed"], "pfwecluster")
    labels, _ = connected(inside, generate_binary_structure(3, _DIMENSIONS[connectivity]))
    peak = apply_affine(np.linalg.inv(affine), [cluster[axis] for axis in "xyz"])
    number = labels[tuple(np.rint(peak).astype(int))]
    mine: BoolArray = labels == number
    return mine


def _found(
    folder: Path, record: Result, cluster: Mapping[Any, Any], voxels: BoolArray
) -> bool | None:
    """Tell whether another pipeline has the cluster; None if it has no such map."""
    other = read_result(folder)
    if not other["estimable"] or cluster["seed"] not in other["per_seed"]:
        return None
    return bool((_significant(folder, record, cluster["seed"], cluster["sign"]) & voxels).any())


def _estimate(
    record: Result,
    cluster: Mapping[Any, Any],
    voxels: BoolArray,
    data: PipelineData,
    choices: AnalysisChoices,
    designs: Mapping[str, Design],
    motion: pd.DataFrame | None,
    limit: float | None,
) -> Estimate:
    """Estimate the mean over a cluster's voxels in a pipeline, in those who moved little."""
    if record["kind"] in SETS:
        return untested(0, "a set of contrasts has no mean of its own")
    design = designs[record["contrast"]]
    of = design["groups"], design["treatments"], design["contrast"], design["effect"]
    asked = question(record["analysis"], *of)
    pairs = Pairs.read(data.pairs[record["contrast"]])
    pairs.people = with_columns(pairs.people, choices["people"])
    seeds, seed = pairs.record["seeds"], cluster["seed"]
    keep = None
    if limit is not None and motion is not None:
        weights = read_table(Path(data.pairs[record["contrast"]]) / "sessions.tsv")
        keep = still_people(pairs.people, weights, motion, limit)
    if not len(pairs.people) or (keep is not None and not keep.any()):
        return untested(0, "nobody is left")
    if asked.kind in (*OVER_SEEDS, *BETWEEN_SEEDS):
        columns = list(range(len(seeds)))
    elif seed in seeds:
        columns = [seeds.index(seed)]
    else:
        return untested(len(pairs.people), f"the pipeline has no seed {seed}")
    mask = np.asarray(pairs.mask.dataobj) != 0
    numbers: IntArray = np.flatnonzero(voxels[mask])
    if 2 * len(numbers) < voxels.sum():
        return untested(len(pairs.people), "less than half of the cluster is in its search volume")
    options = AnalysisOptions.from_params(dict(choices["options"]))
    return mean_test(asked, pairs, numbers, columns, options, keep)
