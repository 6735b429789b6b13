"""What was planted in a twin, and whether it was found, including effects planted as zero."""

from typing import Any

import pandas as pd

from crossfc.report import number
from crossfc.report.narrative import region_of
from crossfc.report.results import Analysis, Results, Row
from crossfc.report.table import Table
from crossfc.significance import SIGNIFICANT
from crossfc.trial.contrast import DRUG

REACH_MM = 12.0


def table(results: Results) -> Table | None:
    """Compare what was planted with what was found, one row per planted effect.

    A planted drug effect counts as found if a cluster of that seed with the planted sign is
    significant after correction, and its peak is within 12 mm of the target's surface.
    """
    edges = (results.truth or {}).get("edges") or []
    rows: list[list[str]] = []
    marked: set[int] = set()
    for edge in edges:
        for planted, verdict, evidence in _claims(results, edge):
            if verdict == "found" or verdict == "nothing found, as planted":
                marked.add(len(rows))
            name = f"{edge.get('seed')}–{edge.get('target')}"
            rows.append([name, str(edge.get("meaning", "")), planted, verdict, evidence])
    if not rows:
        return None
    columns = [(c, False) for c in ("connection", "why", "planted", "verdict", "evidence")]
    return Table("What was planted, and what was found (marked: as planted)", columns, rows, marked)


def sentence(results: Results) -> str:
    """State how many of the planted effects were found."""
    made = table(results)
    if made is None:
        return ""
    effects = [row for row in made.rows if not row[2].startswith("no ")]
    nulls = [row for row in made.rows if row[2].startswith("no ")]
    found = sum(row[3] == "found" for row in effects)
    tested = sum(row[3] != "not tested" for row in effects)
    kept = sum(row[3] == "nothing found, as planted" for row in nulls)
    tested_nulls = sum(row[3] != "not tested" for row in nulls)
    return (
        f"The scans are simulated. Of {tested} planted effects that were tested, {found} were "
        f"found; {kept} of {tested_nulls} planted absences stayed without an effect."
    )


def _claims(results: Results, edge: dict[str, Any]) -> list[tuple[str, str, str]]:
    """List everything that an edge plants, each as (words, verdict, evidence)."""
    views = results.views()
    out = [claim for view in views for claim in _changes(view, edge)]
    for scale, tie in (edge.get("ties") or {}).items():
        absent = isinstance(tie, dict) and tie.get("planted") is False
        out += [_tie(view, edge, scale, tie) for view in (views[:1] if absent else views)]
    return out


def _changes(results: Results, edge: dict[str, Any]) -> list[tuple[str, str, str]]:
    """List the changes that an edge plants in the contrast in view."""
    out = []
    change = {
        str(row["group"]): float(row["change"])
        for row in results.planted_changes.to_dict("records")
        if (row["seed"], row["target"]) == (edge.get("seed"), edge.get("target"))
    }
    of_drug = results.design.get("contrast", DRUG) == DRUG and not results.config.get("occasions")
    effect = results.effect if results.over_time else results.difference
    plain = [a for a in results.of_kind("drug", "group_by_drug") if not a.given]
    for analysis in (a for a in plain if a.kind == "drug"):
        for group in analysis.record.get("n") or {}:
            if group in change:
                size = change[group]
                short = f"{'drug effect' if of_drug else effect} in {group}"
                words = f"{short}, Δz = {number.signed(size)}"
                out.append(_judge(results, analysis, edge, size, words, short))
    for analysis in (a for a in plain if a.kind == "group_by_drug"):
        compared = [g for g in results.groups if g in (analysis.record.get("n") or {})]
        if len(compared) == 2 and set(compared) <= set(change):
            first, second = compared
            size = change[first] - change[second]
            short = f"{effect}, {first} against {second}"
            if of_drug and len(results.groups) == 2:
                short = "group × drug"
            words = f"{short}, difference of Δz = {number.signed(size)}"
            out.append(_judge(results, analysis, edge, size, words, short))
    return out


def _judge(
    results: Results, analysis: Analysis, edge: dict[str, Any], size: float, words: str, short: str
) -> tuple[str, str, str]:
    seed = str(edge.get("seed"))
    words = words if size else f"no {short}"
    if seed not in analysis.seeds:
        return words, "not tested", f"{analysis.title} has no seed {seed}"
    places = [r for r in results.target_rows if str(r.get("target")) == str(edge.get("target"))]
    hits = analysis.significant(seed)
    near = [row for row in hits.to_dict("records") if _reaches(row, places)]
    if not places:
        return words, "not tested", "the target has no coordinates"
    if size == 0:
        if not near:
            return words, "nothing found, as planted", "no cluster of this seed at the target"
        return words, "found where nothing was planted", _evidence(analysis, near[0])
    signed = [row for row in near if (str(row["sign"]) != "-") == (size > 0)]
    if signed:
        return words, "found", _evidence(analysis, signed[0])
    own = analysis.clusters
    rows = own[own["seed"] == seed].to_dict("records") if len(own) else []
    there = [row for row in rows if _reaches(row, places)]
    there = [row for row in there if (str(row["sign"]) != "-") == (size > 0)]
    if there:
        best = min(there, key=lambda row: row["p_fwe_cluster"])
        return words, "missed", _evidence(analysis, best)
    return words, "missed", "no cluster of this sign at the target"


def _tie(results: Results, edge: dict[str, Any], scale: str, tie: Any) -> tuple[str, str, str]:
    slope = float(tie.get("slope_per_point", 0)) if isinstance(tie, dict) else float(tie)
    known = results.correlation
    absent = isinstance(tie, dict) and tie.get("planted") is False
    of = f" ({results.heading})" if results.heading and not absent else ""
    words = f"tie to {scale}{of}, {number.signed(slope, 3)} per point"
    words = words if slope else f"no tie to {scale}{of}"
    if absent:
        return words, "not tested", str(tie.get("why_not", ""))
    rows = pd.DataFrame()
    if len(known):
        same = known["seed"].eq(str(edge["seed"])) & known["target"].eq(str(edge["target"]))
        rows = known[same & known["scale"].eq(scale) & known["group"].eq(results.groups[0])]
    if rows.empty or number.missing(rows.iloc[0]["r"]):
        return words, "not tested", "no such correlation was computed"
    row = rows.iloc[0]
    evidence = (
        f"r = {number.fixed(row['r'])} "
        f"{number.interval(row.get('ci_low'), row.get('ci_high'))}, "
        f"p = {number.probability(row['p_permutation'])}, q = {number.probability(row['q_fdr'])}"
    )
    survived = row["q_fdr"] < SIGNIFICANT
    if slope == 0:
        verdict = "found where nothing was planted" if survived else "nothing found, as planted"
        return words, verdict, evidence
    same_sign = (row["r"] > 0) == (slope > 0)
    return words, "found" if survived and same_sign else "missed", evidence


def _reaches(row: Row, places: list[dict[str, Any]]) -> bool:
    """Test whether a cluster's peak is at one of the places (a target may have one per side)."""
    for place in places:
        if any(number.missing(place.get(axis)) for axis in "xyz"):
            continue
        apart = sum((float(row[axis]) - float(place[axis])) ** 2 for axis in "xyz") ** 0.5
        radius_mm = number.cell(place, "radius_mm")
        if apart <= REACH_MM + (0.0 if number.missing(radius_mm) else radius_mm):
            return True
    return False


def _evidence(analysis: Analysis, row: Row) -> str:
    return (
        f"cluster {region_of(row)}, peak {number.place(row['x'], row['y'], row['z'])} mm, "
        f"corrected {analysis.p_of(row)}"
    )
