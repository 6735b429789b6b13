"""Sheets from a BIDS data set: which sessions, treatments, scans and scores it holds.

Reads names and tables only, never an image, so that it runs on a data set whose images are
elsewhere (a listing of paths, or links into an annex that is not fetched).
"""

import re
from pathlib import Path, PurePosixPath
from typing import Any

from crossfc import atomic
from crossfc.fault import Fault, raise_all
from crossfc.trial.phenotype import read_scores
from crossfc.trial.sheet import Sheet, did_you_mean, format_sheet, read_sheet, read_text
from crossfc.trial.tree import find_anatomies, find_scans, list_files

# Reasons that `sheets` writes itself. An exclusion with another one was written by hand.
_NO_ENTRY = 'no entry in column "{}" of the data set'
_NOT_IN_STUDY = "group {} is not part of this study"
_NOT_IN_TABLE = "has scans but no row in the data set's {}"
_OWN_REASONS = re.compile(
    "|".join(
        re.escape(reason).replace(r"\{\}", ".*")
        for reason in (_NO_ENTRY, _NOT_IN_STUDY, _NOT_IN_TABLE)
    )
)


def write_sheets(config: dict[str, Any]) -> list[str]:
    """Write participants.tsv and sessions.tsv from the data set and the config's ``dataset`` key.

    Exclusions that people wrote into existing sheets (``exclude`` yes with a reason) are kept.
    A sheet whose content would not change is not touched.

    Parameters
    ----------
    config : dict
        A checked configuration.

    Returns
    -------
    list of str
        Sentences for the log: what was written.

    Raises
    ------
    Fault
        If the mapping does not fit the data set.
    """
    if "dataset" not in config:
        raise Fault(
            "config key dataset: `sheets` needs it to know which session is which treatment; "
            "see config/README.md"
        )
    people, sessions = read_dataset(config)
    said = []
    sheets = (
        (Path(config["sheets"]["participants"]), *people, ("participant_id",)),
        (Path(config["sheets"]["sessions"]), *sessions, ("participant_id", "session_id")),
    )
    # Both are read before either is written: a fault leaves both as they were.
    for path, _, rows, keys in sheets:
        said += _keep_exclusions(path, rows, keys)
    said += _borrowed_anatomies(config, people[1], sessions[1])
    for path, columns, rows, _ in sheets:
        text = format_sheet(columns, rows)
        if path.is_file() and read_text(path).replace("\r\n", "\n") == text:
            said.append(f"{path}: unchanged, {len(rows)} rows")
            continue
        atomic.write_text(path, text)
        said.append(f"{path}: written, {len(rows)} rows")
    return said


Table = tuple[list[str], list[dict[str, object]]]


def read_dataset(config: dict[str, Any]) -> tuple[Table, Table]:
    """Read a BIDS data set as the two sheets of a trial.

    Returns
    -------
    participants, sessions : (columns, rows)
        As they go into the sheets.

    Raises
    ------
    Fault
        If the data set is not there or the mapping names columns or values it does not have.
    """
    root = Path(config["bids_dir"])
    if not root.is_dir():
        raise Fault(f"config key bids_dir: {root} is no folder; download the data set there")
    mapping = config["dataset"]
    _check_mapping(config)
    files = list_files(root, mapping["listing"])
    table = _people_table(root, mapping, files)
    scans = find_scans(files, config)
    anatomies = find_anatomies(files)
    scores = read_scores(root, mapping)

    people_rows: list[dict[str, object]] = []
    session_rows: list[dict[str, object]] = []
    for cells in table:
        person = str(cells["participant_id"])
        group, outside = _group(cells, config)
        try:
            order = _order(cells, mapping)
        except Fault:
            # Who is not part of the study may have had treatments that are not.
            if not outside:
                raise
            order = []
        people_rows.append(
            {
                "participant_id": person,
                "group": group,
                "sequence": "-".join(order) if len(order) == 2 and all(order) else None,
                **{c: cells.get(c) for c in mapping["covariates"]},
                "t1w": _reference_anatomy(anatomies.get(person, []), cells, order, mapping),
                "exclude": "yes" if outside else "no",
                "reason": outside,
            }
        )
        if outside:
            continue
        for session in mapping["sessions"]:
            own_scans = scans.get((person, session), [])
            own_scores = scores.get((person, session), {})
            if not own_scans and not any(v is not None for v in own_scores.values()):
                continue
            treatment = _treatment(session, cells, mapping)
            column = mapping["sessions"][session].get("column")
            session_rows.append(
                {
                    "participant_id": person,
                    "session_id": session,
                    "treatment": treatment,
                    "period": _period(session, treatment, order, mapping),
                    "scan": ";".join(own_scans),
                    **{s: own_scores.get(s) for s in mapping["scales"]},
                    "exclude": "yes" if treatment is None else "no",
                    "reason": _NO_ENTRY.format(column) if treatment is None else None,
                }
            )
    people_columns = ["participant_id", "group", "sequence", *mapping["covariates"], "t1w"]
    session_columns = ["participant_id", "session_id", "treatment", "period", "scan"]
    session_columns += mapping["scales"]
    ending = ["exclude", "reason"]
    return (people_columns + ending, people_rows), (session_columns + ending, session_rows)


def _check_mapping(config: dict[str, Any]) -> None:
    """Check that the mapping leads to the groups and treatments of the study."""
    mapping = config["dataset"]
    groups = [g for g in config["groups"].values() if g]
    treatments = list(config["treatments"].values())
    faults = []

    def check(key: str, label: str, known: list[str], what: str) -> None:
        if label not in known:
            faults.append(
                f"config key dataset.{key}: {label!r} is none of the {what} {', '.join(known)}"
                f"{did_you_mean(label, known) or '; correct it'}"
            )

    for value, group in mapping["group"].get("values", {}).items():
        check(f"group.values.{value}", group, groups, "groups")
    for value, treatment in mapping["sequence"].get("values", {}).items():
        check(f"sequence.values.{value}", treatment, treatments, "treatments")
    for session, how in mapping["sessions"].items():
        if not re.fullmatch("ses-[A-Za-z0-9]+", session):
            faults.append(
                f"config key dataset.sessions.{session}: name the session as its folder is named, "
                f"such as ses-{re.sub('[^A-Za-z0-9]', '', session) or '1'}"
            )
        if "treatment" in how:
            check(f"sessions.{session}.treatment", how["treatment"], treatments, "treatments")
        elif "column" not in how:
            faults.append(
                f"config key dataset.sessions.{session}: needs a treatment or the column that "
                "tells it; add one of them"
            )
    raise_all(faults)


def _people_table(
    root: Path, mapping: dict[str, Any], files: list[PurePosixPath]
) -> list[dict[str, str | None]]:
    path = root / mapping["participants"]
    in_folders = {p.parts[0] for p in files}
    if path.is_file():
        sheet = read_sheet(path, ["participant_id"])
        _check_people(sheet)
        needed = [mapping["group"].get("column"), *mapping["sequence"].get("columns", [])]
        needed += [s.get("column") for s in mapping["sessions"].values()]
        needed += mapping["covariates"]
        for column in needed:
            if column is not None and column not in sheet.columns:
                raise Fault(
                    f"{sheet.path} has no column {column}, which the config key dataset names; "
                    f"it has {', '.join(sheet.columns)}"
                )
        table = [{c: row.get(c) for c in sheet.columns} for row in sheet.rows]
        without = sorted(in_folders - {row["participant_id"] for row in sheet.rows})
        return table + [{"participant_id": p, _OUTSIDE: mapping["participants"]} for p in without]
    if not in_folders:
        raise Fault(
            f"config key bids_dir: {root} holds neither a sub-* folder with files nor "
            f"{mapping['participants']}; name the root of a BIDS data set"
        )
    return [{"participant_id": p} for p in sorted(in_folders)]


# A key that no column can have: the person has files but no row in the data set's table.
_OUTSIDE = "\t"


def _check_people(sheet: Sheet) -> None:
    seen: dict[str, int] = {}
    faults = []
    for row in sheet.rows:
        person = row["participant_id"]
        if not re.fullmatch("sub-[A-Za-z0-9]+", person):
            faults.append(
                f"{sheet.at(row, 'participant_id')}: {person!r} is no BIDS participant; write such "
                "as sub-01"
            )
        elif person in seen:
            faults.append(f"{sheet.at(row)} repeats {person} of row {seen[person]}; remove one")
        seen.setdefault(person, row.number)
    raise_all(faults)


def _reference_anatomy(
    own: list[tuple[str, str]],
    cells: dict[str, str | None],
    order: list[str | None],
    mapping: dict[str, Any],
) -> str | None:
    """Choose one T1w per person, blind to outcome, the same for both sessions.

    The rule: a T1w without session; else the first run of the first analysed session (by period
    where known) that has one; else the first by name. Numbers in names count as numbers, so run 2
    comes before run 10.
    """
    sessions = list(mapping["sessions"])

    def rank(candidate: tuple[str, str]) -> tuple[int, list[tuple[str, int]], str]:
        session, path = candidate
        pieces = re.findall(r"(\D*)(\d*)", path)
        name = [(text, int(digits or 0)) for text, digits in pieces]
        if session == "":
            return (0, name, path)
        if session not in sessions:
            return (3 + len(sessions), name, path)
        known = _treatment(session, cells, mapping) if order else None
        period = _period(session, known, order, mapping)
        return (period or 3 + sessions.index(session), name, path)

    return min(own, key=rank)[1] if own else None


def _borrowed_anatomies(
    config: dict[str, Any], people: list[dict[str, object]], sessions: list[dict[str, object]]
) -> list[str]:
    """Say whose analysed sessions have a T1w in one but not in the other."""
    anatomies = find_anatomies(list_files(Path(config["bids_dir"]), config["dataset"]["listing"]))
    said = []
    for row in people:
        person, chosen = row["participant_id"], row["t1w"]
        having = {session for session, _ in anatomies.get(str(person), [])}
        own = {str(s["session_id"]) for s in sessions if s["participant_id"] == person}
        without = sorted(own - having)
        if chosen is not None and without and own & having and "" not in having:
            said.append(f"{person}: no T1w in {' and '.join(without)}; {chosen} serves it too")
    return said


def _group(cells: dict[str, str | None], config: dict[str, Any]) -> tuple[str, str | None]:
    """Give a person's group, and why they are not part of the study where they are not."""
    mapping = config["dataset"]["group"]
    column, values = mapping.get("column"), mapping.get("values", {})
    if _OUTSIDE in cells:
        return "n/a", _NOT_IN_TABLE.format(cells[_OUTSIDE])
    if column is None:
        return next(
            iter(values.values()), config["groups"]["patients"] or config["groups"]["controls"]
        ), None
    value = cells.get(column)
    if value is None:
        return "n/a", _NO_ENTRY.format(column)
    if value not in values:
        return value, _NOT_IN_STUDY.format(value)
    return values[value], None


def _order(cells: dict[str, str | None], mapping: dict[str, Any]) -> list[str | None]:
    """Give the treatments of period 1 and 2, from columns or from sessions with a period."""
    columns = mapping["sequence"].get("columns", [])
    values = mapping["sequence"].get("values", {})
    if not columns:
        known = {
            how["period"]: _treatment(session, cells, mapping)
            for session, how in mapping["sessions"].items()
            if "period" in how
        }
        return [known[1], known[2]] if set(known) == {1, 2} else []
    order: list[str | None] = []
    for column in columns:
        value = cells.get(column)
        if value is not None and value not in values:
            raise Fault(
                f"config key dataset.sequence.values: {cells['participant_id']} has {value!r} in "
                f'column "{column}", which is not mapped to a treatment; add it'
            )
        order.append(None if value is None else values[value])
    return order


def _treatment(session: str, cells: dict[str, str | None], mapping: dict[str, Any]) -> str | None:
    how = mapping["sessions"][session]
    if "treatment" in how:
        return how["treatment"]
    value = cells.get(how["column"])
    values = mapping["sequence"].get("values", {})
    # Without a mapping the column holds the treatments' own labels.
    if value is not None and values and value not in values:
        raise Fault(
            f"config key dataset.sequence.values: {cells['participant_id']} has {value!r} in "
            f'column "{how["column"]}", which is not mapped to a treatment; add it'
        )
    return None if value is None else values.get(value, value)


def _period(
    session: str, treatment: str | None, order: list[str | None], mapping: dict[str, Any]
) -> int | None:
    if "period" in mapping["sessions"][session]:
        return mapping["sessions"][session]["period"]
    # Where only one infusion is on record, its period is still known.
    return order.index(treatment) + 1 if treatment is not None and treatment in order else None


def _keep_exclusions(path: Path, rows: list[dict[str, object]], keys: tuple[str, ...]) -> list[str]:
    if not path.is_file():
        return []
    by_key = {tuple(row[k] for k in keys): row for row in rows}
    said = []
    for old in read_sheet(path, keys).rows:
        row = by_key.get(tuple(old[k] for k in keys))
        by_hand = (old.get("exclude") or "").lower() == "yes" and not _OWN_REASONS.fullmatch(
            old.get("reason") or ""
        )
        if row is not None and by_hand and row["exclude"] != "yes":
            row["exclude"], row["reason"] = "yes", old.get("reason")
            said.append(f"{path}: kept the exclusion of {' '.join(old[k] for k in keys)}")
    return said
