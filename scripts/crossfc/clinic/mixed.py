"""Mixed models of the connectivity with a-priori targets, which include people with one session.

They are a check on the analyses of pairs and do not replace them, as pairs need no model of the
variances.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from crossfc.array import FloatArray, IntArray
from crossfc.clinic.reml import LEAST_FREEDOM, Reml, reml
from crossfc.fault import Fault
from crossfc.table import require_columns

COLUMNS = [
    *("seed", "target", "term", "estimate", "se", "t", "df", "p", "n_people", "n_sessions"),
    *("converged", "note"),
]


def mixed_model(
    targets: pd.DataFrame, treatments: Mapping[str, str], groups: Sequence[str]
) -> pd.DataFrame:
    """Fit fisher_z ~ group * drug + period for each seed and target, with covariance within people.

    Drug is coded +0.5 for the active treatment and -0.5 for the control, group +0.5 for patients
    and -0.5 for controls, period +0.5 for the second and -0.5 for the first. So ``drug`` is the
    mean of the groups' drug effects, ``group_by_drug`` the effect in patients minus that in
    controls, ``group`` the difference of the groups averaged over both treatments, and ``period``
    is period 2 minus period 1.

    Each group has two variances of its own: of what the two sessions of a person have in common,
    and of what differs between them. This equals a random intercept per person with variances by
    group, with one exception: the sessions of a person may be less alike than those of two people,
    for which a random intercept would need a negative variance. The model is fitted by restricted
    maximum likelihood (REML); t has the standard error and the degrees of freedom of Kenward and
    Roger (1997, Biometrics 53:983). With complete pairs and no period, ``drug`` of one group is
    the paired t-test, and ``group_by_drug`` is Welch's.

    Parameters
    ----------
    targets : DataFrame
        The table ``edges.tsv``: participant_id, group, treatment, period, seed, target,
        fisher_z; one row per session, seed and target, including people with one session.
    treatments : mapping
        Names of ``active`` and ``control``.
    groups : sequence of str
        Patients, then controls; with one group only, the model has no group term.

    Returns
    -------
    DataFrame
        The table ``mixed.tsv``: one row per seed, target and term (intercept, group, drug,
        group_by_drug, period). A term that cannot be separated from the others has no row, and
        the note of the other rows names it (period if one is unknown or all are equal; drug if a
        group lacks a treatment). If a model cannot be fitted, its rows hold NaN, ``converged`` is
        False, and the note gives the reason.

    Raises
    ------
    Fault
        If a column is missing, a treatment is neither of the two, or a person has more than two
        sessions.
    """
    keys = ["participant_id", "group", "treatment", "period", "seed", "target", "fisher_z"]
    require_columns(targets, keys, "the table of edges")
    strange = set(targets["treatment"]) - set(treatments.values())
    if strange:
        raise Fault(
            f"the table of edges has the treatment {sorted(map(str, strange))[0]}, which is "
            f"neither {treatments['active']} nor {treatments['control']}; mend sessions.tsv"
        )
    rows: list[dict[str, object]] = []
    for (seed, target), part in targets.groupby(["seed", "target"], sort=False):
        known = np.isfinite(part["fisher_z"].to_numpy(float)) & part["group"].isin(groups)
        part = part[known]
        sessions = part["participant_id"].value_counts()
        if len(sessions) and sessions.iloc[0] > 2:
            raise Fault(
                f"the table of edges has {sessions.iloc[0]} sessions of {sessions.index[0]} for "
                f"{seed} and {target}, where a person has two at most; mend sessions.tsv"
            )
        design, left_out = _design(part, treatments, groups)
        fitted, notes = _fit(part, design, list(groups))
        for number, term in enumerate(design.columns):
            rows.append(
                {
                    "seed": seed,
                    "target": target,
                    "term": term,
                    **_tested(fitted, number),
                    "n_people": len(sessions),
                    "n_sessions": len(part),
                    "converged": fitted is not None,
                    "note": "; ".join([*left_out, *notes]),
                }
            )
    return pd.DataFrame(rows, columns=COLUMNS)


def _design(
    part: pd.DataFrame, treatments: Mapping[str, str], groups: Sequence[str]
) -> tuple[pd.DataFrame, list[str]]:
    """Code the terms of the model; leave out those that cannot be estimated, each with a note."""
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


def rotated(
    values: FloatArray, design: FloatArray, person: IntArray, group: IntArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Transform the two sessions of each person into their sum and difference, divided by √2.

    Sum and difference are uncorrelated. If their variances are a (sum) and b (difference), a
    session has the variance (a + b) / 2, and two sessions of a person have the covariance
    (a - b) / 2.

    Parameters
    ----------
    values : ndarray, shape (n_sessions,)
    design : ndarray, shape (n_sessions, n_terms)
    person : int ndarray, shape (n_sessions,)
        Number of the person, from 0; at most two sessions each.
    group : int ndarray, shape (n_sessions,)
        Number, from 0, of the group whose variances the person has.

    Returns
    -------
    values : ndarray, shape (n_sessions,)
        Transformed values: first all sums, then all differences, then single sessions.
    design : ndarray, shape (n_sessions, n_terms)
        The design, transformed in the same way.
    shares : ndarray, shape (n_sessions, n_variances)
        Share of each variance in each row. The variances are those of all groups' sums, then
        those of all groups' differences. A group in which nobody has two sessions has one
        variance of single sessions instead, in the place of its sums.
    """
    order = np.argsort(person, kind="stable")
    values, design, person, group = values[order], design[order], person[order], group[order]
    second = np.flatnonzero(np.diff(person, prepend=-1) == 0)
    first = second - 1
    single = np.setdiff1d(np.arange(len(person)), np.concatenate([first, second]))
    both = np.column_stack([design, values])
    turned = np.concatenate(
        [(both[first] + both[second]) / np.sqrt(2), (both[first] - both[second]) / np.sqrt(2)]
        + [both[single]]
    )
    n_groups = int(group.max(initial=-1)) + 1
    sums = (group[first][:, None] == np.arange(n_groups)).astype(float)
    alone = (group[single][:, None] == np.arange(n_groups)).astype(float)
    paired = sums.any(axis=0)
    shares = np.block(
        [
            [sums, np.zeros_like(sums)],
            [np.zeros_like(sums), sums],
            [np.where(paired, alone / 2, alone), np.where(paired, alone / 2, 0)],
        ]
    )
    return turned[:, -1], turned[:, :-1], shares[:, shares.any(axis=0)]


def _fit(
    part: pd.DataFrame, design: pd.DataFrame, groups: list[str]
) -> tuple[Reml | None, list[str]]:
    """Fit one seed and target; None if that is not possible, with notes that give the reason."""
    values = part["fisher_z"].to_numpy(float)
    person = pd.factorize(part["participant_id"])[0]
    n_terms = design.shape[1]
    scale = float(np.std(values)) if len(values) else 0.0
    if len(values) <= n_terms + 1 or len(set(person)) <= n_terms:
        return None, ["too few people and sessions for the model"]
    if scale <= 1e-12 * float(np.abs(values).max()):
        return None, ["all values are the same"]
    group = np.array([groups.index(label) for label in part["group"]])
    notes = []
    if len(set(person)) == len(person):
        notes.append("nobody has two sessions, so treatments are compared between people")
    fitted, pooled = reml_by_group(values / scale, design.to_numpy(), person, group)
    if pooled:
        notes.append(
            "one variance for both groups: what one of them has does not tell one of its own"
        )
    if fitted is None:
        notes.append(
            "not fitted: the terms leave too few people, or no variance, in the sums or in the "
            "differences of two sessions, so that there is no error to compare with"
        )
        return None, notes
    fitted.variances *= scale**2
    fitted.estimates *= scale
    fitted.errors *= scale
    return fitted, notes


def reml_by_group(
    values: FloatArray, design: FloatArray, person: IntArray, group: IntArray
) -> tuple[Reml | None, bool]:
    """Fit with variances for each group, or with shared ones if a group cannot determine its own.

    Parameters
    ----------
    values, design, person, group
        See `rotated`.

    Returns
    -------
    fitted : Reml or None
        None if the model cannot be fitted in either way.
    pooled : bool
        True if there are several groups but they share their variances.
    """
    for of in (group, np.zeros_like(group))[: 1 + int(group.max(initial=0) > 0)]:
        turned, columns, shares = rotated(values, design, person, of)
        least = LEAST_FREEDOM if of.any() else LEAST_FREEDOM / 2
        fitted = None
        if _freedom(columns, shares).min() > least - 1e-9:
            fitted = reml(turned, columns, shares)
        if fitted is not None:
            break
    return fitted, bool(group.any() and not of.any())


def _freedom(design: FloatArray, shares: FloatArray) -> FloatArray:
    """Compute the residual degrees of freedom of each variance, if all variances were equal."""
    basis = np.linalg.qr(design)[0]
    freedom: FloatArray = (1 - np.square(basis).sum(axis=1)) @ shares
    return freedom


def _tested(fitted: Reml | None, number: int) -> dict[str, float]:
    from scipy import stats

    if fitted is None:
        return dict.fromkeys(("estimate", "se", "t", "df", "p"), np.nan)
    t = fitted.estimates[number] / fitted.errors[number]
    df = fitted.freedom[number]
    return {
        "estimate": fitted.estimates[number],
        "se": fitted.errors[number],
        "t": t,
        "df": df,
        "p": float(2 * stats.t.sf(abs(t), df)),
    }
