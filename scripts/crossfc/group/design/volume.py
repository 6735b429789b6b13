"""Volumes of one trial: checked when they are read, and all on one grid."""

import os
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
from nibabel.spatialimages import SpatialHeader, SpatialImage

from crossfc import content
from crossfc.array import BoolArray, FloatArray, IntArray, SingleArray
from crossfc.fault import Fault
from crossfc.session.scan import require_whole, same_grid
from crossfc.trial.regions import RegionRow


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
        try:
            values = np.asarray(image.dataobj, dtype=np.float32).reshape(self.shape)
        except (OSError, EOFError, ValueError, zlib.error) as reason:
            # Such as a byte that was copied wrong, which shows only at the end of the file.
            raise Fault(
                f"{path} cannot be read whole ({reason}); copy or make it again"
            ) from reason
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
        """Read a mask on the same grid.

        Parameters
        ----------
        path : path

        Returns
        -------
        bool ndarray, shape (i, j, k)
            True where the image is not 0.
        """
        image = self._load(Path(path))
        inside: BoolArray = np.nan_to_num(np.asarray(image.dataobj, dtype=np.float32)) != 0
        return inside.reshape(self.shape)

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
        shape, affine = image.shape, np.asarray(image.affine)
        if len(shape) > 3 and all(length == 1 for length in shape[3:]):
            shape = shape[:3]
        if len(shape) != 3:
            raise Fault(f"{path} has shape {image.shape}; a map is one volume, so split it first")
        if not self.accept_unoriented and not _oriented(image):
            raise Fault(
                f"{path} carries no orientation ({type(image).__name__}), so left and right in it "
                "are a guess; convert it to NIfTI, or set maps.accept_unoriented: true"
            )
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


def _oriented(image: SpatialImage) -> bool:
    header = image.header
    if isinstance(header, nib.Nifti1Header):
        return bool(header["sform_code"]) or bool(header["qform_code"])
    return not isinstance(image, nib.AnalyzeImage)


def around_seeds(
    seeds: Sequence[str],
    definitions: Sequence[RegionRow],
    fwhm_mm: float,
    shape: tuple[int, ...],
    affine: FloatArray,
) -> BoolArray:
    """Mark the seeds and the halo into which smoothing carries their signal.

    Parameters
    ----------
    seeds : sequence of str
        Names of the seeds to mark.
    definitions : sequence of RegionRow
        Several rows of one seed are its parts.
    fwhm_mm : float
        Full width at half maximum of the smoothing, mm: the width of the halo.
    shape : tuple of int
        Shape (i, j, k) of the grid.
    affine : ndarray, shape (4, 4)
        From voxels of the grid to mm.

    Returns
    -------
    bool ndarray, shape (i, j, k)
        True for voxels whose centre is no further than ``fwhm_mm`` from a seed.

    Raises
    ------
    Fault
        If a seed has no definition or its image holds no voxel of it.
    """
    from scipy.spatial import cKDTree

    affine = np.asarray(affine, dtype=float)
    near = np.zeros(shape, dtype=bool)
    points = np.moveaxis(np.indices(shape), 0, -1) @ affine[:3, :3].T + affine[:3, 3]
    for seed in seeds:
        rows = [row for row in definitions if row["seed"] == seed]
        if not rows:
            raise Fault(f'seed "{seed}" has no definition; add its row to seeds.tsv')
        for row in rows:
            if row["kind"] == "sphere":
                centre = np.array([float(row["x"]), float(row["y"]), float(row["z"])])
                reach = float(row["radius_mm"]) + fwhm_mm
                near |= np.linalg.norm(points - centre, axis=-1) <= reach
                continue
            image = load(row["file"])
            values = np.nan_to_num(np.asarray(image.dataobj, dtype=float)).reshape(image.shape[:3])
            if row["kind"] == "label":
                inside = np.rint(values) == float(row["label"])
            elif row["kind"] == "mask":
                inside = values != 0
            else:
                raise Fault(f'seed "{seed}" is of kind "{row["kind"]}"; use sphere, mask or label')
            places = np.argwhere(inside)
            if len(places) == 0:
                raise Fault(f'{row["file"]} holds no voxel of seed "{seed}"; correct its label')
            to_mm = np.asarray(image.affine)
            tree = cKDTree(places @ to_mm[:3, :3].T + to_mm[:3, 3])
            # Half a voxel's diagonal is added, as a seed voxel is a box and not a point.
            box = np.linalg.norm(to_mm[:3, :3] @ (0.5, 0.5, 0.5))
            distance, _ = tree.query(points.reshape(-1, 3), distance_upper_bound=fwhm_mm + box)
            near |= np.isfinite(distance).reshape(shape)
    return near
