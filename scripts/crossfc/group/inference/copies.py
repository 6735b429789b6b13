"""Arrangements that repeat the observed statistic whatever the data, below whose share no p is."""

from math import factorial, prod

import numpy as np

from crossfc.group.design.arrangement import Arrangements
from crossfc.group.inference.statistic import Student
from crossfc.group.inference.welch import Welch
from crossfc.group.inference.welch_f import WelchF

_SOME = 1024  # arrangements that are processed at once


def copies(statistic: Student, arrangements: Arrangements, two_sided: bool) -> int:
    """Count the arrangements under which every voxel has its observed statistic, or its negative.

    These arrangements leave the effect and the nuisance unchanged, or reverse the effect's sign
    where it is ignored: the identity, mirror images of sign flips, exchanged groups of equal size.
    No p is below their share of all arrangements.

    Parameters
    ----------
    statistic : Student, Slope, Welch, Hall, Fisher, WelchF, Hotelling or Pillai
    arrangements : Arrangements
        If they are exhaustive, all are examined. If they are random, only the mirror image is
        counted: all signs reversed, or, if the model has only a mean beside a contrast of two
        equally large sets of people, the two sets exchanged; of several sets, all exchanges of
        equally large ones.
    two_sided : bool
        Whether the sign of the statistic is ignored.

    Returns
    -------
    int
    """
    either = two_sided or not statistic.signed
    if not arrangements.exhaustive:
        if arrangements.signs is None and statistic.effect.ndim > 1:
            return _exchanges(statistic)
        mirrored = arrangements.signs is not None or _exchangeable(statistic)
        return 2 if either and mirrored else 1
    model = np.column_stack([statistic.effect, statistic.nuisance])
    n_nuisance = statistic.nuisance.shape[1]
    nuisance = np.linalg.qr(statistic.nuisance)[0]
    effect = model[:, : model.shape[1] - n_nuisance]
    effect = np.linalg.qr(effect - nuisance @ (nuisance.T @ effect))[0]
    count = 0
    for first in range(0, len(arrangements), _SOME):
        some = arrangements.part(slice(first, first + _SOME))
        along = np.einsum("ne,acn->aec", effect, some.arranged(effect, np.float64))
        if either:
            same = np.square(along).sum(axis=(1, 2)) > effect.shape[1] - 1e-9
        else:
            same = along[:, 0, 0] > 1 - 1e-9
        kept = np.einsum("ne,acn->aec", nuisance, some.arranged(nuisance, np.float64))
        same &= np.square(kept).sum(axis=(1, 2)) > n_nuisance - 1e-9
        if isinstance(statistic, Welch | WelchF) and some.order is not None:
            # Groups may exchange their labels, but the people of a group must stay together.
            groups = statistic.groups[some.order]
            pairs = groups * (groups.max() + 1) + statistic.groups
            same &= [len(set(row)) == len(set(statistic.groups)) for row in pairs.tolist()]
        count += int(same.sum())
    return count


def _exchanges(statistic: Student) -> int:
    """Count the exchanges of equally large sets of people that leave an F of several as it is.

    These are 1 unless the model has only a mean beside all differences between the sets.
    """
    effect, nuisance = statistic.effect, statistic.nuisance
    sizes = np.unique(effect.round(12), axis=0, return_counts=True)[1]
    if nuisance.shape[1] != 1 or np.ptp(nuisance) > 0 or len(sizes) != effect.shape[1] + 1:
        return 1
    return prod(factorial(int(of)) for of in np.bincount(sizes))


def _exchangeable(statistic: Student) -> bool:
    """Test whether shuffles can reverse the effect's sign, as in a balanced cross-over."""
    effect, nuisance = statistic.effect, statistic.nuisance
    if effect.ndim > 1 or nuisance.shape[1] != 1 or np.ptp(nuisance) > 0:
        return False
    effect = np.sort(effect - effect.mean())
    return len(np.unique(effect.round(12))) == 2 and np.allclose(effect, -effect[::-1])
