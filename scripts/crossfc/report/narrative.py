"""The answers: one sentence per question, made only from the numbers.

An effect is significant if its p, corrected over the voxels and seeds of an analysis, is below
0.05; there are no degrees of significance. If one seed shows an effect and another does not, this
is no evidence of a difference between the two (Nieuwenhuis et al. 2011, Nature Neuroscience
14:1105-1107): only the analysis that compares the seeds can show it.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

import pandas as pd

from crossfc.group.design.question import SETS, given_name
from crossfc.group.findings.readout import column_label
from crossfc.report import number
from crossfc.report.results import Analysis, Results, Row
from crossfc.report.robustness import clause
from crossfc.trial.visit import ORDER

FOUND, PEAK, NONE, UNKNOWN = "found", "peak", "none", "unknown"
# Names of the measures that are corrected besides the extent of clusters.
MEASURES = {"voxel": "single voxels", "mass": "cluster mass", "tfce": "TFCE"}
POOLED = {"pooled": "the mean of the seeds", "subregion": "the differences between the seeds"}


@dataclass
class Answer:
    """A question, whether there was an effect, and the sentences that describe it.

    ``short`` is the answer in one line, for the list at the top of the page.
    """

    question: str
    verdict: str
    sentence: str
    short: str
    details: list[str] = field(default_factory=list)
    anchor: str = ""
    analysis: Analysis | None = None


def seed_word(seed: str) -> str:
    """Return the words for a seed, for the mean over seeds, or for their differences."""
    return POOLED.get(seed, seed)


def people_counted(analysis: Analysis) -> str:
    """Return the numbers of people, such as ``TRD n = 24, HV n = 17``."""
    counts = analysis.record.get("n") or {}
    return ", ".join(f"{group} n = {number.whole(n)}" for group, n in counts.items())


def subject_group(results: Results, analysis: Analysis) -> str:
    """Name the group of an analysis, or all of its groups."""
    counted = [str(g) for g in (analysis.record.get("n") or {})]
    return number.listed(counted or results.groups)


def scale_of(analysis: Analysis) -> str:
    """Return the scale of a change-by-change analysis."""
    return str(analysis.record.get("scale"))


def question_of(results: Results, analysis: Analysis) -> str:
    """Return the question of an analysis in words for readers."""
    return _given(analysis, _plain_question(results, analysis))


def _given(analysis: Analysis, sentence: str) -> str:
    """Put before a sentence which change the analysis is given, if it is given one."""
    if not analysis.given:
        return sentence
    return f"Given {analysis.given}, {sentence[:1].lower()}{sentence[1:]}"


def _plain_question(results: Results, analysis: Analysis) -> str:
    on_a, c = results.on_active, results.control
    of = f" ({results.heading})" if results.heading else ""
    if analysis.kind == "drug":
        return (
            f"Which seed changed its connectivity {on_a} (against {c}) in "
            f"{subject_group(results, analysis)}?"
        )
    if analysis.kind == "drug_pooled":
        return (
            f"Over all seeds together, did connectivity change {on_a} (against {c}) in "
            f"{subject_group(results, analysis)}?"
        )
    if analysis.kind == "drug_by_subregion":
        return (
            f"Did the change of connectivity {on_a} in {subject_group(results, analysis)} "
            "depend on the seed?"
        )
    between = _between(results, analysis)
    if analysis.kind == "group_by_drug_pooled":
        return f"Over all seeds together, did the change {on_a} differ {between}?"
    if analysis.kind == "group_by_drug":
        return f"For which seed did the change {on_a} differ {between}?"
    if analysis.kind == "group_by_drug_by_subregion":
        return f"Did the difference {between} in the change depend on the seed?"
    if analysis.kind == "change":
        return (
            f"Did the change of connectivity go with the change in {scale_of(analysis)} "
            f"in {subject_group(results, analysis)}{of}?"
        )
    return str(analysis.record.get("question") or analysis.title)


def compared_groups(results: Results, analysis: Analysis) -> list[str]:
    """List the groups that an analysis compares; of three and more they may be a pair."""
    return list(analysis.record.get("groups") or results.groups)


def _between(results: Results, analysis: Analysis) -> str:
    """Name the groups that an analysis compares: ``between A and B``, ``among A, B and C``."""
    compared = compared_groups(results, analysis)
    return f"{'between' if len(compared) < 3 else 'among'} {number.listed(compared)}"


def over_pairs(analysis: Analysis, p: float | None = None) -> str:
    """Add to a p of a pair of groups that it is corrected over the pairs too, and to what."""
    if analysis.n_pairs == 1:
        return ""
    told = f" over the {analysis.n_pairs} pairs of groups"
    return told if p is None else f",{told} {number.p_equals(min(analysis.n_pairs * p, 1))}"


def map_answer(results: Results, analysis: Analysis) -> Answer:
    """Answer the question of one group analysis from its clusters."""
    question = question_of(results, analysis)
    anchor = f"analysis-{analysis.name}"
    found = analysis.significant()
    seeds = analysis.seeds or sorted(set(analysis.clusters.get("seed", pd.Series(dtype=str))))
    smallest = {s: p for s in seeds if (p := analysis.smallest(s)) is not None}
    known = list(smallest)
    silent = [s for s in known if found.empty or s not in set(found["seed"])]
    if found.empty and not known:
        notes = analysis.record.get("notes") or ["it left no corrected p values to answer from"]
        reason = str(notes[0]).removeprefix("This analysis cannot be estimated. ")
        sentence = f"{analysis.title} could not be estimated: {reason}"
        return Answer(question, UNKNOWN, sentence, sentence, [], anchor, analysis)
    subject = _subject(results, analysis)
    details = [s for s in (_other_sentence(analysis, seed) for seed in silent) if s]
    if found.empty:
        best = min(known, key=smallest.__getitem__)
        over = f" for any of the {len(known)} seeds" if len(known) > 1 else ""
        which = f", {best}" if len(known) > 1 else ""
        sentence = _given(
            analysis,
            f"No effect survived correction{over} at the level of clusters (smallest corrected "
            f"{analysis.smallest_equals(best)}{which}{over_pairs(analysis, smallest[best])}; "
            f"{people_counted(analysis)}).",
        )
        details += _no_explanation(results, analysis)
        lowest = number.probability(smallest[best])
        lowest += over_pairs(analysis, smallest[best])
        short = f"{subject}: no cluster survived correction (smallest corrected p = {lowest})"
        others = {s: list(_other_measures(analysis, s).values()) for s in known}
        told = [f"{number.listed(words)} of {s}" for s, words in others.items() if words]
        if told:
            short += f", but {'; '.join(told)} did"
        verdict = PEAK if told else NONE
        return Answer(question, verdict, sentence, f"{short}.", details, anchor, analysis)
    order = list(dict.fromkeys(found["seed"]))
    sentences = []
    for seed in order:
        rows = found[found["seed"] == seed].to_dict("records")
        sentences.append(
            cluster_sentence(results, analysis, rows[0]) + clause(results, analysis, rows[0])
        )
        if len(rows) > 1:
            places = [_further(analysis, row) for row in rows[1:4]]
            rest = f" and {len(rows) - 4} more" if len(rows) > 4 else ""
            sentences.append(f"Further clusters of {seed_word(seed)}: {'; '.join(places)}{rest}.")
    if silent:
        worst = ", ".join(f"{s}: {analysis.smallest_equals(s)}" for s in silent)
        sentences.append(f"No cluster survived correction for {number.listed(silent)} ({worst}).")
        if found["seed"].nunique() and analysis.kind in ("drug", "group_by_drug"):
            sentences.append(_no_difference(results, analysis))
    firsts = [found[found["seed"] == seed].iloc[0].to_dict() for seed in order]
    short = f"{subject}: {'; '.join(_short(results, analysis, row) for row in firsts)}."
    return Answer(question, FOUND, sentences[0], short, sentences[1:] + details, anchor, analysis)


def _no_explanation(results: Results, analysis: Analysis) -> list[str]:
    """Warn that "significant, but not given the measure" is no test of the measure."""
    given = analysis.record.get("given", "")
    plain = [a for a in results.analyses if given and given_name(a.name, given) == analysis.name]
    if not plain or plain[0].significant().empty:
        return []
    return [
        f"That clusters survive correction without {analysis.given} in the model does not show "
        "that it explains them, as one column more costs precision too: hold the effects and their "
        "standard errors in both maps against each other."
    ]


def cluster_sentence(results: Results, analysis: Analysis, row: Row) -> str:
    """Describe in one sentence what one cluster means, and which change it is given."""
    return _given(analysis, _plain_sentence(results, analysis, row))


def _plain_sentence(results: Results, analysis: Analysis, row: Row) -> str:
    """Describe in one sentence what one cluster means.

    Direction and effect are those of the model whose p is reported. The plain means of each group
    and treatment are added. If they point in the opposite direction (because orders or covariates
    are not balanced), the sentence states this.
    """
    seed, a, c = seed_word(row["seed"]), results.active, results.control
    on_a, on_c, minus = results.on_active, results.on_control, results.minus_control
    where = (
        f"{region_of(row)}, peak {number.place(row['x'], row['y'], row['z'])} mm"
        f"{_at_peak(row)}, {number.whole(row['size_mm3'])} mm³, "
        f"corrected {analysis.p_of(row, brief=False)}{over_pairs(analysis, row['p_fwe_cluster'])}"
    )
    counted = people_counted(analysis)
    people = f"; {counted}" if counted else ""
    up = str(row["sign"]) != "-"
    if analysis.kind in ("drug", "drug_pooled"):
        word = "higher" if up else "lower"
        groups = list(analysis.record.get("n") or results.groups)
        told = _effect_text(analysis, row, "Δz") + _cells_text(results, analysis, row, groups)
        what = f"the connectivity of {seed}"
        if analysis.kind == "drug_pooled":
            what = "connectivity averaged over the seeds"
        return (
            f"In {subject_group(results, analysis)}, {what} was {word} "
            f"{on_a} than {on_c} ({where}{told}{people})."
            f"{_reversed_text(results, analysis, row, groups)}"
        )
    compared = compared_groups(results, analysis)
    if analysis.kind in ("group_by_drug", "group_by_drug_pooled") and analysis.without_sign:
        told = _effect_text(analysis, row, "standard deviation of Δz over people due to the groups")
        told += _cells_text(results, analysis, row, compared)
        which = "the analysis does not say which groups differ"
        if analysis.kind == "group_by_drug":
            which += ", the comparisons of pairs of groups show it"
        return (
            f"For {seed}, the change {on_a} ({minus}) differed {_between(results, analysis)} "
            f"({where}{told}{people}); {which}."
        )
    if analysis.kind in ("group_by_drug", "group_by_drug_pooled"):
        first, second = (*compared, "the other group")[:2]
        word = "more positive" if up else "more negative"
        told = _effect_text(analysis, row, "difference of Δz")
        told += _cells_text(results, analysis, row, compared)
        return (
            f"For {seed}, the change {on_a} ({minus}) was {word} in {first} than in {second} "
            f"({where}{told}{people})."
            f"{_reversed_text(results, analysis, row, compared)}"
        )
    if analysis.kind == "drug_by_subregion":
        return (
            f"In {subject_group(results, analysis)}, the change {on_a} ({minus}) depended on "
            f"the seed ({where}{people}); the analysis does not say which seeds differ, the maps "
            "per seed show it."
        )
    if analysis.kind == "group_by_drug_by_subregion":
        return (
            "The difference between the groups in the change depended on the seed "
            f"({where}{people}); the analysis does not say which seeds differ, the maps per seed "
            "show it."
        )
    if analysis.kind in SETS:
        listed = number.listed(analysis.record["together"], "or")
        group = analysis.record["group"]
        who = f"In {group}" if group else f"Between {' and '.join(results.groups)}"
        return (
            f"{who}, the connectivity of {seed} differed in {listed} ({where}{people}); the "
            "analysis does not say in which, the maps per contrast show it."
        )
    if analysis.kind == "change":
        scale = scale_of(analysis)
        return (
            f"In {subject_group(results, analysis)}, {goes_with(results, scale, up)} "
            f"({seed}: {where}{people})."
        )
    if analysis.kind == "carryover":
        word = "higher" if up else "lower"
        told = _effect_text(analysis, row, "difference of the sums")
        return (
            f"For {seed}, the sum of both sessions was {word} in people who had {a} first than in "
            f"those who had {c} first ({where}{told}{people})."
        )
    return f"{seed}: {'positive' if up else 'negative'} effect ({where})."


def region_of(row: Row) -> str:
    """Name a cluster by the region that holds most of it, with the share of the cluster in it."""
    region, share = region_name(row), number.cell(row, "region_share")
    if number.missing(share) or share == 0 or region.startswith("mostly unlabelled"):
        return region
    return f"{region} ({number.percent(share)} of the cluster)"


def region_name(row: Row) -> str:
    """Name a cluster without the share; "an unnamed region" if it has no name."""
    region = row.get("region")
    return "an unnamed region" if number.missing(region) or region == "n/a" else str(region)


def _at_peak(row: Row) -> str:
    """Name the region at the peak if it differs from the name of the cluster."""
    region = row.get("peak_region")
    if number.missing(region) or str(region).removeprefix("near ") in ("n/a", row.get("region")):
        return ""
    if str(row.get("region")).endswith(f", {region}"):
        return ""
    return f" {region}" if str(region).startswith("near ") else f" in {region}"


def goes_with(results: Results, scale: str, positive: bool) -> str:
    """Describe what a positive or negative slope on the change of a scale means."""
    direction = "positive" if positive else "negative"
    clause = (
        f"a more positive change of connectivity went with a more {direction} change in {scale} "
        f"({results.minus})"
    )
    better = results.better(scale)
    if better is None:
        return clause
    good = (better == "higher") == positive
    return f"{clause}, which is {'the better' if good else 'the worse'} direction of the scale"


def carryover_sentences(results: Results) -> list[str]:
    """Describe the result of the diagnostic of carry-over, or why there is none."""
    answers = [map_answer(results, a) for a in results.of_kind("carryover")]
    if not results.crossed:
        return []
    if answers or not results.analyses:
        return [sentence for a in answers for sentence in (a.sentence, *a.details)]
    config = results.config
    if config.get("entry") == "maps" and (config.get("maps") or {}).get("level") == "contrast":
        return ["Not examined: ready maps of contrasts do not hold the sum of both sessions."]
    orders = results.paired.get("sequence", pd.Series(dtype=str))
    if not any(not number.missing(order) and order != number.MISSING for order in orders):
        return ["Not examined: the order of treatments is not known for anybody."]
    if (config.get("group") or {}).get("analyses"):
        return ["Not examined: carryover is not among the analyses asked for (group.analyses)."]
    return []


def _further(analysis: Analysis, row: Row) -> str:
    """Name one of several clusters, with its direction if the statistic has one."""
    return ", ".join(filter(None, (region_of(row), direction(analysis, row["sign"]))))


def direction(analysis: Analysis, sign: object) -> str:
    """Return the direction of an effect in a word or two; empty if the statistic has none."""
    if analysis.without_sign:
        return ""
    up = str(sign) != "-"
    if analysis.kind in ("drug", "drug_pooled", "carryover"):
        return "higher" if up else "lower"
    if analysis.kind in ("group_by_drug", "group_by_drug_pooled"):
        return "more positive" if up else "more negative"
    if analysis.kind == "change":
        return "positive slope" if up else "negative slope"
    return "positive" if up else "negative"


def _other_measures(analysis: Analysis, seed: str) -> dict[str, str]:
    """Name the measures, besides cluster extent, by which something of a seed is significant."""
    smallest = {which: analysis.smallest(seed, which) for which in MEASURES}
    return {w: MEASURES[w] for w, p in smallest.items() if p is not None and p < analysis.level}


def _other_sentence(analysis: Analysis, seed: str) -> str:
    measures = _other_measures(analysis, seed)
    if not measures:
        return ""
    told = [f"{word} ({analysis.smallest_equals(seed, w)})" for w, word in measures.items()]
    return (
        f"At the level of {number.listed(told)}, an effect of {seed_word(seed)} survived "
        "correction though no cluster did by its extent."
    )


def _no_difference(results: Results, analysis: Analysis) -> str:
    """Refer to the analysis that compares the seeds, for the same effect and people."""
    name = f"{analysis.name}_by_subregion"
    tested = [a for a in results.analyses if a.name == name and a.record.get("estimable", True)]
    if not tested:
        return "That other seeds show no effect does not show that the seeds differ."
    if tested[0].significant().empty:
        return (
            "This does not show that the seeds differ: the analysis that compares them found no "
            "cluster that survived correction."
        )
    return "Whether the seeds differ is answered by the analysis that compares them."


def _adjusted_for(analysis: Analysis) -> list[str]:
    """List what the model of an analysis adjusts its effect for."""
    record = analysis.record
    crossed = record.get("period_columns", [ORDER]) in ([], [ORDER])
    order = ["the order of treatments" if crossed else "periods"]
    order = order if record.get("sequence_adjusted") else []
    baseline = [f"the baseline ({record['baseline']})"] if "baseline" in record else []
    given = [analysis.given] if analysis.given else []
    return order + [str(name) for name in record.get("covariates") or []] + given + baseline


def _effect_text(analysis: Analysis, row: Row, name: str) -> str:
    """Describe the model's effect, averaged over the cluster."""
    effect = row.get("effect_in_sample")
    if number.missing(effect):
        return ""
    terms = _adjusted_for(analysis)
    adjusted = f" adjusted for {number.listed(terms)}" if terms else ""
    shown = number.fixed(effect) if analysis.without_sign else number.signed(effect)
    return f"; {name} = {shown} in the cluster{adjusted}"


def _cells(results: Results, row: Row, groups: Iterable[str]) -> dict[str, tuple[float, float]]:
    """Return the plain means of each group under control and active, where both are known."""
    cells = {}
    for group in groups:
        low = number.cell(row, f"mean_{group}_{column_label(results.control)}")
        high = number.cell(row, f"mean_{group}_{column_label(results.active)}")
        if not number.missing(low) and not number.missing(high):
            cells[group] = (low, high)
    return cells


def _cells_text(results: Results, analysis: Analysis, row: Row, groups: Iterable[str]) -> str:
    parts = [
        f"{group} {number.fixed(low)} {results.on_control}, {number.fixed(high)} "
        f"{results.on_active}"
        for group, (low, high) in _cells(results, row, groups).items()
    ]
    plain = ", not adjusted" if _adjusted_for(analysis) else ""
    return f"; mean z{plain}: {'; '.join(parts)}" if parts else ""


def _reversed_text(results: Results, analysis: Analysis, row: Row, groups: Iterable[str]) -> str:
    """State it if the plain means point in the opposite direction to the reported effect."""
    groups = list(groups)
    cells = _cells(results, row, groups)
    if not groups or len(cells) < len(groups):
        return ""
    changes = [high - low for low, high in cells.values()]
    plain = changes[0] - changes[1] if len(changes) == 2 else changes[0]
    if plain == 0 or (plain > 0) == (str(row["sign"]) != "-"):
        return ""
    terms = number.listed(_adjusted_for(analysis)) or "the other terms of the model"
    return (
        f" The plain means, which charts show, point the other way ({number.signed(plain)}), as "
        f"they are not adjusted for {terms}."
    )


def _subject(results: Results, analysis: Analysis) -> str:
    """Name the effect of an analysis in a few words."""
    a, between = results.effect, " against ".join(compared_groups(results, analysis))
    under = f"change {results.on_active}" if a == results.active else a
    of = f", {results.heading}" if results.heading else ""
    subject = {
        "drug": f"{a} in {subject_group(results, analysis)}",
        "drug_pooled": f"{a} in {subject_group(results, analysis)}, mean of the seeds",
        "drug_by_subregion": f"{a} in {subject_group(results, analysis)}, differing by seed",
        "group_by_drug_pooled": f"{between}, {under}, mean of the seeds",
        "group_by_drug": f"{between}, {under}, each seed",
        "group_by_drug_by_subregion": f"{between}, {under}, differing by seed",
        "change": f"Maps of change and {scale_of(analysis)}{of}",
    }.get(analysis.kind, analysis.title)
    subject += f", given {analysis.given}" if analysis.given else ""
    return subject[:1].upper() + subject[1:]


def _short(results: Results, analysis: Analysis, row: Row) -> str:
    """Describe a cluster in a few words: seed, region, direction, p."""
    told = direction(analysis, row["sign"])
    if told and analysis.kind.startswith("group_by_drug"):
        told += f" in {compared_groups(results, analysis)[0]}"
    if told and analysis.kind == "carryover":
        told += f" sum with {results.active} first"
    told += ", " if told else ""
    seed = "" if row["seed"] in POOLED else f"{row['seed']} with "
    p = f"{analysis.p_of(row)}{over_pairs(analysis, row['p_fwe_cluster'])}"
    return f"{seed}{region_name(row)} ({told}corrected {p})"
