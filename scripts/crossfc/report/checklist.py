"""Checklists of reporting, filled from the record of a study and without any of its results.

Two checklists, their items in words of crossfc's own: COBIDAS (Nichols et al. 2017, Nature
Neuroscience 20:299-303, and its report with the tables, doi:10.1101/054262), and the CONSORT
extension for randomised crossover trials (Dwan et al. 2019, BMJ 366:l4378).
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from crossfc import atomic
from crossfc.report import number
from crossfc.report.people import Flow, trial_flows
from crossfc.report.results import Results

# What stands where the record cannot tell: the authors have to.
NOT_KNOWN = "not known to crossfc"
PAGE, SHEETS, CONFIG = "report.html", "trial/sheets/", "provenance.json (config)"
COLUMNS = ["section", "item", "topic", "said", "where"]


class Row(NamedTuple):
    """An item of a checklist: what the record says of it, and where a reader finds it.

    ``item`` is its number in the checklist, empty where the checklist has none. ``where`` is a file
    of the results; empty where the authors have to write it.
    """

    section: str
    item: str
    topic: str
    said: str = NOT_KNOWN
    where: str = ""


def write_checklist(path: str | Path, rows: list[Row]) -> None:
    """Write a checklist as a table; what is empty is n/a."""
    atomic.write_table(Path(path), pd.DataFrame(rows, columns=COLUMNS).replace("", None))


def told(rows: list[Row]) -> int:
    """Count the items of which the record says something."""
    return sum(row.said != NOT_KNOWN for row in rows)


# What both checklists ask -------------------------------------------------------------------------


def flow_sentence(results: Results) -> str:
    """Count the people of every group, from the sheets to the analysis, by sequence."""
    return "; ".join(map(_of_group, trial_flows(results))) or NOT_KNOWN


def _of_group(flow: Flow) -> str:
    orders = ", ".join(f"{n} {sequence}" for sequence, n in flow.by_sequence if n)
    orders = f" ({orders})" if orders else ""
    left = f", {flow.left_whole} left" if flow.left_whole else ""
    alone = f", {flow.one_session} with one session" if flow.one_session else ""
    return (
        f"{flow.group}: {flow.known} known{left}{alone}, {flow.paired} with {flow.sessions}{orders}"
    )


def left_sentence(results: Results) -> str:
    """Count who and what left, by reason, without names."""
    if results.left.empty:
        return "nobody and no session left"
    nouns = {"participant": ("person", "people"), "session": ("session", "sessions")}
    told = []
    for level, table in results.left.groupby("level", sort=False):
        one, several = nouns.get(str(level), (str(level), f"{level}s"))
        for reason, own in table.groupby("reason", sort=False):
            told.append(f"{len(own)} {one if len(own) == 1 else several} ({reason})")
    return "; ".join(told)


def seeds_sentence(config: Mapping[str, Any], *parts: str) -> str:
    """List random seeds of parts of the configuration."""
    own = [
        f"{part}.seed {config[part]['seed']}" for part in parts if "seed" in config.get(part, {})
    ]
    return number.listed(own) or NOT_KNOWN


def hypotheses_sentence(results: Results) -> str:
    """Say how many hypotheses were stated, and how they are corrected."""
    n = len(results.config.get("hypotheses") or []) or len(
        (results.config.get("clinical") or {}).get("hypotheses") or []
    )
    if not n:
        return "none was stated; every answer is exploratory"
    return f"{n} stated in the config; one family, corrected together (Holm); all else exploratory"


def scales_sentence(results: Results) -> str:
    """List the scales with their ranges."""
    named = [
        f"{name} ({number.general(own['lowest'])} to {number.general(own['highest'])}, "
        f"{own['better']} is better)"
        for name, own in results.scales.items()
    ]
    return number.listed(named) or "no scores"
