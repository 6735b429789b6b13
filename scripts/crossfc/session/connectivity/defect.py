"""Find defective volumes in the data: blank, incomplete, repeated, or with a spike.

A scan that was stopped by hand ends with volumes, or parts of a volume, that were never acquired; a
reconstruction that hangs writes the same volume twice; an electric discharge brightens a volume or
a slice. Realignment notices none of this, but a single volume of zeros among 160 gives all voxels
the same spike, so that all of them correlate. The limits below are several times what ordinary
scans show (docs/preprocessing.md). A spike must differ from the volumes on both sides, so breaths,
slow waves and steps of the signal are not taken for one.
"""

import numpy as np

from crossfc.array import BoolArray, FloatArray, IntArray, RealArray
from crossfc.session.connectivity.confounds import Confounds, framewise_displacement

# Number of voxels that are examined: enough to have some hundred in each of forty slices.
_SAMPLE = 20_000
# A voxel is lost in a volume if it is below this share of its usual value ...
_LOST = 0.4
# ... and a volume is incomplete if this share of the brain's voxels is lost (ordinary scans: none),
# or blank from the second share on.
_CUT_SHARE, _BLANK_SHARE = 0.02, 0.9
# A volume is unlike the others if its correlation with the usual volume is lower than ordinary by
# more than this (ordinary scans: 0.01).
_UNLIKE = 0.15
# A volume repeats the one before if it changes by less than this share of the usual change
# (ordinary scans: above 0.8). Below: the same limit for a single plane of voxels, and the share of
# the brain that such planes must make up.
_REPEATED = 0.2
_REPEATED_PART, _REPEATED_PLANES = 0.1, 0.15
# A spike: the brain, or one plane of it, differs from the volumes on both sides by this share of
# its mean (ordinary scans: 0.014, 0.03), and by this many robust standard deviations.
_SPIKE, _PLANE_SPIKE, _DEVIATIONS = 0.04, 0.10, 8
# The mean over the brain may differ from its median over the run by this share.
_OFF = 0.3
# Root mean square change to both neighbours, relative to its median over the run (ordinary
# scans: 1.5).
_ROUGH = 4.0
# Slice timing correction smears a blank volume into its neighbours: by at least this share of the
# signal, and over at most so many volumes.
_SMEAR, _SMEAR_REACH = 0.02, 8
_LEAST_PLANE = 60  # examined voxels that a plane must have


def defects(
    series: RealArray, mask: BoolArray, steady: BoolArray, confounds: Confounds
) -> dict[int, str]:
    """Return which volumes of a run are defective, and why.

    Parameters
    ----------
    series : (t, z, y, x) float
        The run, with its mean, in the units of the image.
    mask : (z, y, x) bool
        Brain mask.
    steady : (t,) bool
        Volumes in the steady state; the others are dropped in any case, so they are only examined
        for lost signal.
    confounds : Confounds
        A volume (after the first) whose framewise displacement is missing counts as defective.

    Returns
    -------
    dict
        Number of the volume, counted from 0, to the reason; sorted by number.
    """
    where = np.flatnonzero(mask.ravel())
    where = where[:: -(-len(where) // _SAMPLE)] if len(where) else where
    own = series.reshape(len(series), -1)[:, where].astype(np.float64)
    found: dict[int, str] = {}
    if own.size and np.ptp(own) > 0:
        found = _of_data(own, np.array(np.unravel_index(where, mask.shape)), steady)
    if not confounds.motion_known:
        return dict(sorted(found.items()))
    lost = np.flatnonzero(~np.isfinite(framewise_displacement(confounds)))
    found |= {int(t): "framewise displacement is missing" for t in lost if t not in found}
    return dict(sorted(found.items()))


def _of_data(own: FloatArray, places: IntArray, steady: BoolArray) -> dict[int, str]:
    found: dict[int, str] = {}
    usual, scaled = _usual(own, steady)
    if scaled:
        # Leave out voxels without signal: they cannot show whether a volume is defective.
        signal = usual > _LOST * np.median(usual)
        own, usual, places = own[:, signal], usual[signal], places[:, signal]
        found |= _lost(own / usual)
    found |= {t: r for t, r in _repeated(own, places, steady).items() if t not in found}
    sound = steady.copy()
    sound[list(found)] = False
    found |= {t: r for t, r in _unlike(own, usual, sound).items() if t not in found}
    sound[list(found)] = False
    # If the mean was removed from the series, values cannot be expressed relative to it; spikes are
    # then found by `_rough` only.
    relative = own / usual if scaled else own
    if scaled:
        found |= _smeared(relative, places, found, sound)
        sound[list(found)] = False
        found |= _spikes(relative, places, sound)
        sound[list(found)] = False
    found |= _rough(relative, sound)
    return found


def _usual(own: FloatArray, steady: BoolArray) -> tuple[FloatArray, bool]:
    """Return the median over the bright volumes, (n_voxels,), and whether the series has a mean.

    A series that was demeaned or standardised has none.
    """
    level = own.mean(axis=1)
    taken = steady & (level > 0.5 * np.quantile(level[steady], 0.95)) if steady.any() else steady
    if not taken.any():
        return np.median(own, axis=0), False
    usual = np.median(own[taken], axis=0)
    spread = np.median(np.abs(own[taken] - usual), axis=0)
    return usual, bool(np.median(usual) > 3 * np.median(spread))


def _lost(relative: FloatArray) -> dict[int, str]:
    dark = relative < _LOST
    share = dark.mean(axis=1)
    # First find the volumes that lost a quarter of their voxels or more. A voxel that is dark in
    # more than a tenth of the other volumes lies at the edge of the field of view, so it is not
    # counted against single volumes.
    far = share >= 0.25
    if not far.all():
        steady_voxels = dark[~far].mean(axis=0) <= 0.1
        if steady_voxels.any():
            share = np.where(far, share, dark[:, steady_voxels].mean(axis=1))
    return {
        int(t): "blank"
        if share[t] >= _BLANK_SHARE
        else f"{_percent(share[t])} of the brain without signal"
        for t in np.flatnonzero(share >= _CUT_SHARE)
    }


def _repeated(own: FloatArray, places: IntArray, steady: BoolArray) -> dict[int, str]:
    if len(own) < 3:
        return {}
    squared = np.diff(own, axis=0) ** 2
    both = steady[1:] & steady[:-1]
    change = np.sqrt(squared.mean(axis=1))
    usual = np.median(change[both]) if both.any() else 0.0
    found = {}
    for t in np.flatnonzero(change <= _REPEATED * usual):
        found[int(t) + 1] = "repeats the volume before"
    # A volume may also be repeated later in the run. Volumes that are equal have the same random
    # projection, so only those close in it have to be compared.
    picture = own @ np.random.default_rng(0).standard_normal(own.shape[1])
    order = np.argsort(picture, kind="stable")
    close = np.diff(picture[order]) <= 1e-9 * np.abs(own).max() * np.sqrt(own.shape[1])
    for first, second in zip(order[:-1][close], order[1:][close], strict=True):
        if np.array_equal(own[first], own[second]):
            earlier, later = sorted((int(first), int(second)))
            found.setdefault(later, f"repeats volume {earlier}")
    # Only a part of a volume may be repeated: some planes along an axis do not change, others do.
    for planes in _planes(places):
        parts = np.sqrt(_means(squared, planes))
        ordinary = np.median(parts[both], axis=0) if both.any() else np.zeros(parts.shape[1])
        still = (parts <= _REPEATED_PART * ordinary) @ np.array([len(p) for p in planes])
        share = still / max(own.shape[1], 1)
        for t in np.flatnonzero(share >= _REPEATED_PLANES):
            reason = f"{_percent(share[t])} of the brain repeats the volume before"
            found.setdefault(int(t) + 1, reason)
    return found


def _unlike(own: FloatArray, usual: FloatArray, sound: BoolArray) -> dict[int, str]:
    picture = usual - usual.mean()
    length = np.linalg.norm(picture)
    centred = own - own.mean(axis=1, keepdims=True)
    norms = np.linalg.norm(centred, axis=1)
    if length == 0 or not sound.any():
        return {}
    likeness = centred @ picture / (length * np.where(norms > 0, norms, np.inf))
    ordinary = np.median(likeness[sound])
    if ordinary < 0.9:  # there is no anatomical contrast to compare (each voxel was scaled)
        return {}
    return {
        int(t): "does not look like the other volumes"
        for t in np.flatnonzero(sound & (likeness < ordinary - _UNLIKE))
    }


def _smeared(
    relative: FloatArray, places: IntArray, found: dict[int, str], sound: BoolArray
) -> dict[int, str]:
    """Find the volumes next to lost ones into which slice timing correction smeared the loss.

    From each lost volume, go outwards in both directions as long as some plane is still affected.
    """
    lost = [t for t, reason in found.items() if "repeats" not in reason]
    if not lost or sound.sum() < 5:
        return {}
    courses = np.column_stack([_means(relative, planes) for planes in _planes(places)])
    middle = np.median(courses[sound], axis=0)
    spread = _robust_deviation(courses[sound] - middle)
    apart = np.abs(courses - middle)
    shown = ((apart > _SMEAR) & (apart > 5 * spread)).any(axis=1)
    smeared: dict[int, str] = {}
    for t in lost:
        for step in (-1, 1):
            for reach in range(1, _SMEAR_REACH + 1):
                beside = t + step * reach
                if not 0 <= beside < len(relative) or not shown[beside]:
                    break
                if sound[beside]:
                    smeared[beside] = "shows lost volumes near it (slice timing correction)"
    return smeared


def _spikes(relative: FloatArray, places: IntArray, sound: BoolArray) -> dict[int, str]:
    found: dict[int, str] = {}
    if sound.sum() < 5:
        return found
    whole = relative.mean(axis=1, keepdims=True)
    off = whole[:, 0] / np.median(whole[sound]) - 1
    for t in np.flatnonzero(sound & (np.abs(off) > _OFF)):
        found[int(t)] = f"the brain is {_percent(abs(off[t]))} {_side(off[t])} than usual"
    still = sound.copy()
    still[list(found)] = False
    for courses, limit, what in [(whole, _SPIKE, "the brain")] + [
        (_means(relative, planes), _PLANE_SPIKE, "a part of the brain")
        for planes in _planes(places)
    ]:
        if not courses.shape[1]:
            continue
        apart = _apart(courses, still)
        # The spread of one volume: a difference of two volumes has twice its variance. (``apart``
        # is a difference to the mean of two, so it has 1.5 times the variance of one.)
        spread = _robust_deviation(np.diff(courses[still], axis=0)) / np.sqrt(2)
        hit = (np.abs(apart) > limit) & (np.abs(apart) > _DEVIATIONS * spread)
        for t in np.flatnonzero(hit.any(axis=1) & still):
            most = apart[t][np.argmax(np.abs(apart[t]))]
            reason = f"spike: {what} is {_percent(abs(most))} {_side(most)} than beside it"
            found.setdefault(int(t), reason)
    return found


def _apart(courses: FloatArray, sound: BoolArray) -> FloatArray:
    """Return by how much each volume differs from the volumes on both sides, (t, n).

    0 if it differs in opposite directions, as in a step or a slope. A side is the median of up to
    two sound volumes. At an end of the run there is one side only.
    """
    numbers = np.flatnonzero(sound)
    apart = np.zeros_like(courses)
    for place, t in enumerate(numbers):
        sides = [numbers[max(place - 2, 0) : place], numbers[place + 1 : place + 3]]
        deltas = [courses[t] - np.median(courses[side], axis=0) for side in sides if len(side)]
        if not deltas:
            continue
        smallest = np.min(np.abs(deltas), axis=0)
        same = np.all(np.sign(deltas) == np.sign(deltas[0]), axis=0)
        apart[t] = np.where(same, smallest * np.sign(deltas[0]), 0)
    return apart


def _rough(relative: FloatArray, sound: BoolArray) -> dict[int, str]:
    numbers = np.flatnonzero(sound)
    if len(numbers) < 5:
        return {}
    change = np.sqrt((np.diff(relative[numbers], axis=0) ** 2).mean(axis=1))
    usual = np.median(change)
    # At an end of the run there is one neighbour only.
    least = np.minimum(np.append(change[0], change), np.append(change, change[-1]))
    return {
        int(numbers[i]): f"spike: changes {least[i] / usual:.0f} times as much as other volumes"
        for i in np.flatnonzero(least > _ROUGH * usual)
    }


def _planes(places: IntArray) -> list[list[IntArray]]:
    """Return, for each axis, the voxels of each plane that has at least ``_LEAST_PLANE``."""
    found: list[list[IntArray]] = []
    for axis in places:
        order = np.argsort(axis, kind="stable")
        parts = np.split(order, np.flatnonzero(np.diff(axis[order])) + 1)
        found.append([part for part in parts if len(part) >= _LEAST_PLANE])
    return found


def _means(values: FloatArray, planes: list[IntArray]) -> FloatArray:
    columns = [values[:, plane].mean(axis=1) for plane in planes]
    return np.column_stack(columns) if columns else np.empty((len(values), 0))


def _robust_deviation(values: FloatArray) -> FloatArray:
    deviation: FloatArray = 1.4826 * np.median(np.abs(values - np.median(values, axis=0)), axis=0)
    return deviation


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _side(difference: float) -> str:
    return "brighter" if difference > 0 else "darker"
