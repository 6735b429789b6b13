"""The clinical arm on the page: the change of scores, and its correlations."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import pandas as pd

from crossfc.clinic.course import EVERYBODY
from crossfc.clinic.order import NO_PERIODS
from crossfc.report import figure, number
from crossfc.report.narrative import Answer
from crossfc.report.outcome import correlation_numbers, known, told_change
from crossfc.report.people import group_css
from crossfc.report.results import Results, adjustment, adjusts_for_baseline
from crossfc.report.table import Column, Table, blank, from_frame, text
from crossfc.significance import SIGNIFICANT, holm


@dataclass
class ScalePlot:
    """One scale: its answer, and a chart of all people."""

    scale: str
    instrument: str
    direction: str
    chart: str
    answer: Answer | None
    note: str


@dataclass
class Scatter:
    """One correlation, drawn with every person's point."""

    title: str
    chart: str
    caption: str
    why: str


def change_table(results: Results) -> Table | None:
    """Tabulate the changes of scores."""
    if results.change.empty:
        return None
    p, two = number.probability, number.fixed
    table = results.change.copy()
    rows = table.to_dict("records")
    for name, low, high in (
        ("adjusted", "adjusted_low", "adjusted_high"),
        ("plain", "mean_low", "mean_high"),
        ("period", "period_low", "period_high"),
        ("g_av", "g_av_low", "g_av_high"),
        ("carryover", "carryover_low", "carryover_high"),
    ):
        table[f"{name}_interval"] = [_range(row, low, high) for row in rows]
    table["g_av_of"] = ["adjusted" if told_change(row).adjusted else "not adjusted" for row in rows]
    a, c, minus = results.active, results.control, results.difference
    columns = [
        ("scale", "scale", text),
        ("group", "group", text),
        ("adjusted_estimate", f"{minus}, adjusted for {results.adjusted_for}", number.signed),
        ("adjusted_interval", "95 % interval", text),
        ("adjusted_t", "t", two),
        ("adjusted_df", "df", number.general),
        ("adjusted_p", "p", p),
        ("p_holm", "p over all scores and groups", p),
        ("adjusted_wilcoxon_p", "Wilcoxon p, adjusted for period", p),
        ("adjusted_n", "n", number.whole),
        ("g_av", "Hedges' g_av", number.signed),
        ("g_av_interval", "95 % interval", text),
        ("g_av_of", "of the change", text),
        ("mean", f"{minus}, not adjusted", number.signed),
        ("plain_interval", "95 % interval", text),
        ("sd", "SD", two),
        ("unadjusted_t", "t, not adjusted", two),
        ("unadjusted_df", "df", number.general),
        ("unadjusted_p", "p, not adjusted", p),
        ("unadjusted_wilcoxon_p", "Wilcoxon p, not adjusted", p),
        ("n", "n", number.whole),
        ("unadjusted_because", "why not adjusted", blank),
        ("period_estimate", "period 2 − 1", number.signed),
        ("period_interval", "95 % interval", text),
        ("period_t", "t", two),
        ("carryover_estimate", f"carry-over (sum, {a} first − {c} first)", number.signed),
        ("carryover_interval", "95 % interval", text),
        ("carryover_t", "t", two),
        ("carryover_p", "p", p),
        ("carryover_detectable", "smallest found with 80 % power", two),
        ("n_active_first", f"n {a} first", number.whole),
        ("n_control_first", f"n {c} first", number.whole),
    ]
    caption = (
        f"Change of each score ({minus}) by group; in bold where p over all scores and groups "
        f"(Holm) < {SIGNIFICANT}, adjusted for {results.adjusted_where}{_without_baseline(results)}"
    )
    return from_frame(table, columns, caption, [told_change(row).significant for row in rows])


def between_table(results: Results) -> Table | None:
    """Tabulate the comparison of the groups' changes of scores."""
    if results.between.empty:
        return None
    p, two = number.probability, number.fixed
    table = results.between.copy()
    rows = table.to_dict("records")
    table["adjusted_interval"] = [_range(row, "adjusted_low", "adjusted_high") for row in rows]
    table["plain_interval"] = [_range(row, "unadjusted_low", "unadjusted_high") for row in rows]
    table["g_interval"] = [_range(row, "g_low", "g_high") for row in rows]
    several = len(results.groups) > 2
    columns: list[Column] = [
        ("scale", "scale", text),
        ("group", "groups", text if several else lambda _: " − ".join(results.groups)),
        ("adjusted_estimate", f"difference, adjusted for {results.adjusted_for}", number.signed),
        ("adjusted_interval", "95 % interval", text),
        ("adjusted_t", "t", two),
        ("adjusted_df", "df", lambda v: number.general(v, 3)),
        ("adjusted_p", "p", p),
        ("p_holm", "p over all comparisons", p),
        ("adjusted_n", "n", number.whole),
        ("g", "Hedges' g", number.signed),
        ("g_interval", "95 % interval", text),
        ("unadjusted_difference", "difference, not adjusted", number.signed),
        ("plain_interval", "95 % interval", text),
        ("unadjusted_t", "t, not adjusted", two),
        ("unadjusted_df", "df", lambda v: number.general(v, 3)),
        ("unadjusted_p", "p, not adjusted", p),
        ("unadjusted_because", "why not adjusted", blank),
        *((f"n_{group}", f"n {group}", number.whole) for group in results.groups),
        *((f"mean_{group}", f"mean change {group}", number.signed) for group in results.groups),
    ]
    if several:
        return _of_several_groups(results, table, columns)
    caption = (
        "Group by treatment on the scores; in bold where p over all comparisons (Holm) < "
        f"{SIGNIFICANT}, adjusted for "
        f"{results.adjusted_where}{_without_baseline(results)} (variances of the groups may "
        "differ; Hedges' g by the mean of their variances)"
    )
    return from_frame(table, columns, caption, list(table["p_holm"] < SIGNIFICANT))


def _of_several_groups(results: Results, table: pd.DataFrame, columns: list[Column]) -> Table:
    """Tabulate the comparison of three and more groups: F over all of them, and pairs."""
    names = {"-".join(pair): " − ".join(pair) for pair in combinations(results.groups, 2)}
    table["group"] = [names.get(group, "all groups") for group in table["group"]]
    more: dict[str, list[Column]] = {
        "adjusted_t": [("adjusted_f", "F", number.fixed)],
        "adjusted_df": [("df_effect", "df of F, first", number.whole)],
        "adjusted_p": [("adjusted_p_holm", "p over the pairs", number.probability)],
        "unadjusted_t": [("unadjusted_f", "F, not adjusted", number.fixed)],
        "unadjusted_p": [
            ("unadjusted_p_holm", "p over the pairs, not adjusted", number.probability)
        ],
    }
    shown = [one for column in columns for one in (column, *more.get(column[0], ()))]
    plain = " (without the baseline)" if results.baseline else ""
    caption = (
        f"Group by treatment on the scores: Welch's F over all groups{plain}, then pairs; in bold "
        f"where p over all comparisons (Holm) < {SIGNIFICANT}, adjusted for "
        f"{results.adjusted_where}{_without_baseline(results)} (variances of the groups may "
        "differ; Hedges' g by the mean of their variances)"
    )
    return from_frame(table, shown, caption, list(table["p_holm"] < SIGNIFICANT))


def _without_baseline(results: Results) -> str:
    """Name the scales of a table that are not adjusted for the baseline, as nobody has it."""
    if not results.baseline or results.scores.empty:
        return ""
    scales = dict.fromkeys(results.scores["scale"])
    without = [scale for scale in scales if not adjusts_for_baseline(results, scale)]
    told = f", {number.listed(without)} without the baseline, at which nobody was scored"
    return told if without else ""


def scale_plots(results: Results, answers: list[Answer]) -> list[ScalePlot]:
    """Draw every scale, with a line for each person."""
    if results.scores.empty:
        return []
    out = []
    by_anchor = {a.anchor: a for a in answers}
    for scale in dict.fromkeys(results.scores["scale"]):
        rows = results.scores[results.scores["scale"] == scale]
        sheet = results.scales.get(scale, {})
        better = results.better(scale)
        unused = rows
        if "used" in rows:
            unused = rows[rows["used"].astype(str).str.lower() != "true"]
        else:
            unused = rows.iloc[:0]
        names = [f"{r['participant_id']} ({_why(r)})" for r in unused.to_dict("records")]
        out.append(
            ScalePlot(
                scale,
                str(sheet.get("instrument", "")),
                f"{better} is better" if better else "",
                score_chart(results, scale),
                by_anchor.get(f"clinical-{results.prefix}{scale}"),
                f"{', '.join(names)}." if names else "",
            )
        )
    return out


def course_plots(results: Results) -> list[ScalePlot]:
    """Draw the course of every scale over the occasions; none where there is one occasion."""
    table, occasions = results.course, [str(o) for o in results.config.get("occasions") or ()]
    if table.empty or len(occasions) < 2:
        return []
    # Before all treatment comes last, so that the first colours are those of treatments.
    treatments = sorted(dict.fromkeys(table["treatment"]), key=lambda t: t == number.MISSING)
    out = []
    for scale in dict.fromkeys(table["scale"]):
        panels = []
        for group in dict.fromkeys(table["group"]):
            own = table[(table["scale"] == scale) & (table["group"] == group)]
            own = own[own["sequence"] == EVERYBODY]
            series = []
            for place, treatment in enumerate(treatments):
                rows = own[own["treatment"] == treatment].to_dict("records")
                points = [
                    (occasions.index(str(row["occasion"])), row["mean"], row["low"], row["high"],
                     int(row["n"]))
                    for row in rows
                ]  # fmt: skip
                name = "before treatment" if treatment == number.MISSING else str(treatment)
                if points:
                    series.append(figure.Series(name, f"g{place % 3}", sorted(points)))
            panels.append((str(group), series))
        sheet = results.scales.get(scale, {})
        better = results.better(scale)
        alt = f"Mean {scale} with 95 % intervals at {', '.join(occasions)}, by treatment and group"
        out.append(
            ScalePlot(
                scale,
                str(sheet.get("instrument", "")),
                f"{better} is better" if better else "",
                figure.courses(panels, occasions, scale, alt),
                None,
                "",
            )
        )
    return out


def occasion_table(results: Results) -> Table | None:
    """Tabulate the tests of every scale at every occasion, orders of treatments in one cell."""
    if results.occasions.empty:
        return None
    table = results.occasions
    everybody = table["sequence"] == EVERYBODY
    by_order: dict[tuple[str, ...], list[str]] = {}
    for row in table[~everybody].to_dict("records"):
        said = f"{row['sequence']} {number.signed(row['estimate'])} {_range(row, 'low', 'high')}"
        by_order.setdefault(_comparison(row), []).append(f"{said}, n = {number.whole(row['n'])}")
    shown = _occasions(results, table[everybody])
    rows = table[everybody].to_dict("records")
    shown["p_holm"] = holm(shown["p"].to_numpy(float))
    shown["g_av_interval"] = [_range(row, "g_av_low", "g_av_high") for row in rows]
    shown["by_order"] = ["; ".join(by_order.get(_comparison(row), [])) for row in rows]
    columns: list[Column] = [
        *_OCCASION,
        ("estimate", "difference", number.signed),
        ("interval", "95 % interval", text),
        ("df", "df", lambda v: number.general(v, 3)),
        ("p", "p", number.probability),
        ("p_holm", "p over all rows", number.probability),
        ("n", "n", number.whole),
        ("g_av", "Hedges' g_av", number.signed),
        ("g_av_interval", "95 % interval", text),
        ("by_order", "by order of treatments, not adjusted", blank),
        ("unadjusted_because", "why not adjusted", blank),
    ]
    empty = {key for key in ("by_order", "unadjusted_because")
             if not set(shown[key].map(blank)) - {"", NO_PERIODS}}  # fmt: skip
    columns = [column for column in columns if column[0] not in empty]
    views = results.views()
    order, baseline = any(view.order for view in views), any(view.baseline for view in views)
    adjusted = f", adjusted for {adjustment(order=order, baseline=baseline)}"
    adjusted += " where periods are known" if order else ""
    adjusted = adjusted if shown["adjusted"].any() else ""
    bold = f"in bold where p over all rows (Holm) < {SIGNIFICANT}"
    caption = f"Every scale at every occasion{adjusted}; {bold}"
    return from_frame(shown, columns, caption, list(shown["p_holm"] < SIGNIFICANT))


def occasion_left_table(results: Results) -> Table | None:
    """List who has a score on one side only of what is compared at an occasion."""
    if results.occasions.empty:
        return None
    left = results.occasions[results.occasions["left"].map(known)]
    if left.empty:
        return None
    columns: list[Column] = [*_OCCASION, ("left", "who", text)]
    caption = "Not in these differences, for want of one of two scores"
    return from_frame(_occasions(results, left), columns, caption)


_OCCASION: tuple[Column, ...] = (
    ("scale", "scale", text),
    ("occasion", "occasion", text),
    ("compared", "compared", text),
    ("group", "group", text),
)


def _occasions(results: Results, table: pd.DataFrame) -> pd.DataFrame:
    """Put what is compared, and between whom, into words."""
    rows = table.to_dict("records")
    return table.assign(
        interval=[_range(row, "low", "high") for row in rows],
        compared=[
            f"change since {row['since']}" if known(row["since"])
            else f"{row['treatment']} − {row['reference']}"
            for row in rows
        ],
        group=[
            " − ".join(results.groups) if group == "-".join(results.groups) else group
            for group in table["group"]
        ],
    )  # fmt: skip


def _comparison(row: Mapping[Any, Any]) -> tuple[str, ...]:
    return tuple(str(row[key]) for key in ("scale", "occasion", "treatment", "since", "group"))


def score_chart(results: Results, scale: str) -> str:
    """Draw one scale under both treatments."""
    rows = results.scores[results.scores["scale"] == scale]
    if "used" in rows:
        rows = rows[rows["used"].astype(str).str.lower() == "true"]
    groups: list[figure.Group] = []
    for group in results.groups + sorted(set(rows["group"]) - set(results.groups)):
        own = rows[rows["group"] == group]
        if len(own):
            people = list(zip(own["participant_id"], own["control"], own["active"], strict=True))
            groups.append(figure.Group(group, group_css(results, group), people))
    treatments = (results.control, results.active)
    alt = f"{scale} of each person {results.on_both}"
    return figure.paired(groups, treatments, scale, alt, number.general)


def correlation_table(results: Results) -> Table | None:
    """Tabulate all correlations."""
    if results.correlation.empty:
        return None
    r, p = number.fixed, number.probability
    table = results.correlation.copy()
    table["interval"] = [_range(row, "ci_low", "ci_high") for row in table.to_dict("records")]
    table["range"] = [_range(row, "loo_min", "loo_max") for row in table.to_dict("records")]
    adjusted = "adjusted_for" in table and table["adjusted_for"].map(known).any()
    columns = [
        ("seed", "seed", text),
        ("target", "target", text),
        ("scale", "scale", text),
        ("group", "group", text),
        ("n", "n", number.whole),
        ("r", "r, adjusted for order" if adjusted else "r", r),
        ("interval", "95 % interval", text),
        ("p_permutation", "permutation p", p),
        ("q_fdr", "q (FDR)", p),
        ("unadjusted_because", "why not adjusted", blank),
        ("no_interval_because", "why no interval", blank),
        ("range", "r leaving one out", text),
        ("decisive_person", "without whom p crosses 0.05", blank),
        ("decisive_p", "p without", p),
        ("spearman_rho", "Spearman", r),
        ("spearman_p", "p", p),
        ("percentage_bend_r", "percentage bend", r),
        ("percentage_bend_p", "p", p),
        ("skipped_r", "skipped", r),
        ("skipped_p", "p", p),
        ("partial_r", "partial", r),
        ("partial_p", "p", p),
        ("pearson_r", "r, not adjusted", r),
        ("pearson_p", "p, not adjusted", p),
    ]
    columns = [column for column in columns if column[0] not in _empty(table)]
    table = table.sort_values("p_permutation", kind="stable")
    n = number.whole(table["n_tests"].max()) if "n_tests" in table else number.whole(len(table))
    caption = (
        f"All correlations, q over {n} tests (Benjamini–Hochberg); the first r with its interval, "
        "p and q is the one that is told"
    )
    q = table["q_fdr"] if "q_fdr" in table else pd.Series(1.0, table.index)
    return from_frame(table, columns, caption, list(q < SIGNIFICANT))


def hypotheses_of(results: Results, words: Sequence[Mapping[str, str]]) -> list[dict[str, Any]]:
    """Select the rows of correlations that were hypothesised beforehand, each with its reason.

    ``words`` are the citations of all hypotheses of the study, in their order.
    """
    table = results.hypotheses
    if table.empty:
        return []
    own = table[
        (table["kind"] == "correlation") & table["contrast"].isin([results.design["contrast"]])
    ]
    out = []
    for claim in own.to_dict("records"):
        for row in results.correlation.to_dict("records"):
            told = row["seed"], row["target"], row["scale"], row["group"]
            if told == (claim["seed"], claim["region"], claim["scale"], claim["group"]):
                citation = words[int(claim["hypothesis"]) - 1]["citation"]
                why = citation or "stated beforehand"
                out.append({str(key): value for key, value in row.items()} | {"why": why})
    return out


def scatters(
    results: Results, hypotheses: Sequence[Mapping[str, str]], most: int = 6
) -> list[Scatter]:
    """Draw the hypothesised correlations, and those with the smallest p."""
    if results.correlation.empty or results.points.empty:
        return []
    rows = hypotheses_of(results, hypotheses)
    shown = {_key(row) for row in rows}
    for row in results.correlation.sort_values("p_permutation").head(most).to_dict("records"):
        if _key(row) not in shown and not number.missing(row.get("r")):
            rows.append(row | {"why": ""})
    out = []
    for row in rows:
        chart = point_chart(results, row)
        if not chart:
            continue
        extra = ""
        if not number.missing(row.get("loo_min")):
            extra = f"; leaving one person out {_range(row, 'loo_min', 'loo_max')}"
        title = f"{row['seed']}–{row['target']} and {row['scale']}, {row['group']}"
        caption = correlation_numbers(results, row) + extra + "."
        out.append(Scatter(title, chart, caption, str(row["why"])))
    return out


def point_chart(results: Results, row: dict[str, Any]) -> str:
    """Draw one correlation; the shape of a point shows the person's order of treatments."""
    points = results.points
    if points.empty:
        return ""
    same = points["seed"].eq(row["seed"]) & points["target"].eq(row["target"])
    same &= points["scale"].eq(row["scale"]) & points["group"].eq(row["group"])
    adjusted = known(row.get("adjusted_for"))
    x, y = "delta_score", "delta_fisher_z"
    if adjusted:
        x, y = f"adjusted_{x}", f"adjusted_{y}"
    drawn = []
    for p in points[same].to_dict("records"):
        if number.missing(p[x]):
            continue
        drawn.append(
            (
                p[x],
                p[y],
                p["participant_id"],
                group_css(results, p["group"]),
                shape_of(results, p.get("sequence")),
            )
        )
    if not drawn:
        return ""
    how = ", adjusted for order" if adjusted else ""
    alt = (
        f"Scatter of the change in {row['scale']} and in {row['seed']}–{row['target']} "
        f"connectivity{how}, {len(drawn)} people of {row['group']}, r = {number.fixed(row['r'])}"
    )
    titles = f"Δ {row['scale']}{how}", f"Δ z, {row['seed']}–{row['target']}{how}"
    return figure.scatter(drawn, *titles, alt)


def shape_of(results: Results, sequence: Any) -> str:
    """Return the shape of a point: circle (active first), triangle (control first), else square."""
    first, second = results.crossed or ("", "")
    if sequence == f"{first}-{second}":
        return "circle"
    return "triangle" if sequence == f"{second}-{first}" else "square"


def _empty(table: pd.DataFrame) -> set[str]:
    """List the text columns that are empty in every row."""
    words = ("unadjusted_because", "no_interval_because", "decisive_person")
    empty = {name for name in words if name in table and not table[name].map(known).any()}
    return empty | ({"decisive_p"} if "decisive_person" in empty else set())


def _why(row: dict[str, Any]) -> str:
    reason = row.get("reason")
    return "no reason given" if number.missing(reason) or reason == "n/a" else str(reason)


def _key(row: dict[str, Any]) -> tuple[str, ...]:
    return tuple(str(row[k]) for k in ("seed", "target", "scale", "group"))


def _range(row: dict[str, Any], low: str, high: str) -> str:
    return number.interval(row.get(low), row.get(high))
