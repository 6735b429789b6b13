"""Permutation inference: family-wise error over all voxels and all maps of an analysis."""

import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from crossfc.array import BoolArray, FloatArray, IntArray, MapData, RealArray, SingleArray
from crossfc.fault import Fault
from crossfc.group.design.arrangement import Arrangements
from crossfc.group.inference.cluster import label, masses, neighbours
from crossfc.group.inference.copies import copies
from crossfc.group.inference.small_sample import SmallSample, precise
from crossfc.group.inference.statistic import Scoring, Student
from crossfc.group.inference.sweep import MEASURES, Sweep
from crossfc.group.inference.tail import Tail, fit_tail, tail_p
from crossfc.group.inference.tfce import Enhancer
from crossfc.mapped import PEOPLE, release
from crossfc.significance import SIGNIFICANT, false_discovery_rate

_GIGABYTE = 2**30


@dataclass
class Inference:
    """The results of an analysis, for every map.

    Arrays are of shape (n_maps, n_voxels) unless said otherwise.

    Attributes
    ----------
    statistic, effect, standard_error, t, degrees_of_freedom : float64
        See `crossfc.group.inference.statistic.Fit`.
    p_uncorrected : float64
        Permutation p of each voxel by itself.
    q_fdr : float64
        The smallest false discovery rate at which a voxel is significant, over voxels and maps
        (Benjamini and Hochberg 1995), from ``p_uncorrected``.
    p_voxel : float64
        p corrected by the maximum statistic over voxels and maps.
    p_cluster, p_mass : float64
        p of the voxel's cluster, corrected by the largest extent, and by the largest mass, over
        maps (and signs); 1 outside clusters.
    tfce, p_tfce : float64 or None
        Threshold-free cluster enhancement and its p, corrected by its maximum over voxels and
        maps.
    clusters : int32
        Number of the voxel's cluster within its map, 1 for the largest; 0 outside clusters.
    sizes, masses : list of n_maps arrays
        Number of voxels, and sum of the absolute heights, of each cluster.
    flat : bool
        Voxels where the nuisance leaves no variation; their statistic is 0 and their p is 1.
    null : dict of str to ndarray, shape (n_arrangements,)
        ``voxel`` (largest statistic, in absolute value if two-sided), ``extent``, ``mass`` and
        ``tfce``: the maximum over voxels and maps of each arrangement, identity first.
    tails : dict of str to Tail
        The tail fitted for each measure, if p below the resolution of the permutations was asked
        for; otherwise empty.
    extrapolated : dict of str to bool ndarray
        For each measure, True where the corrected p comes from such a tail.
    forming_threshold : float
        The cluster-forming statistic.
    threshold_voxel : float
        A statistic above this is significant at a corrected 5 %; infinite if there are too few
        arrangements for that.
    arrangements : Arrangements
    copies : int
        Number of possible arrangements that give the observed statistics again, whatever the
        data; p cannot be below their share (see `copies`).
    two_sided : bool
    """

    statistic: FloatArray
    effect: FloatArray
    standard_error: FloatArray
    t: FloatArray
    degrees_of_freedom: FloatArray
    p_uncorrected: FloatArray
    q_fdr: FloatArray
    p_voxel: FloatArray
    p_cluster: FloatArray
    p_mass: FloatArray
    tfce: FloatArray | None
    p_tfce: FloatArray | None
    clusters: IntArray
    sizes: list[IntArray]
    masses: list[FloatArray]
    flat: BoolArray
    null: dict[str, FloatArray]
    tails: dict[str, Tail]
    extrapolated: dict[str, BoolArray]
    forming_threshold: float
    threshold_voxel: float
    arrangements: Arrangements
    copies: int
    two_sided: bool


def infer(
    maps: Sequence[MapData],
    statistic: Student,
    arrangements: Arrangements,
    mask: BoolArray,
    *,
    cluster_forming_p: float = 0.001,
    connectivity: int = 26,
    two_sided: bool = True,
    tfce: bool,
    tail: bool,
    threads: int = 1,
    memory_gb: float = 2.0,
    scratch_dir: str | os.PathLike[str] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Inference:
    """Test one effect in every voxel of one or several maps.

    The same arrangements serve all maps, and the null distribution is that of the maximum over
    all of them (Nichols and Holmes 2002, Hum Brain Mapp 15:1). p = (1 + exceedances) /
    (1 + permutations), where the 1 is the identity. If all arrangements are enumerated, p is the
    share of arrangements that reach the observed value.

    Memory grows with the number of arrangements only by their table (a byte per person for sign
    flips, four for shuffles) and by one maximum per measure. The residuals of all maps (4 bytes
    per person, voxel and map) are kept in a file if they are larger than ``memory_gb``. Results
    are the same for any number of threads.

    Parameters
    ----------
    maps : sequence of array, each (n_people, n_voxels) or (n_people, n_measures, n_voxels)
        One per seed. Only ``shape`` and ``[..., part]`` are used, so they may be files on disk.
    statistic : Student, Slope, Welch, Hall, Fisher, WelchF, Hotelling or Pillai
    arrangements : Arrangements
        Arrangements of the people, in the order of the data.
    mask : bool ndarray, shape (i, j, k)
        The search volume; its C order is the order of the voxels.
    cluster_forming_p : float
        Parametric, uncorrected p of the cluster-forming threshold; halved per tail if two-sided.
    connectivity : int
        Neighbours of a voxel that can join its cluster (also for TFCE): 6, 18 or 26.
    two_sided : bool
        Test both signs; ignored for statistics without a sign.
    tfce : bool
        Also compute threshold-free cluster enhancement (`crossfc.group.inference.tfce`).
    tail : bool
        Where too few permutations reach a statistic, take its corrected p from a tail fitted to
        the null (`crossfc.group.inference.tail`).
    threads : int
        Number of batches of arrangements that run in parallel; two or more run as processes.
    memory_gb : float
        Largest memory for residuals, GB.
    scratch_dir : path, optional
        Folder for the file of residuals; the system's temporary folder by default.
    progress : callable, optional
        Called with (done, total) after every batch.

    Returns
    -------
    Inference

    Raises
    ------
    Fault
        If the data do not fit the mask or are not finite, or an option is out of range.

    Notes
    -----
    Permuted statistics are in single precision, with relative errors of about 1e-7. So that
    rounding does not make an equivalent arrangement look smaller, a score counts as equal to the
    observed one if it falls short by less than a part in 1e5 (Welch: 1e-4) and a millionth of its
    root; for mass and TFCE the tolerance is ten times that. With few people (eight, or twelve if
    all arrangements are enumerated) statistics are computed in double precision, and a part in
    1e6 counts as equal: t may then be so large that R² in single precision cannot tell it from
    others (`crossfc.group.inference.small_sample`). Mirror images of sign flips are computed once
    and tie exactly, for any number of people.
    """
    mask = np.asarray(mask, dtype=bool)
    _check(maps, arrangements, mask, cluster_forming_p, threads)
    n_maps = len(maps)
    two_sided = two_sided and statistic.signed
    again = copies(statistic, arrangements, two_sided)
    scoring: Scoring = SmallSample(statistic) if precise(statistic, arrangements) else statistic
    enhancer = Enhancer(mask, connectivity, two_sided=two_sided) if tfce else None
    measures = MEASURES if tfce else MEASURES[:-1]
    forming = scoring.forming_threshold(cluster_forming_p, two_sided)
    threshold = np.float32(scoring.to_score(np.float64(forming)))
    before = neighbours(mask, connectivity)
    observed = {measure: np.zeros(n_maps) for measure in measures}
    with threadpool_limits(1), _residuals(maps, scoring, memory_gb, scratch_dir) as works:
        fits, clusters, enhanced = [], [], []
        for number, data in enumerate(maps):
            fit = scoring.fit(_Reader(data), works[number])
            if not np.isfinite(fit.statistic).all():
                raise Fault(f"map {number + 1} holds values that are not finite inside the mask")
            # A flat voxel could take any value under an arrangement, so it is set to 0.
            works[number][..., fit.flat] = 0
            labels, sizes = label(fit.score, threshold, before, two_sided)
            heights = scoring.to_height(fit.statistic).astype(np.float32)
            weighed = masses(labels, heights, len(sizes))
            observed["voxel"][number] = _size(fit.score, two_sided).max()
            observed["extent"][number] = sizes.max(initial=0)
            observed["mass"][number] = weighed.max(initial=0)
            if enhancer is not None:
                enhanced.append(enhancer.map(heights))
                observed["tfce"][number] = np.abs(enhanced[-1]).max()
            fits.append(fit)
            clusters.append((labels, sizes, weighed))
        margins = [_margin(_size(fit.score, two_sided), scoring.tie) for fit in fits]
        sweep = Sweep(scoring, works, margins, before, threshold, two_sided, enhancer)
        mirrored = two_sided or not statistic.signed
        exceed, maxima = _swept(sweep, arrangements, observed, mirrored, threads, progress)

    highest = {measure: values.max(axis=0) for measure, values in maxima.items()}
    flat = np.stack([fit.flat for fit in fits])
    # If nearly all arrangements were drawn, but not those that repeat the observed statistic, the
    # counted p could be below the share of these among all. So this share is the lower limit.
    least = again / arrangements.possible
    p_uncorrected = np.where(flat, 1.0, np.maximum(exceed / len(arrangements), least))
    found = {
        "voxel": _corrected(np.stack(margins), highest["voxel"]),
        "extent": _by_cluster(
            [(labels, sizes) for labels, sizes, _ in clusters], highest["extent"], 0
        ),
        "mass": _by_cluster(
            [(labels, weighed) for labels, _, weighed in clusters],
            highest["mass"],
            10 * scoring.tie,
        ),
    }
    found["voxel"][flat] = 1
    if enhanced:
        height = np.abs(np.stack(enhanced))
        found["tfce"] = _corrected(height * (1 - 10 * scoring.tie), highest["tfce"])
        found["tfce"][flat] = 1
    found = {measure: np.maximum(p, least) for measure, p in found.items()}
    null_statistic = scoring.to_statistic(highest["voxel"])
    ordered = np.sort(null_statistic)[::-1]
    allowed = int(np.floor(SIGNIFICANT * len(arrangements) + 1e-9))
    result = Inference(
        statistic=np.stack([fit.statistic for fit in fits]),
        effect=np.stack([fit.effect for fit in fits]),
        standard_error=np.stack([fit.standard_error for fit in fits]),
        t=np.stack([fit.t for fit in fits]),
        degrees_of_freedom=np.stack([fit.degrees_of_freedom for fit in fits]),
        p_uncorrected=p_uncorrected,
        q_fdr=false_discovery_rate(p_uncorrected),
        p_voxel=found["voxel"],
        p_cluster=found["extent"],
        p_mass=found["mass"],
        tfce=np.stack(enhanced) if enhanced else None,
        p_tfce=found.get("tfce"),
        clusters=np.stack([labels for labels, _, _ in clusters]),
        sizes=[sizes for _, sizes, _ in clusters],
        masses=[weighed for _, _, weighed in clusters],
        flat=flat,
        null=highest | {"voxel": null_statistic},
        tails={},
        extrapolated={},
        forming_threshold=forming,
        threshold_voxel=float(ordered[allowed]) if allowed else float("inf"),
        arrangements=arrangements,
        copies=again,
        two_sided=two_sided,
    )
    if tail:
        _extrapolate(result)
    return result


def _swept(
    sweep: Sweep,
    arrangements: Arrangements,
    observed: dict[str, FloatArray],
    mirrored: bool,
    threads: int,
    progress: Callable[[int, int], None] | None,
) -> tuple[IntArray | int, dict[str, FloatArray]]:
    """Run all arrangements; see `Sweep.run`. The maxima of the identity are the observed ones.

    An arrangement and its mirror image (all signs reversed) have the same statistic except for its
    sign. Where the sign is ignored, the statistic is computed once and counted for both, so that
    they tie exactly and an enumeration takes half the time.
    """
    total = len(arrangements)
    first = arrangements.mirrors() if mirrored else np.arange(total)
    own, back, copies = np.unique(first, return_inverse=True, return_counts=True)
    # The identity, and its mirror image if listed, reach every voxel's margin.
    exceed: IntArray | int = int(copies[0])
    done = int(copies[0])
    maxima = {measure: np.empty((len(values), len(own))) for measure, values in observed.items()}
    for measure, values in observed.items():
        maxima[measure][:, 0] = values
    for times in np.unique(copies[1:]):
        chosen = 1 + np.flatnonzero(copies[1:] == times)

        def told(tried: int, _: int, done: int = done, times: int = times) -> None:
            if progress is not None:
                progress(done + int(times) * (tried - 1), total)

        some = arrangements.part(np.concatenate([[0], own[chosen]]))
        counted, found = sweep.run(some, threads, told)
        exceed = exceed + times * (counted - 1)
        done += int(times) * len(chosen)
        for measure, values in found.items():
            maxima[measure][:, chosen] = values
    return exceed, {measure: values[:, back] for measure, values in maxima.items()}


def _check(
    maps: Sequence[MapData],
    arrangements: Arrangements,
    mask: BoolArray,
    cluster_forming_p: float,
    threads: int,
) -> None:
    n_voxels = int(np.count_nonzero(mask))
    if n_voxels == 0:
        raise Fault("the search volume is empty; look at the coverage of the maps and the seeds")
    for number, data in enumerate(maps):
        if data.shape[-1] != n_voxels or data.shape[0] != arrangements.n_people:
            raise Fault(
                f"map {number + 1} has shape {data.shape}, but there are "
                f"{arrangements.n_people} people and {n_voxels} voxels in the mask"
            )
    if not 0 < cluster_forming_p < 0.5:
        raise Fault(f"cluster_forming_p is {cluster_forming_p}; use a number such as 0.001")
    if threads < 1:
        raise Fault(f"threads is {threads}; use at least one")


@contextmanager
def _residuals(
    maps: Sequence[MapData],
    scoring: Scoring,
    memory_gb: float,
    scratch_dir: str | os.PathLike[str] | None,
) -> Iterator[list[RealArray]]:
    """Yield the space for the residuals of all maps: memory, or a file that is deleted later."""
    shapes = [scoring.work_shape(data.shape) for data in maps]
    kind = np.dtype(scoring.work_type)
    if sum(kind.itemsize * int(np.prod(shape)) for shape in shapes) <= memory_gb * _GIGABYTE:
        yield [np.empty(shape, dtype=kind) for shape in shapes]
        return
    with tempfile.TemporaryDirectory(dir=scratch_dir, prefix=".residuals-") as folder:
        yield [
            np.memmap(Path(folder) / f"{number}.residuals", dtype=kind, mode="w+", shape=shape)
            for number, shape in enumerate(shapes)
        ]


class _Reader:
    """Data read some people at a time; mapped memory is released after each read."""

    def __init__(self, data: MapData) -> None:
        self._data, self.shape = data, data.shape

    def __getitem__(self, part: Any) -> RealArray:
        if not isinstance(self._data, np.memmap):
            whole: RealArray = self._data[part]
            return whole
        pieces = []
        for first in range(0, self.shape[0], PEOPLE):
            pieces.append(np.array(self._data[first : first + PEOPLE][part]))
            release(self._data)
        return np.concatenate(pieces)


def _size(score: SingleArray, two_sided: bool) -> SingleArray:
    return np.abs(score) if two_sided else score


def _margin(size: SingleArray, tie: float) -> SingleArray:
    """Return the score from which on an arrangement counts as at least as extreme as observed."""
    # The square root is used because a score is a square, and rounding occurs before squaring.
    magnitude = np.abs(size)
    reached: SingleArray = (size - tie * magnitude - 1e-6 * np.sqrt(magnitude)).astype(np.float32)
    return reached


def _corrected(observed: RealArray | IntArray, null: FloatArray) -> FloatArray:
    """Return the share of the null maxima (identity included) that reach each observed value."""
    below = np.searchsorted(np.sort(null), observed, side="left")
    return (len(null) - below) / len(null)


def _by_cluster(
    clusters: Sequence[tuple[IntArray, RealArray | IntArray]], null: FloatArray, tie: float
) -> FloatArray:
    """Return the corrected p of every voxel's cluster; 1 outside clusters."""
    p = []
    for labels, observed in clusters:
        by_number = _corrected(observed * (1 - tie), null)
        p.append(np.concatenate([[1.0], by_number])[labels])
    return np.stack(p)


def _extrapolate(found: Inference) -> None:
    """Replace corrected p that too few arrangements count by p from a fitted tail."""

    def by_cluster(values: Sequence[RealArray | IntArray]) -> RealArray:
        return np.stack([np.concatenate([[0], of])[labels]
                         for of, labels in zip(values, found.clusters, strict=True)])  # fmt: skip

    height = np.abs(found.statistic) if found.two_sided else found.statistic
    measures = {
        "voxel": (height, "p_voxel"),
        "extent": (by_cluster(found.sizes), "p_cluster"),
        "mass": (by_cluster(found.masses), "p_mass"),
    }
    if found.tfce is not None:
        measures["tfce"] = (np.abs(found.tfce), "p_tfce")
    for measure, (observed, name) in measures.items():
        possible = found.arrangements.possible
        fitted = fit_tail(found.null[measure], possible, found.copies)
        p, extrapolated = tail_p(observed, getattr(found, name), fitted)
        setattr(found, name, p)
        found.tails[measure], found.extrapolated[measure] = fitted, extrapolated
