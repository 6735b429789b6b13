"""The confounds table of a run, in the names and with the metadata of fMRIPrep.

So that nilearn's ``load_confounds`` and every other reader of fMRIPrep's tables can read ours.
"""

from typing import Any

import numpy as np
import pandas as pd

from crossfc.session.compcor import Components, cosine_drifts, principal_components
from crossfc.session.motion import (
    PARAMETERS,
    Motion,
    framewise_displacement,
    motion_parameters,
    relative_rms,
)

# fMRIPrep's defaults: what makes a volume an outlier.
FD_SPIKE_MM = 0.5
STD_DVARS_SPIKE = 1.5
_TEMPORAL_SHARE = 0.02


def confounds_of(
    data: np.ndarray,
    masks: dict[str, np.ndarray],
    motion: Motion,
    repetition_time: float,
    non_steady: int,
) -> tuple[pd.DataFrame, dict[str, dict[str, Any]]]:
    """Compute the confounds of a resampled run, before any smoothing.

    Parameters
    ----------
    data : ndarray, shape (x, y, z, volumes)
        In the output space.
    masks : dict of ndarray of bool, shape (x, y, z)
        ``brain``, ``csf`` and ``wm``.
    motion : Motion
    repetition_time : float
        Seconds.
    non_steady : int
        Volumes at the start that are not in the steady state. They are marked, and left out of
        cosines and components (0 there), as fMRIPrep does.

    Returns
    -------
    table : DataFrame
        One row per volume; NaN where a difference to the volume before is not defined.
    metadata : dict
        For the table's JSON.
    """
    volumes = data.shape[3]
    columns: dict[str, np.ndarray] = {}
    metadata: dict[str, dict[str, Any]] = {}
    brain = data[masks["brain"]].T
    signals = {
        "global_signal": masks["brain"],
        "csf": masks["csf"],
        "white_matter": masks["wm"],
    }
    for name, mask in signals.items():
        if not mask.any():
            continue  # no column rather than one without values: readers then say what they miss
        columns |= _expanded(name, data[mask].mean(axis=0, dtype=np.float64))
        metadata[name] = {"Method": "Mean", "Voxels": int(mask.sum())}
    steady = slice(non_steady, None)
    dvars, std_dvars = dvars_of(brain[steady])
    columns["std_dvars"] = _below(std_dvars, volumes, np.nan)
    columns["dvars"] = _below(dvars, volumes, np.nan)
    parameters = motion_parameters(motion.matrices, motion.centre)
    columns["framewise_displacement"] = framewise_displacement(parameters)
    columns["rmsd"] = relative_rms(motion.matrices, motion.centre)
    metadata["framewise_displacement"] = {
        "Method": "Power et al. 2012, rotations on a sphere of 50 mm",
        "Units": "mm",
    }

    drifts = cosine_drifts(volumes - non_steady, repetition_time)
    both = masks["csf"] | masks["wm"]
    temporal = _most_variable(brain[steady], drifts, _TEMPORAL_SHARE)
    sources = {
        "t_comp_cor": ("tCompCor", None, brain[steady][:, temporal]),
        "a_comp_cor": ("aCompCor", "combined", data[both].T[steady]),
        "c_comp_cor": ("aCompCor", "CSF", data[masks["csf"]].T[steady]),
        "w_comp_cor": ("aCompCor", "WM", data[masks["wm"]].T[steady]),
    }
    for prefix, (method, mask_name, series) in sources.items():
        components = principal_components(series, drifts)
        for k in range(components.series.shape[1]):
            columns[f"{prefix}_{k:02d}"] = _below(components.series[:, k], volumes, 0.0)
        metadata |= _component_metadata(prefix, method, mask_name, components)
    for k in range(drifts.shape[1]):
        columns[f"cosine{k:02d}"] = _below(drifts[:, k], volumes, 0.0)
    for k, name in enumerate(PARAMETERS):
        columns |= _expanded(name, parameters[:, k])
    for k in range(non_steady):
        columns[f"non_steady_state_outlier{k:02d}"] = _one_hot(k, volumes)
    spikes = (columns["framewise_displacement"] > FD_SPIKE_MM) | (
        columns["std_dvars"] > STD_DVARS_SPIKE
    )
    for k, volume in enumerate(np.flatnonzero(spikes)):
        columns[f"motion_outlier{k:02d}"] = _one_hot(int(volume), volumes)
    return pd.DataFrame(columns), metadata


def dvars_of(series: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """DVARS and standardised DVARS.

    DVARS is the root mean square over voxels of the change from volume to volume (Power et al.
    2012), with the run scaled to a median of 1000. The standardised one is divided by what a
    process of the same spread and lag-1 autocorrelation would show (Nichols 2013,
    arXiv:1704.01469): the mean over voxels of sqrt(2 (1 - r)) times the robust standard deviation
    (interquartile range / 1.349).

    Parameters
    ----------
    series : ndarray, shape (volumes, voxels)

    Returns
    -------
    dvars, std_dvars : ndarray, shape (volumes,)
        NaN for the first volume; all NaN where no voxel varies.
    """
    nothing = np.full(len(series), np.nan)
    middle = float(np.median(series)) if series.size else 0.0
    if middle == 0:
        return nothing, nothing.copy()
    scaled = series.astype(np.float64) * (1000 / middle)
    # As FSL: percentiles are data points, the lower one where they fall between two.
    upper, lower = np.percentile(scaled, [75, 25], axis=0, method="lower")
    spread = (upper - lower) / 1.349
    scaled, spread = scaled[:, spread > 1e-7], spread[spread > 1e-7]
    if not len(spread):
        return nothing, nothing.copy()
    centred = scaled - scaled.mean(axis=0)
    lag_one = (centred[1:] * centred[:-1]).sum(axis=0) / (centred**2).sum(axis=0)
    expected = (np.sqrt(2 * (1 - lag_one)) * spread).mean()
    changes = np.sqrt((np.diff(scaled, axis=0) ** 2).mean(axis=1))
    dvars = np.concatenate([[np.nan], changes])
    return dvars, dvars / expected


def _expanded(name: str, values: np.ndarray) -> dict[str, np.ndarray]:
    """A series with its derivative and the squares of both (Friston et al. 1996)."""
    derivative = np.concatenate([[np.nan], np.diff(values)])
    return {
        name: values,
        f"{name}_derivative1": derivative,
        f"{name}_power2": values**2,
        f"{name}_derivative1_power2": derivative**2,
    }


def _below(values: np.ndarray, volumes: int, fill: float) -> np.ndarray:
    """Put a series of the steady state below rows for the volumes before it."""
    return np.concatenate([np.full(volumes - len(values), fill), values])


def _one_hot(volume: int, volumes: int) -> np.ndarray:
    column = np.zeros(volumes, dtype=int)
    column[volume] = 1
    return column


def _most_variable(series: np.ndarray, drifts: np.ndarray, share: float) -> np.ndarray:
    """The voxels that vary most over time once drifts are out (tCompCor, Behzadi et al. 2007)."""
    basis, _ = np.linalg.qr(np.column_stack([np.ones(len(series)), drifts]))
    variance = (series**2).sum(axis=0, dtype=np.float64) - ((basis.T @ series) ** 2).sum(axis=0)
    return variance >= np.quantile(variance, 1 - share)


def _component_metadata(
    prefix: str, method: str, mask: str | None, components: Components
) -> dict[str, dict[str, Any]]:
    """Describe components, retained and dropped ones, in the words of fMRIPrep's JSON."""
    said = {}
    retained = components.series.shape[1]
    cumulative = np.cumsum(components.explained)
    for k, value in enumerate(components.singular_values):
        name = f"{prefix}_{k:02d}" if k < retained else f"dropped_{prefix[0]}_{k:02d}"
        said[name] = {
            "Method": method,
            "Retained": k < retained,
            "SingularValue": float(value),
            "VarianceExplained": float(components.explained[k]),
            "CumulativeVarianceExplained": float(cumulative[k]),
            "Voxels": components.voxels,
        }
        if mask is not None:
            said[name]["Mask"] = mask
    return said
