"""Correction over a family of analyses: one error rate for all contrasts, voxels and maps.

Analyses differ in their statistic (t, Welch's t, F) and their degrees of freedom, so their null
maxima cannot be compared directly, but their p can. If all analyses use the same arrangements, the
smallest p that an arrangement gives in any of them has a null distribution of its own: the min-p
of Westfall and Young (1993, Resampling-Based Multiple Testing), by synchronised permutations as in
Winkler et al. (2016, Hum Brain Mapp 37:1486) and Alberton et al. (2020, NeuroImage 216:116760).
The dependence between analyses is kept, so the correction costs little where they test nearly the
same.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from crossfc.array import FloatArray, IntArray, RealArray
from crossfc.fault import Fault


def joint_p(p_within: Sequence[RealArray], nulls: Sequence[RealArray]) -> list[FloatArray]:
    """Correct the p of several analyses over all of them together.

    Parameters
    ----------
    p_within : sequence of ndarray
        One array per analysis, in any shape: p corrected within it (over its voxels and maps).
    nulls : sequence of ndarray, each of shape (n_arrangements,)
        For each analysis, the largest statistic under each arrangement, identity first, of the
        measure that was tested (voxel, extent, mass or TFCE). Entry j of all nulls must come from
        the same arrangement; see `require_same_arrangements`.

    Returns
    -------
    list of ndarray
        Joint p in the shapes of ``p_within``, never smaller than these; equal for one analysis.

    Raises
    ------
    Fault
        If the nulls differ in length.

    Notes
    -----
    Joint p are counted: (1 + exceedances) / (1 + permutations). A p from a fitted tail
    (`crossfc.group.inference.tail`) is first rounded up to the next p that can be counted.
    """
    lengths = {len(null) for null in nulls}
    if len(lengths) > 1:
        raise Fault(
            f"the analyses of a family have {sorted(lengths)} arrangements; "
            "do them with the same n_permutations"
        )
    n_arrangements = lengths.pop()
    fewest = np.min([_reached(np.asarray(null)) for null in nulls], axis=0)
    # Entry c: number of arrangements that are among the c most extreme of at least one analysis.
    reaching = np.cumsum(np.bincount(fewest, minlength=n_arrangements + 1))
    joint = []
    for p in p_within:
        p = np.asarray(p, dtype=float)
        # The factor keeps a p that was saved in single precision from being rounded up.
        count = np.ceil(p * n_arrangements * (1 - 1e-6)).astype(int)
        joint.append(np.maximum(p, reaching[np.maximum(count, 1)] / n_arrangements))
    return joint


def _reached(null: RealArray) -> IntArray:
    """Count, for each arrangement, the arrangements that reach its value, itself included."""
    # If rounding makes equivalent arrangements differ, counts get smaller and joint p larger.
    return len(null) - np.searchsorted(np.sort(null), null, side="left")


def require_same_arrangements(records: Sequence[Mapping[str, Any]]) -> None:
    """Check that the analyses of a family were done with the same arrangements.

    Parameters
    ----------
    records : sequence of mapping
        Records of the analyses (result.json) with ``analysis``, ``arrangement``,
        ``n_permutations``, ``n`` (people per group) and ``arrangement_digest``.

    Raises
    ------
    Fault
        If an analysis differs from the first; the message names both and what differs.
    """
    first = records[0]
    for other in records[1:]:
        if other["arrangement_digest"] == first["arrangement_digest"]:
            continue
        reason = next(
            (
                f"{what} ({_words(first[key])} and {_words(other[key])})"
                for key, what in (
                    ("n", "people"),
                    ("arrangement", "kinds of arrangement"),
                    ("n_permutations", "numbers of permutations"),
                )
                if first[key] != other[key]
            ),
            "people, seeds of the random numbers, exchangeability blocks or rows of the design",
        )
        raise Fault(
            f"the analyses {first['analysis']} and {other['analysis']} cannot be corrected as one "
            f"family: their arrangements are not the same, because they have different {reason}; "
            "take one of them out of the family, or make them alike"
        )


def _words(value: object) -> str:
    if isinstance(value, Mapping):
        return " + ".join(f"{count} {label}" for label, count in value.items())
    return str(value)
