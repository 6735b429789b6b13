"""The text of a proposed configuration: each key with its value, and what it was made of."""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from crossfc.fault import Fault
from crossfc.proposal.design import Design, Groups, find_design, find_groups
from crossfc.proposal.place import Place
from crossfc.proposal.scan import choose_space, choose_task, differing, n_repeated, scanned
from crossfc.proposal.survey import count
from crossfc.proposal.table import Table, people_table, session_tables
from crossfc.proposal.text import Text
from crossfc.proposal.word import is_column_of
from crossfc.trial.document import load_yaml
from crossfc.trial.label import natural, some
from crossfc.trial.open_entry import OPEN, open_keys


def draft(place: Place, dataset: str, study: str, folder: Path, scales: Sequence[str]) -> str:
    """Write a configuration of what a data set tells, with `OPEN` where it does not.

    Parameters
    ----------
    place : Place
    dataset : str
        What the user named, for the heading.
    study : str
        Name of the study.
    folder : path
        Where its sheets are to lie.
    scales : sequence of str
        The scales whose range and direction are known.

    Returns
    -------
    str
        YAML with comments.

    Raises
    ------
    Fault
        If a table of the data set cannot be read.
    """
    text = Text()
    task = _study(text, place, study)
    people = people_table(place.bids_dir)
    there = scanned(place.scans, task)
    labels = sorted(place.scans.sessions(), key=natural)
    tables = session_tables(place.bids_dir, sorted(place.scans.tree.people), labels)
    design = find_design([label for label in labels if label in there], people, tables)
    groups = find_groups(people)
    text.gap()
    text.note(
        "The design: two sheets, which people review. `snakemake sheets` writes them from the key "
        "dataset below; correct them by hand afterwards."
    )
    text.key("sheets")
    for name in ("participants", "sessions"):
        text.key(name, str(folder / f"{name}.tsv"), depth=1)
    _groups(text, groups)
    _treatments(text, design)
    text.gap()
    text.note("How the sheets are read from the data set.")
    text.key("dataset")
    if place.listing is not None:
        text.key("listing", place.listing, "the images are elsewhere; this file lists them", 1)
    _group_column(text, groups)
    _sessions(text, design, tables, there, (label for label in labels if label not in there))
    _sequence(text, design)
    _repeats(text, place, task)
    _scales(text, tables, scales)
    _covariates(text, people)
    text.gap()
    text.note("How scans are cleaned. The primary pipeline answers; the others test if that holds.")
    text.key("pipelines")
    text.key("primary", {}, "the defaults, which config/README.md has", 1)
    text.key("gsr", {"strategy": "acompcor_gsr"}, "with the global signal regressed out too", 1)
    text.key("scrub", {"censor_fd_mm": 0.5}, "without volumes during which the head moved", 1)
    text.gap()
    text.note("What was stated before the data were seen: one family, corrected together, such as")
    text.note(f"  - {{analysis: drug_{groups.labels[0]}, seed: dACC, region: SMG}}")
    text.key("hypotheses", [])
    return _heading(dataset, str(text)) + str(text)


def _heading(dataset: str, config: str) -> str:
    """Say what the configuration is, and how much is to be filled in."""
    text = Text()
    text.note(
        f"Proposed by `crossfc init {dataset}` from names and tables of the data set; comments say "
        "from what. All of it can be changed; all keys and their defaults are in config/README.md."
    )
    if n := len(open_keys(yaml.safe_load(config))):
        text.note(f"What they do not tell is marked {OPEN}: {count(n, 'key')} to fill in.")
    text.gap()
    return str(text)


def _study(text: Text, place: Place, study: str) -> str | None:
    """Write what is studied, and where its scans are; return the task."""
    text.key("study", study, "results go to results/<study>")
    if title := _title(place):
        text.key("title", title)
    if place.preprocessed is None:
        text.key("entry", "raw", "raw BIDS scans; native preprocessing with ANTs")
        text.key("bids_dir", str(place.bids_dir))
        if any(path.parts[-2] == "fmap" for path in place.scans.tree.files):
            text.note(
                "The data set has field maps. Native preprocessing uses those of opposite phase "
                "encoding and fields in Hz; for others preprocess with fMRIPrep (README, "
                "fMRIPrep), or write preprocessing: {field_maps: ignore}."
            )
        if place.scans.labels("echo"):
            text.note(
                "Scans of several echoes are not preprocessed natively: let fMRIPrep combine them "
                "(preprocessing: {tool: fmriprep-run}), or preprocess them with it and call "
                "crossfc init again."
            )
    else:
        text.key("entry", "fmriprep", f"preprocessed scans; {place.program}")
        text.key("derivatives_dir", str(place.derivatives_dir))
        told = "the raw data set, of which sheets are made"
        if place.bids_dir == place.derivatives_dir:
            told = "no raw data set lies above; sheets are made of the derivatives"
        text.key("bids_dir", str(place.bids_dir), told)
    task = choose_task(place.preprocessed or place.scans)
    text.key("task", task.value, task.reason)
    if place.preprocessed is not None:
        where, res = choose_space(place.preprocessed, task.value)
        text.key("space", where.value, where.reason)
        if res.value is not None:
            text.key("res", res.value, res.reason)
    return task.value


def _title(place: Place) -> str:
    """Return the name of the data set, from its dataset_description.json."""
    try:
        description: Any = load_yaml(place.bids_dir / "dataset_description.json")
    except Fault:
        return ""
    name = description.get("Name") if isinstance(description, dict) else None
    own = name if isinstance(name, str) and name.isprintable() else ""
    return "" if own.lower().startswith("fmriprep") else own.strip()


def _groups(text: Text, groups: Groups) -> None:
    if groups.column is None:
        told = "no column of participants.tsv tells groups; the label is part of names of results"
    else:
        counts = groups.column.values
        said = some((f"{value} ({_people(counts[value], groups.column.meanings.get(value))})"
                     for value in groups.values), 6)  # fmt: skip
        told = f"column {groups.column.name} of participants.tsv: {said}"
        told += "; the first is compared with the second" if len(groups.labels) == 2 else ""
    text.key("groups", groups.labels, told)


def _people(number: int, meaning: str | None = None) -> str:
    """Count people in words."""
    what = "person" if number == 1 else "people"
    return f"{number} {what}" + (f", {meaning}" if meaning else "")


def _treatments(text: Text, design: Design) -> None:
    there = some(design.treatments, 8)
    if design.reference:
        told = f"told by {design.told_by}; the reference stands first"
        text.key("treatments", design.treatments, told)
    elif design.treatments:
        told = f"told by {design.told_by}: {there}; write them as a list, the reference first"
        text.key("treatments", OPEN, told)
    else:
        told = "the labels of the treatments, the reference first, such as [placebo, ketamine]"
        text.key("treatments", OPEN, told)
    if design.occasions and not design.in_order:
        there = "" if design.occasions == [OPEN] else f": {some(design.occasions, 8)}"
        told = "several sessions have one treatment; write their occasions in the order of time"
        text.key("occasions", OPEN, told + there)
    elif design.occasions:
        text.key("occasions", design.occasions, "in the order of time; the last is the main one")


def _group_column(text: Text, groups: Groups) -> None:
    if groups.column is None:
        text.key("group", {}, "everybody is of one group", 1)
        return
    text.key("group", depth=1)
    text.key("column", groups.column.name, depth=2)
    text.key("values", groups.values, "people with a value that is left out here leave by name", 2)


def _sessions(
    text: Text,
    design: Design,
    tables: Sequence[Table],
    scanned_people: Mapping[str, int],
    others: Iterable[str],
) -> None:
    """Write what each session was, with what the data set says of it."""
    if design.source:
        text.note("What each session was is told by a table:", 1)
        text.key("session_source", depth=1)
        for key, value in design.source.items():
            comment = "dates of sessions tell the periods" if key == "order" else ""
            if OPEN in str(value):
                comment = {
                    "columns": "write the column that tells the occasion of a session",
                    "treatments": 'write "n/a" if it is before all treatment, or a treatment',
                }[key]
            text.key(key, value, comment, 2)
        return
    if any(OPEN in own.values() for own in design.sessions.values()):
        text.note(
            "Which session was which treatment is not told. Write for each the treatment that it "
            'followed ({treatment: placebo}), or "n/a" for one before all treatment; where it '
            "differs between people, {column: <column of participants.tsv that tells it>}, or "
            "{period: 1} where the key sequence tells the order. Where several sessions have one "
            "treatment, add occasion: day2, and the key occasions above. Delete sessions that are "
            "not used.",
            1,
        )
    elif all("period" in own for own in design.sessions.values()):
        text.note("Sessions are numbered as the periods are; the order tells their treatments.", 1)
    text.key("sessions", depth=1)
    said = {label: own for table in tables for label, own in table.sessions.items()}
    for session, own in design.sessions.items():
        told = f"{_people(scanned_people[session])} scanned"
        told += f"; {said[session]}" if session in said else ""
        text.key(session, own, told, 2)
    if unscanned := some(others, 6):
        text.note(f"Sessions in which nobody has a scan of the task: {unscanned}.", 2)


def _sequence(text: Text, design: Design) -> None:
    """Write what tells the order of treatments."""
    if not design.sequence:
        told = "no column of participants.tsv tells the order"
        if "period" in str(design.source) or "order" in design.source:
            told = "the key above tells the periods"
        elif any("column" in own for own in design.sessions.values()):
            told = "arms have no order"
        text.key("sequence", {}, told, 1)
        return
    values = design.sequence.get("values")
    opened = isinstance(values, dict) and OPEN in values.values()
    what = "order, such as placebo-ketamine" if "column" in design.sequence else "treatment"
    told = f"; write beside each code its {what}" if opened else ""
    if any(len(label) == 1 for label in design.treatments):
        told = "; codes can be kept as labels, or be given names here and in the key treatments"
    text.note(f"The order of treatments{told}:", 1)
    text.key("sequence", depth=1)
    for key, value in design.sequence.items():
        text.key(key, value, depth=2)


def _repeats(text: Text, place: Place, task: str | None) -> None:
    """Write how scans of one session are told apart, if there are several."""
    labels = differing(place.scans, task)
    for key, own in labels.items():
        there = some(f"{label or 'none (null)'} in {count(n, 'run')}" for label, n in own.items())
        text.note(f"Sessions have scans that differ in {key} ({there}): which are used?", 1)
    if labels:
        text.key("scan", {"entities": dict.fromkeys(labels, OPEN)}, depth=1)
    elif n := n_repeated(place.scans, task):
        text.note(
            f"Repeat runs in {count(n, 'session')}: the whole one with the lowest mean framewise "
            "displacement is used; scan: {runs: [1]} would take the first.",
            1,
        )


def _scales(text: Text, tables: Sequence[Table], scales: Sequence[str]) -> None:
    """Write the scores whose scale is known, and name the columns that may be others."""
    known: dict[str, str] = {}
    patterns: dict[str, None] = {}
    others: list[str] = []
    for table in tables:
        for name, column in table.columns.items():
            if not column.is_numeric or is_column_of(name, "period"):
                continue
            if name in scales:
                known[name] = name
                patterns[table.pattern] = None
            else:
                others.append(f"{name} of {table.pattern}")
    if known:
        text.key("phenotype", list(patterns), "tables of scores", 1)
        text.key("scales", known, "scale to column; config/scales.tsv has their ranges", 1)
    if others:
        text.note(
            f"Further columns with numbers of each session: {some(others, 6)}. For one that is a "
            "scale, write its range and direction into a copy of config/scales.tsv (key "
            "sheets.scales), its table into phenotype: [], and scales: {name: column}.",
            1,
        )


def _covariates(text: Text, people: Table | None) -> None:
    """Write the columns that are carried into the sheet, but for those of the design."""
    names = [] if people is None else [n for n in people.columns if is_column_of(n, "covariate")]
    names = [name for name in names if re.fullmatch("[A-Za-z][A-Za-z0-9_]*", name)]
    if names:
        told = "columns carried into the sheet; adjusted for only if the key covariates names them"
        text.key("covariates", names, told, 1)
