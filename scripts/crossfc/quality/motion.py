"""Motion and scan quality in the group: did they differ between the treatments?"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from crossfc.array import FloatArray, IntArray
from crossfc.clinic.connectivity import connectivity_change
from crossfc.clinic.order import Adjusted, adjusted_change, adjusted_difference, no_order
from crossfc.clinic.rank import adjusted_wilcoxon_p, wilcoxon_p
from crossfc.clinic.shuffle import shuffles_within
from crossfc.clinic.student import one_sample, welch
from crossfc.clinic.studentised import Studentised, nuisance_basis
from crossfc.fault import Fault
from crossfc.table import require_columns
from crossfc.tie import difference
from crossfc.trial.sequence import sequence_code

MEASURES = (
    *("mean_fd", "median_fd", "share_fd_above_0.5", "volumes_defective", "volumes_censored"),
    *("share_censored", "residual_degrees_of_freedom", "mean_dvars", "tsnr_median"),
)
COLUMNS = [
    *("measure", "group", "n", "mean_active", "mean_control", "adjusted_n", "adjusted_difference"),
    *("adjusted_t", "adjusted_df", "adjusted_p", "adjusted_wilcoxon_p", "unadjusted_because"),
    *("mean_difference", "unadjusted_t", "unadjusted_df", "unadjusted_p", "unadjusted_wilcoxon_p"),
]

_FEWEST = 4  # people needed for a correlation
_SHUFFLES = 2000  # shuffles of QC-FC, always the same ones


def motion(
    sessions: pd.DataFrame, treatments: Mapping[str, str], groups: Sequence[str]
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
        excluded and any of the measures (`MEASURES`).
    treatments : mapping
        Names of ``active`` and ``control``.
    groups : sequence of str
        Patients, then controls; or patients only.

    Returns
    -------
    DataFrame
        The table ``quality/motion.tsv``, with the columns `COLUMNS`. In the row of the group
        ``group_by_drug`` are the difference of the differences and n of both groups, but no means
        and no ranks. A measure that nobody has is left out.

    Raises
    ------
    Fault
        If a column is missing or a person has two sessions with the same treatment.
    """
    keys = ["participant_id", "group", "sequence", "treatment", "excluded"]
    require_columns(sessions, [*keys, "session_id"], "the table of sessions")
    used = sessions[~sessions["excluded"].astype(bool)]
    repeated = used.duplicated(["participant_id", "treatment"])
    if repeated.any():
        row = used[repeated].iloc[0]
        raise Fault(
            f"the table of sessions has two sessions of {row.participant_id} with "
            f"{row.treatment}, the second {row.session_id}; exclude one of them in sessions.tsv"
        )
    orders = used.groupby("participant_id")["sequence"].first()
    code = {person: sequence_code(order, treatments) for person, order in orders.items()}
    rows = []
    for measure in MEASURES:
        if measure not in used.columns or used[measure].isna().all():
            continue
        wide = used.pivot(index=["group", "participant_id"], columns="treatment", values=measure)
        sides = [treatments["active"], treatments["control"]]
        wide = wide.reindex(columns=sides).astype(float).dropna()
        of_groups: list[FloatArray] = []
        codes: list[FloatArray] = []
        for group in groups:
            part = wide[wide.index.get_level_values("group") == group]
            active, control = part.to_numpy().T
            delta = difference(active, control)
            of_groups.append(delta)
            people = part.index.get_level_values("participant_id")
            codes.append(np.array([code.get(person) for person in people], dtype=float))
            test = one_sample(delta)
            adjusted = adjusted_change(delta, codes[-1], treatments)
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
            if not adjusted.because:
                rows[-1]["adjusted_wilcoxon_p"] = adjusted_wilcoxon_p(delta, codes[-1])
        if len(groups) == 2:
            test = welch(*of_groups)
            delta, of_code = np.concatenate(of_groups), np.concatenate(codes)
            first = np.arange(len(delta)) < len(of_groups[0])
            adjusted = adjusted_difference(delta, first, of_code, groups, treatments)
            rows.append(
                {
                    "measure": measure,
                    "group": "group_by_drug",
                    "n": len(delta),
                    **_numbers(adjusted),
                    "mean_difference": test.estimate,
                    **{"unadjusted_t": test.t, "unadjusted_df": test.df},
                    "unadjusted_p": test.p,
                }
            )
    return pd.DataFrame(rows, columns=COLUMNS)


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
        The long table ``targets.tsv``.
    people : DataFrame
        The table ``people.tsv``: participant_id, group, sequence, delta_mean_fd (mm).
    treatments : mapping
        Names of ``active`` and ``control``.
    groups : sequence of str

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
    changes = connectivity_change(targets, treatments).reindex(people["participant_id"])
    moved = people["delta_mean_fd"].to_numpy(float)
    label = people["group"].to_numpy()
    parts = {group: label == group for group in groups}
    if len(groups) > 1:
        parts = {"all": np.isin(label, list(groups))} | parts
    code = np.array([sequence_code(s, treatments) for s in people["sequence"]], dtype=float)
    shuffles: dict[bytes, IntArray] = {}
    rows = []
    for seed, target in changes.columns:
        z = changes[seed, target].to_numpy(float)
        for group, members in parts.items():
            who = members & np.isfinite(z) & np.isfinite(moved)
            because = no_order(code[who], treatments, _FEWEST + 1)
            if not because:
                who &= np.isfinite(code)
            r = p = np.nan
            if who.sum() >= _FEWEST:
                blocks = np.zeros(who.sum()) if because else code[who]
                # One set of shuffles for all edges of people with the same orders.
                order = shuffles.setdefault(blocks.tobytes(), shuffles_within(blocks, _SHUFFLES, 0))
                basis = nuisance_basis(blocks)
                found = Studentised(moved[who, None], z[who, None], basis, order)
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
