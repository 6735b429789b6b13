"""The confounds table of fMRIPrep (20.2 to 25.x), and which of its columns a strategy takes."""

import fnmatch
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from crossfc.fault import Fault, at
from crossfc.trial.sheet import did_you_mean, read_sheet

MOTION = ("trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z")
HEAD_RADIUS_MM = 50.0


@dataclass(frozen=True)
class Confounds:
    """A confounds table: its columns as float64 arrays of one value per volume."""

    path: Path
    columns: dict[str, np.ndarray]
    masks: dict[str, str]

    @property
    def n_volumes(self) -> int:
        """Number of rows."""
        return len(next(iter(self.columns.values())))


def read_confounds(path: str | Path, n_volumes: int | None = None) -> Confounds:
    """Read a confounds table and its sidecar.

    Parameters
    ----------
    path : path
        ``…_desc-confounds_timeseries.tsv``; the sidecar of the same name is read where there is
        one, for the tissue of each CompCor component.
    n_volumes : int, optional
        Number of volumes of the scan.

    Returns
    -------
    Confounds

    Raises
    ------
    Fault
        If a cell is no number, or the number of rows is not ``n_volumes``.
    """
    path = Path(path)
    sheet = read_sheet(path, ())
    if n_volumes is not None and len(sheet.rows) != n_volumes:
        raise Fault(
            f"{path} has {len(sheet.rows)} rows for a scan of {n_volumes} volumes; use the table "
            "that fMRIPrep wrote for this very run"
        )
    columns = {}
    for column in sheet.columns:
        values = np.empty(len(sheet.rows))
        for i, row in enumerate(sheet.rows):
            cell = row.get(column)
            try:
                values[i] = np.nan if cell is None else float(cell)
            except ValueError:
                raise Fault(
                    f"{at(path, row.number, column)}: {cell!r} is no number; write the table again"
                ) from None
        columns[column] = values
    if not columns:
        raise Fault(f"{path} has no columns; write the table again")
    return Confounds(path, columns, _component_masks(path))


def _component_masks(path: Path) -> dict[str, str]:
    sidecar = path.with_suffix(".json")
    if not sidecar.is_file():
        return {}
    try:
        content = json.loads(sidecar.read_text(encoding="utf-8"))
    except ValueError as error:
        raise Fault(f"{sidecar} is no JSON ({error}); write it again") from None
    return {
        name: str(entry["Mask"])
        for name, entry in content.items()
        if isinstance(entry, dict) and "Mask" in entry and entry.get("Retained", True)
    }


def framewise_displacement(confounds: Confounds) -> np.ndarray:
    """Give the framewise displacement per volume in mm, the first one 0.

    Taken from the table; from the six motion parameters where the table has no such column, as
    the sum of absolute differences with rotations on a sphere of 50 mm (Power et al. 2012,
    NeuroImage 59:2142-2154).

    Raises
    ------
    Fault
        If the table has neither.
    """
    if "framewise_displacement" in confounds.columns:
        return np.nan_to_num(confounds.columns["framewise_displacement"], nan=0.0)
    if any(name not in confounds.columns for name in MOTION):
        raise Fault(
            f"{confounds.path} has neither framewise_displacement nor the six motion parameters; "
            "write the table with fMRIPrep 20.2 or later"
        )
    motion = np.column_stack([confounds.columns[name] for name in MOTION])
    motion[:, 3:] *= HEAD_RADIUS_MM
    return np.concatenate([[0.0], np.abs(np.diff(motion, axis=0)).sum(axis=1)])


def non_steady_volumes(confounds: Confounds) -> np.ndarray:
    """Say which volumes fMRIPrep marked as not yet in steady state (boolean per volume)."""
    marked = [v for n, v in confounds.columns.items() if n.startswith("non_steady_state_outlier")]
    if not marked:
        return np.zeros(confounds.n_volumes, dtype=bool)
    return np.nan_to_num(np.column_stack(marked)).any(axis=1)


def strategy_matrix(confounds: Confounds, strategy: dict[str, Any]) -> tuple[np.ndarray, list[str]]:
    """Take the columns that a confound strategy names.

    Parameters
    ----------
    confounds : Confounds
    strategy : dict
        ``columns`` (names or shell patterns, nested lists allowed) and ``compcor`` (number of
        aCompCor components per tissue, ``wm`` and ``csf``).

    Returns
    -------
    matrix : (n_volumes, n_columns) float64
        Missing values at the start of a column (derivatives have none for the first volume)
        are 0.
    names : list of str

    Raises
    ------
    Fault
        If a column is not in the table, or is missing values elsewhere than at its start.
    """
    names: list[str] = []
    for wanted in _flat(strategy.get("columns", [])):
        found = [n for n in confounds.columns if fnmatch.fnmatchcase(n, wanted)]
        if not found:
            raise Fault(
                f"{confounds.path} has no column {wanted}, which the confound strategy needs"
                f"{did_you_mean(wanted, confounds.columns)}; choose another strategy or write the "
                "table with fMRIPrep 20.2 or later"
            )
        names += found
    for tissue, count in strategy.get("compcor", {}).items():
        names += _components(confounds, tissue, int(count))
    names = list(dict.fromkeys(names))
    matrix = np.empty((confounds.n_volumes, len(names)))
    for i, name in enumerate(names):
        values = confounds.columns[name]
        holes = np.flatnonzero(~np.isfinite(values))
        if holes.size > 1 or (holes.size == 1 and holes[0] != 0):
            raise Fault(
                f"{at(confounds.path, int(holes[-1]) + 2, name)} is missing; only the first volume "
                "of a derivative may be: write the table again"
            )
        matrix[:, i] = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)
    return matrix, names


def _components(confounds: Confounds, tissue: str, count: int) -> list[str]:
    # fMRIPrep names tissue components w_comp_cor_00 and c_comp_cor_00; some versions call all of
    # them a_comp_cor_00 and tell the tissue in the sidecar.
    prefix = {"wm": "w_comp_cor_", "csf": "c_comp_cor_"}[tissue]
    found = sorted(n for n in confounds.columns if n.startswith(prefix))
    if not found:
        found = sorted(
            name
            for name, mask in confounds.masks.items()
            if mask.lower() == tissue and name in confounds.columns and name.startswith("a_comp")
        )
    if len(found) < count:
        raise Fault(
            f"{confounds.path} has {len(found)} aCompCor components of {tissue} where the confound "
            f"strategy needs {count}; choose another strategy, or see that its sidecar "
            f"{confounds.path.with_suffix('.json').name} lies beside it"
        )
    return found[:count]


def _flat(columns: list[Any]) -> list[str]:
    return [name for c in columns for name in (_flat(c) if isinstance(c, list) else [c])]
