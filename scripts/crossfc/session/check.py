"""Checks of scans before any job runs: only sidecars and headers are read (milliseconds a scan)."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from crossfc import content
from crossfc.array import FloatArray
from crossfc.fault import Fault, Gathering
from crossfc.session.connectivity.components import read_components
from crossfc.session.connectivity.confounds import (
    Confounds,
    columns_of,
    components_of,
    require_rows,
)
from crossfc.session.connectivity.mask import require_grid
from crossfc.session.connectivity.upstream import read_upstream
from crossfc.session.preprocess.fieldmap import (
    choose_field_map,
    field_maps_for,
    refuse_field_maps,
)
from crossfc.session.preprocess.slice_timing import read_slice_timing
from crossfc.session.scan import ScanHeader, open_header, same_grid
from crossfc.session.sidecar import check_sidecar, read_sidecar, sidecar_paths
from crossfc.trial.strategy import Strategy, flat

# The largest number of columns of a table that are missed one by one.
_MOST_COLUMNS = 3
# Stands for the values of a column of confounds, which are not read here.
_NO_VALUES: FloatArray = np.empty(0)


def check_run(
    scan: str,
    bids_dir: str | Path,
    *,
    slice_timing: str = "require",
    accept_unoriented: bool = False,
    field_maps: str = "use",
) -> None:
    """Check the sidecars, header, file size and field maps of a raw run.

    Parameters
    ----------
    scan : str
        Path of the run relative to ``bids_dir``.
    bids_dir : path
        Root of the raw data set.
    slice_timing : {"require", "skip"}
        As in `read_slice_timing`.
    accept_unoriented : bool
        As in `open_header`.
    field_maps : {"use", "ignore", "refuse"}
        What to do if field maps were acquired for the run.

    Raises
    ------
    Fault
        One sentence per fault found.
    """
    if field_maps not in ("use", "ignore", "refuse"):
        raise Fault(
            f'preprocessing.field_maps is "{field_maps}"; choose "use", "ignore" or "refuse"'
        )
    path = Path(bids_dir) / scan
    gathering = Gathering()
    found = gathering.call
    sidecar = found(read_sidecar, sidecar_paths(bids_dir, scan))
    maps = found(field_maps_for, bids_dir, scan)
    if field_maps == "refuse":
        found(refuse_field_maps, maps or [], path)
    run = found(open_header, path, sidecar=sidecar, accept_unoriented=accept_unoriented)
    if field_maps == "use" and maps:
        found(choose_field_map, bids_dir, scan)
    if run is not None:
        found(require_orthogonal, run)
    if sidecar is not None:
        found(check_sidecar, sidecar, path)
    if run is not None and run.repetition_time is not None and sidecar is not None:
        found(
            read_slice_timing, sidecar, run.shape, run.repetition_time, path, slice_timing,
            run.slice_axis,
        )  # fmt: skip
    gathering.raise_all()


def check_repeat(scan: str, bids_dir: str | Path, *, accept_unoriented: bool = False) -> None:
    """Check whether the image of a raw repeat run can be used, ignoring errors in its sidecars.

    Errors in sidecars or field maps can be corrected by the user; a run that was stopped early or
    whose file is damaged cannot.

    Parameters
    ----------
    scan : str
        Path of the run relative to ``bids_dir``.
    bids_dir : path
        Root of the raw data set.
    accept_unoriented : bool
        As in `open_header`.

    Raises
    ------
    Fault
        If the image cannot be used. A file that does not exist passes here, because then its
        name in the sheet is wrong, which is reported elsewhere.
    """
    path = Path(bids_dir) / scan
    if not path.is_file():
        return
    try:
        open_header(path, accept_unoriented=accept_unoriented)
    except Fault as fault:
        # The header may lack the repetition time; then try again with that of the sidecar.
        try:
            sidecar = read_sidecar(sidecar_paths(bids_dir, scan))
            open_header(path, sidecar=sidecar, accept_unoriented=accept_unoriented)
        except Fault:
            raise fault from None


def check_derivative(
    files: Mapping[str, str | Path],
    sidecars: Sequence[str | Path],
    strategies: Sequence[Strategy] = (),
    *,
    cleaned: bool = False,
    accept_unoriented: bool = False,
) -> ScanHeader:
    """Check the files of a preprocessed run without reading voxels or confound values.

    Checked are headers and file sizes, the grid of the mask, the sidecar, and the number of rows
    and the columns of the confounds table.

    Parameters
    ----------
    files : mapping
        The files of one run by kind: ``bold``, ``mask``, ``confounds`` and others
        (`crossfc.session.connectivity.match.Matches.files`).
    sidecars : sequence of path
        Sidecars of the BOLD, from the root of the data set downwards.
    strategies : sequence of Strategy
        Confound strategies; the table must have the columns that they name.
    cleaned : bool
        Whether another program cleaned the run, so that it needs neither mask nor confounds.
    accept_unoriented : bool
        As in `open_header`.

    Returns
    -------
    ScanHeader
        The header of the BOLD.

    Raises
    ------
    Fault
        One sentence per fault found.
    """
    gathering = Gathering()
    found = gathering.call
    sidecar = found(read_sidecar, sidecars)
    # If the sidecar cannot be read, that is the fault to report. The 2.0 s stand in for it, so that
    # the header's repetition time is not reported as a second fault.
    known = {"RepetitionTime": 2.0} if sidecar is None else sidecar
    opened = partial(open_header, kind="derivative", accept_unoriented=accept_unoriented)
    run = found(opened, files["bold"], sidecar=known)
    brain = found(opened, files["mask"], dimensions=3) if "mask" in files else None
    if run is not None and brain is not None:
        found(require_grid, brain, run)
    if cleaned and run is not None:
        upstream = found(read_upstream, files, run.volumes)
        columns = dict.fromkeys(upstream.confounds.columns if upstream else (), _NO_VALUES)
        if upstream is None or not (columns or any(map(_needs_table, strategies))):
            gathering.raise_all()
            return run
        confounds: str | Path = upstream.confounds.path
    else:
        confounds = files["confounds"]
        names = found(_check_rows, confounds, run.volumes if run else None)
        columns = dict.fromkeys(names or (), _NO_VALUES)
    components = found(read_components, files, run.volumes if run else None)
    series, families = components or ({}, ())
    columns |= series
    beside = Path(confounds).with_suffix(".json")
    described = beside.is_symlink() or beside.is_file()
    if described:
        found(content.require, beside)
    lacking = Gathering()
    for strategy in strategies if columns else ():
        for wanted in flat(strategy.get("columns")):
            lacking.call(columns_of, columns, wanted, confounds, families)
        # fMRIPrep 20.2 names the tissue of each component in the sidecar only. The sidecar is long,
        # so it is left to the job to read it.
        if not described or any(name.startswith(("c_comp", "w_comp")) for name in columns):
            table = Confounds(Path(confounds), columns, {})
            for tissue, count in (strategy.get("compcor") or {}).items():
                found(components_of, table, tissue, count)
    number = len(lacking.faults)
    if number > _MOST_COLUMNS:
        # A table of another program lacks most of them, which is one cause.
        lacking.faults[1:] = [f"{confounds} lacks {number} columns of the strategies in all"]
    gathering.faults += lacking.faults
    gathering.raise_all()
    assert run is not None  # or there was a fault
    return run


def _needs_table(strategy: Strategy) -> bool:
    return bool(flat(strategy.get("columns")) or any((strategy.get("compcor") or {}).values()))


def _check_rows(path: str | Path, volumes: int | None) -> list[str]:
    """Return the columns of a confounds table, after checking its number of rows."""
    content.require(path)
    try:
        with open(path, "rb") as stream:
            header = stream.readline()
            rows = sum(1 for line in stream if not line.isspace())
    except OSError as error:
        raise Fault(f"{path} cannot be read ({error.strerror}); check its permissions") from None
    try:
        columns = header.decode("utf-8-sig").rstrip("\r\n").split("\t")
    except UnicodeDecodeError:
        raise Fault(f"{path} is no UTF-8 text; write the table again") from None
    require_rows(path, rows, volumes)
    return columns


def differing_grids(runs: Sequence[ScanHeader]) -> str | None:
    """Describe which runs do not lie on the grid that most runs lie on.

    Parameters
    ----------
    runs : sequence of ScanHeader

    Returns
    -------
    str or None
        One sentence that names the first three such files; None if all runs lie on one grid.
    """
    grids: list[list[ScanHeader]] = []
    for run in runs:
        own = next(
            (g for g in grids if same_grid(g[0].shape, g[0].affine, run.shape, run.affine)), None
        )
        if own is None:
            grids.append([run])
        else:
            own.append(run)
    if len(grids) < 2:
        return None
    most = max(grids, key=len)
    others = [run for run in runs if not any(run is own for own in most)]
    shown = ", ".join(f"{run.path} ({_grid(run)})" for run in others[:3])
    more = f" and {len(others) - 3} more" if len(others) > 3 else ""
    return (
        f"{len(others)} of {len(runs)} preprocessed runs lie on another grid than the others, such "
        f"as {most[0].path} ({_grid(most[0])}): {shown}{more}; run fMRIPrep for everybody with one "
        "resolution (--output-spaces with :res-2), or exclude these sessions with a reason"
    )


def _grid(run: ScanHeader) -> str:
    sizes = "×".join(f"{size:.4g}" for size in run.voxel_sizes)
    corner = ", ".join(f"{v:.4g}" for v in run.affine[:3, 3])
    return f"{'×'.join(map(str, run.shape[:3]))} voxels of {sizes} mm from ({corner})"


def check_t1w(t1w: str | Path, *, accept_unoriented: bool = False) -> None:
    """Check the header and the file size of a T1-weighted image.

    Raises
    ------
    Fault
        If it cannot be used.
    """
    require_orthogonal(open_header(t1w, dimensions=3, accept_unoriented=accept_unoriented))


def require_orthogonal(scan: ScanHeader) -> None:
    """Refuse an image whose axes are not orthogonal, because registration cannot handle shear.

    Raises
    ------
    Fault
        If the cosine of the angle between two axes is above 0.001.
    """
    axes = scan.affine[:3, :3] / scan.voxel_sizes
    if np.abs(axes.T @ axes - np.eye(3)).max() > 1e-3:
        raise Fault(
            f"{scan.path} has an affine with shear (its axes are not at right angles), which "
            "registration cannot take; convert the scan again or resample it"
        )
