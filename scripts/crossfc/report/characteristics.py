"""Who the people are: Table 1, by group and order of treatments.

Every column of the sheet of participants is told: numbers as mean (SD), words as counts. Baseline
scores are those before all treatment or, where there are none, at the baseline of the periods.
No test of a difference is made at baseline (CONSORT 2010, item 15; Senn 1994, Stat Med 13:1715).
"""

from collections.abc import Iterator

import pandas as pd

from crossfc.clinic.course import EVERYBODY
from crossfc.report import number
from crossfc.report.people import UNKNOWN_SEQUENCE, complete
from crossfc.report.results import Results
from crossfc.report.table import Table

# Columns of participants.tsv that are no characteristics.
_KNOWN = ("participant_id", "group", "sequence", "exclude", "reason")
# A column of words with more values than this, such as dates, is not told.
_MOST_VALUES = 8
_FEWEST_FOR_SPREAD = 2


def characteristics(results: Results) -> Table | None:
    """Tabulate the people who were analysed; None where nothing is known of them.

    Parameters
    ----------
    results : Results
        Of the whole study.

    Returns
    -------
    Table or None
        One row per characteristic (of words: per value), one column per group and, where orders
        are known, per group and order.
    """
    analysed = set[str]().union(*complete(results).values())
    people = results.people
    if people.empty or "group" not in people:
        return None
    people = people[people["participant_id"].isin(analysed)]
    if people.empty:
        return None
    columns = list(_columns(results, people))
    rows = [["people", *(str(len(own)) for _, own, _ in columns)]]
    for name in people.columns:
        if name not in _KNOWN:
            rows += _rows_of(str(name), people, [own for _, own, _ in columns])
    rows += _scores(results, [(group, sequence) for _, _, (group, sequence) in columns])
    if len(rows) < 2 and len(columns) < 2:
        return None
    titles = [("characteristic", False), *((title, True) for title, _, _ in columns)]
    caption = (
        "Who was analysed: mean (SD) of numbers, counts of words; baseline scores of everybody "
        "with one"
    )
    return Table(caption, titles, rows)


def _columns(
    results: Results, people: pd.DataFrame
) -> Iterator[tuple[str, pd.DataFrame, tuple[str, str]]]:
    """Yield title, people, and (group, order) of every column; all orders have one of their own."""
    groups = [group for group in results.groups if (people["group"] == group).any()]
    for group in groups:
        own = people[people["group"] == group]
        yield group, own, (group, EVERYBODY)
        orders = own["sequence"].fillna("n/a") if "sequence" in own else pd.Series(dtype=str)
        if not any(view.order for view in results.views()) or orders.nunique() < 2:
            continue
        for order in sorted(orders.unique(), key=lambda name: (name == "n/a", name)):
            told = UNKNOWN_SEQUENCE if order == "n/a" else str(order).replace("-", " then ")
            yield f"{group}, {told}", own[orders == order], (group, str(order))


def _rows_of(name: str, people: pd.DataFrame, parts: list[pd.DataFrame]) -> list[list[str]]:
    """Return the row of a column of numbers, or a row for each value of one of words."""
    values = pd.to_numeric(people[name], errors="coerce")
    there = people[name].notna() & (people[name].astype(str) != "n/a")
    if not there.any():
        return []
    if values[there].notna().all() and values.nunique() > 2:
        cells = [_mean(values.loc[part.index], len(part)) for part in parts]
        return [[name, *cells]]
    kinds = sorted(people.loc[there, name].astype(str).unique())
    if len(kinds) > _MOST_VALUES:
        return []
    found = []
    for kind in kinds:
        counts = [part[name].astype(str).eq(kind).sum() for part in parts]
        found.append([f"{name}: {kind}", *(str(int(count)) for count in counts)])
    return found


def _mean(values: pd.Series, people: int) -> str:
    known = values.dropna()
    if known.empty:
        return number.MISSING
    spread = f" ({number.fixed(known.std())})" if len(known) >= _FEWEST_FOR_SPREAD else ""
    few = f", n = {len(known)}" if len(known) < people else ""
    return f"{number.fixed(known.mean())}{spread}{few}"


def _scores(results: Results, columns: list[tuple[str, str]]) -> list[list[str]]:
    """Return the baseline of every scale that has one, by group and order."""
    course, at = results.course, results.config.get("baseline_occasion")
    if course.empty:
        return []
    before = course[course["treatment"].isna() | (course["treatment"] == "n/a")]
    where = "before all treatment"
    if before.empty and at:
        # People have such a baseline in every period: that of the control, or of the arm itself.
        before = course[(course["occasion"] == at) & (course["treatment"] == results.control)]
        where = f"{at}, {results.control}"
    found = []
    for (scale, occasion), own in before.groupby(["scale", "occasion"], sort=False, dropna=False):
        cells = []
        for group, order in columns:
            of = own[(own["group"] == group) & (own["sequence"].fillna("n/a") == order)]
            if of.empty or number.missing(of.iloc[0]["mean"]):
                cells.append(number.MISSING)
                continue
            row = of.iloc[0]
            spread = "" if number.missing(row["sd"]) else f" ({number.fixed(row['sd'])})"
            cells.append(f"{number.fixed(row['mean'])}{spread}, n = {number.whole(row['n'])}")
        named = "" if number.missing(occasion) or occasion in ("n/a", at) else f" at {occasion}"
        found.append([f"{scale}{named} ({where})", *cells])
    return found
