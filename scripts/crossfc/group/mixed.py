"""Mixed models on the a-priori targets, so that people with one session count too.

A check on the analyses of pairs, not a replacement: pairs need no model of the variances.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from crossfc.fault import Fault
from crossfc.group.change import require

COLUMNS = [
    *("seed", "target", "term", "estimate", "se", "z", "p", "n_people", "n_sessions"),
    *("converged", "note"),
]


def mixed_model(
    targets: pd.DataFrame, treatments: Mapping[str, str], groups: Sequence[str]
) -> pd.DataFrame:
    """Fit fisher_z ~ group * drug + period + (1 | participant) for each seed and target.

    Drug is +0.5 for the active treatment and -0.5 for the control, group +0.5 for patients and
    -0.5 for controls, period +0.5 for the second and -0.5 for the first. So ``drug`` is the mean
    of the drug effects of the groups, ``group_by_drug`` the effect in patients minus that in
    controls, ``group`` the difference at the mean of both treatments, and ``period`` is period 2
    minus period 1. Fitted by restricted maximum likelihood (Laird & Ware 1982); z and p are
    Wald's.

    Where the likelihood has no maximum with variance both between and within people, the row is
    that of ordinary least squares with errors clustered by person (Liang & Zeger 1986), with
    ``converged`` False and a note that says so.

    Parameters
    ----------
    targets : DataFrame
        ``targets.tsv``: participant_id, group, treatment, period, seed, target, fisher_z; one row
        per session, seed and target, everybody, people with one session too.
    treatments : mapping
        ``active`` and ``control`` to their names.
    groups : sequence of str
        Patients, then controls; or patients only, then there is no group in the model.

    Returns
    -------
    DataFrame
        The table ``mixed.tsv``: one row per seed, target and term (intercept, group, drug,
        group_by_drug, period). A term that cannot be told from the others (period where one is
        unknown or all are alike; drug where a group lacks a treatment) has no row and the note of
        the other rows names it.

    Raises
    ------
    Fault
        If a column is missing or a treatment is neither of the two.
    """
    keys = ["participant_id", "group", "treatment", "period", "seed", "target", "fisher_z"]
    require(targets, keys, "the table of targets")
    strange = set(targets["treatment"]) - set(treatments.values())
    if strange:
        raise Fault(
            f"the table of targets has the treatment {sorted(map(str, strange))[0]}, which is "
            f"neither {treatments['active']} nor {treatments['control']}; mend sessions.tsv"
        )
    rows: list[dict] = []
    for (seed, target), part in targets.groupby(["seed", "target"], sort=False):
        known = np.isfinite(part["fisher_z"].to_numpy(float)) & part["group"].isin(groups)
        part = part[known]
        design, left_out = _design(part, treatments, groups)
        fitted = _fit(part["fisher_z"].to_numpy(float), design, part["participant_id"].to_numpy())
        estimates, errors, converged, notes = fitted
        for term, estimate, error in zip(design.columns, estimates, errors, strict=True):
            rows.append(
                {
                    "seed": seed,
                    "target": target,
                    "term": term,
                    "estimate": estimate,
                    "se": error,
                    **_wald(estimate, error),
                    "n_people": part["participant_id"].nunique(),
                    "n_sessions": len(part),
                    "converged": converged,
                    "note": "; ".join([*left_out, *notes]),
                }
            )
    return pd.DataFrame(rows, columns=COLUMNS)


def _design(
    part: pd.DataFrame, treatments: Mapping[str, str], groups: Sequence[str]
) -> tuple[pd.DataFrame, list[str]]:
    """Code the terms; leave out what cannot be estimated and say so."""
    drug = np.where(part["treatment"] == treatments["active"], 0.5, -0.5)
    design = pd.DataFrame({"intercept": np.ones(len(part))}, index=part.index)
    notes = []
    period = pd.to_numeric(part["period"], errors="coerce").to_numpy(float)
    unknown = ~np.isin(period, (1, 2))
    if len(groups) > 1:
        group = np.where(part["group"] == groups[0], 0.5, -0.5)
        terms = {"group": group, "drug": drug, "group_by_drug": group * drug}
    else:
        terms = {"drug": drug}
    if unknown.any():
        notes.append(f"without period: it is not known for {unknown.sum()} sessions")
    else:
        terms["period"] = period - 1.5
    for name, values in terms.items():
        wider = np.column_stack([design.to_numpy(), values])
        if np.linalg.matrix_rank(wider) == wider.shape[1]:
            design[name] = values
        else:
            notes.append(f"without {name}: it cannot be told from the other terms")
    return design, notes


def _fit(
    values: np.ndarray, design: pd.DataFrame, people: np.ndarray
) -> tuple[np.ndarray, np.ndarray, bool, list[str]]:
    """Give estimates, standard errors, whether the mixed model converged, and notes."""
    import statsmodels.api as sm

    k = design.shape[1]
    nothing = np.full(k, np.nan)
    scale = float(np.std(values)) if len(values) else 0.0
    person = pd.factorize(people)[0]
    if len(values) <= k + 1 or len(set(person)) <= k:
        return nothing, nothing, False, ["too few people and sessions for the model"]
    if scale <= 1e-12 * float(np.abs(values).max()):
        return nothing, nothing, False, ["all values are the same"]
    exog = design.to_numpy()
    if len(set(person)) == len(person):
        reason = "nobody has two sessions, so people cannot be told from sessions"
    else:
        ratio = variance_ratio(values / scale, exog, person)
        if 0 < ratio < np.inf:
            fit = _generalised(values / scale, exog, person, ratio)
            return fit.estimates * scale, fit.errors * scale, True, []
        where = "between" if ratio == 0 else "within"
        reason = f"the variance {where} people came out as zero"
    fit = sm.OLS(values / scale, exog).fit(cov_type="cluster", cov_kwds={"groups": person})
    note = f"{reason}; ordinary least squares with errors clustered by person instead"
    return fit.params * scale, fit.bse * scale, False, [note]


def variance_ratio(values: np.ndarray, design: np.ndarray, person: np.ndarray) -> float:
    """Estimate the variance between people over that within people, by REML.

    With one random intercept the restricted likelihood is a function of this ratio alone, so it
    is looked at over twelve decades and refined around its maximum. General optimisers, which
    work on the variance itself, stop anywhere when the maximum is at zero and may report success.

    Parameters
    ----------
    values : ndarray, shape (n,)
    design : ndarray, shape (n, k)
    person : ndarray of int, shape (n,)
        Numbers from 0.

    Returns
    -------
    float
        0 where the maximum is at no variance between people (below 1e-6), infinite where it is at
        none within (above 1e6).
    """
    from scipy.optimize import minimize_scalar

    def loss(exponent: float) -> float:
        return -_generalised(values, design, person, 10.0**exponent).likelihood

    grid = np.linspace(-6, 6, 49)
    losses = np.array([loss(exponent) for exponent in grid])
    best = int(np.argmin(losses))
    if best == 0 or -_generalised(values, design, person, 0.0).likelihood <= losses[best]:
        return 0.0
    if best == len(grid) - 1:
        return np.inf
    around = (grid[best - 1], grid[best + 1])
    refined = minimize_scalar(loss, bounds=around, method="bounded", options={"xatol": 1e-9})
    return float(10.0**refined.x)


class _Fit(NamedTuple):
    estimates: np.ndarray
    errors: np.ndarray
    likelihood: float


def _generalised(values: np.ndarray, design: np.ndarray, person: np.ndarray, ratio: float) -> _Fit:
    """Fit by generalised least squares with covariance 1 + ratio within a person.

    The restricted log-likelihood is up to a constant, with the error variance profiled out
    (Lindstrom & Bates 1988, J Am Stat Assoc 83:1014).
    """
    sessions = np.bincount(person)
    n, k = design.shape
    both = np.column_stack([design, values])
    sums = np.zeros((len(sessions), k + 1))
    np.add.at(sums, person, both)
    # (I + ratio 11')^-1 = I - ratio / (1 + ratio m) 11' for the m sessions of a person.
    weighted = both - ((ratio / (1 + ratio * sessions))[:, None] * sums)[person]
    information = design.T @ weighted[:, :k]
    estimates = np.linalg.solve(information, design.T @ weighted[:, k])
    residuals = np.append(-estimates, 1.0)
    variance = float((both @ residuals) @ (weighted @ residuals)) / (n - k)
    variance = max(variance, np.finfo(float).tiny)
    logs = (n - k) * np.log(variance) + np.log1p(ratio * sessions).sum()
    logs += np.linalg.slogdet(information)[1]
    errors = np.sqrt(variance * np.diag(np.linalg.inv(information)))
    return _Fit(estimates, errors, -0.5 * float(logs))


def _wald(estimate: float, error: float) -> dict[str, float]:
    from scipy import stats

    if not error > 0:
        return {"z": np.nan, "p": np.nan}
    z = estimate / error
    return {"z": z, "p": float(2 * stats.norm.sf(abs(z)))}
