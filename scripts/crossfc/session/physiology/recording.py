"""Find the recordings of a scan in a BIDS data set, and read their traces."""

import gzip
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, TypedDict

from crossfc import content
from crossfc.bids import parse_name
from crossfc.fault import Fault
from crossfc.session.connectivity.match import COMBINED, own_entities
from crossfc.session.physiology.trace import Trace
from crossfc.session.sidecar import is_number, read_sidecar, shown, sidecar_paths

ENDING = "_physio.tsv.gz"
# What a column holds, by its name in lower case: those of BIDS first, then those that are common.
_COLUMNS = {
    "cardiac": ("cardiac", "ecg", "ekg", "ppg", "pleth", "pulse", "puls", "pulseox"),
    "respiratory": ("respiratory", "respiration", "resp", "rsp", "breathing"),
    "trigger": ("trigger", "scanner_trigger", "scannertrigger", "scanner", "volume_trigger"),
}


class RecordingFiles(TypedDict):
    """A recording and its sidecars, from the root of the data set downwards."""

    path: str | Path
    sidecars: Sequence[str | Path]


def recordings_of(scan: str, names: Iterable[str]) -> list[str]:
    """List the recordings of a scan.

    A recording of BIDS has the entities of the scan, and may have ``recording`` besides. Of the
    entities of a scan it may lack ``echo`` and ``part``.

    Parameters
    ----------
    scan : str
        Path or name of the run, or of its derivative.
    names : iterable of str
        The names in the folder of the run.

    Returns
    -------
    list of str
        Sorted.
    """
    wanted = own_entities(scan)
    found = []
    for name in names:
        if not name.endswith(ENDING):
            continue
        try:
            own = own_entities(name)
        except Fault:
            continue  # such as ._sub-01_…, which macOS creates
        own.pop("recording", None)
        lacking = wanted.keys() - own.keys()
        if own.items() <= wanted.items() and lacking <= set(COMBINED):
            found.append(name)
    return sorted(found)


def files_of(scan: str, files: Sequence[str]) -> list[RecordingFiles]:
    """Pick the recordings of a run, and the sidecars of each, from the inputs of a job.

    Parameters
    ----------
    scan : str
        Path of the run from the root of the data set.
    files : sequence of str
        Recordings and sidecars.
    """
    folder = PurePosixPath(scan).parent
    own = {Path(path).name: path for path in files if str(Path(path).parent).endswith(str(folder))}
    found: list[RecordingFiles] = []
    for name in recordings_of(scan, own):
        root = Path(own[name]).parents[len(folder.parts)]
        paths = [p for p in sidecar_paths(root, folder / name) if str(p) in files]
        found.append({"path": own[name], "sidecars": paths})
    return found


def read_recording(files: RecordingFiles) -> dict[str, Trace]:
    """Read the traces of a recording.

    Parameters
    ----------
    files : RecordingFiles
        A table without a header and its sidecars, which give SamplingFrequency (Hz), StartTime
        (seconds from the first volume to the first sample) and Columns.

    Returns
    -------
    dict
        ``cardiac``, ``respiratory`` and ``trigger`` to their traces, as far as there are any.

    Raises
    ------
    Fault
        If the file or its sidecar cannot be read, or they do not belong together.
    """
    path = Path(files["path"])
    content.require(path)
    sidecar = read_sidecar(files["sidecars"])
    sampling_hz, start, columns = _fields(sidecar, path)
    roles = _roles(columns, path)
    values = _table(path, columns)
    entities = parse_name(path.name)[0]
    traces = {}
    for role, column in roles.items():
        about = sidecar.get(column)
        said = about.get("Description", "") if isinstance(about, dict) else ""
        words = f"{column} {entities.get('recording', '')} {said}".lower()
        traces[role] = Trace(values[:, columns.index(column)].copy(), sampling_hz, start, words)
    return traces


def _fields(sidecar: dict[str, Any], path: Path) -> tuple[float, float, list[str]]:
    """Return the sampling frequency (Hz), start time (s) and names of the columns."""
    hz, start, columns = (sidecar.get(k) for k in ("SamplingFrequency", "StartTime", "Columns"))
    told = f"{path.name}: its sidecar"
    if hz is None or start is None or columns is None:
        fields = {"SamplingFrequency": hz, "StartTime": start, "Columns": columns}
        absent = " and ".join(name for name, value in fields.items() if value is None)
        raise Fault(f"{told} lacks {absent}; write what BIDS asks for")
    if not is_number(hz) or hz <= 0:
        raise Fault(f"{told} has SamplingFrequency {shown(hz)}; write samples per second, above 0")
    if not is_number(start):
        raise Fault(f"{told} has StartTime {shown(start)}; write seconds from the first volume")
    if not isinstance(columns, list) or not all(isinstance(c, str) for c in columns):
        raise Fault(f"{told} has Columns {shown(columns)}; write a list of names")
    return float(hz), float(start), columns


def _roles(columns: list[str], path: Path) -> dict[str, str]:
    """Return which column holds what."""
    roles: dict[str, str] = {}
    for role, names in _COLUMNS.items():
        own = [column for column in columns if column.lower() in names]
        # The name of BIDS goes before the others.
        exact = [column for column in own if column.lower() == role]
        own = exact or own
        if len(own) > 1:
            raise Fault(
                f"{path.name}: {', '.join(own)} may each be the {role} trace; name the one to use "
                f"{role} in Columns of its sidecar"
            )
        if own:
            roles[role] = own[0]
    return roles


def _table(path: Path, columns: list[str]) -> Any:
    """Read the table, (n_samples, n_columns) float64, NaN where a cell is n/a."""
    import pandas

    try:
        with gzip.open(path) as stream:
            table = pandas.read_csv(stream, sep="\t", header=None, na_values=["n/a"])
    except pandas.errors.EmptyDataError:
        raise Fault(f"{path.name} is empty; write it again") from None
    except (OSError, EOFError, zlib.error) as error:
        raise Fault(f"{path.name} cannot be unpacked ({error}); copy or fetch it again") from None
    except (pandas.errors.ParserError, UnicodeDecodeError) as error:
        told = " ".join(str(error).split())
        raise Fault(f"{path.name} is no table ({told}); write it again") from None
    if table.shape[1] != len(columns):
        raise Fault(
            f"{path.name} has {table.shape[1]} columns where its sidecar names {len(columns)}; "
            "correct Columns"
        )
    try:
        return table.to_numpy(dtype="float64")
    except (ValueError, TypeError):
        pass
    words = [c for c in table.iloc[0] if isinstance(c, str) and not _number(c)]
    header = f" ({words[0]!r} in the first row, which is no header in BIDS)" if words else ""
    raise Fault(f"{path.name} holds what is no number{header}; write numbers or n/a only")


def _number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def name_of(path: str | Path) -> str:
    """Return the name of a recording without its ending, for sentences."""
    return PurePosixPath(path).name.removesuffix(".tsv.gz")
