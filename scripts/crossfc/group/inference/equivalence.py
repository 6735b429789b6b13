"""Where a map's effect is shown to be as good as nothing: two one-sided tests in every voxel.

That an effect is above -δ is tested by shifting the data up by δ and asking for an effect above
zero, with the statistic and the arrangements of the analysis itself; that it is below δ in the same
way with the data turned round. Both have to hold (Schuirmann 1987, J Pharmacokinet Biopharm 15:657;
Berger and Hsu 1996, Stat Sci 11:283). The maximum is taken over voxels, maps and both sides
together: voxels with effects beyond δ and beyond -δ may be in the same map, and none of either is
called equivalent in more than 5 % of studies.
"""

import os
from collections.abc import Sequence
from types import EllipsisType

import numpy as np

from crossfc.array import BoolArray, FloatArray, MapData, RealArray
from crossfc.group.design.arrangement import Arrangements
from crossfc.group.inference.permutation import infer
from crossfc.group.inference.statistic import Student


def equivalence(
    maps: Sequence[MapData],
    statistic: Student,
    arrangements: Arrangements,
    mask: BoolArray,
    smallest: float,
    *,
    threads: int = 1,
    memory_gb: float = 2.0,
    scratch_dir: str | os.PathLike[str] | None = None,
) -> FloatArray:
    """Test in every voxel whether an effect lies within ± the smallest effect of interest.

    Parameters
    ----------
    maps, statistic, arrangements, mask
        See `crossfc.group.inference.permutation.infer`; a statistic of one effect with a sign. Of
        maps with covariates the first measure is the data.
    smallest : float
        Smallest effect of interest, above 0, in the unit of the maps.
    threads, memory_gb, scratch_dir
        See `infer`.

    Returns
    -------
    ndarray, shape (n_maps, n_voxels)
        p corrected over voxels, maps and both sides; 1 where the data do not vary.
    """
    shift = smallest * statistic.effect
    found = infer(
        [Shifted(data, sign, shift) for sign in (1, -1) for data in maps],
        statistic,
        arrangements,
        mask,
        two_sided=False,
        tfce=False,
        tail=False,
        threads=threads,
        memory_gb=memory_gb,
        scratch_dir=scratch_dir,
    )
    above, below = np.split(found.p_voxel, 2)
    larger: FloatArray = np.maximum(above, below)
    return larger


class Shifted:
    """A map of all people, times a sign, plus a shift of each person; read in pieces.

    Parameters
    ----------
    data : array, shape (n_people, n_voxels) or (n_people, n_measures, n_voxels)
        Of several measures the first is changed, as the others are covariates.
    sign : int
        1 or -1.
    shift : ndarray, shape (n_people,)
        The smallest effect times the column under test, so that its coefficient grows by that.
    """

    def __init__(self, data: MapData, sign: int, shift: FloatArray) -> None:
        self._data, self._sign, self._shift = data, sign, shift
        self.shape: tuple[int, ...] = data.shape

    def __getitem__(self, key: tuple[EllipsisType, slice] | int) -> RealArray:
        values: RealArray = np.array(self._data[key], dtype=float)
        person = isinstance(key, int | np.integer)
        changed = values if len(self.shape) == 2 else values[..., 0, :]
        changed *= self._sign
        changed += self._shift[key] if person else self._shift[:, None]
        return values
