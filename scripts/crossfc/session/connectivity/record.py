"""The quality record of a session, ``qc.json``: its type and its reader."""

import json
import os
from pathlib import Path
from typing import TypedDict

from crossfc.session.physiology.measure import PhysiologyQuality


class ConsideredRun(TypedDict):
    """A repeat run that could be read, with its mean framewise displacement in mm."""

    scan: str
    mean_fd: float | None


class PassedOverRun(TypedDict):
    """A repeat run that could not be chosen, and why."""

    scan: str
    reason: str


class DefectiveVolume(TypedDict):
    """A volume that is no valid measurement, counted from 0, and why."""

    volume: int
    reason: str


class RegionQuality(TypedDict):
    """How well a region is seen in a session.

    ``coverage`` is the share of it inside the brain with signal, ``voxels`` the effective number of
    its voxels there, (Σw)² / Σw², ``tsnr`` their weighted mean, ``offset_mm`` how far their middle
    is from where it should be, ``grey_matter`` the share of grey matter in them, and
    ``grey_signal`` the share of the region's grey matter that is at least half as bright as the
    brain's (both None without a map).
    """

    coverage: float
    voxels: float
    tsnr: float | None
    offset_mm: float | None
    grey_matter: float | None
    grey_signal: float | None


# Framewise displacement in mm; all are None if that of no volume is known.
MotionQuality = TypedDict(
    "MotionQuality",
    {
        "mean_fd": float | None,
        "median_fd": float | None,
        "max_fd": float | None,
        "share_fd_above_0.5": float | None,
        "mean_dvars": float | None,
    },
)


class ScanMeasures(TypedDict):
    """What the scan shows of breathing, arousal and the pose of the head; None if not known.

    ``global_signal_sd`` and ``global_signal_bursts`` are percentages of its mean,
    ``respiratory_motion`` is a share (0 to 1) of the power of the translation along
    ``respiratory_motion_axis``, in which breathing of up to ``respiratory_motion_to_hz`` is.
    ``head_pitch`` is in degrees. ``unmeasured`` has the reason for what is None.
    """

    global_signal_sd: float | None
    global_signal_bursts: float | None
    respiratory_motion: float | None
    respiratory_motion_axis: str | None
    respiratory_motion_to_hz: float | None
    head_pitch: float | None
    head_pitch_source: str | None
    unmeasured: dict[str, str]


class Coregistration(TypedDict):
    """How well native preprocessing coregistered the run; None for derivatives of fMRIPrep."""

    boundary_cost: float | None
    boundary_cost_subgenual: float | None
    boundary_cost_ventromedial: float | None
    left_right: str | None


class SessionQuality(MotionQuality, ScanMeasures, Coregistration, PhysiologyQuality):
    """What holds for every pipeline. Times are in seconds."""

    participant_id: str
    session_id: str
    scan: str
    runs_considered: list[ConsideredRun]
    runs_passed_over: list[PassedOverRun]
    preprocessed_by: str | None
    notes: list[str]
    repetition_time: float
    volumes: int
    volumes_non_steady: int
    volumes_defective: int
    defective_volumes: list[DefectiveVolume]
    tsnr_median: float | None
    mask_voxels: int
    mask_dice_template: float
    zero_variance_voxels: int
    voxels_without_signal: int | None


class SessionRecord(SessionQuality):
    """The quality record of a session in one pipeline.

    ``exclusion_reasons`` are those of the cleaning and of the seeds; the limits of the config add
    others later (`crossfc.quality.exclusion`). ``variance_left_median`` is None for a session that
    was excluded.
    """

    pipeline: str
    exclusion_reasons: list[str]
    volumes_censored: int
    volumes_kept: int
    residual_degrees_of_freedom: int
    censored_filter: str | None
    regressors: list[str]
    variance_left_median: float | None
    seeds: dict[str, RegionQuality]
    targets: dict[str, RegionQuality]
    targets_left_out: list[str]


def read_record(path: str | os.PathLike[str]) -> SessionRecord:
    """Read the quality record of a session."""
    record: SessionRecord = json.loads(Path(path).read_text(encoding="utf-8"))
    return record
