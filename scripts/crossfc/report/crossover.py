"""Scores of a crossover by sequence and period: what stands behind the comparison within people."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from crossfc.clinic.course import EVERYBODY
from crossfc.report import number
from crossfc.report.outcome import told_change
from crossfc.report.results import Results
from crossfc.report.table import Column, Table, blank, from_frame, text
from crossfc.significance import SIGNIFICANT
from crossfc.trial.sequence import read_order

BEFORE = "before treatment"


def period_table(results: Results) -> Table | None:
    """Tabulate mean, SD and n of each treatment in each period, by sequence."""
    table = results.course
    if table.empty:
        return None
    table = table[table["sequence"] != EVERYBODY]
    treatments = [str(t) for t in dict.fromkeys(table["treatment"]) if not number.missing(t)]
    rows: dict[tuple[str, ...], dict[str, str]] = {}
    titles: dict[str, tuple[int, str]] = {}
    for row in table.to_dict("records"):
        order = read_order(str(row["sequence"]), treatments)
        if order is None or len(order) < 2:
            continue
        place, title = _place(row, order)
        titles.setdefault(title, (place, title))
        cell = f"{number.fixed(row['mean'])} ({number.fixed(row['sd'])}), n = {row['n']}"
        periods = [k for k, label in enumerate(order, 1) if label == row["treatment"]]
        if len(periods) > 1:
            cell += f" (mean of periods {number.listed([str(k) for k in periods])})"
        name = "" if title.startswith(BEFORE) else f"{row['treatment']}: "
        key = str(row["scale"]), str(row["group"]), str(row["sequence"])
        rows.setdefault(key, {})[title] = name + cell
    if not rows:
        return None
    keys = ("scale", "group", "sequence")
    frame = pd.DataFrame([dict(zip(keys, key, strict=True)) | own for key, own in rows.items()])
    # Columns in the order of time: by period, and by occasion as the config lists them.
    occasions = [str(o) for o in results.config.get("occasions") or ()]
    in_time = sorted(titles, key=lambda title: (titles[title][0], _occasion(title, occasions)))
    columns: list[Column] = [(key, key, text) for key in keys]
    columns += [(title, title, blank) for title in in_time]
    return from_frame(frame, columns, "Scores by sequence and period: mean (SD), n")


def _place(row: Mapping[Any, Any], order: tuple[str, ...]) -> tuple[int, str]:
    """Return the first period of a row's treatment (0 before all), and the title of its column."""
    treatment = row["treatment"]
    before = treatment not in order
    place = 0 if before else order.index(treatment) + 1
    title = BEFORE if before else f"period {place}"
    occasion = row["occasion"]
    known = not number.missing(occasion) and occasion != number.MISSING
    return place, f"{title}, {occasion}" if known else title


def _occasion(title: str, occasions: list[str]) -> int:
    name = title.partition(", ")[2]
    return occasions.index(name) if name in occasions else -1


def sequence_table(results: Results) -> Table | None:
    """Tabulate the changes of scores in each sequence, where a group has several."""
    table = results.sequences
    if table.empty:
        return None
    several = table.groupby(["scale", "group"])["sequence"].transform("count") > 1
    table = table[several]
    if table.empty:
        return None
    rows = table.to_dict("records")
    shown = table.assign(
        interval=[number.interval(row["low"], row["high"]) for row in rows],
        sequence=[_sequence(row["sequence"]) for row in rows],
    )
    columns: list[Column] = [
        *((key, key, text) for key in ("scale", "group", "sequence")),
        ("n", "n with both", number.whole),
        ("difference", results.difference, number.signed),
        ("interval", "95 % interval", text),
        ("sd", "SD", number.fixed),
    ]
    return from_frame(shown, columns, f"Changes of scores ({results.difference}) by sequence")


def _sequence(value: Any) -> str:
    return "not known" if number.missing(value) or value == number.MISSING else str(value)


def first_period_table(results: Results) -> Table | None:
    """Tabulate the comparison of treatments between people in the first period."""
    table = results.first_period
    if table.empty:
        return None
    rows = table.to_dict("records")
    within = _widths(results)
    shown = table.assign(
        interval=[number.interval(row["low"], row["high"]) for row in rows],
        wider=[_wider(row, within.get((row["scale"], row["group"]))) for row in rows],
        **{
            side: [
                f"{number.fixed(row[f'mean_{side}'])} ({number.fixed(row[f'sd_{side}'])}), "
                f"n = {number.whole(row[f'n_{side}'])}"
                for row in rows
            ]
            for side in ("active", "control")
        },
    )
    columns: list[Column] = [
        ("scale", "scale", text),
        ("group", "group", text),
        ("active", f"{results.active} first: mean (SD)", text),
        ("control", f"{results.control} first: mean (SD)", text),
        ("difference", results.difference, number.signed),
        ("interval", "95 % interval", text),
        ("t", "t", number.fixed),
        ("df", "df", lambda v: number.general(v, 3)),
        ("p", "p", number.probability),
        ("wider", "width of the interval, within people 1", number.fixed),
        ("because", "why no test", blank),
        ("left", "not in it", blank),
    ]
    empty = {key for key in ("because", "left") if not any(shown[key].map(blank))}
    columns = [column for column in columns if column[0] not in empty]
    caption = f"First period alone, compared between people; in bold where p < {SIGNIFICANT}"
    return from_frame(shown, columns, caption, [row["p"] < SIGNIFICANT for row in rows])


def _widths(results: Results) -> dict[tuple[str, str], float]:
    """Return the width of the interval of every change that is told."""
    rows = [] if results.change.empty else results.change.to_dict("records")
    changes = {(row["scale"], row["group"]): told_change(row) for row in rows}
    return {key: change.high - change.low for key, change in changes.items()}


def _wider(row: Mapping[Any, Any], width: float | None) -> float:
    return (row["high"] - row["low"]) / width if width else float("nan")


def carryover_sentences(results: Results) -> list[str]:
    """Say of each scale how large a carry-over this sample could have found, and what it would do.

    In two periods a carry-over of size λ (of the active treatment less that of the control) is the
    difference of the sums, and half of it is in the period-adjusted change, with opposite sign.
    """
    told = []
    for row in [] if results.change.empty else results.change.to_dict("records"):
        least = number.cell(row, "carryover_detectable")
        if number.missing(least):
            continue
        interval = number.interval(row["carryover_low"], row["carryover_high"])
        change = told_change(row)
        told.append(
            f"{row['scale']} in {row['group']}: carry-over "
            f"{number.signed(row['carryover_estimate'])} {interval}, "
            f"{number.p_equals(row['carryover_p'])}. A carry-over of {number.fixed(least)} points "
            "is the smallest that this test finds with a power of 80 % at its standard error; it "
            f"would move the change that is told ({number.signed(change.estimate)}) by half of "
            f"it, {number.fixed(least / 2)} points."
        )
    return told
