"""Find, merge and check the JSON sidecars of a scan (BIDS inheritance principle)."""

import json
import math
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path, PurePath, PurePosixPath
from typing import Any

from crossfc import content
from crossfc.bids import parse_name
from crossfc.fault import Fault, raise_all

_AXES = ("i", "j", "k", "i-", "j-", "k-")


def names_of_sidecars(folder: Path) -> list[str]:
    """List the file names in a folder that end in ``.json``, including broken links."""
    try:
        return sorted(name for name in os.listdir(folder) if name.endswith(".json"))
    except OSError:
        return []


def sidecar_paths(
    bids_dir: str | Path,
    scan: str | PurePath,
    listed: Callable[[Path], Iterable[str]] = names_of_sidecars,
) -> list[Path]:
    """List the JSON files that apply to a scan, from the root of the data set down.

    By the inheritance principle of BIDS, a JSON file applies if it has the suffix of the scan,
    all its entities are also in the name of the scan with the same label, and it lies in the
    folder of the scan or in one above it. Later files in the list overrule earlier ones; within
    a folder, the file with more entities comes later.

    Parameters
    ----------
    bids_dir : path
        Root of the raw data set.
    scan : path
        Path relative to the root, such as ``sub-01/func/sub-01_task-rest_bold.nii.gz``.
    listed : callable
        Returns the names of the sidecars in a folder. Callers that ask for many scans pass a
        function that caches the listings.

    Returns
    -------
    list of Path
    """
    run = PurePosixPath(scan)
    wanted, suffix, _ = parse_name(run.name)
    found = []
    folder = Path(bids_dir)
    for part in (None, *run.parent.parts):
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
    """Read sidecars and merge them; fields of later files overrule those of earlier ones.

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
        If the file is missing or only a placeholder (git-annex, Git LFS), or if it does not hold
        a valid JSON object.
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
        # Python refuses whole numbers of more than 4300 digits and very deeply nested brackets.
        raise Fault(f"{path} is no valid JSON ({error}); mend the file") from error
    if not isinstance(found, dict):
        raise Fault(f"{path} holds no JSON object {{…}}; mend the file")
    return found


def check_sidecar(sidecar: Mapping[str, Any], scan: object) -> None:
    """Check the type and value of the sidecar fields that preprocessing reads.

    Parameters
    ----------
    sidecar : mapping
        Merged JSON of a BOLD run.
    scan : path
        The scan to name in error messages.

    Raises
    ------
    Fault
        One sentence per field: RepetitionTime, SliceTiming, SliceEncodingDirection,
        SliceTimingCorrected, MRAcquisitionType, TaskName or B0FieldSource of a wrong type or
        value, or VolumeTiming, which means that volumes are not evenly spaced.
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
    """Test whether a value of a sidecar is a finite number; true and false do not count as one."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def texts(value: object) -> list[str]:
    """Return the strings in a field that holds one string or a list of strings."""
    items = value if isinstance(value, list) else [value]
    return [item for item in items if isinstance(item, str)]


def _is_text_or_texts(value: object) -> bool:
    items = value if isinstance(value, list) else [value]
    return bool(items) and len(texts(value)) == len(items)


# For each field: the test that its value must pass, and how a message describes a valid value.
_FIELDS: dict[str, tuple[Callable[[Any], bool], str]] = {
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
    """Format a value as JSON, cut to 60 characters, for an error message."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + "…"


def _sidecar_entities(name: str, suffix: str) -> dict[str, str] | None:
    """Return the entities in a sidecar's name; None if it is not a sidecar (such as ``._…``)."""
    if name == f"{suffix}.json":
        return {}
    try:
        entities, found, extension = parse_name(name)
    except Fault:
        return None
    return entities if (found, extension) == (suffix, ".json") else None
