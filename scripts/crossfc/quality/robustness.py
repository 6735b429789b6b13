"""Robustness: do other ways to clean the scans give the same maps?"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from nibabel.affines import apply_affine
from nibabel.spatialimages import SpatialImage

from crossfc.fault import Fault
from crossfc.group.design.volume import load
from crossfc.group.findings.result import Result, read_result

COLUMNS = [
    *("pipeline", "analysis", "seed", "map_correlation_with_primary"),
    *("primary_peak_x", "primary_peak_y", "primary_peak_z", "stat_at_primary_peak"),
    *("dice_top_percent", "n_people"),
]
TOP_SHARE = 0.01


def robustness(
    primary_dir: str | Path, pipeline_dirs: Mapping[str, str | Path], analyses: Sequence[str]
) -> tuple[pd.DataFrame, list[str]]:
    """Compare the maps of each pipeline with those of the primary pipeline.

    Over the voxels where both maps are finite, computed are Pearson's r and the Dice overlap of the
    1 % of voxels with the largest absolute statistic. Also given is the pipeline's statistic at
    the voxel where the primary map has its largest absolute value (NaN if the pipeline has no value
    there). No voxel is tested: the people are the same, so agreement is no evidence of the effect.

    Parameters
    ----------
    primary_dir : path
        ``group/<primary>``, with ``<analysis>/seed-<seed>_stat-<t|F>_statmap.nii.gz`` and
        ``<analysis>/result.json``.
    pipeline_dirs : mapping
        Name of each other pipeline, and its folder.
    analyses : sequence of str

    Returns
    -------
    table : DataFrame
        The table ``robustness.tsv``, one row per pipeline, analysis and seed of the primary.
    notes : list of str
        Seeds that another pipeline lacks (it may use another seed set), and analyses that could
        not be estimated in a pipeline.

    Raises
    ------
    Fault
        If a folder lacks the record, or the statistic maps of an analysis that was estimated; if a
        map has another grid or another statistic than the primary one; or if the maps have fewer
        than two voxels in common.
    """
    rows, notes = [], []
    for analysis in analyses:
        if not _estimable(read_result(Path(primary_dir) / analysis)):
            notes.append(f"{analysis} cannot be estimated in the primary pipeline; not compared")
            continue
        primary_maps = statistic_maps(Path(primary_dir) / analysis)
        primaries = {seed: load(path) for seed, path in primary_maps.items()}
        for pipeline, folder in pipeline_dirs.items():
            record = read_result(Path(folder) / analysis)
            if not _estimable(record):
                notes.append(f"{analysis} cannot be estimated in {pipeline}; not compared")
                continue
            others = statistic_maps(Path(folder) / analysis)
            n_people = int(sum(record["n"].values()))
            absent = [seed for seed in primaries if seed not in others]
            if absent:
                notes.append(f"{pipeline} has no {', '.join(absent)} in {analysis}; not compared")
            for seed, primary in primaries.items():
                if seed not in others:
                    continue
                other = load(others[seed])
                _same_grid(primary, other, primary_maps[seed], others[seed])
                if primary_maps[seed].name != others[seed].name:
                    raise Fault(
                        f"{others[seed]} is another statistic than {primary_maps[seed]}; run both "
                        "pipelines with the same analyses"
                    )
                row = compare_maps(primary, other)
                if row is None:
                    raise Fault(
                        f"{others[seed]} and {primary_maps[seed]} have too few voxels in common; "
                        "look at the masks of both pipelines"
                    )
                names = {"pipeline": pipeline, "analysis": analysis, "seed": seed}
                rows.append(names | row | {"n_people": n_people})
    return pd.DataFrame(rows, columns=COLUMNS), notes


def statistic_maps(folder: Path) -> dict[str, Path]:
    """Find the maps of t or F in the folder of an analysis.

    Returns
    -------
    dict of str to path
        Path by seed, in the order of file names.

    Raises
    ------
    Fault
        If there are none.
    """
    found = {}
    for path in sorted(folder.glob("seed-*_stat-[tF]_statmap.nii.gz")):
        found[path.name.split("_")[0].removeprefix("seed-")] = path
    if not found:
        raise Fault(
            f"{folder} holds no map seed-<seed>_stat-<t or F>_statmap.nii.gz; run this analysis "
            "for this pipeline first"
        )
    return found


def compare_maps(primary: SpatialImage, other: SpatialImage) -> dict[str, float] | None:
    """Compare two maps on one grid.

    Returns
    -------
    dict or None
        map_correlation_with_primary, primary_peak_x, _y, _z (mm), stat_at_primary_peak and
        dice_top_percent (a share, 0 to 1); None if fewer than two voxels are finite in both.
    """
    first = np.asarray(primary.dataobj, dtype=float)
    second = np.asarray(other.dataobj, dtype=float)
    common = np.isfinite(first) & np.isfinite(second)
    if common.sum() < 2:
        return None
    size = np.where(np.isfinite(first), np.abs(first), -1.0)
    peak = np.unravel_index(int(np.argmax(size)), first.shape)
    x, y, z = apply_affine(primary.affine, peak)
    at_peak = second[peak]
    a, b = first[common], second[common]
    varies = np.ptp(a) > 0 and np.ptp(b) > 0
    top = math.ceil(TOP_SHARE * len(a))
    # A stable sort takes equal values in the same order from both maps.
    in_a, in_b = (set(np.argsort(-np.abs(v), kind="stable")[:top]) for v in (a, b))
    return {
        "map_correlation_with_primary": float(np.corrcoef(a, b)[0, 1]) if varies else np.nan,
        **{"primary_peak_x": float(x), "primary_peak_y": float(y), "primary_peak_z": float(z)},
        "stat_at_primary_peak": float(at_peak) if np.isfinite(at_peak) else np.nan,
        "dice_top_percent": len(in_a & in_b) / top,
    }


def _same_grid(
    primary: SpatialImage, other: SpatialImage, primary_path: Path, other_path: Path
) -> None:
    affines = np.asarray(primary.affine), np.asarray(other.affine)
    if primary.shape != other.shape or not np.allclose(*affines, atol=1e-4):
        raise Fault(
            f"{other_path} has another grid than {primary_path} (shape {other.shape} and "
            f"{primary.shape}); give both pipelines the same space and resolution"
        )


def _estimable(record: Result) -> bool:
    return record.get("estimable", True)
