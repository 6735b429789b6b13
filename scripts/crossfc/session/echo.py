"""The echoes of a raw run: which files they are, and whether all that combining needs is there."""

from pathlib import Path, PurePosixPath

from crossfc.bids import parse_name
from crossfc.fault import Fault
from crossfc.session.scan import open_header
from crossfc.session.sidecar import is_number, read_sidecar, sidecar_paths

# fMRIPrep does not combine two echoes: T2* cannot be estimated from them.
LEAST_ECHOES = 3


def echoes_of(scan: str, bids_dir: str | Path) -> list[str]:
    """List the echoes of a run, in the order of their numbers.

    Parameters
    ----------
    scan : str
        Path of one of them below ``bids_dir``.
    bids_dir : path

    Returns
    -------
    list of str
        Paths below ``bids_dir``; empty if the name has no echo.
    """
    own = PurePosixPath(scan)
    entities, suffix, _ = parse_name(own.name)
    if "echo" not in entities:
        return []
    alike = {key: value for key, value in entities.items() if key != "echo"}
    found: dict[int, str] = {}
    for path in sorted((Path(bids_dir) / own.parent).glob("*_echo-*.nii*")):
        try:
            other, kind, _ = parse_name(path.name)
        except Fault:
            continue  # such as ._sub-01_…, which macOS creates
        number = other.pop("echo", "")
        if other == alike and kind == suffix and number.isdecimal():
            found.setdefault(int(number), str(own.parent / path.name))
    return [found[number] for number in sorted(found)]


def require_echoes(scan: str, bids_dir: str | Path) -> None:
    """Refuse a run whose echoes cannot be combined, by names, sidecars and headers alone.

    Parameters
    ----------
    scan : str
        Path of one of its echoes below ``bids_dir``.
    bids_dir : path

    Raises
    ------
    Fault
        If there are fewer than three, a number is missing, an echo time is missing or is not above
        that of the echo before, or their grids or numbers of volumes differ.
    """
    files = echoes_of(scan, bids_dir)
    numbers = [int(parse_name(PurePosixPath(path).name)[0]["echo"]) for path in files]
    if len(files) < LEAST_ECHOES or numbers != list(range(1, len(files) + 1)):
        raise Fault(
            f"{Path(bids_dir) / scan} has the echoes {', '.join(map(str, numbers)) or 'none'}; "
            f"combining them takes {LEAST_ECHOES} or more, numbered from 1: put the missing ones "
            "beside it, or exclude the session with a reason"
        )
    times: list[float] = []
    shapes = []
    for path in files:
        sidecar = read_sidecar(sidecar_paths(bids_dir, path))
        time = sidecar.get("EchoTime")
        if not is_number(time):
            raise Fault(
                f"{Path(bids_dir) / path} has no EchoTime in its sidecar, which combining echoes "
                "needs; write it there (seconds)"
            )
        times.append(float(str(time)))
        shapes.append(open_header(Path(bids_dir) / path, sidecar=sidecar).shape)
    if any(later <= earlier for earlier, later in zip(times[:-1], times[1:], strict=True)):
        raise Fault(
            f"{Path(bids_dir) / scan} has the echo times {', '.join(f'{t:g}' for t in times)} s in "
            "the order of its echoes, which have to grow; correct EchoTime in the sidecars"
        )
    if len(set(shapes)) > 1:
        told = "; ".join("×".join(map(str, shape)) for shape in shapes)
        raise Fault(
            f"{Path(bids_dir) / scan} has echoes of different sizes ({told}); convert the run "
            "again, or exclude the session with a reason"
        )
