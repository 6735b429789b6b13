"""Carry-over on the page: every difference without and with it, in the labels of the trial."""

import re
from collections.abc import Callable
from typing import Any, cast

import pandas as pd

from crossfc.report import number
from crossfc.report.results import Results
from crossfc.report.table import Column, Table, blank, from_frame, text
from crossfc.trial.configuration import Configuration
from crossfc.trial.contrast import difference_label
from crossfc.trial.treatment import treatment_labels


def score_table(results: Results) -> Table | None:
    """Tabulate what carry-over does to the changes of scores."""
    where: list[Column] = [("scale", "scale", text)]
    caption = "Each change of a score without and with first-order carry-over in the model"
    return _table(results, results.carryover, where, caption, 2)


def edge_table(results: Results) -> Table | None:
    """Tabulate what carry-over does to the changes of a-priori edges."""
    where: list[Column] = [("seed", "seed", text), ("target", "target", text)]
    caption = "Each change of an a-priori edge without and with first-order carry-over in the model"
    return _table(results, results.edge_carryover, where, caption, 3)


def _table(
    results: Results, table: pd.DataFrame, where: list[Column], caption: str, decimals: int
) -> Table | None:
    if table.empty:
        return None
    rows = table.to_dict("records")
    sides = {d["contrast"]: difference_label(**d["treatments"]) for d in results.designs}
    columns_of = (re.fullmatch("carryover_(.+)_estimate", column) for column in table.columns)
    treatments = [found[1] for found in columns_of if found]
    shown = table.assign(compared=table["contrast"].map(sides))
    sizes = {"without": "without", "with": "with carry-over"}
    sizes |= {f"carryover_{name}": f"carry-over of {name}{_less(results)}" for name in treatments}
    columns: list[Column] = [("compared", "compared", text), *where, ("group", "group", text)]
    columns.append(("n", "n", number.whole))
    for name, title in sizes.items():
        shown[name] = [_estimate(row, name, decimals) for row in rows]
        columns += [(name, title, str), (f"{name}_p", "p", number.probability)]
        least = f"{name}_detectable"
        if least in shown:
            columns.append((least, "smallest found with 80 % power", _least(decimals)))
    for name, title in (("because", "what could not be told"), ("left", "left")):
        columns += [(name, title, blank)] if any(shown[name].map(blank)) else []
    return from_frame(shown, columns, caption)


def _least(decimals: int) -> Callable[[Any], str]:
    return lambda value: number.fixed(value, decimals)


def _less(results: Results) -> str:
    """Name the reference, from whose carry-over that of the others is told."""
    return f" − of {treatment_labels(cast(Configuration, results.config))[0]}"


def _estimate(row: dict[Any, Any], name: str, decimals: int) -> str:
    estimate = row[f"{name}_estimate"]
    if number.missing(estimate):
        return number.MISSING
    interval = number.interval(row[f"{name}_low"], row[f"{name}_high"], decimals)
    return f"{number.signed(estimate, decimals)} {interval}"
