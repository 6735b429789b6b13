"""The brain mask of a session."""

from pathlib import Path

from crossfc.array import BoolArray
from crossfc.fault import Fault
from crossfc.session.placement import in_mask
from crossfc.session.scan import Scan, ScanHeader, farthest_mm, open_scan, same_grid


def open_mask(path: str | Path, scan: Scan, *, accept_unoriented: bool = False) -> BoolArray:
    """Read a brain mask that lies on the grid of a scan.

    Parameters
    ----------
    path : path
        A 3D NIfTI file; voxels above 0 are brain.
    scan : Scan
        The BOLD it belongs to.
    accept_unoriented : bool
        As in `open_scan`.

    Returns
    -------
    (x, y, z) bool

    Raises
    ------
    Fault
        If the file cannot be read, is empty, or lies on another grid.
    """
    image = open_scan(path, dimensions=3, kind="derivative", accept_unoriented=accept_unoriented)
    require_grid(image, scan)
    return in_mask(image.data)


def require_grid(mask: ScanHeader, scan: ScanHeader) -> None:
    """Refuse a mask that does not lie on the grid of its scan.

    Raises
    ------
    Fault
        If shapes differ, or a voxel lies a tenth of its edge or more apart.
    """
    if same_grid(scan.shape, scan.affine, mask.shape, mask.affine):
        return
    if mask.shape != scan.shape[:3]:
        apart = f"{_times(mask.shape)} voxels, not {_times(scan.shape[:3])}"
    else:
        apart = f"up to {farthest_mm(scan.shape, scan.affine, mask.affine):.3g} mm away"
    raise Fault(
        f"{mask.path} lies on another grid than {scan.path} ({apart}); use the mask that was "
        "written with this very series"
    )


def _times(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape))
