"""Series of independent components that another program judged: fMRIPost-AROMA and tedana.

They become further columns of a confounds table, so that a strategy can name them.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from crossfc.array import FloatArray
from crossfc.fault import Fault
from crossfc.trial.sheet import read_sheet

# What columns are called: AROMA's noise as it is and without what it shares with the signal (both
# as fMRIPost-AROMA names them), tedana's rejected components in the same two ways.
AROMA, AROMA_ORTH = "aroma_motion_", "aroma_orth_motion_"
TEDANA, TEDANA_ORTH = "tedana_rejected_", "tedana_orth_rejected_"
_REJECTED = "rejected"


def read_components(
    files: Mapping[str, str | Path], n_volumes: int | None
) -> tuple[dict[str, FloatArray], tuple[str, ...]]:
    """Read the components of a run.

    Parameters
    ----------
    files : mapping
        ``aroma`` (``desc-aroma_timeseries.tsv``), or ``mixing`` and ``metrics``
        (``desc-ICA_mixing.tsv`` and ``desc-tedana_metrics.tsv``); nothing for none.
    n_volumes : int or None
        Number of rows that are due; None for any.

    Returns
    -------
    columns : dict
        Name to (n_volumes,) float64. ``tedana_orth_rejected_*`` are the residuals of the rejected
        components on the accepted ones, as tedana's option ``--tedort`` has them.
    families : tuple of str
        With what their names start, also where there is none of a kind.

    Raises
    ------
    Fault
        If a table cannot be read, or has not as many rows as the run has volumes.
    """
    if "aroma" in files:
        own = _table(files["aroma"], n_volumes)
        columns = {k: v for k, v in own.items() if k.startswith((AROMA, AROMA_ORTH))}
        return columns, (AROMA, AROMA_ORTH)
    if "mixing" not in files:
        return {}, ()
    mixing = _table(files["mixing"], n_volumes)
    judged = _judged(files["metrics"])
    unknown = [name for name in mixing if name not in judged]
    if unknown or not mixing:
        raise Fault(
            f"{files['metrics']} does not tell what {', '.join(unknown[:3]) or 'the components'} "
            f"of {files['mixing']} are; use the two tables of one run of tedana"
        )
    rejected = [name for name in mixing if judged[name] == _REJECTED]
    kept = [name for name in mixing if judged[name] != _REJECTED]
    columns = {TEDANA + _number(name): mixing[name] for name in rejected}
    constant = np.ones(len(next(iter(mixing.values()))))
    signal = np.column_stack([constant, *(mixing[name] for name in kept)])
    for name in rejected:
        fit = signal @ np.linalg.lstsq(signal, mixing[name], rcond=None)[0]
        columns[TEDANA_ORTH + _number(name)] = mixing[name] - fit
    return columns, (TEDANA, TEDANA_ORTH)


def _judged(path: str | Path) -> dict[str, str]:
    """Return the classification of each component."""
    sheet = read_sheet(path, ("Component", "classification"))
    return {row["Component"]: str(row["classification"]) for row in sheet.rows}


def _number(name: str) -> str:
    return name.rsplit("_", 1)[-1]


def _table(path: str | Path, n_volumes: int | None) -> dict[str, FloatArray]:
    from crossfc.session.connectivity.confounds import read_confounds

    try:
        return read_confounds(path, n_volumes).columns
    except Fault as fault:
        if n_volumes is None or "rows for a scan" not in str(fault):
            raise
        raise Fault(
            f"{str(fault).split(';')[0]}; use the components of this very run, of all its volumes "
            "(without dummy scans taken out)"
        ) from None
