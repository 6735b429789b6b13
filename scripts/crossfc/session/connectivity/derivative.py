"""Compute what the group level needs of a session: maps, series, edges, record, per pipeline."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np

from crossfc import atomic, template
from crossfc.array import BoolArray, FloatArray, SingleArray
from crossfc.fault import Fault
from crossfc.session.connectivity import cleaning, picture
from crossfc.session.connectivity import scan_quality as quality
from crossfc.session.connectivity import seed_map as connectivity
from crossfc.session.connectivity.cleaning import Interpolated
from crossfc.session.connectivity.components import read_components
from crossfc.session.connectivity.confounds import (
    Confounds,
    framewise_displacement,
    non_steady_volumes,
    read_confounds,
    strategy_matrix,
)
from crossfc.session.connectivity.defect import defects
from crossfc.session.connectivity.grey_matter import grey_level, open_grey_matter
from crossfc.session.connectivity.inspection import Cleaned, View, write_inspection
from crossfc.session.connectivity.mask import open_mask
from crossfc.session.connectivity.picture import Placed
from crossfc.session.connectivity.pipeline import Pipeline
from crossfc.session.connectivity.pose import pose
from crossfc.session.connectivity.record import (
    Coregistration,
    PassedOverRun,
    SessionQuality,
    SessionRecord,
)
from crossfc.session.connectivity.region import (
    GREY_MATTER,
    OVERLAP,
    SessionRegion,
    session_regions,
)
from crossfc.session.connectivity.repeat import Run, choose_repeat
from crossfc.session.connectivity.scan_measure import scan_measures
from crossfc.session.connectivity.session_data import SessionData
from crossfc.session.connectivity.smoothing import smooth_in_mask
from crossfc.session.connectivity.upstream import read_upstream, voxels_with_series
from crossfc.session.layout import ConnectivityFiles, InspectionFiles, drawn_seeds
from crossfc.session.physiology.beat import Kind
from crossfc.session.physiology.measure import Physiology, read_physiology
from crossfc.session.placement import at_nearest
from crossfc.session.scan import Scan, open_scan
from crossfc.session.sidecar import is_number, read_sidecar
from crossfc.trial.regions import RegionRow

# A correlation cannot be computed from fewer volumes than this.
_LEAST_USABLE = 3


def connectivity_session(
    participant_id: str,
    session_id: str,
    runs: Sequence[Run],
    pipelines: Mapping[str, Pipeline],
    targets: Sequence[RegionRow],
    outputs: Mapping[str, ConnectivityFiles],
    inspection: InspectionFiles,
    *,
    minimum_seed_coverage: float,
    minimum_residual_degrees_of_freedom: int,
    minimum_seed_tsnr: float,
    minimum_voxel_signal: float,
    minimum_voxel_tsnr: float,
    accept_unoriented: bool,
    cardiac: Kind | None = None,
    preprocessed_by: str | None = None,
    passed_over: Sequence[PassedOverRun] = (),
    grey_matter: str | Path | None = None,
    grey_matter_absent: str = "no map was given",
) -> None:
    """Read one session and write its connectivity for every pipeline.

    Defective volumes (`crossfc.session.connectivity.defect`) are left out of everything. If a
    pipeline leaves too little of the session, or a seed has lost its signal, the session is
    excluded from that pipeline: only its record is written, with the reasons
    (``exclusion_reasons``).

    Parameters
    ----------
    participant_id, session_id : str
    runs : sequence of Run
        The repeat runs of the session, of which `choose_repeat` takes one.
    pipelines : mapping
        Name to Pipeline.
    targets : sequence of RegionRow
        Rows of the sheet of targets.
    outputs : mapping
        Pipeline to the paths of `crossfc.session.layout.connectivity`.
    inspection : InspectionFiles
        What is looked at to judge the session, of `crossfc.session.layout.inspection`.
    minimum_seed_coverage : float
        Share of a seed's voxels that must lie in the mask and have signal. A target with less
        gets no edges.
    minimum_residual_degrees_of_freedom : int
        Smallest number of degrees of freedom that cleaning may leave.
    minimum_seed_tsnr : float
        Smallest temporal signal-to-noise ratio of a seed (mean over its voxels). A target with
        less gets no edges.
    minimum_voxel_signal, minimum_voxel_tsnr : float
        See `SessionData`.
    accept_unoriented : bool
        As in `crossfc.session.scan.open_scan`.
    cardiac : {"pulse", "ecg"}, optional
        What the cardiac traces of recordings are; told from the data if None.
    preprocessed_by : str, optional
        The program that made the derivatives and its version, for the record.
    passed_over : sequence of PassedOverRun
        Repeat runs that were found unusable before, for the record.
    grey_matter : path, optional
        The person's map of grey matter in template space (`open_grey_matter`).
    grey_matter_absent : str
        Why there is none, where there is none.

    Raises
    ------
    Fault
        If the scan, its mask or its confounds cannot be read or do not belong together. Nothing
        is written then.
    """
    index, opened, considered, further = choose_repeat(
        runs, partial(_open, accept_unoriented=accept_unoriented), _measure
    )
    run, confounds, scan, mask = runs[index], opened.confounds, opened.scan, opened.mask
    steady, sound, found = opened.steady, opened.sound, opened.defects
    removed, motion_unknown = opened.removed, opened.motion_unknown
    repetition_time, notes = scan.repetition_time, list(opened.notes)
    del opened
    assert repetition_time is not None  # a series is refused without one
    physiology = read_physiology(
        run.get("recordings", ()),
        confounds.n_volumes * repetition_time,
        repetition_time,
        cardiac,
        run.get("recordings_absent", ()),
    )
    moments = _moments(run, confounds.n_volumes, repetition_time)
    plans = {
        name: _plan(
            own,
            confounds,
            repetition_time,
            steady & sound,
            minimum_residual_degrees_of_freedom,
            physiology,
            moments,
        )
        for name, own in pipelines.items()
    }
    data = SessionData(scan, mask, steady & sound, minimum_voxel_signal, minimum_voxel_tsnr)
    image = picture.reference(scan.data, steady & sound, data.has_mean)
    del scan
    snr = quality.temporal_snr(data.mean, data.deviation) if data.has_mean else None
    sidecar = read_sidecar(run.get("sidecars") or [])
    measures = scan_measures(
        data.series,
        data.mean,
        data.box_mask,
        steady & sound,
        repetition_time,
        confounds,
        sidecar,
        pose(sidecar, run.get("coregistration")),
        has_mean=data.has_mean,
    )
    record: SessionQuality = {
        "participant_id": participant_id,
        "session_id": session_id,
        "scan": run["scan"],
        **_coregistration(run),
        "runs_considered": considered,
        "runs_passed_over": [*passed_over, *further],
        "preprocessed_by": preprocessed_by,
        "notes": notes,
        "repetition_time": repetition_time,
        "volumes": confounds.n_volumes,
        "volumes_non_steady": int((~steady).sum()),
        "volumes_defective": len(found),
        "defective_volumes": [{"volume": t, "reason": reason} for t, reason in found.items()],
        # The head moved in volumes that were censored before, as it did in those censored here.
        **quality.motion(confounds, sound | removed),
        **measures,
        "tsnr_median": None if snr is None else float(np.median(snr[data.box_mask])),
        "mask_voxels": int(data.mask.sum()),
        "mask_dice_template": quality.dice(data.mask, _template_mask(data)),
        "zero_variance_voxels": data.zero_variance_voxels,
        "voxels_without_signal": data.weak_voxels if data.has_mean else None,
        **physiology.quality(),
    }
    if motion_unknown:
        record["unmeasured"]["motion"] = motion_unknown
    if run.get("cleaned"):
        record["unmeasured"]["degrees_of_freedom"] = (
            "how many the cleaning before took is not known, so that those told are the most there "
            "can be"
        )
    limits = minimum_seed_coverage, minimum_seed_tsnr
    tissue = None if grey_matter is None else open_grey_matter(grey_matter)
    level = None if tissue is None else grey_level(data, tissue)
    unmapped = grey_matter_absent if tissue is None else None
    if unmapped:
        record["unmeasured"]["grey_matter"] = unmapped

    def regions(
        rows: Sequence[RegionRow], column: Literal["seed", "target"], weights: str
    ) -> dict[str, SessionRegion]:
        weights = OVERLAP if tissue is None else weights
        try:
            return session_regions(data, snr, rows, column, *limits, tissue, weights, level)
        except Fault as fault:
            raise Fault(f"{run['bold']}: {fault}") from None

    every = {own.region_weights for own in pipelines.values()} | {OVERLAP}
    of_weights = {weights: regions(targets, "target", weights) for weights in sorted(every)}
    measured = {name: of_weights[own.region_weights] for name, own in pipelines.items()}
    seeds = {
        name: regions(own.seeds, "seed", own.region_weights) for name, own in pipelines.items()
    }
    for name, plan in plans.items():
        if tissue is None and pipelines[name].region_weights == GREY_MATTER:
            plan.reasons.append(f"no map of grey matter to weight regions by ({unmapped})")
        plan.reasons += [seed.weakness for seed in seeds[name].values() if seed.weakness]
        if not plan.reasons:
            plan.reasons += _seeds_without_variance(plan, seeds[name])
    shown = seeds, of_weights[OVERLAP]
    _write_inspection(inspection, data, image, confounds, sound, pipelines, plans, *shown)
    voxels: dict[float, SingleArray] = {}
    for name in sorted(pipelines, key=lambda n: pipelines[n].fwhm_mm):
        made = (name, plans[name], seeds[name], measured[name], record, outputs[name])
        if plans[name].reasons:
            _write_record(*made)
            continue
        fwhm_mm = pipelines[name].fwhm_mm
        if fwhm_mm not in voxels:
            smoothed = smooth_in_mask(data.series, data.box_mask, fwhm_mm, data.voxel_mm)
            # Only one smoothed copy is kept in memory at a time, because the series are large.
            voxels = {fwhm_mm: smoothed[:, data.box_mask]}
        plans[name].factor = connectivity.at_reference(
            plans[name].left, pipelines[name].reference_degrees_of_freedom
        )
        plans[name].variance_left = _write_maps(
            plans[name], data, voxels[fwhm_mm], seeds[name], measured[name], outputs[name]
        )
        # The record is written last, so that maps are complete wherever there is a record.
        _write_record(*made)


@dataclass(frozen=True)
class _Opened:
    """A run that was read, with its valid volumes.

    Attributes
    ----------
    confounds : Confounds
    scan : Scan
    mask : (x, y, z) bool
    steady : (n_volumes,) bool
        Volumes in the steady state.
    sound : (n_volumes,) bool
        Volumes without a defect.
    defects : dict
        Number of each defective volume to the reason.
    removed : (n_volumes,) bool
        Volumes that another program took out or filled in; they are not sound either.
    notes : tuple of str
        What was noticed in reading.
    motion_unknown : str or None
        Why nothing is known of motion.
    """

    confounds: Confounds
    scan: Scan
    mask: BoolArray
    steady: BoolArray
    sound: BoolArray
    defects: dict[int, str]
    removed: BoolArray
    notes: tuple[str, ...]
    motion_unknown: str | None


def _open(run: Run, accept_unoriented: bool = False) -> _Opened:
    """Read the confounds, BOLD and mask of a run."""
    cleaned, table = run.get("cleaned", False), run.get("confounds")
    confounds = None
    if not cleaned:
        assert table is not None and run.get("mask") is not None  # only cleaned runs lack them
        confounds = read_confounds(table)
    sidecar = read_sidecar(run.get("sidecars") or [])
    scan = open_scan(
        run["bold"], sidecar=sidecar, kind="derivative", accept_unoriented=accept_unoriented
    )
    notes, unknown = scan.notes, None
    if own := run.get("mask"):
        mask = open_mask(own, scan, accept_unoriented=accept_unoriented)
    else:
        mask = voxels_with_series(scan)
        notes += ("no brain mask lies beside the run; the voxels that were cleaned are the brain",)
    volumes = scan.data.shape[3]
    removed = np.zeros(volumes, dtype=bool)
    if confounds is None:
        upstream = read_upstream(run, volumes)
        confounds, removed, unknown = upstream.confounds, upstream.removed, upstream.unknown
        scan, notes = upstream.whole(scan), notes + upstream.notes
    elif confounds.n_volumes != volumes:
        # The number of rows can only be checked now that the scan is open; reading again raises
        # the fault.
        assert table is not None
        read_confounds(table, volumes)
    components, families = read_components(
        _components(run),
        confounds.n_volumes,
    )
    if families:
        columns = confounds.columns | components
        confounds = replace(confounds, columns=columns, families=families)
    steady = ~non_steady_volumes(confounds)
    found = _defects(scan, mask, steady, confounds, removed)
    sound = ~removed
    sound[list(found)] = False
    if (sound & steady).sum() < _LEAST_USABLE:
        first, reason = next(iter(found.items()), (0, "before steady state"))
        raise Fault(
            f"{run['bold']} has {int((sound & steady).sum())} volumes that are measurements in "
            f"steady state (volume {first}, counted from 0: {reason}); exclude the session in the "
            "sheet of sessions with this reason"
        )
    return _Opened(confounds, scan, mask, steady, sound, found, removed, notes, unknown)


def _components(run: Run) -> dict[str, str | Path]:
    """Return the tables of components of a run, by kind."""
    given = {"aroma": run.get("aroma"), "mixing": run.get("mixing"), "metrics": run.get("metrics")}
    return {kind: path for kind, path in given.items() if path is not None}


def _defects(
    scan: Scan, mask: BoolArray, steady: BoolArray, confounds: Confounds, removed: BoolArray
) -> dict[int, str]:
    """Find defective volumes among those that another program did not remove."""
    if not removed.any():
        return defects(scan.data.T, mask.T, steady, confounds)
    left = np.flatnonzero(~removed)
    own = {name: values[left] for name, values in confounds.columns.items()}
    rows = None if confounds.motion_known else len(left)
    table = replace(confounds, columns=own, rows=rows)
    found = defects(scan.data.T[left], mask.T, steady[left], table)
    return {int(left[t]): reason for t, reason in found.items()}


def _measure(opened: _Opened) -> tuple[int, float | None]:
    """Return the number of usable volumes, and the mean framewise displacement (mm)."""
    usable = int((opened.steady & opened.sound).sum())
    return usable, quality.motion(opened.confounds, opened.sound)["mean_fd"]


@dataclass
class _Plan:
    """Which volumes are kept and what is removed, and whether the session is excluded.

    Attributes
    ----------
    kept : (n_volumes,) bool
    confounds : dict
        Name of each confound to the regressor, (n_volumes,) float64.
    basis : (n_kept, rank) float64, or Interpolated
        What cleaning removes; nothing if too few volumes are kept.
    left : int
        Degrees of freedom.
    filter : str or None
        How censored volumes are handled, if there are any between kept ones.
    reasons : list of str
        Why the session is excluded; empty if it is not.
    variance_left : float or None
        The median share of variance that cleaning left, once it is known.
    factor : float
        By which Fisher z are multiplied (`at_reference`).
    """

    kept: BoolArray
    confounds: dict[str, FloatArray]
    basis: FloatArray | Interpolated
    left: int = 0
    filter: str | None = None
    reasons: list[str] = field(default_factory=list)
    variance_left: float | None = None
    factor: float = 1.0


def _plan(
    pipeline: Pipeline,
    confounds: Confounds,
    repetition_time: float,
    usable: BoolArray,
    minimum: int,
    physiology: Physiology,
    moments: FloatArray,
) -> _Plan:
    """Decide which volumes are kept and what is removed, and whether the session is excluded."""
    lacking = physiology.lacking(pipeline.strategy)
    recorded = {} if lacking else physiology.regressors(pipeline.strategy, moments)
    matrix, columns = strategy_matrix(confounds, pipeline.strategy, recorded)
    kept = cleaning.kept_volumes(
        framewise_displacement(confounds),
        ~usable,
        pipeline.censor_fd_mm,
        pipeline.censor_minimum_run,
    )
    n_kept = int(kept.sum())
    named = dict(zip(columns, matrix.T, strict=True))
    plan = _Plan(kept, named, basis=np.empty((n_kept, 0)))
    if n_kept < _LEAST_USABLE:
        left = f"all but {n_kept} of" if n_kept else "all"
        plan.reasons = [f"{left} {len(kept)} volumes censored"]
        return plan
    if pipeline.censor_fd_mm is not None and not confounds.motion_known:
        lacking = [
            f"framewise displacement is not known, by which volumes above {pipeline.censor_fd_mm:g}"
            " mm are to be censored"
        ]
    elif unrecorded := int((~np.isfinite(matrix[kept])).any(axis=1).sum()):
        lacking = [
            f"{unrecorded} of {n_kept} kept volumes were taken outside the recording that the "
            "confound strategy needs"
        ]
    if lacking:
        plan.reasons = lacking
        return plan
    matrix = np.nan_to_num(matrix)
    low, high = pipeline.high_pass_hz, pipeline.low_pass_hz
    told = f"{n_kept} of {len(kept)} volumes kept"
    if cleaning.has_gaps(kept):
        # Without an upper edge the stop band is a few slow cosines only, so the exact filter costs
        # hardly any degrees of freedom.
        plan.filter = cleaning.EXACT if high is None else pipeline.censored_filter
    if plan.filter == cleaning.INTERPOLATE and high is not None:
        found = cleaning.interpolated(matrix, repetition_time, low, high, kept)
        # Effective degrees of freedom are not whole numbers; they are rounded down.
        plan.basis, plan.left = found, int(found.degrees_of_freedom + 1e-6)
    else:
        basis = cleaning.basis(matrix, repetition_time, low, high, kept)
        plan.basis, plan.left = basis, n_kept - basis.shape[1]
        told += f", {basis.shape[1]} dimensions removed"
    if plan.left < minimum:
        plan.reasons = [f"{plan.left} residual degrees of freedom, fewer than {minimum} ({told})"]
    return plan


def _moments(run: Run, n_volumes: int, repetition_time: float) -> FloatArray:
    """Return the moment of each volume in seconds from the start of the first, (n_volumes,).

    It is that to which slice timing brought all slices (``StartTime`` of the sidecar), or else the
    middle of the volume.
    """
    sidecar = read_sidecar(run.get("sidecars") or [])
    start = sidecar.get("StartTime") if sidecar.get("SliceTimingCorrected") is True else None
    offset = start if start is not None and is_number(start) else repetition_time / 2
    return np.asarray(np.arange(n_volumes) * repetition_time + offset, dtype=np.float64)


def _seeds_without_variance(plan: _Plan, seeds: dict[str, SessionRegion]) -> list[str]:
    reasons = []
    for name, seed in seeds.items():
        series = seed.series[plan.kept]
        left = np.linalg.norm(connectivity.clean(series[:, None], plan.basis))
        if left <= 1e-6 * np.linalg.norm(series - series.mean()):
            reasons.append(f"nothing is left of seed {name}, which follows from the confounds")
    return reasons


def _write_maps(
    plan: _Plan,
    data: SessionData,
    voxels: SingleArray,
    seeds: dict[str, SessionRegion],
    targets: dict[str, SessionRegion],
    output: ConnectivityFiles,
) -> float | None:
    """Write maps, edges and series, and return the median share of variance left by cleaning."""
    kept, basis = plan.kept, plan.basis
    names = {"seed": list(seeds), "target": [t for t in targets if targets[t].seen]}
    # The basis would remove the mean as well, but a mean in float32 values costs precision.
    own = voxels if kept.all() else voxels[kept] - voxels[kept].mean(axis=0)
    seed_series = np.column_stack([seeds[s].series for s in names["seed"]])[kept]
    z, share = connectivity.seed_maps(own, seed_series, basis)
    factor = np.float32(plan.factor)
    for path, values in zip(output["maps"], z, strict=True):
        atomic.save_image(path, data.to_image(values if plan.factor == 1 else values * factor))

    series = [targets[t].series[kept] for t in names["target"]]
    target_series = np.column_stack(series) if series else np.empty((int(kept.sum()), 0))
    edges = plan.factor * connectivity.edge_table(seed_series, target_series, basis)
    for j, t in enumerate(names["target"]):
        if targets[t].weakness:
            edges[:, j] = np.nan
        for i, s in enumerate(names["seed"]):
            # A target that shares voxels with its seed would correlate with itself.
            if seeds[s].shares_voxels(targets[t]):
                edges[i, j] = np.nan
    # All targets in the order of the sheet; one without voxels in the mask gets n/a.
    by_target = dict(zip(names["target"], edges.T, strict=True))
    missing = np.full(len(edges), np.nan)
    relmat: dict[str, Iterable[object]] = {"seed": names["seed"]}
    relmat |= {t: by_target.get(t, missing) for t in targets}
    atomic.write_columns(output["relmat"], relmat)

    columns = [f"seed_{s}" for s in names["seed"]] + [f"target_{t}" for t in names["target"]]
    cleaned = np.full((len(kept), len(columns)), np.nan)
    cleaned[kept] = connectivity.clean(np.hstack([seed_series, target_series]), basis)
    named = dict(zip(columns, cleaned.T, strict=True))
    atomic.write_columns(output["timeseries"], named)
    return _finite_median(share)


def _write_record(
    name: str,
    plan: _Plan,
    seeds: dict[str, SessionRegion],
    targets: dict[str, SessionRegion],
    record: SessionQuality,
    output: ConnectivityFiles,
) -> None:
    whole: SessionRecord = {
        **record,
        "pipeline": name,
        "exclusion_reasons": plan.reasons,
        "volumes_censored": int((~plan.kept).sum()) - record["volumes_non_steady"],
        "volumes_kept": int(plan.kept.sum()),
        "residual_degrees_of_freedom": plan.left,
        "censored_filter": plan.filter,
        "regressors": list(plan.confounds),
        "variance_left_median": plan.variance_left,
        "seeds": {seed: own.quality() for seed, own in seeds.items()},
        "targets": {target: own.quality() for target, own in targets.items()},
        "targets_left_out": [t.weakness for t in targets.values() if t.weakness],
    }
    atomic.write_json(output["qc"], whole)


def _coregistration(run: Run) -> Coregistration:
    """Return how well the run was coregistered, from the sidecar of native preprocessing.

    All values are None for derivatives of fMRIPrep, whose sidecars do not contain this.
    """
    said = read_sidecar(run.get("sidecars") or []).get("Registration")
    said = said if isinstance(said, dict) else {}
    return {
        "boundary_cost": said.get("boundary_cost_taken"),
        "boundary_cost_subgenual": said.get("boundary_cost_subgenual"),
        "boundary_cost_ventromedial": said.get("boundary_cost_ventromedial"),
        "left_right": said.get("left_right"),
    }


def _write_inspection(
    files: InspectionFiles,
    data: SessionData,
    image: FloatArray,
    confounds: Confounds,
    sound: BoolArray,
    pipelines: Mapping[str, Pipeline],
    plans: Mapping[str, _Plan],
    seeds: Mapping[str, dict[str, SessionRegion]],
    targets: Mapping[str, SessionRegion],
) -> None:
    """Write what somebody looks at to judge the session."""

    def placed(regions: Mapping[str, SessionRegion]) -> dict[str, Placed]:
        return {name: region.placed for name, region in regions.items()}

    drawn = drawn_seeds({name: own.seeds for name, own in pipelines.items()})
    level = float(data.mean[data.box_mask].mean(dtype=np.float64)) if data.has_mean else None
    write_inspection(
        files,
        View(
            image,
            data.affine,
            data.mask.T,
            data.series[:, data.box_mask],
            level,
            sound,
        ),
        confounds,
        {name: placed(seeds[name]) for name in dict.fromkeys(drawn.values())},
        placed(targets),
        {
            name: Cleaned(plan.kept, plan.basis, plan.confounds, bool(plan.reasons))
            for name, plan in plans.items()
        },
    )


def _template_mask(data: SessionData) -> BoolArray:
    """Return the brain mask of the template on the grid of the session, (z, y, x) bool.

    Not `template.brain_mask`, which imports nilearn.
    """
    values, affine = template.load_template("t1")
    return at_nearest(template.in_brain(values), affine, data.shape, data.affine).T


def _finite_median(values: Iterable[float]) -> float | None:
    median = float(np.nanmedian(np.asarray(values)))
    return None if math.isnan(median) else median
