"""The test of a change of connectivity with a change of score, at one edge."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from crossfc.clinic.contrast import Design
from crossfc.clinic.correlation import clinical_correlation
from crossfc.group.design.people import with_columns
from crossfc.group.region_mean import EffectTest, untested
from crossfc.hypotheses.hypothesis import HypothesisRow


def correlation_test(
    row: HypothesisRow,
    design: Design,
    edges: pd.DataFrame,
    people: pd.DataFrame,
    weights: pd.DataFrame,
    scores: Sequence[Mapping[str, Any]],
    *,
    n_permutations: int,
    random_seed: int,
) -> EffectTest:
    """Correlate the change of an edge with the change of a score in one group.

    Parameters
    ----------
    row : HypothesisRow
    design : Design
        The contrast.
    edges, people, weights : DataFrame
        The tables edges.tsv, people.tsv and sessions.tsv of the contrast's data; ``people`` are
        those to analyse.
    scores : sequence of dict
        The scores of both sides, by participant_id.
    n_permutations, random_seed
        See `crossfc.clinic.correlation.clinical_correlation`.

    Returns
    -------
    EffectTest
        r, its interval and p as in ``clinic/correlation.tsv``.
    """
    own = people[people["group"] == row["group"]]
    pair = row["seed"], row["region"]
    known = set(zip(edges["seed"], edges["target"], strict=True))
    if pair not in known:
        return untested(len(own), f"the pipeline has no edge of {' with '.join(pair)}")
    if own.empty:
        return untested(0, "nobody is left")
    found = clinical_correlation(
        edges,
        with_columns(people, scores),
        design["treatments"],
        [row["group"]],
        [row["scale"]],
        [pair],
        covariates=(),
        order=design["order"],
        weights=weights,
        n_permutations=n_permutations,
        random_seed=random_seed,
    )
    if found.table.empty:
        return untested(len(own), "; ".join(found.notes) or "no change is known")
    told = found.table.iloc[0]
    if pd.isna(told["p_permutation"]):
        return untested(int(told["n"]), "; ".join(found.notes) or "a change does not vary")
    return EffectTest(
        n=int(told["n"]),
        statistic="r",
        value=float(told["r"]),
        df=float("nan"),
        estimate=float(told["r"]),
        low=float(told["ci_low"]),
        high=float(told["ci_high"]),
        unit="r",
        p=float(told["p_permutation"]),
        adjusted_for=str(told["adjusted_for"]),
        because="",
    )
