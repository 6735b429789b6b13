"""What the sample can say, on the page: something, nothing, or too little to tell."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from crossfc.clinic.equivalence import EFFECT, EQUIVALENT, SMALL, UNDECIDED
from crossfc.clinic.evidence import CORRELATION, EDGE, SCORE
from crossfc.report import number
from crossfc.report.results import Analysis, Results
from crossfc.report.table import Column, Table, blank, from_frame, text
from crossfc.significance import SIGNIFICANT

_MANY = 10_000
# A smallest p from here on is told: it is near to what has to be reached.
_COARSE = 0.01
_NAMES = {
    SCORE: "change of a score",
    EDGE: "change of an a-priori edge",
    CORRELATION: "correlation",
}


@dataclass
class EvidenceSection:
    """What the sample can say of one contrast: sentences, and a table of each kind of test."""

    results: Results
    sentences: list[str]
    warnings: list[str]
    tables: list[Table]


def map_sentences(analysis: Analysis) -> list[str]:
    """Say in how much of each map an effect is equivalent to nothing; none where none was asked."""
    bound = analysis.record.get("smallest_effect")
    if bound is None:
        return []
    shares = {
        seed: analysis.per_seed(seed)["equivalent_share"]
        for seed in analysis.seeds
        if "equivalent_share" in analysis.per_seed(seed)
    }
    told = [
        f"{'the mean of the seeds' if seed == 'pooled' else seed} {number.percent(share)}"
        for seed, share in shares.items()
    ]
    said = (
        f"Equivalent to nothing, that is shown to lie within ±{number.general(bound)} (two "
        "one-sided tests by the same permutations, corrected over voxels, seeds and both sides): "
        f"{number.listed(told)} of the search volume. Elsewhere "
    )
    return [said + "there is an effect, or it is undecided whether there is one."]


def section(results: Results) -> EvidenceSection | None:
    """Describe what the sample can say of a contrast; None without a test to judge."""
    table = results.evidence
    if table.empty:
        return None
    kinds = {kind: table[table["kind"] == kind] for kind in (SCORE, EDGE, CORRELATION)}
    there = {kind: own for kind, own in kinds.items() if len(own)}
    scores = [] if SCORE not in there else there[SCORE].to_dict("records")
    sentences = [_score_sentence(results, row) for row in scores if row_is_tested(row)]
    sentences += _sensitivity(results, there)
    tables = [_table(results, kind, own) for kind, own in there.items()]
    return EvidenceSection(results, sentences, _warnings(there), tables)


def row_is_tested(row: Mapping[Any, Any]) -> bool:
    """Test whether a row has a verdict."""
    return blank(row["verdict"]) != ""


def answer(row: Mapping[Any, Any]) -> str:
    """Put the verdict of a row into words, with the bounds that it refers to."""
    verdict, bound = row["verdict"], row["smallest"]
    if not row_is_tested(row):
        return "no test"
    within = "" if number.missing(bound) else f" (within ±{number.general(bound)})"
    if verdict == UNDECIDED and not within:
        return "undecided: not significant, and no smallest effect of interest is stated"
    if verdict == UNDECIDED and number.missing(row["p_equivalence"]):
        return "undecided: not significant, and too few people for a test of equivalence"
    return {
        EFFECT: "p below 0.05 by itself",
        SMALL: f"other than zero, but smaller than of interest{within}",
        EQUIVALENT: f"equivalent to nothing{within}",
        UNDECIDED: "undecided: neither an effect nor its absence is shown",
    }[verdict]


def odds(factor: Any) -> str:
    """Format a Bayes factor; one below 1 as a fraction, so that both directions read alike."""
    if number.missing(factor):
        return number.MISSING
    inverse = factor < 1
    size = 1 / factor if inverse and factor > 0 else factor
    plain = number.whole(size) if size >= 1000 else number.general(size, 3)
    said = f"{'1/' if inverse else ''}{plain}"
    if factor == 0 or size > _MANY:
        return f"< 1/{number.whole(_MANY)}" if inverse else f"> {number.whole(_MANY)}"
    return said


def _score_sentence(results: Results, row: Mapping[Any, Any]) -> str:
    """Say of one scale what the sample shows, with the smallest difference it could have found."""
    group = _group(results, row["group"])
    between = "-" in str(row["group"]) and row["group"] not in results.groups
    what = "the difference between the groups' changes" if between else "the change"
    said = (
        f"{row['scale']}, {group}: {number.signed(row['estimate'])} "
        f"{number.interval(row['low'], row['high'])}, {number.p_equals(row['p'])}; {answer(row)}"
    )
    if not number.missing(row["p_equivalence"]):
        said += f" (equivalence {number.p_equals(row['p_equivalence'])})"
    if not number.missing(row["bayes_factor"]):
        said += f". {_likelier(row['bayes_factor'], what)}"
    if not number.missing(row["detectable"]):
        said += (
            f". With n = {number.whole(row['n'])} and a spread as seen here, the smallest "
            f"difference that is found in 80 % of studies is {number.fixed(row['detectable'])}"
        )
    return f"{said}."


def _likelier(factor: float, what: str) -> str:
    with_, without = f"if {what} is other than zero", "if it is zero"
    if factor >= 1:
        size = odds(factor).replace("> ", "more than ")
        return f"The data are {size} times as likely {with_} as {without}"
    size = odds(1 / factor if factor > 0 else _MANY**2).replace("> ", "more than ")
    return f"The data are {size} times as likely if {what} is zero as if it is not"


def _sensitivity(results: Results, there: Mapping[str, pd.DataFrame]) -> list[str]:
    """Say what edges and correlations could have been found, in each group."""
    out = []
    for kind, unit in ((EDGE, "changes of a-priori edges"), (CORRELATION, "correlations")):
        own = there.get(kind, pd.DataFrame({"detectable": []}))
        own = own[own["detectable"].notna()]
        for group, rows in own.groupby("group", sort=False) if len(own) else ():
            least, most = rows["detectable"].min(), rows["detectable"].max()
            n_least, n_most = rows["n"].min(), rows["n"].max()
            n = number.whole(n_most)
            n = n if n_least == n_most else f"{number.whole(n_least)} to {n}"
            said = number.fixed(least)
            said = said if said == number.fixed(most) else f"{said} to {number.fixed(most)}"
            out.append(
                f"{unit[0].upper()}{unit[1:]}, {_group(results, group)}: with n = {n} the smallest "
                f"{'in Fisher z ' if kind == EDGE else ''}that is found in 80 % of studies is "
                f"{said}{_of_test(kind)}; smaller ones are missed more often than that."
            )
    return out


def _of_test(kind: str) -> str:
    if kind == EDGE:
        return " (t-test, two-sided 0.05, not corrected, with the spread of each edge)"
    return (
        " (t-test of r in normal data, two-sided 0.05, not corrected; the test that is told, which "
        "also holds where people differ in scatter, finds it in 59 to 71 % with 12 to 29 people)"
    )


def _warnings(there: Mapping[str, pd.DataFrame]) -> list[str]:
    """Say where the arrangements of so few people do not allow a small p."""
    out = []
    for kind, by in ((SCORE, "by ranks"), (CORRELATION, "by permutation")):
        if kind not in there:
            continue
        own = there[kind][there[kind]["p_smallest"] >= _COARSE]
        for (group, n), rows in own.groupby(["group", "n"], sort=False):
            least = rows["p_smallest"].max()
            none = ", so that none can be significant" if least >= SIGNIFICANT else ""
            out.append(
                f"With {number.whole(n)} people of {group} no p {by} can be below "
                f"{number.probability(least)}, whatever the data{none}."
            )
    return list(dict.fromkeys(out))


def _table(results: Results, kind: str, rows: pd.DataFrame) -> Table:
    shown = rows.copy()
    records = shown.to_dict("records")
    shown["interval"] = [number.interval(row["low"], row["high"]) for row in records]
    shown["answer"] = [answer(row) for row in records]
    shown["group"] = [_group(results, group) for group in shown["group"]]
    p, share = number.probability, number.percent
    estimate = number.fixed if kind == CORRELATION else number.signed
    columns: list[Column] = [
        ("scale", "scale", text),
        ("seed", "seed", text),
        ("target", "target", text),
        ("group", "group", text),
        ("n", "n", number.whole),
        ("estimate", "r" if kind == CORRELATION else "difference", estimate),
        ("interval", "95 % interval", text),
        ("p", "p, no effect", p),
        ("smallest", "smallest of interest", number.general),
        ("p_equivalence", "p, equivalence", p),
        ("answer", "answer", text),
        ("bayes_factor", "Bayes factor", odds),
        ("detectable", "found in 80 % from", number.fixed),
        ("power", "power at the estimate", share),
        ("type_m", "type M", number.fixed),
        ("type_s", "type S", share),
        ("interest_power", "power at the smallest of interest", share),
        ("interest_type_m", "type M there", number.fixed),
        ("interest_type_s", "type S there", share),
        ("because", "note", blank),
    ]
    empty = {column for column in shown if not any(shown[column].map(blank))}
    columns = [column for column in columns if column[0] not in empty]
    caption = f"What the sample says of each {_NAMES[kind]}; no p is corrected for their number"
    return from_frame(shown, columns, caption)


def _group(results: Results, group: Any) -> str:
    """Write two groups with a minus between them."""
    if group in results.groups:
        return str(group)
    for first in results.groups:
        for second in results.groups:
            if group == f"{first}-{second}":
                return f"{first} − {second}"
    return str(group)
