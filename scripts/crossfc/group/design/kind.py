"""The kind of ready maps: Fisher z, correlations, or any other quantity; judged by their values.

A Fisher z of 3 is a correlation of 0.995. A map in which much of the brain is beyond that holds
something else: z statistics (a Fisher z divided by its standard error), percent, arbitrary units.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from crossfc.fault import Fault
from crossfc.group.design.volume import Grid
from crossfc.session.connectivity.seed_map import fisher_z

KINDS = ("fisher_z", "correlation", "other")
# Of voxels with a value: the largest share beyond a Fisher z of 3, and the largest median. The
# seed itself is far below a hundredth of a brain.
_BEYOND, _LARGEST_SHARE, _LARGEST_MEDIAN = 3.0, 0.01, 1.0
# So many maps are needed before their likeness to correlations is told.
_LEAST_MAPS = 8
_REMEDY = (
    "give Fisher-z maps, or say what they hold in the config: maps.kind: correlation (they are "
    "then made Fisher z), or maps.kind: other (analysed as they are)"
)

_SAY = (
    "say what they hold in the config: maps.kind: correlation (they are then made Fisher z), or "
    "maps.kind: fisher_z if they are"
)


class Judge:
    """Reads each map's values as its kind has them, and refuses what they cannot be.

    Parameters
    ----------
    kind : {"fisher_z", "correlation", "other"} or None
        None: nobody said; they are taken for Fisher z where they can be that.
    """

    def __init__(self, kind: str | None) -> None:
        if kind is not None and kind not in KINDS:
            raise Fault(f'maps.kind is "{kind}"; choose one of {", ".join(KINDS)}')
        self.kind = kind
        self._largest_in_seed: list[float] = []

    def read(self, values: np.ndarray, path: str | Path) -> np.ndarray:
        """Return the values to analyse.

        Parameters
        ----------
        values : ndarray of float
            NaN where the map says nothing.
        path : path
            Named in faults.

        Raises
        ------
        Fault
            If the values are not of this kind.
        """
        if self.kind == "other":
            return values
        own = np.abs(values[np.isfinite(values) & (values != 0)])
        if self.kind == "correlation":
            # Rounding in another program may carry a voxel's correlation with itself past 1.
            if len(own) and own.max() > 1 + 1e-4:
                raise Fault(
                    f"{path} has values up to {own.max():.4g}, where maps.kind: correlation allows "
                    "none beyond 1; correct maps.kind, or make the map again"
                )
            return fisher_z(values.astype(np.float64)).astype(np.float32)
        why = _no_fisher_z(values[np.isfinite(values) & (values != 0)], own)
        if why:
            raise Fault(f"{path} holds no Fisher z: {why}; {_REMEDY}")
        if self.kind is None and len(own) and abs(float(own.max()) - 1) < 1e-6:
            raise Fault(
                f"{path} looks like correlations: its largest value is 1, that of a voxel with "
                f"itself, and none is beyond; {_SAY}"
            )
        return values

    def see_seed(self, values: np.ndarray) -> None:
        """Note a map's values inside its own seed, where those of correlations come close to 1."""
        own = values[np.isfinite(values)]
        if self.kind is None and len(own):
            self._largest_in_seed.append(float(own.max()))

    def require_no_correlations(self, first: str | Path) -> None:
        """Refuse maps that nobody said the kind of, and that look like correlations.

        In its own seed a Fisher z of 1 is a correlation of 0.76 only, and most maps go beyond. Maps
        that all come close to 1 there, and never beyond, are correlations.

        Raises
        ------
        Fault
            If they do.
        """
        largest = self._largest_in_seed
        if len(largest) >= _LEAST_MAPS and min(largest) > 0.75 and max(largest) <= 1 + 1e-4:
            raise Fault(
                f"{first} and the other maps look like correlations: inside their own seeds all "
                f"{len(largest)} reach {min(largest):.2f} to {max(largest):.2f}, and none goes "
                f"beyond 1, as Fisher z would; {_SAY}"
            )


def _no_fisher_z(values: np.ndarray, sizes: np.ndarray) -> str | None:
    """Explain why values cannot be Fisher z; None where they can."""
    if len(sizes) == 0:
        return None
    median = float(np.median(sizes))
    share = float(np.mean(sizes > _BEYOND))
    if median > _LARGEST_MEDIAN:
        return (
            f"the median of its values is {median:.4g} in size, and a Fisher z of "
            f"{_LARGEST_MEDIAN:g} is a correlation of {np.tanh(_LARGEST_MEDIAN):.2f} already"
        )
    if share > _LARGEST_SHARE:
        return (
            f"{share:.0%} of its values are beyond {_BEYOND:g}, which is a correlation of "
            f"{np.tanh(_BEYOND):.3f} as Fisher z"
        )
    mean, spread = float(values.mean(dtype=np.float64)), float(values.std(dtype=np.float64))
    if len(values) > 1000 and abs(mean) < 1e-4 and abs(spread - 1) < 1e-4:
        return "it was standardised to mean 0 and standard deviation 1"
    return None


def words(kind: str | None) -> str:
    """Return the quantity of the analysed maps in words."""
    return "value" if kind == "other" else "Fisher z"


def faults_of_maps(
    paths: Sequence[str],
    first: Sequence[str],
    kind: str | None,
    accept_unoriented: bool,
    zero_is_missing: bool,
) -> list[str]:
    """List what can be known of ready maps before any work.

    Parameters
    ----------
    paths : sequence of str
        All maps; their headers are read.
    first : sequence of str
        Those whose values are read and judged as well.
    kind : str or None
        As in `Judge`.
    accept_unoriented, zero_is_missing : bool
        As in `crossfc.group.design.volume.Grid`.

    Returns
    -------
    list of str
        One sentence per map at fault.
    """
    grid, judge, faults = Grid(accept_unoriented, zero_is_missing), Judge(kind), []
    for path in paths:
        try:
            grid.check(path)
            if path in first:
                judge.read(grid.read(path), path)
        except Fault as fault:
            faults.append(str(fault))
    return faults
