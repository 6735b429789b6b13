"""What somebody looks at to judge a session: pictures, traces, and correlations of confounds.

All of it is small and without words, so that a page can be changed without reading a scan again.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from crossfc import atomic
from crossfc.array import BoolArray, FloatArray, RealArray
from crossfc.session.connectivity import carpet, picture
from crossfc.session.connectivity.cleaning import Interpolated
from crossfc.session.connectivity.confounds import Confounds, framewise_displacement
from crossfc.session.connectivity.picture import Placed
from crossfc.session.connectivity.seed_map import clean
from crossfc.session.layout import InspectionFiles

_VOXELS = 4000  # evenly spaced ones, over which DVARS is computed
_CONFOUNDS = 40  # that are correlated with each other
# Confounds that are 1 in one volume and 0 elsewhere, of which no correlation tells anything.
_SPIKES = ("motion_outlier", "non_steady_state_outlier")


@dataclass(frozen=True)
class Cleaned:
    """How one pipeline cleans a session.

    Attributes
    ----------
    kept : (n_volumes,) bool
    basis : (n_kept, rank) float64, or Interpolated
        What cleaning removes; see `crossfc.session.connectivity.seed_map.clean`.
    confounds : dict
        Name to the regressor, (n_volumes,) float64.
    excluded : bool
        Whether the session leaves the pipeline, so that nothing is cleaned.
    """

    kept: BoolArray
    basis: FloatArray | Interpolated
    confounds: Mapping[str, FloatArray]
    excluded: bool


@dataclass(frozen=True)
class View:
    """A session as it is looked at.

    Attributes
    ----------
    image : (x, y, z) float64
        From `crossfc.session.connectivity.picture.reference`.
    affine : (4, 4) float64
    mask : (x, y, z) bool
        Voxels that are analysed.
    voxels : (n_volumes, n_voxels) float32
        Their series without means.
    level : float or None
        The mean of the brain, of which signals are percentages; None if it is not known.
    sound : (n_volumes,) bool
        Volumes that are measurements.
    """

    image: FloatArray
    affine: FloatArray
    mask: BoolArray
    voxels: RealArray
    level: float | None
    sound: BoolArray


def write_inspection(
    files: InspectionFiles,
    view: View,
    confounds: Confounds,
    seeds: Mapping[str, Mapping[str, Placed]],
    targets: Mapping[str, Placed],
    pipelines: Mapping[str, Cleaned],
) -> None:
    """Write the pictures of a session, its traces and the correlations of its confounds.

    Parameters
    ----------
    files : InspectionFiles
        Paths; of a pipeline that the session leaves nothing is written but a picture of seeds.
    view : View
    confounds : Confounds
    seeds : mapping
        Each pipeline whose seeds are drawn, to its seeds by name.
    targets : mapping
        Targets by name.
    pipelines : mapping
        How each cleans the session.
    """
    shown = view.image, view.affine, view.mask
    picture.draw_outlines(files["outlines"], *shown)
    if targets:
        picture.draw_regions(files["targets"], *shown, targets, picture.TARGET_AXES)
    for name, placed in seeds.items():
        picture.draw_regions(files["pipelines"][name]["seeds"], *shown, placed, picture.SEED_AXES)

    rows = carpet.carpet_rows(view.voxels)
    some = np.asarray(view.voxels[:, :: -(-view.voxels.shape[1] // _VOXELS)], dtype=np.float64)
    signal = view.voxels.mean(axis=1, dtype=np.float64)
    fd = framewise_displacement(confounds)
    carpet.draw_carpet(files["carpet"], rows, view.sound)
    before = np.ones(len(signal), dtype=bool)
    percent = np.nan if view.level is None else 100 / view.level
    table: dict[str, RealArray | BoolArray] = {
        "framewise_displacement": _rounded(fd),
        "dvars": _rounded(percent * dvars(some, before)),
        "global_signal": _rounded(percent * signal),
    }
    for name, own in pipelines.items():
        table[f"kept_{name}"] = own.kept
        if own.excluded:
            continue
        carpet.draw_carpet(files["pipelines"][name]["carpet"], _cleaned(rows, own), own.kept)
        after = dvars(_cleaned(some, own), own.kept)
        table[f"dvars_{name}"] = _rounded(percent * after)
        left = _cleaned(signal[:, None], own)[:, 0]
        table[f"global_signal_{name}"] = _rounded(percent * left)
        others = {"framewise_displacement": fd, "dvars": dvars(some, before)}
        others = {key: values for key, values in others.items() if np.isfinite(values).any()}
        relations = confound_correlations(own.confounds, signal, others, own.kept)
        atomic.write_columns(files["pipelines"][name]["confounds"], relations)
    atomic.write_columns(files["volumes"], table)


def _cleaned(series: FloatArray, own: Cleaned) -> FloatArray:
    """Clean series in columns; NaN in volumes that are not kept."""
    found = np.full(series.shape, np.nan)
    kept = series[own.kept]
    found[own.kept] = clean(kept - kept.mean(axis=0), own.basis)
    return found


def dvars(voxels: FloatArray, kept: BoolArray) -> FloatArray:
    """Return DVARS: the root mean square over voxels of the change from one volume to the next.

    As in Power et al. 2012 (NeuroImage 59:2142-2154), in the units of the series. That of confounds
    tables may be standardised, and none is there of cleaned series.

    Parameters
    ----------
    voxels : (n_volumes, n_voxels) float
    kept : (n_volumes,) bool

    Returns
    -------
    (n_volumes,) float64
        NaN for the first volume, and where the volume or the one before is not kept.
    """
    found = np.full(len(voxels), np.nan)
    found[1:] = np.sqrt((np.diff(voxels, axis=0) ** 2).mean(axis=1))
    found[1:][~(kept[1:] & kept[:-1])] = np.nan
    return found


def confound_correlations(
    confounds: Mapping[str, FloatArray],
    signal: FloatArray,
    others: Mapping[str, FloatArray],
    kept: BoolArray,
) -> dict[str, list[str] | FloatArray]:
    """Correlate confounds with each other and with the mean signal of the mask, before cleaning.

    Parameters
    ----------
    confounds : mapping
        Name to the regressor, (n_volumes,) float. Of many those that go most with the signal are
        taken; those of single volumes are left out.
    signal : (n_volumes,) float
        Mean over the mask.
    others : mapping
        Further measures of volumes, which are no regressors.
    kept : (n_volumes,) bool
        Volumes that are correlated, of which all values are known.

    Returns
    -------
    dict
        The columns of a table: ``confound``, then Pearson's r with each of the rows; NaN where one
        does not vary.
    """
    named = {name: values for name, values in confounds.items() if not name.startswith(_SPIKES)}
    further = {f"mask_{name}" if name in named else name: v for name, v in others.items()}
    columns = {"mask_signal": signal, **further, **named}
    table = np.column_stack(list(columns.values()))
    used = kept & np.isfinite(table).all(axis=1)
    centred = table[used] - table[used].mean(axis=0) if used.any() else table[used]
    norms = np.linalg.norm(centred, axis=0)
    scale = np.linalg.norm(table[used], axis=0)
    unit = centred / np.where(norms > 1e-9 * scale, norms, np.nan)
    r = unit.T @ unit
    names = list(columns)
    own = np.arange(1 + len(further), len(names))
    strongest = own[np.argsort(-np.nan_to_num(np.abs(r[0, own])), kind="stable")[:_CONFOUNDS]]
    shown = [*range(1 + len(further)), *sorted(strongest)]
    found: dict[str, list[str] | FloatArray] = {"confound": [names[k] for k in shown]}
    return found | {names[k]: np.round(r[shown, k], 3) for k in shown}


def _rounded(values: FloatArray) -> FloatArray:
    """Round to what a trace can show, so that the table stays small."""
    return np.round(values, 4)
