"""The width of a Gaussian."""

import math
from typing import TypeVar

import numpy as np

_Width = TypeVar("_Width", float, np.ndarray)
_FWHM_PER_SIGMA = 2 * math.sqrt(2 * math.log(2))  # 2.3548…


def sigma_of(fwhm: _Width) -> _Width:
    """Return the standard deviation of a Gaussian from its full width at half maximum.

    Parameters
    ----------
    fwhm : float or ndarray
        In any unit, such as mm or voxels.

    Returns
    -------
    float or ndarray
        In the same unit and shape.
    """
    return fwhm / _FWHM_PER_SIGMA
