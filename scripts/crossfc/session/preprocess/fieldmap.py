"""Find the field maps of a scan, which native preprocessing does not apply.

Estimating a field from them (unwrapping, topup) and correcting the scan needs tools that this
preprocessing does not have. Therefore a session with field maps is refused, unless the config says
to ignore them; the record then says so.
"""

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from crossfc.bids import parse_name
from crossfc.fault import Fault
from crossfc.session.sidecar import read_sidecar, sidecar_paths, texts


def field_map_files(bids_dir: str | Path, scan: str | PurePosixPath) -> list[Path]:
    """List the images and sidecars in the ``fmap`` folders of a scan's participant.

    These folders are ``sub-*/fmap`` and ``sub-*/ses-*/fmap`` of this person.
    """
    participant = Path(bids_dir) / PurePosixPath(scan).parts[0]
    folders = [participant / "fmap", *sorted(participant.glob("ses-*/fmap"))]
    return [
        file
        for folder in folders
        for file in sorted(folder.glob("*"))
        if file.name.endswith((".nii", ".nii.gz", ".json")) and not file.name.startswith(".")
    ]


def field_maps_for(bids_dir: str | Path, scan: str | PurePosixPath) -> list[str]:
    """List the field maps that belong to a scan.

    A field map belongs to a scan if its IntendedFor names the scan (relative to the participant's
    folder, or as a ``bids::`` address), if its B0FieldIdentifier is the scan's B0FieldSource, or if
    it lies in the scan's session (or in no session) and has neither field.

    Parameters
    ----------
    bids_dir : path
        Root of the raw data set.
    scan : path
        Path of the scan relative to the root.

    Returns
    -------
    list of str
        Paths relative to the root: of the image if there is one, else of its sidecar. A
        B0FieldSource of the scan that no field map in these folders provides (such as a run with
        the opposite phase encoding) is listed by its name.

    Raises
    ------
    Fault
        If a sidecar cannot be read.
    """
    scan = PurePosixPath(scan)
    root = Path(bids_dir)
    sources = texts(read_sidecar(sidecar_paths(root, scan)).get("B0FieldSource"))
    missing = set(sources)
    own = {root / scan.parts[0] / "fmap", root / scan.parent.parent / "fmap"}
    found: dict[str, str] = {}
    for file in field_map_files(root, scan):
        name = file.relative_to(root).as_posix()
        try:
            parse_name(file.name)
        except Fault:
            said = {} if file.suffix != ".json" else read_sidecar([file])
        else:
            said = read_sidecar(sidecar_paths(root, name))
        intended = {_stem(PurePosixPath(t).name) for t in texts(said.get("IntendedFor"))}
        named = texts(said.get("B0FieldIdentifier"))
        silent = not intended and not named and file.parent in own
        if silent or _stem(scan.name) in intended or set(named) & set(sources):
            # The image sorts after its sidecar, so it replaces the sidecar in the list.
            found[_stem(name)] = name
            missing -= set(named)
    return sorted(found.values()) + [f"B0FieldSource {name}" for name in sorted(missing)]


def refuse_field_maps(found: Sequence[str], scan: object) -> None:
    """Refuse a scan that has field maps.

    Raises
    ------
    Fault
        If ``found`` is not empty.
    """
    if not found:
        return
    shown = ", ".join(found[:3]) + (f" and {len(found) - 3} more" if len(found) > 3 else "")
    raise Fault(
        f"{scan} has field maps ({shown}), but native preprocessing does not correct "
        "susceptibility distortion; use fMRIPrep derivatives (entry: fmriprep), or set "
        "preprocessing.field_maps: ignore to go on without the correction, which the record and "
        "the methods text then say"
    )


def _stem(name: str) -> str:
    return name.removesuffix(".gz").removesuffix(".nii").removesuffix(".json")
