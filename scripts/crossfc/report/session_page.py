"""The page of one person: all sessions side by side, as somebody looks at them to judge them.

It does not say which session had which treatment, so that whoever rates sessions stays blind.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from crossfc.quality.exclusion import minutes_kept
from crossfc.report import brain_picture, number
from crossfc.report.carpet import carpet_chart
from crossfc.report.confounds import confound_chart, confound_sentence
from crossfc.report.inspection import Inspection
from crossfc.report.registration import Registration
from crossfc.report.table import Table
from crossfc.session.connectivity.record import RegionQuality, SessionRecord
from crossfc.table import read_table

# What is told of each session: how it is called, and how it is printed. Of a pipeline the second.
_MEASURES: tuple[tuple[str, str, Callable[[Any], str]], ...] = (
    ("scan", "scan", lambda v: Path(v).name),
    ("preprocessed_by", "preprocessed by", str),
    ("repetition_time", "repetition time (s)", number.general),
    ("volumes", "volumes", number.whole),
    ("volumes_non_steady", "of these before the steady state", number.whole),
    ("volumes_defective", "of these no measurement", number.whole),
    ("mean_fd", "mean FD (mm)", lambda v: number.fixed(v, 3)),
    ("max_fd", "largest FD (mm)", number.fixed),
    ("share_fd_above_0.5", "volumes with FD > 0.5 mm", number.percent),
    ("mean_dvars", "mean DVARS of the confounds table", number.fixed),
    ("tsnr_median", "median tSNR", lambda v: number.fixed(v, 1)),
    ("global_signal_sd", "SD of the global signal (%)", number.fixed),
    ("respiratory_motion", "respiratory share of motion", number.percent),
    ("head_pitch", "head pitch (°)", lambda v: number.signed(v, 1)),
    ("mask_dice_template", "overlap of the mask with the template (Dice)", number.fixed),
    ("voxels_without_signal", "voxels of the mask without signal", number.whole),
    ("boundary_cost", "cost of the white matter's boundary", number.fixed),
    ("boundary_cost_subgenual", "its cost near the subgenual cortex", number.fixed),
    ("boundary_cost_ventromedial", "its cost near the ventromedial cortex", number.fixed),
    ("left_right", "left and right", str),
    ("heart_rate", "heart rate (1/min)", lambda v: number.fixed(v, 1)),
    ("respiration_rate", "respiration rate (1/min)", lambda v: number.fixed(v, 1)),
)
_OF_PIPELINES: tuple[tuple[str, str, Callable[[Any], str]], ...] = (
    ("volumes_censored", "volumes censored", number.whole),
    ("minutes_kept", "minutes kept", lambda v: number.fixed(v, 1)),
    ("residual_degrees_of_freedom", "residual degrees of freedom", number.whole),
    ("variance_left_median", "variance left by cleaning (median voxel)", number.percent),
)


@dataclass
class RegionView:
    """A seed or target of one session: its slices, and what is told of it."""

    name: str
    picture: str
    told: str
    poor: bool


@dataclass
class PipelineView:
    """A session in one pipeline: carpets, confounds, and why it leaves."""

    pipeline: str
    carpets: str
    confounds: str
    sentence: str
    left: str


@dataclass
class SessionView:
    """A session on the page."""

    session_id: str
    outlines: str
    without_mean: bool
    targets: list[RegionView]
    pipelines: list[PipelineView]
    # By the pipeline in whose picture they are drawn.
    seeds: dict[str, list[RegionView]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def session_view(
    own: Inspection,
    config: Mapping[str, Any],
    seeds: Mapping[str, Sequence[str]],
    drawn: Mapping[str, str],
    targets: Sequence[str],
    left: Mapping[str, str],
    address: Callable[[Path], str],
) -> SessionView:
    """Collect what is shown of a session.

    Parameters
    ----------
    own : Inspection
    config : mapping
        Used are ``pipelines`` and ``connectivity``.
    seeds : mapping
        Pipeline to the names of its seeds, the primary one first.
    drawn : mapping
        Pipeline to the pipeline in whose picture its seeds are drawn.
    targets : sequence of str
        Names of the targets.
    left : mapping
        Pipeline to the reasons why the session leaves it.
    address : callable
        Returns the address of a picture on the page.
    """
    records, limits = own.records, config["connectivity"]
    primary = next(iter(seeds))
    of_targets = records[primary]["targets"]

    def regions(
        path: Path, names: Sequence[str], measured: Mapping[str, RegionQuality], seed: bool
    ) -> list[RegionView]:
        return [
            _region(own, address(path), k, names, measured, limits, seed=seed)
            for k in range(len(names) if path.is_file() else 0)
        ]

    pictures = own.files["pipelines"]
    return SessionView(
        own.session_id,
        brain_picture.outlines(
            address(own.files["outlines"]), f"Mean image of {own.title} with outlines"
        ),
        records[primary]["tsnr_median"] is None,
        regions(own.files["targets"], targets, of_targets, seed=False),
        [_pipeline(own, name, config, left.get(name, ""), address) for name in seeds],
        {
            name: regions(pictures[name]["seeds"], seeds[name], records[name]["seeds"], seed=True)
            for name in dict.fromkeys(drawn[pipeline] for pipeline in seeds)
        },
        _notes(records[primary]),
    )


def _region(
    own: Inspection,
    address: str,
    at: int,
    names: Sequence[str],
    measured: Mapping[str, RegionQuality],
    limits: Mapping[str, Any],
    *,
    seed: bool,
) -> RegionView:
    name = names[at]
    said = measured[name]
    coverage, tsnr = said["coverage"], said["tsnr"]
    told = f"{number.percent(coverage)} with signal, tSNR {number.fixed(tsnr, 1)}"
    if (grey := said["grey_matter"]) is not None:
        told += f", {number.percent(grey)} grey matter"
    if (bright := said["grey_signal"]) is not None:
        told += f", of which {number.percent(bright)} bright"
    poor = coverage < limits["minimum_seed_coverage"]
    poor = poor or (tsnr is not None and tsnr < limits["minimum_seed_tsnr"])
    alt = f"{name} of {own.title}: {told}"
    picture = brain_picture.region(address, at, len(names), alt, seed=seed)
    return RegionView(name, picture, told, poor)


def _pipeline(
    own: Inspection,
    pipeline: str,
    config: Mapping[str, Any],
    left: str,
    address: Callable[[Path], str],
) -> PipelineView:
    view = own.carpet(pipeline, config["pipelines"][pipeline], address)
    alt = f"Traces and carpets of {own.title}, pipeline {pipeline}"
    path = own.files["pipelines"][pipeline]["confounds"]
    chart = sentence = ""
    if path.is_file():
        table = read_table(path)
        chart = confound_chart(table, f"Correlations of the confounds of {own.title}, {pipeline}")
        sentence = confound_sentence(table)
    return PipelineView(pipeline, carpet_chart(view, alt), chart, sentence, left)


def _notes(record: SessionRecord) -> list[str]:
    """List what was noticed of a session."""
    found = list(record["notes"])
    found += [
        f"{run['scan']} was passed over: {run['reason']}" for run in record["runs_passed_over"]
    ]
    found += record["targets_left_out"]
    found += [f"{what} is not known: {why}" for what, why in record["unmeasured"].items()]
    return found + ([note] if (note := record.get("physiology_note")) else [])


def measure_table(
    sessions: Sequence[Inspection],
    pipelines: Sequence[str],
    outliers: pd.DataFrame,
) -> Table:
    """Tabulate the measures of a person's sessions, a column each.

    Parameters
    ----------
    sessions : sequence of Inspection
    pipelines : sequence of str
        The primary one first.
    outliers : DataFrame
        From `crossfc.quality.outlier.outliers`, of everybody.
    """
    records = [own.records[pipelines[0]] for own in sessions]
    rows = []
    for key, label, show in _MEASURES:
        values: list[Any] = [record.get(key) for record in records]
        if all(number.missing(value) for value in values):
            continue
        told = [number.MISSING if number.missing(value) else show(value) for value in values]
        rows.append([label, *told])
    for pipeline in pipelines:
        of_pipeline: list[dict[str, Any]] = []
        for own in sessions:
            record = own.records[pipeline]
            of_pipeline.append({**record, "minutes_kept": minutes_kept(record)})
        for key, label, show in _OF_PIPELINES:
            told = [show(record.get(key)) for record in of_pipeline]
            rows.append([f"{label}, {pipeline}", *told])
    far = [_far(own, outliers) for own in sessions]
    if any(far):
        rows.append(["far from the other sessions of the study", *far])
    columns = [("measure", False), *((own.session_id, False) for own in sessions)]
    return Table("What was measured", columns, rows)


def _far(own: Inspection, outliers: pd.DataFrame) -> str:
    rows = outliers[
        (outliers["participant_id"] == own.participant_id)
        & (outliers["session_id"] == own.session_id)
    ]
    return "; ".join(rows["measure"])


def person_context(
    sessions: Sequence[Inspection],
    views: Sequence[SessionView],
    pipelines: Sequence[str],
    outliers: pd.DataFrame,
    ratings: pd.DataFrame,
    registrations: Sequence[Registration],
    links: Sequence[tuple[str, str]],
    title: str,
) -> dict[str, Any]:
    """Collect what the template of a person's page shows.

    Parameters
    ----------
    sessions : sequence of Inspection
        Of the person.
    views : sequence of SessionView
        Of the same sessions.
    pipelines : sequence of str
        The primary one first.
    outliers, ratings : DataFrame
        Of everybody: `crossfc.quality.outlier.outliers` and ``quality/ratings.tsv``.
    registrations : sequence of Registration
        Of the person, with addresses from the page's folder.
    links : sequence of (str, str)
        Name and address of other pages on the person, such as fMRIPrep's.
    title : str
        Of the study.
    """
    person = sessions[0].participant_id
    rated = ratings[ratings["participant_id"] == person]
    return {
        "person": person,
        "title": title,
        "views": views,
        "pipelines": pipelines,
        "measures": measure_table(sessions, pipelines, outliers),
        "ratings": [
            f"{row['session_id']}: {row['rating']} by {_said(row['rater'])}"
            + (f" ({_said(row['reason'])})" if not number.missing(row["reason"]) else "")
            for row in rated.to_dict("records")
        ],
        "registrations": registrations,
        "links": links,
    }


def _said(value: Any) -> str:
    return "an unnamed rater" if number.missing(value) else str(value)
