"""The signal of a twin: its sources, their weight at each place in the brain, their time courses.

The same model is used for sessions in the form of fMRIPrep's derivatives and for raw ones. Every
time course is a sum of sinusoids with known coefficients, so it can be sampled at any moment: at
the time of a volume, or of each slice.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce
from typing import Literal

import numpy as np

from crossfc.array import FloatArray, RealArray, SingleArray
from crossfc.fault import Fault
from crossfc.trial.regions import RegionRow, SphereRow
from crossfc.twin.design import SessionTruth, stream

# ASSUME: approximate centres (MNI mm) of large-scale networks, which give seed maps a realistic
# background; no result is compared with them.
NETWORKS: dict[str, tuple[tuple[int, int, int], ...]] = {
    "default": ((0, -54, 28), (0, 54, 22), (-46, -66, 32), (48, -64, 32), (-60, -18, -16),
                (60, -18, -16)),
    "salience": ((0, 18, 40), (-36, 16, 2), (36, 16, 2), (-28, 44, 30), (28, 44, 30)),
    "frontoparietal": ((-44, 26, 30), (44, 26, 30), (-38, -56, 46), (40, -56, 46)),
    "visual": ((-10, -90, 0), (10, -90, 0), (-28, -80, 14), (28, -80, 14)),
    "somatomotor": ((-38, -24, 58), (38, -24, 58), (0, -18, 62), (-56, -8, 30), (56, -8, 30)),
    "limbic": ((-24, -6, -20), (24, -6, -20), (0, 24, -16), (-36, 8, -34), (36, 8, -34)),
}  # fmt: skip
_NETWORK_SD = 13.0  # mm
_REGION_MARGIN = 4.0  # mm beyond its sphere at which a region's signal falls off
_ON_NETWORK = 0.5  # correlation of a region with the network it lies in

# Intensity of each tissue in a T2*-weighted image, relative to fluid.
CONTRAST = {"gm": 0.82, "wm": 0.68, "csf": 1.0}

# Amplitudes of the sources in per cent of the local intensity.
_NEURAL, _GLOBAL, _DRIFT, _FLUID, _WHITE = 1.2, 0.35, 0.6, 1.0, 0.5
_SOURCES = {"global": 1, "fluid": 4, "white": 4, "drift": 2}  # numbers of nuisance sources


def dropout(xyz: np.ndarray) -> np.ndarray:
    """Return the share of the signal (n,) that remains near the air-filled sinuses.

    ``xyz`` holds places in template space, (n, 3), mm.
    """
    # ASSUME: one patch below the orbitofrontal cortex; real scans also lose signal above the ears.
    squared = ((xyz - np.array([0, 38, -30], xyz.dtype)) ** 2).sum(axis=1)
    share: RealArray = 1 - 0.55 * np.exp(-squared / (2 * 9.0**2))
    return share


@dataclass(frozen=True)
class Courses:
    """Time courses as sums of sinusoids.

    Attributes
    ----------
    frequencies : ndarray, shape (n_frequencies,)
        Hz.
    cosines, sines : ndarray, shape (n_frequencies, n_courses)
        Amplitudes.
    offset : ndarray, shape (n_courses,)
        Subtracted from the sum.
    """

    frequencies: np.ndarray
    cosines: np.ndarray
    sines: np.ndarray
    offset: np.ndarray

    def at(self, times: np.ndarray) -> np.ndarray:
        """Return the values at times (n_times,), s, shape (n_times, n_courses)."""
        phase = 2 * np.pi * np.asarray(times, float)[:, None] * self.frequencies
        values: FloatArray = np.cos(phase) @ self.cosines + np.sin(phase) @ self.sines - self.offset
        return values


def draw_courses(
    random: np.random.Generator,
    correlation: np.ndarray,
    times: np.ndarray,
    band: tuple[float, float],
) -> Courses:
    """Draw time courses with a given correlation and an amplitude that falls as f^-1/2.

    Parameters
    ----------
    random : numpy.random.Generator
    correlation : ndarray, shape (n, n)
    times : ndarray, shape (n_times,)
        Times (s) at which the samples have mean 0 and variance 1. Their correlation is exactly
        ``correlation`` if the band has at least twice as many degrees of freedom as there are
        courses; otherwise it is so in expectation.
    band : (float, float)
        Lowest and highest frequency, Hz.

    Returns
    -------
    Courses
    """
    count = len(correlation)
    duration = times[-1] - times[0]
    frequencies = np.arange(band[0], band[1], 1 / (1.6 * duration))
    amplitude = frequencies[:, None] ** -0.5
    cosines, sines = amplitude * random.normal(size=(2, len(frequencies), count))
    courses = Courses(frequencies, cosines, sines, np.zeros(count))
    sampled = courses.at(times)
    offset = sampled.mean(axis=0)
    sampled -= offset
    if 2 * (band[1] - band[0]) * duration >= 2 * count:
        unmix = np.linalg.inv(np.linalg.cholesky(sampled.T @ sampled / len(times))).T
    else:
        unmix = np.diag(1 / sampled.std(axis=0))
    mix = unmix @ np.linalg.cholesky(correlation).T
    return Courses(frequencies, cosines @ mix, sines @ mix, offset @ mix)


def complete_correlation(fixed: dict[tuple[int, int], float], wanted: np.ndarray) -> np.ndarray:
    """Return a positive definite correlation matrix in which the fixed entries are exact.

    The other entries start from ``wanted``. As far as the matrix would not be positive definite,
    they are shifted towards the product of the fixed entries along the path between the two
    regions. If the fixed entries have no cycle, that product is the completion of greatest
    determinant (Grone et al. 1984, Linear Algebra Appl 58:109), so a solution always exists.

    Parameters
    ----------
    fixed : dict
        (row, column) to correlation.
    wanted : ndarray, shape (n, n)
        Correlations to approximate.

    Returns
    -------
    ndarray, shape (n, n)

    Raises
    ------
    Fault
        If the fixed entries contradict each other, which is only possible if they form a cycle.
    """
    count = len(wanted)
    neighbours: list[list[tuple[int, float]]] = [[] for _ in range(count)]
    for (i, j), value in fixed.items():
        neighbours[i].append((j, value))
        neighbours[j].append((i, value))
    safe = np.zeros((count, count))
    for start in range(count):
        safe[start, start] = 1.0
        seen, queue = {start}, deque([start])
        while queue:
            here = queue.popleft()
            for there, value in neighbours[here]:
                if there not in seen:
                    seen.add(there)
                    safe[start, there] = safe[start, here] * value
                    queue.append(there)
    for share in np.linspace(0, 1, 21):
        matrix: FloatArray = (1 - share) * wanted + share * safe
        np.fill_diagonal(matrix, 1.0)
        for (i, j), value in fixed.items():
            matrix[i, j] = matrix[j, i] = value
        if np.linalg.eigvalsh(matrix)[0] > 0.02:
            return matrix
    if np.linalg.eigvalsh(matrix)[0] > 1e-6:
        return matrix
    raise Fault(
        "config key twin: the planted correlations contradict each other; plant fewer in a ring"
    )


class SignalModel:
    """The signal sources of one run: regions, networks and nuisance.

    Parameters
    ----------
    truth : SessionTruth
        One session of `crossfc.twin.truth.plant`.
    seeds, targets : iterable of RegionRow
        All of them spheres. A name in both sheets is the same region.
    key : tuple
        Random seed, person, session and run, on which the random numbers depend.
    times : ndarray, shape (n_volumes,)
        Time of the middle of each volume, s.
    """

    def __init__(
        self,
        truth: SessionTruth,
        seeds: Iterable[RegionRow],
        targets: Iterable[RegionRow],
        key: tuple[int, str, str, str],
        times: np.ndarray,
    ) -> None:
        self.regions = _regions(seeds, targets)
        self._names = [*self.regions, *NETWORKS]
        planted = {}
        for edge, value in truth["correlation"].items():
            i, j = (self._names.index(name) for name in edge.split("-"))
            planted[i, j] = value
        self.correlation = complete_correlation(planted, self._background())
        neural = stream(*key, "neural")
        self._neural = draw_courses(neural, self.correlation, times, (0.01, 0.1))
        nuisance = stream(*key, "nuisance")
        self._global = draw_courses(nuisance, np.eye(_SOURCES["global"]), times, (0.01, 0.06))
        self._fluid = draw_courses(
            nuisance, np.eye(_SOURCES["fluid"] + _SOURCES["white"]), times, (0.01, 0.19)
        )
        self._drift = draw_courses(nuisance, np.eye(_SOURCES["drift"]), times, (0.0008, 0.005))
        # Nuisance varies over the brain, as slow waves in random directions.
        count = sum(_SOURCES.values())
        self._waves = nuisance.normal(scale=2 * np.pi / 150, size=(count, 3))
        self._phases = nuisance.uniform(0, 2 * np.pi, size=count)

    def courses(self, times: np.ndarray) -> np.ndarray:
        """Return all sources at times (n_times,), s, shape (n_times, n_sources).

        Each has a variance of about 1.
        """
        parts = (self._neural, self._global, self._fluid, self._drift)
        return np.concatenate([part.at(times) for part in parts], axis=1)

    def loadings(
        self, xyz: np.ndarray, gm: np.ndarray, wm: np.ndarray, csf: np.ndarray
    ) -> np.ndarray:
        """Return the amplitude of each source at each place.

        Parameters
        ----------
        xyz : ndarray, shape (n_voxels, 3)
            Template space, mm.
        gm, wm, csf : ndarray, shape (n_voxels,)
            Tissue fractions.

        Returns
        -------
        ndarray of float32, shape (n_sources, n_voxels)
            Per cent of the local intensity.
        """
        neural = self._weights(xyz) * (_NEURAL * (0.1 + 0.9 * gm))
        waves = np.cos(self._waves.astype(np.float32) @ xyz.T + self._phases[:, None])
        field = 0.5 + 0.5 * waves
        field[: _SOURCES["global"]] = 1
        heard = {
            "global": np.full_like(gm, _GLOBAL),
            "fluid": _FLUID * (csf + 0.12),
            "white": _WHITE * (wm + 0.15),
            "drift": np.full_like(gm, _DRIFT),
        }
        amplitude = np.stack([heard[kind] for kind, n in _SOURCES.items() for _ in range(n)])
        loadings: SingleArray = np.concatenate([neural, field * amplitude]).astype(np.float32)
        return loadings

    def _weights(self, xyz: np.ndarray) -> np.ndarray:
        weights: SingleArray = np.zeros((len(self._names), len(xyz)), np.float32)
        for i, (centres, radius_mm) in enumerate(self.regions.values()):
            # Flat over the sphere with a steep fall outside, so that the mean over the sphere is
            # the source.
            reach = (_squared_distance(xyz, centres) / (radius_mm + _REGION_MARGIN) ** 2) ** 2
            weights[i] = np.exp(-reach)
        total = weights.sum(axis=0)
        weights /= np.maximum(total, 1)
        free = 1 - np.minimum(total, 1)
        for i, places in enumerate(NETWORKS.values(), len(self.regions)):
            squared = _squared_distance(xyz, np.array(places, float))
            weights[i] = free * np.exp(-squared / (2 * _NETWORK_SD**2))
        return weights

    def _background(self) -> np.ndarray:
        """Return the correlations that are not planted, (n, n).

        They follow from the networks in which regions lie.
        """
        on = np.zeros((len(self._names), len(NETWORKS)))
        for i, (centres, _) in enumerate(self.regions.values()):
            for k, places in enumerate(NETWORKS.values()):
                squared = _squared_distance(centres, np.array(places, float)).min()
                on[i, k] = _ON_NETWORK * np.exp(-squared / (2 * _NETWORK_SD**2))
        on[len(self.regions) :] = np.eye(len(NETWORKS))
        between = 0.9 * np.eye(len(NETWORKS)) + 0.1
        wanted = on @ between @ on.T
        wanted[: len(self.regions), : len(self.regions)] += 0.08
        np.fill_diagonal(wanted, 1.0)
        return wanted


def _squared_distance(xyz: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """Return the squared distance (mm²) to the nearest of several centres, shape (n_voxels,)."""
    xyz = np.asarray(xyz)
    each = (((xyz - centre) ** 2).sum(axis=1) for centre in centres.astype(xyz.dtype))
    nearest: RealArray = reduce(np.minimum, each)
    return nearest


def _regions(
    seeds: Iterable[RegionRow], targets: Iterable[RegionRow]
) -> dict[str, tuple[np.ndarray, float]]:
    rows: dict[str, list[SphereRow]] = {}
    tables: list[tuple[Literal["seed", "target"], Iterable[RegionRow]]] = [
        ("seed", seeds),
        ("target", targets),
    ]
    for column, table in tables:
        here: dict[str, list[SphereRow]] = {}
        for row in table:
            if row["kind"] != "sphere":
                raise Fault(
                    f"config key twin: {column} {row[column]} is a {row['kind']}; the twin plants "
                    "its signal in spheres, so give it a set of spheres"
                )
            here.setdefault(row[column], []).append(row)
        rows = here | rows  # a target with the name of a seed is the same region
    return {
        name: (
            np.array([[float(row["x"]), float(row["y"]), float(row["z"])] for row in parts]),
            max(float(row["radius_mm"]) for row in parts),
        )
        for name, parts in rows.items()
    }
