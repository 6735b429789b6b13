"""What an analysis of maps could have found: power against the size of a planted effect."""

import os
import tempfile
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from crossfc.array import BoolArray, FloatArray, IntArray
from crossfc.group.design import question as questions
from crossfc.group.design.arrangement import Arrangements
from crossfc.group.design.model import Inestimable, Model
from crossfc.group.design.options import (
    SENSITIVITY_PERMUTATIONS,
    WHOLE,
    AnalysisChoices,
    AnalysisOptions,
)
from crossfc.group.design.pairs import Pairs
from crossfc.group.design.people import with_columns
from crossfc.group.design.question import Question, group_labels, question_of
from crossfc.group.estimation import arrangements_of, data_of, model_of, statistic_of
from crossfc.group.inference.detection import (
    Blob,
    Detector,
    Noise,
    critical_values,
    smallest_sizes,
)
from crossfc.group.inference.permutation import Inference, infer
from crossfc.group.inference.small_sample import SmallSample, precise
from crossfc.group.inference.statistic import Scoring, Student
from crossfc.session.connectivity.smoothing import smooth_in_mask
from crossfc.session.gaussian import sigma_of
from crossfc.significance import SIGNIFICANT
from crossfc.trial.configuration import SensitivityChoices

KINDS = (questions.DRUG, questions.GROUP)
POWER = 0.8
COLUMNS = [
    *("analysis", "measure", "delta_z", "power", "power_low", "power_high"),
    *("smallest", "smallest_low", "smallest_high", "level", "repeats"),
    *("radius_mm", "fwhm_mm", "height", "because"),
]
_SMALLEST = ("smallest", "smallest_low", "smallest_high")
_NULLS = 4  # null studies from which critical values are taken
_TOGETHER = 16  # null studies whose maps are held at once
_REACH = 4.0  # standard deviations at which the smoothing kernel ends


@dataclass
class _Prepared:
    """An analysis before any of its maps is read, or why there is none."""

    asked: Question
    pairs: Pairs
    options: AnalysisOptions
    design: Model | None
    because: str


def sensitivity_table(
    analyses: Mapping[str, AnalysisChoices],
    pairs_dirs: Mapping[str, str | os.PathLike[str]],
    choices: SensitivityChoices,
    *,
    threads: int = 1,
    memory_gb: float = 2.0,
    scratch_dir: str | os.PathLike[str] | None = None,
    progress: Callable[[str], None] | None = None,
) -> tuple[pd.DataFrame, list[str]]:
    """Plant effects into the residuals of analyses, and count how often their tests find them.

    Parameters
    ----------
    analyses : mapping
        Options and people of each analysis, by its name; see `crossfc.group.analysis.analyse`.
    pairs_dirs : mapping
        By the same names, the folder of its data (`crossfc.group.design.pairs.pair_sessions`).
    choices : SensitivityChoices
    threads, memory_gb
        See `crossfc.group.inference.permutation.infer`; results do not depend on them.
    scratch_dir : path, optional
        Folder for the files of residuals; the system's temporary folder by default.
    progress : callable, optional
        Called with the name of each analysis.

    Returns
    -------
    table : DataFrame
        The table ``sensitivity.tsv``: for each analysis and measure (``extent``, ``mass``,
        ``tfce``, ``voxel``) a row per size ``delta_z``, with ``power`` and its exact binomial
        interval (Clopper and Pearson 1934, Biometrika 26:404). ``smallest`` is the smallest size
        that is found with a power of 80 % (infinite: beyond the largest of the sizes), with its
        95 % interval from order statistics (Conover 1999, Practical Nonparametric Statistics,
        ch. 3.2). ``height`` is the share of the effect that smoothing leaves at its largest, mean
        over places. An analysis without an answer has one row, and the reason in ``because``.
    notes : list of str
        One per analysis without an answer.

    Raises
    ------
    Fault
        If the data of an analysis cannot be used.
    """
    prepared = {name: _prepare(name, own, pairs_dirs[name]) for name, own in analyses.items()}
    sizes = sorted(choices["sizes"])
    rows: list[dict[str, object]] = []
    notes: list[str] = []
    for name, own in prepared.items():
        if progress is not None:
            progress(name)
        level, because = SIGNIFICANT / _pairs_compared(own, prepared.values()), own.because
        if not because:
            try:
                with tempfile.TemporaryDirectory(dir=scratch_dir, prefix=".noise-") as scratch:
                    smallest, blobs = _smallest(own, choices, level, scratch, threads, memory_gb)
            except Inestimable as reason:
                because = f"This analysis cannot be estimated. {reason}."
        if because:
            rows.append({"analysis": name, "because": because})
            notes.append(f"{name}: {because}")
            continue
        settings = {
            "level": level,
            "repeats": choices["repeats"],
            "radius_mm": choices["radius_mm"],
            "fwhm_mm": own.pairs.record["fwhm_mm"],
            "height": float(np.mean([blob.weights.max() for blob in blobs])),
        }
        for measure, values in smallest.items():
            least = dict(zip(_SMALLEST, quantile(values, POWER), strict=True))
            for size in sizes:
                found = int(np.count_nonzero(values <= size))
                low, high = share_interval(found, len(values))
                row = {"analysis": name, "measure": measure, "delta_z": size}
                row |= {"power": found / len(values), "power_low": low, "power_high": high}
                rows.append(row | least | settings | {"because": ""})
    return pd.DataFrame(rows, columns=COLUMNS), notes


def _prepare(name: str, given: AnalysisChoices, pairs_dir: str | os.PathLike[str]) -> _Prepared:
    pairs = Pairs.read(pairs_dir)
    pairs.people = with_columns(pairs.people, given["people"])
    record = pairs.record
    options = AnalysisOptions.from_params({"tail": False} | given["options"])
    # The observed p, which need more of them, are not computed here.
    few = min(options.permutations, SENSITIVITY_PERMUTATIONS)
    options = replace(options, permutations=few)
    asked = question_of(name, record)
    because = ""
    if len(asked.groups) > 2:
        because = (
            "An effect among three and more groups has no one size; see the comparisons of two "
            "of them."
        )
    try:
        design = model_of(asked, pairs, options)
    except Inestimable as reason:
        because = f"This analysis cannot be estimated. {record.get('because') or reason}."
        return _Prepared(asked, pairs, options, None, because)
    return _Prepared(asked, pairs, options, design, because)


def _pairs_compared(own: _Prepared, others: Iterable[_Prepared]) -> int:
    """Count the comparisons of two of three and more groups that share the level with this one."""
    if len(own.asked.groups) != 2 or len(group_labels(own.pairs.record["groups"])) == 2:
        return 1
    return sum(
        len(other.asked.groups) == 2
        and other.asked.contrast == own.asked.contrast
        and other.design is not None
        for other in others
    )


def _smallest(
    own: _Prepared,
    choices: SensitivityChoices,
    level: float,
    scratch: str,
    threads: int,
    memory_gb: float,
) -> tuple[dict[str, FloatArray], list[Blob]]:
    """Find the smallest size that is found in each repeat, by measure, and where it was planted."""
    asked, pairs, options, design = own.asked, own.pairs, own.options, own.design
    assert design is not None  # else there is a reason
    statistic = statistic_of(asked, design, 1)
    arrangements = arrangements_of(asked, design, statistic, options)
    scoring: Scoring = SmallSample(statistic) if precise(statistic, arrangements) else statistic
    mask = np.asarray(pairs.mask.dataobj) != 0
    noises = [
        Noise(data, statistic, scoring, Path(scratch) / f"{number}.residuals")
        for number, data in enumerate(data_of(asked, design, pairs))
    ]
    repeats, record = choices["repeats"], pairs.record
    # Each analysis has numbers of its own, whichever others there are.
    rng = np.random.default_rng([options.seed, zlib.crc32(asked.name.encode())])
    nulls = [
        null_test(
            noises, signs, statistic, arrangements, mask, options, scratch, threads, memory_gb
        )
        for signs in flips(design, _NULLS, rng)
    ]
    limits = [critical_values(null, level) for null in nulls]
    critical = {m: float(np.mean([limit[m] for limit in limits])) for m in limits[0]}
    detector = Detector(critical, nulls[0].forming_threshold, mask, options.connectivity)
    del nulls
    signs = flips(design, repeats, rng)
    seeds = rng.integers(len(noises), size=repeats)
    centres = np.argwhere(mask)[rng.integers(np.count_nonzero(mask), size=repeats)]
    blobs = [
        blob_at(centre, mask, pairs.mask.affine, choices["radius_mm"], record["fwhm_mm"])
        for centre in centres
    ]
    smallest = {measure: np.empty(repeats) for measure in detector.critical}
    while noises:
        seed, noise = len(noises) - 1, noises.pop()
        mine = np.flatnonzero(seeds == seed)
        for first in range(0, len(mine), _TOGETHER):
            some = mine[first : first + _TOGETHER]
            for repeat, heights in zip(some, noise.heights(signs[some]), strict=True):
                found = smallest_sizes(
                    noise, detector, heights, signs[repeat], blobs[repeat], sorted(choices["sizes"])
                )
                for measure, size in found.items():
                    smallest[measure][repeat] = size
    return smallest, blobs


def null_test(
    noises: Sequence[Noise],
    signs: IntArray,
    statistic: Student,
    arrangements: Arrangements,
    mask: BoolArray,
    options: AnalysisOptions,
    scratch: str | os.PathLike[str],
    threads: int = 1,
    memory_gb: float = 2.0,
) -> Inference:
    """Do the test of an analysis in a null study of its residuals.

    Parameters
    ----------
    noises : sequence of Noise
        Of each map.
    signs : int8 ndarray, shape (n_people,)
        Those of the study.
    statistic : Student
    arrangements : Arrangements
    mask : bool ndarray, shape (i, j, k)
    options : AnalysisOptions
    scratch : path
        Folder for the files of the study.
    threads, memory_gb
        See `crossfc.group.inference.permutation.infer`.
    """
    return infer(
        [noise.drawn(signs, Path(scratch) / f"{k}.study") for k, noise in enumerate(noises)],
        statistic,
        arrangements,
        mask,
        cluster_forming_p=options.cluster_forming_p,
        connectivity=options.connectivity,
        tfce=options.tfce,
        tail=False,
        threads=threads,
        memory_gb=memory_gb,
        scratch_dir=scratch,
    )


def flips(design: Model, count: int, rng: np.random.Generator) -> IntArray:
    """Draw signs of null studies: one per person, or per block where whole blocks change sign.

    Returns
    -------
    int8 ndarray, shape (count, n_people)
    """
    unit: IntArray = np.arange(len(design.rows))
    if design.blocks is not None and design.block_exchange == WHOLE:
        unit = np.unique(design.blocks, return_inverse=True)[1].ravel()
    drawn = rng.integers(2, size=(count, int(unit.max()) + 1), dtype=np.int8)
    signs: IntArray = (1 - 2 * drawn[:, unit]).astype(np.int8)
    return signs


def blob_at(
    centre: IntArray, mask: BoolArray, affine: FloatArray, radius_mm: float, fwhm_mm: float
) -> Blob:
    """Plan an effect: a sphere inside the mask, smoothed as the maps are.

    Parameters
    ----------
    centre : int ndarray, shape (3,)
        Indices of a voxel of the mask.
    mask : bool ndarray, shape (i, j, k)
    affine : ndarray, shape (4, 4)
        Of the mask, mm.
    radius_mm : float
    fwhm_mm : float
        Full width at half maximum; the kernel ends at four standard deviations, and what lies
        outside the mask does not count (`crossfc.session.connectivity.smoothing`).

    Returns
    -------
    Blob
        Its weights are 1 throughout the sphere before smoothing.
    """
    voxel_mm = np.linalg.norm(affine[:3, :3], axis=0)
    # Twice the kernel: what it reaches, and what its own normalisation is made of.
    reach = np.ceil((radius_mm + 2 * _REACH * sigma_of(fwhm_mm)) / voxel_mm).astype(int) + 1
    low = np.maximum(centre - reach, 0)
    window = tuple(slice(a, b) for a, b in zip(low, centre + reach + 1, strict=True))
    inside = mask[window]
    steps = np.moveaxis(np.indices(inside.shape), 0, -1) + low - centre
    distance = np.linalg.norm(steps @ affine[:3, :3].T, axis=-1)
    sphere = (inside & (distance <= radius_mm + 1e-6)).astype(np.float32)
    # `smooth_in_mask` names its axes z, y, x, and takes the sizes of voxels as x, y, z.
    smooth = smooth_in_mask(sphere[None], inside, fwhm_mm, voxel_mm[::-1])[0]
    reached = inside & (smooth > 1e-4 * smooth.max())
    numbers = np.full(mask.shape, -1, dtype=np.int64)
    numbers[mask] = np.arange(np.count_nonzero(mask))
    return Blob(numbers[window][reached], smooth[reached].astype(float))


def share_interval(found: int, repeats: int) -> tuple[float, float]:
    """Return the exact 95 % interval of a share (Clopper and Pearson 1934)."""
    from scipy.special import betaincinv

    low = betaincinv(found, repeats - found + 1, 0.025) if found else 0.0
    high = betaincinv(found + 1, repeats - found, 0.975) if found < repeats else 1.0
    return float(low), float(high)


def quantile(values: FloatArray, share: float) -> tuple[float, float, float]:
    """Return a quantile with its distribution-free 95 % interval, all of them values of the sample.

    Parameters
    ----------
    values : ndarray, shape (n,)
        May be infinite.
    share : float
        The quantile is the smallest value that this share of the sample does not exceed.

    Returns
    -------
    quantile, low, high : float
        ``high`` is infinite if the sample is too small for an upper limit.
    """
    from scipy import stats

    ordered = np.append(np.sort(values), np.inf)
    n = len(values)
    rank = int(np.ceil(share * n - 1e-9))
    low = int(stats.binom.ppf(0.025, n, share))
    high = int(stats.binom.ppf(0.975, n, share)) + 1
    limit = 0.0 if low < 1 else float(ordered[low - 1])
    return float(ordered[rank - 1]), limit, float(ordered[min(high, n + 1) - 1])
