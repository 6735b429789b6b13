"""The confounds table of a twin, computed from its data as fMRIPrep does.

Column names and definitions: fMRIPrep 20.2 to 25.x, "Outputs of fMRIPrep: confounds".
"""

import numpy as np

from crossfc.expansion import expanded
from crossfc.twin.motion import PARAMETERS, framewise_displacement, relative_rms

_CUTOFF = 128.0  # s, of the discrete cosines
_LEAST_COMPONENTS = 6
_FD_OUTLIER, _DVARS_OUTLIER = 0.5, 1.5  # fMRIPrep's defaults


def cosines(volumes: int, repetition_time: float, skipped: int = 0) -> np.ndarray:
    """Return the discrete cosines below 1/128 Hz without the constant, shape (volumes, n).

    As in SPM, there are ``floor(2 * duration / 128)`` functions over the volumes in the steady
    state (nipype makes one fewer). They are zero in the first ``skipped`` volumes.

    Parameters
    ----------
    volumes : int
    repetition_time : float
        Seconds.
    skipped : int
        Number of volumes before the steady state.

    Returns
    -------
    ndarray, shape (volumes, n)
    """
    steady = volumes - skipped
    count = int(np.floor(2 * steady * repetition_time / _CUTOFF))
    phase = np.pi * (2 * np.arange(steady)[:, None] + 1) * np.arange(1, count + 1) / (2 * steady)
    table = np.zeros((volumes, count))
    table[skipped:] = np.sqrt(2 / steady) * np.cos(phase)
    return table


def dvars(series: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Compute DVARS, the root mean square change between volumes, raw and standardised.

    Nichols 2013, "Notes on creating a standardized version of DVARS", as in nipype: with a robust
    standard deviation of each voxel from the interquartile range, and lag-one autocorrelation.

    Parameters
    ----------
    series : ndarray, shape (volumes, voxels)

    Returns
    -------
    raw, standardised : ndarray, shape (volumes,)
        NaN at the first volume.
    """
    middle = np.partition(series, (len(series) // 4, 3 * len(series) // 4), axis=0)
    spread = (middle[3 * len(series) // 4] - middle[len(series) // 4]) / 1.349
    centred = series - series.mean(axis=0)
    power = np.einsum("tv,tv->v", centred, centred)
    lagged = np.einsum("tv,tv->v", centred[1:], centred[:-1])
    varies = (power > 0) & (spread > 0)
    auto = np.divide(lagged, power, out=np.zeros_like(power), where=varies)
    expected = np.mean((np.sqrt(2 * (1 - auto)) * spread)[varies])
    raw = np.sqrt(np.mean(np.diff(series, axis=0) ** 2, axis=1, dtype=float))
    raw = np.concatenate([[np.nan], raw])
    return raw, raw / expected


def components(series: np.ndarray, slow: np.ndarray, skipped: int) -> dict[str, np.ndarray]:
    """Compute principal components of standardised series: CompCor (Behzadi et al. 2007).

    Parameters
    ----------
    series : ndarray, shape (volumes, voxels)
    slow : ndarray, shape (volumes, n_cosines)
        Cosines, which are removed first.
    skipped : int
        Number of volumes before the steady state; they are left out, and 0 in the result.

    Returns
    -------
    dict
        ``courses`` (volumes, n), ``singular_values`` (n,), ``explained`` (n,; share of the
        variance) and ``retained`` (number of components that together explain half of the
        variance, fMRIPrep's rule).
    """
    used = np.asarray(series[skipped:], np.float32)
    design = np.column_stack([np.ones(len(used)), slow[skipped:]])
    basis = np.linalg.qr(design)[0].astype(np.float32)
    used = used - basis @ (basis.T @ used)
    spread = used.std(axis=0)
    used = used[:, spread > 0] / spread[spread > 0]
    values, vectors = np.linalg.eigh((used @ used.T).astype(float))
    order = np.argsort(values)[::-1][: len(values) - basis.shape[1]]
    values, vectors = np.maximum(values[order], 0), vectors[:, order]
    # The sign of an eigenvector is arbitrary; make its largest value positive, so that the same
    # data give the same table.
    vectors *= np.where(vectors[np.abs(vectors).argmax(axis=0), range(len(order))] < 0, -1, 1)
    explained = values / values.sum()
    courses = np.zeros((len(series), len(order)))
    courses[skipped:] = vectors
    return {
        "courses": courses,
        "singular_values": np.sqrt(values),
        "explained": explained,
        "retained": int(np.searchsorted(np.cumsum(explained), 0.5) + 1),
    }


def confounds(
    series: np.ndarray,
    wm: np.ndarray,
    csf: np.ndarray,
    motion: np.ndarray,
    repetition_time: float,
    non_steady: int = 0,
) -> tuple[dict[str, np.ndarray], dict[str, dict]]:
    """Compute the confounds table and its sidecar.

    Parameters
    ----------
    series : ndarray, shape (volumes, voxels)
        The preprocessed data within the brain mask.
    wm, csf : ndarray of bool, shape (voxels,)
        Voxels of deep white matter and of ventricles.
    motion : ndarray, shape (volumes, 6)
        As returned by `simulate_motion`, mm and rad.
    repetition_time : float
        Seconds.
    non_steady : int
        Number of volumes at the start before the steady state.

    Returns
    -------
    columns : dict
        Name to values (volumes,), NaN if missing.
    sidecar : dict
        Name to metadata of CompCor components, as in fMRIPrep.
    """
    volumes = len(series)
    columns: dict[str, np.ndarray] = {}
    signals = {
        "global_signal": series.mean(axis=1, dtype=float),
        "csf": series[:, csf].mean(axis=1, dtype=float),
        "white_matter": series[:, wm].mean(axis=1, dtype=float),
        "csf_wm": series[:, csf | wm].mean(axis=1, dtype=float),
    }
    for name, values in signals.items():
        columns |= expanded(name, values)
    columns["dvars"], columns["std_dvars"] = dvars(series)
    columns["framewise_displacement"] = framewise_displacement(motion)
    columns["rmsd"] = relative_rms(motion)
    slow = cosines(volumes, repetition_time, non_steady)
    sidecar: dict[str, dict] = {}
    # The 2 % of voxels that vary most: tCompCor.
    variance = series[non_steady:].var(axis=0)
    noisy = variance >= np.quantile(variance, 0.98)
    for prefix, mask, label in (
        ("t", noisy, None),
        ("a", csf | wm, "combined"),
        ("c", csf, "CSF"),
        ("w", wm, "WM"),
    ):
        table, meta = _compcor(prefix, components(series[:, mask], slow, non_steady), label)
        columns |= table
        sidecar |= meta
    columns |= {f"cosine{i:02d}": slow[:, i] for i in range(slow.shape[1])}
    for i in range(non_steady):
        columns[f"non_steady_state_outlier{i:02d}"] = np.eye(volumes, dtype=int)[i]
    for i, name in enumerate(PARAMETERS):
        columns |= expanded(name, motion[:, i])
    steady = np.arange(volumes) >= non_steady
    outlying = (columns["framewise_displacement"] > _FD_OUTLIER) | (
        columns["std_dvars"] > _DVARS_OUTLIER
    )
    for i, volume in enumerate(np.flatnonzero(outlying & steady)):
        columns[f"motion_outlier{i:02d}"] = np.eye(volumes, dtype=int)[volume]
    return columns, sidecar


def _compcor(prefix: str, found: dict, mask: str | None) -> tuple[dict, dict]:
    method = "tCompCor" if prefix == "t" else "aCompCor"
    columns, sidecar = {}, {}
    cumulative = np.cumsum(found["explained"])
    # ASSUME: at least this many are kept, because real noise has more sources than the twin's, and
    # a run with fewer components would be unusual.
    kept = max(found["retained"], _LEAST_COMPONENTS)
    for i, value in enumerate(found["singular_values"]):
        retained = i < kept
        name = f"{prefix}_comp_cor_{i:02d}" if retained else f"dropped_{prefix}_{i:02d}"
        if retained:
            columns[name] = found["courses"][:, i]
        sidecar[name] = {
            "CumulativeVarianceExplained": float(cumulative[i]),
            "Method": method,
            "Retained": retained,
            "SingularValue": float(value),
            "VarianceExplained": float(found["explained"][i]),
        } | ({"Mask": mask} if mask else {})
    return columns, sidecar


def format_confounds(columns: dict[str, np.ndarray]) -> str:
    """Format the table as tab-separated text, with ``n/a`` for NaN and nine significant digits.

    ``columns`` maps names to values, shape (volumes,).
    """
    lines = ["\t".join(columns)]
    for row in zip(*(values.tolist() for values in columns.values()), strict=True):
        lines.append("\t".join("n/a" if cell != cell else f"{cell:.9g}" for cell in row))
    return "\n".join(lines) + "\n"
