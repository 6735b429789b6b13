"""The off-resonance field of a twin's head, and what an echo-planar readout makes of it.

One field in Hz serves everything: where signal lands, where it is lost, and what field maps show.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from crossfc.array import FloatArray, RealArray
from crossfc.fault import Fault
from crossfc.template import load_template

# Air in the head as spheres, (centre, radius), template mm: sinus of the head's picture, sphenoid
# sinus, and the air cells behind the ears.
_AIR = (
    ((0.0, 52.0, -44.0), 13.0),
    ((0.0, 17.0, -40.0), 11.0),
    ((-52.0, -24.0, -48.0), 9.0),
    ((52.0, -24.0, -48.0), 9.0),
)
_CONTRAST_PPM = 9.4  # volume susceptibility of air minus that of tissue
_HZ_PER_PPM = 42.577 * 3  # at 3 T
# The field is continued constantly from this share of a radius outside a sphere inwards, where
# there is no signal.
_OUTSIDE = 1.25


@dataclass(frozen=True)
class Readout:
    """How an echo-planar image is read out.

    Signs are stated here once more, and not taken from `crossfc.session.preprocess.readout`: one
    that was wrong there would be planted wrong too, and no test could see it.

    Attributes
    ----------
    direction : str
        As PhaseEncodingDirection: ``i``, ``j`` or ``k``, with or without a minus.
    total_s : float
        TotalReadoutTime, s.
    echo_time_s : float
        Time in which signal is lost; 0 for a spin echo.
    """

    direction: str = "j-"
    total_s: float = 0.045
    echo_time_s: float = 0.03

    def __post_init__(self) -> None:
        if self.direction.rstrip("-") not in ("i", "j", "k") or len(self.direction) > 2:
            raise Fault(f'twin: phase is encoded along i, j or k, not "{self.direction}"')

    @property
    def axis(self) -> int:
        """The voxel axis along which phase is encoded."""
        return "ijk".index(self.direction[0])

    @property
    def voxels_per_hz(self) -> float:
        """Shift along that axis, in voxels towards higher index, that 1 Hz makes."""
        return -self.total_s if self.direction.endswith("-") else self.total_s


def off_resonance(xyz: np.ndarray) -> np.ndarray:
    """Return the field (n,), Hz, at places of the template, (n, 3), mm.

    Each sphere of air adds the field of a dipole (Schenck 1996, Med Phys 23:815). As after a shim,
    the mean and the slopes over the brain are 0.
    """
    xyz = np.asarray(xyz)
    field: RealArray = _dipoles(xyz) - (xyz @ _shim()[:3] + _shim()[3]).astype(xyz.dtype)
    return field


def remaining(xyz: np.ndarray, thickness_mm: float, echo_time_s: float) -> np.ndarray:
    """Return the share of the signal (n,) that is left after dephasing through a slice.

    Spins of a slice dephase by the difference of the field across it, which leaves |sinc|
    (Reichenbach et al. 1997, J Magn Reson Imaging 7:266).

    Parameters
    ----------
    xyz : ndarray, shape (n, 3)
        Places in the template, mm; slices lie across its z axis.
    thickness_mm : float
    echo_time_s : float
    """
    half = np.array([0, 0, thickness_mm / 2], np.asarray(xyz).dtype)
    across = off_resonance(xyz + half) - off_resonance(xyz - half)
    share: RealArray = np.abs(np.sinc(across * echo_time_s)).astype(xyz.dtype)
    return share


def read_out(
    values: np.ndarray, shifts: np.ndarray, readout: Readout, shape: tuple[int, int, int]
) -> np.ndarray:
    """Lay signal where an echo-planar readout puts it; no signal is lost, so that it piles up.

    Parameters
    ----------
    values : ndarray, shape (fine grid)
        Signal on the grid of the scan, finer by a whole factor along the phase-encoding axis (see
        `finer`).
    shifts : ndarray, shape (fine grid)
        Off-resonance there, Hz.
    readout : Readout
    shape : (int, int, int)
        Shape of the scan.

    Returns
    -------
    ndarray of float32, shape (voxels,)
        The image, voxels in C order.
    """
    axis = readout.axis
    factor = values.shape[axis] // shape[axis]
    at = np.indices(values.shape, np.float32)
    along = (at[axis] + 0.5) / factor - 0.5 + readout.voxels_per_hz * shifts
    low = np.floor(along)
    part = along - low
    steps = np.array([shape[1] * shape[2], shape[2], 1])
    base = sum(at[a] * steps[a] for a in range(3) if a != axis)
    image = np.zeros(int(np.prod(shape)))
    for offset, share in ((0, 1 - part), (1, part)):
        landed = low + offset
        inside = (landed >= 0) & (landed < shape[axis])
        voxel = (base + landed * steps[axis])[inside].astype(np.int64)
        image += np.bincount(voxel, (values * share)[inside] / factor, len(image))
    return image.astype(np.float32)


def finer(
    affine: np.ndarray, shape: tuple[int, int, int], axis: int, factor: int = 4
) -> tuple[np.ndarray, tuple[int, int, int]]:
    """Return affine and shape of a grid that is finer by a factor along one axis."""
    scale, offset = np.ones(3), np.zeros(3)
    scale[axis], offset[axis] = 1 / factor, 0.5 / factor - 0.5
    grid = affine.copy()
    grid[:3, :3] = affine[:3, :3] * scale
    grid[:3, 3] = affine[:3, :3] @ offset + affine[:3, 3]
    x, y, z = (n * (factor if a == axis else 1) for a, n in enumerate(shape))
    return grid, (x, y, z)


def _dipoles(xyz: np.ndarray) -> np.ndarray:
    field: RealArray = np.zeros(len(xyz), np.asarray(xyz).dtype)
    for centre, radius in _AIR:
        apart = xyz - np.array(centre, xyz.dtype)
        squared = (apart**2).sum(axis=1)
        along = apart[:, 2] ** 2 / np.maximum(squared, 1e-6)
        near = np.maximum(squared, (_OUTSIDE * radius) ** 2)
        field += (_CONTRAST_PPM * _HZ_PER_PPM / 3 * radius**3 * (3 * along - 1) / near**1.5).astype(
            xyz.dtype
        )
    return field


@lru_cache(maxsize=1)
def _shim() -> np.ndarray:
    """Return slopes (Hz per mm) and constant of the field over the brain, shape (4,)."""
    image, affine = load_template("t1")
    places = np.argwhere(image[::4, ::4, ::4] > 0) * 4
    xyz = places @ affine[:3, :3].T + affine[:3, 3]
    design = np.column_stack([xyz, np.ones(len(xyz))])
    fitted: FloatArray = np.linalg.lstsq(design, _dipoles(xyz), rcond=None)[0]
    return fitted
