"""The hypotheses stated beforehand on the page: the confirmatory family, before all else."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from crossfc.group.design import question as questions
from crossfc.group.design.question import Question, question_of
from crossfc.hypotheses.family import NOT_SIGNIFICANT, NOT_TESTED, OPPOSITE, SUPPORTED
from crossfc.report import figure, number
from crossfc.report.narrative import goes_with
from crossfc.report.outcome import known
from crossfc.report.results import Results, Row
from crossfc.report.table import Column, Table, blank, from_frame, text
from crossfc.significance import SIGNIFICANT
from crossfc.trial.hypothesis import MAP, SCORE

# Class of the badge of each verdict, as the page's style has it.
BADGES = {SUPPORTED: "found", OPPOSITE: "peak", NOT_SIGNIFICANT: "none", NOT_TESTED: "unknown"}


@dataclass
class HypothesisCard:
    """A hypothesis with its answer.

    ``badge`` is the class of the verdict ``word``; ``brief`` has its numbers in a line; ``robust``
    says how far it holds.
    """

    title: str
    citation: str
    badge: str
    word: str
    sentence: str
    brief: str
    robust: str
    chart: str


def cards(results: Results, words: Sequence[Mapping[str, str]]) -> list[HypothesisCard]:
    """Answer every hypothesis, in the order in which they were stated.

    Parameters
    ----------
    results : Results
        Of the whole study.
    words : sequence of dict
        ``name`` and ``citation`` of each.
    """
    if results.hypotheses.empty:
        return []
    views = {view.design.get("contrast"): view for view in results.views()}
    found = []
    for row, own in zip(results.hypotheses.to_dict("records"), words, strict=True):
        view = views.get(row["contrast"], results)
        verdict = str(row["verdict"])
        direction = f" (stated: {row['direction']})" if known(row["direction"]) else ""
        found.append(
            HypothesisCard(
                title=(own["name"] or subject(view, row, view.heading)) + direction,
                citation=own["citation"],
                badge=BADGES[verdict],
                word="in the other direction" if verdict == OPPOSITE else verdict,
                sentence=sentence(view, row),
                brief=brief(row),
                robust=robust(row),
                chart=specification_chart(results, row),
            )
        )
    return found


def asked_by(view: Results, row: Row) -> Question | None:
    """Return the question of a map or score; None for a change with a change."""
    if not known(row["analysis"]):
        return None
    return question_of(str(row["analysis"]), view.design)


def subject(view: Results, row: Row, contrast: str | None = None) -> str:
    """Name what a hypothesis is about.

    Parameters
    ----------
    view : Results
    row : mapping
    contrast : str, optional
        The contrast in words; empty where it is told elsewhere. By default that of the view.
    """
    asked, of = asked_by(view, row), view.difference if contrast is None else contrast
    if asked is None:
        pair = f"{row['seed']}–{row['region']}"
        return f"{pair} with {row['scale']}, change with change in {row['group']}{_bracket(of)}"
    who = asked.group or " against ".join(asked.groups)
    if row["kind"] == SCORE:
        return f"{row['scale']} in {who}{_bracket(of)}"
    seeds = f"{row['seed']}–" if known(row["seed"]) else _SEEDS[asked.kind in questions.OVER_SEEDS]
    slope = f"slope on the change of {asked.scale}" if asked.scale else ""
    return f"{seeds}{row['region']} in {who}{_bracket(of, slope)}"


_SEEDS = {True: "Mean of the seeds with ", False: "Differences between the seeds for "}


def _bracket(*parts: str) -> str:
    told = ", ".join(part for part in parts if part)
    return f" ({told})" if told else ""


def sentence(view: Results, row: Row) -> str:
    """State the answer to a hypothesis with the numbers of its own test."""
    if row["verdict"] == NOT_TESTED:
        return f"{subject(view, row)}: could not be tested, as {row['because']}."
    told = f"{subject(view, row)}: no significant effect"
    if row["verdict"] in (SUPPORTED, OPPOSITE):
        told = _finding(view, row)
        told = told[:1].upper() + told[1:]
    return f"{told} ({numbers(row)})."


def _finding(view: Results, row: Row) -> str:
    """Say what a significant effect is, with its direction."""
    asked, up = asked_by(view, row), number.cell(row, "estimate") > 0
    more = "more positive" if up else "more negative"
    pair = f"{row['seed']} with {row['region']}"
    if asked is None:
        return f"in {row['group']}, {goes_with(view, str(row['scale']), up)}, for {pair}"
    if row["kind"] == SCORE:
        if asked.group is None:
            if len(asked.groups) > 2:
                return (
                    f"the change in {row['scale']} differed among {number.listed([*asked.groups])}"
                )
            return f"the change in {row['scale']} was {more} in {' than in '.join(asked.groups)}"
        word = "higher" if up else "lower"
        better = view.better(str(row["scale"]))
        good = (
            "" if better is None else f", the {'better' if better == word else 'worse'} direction"
        )
        return (
            f"in {asked.group}, {row['scale']} was {word} {view.on_active} than "
            f"{view.on_control}{good}"
        )
    if asked.kind == questions.CHANGE:
        return f"in {asked.group}, {goes_with(view, str(asked.scale), up)}, for {pair}"
    change = f"the change {view.on_active} ({view.minus_control})"
    what = pair if known(row["seed"]) else f"the mean of the seeds with {row['region']}"
    if asked.kind in questions.BETWEEN_SEEDS:
        where = (
            f"in {asked.group}, {change}" if asked.group else f"the groups' difference in {change}"
        )
        return f"{where} depended on the seed, for {row['region']}"
    if asked.group is not None:
        return (
            f"in {asked.group}, the connectivity of {what} was {'higher' if up else 'lower'} "
            f"{view.on_active} than {view.on_control}"
        )
    if len(asked.groups) > 2:
        return f"for {what}, {change} differed among {number.listed([*asked.groups])}"
    return f"for {what}, {change} was {more} in {' than in '.join(asked.groups)}"


_UNITS = {"Fisher z": "Δz", "Fisher z per point": "Δz per point", "points": "difference", "r": "r"}


def effect(row: Row, interval: str = ", 95 % interval") -> str:
    """Format the effect of a test with its interval; the statistic where it has no direction."""
    if row["statistic"] == "F":
        return f"F = {number.fixed(row['value'])}"
    value = number.fixed if row["unit"] == "r" else number.signed
    digits = 3 if row["unit"] == "Fisher z per point" else 2
    said = f"{_UNITS[str(row['unit'])]} = {value(row['estimate'], digits)}"
    if number.missing(row["low"]):
        return said
    return f"{said}{interval} {number.interval(row['low'], row['high'], digits)}"


def brief(row: Row) -> str:
    """Put the numbers of a hypothesis in one line: effect, corrected p, and how far it holds."""
    if row["verdict"] == NOT_TESTED:
        return str(row["because"])
    said = f"{effect(row, '')}, {number.p_equals(row['p_holm'])}"
    total = number.cell(row, "n_specifications")
    if number.missing(total) or total < 2:
        return said
    return f"{said}; {number.whole(row['n_significant'])} of {number.whole(total)} ways"


def numbers(row: Row) -> str:
    """Format effect, interval, statistic, p and corrected p of one test."""
    parts = [effect(row)]
    if row["statistic"] == "t":
        parts.append(f"t({number.general(row['df'], 3)}) = {number.fixed(row['value'])}")
    tests = int(row["n_tests"])
    by = "permutation " if row["kind"] == MAP else ""
    parts.append(f"{by}{number.p_equals(row['p'])}")
    parts.append(f"corrected over {tests} hypotheses {number.p_equals(row['p_holm'])}")
    said = f"{', '.join(parts)}; n = {number.whole(row['n'])}"
    if known(row["adjusted_for"]):
        named = str(row["adjusted_for"]).replace("sequence_code", "the order of treatments")
        said += f"; adjusted for {named}"
    return said


def robust(row: Row) -> str:
    """Say in how many specifications the effect has its sign, and is significant."""
    total = number.cell(row, "n_specifications")
    if number.missing(total) or total < 2 or row["verdict"] == NOT_TESTED:
        return ""
    ways = f"of {number.whole(total)} ways to analyse"
    told = f"significant in {number.whole(row['n_significant'])} {ways}"
    if not number.missing(row["n_same_sign"]):
        told = f"the same sign in {number.whole(row['n_same_sign'])}, {told}"
    missed = row["not_significant_in"]
    if row["verdict"] in (SUPPORTED, OPPOSITE) and known(missed):
        told += f"; not in {missed}"
    return f"Robustness: {told}."


def specification_chart(results: Results, row: Row) -> str:
    """Draw a hypothesis' effect in every pipeline, and in those who moved less."""
    table = results.specifications
    if table.empty:
        return ""
    own = table[(table["hypothesis"] == row["hypothesis"]) & table["low"].notna()]
    if len(own) < 2:
        return ""
    rows = own.to_dict("records")
    labels = [_label(test) for test in rows]
    left = 12 + 6.1 * max(map(len, labels))
    height = 16 * len(rows)
    values = [0.0, *own["low"], *own["high"]]
    frame = figure.Frame(left, left + 210, 8, 8 + height, figure.limits(values), (0, 1))
    unit = str(rows[0]["unit"])
    body = [figure.axis_x(frame, _UNITS[unit], 4)]
    for place, (test, label) in enumerate(zip(rows, labels, strict=True)):
        y = frame.top + 16 * place + 8
        low, high, middle = (frame.px(float(test[c])) for c in ("low", "high", "estimate"))
        body.append(figure.words(left - 8, y + 3.5, label, "end"))
        significant = test["p_holm"] < SIGNIFICANT
        shape, css = ("square", "g1") if significant else ("circle", "none")
        body.append(figure.line(low, y, high, y, f"interval {css}"))
        p = number.p_equals(test["p_holm"])
        told = f"{label}: {number.fixed(test['estimate'], 3)}, corrected {p}"
        body.append(figure.point(middle, y, css, told, shape))
    alt = f"Effect with 95 % interval in {len(rows)} ways to analyse: " + "; ".join(
        f"{label} {number.fixed(test['estimate'])} {number.interval(test['low'], test['high'])}"
        for test, label in zip(rows, labels, strict=True)
    )
    return figure.svg(left + 225, height + 48, "".join(body), alt)


def _label(test: Row) -> str:
    limit = number.cell(test, "maximum_mean_fd_mm")
    return str(test["pipeline"]) + ("" if math.isnan(limit) else f", FD ≤ {limit:g}")


def family_sentence(results: Results) -> str:
    """Say what the confirmatory family is, and how many of it are supported."""
    table = results.hypotheses
    if table.empty:
        return ""
    supported = int((table["verdict"] == SUPPORTED).sum())
    tested = int((table["verdict"] != NOT_TESTED).sum())
    opposite = int((table["verdict"] == OPPOSITE).sum())
    if not tested:
        none = "it could not" if len(table) == 1 else "none of them could"
        return f"{_counted(len(table))} stated before the data were seen; {none} be tested."
    told = (
        f"{_counted(len(table))} stated before the data were seen"
        f"{f', {tested} of which could be tested' if tested < len(table) else ''}. They are one "
        f"family: p are corrected over all {tested} (Holm), and for nothing else. "
        f"{supported} {'is' if supported == 1 else 'are'} supported"
    )
    if opposite:
        told += f", {opposite} significant in the direction other than stated"
    return f"{told}."


def _counted(count: int) -> str:
    return "1 hypothesis was" if count == 1 else f"{count} hypotheses were"


def table(results: Results, words: Sequence[Mapping[str, str]]) -> Table | None:
    """Tabulate the family with every number of its tests."""
    if results.hypotheses.empty:
        return None
    views = {view.design.get("contrast"): view for view in results.views()}
    shown: pd.DataFrame = results.hypotheses.copy()
    rows = shown.to_dict("records")
    shown["name"] = [
        own["name"] or subject(views.get(row["contrast"], results), row)
        for row, own in zip(rows, words, strict=True)
    ]
    shown["interval"] = [number.interval(row["low"], row["high"], 3) for row in rows]

    def three(value: Any) -> str:
        return number.fixed(value, 3)

    columns: list[Column] = [
        ("name", "hypothesis", text),
        ("direction", "stated direction", blank),
        ("verdict", "verdict", text),
        ("estimate", "effect", three),
        ("interval", "95 % interval", text),
        ("unit", "unit", blank),
        ("statistic", "statistic", blank),
        ("value", "its value", number.fixed),
        ("df", "df", lambda value: number.general(value, 3)),
        ("p", "p", number.probability),
        ("p_holm", "p over the family", number.probability),
        ("n", "n", number.whole),
        ("adjusted_for", "adjusted for", blank),
        ("n_same_sign", "same sign", number.whole),
        ("n_significant", "significant", number.whole),
        ("n_specifications", "of ways to analyse", number.whole),
        ("because", "why not tested", blank),
    ]
    caption = (
        "Hypotheses stated beforehand, in the primary pipeline; in bold where p over the family < "
        f"{SIGNIFICANT}"
    )
    return from_frame(shown, columns, caption, list(shown["p_holm"] < SIGNIFICANT))
