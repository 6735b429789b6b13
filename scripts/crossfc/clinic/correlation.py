"""Change with change: is the change of connectivity correlated with the change of symptoms?

Both changes are active - control. No sign is flipped by the direction of a scale: on a scale on
which lower is better, a positive r means that more connectivity went with worse symptoms.

Both changes contain the period effect, with the sign of the person's order of treatments. If
connectivity and scores both drift from the first session to the second, their changes correlate
over people although they are unrelated (Senn 2002, Cross-over Trials in Clinical Research, ch. 3).
So the reported correlation, its interval, p and q are adjusted for the order wherever it is known
and differs between people; the plain correlation is given beside it.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import pandas as pd

from crossfc.array import BoolArray, FloatArray, IntArray, LabelArray
from crossfc.clinic.coefficient import FEWER_SHUFFLES, FEWEST, correlate, tested
from crossfc.clinic.connectivity import connectivity_change, treatment_weights
from crossfc.clinic.order import no_order, order_columns, order_groups
from crossfc.clinic.shuffle import (
    shuffles_among,
    shuffles_of,
    shuffles_within,
)
from crossfc.clinic.studentised import FEWEST_FOR_INTERVAL
from crossfc.fault import Fault
from crossfc.significance import SIGNIFICANT, false_discovery_rate
from crossfc.table import require_columns
from crossfc.trial import visit
from crossfc.trial.left import LEFT_COLUMNS, LeftRow

ORDER = "order of treatments"

COLUMNS = [
    *("seed", "target", "scale", "group", "n", "r", "ci_low", "ci_high", "p_permutation"),
    *("q_fdr", "n_tests", "adjusted_for", "unadjusted_because", "no_interval_because"),
    *("loo_min", "loo_max", "n_decisive", "decisive_person", "decisive_r", "decisive_p"),
    *("spearman_rho", "spearman_p", "percentage_bend_r", "percentage_bend_p"),
    *("skipped_r", "skipped_p", "partial_r", "partial_p", "partial_covariates"),
    *("pearson_n", "pearson_r", "pearson_p", "df", "fisher_z_error", "p_smallest"),
    "p_equivalence",
]
POINTS = [
    *("seed", "target", "scale", "group", "participant_id", "sequence", "delta_fisher_z"),
    *("delta_score", "adjusted_delta_fisher_z", "adjusted_delta_score"),
]
# A row of the table, by column.
Row: TypeAlias = dict[str, Any]


class ClinicalCorrelation(NamedTuple):
    """The result of :func:`clinical_correlation`: three tables and notes."""

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
    *,
    order: Sequence[str] = (visit.ORDER,),
    weights: pd.DataFrame | None = None,
    n_permutations: int,
    random_seed: int,
    smallest: float | None = None,
) -> ClinicalCorrelation:
    """Correlate the change of connectivity with the change of scores, within each group.

    All tests share one set of shuffles. Where values are missing, each shuffle is restricted to the
    remaining people. If people can be arranged in at most ``n_permutations`` ways, all arrangements
    are used. With adjustment for the order of treatments, people change places only with people of
    the same order.

    - ``r``, ``ci_low``, ``ci_high``, ``p_permutation``: the reported correlation, with its 95 %
      interval and p (`crossfc.clinic.studentised.Studentised`). The order of treatments is in the
      model if it is known and differs between people; people of unknown order are then left out
      (``adjusted_for``, ``unadjusted_because``). With fewer than eight people there is no interval
      (``no_interval_because``).
    - ``q_fdr``: from ``p_permutation`` by Benjamini & Hochberg (1995) over all seeds, targets and
      scales of the group; ``n_tests`` is their number.
    - ``loo_min``, ``loo_max``: the range of r when each person in turn is left out.
      ``n_decisive``: number of people whose removal alone moves p across 0.05; ``decisive_…``:
      the one of them who changes p most, and r and p without this person.
    - Spearman's rho, the percentage-bend and the skipped correlation
      (:mod:`crossfc.clinic.robust_correlation`), each with p from the same shuffles. If r is
      adjusted, the median of each order is first subtracted from the changes (an outlier would
      move the mean). These p are exact if the two changes are independent.
    - The partial correlation, adjusted for the order and the covariates (``partial_covariates``),
      with p computed as for r. A covariate that is missing for someone, is constant, or follows
      from the others is dropped, and a note says so.
    - ``pearson_r``, ``pearson_p``, ``pearson_n``: not adjusted, over everybody with both changes.
    - ``df``, ``fisher_z_error``: degrees of freedom of r, and the standard error of its Fisher z;
      ``p_smallest``: the smallest p that the arrangements of these people can give;
      ``p_equivalence``: whether r lies within ± the smallest correlation of interest.

    Parameters
    ----------
    targets : DataFrame
        The long table ``edges.tsv``: participant_id, treatment, seed, target, fisher_z.
    people : DataFrame
        The table ``people.tsv``: participant_id, group, sequence, the covariates and
        ``delta_<scale>``, of the people with both sessions; only these are looked up in
        ``targets``.
    treatments : mapping
        Names of ``active`` and ``control``.
    groups, scales : sequence of str
        Labels in the order wanted. A group has no rows for a scale of which nobody has a change.
    pairs : sequence of (seed, target), optional
        Pairs to test; by default all in ``targets``.
    covariates : sequence of str
        Columns of ``people`` for the partial correlation.
    order : sequence of str
        The columns of ``people`` that free the contrast from period effects
        (`crossfc.trial.visit`); people whose columns are equal change places.
    weights : DataFrame, optional
        The weight of each session in the contrast: participant_id, session_id, weight; by default
        those of two treatments (`crossfc.clinic.connectivity.treatment_weights`).
    n_permutations : int
        Number of shuffles.
    random_seed : int
        The same random seed gives the same tables.
    smallest : float, optional
        The smallest correlation of interest.

    Returns
    -------
    ClinicalCorrelation
        ``table`` (``clinic/correlation.tsv``), ``points`` (``clinic/points.tsv``; in adjusted
        changes, the difference between the orders' means is removed), ``left`` (who is missing
        from which test, with the reason) and ``notes``. Numbers that cannot be computed are NaN
        (fewer than four people, no variation, fewer than ten people for the skipped correlation).

    Raises
    ------
    Fault
        If a column is missing, a pair is not in the table, or a person has two sessions with the
        same treatment.
    """
    deltas = [f"delta_{scale}" for scale in scales]
    require_columns(people, ["participant_id", "group", "sequence", *deltas], "the table of people")
    if weights is None:
        weights = treatment_weights(targets, treatments)
    connectivity = connectivity_change(targets, weights)
    if pairs is None:
        pairs = list(connectivity.columns)
    pairs = [(seed, target) for seed, target in pairs]
    unknown = [pair for pair in pairs if pair not in connectivity.columns]
    if unknown:
        raise Fault(
            f"the table of edges has no seed {unknown[0][0]} with target {unknown[0][1]}; "
            "take seeds and targets of seeds.tsv and targets.tsv"
        )
    rows: list[Row] = []
    points: list[pd.DataFrame] = []
    left: list[LeftRow] = []
    notes: list[str] = []
    for group in groups:
        members = people[people["group"] == group]
        if members.empty:
            notes.append(f"{group}: nobody with both sessions is left; not tested")
            continue
        z = connectivity[pairs].reindex(members["participant_id"]).to_numpy(float)
        scores = members[deltas].to_numpy(float)
        periods = order_columns(members, treatments, order)
        code = order_groups(periods)
        for empty in np.flatnonzero(~np.isfinite(z).any(axis=0)):
            notes.append(f"{group}: no change of {' to '.join(pairs[empty])} is known; not tested")
        for empty in np.flatnonzero(~np.isfinite(scores).any(axis=0)):
            notes.append(f"{group}: nobody has a change of {scales[empty]}; not tested")
        left += _missing(members, group, z, scores, pairs, scales)
        arrangements = _Arrangements(code, n_permutations, random_seed)
        of_group: dict[tuple[int, int], Row] = {}
        for columns_z, with_z in _patterns(np.isfinite(z)):
            for columns_score, with_score in _patterns(np.isfinite(scores)):
                both = with_z & with_score
                named = [scales[j] for j in columns_score]
                where = f"{group}, {', '.join(named)}"
                because = no_order(periods[both], treatments, FEWEST + 1)
                who = both if because else both & np.isfinite(code)
                if both.sum() < FEWEST:
                    notes.append(f"{where}: {both.sum()} people are too few for a correlation")
                elif because:
                    notes.append(f"{where}: not adjusted for the {ORDER}, as {because}")
                for person in members["participant_id"][both & ~who]:
                    reason = f"the {ORDER} is not known, so not in what is adjusted for it"
                    left.append(_left(person, group, reason))
                known, names = _covariates(members[who], covariates, where, notes)
                x, y = z[:, columns_z], scores[:, columns_score]
                blocks = np.zeros(len(code)) if because else code
                shuffles = arrangements.of(who, adjusted=not because)
                statistics = correlate(x[who], y[who], known, shuffles, blocks[who], smallest)
                plain = statistics["r"], statistics["p_permutation"]
                if not because:
                    every = np.zeros(int(both.sum()))
                    plain = tested(x[both], y[both], every, arrangements.of(both, adjusted=False))
                ids = members["participant_id"].to_numpy()[who]
                without = _without_one(x, y, blocks, who, arrangements, not because)
                for a, i in enumerate(columns_z):
                    for b, j in enumerate(columns_score):
                        row: Row = {
                            "seed": pairs[i][0],
                            "target": pairs[i][1],
                            "scale": scales[j],
                            "group": group,
                            "n": int(who.sum()),
                            "adjusted_for": "" if because else ORDER,
                            "unadjusted_because": because,
                            "partial_covariates": ", ".join(names),
                            "pearson_n": int(both.sum()),
                            "pearson_r": float(plain[0][a, b]),
                            "pearson_p": float(plain[1][a, b]),
                        }
                        row |= {name: float(values[a, b]) for name, values in statistics.items()}
                        tested_at_all = np.isfinite(row["p_permutation"])
                        row["p_smallest"] = 1 / (1 + len(shuffles)) if tested_at_all else np.nan
                        row["no_interval_because"] = _no_interval(row)
                        row |= _decisive(
                            row["p_permutation"], ids, *(values[:, a, b] for values in without)
                        )
                        of_group[i, j] = row
                        points.append(_points(members, row, z[:, i], scores[:, j], blocks, who))
        ordered = sorted(of_group)
        in_order = [of_group[key] for key in ordered]
        _false_discovery(in_order)
        rows += in_order
    notes = list(dict.fromkeys(notes))
    missing = pd.DataFrame(left, columns=LEFT_COLUMNS).drop_duplicates(ignore_index=True)
    table = pd.DataFrame(rows, columns=COLUMNS)
    keys = ["seed", "target", "scale", "group"]
    changes = pd.concat(points, ignore_index=True) if points else pd.DataFrame(columns=POINTS)
    # Sorted like the table, as the loop above ran over patterns of missing values.
    changes = table[keys].merge(changes, on=keys, how="inner")
    return ClinicalCorrelation(table, changes[POINTS], missing, notes)


class _Arrangements:
    """Shuffles of a group, within orders of treatments and over all people, shared by all tests."""

    def __init__(self, code: FloatArray, wanted: int, random_seed: int) -> None:
        self._wanted = wanted
        self._code = code
        self._known = np.isfinite(code)
        self._all = shuffles_of(len(code), wanted, random_seed)
        self._within = shuffles_within(code[self._known], wanted, random_seed)

    def of(self, who: BoolArray, adjusted: bool) -> IntArray:
        """Return the shuffles of the people ``who``; if ``adjusted``, all have a known order."""
        if not adjusted:
            return shuffles_among(self._all, who, self._wanted)
        known = self._known
        return shuffles_among(self._within, who[known], self._wanted, self._code[known])


def _without_one(
    x: FloatArray,
    y: FloatArray,
    blocks: FloatArray,
    who: BoolArray,
    arrangements: _Arrangements,
    adjusted: bool,
) -> tuple[FloatArray, FloatArray]:
    """Compute r and p again without each person, each of shape (n, k, m)."""
    r, p = np.full((2, int(who.sum()), x.shape[1], y.shape[1]), np.nan)
    for number, person in enumerate(np.flatnonzero(who)):
        others = who.copy()
        others[person] = False
        shuffles = arrangements.of(others, adjusted)[:FEWER_SHUFFLES]
        r[number], p[number] = tested(x[others], y[others], blocks[others], shuffles)
    return r, p


def _decisive(p: float, ids: LabelArray, r_without: FloatArray, p_without: FloatArray) -> Row:
    """Find the person whose removal alone moves p across 0.05, with r and p without them."""
    significant = p < SIGNIFICANT
    known = np.isfinite(p_without) & np.isfinite(p)
    turned = np.flatnonzero(known & ((p_without < SIGNIFICANT) != significant))
    told: Row = {"n_decisive": len(turned), "decisive_person": ""}
    told |= {"decisive_r": np.nan, "decisive_p": np.nan}
    if len(turned):
        most = turned[(np.argmax if significant else np.argmin)(p_without[turned])]
        told["decisive_person"] = str(ids[most])
        told["decisive_r"], told["decisive_p"] = float(r_without[most]), float(p_without[most])
    return told


def _no_interval(row: Row) -> str:
    if np.isfinite(row["ci_low"]) or not np.isfinite(row["r"]):
        return ""
    if row["n"] < FEWEST_FOR_INTERVAL:
        return f"fewer than {FEWEST_FOR_INTERVAL} people"
    return "all people lie on one line"


def _patterns(known: BoolArray) -> list[tuple[IntArray, BoolArray]]:
    """Group the columns that are known for the same people; return each group with these people.

    Columns that are known for nobody are left out.
    """
    found: dict[bytes, list[int]] = {}
    for column in np.flatnonzero(known.any(axis=0)):
        found.setdefault(known[:, column].tobytes(), []).append(column)
    return [(np.array(columns), known[:, columns[0]]) for columns in found.values()]


def _covariates(
    members: pd.DataFrame, names: Sequence[str], where: str, notes: list[str]
) -> tuple[FloatArray, list[str]]:
    """Select the covariates that can be used for these people; a note explains each that cannot."""
    chosen, used = np.zeros((len(members), 0)), []
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
        scaled = (wider - wider.mean(axis=0)) / wider.std(axis=0)
        design = np.column_stack([np.ones(len(values)), scaled])
        if np.linalg.matrix_rank(design, tol=1e-8 * np.sqrt(len(values))) < design.shape[1]:
            notes.append(f"{where}: {name} follows from the other covariates and is left out")
            continue
        chosen = wider
        used.append(name)
    return chosen, used


def _left(person: str, group: str, reason: str) -> LeftRow:
    return {
        "participant_id": person,
        "group": group,
        "level": "participant",
        "what": "",
        "analysis": "clinical_correlation",
        "reason": reason,
    }


def _missing(
    members: pd.DataFrame,
    group: str,
    z: FloatArray,
    scores: FloatArray,
    pairs: Sequence[tuple[str, str]],
    scales: Sequence[str],
) -> list[LeftRow]:
    """List the people who lack a change of score, or of a seed and target, that others have."""
    left: list[LeftRow] = []
    whats = [*scales, *(f"{seed} to {target}" for seed, target in pairs)]
    for column, what in zip(np.column_stack([scores, z]).T, whats, strict=True):
        if np.isfinite(column).any():
            reason = f"no change of {what}: not known under both treatments"
            left += [
                _left(p, group, reason) for p in members["participant_id"][~np.isfinite(column)]
            ]
    return left


def _points(
    members: pd.DataFrame,
    row: Row,
    z: FloatArray,
    score: FloatArray,
    blocks: FloatArray,
    who: BoolArray,
) -> pd.DataFrame:
    """List the people behind one row of the table, with their changes."""
    table = members[["participant_id", "sequence"]].assign(delta_fisher_z=z, delta_score=score)
    table = table.assign(
        adjusted_delta_fisher_z=_adjusted(z, blocks, who),
        adjusted_delta_score=_adjusted(score, blocks, who),
    )
    table = table[np.isfinite(z) & np.isfinite(score)]
    return table.assign(**{name: row[name] for name in ("seed", "target", "scale", "group")})


def _adjusted(values: FloatArray, blocks: FloatArray, who: BoolArray) -> FloatArray:
    """Move each order's mean to the mean of the orders' means; NaN for people who are not in r."""
    moved = np.where(who, values, np.nan)
    means = {level: values[who & (blocks == level)].mean() for level in np.unique(blocks[who])}
    if len(means) > 1:
        for level, mean in means.items():
            moved[who & (blocks == level)] += np.mean(list(means.values())) - mean
    return moved


def _false_discovery(rows: list[Row]) -> None:
    """Add q and the number of tests to the rows; tests are the rows that have a p."""
    p = np.array([row["p_permutation"] for row in rows], dtype=float)
    tested = np.isfinite(p)
    q = np.full(len(p), np.nan)
    if tested.any():
        q[tested] = false_discovery_rate(p[tested])
    for row, value in zip(rows, q, strict=True):
        row |= {"q_fdr": float(value), "n_tests": int(tested.sum())}
