"""Blinding on the page: Bang's index of each treatment, and effects by guess."""

from crossfc.quality.blinding import DIFFERENCE
from crossfc.report import number
from crossfc.report.results import Results, Row
from crossfc.report.table import Column, Table, blank, from_frame, text
from crossfc.significance import SIGNIFICANT


def sentences(results: Results) -> list[str]:
    """Word how people guessed each treatment; empty where nobody was asked."""
    if results.blinding.empty:
        return []
    table = results.blinding
    # Of several groups the row of all is told.
    whole = table[table["group"] == "all"] if (table["group"] == "all").any() else table
    return [index_sentence(row) for row in whole.to_dict("records")]


def index_sentence(row: Row) -> str:
    """Word the index of one treatment."""
    when = blank(row["occasion"])
    at = f" at {when}" if when else ""
    counts = (
        f"{number.whole(row['n_right'])} of {number.whole(row['n'])} guessed it, "
        f"{number.whole(row['n_wrong'])} guessed another treatment and "
        f"{number.whole(row['n_unknown'])} did not know"
    )
    size = f"Bang's index {number.signed(row['index'])}"
    size += f" {number.interval(row['index_low'], row['index_high'])}"
    if row["index_low"] > 0:
        verdict = "more guessed right than by chance"
    elif row["index_high"] < 0:
        verdict = "fewer guessed right than by chance"
    else:
        verdict = "the interval contains chance"
    return f"Under {row['treatment']}{at}, {counts}: {size}; {verdict}."


def index_table(results: Results) -> Table | None:
    """Tabulate the index of every treatment, by occasion and group."""
    if results.blinding.empty:
        return None
    table = results.blinding
    limits = zip(table["index_low"], table["index_high"], strict=True)
    shown = table.assign(interval=[number.interval(low, high) for low, high in limits])
    columns: list[Column] = [
        ("treatment", "treatment", text),
        ("occasion", "occasion", blank),
        ("group", "group", text),
        ("n", "n", number.whole),
        ("n_right", "guessed right", number.whole),
        ("n_wrong", "guessed wrong", number.whole),
        ("n_unknown", "did not know", number.whole),
        ("index", "Bang's index", number.signed),
        ("interval", "95 % interval", text),
    ]
    return from_frame(shown, columns, "What people guessed that they had been given")


def effects_table(results: Results) -> Table | None:
    """Tabulate changes of edges and scores by guess."""
    if results.effects_by_guess.empty:
        return None
    table = results.effects_by_guess
    rows = table.to_dict("records")
    shown = table.assign(
        outcome=[_outcome(row) for row in rows],
        interval=[number.interval(row["low"], row["high"], 3) for row in rows],
        guess=table["guess"].replace({DIFFERENCE: "right − wrong"}),
    )
    columns: list[Column] = [
        ("outcome", "outcome", text),
        ("group", "group", text),
        ("guess", "guess", text),
        ("n", "n", number.whole),
        ("estimate", f"change ({results.difference})", lambda v: number.signed(v, 3)),
        ("interval", "95 % interval", text),
        ("p", "p", number.probability),
        ("unadjusted_because", "why not adjusted for period", blank),
    ]
    caption = f"Changes by guess ({results.difference}); p not corrected"
    return from_frame(shown, columns, caption, list(table["p"] < SIGNIFICANT))


def _outcome(row: Row) -> str:
    scale = blank(row["scale"])
    return scale or f"{row['seed']} – {row['target']} (z)"
