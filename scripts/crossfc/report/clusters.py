"""Tables of clusters: where they are, the values in them, their peaks, and families of analyses."""

import pandas as pd

from crossfc.group.findings.readout import column_label
from crossfc.report import number
from crossfc.report.narrative import direction
from crossfc.report.results import MEASURES, Analysis, Results
from crossfc.report.table import Column, Table, blank, from_frame, text
from crossfc.significance import SIGNIFICANT


def cluster_table(analysis: Analysis, clusters: pd.DataFrame, caption: str) -> Table:
    """Tabulate clusters: place, regions, size, and the corrected p of every measure."""
    rows = _in_order(clusters)
    columns: list[Column] = [
        ("seed", "seed", text),
        ("direction", "direction", text),
        ("region", "region of most voxels", text),
        ("region_share", "share", number.percent),
        ("regions", "regions", blank),
        ("peak_region", "at the peak", blank),
        ("x", "x", number.general),
        ("y", "y", number.general),
        ("z", "z", number.general),
        ("peak_stat", str(analysis.record.get("statistic", "peak")), number.fixed),
        ("size_mm3", "mm³", number.whole),
        ("p_fwe_cluster", "p extent", str),
        ("p_fwe_mass", "p mass", str),
        ("p_fwe_tfce", "p TFCE", str),
        ("p_fwe_peak", "p peak", str),
    ]
    printed = _directed(analysis, rows)
    for column in set(MEASURES) & set(rows.columns):
        said = [analysis.p_of(row, column) for row in rows.to_dict("records")]
        printed[column] = [p.removeprefix("p ").removeprefix("= ") for p in said]
    marked = list(rows["p_fwe_cluster"] < SIGNIFICANT)
    return _without_empty(from_frame(printed, columns, caption, marked))


def value_table(results: Results, analysis: Analysis) -> Table | None:
    """Tabulate the values in clusters, in the same people and with each person left out.

    The table has the significant clusters, and the first cluster of each seed.
    """
    if "n_folds" not in analysis.clusters:
        return None
    rows = _in_order(analysis.clusters)
    rows = rows[(rows["p_fwe_cluster"] < SIGNIFICANT) | (rows.groupby("seed").cumcount() == 0)]
    people = sum((analysis.record.get("n") or {}).values())

    def both(first: str, second: str) -> list[str]:
        pairs = zip(rows[first], rows[second], strict=True)
        return [
            number.MISSING if number.missing(a) else f"{number.fixed(a)} ({number.fixed(b)})"
            for a, b in pairs
        ]

    def with_interval(size: str) -> list[str]:
        parts = zip(rows[size], rows[f"{size}_low"], rows[f"{size}_high"], strict=True)
        return [
            number.MISSING if number.missing(value)
            else f"{number.fixed(value)} {number.interval(low, high)}"
            for value, low, high in parts
        ]  # fmt: skip

    shown = _directed(analysis, rows)[["seed", "direction", "region"]]
    columns: list[Column] = [
        ("seed", "seed", text),
        ("direction", "direction", text),
        ("region", "region", text),
    ]
    said = {
        "effect (left out)": both("effect_in_sample", "effect_loo"),
        "left out": [f"{number.whole(n)} of {number.whole(people)}" for n in rows["n_folds"]],
        "g at the peak": with_interval("hedges_g"),
        "partial R² at the peak": with_interval("partial_r2"),
    }
    for group in results.groups:
        for treatment in (results.control, results.active):
            cell = f"{group}_{column_label(treatment)}"
            said[f"{group} {treatment}, plain mean z (left out)"] = both(
                f"mean_{cell}", f"loo_mean_{cell}"
            )
    for title, values in said.items():
        shown[title] = values
        columns.append((title, title, str))
    caption = "What the clusters hold: in the same people, and with each person left out"
    marked = list(rows["p_fwe_cluster"] < SIGNIFICANT)
    return _without_empty(from_frame(shown, columns, caption, marked))


def peak_table(analysis: Analysis) -> Table | None:
    """Tabulate the further peaks of clusters; None if there are none."""
    if analysis.peaks.empty or not (analysis.peaks["peak"] > 1).any():
        return None
    own = ["seed", "sign", "cluster"]
    rows = analysis.peaks[analysis.peaks.groupby(own)["peak"].transform("max") > 1]
    columns = [
        ("seed", "seed", text),
        ("direction", "direction", text),
        ("cluster", "cluster", number.whole),
        ("peak", "peak", number.whole),
        ("region", "region", text),
        ("x", "x", number.general),
        ("y", "y", number.general),
        ("z", "z", number.general),
        ("stat", str(analysis.record.get("statistic", "peak")), number.fixed),
        ("p_fwe_peak", "p peak", number.probability),
        ("p_fwe_tfce", "p TFCE", number.probability),
    ]
    caption = "Peaks within clusters, at least 8 mm apart"
    return _without_empty(from_frame(_directed(analysis, rows), columns, caption))


def family_table(results: Results) -> Table | None:
    """Tabulate the p that were corrected over several analyses together."""
    if results.family.empty:
        return None
    rows = results.family.sort_values(["family", "p_joint"], kind="stable")
    known = {analysis.name: analysis for analysis in results.analyses}
    told = [
        direction(known[row["analysis"]], row["sign"]) if row["analysis"] in known else ""
        for row in rows.to_dict("records")
    ]
    rows = rows.assign(direction=told)
    columns = [
        ("family", "family", number.whole),
        ("analysis", "analysis", text),
        ("seed", "seed", text),
        ("measure", "measure", text),
        ("direction", "direction", text),
        ("region", "region", text),
        ("x", "x", number.general),
        ("y", "y", number.general),
        ("z", "z", number.general),
        ("p_within", "p within the analysis", number.probability),
        ("p_joint", "p over the family", number.probability),
    ]
    caption = "Clusters corrected over families of analyses"
    return _without_empty(from_frame(rows, columns, caption, list(rows["p_joint"] < SIGNIFICANT)))


def _directed(analysis: Analysis, rows: pd.DataFrame) -> pd.DataFrame:
    """Add the direction of every cluster in words; empty where the statistic has none."""
    return rows.assign(direction=[direction(analysis, sign) for sign in rows["sign"]])


def _in_order(clusters: pd.DataFrame) -> pd.DataFrame:
    return clusters.sort_values(["p_fwe_cluster", "size_mm3"], ascending=[True, False])


def _without_empty(table: Table) -> Table:
    """Leave out columns with n/a only, such as the means of a group outside this analysis."""
    keep = [
        k for k in range(len(table.columns))
        if any(row[k] not in (number.MISSING, "") for row in table.rows)
    ]  # fmt: skip
    table.columns = [table.columns[k] for k in keep]
    table.rows = [[row[k] for k in keep] for row in table.rows]
    return table
