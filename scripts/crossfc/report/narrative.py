"""The answers: one honest sentence per question, made from the numbers and nothing else.

Significance is a corrected p below 0.05 (over voxels and seeds of an analysis), and there are no
shades of it: an effect survived correction or it did not. That one seed shows an effect and
another does not is no difference between the two (Nieuwenhuis et al. 2011, Nature Neuroscience
14:1105-1107): only the analysis that compares the seeds can say so.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

import pandas as pd

from crossfc.report import number
from crossfc.report.results import SIGNIFICANT, Analysis, Results

FOUND, NONE, UNKNOWN = "found", "none", "unknown"
POOLED = {"pooled": "the mean of the seeds", "subregion": "the differences between the seeds"}


@dataclass
class Answer:
    """A question, whether there was an effect, and the sentences that say which."""

    question: str
    verdict: str
    sentence: str
    details: list[str] = field(default_factory=list)
    anchor: str = ""
    analysis: Analysis | None = None


def answers(results: Results) -> list[Answer]:
    """Answer every question the study has numbers for, the main ones first."""
    out = []
    for kind in ("drug", "group_by_drug_pooled", "group_by_drug", "group_by_drug_by_subregion"):
        out += [map_answer(results, analysis) for analysis in results.of_kind(kind)]
    out += clinical_answers(results)
    out += [map_answer(results, analysis) for analysis in results.of_kind("change")]
    out += correlation_answers(results)
    out += [map_answer(results, analysis) for analysis in results.of_kind("other")]
    return out


def seed_word(seed: str) -> str:
    """Name a seed; the mean over seeds and their differences get their own words."""
    return POOLED.get(seed, seed)


def people_counted(analysis: Analysis) -> str:
    """Give ``TRD n = 24, HV n = 17``."""
    counts = analysis.record.get("n") or {}
    return ", ".join(f"{group} n = {number.whole(n)}" for group, n in counts.items())


def subject_group(results: Results, analysis: Analysis) -> str:
    """Name the one group of an analysis, or all of them."""
    counted = [str(g) for g in (analysis.record.get("n") or {})]
    return number.listed(counted or results.groups)


def scale_of(results: Results, analysis: Analysis) -> str:
    """Name the scale of a change-by-change analysis as the sheet writes it."""
    label = analysis.name.removeprefix("change_")
    for scale in results.scales:
        if scale == label or scale.replace("_", "") == label.replace("_", ""):
            return scale
    return label


def question_of(results: Results, analysis: Analysis) -> str:
    """Give the question of an analysis for people."""
    a, c = results.active, results.control
    if analysis.kind == "drug":
        return (
            f"Which seed changed its connectivity under {a} (against {c}) in "
            f"{subject_group(results, analysis)}?"
        )
    between = " and ".join(results.groups)
    if analysis.kind == "group_by_drug_pooled":
        return f"Over all seeds together, did the change under {a} differ between {between}?"
    if analysis.kind == "group_by_drug":
        return f"For which seed did the change under {a} differ between {between}?"
    if analysis.kind == "group_by_drug_by_subregion":
        return f"Did the difference between {between} in the change depend on the seed?"
    if analysis.kind == "change":
        return (
            f"Did the change of connectivity go with the change in {scale_of(results, analysis)} "
            f"in {subject_group(results, analysis)}?"
        )
    return str(analysis.record.get("question") or analysis.title)


def map_answer(results: Results, analysis: Analysis) -> Answer:
    """Answer the question of one group analysis from its clusters."""
    question = question_of(results, analysis)
    anchor = f"analysis-{analysis.name}"
    found = analysis.significant()
    seeds = analysis.seeds or sorted(set(analysis.clusters.get("seed", pd.Series(dtype=str))))
    known = [s for s in seeds if analysis.smallest(s) is not None]
    silent = [s for s in known if found.empty or s not in set(found["seed"])]
    if found.empty and not known:
        sentence = "The analysis left no corrected p values to answer from."
        return Answer(question, UNKNOWN, sentence, [], anchor, analysis)
    voxels = [_peak_sentence(analysis, seed) for seed in silent]
    details = [s for s in voxels if s]
    if found.empty:
        best = min(known, key=lambda s: analysis.smallest(s))
        over = f" for any of the {len(known)} seeds" if len(known) > 1 else ""
        which = f", {best}" if len(known) > 1 else ""
        sentence = (
            f"No effect survived correction{over} at the level of clusters (smallest corrected "
            f"{_p(analysis, analysis.smallest(best))}{which}; {people_counted(analysis)})."
        )
        return Answer(question, NONE, sentence, details, anchor, analysis)
    order = list(dict.fromkeys(found["seed"]))
    sentences = []
    for seed in order:
        rows = found[found["seed"] == seed].to_dict("records")
        sentences.append(cluster_sentence(results, analysis, rows[0]))
        if len(rows) > 1:
            places = [f"{r['region']} ({r['sign']})" for r in rows[1:4]]
            rest = f" and {len(rows) - 4} more" if len(rows) > 4 else ""
            sentences.append(f"Further clusters of {seed_word(seed)}: {'; '.join(places)}{rest}.")
    if silent:
        worst = ", ".join(f"{s}: {_p(analysis, analysis.smallest(s))}" for s in silent)
        sentences.append(f"No cluster survived correction for {number.listed(silent)} ({worst}).")
        if found["seed"].nunique() and analysis.kind in ("drug", "group_by_drug"):
            sentences.append(_no_difference(results))
    return Answer(question, FOUND, sentences[0], sentences[1:] + details, anchor, analysis)


def cluster_sentence(results: Results, analysis: Analysis, row: dict) -> str:
    """Say in one sentence what one cluster means."""
    seed, a, c = seed_word(row["seed"]), results.active, results.control
    region = row.get("region")
    region = "an unnamed region" if number.missing(region) or region == "n/a" else region
    where = (
        f"{region}, peak {number.place(row['x'], row['y'], row['z'])} mm, "
        f"{number.whole(row['size_mm3'])} mm³, corrected {_p(analysis, row['p_fwe_cluster'])}"
    )
    up = str(row["sign"]) != "-"
    if analysis.kind == "drug":
        word = "higher" if up else "lower"
        cells = _cells_text(results, row, list(analysis.record.get("n") or results.groups))
        return (
            f"In {subject_group(results, analysis)}, the connectivity of {seed} was {word} under "
            f"{a} than under {c} ({where}{cells}; {people_counted(analysis)})."
        )
    if analysis.kind in ("group_by_drug", "group_by_drug_pooled"):
        first, second = (*results.groups, "the other group")[:2]
        word = "more positive" if up else "more negative"
        return (
            f"For {seed}, the change under {a} (minus {c}) was {word} in {first} than in {second} "
            f"({where}{_cells_text(results, row, results.groups)})."
        )
    if analysis.kind == "group_by_drug_by_subregion":
        return (
            "The difference between the groups in the change depended on the seed "
            f"({where}); the analysis does not say which seeds differ, the maps per seed show it."
        )
    if analysis.kind == "change":
        scale = scale_of(results, analysis)
        return (
            f"In {subject_group(results, analysis)}, {goes_with(results, scale, up)} "
            f"({seed}: {where}; {people_counted(analysis)})."
        )
    if analysis.kind == "carryover":
        word = "higher" if up else "lower"
        return (
            f"For {seed}, the sum of both sessions was {word} in people who had {c} first than in "
            f"those who had {a} first ({where})."
        )
    return f"{seed}: {'positive' if up else 'negative'} effect ({where})."


def goes_with(results: Results, scale: str, positive: bool) -> str:
    """Say what a positive or negative slope on the change in a scale means for people."""
    more = f"a more positive change of connectivity went with a {'higher' if positive else 'lower'}"
    better = results.better(scale)
    clause = f"{more} {scale} under {results.active} than under {results.control}"
    if better is None:
        return clause
    good = (better == "higher") == positive
    return f"{clause}, which is {'the better' if good else 'the worse'} direction of the scale"


def clinical_answers(results: Results) -> list[Answer]:
    """Say per scale and group whether the score changed."""
    out = []
    if results.change.empty:
        return out
    table = results.change
    for scale in dict.fromkeys(table["scale"]):
        rows = table[table["scale"] == scale].to_dict("records")
        sentences = [_change_sentence(results, row) for row in rows]
        ps = [_first(row.get("adjusted_p"), row.get("p")) for row in rows]
        hit = any(not number.missing(p) and p < SIGNIFICANT for p in ps)
        nothing = all(number.missing(p) for p in ps)
        verdict = UNKNOWN if nothing else FOUND if hit else NONE
        question = f"Did {scale} differ between {results.active} and {results.control}?"
        out.append(Answer(question, verdict, sentences[0], sentences[1:], f"clinical-{scale}"))
    return out


def _change_sentence(results: Results, row: dict) -> str:
    scale, group = row["scale"], row["group"]
    if number.missing(row.get("mean")):
        return f"In {group}, {scale} could not be compared (n = {number.whole(row.get('n'))})."
    p = _first(row.get("adjusted_p"), row.get("p"))
    mean = float(row["mean"])
    word = "higher" if mean > 0 else "lower"
    better = results.better(scale)
    meaning = ""
    if better and mean != 0:
        meaning = ", the better direction" if (better == "higher") == (mean > 0) else (
            ", the worse direction"
        )  # fmt: skip
    numbers = (
        f"mean difference {number.signed(mean)}, SD {number.fixed(row.get('sd'))}, "
        f"t({number.general(row.get('df'))}) = {number.fixed(row.get('t'))}, "
        f"{number.p_equals(row.get('p'))}"
    )
    if not number.missing(row.get("adjusted_p")):
        numbers += f"; adjusted for period {number.p_equals(row['adjusted_p'])}"
    numbers += f"; n = {number.whole(row.get('n'))}"
    if not number.missing(p) and p < SIGNIFICANT:
        return (
            f"In {group}, {scale} was {word} under {results.active} than under {results.control}"
            f"{meaning} ({numbers})."
        )
    return f"In {group}, no difference in {scale} was significant ({numbers})."


def correlation_answers(results: Results) -> list[Answer]:
    """Say per construct and group whether a-priori connectivity went with the clinic."""
    table = results.correlation
    if table.empty:
        return []
    out = []
    construct = table["scale"].map(lambda s: results.scales.get(s, {}).get("construct") or s)
    for (group, what), rows in table.groupby(["group", construct], sort=False):
        rows = rows[rows["pearson_r"].notna()]
        scales = number.listed(list(dict.fromkeys(rows["scale"])))
        question = (
            f"In the regions chosen beforehand, did the change of connectivity go with {what} "
            f"in {group}?"
        )
        if rows.empty:
            text = "No correlation could be computed."
            out.append(Answer(question, UNKNOWN, text, [], "correlations"))
            continue
        q = rows["q_fdr"] if "q_fdr" in rows else pd.Series(float("nan"), rows.index)
        hits = rows[q < SIGNIFICANT].sort_values("p_permutation")
        best = (hits if len(hits) else rows.sort_values("p_permutation")).iloc[0].to_dict()
        family = number.whole(best.get("n_tests"))
        told = correlation_text(results, best)
        if hits.empty:
            sentence = (
                f"None of the {len(rows)} correlations with {scales} survived correction for "
                f"{family} tests; the smallest p was that of {told}."
            )
            out.append(Answer(question, NONE, sentence, [], "correlations"))
            continue
        verb = "correlation" if len(hits) == 1 else "correlations"
        sentence = (
            f"{len(hits)} of {len(rows)} {verb} with {scales} survived correction for {family} "
            f"tests: {told}."
        )
        rest = [f"Also {correlation_text(results, r)}." for r in hits.iloc[1:4].to_dict("records")]
        out.append(Answer(question, FOUND, sentence, rest, "correlations"))
    return out


def correlation_text(results: Results, row: dict) -> str:
    """Give one correlation in words and numbers."""
    return (
        f"{row['seed']}–{row['target']} with {row['scale']}: r = {number.fixed(row['pearson_r'])} "
        f"{number.interval(row.get('ci_low'), row.get('ci_high'))}, permutation "
        f"{number.p_equals(row.get('p_permutation'), _permutations(results))}, "
        f"q = {number.probability(row.get('q_fdr'))}, n = {number.whole(row.get('n'))}"
    )


def carryover_sentences(results: Results) -> list[str]:
    """Say what the diagnostic of carry-over found."""
    return [map_answer(results, a).sentence for a in results.of_kind("carryover")]


def _permutations(results: Results) -> int | None:
    return (results.config.get("clinical") or {}).get("permutations")


def _peak_sentence(analysis: Analysis, seed: str) -> str:
    p = analysis.smallest(seed, "voxel")
    if p is None or p >= SIGNIFICANT:
        return ""
    return (
        f"At the level of single voxels, an effect of {seed_word(seed)} survived correction "
        f"(smallest corrected {_p(analysis, p)}) though no cluster did."
    )


def _no_difference(results: Results) -> str:
    tested = results.of_kind("group_by_drug_by_subregion")
    if not tested:
        return "That other seeds show no effect does not show that the seeds differ."
    if tested[0].significant().empty:
        return (
            "This does not show that the seeds differ: the analysis that compares them found no "
            "cluster that survived correction."
        )
    return "Whether the seeds differ is answered by the analysis that compares them."


def _cells_text(results: Results, row: dict, groups: Iterable[str]) -> str:
    parts = []
    for group in groups:
        low = row.get(f"mean_{group}_{results.control}")
        high = row.get(f"mean_{group}_{results.active}")
        if not number.missing(low) and not number.missing(high):
            parts.append(
                f"{group} {number.fixed(low)} under {results.control}, {number.fixed(high)} under "
                f"{results.active}"
            )
    return f"; mean z: {'; '.join(parts)}" if parts else ""


def _p(analysis: Analysis, p: float | None) -> str:
    return analysis.p_equals(p)


def _first(*values: object) -> object:
    return next((v for v in values if not number.missing(v)), None)
