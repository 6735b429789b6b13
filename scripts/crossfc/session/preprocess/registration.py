"""Registration by ANTs: one place where its images, matrices and seeds meet ours.

ANTs works in LPS+ coordinates and its transforms take points of the fixed image to points of the
moving image. Everything that leaves this module is RAS+ (as nibabel) and says which way it goes.
"""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
_THREADS = "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS"
_first: dict[str, int] = {}


def load_ants(threads: int = 1, seed: int = 1) -> Any:
    """Import ants with a number of threads and a seed.

    With one number of threads and one seed the result is the same to the last bit, in every
    process; with another number of threads, sums are added in another order.

    Parameters
    ----------
    threads : int
        Heeded by the first call of the process only, as ITK counts its threads once.
    seed : int
        For the sampling of the metrics, 0 or more.

    Returns
    -------
    module
    """
    # To ANTs, seed 0 means the clock.
    os.environ["ANTS_RANDOM_SEED"] = str(int(seed) + 1)
    # What ITK was told first stays; `settings` tells of that number.
    os.environ[_THREADS] = str(_first.setdefault("threads", int(threads)))
    import ants

    return ants


def settings() -> dict[str, int]:
    """Return ``seed`` and ``threads`` that registrations of this process run with, for the record.

    Where `load_ants` was not called, ITK takes all processors and ANTs the time as its seed, so
    there is nothing to give.
    """
    if "threads" not in _first:
        return {}
    return {"seed": int(os.environ["ANTS_RANDOM_SEED"]) - 1, "threads": _first["threads"]}


def to_ants(data: np.ndarray, affine: np.ndarray) -> Any:
    """Make an ANTs image (float32) of a volume and its RAS+ affine.

    Shear cannot be said in an ANTs image; an affine with shear would be changed silently, so the
    nearest orthogonal axes are only taken where they are the axes (within 0.1 %).
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
    """Read a linear transform of ANTs as a RAS+ matrix: fixed point to moving point, (4, 4)."""
    import ants

    read = ants.read_transform(str(transform))
    corner = np.asarray(read.apply_to_point((0.0, 0.0, 0.0)))
    matrix = np.eye(4)
    # Far points keep the digits: coordinates come back as floats of mm.
    for axis in range(3):
        point = [0.0, 0.0, 0.0]
        point[axis] = 1000.0
        matrix[:3, axis] = (np.asarray(read.apply_to_point(tuple(point))) - corner) / 1000
    matrix[:3, 3] = corner
    return _LPS @ matrix @ _LPS


def write_matrix(matrix: np.ndarray, path: str | Path) -> None:
    """Write a RAS+ matrix, fixed point to moving point, as an ANTs transform (``.mat``)."""
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
    """A folder for what ANTs writes on its way, gone afterwards."""
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
    """Register linearly, in double precision (single precision stops too early).

    Parameters
    ----------
    fixed, moving : ANTsImage
    initial : ndarray (4, 4) or None
        Where to start: fixed point to moving point, RAS+; None puts centres of mass together.
    metric : {"GC", "mattes", "meansquares"}
    iterations, shrink, smooth : tuple
        Per level, coarse to fine; smoothing in voxels.
    sampling : float
        Share of the voxels the metric looks at, on a regular grid.
    mask : ANTsImage, optional
        Where in the fixed image the metric looks.
    kind : {"Rigid", "Affine"}

    Returns
    -------
    ndarray, shape (4, 4)
        RAS+ matrix from points of the fixed to points of the moving image.
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
    """Take points of the fixed image to the moving image.

    Parameters
    ----------
    points : ndarray, shape (n, 3)
        mm, RAS+.
    transform : path
        Any ANTs transform; a composite ``.h5`` as written for the anatomy.

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
    return moved[["x", "y", "z"]].to_numpy() * flip


def mask_dice(first: np.ndarray, second: np.ndarray) -> float:
    """Overlap of two masks: twice the intersection over the sum (Dice 1945)."""
    first, second = first.astype(bool), second.astype(bool)
    total = int(first.sum()) + int(second.sum())
    return 2 * int((first & second).sum()) / total if total else 0.0


def mutual_information(first: np.ndarray, second: np.ndarray, bins: int = 32) -> float:
    """Mutual information in nats of two sets of values, from their ranks.

    Parameters
    ----------
    first, second : ndarray, shape (n,)
    bins : int
        Of equal numbers, for each.
    """
    counts, _, _ = np.histogram2d(_ranks(first), _ranks(second), bins)
    joint = counts / counts.sum()
    apart = joint.sum(axis=1, keepdims=True) * joint.sum(axis=0, keepdims=True)
    held = joint > 0
    return float((joint[held] * np.log(joint[held] / apart[held])).sum())


def _ranks(values: np.ndarray) -> np.ndarray:
    return np.argsort(np.argsort(values, kind="stable"), kind="stable")
