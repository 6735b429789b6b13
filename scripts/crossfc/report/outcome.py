"""The answers of the clinic: whether scores changed, and whether connectivity changed with them."""

import pandas as pd

from crossfc.report import number
from crossfc.report.narrative import FOUND, NONE, UNKNOWN, Answer, map_answer
from crossfc.report.results import SIGNIFICANT, Results


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
        short = f"{scale}: {'; '.join(_short_change(results, row) for row in rows)}."
        drawn = not results.scores.empty and scale in set(results.scores["scale"])
        anchor = f"clinical-{scale}" if drawn else "clinical"
        out.append(Answer(question, verdict, sentences[0], short, sentences[1:], anchor))
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
    once = ""
    if not number.missing(row.get("p")) and row["p"] < SIGNIFICANT:
        once = " once adjusted for period"
    return f"In {group}, no difference in {scale} was significant{once} ({numbers})."


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
            told = "No correlation could be computed."
            short = f"Connectivity and {what}, {group}: no correlation could be computed."
            out.append(Answer(question, UNKNOWN, told, short, [], "correlations"))
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
            short = (
                f"Connectivity and {what}, {group}: no correlation survived correction "
                f"(smallest q = {number.probability(rows['q_fdr'].min())})."
            )
            out.append(Answer(question, NONE, sentence, short, [], "correlations"))
            continue
        verb = "correlation" if len(hits) == 1 else "correlations"
        sentence = (
            f"{len(hits)} of {len(rows)} {verb} with {scales} survived correction for {family} "
            f"tests: {told}."
        )
        short = (
            f"Connectivity and {what}, {group}: {best['seed']}–{best['target']} with "
            f"{best['scale']}, r = {number.fixed(best['pearson_r'])}, "
            f"q = {number.probability(best['q_fdr'])}"
            + (f", and {len(hits) - 1} more." if len(hits) > 1 else ".")
        )
        rest = [f"Also {correlation_text(results, r)}." for r in hits.iloc[1:4].to_dict("records")]
        out.append(Answer(question, FOUND, sentence, short, rest, "correlations"))
    return out


def correlation_text(results: Results, row: dict) -> str:
    """Give one correlation in words and numbers."""
    return f"{row['seed']}–{row['target']} with {row['scale']}: {correlation_numbers(results, row)}"


def correlation_numbers(results: Results, row: dict) -> str:
    """Give the numbers of one correlation."""
    return (
        f"r = {number.fixed(row['pearson_r'])} "
        f"{number.interval(row.get('ci_low'), row.get('ci_high'))}, permutation "
        f"{number.p_equals(row.get('p_permutation'), _permutations(results))}, "
        f"q = {number.probability(row.get('q_fdr'))}, n = {number.whole(row.get('n'))}"
    )


def _permutations(results: Results) -> int | None:
    return (results.config.get("clinical") or {}).get("permutations")


def _short_change(results: Results, row: dict) -> str:
    """Give a change of score in a few words."""
    p = _first(row.get("adjusted_p"), row.get("p"))
    if number.missing(p) or number.missing(row.get("mean")):
        return f"not comparable in {row['group']}"
    told = f"{number.signed(row['mean'])} in {row['group']} (p = {number.probability(p)})"
    if p < SIGNIFICANT:
        return told
    return f"no significant change in {row['group']} (p = {number.probability(p)})"


def _first(*values: object) -> object:
    return next((v for v in values if not number.missing(v)), None)
