"""Rival explanations on the page: what is left of each effect, given the change of a measure."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import pandas as pd

from crossfc.measure import Measure, kinds_of, measures_of
from crossfc.quality.motion import group_by_drug
from crossfc.report import number
from crossfc.report.results import Results, Row
from crossfc.report.table import Column, Table, blank, from_frame, text
from crossfc.significance import SIGNIFICANT

# Effects of which every rival has a sentence: those of hypotheses, as far as a page can hold.
MOST_EFFECTS = 12
BETWEEN = "group_by_drug"


@dataclass
class RivalEffect:
    """An effect on an edge, and a sentence for each rival."""

    title: str
    sentence: str
    rivals: list[str]


def effects(results: Results) -> list[RivalEffect]:
    """Word the effects on the edges of hypotheses, each with what is left of it given every rival.

    Without hypotheses there are none, and the table alone tells.
    """
    if results.hypotheses.empty:
        return []
    # A hypothesis over all seeds, which names none, is about the edges of all.
    stated = zip(results.hypotheses["seed"].map(blank), results.hypotheses["region"], strict=True)
    pairs = set(stated)
    found = []
    for (seed, target, group), rows in _by_effect(results.rivals):
        if {(seed, target), ("", target)} & pairs:
            edge, of = f"{seed} – {target}", _groups(results).get(group, group)
            found.append(
                RivalEffect(f"{edge}, {of}", effect_sentence(results, rows), rival_lines(rows))
            )
    return found[:MOST_EFFECTS]


def _by_effect(table: pd.DataFrame) -> list[tuple[tuple[str, str, str], list[Row]]]:
    if table.empty:
        return []
    found = []
    for (seed, target, group), part in table.groupby(["seed", "target", "group"], sort=False):
        rows: list[Row] = part.to_dict("records")
        found.append(((str(seed), str(target), str(group)), rows))
    return found


def effect_sentence(results: Results, rows: Sequence[Row]) -> str:
    """Word an effect as it is, in most of the people whom the rivals are estimated in."""
    known = [row for row in rows if not number.missing(row["effect"])]
    if not known:
        return "It cannot be estimated."
    # The rows differ in who has the measure; the first of those with most people is told.
    row = max(known, key=lambda own: own["n"])
    between = str(row["group"]).startswith(BETWEEN)
    what = f"The difference between groups in {results.difference}" if between else ""
    what = what or results.difference
    why = blank(row["unadjusted_because"])
    how = f"not adjusted for period: {why}" if why else f"adjusted for {results.adjusted_for}"
    zero = "" if _off_zero(row, "effect") else " Its interval contains zero as it is."
    return (
        f"{what}: z {_estimate(row, 'effect', 3)} in {number.whole(row['n'])} people ({how}).{zero}"
    )


def rival_lines(rows: Sequence[Row]) -> list[str]:
    """Word what is left of an effect given each rival; of which nothing can be told, by reason."""
    lines = [rival_sentence(row) for row in rows if not number.missing(row["given"])]
    untold: dict[str, list[str]] = {}
    for row in rows:
        if number.missing(row["given"]):
            why = blank(row["because"]) or "it cannot be estimated"
            untold.setdefault(why, []).append(_measure(str(row["measure"])).label)
    for why, names in untold.items():
        told = number.listed(names, "or")
        lines.append(f"Given the change of {told} nothing can be told: {why}.")
    return lines


def rival_sentence(row: Row) -> str:
    """Word what is left of an effect given the change of one measure.

    Both intervals are told. A measure that changed itself may be a mediator.
    """
    measure = _measure(str(row["measure"]))
    share, of = row["share_left"], ""
    if not number.missing(share):
        size = number.signed(row["effect"], 3)
        of = f", {number.percent(share)} of {size}" if share > 0 else f", against {size} without it"
    told = (
        f"Given the change of {measure.label}, what is left is {_estimate(row, 'given', 3)}{of} "
        f"({number.whole(row['n'])} people)"
    )
    if _off_zero(row, "effect") and not _off_zero(row, "given"):
        told += "; this interval contains zero, so an effect beside it is not shown"
    left = blank(row["left"])
    absent = f" Not in it: {left}." if left else ""
    return f"{told}. {_change_sentence(row, measure)}{absent}"


def _change_sentence(row: Row, measure: Measure) -> str:
    """Word whether the measure itself changed or, between groups, changed differently."""
    between = str(row["group"]).startswith(BETWEEN)
    what = "changed differently in the groups" if between else "changed"
    if number.missing(row["change_p"]):
        return f"Whether the measure itself {what} cannot be tested."
    size = f"{_estimate(row, 'change', 3)}{f' {measure.unit}' if measure.unit else ''}"
    if row["change_p"] < SIGNIFICANT:
        return f"The measure itself {what} ({size}): it may be a mediator as well as a rival."
    return f"That the measure itself {what} is not shown ({size})."


def measured(results: Results) -> str:
    """List the rivals that were measured, for the methods text; those of regions once."""
    columns = results.rivals["measure"] if len(results.rivals) else ()
    return number.listed([own.label.partition(" <")[0] for own in kinds_of(columns)])


def rivals_table(results: Results) -> Table | None:
    """Tabulate every effect with every rival."""
    if results.rivals.empty:
        return None
    table = results.rivals
    shown = table.assign(
        measure=[_measure(str(name)).title for name in table["measure"]],
        group=table["group"].replace(_groups(results)),
        **{
            f"told_{name}": [_estimate(row, name, 3) for row in table.to_dict("records")]
            for name in ("effect", "given", "change")
        },
    )
    columns: list[Column] = [
        ("seed", "seed", text),
        ("target", "target", text),
        ("group", "group", text),
        ("measure", "given the change of", text),
        ("n", "n", number.whole),
        ("told_effect", "effect (z)", str),
        ("told_given", "what is left", str),
        ("share_left", "share left", _share),
        ("given_p", "p", number.probability),
        ("told_change", "change of the measure", str),
        ("change_p", "p", number.probability),
        ("unadjusted_because", "why not adjusted", blank),
        ("because", "what could not be told", blank),
        ("left", "not in it", blank),
    ]
    caption = (
        f"Effects on edges ({results.difference}) as they are and given the change of a measure, "
        "with 95 % intervals; p not corrected"
    )
    return from_frame(shown, columns, caption, list(table["given_p"] < SIGNIFICANT))


def _groups(results: Results) -> dict[str, str]:
    """Name comparisons of two groups in words."""
    pairs = combinations(results.groups, 2)
    return {group_by_drug(pair, len(results.groups)): " − ".join(pair) for pair in pairs}


def _measure(name: str) -> Measure:
    """Return a measure by its column; one that the registry does not know has its own name."""
    return next(iter(measures_of([name])), Measure(name, name.replace("_", " ")))


def _share(value: Any) -> str:
    return number.percent(value).replace("-", "−")


def _off_zero(row: Row, name: str) -> bool:
    return number.cell(row, f"{name}_low") * number.cell(row, f"{name}_high") > 0


def _estimate(row: Any, name: str, digits: int) -> str:
    value = row[name]
    if number.missing(value):
        return number.MISSING
    interval = number.interval(row[f"{name}_low"], row[f"{name}_high"], digits)
    return f"{number.signed(value, digits)} {interval}"
