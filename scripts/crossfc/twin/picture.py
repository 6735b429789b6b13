"""The image of a head as the scanner sees it, and its change in time, at any place."""

import numpy as np
from scipy import ndimage, sparse

from crossfc.array import RealArray, SingleArray
from crossfc.twin.anatomy import world
from crossfc.twin.head import T2STAR_CONTRAST, Head, around_at, brain_at
from crossfc.twin.signal import CONTRAST, SignalModel, dropout
from crossfc.twin.susceptibility import Readout, off_resonance, remaining

_FINE, _COARSE = 2.0, 4.0  # mm, grids of the head's picture and of the sources' loadings
_REACH = 14.0  # mm of margin around the field of view, for what motion may bring into it


def apply(matrix: np.ndarray, xyz: np.ndarray) -> np.ndarray:
    """Map places by an affine matrix.

    Parameters
    ----------
    matrix : ndarray, shape (4, 4)
    xyz : ndarray, shape (n, 3)
        mm.

    Returns
    -------
    ndarray, shape (n, 3)
        mm.
    """
    moved: RealArray = xyz @ matrix[:3, :3].T + matrix[:3, 3]
    return moved


def cover(
    affine: np.ndarray, shape: tuple[int, int, int], step: float
) -> tuple[np.ndarray, tuple[int, int, int]]:
    """Return a grid along the same axes that covers the field of view and a margin.

    Parameters
    ----------
    affine : ndarray, shape (4, 4)
        Voxel indices of the field of view to mm.
    shape : (int, int, int)
        Shape of the field of view.
    step : float
        Voxel size of the new grid, mm.

    Returns
    -------
    affine : ndarray, shape (4, 4)
        Of the new grid.
    shape : (int, int, int)
    """
    sizes = np.linalg.norm(affine[:3, :3], axis=0)
    extent = sizes * (np.array(shape) - 1) + 2 * _REACH
    x, y, z = (int(n) for n in np.ceil(extent / step) + 1)
    grid = np.eye(4)
    grid[:3, :3] = affine[:3, :3] / sizes * step
    grid[:3, 3] = affine[:3, 3] - affine[:3, :3] / sizes @ np.full(3, _REACH)
    return grid, (x, y, z)


class Picture:
    """The head at its reference position: its brightness, and how it changes in time.

    Parameters
    ----------
    head : Head
    to_t1w : ndarray, shape (4, 4)
        Scanner (mm) to T1w (mm).
    model : SignalModel, optional
        Without it nothing changes in time.
    affine : ndarray, shape (4, 4)
        Voxel indices of the scan to scanner mm.
    shape : (int, int, int)
        Shape of the scan.
    readout : Readout, optional
        If given, signal is lost where the field of the head's air makes it dephase, and
        `off_resonance` tells that field. Otherwise there is the one patch of `dropout`.
    """

    def __init__(
        self,
        head: Head,
        to_t1w: np.ndarray,
        model: SignalModel | None,
        affine: np.ndarray,
        shape: tuple[int, int, int],
        readout: Readout | None = None,
    ) -> None:
        self.fine, fine_shape = cover(affine, shape, _FINE)
        mapped = head.to_template(apply(to_t1w, world(fine_shape, self.fine)))
        mapped = mapped.astype(np.float32)
        gm, wm, around = brain_at("gm", mapped), brain_at("wm", mapped), around_at(mapped)
        inside = CONTRAST["gm"] * gm + CONTRAST["wm"] * wm
        around["fluid"] *= 1 - np.clip(gm + wm, 0, 1)
        value = inside + sum(T2STAR_CONTRAST[kind] * part for kind, part in around.items())
        if readout is None:
            left = dropout(mapped)
        else:
            thickness_mm = float(np.linalg.norm(affine[:3, 2]))
            left = remaining(mapped, thickness_mm, readout.echo_time_s)
            self._field = off_resonance(mapped).reshape(fine_shape)
        value = (value * left).astype(np.float32).reshape(fine_shape)
        # A voxel of the scan is a mean over its volume, which is larger than a voxel of this grid.
        value = ndimage.gaussian_filter(value, 0.6)
        self.value = ndimage.spline_filter(value, order=3, output=np.float32)
        if model is None:
            return
        self.coarse, self.coarse_shape = cover(affine, shape, _COARSE)
        mapped = head.to_template(apply(to_t1w, world(self.coarse_shape, self.coarse)))
        mapped = mapped.astype(np.float32)
        gm, wm = brain_at("gm", mapped), brain_at("wm", mapped)
        fluid = np.clip(around_at(mapped)["fluid"] - gm - wm, 0, 1)
        loadings = model.loadings(mapped, gm, wm, fluid)
        within = gm + wm + fluid > 0.02
        self.loadings = np.ascontiguousarray((loadings * within).T)
        self.within = within

    def take(self, where: np.ndarray, now: np.ndarray, slice_of: np.ndarray) -> np.ndarray:
        """Compute the brightness of one volume.

        Parameters
        ----------
        where : ndarray, shape (n_voxels, 3)
            The place of the head (at its reference position, mm) that each voxel shows.
        now : ndarray of float32, shape (n_slices, n_sources)
            Values of the sources at the time of each slice; without slices nothing changes in time.
        slice_of : ndarray of int, shape (n_voxels,)
            The slice of each voxel.

        Returns
        -------
        ndarray of float32, shape (n_voxels,)
            Relative to the brightness of fluid.
        """
        inverse = np.linalg.inv(self.fine)
        voxels = where @ inverse[:3, :3].T + inverse[:3, 3]
        frame: SingleArray = ndimage.map_coordinates(
            self.value, voxels.T, order=3, prefilter=False, output=np.float32
        )
        frame = np.maximum(frame, 0)
        if not len(now):
            return frame
        weights, rows = _trilinear(where, self.coarse, self.coarse_shape, self.within)
        heard = weights @ self.loadings
        frame[rows] *= 1 + 0.01 * np.einsum("vs,vs->v", heard, now[slice_of[rows]])
        return frame

    def off_resonance(self, where: np.ndarray) -> np.ndarray:
        """Return the field (n,), Hz, at places of the head (n, 3); it moves with the head."""
        inverse = np.linalg.inv(self.fine)
        voxels = where @ inverse[:3, :3].T + inverse[:3, 3]
        field: SingleArray = ndimage.map_coordinates(
            self._field, voxels.T, order=1, mode="nearest", output=np.float32
        )
        return field


def _trilinear(
    where: np.ndarray, affine: np.ndarray, shape: tuple[int, int, int], within: np.ndarray
) -> tuple[sparse.csr_matrix, np.ndarray]:
    """Return trilinear interpolation as a sparse matrix, which is the same for all sources.

    Returns
    -------
    matrix : csr_matrix, shape (n_rows, n_grid)
    rows : ndarray of int, shape (n_rows,)
        The places of ``where`` that are near the brain, to which the rows of the matrix belong.
    """
    inverse = np.linalg.inv(affine)
    voxels = where @ inverse[:3, :3].T + inverse[:3, 3]
    low = np.floor(voxels).astype(np.int64)
    limit = np.array(shape) - 2
    fits = ((low >= 0) & (low <= limit)).all(axis=1)
    steps = np.array([shape[1] * shape[2], shape[2], 1])
    base = np.where(fits, low @ steps, 0)
    rows = np.flatnonzero(fits & within[base])
    part = (voxels[rows] - low[rows]).astype(np.float32)
    columns, values = [], []
    for corner in np.ndindex(2, 2, 2):
        columns.append(base[rows] + steps @ corner)
        values.append(np.prod(np.where(corner, part, 1 - part), axis=1))
    pointer = np.arange(0, 8 * len(rows) + 1, 8)
    flat = np.stack(values, axis=1).ravel(), np.stack(columns, axis=1).ravel(), pointer
    return sparse.csr_matrix(flat, shape=(len(rows), int(np.prod(shape)))), rows
