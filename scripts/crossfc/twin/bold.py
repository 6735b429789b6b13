"""Simulate a session as if preprocessed by fMRIPrep: BOLD, brain mask, confounds."""

from collections.abc import Iterable
from pathlib import Path

import nibabel
import numpy as np

from crossfc.array import BoolArray, SingleArray
from crossfc.atomic import save_image, write_columns, write_json
from crossfc.bids import TEMPLATE_SPACE
from crossfc.session.displacement import framewise_displacement, grid_middle, relative_rms
from crossfc.session.preprocess.confounds_table import HeadMotion, confound_columns
from crossfc.trial.regions import RegionRow
from crossfc.twin.anatomy import tissue, world
from crossfc.twin.design import SessionTruth, stream
from crossfc.twin.motion import rigid, simulate_motion
from crossfc.twin.signal import CONTRAST, SignalModel, dropout

_BRIGHTEST = 10000.0
_THERMAL = 1.0  # per cent of the mean intensity, at 4 mm
_RESIDUAL = 0.12  # share of the effect of motion at edges that remains after realignment
_SPIKE = 0.9  # per cent of signal lost per mm of framewise displacement
_NON_STEADY = (0.14, 0.03, 0.01)  # extra brightness of the first volumes, as a share


def simulate_session(
    participant_id: str,
    session_id: str,
    truth: SessionTruth,
    seeds: Iterable[RegionRow],
    targets: Iterable[RegionRow],
    paths: dict[str, Path],
    *,
    scan: str | None = None,
    resolution_mm: int,
    volumes: int,
    repetition_time: float,
    non_steady_volumes: int = 2,
    random_seed: int,
) -> None:
    """Simulate one run and write the files that fMRIPrep would make from it.

    Parameters
    ----------
    participant_id, session_id : str
        Such as ``sub-T01``, ``ses-ketamine``. The random numbers depend only on these two, on
        ``random_seed`` and on ``scan``.
    truth : SessionTruth
        ``plant(...)["sessions"][participant_id][session_id]``.
    seeds, targets : iterable of RegionRow
        The seeds are those of one set.
    paths : dict
        Where to write ``bold``, ``bold_sidecar``, ``mask``, ``boldref``, ``confounds`` and
        ``confounds_sidecar``.
    scan : str, optional
        The run, as named in the sheet; default the first of the session.
    resolution_mm : int
        Voxel size, whole millimetres.
    volumes : int
    repetition_time : float
        Seconds.
    non_steady_volumes : int
        Number of brighter volumes at the start, 0 to 3.
    random_seed : int

    Raises
    ------
    Fault
        If a region is not a sphere, or the resolution is not a whole number.
    """
    scan = scan or next(iter(truth["mean_fd"]))
    key = (random_seed, participant_id, session_id, scan)
    anatomy = tissue(resolution_mm)
    affine, shape = anatomy["affine"], anatomy["brain"].shape
    mask = _brain_mask(stream(*key, "mask"), anatomy)
    imaged = _field_of_view(stream(*key, "mask"), shape, resolution_mm)
    mask &= imaged
    # There is signal a little beyond the mask, as in real data.
    inside = (anatomy["brain"] > 0.05) & imaged | mask
    gm, wm, csf = (anatomy[kind][inside] for kind in ("gm", "wm", "csf"))
    xyz = world(shape, affine)[inside.ravel()]

    times = (np.arange(volumes) + 0.5) * repetition_time
    motion = simulate_motion(
        stream(*key, "motion"), volumes, repetition_time, truth["mean_fd"][scan]
    )
    model = SignalModel(truth, seeds, targets, key, times)
    baseline = _baseline(stream(*key, "coil"), gm, wm, csf, xyz)
    relative = model.courses(times).astype(np.float32) @ model.loadings(xyz, gm, wm, csf)
    relative += _motion_artefact(stream(*key, "artefact"), motion, baseline, inside, xyz, affine)
    noise = stream(*key, "thermal")
    thermal = noise.standard_normal(relative.shape, np.float32)
    # ASSUME: noise is inversely proportional to the side length of a voxel, not to its volume,
    # because much of it is physiological.
    thermal *= np.float32(_THERMAL * 4 / resolution_mm) * (1 + csf).astype(np.float32)
    relative += thermal
    relative *= np.float32(0.01)
    relative += 1
    relative[:non_steady_volumes] *= 1 + np.array(_NON_STEADY[:non_steady_volumes])[:, None]
    series = np.rint(relative * baseline).astype(np.int16)

    within = mask[inside]
    brain = series[:, within].astype(np.float32)
    deep_wm, deep_csf = _core(wm[within], 0.95), _core(csf[within], 0.65)
    columns, sidecar = confound_columns(
        {
            "brain": brain,
            "csf": brain[:, deep_csf],
            "wm": brain[:, deep_wm],
            "csf_wm": brain[:, deep_csf | deep_wm],
        },
        _head_motion(motion, grid_middle(shape, affine)),
        repetition_time,
        non_steady_volumes,
    )
    _write_images(paths, series, inside, mask, affine, repetition_time, non_steady_volumes)
    write_columns(paths["confounds"], columns)
    write_json(paths["confounds_sidecar"], sidecar)
    write_json(
        paths["bold_sidecar"],
        {
            "RepetitionTime": repetition_time,
            "StartTime": repetition_time / 2,
            "SliceTimingCorrected": True,
            "SkullStripped": False,
            "TaskName": "rest",
            "SpatialReference": TEMPLATE_SPACE,
            "Description": "Simulated: a digital twin, no person was scanned",
        },
    )


def _brain_mask(random: np.random.Generator, anatomy: dict[str, np.ndarray]) -> np.ndarray:
    """Return a brain mask, (x, y, z) bool, whose edge differs a little between sessions."""
    xyz = world(anatomy["brain"].shape, anatomy["affine"])
    waves = random.normal(scale=2 * np.pi / 60, size=(4, 3)).astype(np.float32)
    phases = random.uniform(0, 2 * np.pi, size=(4, 1)).astype(np.float32)
    wobble = 0.12 * np.cos(waves @ xyz.T + phases).sum(axis=0)
    threshold = np.clip(0.5 + wobble, 0.1, 0.9)
    mask: BoolArray = anatomy["brain"] > threshold.reshape(anatomy["brain"].shape)
    return mask


def _field_of_view(
    random: np.random.Generator, shape: tuple[int, int, int], resolution_mm: float
) -> np.ndarray:
    """Return which voxels were imaged, (x, y, z) bool.

    The lowest 8 to 20 mm of the template are left out, as is common in real scans.
    """
    height = np.arange(shape[2]) * resolution_mm
    tilt = random.normal(scale=0.03) * (np.arange(shape[1]) - shape[1] / 2) * resolution_mm
    lowest = random.uniform(8, 20) + tilt
    return np.broadcast_to(height >= lowest[:, None], shape)


def _baseline(
    random: np.random.Generator, gm: np.ndarray, wm: np.ndarray, csf: np.ndarray, xyz: np.ndarray
) -> np.ndarray:
    tissue_mean = _BRIGHTEST * (CONTRAST["gm"] * gm + CONTRAST["wm"] * wm + CONTRAST["csf"] * csf)
    slope = random.normal(scale=0.0012, size=3)
    coil = 1 + (xyz - xyz.mean(axis=0)) @ slope
    limited = np.clip(tissue_mean * coil * dropout(xyz), 300, 30000)
    baseline: SingleArray = limited.astype(np.float32)
    return baseline


def _motion_artefact(
    random: np.random.Generator,
    motion: np.ndarray,
    baseline: np.ndarray,
    inside: np.ndarray,
    xyz: np.ndarray,
    affine: np.ndarray,
) -> np.ndarray:
    """Return the effect of motion that remains after realignment, (volumes, voxels), per cent.

    It consists of changes at edges and of signal loss during sudden movements.
    """
    picture = np.zeros(inside.shape, np.float32)
    picture[inside] = baseline
    gradient = [g[inside] / baseline for g in np.gradient(picture, *np.diag(affine)[:3])]
    dx, dy, dz = (np.clip(g, -0.15, 0.15) for g in gradient)
    x, y, z = xyz.T
    # A small rotation r about the origin displaces a point p by r × p.
    fields = np.stack([dx, dy, dz, y * dz - z * dy, z * dx - x * dz, x * dy - y * dx])
    edges = (-100 * _RESIDUAL) * motion.astype(np.float32) @ fields.astype(np.float32)
    fd = np.nan_to_num(framewise_displacement(motion))[:, None]
    direction = random.normal(scale=1 / 80, size=3).astype(np.float32)
    uneven = 1 + np.clip((xyz - xyz.mean(axis=0)) @ direction, -0.8, 0.8)
    effect: SingleArray = edges - (_SPIKE * fd * uneven).astype(np.float32)
    return effect


def _head_motion(motion: np.ndarray, centre: np.ndarray) -> HeadMotion:
    """Return what the confounds table tells of the motion, as fMRIPrep computes it.

    ``motion`` holds the six parameters of each volume; ``centre`` is the middle of the grid, mm.
    """
    matrices = np.array([rigid(row) for row in motion])
    return HeadMotion(
        parameters=motion,
        framewise_displacement=framewise_displacement(motion),
        rmsd=relative_rms(matrices, centre),
        lost=np.zeros(len(motion), dtype=bool),
    )


def _core(fraction: np.ndarray, least: float) -> np.ndarray:
    """Return the voxels with at least this fraction of a tissue; at least the purest 50."""
    enough = np.sort(fraction)[-min(50, len(fraction))]
    core: BoolArray = fraction >= min(least, enough)
    return core


def _write_images(
    paths: dict[str, Path],
    series: np.ndarray,
    inside: np.ndarray,
    mask: np.ndarray,
    affine: np.ndarray,
    repetition_time: float,
    non_steady: int,
) -> None:
    # In NIfTI the first index varies fastest; an array in this order can be written directly.
    data = np.zeros((*inside.shape, len(series)), np.int16, order="F")
    voxels = np.flatnonzero(inside.ravel(order="F"))
    by_f_order = inside.nonzero()
    rank = np.ravel_multi_index(by_f_order, inside.shape, order="F").argsort()
    flat = data.reshape(-1, len(series), order="F")
    flat[voxels] = series[:, rank].T
    reference = np.zeros(inside.shape, np.int16)
    reference[inside] = np.rint(series[non_steady:].mean(axis=0)).astype(np.int16)
    for name, array in (("bold", data), ("mask", mask.astype(np.uint8)), ("boldref", reference)):
        image = nibabel.Nifti1Image(array, affine)
        image.set_sform(affine, code=4)  # 4: MNI 152
        image.set_qform(affine, code=4)
        image.header.set_xyzt_units("mm", "sec")
        if name == "bold":
            image.header.set_zooms((*image.header.get_zooms()[:3], repetition_time))
        save_image(paths[name], image)
