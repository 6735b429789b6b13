"""The test of a region in a map: the question's own test, of the region's mean.

One test of a place that was chosen beforehand needs no correction over voxels. Its model,
statistic and arrangements are those of the analysis of the maps, so that both answer one question.
"""

from collections.abc import Sequence

import numpy as np

from crossfc.array import BoolArray, IntArray
from crossfc.fault import Fault
from crossfc.group.design.options import AnalysisOptions
from crossfc.group.design.pairs import Pairs
from crossfc.group.design.question import Question
from crossfc.group.region_mean import EffectTest, mean_test, untested
from crossfc.session.placement import place
from crossfc.trial.regions import RegionRow

# At least this share of a region's voxels must lie in the search volume.
_LEAST_SHARE = 0.5


def region_test(
    asked: Question,
    pairs: Pairs,
    seed: str,
    region: str,
    rows: Sequence[RegionRow],
    options: AnalysisOptions,
    keep: BoolArray | None = None,
) -> EffectTest:
    """Test a question in the mean of a region.

    Parameters
    ----------
    asked : Question
        The question of an analysis of maps.
    pairs : Pairs
        Its people with all columns that the model needs; not changed.
    seed : str
        The seed; empty for questions over seeds and between seeds.
    region : str
        Name of the region, for messages.
    rows : sequence of RegionRow
        Where it is; see `crossfc.session.placement.place`.
    options : AnalysisOptions
    keep : bool ndarray, shape (n_people,), optional
        The people to analyse; by default all.

    Returns
    -------
    EffectTest
        See `crossfc.group.region_mean.mean_test`.

    Raises
    ------
    Fault
        If the region's image cannot be read.
    """
    seeds = pairs.record["seeds"]
    n_people = len(pairs.people) if keep is None else int(keep.sum())
    if seed and seed not in seeds:
        return untested(n_people, f"the pipeline has no seed {seed}")
    if not n_people:
        return untested(0, pairs.record.get("because") or "nobody is left")
    voxels = _voxels(pairs, region, rows)
    if isinstance(voxels, str):
        return untested(n_people, voxels)
    columns = [seeds.index(seed)] if seed else range(len(seeds))
    return mean_test(asked, pairs, voxels, columns, options, keep)


def _voxels(pairs: Pairs, region: str, rows: Sequence[RegionRow]) -> IntArray | str:
    """Return the numbers of a region's voxels in the search volume, or why there are too few."""
    mask = np.asarray(pairs.mask.dataobj) != 0
    try:
        inside, size = place(rows, region, mask.shape, pairs.mask.affine)
    except Fault as fault:
        return str(fault)
    there = int((inside & mask).sum())
    if there < _LEAST_SHARE * size:
        return (
            f"{there} of {size} voxels of {region} are in the search volume, which leaves out "
            "seeds, their halo, and what somebody's scan does not cover"
        )
    numbers: IntArray = np.flatnonzero(inside[mask])
    return numbers
