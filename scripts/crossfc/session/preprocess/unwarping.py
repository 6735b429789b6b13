"""Undo the susceptibility distortion of a run: one shift along its phase-encoding axis.

A field map gives the off-resonance in Hz. It is laid onto the run rigidly, and times the run's
readout time it is the number of voxels by which signal was shifted. `resampling` adds that to the
place at which it reads, so that a run is still interpolated once.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from scipy import ndimage

from crossfc.array import SingleArray
from crossfc.fault import Fault
from crossfc.session.image import continued_onto_grid
from crossfc.session.preprocess.fieldmap import FieldMap, field_factor
from crossfc.session.preprocess.motion import brain_by_brightness
from crossfc.session.preprocess.polarity import Distorted, field_of_pair
from crossfc.session.preprocess.readout import Readout, read_readout
from crossfc.session.preprocess.registration import register_rigid, to_ants
from crossfc.session.preprocess.smoothness import bending, solve

# Changes of volume beyond these are of air and sinuses, where a field is steep. Unlimited, they
# made voxels there ten times as bright as the brain, and mutual information did not find the T1w.
_LEAST_VOLUME, _MOST_VOLUME = 0.1, 3.0
_ROUNDS = 2
_MARGIN_MM = 6.0
# How much of a measured field's bending is taken for noise (Hz² against (Hz per mm²)²), and how
# strongly the field beyond the brain is held to 0.
_STIFFNESS, _HOLD = 1.0, 1e-3


@dataclass(frozen=True)
class Unwarping:
    """The shift that the field made in a run.

    Attributes
    ----------
    axis : int
        Voxel axis of the run along which phase was encoded.
    shift : ndarray of float32, shape (x, y, z)
        Voxels towards higher index, on the run's own grid, at the place where signal would lie
        without distortion.
    affine : ndarray, shape (4, 4)
        Of that grid, voxel indices to mm.
    record : dict
        For the sidecar.
    """

    axis: int
    shift: np.ndarray
    affine: np.ndarray
    record: dict[str, Any]

    @property
    def voxel_mm(self) -> float:
        """Size of a voxel along the axis, mm."""
        return float(np.linalg.norm(self.affine[:3, self.axis]))

    @property
    def volume(self) -> np.ndarray:
        """Change of volume by the shift (its Jacobian), shape (x, y, z)."""
        slope = np.gradient(self.shift, axis=self.axis)
        volume: SingleArray = np.clip(1 + slope, _LEAST_VOLUME, _MOST_VOLUME).astype(np.float32)
        return volume

    def at(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return shift (voxels) and change of volume at undistorted points (n, 3), mm."""
        places = nib.affines.apply_affine(np.linalg.inv(self.affine), points).T
        shift, volume = (
            ndimage.map_coordinates(v, places, order=1, mode="nearest", output=np.float64)
            for v in (self.shift, self.volume)
        )
        return shift, volume

    def undo(self, image: np.ndarray, modulate: bool = True) -> np.ndarray:
        """Return a volume of the run, shape (x, y, z), without distortion, on its own grid.

        ``modulate`` multiplies its brightness by the change of volume.
        """
        places = np.indices(image.shape, dtype=float)
        places[self.axis] += self.shift
        undone: SingleArray = ndimage.map_coordinates(
            np.asarray(image, np.float32), places, order=3, mode="nearest", output=np.float32
        )
        if modulate:
            undone *= self.volume
        # Neither splines nor noise that is made brighter may leave the range of the image.
        return np.clip(undone, image.min(), image.max())


def estimate_unwarping(
    chosen: FieldMap,
    bids_dir: str | Path,
    readout: Readout,
    reference: np.ndarray,
    brain: np.ndarray,
    affine: np.ndarray,
) -> Unwarping:
    """Estimate the shift of a run from its field map.

    The field map is laid onto the run's reference rigidly (mutual information), and again onto the
    reference without distortion. A pair of the run itself and one image needs no such step.

    Parameters
    ----------
    chosen : FieldMap
    bids_dir : path
        Root of the raw data set.
    readout : Readout
        Of the run.
    reference : ndarray, shape (x, y, z)
        Functional reference.
    brain : ndarray of bool, shape (x, y, z)
        The brain in it.
    affine : ndarray, shape (4, 4)
        Voxel indices of the reference to mm, RAS+.

    Returns
    -------
    Unwarping

    Raises
    ------
    Fault
        If an image of the field map cannot be read, or does not show the head.
    """
    root = Path(bids_dir)
    record: dict[str, Any] = {"FieldMap": chosen.description, "ReadoutTimeFrom": readout.source}
    if chosen.kind == "epi":
        images = [_distorted(root, image.path, dict(image.said)) for image in chosen.images]
        if len(images) == 1:
            own = Distorted(reference, affine, readout.axis, readout.voxels_per_hz)
            field = field_of_pair(own, images[0], brain)
            record["Misfit"] = field.misfit
            return _unwarping(field.hz, affine, readout, brain, record)
        first, second = images
        field = field_of_pair(first, second, brain_by_brightness(first.data, first.affine))
        record["Misfit"] = field.misfit
        hz, grid = field.hz, field.affine
        shift = field.hz * first.voxels_per_hz
        shown = Unwarping(first.axis, shift, grid, {}).undo(first.data)
    else:
        hz, grid, shown = _measured(root, chosen)
    pose = np.eye(4)
    target = reference
    for _ in range(_ROUNDS):
        pose = _pose(target, brain, affine, shown, grid, pose)
        unwarping = _unwarping(
            continued_onto_grid(hz, grid, pose @ affine, reference.shape), affine, readout,
            brain, record,
        )  # fmt: skip
        target = unwarping.undo(reference)
    return unwarping


def _unwarping(
    hz: np.ndarray,
    affine: np.ndarray,
    readout: Readout,
    brain: np.ndarray,
    record: dict[str, Any],
) -> Unwarping:
    shift = (hz * readout.voxels_per_hz).astype(np.float32)
    size = np.linalg.norm(affine[:3, readout.axis])
    moved = np.abs(shift[brain]) * size
    told = record | {
        "DisplacementMedian": float(np.median(moved)),
        "DisplacementPercentile95": float(np.percentile(moved, 95)),
    }
    return Unwarping(readout.axis, shift, affine, told)


def _volume(root: Path, path: str) -> tuple[np.ndarray, np.ndarray]:
    """Read an image; of several volumes, return their mean."""
    try:
        image = nib.Nifti1Image.from_filename(root / path)
        data = np.asarray(image.dataobj, dtype=np.float32)
    except (OSError, EOFError, ValueError, nib.filebasedimages.ImageFileError) as error:
        raise Fault(
            f"{root / path} cannot be read ({error}); restore it, or set "
            "preprocessing.field_maps: ignore"
        ) from error
    data = data.reshape(*data.shape[:3], -1).mean(axis=3, dtype=np.float32)
    return np.nan_to_num(data), image.affine


def _distorted(root: Path, path: str, said: dict[str, Any]) -> Distorted:
    data, affine = _volume(root, path)
    readout = read_readout(said, data.shape, root / path)
    return Distorted(data, affine, readout.axis, readout.voxels_per_hz)


def _measured(root: Path, chosen: FieldMap) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return a measured field in Hz, smoothed and continued beyond the brain, and its magnitude."""
    assert chosen.magnitude is not None
    magnitude, grid = _volume(root, chosen.magnitude)
    image = chosen.images[0]
    hz, own = _volume(root, image.path)
    if hz.shape != magnitude.shape or not np.allclose(own, grid, atol=1e-3):
        raise Fault(
            f"{root / image.path} and its magnitude lie on different grids; convert them again, or "
            "set preprocessing.field_maps: ignore"
        )
    hz = hz * field_factor(image.said)
    brain = brain_by_brightness(magnitude, grid)
    sizes = np.linalg.norm(grid[:3, :3], axis=0)
    middle = float(np.median(hz[brain]))
    weight = np.where(brain, (magnitude / np.median(magnitude[brain])) ** 2, 0).ravel()
    weight = np.minimum(weight, 1).astype(float)
    from scipy import sparse

    shape: tuple[int, int, int] = magnitude.shape
    matrix = sparse.diags(weight + _HOLD) + _STIFFNESS * bending(shape, sizes)
    values = (hz.ravel() - middle).astype(float)
    smooth = solve(matrix.tocsr(), weight * values, weight * values) + middle
    return smooth.reshape(shape).astype(np.float32), grid, magnitude


def _pose(
    target: np.ndarray,
    brain: np.ndarray,
    affine: np.ndarray,
    shown: np.ndarray,
    grid: np.ndarray,
    start: np.ndarray,
) -> np.ndarray:
    """Return the movement from the run to the field map: point of the run to point of the map."""
    sizes = np.linalg.norm(affine[:3, :3], axis=0)
    near = ndimage.distance_transform_edt(~brain, sampling=sizes) <= _MARGIN_MM
    return register_rigid(
        to_ants(target, affine), to_ants(shown, grid), initial=start, metric="mattes",
        iterations=(100, 50), shrink=(2, 1), smooth=(1, 0), sampling=0.25,
        mask=to_ants(near.astype(np.float32), affine),
    )  # fmt: skip
