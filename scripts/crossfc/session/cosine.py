"""Discrete cosines, the frequencies of a run."""

import numpy as np

from crossfc.array import FloatArray


def cosines(volumes: int, orders: np.ndarray) -> np.ndarray:
    """Return columns of the DCT-II.

    Parameters
    ----------
    volumes : int
    orders : ndarray of int, shape (n,)
        Numbers of half waves in the run: order k has the frequency k / (2 volumes TR), and order 0
        is the constant.

    Returns
    -------
    ndarray, shape (volumes, n)
        Orthonormal columns.
    """
    time = (np.arange(volumes) + 0.5) / volumes
    columns: FloatArray = np.cos(np.pi * np.outer(time, orders)) * np.sqrt(2 / volumes)
    columns[:, orders == 0] = 1 / np.sqrt(volumes)
    return columns
