"""Response and remission on the page: how many, and within the same people."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from crossfc.clinic.response import RESPONSE
from crossfc.report import number
from crossfc.report.results import Results
from crossfc.report.table import Column, Table, blank, from_frame, text
from crossfc.significance import SIGNIFICANT
from crossfc.trial.response import BEFORE_TREATMENT


def definitions(results: Results) -> list[str]:
    """Say how each scale defines response and remission, and what could not be told."""
    if results.response.empty:
        return []
    told = []
    rows = results.response.to_dict("records")
    for scale in dict.fromkeys(results.response["scale"]):
        own = [row for row in rows if row["scale"] == scale]
        sheet = results.scales.get(scale, {})
        percent, limit = sheet.get("response_percent"), sheet.get("remission_at")
        parts = []
        if not number.missing(percent):
            base = next((row["baseline"] for row in own if _known(row["baseline"])), None)
            why = next((row["because"] for row in own if row["criterion"] == RESPONSE), "")
            since = base if base in (None, BEFORE_TREATMENT) else f"at {base}"
            # Where the best score is 0, the way to it is a reduction in percent.
            of_zero = sheet.get("better") == "lower" and sheet.get("lowest") == 0
            way = "a score {} or more below that {}"
            if not of_zero:
                way = "a way of {} or more to the best score of the scale, from that {}"
            told_as = way.format(f"{number.general(percent)} %", since or "before treatment")
            parts.append(f"response is {told_as}" + ("" if base else f" (not told, as {why})"))
        if not number.missing(limit):
            end = "less" if sheet.get("better") == "lower" else "more"
            parts.append(f"remission is a score of {number.general(limit)} or {end}")
        told.append(f"{scale}: {'; '.join(parts)}.")
    return told


def response_table(results: Results) -> Table | None:
    """Tabulate how many met the criteria under each treatment, in each group."""
    table = results.response
    table = table if table.empty else table[table["n"] > 0]
    if table.empty:
        return None
    rows = table.to_dict("records")
    shown = table.assign(
        met=[f"{number.whole(row['n_met'])} of {number.whole(row['n'])}" for row in rows],
        interval=[_shares(row["low"], row["high"]) for row in rows],
    )
    columns: list[Column] = [
        *_WHERE,
        ("treatment", "treatment", text),
        ("occasion", "occasion", text),
        ("met", "how many", text),
        ("proportion", "share", number.percent),
        ("interval", "95 % interval", text),
        ("left", "not counted", blank),
    ]
    caption = "Response and remission under each treatment"
    return from_frame(shown, _filled(shown, columns), caption)


def paired_table(results: Results) -> Table | None:
    """Tabulate response and remission under two treatments in the same people."""
    table = results.response_pairs
    if table.empty:
        return None
    rows = table.to_dict("records")
    shown = table.assign(
        compared=[f"{row['treatment']} − {row['reference']}" for row in rows],
        only=[_only(row) for row in rows],
        interval=[_shares(row["low"], row["high"]) for row in rows],
        difference=[_points(row["difference"]) for row in rows],
    )
    columns: list[Column] = [
        *_WHERE,
        ("compared", "compared", text),
        ("occasion", "occasion", text),
        ("n", "n", number.whole),
        ("only", "both / one only / none", text),
        ("difference", "difference of shares", text),
        ("interval", "95 % interval", text),
        ("adjusted_n", "n adjusted", number.whole),
        ("unadjusted_because", "why not adjusted", blank),
        ("p_mainland_gart", "exact p given the order (Mainland, Gart)", number.probability),
        ("p_mcnemar", "exact p, order left out (McNemar)", number.probability),
        ("because", "why no p given the order", blank),
        ("left", "not in it", blank),
    ]
    caption = (
        "Response and remission within people: differences adjusted for period where orders are "
        f"known and differ; in bold where p < {SIGNIFICANT}"
    )
    return from_frame(shown, _filled(shown, columns), caption, [_told(row) for row in rows])


_WHERE: tuple[Column, ...] = (
    ("criterion", "criterion", text),
    ("scale", "scale", text),
    ("group", "group", text),
)


def _told(row: Mapping[Any, Any]) -> bool:
    """Whether the exact p is below 0.05: that given the order, where there is one."""
    given = number.cell(row, "p_mainland_gart")
    p = number.cell(row, "p_mcnemar") if number.missing(given) else given
    return p < SIGNIFICANT


def _only(row: Mapping[Any, Any]) -> str:
    counts = {key: number.whole(row[key]) for key in ("both", "neither")}
    first, second = (number.whole(row[f"{side}_only"]) for side in ("treatment", "reference"))
    one = f"{first} {row['treatment']}, {second} {row['reference']}"
    return f"{counts['both']} / {one} / {counts['neither']}"


def _points(share: Any) -> str:
    return number.MISSING if number.missing(share) else f"{number.signed(100 * share, 0)} %"


def _shares(low: Any, high: Any) -> str:
    if number.missing(low) or number.missing(high):
        return number.MISSING
    return f"{number.interval(100 * low, 100 * high, 0)} %"


def _known(value: Any) -> bool:
    return bool(blank(value))


def _filled(shown: pd.DataFrame, columns: list[Column]) -> list[Column]:
    """Leave out columns of words that are empty in every row."""
    return [column for column in columns if any(map(_known, shown[column[0]]))]
