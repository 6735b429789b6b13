"""Compute what the group level needs of a session: maps, series, edges, record, per pipeline."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Literal

import numpy as np

from crossfc import atomic, template
from crossfc.array import BoolArray, FloatArray, RealArray, SingleArray
from crossfc.fault import Fault
from crossfc.session.connectivity import cleaning, picture
from crossfc.session.connectivity import scan_quality as quality
from crossfc.session.connectivity import seed_map as connectivity
from crossfc.session.connectivity.cleaning import Interpolated
from crossfc.session.connectivity.confounds import (
    Confounds,
    framewise_displacement,
    non_steady_volumes,
    read_confounds,
    strategy_matrix,
)
from crossfc.session.connectivity.defect import defects
from crossfc.session.connectivity.inspection import Cleaned, View, write_inspection
from crossfc.session.connectivity.mask import open_mask
from crossfc.session.connectivity.picture import Placed
from crossfc.session.connectivity.pipeline import Pipeline
from crossfc.session.connectivity.pose import pose
from crossfc.session.connectivity.record import (
    Coregistration,
    PassedOverRun,
    RegionQuality,
    SessionQuality,
    SessionRecord,
)
from crossfc.session.connectivity.repeat import Run, choose_repeat
from crossfc.session.connectivity.scan_measure import scan_measures
from crossfc.session.connectivity.smoothing import smooth_in_mask
from crossfc.session.layout import ConnectivityFiles, InspectionFiles, drawn_seeds
from crossfc.session.physiology.beat import Kind
from crossfc.session.physiology.measure import Physiology, read_physiology
from crossfc.session.placement import at_nearest, place
from crossfc.session.scan import Scan, open_scan
from crossfc.session.sidecar import is_number, read_sidecar
from crossfc.trial.regions import RegionRow

if TYPE_CHECKING:
    import nibabel

# A correlation cannot be computed from fewer volumes than this.
_LEAST_USABLE = 3


class SessionData:
    """One session in memory, with axes (t, z, y, x) as needed later, cut to the box of the mask.

    Parameters
    ----------
    scan : Scan
        The preprocessed BOLD.
    mask : (x, y, z) bool
        Brain mask; voxels without variance and voxels without signal are removed from it and
        counted.
    usable : (n_volumes,) bool, optional
        Valid volumes in the steady state; mean and standard deviation are computed over these.
        All volumes if None.
    minimum_signal : float
        A voxel whose mean is below this share of the brain's median has no signal.
    minimum_tsnr : float
        A voxel whose mean over standard deviation in time is below this has no signal.

    Raises
    ------
    Fault
        If no voxel of the mask has variance.

    Attributes
    ----------
    has_mean : bool
        Whether the series has a mean. If it was demeaned or standardised, signal and
        signal-to-noise ratio cannot be judged, and no voxel is removed for its lack of signal.
    series : (t, z, y, x) float32
        The series in the box, without their means.
    mean, deviation : (z, y, x) float32
        Mean and standard deviation in time, in the box.
    box_mask : (z, y, x) bool
        Voxels that are kept, in the box.
    mask : (z, y, x) bool
        The same on the whole grid.
    zero_variance_voxels, weak_voxels : int
        How many voxels were removed.
    """

    def __init__(
        self,
        scan: Scan,
        mask: BoolArray,
        usable: BoolArray | None = None,
        minimum_signal: float = 0.0,
        minimum_tsnr: float = 0.0,
    ):
        self.shape, self.affine = mask.shape, scan.affine
        self.voxel_mm = np.sqrt((scan.affine[:3, :3] ** 2).sum(axis=0))
        whole = mask.T
        filled = [np.flatnonzero(whole.any(axis=axes)) for axes in ((1, 2), (0, 2), (0, 1))]
        self._box = tuple(slice(int(f[0]), int(f[-1]) + 1) for f in filled)
        # In the scan's array x varies fastest, so the transpose is a view; the subtraction copies.
        box = scan.data.T[(slice(None), *self._box)]
        every = usable is None or usable.all()
        self.mean = (
            (box if every else box[usable]).mean(axis=0, dtype=np.float64).astype(np.float32)
        )
        self.series = np.subtract(box, self.mean, order="C")
        settled = self.series if every else self.series[usable]
        power = np.einsum("tzyx,tzyx->zyx", settled, settled, optimize=False)
        self.deviation = np.sqrt(power / len(settled))
        varies = self.deviation > 1e-6 * np.maximum(np.abs(self.mean), 1e-6)
        self.zero_variance_voxels = int((whole[self._box] & ~varies).sum())
        self.box_mask = whole[self._box] & varies
        if not self.box_mask.any():
            raise Fault(
                f"{scan.path} has no signal inside its brain mask; look at both, then write them "
                "again or exclude the session with a reason"
            )
        weak = self._weak(minimum_signal, minimum_tsnr)
        self.weak_voxels = int(weak.sum())
        self._box_weak = weak
        self.box_mask &= ~weak
        self.mask = np.zeros(whole.shape, dtype=bool)
        self.mask[self._box] = self.box_mask

    def _weak(self, minimum_signal: float, minimum_tsnr: float) -> BoolArray:
        """Return which voxels of the mask have no signal, (z, y, x) bool.

        Variance alone does not show signal, because noise varies too.
        """
        brightness = float(np.median(self.mean[self.box_mask]))
        self.has_mean = brightness > float(np.median(self.deviation[self.box_mask]))
        if not self.has_mean:
            return np.zeros_like(self.box_mask)
        dark = self.mean < minimum_signal * brightness
        noisy = self.mean < minimum_tsnr * self.deviation
        weak = self.box_mask & (dark | noisy)
        # If that were all voxels (a scan of noise), remove none: the seeds' lack of signal is then
        # reported as the reason to leave the session out.
        return weak if (self.box_mask & ~weak).any() else np.zeros_like(weak)

    def region(
        self, rows: Sequence[RegionRow], name: str
    ) -> tuple[BoolArray, float, BoolArray, Placed]:
        """Find the voxels of a region.

        Parameters
        ----------
        rows : sequence of RegionRow
            Rows of the region in the sheet of seeds or targets.
        name : str
            For messages.

        Returns
        -------
        inside : (z, y, x) bool
            Voxels of the region inside the mask, in the box.
        share : float
            Share of the region's voxels that are inside the mask.
        weak : (z, y, x) bool
            Voxels of the region without signal, in the box.
        placed : Placed
            All of its voxels, and those inside, on the whole grid.

        Raises
        ------
        Fault
            If the region has no voxel in the grid, or its image cannot be read.
        """
        placed, size = place(rows, name, self.shape, self.affine)
        covered = placed.T & self.mask
        weak = placed.T[self._box] & self._box_weak
        whole = Placed(placed, covered.T)
        return covered[self._box], float(covered.sum() / size), weak, whole

    def region_series(self, inside: BoolArray) -> FloatArray:
        """Return the mean of the unsmoothed series over a region's voxels, (n_volumes,) float64.

        ``inside`` is the region in the box, (z, y, x) bool.
        """
        series: FloatArray = self.series[:, inside].mean(axis=1, dtype=np.float64)
        return series

    def to_image(self, values: RealArray) -> "nibabel.Nifti1Image":
        """Return an image on the grid of the session from one value per voxel of the mask.

        Parameters
        ----------
        values : (n_voxels,) float
            In the order of ``box_mask``.

        Returns
        -------
        nibabel.Nifti1Image
            float32; NaN outside the mask.
        """
        import nibabel

        box = np.full(self.box_mask.shape, np.nan, dtype=np.float32)
        box[self.box_mask] = values
        grid = np.full(self.shape[::-1], np.nan, dtype=np.float32)
        grid[self._box] = box
        image = nibabel.Nifti1Image(grid.T, self.affine)
        # Code 4 marks coordinates of MNI space.
        image.set_sform(self.affine, 4)
        image.set_qform(self.affine, 4)
        image.header.set_xyzt_units("mm", "sec")
        return image


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
    del opened
    repetition_time, notes = scan.repetition_time, list(scan.notes)
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
        **quality.motion(confounds, sound),
        **measures,
        "tsnr_median": None if snr is None else float(np.median(snr[data.box_mask])),
        "mask_voxels": int(data.mask.sum()),
        "mask_dice_template": quality.dice(data.mask, _template_mask(data)),
        "zero_variance_voxels": data.zero_variance_voxels,
        "voxels_without_signal": data.weak_voxels if data.has_mean else None,
        **physiology.quality(),
    }
    limits = minimum_seed_coverage, minimum_seed_tsnr
    measured = _regions(data, snr, targets, "target", *limits, run)
    seeds = {
        name: _regions(data, snr, own.seeds, "seed", *limits, run)
        for name, own in pipelines.items()
    }
    for name, plan in plans.items():
        plan.reasons += [seed.weakness for seed in seeds[name].values() if seed.weakness]
        if not plan.reasons:
            plan.reasons += _seeds_without_variance(plan, seeds[name])
    _write_inspection(inspection, data, image, confounds, sound, pipelines, plans, seeds, measured)
    voxels: dict[float, SingleArray] = {}
    for name in sorted(pipelines, key=lambda n: pipelines[n].fwhm_mm):
        made = (name, plans[name], seeds[name], measured, record, outputs[name])
        if plans[name].reasons:
            _write_record(*made)
            continue
        fwhm_mm = pipelines[name].fwhm_mm
        if fwhm_mm not in voxels:
            smoothed = smooth_in_mask(data.series, data.box_mask, fwhm_mm, data.voxel_mm)
            # Only one smoothed copy is kept in memory at a time, because the series are large.
            voxels = {fwhm_mm: smoothed[:, data.box_mask]}
        plans[name].variance_left = _write_maps(
            plans[name], data, voxels[fwhm_mm], seeds[name], measured, outputs[name]
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
    """

    confounds: Confounds
    scan: Scan
    mask: BoolArray
    steady: BoolArray
    sound: BoolArray
    defects: dict[int, str]


def _open(run: Run, accept_unoriented: bool = False) -> _Opened:
    """Read the confounds, BOLD and mask of a run."""
    confounds = read_confounds(run["confounds"])
    sidecar = read_sidecar(run.get("sidecars") or [])
    scan = open_scan(
        run["bold"], sidecar=sidecar, kind="derivative", accept_unoriented=accept_unoriented
    )
    mask = open_mask(run["mask"], scan, accept_unoriented=accept_unoriented)
    # The number of rows can only be checked now that the scan is open; reading again raises the
    # fault.
    if confounds.n_volumes != scan.data.shape[3]:
        read_confounds(run["confounds"], scan.data.shape[3])
    steady = ~non_steady_volumes(confounds)
    found = defects(scan.data.T, mask.T, steady, confounds)
    sound = np.ones(len(steady), dtype=bool)
    sound[list(found)] = False
    if (sound & steady).sum() < _LEAST_USABLE:
        first, reason = next(iter(found.items()), (0, "before steady state"))
        raise Fault(
            f"{run['bold']} has {int((sound & steady).sum())} volumes that are measurements in "
            f"steady state (volume {first}, counted from 0: {reason}); exclude the session in the "
            "sheet of sessions with this reason"
        )
    return _Opened(confounds, scan, mask, steady, sound, found)


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
    """

    kept: BoolArray
    confounds: dict[str, FloatArray]
    basis: FloatArray | Interpolated
    left: int = 0
    filter: str | None = None
    reasons: list[str] = field(default_factory=list)
    variance_left: float | None = None


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
    if unrecorded := int((~np.isfinite(matrix[kept])).any(axis=1).sum()):
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


@dataclass(frozen=True)
class _Region:
    """A seed or target in the scan.

    Attributes
    ----------
    coverage : float
        Share of its voxels that lie in the mask and have signal.
    tsnr : float or None
        Mean temporal signal-to-noise ratio; None if not known.
    weakness : str or None
        A sentence if coverage or tSNR is too low.
    series : (n_volumes,) float64
        Mean over its voxels; NaN if there are none.
    inside : (z, y, x) bool
        Its voxels in the mask, in the box.
    placed : Placed
        All of its voxels, on the whole grid.
    """

    coverage: float
    tsnr: float | None
    weakness: str | None
    series: FloatArray
    inside: BoolArray
    placed: Placed

    @property
    def voxels(self) -> int:
        """Number of voxels in the mask."""
        return int(self.inside.sum())


def _regions(
    data: SessionData,
    snr: RealArray | None,
    rows: Sequence[RegionRow],
    column: Literal["seed", "target"],
    least_coverage: float,
    least_tsnr: float,
    run: Run,
) -> dict[str, _Region]:
    """Measure the regions in some rows of a sheet, by name."""
    found: dict[str, _Region] = {}
    for name in dict.fromkeys(row[column] for row in rows):
        own = [row for row in rows if row[column] == name]
        try:
            inside, coverage, weak, placed = data.region(own, name)
        except Fault as fault:
            raise Fault(f"{run['bold']}: {fault}") from None
        # If no voxel of the region has signal, give the tSNR of its voxels without signal.
        told = inside if inside.any() else weak
        tsnr = float(snr[told].mean()) if told.any() and snr is not None else None
        weakness = None
        if coverage < least_coverage or not inside.any():
            weakness = (
                f"{coverage:.0%} of {column} {name} lies in the brain mask with signal, less than "
                f"{least_coverage:.0%}"
            )
        elif tsnr is not None and tsnr < least_tsnr:
            weakness = (
                f"temporal signal-to-noise ratio of {column} {name} {tsnr:.1f}, less than "
                f"{least_tsnr:g}"
            )
        series = np.full(len(data.series), np.nan)
        if inside.any():
            series = data.region_series(inside)
        found[name] = _Region(coverage, tsnr, weakness, series, inside, placed)
    return found


def _seeds_without_variance(plan: _Plan, seeds: dict[str, _Region]) -> list[str]:
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
    seeds: dict[str, _Region],
    targets: dict[str, _Region],
    output: ConnectivityFiles,
) -> float | None:
    """Write maps, edges and series, and return the median share of variance left by cleaning."""
    kept, basis = plan.kept, plan.basis
    names = {"seed": list(seeds), "target": [t for t in targets if targets[t].voxels]}
    # The basis would remove the mean as well, but a mean in float32 values costs precision.
    own = voxels if kept.all() else voxels[kept] - voxels[kept].mean(axis=0)
    seed_series = np.column_stack([seeds[s].series for s in names["seed"]])[kept]
    z, share = connectivity.seed_maps(own, seed_series, basis)
    for path, values in zip(output["maps"], z, strict=True):
        atomic.save_image(path, data.to_image(values))

    series = [targets[t].series[kept] for t in names["target"]]
    target_series = np.column_stack(series) if series else np.empty((int(kept.sum()), 0))
    edges = connectivity.edge_table(seed_series, target_series, basis)
    for j, t in enumerate(names["target"]):
        if targets[t].weakness:
            edges[:, j] = np.nan
        for i, s in enumerate(names["seed"]):
            # A target that shares voxels with its seed would correlate with itself.
            if (seeds[s].inside & targets[t].inside).any():
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
    seeds: dict[str, _Region],
    targets: dict[str, _Region],
    record: SessionQuality,
    output: ConnectivityFiles,
) -> None:
    def plain(regions: dict[str, _Region]) -> dict[str, RegionQuality]:
        return {
            name: {"coverage": own.coverage, "voxels": own.voxels, "tsnr": own.tsnr}
            for name, own in regions.items()
        }

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
        "seeds": plain(seeds),
        "targets": plain(targets),
        "targets_left_out": [t.weakness for t in targets.values() if t.weakness],
    }
    atomic.write_json(output["qc"], whole)


def _coregistration(run: Run) -> Coregistration:
    """Return how well the run was coregistered, from the sidecar of native preprocessing.

    Both values are None for derivatives of fMRIPrep, whose sidecars do not contain this.
    """
    said = read_sidecar(run.get("sidecars") or []).get("Registration")
    said = said if isinstance(said, dict) else {}
    return {
        "boundary_cost": said.get("boundary_cost_taken"),
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
    seeds: Mapping[str, dict[str, _Region]],
    targets: Mapping[str, _Region],
) -> None:
    """Write what somebody looks at to judge the session."""

    def placed(regions: Mapping[str, _Region]) -> dict[str, Placed]:
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
