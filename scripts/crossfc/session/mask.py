"""The brain mask of a session."""

from pathlib import Path

import numpy as np

from crossfc.fault import Fault
from crossfc.session.scan import Scan, open_scan


def open_mask(path: str | Path, scan: Scan) -> np.ndarray:
    """Read a brain mask that lies on the grid of a scan.

    Parameters
    ----------
    path : path
        A 3D NIfTI file; what is not 0 is brain.
    scan : Scan
        The BOLD it belongs to.

    Returns
    -------
    (x, y, z) bool

    Raises
    ------
    Fault
        If the file cannot be read, is empty, or lies on another grid.
    """
    image = open_scan(path, dimensions=3)
    if image.data.shape != scan.data.shape[:3] or not np.allclose(
        image.affine, scan.affine, atol=1e-3
    ):
        raise Fault(
            f"{path} lies on another grid ({image.data.shape}) than {scan.path} "
            f"({scan.data.shape[:3]}); use the mask that was written with this very series"
        )
    return image.data != 0
