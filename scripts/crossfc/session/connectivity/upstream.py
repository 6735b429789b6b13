"""A run that another program cleaned: its motion, and the volumes that it took out or filled in.

XCP-D writes motion and outliers of all volumes (``_motion.tsv``, ``_outliers.tsv``), and the
cleaned series either without the outliers (censored: mode linc) or with values in their place that
were interpolated (modes abcd and hbcd). Neither are measurements.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from crossfc.array import BoolArray
from crossfc.fault import Fault
from crossfc.session.connectivity.confounds import Confounds, read_confounds
from crossfc.session.scan import Scan


@dataclass(frozen=True)
class Upstream:
    """What is known of a cleaned run.

    Attributes
    ----------
    confounds : Confounds
        Of all volumes of the run; without columns where nothing is known of motion.
    missing : (n_volumes,) bool
        Volumes that are not in the series.
    filled : (n_volumes,) bool
        Volumes whose values were interpolated.
    unknown : str or None
        Why motion is not known.
    """

    confounds: Confounds
    missing: BoolArray
    filled: BoolArray
    unknown: str | None

    @property
    def removed(self) -> BoolArray:
        """Volumes that are no measurement, (n_volumes,) bool."""
        return self.missing | self.filled

    @property
    def notes(self) -> tuple[str, ...]:
        """What was noticed, in sentences without a full stop."""
        n = len(self.missing)
        return tuple(
            f"{int(which.sum())} of {n} volumes had been {how} by the program that cleaned the run"
            for which, how in ((self.missing, "taken out"), (self.filled, "interpolated"))
            if which.any()
        )

    def whole(self, scan: Scan) -> Scan:
        """Put the mean of each voxel where volumes were taken out, so that time runs evenly."""
        if not self.missing.any():
            return scan
        data = np.empty((*scan.shape[:3], len(self.missing)), dtype=np.float32, order="F")
        data[..., ~self.missing] = scan.data
        data[..., self.missing] = scan.data.mean(axis=3, dtype=np.float64)[..., None]
        return replace(scan, data=data, shape=data.shape)


def read_upstream(files: Mapping[str, Any], volumes: int) -> Upstream:
    """Read the tables beside a cleaned run, and find out which of its volumes are measurements.

    Parameters
    ----------
    files : mapping
        ``bold`` and, where they are, ``motion``, ``outliers`` and ``confounds`` (fMRIPrep's, used
        for motion where there is no ``motion`` and it has as many rows).
    volumes : int
        Number of volumes in the series.

    Raises
    ------
    Fault
        If the tables do not fit the series or one another.
    """
    outliers = _outliers(files.get("outliers"))
    n = volumes if outliers is None else len(outliers)
    missing, filled = np.zeros(n, dtype=bool), np.zeros(n, dtype=bool)
    if outliers is not None and n == volumes:
        filled = outliers
    elif outliers is not None and n - int(outliers.sum()) == volumes:
        missing = outliers
    elif outliers is not None:
        raise Fault(
            f"{files['bold']} has {volumes} volumes, and {files['outliers']} tells of {n}, of "
            f"which {int(outliers.sum())} are outliers: neither all of them nor all others are in "
            "the series; use the table that was written with it"
        )
    if files.get("motion"):
        motion = read_confounds(files["motion"])
        if motion.n_volumes != n:
            raise Fault(
                f"{files['motion']} has {motion.n_volumes} rows for "
                + (f"the {n} of {files['outliers']}" if outliers is not None else f"{n} volumes")
                + f" ({files['bold']}); which volumes were taken out is not known: put the tables "
                "(_motion.tsv and _outliers.tsv) beside it that were written with it"
            )
        return Upstream(motion, missing, filled, None)
    unknown = "no table of motion (_motion.tsv) lies beside the cleaned run"
    if files.get("confounds"):
        table = read_confounds(files["confounds"])
        if table.n_volumes == n:
            return Upstream(table, missing, filled, None)
        unknown = (
            f"fMRIPrep's table of confounds has {table.n_volumes} rows and the cleaned run {n} "
            "volumes, and no table of motion (_motion.tsv) lies beside it"
        )
    return Upstream(Confounds(Path(files["bold"]), {}, {}, rows=n), missing, filled, unknown)


def _outliers(path: str | Path | None) -> BoolArray | None:
    """Return which volumes a table of outliers marks; None without one."""
    if path is None:
        return None
    columns = read_confounds(path).columns
    values = np.nan_to_num(np.column_stack(list(columns.values())))
    marked: BoolArray = np.asarray(values.any(axis=1))
    return marked


def voxels_with_series(scan: Scan) -> BoolArray:
    """Return the voxels of a cleaned run that vary, (x, y, z) bool: what was cleaned is the brain.

    XCP-D writes no mask beside its images; what is outside of the one it used is 0.
    """
    varies: BoolArray = (scan.data != scan.data[..., :1]).any(axis=3)
    return varies
