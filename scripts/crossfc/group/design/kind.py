"""The quantity in ready maps (Fisher z, correlations or another), judged by their values.

A Fisher z of 3 is a correlation of 0.995. A map that exceeds it in more than a small share of the
brain holds something else: z statistics (a Fisher z divided by its standard error), percent or
arbitrary units.
"""

import os
from collections.abc import Sequence

import numpy as np

from crossfc.array import RealArray
from crossfc.fault import Fault
from crossfc.group.design.volume import Grid
from crossfc.session.connectivity.seed_map import fisher_z

KINDS = ("fisher_z", "correlation", "other")
# Limits for Fisher z: among the voxels with a value, the largest share of sizes above 3, and the
# largest median size. The seed itself fills far less than a hundredth of a brain.
_BEYOND, _LARGEST_SHARE, _LARGEST_MEDIAN = 3.0, 0.01, 1.0
# Fewer maps than this are not checked for being correlations.
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
    """Check the values of maps against the kind that was stated, and convert them for analysis.

    Parameters
    ----------
    kind : {"fisher_z", "correlation", "other"} or None
        None if the kind was not stated: maps are then taken as Fisher z if their values allow it.
    """

    def __init__(self, kind: str | None) -> None:
        if kind is not None and kind not in KINDS:
            raise Fault(f'maps.kind is "{kind}"; choose one of {", ".join(KINDS)}')
        self.kind = kind
        self._largest_in_seed: list[float] = []

    def read(self, values: RealArray, path: str | os.PathLike[str]) -> RealArray:
        """Return a map's values for analysis; correlations are converted to Fisher z.

        Parameters
        ----------
        values : ndarray of float
            Values of the map in any shape, NaN where it has none.
        path : path
            Path of the map, for messages.

        Returns
        -------
        ndarray of float
            In the shape of ``values``: Fisher z, or for kind ``other`` the values themselves.

        Raises
        ------
        Fault
            If the values are not of this kind.
        """
        if self.kind == "other":
            return values
        own = np.abs(values[np.isfinite(values) & (values != 0)])
        if self.kind == "correlation":
            # Rounding in another program may put a voxel's correlation with itself just above 1.
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

    def see_seed(self, values: RealArray) -> None:
        """Record a map's largest value inside its own seed, where correlations come close to 1."""
        own = values[np.isfinite(values)]
        if self.kind is None and len(own):
            self._largest_in_seed.append(float(own.max()))

    def require_no_correlations(self, first: str | os.PathLike[str]) -> None:
        """Refuse maps of unstated kind that look like correlations.

        A Fisher z of 1 is a correlation of only 0.76, and most Fisher-z maps exceed it inside
        their own seed. So if all maps come close to 1 there and none exceeds it, they are
        correlations.

        Raises
        ------
        Fault
            If the maps look like correlations.
        """
        largest = self._largest_in_seed
        if len(largest) >= _LEAST_MAPS and min(largest) > 0.75 and max(largest) <= 1 + 1e-4:
            raise Fault(
                f"{first} and the other maps look like correlations: inside their own seeds all "
                f"{len(largest)} reach {min(largest):.2f} to {max(largest):.2f}, and none goes "
                f"beyond 1, as Fisher z would; {_SAY}"
            )


def _no_fisher_z(values: RealArray, sizes: RealArray) -> str | None:
    """Explain why values cannot be Fisher z; None if they can."""
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
    """Name the quantity of the analysed maps."""
    return "value" if kind == "other" else "Fisher z"


def faults_of_maps(
    paths: Sequence[str],
    first: Sequence[str],
    kind: str | None,
    accept_unoriented: bool,
    zero_is_missing: bool,
) -> list[str]:
    """List the faults of ready maps that can be found before any job runs.

    Parameters
    ----------
    paths : sequence of str
        All maps; their headers are read.
    first : sequence of str
        The maps whose values are read and judged too.
    kind : str or None
        As in `Judge`.
    accept_unoriented, zero_is_missing : bool
        As in `crossfc.group.design.volume.Grid`.

    Returns
    -------
    list of str
        One sentence per faulty map.
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
