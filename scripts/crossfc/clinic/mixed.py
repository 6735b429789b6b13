"""Mixed models on the a-priori targets, so that people with one session count too.

A check on the analyses of pairs, not a replacement: pairs need no model of the variances.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from crossfc.clinic.change import require
from crossfc.fault import Fault

COLUMNS = [
    *("seed", "target", "term", "estimate", "se", "t", "df", "p", "n_people", "n_sessions"),
    *("converged", "note"),
]
# Of a variance: what is left of the rows that tell it when the terms are fitted. With less, the
# groups share one.
_LEAST_FREEDOM = 2.0
_ITERATIONS = 200
_SMALLEST = 1e-6  # ratio of two variances; with less the smaller counts as zero


def mixed_model(
    targets: pd.DataFrame, treatments: Mapping[str, str], groups: Sequence[str]
) -> pd.DataFrame:
    """Fit fisher_z ~ group * drug + period for each seed and target, people having a covariance.

    Drug is +0.5 for the active treatment and -0.5 for the control, group +0.5 for patients and
    -0.5 for controls, period +0.5 for the second and -0.5 for the first. So ``drug`` is the mean
    of the drug effects of the groups, ``group_by_drug`` the effect in patients minus that in
    controls, ``group`` the difference at the mean of both treatments, and ``period`` is period 2
    minus period 1.

    Each group has variances of its own, one of what the two sessions of a person share and one of
    what they do not. This is a random intercept per person with variances by group, but for one
    thing: the sessions of a person may be less alike than those of two people, for which a random
    intercept would need a negative variance. Fitted by restricted maximum likelihood (REML); t
    has the standard error and the degrees of freedom of Kenward and Roger (1997, Biometrics
    53:983). In complete pairs without a period, ``drug`` of one group is the paired t test, and
    ``group_by_drug`` Welch's.

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
        the other rows names it. Where a model cannot be fitted its rows hold no numbers,
        ``converged`` is False, and the note says why.

    Raises
    ------
    Fault
        If a column is missing, a treatment is neither of the two, or somebody has more than two
        sessions.
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
        sessions = part["participant_id"].value_counts()
        if len(sessions) and sessions.iloc[0] > 2:
            raise Fault(
                f"the table of targets has {sessions.iloc[0]} sessions of {sessions.index[0]} for "
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


@dataclass
class Reml:
    """A model with diagonal covariance that is linear in its variances, fitted by REML.

    Attributes
    ----------
    variances : ndarray, shape (n_variances,)
    estimates, errors, freedom : ndarray, shape (n_terms,)
        With Kenward and Roger's standard errors and degrees of freedom.
    likelihood : float
        The restricted log-likelihood, up to a constant that depends on the numbers of rows and
        terms only.
    """

    variances: np.ndarray
    estimates: np.ndarray
    errors: np.ndarray
    freedom: np.ndarray
    likelihood: float


def rotated(
    values: np.ndarray, design: np.ndarray, person: np.ndarray, group: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Turn the two sessions of each person into their sum and difference, over √2.

    These have no covariance: with variances a (sum) and b (difference) a session has variance
    (a + b) / 2 and two sessions of a person the covariance (a - b) / 2.

    Parameters
    ----------
    values : ndarray, shape (n_sessions,)
    design : ndarray, shape (n_sessions, n_terms)
    person : int ndarray, shape (n_sessions,)
        Numbers from 0, two sessions each at most.
    group : int ndarray, shape (n_sessions,)
        Whose variances a person has, from 0.

    Returns
    -------
    values, design : ndarray
        Turned; sums, differences and single sessions below each other.
    shares : ndarray, shape (n_sessions, n_variances)
        Of each variance in each row: those of all groups' sums and then of their differences.
        Where nobody of a group has two sessions it has one variance of single sessions, in place
        of that of sums.
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


def reml(values: np.ndarray, design: np.ndarray, shares: np.ndarray) -> Reml | None:
    """Fit values with independent errors of variance ``shares @ variances``.

    Newton's steps on the logarithms of the variances, with the exact first and second derivatives
    of the restricted likelihood; Fisher's scoring where the second are not those of a maximum, and
    half steps where the likelihood does not rise. The covariance of the estimates is that of
    Kenward and Roger (1997, Biometrics 53:983) for a covariance that is linear in its variances;
    for one term their F is the square of t on 2 (c'Φc)² / Σ W_kl d_k d_l degrees of freedom, with
    Φ the plain covariance, d_k = -c'ΦP_kΦc its derivatives, and W the inverse expected
    information of the variances.

    Parameters
    ----------
    values : ndarray, shape (n_rows,)
    design : ndarray, shape (n_rows, n_terms)
    shares : ndarray, shape (n_rows, n_variances)

    Returns
    -------
    Reml or None
        None where the likelihood has no maximum with all variances above zero, as far as they
        can be told apart from it.
    """
    log = np.full(shares.shape[1], np.log(np.var(values)))
    state = _State(values, design, shares, log)
    for _ in range(_ITERATIONS):
        step = np.clip(state.step(), -2, 2)
        gain = float(step @ state.gradient)  # twice what the likelihood can rise
        if state.variances.min() < _SMALLEST * state.variances.max():
            return None
        if gain < 1e-20:
            return state.result()
        further = _State(values, design, shares, state.log + step)
        # What is gained at last is less than the rounding of the likelihood.
        while gain > 1e-8 and further.likelihood < state.likelihood:
            step, gain = step / 2, gain / 2
            further = _State(values, design, shares, state.log + step)
        state = further
    return None


class _State:
    """The restricted likelihood at some variances, with its derivatives in their logarithms."""

    def __init__(
        self, values: np.ndarray, design: np.ndarray, shares: np.ndarray, log: np.ndarray
    ) -> None:
        self.log, self.variances = log, np.exp(log)
        weight = 1 / (shares @ self.variances)
        weighted = design * weight[:, None]
        self.covariance = np.linalg.inv(design.T @ weighted)
        self.estimates = self.covariance @ (weighted.T @ values)
        rest = values - design @ self.estimates
        self.likelihood = 0.5 * float(
            np.log(weight).sum() + np.linalg.slogdet(self.covariance)[1] - weight @ np.square(rest)
        )
        # Products of the terms with the first derivatives, and with pairs of them.
        self.first = -((design.T * (weight**2 * shares.T)[:, None]) @ design)
        pairs = shares.T[:, None] * shares.T
        self.second = (design.T * (weight**3 * pairs)[:, :, None]) @ design
        moved = np.einsum("ij,kjl->kil", self.covariance, self.first)
        traces = pairs @ weight**2
        traces -= 2 * np.einsum("ij,klji->kl", self.covariance, self.second)
        self.expected = 0.5 * (traces + np.einsum("kij,lji->kl", moved, moved))
        trace = weight @ shares + np.einsum("kii->k", moved)
        slope = 0.5 * (np.square(weight * rest) @ shares - trace)
        self.gradient = slope * self.variances
        projected = weight * rest
        pulled = (shares.T * (weight * projected)) @ design
        average = 0.5 * (pairs @ (weight * projected**2) - pulled @ self.covariance @ pulled.T)
        self._observed = 2 * average - self.expected

    def step(self) -> np.ndarray:
        """Return the step to the maximum, in the logarithms of the variances."""
        both = np.outer(self.variances, self.variances)
        for information in (self._observed * both - np.diag(self.gradient), self.expected * both):
            if np.linalg.eigvalsh(information)[0] > 1e-8:
                return np.linalg.solve(information, self.gradient)
        return np.linalg.pinv(information, hermitian=True) @ self.gradient

    def result(self) -> Reml:
        """Return estimates with Kenward and Roger's errors and degrees of freedom."""
        phi, spread = self.covariance, np.linalg.pinv(self.expected, hermitian=True)
        inner = self.second - np.einsum("kij,jm,lmn->klin", self.first, phi, self.first)
        adjusted = phi + 2 * phi @ np.einsum("kl,klij->ij", spread, inner) @ phi
        change = np.einsum("ij,kjl,li->ki", phi, self.first, phi)  # of each term's variance
        moved = np.einsum("kl,ki,li->i", spread, change, change)
        freedom = 2 * np.square(np.diag(phi)) / moved
        errors = np.sqrt(np.diag(adjusted))
        return Reml(self.variances, self.estimates, errors, freedom, self.likelihood)


def _fit(
    part: pd.DataFrame, design: pd.DataFrame, groups: list[str]
) -> tuple[Reml | None, list[str]]:
    """Fit one seed and target; None where that cannot be, with notes that say why."""
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
    values: np.ndarray, design: np.ndarray, person: np.ndarray, group: np.ndarray
) -> tuple[Reml | None, bool]:
    """Fit with variances of each group, or one of all where a group does not tell its own.

    Parameters
    ----------
    values, design, person, group
        See `rotated`.

    Returns
    -------
    fitted : Reml or None
        None where that cannot be either.
    pooled : bool
        Whether the groups share their variances though they are two.
    """
    for of in (group, np.zeros_like(group))[: 1 + int(group.max(initial=0) > 0)]:
        turned, columns, shares = rotated(values, design, person, of)
        least = _LEAST_FREEDOM if of.any() else _LEAST_FREEDOM / 2
        fitted = None
        if _freedom(columns, shares).min() > least - 1e-9:
            fitted = reml(turned, columns, shares)
        if fitted is not None:
            break
    return fitted, bool(group.any() and not of.any())


def _freedom(design: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """What the terms leave of the rows that tell each variance, at equal variances."""
    basis = np.linalg.qr(design)[0]
    return (1 - np.square(basis).sum(axis=1)) @ shares


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
