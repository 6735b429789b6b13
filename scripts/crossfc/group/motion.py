"""Motion of the group: did people move, or the scanner shake, more under one treatment?"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from crossfc.fault import Fault
from crossfc.group.change import connectivity_change, one_sample, require, welch, wilcoxon_p
from crossfc.group.tie import difference

MEASURES = (
    *("mean_fd", "median_fd", "share_fd_above_0.5", "volumes_defective", "volumes_censored"),
    *("share_censored", "residual_degrees_of_freedom", "mean_dvars", "tsnr_median"),
)
COLUMNS = [
    *("measure", "group", "n", "mean_active", "mean_control", "mean_difference", "t", "df", "p"),
    "wilcoxon_p",
]


def motion(
    sessions: pd.DataFrame, treatments: Mapping[str, str], groups: Sequence[str]
) -> pd.DataFrame:
    """Test each measure of scan quality for a drug effect, by group and between groups.

    Pairs of sessions that were not excluded: the paired t and Wilcoxon's signed ranks of active -
    control within each group, and Welch's t of these differences, patients - controls.

    Parameters
    ----------
    sessions : DataFrame
        ``quality/sessions.tsv``: participant_id, group, session_id, treatment, excluded and any of
        the measures (`MEASURES`).
    treatments : mapping
        ``active`` and ``control`` to their names.
    groups : sequence of str
        Patients, then controls; or patients only.

    Returns
    -------
    DataFrame
        The table ``quality/motion.tsv``: measure, group, n, mean_active, mean_control,
        mean_difference, t, df, p, wilcoxon_p. The row with the group ``group_by_drug`` has the
        difference of the differences, n of both groups, no means and no ranks. A measure that
        nobody has is left out.

    Raises
    ------
    Fault
        If a column is missing or a person has two sessions with the same treatment.
    """
    keys = ["participant_id", "group", "treatment", "excluded"]
    require(sessions, [*keys, "session_id"], "the table of sessions")
    used = sessions[~sessions["excluded"].astype(bool)]
    repeated = used.duplicated(["participant_id", "treatment"])
    if repeated.any():
        row = used[repeated].iloc[0]
        raise Fault(
            f"the table of sessions has two sessions of {row.participant_id} with "
            f"{row.treatment}, the second {row.session_id}; exclude one of them in sessions.tsv"
        )
    rows = []
    for measure in MEASURES:
        if measure not in used.columns or used[measure].isna().all():
            continue
        wide = used.pivot(index=["group", "participant_id"], columns="treatment", values=measure)
        sides = [treatments["active"], treatments["control"]]
        wide = wide.reindex(columns=sides).astype(float).dropna()
        of_groups = []
        for group in groups:
            part = wide[wide.index.get_level_values("group") == group]
            active, control = part.to_numpy().T
            delta = difference(active, control)
            of_groups.append(delta)
            test = one_sample(delta)
            rows.append(
                {
                    "measure": measure,
                    "group": group,
                    "n": len(delta),
                    "mean_active": active.mean() if len(delta) else np.nan,
                    "mean_control": control.mean() if len(delta) else np.nan,
                    "mean_difference": test.estimate,
                    **{"t": test.t, "df": test.df, "p": test.p},
                    "wilcoxon_p": wilcoxon_p(delta),
                }
            )
        if len(groups) == 2:
            test = welch(*of_groups)
            rows.append(
                {
                    "measure": measure,
                    "group": "group_by_drug",
                    "n": sum(map(len, of_groups)),
                    "mean_difference": test.estimate,
                    **{"t": test.t, "df": test.df, "p": test.p},
                }
            )
    return pd.DataFrame(rows, columns=COLUMNS)


def quality_connectivity(
    targets: pd.DataFrame,
    people: pd.DataFrame,
    treatments: Mapping[str, str],
    groups: Sequence[str],
) -> pd.DataFrame:
    """Correlate the change of motion with the change of connectivity (QC-FC).

    What is left of motion after cleaning shows as a correlation over people of mean framewise
    displacement with connectivity (Ciric et al. 2017, NeuroImage 154:174); here of their changes.

    Parameters
    ----------
    targets : DataFrame
        ``targets.tsv`` (long).
    people : DataFrame
        ``people.tsv``: participant_id, group, delta_mean_fd.
    treatments : mapping
        ``active`` and ``control`` to their names.
    groups : sequence of str

    Returns
    -------
    DataFrame
        The table ``quality/qcfc.tsv``: seed, target, group, n, r, p (Pearson, Student's t with
        n - 2 degrees of freedom), for each group and, where there are several, for ``all``. NaN
        for fewer than three people or where nothing varies.
    """
    from scipy import stats

    require(people, ["participant_id", "group", "delta_mean_fd"], "the table of people")
    changes = connectivity_change(targets, treatments).reindex(people["participant_id"])
    moved = people["delta_mean_fd"].to_numpy(float)
    label = people["group"].to_numpy()
    parts = {group: label == group for group in groups}
    if len(groups) > 1:
        parts = {"all": np.isin(label, list(groups))} | parts
    rows = []
    for seed, target in changes.columns:
        z = changes[seed, target].to_numpy(float)
        for group, members in parts.items():
            who = members & np.isfinite(z) & np.isfinite(moved)
            r = p = np.nan
            if who.sum() > 2 and np.ptp(z[who]) > 0 and np.ptp(moved[who]) > 0:
                r, p = map(float, stats.pearsonr(moved[who], z[who]))
            rows.append((seed, target, group, int(who.sum()), r, p))
    return pd.DataFrame(rows, columns=["seed", "target", "group", "n", "r", "p"])


def excluded_sessions(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """List the sessions that leave a pipeline, with the reasons: ``quality/excluded.tsv``.

    Parameters
    ----------
    tables : mapping
        Pipeline to its table of sessions.

    Returns
    -------
    DataFrame
        participant_id, group, session_id, treatment, exclusion_reasons and pipelines (those that
        the session left for these reasons).
    """
    columns = ["participant_id", "group", "session_id", "treatment", "exclusion_reasons"]
    parts = []
    for pipeline, sessions in tables.items():
        require(sessions, [*columns, "excluded"], "the table of sessions")
        out = sessions.loc[sessions["excluded"].astype(bool), columns]
        parts.append(out.assign(pipelines=pipeline))
    listed = pd.concat(parts, ignore_index=True)
    together = listed.groupby(columns, sort=False, dropna=False)["pipelines"]
    return together.agg(", ".join).reset_index()
