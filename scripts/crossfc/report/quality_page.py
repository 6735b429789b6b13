"""The quality page, and a page for every person: what a study's sessions are worth."""

import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypedDict
from urllib.parse import quote

import pandas as pd
from markupsafe import Markup

from crossfc import atomic
from crossfc.measure import MEASURES, Measure, measures_of
from crossfc.quality.outlier import FAR, outliers
from crossfc.report import number, qcfc
from crossfc.report.anonymous import anonymous
from crossfc.report.distribution import Dot, distribution
from crossfc.report.inspection import Inspection, read_inspection
from crossfc.report.methods import folder_of
from crossfc.report.page import TEMPLATES, environment_of
from crossfc.report.registration import Registration, registrations
from crossfc.report.session_page import person_context, session_view
from crossfc.report.table import Column, Table, blank, from_frame, text
from crossfc.table import read_table

# Measures besides those that a drug may change.
_FURTHER = (
    Measure("mask_dice_template", "overlap of the mask with the template"),
    Measure("voxels_without_signal", "voxels of the mask without signal"),
    Measure("minutes_kept", "minutes kept", "min"),
    Measure("boundary_cost", "cost of the white matter's boundary"),
)
# What a limit is of: the column of the table of sessions, or its beginning, and how it is called.
_LIMITS = {
    "maximum_mean_fd_mm": ("mean_fd", "mean FD above (mm)"),
    "maximum_censored_share": ("share_censored", "share of volumes censored above"),
    "maximum_defective_share": ("share_defective", "share of volumes without measurement above"),
    "minimum_minutes_kept": ("minutes_kept", "minutes kept below"),
    "maximum_boundary_cost": ("boundary_cost", "cost of the white matter's boundary above"),
    "minimum_template_dice": ("mask_dice_template", "overlap with the template below (Dice)"),
    "minimum_residual_degrees_of_freedom": (
        "residual_degrees_of_freedom", "residual degrees of freedom below",
    ),
    "minimum_seed_coverage": ("coverage_", "share of a seed with signal below"),
    "minimum_seed_tsnr": ("tsnr_", "tSNR of a seed below"),
}  # fmt: skip


_WHOLE = {measure.name for measure in (*MEASURES, *_FURTHER) if measure.region is None}
_KEYS = ["participant_id", "session_id"]


class LogRow(TypedDict):
    """A sentence of a job's log; ``log`` is the path from the folder of logs."""

    job: str
    log: str
    sentence: str
    failed: bool


def write_quality_pages(
    output: str | os.PathLike[str],
    people_dir: str | os.PathLike[str] | None,
    *,
    config: Mapping[str, Any],
    pipelines: Sequence[str],
    volumes: Sequence[str],
    seeds: Mapping[str, Sequence[str]],
    drawn: Mapping[str, str],
    seed_rows: Sequence[Mapping[str, Any]],
    target_rows: Sequence[Mapping[str, Any]],
    registrations_made: Sequence[Mapping[str, str]] = (),
    reports: Mapping[str, Sequence[str]] | None = None,
    logs: Sequence[LogRow] = (),
    templates: str | os.PathLike[str] | None = None,
) -> None:
    """Write the quality page of a study and, in a folder beside it, one page for each person.

    Parameters
    ----------
    output : path
        The quality page. The folder ``quality`` and those of the sessions lie beside it.
    people_dir : path or None
        Folder of the people's pages, which is replaced. None where the pages may name nobody: then
        they are not written, and the quality page has numbers in place of identifiers.
    config : mapping
        Used are ``study``, ``title``, ``pipelines``, ``exclusion`` and ``connectivity``.
    pipelines : sequence of str
        The primary one first.
    volumes : sequence of str
        The table of volumes of every session, from the folder of the page.
    seeds : mapping
        Pipeline to the names of its seeds.
    drawn : mapping
        Pipeline to the pipeline in whose picture its seeds are drawn.
    seed_rows, target_rows : sequence of mapping
        Rows of the seeds of the primary pipeline, and of the targets.
    registrations_made : sequence of mapping
        As in `crossfc.report.registration.registrations`.
    reports : mapping, optional
        Person to fMRIPrep's reports on the person, from the folder of the page.
    logs : sequence of LogRow
        What logs say.
    templates : path, optional
        Folder of the Jinja templates.

    Raises
    ------
    Fault
        If a record cannot be read.
    """
    page = Path(output)
    root, environment = page.parent, environment_of(Path(templates) if templates else TEMPLATES)
    tables = {
        name: read_table(root / "quality" / f"{name}.tsv")
        for name in ("sessions", "excluded", "ratings", "qcfc")
    }
    sessions = tables["sessions"]
    sessions["share_defective"] = sessions["volumes_defective"] / sessions["volumes"]
    measures = [m for m in (*measures_of(sessions.columns), *_FURTHER) if m.name in sessions]
    far = outliers(sessions, measures)
    found = (read_inspection(root / path, pipelines) for path in volumes)
    of_person: dict[str, list[Inspection]] = {}
    for own in found:
        if own is not None:
            of_person.setdefault(own.participant_id, []).append(own)
    css = Markup((folder_of(environment) / "style.css.j2").read_text("utf-8"))
    title = config.get("title") or config["study"]
    if people_dir is not None:
        folder = Path(people_dir).name
        names = sorted(of_person)
        made = [replace(own, source="") for own in registrations(registrations_made, root)]
        with atomic.writing_folder(people_dir) as temporary:
            for at, person in enumerate(names):
                left = _left(tables["excluded"], person)
                views = [
                    session_view(
                        own, config, seeds, drawn, [*dict.fromkeys(_names(target_rows))],
                        left.get(own.session_id, {}), lambda path: _address(path, root / folder),
                    )
                    for own in of_person[person]
                ]  # fmt: skip
                context = person_context(
                    of_person[person],
                    views,
                    pipelines,
                    far,
                    tables["ratings"],
                    [own for own in made if _is_of(own, person)],
                    _links((reports or {}).get(person, ()), root),
                    title,
                )
                around = {"css": css, "before": _neighbour(names, at - 1)}
                around["after"] = _neighbour(names, at + 1)
                told = environment.get_template("session.html.j2").render(context | around)
                atomic.write_text(temporary / f"{person}.html", told)
    context = {
        "css": css,
        "title": title,
        "named": people_dir is not None,
        "n_sessions": len(sessions),
        "n_people": sessions["participant_id"].nunique(),
        "people": _people(sessions, far, tables["excluded"], of_person, people_dir),
        "far": _far_table(far),
        "limit_of_far": number.general(FAR),
        "limits": _limit_table(config, sessions),
        "excluded": _excluded(tables["excluded"]),
        "ratings": _ratings(tables["ratings"]),
        "disagree": _disagree(tables["ratings"]),
        "charts": _charts(sessions, measures, far, config, people_dir, regions=False),
        "region_charts": _charts(sessions, measures, far, config, people_dir, regions=True),
        "qcfc": qcfc.qcfc_sentences(tables["qcfc"]),
        "qcfc_distance": qcfc.distance_chart(
            tables["qcfc"], qcfc.distances(seed_rows, target_rows)
        ),
        "failed": _failed(logs),
        "warned": _warned(logs, sessions),
        "pipelines": pipelines,
    }
    told = environment.get_template("quality_page.html.j2").render(context)
    if people_dir is None:
        told = anonymous(told, sessions["participant_id"], config["study"])
    atomic.write_text(page, told)


def _names(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    return [str(row["target"]) for row in rows]


def _address(path: Path, folder: Path) -> str:
    """Return the address of a file from the folder of a page."""
    return quote(os.path.relpath(path, folder))


def _neighbour(names: Sequence[str], at: int) -> str | None:
    return names[at] if 0 <= at < len(names) else None


def _is_of(own: Registration, person: str) -> bool:
    return own.title == person or own.title.startswith(f"{person}_")


def _links(reports: Sequence[str], root: Path) -> list[tuple[str, str]]:
    """Return fMRIPrep's reports that are there, with their addresses from the people's pages."""
    return [
        (f"fMRIPrep's report {Path(path).name}", quote(f"../{path}"))
        for path in reports
        if (root / path).is_file()
    ]


def _left(excluded: pd.DataFrame, person: str) -> dict[str, dict[str, str]]:
    """Return, by session and pipeline, why a person's sessions leave."""
    found: dict[str, dict[str, str]] = {}
    for row in excluded[excluded["participant_id"] == person].to_dict("records"):
        for pipeline in str(row["pipelines"]).split(", "):
            found.setdefault(row["session_id"], {})[pipeline] = row["exclusion_reasons"]
    return found


class Person(TypedDict):
    """A line of the list of people; ``sessions`` are with their mean FD."""

    name: str
    address: str | None
    sessions: list[tuple[str, str]]
    excluded: str
    far: int


def _people(
    sessions: pd.DataFrame,
    far: pd.DataFrame,
    excluded: pd.DataFrame,
    of_person: Mapping[str, Sequence[Inspection]],
    people_dir: str | os.PathLike[str] | None,
) -> list[Person]:
    outlying = Counter(far["participant_id"])
    gone = excluded.groupby("participant_id")["session_id"].unique() if len(excluded) else {}
    found: list[Person] = []
    for person, own in sessions.groupby("participant_id", sort=True):
        name = str(person)
        found.append(
            {
                "name": name,
                "address": _page_of(name, people_dir) if name in of_person else None,
                "sessions": [
                    (str(session), number.fixed(fd))
                    for session, fd in zip(own["session_id"], own["mean_fd"], strict=True)
                ],
                "excluded": ", ".join(gone[name]) if name in gone else "",
                "far": outlying[name],
            }
        )
    return found


def _page_of(person: str, people_dir: str | os.PathLike[str] | None) -> str | None:
    return None if people_dir is None else quote(f"{Path(people_dir).name}/{person}.html")


def _far_table(far: pd.DataFrame) -> Table | None:
    if far.empty:
        return None
    columns: list[Column] = [
        ("participant_id", "person", text),
        ("session_id", "session", text),
        ("measure", "measure", text),
        ("value", "value", lambda v: number.general(v, 3)),
        ("median", "median of all", lambda v: number.general(v, 3)),
        ("z", "modified z", lambda v: number.signed(v, 1)),
    ]
    return from_frame(far, columns, "Sessions far from the others")


def _limit_table(config: Mapping[str, Any], sessions: pd.DataFrame) -> Table:
    """Tabulate the limits in force, and how many sessions are beyond each."""
    values = {**config["exclusion"], **config["connectivity"]}
    rows = []
    for key, (column, words) in _LIMITS.items():
        limit = values.get(key)
        if limit is None:
            rows.append([words, "no limit", "", f"exclusion.{key}"])
            continue
        section = "exclusion" if key in config["exclusion"] else "connectivity"
        of_seeds = column.endswith("_")
        own = [
            name
            for name in sessions.columns
            if (name.startswith(column) and name not in _WHOLE if of_seeds else name == column)
            and sessions[name].dtype.kind in "fiu"
        ]
        beyond = sessions[own] > limit if key.startswith("maximum") else sessions[own] < limit
        told = number.whole(int(beyond.any(axis=1).sum()))
        rows.append([words, number.general(limit), told, f"{section}.{key}"])
    columns = [("a session leaves with", False), ("limit", True), ("sessions beyond", True)]
    return Table("Limits in force (primary pipeline)", [*columns, ("config key", False)], rows)


def _excluded(excluded: pd.DataFrame) -> Table | None:
    if excluded.empty:
        return None
    columns: list[Column] = [
        ("participant_id", "person", text),
        ("session_id", "session", text),
        ("pipelines", "leaves the pipelines", text),
        ("exclusion_reasons", "because", text),
    ]
    return from_frame(excluded, columns, "Sessions that leave, with reasons")


def _ratings(ratings: pd.DataFrame) -> Table | None:
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


def _disagree(ratings: pd.DataFrame) -> list[str]:
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


def _charts(
    sessions: pd.DataFrame,
    measures: Sequence[Measure],
    far: pd.DataFrame,
    config: Mapping[str, Any],
    people_dir: str | os.PathLike[str] | None,
    *,
    regions: bool,
) -> list[str]:
    """Draw the distribution of every measure that varies, of the whole scan or of regions."""
    values = {**config["exclusion"], **config["connectivity"]}
    limits = {column: values.get(key) for key, (column, _) in _LIMITS.items()}
    found = []
    for measure in measures:
        of_region = measure.name not in _WHOLE
        own = sessions[sessions[measure.name].notna()]
        if of_region != regions or own[measure.name].nunique() < 2:
            continue
        outlying = set(map(tuple, far.loc[far["measure"] == measure.label, _KEYS].to_numpy()))
        limit = limits.get(measure.name)
        if of_region and not measure.name.startswith("target_"):
            limit = limits.get(f"{measure.name.partition('_')[0]}_")
        dots = [
            Dot(
                f"{row['participant_id']} {row['session_id']}",
                float(row[measure.name]),
                (row["participant_id"], row["session_id"]) in outlying,
                bool(row["excluded"]),
                _page_of(str(row["participant_id"]), people_dir),
            )
            for row in own.to_dict("records")
        ]
        alt = f"{measure.title} of {len(dots)} sessions"
        found.append(distribution(dots, measure.title, limit, alt))
    return found


def _failed(logs: Sequence[LogRow]) -> Table | None:
    rows = [[own["job"], own["sentence"], f"logs/{own['log']}"] for own in logs if own["failed"]]
    if not rows:
        return None
    columns = [("job", False), ("what it said", False), ("log", False)]
    return Table("Jobs that failed", columns, rows)


def _warned(logs: Sequence[LogRow], sessions: pd.DataFrame) -> Table | None:
    """Group warnings that say the same of several jobs or sessions, with where they stand."""
    alike: dict[str, list[tuple[str, str]]] = {}
    told = [(own["sentence"], f"logs/{own['log']}") for own in logs if not own["failed"]]
    for row in sessions.to_dict("records"):
        for column in ("notes", "runs_passed_over", "physiology_note"):
            said = row.get(column)
            if isinstance(said, str):
                where = f"{row['participant_id']} {row['session_id']}"
                told += [(sentence, where) for sentence in said.split("; ")]
    for sentence, where in told:
        key = re.sub(r"(sub|ses)-[A-Za-z0-9]+|\d+(\.\d+)?", "#", sentence)
        alike.setdefault(key, []).append((sentence, where))
    rows = []
    for own in sorted(alike.values(), key=len, reverse=True):
        places = list(dict.fromkeys(where for _, where in own))
        more = f" and {len(places) - 3} more" if len(places) > 3 else ""
        rows.append([own[0][0], number.whole(len(own)), ", ".join(places[:3]) + more])
    if not rows:
        return None
    columns = [("warning (the first of its kind)", False), ("times", True), ("where", False)]
    return Table("What was noticed in scans and logs", columns, rows)
