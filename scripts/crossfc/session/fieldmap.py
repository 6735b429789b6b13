"""Field maps that were taken for a scan. They are not applied, and that is said."""

import json
from pathlib import Path, PurePosixPath


def field_maps_for(bids_dir: str | Path, scan: str | PurePosixPath) -> list[str]:
    """List the field maps whose sidecar names a scan as what they are for.

    Parameters
    ----------
    bids_dir : path
        Root of the raw data set.
    scan : path
        Below the root.

    Returns
    -------
    list of str
        Paths of the sidecars below the root; by IntendedFor (relative to the participant's
        folder, or a ``bids::`` address) or by B0FieldIdentifier.
    """
    scan = PurePosixPath(scan)
    root = Path(bids_dir)
    participant = scan.parts[0]
    sources = _as_list(_read(root / scan.with_name(_sidecar_name(scan))).get("B0FieldSource"))
    found = []
    for file in sorted((root / scan.parent.parent / "fmap").glob("*.json")):
        if file.name.startswith("."):
            continue
        content = _read(file)
        intended = {_below_root(t, participant) for t in _as_list(content.get("IntendedFor"))}
        named = set(_as_list(content.get("B0FieldIdentifier"))) & set(sources)
        if str(scan) in intended or named:
            found.append(file.relative_to(root).as_posix())
    return found


def _sidecar_name(scan: PurePosixPath) -> str:
    return scan.name.split(".nii")[0] + ".json"


def _below_root(target: str, participant: str) -> str:
    if target.startswith("bids:"):
        return target.split(":", 2)[-1].lstrip("/")
    return f"{participant}/{target.lstrip('/')}"


def _as_list(value: object) -> list[str]:
    items = value if isinstance(value, list) else [value]
    return [item for item in items if isinstance(item, str)]


def _read(path: Path) -> dict:
    """A sidecar's content; a field map's broken sidecar says nothing about what it is for."""
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError):
        return {}
    return content if isinstance(content, dict) else {}
