"""The cards at the top of the page: question, answer, and a small figure."""

from dataclasses import dataclass

from crossfc.report import figure, number
from crossfc.report.clinic import point_chart, score_chart
from crossfc.report.maps import cell_chart, cells_of, parts_of
from crossfc.report.narrative import FOUND, NONE, PEAK, UNKNOWN, Answer, region_name, seed_word
from crossfc.report.results import Analysis, Results

WORDS = {
    FOUND: "effect found",
    PEAK: "by other measures only",
    NONE: "not significant",
    UNKNOWN: "cannot be answered",
}


@dataclass
class Card:
    """An answer with its figures, ready for the page."""

    answer: Answer
    word: str
    charts: list[str]


def cards(results: Results, answers: list[Answer]) -> list[Card]:
    """Return every answer with its small figures."""
    return [Card(answer, WORDS[answer.verdict], _charts(results, answer)) for answer in answers]


def _charts(results: Results, answer: Answer) -> list[str]:
    if answer.analysis is not None:
        return _map_charts(results, answer.analysis)
    anchor = f"clinical-{results.prefix}"
    if answer.anchor.startswith(anchor):
        scale = answer.anchor.removeprefix(anchor)
        if results.scores.empty or scale not in set(results.scores["scale"]):
            return []
        return [score_chart(results, scale)]
    if answer.anchor == "correlations":
        table = results.correlation.sort_values("p_permutation", kind="stable")
        for row in table.to_dict("records"):
            # The card shows one correlation: the one that its sentence names.
            named = f"{row['seed']}–{row['target']} with {row['scale']}: "
            if row["group"] in answer.question and named in answer.sentence:
                chart = point_chart(results, row)
                return [chart] if chart else []
    return []


def _map_charts(results: Results, analysis: Analysis) -> list[str]:
    smallest = ((seed, analysis.smallest(seed)) for seed in analysis.seeds)
    rows = [(seed_word_short(seed), p) for seed, p in smallest if p is not None]
    out = []
    if rows:
        told = "; ".join(f"{label} {number.probability(p)}" for label, p in rows)
        lowest = analysis.lowest_p
        alt = f"Smallest corrected p of each seed: {told}"
        out.append(figure.p_strip(rows, lowest, analysis.level, alt))
    hits = analysis.significant()
    if len(hits):
        row = hits.iloc[0].to_dict()
        people = cells_of(analysis, row) if len(analysis.cells) else hits.iloc[:0]
        if len(people):
            for name, part in parts_of(people):
                title = f"{name or seed_word(row['seed'])} – {region_name(row)}"
                out.append(cell_chart(results, part, title))
    return out


def seed_word_short(seed: str) -> str:
    """Return the name of a seed for a chart."""
    return {"pooled": "all seeds", "subregion": "seeds differ"}.get(seed, seed)
