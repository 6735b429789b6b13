"""The JSON sidecars of a scan: found by the inheritance of BIDS, merged, checked field by field."""

import json
import math
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from crossfc import content
from crossfc.bids import parse_name
from crossfc.fault import Fault, raise_all

_AXES = ("i", "j", "k", "i-", "j-", "k-")


def names_of_sidecars(folder: Path) -> list[str]:
    """List the names in a folder that end as sidecars do; links to nowhere are among them."""
    try:
        return sorted(name for name in os.listdir(folder) if name.endswith(".json"))
    except OSError:
        return []


def sidecar_paths(
    bids_dir: str | Path,
    scan: str | Path,
    listed: Callable[[Path], Iterable[str]] = names_of_sidecars,
) -> list[Path]:
    """List the JSON files that apply to a scan, from the root of the data set down.

    The inheritance principle of BIDS: a JSON file applies when it has the scan's suffix, no
    entity the scan lacks or has differently, and lies in a folder above the scan. Later files
    win over earlier ones; in one folder the more specific one comes later.

    Parameters
    ----------
    bids_dir : path
        Root of the raw data set.
    scan : path
        Below the root, such as ``sub-01/func/sub-01_task-rest_bold.nii.gz``.
    listed : callable
        Lists the sidecars' names of a folder; whoever asks for many scans keeps them.
    """
    scan = PurePosixPath(scan)
    wanted, suffix, _ = parse_name(scan.name)
    found = []
    folder = Path(bids_dir)
    for part in (None, *scan.parent.parts):
        folder = folder if part is None else folder / part
        here = []
        for name in listed(folder):
            if not name.endswith(f"{suffix}.json"):
                continue
            entities = _sidecar_entities(name, suffix)
            if entities is not None and entities.items() <= wanted.items():
                here.append((len(entities), folder / name))
        found += [file for _, file in sorted(here)]
    return found


def read_sidecar(paths: Sequence[str | Path]) -> dict[str, Any]:
    """Merge sidecars, later ones winning.

    Raises
    ------
    Fault
        If a file is not readable JSON or not an object.
    """
    merged: dict[str, Any] = {}
    for path in paths:
        merged |= read_object(path)
    return merged


def read_object(path: str | Path) -> dict[str, Any]:
    """Read a JSON object, with or without a byte-order mark.

    Raises
    ------
    Fault
        If the file's content is not here, it is no valid JSON, or no object.
    """
    content.require(path)
    try:
        found = json.loads(Path(path).read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise Fault(f"{path} cannot be read ({error.strerror}); restore the file") from error
    except UnicodeDecodeError as error:
        raise Fault(f"{path} is not UTF-8 text; restore the file") from error
    except json.JSONDecodeError as error:
        raise Fault(
            f"{path} is no valid JSON (line {error.lineno}: {error.msg}); mend the file"
        ) from error
    except (ValueError, RecursionError) as error:
        # A whole number of more than 4300 digits; brackets nested a thousand deep.
        raise Fault(f"{path} is no valid JSON ({error}); mend the file") from error
    if not isinstance(found, dict):
        raise Fault(f"{path} holds no JSON object {{…}}; mend the file")
    return found


def check_sidecar(sidecar: Mapping[str, Any], scan: object) -> None:
    """Refuse fields that preprocessing reads and that are not of the type BIDS gives them.

    Parameters
    ----------
    sidecar : mapping
        Merged JSON of a BOLD run.
    scan : path
        Named in faults.

    Raises
    ------
    Fault
        One sentence per field: RepetitionTime, SliceTiming, SliceEncodingDirection,
        SliceTimingCorrected, MRAcquisitionType, TaskName or B0FieldSource of a wrong type or
        value, or VolumeTiming, which says that volumes are not evenly spaced.
    """
    faults = [
        f"the sidecar of {scan} has {name} {shown(sidecar[name])}; give {due}"
        for name, (fits, due) in _FIELDS.items()
        if name in sidecar and not fits(sidecar[name])
    ]
    if "VolumeTiming" in sidecar:
        faults.append(
            f"the sidecar of {scan} has VolumeTiming, so its volumes are not evenly spaced in "
            "time, which filters and slice timing need; leave the session out or choose another run"
        )
    raise_all(faults)


def is_number(value: object) -> bool:
    """Return whether a value of a sidecar is a finite number; JSON's true and false are none."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def texts(value: object) -> list[str]:
    """Return the texts of a field that holds one or a list of them."""
    items = value if isinstance(value, list) else [value]
    return [item for item in items if isinstance(item, str)]


def _is_text_or_texts(value: object) -> bool:
    items = value if isinstance(value, list) else [value]
    return bool(items) and len(texts(value)) == len(items)


# What each field may be, and how to say so.
_FIELDS = {
    "RepetitionTime": (lambda v: is_number(v) and v > 0, "seconds above 0"),
    "SliceTiming": (
        lambda v: isinstance(v, list) and all(is_number(item) for item in v),
        "a plain list of numbers, one per slice, in seconds",
    ),
    "SliceEncodingDirection": (
        lambda v: isinstance(v, str) and v in _AXES,
        "i, j or k, with a minus where the list begins at the highest index",
    ),
    "SliceTimingCorrected": (lambda v: isinstance(v, bool), "true or false"),
    "MRAcquisitionType": (lambda v: isinstance(v, str) and v in ("1D", "2D", "3D"), "2D or 3D"),
    "TaskName": (lambda v: isinstance(v, str), "a text"),
    "B0FieldSource": (_is_text_or_texts, "a text or a list of texts"),
}


def shown(value: object) -> str:
    """Write a value as JSON has it, shortened, for a sentence."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + "…"


def _sidecar_entities(name: str, suffix: str) -> dict[str, str] | None:
    """Return the entities of a sidecar's name; None for files that only look like one (``._…``)."""
    if name == f"{suffix}.json":
        return {}
    try:
        entities, found, extension = parse_name(name)
    except Fault:
        return None
    return entities if (found, extension) == (suffix, ".json") else None
