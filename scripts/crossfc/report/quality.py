"""Quality and sensitivity: motion, signal, coverage, exclusions, models and pipelines."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import pandas as pd

from crossfc.measure import MEASURES, measures_of
from crossfc.quality.motion import group_by_drug
from crossfc.report import figure, number
from crossfc.report.carpet import inlined_carpet
from crossfc.report.inspection import read_inspection
from crossfc.report.people import group_css
from crossfc.report.results import Results
from crossfc.report.table import Column, Table, blank, everything, from_frame, text
from crossfc.significance import SIGNIFICANT

WORST_CARPETS = 4
TITLES = {
    "qcfc": "QC-FC: does motion go with connectivity over people?",
    "qc_fc": "QC-FC: does motion go with connectivity over people?",
    "defects": "Volumes that are no measurement (counted from 0), censored in every pipeline",
    "ratings": "What raters said of sessions; a session leaves if any rater excludes it",
    "likeness": "Do a person's sessions look like each other, and not like other people's "
    "(correlation of the details of their functional reference images)?",
}


@dataclass
class Chart:
    """A drawing with a title and a sentence."""

    title: str
    chart: str
    caption: str


@dataclass
class Carpet:
    """Carpets of a session, inlined."""

    title: str
    source: str


def charts(results: Results) -> list[Chart]:
    """Draw motion and temporal signal-to-noise ratio of everybody on both sides."""
    out = []
    paired = results.paired
    both = "under both treatments" if results.crossed else results.on_both
    if {"mean_fd_active", "mean_fd_control"} <= set(paired.columns):
        rows = paired.rename(columns={"mean_fd_active": "active", "mean_fd_control": "control"})
        out.append(
            Chart(
                "Motion",
                _paired_chart(results, rows, "mean FD (mm)", "Mean framewise displacement"),
                f"Mean framewise displacement of each person {both}; bars are the mean and its "
                "95 % interval.",
            )
        )
    if {"tsnr_median", "treatment", "participant_id"} <= set(results.sessions.columns):
        wide = results.sessions.pivot_table(
            index=["participant_id", "group"], columns="treatment", values="tsnr_median"
        ).reset_index()
        if {results.active, results.control} <= set(wide.columns):
            rows = wide.rename(columns={results.active: "active", results.control: "control"})
            rows = rows.dropna(subset=["active", "control"])
            out.append(
                Chart(
                    "Temporal signal to noise",
                    _paired_chart(results, rows, "median tSNR", "Temporal signal to noise"),
                    f"Median temporal signal-to-noise ratio of each person {both}.",
                )
            )
    return out


def _signed_three(value: Any) -> str:
    return number.signed(value, 3)


def _paired_chart(results: Results, rows: pd.DataFrame, title: str, alt: str) -> str:
    groups: list[figure.Group] = []
    for group in results.groups:
        own = rows[rows["group"] == group]
        if len(own):
            people = list(zip(own["participant_id"], own["control"], own["active"], strict=True))
            groups.append(figure.Group(group, group_css(results, group), people))
    treatments = (results.control, results.active)
    alt = f"{alt} of each person {results.on_both}"
    return figure.paired(groups, treatments, title, alt, number.general)


def motion_table(results: Results) -> Table | None:
    """Tabulate measures of the whole scan by group and treatment, with their tests."""
    of_regions = _of_regions(results)
    caption = (
        f"Motion and signal by group and treatment; in bold where p < {SIGNIFICANT}, adjusted for "
        f"{results.adjusted_where}"
    )
    return _tested(results, results.motion[~of_regions], caption)


def region_table(results: Results) -> Table | None:
    """Tabulate coverage and temporal signal-to-noise ratio of seeds and targets in the same way."""
    of_regions = _of_regions(results)
    caption = (
        "Coverage and tSNR of seeds and targets by group and treatment, tested in the same way"
    )
    return _tested(results, results.motion[of_regions], caption)


def _of_regions(results: Results) -> pd.Series:
    """Tell which rows of the table of motion are of a seed or target."""
    if results.motion.empty:
        return pd.Series(dtype=bool)
    whole = {m.name for m in MEASURES if m.region is None}
    return ~results.motion["measure"].isin(whole)


def _tested(results: Results, tested: pd.DataFrame, caption: str) -> Table | None:
    if tested.empty:
        return None
    # A measure that varies in no group tells nothing.
    varies = tested[["adjusted_p", "unadjusted_p"]].notna().any(axis=1)
    varies = varies.groupby(tested["measure"]).transform("any")
    constant = tested.loc[~varies, "measure"].nunique()
    tested = tested[varies]
    if tested.empty:
        return None
    if constant:
        caption += f"; without {number.counted(constant, 'measure')} of which no change varies"
    columns = [
        ("measure", "measure", text),
        ("group", "group", text),
        ("n", "n", number.whole),
        ("mean_active", results.active, _three),
        ("mean_control", results.control, _three),
        ("adjusted_difference", f"difference, adjusted for {results.adjusted_for}", _signed_three),
        ("adjusted_t", "t", number.fixed),
        ("adjusted_df", "df", lambda v: number.general(v, 3)),
        ("adjusted_p", "p", number.probability),
        ("adjusted_wilcoxon_p", "Wilcoxon p, adjusted for period", number.probability),
        ("mean_difference", "difference, not adjusted", _signed_three),
        ("unadjusted_p", "p, not adjusted", number.probability),
        ("unadjusted_wilcoxon_p", "Wilcoxon p, not adjusted", number.probability),
        ("unadjusted_because", "why not adjusted", blank),
    ]
    told = tested["adjusted_p"].fillna(tested["unadjusted_p"])
    marked = list(told < SIGNIFICANT)
    n_groups = len(results.groups)
    between = {group_by_drug(p, n_groups): " − ".join(p) for p in combinations(results.groups, 2)}
    titles = {measure.name: measure.title for measure in measures_of(set(tested["measure"]))}
    rows = tested.replace({"measure": titles, "group": between})
    return from_frame(rows, columns, caption, marked)


def sessions_table(results: Results) -> Table | None:
    """Tabulate every session with its quality measures."""
    if results.sessions.empty:
        return None
    frame = results.sessions
    known: list[Column] = [
        ("participant_id", "person", text),
        ("session_id", "session", text),
        ("group", "group", text),
        ("treatment", "treatment", text),
        ("volumes", "volumes", number.whole),
        ("volumes_kept", "kept", number.whole),
        ("volumes_defective", "no measurement", number.whole),
        ("volumes_censored", "censored", number.whole),
        ("minutes_kept", "minutes kept", lambda v: number.fixed(v, 1)),
        ("residual_degrees_of_freedom", "residual df", number.whole),
        ("mean_fd", "mean FD (mm)", _three),
        ("max_fd", "max FD (mm)", number.fixed),
        ("share_fd_above_0.5", "FD > 0.5 mm", _percent),
        ("mean_dvars", "DVARS", lambda v: number.general(v, 3)),
        ("tsnr_median", "tSNR", lambda v: number.fixed(v, 1)),
        ("global_signal_sd", "global signal's SD (%)", number.fixed),
        ("global_signal_bursts", "its bursts (%)", number.fixed),
        ("respiratory_motion", "respiratory share of motion", _percent),
        ("head_pitch", "head pitch (°)", lambda v: number.signed(v, 1)),
        ("mask_dice_template", "mask overlap", number.fixed),
        ("voxels_without_signal", "voxels without signal", number.whole),
        ("boundary_cost", "boundary's cost", number.fixed),
        ("boundary_cost_subgenual", "near subgenual cortex", number.fixed),
        ("boundary_cost_ventromedial", "near ventromedial cortex", number.fixed),
        ("left_right", "left and right", blank),
        ("excluded", "excluded", text),
    ]
    # Only native preprocessing measures the first four, and not every scan tells the others.
    seldom = (
        *("boundary_cost", "boundary_cost_subgenual", "boundary_cost_ventromedial"),
        *("left_right", "respiratory_motion", "head_pitch"),
    )
    empty = {c for c in seldom if c in frame and frame[c].isna().all()}
    known = [column for column in known if column[0] not in empty]
    numeric = [c for c in frame.columns if frame[c].dtype.kind in "fi"]
    regions: list[Column] = [
        (c, _coverage_title(c), _percent) for c in numeric if c.startswith("coverage_")
    ]
    regions += [
        (c, f"{c.removeprefix('tsnr_')} tSNR", lambda v: number.fixed(v, 1))
        for c in numeric
        if c.startswith("tsnr_") and c != "tsnr_median"
    ]
    regions += [
        (c, f"{c.removeprefix('offset_mm_')} off (mm)", number.fixed)
        for c in numeric
        if c.startswith("offset_mm_")
    ]
    regions += [
        (c, f"{c.removeprefix('grey_matter_')} grey matter", _percent)
        for c in numeric
        if c.startswith("grey_matter_") and frame[c].notna().any()
    ]
    regions += [
        (c, f"{c.removeprefix('grey_signal_')} grey matter with signal", _percent)
        for c in numeric
        if c.startswith("grey_signal_") and frame[c].notna().any()
    ]
    if "unmeasured" in frame and (frame["unmeasured"].fillna("n/a") != "n/a").any():
        regions.append(("unmeasured", "not measured", blank))
    if "targets_left_out" in frame and (frame["targets_left_out"].fillna("n/a") != "n/a").any():
        regions.append(("targets_left_out", "targets left out", blank))
    return from_frame(frame, known + regions, "Every session (primary pipeline)")


def coverage_sentence(results: Results) -> str:
    """Describe the poorest coverage of a seed."""
    columns = [
        c for c in results.sessions.columns
        if c.startswith("coverage_") and results.sessions[c].dtype.kind in "fi"
    ]  # fmt: skip
    if not columns:
        return ""
    lowest = results.sessions[columns].min()
    if lowest.isna().all():
        return ""
    name = str(lowest.idxmin())
    row = results.sessions.loc[results.sessions[name].idxmin()]
    told = (
        f"The poorest coverage of a seed, counting voxels with signal, was "
        f"{_percent(lowest[name])} ({name.removeprefix('coverage_')}, "
        f"{row.get('participant_id')} {row.get('session_id')})"
    )
    ratios = [c.replace("coverage_", "tsnr_", 1) for c in columns]
    ratios = [c for c in ratios if c in results.sessions and results.sessions[c].notna().any()]
    if not ratios:
        return told + "."
    poorest = results.sessions[ratios].min()
    name = str(poorest.idxmin())
    row = results.sessions.loc[results.sessions[name].idxmin()]
    return (
        f"{told}; the lowest temporal signal-to-noise ratio of a seed was "
        f"{number.fixed(poorest[name], 1)} ({name.removeprefix('tsnr_')}, "
        f"{row.get('participant_id')} {row.get('session_id')})."
    )


def excluded_table(results: Results) -> Table | None:
    """Tabulate the sessions that were excluded by quality."""
    if results.excluded.empty:
        return None
    return everything(
        results.excluded, "Sessions that left a pipeline by quality, blind to outcome"
    )


def further_tables(results: Results) -> list[Table]:
    """Tabulate the other quality results, such as QC-FC."""
    out = []
    for name, frame in results.quality_tables.items():
        if len(frame):
            out.append(everything(frame, TITLES.get(name, name.replace("_", " "))))
    return out


def mixed_table(results: Results) -> Table | None:
    """Tabulate the mixed model, which includes people with one session."""
    if results.mixed.empty:
        return None
    table, of_contrasts = results.mixed, results.mixes_contrasts
    columns = [
        ("seed", "seed", text),
        ("target", "target", text),
        ("term", "term", text),
        ("estimate", "estimate (z)", lambda v: number.signed(v, 3)),
        *([("interval", "95 % interval", text)] if of_contrasts else [("se", "SE", _three)]),
        ("t", "t", number.fixed),
        ("df", "df", lambda v: number.general(v, 3)),
        ("p", "p", number.probability),
        ("n_people", "people", number.whole),
        ("n_sessions", "sessions", number.whole),
        ("converged", "fitted", lambda v: "yes" if v else "no"),
        ("note", "note", blank),
    ]
    of_groups = f", group {' − '.join(results.groups)}" if len(results.groups) == 2 else ""
    if len(results.groups) > 2:
        of_groups = ", pairs of groups are the first minus the second"
    if of_contrasts:
        limits = zip(table["low"], table["high"], strict=True)
        table = table.assign(interval=[number.interval(low, high, 3) for low, high in limits])
        views = results.views()
        each = [f"{view.design['contrast']} is {view.difference}" for view in views]
        who, what = "everybody with a session", f"{'; '.join(each)}{of_groups}"
    else:
        who = "one-session people"
        what = f"drug is {results.difference}{of_groups}, "
        what += "period the second − the first"
    caption = (
        f"Mixed model on the a-priori targets, {who} included (p not corrected; {what}; degrees of "
        "freedom after Kenward and Roger)"
    )
    return from_frame(table, columns, caption)


def robustness_table(results: Results) -> Table | None:
    """Tabulate how every pipeline compares with the primary one."""
    if results.robustness.empty:
        return None
    frame = results.robustness.copy()
    axes = [f"primary_peak_{axis}" for axis in "xyz"]
    if set(axes) <= set(frame.columns):
        frame["peak"] = [number.place(*row) for row in frame[axes].to_numpy()]
    columns = [
        ("pipeline", "pipeline", text),
        ("analysis", "analysis", text),
        ("seed", "seed", text),
        ("map_correlation_with_primary", "map correlation with primary", number.fixed),
        ("peak", "primary peak", text),
        ("stat_at_primary_peak", "statistic there", number.fixed),
        ("dice_top_percent", "overlap of the top voxels (Dice)", number.fixed),
        ("n_people", "people", number.whole),
    ]
    return from_frame(frame, columns, "Every pipeline against the primary one")


def robustness_sentence(results: Results) -> str:
    """Describe how similar the other pipelines' maps are, and whether a peak changed its sign."""
    frame = results.robustness
    if frame.empty:
        return ""
    primary = results.pipelines[0]
    others = frame[frame["pipeline"] != primary]
    if others.empty:
        return "There is one pipeline only, so nothing to compare."
    r = others["map_correlation_with_primary"].dropna()
    names = number.listed(list(dict.fromkeys(others["pipeline"])))
    if r.empty:
        return f"The other pipelines ({names}) share no map with the primary one."
    absent = [p for p in results.pipelines[1:] if p not in set(others["pipeline"])]
    lost = (
        f" Nothing could be compared with {number.listed(absent)}: see the sessions that left."
        if absent
        else ""
    )
    return (
        f"Maps of the other pipelines ({names}) correlate with those of {primary} between "
        f"{number.fixed(r.min())} and {number.fixed(r.max())} (median {number.fixed(r.median())})."
        + lost
    )


def carpets(results: Results, paths: Sequence[Path]) -> tuple[list[Carpet], int]:
    """Inline the carpets of the sessions with most motion, primary pipeline; also count all.

    ``paths`` are the tables of volumes, whose names say of which session they are.
    """
    present = [Path(p) for p in paths if Path(p).is_file()]
    fd: dict[tuple[str, str], float] = {}
    if {"participant_id", "session_id", "mean_fd"} <= set(results.sessions.columns):
        for row in results.sessions.to_dict("records"):
            fd[(row["participant_id"], row["session_id"])] = number.cell(row, "mean_fd")

    def moved(path: Path) -> float:
        value = fd.get((path.parents[2].name, path.parents[1].name), math.nan)
        return -1.0 if math.isnan(value) else value

    primary, out = results.pipelines[0], []
    for path in sorted(present, key=lambda p: (-moved(p), p.name))[:WORST_CARPETS]:
        own, known = read_inspection(path, [primary]), moved(path)
        assert own is not None  # the file is there
        title = own.title + (f", mean FD {number.fixed(known, 3)} mm" if known >= 0 else "")
        choices = results.config["pipelines"][primary]
        view = own.carpet(primary, choices, lambda p: figure.inlined(p.read_bytes()))
        out.append(Carpet(title, inlined_carpet(view, title)))
    return out, len(present)


def _coverage_title(column: str) -> str:
    """Return the heading of a column such as ``coverage_sgACC``."""
    return f"{column.removeprefix('coverage_')} coverage"


def _three(value: Any) -> str:
    return number.fixed(value, 3)


def _percent(value: Any) -> str:
    return number.MISSING if number.missing(value) else f"{100 * float(value):.0f} %"
