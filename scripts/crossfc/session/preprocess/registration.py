"""Registration by ANTs: convert images, matrices, threads and random seeds to and from ANTs.

ANTs uses LPS+ coordinates, and its transforms map points of the fixed image to points of the moving
image. All functions here take and return RAS+ (as nibabel) and state the direction of transforms.
"""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from crossfc.array import FloatArray

_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
_THREADS = "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS"
_first: dict[str, int] = {}


def load_ants(threads: int, random_seed: int) -> Any:
    """Import ants and set its number of threads and random seed.

    With the same number of threads and random seed, results are the same to the last bit in every
    process. With another number of threads, sums are added in another order.

    Parameters
    ----------
    threads : int
        Only used by the first call in a process, because ITK reads it only once.
    random_seed : int
        Random seed for the sampling of the metrics, 0 or more.

    Returns
    -------
    module
    """
    # For ANTs, random seed 0 means to use the clock.
    os.environ["ANTS_RANDOM_SEED"] = str(int(random_seed) + 1)
    # ITK keeps the first number; `settings` returns that one.
    os.environ[_THREADS] = str(_first.setdefault("threads", int(threads)))
    import ants

    return ants


def settings() -> dict[str, int]:
    """Return ``seed`` and ``threads`` of the registrations in this process, for the record.

    Empty if `load_ants` was not called: ITK then uses all processors, and ANTs takes its random
    seed from the clock.
    """
    if "threads" not in _first:
        return {}
    return {"seed": int(os.environ["ANTS_RANDOM_SEED"]) - 1, "threads": _first["threads"]}


def to_ants(data: np.ndarray, affine: np.ndarray) -> Any:
    """Return an ANTs image (float32) of a volume.

    Parameters
    ----------
    data : ndarray, shape (x, y, z)
    affine : ndarray, shape (4, 4)
        Voxel indices to mm, RAS+.

    Returns
    -------
    ANTsImage

    Raises
    ------
    Fault
        If the axes are not orthogonal (to 0.1 %). An ANTs image cannot express shear, which would
        otherwise be lost silently.
    """
    import ants

    from crossfc.fault import Fault

    lps = _LPS @ affine
    spacing = np.linalg.norm(lps[:3, :3], axis=0)
    direction = lps[:3, :3] / spacing
    if np.abs(direction.T @ direction - np.eye(3)).max() > 1e-3:
        raise Fault("the affine of an image has shear, which registration cannot take; "
                    "resample the image to orthogonal axes first")  # fmt: skip
    return ants.from_numpy(
        np.ascontiguousarray(data, dtype=np.float32),
        origin=lps[:3, 3].tolist(),
        spacing=spacing.tolist(),
        direction=direction,
    )


def affine_of(image: Any) -> np.ndarray:
    """Return the RAS+ affine of an ANTs image, shape (4, 4)."""
    affine = np.eye(4)
    affine[:3, :3] = np.asarray(image.direction) * np.asarray(image.spacing)
    affine[:3, 3] = image.origin
    return _LPS @ affine


def matrix_of(transform: str | Path) -> np.ndarray:
    """Read a linear ANTs transform as a matrix (4, 4): fixed point to moving point, mm, RAS+."""
    import ants

    read = ants.read_transform(str(transform))
    corner = np.asarray(read.apply_to_point((0.0, 0.0, 0.0)))
    matrix = np.eye(4)
    # Points far from the origin give more digits, because coordinates come back as floats.
    for axis in range(3):
        point = [0.0, 0.0, 0.0]
        point[axis] = 1000.0
        matrix[:3, axis] = (np.asarray(read.apply_to_point(tuple(point))) - corner) / 1000
    matrix[:3, 3] = corner
    ras: FloatArray = _LPS @ matrix @ _LPS
    return ras


def write_matrix(matrix: np.ndarray, path: str | Path) -> None:
    """Write a matrix (4, 4; fixed point to moving point, mm, RAS+) as an ANTs ``.mat`` file."""
    import ants

    lps = _LPS @ matrix @ _LPS
    transform = ants.create_ants_transform(
        transform_type="AffineTransform",
        precision="double",
        dimension=3,
        matrix=lps[:3, :3],
        offset=lps[:3, 3],
    )
    ants.write_transform(transform, str(path))


@contextmanager
def workplace() -> Iterator[Path]:
    """Provide a temporary folder for the files that ANTs writes; it is removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="crossfc-") as folder:
        yield Path(folder)


def register_rigid(
    fixed: Any,
    moving: Any,
    *,
    initial: np.ndarray | None,
    metric: str,
    iterations: tuple[int, ...],
    shrink: tuple[int, ...],
    smooth: tuple[float, ...],
    sampling: float,
    mask: Any = None,
    kind: str = "Rigid",
) -> np.ndarray:
    """Estimate a rigid or affine transform between two images.

    It runs in double precision, because the optimiser stops too early in single precision.

    Parameters
    ----------
    fixed, moving : ANTsImage
    initial : ndarray, shape (4, 4), or None
        Start: fixed point to moving point, mm, RAS+. None aligns the centres of mass.
    metric : {"GC", "mattes", "meansquares"}
        Name of the metric in ANTs.
    iterations, shrink, smooth : tuple
        Iterations, shrink factor and smoothing (voxels) of each level, from coarse to fine.
    sampling : float
        Share of the voxels in which the metric is computed, on a regular grid.
    mask : ANTsImage, optional
        Mask in the fixed image in which the metric is computed.
    kind : {"Rigid", "Affine"}

    Returns
    -------
    ndarray, shape (4, 4)
        Point of the fixed image to point of the moving image, mm, RAS+.
    """
    import ants

    with workplace() as folder:
        start = None
        if initial is not None:
            start = str(folder / "start.mat")
            write_matrix(initial, start)
        found = ants.registration(
            fixed,
            moving,
            type_of_transform=kind,
            initial_transform=start,
            outprefix=str(folder / "linear_"),
            mask=mask,
            mask_all_stages=mask is not None,
            aff_metric=metric,
            aff_iterations=iterations,
            aff_shrink_factors=shrink,
            aff_smoothing_sigmas=smooth,
            aff_random_sampling_rate=sampling,
            singleprecision=False,
        )
        return matrix_of(found["fwdtransforms"][0])


def transform_points(points: np.ndarray, transform: str | Path) -> np.ndarray:
    """Map points of the fixed image to the moving image.

    Parameters
    ----------
    points : ndarray, shape (n, 3)
        mm, RAS+.
    transform : path
        Any ANTs transform, such as the composite ``.h5`` that is written for the anatomy.

    Returns
    -------
    ndarray, shape (n, 3)
        mm, RAS+.
    """
    import ants
    import pandas as pd

    flip = np.array([-1.0, -1.0, 1.0])
    table = pd.DataFrame(points * flip, columns=["x", "y", "z"])
    moved = ants.apply_transforms_to_points(3, table, [str(transform)])
    there: FloatArray = moved[["x", "y", "z"]].to_numpy() * flip
    return there


def mask_dice(first: np.ndarray, second: np.ndarray) -> float:
    """Return the overlap of two masks: twice the intersection over the sum (Dice 1945).

    Parameters
    ----------
    first, second : ndarray of bool
        Of one shape.

    Returns
    -------
    float
        0 to 1; 0 if both masks are empty.
    """
    first, second = first.astype(bool), second.astype(bool)
    total = int(first.sum()) + int(second.sum())
    return 2 * int((first & second).sum()) / total if total else 0.0


def mutual_information(first: np.ndarray, second: np.ndarray, bins: int = 32) -> float:
    """Return the mutual information of two sets of values in nats, computed from their ranks.

    Parameters
    ----------
    first, second : ndarray, shape (n,)
    bins : int
        Number of bins for each; every bin holds the same number of values.
    """
    counts, _, _ = np.histogram2d(_ranks(first), _ranks(second), bins)
    joint = counts / counts.sum()
    apart = joint.sum(axis=1, keepdims=True) * joint.sum(axis=0, keepdims=True)
    held = joint > 0
    return float((joint[held] * np.log(joint[held] / apart[held])).sum())


def _ranks(values: np.ndarray) -> np.ndarray:
    return np.argsort(np.argsort(values, kind="stable"), kind="stable")
