"""A scan on the disk: read once, checked before anything is computed from it."""

import gzip
import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import Any

import nibabel as nib
import numpy as np

from crossfc.bids import parse_name
from crossfc.fault import Fault

_SECONDS = {"sec": 1.0, "msec": 1e-3, "usec": 1e-6}


@dataclass(frozen=True)
class Scan:
    """A NIfTI image that passed the checks.

    Attributes
    ----------
    path : Path
    data : ndarray of float32, shape (x, y, z) or (x, y, z, volumes)
        In the units of the file (after slope and intercept). May be read-only.
    affine : ndarray, shape (4, 4)
        Voxel indices to world coordinates, mm, RAS+.
    header : nibabel header
    repetition_time : float or None
        Seconds; None for a 3D image.
    volumes : int
        1 for a 3D image.
    notes : tuple of str
        What a reader of the results should know (such as an accepted missing orientation).
    """

    path: Path
    data: np.ndarray
    affine: np.ndarray
    header: Any
    repetition_time: float | None
    volumes: int
    notes: tuple[str, ...] = field(default=())

    @property
    def voxel_sizes(self) -> np.ndarray:
        """Lengths of the voxel edges in mm, shape (3,)."""
        return np.linalg.norm(self.affine[:3, :3], axis=0)


def open_scan(
    path: str | Path,
    dimensions: int = 4,
    *,
    sidecar: Mapping[str, Any] | None = None,
    accept_unoriented: bool = False,
    least_volumes: int = 20,
) -> Scan:
    """Read a NIfTI file in one go and refuse it if it cannot be analysed.

    Parameters
    ----------
    path : path
        A ``.nii`` or ``.nii.gz`` file.
    dimensions : {3, 4}
        What is due: one volume or a series.
    sidecar : mapping, optional
        Merged JSON of the scan (see `read_sidecar`); its RepetitionTime is compared with the
        header's and wins where the header has none.
    accept_unoriented : bool
        Go on where neither sform nor qform says how the image lies (the affine is then nibabel's
        guess: first axis from right to left, origin in the middle).
    least_volumes : int
        Fewer volumes than this are no series.

    Returns
    -------
    Scan

    Raises
    ------
    Fault
        If the file is missing, truncated or corrupt (the whole stream is read, so the checksum
        of a gz file is verified), has the wrong number of dimensions, too few volumes, voxels
        that are NaN or infinite, the same value everywhere, no or contradictory orientation, or
        a repetition time that is missing or contradicts the sidecar by more than 1 ms.
    """
    path = Path(path)
    raw = _whole_file(path)
    header = _header(raw, path)
    data = _voxels(raw, header, path)
    while data.ndim > 3 and data.shape[-1] == 1:
        data = data[..., 0]
    time_axis = 4
    if dimensions == 4 and data.ndim == 5 and data.shape[3] == 1:
        data, time_axis = data[:, :, :, 0], 5  # where NIfTI has vectors, some converters put time
    if data.ndim != dimensions:
        raise Fault(
            f"{path} has shape {'×'.join(map(str, data.shape))} where {dimensions} dimensions are "
            f"due; give {'a time series' if dimensions == 4 else 'one volume'}"
        )
    volumes = data.shape[3] if dimensions == 4 else 1
    if dimensions == 4 and volumes < least_volumes:
        raise Fault(
            f"{path} has {volumes} volumes, fewer than {least_volumes}: the scan was broken off "
            "or is no resting-state run; leave the session out or choose another run"
        )
    _check_values(data, path)
    affine, notes = _orientation(header, data.shape[:3], path, accept_unoriented)
    repetition_time = None
    if dimensions == 4:
        stored = float(header["pixdim"][time_axis])
        repetition_time = _repetition_time(stored, header, sidecar, path)
    return Scan(path, data, affine, header, repetition_time, volumes, tuple(notes))


def sidecar_paths(bids_dir: str | Path, scan: str | Path) -> list[Path]:
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
    """
    scan = PurePosixPath(scan)
    wanted, suffix, _ = parse_name(scan.name)
    found = []
    folder = Path(bids_dir)
    for part in (None, *scan.parent.parts):
        folder = folder if part is None else folder / part
        if not folder.is_dir():
            break
        here = []
        for file in sorted(folder.glob(f"*{suffix}.json")):
            entities = _sidecar_entities(file.name, suffix)
            if entities is not None and entities.items() <= wanted.items():
                here.append((len(entities), file))
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
        try:
            content = json.loads(Path(path).read_text(encoding="utf-8-sig"))
        except OSError as error:
            raise Fault(f"{path} cannot be read ({error.strerror}); restore the file") from error
        except UnicodeDecodeError as error:
            raise Fault(f"{path} is not UTF-8 text; restore the file") from error
        except json.JSONDecodeError as error:
            raise Fault(
                f"{path} is no valid JSON (line {error.lineno}: {error.msg}); mend the file"
            ) from error
        if not isinstance(content, dict):
            raise Fault(f"{path} holds no JSON object {{…}}; mend the file")
        merged |= content
    return merged


def _sidecar_entities(name: str, suffix: str) -> dict[str, str] | None:
    """Give the entities of a sidecar's name; None for files that only look like one (``._…``)."""
    if name == f"{suffix}.json":
        return {}
    try:
        entities, found, extension = parse_name(name)
    except Fault:
        return None
    return entities if (found, extension) == (suffix, ".json") else None


def _whole_file(path: Path) -> bytes:
    if not path.name.endswith((".nii", ".nii.gz")):
        raise Fault(f"{path} is neither .nii nor .nii.gz; convert the scan to NIfTI")
    if not path.is_file():
        dangling = path.is_symlink()
        reason = "is a link to a file that is not here" if dangling else "does not exist"
        remedy = "fetch its content" if dangling else "check the sheet or restore the file"
        raise Fault(f"{path} {reason}; {remedy}")
    try:
        raw = path.read_bytes()
        return gzip.decompress(raw) if path.name.endswith(".gz") else raw
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise Fault(
            f"{path} is truncated or corrupt ({error}); copy or convert the scan again"
        ) from error
    except OSError as error:
        raise Fault(f"{path} cannot be read ({error.strerror}); check permissions") from error


def _header(raw: bytes, path: Path) -> Any:
    sizes = {int.from_bytes(raw[:4], order) for order in ("little", "big")}
    kind = nib.Nifti2Header if 540 in sizes else nib.Nifti1Header
    try:
        return kind.from_fileobj(BytesIO(raw))
    except (nib.spatialimages.HeaderDataError, nib.wrapstruct.WrapStructError) as error:
        raise Fault(
            f"{path} has no valid NIfTI header ({error}); copy or convert the scan again"
        ) from error


def _voxels(raw: bytes, header: Any, path: Path) -> np.ndarray:
    """Give the values as float32 in the file's order, without a copy where that is possible."""
    shape = header.get_data_shape()
    try:
        dtype = header.get_data_dtype()
        slope, intercept = header.get_slope_inter()
    except nib.spatialimages.HeaderDataError as error:
        raise Fault(f"{path} has an unknown data type ({error}); convert it again") from error
    if dtype.kind not in "iuf":
        raise Fault(f"{path} holds no plain numbers (type {dtype}); convert it again")
    if len(shape) < 3 or 0 in shape:
        raise Fault(f"{path} has shape {shape}, which is no volume; convert the scan again")
    # from_fileobj has read the header only; vox_offset 0 in a single file means "after it".
    offset = int(header["vox_offset"]) or int(header.single_vox_offset)
    count = int(np.prod(shape, dtype=np.int64))
    due = count * dtype.itemsize
    if len(raw) - offset < due:
        raise Fault(
            f"{path} is truncated: it holds {max(len(raw) - offset, 0)} bytes of voxels where the "
            f"header says {due}; copy or convert the scan again"
        )
    values = np.frombuffer(raw, dtype, count, offset).reshape(shape, order="F")
    data = values.astype(np.float32, copy=False)
    if (slope is not None and slope != 1) or intercept not in (None, 0):
        data = data * np.float32(slope) + np.float32(intercept)
    return data


def _check_values(data: np.ndarray, path: Path) -> None:
    # One sum tells whether all is finite; only a faulty scan pays for finding the place.
    if not np.isfinite(data.sum(dtype=np.float64)):
        bad = ~np.isfinite(data)
        first = tuple(int(i) for i in np.argwhere(bad)[0])
        raise Fault(
            f"{path} holds {int(bad.sum())} voxels that are NaN or infinite, the first at index "
            f"{first}; convert the scan again or set them to 0"
        )
    if data.min() == data.max():
        raise Fault(f"{path} has the value {data.flat[0]:g} in every voxel; restore the scan")


def _orientation(
    header: Any, shape: Sequence[int], path: Path, accept_unoriented: bool
) -> tuple[np.ndarray, list[str]]:
    notes = []
    sform_code, qform_code = int(header["sform_code"]), int(header["qform_code"])
    if sform_code == 0 and qform_code == 0:
        if not accept_unoriented:
            raise Fault(
                f"{path} does not say how it lies (sform_code and qform_code are 0), so left and "
                "right are unknown; convert it again, or set preprocessing.accept_unoriented: "
                "true if you have checked the orientation"
            )
        notes.append(
            "no orientation in the header: the first axis was taken as right to left, the origin "
            "as the middle"
        )
    try:
        affine = np.asarray(header.get_best_affine(), dtype=np.float64)
        quaternion = header.get_qform() if qform_code and sform_code else None
    except (nib.spatialimages.HeaderDataError, ValueError) as error:
        raise Fault(f"{path} has an impossible orientation ({error}); convert it again") from error
    determinant = np.linalg.det(affine[:3, :3]) if np.isfinite(affine).all() else np.nan
    if not np.isfinite(determinant) or abs(determinant) < 1e-6:
        raise Fault(
            f"{path} has an affine that is not invertible (voxel volume {determinant:g} mm³); "
            "convert the scan again"
        )
    if quaternion is not None:
        corners = np.array(np.meshgrid(*[(0, n - 1) for n in shape])).reshape(3, -1).T
        apart = nib.affines.apply_affine(affine, corners) - nib.affines.apply_affine(
            quaternion, corners
        )
        farthest = float(np.linalg.norm(apart, axis=1).max())
        voxel = float(np.linalg.norm(affine[:3, :3], axis=0).max())
        if not farthest <= voxel:
            raise Fault(
                f"{path} has an sform and a qform that put the same voxel up to {farthest:.1f} mm "
                "apart; find out which is right and give both forms that value"
            )
    return affine, notes


def _repetition_time(
    in_header: float | None, header: Any, sidecar: Mapping[str, Any] | None, path: Path
) -> float:
    """Reconcile the repetition time of header and sidecar, in seconds."""
    _, unit = header.get_xyzt_units()
    if not np.isfinite(in_header) or in_header <= 0:
        in_header = None
    elif unit in _SECONDS:
        in_header *= _SECONDS[unit]
    elif in_header > 100:
        # ASSUME: without a unit, more than 100 is milliseconds; no series has a TR of 100 s.
        in_header *= 1e-3
    stated = (sidecar or {}).get("RepetitionTime")
    if stated is not None and not (
        isinstance(stated, int | float) and np.isfinite(stated) and stated > 0
    ):
        raise Fault(f"the sidecar of {path} has RepetitionTime {stated!r}; give seconds above 0")
    if stated is None and in_header is None:
        raise Fault(
            f"{path} has no repetition time, neither in its header nor in a sidecar; add "
            "RepetitionTime in seconds to its JSON"
        )
    if stated is None:
        return in_header
    if in_header is not None and abs(in_header - stated) > 1e-3:
        raise Fault(
            f"{path} has a repetition time of {in_header:g} s in its header but {stated:g} s in "
            "its sidecar; find out which is right and mend the other"
        )
    return float(stated)
