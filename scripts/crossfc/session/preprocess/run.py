"""Preprocess one raw run to template space, and write files named as those of fMRIPrep."""

import json
from pathlib import Path, PurePosixPath
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd

from crossfc import __version__, template
from crossfc.atomic import save_image, write_json, write_table
from crossfc.bids import parse_name
from crossfc.fault import Fault
from crossfc.session.image import mask_image, scaled_image
from crossfc.session.layout import anatomy, preprocessed, run_figure
from crossfc.session.preprocess.confounds_table import FD_SPIKE_MM, confounds_of
from crossfc.session.preprocess.coregistration import coregister
from crossfc.session.preprocess.fieldmap import choose_field_map, field_maps_for
from crossfc.session.preprocess.loss import lost_shares
from crossfc.session.preprocess.motion import count_non_steady, estimate_motion
from crossfc.session.preprocess.picture import draw_run
from crossfc.session.preprocess.readout import read_readout
from crossfc.session.preprocess.registration import load_ants, mask_dice, settings
from crossfc.session.preprocess.resampling import points_in_reference, resample_run, resample_volume
from crossfc.session.preprocess.slice_timing import correct_slice_timing, read_slice_timing
from crossfc.session.preprocess.tissue import masks_on_grid, tissues_in_template
from crossfc.session.preprocess.unwarping import Unwarping, estimate_unwarping
from crossfc.session.scan import LEAST_VOLUMES, open_scan
from crossfc.session.sidecar import read_sidecar, sidecar_paths


def preprocess_session(
    scan: str,
    bids_dir: str | Path,
    participant_id: str,
    derivatives_dir: str | Path,
    *,
    resolution_mm: float,
    slice_timing: str,
    accept_unoriented: bool,
    poor_boundary_cost: float,
    left_right: str,
    random_seed: int,
    threads: int,
    correct_distortion: bool = True,
    res: str | None = None,
) -> dict[str, Any]:
    """Preprocess one run and write the files of `layout.preprocessed`.

    The steps are those of fMRIPrep, in its order: count the volumes before the steady state;
    estimate head motion on the raw series; estimate the susceptibility distortion from the run's
    field map; correct slice timing on the run's own grid; combine motion, distortion,
    coregistration and normalisation, and interpolate every volume once in space; compute
    confounds from the unsmoothed result.

    Parameters
    ----------
    scan : str
        Path of the run relative to ``bids_dir``.
    bids_dir : path
        Root of the raw data set.
    participant_id : str
        The person whose anatomy (see `normalise_subject`) is used.
    derivatives_dir : path
        Folder that holds the anatomy and gets the results.
    resolution_mm : float
        Voxel size of the output grid (see `template.brain`).
    slice_timing : {"require", "skip"}
        What to do if the sidecar has no SliceTiming.
    accept_unoriented : bool
        As in `open_scan`.
    poor_boundary_cost : float
        Cost of the white matter's boundary above which there is a warning about the
        coregistration.
    left_right : {"warn", "refuse", "skip"}
        What to do if the mirrored T1w fits the run better than the T1w; "skip" makes no such test.
    random_seed, threads : int
        Random seed and number of threads of ANTs; the result is reproducible with one thread.
    correct_distortion : bool
        Whether the run's field map, if it has one, is used.
    res : str, optional
        Label of the entity ``res`` in file names.

    Returns
    -------
    dict
        ``warnings`` (sentences), ``registration`` and ``quality`` (numbers),
        ``volumes_non_steady``, ``slice_timing_corrected``.

    Raises
    ------
    Fault
        If the scan, its sidecar or the anatomy cannot be used, or if left and right may be swapped
        and ``left_right`` is "refuse".
    """
    load_ants(threads, random_seed)
    grid = template.brain(resolution_mm)
    files = preprocessed(scan, derivatives_dir, template.SPACE, res)
    anat = _anatomy_files(participant_id, derivatives_dir)
    sidecar = read_sidecar(sidecar_paths(bids_dir, scan))
    path = Path(bids_dir) / scan
    run = open_scan(path, sidecar=sidecar, accept_unoriented=accept_unoriented)
    repetition_time = run.repetition_time
    assert repetition_time is not None  # a series is refused without one
    timing, reason = read_slice_timing(
        sidecar, run.data.shape, repetition_time, path, slice_timing, run.slice_axis
    )
    warnings = list(run.notes)
    if timing is None:
        warnings.append(f"slice timing was not corrected: {reason}")
    chosen = choose_field_map(bids_dir, scan) if correct_distortion else None
    unused = [] if correct_distortion else field_maps_for(bids_dir, scan)
    if unused:
        warnings.append(
            f"field maps exist for {scan} ({', '.join(unused)}) but susceptibility distortion "
            "is not corrected, as the config says; preprocessing.field_maps: use corrects it"
        )

    missing = lost_shares(run.data, run.affine)
    non_steady = count_non_steady(run.data, lost=missing > 0)
    _require_volumes(path, non_steady, missing > 0)
    motion = estimate_motion(run.data, run.affine, non_steady, missing)
    _require_volumes(path, non_steady, motion.lost)
    unwarping: Unwarping | None = None
    still, own_brain = motion.reference, motion.mask
    if chosen is not None:
        readout = read_readout(sidecar, run.data.shape, path)
        unwarping = estimate_unwarping(
            chosen, bids_dir, readout, motion.reference, motion.mask, run.affine
        )
        still = unwarping.undo(motion.reference)
        own_brain = unwarping.undo(motion.mask.astype(np.float32), modulate=False) > 0.5
    t1w, t1w_mask, white = (
        nib.Nifti1Image.from_filename(anat[name]) for name in ("t1w", "mask", "wm")
    )
    laid = coregister(
        still, own_brain, run.affine, t1w, t1w_mask, white,
        None if left_right == "skip" else anat["transform"], poor_boundary_cost,
    )  # fmt: skip
    if left_right == "refuse" and laid.quality.get("left_right") == "swapped?":
        raise Fault(
            f"{path} fits the mirrored T1w of {participant_id} better than the T1w (boundary's "
            f"cost {laid.quality['boundary_cost_mirrored']:.2f} against "
            f"{laid.quality['boundary_cost_taken']:.2f}): one of the two has left and right "
            "swapped; find out which and convert it again, or leave the session out, or set "
            "preprocessing.left_right: warn"
        )
    warnings += [f"{scan}: {sentence}" for sentence in laid.warnings]
    series = run.data
    if timing is not None:
        series = correct_slice_timing(series, timing, repetition_time, non_steady, motion.lost)

    points = points_in_reference(grid, anat["transform"], laid.matrix)
    data, covered = resample_run(series, run.affine, motion.matrices, points, grid.shape, unwarping)
    reference = resample_volume(motion.reference, run.affine, points, grid.shape, unwarping)
    own_mask = resample_volume(
        motion.mask.astype(np.float32), run.affine, points, grid.shape, unwarping, modulate=False
    )
    own, own_affine = tissues_in_template(anat)
    brain, tissue = masks_on_grid(own, own_affine, grid)
    inside = brain & covered
    varies = np.zeros_like(inside)
    shown = data[inside][:, ~motion.lost]  # a lost volume would make every voxel vary
    varies[inside] = shown.min(axis=1) < shown.max(axis=1)
    del shown
    masks = {"brain": varies} | {name: mask & varies for name, mask in tissue.items()}
    if masks["brain"].sum() < 100:
        raise Fault(
            f"{path} shows almost nothing of the brain in template space "
            f"({int(masks['brain'].sum())} voxels); look at the coregistration"
        )
    for name, label in (("csf", "CSF"), ("wm", "white matter")):
        if masks[name].sum() < 10:
            warnings.append(
                f"only {int(masks[name].sum())} voxels of {scan} are certainly {label}: its mean "
                "and components are poor, or missing where there are none"
            )
    table, metadata = confounds_of(data, masks, motion, repetition_time, non_steady)

    standard = template.brain_mask(resolution_mm).get_fdata() > 0
    registration = {
        **laid.quality,
        "dice_template": mask_dice(masks["brain"], standard),
        "dice_brightness_template": mask_dice(own_mask > 0.5, standard),
        "coverage_of_brain": float(inside.sum() / brain.sum()),
        "matrix_t1w_to_bold": laid.matrix.tolist(),
    }
    save_image(files["bold"], scaled_image(data, grid.affine, run.repetition_time))
    save_image(files["mask"], mask_image(masks["brain"], grid.affine))
    save_image(files["boldref"], scaled_image(reference, grid.affine))
    seen = varies & (own_mask > 0.5)
    steady: slice | np.ndarray = slice(non_steady, None)
    if motion.lost.any():
        steady = ~motion.lost & (np.arange(run.volumes) >= non_steady)
    tsnr = _temporal_snr(data, steady)
    quality = _quality(table) | {
        # Before and after spatial interpolation, over bright voxels. The interpolation smooths,
        # which contributes to the second value.
        "tsnr_median_before": float(np.median(_temporal_snr(run.data, steady)[motion.mask])),
        "tsnr_median_after": float(np.median(tsnr[seen])) if seen.any() else None,
        "lost_share": float(motion.lost.mean()),
        "realignment": motion.quality,
        **settings(),
    }
    if motion.losses:
        warnings.append(
            f"{len(motion.losses)} of {run.volumes} volumes of {scan} are lost "
            f"({_listed(motion.losses)}; counted from 0): their framewise displacement is n/a, so "
            "that every analysis leaves them out, and motion is summed up over the others"
        )
    draw_run(
        reference, tsnr, own_mask > 0.5, grid.affine,
        f"{files['boldref'].name} and tSNR\nbrain of template (red) and as the run shows it "
        "(blue), the person's white matter (yellow); boundary's cost "
        f"{_shown(registration['boundary_cost_taken'])}, Dice of run and T1w "
        f"{registration['dice']:.3f}, median tSNR {np.median(tsnr[varies]):.0f}",
        run_figure(scan, derivatives_dir), (own["wm"], own_affine),
    )  # fmt: skip
    write_table(files["confounds"], table)
    write_json(files["confounds_sidecar"], metadata)
    result = {
        "warnings": warnings,
        "registration": registration,
        "quality": quality,
        "volumes_non_steady": non_steady,
        "slice_timing_corrected": timing is not None,
    }
    note = reason
    if timing is not None:
        note = f"slices along {timing.direction}, as {timing.axis_from} says, brought to StartTime"
    said = {
        "TaskName": sidecar.get("TaskName"),
        "RepetitionTime": run.repetition_time,
        "StartTime": timing and timing.reference,
        "SliceTimingCorrected": timing is not None or bool(sidecar.get("SliceTimingCorrected")),
        "SliceTimingNote": note,
        "SkullStripped": False,
        "Resolution": f"{resolution_mm:g} mm, isotropic",
        "AnatomicalReference": _anatomical_reference(anat, scan),
        "SpatialReference": "nilearn's MNI152 template (ICBM 2009a nonlinear symmetric)",
        "Sources": [f"bids:raw:{scan}"],
        "FieldMaps": "not applied: " + ", ".join(unused)
        if unused
        else ("none" if chosen is None else chosen.description),
        "DistortionCorrection": None if unwarping is None else unwarping.record,
        "NonSteadyStateVolumes": non_steady,
        "Registration": registration,
        "Quality": quality,
        "Warnings": warnings,
        "GeneratedBy": {"Name": "crossfc", "Version": __version__},
    }
    # The sidecar is written last, so that all other files are complete wherever it exists.
    write_json(files["bold_sidecar"], {k: v for k, v in said.items() if v is not None})
    return result


def _shown(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.2f}"


def _require_volumes(path: Path, non_steady: int, lost: np.ndarray) -> None:
    left = int((~lost[non_steady:]).sum())
    if left < LEAST_VOLUMES:
        raise Fault(
            f"{path} has {len(lost)} volumes of which the first {non_steady} are not in the "
            f"steady state and {int(lost[non_steady:].sum())} of the others do not show the whole "
            f"head, which leaves {left}, fewer than {LEAST_VOLUMES}; leave the session out or "
            "choose another run"
        )


def _listed(losses: dict[int, str], most: int = 10) -> str:
    """Describe lost volumes, such as "116 to 155 empty, 12 repeats the volume before"."""
    stretches: list[list[Any]] = []
    for volume, reason in sorted(losses.items()):
        if stretches and stretches[-1][1:] == [volume - 1, reason]:
            stretches[-1][1] = volume
        else:
            stretches.append([volume, volume, reason])
    words = [f"{a} {r}" if a == b else f"{a} to {b} {r}" for a, b, r in stretches[:most]]
    return ", ".join(words) + (", …" if len(stretches) > most else "")


def _temporal_snr(series: np.ndarray, steady: slice | np.ndarray) -> np.ndarray:
    """Return mean over standard deviation in time; 0 in voxels that do not vary.

    Parameters
    ----------
    series : ndarray, shape (x, y, z, volumes)
    steady : slice or ndarray of bool, shape (volumes,)
        Volumes to use.

    Returns
    -------
    ndarray of float32, shape (x, y, z)
    """
    tsnr = np.zeros(series.shape[:3], dtype=np.float32)
    for k in range(series.shape[2]):  # slice by slice, to save memory
        own = series[:, :, k][..., steady]
        deviation = own.std(axis=2)
        np.divide(own.mean(axis=2), deviation, out=tsnr[:, :, k], where=deviation > 0)
    return tsnr


def _quality(table: pd.DataFrame) -> dict[str, Any]:
    """Summarise the confounds of a run; motion only over volumes whose displacement is known."""
    fd = table["framewise_displacement"].dropna().to_numpy()
    dvars = table["std_dvars"].dropna().to_numpy()
    return {
        "fd_mean_mm": float(fd.mean()) if fd.size else None,
        "fd_median_mm": float(np.median(fd)) if fd.size else None,
        "fd_max_mm": float(fd.max()) if fd.size else None,
        "fd_known_volumes": int(fd.size),
        f"fd_share_above_{FD_SPIKE_MM:g}": float((fd > FD_SPIKE_MM).mean()) if fd.size else None,
        "std_dvars_mean": float(dvars.mean()) if dvars.size else None,
        "motion_outliers": sum(name.startswith("motion_outlier") for name in table),
    }


def _anatomical_reference(anat: dict[str, Path], scan: str) -> str | None:
    """Describe the T1w to which the run was registered, and whether it is of another session."""
    try:
        source = str(json.loads(anat["quality"].read_text())["source"])
        taken, own = (parse_name(PurePosixPath(n).name)[0].get("ses") for n in (source, scan))
    except (OSError, ValueError, KeyError, Fault):
        return None  # an anatomy that was made elsewhere
    if taken is None or taken == own:
        return source
    return f"{source}, of another session: one anatomy serves all sessions of a person"


def _anatomy_files(participant_id: str, derivatives_dir: str | Path) -> dict[str, Path]:
    files = anatomy(participant_id, derivatives_dir, template.SPACE)
    for key in ("t1w", "mask", "transform", "csf", "gm", "wm"):
        if not files[key].is_file():
            raise Fault(f"{files[key]} does not exist; normalise {participant_id}'s T1w first")
    return files
