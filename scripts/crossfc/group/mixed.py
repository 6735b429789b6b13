"""Mixed models on the a-priori targets, so that people with one session count too.

A check on the analyses of pairs, not a replacement: pairs need no model of the variances.
"""

import warnings
from collections.abc import Mapping, Sequence

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

    Where the fit does not converge, or the variance between people comes out as zero, the row is
    that of ordinary least squares with errors clustered by person (Liang & Zeger 1986), with
    ``converged`` False and a note that says so. Everything the fit warned of is in the note.

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
    if len(values) <= k + 1 or len(set(people)) <= k:
        return nothing, nothing, False, ["too few people and sessions for the model"]
    if scale <= 1e-12 * float(np.abs(values).max()):
        return nothing, nothing, False, ["all values are the same"]
    said: list[str] = []
    reason = ""
    exog = design.to_numpy()
    # Fitted in units of the standard deviation: the optimiser's tolerances are absolute.
    scaled = values / scale
    if len(set(people)) == len(people):
        reason = "nobody has two sessions, so people cannot be told from sessions"
    else:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                fit = sm.MixedLM(scaled, exog, groups=people).fit(reml=True)
            except np.linalg.LinAlgError as error:
                reason = f"the mixed model could not be fitted ({error})"
            else:
                variance = float(np.asarray(fit.cov_re).ravel()[0])
                errors = np.asarray(fit.bse_fe, dtype=float)
                if variance <= 1e-6 * fit.scale:
                    reason = "the variance between people came out as zero"
                elif not fit.converged:
                    reason = "the mixed model did not converge"
                elif not np.all(np.isfinite(errors)):
                    reason = "the mixed model gave no standard errors"
        said = list(dict.fromkeys(f"statsmodels: {_sentence(w)}" for w in caught))
        if not reason:
            return np.asarray(fit.fe_params) * scale, errors * scale, True, said
    ordinary = sm.OLS(scaled, exog).fit(
        cov_type="cluster", cov_kwds={"groups": pd.factorize(people)[0]}
    )
    notes = [f"{reason}: ordinary least squares with errors clustered by person", *said]
    return ordinary.params * scale, ordinary.bse * scale, False, notes


def _wald(estimate: float, error: float) -> dict[str, float]:
    from scipy import stats

    if not error > 0:
        return {"z": np.nan, "p": np.nan}
    z = estimate / error
    return {"z": z, "p": float(2 * stats.norm.sf(abs(z)))}


def _sentence(warned: warnings.WarningMessage) -> str:
    return " ".join(str(warned.message).split()).rstrip(".")
