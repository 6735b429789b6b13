"""QC-FC: whether motion goes with connectivity over people, and with the length of edges."""

import math
from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np
import pandas as pd

from crossfc.report import figure, number
from crossfc.significance import SIGNIFICANT

_FEWEST = 4  # edges for a picture over their length


def qcfc_sentences(table: pd.DataFrame) -> list[str]:
    """Describe how strongly edges go with motion, against what chance gives.

    Parameters
    ----------
    table : DataFrame
        ``quality/qcfc.tsv``.

    Returns
    -------
    list of str
        One sentence for each contrast and group of which correlations are known.
    """
    from scipy import stats

    found = []
    keys = [key for key in ("contrast", "group") if key in table]
    for names, own in table.dropna(subset=["r"]).groupby(keys, sort=False):
        size = own["r"].abs()
        df = own["n"].median() - 2
        t = stats.t.ppf(0.75, df)
        chance = t / math.sqrt(df + t**2)
        few = (own["p"] < SIGNIFICANT).sum()
        where = " ".join(dict.fromkeys(map(str, names)))
        found.append(
            f"{where}: the median size of r over {number.counted(len(own), 'edge')} is "
            f"{number.fixed(size.median())} ({number.fixed(chance)} by chance with "
            f"{number.whole(own['n'].median())} people), the largest {number.fixed(size.max())}; "
            f"p < {SIGNIFICANT} in {number.percent(few / len(own))} of the edges "
            f"({number.percent(SIGNIFICANT)} by chance)."
        )
    return found


def distances(
    seeds: Sequence[Mapping[str, Any]], targets: Sequence[Mapping[str, Any]]
) -> dict[tuple[str, str], float]:
    """Return the distance (mm) from each seed to each target that are spheres.

    Of regions of several spheres it is that of the nearest two.
    """
    found: dict[tuple[str, str], float] = {}
    of_spheres = ([row for row in rows if row["kind"] == "sphere"] for rows in (seeds, targets))
    for seed, target in product(*of_spheres):
        apart = math.dist(*([float(row[axis]) for axis in "xyz"] for row in (seed, target)))
        edge = str(seed["seed"]), str(target["target"])
        found[edge] = min(apart, found.get(edge, math.inf))
    return found


def distance_chart(table: pd.DataFrame, apart: Mapping[tuple[str, str], float]) -> tuple[str, str]:
    """Draw r over the distance between seed and target, with a sentence; both may be empty.

    Motion changes near connections other than far ones (Power et al. 2012; Satterthwaite et al.
    2012), so that a slope over distance shows what a mean over edges hides.

    Parameters
    ----------
    table : DataFrame
        ``quality/qcfc.tsv``; of several contrasts the first, of groups all together.
    apart : mapping
        From `distances`.
    """
    from scipy import stats

    if table.empty:
        return "", ""
    first = table
    for key in ("contrast", "group"):
        if key in first:
            first = first[first[key] == first[key].iloc[0]]
    edges = list(zip(first["seed"], first["target"], strict=True))
    length = np.array([apart.get(edge, np.nan) for edge in edges])
    r = first["r"].to_numpy(dtype=float)
    known = np.isfinite(length) & np.isfinite(r)
    if known.sum() < _FEWEST or np.ptp(length[known]) == 0 or np.ptp(r[known]) == 0:
        return "", ""
    rho = float(stats.spearmanr(length[known], r[known]).statistic)
    points = [
        (float(length[k]), float(r[k]), f"{edges[k][0]} – {edges[k][1]}", "g1", "circle")
        for k in np.flatnonzero(known)
    ]
    alt = "Correlation of motion with connectivity over the distance of seed and target"
    drawn = figure.scatter(points, "distance of seed and target (mm)", "QC-FC, r", alt)
    return drawn, (
        f"Over the distance between seed and target Spearman's ρ of r is {number.fixed(rho)} "
        f"({number.counted(int(known.sum()), 'edge')}; they share seeds, so that there is no p)."
    )
