"""Sessions that are excluded by measures blind to the outcome or by raters, with reasons."""

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas

from crossfc.group.design.people import PersonRow
from crossfc.quality.measure import with_measure_changes
from crossfc.session.connectivity.record import SessionRecord, read_record
from crossfc.trial.left import LeftRow
from crossfc.trial.limit import ExclusionLimits
from crossfc.trial.rating import RatingRow, excluding
from crossfc.trial.session import SessionRow

_FLAT = (
    "mean_fd",
    "median_fd",
    "max_fd",
    "share_fd_above_0.5",
    "mean_dvars",
    "tsnr_median",
    "mask_voxels",
    "mask_dice_template",
    "zero_variance_voxels",
    "voxels_without_signal",
    "volumes",
    "volumes_non_steady",
    "volumes_defective",
    "volumes_censored",
    "volumes_kept",
    "share_censored",
    "minutes_kept",
    "residual_degrees_of_freedom",
)
# Of the white matter's boundary where images are distorted.
_LOCAL_COSTS = ("boundary_cost_subgenual", "boundary_cost_ventromedial")
# Measures of recordings of pulse and breathing, where a session has any.
_RECORDED = (
    "heart_rate",
    "heart_rate_variability",
    "respiration_rate",
    "respiratory_volume",
    "respiratory_volume_sd",
    "deep_breaths",
    "physiology_note",
)
_SCAN_MEASURES = (
    "global_signal_sd",
    "global_signal_bursts",
    "respiratory_motion",
    "respiratory_motion_axis",
    "respiratory_motion_to_hz",
    "head_pitch",
    "head_pitch_source",
)


def quality_table(
    sessions: Sequence[SessionRow],
    records: Iterable[str | Path],
    limits: ExclusionLimits,
    ratings: Sequence[RatingRow] = (),
) -> pandas.DataFrame:
    """Build the table of sessions: who, quality, and whether excluded and why.

    Parameters
    ----------
    sessions : sequence of SessionRow
    records : iterable of path
        The sessions' quality records of one pipeline, in the same order.
    limits : ExclusionLimits
        maximum_mean_fd_mm (mm), maximum_censored_share and maximum_defective_share (0 to 1),
        minimum_minutes_kept (None for no limit), minimum_template_dice (0 to 1), and
        maximum_boundary_cost, maximum_local_boundary_cost and minimum_seed_grey_signal (None for no
        limit).
    ratings : sequence of RatingRow
        A session leaves if any rater excludes it.

    Returns
    -------
    DataFrame
        One row per session: the columns of ``sessions``, scan, the measures, coverage and tSNR of
        each seed and target, effective voxels, offset and grey matter of seeds, targets_left_out
        (joined by "; "), excluded (bool) and exclusion_reasons (joined by "; ").
    """
    rows, rated = [], excluding(ratings)
    for session, path in zip(sessions, records, strict=True):
        record = read_record(path)
        measures = {**record, "share_censored": _share_censored(record)}
        measures["minutes_kept"] = minutes_kept(record)
        reasons = exclusion_reasons(record, limits)
        reasons += rated.get((session["participant_id"], session["session_id"]), [])
        row: dict[str, object] = {**session, "scan": record["scan"]}
        row |= {key: measures[key] for key in _FLAT}
        row |= {key: record.get(key) for key in _RECORDED}
        row |= {key: record.get(key) for key in _SCAN_MEASURES}
        absent = record.get("unmeasured") or {}
        row["unmeasured"] = "; ".join(f"{what}: {why}" for what, why in absent.items())
        row["boundary_cost"] = record.get("boundary_cost")
        row |= {key: record.get(key) for key in _LOCAL_COSTS}
        row["left_right"] = record.get("left_right")
        row["runs_considered"] = len(record["runs_considered"])
        passed_over = (f"{r['scan']}: {r['reason']}" for r in record.get("runs_passed_over", []))
        row["runs_passed_over"] = "; ".join(passed_over).replace("\n", " ")
        row["confounds_removed"] = len(record.get("regressors", []))
        row["preprocessed_by"] = record.get("preprocessed_by")
        row["notes"] = "; ".join(record.get("notes", []))
        for seed, measured in record["seeds"].items():
            row[f"coverage_{seed}"] = measured["coverage"]
            row[f"tsnr_{seed}"] = measured["tsnr"]
            row[f"voxels_{seed}"] = measured["voxels"]
            row[f"offset_mm_{seed}"] = measured["offset_mm"]
            row[f"grey_matter_{seed}"] = measured["grey_matter"]
            row[f"grey_signal_{seed}"] = measured["grey_signal"]
        for target, measured in (record.get("targets") or {}).items():
            row[f"target_coverage_{target}"] = measured["coverage"]
            row[f"target_tsnr_{target}"] = measured["tsnr"]
            row[f"target_grey_signal_{target}"] = measured["grey_signal"]
        row["targets_left_out"] = "; ".join(record["targets_left_out"])
        rows.append(row | {"excluded": bool(reasons), "exclusion_reasons": "; ".join(reasons)})
    return pandas.DataFrame(rows)


def exclusion_reasons(record: SessionRecord, limits: ExclusionLimits) -> list[str]:
    """List the reasons why a session is excluded.

    Parameters
    ----------
    record : SessionRecord
    limits : ExclusionLimits
        See `quality_table`.

    Returns
    -------
    list of str
        Empty if the session stays.
    """
    reasons = list(record["exclusion_reasons"])
    if record["mean_fd"] is not None and record["mean_fd"] > limits["maximum_mean_fd_mm"]:
        reasons.append(
            f"mean framewise displacement {record['mean_fd']:.2f} mm above "
            f"{limits['maximum_mean_fd_mm']:g} mm"
        )
    share = record["volumes_defective"] / record["volumes"]
    if share > limits.get("maximum_defective_share", 1):
        reasons.append(
            f"{share:.0%} of the volumes are no measurement ({_examples(record)}), more than "
            f"{limits['maximum_defective_share']:.0%}"
        )
    share = _share_censored(record)
    if share > limits["maximum_censored_share"]:
        reasons.append(
            f"{share:.0%} of the volumes censored, more than {limits['maximum_censored_share']:.0%}"
        )
    minutes, least = minutes_kept(record), limits.get("minimum_minutes_kept")
    if least is not None and minutes < least:
        reasons.append(f"{minutes:.1f} minutes kept, fewer than {least:g}")
    if record["mask_dice_template"] < limits["minimum_template_dice"]:
        reasons.append(
            f"brain mask overlaps the template by {record['mask_dice_template']:.2f} (Dice), less "
            f"than {limits['minimum_template_dice']:g}"
        )
    cost, most = record.get("boundary_cost"), limits.get("maximum_boundary_cost")
    if most is not None and cost is not None and cost > most:
        reasons.append(f"cost of the white matter's boundary {cost:.2f} above {most:g}")
    reasons += _lost_places(record, limits)
    return reasons


def _lost_places(record: SessionRecord, limits: ExclusionLimits) -> list[str]:
    """List where the scan is too distorted or too dark."""
    reasons = []
    if (most := limits.get("maximum_local_boundary_cost")) is not None:
        costs = {
            "subgenual": record.get("boundary_cost_subgenual"),
            "ventromedial": record.get("boundary_cost_ventromedial"),
        }
        reasons += [
            f"cost of the white matter's boundary near the {place} cortex {cost:.2f} above {most:g}"
            for place, cost in costs.items()
            if cost is not None and cost > most
        ]
    if (least := limits.get("minimum_seed_grey_signal")) is not None:
        shares = {seed: own["grey_signal"] for seed, own in record["seeds"].items()}
        reasons += [
            f"{share:.0%} of the grey matter of seed {seed} has signal, less than {least:.0%}"
            for seed, share in shares.items()
            if share is not None and share < least
        ]
    return reasons


def defective_volumes(
    sessions: Sequence[SessionRow], records: Iterable[str | Path]
) -> pandas.DataFrame:
    """List the volumes that are not valid measurements: ``quality/defects.tsv``.

    Parameters
    ----------
    sessions, records
        As in `quality_table`.

    Returns
    -------
    DataFrame
        participant_id, session_id, treatment, volume (counted from 0), reason.
    """
    rows = []
    for session, path in zip(sessions, records, strict=True):
        rows += [{**session, **volume} for volume in read_record(path)["defective_volumes"]]
    columns = ["participant_id", "session_id", "treatment", "volume", "reason"]
    return pandas.DataFrame(rows, columns=columns)


def _share_censored(record: SessionRecord) -> float:
    return record["volumes_censored"] / record["volumes"]


def minutes_kept(record: SessionRecord) -> float:
    """Return how many minutes of a session a pipeline keeps."""
    return record["volumes_kept"] * record["repetition_time"] / 60


def _examples(record: SessionRecord) -> str:
    """Name the first volumes that are not valid measurements, counted from 0."""
    told = [f"{v['volume']} {v['reason']}" for v in record["defective_volumes"][:3]]
    more = ", …" if len(record["defective_volumes"]) > 3 else ""
    return f"volumes counted from 0: {', '.join(told)}{more}"


def split(
    people: Sequence[PersonRow], quality: pandas.DataFrame, analysis: str = "paired"
) -> tuple[list[PersonRow], list[LeftRow]]:
    """Separate the people whose sessions all stay from those who leave.

    Parameters
    ----------
    people : sequence of mapping
        One per person: participant_id, group, sessions and their weights in the contrast; also
        ``baseline_sessions``, which are needed too, where there are any.
    quality : DataFrame
        Table from `quality_table`.
    analysis : str
        What the people leave.

    Returns
    -------
    staying : list of mapping
        The rows of the people who stay, with mean_fd_active and mean_fd_control (mm) added: sums
        over the sessions of each side, times the sizes of their weights; and with the changes of
        measures that can be given to maps, see `crossfc.quality.measure.with_measure_changes`.
    left : list of LeftRow
        One per excluded session.
    """
    by_session = quality.set_index(["participant_id", "session_id"])
    staying: list[PersonRow] = []
    left: list[LeftRow] = []
    for person in people:
        pair = [by_session.loc[(person["participant_id"], s)] for s in person["sessions"]]
        own = dict.fromkeys([*person["sessions"], *person.get("baseline_sessions", ())])
        needed = [by_session.loc[(person["participant_id"], s)] for s in own]
        bad = [row for row in needed if row["excluded"]]
        for row in bad:
            left.append(
                {
                    "participant_id": person["participant_id"],
                    "group": person["group"],
                    "level": "session",
                    "what": row.name[1],
                    "analysis": analysis,
                    "reason": row["exclusion_reasons"],
                }
            )
        if not bad:
            motion = {"mean_fd_active": 0.0, "mean_fd_control": 0.0}
            for weight, row in zip(person["weights"], pair, strict=True):
                side = "mean_fd_active" if weight > 0 else "mean_fd_control"
                motion[side] += abs(weight) * float(row["mean_fd"])
            staying.append({**person, **motion})
    return with_measure_changes(staying, quality), left


def nobody_stays(
    staying: Sequence[PersonRow], left: Sequence[LeftRow], pipeline: str
) -> str | None:
    """State that all people leave by quality, with the main reasons; None if anybody stays.

    The study is not stopped, as its clinical arm needs no scan and other pipelines may keep people.
    """
    if staying or not left:
        return None
    counts = Counter(row["reason"] for row in left)
    told = "; ".join(f"{reason} ({n} sessions)" for reason, n in counts.most_common(3))
    people = len({row["participant_id"] for row in left})
    return (
        f"pipeline {pipeline}: all {people} people leave by the quality of their sessions: {told}; "
        "choose a lighter cleaning (pipelines) or other limits (connectivity, exclusion) in the "
        "config"
    )
