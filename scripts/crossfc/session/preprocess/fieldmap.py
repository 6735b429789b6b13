"""Find the field maps of a scan, and choose the one that corrects its distortion."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import nibabel as nib

from crossfc import content
from crossfc.bids import bids_name, parse_name
from crossfc.fault import Fault
from crossfc.session.preprocess.readout import Readout, read_readout
from crossfc.session.scan import require_whole
from crossfc.session.sidecar import read_sidecar, shown, sidecar_paths, texts

_IGNORE = "or set preprocessing.field_maps: ignore, which leaves the distortion"
_TO_HZ = {"Hz": 1.0, "rad/s": 0.15915494309189535}
# How each kind is called in records and on the page.
KINDS = {
    "epi": "two echo-planar images of opposite phase encoding",
    "phasediff": "a phase difference",
    "phase1": "two phases",
    "fieldmap": "a field in Hz",
}


@dataclass(frozen=True)
class MapImage:
    """An image of a field map: its path relative to the root, and its merged sidecar."""

    path: str
    said: Mapping[str, Any]


@dataclass(frozen=True)
class FieldMap:
    """A field map that is complete.

    Attributes
    ----------
    kind : {"epi", "phasediff", "phase1", "fieldmap"}
        See `KINDS`.
    images : tuple of MapImage
        Of ``epi`` one or two (of one, the run itself is the other), of ``phase1`` both phases.
    magnitude : str or None
        Path of the magnitude that belongs to them, relative to the root.
    named_by : str
        The field that links it with the run: B0FieldSource or IntendedFor.
    """

    kind: str
    images: tuple[MapImage, ...]
    magnitude: str | None
    named_by: str

    @property
    def paths(self) -> list[str]:
        """The images, relative to the root."""
        return [image.path for image in self.images] + ([self.magnitude] if self.magnitude else [])

    @property
    def description(self) -> str:
        """Kind and images in words."""
        kind = KINDS[self.kind]
        if self.kind == "epi" and len(self.images) == 1:
            kind = "the run and an echo-planar image of opposite phase encoding"
        return f"{kind} ({', '.join(self.paths)}), by {self.named_by}"


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
    """Refuse a scan that has field maps, as the config asks for.

    Raises
    ------
    Fault
        If ``found`` is not empty.
    """
    if not found:
        return
    listed = ", ".join(found[:3]) + (f" and {len(found) - 3} more" if len(found) > 3 else "")
    raise Fault(
        f"{scan} has field maps ({listed}), and preprocessing.field_maps is refuse; set it to use "
        "(correct the distortion) or ignore (go on without the correction), which the record and "
        "the methods text then say"
    )


def choose_field_map(bids_dir: str | Path, scan: str | PurePosixPath) -> FieldMap | None:
    """Choose the field map that corrects a run.

    Those that provide the run's B0FieldSource come first, else those whose IntendedFor names the
    run; of these in the order of `KINDS`. Only those of the run's own session (or of a folder
    ``fmap`` without session) serve.

    Parameters
    ----------
    bids_dir : path
        Root of the raw data set.
    scan : path
        Path of the run relative to the root.

    Returns
    -------
    FieldMap or None
        None if the run has no field map.

    Raises
    ------
    Fault
        If there are field maps and none is complete; one sentence with a remedy.
    """
    found = field_maps_for(bids_dir, scan)
    if not found:
        return None
    scan, root = PurePosixPath(scan), Path(bids_dir)
    run = read_sidecar(sidecar_paths(root, scan))
    path = root / scan
    own = {f"{scan.parts[0]}/fmap", (scan.parent.parent / "fmap").as_posix()}
    here = [name for name in found if PurePosixPath(name).parent.as_posix() in own]
    said = {
        name: read_sidecar(sidecar_paths(root, name))
        for name in here
        if name.endswith((".nii", ".gz"))
    }
    sources = texts(run.get("B0FieldSource"))
    groups = [
        ("B0FieldSource", [n for n in said if source in texts(said[n].get("B0FieldIdentifier"))])
        for source in sources
    ]
    if not sources:
        named = [
            n
            for n in said
            if _stem(scan.name)
            in {_stem(PurePosixPath(t).name) for t in texts(said[n].get("IntendedFor"))}
        ]
        groups = [("IntendedFor", named)]
    groups = [(by, names) for by, names in groups if names]
    if not groups:
        raise Fault(_unlinked(path, found, here, said, sources))
    faults = []
    for by, names in groups:
        for kind in KINDS:
            images = [
                MapImage(n, said[n]) for n in names if parse_name(PurePosixPath(n).name)[1] == kind
            ]
            if not images:
                continue
            try:
                return _complete(kind, images, by, root, scan, run)
            except Fault as fault:
                faults.append(str(fault))
    if faults:
        raise Fault(faults[0])
    listed = ", ".join(groups[0][1][:3])
    raise Fault(
        f"{path} has field maps ({listed}) of which none tells a field: an epi, phasediff, phase1 "
        f"and phase2, or fieldmap is needed; add it to the folder, {_IGNORE}"
    )


def field_factor(said: Mapping[str, Any]) -> float:
    """Return what turns the values of a field into Hz, from its Units."""
    return _TO_HZ[str(said["Units"])]


def files_of(bids_dir: str | Path, chosen: FieldMap) -> list[Path]:
    """List the images of a field map and the JSON files that describe them."""
    root = Path(bids_dir)
    described = [file for path in chosen.paths for file in sidecar_paths(root, path)]
    return list(dict.fromkeys([*(root / path for path in chosen.paths), *described]))


def _unlinked(
    path: Path,
    found: Sequence[str],
    here: Sequence[str],
    said: Mapping[str, object],
    sources: Sequence[str],
) -> str:
    listed = ", ".join(found[:3])
    if sources:
        return (
            f"the sidecar of {path} has B0FieldSource {', '.join(sources)}, which no image in the "
            f"folder fmap of its session has as B0FieldIdentifier; correct either, {_IGNORE}"
        )
    if not here:
        return (
            f"{path} has field maps of another session only ({listed}), where the head lay "
            f"otherwise; correct their IntendedFor, {_IGNORE}"
        )
    if not said:
        return (
            f"{path} has sidecars of field maps without images ({listed}); restore them, {_IGNORE}"
        )
    return (
        f"field maps lie beside {path} ({listed}) that do not say which runs they are for; add "
        f"IntendedFor or B0FieldIdentifier to their sidecars, {_IGNORE}"
    )


def _complete(
    kind: str,
    images: Sequence[MapImage],
    named_by: str,
    root: Path,
    scan: PurePosixPath,
    run: Mapping[str, Any],
) -> FieldMap:
    """Check a field map and pick its images."""
    own = read_readout(run, _shape(root / scan), root / scan)
    for image in images:
        content.require(root / image.path)
    if kind == "epi":
        return FieldMap(kind, _polarities(images, own, root, scan), None, named_by)
    first = images[0]
    path = root / first.path
    if kind != "fieldmap":
        raise Fault(
            f"{path} is a field map of phases, which native preprocessing does not unwrap; give "
            "the field in Hz (fieldmap and magnitude) or echo-planar images of opposite phase "
            f"encoding, use fMRIPrep (preprocessing.tool: fmriprep-run), {_IGNORE}"
        )
    magnitude = _magnitude(root, first.path)
    if magnitude is None:
        raise Fault(
            f"{path} has no magnitude image beside it, by which it is laid onto the run; add "
            f"magnitude.nii.gz of the same name, {_IGNORE}"
        )
    if first.said.get("Units") not in _TO_HZ:
        raise Fault(
            f"the sidecar of {path} has Units {shown(first.said.get('Units'))}; give Hz or "
            f"rad/s, {_IGNORE}"
        )
    return FieldMap(kind, (first,), magnitude, named_by)


def _polarities(
    images: Sequence[MapImage], own: Readout, root: Path, scan: PurePosixPath
) -> tuple[MapImage, ...]:
    """Pick two images that are shifted apart, or one that is shifted away from the run."""
    readouts = [read_readout(i.said, _shape(root / i.path), root / i.path) for i in images]

    def apart(one: Readout, other: Readout) -> bool:
        return one.axis == other.axis and one.voxels_per_hz * other.voxels_per_hz < 0

    # Images of the run's own polarity come first, as it is laid onto the first.
    order = sorted(range(len(images)), key=lambda i: apart(readouts[i], own))
    for i in order:
        for j in order:
            if apart(readouts[i], readouts[j]):
                return images[i], images[j]
    for i in order:
        if apart(readouts[i], own):
            return (images[i],)
    raise Fault(
        f"{root / images[0].path} has the phase encoding of the run {scan} "
        f"({own.direction}) and there is none of the opposite, so they tell no field; add the "
        f"other image or its IntendedFor, {_IGNORE}"
    )


def _shape(path: Path) -> tuple[int, ...]:
    require_whole(path)
    shape: tuple[int, ...] = nib.Nifti1Image.from_filename(path).shape
    return shape


def _magnitude(root: Path, path: str) -> str | None:
    entities, _, _ = parse_name(PurePosixPath(path).name)
    for extension in (".nii.gz", ".nii"):
        beside = PurePosixPath(path).with_name(bids_name(entities, "magnitude", extension))
        if (root / beside).exists():
            require_whole(root / beside)
            return beside.as_posix()
    return None


def _stem(name: str) -> str:
    return name.removesuffix(".gz").removesuffix(".nii").removesuffix(".json")
