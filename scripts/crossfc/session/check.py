"""What can be known of raw scans before any work: sidecars and headers, in milliseconds a scan."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from crossfc.fault import Fault, raise_all
from crossfc.session.fieldmap import field_maps_for, refuse_field_maps
from crossfc.session.scan import ScanHeader, open_header
from crossfc.session.sidecar import check_sidecar, read_sidecar, sidecar_paths
from crossfc.session.slice_timing import read_slice_timing


def check_run(
    scan: str,
    bids_dir: str | Path,
    *,
    slice_timing: str = "require",
    accept_unoriented: bool = False,
    field_maps: str = "refuse",
) -> None:
    """Check a raw run's sidecars, header, size and field maps.

    Parameters
    ----------
    scan : str
        Path of the run below ``bids_dir``.
    bids_dir : path
        Raw data set.
    slice_timing : {"require", "skip"}
        As in `read_slice_timing`.
    accept_unoriented : bool
        As in `open_header`.
    field_maps : {"refuse", "ignore"}
        What to do where field maps were taken for the run.

    Raises
    ------
    Fault
        One sentence per fault found.
    """
    if field_maps not in ("refuse", "ignore"):
        raise Fault(f'preprocessing.field_maps is "{field_maps}"; choose "refuse" or "ignore"')
    path = Path(bids_dir) / scan
    faults: list[str] = []

    def found(function: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        """Call; put a fault aside so that the others are told with it."""
        try:
            return function(*arguments, **options)
        except Fault as fault:
            # The same fault may be met twice, as the repetition time in sidecar and scan.
            faults.extend(line for line in str(fault).splitlines() if line not in faults)
            return None

    sidecar = found(read_sidecar, sidecar_paths(bids_dir, scan))
    maps = found(field_maps_for, bids_dir, scan)
    if field_maps == "refuse":
        found(refuse_field_maps, maps or [], path)
    run = found(open_header, path, sidecar=sidecar, accept_unoriented=accept_unoriented)
    if run is not None:
        found(require_orthogonal, run)
    if sidecar is not None:
        found(check_sidecar, sidecar, path)
    if run is not None and sidecar is not None:
        found(
            read_slice_timing, sidecar, run.shape, run.repetition_time, path, slice_timing,
            run.slice_axis,
        )  # fmt: skip
    raise_all(faults)


def check_repeat(scan: str, bids_dir: str | Path, *, accept_unoriented: bool = False) -> None:
    """Check whether a raw repeat run can be used at all, whatever its sidecars say.

    What is wrong with sidecars or field maps is for the user to mend; a run that was broken off
    or is torn stays so.

    Raises
    ------
    Fault
        If the image itself is at fault. One that does not exist is none: its name is.
    """
    path = Path(bids_dir) / scan
    if not path.is_file():
        return
    try:
        open_header(path, accept_unoriented=accept_unoriented)
    except Fault as fault:
        # The repetition time may stand in the sidecar alone.
        try:
            sidecar = read_sidecar(sidecar_paths(bids_dir, scan))
            open_header(path, sidecar=sidecar, accept_unoriented=accept_unoriented)
        except Fault:
            raise fault from None


def check_t1w(t1w: str | Path, *, accept_unoriented: bool = False) -> None:
    """Check the header and the size of a T1-weighted image.

    Raises
    ------
    Fault
        If it cannot be used.
    """
    require_orthogonal(open_header(t1w, dimensions=3, accept_unoriented=accept_unoriented))


def require_orthogonal(scan: ScanHeader) -> None:
    """Refuse shear: registration takes images with orthogonal axes only.

    Raises
    ------
    Fault
        If two axes are more than a thousandth off the right angle.
    """
    axes = scan.affine[:3, :3] / scan.voxel_sizes
    if np.abs(axes.T @ axes - np.eye(3)).max() > 1e-3:
        raise Fault(
            f"{scan.path} has an affine with shear (its axes are not at right angles), which "
            "registration cannot take; convert the scan again or resample it"
        )
