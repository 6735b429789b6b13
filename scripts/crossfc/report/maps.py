"""The group maps, their clusters, and the values of every person in them."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from crossfc.group.analysis import DESIGN_FILE
from crossfc.group.design.kind import words
from crossfc.group.design.question import CHANGE
from crossfc.group.findings.result import Result
from crossfc.report import figure, number, slices
from crossfc.report.clinic import shape_of
from crossfc.report.clusters import cluster_table, peak_table, value_table
from crossfc.report.design_matrix import design_picture
from crossfc.report.evidence import map_sentences
from crossfc.report.narrative import (
    Answer,
    cluster_sentence,
    compared_groups,
    map_answer,
    over_pairs,
    region_name,
    scale_of,
    seed_word,
)
from crossfc.report.people import group_css
from crossfc.report.results import Analysis, Results, Row
from crossfc.report.table import Table
from crossfc.significance import SIGNIFICANT
from crossfc.table import read_table

PLOTS_PER_SEED = 4
_ARRANGED = {"re-randomisation": "drawings of the orders of treatments"}
# The null hypotheses of tests of a group's mean.
_NULLS = {
    "re-randomisation": "no change in anybody (not: no mean change)",
    "sign flips": "differences symmetric about no change",
}


@dataclass
class SeedMap:
    """The picture of one seed: two drawings side by side, and a sentence.

    ``about`` names analysis and seed, for a picture that stands alone.
    """

    seed: str
    title: str
    about: str
    cuts: str
    axial: str
    caption: str


@dataclass
class CellPlot:
    """Everybody's values under both treatments in one cluster."""

    title: str
    chart: str
    caption: str


@dataclass
class MapSection:
    """The section of one analysis on the page."""

    results: Results
    analysis: Analysis
    answer: Answer
    facts: list[tuple[str, str]]
    notes: list[str]
    files: list[str]
    scale: str
    maps: list[SeedMap] = field(default_factory=list)
    size_scale: str = ""
    sizes: list[tuple[str, str]] = field(default_factory=list)
    significant: Table | None = None
    values: Table | None = None
    clusters: Table | None = None
    peaks: Table | None = None
    cells: list[CellPlot] = field(default_factory=list)
    design: str = ""


def section(results: Results, analysis: Analysis) -> MapSection:
    """Draw and tabulate one analysis."""
    scale, maps = seed_maps(results, analysis)
    size_scale, sizes = size_maps(analysis)
    significant, every = analysis.significant(), analysis.clusters
    return MapSection(
        results,
        analysis,
        map_answer(results, analysis),
        facts(analysis),
        notes(analysis),
        files(analysis),
        scale,
        maps,
        size_scale,
        sizes,
        cluster_table(analysis, significant, "Clusters that survived correction")
        if len(significant)
        else None,
        value_table(results, analysis) if len(every) else None,
        cluster_table(analysis, every, "All clusters above the forming threshold")
        if len(every)
        else None,
        peak_table(analysis),
        cell_plots(results, analysis),
        design_of(analysis),
    )


def design_of(analysis: Analysis) -> str:
    """Draw the design matrix of an analysis; empty if it was not estimated."""
    path = analysis.folder / DESIGN_FILE
    if not path.is_file():
        return ""
    tested = analysis.record.get("tested_columns", [])
    return design_picture(read_table(path), tested, analysis.title)


def files(analysis: Analysis) -> list[str]:
    """List the folder and the tables of an analysis, from the folder of the page."""
    folder = "/".join(analysis.folder.parts[-3:])
    names = ("result.json", "clusters.tsv", "peaks.tsv", "cells.tsv", "null.tsv", DESIGN_FILE)
    there = [name for name in names if (analysis.folder / name).is_file()]
    return [f"{folder}/", *(f"{folder}/{name}" for name in there)]


def size_maps(analysis: Analysis) -> tuple[str, list[tuple[str, str]]]:
    """Draw the effect sizes of all seeds, without any threshold, and their scale.

    Told is Hedges' g or, where the analysis has none, partial R².
    """
    for stat, name in (("hedgesg", "Hedges' g"), ("partialrsq", "partial R²")):
        paths = {seed: analysis.statmap(seed, stat) for seed in analysis.seeds}
        paths = {seed: path for seed, path in paths.items() if path.is_file()}
        if not paths:
            continue
        tops = []
        for path in paths.values():
            values = slices.Volume.load(path).values
            known = np.abs(values[np.isfinite(values)])
            tops.append(float(np.percentile(known, 99.9)) if len(known) else 0.0)
        top = float(np.ceil(max(tops) * 10) / 10) or 1.0
        drawn = [
            (
                seed_word(seed),
                slices.axial(
                    slices.Volume.load(path), top,
                    f"{name} of {analysis.title}, {seed_word(seed)}; axial slices",
                ),
            )
            for seed, path in paths.items()
        ]  # fmt: skip
        alt = f"Colour scale of {name} up to {top:g}"
        return slices.legend(top, top / 2, name, stat == "partialrsq", alt), drawn
    return "", []


def facts(analysis: Analysis) -> list[tuple[str, str]]:
    """List model, numbers of people and thresholds as pairs of word and value."""
    record = analysis.record
    counts = ", ".join(f"{g} {number.whole(n)}" for g, n in (record.get("n") or {}).items())
    threshold = record.get("threshold_fwe_voxel")
    forming = analysis.threshold()
    drawn = number.whole(analysis.n_permutations)
    kind = str(record.get("arrangement", "arrangements"))
    drawn += f" {_ARRANGED.get(kind, kind)}"
    drawn += " (all there are)" if analysis.exhaustive else ""
    pairs = [
        ("people", counts),
        ("model", str(record.get("model", ""))),
        ("statistic", _statistic(record)),
        ("arrangements", drawn if analysis.n_permutations else ""),
        (
            "clusters formed at",
            f"p < {number.general(record.get('cluster_forming_p'))}"
            + (f", {record.get('statistic', 't')} = {number.fixed(forming)}" if forming else "")
            if record.get("cluster_forming_p") is not None
            else "",
        ),
        (
            "95 % of the null maximum (voxels)",
            "" if number.missing(threshold) else number.fixed(threshold),
        ),
        (
            "period adjusted",
            ""
            if analysis.kind == "carryover" or not record["order"]
            else "yes"
            if record.get("sequence_adjusted")
            else "no",
        ),
        ("covariates", ", ".join(map(str, record.get("covariates") or []))),
        ("given", analysis.given),
        ("baseline by voxel", str(record.get("baseline") or "")),
        (
            "null hypothesis",
            _NULLS.get(kind, "") if analysis.kind.startswith("drug") else "",
        ),
        (
            "skewness of differences",
            "" if number.missing(record.get("skewness")) else number.fixed(record["skewness"]),
        ),
    ]
    return [(word, value) for word, value in pairs if value]


def _statistic(record: Result) -> str:
    freedom = record.get("degrees_of_freedom")
    name = str(record.get("statistic_name") or record.get("statistic", ""))
    if isinstance(freedom, dict) and {"min", "max"} <= set(freedom):
        low, high = (number.general(freedom[key], 3) for key in ("min", "max"))
        return f"{name}, {low} to {high} degrees of freedom"
    if isinstance(freedom, dict):
        parts = ", ".join(number.general(v, 3) for v in freedom.values())
        return f"{name}({parts})"
    if isinstance(freedom, list):
        return f"{name}({', '.join(number.general(v, 3) for v in freedom)})"
    if freedom is None:
        return name
    shown = number.general(freedom, 3)
    return f"{name}, {shown} degrees of freedom" if name.endswith(")") else f"{name}({shown})"


def notes(analysis: Analysis) -> list[str]:
    """List the notes of the record, and who left this analysis."""
    out = [str(note) for note in analysis.record.get("notes") or []]
    unadjusted = not analysis.record.get("sequence_adjusted", True) and analysis.record["order"]
    # Not for carry-over, which is itself about the order, nor if the record gives its own reason.
    if unadjusted and analysis.kind != "carryover" and not any("sequence term" in n for n in out):
        out.append(
            "The order of treatments is not known for everybody, or does not vary: the effect is "
            "not adjusted for period."
        )
    out += map_sentences(analysis)
    out += _single_people(analysis)
    left = analysis.record.get("left") or []
    if left:
        names = "; ".join(f"{r.get('participant_id')}: {r.get('reason')}" for r in left)
        out.append(f"Not in this analysis: {names}.")
    return out


def _single_people(analysis: Analysis) -> list[str]:
    """Describe which significant clusters would be lost, even uncorrected, without one person."""
    said: list[str] = []
    rows = analysis.significant()
    if "n_decisive" not in rows:  # results of an older version
        return said
    for row in rows[rows["n_decisive"] > 0].to_dict("records"):
        count = int(row["n_decisive"])
        others = f"; so it is without any one of {count} people" if count > 1 else ""
        turned = row["effect_without_person"] * row["effect_in_sample"] < 0
        said.append(
            f"The cluster of {row['seed']} at ({', '.join(number.general(row[a]) for a in 'xyz')})"
            f" stands on single people: without {row['without_person']} alone the effect on its "
            f"mean is {number.fixed(row['effect_without_person'])} in place of "
            f"{number.fixed(row['effect_in_sample'])}"
            f"{', of the other sign' if turned else ''} "
            f"({number.p_equals(row['p_without_person'])}, uncorrected{others})."
        )
    return said


def seed_maps(results: Results, analysis: Analysis) -> tuple[str, list[SeedMap]]:
    """Draw all seeds of an analysis on one colour scale, and the scale itself."""
    paths = statistic_maps(analysis)
    if not paths:
        return "", []
    top = slices.scale_limit(list(paths.values()), analysis.threshold())
    drawn = [_seed_map(analysis, seed, path, top) for seed, path in paths.items()]
    return _legend(results, analysis, top), drawn


def one_map(
    results: Results, analysis: Analysis, seed: str, place: slices.Place | None = None
) -> tuple[str, SeedMap | None]:
    """Draw one seed of an analysis, and its colour scale.

    Parameters
    ----------
    results : Results
    analysis : Analysis
    seed : str
    place : (x, y, z), optional
        Where to cut, mm; else through the peak of the first cluster.
    """
    paths = statistic_maps(analysis)
    if seed not in paths:
        return "", None
    top = slices.scale_limit(list(paths.values()), analysis.threshold())
    drawn = _seed_map(analysis, seed, paths[seed], top, place)
    return _legend(results, analysis, top), drawn


def statistic_maps(analysis: Analysis) -> dict[str, Path]:
    """Return the map of t or F of every seed that has one."""
    paths = {seed: analysis.statmap(seed, statistic_of(analysis)) for seed in analysis.seeds}
    return {seed: path for seed, path in paths.items() if path.is_file()}


def statistic_of(analysis: Analysis) -> str:
    """Return the letter of an analysis's statistic."""
    return "F" if analysis.without_sign else "t"


def _legend(results: Results, analysis: Analysis, top: float) -> str:
    name, threshold = statistic_of(analysis), analysis.threshold()
    alt = f"Colour scale of {name} up to {top:g}; opaque beyond {threshold or 0:.1f}"
    return slices.legend(top, threshold, scale_name(results, analysis, name), name == "F", alt)


def _seed_map(
    analysis: Analysis, seed: str, path: Path, top: float, place: slices.Place | None = None
) -> SeedMap:
    hits = analysis.significant(seed)
    outlined = (
        f"{len(hits)} cluster{'s' if len(hits) != 1 else ''} outlined (corrected p < "
        f"{SIGNIFICANT}{over_pairs(analysis)})"
        if len(hits)
        else "no cluster survived correction, so none is outlined"
    )
    peak, where = (place, "the region") if place else _peak(analysis, seed, path)
    alt = f"{statistic_of(analysis)} map of {analysis.title}, {seed_word(seed)}: {outlined}"
    cuts, axial = slices.montage(
        path,
        analysis.statmap(seed, "pfwecluster"),
        analysis.threshold() or 0.0,
        top,
        peak,
        alt,
        analysis.level,
    )
    smallest = analysis.smallest(seed)
    told = "" if smallest is None else f"; smallest {analysis.smallest_equals(seed)}"
    caption = f"Cuts through {where} at {number.place(*peak)} mm; {outlined}{told}."
    about = f"{analysis.title}: {seed_word(seed)}"
    return SeedMap(seed, seed_word(seed), about, cuts, axial, caption)


def scale_name(results: Results, analysis: Analysis, name: str) -> str:
    """Name the statistic (its letter) with what is subtracted from what."""
    if name == "F":
        return "F"
    if analysis.kind in ("drug", "drug_pooled"):
        return f"t ({results.difference})"
    compared = compared_groups(results, analysis)
    if analysis.kind.startswith("group_by_drug") and len(compared) == 2:
        return f"t (change in {compared[0]} − in {compared[1]})"
    return "t"


def _peak(analysis: Analysis, seed: str, path: Path) -> tuple[slices.Place, str]:
    """Choose the point to cut through, and name it.

    It is the peak of the cluster with the smallest p or, without clusters, the largest value.
    """
    own = analysis.clusters
    if len(own):
        own = own[own["seed"] == seed].sort_values("p_fwe_cluster", kind="stable")
    if len(own):
        row = own.iloc[0]
        return (float(row["x"]), float(row["y"]), float(row["z"])), "the peak of the first cluster"
    record = analysis.per_seed(seed)
    low, high = record.get("min"), record.get("max")
    side = "min" if low is not None and high is not None and -low > high else "max"
    place = record.get(f"peak_mm_{side}")
    if place is None:
        place = slices.extreme(path)
    x, y, z = place
    return (float(x), float(y), float(z)), "the largest value"


def cell_plots(results: Results, analysis: Analysis) -> list[CellPlot]:
    """Draw every person in the first clusters of each seed."""
    if analysis.cells.empty or analysis.clusters.empty:
        return []
    out = []
    for seed in analysis.seeds:
        own = analysis.clusters[analysis.clusters["seed"] == seed]
        shown = 0
        for row in own.sort_values("p_fwe_cluster", kind="stable").to_dict("records"):
            rows = cells_of(analysis, row)
            if rows.empty or shown == PLOTS_PER_SEED:
                continue
            shown += 1
            survived = row["p_fwe_cluster"] < analysis.level
            sentence = (
                cluster_sentence(results, analysis, row)
                if survived
                else "The largest cluster of a seed without any that survived correction "
                f"(corrected {analysis.p_of(row)})."
            )
            for name, part in parts_of(rows):
                title = f"{name or seed_word(seed)} – {region_name(row)}"
                chart = change_chart(results, analysis, part) if analysis.kind == CHANGE else ""
                out.append(CellPlot(title, chart or cell_chart(results, part, title), sentence))
    return out


def change_chart(results: Results, analysis: Analysis, rows: pd.DataFrame) -> str:
    """Draw the change in a cluster against that of the score, of who is in the analysis.

    Both are as they are: nothing is taken out of them. Empty where there are no scores.
    """
    scale, scores = scale_of(analysis), results.scores
    if scores.empty:
        return ""
    scores = scores[scores["scale"] == scale].set_index("participant_id")
    scored = (scores["active"] - scores["control"]).to_dict()
    drawn = [
        (
            float(scored[row["participant_id"]]),
            float(row["delta"]),
            str(row["participant_id"]),
            group_css(results, str(row["group"])),
            shape_of(results, row.get("sequence")),
        )
        for row in rows.to_dict("records")
        if row["group"] in (analysis.record.get("n") or {})
        and not number.missing(scored.get(row["participant_id"]))
    ]
    if not drawn:
        return ""
    quantity = words(results.pairs.get("maps_kind"))
    alt = f"Change of {quantity} in the cluster against the change in {scale}, {len(drawn)} people"
    return figure.scatter(drawn, f"Δ {scale}", f"Δ {quantity} in the cluster", alt)


def cells_of(analysis: Analysis, row: Row) -> pd.DataFrame:
    """Return everybody's values in one cluster."""
    cells = analysis.cells
    same = (cells["seed"] == row["seed"]) & (cells["cluster"] == row["cluster"])
    return cells[same & (cells["sign"].astype(str) == str(row["sign"]))]


def parts_of(rows: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """Split the values of a cluster by the map they are read from.

    In a comparison of seeds, a cluster is read from every seed. Other clusters have one part, whose
    name is "".
    """
    if "map" not in rows or rows["map"].nunique() < 2:
        return [("", rows)]
    return [(str(name), part) for name, part in rows.groupby("map", sort=False)]


def cell_chart(results: Results, rows: pd.DataFrame, title: str) -> str:
    """Draw one cluster: control on the left, active on the right, a line for each person."""
    groups: list[figure.Group] = []
    order = results.groups + sorted(set(rows["group"]) - set(results.groups))
    for group in order:
        own = rows[rows["group"] == group]
        if len(own):
            people = list(zip(own["participant_id"], own["control"], own["active"], strict=True))
            groups.append(figure.Group(group, group_css(results, group), people))
    means = "; ".join(
        f"{g.name} {number.fixed(figure.mean_interval([p[1] for p in g.people])[0])} to "
        f"{number.fixed(figure.mean_interval([p[2] for p in g.people])[0])}"
        for g in groups
    )
    treatments = (results.control, results.active)
    quantity = words(results.pairs.get("maps_kind"))
    alt = f"{title}: each person's {quantity}, {' and '.join(treatments)}; means {means}"
    return figure.paired(groups, treatments, quantity, alt)
