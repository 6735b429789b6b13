"""Read NIfTI scans and check them before anything is computed from them."""

import gzip
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from crossfc import content
from crossfc.array import FloatArray, SingleArray
from crossfc.fault import Fault
from crossfc.session.sidecar import is_number, shown

# A file with fewer volumes than this is not accepted as a time series.
LEAST_VOLUMES = 20
_SECONDS = {"sec": 1.0, "msec": 1e-3, "usec": 1e-6}
_LONGEST_HEADER = 544  # bytes, of NIfTI-2


@dataclass(frozen=True)
class ScanHeader:
    """Contents of a NIfTI header that passed the checks which need no voxel values.

    Attributes
    ----------
    path : Path
    shape : tuple of int
        (x, y, z) or (x, y, z, volumes).
    affine : ndarray, shape (4, 4)
        Voxel indices to world coordinates, mm, RAS+.
    header : nibabel header
    repetition_time : float or None
        Seconds; None for a 3D image.
    notes : tuple of str
        Remarks for the reader of the results (such as a missing orientation that was accepted).
    """

    path: Path
    shape: tuple[int, ...]
    affine: FloatArray
    header: nib.Nifti1Header
    repetition_time: float | None
    notes: tuple[str, ...]

    @property
    def volumes(self) -> int:
        """Number of volumes; 1 for a 3D image."""
        return self.shape[3] if len(self.shape) == 4 else 1

    @property
    def voxel_sizes(self) -> FloatArray:
        """Lengths of the voxel edges in mm, shape (3,)."""
        lengths: FloatArray = np.linalg.norm(self.affine[:3, :3], axis=0)
        return lengths

    @property
    def slice_axis(self) -> int | None:
        """Array axis of the slices (0, 1 or 2), from the header's dim_info; None if not set."""
        axis: int | None = self.header.get_dim_info()[2]
        return axis


@dataclass(frozen=True)
class Scan(ScanHeader):
    """A NIfTI image that passed all checks.

    Attributes
    ----------
    data : ndarray of float32, shape (x, y, z) or (x, y, z, volumes)
        Values after the file's slope and intercept were applied. May be read-only.
    """

    data: SingleArray


def open_scan(
    path: str | Path,
    dimensions: int = 4,
    *,
    sidecar: Mapping[str, Any] | None = None,
    kind: str = "raw",
    accept_unoriented: bool = False,
    least_volumes: int = LEAST_VOLUMES,
) -> Scan:
    """Read a whole NIfTI file and refuse it if it cannot be analysed.

    Parameters
    ----------
    path : path
        A ``.nii`` or ``.nii.gz`` file.
    dimensions : {3, 4}
        What the file must hold: one volume (3) or a time series (4).
    sidecar : mapping, optional
        Merged JSON of the scan (see `sidecar.read_sidecar`). Its RepetitionTime is compared with
        that of the header, and is used if the header has none.
    kind : {"raw", "derivative", "region"}
        A scan as it was converted from the scanner, an image in template space that a program
        computed from a scan, or the image of a seed or target. If header and sidecar of a
        derivative disagree about the repetition time, that of the sidecar is used and a note is
        made, because programs lose it from the header (fMRIPrep 23.2.0 wrote 1 s).
    accept_unoriented : bool
        Accept an image whose orientation is unknown, that is, sform_code and qform_code are 0.
        The affine of a raw scan is then nibabel's guess (first axis from right to left, origin in
        the middle). The affine of a derivative is the sform matrix in its header, although the
        header does not mark it as valid; a derivative without such a matrix is refused, because
        the guessed origin is not that of the template.
    least_volumes : int
        A series with fewer volumes than this is refused.

    Returns
    -------
    Scan

    Raises
    ------
    Fault
        If the file is missing, truncated or corrupt (the whole file is read, so the checksum of
        a gz file is verified), has the wrong number of dimensions, too few volumes, voxels that
        are infinite or (but in the image of a region) NaN, the same value everywhere, no
        orientation or two contradictory ones, or a repetition time that is missing, looks like
        milliseconds or (in a raw scan) differs from that of the sidecar by more than 1 ms.
    """
    path = _existing(path)
    raw = _whole_file(path)
    header = _header(raw, path)
    _check_kind(header, path)
    _check_size(len(raw), header, path)
    said = _described(header, path, dimensions, sidecar, kind, accept_unoriented, least_volumes)
    data = _voxels(raw, header).reshape(said.shape, order="F")
    _check_values(data, path, missing=kind == "region")
    return Scan(**vars(said), data=data)


def open_header(
    path: str | Path,
    dimensions: int = 4,
    *,
    sidecar: Mapping[str, Any] | None = None,
    kind: str = "raw",
    accept_unoriented: bool = False,
    least_volumes: int = LEAST_VOLUMES,
) -> ScanHeader:
    """Read the header of a NIfTI file (in milliseconds) and make the checks that need no voxels.

    Parameters
    ----------
    As `open_scan`.

    Returns
    -------
    ScanHeader

    Raises
    ------
    Fault
        As `open_scan`. A truncated file is recognised by its size; wrong values, or damage in the
        middle of a gz file, are not noticed.
    """
    path = _existing(path)
    header = _header(_start_of_file(path), path)
    _check_kind(header, path)
    _check_size(_size(path, header), header, path)
    return _described(header, path, dimensions, sidecar, kind, accept_unoriented, least_volumes)


def require_whole(path: str | Path) -> None:
    """Refuse an image that is shorter than its header says, without reading its voxels.

    Raises
    ------
    Fault
        If the file is shorter, or its header cannot be read.
    """
    path = _existing(path)
    header = _header(_start_of_file(path), path)
    _check_kind(header, path)
    _check_size(_size(path, header), header, path)


def farthest_mm(shape: Sequence[int], first: FloatArray, second: FloatArray) -> float:
    """Return the largest distance between the positions that two affines give the same voxel.

    Parameters
    ----------
    shape : sequence of int
        Shape of the grid, (x, y, z).
    first, second : ndarray, shape (4, 4)
        Voxel indices to mm.

    Returns
    -------
    float
        Distance in mm.
    """
    if np.array_equal(first, second):
        return 0.0
    corners = np.array(np.meshgrid(*[(0, n - 1) for n in shape[:3]])).reshape(3, -1).T
    apart = nib.affines.apply_affine(first, corners) - nib.affines.apply_affine(second, corners)
    return float(np.linalg.norm(apart, axis=1).max())


def same_grid(
    shape: Sequence[int], affine: FloatArray, other_shape: Sequence[int], other: FloatArray
) -> bool:
    """Test whether two grids are the same, to a tenth of the shortest voxel edge.

    Programs round affines, so that files of the same grid seldom agree to the last digit.

    Parameters
    ----------
    shape, other_shape : sequence of int
        Shapes of the two grids; only the first three numbers are compared.
    affine, other : ndarray, shape (4, 4)
        Voxel indices to mm.

    Returns
    -------
    bool
    """
    if tuple(shape[:3]) != tuple(other_shape[:3]):
        return False
    edge = float(np.linalg.norm(np.asarray(affine)[:3, :3], axis=0).min())
    return farthest_mm(shape, affine, other) < 0.1 * edge


def _existing(path: str | Path) -> Path:
    path = Path(path)
    if not path.name.endswith((".nii", ".nii.gz")):
        raise Fault(f"{path} is neither .nii nor .nii.gz; convert the scan to NIfTI")
    content.require(path, remedy="check the sheet or restore the file")
    return path


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Turn the errors that reading a file may raise into a `Fault`."""
    try:
        yield
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise Fault(
            f"{path} is truncated or corrupt ({error}); copy or convert the scan again"
        ) from error
    except OSError as error:
        raise Fault(f"{path} cannot be read ({error.strerror}); check permissions") from error


def _whole_file(path: Path) -> bytes:
    with _readable(path):
        raw = path.read_bytes()
        return gzip.decompress(raw) if path.name.endswith(".gz") else raw


def _start_of_file(path: Path) -> bytes:
    opener = gzip.open if path.name.endswith(".gz") else open
    with _readable(path), opener(path, "rb") as stream:
        return stream.read(_LONGEST_HEADER)


def _size(path: Path, header: nib.Nifti1Header) -> int:
    """Return the decompressed size of the file in bytes."""
    if not path.name.endswith(".gz"):
        return path.stat().st_size
    with _readable(path), open(path, "rb") as stream:
        stream.seek(-4, 2)
        # The last four bytes of a gz file are its decompressed size (modulo 2^32: RFC 1952).
        stated = int.from_bytes(stream.read(4), "little")
    if stated == _due(header) % 2**32:
        return _due(header)
    # The file is truncated, longer than its header says, or a gz file of several parts; only
    # decompressing all of it shows which.
    size = 0
    with _readable(path), gzip.open(path, "rb") as stream:
        while piece := stream.read(1 << 22):
            size += len(piece)
    return size


def _header(raw: bytes, path: Path) -> nib.Nifti1Header:
    sizes = {int.from_bytes(raw[:4], order) for order in ("little", "big")}
    kind: type[nib.Nifti1Header] = nib.Nifti2Header if 540 in sizes else nib.Nifti1Header
    try:
        header: nib.Nifti1Header = kind.from_fileobj(BytesIO(raw))
    except (nib.spatialimages.HeaderDataError, nib.wrapstruct.WrapStructError) as error:
        raise Fault(
            f"{path} has no valid NIfTI header ({error}); copy or convert the scan again"
        ) from error
    return header


def _described(
    header: nib.Nifti1Header,
    path: Path,
    dimensions: int,
    sidecar: Mapping[str, Any] | None,
    kind: str,
    accept_unoriented: bool,
    least_volumes: int,
) -> ScanHeader:
    stored = header.get_data_shape()
    shape, time_axis = list(stored), 4
    while len(shape) > 3 and shape[-1] == 1:
        shape.pop()
    if dimensions == 4 and len(shape) == 5 and shape[3] == 1:
        # Some converters put time on the fifth axis, which NIfTI reserves for vectors.
        shape, time_axis = [*shape[:3], shape[4]], 5
    if len(shape) != dimensions:
        raise Fault(
            f"{path} has shape {'×'.join(map(str, shape))} where {dimensions} dimensions are "
            f"due; give {'a time series' if dimensions == 4 else 'one volume'}"
        )
    if dimensions == 4 and shape[3] < least_volumes:
        raise Fault(
            f"{path} has {shape[3]} volumes, fewer than {least_volumes}: the scan was broken off "
            "or is no resting-state run; leave the session out or choose another run"
        )
    affine, notes = _orientation(header, shape[:3], path, kind, accept_unoriented)
    repetition_time = None
    if dimensions == 4:
        in_header = float(header["pixdim"][time_axis])
        repetition_time, said = _repetition_time(in_header, header, sidecar, path, kind)
        notes += said
    return ScanHeader(path, tuple(shape), affine, header, repetition_time, tuple(notes))


def _offset(header: nib.Nifti1Header) -> int:
    # A vox_offset of 0 in a single file means that the voxels follow right after the header.
    return int(header["vox_offset"]) or int(header.single_vox_offset)


def _due(header: nib.Nifti1Header) -> int:
    """Return the decompressed size in bytes that the file should have according to its header."""
    count = int(np.prod(header.get_data_shape(), dtype=np.int64))
    return _offset(header) + count * int(header.get_data_dtype().itemsize)


def _check_kind(header: nib.Nifti1Header, path: Path) -> None:
    shape = header.get_data_shape()
    try:
        dtype = header.get_data_dtype()
        header.get_slope_inter()
    except nib.spatialimages.HeaderDataError as error:
        raise Fault(f"{path} has an unknown data type ({error}); convert it again") from error
    if dtype.kind not in "iuf":
        raise Fault(f"{path} holds no plain numbers (type {dtype}); convert it again")
    if len(shape) < 3 or 0 in shape:
        raise Fault(f"{path} has shape {shape}, which is no volume; convert the scan again")


def _check_size(size: int, header: nib.Nifti1Header, path: Path) -> None:
    if size < _due(header):
        raise Fault(
            f"{path} is truncated: it holds {max(size - _offset(header), 0)} bytes of voxels where "
            f"the header says {_due(header) - _offset(header)}; copy or convert the scan again"
        )


def _voxels(raw: bytes, header: nib.Nifti1Header) -> SingleArray:
    """Return the values as float32 in the order of the file, without copying if possible."""
    count = int(np.prod(header.get_data_shape(), dtype=np.int64))
    values = np.frombuffer(raw, header.get_data_dtype(), count, _offset(header))
    data = values.astype(np.float32, copy=False)
    slope, intercept = header.get_slope_inter()
    if (slope is not None and slope != 1) or intercept not in (None, 0):
        data = data * np.float32(slope) + np.float32(intercept)
    return data


def _check_values(data: SingleArray, path: Path, missing: bool) -> None:
    """Refuse values that are infinite, all the same, or NaN unless they may be ``missing``."""
    # One sum shows whether all values are finite; only if not is the first bad voxel searched for.
    if not np.isfinite(data.sum(dtype=np.float64)):
        bad = np.isinf(data) if missing else ~np.isfinite(data)
        if bad.any():
            first = tuple(int(i) for i in np.argwhere(bad)[0])
            raise Fault(
                f"{path} holds {int(bad.sum())} voxels that are NaN or infinite, the first at "
                f"index {first}; convert the scan again or set them to 0"
            )
    if data.min() == data.max():
        raise Fault(f"{path} has the value {data.flat[0]:g} in every voxel; restore the scan")


# The config key that accepts a scan of unknown orientation; there is none for images of regions.
_ACCEPT_KEY = {
    "raw": "preprocessing.accept_unoriented",
    "derivative": "derivatives.accept_unoriented",
    "region": None,
}


def _orientation(
    header: nib.Nifti1Header, shape: Sequence[int], path: Path, kind: str, accept_unoriented: bool
) -> tuple[FloatArray, list[str]]:
    notes: list[str] = []
    sform_code, qform_code = int(header["sform_code"]), int(header["qform_code"])
    if sform_code == 0 and qform_code == 0:
        key = _ACCEPT_KEY[kind]
        if not accept_unoriented:
            raise Fault(
                f"{path} does not say how it lies (sform_code and qform_code are 0), so left and "
                "right are unknown; convert it again"
                + (f", or set {key}: true if you have checked the orientation" if key else "")
            )
        if kind == "derivative":
            return _unmarked_affine(header, path)
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
        farthest = farthest_mm(shape, affine, quaternion)
        voxel = float(np.linalg.norm(affine[:3, :3], axis=0).max())
        if not farthest <= voxel:
            raise Fault(
                f"{path} has an sform and a qform that put the same voxel up to {farthest:.1f} mm "
                "apart; find out which is right and give both forms that value"
            )
    return affine, notes


def _unmarked_affine(header: nib.Nifti1Header, path: Path) -> tuple[FloatArray, list[str]]:
    """Return the sform matrix of a header whose sform_code is 0, with a note.

    It is taken only if it is finite and has the voxel size that the header gives; otherwise the
    image is refused.
    """
    affine = np.asarray(header.get_sform(), dtype=np.float64)
    if np.isfinite(affine).all():
        sizes = np.linalg.norm(affine[:3, :3], axis=0)
        voxel = np.asarray(header.get_zooms()[:3], dtype=np.float64)
        whole = abs(np.linalg.det(affine[:3, :3])) > 0.5 * voxel.prod() > 0
        if whole and np.allclose(sizes, voxel, rtol=0.01):
            note = "the header marks no orientation; the matrix that stands in it was taken"
            return affine, [note]
    raise Fault(
        f"{path} does not say how it lies: sform_code and qform_code are 0, and no matrix of its "
        "voxel size stands in the header; write it again with the affine of its template"
    )


# A larger repetition time (seconds) must be in milliseconds.
_LONGEST_TR = 100.0


def _repetition_time(
    number: float,
    header: nib.Nifti1Header,
    sidecar: Mapping[str, Any] | None,
    path: Path,
    kind: str,
) -> tuple[float, list[str]]:
    """Return one repetition time (seconds) from header and sidecar, with notes."""
    _, unit = header.get_xyzt_units()
    in_header: float | None = None
    if np.isfinite(number) and number > 0:
        # ASSUME: without a unit, more than 100 is milliseconds; no series has a TR of 100 s.
        in_header = number * _SECONDS.get(unit, 1e-3 if number > _LONGEST_TR else 1.0)
    stated = (sidecar or {}).get("RepetitionTime")
    if stated is not None and not (is_number(stated) and stated > 0):
        raise Fault(
            f"the sidecar of {path} has RepetitionTime {shown(stated)}; give seconds above 0"
        )
    if stated is None:
        if in_header is None:
            raise Fault(
                f"{path} has no repetition time, neither in its header nor in a sidecar; add "
                "RepetitionTime in seconds to its JSON"
            )
        if kind == "derivative" and abs(in_header - 1) < 1e-6:
            raise Fault(
                f"{path} has no RepetitionTime in a sidecar, and its header says 1 s, which is "
                "also what programs write that do not know it; put a JSON of the same name beside "
                "it with RepetitionTime in seconds"
            )
        return in_header, []
    if stated > _LONGEST_TR or (in_header and abs(in_header - stated / 1000) <= 1e-3):
        told = f"{in_header:g} s in its header but " if in_header else ""
        raise Fault(
            f"{path} has a repetition time of {told}{stated:g} s in its sidecar; the sidecar looks "
            "like milliseconds: give seconds"
        )
    if in_header is None or abs(in_header - stated) <= 1e-3:
        return float(stated), []
    if kind == "derivative":
        note = (
            f"the header says a repetition time of {in_header:g} s, the sidecar {stated:g} s; the "
            "sidecar's was taken"
        )
        return float(stated), [note]
    raise Fault(
        f"{path} has a repetition time of {in_header:g} s in its header but {stated:g} s in its "
        "sidecar; find out which is right and mend the other"
    )
