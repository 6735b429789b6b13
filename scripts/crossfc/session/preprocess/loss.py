"""Volumes that were not taken, or only in part: told from the data alone, before any registration.

A scan that is stopped by hand ends in volumes of zeros, its last real one often has only the first
of its slices; a reconstruction that hangs writes the volume before again. A head that is looked
for in such volumes is found where it was searched for, so that they seem not to move at all.
"""

import numpy as np

# A layer of voxels counts where it usually has this share of the strongest layer's contrast.
_COUNTED = 0.2
# A counted layer is lost where less than this is left of its contrast, and of its neighbours'
# within so many mm: a head that nods changes what a layer shows, but not faster than that.
_LEFT, _REACH_MM = 0.3, 10.0


def lost_shares(data: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """Describe how much of the head each volume lacks.

    The contrast of a layer of voxels is the standard deviation over it, so that zeros, any other
    constant and faint noise are all nothing. Layers are looked at along all three axes, as the
    header need not say which one the slices were taken along.

    Parameters
    ----------
    data : ndarray, shape (x, y, z, volumes)
    affine : ndarray, shape (4, 4)
        For the sizes of the voxels.

    Returns
    -------
    ndarray, shape (volumes,)
        Share of the layers with head in them that are lost, between 0 and 1; of the axis along
        which most are. 0 for a whole volume.
    """
    sizes = np.linalg.norm(affine[:3, :3], axis=0)
    contrast = [np.zeros((n, data.shape[3])) for n in data.shape[:3]]
    for v in range(data.shape[3]):
        volume = np.asarray(data[..., v], dtype=np.float64)
        for axis in range(3):
            contrast[axis][:, v] = volume.std(axis=tuple(a for a in range(3) if a != axis))
    # What is usual is told by volumes that hold something: of a scan that was stopped early most
    # may be empty.
    whole = contrast[0].mean(axis=0)
    taken = whole > _LEFT * np.quantile(whole, 0.95)
    if not taken.any():
        return np.ones(data.shape[3])
    shares = np.zeros(data.shape[3])
    for axis, own in enumerate(contrast):
        usual = np.median(own[:, taken], axis=1)
        counted = usual >= _COUNTED * usual.max()
        reach = int(np.ceil(_REACH_MM / sizes[axis]))
        padded = np.pad(usual, reach, mode="edge")
        least = np.min([padded[k : k + len(usual)] for k in range(2 * reach + 1)], axis=0)
        lost = own[counted] < _LEFT * least[counted, None]
        shares = np.maximum(shares, lost.mean(axis=0))
    return shares


def repeated(data: np.ndarray) -> np.ndarray:
    """Return which volumes are the volume before, to the last voxel (boolean per volume)."""
    same = [np.array_equal(data[..., v], data[..., v - 1]) for v in range(1, data.shape[3])]
    return np.array([False, *same])
