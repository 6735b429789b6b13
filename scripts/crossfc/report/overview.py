"""The first screen: what was asked, each answer with its size, one picture, and who was studied."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from crossfc.hypotheses.family import NOT_TESTED, SUPPORTED
from crossfc.report import hypotheses, maps, number, people
from crossfc.report.narrative import FOUND, NONE, PEAK, UNKNOWN, Answer
from crossfc.report.results import Analysis, Results, Row
from crossfc.report.slices import Place
from crossfc.trial.hypothesis import MAP

# So many exploratory answers stand on the first screen of a study without hypotheses.
SHOWN = 6
WORDS = {
    FOUND: "effect found",
    PEAK: "by other measures only",
    NONE: "not significant",
    UNKNOWN: "cannot be answered",
}


@dataclass
class AnswerLine:
    """An answer in one line: verdict, title, and its numbers.

    ``badge`` is the class of the verdict ``word``; ``anchor`` the place with all about it.
    """

    badge: str
    word: str
    title: str
    numbers: str
    anchor: str


@dataclass
class Overview:
    """The first screen."""

    asked: str
    lines: list[AnswerLine]
    further: int
    picture: maps.SeedMap | None
    scale: str
    people: list[str]


def overview(
    results: Results, cards: Sequence[hypotheses.HypothesisCard], answers: Sequence[Answer]
) -> Overview:
    """Gather the first screen.

    Parameters
    ----------
    results : Results
        Of the whole study.
    cards : sequence of HypothesisCard
        The hypotheses that were stated beforehand.
    answers : sequence of Answer
        The exploratory answers; they take the place of hypotheses where there are none.
    """
    lines = [
        AnswerLine(card.badge, card.word, card.title, card.brief, f"hypothesis-{place}")
        for place, card in enumerate(cards, 1)
    ]
    if not lines:
        lines = [answer_line(answer) for answer in answers[:SHOWN]]
    scale, picture = main_picture(results)
    counted = [flow.line for flow in people.trial_flows(results) if flow.paired]
    further = 0 if cards else len(answers) - len(lines)
    return Overview(asked(results), lines, further, picture, scale, counted)


def answer_line(answer: Answer) -> AnswerLine:
    """Return the line of an exploratory answer."""
    return AnswerLine(answer.verdict, WORDS[answer.verdict], answer.short, "", answer.anchor)


def asked(results: Results) -> str:
    """Say what the study asks, in one sentence or two."""
    groups = " and in ".join(results.groups) or "these people"
    compared = [view.minus for view in results.views()]
    what = compared[0] if len(compared) == 1 else f"{'; '.join(compared)}"
    seeds = list(dict.fromkeys(str(row["seed"]) for row in results.seeds))
    scales = list(dict.fromkeys(results.scales)) if len(results.change) else []
    parts = []
    if seeds:
        parts.append(f"the connectivity of {number.listed(seeds)}")
    elif results.analyses:
        parts.append("connectivity")
    if scales:
        parts.append(number.listed(scales) if len(scales) < 6 else f"{len(scales)} scales")
    if not parts:
        return f"{results.design_name}: {what}.".lstrip(": ")
    return f"What changed ({what}) in {' and in '.join(parts)}, in {groups}?"


def main_picture(results: Results) -> tuple[str, maps.SeedMap | None]:
    """Draw the map of the main result, and its colour scale.

    It is the map of the first supported hypothesis of maps, cut through its region; else of the
    first analysis with a significant cluster; else of the first analysis.
    """
    chosen = _of_hypothesis(results) or _of_analyses(results)
    if chosen is None:
        return "", None
    view, analysis, seed, place = chosen
    return maps.one_map(view, analysis, seed, place)


def _of_hypothesis(results: Results) -> tuple[Results, Analysis, str, Place | None] | None:
    if results.hypotheses.empty:
        return None
    tested = [
        row for row in results.hypotheses.to_dict("records")
        if row["kind"] == MAP and row["verdict"] != NOT_TESTED
    ]  # fmt: skip
    tested.sort(key=lambda row: row["verdict"] != SUPPORTED)
    for row in tested:
        for view in results.views():
            for analysis in view.analyses:
                if analysis.name == row["analysis"]:
                    seed = str(row["seed"])
                    if seed not in analysis.seeds:
                        seed = analysis.seeds[0]
                    return view, analysis, seed, _centre(results, row)
    return None


def _centre(results: Results, row: Row) -> Place | None:
    """Return the middle of the spheres of a hypothesis' region, if it is made of spheres."""
    own = [
        target for target in results.target_rows
        if target.get("target") == row["region"] and target.get("kind") == "sphere"
    ]  # fmt: skip
    if not own:
        return None
    x, y, z = (float(np.mean([float(target[axis]) for target in own])) for axis in "xyz")
    return x, y, z


def _of_analyses(results: Results) -> tuple[Results, Analysis, str, Place | None] | None:
    found = [(view, analysis) for view in results.views() for analysis in view.analyses]
    known = [(view, own) for view, own in found if own.record["estimable"] and own.seeds]
    if not known:
        return None
    view, analysis = next((pair for pair in known if len(pair[1].significant())), known[0])
    hits = analysis.significant()
    seed = str(hits.iloc[0]["seed"]) if len(hits) else analysis.seeds[0]
    return view, analysis, seed, None
