"""The sweep of all arrangements over all voxels: counts of exceedances and null maxima."""

import mmap
import multiprocessing
import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.queues import SimpleQueue
from typing import TypedDict

import numpy as np

from crossfc.array import FloatArray, IntArray, RealArray, SingleArray
from crossfc.compiled import compiled
from crossfc.fault import Fault
from crossfc.group.design.arrangement import Arrangements
from crossfc.group.inference.cluster import largest
from crossfc.group.inference.statistic import Scoring
from crossfc.group.inference.tfce import Enhancer
from crossfc.mapped import release

MEASURES = ("voxel", "extent", "mass", "tfce")
_BATCH = 128  # arrangements processed at once
_BLOCK = 512  # voxels processed at once: tables, products and scores then fit into a core's cache
_SCAN = 64  # voxels that are skipped together if none is beyond the threshold


class Sweep:
    """Runs arrangements over the residuals of one or several maps.

    Parameters
    ----------
    statistic : Student or SmallSample
    works : list of float32 ndarray
        Scaled residuals of each map, last axis voxels.
    margins : list of float32 ndarray, shape (n_voxels,)
        The score that an arrangement must reach in a voxel to be counted.
    before : int32 ndarray
        Table from `crossfc.group.inference.cluster.neighbours`.
    threshold : float32
        The cluster-forming threshold, as a score.
    two_sided : bool
    enhancer : Enhancer or None
        Computes TFCE, if wanted.
    """

    def __init__(
        self,
        statistic: Scoring,
        works: list[RealArray],
        margins: list[SingleArray],
        before: IntArray,
        threshold: np.float32,
        two_sided: bool,
        enhancer: Enhancer | None,
    ) -> None:
        self._statistic, self._works, self._margins = statistic, works, margins
        self._before, self._threshold, self._two_sided = before, threshold, two_sided
        self._enhancer = enhancer
        self._measures = MEASURES if enhancer is not None else MEASURES[:-1]

    def run(
        self,
        arrangements: Arrangements,
        processes: int = 1,
        progress: Callable[[int, int], None] | None = None,
    ) -> tuple[IntArray, dict[str, FloatArray]]:
        """Run all arrangements except the first, the identity.

        Each arrangement is computed by one process from start to end, and processes add up whole
        numbers only. So results do not depend on the number of processes.

        Parameters
        ----------
        arrangements : Arrangements
        processes : int
            Number of processes; two or more are copies of this process that share its data.
        progress : callable, optional
            Called with (done, total).

        Returns
        -------
        exceed : int ndarray, shape (n_maps, n_voxels)
            Number of arrangements, identity included, that reach each voxel's margin.
        maxima : dict of str to float64 ndarray, shape (n_maps, n_arrangements - 1)
            Largest score, extent, mass and (if wanted) TFCE under each arrangement.

        Raises
        ------
        Fault
            If one of the processes is killed.
        """
        total = len(arrangements)
        rows = [slice(first, min(first + _BATCH, total)) for first in range(1, total, _BATCH)]
        processes = max(1, min(processes, len(rows)))
        shape = (processes, len(self._works), len(self._before))
        # Anonymous shared memory, filled with zeros, in which the copies of this process count.
        counts = np.frombuffer(mmap.mmap(-1, 4 * int(np.prod(shape))), dtype=np.int32)
        counts = counts.reshape(shape)
        maxima = {measure: np.empty((shape[1], total - 1)) for measure in self._measures}
        batches = self._alone if processes == 1 else self._side_by_side
        done = 1
        for part, found in batches(arrangements, rows, counts):
            for measure, values in found.items():
                maxima[measure][:, part.start - 1 : part.stop - 1] = values
            done += part.stop - part.start
            if progress is not None:
                progress(done, total)
        return 1 + counts.sum(axis=0), maxima

    def _alone(
        self, arrangements: Arrangements, rows: list[slice], counts: IntArray
    ) -> Iterator[tuple[slice, dict[str, FloatArray]]]:
        space = _Workspace(counts[0], self._enhancer)
        for part in rows:
            yield part, self.batch(arrangements.part(part), space)

    def _side_by_side(
        self, arrangements: Arrangements, rows: list[slice], counts: IntArray
    ) -> Iterator[tuple[slice, dict[str, FloatArray]]]:
        # Processes, not threads: a batch is thousands of calls of a few microseconds, and threads
        # would wait for each other.
        # ASSUME: a system that can copy a process (fork), as Linux and macOS can.
        context = multiprocessing.get_context("fork")
        numbers = context.SimpleQueue()
        for number in range(len(counts)):
            numbers.put(number)
        given = (self, arrangements, counts, numbers, os.getpid())
        with ProcessPoolExecutor(len(counts), context, _begin, given) as pool:
            jobs = {pool.submit(_do, part): part for part in rows}
            try:
                for job in as_completed(jobs):
                    yield jobs[job], job.result()
            except BrokenProcessPool:
                raise Fault(
                    f"one of the {len(counts)} processes that do permutations was killed, as for "
                    "want of memory; give the job more memory or fewer threads (group.threads)"
                ) from None
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise

    def batch(self, arrangements: Arrangements, space: "_Workspace") -> dict[str, FloatArray]:
        """Run a batch of arrangements; return their maxima, shape (n_maps, n_arrangements) each."""
        statistic, n = self._statistic, len(arrangements)
        batch = statistic.batch(arrangements)
        found = {measure: np.empty((len(self._works), n)) for measure in self._measures}
        for number, (work, margin) in enumerate(zip(self._works, self._margins, strict=True)):
            space.maximum[:] = -np.inf
            space.count[:] = 0
            for first in range(0, work.shape[-1], _BLOCK):
                part = slice(first, min(first + _BLOCK, work.shape[-1]))
                scores = space.scores[: n * (part.stop - first)].reshape(n, -1)
                batch(np.ascontiguousarray(work[..., part]), scores)
                _tally(
                    scores, margin[part], self._threshold, self._two_sided, first,
                    space.exceed[number, part], space.maximum,
                    space.listed, space.beyond, space.count,
                )  # fmt: skip
                if self._enhancer is not None:
                    height = statistic.to_height(statistic.to_statistic(scores))
                    space.heights[:n, part] = height
            release(work)
            found["voxel"][number] = space.maximum[:n]
            found["extent"][number], found["mass"][number] = self._clusters(space, n)
            if self._enhancer is not None:
                self._enhancer.largest(space.heights[:n], space.enhancer, found["tfce"][number])
        return found

    def _clusters(self, space: "_Workspace", n: int) -> tuple[IntArray, FloatArray]:
        """Return the largest extent and mass of each arrangement, from the listed voxels."""
        starts = np.concatenate([[0], np.cumsum(space.count[:n])])
        listed = np.concatenate([space.listed[row, : space.count[row]] for row in range(n)])
        scores = np.concatenate([space.beyond[row, : space.count[row]] for row in range(n)])
        heights = self._statistic.to_height(self._statistic.to_statistic(scores))
        largest(
            starts, listed, heights, self._before, space.parent, space.extent, space.mass,
            space.found_extent, space.found_mass,
        )  # fmt: skip
        return space.found_extent[:n], space.found_mass[:n]


class _Copy(TypedDict, total=False):
    sweep: Sweep
    arrangements: Arrangements
    space: "_Workspace"


# The data of a copy of the process; set once, when the copy starts.
_own: _Copy = {}


def _begin(
    sweep: Sweep,
    arrangements: Arrangements,
    counts: IntArray,
    numbers: "SimpleQueue[int]",
    parent: int,
) -> None:
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    _own["space"] = _Workspace(counts[numbers.get()], sweep._enhancer)
    _own["sweep"], _own["arrangements"] = sweep, arrangements


def _end_with(parent: int) -> None:
    """End this process when its parent is gone, even if the parent was killed without notice."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


def _do(part: slice) -> dict[str, FloatArray]:
    return _own["sweep"].batch(_own["arrangements"].part(part), _own["space"])


class _Workspace:
    """The memory of one process, reused for every batch.

    Parameters
    ----------
    exceed : int32 ndarray, shape (n_maps, n_voxels)
        Array in which the process counts exceedances.
    enhancer : Enhancer or None
    """

    def __init__(self, exceed: IntArray, enhancer: Enhancer | None) -> None:
        n_voxels = exceed.shape[1]
        self.exceed = exceed
        self.scores = np.empty(_BATCH * _BLOCK, dtype=np.float32)
        self.maximum = np.empty(_BATCH, dtype=np.float32)
        self.count = np.empty(_BATCH, dtype=np.int64)
        # Only the part that is filled with listed voxels takes up memory.
        self.listed = np.empty((_BATCH, n_voxels), dtype=np.int32)
        self.beyond = np.empty((_BATCH, n_voxels), dtype=np.float32)
        self.parent = np.full(n_voxels, -1, dtype=np.int32)
        self.extent = np.empty(n_voxels, dtype=np.int32)
        self.mass = np.empty(n_voxels, dtype=np.float64)
        self.found_extent = np.empty(_BATCH, dtype=np.int32)
        self.found_mass = np.empty(_BATCH, dtype=np.float64)
        if enhancer is not None:
            self.heights = np.empty((_BATCH, n_voxels), dtype=np.float32)
            self.enhancer = enhancer.workspace()


@compiled
def _tally(
    scores: np.ndarray,
    margin: np.ndarray,
    threshold: np.float32,
    two_sided: bool,
    first: int,
    exceed: np.ndarray,
    maximum: np.ndarray,
    listed: np.ndarray,
    beyond: np.ndarray,
    count: np.ndarray,
) -> None:
    """Compare a block of voxels with the observed scores, and list those beyond the threshold."""
    # Absolute values of floats have the same order as their bits read as integers, and the maximum
    # of integers can be computed by vector instructions.
    bits = scores.view(np.int32)
    most = np.zeros(1, dtype=np.int32)
    for row in range(scores.shape[0]):
        score, bit = scores[row], bits[row]
        if two_sided:
            largest_bits = np.int32(0)
            for voxel in range(score.size):
                exceed[voxel] += abs(score[voxel]) >= margin[voxel]
                largest_bits = max(largest_bits, bit[voxel] & np.int32(0x7FFFFFFF))
            most[0] = largest_bits
            best = most.view(np.float32)[0]
        else:
            best = score[0]
            for voxel in range(score.size):
                exceed[voxel] += score[voxel] >= margin[voxel]
            for voxel in range(score.size):
                best = max(best, score[voxel])
        maximum[row] = max(maximum[row], best)
        if best > threshold:
            place = count[row]
            for start in range(0, score.size, _SCAN):
                stop = min(start + _SCAN, score.size)
                here = np.int32(0)
                for voxel in range(start, stop):
                    here = max(here, bit[voxel] & np.int32(0x7FFFFFFF))
                most[0] = here
                if most.view(np.float32)[0] <= threshold:
                    continue
                for voxel in range(start, stop):
                    if score[voxel] > threshold or (two_sided and score[voxel] < -threshold):
                        listed[row, place] = first + voxel
                        beyond[row, place] = score[voxel]
                        place += 1
            count[row] = place
