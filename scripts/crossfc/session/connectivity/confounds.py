"""Read confounds tables of fMRIPrep (20.2 to 25.x) and select the columns of a strategy."""

import fnmatch
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from crossfc.array import BoolArray, FloatArray
from crossfc.fault import Fault, at
from crossfc.session import displacement
from crossfc.session.displacement import PARAMETERS
from crossfc.session.sidecar import read_object
from crossfc.trial.sheet import did_you_mean, read_sheet
from crossfc.trial.strategy import Columns, Strategy, flat

# Kinds of columns that a run may lack without a fault: it has no outlier, it is in the steady state
# from the start, or it is shorter than fMRIPrep's slowest drift.
_MAY_BE_NONE = ("motion_outlier", "non_steady_state_outlier", "cosine")
# Columns that every table of fMRIPrep 20.2 and later has.
_ALWAYS = {
    name + kind
    for name in (*PARAMETERS, "csf", "white_matter", "global_signal")
    for kind in ("", "_derivative1", "_power2", "_derivative1_power2")
} | {"framewise_displacement", "dvars", "std_dvars", "rmsd"}
# Columns that only some versions write, or only with an option, and what to tell the user.
_WRITTEN_BY = {
    "aroma_motion_*": "fMRIPrep 20.2 to 23.0 writes it with --use-aroma; fMRIPost-AROMA writes it "
    "into a folder of its own, which is named by derivatives.components_dir",
    "aroma_orth_motion_*": "fMRIPost-AROMA writes it, whose folder is named by "
    "derivatives.components_dir",
    "tedana_*": "tedana's folder is named by derivatives.components_dir",
    "edge_comp_*": "fMRIPrep 21.0 or later writes it",
    "[cw]_comp_cor_*": "fMRIPrep 21.0 or later writes it",
    "motion_outlier*": "this run has no such outlier: write motion_outlier*, which may find none",
    "cosine*": "this run has no such drift: write cosine*, which may find none",
    "non_steady_state_outlier*": "this run has no such volume: write non_steady_state_outlier*, "
    "which may find none",
}


@dataclass(frozen=True)
class Confounds:
    """A confounds table.

    Attributes
    ----------
    path : Path
    columns : dict
        Name to the values, (n_volumes,) float64; NaN if missing.
    masks : dict
        Name of each retained CompCor component to its tissue (``Mask`` in the sidecar).
    rows : int or None
        Number of rows, of a run of which no table is known; None if there are columns.
    families : tuple of str
        With what the names of columns start of which a run may have none
        (`crossfc.session.connectivity.components`).
    """

    path: Path
    columns: dict[str, FloatArray]
    masks: dict[str, str]
    rows: int | None = None
    families: tuple[str, ...] = ()

    @property
    def n_volumes(self) -> int:
        """Number of rows."""
        return len(next(iter(self.columns.values()))) if self.rows is None else self.rows

    @property
    def motion_known(self) -> bool:
        """Whether framewise displacement is known; only of cleaned runs it may not be."""
        return self.rows is None


def read_confounds(path: str | Path, n_volumes: int | None = None) -> Confounds:
    """Read a confounds table and its sidecar.

    Parameters
    ----------
    path : path
        ``…_desc-confounds_timeseries.tsv``. Its sidecar, if there is one, is read for the tissue
        of each CompCor component.
    n_volumes : int, optional
        Number of volumes of the scan, to compare with the number of rows.

    Returns
    -------
    Confounds

    Raises
    ------
    Fault
        If a cell is not a number, there are fewer than two rows, or the number of rows is not
        ``n_volumes``.
    """
    path = Path(path)
    sheet = read_sheet(path, ())
    require_rows(path, len(sheet.rows), n_volumes)
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
    return Confounds(path, columns, _component_masks(path))


def require_rows(path: object, rows: int, volumes: int | None) -> None:
    """Refuse a table that does not have one row per volume.

    Parameters
    ----------
    path : path
        The table, to be named in the message.
    rows : int
    volumes : int or None
        None if not known.

    Raises
    ------
    Fault
        If there are fewer than two rows, or not as many rows as volumes.
    """
    if rows < 2:
        raise Fault(f"{path} has {rows} rows, one per volume is due; write it again")
    if volumes is not None and rows != volumes:
        raise Fault(
            f"{path} has {rows} rows for a scan of {volumes} volumes; use the table that fMRIPrep "
            "wrote for this very run"
        )


def _component_masks(path: Path) -> dict[str, str]:
    sidecar = path.with_suffix(".json")
    if not sidecar.is_file() and not sidecar.is_symlink():
        return {}
    return {
        name: str(entry["Mask"])
        for name, entry in read_object(sidecar).items()
        if isinstance(entry, dict) and "Mask" in entry and entry.get("Retained", True)
    }


def framewise_displacement(confounds: Confounds) -> FloatArray:
    """Return the framewise displacement of each volume, with 0 for the first.

    It is taken from the table. If the table has no such column, it is computed from the six motion
    parameters, as the sum of absolute differences with rotations on a sphere of 50 mm (Power et
    al. 2012, NeuroImage 59:2142-2154).

    Returns
    -------
    (n_volumes,) float64
        mm. A missing value is 0 for the first volume and for volumes before the steady state. In
        any other volume it means that the head was not found, so it stays NaN and the volume does
        not count as a measurement. All are NaN where nothing is known of motion.

    Raises
    ------
    Fault
        If the table has neither.
    """
    if not confounds.motion_known:
        return np.full(confounds.n_volumes, np.nan)
    if "framewise_displacement" in confounds.columns:
        values = confounds.columns["framewise_displacement"].copy()
        values[_may_be_missing(confounds) & ~np.isfinite(values)] = 0
        return np.where(np.isfinite(values), values, np.nan)
    if any(name not in confounds.columns for name in PARAMETERS):
        raise Fault(
            f"{confounds.path} has neither framewise_displacement nor the six motion parameters; "
            "write the table with fMRIPrep 20.2 or later"
        )
    motion = np.column_stack([confounds.columns[name] for name in PARAMETERS])
    motion[_may_be_missing(confounds)[:, None] & ~np.isfinite(motion)] = 0
    moved = displacement.framewise_displacement(motion)
    moved[0] = 0
    return np.where(np.isfinite(moved), moved, np.nan)


def _may_be_missing(confounds: Confounds) -> BoolArray:
    """Return, per volume, whether a value may be missing without a fault (boolean).

    It may be in the first volume and in volumes before the steady state.
    """
    may = non_steady_volumes(confounds)
    may[0] = True
    return may


def non_steady_volumes(confounds: Confounds) -> BoolArray:
    """Return which volumes fMRIPrep marked as not yet in the steady state, (n_volumes,) bool."""
    marked = [v for n, v in confounds.columns.items() if n.startswith("non_steady_state_outlier")]
    if not marked:
        return np.zeros(confounds.n_volumes, dtype=bool)
    return np.asarray(np.nan_to_num(np.column_stack(marked)).any(axis=1))


def strategy_matrix(
    confounds: Confounds, strategy: Strategy, recorded: Mapping[str, FloatArray] | None = None
) -> tuple[FloatArray, list[str]]:
    """Select the columns that a confound strategy names.

    Parameters
    ----------
    confounds : Confounds
    strategy : Strategy
        ``columns`` (names or shell patterns, nested lists allowed) and ``compcor`` (number of
        aCompCor components per tissue, ``wm`` and ``csf``). A pattern that matches no column is
        only accepted for kinds of columns that a run may lack, such as ``motion_outlier*``.
    recorded : mapping, optional
        Columns of the strategy that are taken from recordings: name to (n_volumes,) float
        (`crossfc.session.physiology.measure`).

    Returns
    -------
    matrix : (n_volumes, n_columns) float64
        In the units of the table. Missing values are 0 in the first volume (where temporal
        derivatives are not defined) and in volumes before the steady state (which are dropped).
    names : list of str
        The columns of ``matrix``.

    Raises
    ------
    Fault
        If a column is not in the table, a value is missing in another volume, or the strategy is
        not a valid one.
    """
    compcor = strategy.get("compcor") or {}
    names: list[str] = []
    for wanted in _named(strategy.get("columns")):
        names += columns_of(confounds.columns, wanted, confounds.path, confounds.families)
    if not isinstance(compcor, dict):
        raise Fault(
            f"a confound strategy has compcor {compcor!r}; write such as {{wm: 5, csf: 5}} in the "
            "file of strategies"
        )
    for tissue, count in compcor.items():
        names += components_of(confounds, tissue, count)
    names = list(dict.fromkeys(names))
    columns = [_without_hole(confounds, name) for name in names]
    columns += (recorded or {}).values()
    matrix = np.column_stack([np.empty((confounds.n_volumes, 0)), *columns])
    return matrix, [*names, *(recorded or {})]


def _named(columns: Columns) -> list[str]:
    names = flat(columns)
    for name in names:
        if not isinstance(name, str):
            raise Fault(
                f"a confound strategy names the column {name!r}, which is no text; correct the "
                "file of strategies"
            )
    return names


def columns_of(
    known: Collection[str], wanted: str, path: object, families: Collection[str] = ()
) -> list[str]:
    """Return the columns that one entry of a strategy names.

    Parameters
    ----------
    known : collection of str
        The columns of the table.
    wanted : str
        A name or a shell pattern.
    path : path
        The table, to be named in the message.
    families : collection of str
        With what the names of columns start of which the run may have none.

    Returns
    -------
    list of str
        Empty if the run lacks columns of a kind that a run may lack.

    Raises
    ------
    Fault
        If no column matches, and a run should have one.
    """
    if not _is_pattern(wanted):
        # A short cut: planning asks this for thousands of tables, and most entries are plain names.
        found = [wanted] if wanted in known else []
    else:
        found = [name for name in known if fnmatch.fnmatchcase(name, wanted)]
    if found or _may_find_nothing(wanted):
        return found
    if any(wanted == f"{family}*" for family in families):
        return found
    patterns = [f"{family}*" for family in (*_MAY_BE_NONE, *families) if "*" in wanted]
    close = did_you_mean(wanted, [*known, *patterns])
    written = next((by for name, by in _WRITTEN_BY.items() if fnmatch.fnmatch(wanted, name)), None)
    if wanted in _ALWAYS:
        remedy = (
            "fMRIPrep 20.2 and later write it, so an older version or another program wrote this "
            "table, or somebody took the column out: write the table again, or choose another "
            "strategy"
        )
    elif written:
        remedy = f"{written}; or choose another strategy"
    else:
        remedy = "correct the name in the file of strategies, or choose another strategy"
    raise Fault(
        f"{path} has no column {wanted}, which the confound strategy needs{close}; {remedy}"
    )


def _is_pattern(wanted: str) -> bool:
    return any(sign in wanted for sign in "*?[")


def _may_find_nothing(wanted: str) -> bool:
    """Test whether an entry is a pattern for columns that a run may lack."""
    if not _is_pattern(wanted):
        return False
    numbers = [f"{k:02d}" for k in range(100)] + ["100"]
    names = (f"{family}{number}" for family in _MAY_BE_NONE for number in numbers)
    return any(fnmatch.fnmatchcase(name, wanted) for name in names)


def _without_hole(confounds: Confounds, name: str) -> FloatArray:
    """Return a column with its allowed missing values set to 0; refuse any other missing value."""
    values = confounds.columns[name]
    missing = ~np.isfinite(values)
    # A volume without framewise displacement does not count as a measurement: it is left out of
    # everything, so its missing values do no harm.
    known = np.isfinite(framewise_displacement(confounds))
    refused = missing & known & ~_may_be_missing(confounds)
    if refused.any():
        raise Fault(
            f"{at(confounds.path, int(refused.argmax()) + 2, name)} is missing; only the first "
            "volume of a derivative may be: write the table again"
        )
    return np.where(missing, 0.0, values)


def components_of(confounds: Confounds, tissue: object, count: object) -> list[str]:
    """Return the names of the first aCompCor components of a tissue.

    Parameters
    ----------
    confounds : Confounds
    tissue : {"wm", "csf"}
    count : int
        How many components to take.

    Returns
    -------
    list of str
        Fewer than ``count`` if fMRIPrep retained fewer.

    Raises
    ------
    Fault
        If the table has no such components, or ``tissue`` or ``count`` is not valid.
    """
    if tissue not in ("wm", "csf") or not isinstance(count, int) or count < 0:
        raise Fault(
            f"a confound strategy asks for compcor {tissue}: {count}; write such as wm: 5 or "
            "csf: 5 in the file of strategies"
        )
    # fMRIPrep 21 and later name the components of a tissue w_comp_cor_00 and c_comp_cor_00. In 20.2
    # all are called a_comp_cor_00 and so on, numbered through with those of white matter last; the
    # tissue of each is in the sidecar.
    prefix = {"wm": "w_comp_cor_", "csf": "c_comp_cor_"}[tissue]
    found = [n for n in confounds.columns if n.startswith(prefix)]
    if not found:
        found = [
            name
            for name, mask in confounds.masks.items()
            if mask.lower() == tissue and name in confounds.columns and name.startswith("a_comp")
        ]
    # Sort by number, so that a_comp_cor_99 comes before a_comp_cor_100.
    found.sort(key=lambda name: int(re.sub("[^0-9]", "", name) or 0))
    # fMRIPrep retains the components that explain half of a tissue's variance, which can be fewer
    # than asked for. Then all of them are taken, as in nilearn; the session's record lists them.
    if count and not found:
        sidecar = confounds.path.with_suffix(".json").name
        if any(re.match("[cw]_comp_cor_", name) for name in confounds.columns):
            remedy = "fMRIPrep kept none of this tissue in this run; choose another strategy"
        elif not any(name.startswith("a_comp_cor_") for name in confounds.columns):
            remedy = "write the table with fMRIPrep 20.2 or later, or choose another strategy"
        elif confounds.masks:
            remedy = f"its sidecar {sidecar} names none of this tissue; choose another strategy"
        else:
            remedy = (
                f"its sidecar {sidecar}, which tells the tissue of a_comp_cor columns, does not "
                "lie beside it or tells none; restore it, or choose another strategy"
            )
        raise Fault(
            f"{confounds.path} has no aCompCor components of {tissue}, which the confound strategy "
            f"needs; {remedy}"
        )
    return found[:count]
