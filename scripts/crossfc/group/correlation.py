"""Change with change: does connectivity change with the symptoms, over people?

Both sides are active - control. Nothing is flipped by the direction of a scale: a positive r with
a scale on which lower is better means that more connectivity went with worse symptoms.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from crossfc.fault import Fault
from crossfc.group.change import connectivity_change, require
from crossfc.group.resampling import (
    TIE,
    bca_interval,
    draws,
    permutation_p,
    shuffles_among,
    shuffles_of,
    unit,
    weighted_pearson,
)
from crossfc.group.robust_correlation import bend, skipped
from crossfc.group.tie import rounded_columns

FEWEST = 4

# The skipped correlation looks for outliers anew in every shuffle; the first thousand shuffles
# resolve p to 0.001, which is enough for a number that only checks another one.
_SKIPPED_SHUFFLES = 1000

COLUMNS = [
    *("seed", "target", "scale", "group", "n", "pearson_r", "p_permutation", "ci_low", "ci_high"),
    *("spearman_rho", "spearman_p", "percentage_bend_r", "percentage_bend_p", "skipped_r"),
    *("skipped_p", "partial_r", "partial_p", "loo_min", "loo_max", "q_fdr", "n_tests"),
]
POINTS = [
    *("seed", "target", "scale", "group", "participant_id", "sequence", "delta_fisher_z"),
    "delta_score",
]
LEFT = ["participant_id", "group", "level", "what", "analysis", "reason"]


class ClinicalCorrelation(NamedTuple):
    """What :func:`clinical_correlation` gives: three tables and notes."""

    table: pd.DataFrame
    points: pd.DataFrame
    left: pd.DataFrame
    notes: list[str]


def clinical_correlation(
    targets: pd.DataFrame,
    people: pd.DataFrame,
    treatments: Mapping[str, str],
    groups: Sequence[str],
    scales: Sequence[str],
    pairs: Sequence[tuple[str, str]] | None = None,
    covariates: Sequence[str] = ("sequence_code", "delta_mean_fd"),
    n_permutations: int = 5000,
    n_bootstrap: int = 5000,
    random_seed: int = 0,
) -> ClinicalCorrelation:
    """Correlate the change of connectivity with the change of scores, within each group.

    Each p counts how often a shuffle of the scores gives as large an absolute value, two-sided,
    p = (1 + exceedances) / (1 + shuffles) (Phipson & Smyth 2010); where the people can be arranged
    in no more than ``n_permutations`` ways all arrangements are taken. One set of shuffles serves
    all tests; where a score is missing the same shuffles are taken of who is left.

    - Pearson's r with the bias-corrected and accelerated bootstrap interval of 95 % (BCa; Efron
      1987), over people; and the range of r when each person in turn is left out.
    - Spearman's rho, the percentage-bend and the skipped correlation
      (:mod:`crossfc.group.robust_correlation`), each with p by shuffles.
    - The partial correlation given the covariates; p after Freedman & Lane (1983): the residuals of
      the score are shuffled and the covariates are taken out again. A covariate that is missing
      for someone, constant, or a sum of the others is dropped and a note says so.
    - q after Benjamini & Hochberg (1995) on ``p_permutation`` over all seeds, targets and scales
      of the group; ``n_tests`` is their number.

    Parameters
    ----------
    targets : DataFrame
        ``targets.tsv``: participant_id, treatment, seed, target, fisher_z (long).
    people : DataFrame
        ``people.tsv``: participant_id, group, sequence, the covariates and ``delta_<scale>``. The
        people with both sessions; nobody else is looked up in ``targets``.
    treatments : mapping
        ``active`` and ``control`` to their names.
    groups, scales : sequence of str
        In the order wanted. A scale nobody of a group has a change of gives no rows there.
    pairs : sequence of (seed, target), optional
        What to test; all in ``targets`` by default.
    covariates : sequence of str
        Columns of ``people``.
    n_permutations, n_bootstrap : int
        Numbers of shuffles and of bootstrap samples.
    random_seed : int
        The same number gives the same tables.

    Returns
    -------
    ClinicalCorrelation
        ``table`` (``clinical/correlation.tsv``), ``points`` (``clinical/points.tsv``), ``left``
        (who is not in which test, with the reason) and ``notes``. Numbers that cannot be computed
        are NaN (fewer than four people, no variation, fewer than ten for the skipped correlation).

    Raises
    ------
    Fault
        If a column is missing, a pair is not in the table, or a person has two sessions alike.
    """
    deltas = [f"delta_{scale}" for scale in scales]
    require(people, ["participant_id", "group", "sequence", *deltas], "the table of people")
    connectivity = connectivity_change(targets, treatments)
    pairs = list(connectivity.columns) if pairs is None else [tuple(pair) for pair in pairs]
    unknown = [pair for pair in pairs if pair not in connectivity.columns]
    if unknown:
        raise Fault(
            f"the table of targets has no seed {unknown[0][0]} with target {unknown[0][1]}; "
            "take seeds and targets of seeds.tsv and targets.tsv"
        )
    rows, points, left, notes = [], [], [], []
    for group in groups:
        members = people[people["group"] == group]
        if members.empty:
            notes.append(f"{group}: nobody with both sessions is left; not tested")
            continue
        z = connectivity[pairs].reindex(members["participant_id"]).to_numpy(float)
        scores = members[deltas].to_numpy(float)
        for empty in np.flatnonzero(~np.isfinite(z).any(axis=0)):
            notes.append(f"{group}: no change of {' to '.join(pairs[empty])} is known; not tested")
        for empty in np.flatnonzero(~np.isfinite(scores).any(axis=0)):
            notes.append(f"{group}: nobody has a change of {scales[empty]}; not tested")
        left += _missing(members, group, z, scores, pairs, scales)
        shuffles = shuffles_of(len(members), n_permutations, random_seed)
        of_group: dict[tuple[int, int], dict] = {}
        for columns_z, with_z in _patterns(np.isfinite(z)):
            for columns_score, with_score in _patterns(np.isfinite(scores)):
                who = with_z & with_score
                named = [scales[j] for j in columns_score]
                where = f"{group}, {', '.join(named)}"
                if who.sum() < FEWEST:
                    notes.append(f"{where}: {who.sum()} people are too few for a correlation")
                known = _covariates(members[who], covariates, where, notes)
                statistics = correlate(
                    z[np.ix_(who, columns_z)],
                    scores[np.ix_(who, columns_score)],
                    known,
                    shuffles_among(shuffles, who, n_permutations),
                    n_bootstrap,
                    random_seed,
                )
                for a, i in enumerate(columns_z):
                    for b, j in enumerate(columns_score):
                        of_group[i, j] = {
                            "seed": pairs[i][0],
                            "target": pairs[i][1],
                            "scale": scales[j],
                            "group": group,
                            "n": int(who.sum()),
                        } | {name: float(values[a, b]) for name, values in statistics.items()}
        ordered = sorted(of_group)
        _false_discovery([of_group[key] for key in ordered])
        rows += [of_group[key] for key in ordered]
        points += [_points(members, of_group[i, j], z[:, i], scores[:, j]) for i, j in ordered]
    notes = list(dict.fromkeys(notes))
    points = pd.concat(points, ignore_index=True) if points else pd.DataFrame(columns=POINTS)
    return ClinicalCorrelation(
        pd.DataFrame(rows, columns=COLUMNS),
        points[POINTS],
        pd.DataFrame(left, columns=LEFT),
        notes,
    )


def correlate(
    x: np.ndarray,
    y: np.ndarray,
    covariates: np.ndarray,
    shuffles: np.ndarray,
    n_bootstrap: int,
    random_seed: int,
) -> dict[str, np.ndarray]:
    """Correlate every column of x with every column of y over the same people.

    Parameters
    ----------
    x : ndarray, shape (n, k)
    y : ndarray, shape (n, m)
    covariates : ndarray, shape (n, c)
        Without the constant, of full rank together with it; c may be 0.
    shuffles : ndarray of int, shape (p, n)
        Each row an arrangement of the people, without the observed one where it is exhaustive.
    n_bootstrap, random_seed : int

    Returns
    -------
    dict of ndarray, shape (k, m)
        The numbers of the table, NaN where they cannot be computed.
    """
    from scipy import stats

    n, shape = len(x), (x.shape[1], y.shape[1])
    names = [c for c in COLUMNS[5:] if c not in ("q_fdr", "n_tests")]
    result = {name: np.full(shape, np.nan) for name in names}
    if n < FEWEST:
        return result
    # Equal changes are to share a rank, and who lies as far from a median as others is no outlier.
    x, y = rounded_columns(x), rounded_columns(y)
    centred = unit(x - x.mean(axis=0), x), unit(y - y.mean(axis=0), y)
    ranks = stats.rankdata(x, axis=0), stats.rankdata(y, axis=0)
    ranked = tuple(unit(r - r.mean(axis=0), r) for r in ranks)
    bent = tuple(unit(b, b) for b in (bend(x), bend(y)))
    for (r, p), (a, b), basis in (
        (("pearson_r", "p_permutation"), centred, None),
        (("spearman_rho", "spearman_p"), ranked, None),
        (("percentage_bend_r", "percentage_bend_p"), bent, None),
        (("partial_r", "partial_p"), *_residuals(x, y, covariates)),
    ):
        result[r] = a.T @ b
        result[p] = permutation_p(a, b, shuffles, basis)
    few = shuffles[:_SKIPPED_SHUFFLES]
    for i, j in np.ndindex(shape):
        observed = float(skipped(x[:, i], y[:, j]))
        result["skipped_r"][i, j] = observed
        if np.isfinite(observed):
            shuffled = np.abs(skipped(x[:, i], y[few, j]))
            # A shuffle that leaves nothing to correlate counts against us.
            reached = ~(shuffled < abs(observed) - TIE)
            result["skipped_p"][i, j] = (1 + reached.sum()) / (1 + len(few))
    without_one = weighted_pearson(1.0 - np.eye(n), *centred)
    result["loo_min"], result["loo_max"] = without_one.min(axis=0), without_one.max(axis=0)
    resampled = weighted_pearson(draws(n, n_bootstrap, random_seed), *centred)
    for i, j in np.ndindex(shape):
        r = result["pearson_r"][i, j]
        interval = bca_interval(r, resampled[:, i, j], without_one[:, i, j])
        result["ci_low"][i, j], result["ci_high"][i, j] = interval
    return result


def _residuals(
    x: np.ndarray, y: np.ndarray, covariates: np.ndarray
) -> tuple[tuple[np.ndarray, np.ndarray], np.ndarray]:
    """Unit residuals of x and y on constant and covariates, and an orthonormal basis of these."""
    n = len(x)
    if covariates.shape[1] == 0 or n - 2 - covariates.shape[1] < 1:
        return (np.full_like(x, np.nan), np.full_like(y, np.nan)), np.zeros((n, 0))
    basis = np.linalg.qr(np.column_stack([np.ones(n), _scaled(covariates)]))[0]
    return tuple(unit(v - basis @ (basis.T @ v), v) for v in (x, y)), basis


def _patterns(known: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Columns that are known for the same people, with these people; unknown columns left out."""
    found: dict[bytes, list[int]] = {}
    for column in np.flatnonzero(known.any(axis=0)):
        found.setdefault(known[:, column].tobytes(), []).append(column)
    return [(np.array(columns), known[:, columns[0]]) for columns in found.values()]


def _scaled(covariates: np.ndarray) -> np.ndarray:
    return (covariates - covariates.mean(axis=0)) / covariates.std(axis=0)


def _covariates(
    members: pd.DataFrame, names: Sequence[str], where: str, notes: list[str]
) -> np.ndarray:
    """Take the covariates that can be used for these people; say why others cannot."""
    chosen = np.zeros((len(members), 0))
    for name in names:
        known = name in members.columns
        values = members[name].to_numpy(float) if known else np.full(len(members), np.nan)
        if not np.all(np.isfinite(values)):
            notes.append(f"{where}: {name} is not known for everybody and is not partialled out")
            continue
        if len(values) < FEWEST:
            continue
        if values.std() <= 1e-12 * np.abs(values).max():
            notes.append(f"{where}: {name} is the same for all and is not partialled out")
            continue
        wider = np.column_stack([chosen, values])
        design = np.column_stack([np.ones(len(values)), _scaled(wider)])
        if np.linalg.matrix_rank(design, tol=1e-8 * np.sqrt(len(values))) < design.shape[1]:
            notes.append(f"{where}: {name} follows from the other covariates and is left out")
            continue
        chosen = wider
    return chosen


def _missing(members, group, z, scores, pairs, scales) -> list[dict]:
    """Name who lacks a score that others of the group have, or a pair of seed and target."""
    left = []
    whats = [*scales, *(f"{seed} to {target}" for seed, target in pairs)]
    for column, what in zip(np.column_stack([scores, z]).T, whats, strict=True):
        if np.isfinite(column).any():
            reason = f"no change of {what}: not known under both treatments"
            for person in members["participant_id"][~np.isfinite(column)]:
                row = (person, group, "participant", "", "clinical_correlation", reason)
                left.append(dict(zip(LEFT, row, strict=True)))
    return left


def _points(members: pd.DataFrame, row: dict, z: np.ndarray, score: np.ndarray) -> pd.DataFrame:
    """List the people behind one row of the table."""
    table = members[["participant_id", "sequence"]].assign(delta_fisher_z=z, delta_score=score)
    table = table[np.isfinite(z) & np.isfinite(score)]
    return table.assign(**{name: row[name] for name in ("seed", "target", "scale", "group")})


def _false_discovery(rows: list[dict]) -> None:
    """Add q and the number of tests, over the rows that have a p."""
    from scipy import stats

    p = np.array([row["p_permutation"] for row in rows], dtype=float)
    tested = np.isfinite(p)
    q = np.full(len(p), np.nan)
    if tested.any():
        q[tested] = stats.false_discovery_control(p[tested], method="bh")
    for row, value in zip(rows, q, strict=True):
        row |= {"q_fdr": float(value), "n_tests": int(tested.sum())}
