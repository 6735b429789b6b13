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
from crossfc.group.design.question import BETWEEN_SEEDS, OVER_SEEDS, SETS, Question, question_of
from crossfc.group.design.volume import load
from crossfc.group.findings.result import Result, read_result
from crossfc.group.region_mean import EffectTest, mean_test, untested
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
        significant = clusters[clusters["p_fwe_cluster"] < SIGNIFICANT].to_dict("records")
        estimators = {}
        if significant and record["kind"] not in SETS:
            contrast = record["contrast"]
            asked = question_of(analysis, of_contrast[contrast])
            for pipeline, data in pipelines.items():
                estimators[pipeline] = _Estimator.read(
                    asked, data.pairs[contrast], own, motion, fd_limits
                )
        for found in significant:
            voxels = _voxels(folder, record, found, connectivity)
            for pipeline, data in pipelines.items():
                there = _found(data.analyses / analysis, record, found, voxels)
                for limit in (None, *fd_limits):
                    test = untested(0, "a set of contrasts has no mean of its own")
                    if pipeline in estimators:
                        test = estimators[pipeline].estimate(found["seed"], voxels, limit)
                    rows.append(_row(found, pipeline, limit, there, test))
    table = pd.DataFrame(rows, columns=COLUMNS)
    return different_ways(table, ["analysis", "seed", "cluster", "sign"])


def _row(
    cluster: Mapping[Any, Any],
    pipeline: str,
    limit: float | None,
    found: bool | None,
    test: EffectTest,
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


def _significant(
    folder: Path, record: Result, seed: str, sign: str
) -> tuple[BoolArray, FloatArray]:
    """Return the voxels of a map's significant clusters of one sign, and the map's affine."""
    p, affine = _map(folder, seed, "pfwecluster")
    is_f = record.get("statistic", "t").startswith("F")
    value, _ = _map(folder, seed, "F" if is_f else "t")
    chosen: BoolArray = (p < SIGNIFICANT) & (is_f | ((value < 0) == (sign == "-")))
    return chosen, affine


def _voxels(
    folder: Path, record: Result, cluster: Mapping[Any, Any], connectivity: int
) -> BoolArray:
    """Return the voxels of a significant cluster."""
    from scipy.ndimage import generate_binary_structure
    from scipy.ndimage import label as connected

    inside, affine = _significant(folder, record, cluster["seed"], cluster["sign"])
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
    significant, _ = _significant(folder, record, cluster["seed"], cluster["sign"])
    return bool((significant & voxels).any())


@dataclass(frozen=True)
class _Estimator:
    """An analysis of one pipeline: its question, data and choices, and who moved little."""

    asked: Question
    pairs: Pairs
    options: AnalysisOptions
    still: Mapping[float, BoolArray]

    @classmethod
    def read(
        cls,
        asked: Question,
        folder: Path,
        choices: AnalysisChoices,
        motion: pd.DataFrame | None,
        fd_limits: Sequence[float],
    ) -> "_Estimator":
        pairs = Pairs.read(folder)
        pairs.people = with_columns(pairs.people, choices["people"])
        still = {}
        if motion is not None:
            weights = read_table(folder / "sessions.tsv")
            still = {fd: still_people(pairs.people, weights, motion, fd) for fd in fd_limits}
        return cls(asked, pairs, AnalysisOptions.from_params(dict(choices["options"])), still)

    def estimate(self, seed: str, voxels: BoolArray, limit: float | None) -> EffectTest:
        """Estimate the mean over a cluster's voxels, in those who moved little."""
        pairs = self.pairs
        keep = None if limit is None else self.still.get(limit)
        if not len(pairs.people) or (keep is not None and not keep.any()):
            return untested(0, "nobody is left")
        seeds = pairs.record["seeds"]
        if self.asked.kind in (*OVER_SEEDS, *BETWEEN_SEEDS):
            columns = list(range(len(seeds)))
        elif seed in seeds:
            columns = [seeds.index(seed)]
        else:
            return untested(len(pairs.people), f"the pipeline has no seed {seed}")
        mask = np.asarray(pairs.mask.dataobj) != 0
        numbers: IntArray = np.flatnonzero(voxels[mask])
        if 2 * len(numbers) < voxels.sum():
            because = "less than half of the cluster is in its search volume"
            return untested(len(pairs.people), because)
        return mean_test(self.asked, pairs, numbers, columns, self.options, keep)
