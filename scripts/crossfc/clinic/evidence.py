"""What the sample says of each difference and correlation: something, nothing, or too little.

One row per test that is told, by the model that is told: equivalence to nothing, the Bayes factor,
the smallest effect that could have been found, and errors of type M and S.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from math import atanh, isfinite, nan
from pathlib import Path
from typing import Any, TypedDict

import pandas as pd

from crossfc.clinic.bayes_factor import (
    CAUCHY_SCALE,
    KAPPA,
    change_bayes_factor,
    correlation_bayes_factor,
)
from crossfc.clinic.contrast import Design
from crossfc.clinic.equivalence import equivalence_p, verdict
from crossfc.clinic.estimate import Estimate, edge_estimates, score_estimates
from crossfc.clinic.power import (
    DesignErrors,
    design_errors,
    detectable_correlation,
    detectable_effect,
)
from crossfc.clinic.student import standard_error
from crossfc.table import read_table

SCORE, EDGE, CORRELATION = "score", "edge", "correlation"
JZS = f"Cauchy, scale {CAUCHY_SCALE:.3f} SD"
BETA = f"stretched beta, kappa {KAPPA:g}"
COLUMNS = [
    *("contrast", "kind", "scale", "seed", "target", "group", "n", "estimate", "se", "df"),
    *("low", "high", "p", "adjusted", "because", "smallest", "p_equivalence", "verdict"),
    *("bayes_factor", "prior", "detectable", "power", "type_s", "type_m"),
    *("interest_power", "interest_type_s", "interest_type_m", "p_smallest"),
]


class SmallestEffects(TypedDict):
    """The smallest effects of interest, as stated; None where there is none.

    ``smallest_change`` is that of every scale, in points.
    """

    smallest_change: dict[str, float | None]
    smallest_fisher_z: float | None
    smallest_correlation: float | None


def evidence_table(
    scores: Iterable[Mapping[str, Any]],
    designs: Sequence[Design],
    scales: Sequence[str],
    smallest: SmallestEffects,
    folders: Sequence[str | Path] = (),
    correlation: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Judge every test of scores, a-priori edges and correlations.

    Parameters
    ----------
    scores : iterable of dict
        One row per contrast, scale and person; see `crossfc.clinic.contrast.change_tables`.
    designs : sequence of Design
    scales : sequence of str
    smallest : SmallestEffects
    folders : sequence of path
        The folder of each contrast's data (people.tsv, sessions.tsv, edges.tsv, and baseline.tsv
        where it is a covariate); none without edges.
    correlation : DataFrame, optional
        The table ``clinic/correlation.tsv``.

    Returns
    -------
    DataFrame
        The table ``clinic/evidence.tsv``, with the columns `COLUMNS`: scores, then edges, then
        correlations.
    """
    rows: list[dict[str, Any]] = []
    everything = pd.DataFrame(list(scores))
    if len(everything):
        for contrast, scale, told in score_estimates(everything, designs, scales):
            names = {"contrast": contrast, "kind": SCORE, "scale": scale}
            rows.append(names | _of_change(told, smallest["smallest_change"].get(scale)))
    for design, folder in zip(designs, map(Path, folders), strict=False):
        baseline = None
        if design["baseline"] is not None:
            baseline = read_table(folder / "baseline.tsv")
        edges, people = read_table(folder / "edges.tsv"), read_table(folder / "people.tsv")
        weights = read_table(folder / "sessions.tsv")
        for seed, target, told in edge_estimates(edges, people, weights, design, baseline):
            names = {"contrast": design["contrast"], "kind": EDGE, "seed": seed, "target": target}
            rows.append(names | _of_change(told, smallest["smallest_fisher_z"]))
    if correlation is not None:
        for row in correlation.to_dict("records"):
            rows.append(_of_correlation(row, smallest["smallest_correlation"]))
    return pd.DataFrame(rows, columns=COLUMNS)


def _of_change(told: Estimate, smallest: float | None) -> dict[str, Any]:
    """Judge a difference."""
    test, error = told.test, standard_error(told.test)
    bound = nan if smallest is None else smallest
    within = equivalence_p(test.estimate, error, test.df, bound)
    factor = change_bayes_factor(test.t, test.df, told.effective_n)
    return {
        **{"group": told.group, "n": told.n, "estimate": test.estimate, "se": error},
        "df": test.df,
        **{"low": test.low, "high": test.high, "p": test.p},
        **{"adjusted": told.adjusted, "because": told.because or None},
        **{"smallest": bound, "p_equivalence": within, "verdict": verdict(test.p, within) or None},
        **{"bayes_factor": factor, "prior": JZS if isfinite(factor) else None},
        "detectable": detectable_effect(error, test.df),
        **_errors(design_errors(test.estimate, error, test.df)),
        **_errors(design_errors(bound, error, test.df), "interest_"),
        "p_smallest": told.rank_p_smallest,
    }


def _of_correlation(row: Mapping[Any, Any], smallest: float | None) -> dict[str, Any]:
    """Judge a correlation; errors of type M and S are those of its Fisher z."""
    r, df, error = row["r"], row["df"], row["fisher_z_error"]
    bound = nan if smallest is None else smallest
    z = atanh(r) if abs(r) < 1 else nan
    bound_z = nan if smallest is None else atanh(smallest)
    # A partial correlation is as one of fewer people, who have n - 2 degrees of freedom.
    n_alike = df + 2
    factor = correlation_bayes_factor(r, n_alike)
    told = verdict(row["p_permutation"], row["p_equivalence"])
    columns = ("contrast", "scale", "seed", "target", "group", "n", "p_equivalence", "p_smallest")
    because, given = row["unadjusted_because"], row["adjusted_for"]
    return {
        **{name: row[name] for name in columns},
        **{"kind": CORRELATION, "estimate": r, "se": error, "df": df},
        **{"low": row["ci_low"], "high": row["ci_high"]},
        **{"p": row["p_permutation"], "adjusted": _is_filled(given)},
        "because": because if _is_filled(because) else None,
        **{"smallest": bound, "verdict": told or None},
        **{"bayes_factor": factor, "prior": BETA if isfinite(r) else None},
        "detectable": _detectable_correlation(n_alike),
        **_errors(design_errors(z, error, df)),
        **_errors(design_errors(bound_z, error, df), "interest_"),
    }


def _is_filled(text: Any) -> bool:
    return isinstance(text, str) and text != ""


def _errors(found: DesignErrors, of: str = "") -> dict[str, float]:
    return {f"{of}{name}": value for name, value in found._asdict().items()}


@cache
def _detectable_correlation(n: float) -> float:
    return detectable_correlation(n)
