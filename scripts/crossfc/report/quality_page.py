"""The quality page, and a page for every person: what a study's sessions are worth."""

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypedDict
from urllib.parse import quote

import pandas as pd
from markupsafe import Markup

from crossfc import atomic
from crossfc.measure import Measure, measures_of
from crossfc.quality.outlier import FAR, outliers
from crossfc.report import exclusion, log, number, qcfc
from crossfc.report.anonymous import anonymous
from crossfc.report.distribution import Dot, distribution
from crossfc.report.inspection import Inspection, read_inspection
from crossfc.report.methods import folder_of
from crossfc.report.page import TEMPLATES, environment_of
from crossfc.report.registration import Registration, registrations
from crossfc.report.session_page import person_context, session_view
from crossfc.report.table import Column, Table, from_frame, text
from crossfc.table import read_table

_KEYS = ["participant_id", "session_id"]


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
    logs: Sequence[log.LogRow] = (),
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
    measures = [
        m for m in (*measures_of(sessions.columns), *exclusion.FURTHER) if m.name in sessions
    ]
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
        "limits": exclusion.limit_table(config, sessions),
        "excluded": exclusion.excluded(tables["excluded"]),
        "ratings": exclusion.ratings(tables["ratings"]),
        "disagree": exclusion.disagree(tables["ratings"]),
        "charts": _charts(sessions, measures, far, config, people_dir, regions=False),
        "region_charts": _charts(sessions, measures, far, config, people_dir, regions=True),
        "qcfc": qcfc.qcfc_sentences(tables["qcfc"]),
        "qcfc_distance": qcfc.distance_chart(
            tables["qcfc"], qcfc.distances(seed_rows, target_rows)
        ),
        "failed": log.failed(logs),
        "warned": log.warned(logs, sessions),
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
    limits = exclusion.limits_of(config, sessions.columns)
    found = []
    for measure in measures:
        of_region = measure.name not in exclusion.WHOLE
        own = sessions[sessions[measure.name].notna()]
        if of_region != regions or own[measure.name].nunique() < 2:
            continue
        outlying = set(map(tuple, far.loc[far["measure"] == measure.label, _KEYS].to_numpy()))
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
        found.append(distribution(dots, measure.title, limits.get(measure.name), alt))
    return found
