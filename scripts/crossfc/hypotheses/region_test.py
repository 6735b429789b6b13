"""The test of a region in a map: the question's own test, of the region's mean.

One test of a place that was chosen beforehand needs no correction over voxels. Its model,
statistic and arrangements are those of the analysis of the maps, so that both answer one question.
"""

from collections.abc import Sequence

import numpy as np

from crossfc.array import BoolArray, FloatArray, IntArray
from crossfc.fault import Fault
from crossfc.group.design.options import AnalysisOptions
from crossfc.group.design.pairs import Pairs
from crossfc.group.design.question import Question
from crossfc.group.region_mean import EffectTest, mean_test, untested
from crossfc.session.placement import place
from crossfc.trial.regions import RegionRow

# At least this share of a region must lie in the search volume.
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
    found = _voxels(pairs, region, rows)
    if isinstance(found, str):
        return untested(n_people, found)
    voxels, weights = found
    columns = [seeds.index(seed)] if seed else range(len(seeds))
    return mean_test(asked, pairs, voxels, columns, options, keep, weights)


def _voxels(
    pairs: Pairs, region: str, rows: Sequence[RegionRow]
) -> tuple[IntArray, FloatArray] | str:
    """Return a region's voxels in the search volume: their numbers, and the share of each in it.

    Why there are too few, where there are.
    """
    mask = np.asarray(pairs.mask.dataobj) != 0
    try:
        placed = place(rows, region, mask.shape, pairs.mask.affine)
    except Fault as fault:
        return str(fault)
    there = placed.within(mask)
    share = float(placed.weight[there].sum() / placed.size)
    if share < _LEAST_SHARE:
        return (
            f"{share:.0%} of {region} is in the search volume, which leaves out seeds, their halo, "
            "and what somebody's scan does not cover"
        )
    numbers = np.full(mask.shape, -1)
    numbers[mask] = np.arange(np.count_nonzero(mask))
    own: IntArray = numbers[tuple(placed.voxels[there].T)]
    return own, placed.weight[there]
