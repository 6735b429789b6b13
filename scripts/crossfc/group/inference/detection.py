"""At which size an effect that is planted into an analysis' own residuals is found by its test.

The residuals of everybody from the full model hold no effect, and keep the variance, the smoothness
and the ties between voxels of the study. Divided by √(1 - h), with h the person's leverage, each
has the variance of an error (the residual HC2 of MacKinnon and White 1985, J Econometrics 29:305).
Signs drawn anew for every person make another study of the same people of them (the wild bootstrap:
Wu 1986, Ann Stat 14:1261; Davidson and Flachaire 2008, J Econometrics 146:162). The effect is added
there, and the statistic of the analysis computed.

Its critical values are those of the analysis' test in such studies before anything is planted: the
largest values under its arrangements, mean over some studies. (Those that the analysis wrote would
not do: a strong effect in the data is arranged with them, and makes its clusters as large as
itself.) A planted effect adds to the arranged data too, but only in its own few voxels and to the
error there as well, so that the largest value over all voxels and maps hardly changes;
`tests/group/test_sensitivity.py` and docs/statistics.md hold this against all arrangements done
again for every planted effect. So a planted effect costs some maps of the statistic in place of
thousands.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from crossfc.array import BoolArray, FloatArray, IntArray, MapData, RealArray, SingleArray
from crossfc.group.design.arrangement import Arrangements
from crossfc.group.design.options import SIGN_FLIPS
from crossfc.group.inference.cluster import label, masses, neighbours
from crossfc.group.inference.given import Given
from crossfc.group.inference.permutation import Inference
from crossfc.group.inference.statistic import Scoring, Student, chunks, unit_length
from crossfc.group.inference.tfce import Enhancer
from crossfc.mapped import release

_BLOCK = 4096  # voxels scored at once
_FINE = 1.03  # sizes are told apart down to this ratio
# A leverage above this is that of a person who has a column of the model alone.
_ALONE = 1 - 1e-9


@dataclass(frozen=True)
class Blob:
    """Where an effect is planted.

    Attributes
    ----------
    voxels : int ndarray, shape (n,)
        Numbers of the voxels that it reaches.
    weights : float64 ndarray, shape (n,)
        The share of the effect's size in each.
    """

    voxels: IntArray
    weights: FloatArray

    @property
    def core(self) -> IntArray:
        """The voxels with half of its largest share or more: where it must be found."""
        core: IntArray = self.voxels[self.weights >= self.weights.max() / 2]
        return core


class Noise:
    """The residuals of one map, from which null studies of the same people are drawn.

    Parameters
    ----------
    data : array, shape (n_people, n_voxels) or (n_people, 2, n_voxels)
        The data of the map and, where there is one, its covariate by voxel.
    statistic : Student
        The statistic of the analysis, which has one effect.
    scoring : Student or SmallSample
        In which precision it is computed; see `crossfc.group.inference.small_sample`.
    file : path
        A file that is made for the residuals, so that they need no memory.

    Attributes
    ----------
    data : float32 memmap
        The residuals in the shape of the data; a covariate is as it was.
    """

    def __init__(
        self,
        data: MapData,
        statistic: Student,
        scoring: Scoring,
        file: str | os.PathLike[str],
    ) -> None:
        self._scoring, self._effect = scoring, statistic.effect
        self.data = np.memmap(file, dtype=np.float32, mode="w+", shape=data.shape)
        self._given = isinstance(statistic, Given)
        full = np.linalg.qr(np.column_stack([statistic.effect, statistic.nuisance]))[0]
        nuisance = np.linalg.qr(statistic.nuisance)[0]
        for part in chunks(data.shape):
            y = np.asarray(data[..., part], dtype=float)
            baseline = None
            if self._given:
                self.data[:, 1, part] = baseline = y[:, 1]
                y = y[:, 0]
            residual, leverage = _residual(y, full, baseline)
            scale = np.where(leverage < _ALONE, 1 / np.sqrt(np.maximum(1 - leverage, 1e-12)), 0)
            # Scaled residuals are no longer quite free of the nuisance, and the test makes them so.
            scaled = _residual(residual * scale, nuisance, baseline)[0]
            self.data[(slice(None), 0, part) if self._given else (slice(None), part)] = scaled
        release(self.data)

    def drawn(self, signs: IntArray, file: str | os.PathLike[str]) -> SingleArray:
        """Write the data of a null study, in the shape of `data`, to a file.

        Parameters
        ----------
        signs : int8 ndarray, shape (n_people,)
            +1 or -1 for each person.
        file : path
            An earlier one is replaced.

        Returns
        -------
        float32 memmap
        """
        study = np.memmap(file, dtype=np.float32, mode="w+", shape=self.data.shape)
        for part in chunks(self.data.shape):
            study[..., part] = self.data[..., part]
            changed = study[:, 0, part] if self._given else study[:, part]
            changed *= signs[:, None]
        release(study)
        return study

    @cached_property
    def _work(self) -> RealArray:
        """The residuals as the sweep of arrangements has them."""
        work = np.empty(self._scoring.work_shape(self.data.shape), dtype=self._scoring.work_type)
        work[..., self._scoring.fit(self.data, work).flat] = 0
        return work

    def heights(self, signs: IntArray) -> SingleArray:
        """Compute the maps of the statistic of null studies, as heights.

        Parameters
        ----------
        signs : int8 ndarray, shape (n_studies, n_people)
            +1 or -1 for each person.

        Returns
        -------
        float32 ndarray, shape (n_studies, n_voxels)
        """
        drawn = Arrangements(SIGN_FLIPS, None, signs, False, 2 ** signs.shape[1])
        batch = self._scoring.batch(drawn)
        scores = np.empty((len(signs), self._work.shape[-1]), dtype=np.float32)
        for first in range(0, scores.shape[1], _BLOCK):
            part = slice(first, min(first + _BLOCK, scores.shape[1]))
            block = np.empty((len(signs), part.stop - part.start), dtype=np.float32)
            batch(np.ascontiguousarray(self._work[..., part]), block)
            scores[:, part] = block
        return _heights(self._scoring, self._scoring.to_statistic(scores))

    def planted(self, signs: IntArray, blob: Blob, size: float) -> SingleArray:
        """Compute the statistic where an effect is planted, as heights.

        Parameters
        ----------
        signs : int8 ndarray, shape (n_people,)
        blob : Blob
        size : float
            Of the effect, per unit of its column, in units of the data.

        Returns
        -------
        float32 ndarray, shape (n_voxels of the blob,)
        """
        data = self.study(signs, blob, size, blob.voxels)
        work = np.empty(self._scoring.work_shape(data.shape), dtype=self._scoring.work_type)
        return _heights(self._scoring, self._scoring.fit(data, work).statistic)

    def study(
        self, signs: IntArray, blob: Blob, size: float, voxels: IntArray | None = None
    ) -> FloatArray:
        """Return the data of a study with a planted effect, in some voxels (default: all)."""
        weights = np.zeros(self.data.shape[-1])
        weights[blob.voxels] = blob.weights
        chosen = np.arange(len(weights)) if voxels is None else voxels
        data = self.data[..., chosen].astype(float)
        changed = data[:, 0] if self._given else data
        changed *= signs[:, None]
        changed += np.outer(self._effect, size * weights[chosen])
        return data


def _heights(scoring: Scoring, statistic: RealArray) -> SingleArray:
    heights: SingleArray = np.asarray(scoring.to_height(statistic), dtype=np.float32)
    return heights


def _residual(
    y: FloatArray, basis: FloatArray, baseline: FloatArray | None
) -> tuple[FloatArray, FloatArray]:
    """Return residuals given orthonormal columns and a covariate, and leverages, by person."""
    residual = y - basis @ (basis.T @ y)
    leverage = np.square(basis).sum(axis=1)[:, None]
    if baseline is not None:
        own = baseline - basis @ (basis.T @ baseline)
        length = np.sqrt(np.einsum("nv,nv->v", own, own))
        length[length <= 1e-9 * np.sqrt(np.einsum("nv,nv->v", baseline, baseline))] = 0
        unit = unit_length(own, length)
        residual = residual - unit * np.einsum("nv,nv->v", unit, residual)
        leverage = leverage + np.square(unit)
    return residual, leverage


class Detector:
    """Tells whether a planted effect is found, by each measure of an analysis.

    It is found where a voxel of its core has its sign and a corrected p below the level (voxel,
    TFCE), or lies in a cluster that has (extent, mass).

    Parameters
    ----------
    critical : mapping of str to float
        By measure, the value above which p is below the level; see `critical_values`.
    forming : float
        The cluster-forming statistic.
    mask : bool ndarray, shape (i, j, k)
    connectivity : int
    """

    def __init__(
        self, critical: Mapping[str, float], forming: float, mask: BoolArray, connectivity: int
    ) -> None:
        self.critical = dict(critical)
        self._before = neighbours(mask, connectivity)
        self._forming = np.float32(forming)
        self._enhancer = Enhancer(mask, connectivity) if "tfce" in self.critical else None

    def found(self, heights: SingleArray, blob: Blob) -> dict[str, bool]:
        """Tell by which measures a positive effect is found.

        Parameters
        ----------
        heights : float32 ndarray, shape (n_voxels,)
            The statistic, with the effect in it.
        blob : Blob
        """
        core = blob.core
        values = {"voxel": float(heights[core].max())}
        labels, sizes = label(heights, self._forming, self._before)
        own = np.unique(labels[core[heights[core] > 0]])
        own = own[own > 0] - 1
        values["extent"] = float(sizes[own].max(initial=0))
        values["mass"] = float(masses(labels, heights, len(sizes))[own].max(initial=0))
        if self._enhancer is not None:
            values["tfce"] = float(self._enhancer.map(heights)[core].max())
        return {measure: values[measure] > limit for measure, limit in self.critical.items()}


def critical_values(null: Inference, level: float) -> dict[str, float]:
    """Return, for each measure, the value above which p is below a level.

    Parameters
    ----------
    null : Inference
        The test of a study without an effect.
    level : float

    Returns
    -------
    dict of str to float
        Infinite where there are too few arrangements for such a p.
    """
    arrangements = null.arrangements
    # The identity and its mirror image, which a planted effect has values of its own for.
    own = np.flatnonzero(arrangements.mirrors() == 0)
    # The most others that may reach the value: (own + count) / n < level.
    count = int(np.ceil(level * len(arrangements) - len(own) - 1e-9)) - 1
    if null.copies / arrangements.possible >= level or count < 0:
        return dict.fromkeys(null.null, float("inf"))
    return {
        measure: float(np.sort(np.delete(values, own))[::-1][count])
        for measure, values in null.null.items()
    }


def smallest_sizes(
    noise: Noise,
    detector: Detector,
    heights: SingleArray,
    signs: IntArray,
    blob: Blob,
    sizes: Sequence[float],
) -> dict[str, float]:
    """Find the smallest size at which an effect planted into one null study is found.

    The effect adds to its estimate and not to the error, so what is found at one size is found at
    every larger one, and the sizes are searched by halves: first those given, then between two of
    them, down to a ratio of 1.03.

    Parameters
    ----------
    noise : Noise
    detector : Detector
    heights : float32 ndarray, shape (n_voxels,)
        The statistic of the null study.
    signs : int8 ndarray, shape (n_people,)
        Those of the null study.
    blob : Blob
    sizes : sequence of float
        In ascending order.

    Returns
    -------
    dict of str to float
        Size by measure, the middle of the last two tried; infinite if it is not found at the
        largest. It does not exceed one of ``sizes`` exactly if the effect was found there.
    """
    told: dict[float, dict[str, bool]] = {}

    def found(size: float, measure: str) -> bool:
        if size not in told:
            changed = heights.copy()
            changed[blob.voxels] = noise.planted(signs, blob, size)
            told[size] = detector.found(changed, blob)
        return told[size][measure]

    smallest = {}
    for measure, limit in detector.critical.items():
        low, high = -1, len(sizes)  # found at high, not at low
        if np.isinf(limit):
            low = high - 1
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if found(sizes[middle], measure) else (middle, high)
        if high == len(sizes):
            smallest[measure] = float("inf")
            continue
        below, above = (sizes[low] if low >= 0 else 0.0), sizes[high]
        while above > _FINE * below and above > sizes[0] / 16:
            middle_size = (below + above) / 2
            if found(middle_size, measure):
                above = middle_size
            else:
                below = middle_size
        smallest[measure] = (below + above) / 2
    return smallest
