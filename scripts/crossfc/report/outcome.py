"""The answers of the clinical arm: did scores change, and did connectivity change with them?

Each change is reported from one model: direction, size, interval and p all come from the test that
is adjusted for period or, if there is none, all from the plain paired test.
"""

from dataclasses import dataclass

import pandas as pd

from crossfc.clinic.order import NO_PERIODS
from crossfc.clinic.student import FEWEST
from crossfc.group.design.question import SETS
from crossfc.report import number
from crossfc.report.group_comparison import comparison, over_scores
from crossfc.report.narrative import FOUND, NONE, UNKNOWN, Answer, map_answer
from crossfc.report.results import Results, Row, adjusts_for_baseline
from crossfc.significance import SIGNIFICANT


def answers(results: Results) -> list[Answer]:
    """Answer every question for which the study has numbers, the main questions first."""
    out: list[Answer] = []
    within = ("drug", "drug_pooled", "drug_by_subregion")
    between = ("group_by_drug_pooled", "group_by_drug", "group_by_drug_by_subregion")
    for kind in (*within, *between):
        out += [map_answer(results, analysis) for analysis in results.of_kind(kind)]
    for kind in SETS:
        out += [map_answer(results, analysis) for analysis in results.of_kind(kind)]
    out += clinical_answers(results)
    out += [map_answer(results, analysis) for analysis in results.of_kind("change")]
    out += correlation_answers(results)
    out += [map_answer(results, analysis) for analysis in results.of_kind("other")]
    return out


def clinical_answers(results: Results) -> list[Answer]:
    """State for each scale and group whether the score changed."""
    out: list[Answer] = []
    if results.change.empty:
        return out
    table = results.change
    for scale in dict.fromkeys(table["scale"]):
        rows = [told_change(row) for row in table[table["scale"] == scale].to_dict("records")]
        # Significant changes come first, so that the first sentence matches the verdict.
        rows.sort(key=lambda change: not change.significant)
        sentences = [change_sentence(results, change) for change in rows]
        verdicts = {change.significant for change in rows}
        between = comparison(results, scale, unlike=len(verdicts) == 2)
        sentences += between.sentences
        hit = True in verdicts or between.found
        nothing = all(number.missing(change.p) for change in rows)
        verdict = UNKNOWN if nothing else FOUND if hit else NONE
        question = f"Did {scale} differ between {results.active} and {results.control}?"
        of = f", {results.heading}" if results.heading else ""
        shorts = [_short_change(change) for change in rows] + between.shorts
        short = f"{scale}{of}: {'; '.join(shorts)}."
        drawn = not results.scores.empty and scale in set(results.scores["scale"])
        anchor = f"clinical-{results.prefix}{scale}" if drawn else "clinical"
        out.append(Answer(question, verdict, sentences[0], short, sentences[1:], anchor))
    return out


@dataclass
class Change:
    """The reported test of a score's change; all numbers come from the same model.

    Attributes
    ----------
    row : mapping
        The row of ``change.tsv``.
    adjusted : bool
        Whether the model is adjusted for period.
    estimate, low, high, t, df, p : float
        Change with the limits of its interval, in points of the scale, and its test; NaN if there
        is none.
    n : float
        Number of people in the model; NaN if not known.
    corrected : float
        p corrected over the scores of the study; NaN if there is no p.
    n_tests : float
        Over how many.
    """

    row: Row
    adjusted: bool
    estimate: float
    low: float
    high: float
    t: float
    df: float
    p: float
    n: float
    corrected: float
    n_tests: float

    @property
    def significant(self) -> bool:
        """Whether the corrected p is below 0.05."""
        return not number.missing(self.corrected) and self.corrected < SIGNIFICANT

    @property
    def reversed(self) -> bool:
        """Whether the unadjusted mean points in the opposite direction."""
        return self.adjusted and self.estimate * number.cell(self.row, "mean") < 0


def told_change(row: Row) -> Change:
    """Choose the test of a row of ``change.tsv`` to report: the adjusted one, if there is one.

    Parameters
    ----------
    row : mapping

    Returns
    -------
    Change
    """
    adjusted = not number.missing(row.get("adjusted_p"))
    names = ("estimate", "low", "high", "t", "df", "p")
    if adjusted:
        keys = [f"adjusted_{name}" for name in names]
    else:
        keys = ["mean", "mean_low", "mean_high"]
        keys += ["unadjusted_t", "unadjusted_df", "unadjusted_p"]
    estimate, low, high, t, df, p = (number.cell(row, key) for key in keys)
    n = number.cell(row, "adjusted_n" if adjusted else "n")
    if number.missing(n):
        n = number.cell(row, "n")
    corrected, n_tests = number.cell(row, "p_holm"), number.cell(row, "n_tests")
    return Change(row, adjusted, estimate, low, high, t, df, p, n, corrected, n_tests)


def change_sentence(results: Results, change: Change) -> str:
    """Describe whether a score changed, with direction and numbers of the reported test."""
    row = change.row
    scale, group = row["scale"], row["group"]
    if number.missing(change.estimate):
        return f"In {group}, {scale} could not be compared (n = {number.whole(row.get('n'))})."
    if change.significant:
        said = (
            f"In {group}, {scale} was {'higher' if change.estimate > 0 else 'lower'} "
            f"{results.on_active} than {results.on_control}{_meaning(results, change)} "
            f"({_change_numbers(results, change)})."
        )
    elif number.missing(change.p):
        numbers = _change_numbers(results, change)
        said = f"In {group}, the difference in {scale} could not be tested ({numbers})."
    else:
        numbers = _change_numbers(results, change)
        said = f"In {group}, no difference in {scale} was significant ({numbers})."
    return f"{said}{_other_model(results, change)}"


def _meaning(results: Results, change: Change) -> str:
    better = results.better(change.row["scale"])
    if better is None or change.estimate == 0:
        return ""
    good = (better == "higher") == (change.estimate > 0)
    return f", the {'better' if good else 'worse'} direction"


def _no_p(change: Change) -> str:
    """Explain why there is no p."""
    if not number.missing(change.p):
        return ""
    if number.cell(change.row, "n") < FEWEST:
        return f", as a test takes {FEWEST} people"
    alike = number.cell(change.row, "sd") == 0
    return ", as the change is the same in everybody" if alike else ""


def _change_numbers(results: Results, change: Change) -> str:
    """Format estimate, interval, t, p and n of one model, and name the model."""
    row = change.row
    name = "period-adjusted difference" if change.adjusted else "mean difference"
    if change.adjusted and adjusts_for_baseline(results, row["scale"]):
        name = f"difference adjusted for {results.adjusted_for}"
    said = f"{name} {number.signed(change.estimate)}"
    if not number.missing(change.low):
        said += f", 95 % interval {number.interval(change.low, change.high)}"
    if not number.missing(change.t):
        said += f", t({number.general(change.df)}) = {number.fixed(change.t)}"
    over = over_scores(change.corrected, change.n_tests)
    said += f", {number.p_equals(change.p)}{_no_p(change)}{over}"
    said += f"; n = {number.whole(change.n)}"
    if change.adjusted:
        everybody = number.cell(row, "n")
        if everybody > change.n:
            unknown = number.whole(everybody - change.n)
            said += f", without {unknown} whose order of treatments is not known"
        return said
    because = row.get("unadjusted_because")
    if because == NO_PERIODS:
        return said
    said += "; not adjusted for period"
    known = not number.missing(because) and because != number.MISSING
    return f"{said}, as {because}" if known else said


def _other_model(results: Results, change: Change) -> str:
    """Describe the unadjusted mean, shown in the charts, if it disagrees with the reported test."""
    row = change.row
    if not change.adjusted or number.missing(row.get("mean")):
        return ""
    # Both before correction, so that like is held against like.
    p = number.cell(row, "unadjusted_p")
    also, told = p < SIGNIFICANT, not number.missing(change.p) and change.p < SIGNIFICANT
    if not (told or also) or (told and also and not change.reversed):
        return ""
    firsts = []
    for side, treatment in (("active", results.active), ("control", results.control)):
        count = row.get(f"n_{side}_first")
        if not number.missing(count):
            firsts.append(f"{number.whole(count)} had {treatment} first")
    orders = f" ({' and '.join(firsts)})" if firsts else ""
    given = " and the baseline" if adjusts_for_baseline(results, row["scale"]) else ""
    ways = ["points the other way"] if change.reversed else []
    if also != told:
        ways.append(f"is {'below' if also else 'not below'} {SIGNIFICANT} before correction")
    period = row.get("period_estimate")
    cause = ""
    if not number.missing(period):
        cause = f", and scores differed by {number.signed(period)} from period 1 to period 2"
    return (
        f" The plain mean of the differences ({number.signed(row['mean'])}, {number.p_equals(p)}) "
        f"{' and '.join(ways)}: it is not adjusted for the order of treatments{given}{orders}"
        f"{cause}."
    )


def correlation_answers(results: Results) -> list[Answer]:
    """State for each construct and group whether a-priori connectivity changed with the scores."""
    table = results.correlation
    if table.empty:
        return []
    out = []
    of = f" ({results.heading})" if results.heading else ""
    construct = table["scale"].map(lambda s: results.scales.get(s, {}).get("construct") or s)
    for (group, what), rows in table.groupby(["group", construct], sort=False):
        rows = rows[rows["r"].notna()]
        scales = number.listed(list(dict.fromkeys(rows["scale"])))
        question = (
            f"In the regions chosen beforehand, did the change of connectivity go with {what} "
            f"in {group}{of}?"
        )
        if rows.empty:
            told = "No correlation could be computed."
            short = f"Connectivity and {what}{of}, {group}: no correlation could be computed."
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
                f"Connectivity and {what}{of}, {group}: no correlation survived correction "
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
            f"Connectivity and {what}{of}, {group}: {best['seed']}–{best['target']} with "
            f"{best['scale']}, r = {number.fixed(best['r'])}, "
            f"q = {number.probability(best['q_fdr'])}"
            + (f", and {len(hits) - 1} more." if len(hits) > 1 else ".")
        )
        rest = [f"Also {correlation_text(results, r)}." for r in hits.iloc[1:4].to_dict("records")]
        out.append(Answer(question, FOUND, sentence, short, rest, "correlations"))
    return out


def correlation_text(results: Results, row: Row) -> str:
    """Describe one correlation in words and numbers."""
    return f"{row['seed']}–{row['target']} with {row['scale']}: {correlation_numbers(results, row)}"


def correlation_numbers(results: Results, row: Row) -> str:
    """Format the numbers of one correlation: the reported ones first, then the others.

    r, interval, p, q and n come from one model. It is adjusted for the order of treatments if the
    order is known and differs between people, and the text states this.
    """
    adjusted = known(row.get("adjusted_for"))
    interval = f" {number.interval(row.get('ci_low'), row.get('ci_high'))}"
    if known(row.get("no_interval_because")):
        interval = f" (no interval: {row['no_interval_because']})"
    said = (
        f"{'adjusted for the ' + str(row['adjusted_for']) + ', ' if adjusted else ''}"
        f"r = {number.fixed(row['r'])}{interval}, permutation "
        f"{number.p_equals(row.get('p_permutation'), _permutations(results))}, "
        f"q = {number.probability(row.get('q_fdr'))}, n = {number.whole(row.get('n'))}"
    )
    because = row.get("unadjusted_because")
    if not adjusted and known(because):
        said += f"; not adjusted for the order of treatments, as {because}"
    return said + _decided(row) + _plain(row, adjusted) + _partial(row)


def known(value: object) -> bool:
    """Return whether a text cell is filled."""
    return not number.missing(value) and str(value) not in ("", number.MISSING)


def _decided(row: Row) -> str:
    """State which person alone decides whether p is below 0.05; empty if nobody does."""
    count, person = number.cell(row, "n_decisive"), row.get("decisive_person")
    if number.missing(count) or count == 0:
        return ""
    without = f"r = {number.fixed(row.get('decisive_r'))}, {number.p_equals(row.get('decisive_p'))}"
    if count == 1:
        return f"; one person decides whether p is below {SIGNIFICANT}: without {person} {without}"
    return (
        f"; any one of {number.whole(count)} people decides whether p is below {SIGNIFICANT}, "
        f"most of all {person}: without, {without}"
    )


def _plain(row: Row, adjusted: bool) -> str:
    """Describe the unadjusted correlation if it leads to another conclusion."""
    r, p = number.cell(row, "pearson_r"), number.cell(row, "pearson_p")
    if not adjusted or number.missing(r) or number.missing(p):
        return ""
    other = r * number.cell(row, "r") < 0
    told = number.cell(row, "p_permutation")
    turned = not number.missing(told) and (told < SIGNIFICANT) != (p < SIGNIFICANT)
    if not turned and not (other and p < SIGNIFICANT):
        return ""
    return (
        f"; not adjusted{', it is the other way round,' if other else ''} r = {number.fixed(r)}, "
        f"{number.p_equals(p)}"
    )


def _partial(row: Row) -> str:
    """Describe the correlation with the covariates in the model; empty if it is the same number."""
    r = number.cell(row, "partial_r")
    if number.missing(r):
        return ""
    other = r * number.cell(row, "r") < 0
    named = row.get("partial_covariates")
    names = str(named).replace("sequence_code", "order").replace("delta_mean_fd", "motion")
    if known(named) and names == "order" and known(row.get("adjusted_for")):
        return ""  # the same number again
    given = f"the covariates ({names})" if known(named) else "the covariates"
    return (
        f"; given {given} {'the other way round, ' if other else ''}partial r = "
        f"{number.fixed(r)}, {number.p_equals(row.get('partial_p'))}"
    )


def _permutations(results: Results) -> int | None:
    permutations: int | None = (results.config.get("clinical") or {}).get("permutations")
    return permutations


def _short_change(change: Change) -> str:
    """Describe a change of score in a few words."""
    group = change.row["group"]
    if number.missing(change.p) or number.missing(change.estimate):
        return f"not comparable in {group}"
    over = "corrected " if change.n_tests > 1 else ""
    p = f"{over}p = {number.probability(change.corrected)}"
    if change.significant:
        return f"{number.signed(change.estimate)} in {group} ({p})"
    return f"no significant change in {group} ({p})"
