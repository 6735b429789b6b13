"""Why sessions leave: limits in force, who is beyond them, and what raters said."""

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from crossfc.measure import MEASURES, SEED, Measure, columns_of
from crossfc.report import number
from crossfc.report.table import Column, Table, blank, from_frame, text

# Measures besides those that a drug may change.
FURTHER = (
    Measure("mask_dice_template", "overlap of the mask with the template"),
    Measure("voxels_without_signal", "voxels of the mask without signal"),
    Measure("minutes_kept", "minutes kept", "min"),
    Measure("boundary_cost", "cost of the white matter's boundary"),
)
# What a limit is of (measures by their columns in the table of sessions), and how it is called.
LIMITS: dict[str, tuple[tuple[str, ...], str]] = {
    "maximum_mean_fd_mm": (("mean_fd",), "mean FD above (mm)"),
    "maximum_censored_share": (("share_censored",), "share of volumes censored above"),
    "maximum_defective_share": (
        ("share_defective",), "share of volumes without measurement above",
    ),
    "minimum_minutes_kept": (("minutes_kept",), "minutes kept below"),
    "maximum_boundary_cost": (("boundary_cost",), "cost of the white matter's boundary above"),
    "maximum_local_boundary_cost": (
        ("boundary_cost_subgenual", "boundary_cost_ventromedial"),
        "the same near the subgenual or ventromedial cortex above",
    ),
    "minimum_template_dice": (("mask_dice_template",), "overlap with the template below (Dice)"),
    "minimum_residual_degrees_of_freedom": (
        ("residual_degrees_of_freedom",), "residual degrees of freedom below",
    ),
    "minimum_seed_coverage": ((f"coverage_{SEED}",), "share of a seed with signal below"),
    "minimum_seed_tsnr": ((f"tsnr_{SEED}",), "tSNR of a seed below"),
    "minimum_seed_grey_signal": (
        (f"grey_signal_{SEED}",), "share of a seed's grey matter with signal below",
    ),
}  # fmt: skip

# Measures of a whole scan, not of a region.
WHOLE = {measure.name for measure in (*MEASURES, *FURTHER) if measure.region is None}


def limits_of(config: Mapping[str, Any], columns: Iterable[str]) -> dict[str, float]:
    """Return the limits in force, by the column of the table of sessions that each is of."""
    names = list(columns)
    return {
        column: limit
        for key, (measures, _) in LIMITS.items()
        if (limit := _limit(config, key)) is not None
        for measure in measures
        for column in columns_of(measure, names)
    }


def _limit(config: Mapping[str, Any], key: str) -> float | None:
    limit: float | None = {**config["exclusion"], **config["connectivity"]}.get(key)
    return limit


def limit_table(config: Mapping[str, Any], sessions: pd.DataFrame) -> Table:
    """Tabulate the limits in force, and how many sessions are beyond each."""
    rows = []
    for key, (measures, words) in LIMITS.items():
        limit = _limit(config, key)
        if limit is None:
            rows.append([words, "no limit", "", f"exclusion.{key}"])
            continue
        section = "exclusion" if key in config["exclusion"] else "connectivity"
        own = [
            name
            for measure in measures
            for name in columns_of(measure, sessions.columns)
            if sessions[name].dtype.kind in "fiu"
        ]
        beyond = sessions[own] > limit if key.startswith("maximum") else sessions[own] < limit
        told = number.whole(int(beyond.any(axis=1).sum()))
        rows.append([words, number.general(limit), told, f"{section}.{key}"])
    columns = [("a session leaves with", False), ("limit", True), ("sessions beyond", True)]
    return Table("Limits in force (primary pipeline)", [*columns, ("config key", False)], rows)


def excluded(excluded: pd.DataFrame) -> Table | None:
    """Tabulate the sessions that leave; None if none does."""
    if excluded.empty:
        return None
    columns: list[Column] = [
        ("participant_id", "person", text),
        ("session_id", "session", text),
        ("pipelines", "leaves the pipelines", text),
        ("exclusion_reasons", "because", text),
    ]
    return from_frame(excluded, columns, "Sessions that leave, with reasons")


def ratings(ratings: pd.DataFrame) -> Table | None:
    """Tabulate what raters said; None if nobody rated."""
    if ratings.empty:
        return None
    columns: list[Column] = [
        ("participant_id", "person", text),
        ("session_id", "session", text),
        ("rater", "rater", text),
        ("rating", "rating", text),
        ("exclude", "excludes", text),
        ("reason", "reason", blank),
    ]
    return from_frame(ratings, columns, "What raters said", ratings["exclude"])


def disagree(ratings: pd.DataFrame) -> list[str]:
    """Name the sessions on which raters disagree, with what each said."""
    apart = ratings[ratings["raters_disagree"].astype(bool)] if len(ratings) else ratings
    found = []
    for names, own in apart.groupby(["participant_id", "session_id"], sort=False):
        said = [
            f"{row['rating']} by {row['rater'] if not number.missing(row['rater']) else 'n/a'}"
            for row in own.to_dict("records")
        ]
        found.append(f"{' '.join(map(str, names))}: {number.listed(said)}")
    return found
