"""How much of a voxel is grey matter, by the person's own segmentation in template space."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from crossfc.array import FloatArray, IntArray, SingleArray
from crossfc.fault import Fault
from crossfc.session.connectivity.session_data import SessionData
from crossfc.session.placement import mean_over_voxels
from crossfc.session.scan import open_scan

# In a segmentation of BIDS derivatives (dseg) 1 is grey matter, 2 white matter, 3 fluid.
_LABEL = 1
# What is mostly grey matter, and how many voxels of it tell how bright it is.
_MOSTLY, _LEAST_VOXELS = 0.7, 50


@dataclass(frozen=True)
class GreyMatter:
    """A map of grey matter.

    Attributes
    ----------
    values : (i, j, k) float32
        Probability or share, 0 to 1.
    affine : (4, 4) float64
        Voxel indices to mm.
    """

    values: SingleArray
    affine: FloatArray

    def share(self, voxels: IntArray, affine: FloatArray) -> FloatArray:
        """Return the mean of the map over each of some voxels of another grid.

        Parameters
        ----------
        voxels : (n, 3) int
            Indices in the other grid.
        affine : (4, 4) float
            Of the other grid.

        Returns
        -------
        (n,) float64
            0 to 1; what lies beyond the map is none.
        """
        return mean_over_voxels(self.values, self.affine, voxels, affine)


def open_grey_matter(path: str | Path) -> GreyMatter:
    """Read a map of grey matter in template space.

    Parameters
    ----------
    path : path
        ``…_label-GM_probseg.nii.gz`` (probabilities), or ``…_dseg.nii.gz`` (labels, of which 1 is
        grey matter).

    Raises
    ------
    Fault
        If it cannot be read, or its values are no probabilities.
    """
    image = open_scan(path, dimensions=3, kind="region")
    values = np.nan_to_num(image.data, nan=0.0)
    if Path(path).name.split(".")[0].endswith("_dseg"):
        return GreyMatter((np.rint(values) == _LABEL).astype(np.float32), image.affine)
    lowest, highest = float(values.min()), float(values.max())
    if lowest < -0.01 or highest > 1.01:
        raise Fault(
            f"{path} holds values from {lowest:.3g} to {highest:.3g}, which are no probabilities "
            "of grey matter (0 to 1); write it again, or take it away"
        )
    return GreyMatter(np.clip(values, 0, 1).astype(np.float32), image.affine)


def grey_level(data: SessionData, grey_matter: GreyMatter) -> float | None:
    """Return how bright grey matter is in a scan: the median over voxels that are mostly of it.

    Parameters
    ----------
    data : SessionData
    grey_matter : GreyMatter
        The map of the person.

    Returns
    -------
    float or None
        In the units of the scan; None if the series has no mean, or too few voxels of its mask are
        grey matter.
    """
    if not data.has_mean:
        return None
    voxels = np.argwhere(data.mask.T)
    mostly = grey_matter.share(voxels, data.affine) >= _MOSTLY
    if mostly.sum() < _LEAST_VOXELS:
        return None
    return float(np.median(data.mean_at(voxels[mostly])))
