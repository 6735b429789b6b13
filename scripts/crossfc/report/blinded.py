"""The page of a blinded run: codes of treatments, sizes and p, and no direction of any effect.

What may be shown is listed here, and all else is left out, so that a new part of the page cannot
show a direction by accident.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from crossfc.hypotheses.family import NOT_TESTED, OPPOSITE, SUPPORTED
from crossfc.report import hypotheses as hypothesis_cards
from crossfc.report import number, people
from crossfc.report.narrative import question_of, seed_word
from crossfc.report.outcome import told_change
from crossfc.report.results import Analysis, Results
from crossfc.report.table import Column, Table, blank, from_frame, text
from crossfc.report.unblinding import Blinding
from crossfc.significance import SIGNIFICANT

# What of the whole page's context holds no result and is shown.
KEPT = (
    *("title", "study", "pipeline", "css", "flows", "contrasts", "left", "one_session"),
    *("methods", "versions", "config_text", "left_over", "anonymous", "registered"),
    *("registered_sentence", "checklists", "manuscript"),
    *("region_pictures",),
)
# What a reader is told about what is left out.
HIDDEN = (
    "the sign of every estimate, and every interval, which holds the sign (sizes are absolute)",
    "whether a hypothesis is supported or significant in the other direction",
    "maps and their colours, and the direction of clusters",
    "values, scores and motion under each treatment, with their charts",
    "single people's values, and quality by session",
    "carry-over, response and remission, rival explanations, other pipelines, and what people "
    "guessed",
    "what was planted, of a digital twin",
)
_VERDICTS = {SUPPORTED: "significant", OPPOSITE: "significant", NOT_TESTED: "could not be tested"}


def context(
    results: Results, blinding: Blinding, hypotheses: Sequence[Mapping[str, str]]
) -> dict[str, Any]:
    """Collect what a blinded page shows besides `KEPT`.

    Parameters
    ----------
    results : Results
        Of the whole study.
    blinding : Blinding
    hypotheses : sequence of dict
        ``name`` and ``citation`` of each.
    """
    views = results.views()
    counted = [f"{len(own)} {group}" for group, own in people.complete(results).items()]
    who = number.listed(counted) or "nobody"
    codes = number.listed(blinding["codes"])
    tables = [
        _hypotheses(results, hypotheses),
        *(_clusters(view, analysis) for view in views for analysis in view.analyses),
        *(_scores(view) for view in views),
        *(_between(view) for view in views),
        *(_correlations(view) for view in views),
    ]
    return {
        "blinded_sentence": (
            f"This run is blinded: treatments are the codes {codes}, and no direction of an effect "
            f"is shown until {blinding['file']} says what they stand for."
        ),
        "tally": f"{who} with {results.sessions_of_people}.",
        "file": blinding["file"],
        "hidden": HIDDEN,
        "has_sessions": not results.sessions.empty,
        "tables": [table for table in tables if table is not None],
    }


def _size(digits: int = 2) -> Any:
    def show(value: Any) -> str:
        return number.MISSING if number.missing(value) else number.fixed(abs(float(value)), digits)

    return show


def _hypotheses(results: Results, words: Sequence[Mapping[str, str]]) -> Table | None:
    if results.hypotheses.empty:
        return None
    views = {view.design.get("contrast"): view for view in results.views()}
    rows = results.hypotheses.to_dict("records")
    shown = results.hypotheses.assign(
        name=[
            own["name"] or hypothesis_cards.subject(views.get(row["contrast"], results), row)
            for row, own in zip(rows, words, strict=True)
        ],
        told=[_VERDICTS.get(str(row["verdict"]), str(row["verdict"])) for row in rows],
    )
    columns: list[Column] = [
        ("name", "hypothesis", text),
        ("direction", "stated direction", blank),
        ("told", "answer, whatever its direction", text),
        ("estimate", "size of the effect", _size(3)),
        ("unit", "unit", blank),
        ("p", "p", number.probability),
        ("p_holm", "p over the family", number.probability),
        ("n", "n", number.whole),
        ("because", "why not tested", blank),
    ]
    caption = "Hypotheses stated beforehand, in the primary pipeline"
    return from_frame(shown, columns, caption, list(shown["p_holm"] < SIGNIFICANT))


def _clusters(view: Results, analysis: Analysis) -> Table | None:
    if not analysis.record.get("estimable", True) or analysis.kind == "carryover":
        return None
    columns: list[Column] = [
        ("seed", "seed", seed_word),
        ("region", "region of most voxels", text),
        ("x", "x", number.general),
        ("y", "y", number.general),
        ("z", "z", number.general),
        ("peak_stat", f"size of {analysis.record.get('statistic', 'the peak')}", _size()),
        ("size_mm3", "mm³", number.whole),
        ("p_fwe_cluster", "p extent", number.probability),
        ("p_fwe_mass", "p mass", number.probability),
        ("p_fwe_tfce", "p TFCE", number.probability),
        ("p_fwe_peak", "p peak", number.probability),
    ]
    # The order of rows may follow the direction.
    order = [c for c in ("p_fwe_cluster", "size_mm3", "x", "y", "z") if c in analysis.clusters]
    rows = analysis.clusters.sort_values(order, kind="stable") if order else analysis.clusters
    marked = list(rows["p_fwe_cluster"] < analysis.level) if len(rows) else []
    n = len(analysis.significant()) if len(rows) else 0
    found = f"{n} significant cluster{'' if n == 1 else 's'}"
    return from_frame(rows, columns, f"{question_of(view, analysis)} {found}", marked)


def _scores(view: Results) -> Table | None:
    if view.change.empty:
        return None
    changes = [told_change(row) for row in view.change.to_dict("records")]
    shown = pd.DataFrame(
        {
            "scale": [own.row["scale"] for own in changes],
            "group": [own.row["group"] for own in changes],
            "n": [own.n for own in changes],
            "size": [own.estimate for own in changes],
            "g": [own.row.get("g_av") for own in changes],
            "p": [own.p for own in changes],
            "p_holm": [own.corrected for own in changes],
        }
    )
    columns: list[Column] = [
        ("scale", "scale", text),
        ("group", "group", text),
        ("n", "n", number.whole),
        ("size", "size of the change, points", _size()),
        ("g", "size of Hedges' g_av", _size()),
        ("p", "p", number.probability),
        ("p_holm", "p over scores and groups", number.probability),
    ]
    caption = f"Scores under {view.active} and {view.control}, adjusted where that is possible"
    return from_frame(shown, columns, caption, list(shown["p_holm"] < SIGNIFICANT))


def _between(view: Results) -> Table | None:
    if view.between.empty:
        return None
    columns: list[Column] = [
        ("scale", "scale", text),
        ("adjusted_n", "n", number.whole),
        ("adjusted_estimate", "size of the difference, points", _size()),
        ("adjusted_p", "p", number.probability),
        ("p_holm", "p over scores", number.probability),
    ]
    return from_frame(view.between, columns, "Do groups differ in the change of scores?")


def _correlations(view: Results) -> Table | None:
    if view.correlation.empty:
        return None
    columns: list[Column] = [
        ("group", "group", text),
        ("seed", "seed", text),
        ("target", "target", text),
        ("scale", "scale", text),
        ("n", "n", number.whole),
        ("r", "size of r", _size()),
        ("p_permutation", "p", number.probability),
        ("q_fdr", "q", number.probability),
    ]
    caption = "Change in connectivity with change in score"
    rows = view.correlation.sort_values("p_permutation", kind="stable")
    return from_frame(rows, columns, caption, list(rows["q_fdr"] < SIGNIFICANT))
