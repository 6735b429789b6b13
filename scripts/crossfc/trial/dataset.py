"""Read a BIDS data set as the sheets of a trial: its people, sessions, treatments, scans, scores.

Only file names and tables are read, never an image, so that it works for a data set whose images
are elsewhere (a listing of paths, or links of git-annex whose content was not fetched).
"""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from crossfc.fault import Fault, raise_all
from crossfc.trial.anatomy import anatomies_said, find_anatomies, reference_anatomy
from crossfc.trial.bold import find_scans
from crossfc.trial.configuration import Configuration, SessionMapping
from crossfc.trial.label import Labels, is_participant_of, some
from crossfc.trial.mapping import (
    NO_ENTRY,
    Person,
    group_of,
    mapping_faults,
    order_columns,
    order_of,
    period_of,
    treatment_of,
)
from crossfc.trial.phenotype import check_ranges, read_scores
from crossfc.trial.role import key_of
from crossfc.trial.scale import Scale
from crossfc.trial.session_source import allocate, session_faults
from crossfc.trial.sheet import Sheet, did_you_mean, read_sheet
from crossfc.trial.treatment import treatment_labels
from crossfc.trial.tree import Tree, read_tree


class Table(NamedTuple):
    """A sheet to be written: its columns, and its rows by column."""

    columns: list[str]
    rows: list[dict[str, object]]


def read_dataset(
    config: Configuration, scales: dict[str, Scale] | None = None
) -> tuple[Table, Table, list[str]]:
    """Read a BIDS data set as the two sheets of a trial.

    Parameters
    ----------
    config : dict
        A checked configuration.
    scales : dict, optional
        The sheet of scales; scores must lie within their ranges.

    Returns
    -------
    participants, sessions : Table
        Content of the two sheets.
    notes : list of str
        What in the data set is not used, and which labels were matched although they are written
        differently.

    Raises
    ------
    Fault
        If the data set does not exist, the mapping names columns or values that it does not have,
        or required data are not found.
    """
    root = Path(config["bids_dir"])
    if not root.is_dir():
        raise Fault(f"config key bids_dir: {root} is no folder; download the data set there")
    mapping = config["dataset"]
    raise_all(mapping_faults(config) + session_faults(config))
    tree = read_tree(root, mapping["listing"])
    notes = [f"{root}: not read, as they are no BIDS names: {some(tree.aside)}"][: len(tree.aside)]
    people, said = allocate(_people(root, config, tree, notes), config, tree)
    notes += said
    sessions = list(dict.fromkeys(session for person in people for session in person.sessions))
    people_rows, orders = _people_rows(people, tree, config)
    study = {str(row["participant_id"]) for row in people_rows if row["exclude"] == "no"}
    _check_groups(people_rows, people, config, notes)
    everybody = [str(row["participant_id"]) for row in people_rows]
    scores, said = read_scores(root, mapping, everybody, {s for _, s in tree.sessions}, sessions)
    notes += said
    _check_sessions(tree, study, scores, sessions, notes)
    scans, said = find_scans(tree, config, study, sessions)
    notes += said
    own_scores = {key: own for key, own in scores.items() if key[0] in study}
    if scales is not None:
        check_ranges(own_scores, scales, config["sheets"]["scales"], mapping["scales"])

    session_rows: list[dict[str, object]] = []
    occasions = config["occasions"]
    for somebody in people:
        person = somebody.identifier
        if person not in study:
            continue
        for session, how in somebody.sessions.items():
            own = scores.get((person, session), {})
            # With ready maps (entry maps) a session needs no scan.
            there = config["entry"] == "maps" and (person, session) in tree.sessions
            scored = any(score.text is not None for score in own.values())
            if not (scans.get((person, session)) or scored or there):
                continue
            treatment = treatment_of(session, somebody, config)
            missing = _missing_entry(treatment, how, config)
            session_rows.append(
                {
                    "participant_id": person,
                    "session_id": session,
                    "treatment": treatment,
                    "period": period_of(session, treatment, orders[person], somebody),
                    "scan": ";".join(scans.get((person, session), [])),
                    **({"occasion": how.get("occasion")} if occasions else {}),
                    **{s: own[s].text if s in own else None for s in mapping["scales"]},
                    "exclude": "yes" if missing else "no",
                    "reason": missing,
                }
            )
    _check_something(session_rows, tree, config, notes)
    if config["entry"] == "raw":
        notes += anatomies_said(tree, people_rows, session_rows)
    people_columns = ["participant_id", "group", "sequence", *mapping["covariates"], "t1w"]
    session_columns = ["participant_id", "session_id", "treatment", "period"]
    session_columns += [*(["occasion"] if occasions else []), "scan", *mapping["scales"]]
    ending = ["exclude", "reason"]
    participants = Table(people_columns + ending, people_rows)
    return participants, Table(session_columns + ending, session_rows), notes


def _missing_entry(treatment: str | None, how: SessionMapping, config: Configuration) -> str | None:
    """Return why a session cannot be used: an empty cell that should tell what it was, or None."""
    if treatment is None:
        return NO_ENTRY.format(how.get("column") or " and ".join(order_columns(config)))
    if config["occasions"] and how.get("occasion") is None:
        return NO_ENTRY.format(config["dataset"]["session_source"]["columns"]["occasion"])
    return None


def _people_rows(
    people: list[Person], tree: Tree, config: Configuration
) -> tuple[list[dict[str, object]], dict[str, list[str | None]]]:
    """Return the rows of participants.tsv, and the order of treatments of each person."""
    mapping = config["dataset"]
    anatomies = find_anatomies(tree.files)
    rows: list[dict[str, object]] = []
    orders: dict[str, list[str | None]] = {}
    faults: list[str] = []
    for person in people:
        group, outside = group_of(person, config)
        order: list[str | None] = []
        try:
            order = order_of(person, config)
        except Fault as fault:
            # People outside the study may have had other treatments, which is no fault.
            if not outside:
                faults.append(str(fault))
        orders[person.identifier] = order
        known = [treatment for treatment in order if treatment]
        rows.append(
            {
                "participant_id": person.identifier,
                "group": group,
                "sequence": "-".join(known) if len(known) > 1 and None not in order else None,
                **{c: person.cell(c) for c in mapping["covariates"]},
                "t1w": reference_anatomy(
                    anatomies.get(person.identifier, []), person, order, config
                ),
                "exclude": "yes" if outside else "no",
                "reason": outside,
            }
        )
    raise_all(faults)
    return rows, orders


def _entry(role: str, group: str) -> str:
    """Name the entry of a group in the config."""
    key = key_of(role)
    return key if key != "groups" else f"{group} from groups"


def _check_groups(
    rows: list[dict[str, object]],
    people: list[Person],
    config: Configuration,
    notes: list[str],
) -> None:
    """Refuse groups and orders of treatments in the config that nobody in the data set has.

    Raises
    ------
    Fault
        With the values that the data set has.
    """
    mapping = config["dataset"]
    column, values = mapping["group"]["column"], mapping["group"]["values"]
    own = [row for row in rows if row["exclude"] == "no"]
    having = {row["group"] for row in own}
    there = Counter(person.cell(column) or "n/a" for person in people if person.listed)
    found = ", ".join(f"{value} ({n})" for value, n in there.most_common(8))
    faults = []
    for role, group in config["groups"].items():
        if not group or group in having:
            continue
        if column is None:
            faults.append(
                f"config key dataset.group.column: names no column, so everybody is of one group "
                f"and nobody is of {key_of(role)} {group}; name the column, or remove "
                f"{_entry(role, group)}"
            )
            continue
        keys = [value for value, label in values.items() if label == group]
        hint = did_you_mean(keys[0], there) if keys else ""
        wanted = f"with {' or '.join(keys)} in" if keys else "from"
        faults.append(
            f"config key dataset.group.values: nobody is of group {group}, {wanted} the column "
            f"{column} of the data set, which has {found}"
            f"{hint or '; correct the values, or remove ' + _entry(role, group)}"
        )
    for value in values if column is not None else ():
        if value not in there and values[value] in having:
            notes.append(f"nobody has {value} in column {column}; it has {found}")
    in_case = {v.casefold(): v for v in values}
    for value in there:
        alike = in_case.get(value.casefold())
        if value not in values and alike is not None:
            faults.append(
                f"config key dataset.group.values: the column {column} has {value} where the key "
                f"has {alike}; add {value} to the values, or correct the data set"
            )
    columns = order_columns(config)
    told = {person.cell(column) for person in people for column in columns} - {None}
    unmet = [value for value in mapping["sequence"]["values"] if value not in told]
    if columns and told and unmet:
        notes.append(f"nobody has {some(unmet)} in the columns {' and '.join(columns)}")
    if columns and own and not told:
        faults.append(
            f"config key dataset.sequence: no person has an entry in {' or '.join(columns)}; where "
            "the order is not known, write sequence: {}"
        )
    raise_all(faults)


def _check_sessions(
    tree: Tree,
    study: set[str],
    scores: dict[tuple[str, str], Any],
    sessions: list[str],
    notes: list[str],
) -> None:
    """Refuse sessions in the config that nobody has; note sessions that the config does not name.

    Raises
    ------
    Fault
        With the sessions that the data set has.
    """
    folders: dict[str, list[str]] = {}
    for person, session in sorted(tree.sessions):
        if person in study:
            folders.setdefault(session, []).append(person)
    scored = {session for person, session in scores if person in study}
    named = Labels("ses", sessions)
    there = ", ".join(f"{session} ({len(who)} people)" for session, who in folders.items())
    faults = []
    for session in sessions:
        if session not in folders and session not in scored:
            others = [label for label in folders if label not in sessions]
            close = Labels("ses", others).alike(session)
            hint = f"; did you mean {close[0]}?" if close else did_you_mean(session, others)
            faults.append(
                f"config key dataset.sessions.{session}: nobody has such a session; the data set "
                f"has {there or 'no session folders'}{hint or '; correct the key'}"
            )
    raise_all(faults)
    unused = {session: who for session, who in folders.items() if session not in sessions}
    for session, who in unused.items():
        alike = [key for key in named.alike(session) if not set(who) & set(folders.get(key, ()))]
        if alike:
            faults.append(
                f"config key dataset.sessions: {some(who)} has {session} in place of {alike[0]}; "
                f"rename the folder, or add the key {session} with the same treatment"
            )
    raise_all(faults)
    if unused:
        said = some((f"{session} ({len(who)} people)" for session, who in unused.items()), 8)
        notes.append(f"sessions that are not named in the config are not used: {said}")


def _check_something(
    rows: list[dict[str, object]], tree: Tree, config: Configuration, notes: list[str]
) -> None:
    """Refuse sheets without any session; note treatments without any scan.

    Raises
    ------
    Fault
        If there is no session; with the folders that are empty.
    """
    empty = (
        f"; the folders of {some(tree.empty)} are empty (datalad get -n fetches what they hold)"
        if tree.empty
        else ""
    )
    if not rows:
        raise Fault(
            f"config key bids_dir: no session of {tree.root} has a scan or a score{empty}; name "
            "the root of a BIDS data set with scans, or tables of scores by dataset.phenotype"
            f"{_nearby(tree.root)}"
        )
    if empty:
        notes.append(f"{tree.root}{empty.replace(';', ':', 1)}")
    if config["entry"] == "maps":
        return
    for treatment in reversed(treatment_labels(config)):
        own = [row for row in rows if row["treatment"] == treatment]
        if not any(row["scan"] for row in own):
            notes.append(
                f"no session under {treatment} has a scan: only the clinical arm can be analysed "
                "(target clinical_change)"
            )


def _people(root: Path, config: Configuration, tree: Tree, notes: list[str]) -> list[Person]:
    """Read the data set's table of persons; if there is none, take the folders of people."""
    mapping = config["dataset"]
    path = root / mapping["participants"]
    needed: dict[str, Iterable[str | None]] = {
        "dataset.group.column": [mapping["group"]["column"]],
        "dataset.sequence": order_columns(config),
        "dataset.covariates": mapping["covariates"],
    }
    for session, how in mapping["sessions"].items():
        needed[f"dataset.sessions.{session}.column"] = [how.get("column")]
    wanted = [(key, c) for key, columns in needed.items() for c in columns if c is not None]
    if not path.is_file():
        if wanted:
            near = sorted(p.name for p in root.iterdir() if p.is_file())
            raise Fault(
                f"config key dataset.participants: {path} does not exist, which has the column "
                f"{wanted[0][1]} of {wanted[0][0]}"
                f"{did_you_mean(path.name, near) or '; name the table of persons'}"
            )
        if not tree.people:
            raise Fault(
                f"config key bids_dir: {root} holds neither a sub-* folder with files nor "
                f"{mapping['participants']}; name the root of a BIDS data set{_nearby(root)}"
            )
        notes.append(f"{path} does not exist: the people are the {len(tree.people)} folders sub-*")
        return [Person(label, {}) for label in sorted(tree.people)]
    sheet = read_sheet(path, ["participant_id"])
    _check_people(sheet, tree)
    for key, column in wanted:
        if column not in sheet.columns:
            raise Fault(
                f"{sheet.path} has no column {column}, which the config key {key} names; it has "
                f"{', '.join(sheet.columns)}{did_you_mean(column, sheet.columns)}"
            )
    listed = [
        Person(row["participant_id"], {c: row.get(c) for c in sheet.columns}) for row in sheet.rows
    ]
    without = sorted(tree.people - {person.identifier for person in listed})
    return listed + [Person(label, {}, listed=False) for label in without]


def _nearby(root: Path) -> str:
    """Return ``; did you mean …?`` if a folder below ``root`` holds the data set, else ""."""
    below = sorted(p.name for p in root.iterdir() if p.is_dir() and any(p.glob("sub-*")))
    below = [name for name in below if not name.startswith(("sub-", "."))]
    return f"; did you mean {root / below[0]}?" if below else ""


def _check_people(sheet: Sheet, tree: Tree) -> None:
    """Refuse rows with an invalid or repeated person, or one whose folder is spelt differently."""
    seen: dict[str, int] = {}
    faults: list[str] = []
    if not sheet.rows:
        raise Fault(f"{sheet.path} has no rows; write one per person")
    folders = Labels("sub", tree.people - {row["participant_id"] for row in sheet.rows})
    for row in sheet.rows:
        person = row["participant_id"]
        if not is_participant_of(sheet, row, faults):
            continue
        if person in seen:
            faults.append(f"{sheet.at(row)} repeats {person} of row {seen[person]}; remove one")
        elif person not in tree.people and folders.alike(person):
            faults.append(
                f"{sheet.at(row, 'participant_id')}: {person} has no folder; did you mean "
                f"{folders.alike(person)[0]}, which has no row?"
            )
        seen.setdefault(person, row.number)
    raise_all(faults)
