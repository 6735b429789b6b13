"""Permutation inference: family-wise error over all voxels and all maps of an analysis."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from crossfc.fault import Fault
from crossfc.group.arrangement import Arrangements
from crossfc.group.cluster import label, largest, neighbours
from crossfc.group.compiled import compiled
from crossfc.group.statistic import Student

_BATCH = 32  # arrangements handled at once
_BLOCK = 2048  # voxels handled at once: products and scores then stay in a core's cache


@dataclass
class Inference:
    """What an analysis found, for every map.

    Arrays are of shape (n_maps, n_voxels) unless said otherwise.

    Attributes
    ----------
    statistic, effect, standard_error, t, degrees_of_freedom : float64
        See `crossfc.group.statistic.Fit`.
    p_uncorrected : float64
        Permutation p of each voxel by itself.
    p_voxel : float64
        Corrected by the maximum over voxels and maps.
    p_cluster : float64
        p of the voxel's cluster, corrected by the largest extent over maps (and signs); 1
        outside clusters.
    clusters : int32
        Number of the voxel's cluster, from 1 by falling size within its map; 0 outside.
    sizes : list of n_maps int arrays
        Voxels per cluster.
    flat : bool
        Voxels in which the model leaves nothing to explain; statistic 0 and p 1.
    null_maximum : float64, shape (n_arrangements,)
        Largest statistic (in absolute value if two-sided) of each arrangement, identity first.
    null_extent : int, shape (n_arrangements,)
        Largest cluster of each arrangement.
    forming_threshold : float
    threshold_voxel : float
        A statistic above this is significant at a corrected 5 %; infinite when there are too
        few arrangements for that.
    arrangements : Arrangements
    two_sided : bool
    """

    statistic: np.ndarray
    effect: np.ndarray
    standard_error: np.ndarray
    t: np.ndarray
    degrees_of_freedom: np.ndarray
    p_uncorrected: np.ndarray
    p_voxel: np.ndarray
    p_cluster: np.ndarray
    clusters: np.ndarray
    sizes: list[np.ndarray]
    flat: np.ndarray
    null_maximum: np.ndarray
    null_extent: np.ndarray
    forming_threshold: float
    threshold_voxel: float
    arrangements: Arrangements
    two_sided: bool


def infer(
    maps: Sequence[np.ndarray],
    statistic: Student,
    arrangements: Arrangements,
    mask: np.ndarray,
    *,
    cluster_forming_p: float = 0.001,
    connectivity: int = 26,
    two_sided: bool = True,
    progress: Callable[[int, int], None] | None = None,
) -> Inference:
    """Test one effect in every voxel of one or several maps.

    The same arrangements serve all maps, and the null distribution is that of the maximum over
    all of them (Nichols and Holmes 2002, Hum Brain Mapp 15:1). p = (1 + exceedances) /
    (1 + permutations); the identity is the one that is added, and when all arrangements are
    enumerated this is exceedances over arrangements.

    Memory holds one map at a time in single precision and a batch of arrangements of it; what
    grows with the number of arrangements is their table and two maxima per map.

    Parameters
    ----------
    maps : sequence of ndarray, each (n_people, n_voxels) or (n_people, n_measures, n_voxels)
        One per seed; may be memory-mapped.
    statistic : Student, Welch or Hotelling
    arrangements : Arrangements
        For the people in the order of the data.
    mask : bool ndarray, shape (i, j, k)
        The search volume; its C order is the order of the voxels.
    cluster_forming_p : float
        Parametric, uncorrected; halved per tail if two-sided.
    connectivity : int
        6, 18 or 26 neighbours make a cluster.
    two_sided : bool
        Ignored for statistics without a sign.
    progress : callable, optional
        Called with (done, total) after every batch.

    Returns
    -------
    Inference

    Raises
    ------
    Fault
        If the data do not fit the mask or are not finite.

    Notes
    -----
    Permuted statistics are in single precision, with relative errors of about 1e-7. An
    arrangement whose score falls short of the observed one by less than a part in 1e5 (Welch:
    5e-5) and a millionth of its root counts as equal, so that rounding does not make an
    equivalent arrangement look smaller.
    """
    mask = np.asarray(mask, dtype=bool)
    n_voxels = int(np.count_nonzero(mask))
    n_maps, n_arrangements = len(maps), len(arrangements)
    if n_voxels == 0:
        raise Fault("the search volume is empty; look at the coverage of the maps and the seeds")
    for number, data in enumerate(maps):
        if data.shape[-1] != n_voxels or data.shape[0] != arrangements.table.shape[1]:
            raise Fault(
                f"map {number + 1} has shape {data.shape}, but there are "
                f"{arrangements.table.shape[1]} people and {n_voxels} voxels in the mask"
            )
    if not 0 < cluster_forming_p < 0.5:
        raise Fault(f"cluster_forming_p is {cluster_forming_p}; use a number such as 0.001")
    two_sided = two_sided and statistic.signed
    before = neighbours(mask, connectivity)
    forming = statistic.forming_threshold(cluster_forming_p, two_sided)
    score_threshold = np.float32(statistic.to_score(np.float64(forming)))
    work = _Workspace(n_voxels)
    maximum = np.empty((n_maps, n_arrangements), dtype=np.float32)
    extent = np.empty((n_maps, n_arrangements), dtype=np.int32)
    fits, p_uncorrected, clusters, sizes = [], [], [], []
    for number, data in enumerate(maps):
        fit = statistic.fit(data)
        if not np.isfinite(fit.statistic).all():
            raise Fault(f"map {number + 1} holds values that are not finite inside the mask")
        labels, counts = label(fit.score, score_threshold, before, two_sided)
        size = np.abs(fit.score) if two_sided else fit.score
        maximum[number, 0] = size.max()
        extent[number, 0] = counts.max(initial=0)
        exceed = np.ones(n_voxels, dtype=np.int32)
        margin = _margin(size, statistic.tie)
        for first in range(1, n_arrangements, _BATCH):
            rows = slice(first, min(first + _BATCH, n_arrangements))
            scores = work.scores[: rows.stop - rows.start]
            coefficients = statistic.coefficients(arrangements.kind, arrangements.table[rows])
            for start in range(0, n_voxels, _BLOCK):
                part = slice(start, min(start + _BLOCK, n_voxels))
                statistic.scores(coefficients, fit.work, part, scores)
            _tally(scores, margin, two_sided, exceed, maximum[number, rows])
            largest(
                scores, score_threshold, two_sided, before,
                work.parent, work.listed, work.extent, extent[number, rows],
            )  # fmt: skip
            if progress is not None:
                progress(number * n_arrangements + rows.stop, n_maps * n_arrangements)
        fit.work = np.empty(0, dtype=np.float32)
        fits.append(fit)
        p_uncorrected.append(exceed / n_arrangements)
        clusters.append(labels)
        sizes.append(counts)

    score = np.stack([fit.score for fit in fits])
    size = np.abs(score) if two_sided else score
    null_score, null_extent = maximum.max(0), extent.max(0)
    p_voxel = _corrected(_margin(size, statistic.tie), null_score)
    p_cluster = np.ones_like(p_voxel)
    for number, (labels, counts) in enumerate(zip(clusters, sizes, strict=True)):
        by_cluster = np.concatenate([[1.0], _corrected(counts, null_extent)])
        p_cluster[number] = by_cluster[labels]
    flat = np.stack([fit.flat for fit in fits])
    p_uncorrected = np.where(flat, 1.0, np.stack(p_uncorrected))
    p_voxel[flat] = 1
    null_maximum = statistic.to_statistic(null_score)
    ordered = np.sort(null_maximum)[::-1]
    allowed = int(np.floor(0.05 * n_arrangements + 1e-9))
    return Inference(
        statistic=np.stack([fit.statistic for fit in fits]),
        effect=np.stack([fit.effect for fit in fits]),
        standard_error=np.stack([fit.standard_error for fit in fits]),
        t=np.stack([fit.t for fit in fits]),
        degrees_of_freedom=np.stack([fit.degrees_of_freedom for fit in fits]),
        p_uncorrected=p_uncorrected,
        p_voxel=p_voxel,
        p_cluster=p_cluster,
        clusters=np.stack(clusters),
        sizes=sizes,
        flat=flat,
        null_maximum=null_maximum,
        null_extent=null_extent,
        forming_threshold=forming,
        threshold_voxel=float(ordered[allowed]) if allowed else float("inf"),
        arrangements=arrangements,
        two_sided=two_sided,
    )


class _Workspace:
    """Memory used again and again."""

    def __init__(self, n_voxels: int) -> None:
        self.scores = np.empty((_BATCH, n_voxels), dtype=np.float32)
        self.parent = np.full(n_voxels, -1, dtype=np.int32)
        self.listed = np.empty(n_voxels, dtype=np.int32)
        self.extent = np.empty(n_voxels, dtype=np.int32)


def _margin(size: np.ndarray, tie: float) -> np.ndarray:
    """The score from which on an arrangement counts as at least as extreme."""
    # The root: a score is a square, and the rounding is that of what is squared.
    magnitude = np.abs(size)
    return (size - tie * magnitude - 1e-6 * np.sqrt(magnitude)).astype(np.float32)


def _corrected(observed: np.ndarray, null: np.ndarray) -> np.ndarray:
    """Share of the null maxima (identity among them) that reach each observed value."""
    below = np.searchsorted(np.sort(null), observed, side="left")
    return (len(null) - below) / len(null)


@compiled
def _tally(scores, margin, two_sided, exceed, maximum):
    for row in range(scores.shape[0]):
        score = scores[row]
        if two_sided:
            for voxel in range(score.size):
                score_size = abs(score[voxel])
                exceed[voxel] += score_size >= margin[voxel]
            best = np.float32(0)
            for voxel in range(score.size):
                best = max(best, abs(score[voxel]))
        else:
            for voxel in range(score.size):
                exceed[voxel] += score[voxel] >= margin[voxel]
            best = score[0]
            for voxel in range(score.size):
                best = max(best, score[voxel])
        maximum[row] = best
