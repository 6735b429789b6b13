"""Volumes of one trial: checked when they are read, and all on one grid."""

import os
import zlib
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
from nibabel.spatialimages import SpatialHeader, SpatialImage

from crossfc import content
from crossfc.array import BoolArray, FloatArray, IntArray, SingleArray
from crossfc.fault import Fault
from crossfc.session.placement import in_mask
from crossfc.session.scan import require_whole, same_grid


@dataclass(frozen=True)
class _First:
    """The first map that was read, whose grid all others must have."""

    path: Path
    shape: tuple[int, ...]
    affine: FloatArray
    header: SpatialHeader


class Grid:
    """Reads maps that must all lie on the grid of the first map.

    Parameters
    ----------
    accept_unoriented : bool
        Read images that carry no orientation (Analyze 7.5, NIfTI without qform and sform). Their
        left and right are then nibabel's assumption, not stated in the file.
    zero_is_missing : bool
        Take exact zeros as outside the brain, where many packages write zeros.

    Attributes
    ----------
    shape, affine
        Those of the first map, once it is read.
    """

    def __init__(self, accept_unoriented: bool = False, zero_is_missing: bool = False) -> None:
        self.accept_unoriented = accept_unoriented
        self.zero_is_missing = zero_is_missing
        self._first: _First | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        return self._known.shape

    @property
    def affine(self) -> FloatArray:
        return self._known.affine

    @property
    def _known(self) -> _First:
        assert self._first is not None  # no grid is asked for before a map is read
        return self._first

    def read(self, path: str | os.PathLike[str]) -> SingleArray:
        """Read a map.

        Parameters
        ----------
        path : path

        Returns
        -------
        float32 ndarray, shape (i, j, k)
            NaN where the map has no value.

        Raises
        ------
        Fault
            If the file is missing or unreadable, is not one volume, carries no orientation, lies
            on another grid or is empty.
        """
        image = self._load(Path(path))
        values = _values(path, image, self.shape)
        if self.zero_is_missing:
            values[values == 0] = np.nan
        values[~np.isfinite(values)] = np.nan
        if not np.any(np.nan_to_num(values)):
            what = "not a number" if np.isnan(values).all() else "zero"
            raise Fault(
                f"{path} is empty: every voxel is {what}; make the map again or leave the person "
                "out"
            )
        return values

    def mask(self, path: str | os.PathLike[str]) -> BoolArray:
        """Read a mask; one on another grid in the same space is brought onto that of the maps.

        Parameters
        ----------
        path : path

        Returns
        -------
        bool ndarray, shape (i, j, k)
            True where the image is above 0; on another grid, where more than half of a voxel is.

        Raises
        ------
        Fault
            As `read_mask`.
        """
        inside, affine = read_mask(path)
        if same_grid(self.shape, self.affine, inside.shape, affine):
            return inside
        # Only here, as the plan reads maps where there is no scipy.
        from crossfc.session.image import onto_grid

        return onto_grid(inside.astype(np.float32), affine, self.affine, self.shape) > 0.5

    def check(self, path: str | os.PathLike[str]) -> None:
        """Do the checks of `read` that need no voxel values: orientation, dimensions, grid, size.

        Raises
        ------
        Fault
            If a check fails.
        """
        path = Path(path)
        self._load(path)
        if path.name.endswith((".nii", ".nii.gz")):
            require_whole(path)

    def _load(self, path: Path) -> SpatialImage:
        image = load(path)
        shape = _shape(path, image, "a map is one volume, so split it first")
        affine = np.asarray(image.affine)
        if not self.accept_unoriented:
            _require_oriented(path, image, ", or set maps.accept_unoriented: true")
        first = self._first
        if first is None:
            self._first = _First(path, shape, affine, image.header)
        elif not same_grid(first.shape, first.affine, shape, affine):
            raise Fault(
                f"{path} lies on another grid than {first.path}: shape {shape} and "
                f"{first.shape}, affine {affine.round(3).tolist()} and "
                f"{first.affine.round(3).tolist()}; resample all maps to one space and resolution"
            )
        return image

    def image(self, values: IntArray) -> nib.Nifti1Image:
        """Make a NIfTI image on this grid, with the space (sform code) of the first map."""
        made = nib.Nifti1Image(values, self.affine)
        made.header.set_xyzt_units("mm")
        code = 2  # "aligned": the code of an image that does not state to what it is aligned
        header = self._known.header
        if isinstance(header, nib.Nifti1Header):
            code = int(header["sform_code"]) or int(header["qform_code"]) or code
        made.set_sform(self.affine, code)
        made.set_qform(self.affine, code)
        return made


def read_mask(path: str | os.PathLike[str]) -> tuple[BoolArray, FloatArray]:
    """Read a mask: which voxels are above 0, and the affine.

    Returns
    -------
    inside : bool ndarray, shape (i, j, k)
    affine : ndarray, shape (4, 4)
        Voxel indices to mm.

    Raises
    ------
    Fault
        If the file is missing or unreadable, is not one volume, carries no orientation, or no
        voxel is inside.
    """
    image = load(path)
    shape = _shape(path, image, "a mask is one volume, so take one of them")
    _require_oriented(path, image)
    inside = in_mask(_values(path, image, shape))
    if not inside.any():
        raise Fault(f"{path} holds no voxel above 0; make the mask again")
    return inside, np.asarray(image.affine)


def load(path: str | os.PathLike[str]) -> SpatialImage:
    """Open an image with nibabel; the voxels are not read yet.

    Raises
    ------
    Fault
        If the file is missing, nibabel cannot read it, or it holds a surface instead of voxels.
    """
    content.require(path, remedy="run the step that makes it or correct the path")
    try:
        image = nib.load(path)
    except (nib.filebasedimages.ImageFileError, OSError, EOFError) as reason:
        raise Fault(f"{path} cannot be read as an image ({reason}); make it again") from reason
    if not isinstance(image, SpatialImage):
        raise Fault(
            f"{path} is no volume ({type(image).__name__}, which holds a surface or tracts); give "
            "the map in a volume, such as NIfTI"
        )
    return image


def _shape(path: str | os.PathLike[str], image: SpatialImage, told: str) -> tuple[int, ...]:
    """Return the shape of a single volume, without further axes of length 1."""
    shape: tuple[int, ...] = image.shape
    if len(shape) < 3 or any(length != 1 for length in shape[3:]):
        raise Fault(f"{path} has shape {shape}; {told}")
    return shape[:3]


def _values(
    path: str | os.PathLike[str], image: SpatialImage, shape: tuple[int, ...]
) -> SingleArray:
    try:
        return np.asarray(image.dataobj, dtype=np.float32).reshape(shape)
    except (OSError, EOFError, ValueError, zlib.error) as reason:
        # Such as a byte that was copied wrong, which shows only at the end of the file.
        raise Fault(f"{path} cannot be read whole ({reason}); copy or make it again") from reason


def _require_oriented(path: str | os.PathLike[str], image: SpatialImage, or_else: str = "") -> None:
    if not _oriented(image):
        raise Fault(
            f"{path} carries no orientation ({type(image).__name__}), so left and right in it are "
            f"a guess; convert it to NIfTI{or_else}"
        )


def _oriented(image: SpatialImage) -> bool:
    header = image.header
    if isinstance(header, nib.Nifti1Header):
        return bool(header["sform_code"]) or bool(header["qform_code"])
    return not isinstance(image, nib.AnalyzeImage)
