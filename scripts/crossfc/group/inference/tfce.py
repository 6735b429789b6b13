"""Threshold-free cluster enhancement, exactly: every height in a map is a threshold.

Smith and Nichols (2009, NeuroImage 44:83) give each voxel the integral, over all thresholds h up
to its own height, of e(h)^E h^H, with e(h) the extent of the cluster that holds it at h. Most
programs approximate the integral with about a hundred thresholds. But extents change only at the
heights of voxels, so the integral is a finite sum over the intervals between these heights,

    sum of e^E (upper^(H + 1) - lower^(H + 1)) / (H + 1),

and one sweep over the voxels from the highest to the lowest finds all extents: a voxel starts a
cluster, joins one, or merges several (union-find). The order of voxels of equal height does not
matter, as the interval between them has width zero. eTFCE (Chen et al. 2026, arXiv:2603.03004) and
the package `tfce` (Gaser) compute the integral exactly, too; the maps of `tfce` agree with these
to 4e-8 of their largest value (benchmarks/enhancement.py).

Permutations need only the largest value of each map. From any height downwards, all voxels of a
cluster gain the same, so it is enough to keep the largest gain of each cluster. For the observed
map, the values of all voxels are found by running the sweep backwards.
"""

import numpy as np

from crossfc.array import BoolArray, FloatArray, IntArray, RealArray
from crossfc.fault import Fault
from crossfc.group.inference.cluster import steps
from crossfc.group.inference.merging import (
    BLOCK,
    DIGITS,
    STEPS,
    Geometry,
    Workspace,
    all_gains,
    bits_of,
    largest_gains,
    number_of,
)


class Enhancer:
    """Threshold-free cluster enhancement of maps of one search volume.

    Parameters
    ----------
    mask : bool ndarray, shape (i, j, k)
        The search volume; its C order is the order of the voxels.
    connectivity : int
        Neighbours of a voxel that can join its cluster: 6, 18 or 26.
    E, H : float
        Powers of extent and height, zero or more; the defaults are those of Smith and Nichols.
    two_sided : bool
        Also enhance voxels below zero, separately from those above.

    Raises
    ------
    Fault
        If the mask is empty, the connectivity is another number or a power is below zero.
    """

    def __init__(
        self,
        mask: BoolArray,
        connectivity: int,
        E: float = 0.5,
        H: float = 2.0,
        two_sided: bool = True,
    ) -> None:
        neighbours = bits_of(steps(connectivity))
        if not (E >= 0 and H >= 0):
            raise Fault(f"the powers of TFCE are E = {E} and H = {H}; use zero or more")
        places = np.argwhere(mask)
        if len(places) == 0:
            raise Fault("the search volume for TFCE is empty; look at the coverage of the maps")
        places -= places.min(axis=0)
        n_i, n_j, n_k = places.max(axis=0) + 1
        # One empty line (or layer) is the margin of both its neighbours.
        words = (n_k + 32) // 32
        strides = np.array([(n_j + 1) * words * 32, words * 32, 1])
        step = np.zeros(32, dtype=np.int64)
        for bit, along in enumerate(STEPS):
            step[number_of(1 << bit)] = strides @ along
        self._geometry = Geometry(
            position=((places + [1, 1, 0]) @ strides).astype(np.uint32),
            step=step,
            line=np.array([strides @ along // 32 for along in STEPS[1::3]]),
            n_words=((n_i + 2) * (n_j + 1) + 1) * words,
            neighbours=neighbours,
            connectivity=connectivity,
        )
        self._weight = np.arange(len(places) + 1, dtype=float) ** E
        self._power = float(H + 1)
        self._two_sided = bool(two_sided)

    def workspace(self) -> Workspace:
        """Allocate the memory for the sweeps of one thread."""
        n_voxels, n_words = len(self._geometry.position), self._geometry.n_words

        def whole(size: int) -> IntArray:
            return np.empty(size, dtype=np.int64)

        def half(size: int) -> IntArray:
            return np.empty(size, dtype=np.uint32)

        return Workspace(
            ordered=whole(n_voxels),
            spare=whole(n_voxels),
            digits=half(3 * DIGITS).reshape(3, DIGITS),
            active=whole(n_words),
            cluster=half(32 * n_words),
            parent=half(n_voxels + 1),
            extent=half(n_voxels + 1),
            reached=np.empty(n_voxels + 1),
            gain=np.empty(n_voxels + 1),
            absorbed=half(n_voxels),
            absorbed_by=half(n_voxels),
            absorbed_at=half(n_voxels),
            around=half(BLOCK),
            first=half(BLOCK),
            second=half(BLOCK),
            others=half(BLOCK),
            height=np.empty(BLOCK),
        )

    def largest(self, heights: RealArray, workspace: Workspace, out: FloatArray) -> None:
        """Find the largest enhanced value of each of several maps.

        Several threads may run at the same time, each with a workspace of its own.

        Parameters
        ----------
        heights : float32 ndarray, shape (n_maps, n_voxels)
            Heights of the statistic, finite.
        workspace : Workspace
        out : float64 ndarray, shape (n_maps,)
            Output: the largest value of each map, in absolute value if two-sided.
        """
        bits = self._heights_as_bits(heights, 2)
        largest_gains(
            bits, self._geometry, self._weight, self._power, self._two_sided, workspace, out
        )

    def map(self, heights: RealArray) -> FloatArray:
        """Enhance a map.

        Parameters
        ----------
        heights : float32 ndarray, shape (n_voxels,)
            Heights of the statistic, finite.

        Returns
        -------
        float64 ndarray, shape (n_voxels,)
            Enhanced values with the sign of the statistic; if one-sided, 0 for negative heights.
        """
        bits, work = self._heights_as_bits(heights, 1), self.workspace()
        enhanced = np.zeros(work.cluster.size)
        all_gains(bits, self._geometry, self._weight, self._power, self._two_sided, work, enhanced)
        voxels: FloatArray = enhanced[self._geometry.position]
        return voxels

    def _heights_as_bits(self, heights: RealArray, n_dimensions: int) -> IntArray:
        n_voxels = len(self._geometry.position)
        if heights.ndim != n_dimensions or heights.shape[-1] != n_voxels:
            raise Fault(
                f"a map to enhance has shape {heights.shape}, but the mask has {n_voxels} voxels"
            )
        return np.ascontiguousarray(heights, dtype=np.float32).view(np.uint32)
