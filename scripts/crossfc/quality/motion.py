"""Motion, scan quality and physiology in the group: did they differ between the treatments?"""

from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from crossfc.array import FloatArray, IntArray
from crossfc.clinic.connectivity import connectivity_change, treatment_weights
from crossfc.clinic.contrast import Design, groups_of, joined
from crossfc.clinic.order import (
    Adjusted,
    adjusted_change,
    adjusted_difference,
    no_order,
    order_columns,
    order_groups,
)
from crossfc.clinic.rank import adjusted_wilcoxon_p, wilcoxon_p
from crossfc.clinic.shuffle import shuffles_within
from crossfc.clinic.student import one_sample, welch
from crossfc.clinic.studentised import Studentised, nuisance_basis
from crossfc.fault import Fault
from crossfc.measure import measures_of
from crossfc.quality.measure import comparable, measure_change
from crossfc.table import read_table, require_columns
from crossfc.tie import difference
from crossfc.trial.visit import ORDER

COLUMNS = [
    *("measure", "group", "n", "mean_active", "mean_control", "adjusted_n", "adjusted_difference"),
    *("adjusted_t", "adjusted_df", "adjusted_p", "adjusted_wilcoxon_p", "unadjusted_because"),
    *("mean_difference", "unadjusted_t", "unadjusted_df", "unadjusted_p", "unadjusted_wilcoxon_p"),
]

_FEWEST = 4  # people needed for a correlation
_SHUFFLES = 2000  # shuffles of QC-FC, always the same ones


def motion(
    sessions: pd.DataFrame,
    treatments: Mapping[str, str],
    groups: Sequence[str],
    *,
    weights: pd.DataFrame | None = None,
    people: pd.DataFrame | None = None,
    order: Sequence[str] = (ORDER,),
    baseline: pd.DataFrame | None = None,
    within: bool = True,
) -> pd.DataFrame:
    """Test each measure of scan quality for a drug effect, by group and between groups.

    Pairs of sessions that were not excluded are compared, in the same way as scores
    (`crossfc.clinic.order`). ``adjusted_…`` is the difference active - control, adjusted for the
    order of treatments, as people may move less in their second session; between groups it is
    patients - controls of this difference, with a variance for each group. ``unadjusted_…`` is the
    paired t and Wilcoxon's signed ranks of the differences, and Welch's t between groups, to be
    reported only if ``unadjusted_because`` gives a reason.

    Parameters
    ----------
    sessions : DataFrame
        The table ``quality/sessions.tsv``: participant_id, group, sequence, session_id, treatment,
        excluded and any of the measures (`crossfc.measure`).
    treatments : mapping
        Names of ``active`` and ``control``.
    groups : sequence of str
        Patients, then controls; or patients only; or three and more groups.
    weights : DataFrame, optional
        The weight of each session in the contrast: participant_id, session_id, weight; by default
        those of two treatments.
    people : DataFrame, optional
        The people with their columns of periods; by default the order is that of ``sessions``.
    order : sequence of str
        Names of these columns (`crossfc.trial.visit`).
    baseline : DataFrame, optional
        The weight of each session in the baseline that is a covariate, as ``weights``.
    within : bool
        False if the baseline is a covariate between groups only.

    Returns
    -------
    DataFrame
        The table ``quality/motion.tsv``, with the columns `COLUMNS`. In the row of the group
        ``group_by_drug`` are the difference of the differences and n of both groups, but no means
        and no ranks. A measure that nobody has is left out.

    Raises
    ------
    Fault
        If a column is missing or, without ``weights``, a person has two sessions with the same
        treatment.
    """
    keys = ["participant_id", "group", "sequence", "treatment", "excluded"]
    require_columns(sessions, [*keys, "session_id"], "the table of sessions")
    used = sessions[~sessions["excluded"].astype(bool)]
    if weights is None:
        repeated = used.duplicated(["participant_id", "treatment"])
        if repeated.any():
            row = used[repeated].iloc[0]
            raise Fault(
                f"the table of sessions has two sessions of {row.participant_id} with "
                f"{row.treatment}, the second {row.session_id}; exclude one of them in sessions.tsv"
            )
        weights = treatment_weights(used, treatments)
    if people is None:
        people = used.drop_duplicates("participant_id")
    periods = order_columns(people, treatments, order)
    place = {person: row for row, person in enumerate(people["participant_id"])}
    rows = []
    for measure in (own.name for own in measures_of(used.columns)):
        if used[measure].isna().all():
            continue
        wide = _sides(used, weights, measure)
        if baseline is not None:
            wide = wide.join(
                measure_change(used, baseline, measure).rename("baseline"), how="inner"
            )
        of_groups: list[FloatArray] = []
        given: list[FloatArray] = []
        codes: list[FloatArray] = []
        for group in groups:
            part = wide[wide.index.get_level_values("group") == group]
            active, control = part[["active", "control"]].to_numpy().T
            delta = difference(active, control)
            of_groups.append(delta)
            names = part.index.get_level_values("participant_id")
            codes.append(periods[[place[name] for name in names]])
            test = one_sample(delta)
            own = part["baseline"].to_numpy() if baseline is not None else None
            given += [] if own is None else [own]
            adjusted = adjusted_change(delta, codes[-1], treatments, own if within else None)
            rows.append(
                {
                    "measure": measure,
                    "group": group,
                    "n": len(delta),
                    "mean_active": active.mean() if len(delta) else np.nan,
                    "mean_control": control.mean() if len(delta) else np.nan,
                    **_numbers(adjusted),
                    "mean_difference": test.estimate,
                    **{"unadjusted_t": test.t, "unadjusted_df": test.df},
                    **{"unadjusted_p": test.p, "unadjusted_wilcoxon_p": wilcoxon_p(delta)},
                }
            )
            if not adjusted.because and periods.ndim == 1 and baseline is None:
                rows[-1]["adjusted_wilcoxon_p"] = adjusted_wilcoxon_p(delta, codes[-1])
        for i, j in combinations(range(len(groups)), 2):
            pair = groups[i], groups[j]
            test = welch(of_groups[i], of_groups[j])
            delta = np.concatenate([of_groups[i], of_groups[j]])
            of_code = np.concatenate([codes[i], codes[j]])
            first = np.arange(len(delta)) < len(of_groups[i])
            of_pair = np.concatenate([given[i], given[j]]) if given else None
            adjusted = adjusted_difference(delta, first, of_code, pair, treatments, of_pair)
            rows.append(
                {
                    "measure": measure,
                    "group": group_by_drug(pair, len(groups)),
                    "n": len(delta),
                    **_numbers(adjusted),
                    "mean_difference": test.estimate,
                    **{"unadjusted_t": test.t, "unadjusted_df": test.df},
                    "unadjusted_p": test.p,
                }
            )
    return pd.DataFrame(rows, columns=COLUMNS)


def group_by_drug(pair: Sequence[str], n_groups: int) -> str:
    """Name the comparison of two groups: ``group_by_drug``, with their labels among several."""
    return "_".join(("group_by_drug", *(pair if n_groups > 2 else ())))


def _sides(sessions: pd.DataFrame, weights: pd.DataFrame, measure: str) -> pd.DataFrame:
    """Add up a measure over the sessions of each side of a contrast, times their weights.

    Returns
    -------
    DataFrame
        Columns active and control, for each group and participant_id with all of the sessions.
    """
    own = weights.merge(sessions, on=["participant_id", "session_id"], how="left")
    own = own.assign(
        side=np.where(own["weight"] > 0, "active", "control"),
        value=own[measure].astype(float) * own["weight"].abs(),
    )
    complete = own.groupby("participant_id")["value"].transform("count") == own.groupby(
        "participant_id"
    )["value"].transform("size")
    keys = ["group", "participant_id", "side"]
    sums = own[complete].groupby(keys)["value"].sum().unstack("side")
    return sums.reindex(columns=["active", "control"]).dropna()


def _numbers(adjusted: Adjusted) -> dict[str, object]:
    """Return the numbers of an adjusted test as columns."""
    test = adjusted.test
    numbers = {"difference": test.estimate, "t": test.t, "df": test.df, "p": test.p}
    told = {f"adjusted_{name}": value for name, value in numbers.items()}
    return told | {"adjusted_n": adjusted.n, "unadjusted_because": adjusted.because}


def quality_connectivity(
    targets: pd.DataFrame,
    people: pd.DataFrame,
    treatments: Mapping[str, str],
    groups: Sequence[str],
    *,
    weights: pd.DataFrame | None = None,
    order: Sequence[str] = (ORDER,),
) -> pd.DataFrame:
    """Correlate the change of motion with the change of connectivity (QC-FC).

    Motion that remains after cleaning shows as a correlation, over people, of mean framewise
    displacement with connectivity (Ciric et al. 2017, NeuroImage 154:174). Here the changes of both
    are correlated. Both contain differences between first and second sessions, so the order of
    treatments is in the model if it is known and differs between people, as in the correlations
    with scores.

    Parameters
    ----------
    targets : DataFrame
        The long table ``edges.tsv``.
    people : DataFrame
        The table ``people.tsv``: participant_id, group, sequence, delta_mean_fd (mm).
    treatments : mapping
        Names of ``active`` and ``control``.
    groups : sequence of str
    weights, order
        As in `motion`.

    Returns
    -------
    DataFrame
        The table ``quality/qcfc.tsv``: seed, target, group, n, r, p and unadjusted_because, for
        each group and, if there are several, for ``all``. r is the partial correlation given the
        order or, if that is not in the model, Pearson's
        (`crossfc.clinic.studentised.Studentised`). r and p are NaN with fewer than four people or
        without variation.
    """
    require_columns(
        people, ["participant_id", "group", "sequence", "delta_mean_fd"], "the table of people"
    )
    if weights is None:
        weights = treatment_weights(targets, treatments)
    changes = connectivity_change(targets, weights).reindex(people["participant_id"])
    moved = people["delta_mean_fd"].to_numpy(float)
    label = people["group"].to_numpy()
    parts = {group: label == group for group in groups}
    if len(groups) > 1:
        parts = {"all": np.isin(label, list(groups))} | parts
    periods = order_columns(people, treatments, order)
    code = order_groups(periods)
    shuffles: dict[bytes, IntArray] = {}
    rows = []
    for seed, target in changes.columns:
        z = changes[seed, target].to_numpy(float)
        for group, members in parts.items():
            who = members & np.isfinite(z) & np.isfinite(moved)
            because = no_order(periods[who], treatments, _FEWEST + 1)
            if not because:
                who &= np.isfinite(code)
            r = p = np.nan
            if who.sum() >= _FEWEST:
                blocks = np.zeros(who.sum()) if because else code[who]
                # One set of shuffles for all edges of people with the same orders.
                shuffled = shuffles.setdefault(
                    blocks.tobytes(), shuffles_within(blocks, _SHUFFLES, 0)
                )
                basis = nuisance_basis(blocks)
                found = Studentised(moved[who, None], z[who, None], basis, shuffled)
                r, p = float(found.r[0, 0]), float(found.p[0, 0])
            rows.append((seed, target, group, int(who.sum()), r, p, because))
    columns = ["seed", "target", "group", "n", "r", "p", "unadjusted_because"]
    return pd.DataFrame(rows, columns=columns)


def excluded_sessions(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """List the sessions that are excluded from a pipeline, with reasons: ``quality/excluded.tsv``.

    Parameters
    ----------
    tables : mapping
        Name of each pipeline, and its table of sessions.

    Returns
    -------
    DataFrame
        participant_id, group, session_id, treatment, exclusion_reasons and pipelines (those from
        which the session is excluded for these reasons).
    """
    columns = ["participant_id", "group", "session_id", "treatment", "exclusion_reasons"]
    parts = []
    for pipeline, sessions in tables.items():
        require_columns(sessions, [*columns, "excluded"], "the table of sessions")
        out = sessions.loc[sessions["excluded"].astype(bool), columns]
        parts.append(out.assign(pipelines=pipeline))
    listed = pd.concat(parts, ignore_index=True)
    together = listed.groupby(columns, sort=False, dropna=False)["pipelines"]
    return together.agg(", ".join).reset_index()


class MotionTables(NamedTuple):
    """What motion differed in between the sides of contrasts, and with what it correlates."""

    motion: pd.DataFrame
    qcfc: pd.DataFrame


def motion_tables(
    sessions: pd.DataFrame, designs: Sequence[Design], folders: Sequence[str | Path]
) -> MotionTables:
    """Compute `motion` and `quality_connectivity` for every contrast.

    Parameters
    ----------
    sessions : DataFrame
        The table ``quality/sessions.tsv``.
    designs : sequence of Design
    folders : sequence of path
        The folder of each contrast's data: people.tsv, sessions.tsv, edges.tsv.
    """
    sessions = comparable(sessions)
    moved, related = [], []
    for design, folder in zip(designs, map(Path, folders), strict=True):
        people, weights = read_table(folder / "people.tsv"), read_table(folder / "sessions.tsv")
        groups, labels, order = groups_of(design), design["treatments"], design["order"]
        given, file = design["baseline"], folder / "baseline.tsv"
        moved.append(
            motion(
                sessions,
                labels,
                groups,
                weights=weights,
                people=people,
                order=order,
                baseline=None if given is None else read_table(file),
                within=given is None or given["within"],
            )
        )
        targets = read_table(folder / "edges.tsv")
        related.append(
            quality_connectivity(targets, people, labels, groups, weights=weights, order=order)
        )
    return MotionTables(joined(designs, moved), joined(designs, related))
