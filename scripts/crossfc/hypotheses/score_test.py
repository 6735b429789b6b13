"""The test of a score: the row of the tables of changes that answers the hypothesis."""

import pandas as pd

from crossfc.group.design.question import Question
from crossfc.group.region_mean import EffectTest, untested


def score_test(
    asked: Question, scale: str, change: pd.DataFrame, between: pd.DataFrame
) -> EffectTest:
    """Find the reported test of a change in a score, or of its difference between groups.

    Parameters
    ----------
    asked : Question
        Of a group's mean, or a comparison of two groups, or of three and more (by F).
    scale : str
    change, between : DataFrame
        The tables ``clinic/change.tsv`` and ``clinic/between_groups.tsv``.

    Returns
    -------
    EffectTest
        Adjusted for period where there is such a test, else the plain one.
    """
    if asked.group is not None:
        names = ("adjusted_estimate", "adjusted_low", "adjusted_high")
        plain = ("mean", "mean_low", "mean_high")
        return _told(_row(change, asked.contrast, scale, asked.group), names, plain)
    names = ("adjusted_estimate", "adjusted_low", "adjusted_high")
    plain = ("unadjusted_difference", "unadjusted_low", "unadjusted_high")
    if len(asked.groups) == 2:
        row = _row(between, asked.contrast, scale, "-".join(asked.groups))
        return _told(row, names, plain, asked.groups)
    rows = between[(between["contrast"] == asked.contrast) & (between["scale"] == scale)]
    whole = rows[rows["df_effect"].notna()] if "df_effect" in rows else rows.iloc[:0]
    return _told(None if whole.empty else whole.iloc[0], names, plain, asked.groups, by_f=True)


def _row(table: pd.DataFrame, contrast: str, scale: str, group: str) -> "pd.Series | None":
    if table.empty:
        return None
    wanted = (table["contrast"] == contrast) & (table["scale"] == scale)
    found = table[wanted & (table["group"] == group)]
    return None if found.empty else found.iloc[0]


def _told(
    row: "pd.Series | None",
    adjusted: tuple[str, str, str],
    plain: tuple[str, str, str],
    groups: tuple[str, ...] = (),
    *,
    by_f: bool = False,
) -> EffectTest:
    """Return the adjusted test of a row, or the plain one."""
    if row is None:
        return untested(0, "nobody of the group, or of one of the groups, has this change of score")
    is_adjusted = bool(pd.notna(row["adjusted_p"]))
    prefix = "adjusted" if is_adjusted else "unadjusted"
    everybody = int(row["n"]) if "n" in row else sum(int(row[f"n_{group}"]) for group in groups)
    n = int(row["adjusted_n"]) if is_adjusted else everybody
    because = "" if pd.isna(row["unadjusted_because"]) else str(row["unadjusted_because"])
    if pd.isna(row[f"{prefix}_p"]):
        return untested(n, because or "too few people, or the change is the same in everybody")
    nan = float("nan")
    estimate, low, high = (
        (nan,) * 3 if by_f else (row[c] for c in (adjusted if is_adjusted else plain))
    )
    return EffectTest(
        n=n,
        statistic="F" if by_f else "t",
        value=float(row[f"{prefix}_{'f' if by_f else 't'}"]),
        df=float(row[f"{prefix}_df"]),
        estimate=float(estimate),
        low=float(low),
        high=float(high),
        unit="points",
        p=float(row[f"{prefix}_p"]),
        adjusted_for="period" if is_adjusted else "",
        because="",
    )
