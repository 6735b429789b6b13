"""What the maps could have found, on the page: a sentence for each analysis, and the curves."""

import math
from dataclasses import dataclass

import pandas as pd

from crossfc.group.design.kind import words
from crossfc.group.design.question import GROUP
from crossfc.report import figure, number
from crossfc.report.results import Analysis, Results
from crossfc.report.table import Column, Table, blank, from_frame, text

# What decides whether an effect counts as found elsewhere on the page.
_DECIDES = "extent"
_MEASURES = {
    "extent": "cluster extent",
    "mass": "cluster mass",
    "tfce": "TFCE",
    "voxel": "single voxels",
}
_SHARE = 0.8


@dataclass
class Curve:
    """The power of one analysis: its title, chart and caption."""

    title: str
    chart: str
    caption: str


def sentence(results: Results, analysis: Analysis) -> str:
    """Say which change an analysis would have found with a power of 80 %; empty if not known."""
    table = results.sensitivity
    own = table[table["analysis"] == analysis.name] if len(table) else table
    if own.empty or not analysis.record.get("estimable", True):
        return ""
    rows = own[own["measure"] == _DECIDES]
    if rows.empty:
        return f"What it could have found is not known. {own['because'].iloc[0]}"
    row, largest = rows.iloc[0], rows.iloc[-1]
    where = (
        f"throughout a sphere of {number.general(row['radius_mm'])} mm radius, smoothed as the "
        "maps are, at a random place and in the map of one seed"
    )
    what = "a difference between the groups" if analysis.kind == GROUP else "a change"
    quantity = words(results.pairs.get("maps_kind"))
    missed = (
        ""
        if len(analysis.significant())
        else " That no cluster is significant does not say that there is no effect."
    )
    repeats = number.whole(row["repeats"])
    least = float(row["smallest"])
    if not math.isinf(least):
        others = _others(own)
        return (
            f"What it could have found: {what} of {_z(least)} in {quantity}, up or down, {where}, "
            "would have been found by the extent of its cluster with a power of 80 % (95 % "
            f"interval of this size {_interval(row)}; planted {repeats} times into the residuals "
            f"of these people){others}. Smaller or more local ones are missed more often.{missed}"
        )
    power = f"{number.percent(largest['power'])} {_percent_interval(largest)}"
    return (
        f"What it could have found: even {what} of "
        f"{_z(largest['delta_z'])} in {quantity}, {where}, would have been found by the extent of "
        f"its cluster with a power of {power} only (planted {repeats} times into the residuals of "
        f"these people){_others(own)}. So small a place hardly makes a cluster as large as chance "
        f"does; larger ones are found more easily.{missed}"
    )


def curves(results: Results) -> list[Curve]:
    """Draw power against the size of the planted change, for each analysis with an answer."""
    table, quantity = results.sensitivity, words(results.pairs.get("maps_kind"))
    found = []
    for analysis in results.analyses if len(table) else ():
        own = table[(table["analysis"] == analysis.name) & table["measure"].notna()]
        if own.empty:
            continue
        row = own.iloc[0]
        caption = (
            f"Points are {number.whole(row['repeats'])} planted effects each, bars 95 % intervals "
            "(Clopper–Pearson) of the cluster extent's power; the dashed line is 80 %."
        )
        found.append(Curve(analysis.title, _chart(own, analysis.title, quantity), caption))
    return found


def size_table(results: Results) -> Table | None:
    """Tabulate the smallest change that is found with a power of 80 %, by every measure."""
    if results.sensitivity.empty:
        return None
    kept = results.sensitivity.drop_duplicates(["analysis", "measure"])
    titles = {analysis.name: analysis.title for analysis in results.analyses}
    kept = kept[kept["analysis"].isin(list(titles))]
    rows = kept.to_dict("records")
    shown = kept.assign(
        analysis=kept["analysis"].map(titles),
        measure=kept["measure"].map(_MEASURES),
        smallest=[_smallest(results, row) for row in rows],
        interval=["" if number.missing(row["measure"]) else _interval(row) for row in rows],
    )
    columns: list[Column] = [
        ("analysis", "analysis", text),
        ("measure", "found by", blank),
        ("smallest", "Δz with 80 % power", str),
        ("interval", "95 % interval", str),
        ("height", "share left at the centre by smoothing", number.fixed),
        ("because", "why there is none", blank),
    ]
    if not any(blank(row["because"]) for row in rows):
        columns.pop()
    return from_frame(shown, columns, "The smallest planted change that is found with 80 % power")


def _smallest(results: Results, row: dict[str, object]) -> str:
    if number.missing(row["measure"]):
        return number.MISSING
    if math.isinf(float(str(row["smallest"]))):
        own = results.sensitivity[results.sensitivity["analysis"] == row["analysis"]]
        return f"> {_z(own['delta_z'].max())}"
    return _z(row["smallest"])


def _others(own: pd.DataFrame) -> str:
    told = []
    for measure in ("tfce", "voxel"):
        rows = own[own["measure"] == measure]
        if len(rows):
            size = float(rows["smallest"].iloc[0])
            said = f"more than {_z(own['delta_z'].max())}" if math.isinf(size) else _z(size)
            told.append(f"{said} by {_MEASURES[measure]}")
    return f"; it takes {number.listed(told)}" if told else ""


def _z(value: object) -> str:
    return number.general(value, 2)


def _interval(row: "pd.Series | dict[str, object]") -> str:
    return f"[{_bound(row['smallest_low'])}, {_bound(row['smallest_high'])}]"


def _bound(value: object) -> str:
    return "∞" if math.isinf(float(str(value))) else _z(value)


def _percent_interval(row: "pd.Series") -> str:
    return f"[{number.percent(row['power_low'])}, {number.percent(row['power_high'])}]"


def _chart(own: pd.DataFrame, title: str, quantity: str) -> str:
    """Draw a curve for each measure; intervals of the one that decides only."""
    width, height = 330, 262
    measures = [measure for measure in _MEASURES if (own["measure"] == measure).any()]
    highest = float(own["delta_z"].max())
    frame = figure.Frame(50, width - 10, 10, 186, (0.0, 1.04 * highest), (0.0, 1.0))
    out = [figure.axis_y(frame, "power"), figure.axis_x(frame, f"planted change, {quantity}", 4)]
    goal = frame.py(_SHARE)
    out.append(figure.line(frame.left, goal, frame.right, goal, "level"))
    told = []
    for place, measure in enumerate(measures):
        rows = own[own["measure"] == measure].sort_values("delta_z")
        css, before = f"g{place}", None
        for row in rows.to_dict("records"):
            x, y = frame.px(row["delta_z"]), frame.py(row["power"])
            if before is not None:
                out.append(figure.line(*before, x, y, f"between {css}"))
            if measure == _DECIDES:
                ends = frame.py(row["power_low"]), frame.py(row["power_high"])
                out.append(figure.line(x, ends[0], x, ends[1], f"interval {css}"))
            tip = f"{_MEASURES[measure]}, {_z(row['delta_z'])}: {number.percent(row['power'])}"
            out.append(figure.point(x, y, f"full {css}", tip))
            before = x, y
        told.append(f"{_MEASURES[measure]} {_bound(rows['smallest'].iloc[0])}")
        x, y = frame.left + 140 * (place % 2), frame.bottom + 50 + 14 * (place // 2)
        out.append(figure.point(x + 4, y - 4, f"full {css}"))
        out.append(figure.words(x + 14, y, _MEASURES[measure], "start"))
    alt = f"{title}: power against the planted change; 80 % is reached at {', '.join(told)}"
    return figure.svg(width, height, "".join(out), alt)
