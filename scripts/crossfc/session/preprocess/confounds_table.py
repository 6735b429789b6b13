"""The confounds table of a run, with the names, definitions and metadata of fMRIPrep (25.2).

With these, nilearn's ``load_confounds`` and other readers of fMRIPrep's tables can read it. The
differences are: signals are extracted from the series in template space, not on the run's own
grid, with the masks of `tissue`; there are no ``edge_comp`` components (Patriat et al. 2017) and no
ICA-AROMA.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from crossfc.expansion import expanded
from crossfc.session.displacement import PARAMETERS
from crossfc.session.preprocess.compcor import (
    Components,
    cosine_drifts,
    most_variable,
    principal_components,
)

if TYPE_CHECKING:
    import pandas as pd

    from crossfc.session.preprocess.motion import Motion

# A volume is an outlier above one of these (fMRIPrep's defaults).
FD_SPIKE_MM = 0.5
STD_DVARS_SPIKE = 1.5
_BLOCK = 20000
_UNITS = {
    "framewise_displacement": {
        "Description": "Sum of the absolute changes of the six motion parameters, rotations as "
        "arcs on a sphere of 50 mm (Power et al. 2012); n/a where the head in the volume "
        "or in the one before was not found",
        "Units": "mm",
    },
    "rmsd": {
        "Description": "Root mean square distance a sphere of 80 mm moved since the volume "
        "before (Jenkinson et al. 2002)",
        "Units": "mm",
    },
    "dvars": {
        "Description": "Root mean square over the brain of the change since the volume before, "
        "the run scaled to a median of 1000 (Power et al. 2012)",
    },
    "std_dvars": {
        "Description": "dvars divided by what its robust standard deviation and lag-1 "
        "autocorrelation let expect (Nichols 2013)",
    },
}


@dataclass(frozen=True)
class HeadMotion:
    """What the table tells of the head's motion.

    Attributes
    ----------
    parameters : ndarray, shape (volumes, 6)
        In the order of `displacement.PARAMETERS`, mm and radians.
    framewise_displacement, rmsd : ndarray, shape (volumes,)
        mm; NaN in the first volume and where it is not known.
    lost : ndarray of bool, shape (volumes,)
        Volumes that do not show the whole head.
    """

    parameters: np.ndarray
    framewise_displacement: np.ndarray
    rmsd: np.ndarray
    lost: np.ndarray


def confounds_of(
    data: np.ndarray,
    masks: dict[str, np.ndarray],
    motion: "Motion",
    repetition_time: float,
    non_steady: int,
) -> tuple["pd.DataFrame", dict[str, dict[str, Any]]]:
    """Compute the confounds of a run after interpolation to template space, before smoothing.

    Parameters
    ----------
    data : ndarray, shape (x, y, z, volumes)
        The run on the output grid, in the units of the scan.
    masks : dict of ndarray of bool, shape (x, y, z)
        ``brain``, ``csf`` and ``wm``.
    motion : Motion
    repetition_time, non_steady
        As in `confound_columns`.

    Returns
    -------
    table : DataFrame
        The columns of `confound_columns`, one row per volume.
    metadata : dict
        Content of the table's JSON sidecar.
    """
    import pandas as pd

    series = {
        "brain": data[masks["brain"]].T,
        "csf": data[masks["csf"]].T,
        "wm": data[masks["wm"]].T,
        "csf_wm": data[masks["csf"] | masks["wm"]].T,
    }
    head = HeadMotion(motion.parameters, motion.framewise_displacement, motion.rmsd, motion.lost)
    columns, metadata = confound_columns(series, head, repetition_time, non_steady)
    return pd.DataFrame(columns), metadata


def confound_columns(
    series: dict[str, np.ndarray], motion: HeadMotion, repetition_time: float, non_steady: int
) -> tuple[dict[str, np.ndarray], dict[str, dict[str, Any]]]:
    """Compute the confounds of a run from the series of its voxels.

    Parameters
    ----------
    series : dict of ndarray, shape (volumes, voxels)
        Of the masks ``brain``, ``csf``, ``wm`` and ``csf_wm`` (both together), before smoothing.
    motion : HeadMotion
    repetition_time : float
        Seconds.
    non_steady : int
        Number of volumes at the start before the steady state. As in fMRIPrep they are marked, and
        left out of cosines and components (0 there), but used in everything else. Lost volumes of
        ``motion`` are also left out of components.

    Returns
    -------
    columns : dict of ndarray, shape (volumes,)
        By name, in the order of the table; NaN where a difference to the volume before is not
        defined.
    metadata : dict
        Content of the table's JSON sidecar.
    """
    brain = series["brain"]
    volumes = len(brain)
    lost = motion.lost
    # If no volume is lost, use a slice: a boolean mask would copy the data in another memory order,
    # so that sums would be added in another order and differ in the last digits.
    steady: slice | np.ndarray = slice(non_steady, None)
    if lost.any():
        steady = ~lost & (np.arange(volumes) >= non_steady)
    drifts = cosine_drifts(volumes - non_steady, repetition_time)
    temporal = most_variable(brain[steady])
    columns: dict[str, np.ndarray] = {}
    metadata: dict[str, dict[str, Any]] = {}

    signals = {
        "global_signal": brain,
        "csf": series["csf"],
        "white_matter": series["wm"],
        "csf_wm": series["csf_wm"],
        "tcompcor": brain[:, temporal],
    }
    for name, voxels in signals.items():
        if not voxels.shape[1]:
            continue  # leave the column out, so that its readers report that it is missing
        mean = voxels.mean(axis=1, dtype=np.float64)
        # Signals of masks that only serve the components get no derivatives and squares.
        columns |= {name: mean} if name in ("csf_wm", "tcompcor") else expanded(name, mean)
        metadata[name] = {"Method": "Mean", "Voxels": voxels.shape[1]}
    columns["dvars"], columns["std_dvars"] = dvars_of(brain, lost)
    columns["framewise_displacement"] = motion.framewise_displacement
    columns["rmsd"] = motion.rmsd
    metadata |= _UNITS

    sources = {
        "t_comp_cor": ("tCompCor", None, brain[:, temporal]),
        "a_comp_cor": ("aCompCor", "combined", signals["csf_wm"]),
        "c_comp_cor": ("aCompCor", "CSF", signals["csf"]),
        "w_comp_cor": ("aCompCor", "WM", signals["white_matter"]),
    }
    for prefix, (method, mask_name, voxels) in sources.items():
        components = principal_components(
            voxels[steady], drifts[~lost[non_steady:]] if lost.any() else drifts
        )
        for k in range(components.series.shape[1]):
            columns[f"{prefix}_{k:02d}"] = np.zeros(volumes)
            columns[f"{prefix}_{k:02d}"][steady] = components.series[:, k]
        metadata |= _component_metadata(prefix, method, mask_name, components)
    for k in range(drifts.shape[1]):
        columns[f"cosine{k:02d}"] = _below(drifts[:, k], volumes, 0.0)
    for k in range(non_steady):
        columns[f"non_steady_state_outlier{k:02d}"] = _one_hot(k, volumes)
    for k, name in enumerate(PARAMETERS):
        columns |= expanded(name, motion.parameters[:, k])
        metadata[name] = {"Units": "mm" if name.startswith("trans") else "rad"}
    spikes = (
        (columns["framewise_displacement"] > FD_SPIKE_MM)
        | (columns["std_dvars"] > STD_DVARS_SPIKE)
        | lost
    )
    for k, volume in enumerate(np.flatnonzero(spikes)):
        columns[f"motion_outlier{k:02d}"] = _one_hot(int(volume), volumes)
    return columns, metadata


def dvars_of(series: np.ndarray, lost: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Compute DVARS and standardised DVARS, as nipype's ComputeDVARS does.

    DVARS is the root mean square over voxels of the change from volume to volume (Power et al.
    2012), with the run scaled to a median of 1000. Standardised DVARS is divided by the value
    expected for series with the same spread and lag-1 autocorrelation (Nichols 2013,
    arXiv:1704.01469): the mean over voxels of sqrt(2 (1 - r)) times the robust standard deviation
    (interquartile range / 1.349).

    Parameters
    ----------
    series : ndarray, shape (volumes, voxels)
    lost : ndarray of bool, shape (volumes,), optional
        Volumes to leave out; the others are treated as if they followed each other.

    Returns
    -------
    dvars, std_dvars : ndarray, shape (volumes,)
        NaN for the first volume, for lost volumes and for those after them. All NaN if no voxel
        varies.
    """
    volumes = len(series)
    nothing = np.full(volumes, np.nan)
    lost = np.zeros(volumes, dtype=bool) if lost is None else lost
    series = series[~lost] if lost.any() else series
    middle = float(np.median(series)) if series.size else 0.0
    if middle == 0:
        return nothing, nothing.copy()
    squares = np.zeros(len(series) - 1)
    expected, voxels = 0.0, 0
    for start in range(0, series.shape[1], _BLOCK):  # in blocks, to save memory
        scaled = series[:, start : start + _BLOCK].astype(np.float64) * (1000 / middle)
        # As in FSL, a percentile that falls between two data points is the lower one.
        upper, lower = np.percentile(scaled, [75, 25], axis=0, method="lower")
        spread = (upper - lower) / 1.349
        scaled, spread = scaled[:, spread > 1e-7], spread[spread > 1e-7]
        voxels += len(spread)
        squares += (np.diff(scaled, axis=0) ** 2).sum(axis=1)
        scaled -= scaled.mean(axis=0)
        lag_one = (scaled[1:] * scaled[:-1]).sum(axis=0) / (scaled**2).sum(axis=0)
        expected += float((np.sqrt(2 * (1 - lag_one)) * spread).sum())
    if not voxels:
        return nothing, nothing.copy()
    dvars = nothing.copy()
    dvars[np.flatnonzero(~lost)[1:]] = np.sqrt(squares / voxels)
    dvars[1:][lost[:-1]] = np.nan
    return dvars, dvars / (expected / voxels)


def _below(values: np.ndarray, volumes: int, fill: float) -> np.ndarray:
    """Extend a series of the steady state to all volumes, with ``fill`` for those before it."""
    return np.concatenate([np.full(volumes - len(values), fill), values])


def _one_hot(volume: int, volumes: int) -> np.ndarray:
    column = np.zeros(volumes, dtype=int)
    column[volume] = 1
    return column


def _component_metadata(
    prefix: str, method: str, mask: str | None, components: Components
) -> dict[str, dict[str, Any]]:
    """Return the metadata of the retained components, with the keys of fMRIPrep's JSON."""
    said = {}
    cumulative = np.cumsum(components.explained)
    for k in range(components.series.shape[1]):
        name = f"{prefix}_{k:02d}"
        said[name] = {
            "Method": method,
            "Retained": True,
            "SingularValue": float(components.singular_values[k]),
            "VarianceExplained": float(components.explained[k]),
            "CumulativeVarianceExplained": float(cumulative[k]),
            "Voxels": components.voxels,
        }
        if mask is not None:
            said[name]["Mask"] = mask
    return said
