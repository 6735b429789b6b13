"""Find missing and incomplete volumes from the data alone, before any registration.

A scan that is stopped by hand ends in volumes of zeros, and the last volume before them often has
only some of its slices; a reconstruction that hangs writes the volume before again. Realignment of
such volumes ends where it started, so that they would seem not to move at all.
"""

import numpy as np

# A layer of voxels is examined if its usual contrast is at least this share of the strongest
# layer's.
_COUNTED = 0.2
# An examined layer is lost in a volume if its contrast is below this share of the usual contrast of
# every layer within so many mm. The neighbours are included because a head that moves shows other
# parts in a layer, but it does not move further than that.
_LEFT, _REACH_MM = 0.3, 10.0


def lost_shares(data: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """Compute which share of the head is missing in each volume.

    The contrast of a layer of voxels is its standard deviation, so that zeros, any other constant
    and faint noise all have next to none. Layers along all three axes are examined, because the
    header does not always say along which axis the slices were acquired.

    Parameters
    ----------
    data : ndarray, shape (x, y, z, volumes)
    affine : ndarray, shape (4, 4)
        Voxel indices to mm; only the voxel sizes are used.

    Returns
    -------
    ndarray, shape (volumes,)
        Share of the layers with signal that are lost, 0 to 1, along the axis with the largest
        share. 0 for a complete volume.
    """
    sizes = np.linalg.norm(affine[:3, :3], axis=0)
    contrast = [np.zeros((n, data.shape[3])) for n in data.shape[:3]]
    for v in range(data.shape[3]):
        volume = np.asarray(data[..., v], dtype=np.float64)
        for axis in range(3):
            contrast[axis][:, v] = volume.std(axis=tuple(a for a in range(3) if a != axis))
    # The usual contrast is computed from volumes that are not empty, because most volumes of a scan
    # that was stopped early may be.
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
    """Return which volumes are identical to the volume before, (volumes,) bool.

    ``data`` has shape (x, y, z, volumes).
    """
    same = [np.array_equal(data[..., v], data[..., v - 1]) for v in range(1, data.shape[3])]
    return np.array([False, *same])
