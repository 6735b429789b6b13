"""Write the sheets of a study from a BIDS data set: its sessions, treatments, scans and scores.

Only file names and tables are read, never an image, so that it works for a data set whose images
are elsewhere (a listing of paths, or links of git-annex whose content was not fetched).
"""

import re
import tempfile
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from crossfc.bids import ENTITY_ORDER
from crossfc.fault import Fault, raise_all
from crossfc.trial.configuration import Configuration, DatasetMapping
from crossfc.trial.design import Trial, check_sheets
from crossfc.trial.label import Labels, some
from crossfc.trial.participant import PARTICIPANT_COLUMNS
from crossfc.trial.phenotype import check_ranges, read_scores
from crossfc.trial.predecessor import Predecessor, replace_both
from crossfc.trial.scale import Scale, read_scales
from crossfc.trial.session import OPTIONAL_SESSION_COLUMNS, SESSION_COLUMNS
from crossfc.trial.sheet import Sheet, did_you_mean, format_sheet, read_sheet
from crossfc.trial.tree import Tree, find_anatomies, find_scans, read_tree

# Reasons that the rule `sheets` writes itself. An exclusion with any other reason was written by
# hand.
_NO_ENTRY = 'no entry in column "{}" of the data set'
_NOT_IN_STUDY = "group {} is not part of this study"
_NOT_IN_TABLE = "has scans but no row in the data set's {}"
_OWN_REASONS = re.compile(
    "|".join(
        re.escape(reason).replace(r"\{\}", ".*")
        for reason in (_NO_ENTRY, _NOT_IN_STUDY, _NOT_IN_TABLE)
    )
)


def write_sheets(config: Configuration) -> tuple[list[str], Trial]:
    """Write participants.tsv and sessions.tsv from the data set and the config's ``dataset`` key.

    The new sheets are first checked as a trial; then both are written, or none. Existing sheets
    may be broken or missing. Exclusions that people wrote into them (``exclude`` yes with a
    reason) and columns that they added are kept. A sheet whose content would not change is not
    written; of any other existing sheet, a copy is kept beside the new one.

    Parameters
    ----------
    config : dict
        A checked configuration.

    Returns
    -------
    said : list of str
        Sentences for the log: what was written, and what in the data set is not used.
    trial : Trial
        The trial in the new sheets, without seeds and targets.

    Raises
    ------
    Fault
        If the mapping does not fit the data set, the new sheets would not be a valid trial, or
        they cannot be written.
    """
    if "dataset" not in config:
        raise Fault(
            "config key dataset: `sheets` needs it to know which session is which treatment; "
            "see config/README.md"
        )
    _check_places(config)
    scales = _scales(config)
    people, sessions, said = read_dataset(config, scales)
    texts: dict[Path, str] = {}
    before: dict[str, Predecessor] = {}
    for name, (columns, rows), keys, allowed in (
        ("participants", people, ("participant_id",), None),
        ("sessions", sessions, ("participant_id", "session_id"), set(scales)),
    ):
        path = Path(config["sheets"][name])
        before[name] = Predecessor(path, keys)
        before[name].hand_over(rows, _OWN_REASONS)
        before[name].keep_columns(columns, rows, allowed)
        said += before[name].notes
        texts[path] = format_sheet(columns, rows)
    new, trial = _checked(texts, config, scales)
    changed = {
        path: text
        for (path, text), old in zip(texts.items(), before.values(), strict=True)
        if old.text is None or old.text.replace("\r\n", "\n") != text
    }
    try:
        copies = replace_both(changed)
    except OSError as error:
        raise Fault(
            f"{' and '.join(map(str, changed))}: cannot be written ({error.strerror}), both are as "
            "they were; make room, or check the permissions of their folder"
        ) from None
    for (path, sheet), old in zip(new.items(), before.values(), strict=True):
        written = "written" if path in changed else "unchanged"
        said.append(f"{path}: {written}, {len(sheet.rows)} rows")
        if copies.get(path) is not None:
            said.append(f"{path}: what lay there is kept as {copies[path]}")
            said += [f"{path}: {difference}" for difference in old.differences(sheet)]
    return said, trial


def _check_places(config: Configuration) -> None:
    """Refuse to overwrite files that are not the sheets of people and sessions of this study."""
    root, mapping = Path(config["bids_dir"]), config["dataset"]
    tables = [root / mapping["participants"]]
    for pattern in mapping["phenotype"]:
        # An invalid pattern is reported elsewhere.
        with suppress(ValueError, NotImplementedError):
            tables += root.glob(pattern) if pattern else []
    taken = {f"table {path.name} of {root}": path for path in tables}
    taken |= {f"sheet of {key}": Path(config["sheets"][key]) for key in ("scales", "seeds")}
    taken |= {"sheet of targets": Path(config["sheets"]["targets"])}
    own = {key: Path(config["sheets"][key]) for key in ("participants", "sessions")}
    for key, path in own.items():
        if path.is_dir():
            raise Fault(f"config key sheets.{key}: {path} is a folder; name a file")
        for what, other in taken.items():
            if path.resolve() == other.resolve():
                raise Fault(
                    f"config key sheets.{key}: {path} is the {what}, which `sheets` would write "
                    "over; choose another path"
                )
    if own["participants"].resolve() == own["sessions"].resolve():
        raise Fault("config key sheets: participants and sessions are one file; name two")


def _scales(config: Configuration) -> dict[str, Scale]:
    """Read the sheet of scales; its faults are ignored if the config asks for no scores."""
    try:
        return read_scales(
            config["sheets"]["scales"], (*SESSION_COLUMNS, *OPTIONAL_SESSION_COLUMNS)
        )
    except Fault:
        if config["dataset"]["scales"]:
            raise
        return {}


def _checked(
    texts: dict[Path, str], config: Configuration, scales: dict[str, Scale]
) -> tuple[dict[Path, Sheet], Trial]:
    """Check the new sheets as a trial, before they are written.

    Raises
    ------
    Fault
        If they are not a valid trial. The sentences name people and sessions and not only rows,
        because the file does not exist yet.
    """
    sheets: dict[Path, Sheet] = {}
    with tempfile.TemporaryDirectory() as folder:
        for number, (path, text) in enumerate(texts.items()):
            file = Path(folder) / f"{number}.tsv"
            file.write_text(text, encoding="utf-8")
            sheet = read_sheet(file, ("participant_id",))
            sheets[path] = replace(sheet, path=Path(f"the new {path}"))
    people, sessions = sheets.values()
    try:
        return sheets, check_sheets(people, sessions, scales, config)
    except Fault as fault:
        said = str(fault)
        for sheet in (people, sessions):
            for row in sheet.rows:
                whose = " ".join(filter(None, (row["participant_id"], row.get("session_id"))))
                said = re.sub(
                    rf"({re.escape(str(sheet.path))}, row {row.number})(?!\d)",
                    rf"\1 ({whose})",
                    said,
                )
        raise Fault(f"nothing was written, as it would be no sound trial:\n{said}") from None


Table = tuple[list[str], list[dict[str, object]]]


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
    participants, sessions : (columns, rows)
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
    _check_mapping(config)
    tree = read_tree(root, mapping["listing"])
    notes = [f"{root}: not read, as they are no BIDS names: {some(tree.aside)}"][: len(tree.aside)]
    table = _people_table(root, mapping, tree, notes)
    people_rows, orders = _people_rows(table, tree, config)
    study = {str(row["participant_id"]) for row in people_rows if row["exclude"] == "no"}
    _check_groups(people_rows, table, config, notes)
    everybody = [str(row["participant_id"]) for row in people_rows]
    scores, said = read_scores(root, mapping, everybody, {s for _, s in tree.sessions})
    notes += said
    _check_sessions(tree, study, scores, mapping, notes)
    scans, said = find_scans(tree, config, study)
    notes += said
    own_scores = {key: own for key, own in scores.items() if key[0] in study}
    if scales is not None:
        check_ranges(own_scores, scales, config["sheets"]["scales"], mapping["scales"])

    session_rows: list[dict[str, object]] = []
    for cells in table:
        person = str(cells["participant_id"])
        if person not in study:
            continue
        for session in mapping["sessions"]:
            own = scores.get((person, session), {})
            # With ready maps (entry maps) a session needs no scan.
            there = config["entry"] == "maps" and (person, session) in tree.sessions
            scored = any(score.text is not None for score in own.values())
            if not (scans.get((person, session)) or scored or there):
                continue
            treatment = _treatment(session, cells, config)
            column = mapping["sessions"][session].get("column")
            session_rows.append(
                {
                    "participant_id": person,
                    "session_id": session,
                    "treatment": treatment,
                    "period": _period(session, treatment, orders[person], mapping),
                    "scan": ";".join(scans.get((person, session), [])),
                    **{s: own[s].text if s in own else None for s in mapping["scales"]},
                    "exclude": "yes" if treatment is None else "no",
                    "reason": _NO_ENTRY.format(column) if treatment is None else None,
                }
            )
    _check_something(session_rows, tree, config, notes)
    notes += _anatomies_said(tree, people_rows, session_rows)
    people_columns = ["participant_id", "group", "sequence", *mapping["covariates"], "t1w"]
    session_columns = ["participant_id", "session_id", "treatment", "period", "scan"]
    session_columns += mapping["scales"]
    ending = ["exclude", "reason"]
    return (people_columns + ending, people_rows), (session_columns + ending, session_rows), notes


def _people_rows(
    table: list[dict[str, str | None]], tree: Tree, config: Configuration
) -> tuple[list[dict[str, object]], dict[str, list[str | None]]]:
    """Return the rows of participants.tsv, and the order of treatments of each person."""
    mapping = config["dataset"]
    anatomies = find_anatomies(tree.files)
    rows: list[dict[str, object]] = []
    orders: dict[str, list[str | None]] = {}
    faults: list[str] = []
    for cells in table:
        person = str(cells["participant_id"])
        group, outside = _group(cells, config)
        order: list[str | None] = []
        try:
            order = _order(cells, config)
        except Fault as fault:
            # People outside the study may have had other treatments, which is no fault.
            if not outside:
                faults.append(str(fault))
        orders[person] = order
        known = [treatment for treatment in order if treatment]
        rows.append(
            {
                "participant_id": person,
                "group": group,
                "sequence": "-".join(known) if len(known) == 2 else None,
                **{c: cells.get(c) for c in mapping["covariates"]},
                "t1w": _reference_anatomy(anatomies.get(person, []), cells, order, config),
                "exclude": "yes" if outside else "no",
                "reason": outside,
            }
        )
    raise_all(faults)
    return rows, orders


def _check_groups(
    people: list[dict[str, object]],
    table: list[dict[str, str | None]],
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
    column, values = mapping["group"].get("column"), mapping["group"].get("values", {})
    own = [row for row in people if row["exclude"] == "no"]
    having = {row["group"] for row in own}
    there = Counter(
        (column is not None and cells.get(column)) or "n/a"
        for cells in table
        if _OUTSIDE not in cells
    )
    found = ", ".join(f"{value} ({n})" for value, n in there.most_common(8))
    faults = []
    for role, group in config["groups"].items():
        if not group or group in having:
            continue
        if column is None:
            faults.append(
                f"config key dataset.group.column: names no column, so everybody is of one group "
                f"and nobody is of groups.{role} {group}; name the column, or remove "
                f"groups.{role}"
            )
            continue
        keys = [value for value, label in values.items() if label == group]
        hint = did_you_mean(keys[0], there) if keys else ""
        wanted = f"with {' or '.join(keys)} in" if keys else "from"
        faults.append(
            f"config key dataset.group.values: nobody is of group {group}, {wanted} the column "
            f"{column} of the data set, which has {found}"
            f"{hint or '; correct the values, or remove groups.' + role}"
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
    columns = mapping["sequence"].get("columns", [])
    told = {cells.get(column) for cells in table for column in columns} - {None}
    unmet = [value for value in mapping["sequence"].get("values", {}) if value not in told]
    if columns and told and unmet:
        notes.append(f"nobody has {some(unmet)} in the columns {' and '.join(columns)}")
    if columns and own and not told:
        faults.append(
            f"config key dataset.sequence.columns: {' and '.join(columns)} hold nothing; where "
            "the order is not known, write sequence: {}"
        )
    raise_all(faults)


def _check_sessions(
    tree: Tree,
    study: set[str],
    scores: dict[tuple[str, str], Any],
    mapping: DatasetMapping,
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
    named = Labels("ses", mapping["sessions"])
    there = ", ".join(f"{session} ({len(who)} people)" for session, who in folders.items())
    faults = []
    for session in mapping["sessions"]:
        if session not in folders and session not in scored:
            others = [label for label in folders if label not in mapping["sessions"]]
            close = Labels("ses", others).alike(session)
            hint = f"; did you mean {close[0]}?" if close else did_you_mean(session, others)
            faults.append(
                f"config key dataset.sessions.{session}: nobody has such a session; the data set "
                f"has {there or 'no session folders'}{hint or '; correct the key'}"
            )
    raise_all(faults)
    unused = {
        session: who for session, who in folders.items() if session not in mapping["sessions"]
    }
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
        notes.append(f"sessions that dataset.sessions does not name are not used: {said}")


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
    for treatment in config["treatments"].values():
        own = [row for row in rows if row["treatment"] == treatment]
        if not any(row["scan"] for row in own):
            notes.append(
                f"no session under {treatment} has a scan: only the clinical arm can be analysed "
                "(target clinical_change)"
            )


def _check_mapping(config: Configuration) -> None:
    """Check that the config key ``dataset`` uses the groups and treatments of the study."""
    mapping = config["dataset"]
    groups = [g for g in config["groups"].values() if g] + config["unused"]["groups"]
    treatments = [*config["treatments"].values(), *config["unused"]["treatments"]]
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
    for entity in mapping["scan"].get("entities", {}):
        if entity not in ENTITY_ORDER:
            faults.append(
                f"config key dataset.scan.entities.{entity}: BIDS has no such entity"
                f"{did_you_mean(entity, ENTITY_ORDER) or '; use its short names, such as acq'}"
            )
    for covariate in dict.fromkeys(mapping["covariates"]):
        if covariate in (*PARTICIPANT_COLUMNS, "t1w", *OPTIONAL_SESSION_COLUMNS):
            faults.append(
                f"config key dataset.covariates: {covariate} is a column of participants.tsv "
                "already; remove it"
            )
        elif mapping["covariates"].count(covariate) > 1:
            faults.append(f"config key dataset.covariates: {covariate} stands there twice")
    if not mapping["sessions"]:
        faults.append("config key dataset.sessions: is empty; name the sessions of the study")
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
    root: Path, mapping: DatasetMapping, tree: Tree, notes: list[str]
) -> list[dict[str, str | None]]:
    """Read the data set's table of persons; if there is none, take the folders of people."""
    path = root / mapping["participants"]
    needed: dict[str, Iterable[str | None]] = {
        "dataset.group.column": [mapping["group"]["column"]],
        "dataset.sequence.columns": mapping["sequence"].get("columns", []),
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
        return [{"participant_id": person} for person in sorted(tree.people)]
    sheet = read_sheet(path, ["participant_id"])
    _check_people(sheet, tree)
    for key, column in wanted:
        if column not in sheet.columns:
            raise Fault(
                f"{sheet.path} has no column {column}, which the config key {key} names; it has "
                f"{', '.join(sheet.columns)}{did_you_mean(column, sheet.columns)}"
            )
    table = [{c: row.get(c) for c in sheet.columns} for row in sheet.rows]
    without = sorted(tree.people - {row["participant_id"] for row in sheet.rows})
    return table + [{"participant_id": p, _OUTSIDE: mapping["participants"]} for p in without]


def _nearby(root: Path) -> str:
    """Return ``; did you mean …?`` if a folder below ``root`` holds the data set, else ""."""
    below = sorted(p.name for p in root.iterdir() if p.is_dir() and any(p.glob("sub-*")))
    below = [name for name in below if not name.startswith(("sub-", "."))]
    return f"; did you mean {root / below[0]}?" if below else ""


# Marks a person who has files but no row in the data set's table. No column can have this name.
_OUTSIDE = "\t"


def _check_people(sheet: Sheet, tree: Tree) -> None:
    """Refuse rows with an invalid or repeated person, or one whose folder is spelt differently."""
    seen: dict[str, int] = {}
    faults = []
    if not sheet.rows:
        raise Fault(f"{sheet.path} has no rows; write one per person")
    folders = Labels("sub", tree.people - {row["participant_id"] for row in sheet.rows})
    for row in sheet.rows:
        person = row["participant_id"]
        if not re.fullmatch("sub-[A-Za-z0-9]+", person):
            faults.append(
                f"{sheet.at(row, 'participant_id')}: {person!r} is no BIDS participant; write such "
                "as sub-01"
            )
        elif person in seen:
            faults.append(f"{sheet.at(row)} repeats {person} of row {seen[person]}; remove one")
        elif person not in tree.people and folders.alike(person):
            faults.append(
                f"{sheet.at(row, 'participant_id')}: {person} has no folder; did you mean "
                f"{folders.alike(person)[0]}, which has no row?"
            )
        seen.setdefault(person, row.number)
    raise_all(faults)


def _reference_anatomy(
    own: list[tuple[str, str]],
    cells: dict[str, str | None],
    order: list[str | None],
    config: Configuration,
) -> str | None:
    """Choose one T1w per person for both sessions, by a rule that does not depend on the outcome.

    The rule: a T1w without session; else the first run of the first analysed session that has one
    (ordered by period if known); else the first by name. Numbers in names are compared as numbers,
    so run 2 comes before run 10.
    """
    mapping = config["dataset"]
    sessions = list(mapping["sessions"])

    def rank(candidate: tuple[str, str]) -> tuple[int, list[tuple[str, int]], str]:
        session, path = candidate
        pieces = re.findall(r"(\D*)(\d*)", path)
        name = [(text, int(digits or 0)) for text, digits in pieces]
        if session == "":
            return (0, name, path)
        if session not in sessions:
            return (3 + len(sessions), name, path)
        known = _treatment(session, cells, config) if order else None
        period = _period(session, known, order, mapping)
        return (period or 3 + sessions.index(session), name, path)

    return min(own, key=rank)[1] if own else None


def _anatomies_said(
    tree: Tree, people: list[dict[str, object]], sessions: list[dict[str, object]]
) -> list[str]:
    """Describe whose T1w is missing in a session or altogether, and who has several kinds."""
    anatomies = find_anatomies(tree.files)
    said, several, none = [], [], []
    scanned = {str(s["participant_id"]) for s in sessions if s["scan"]}
    sessions_of: dict[str, set[str]] = {}
    for session in sessions:
        own = sessions_of.setdefault(str(session["participant_id"]), set())
        own.add(str(session["session_id"]))
    for row in people:
        person, chosen = str(row["participant_id"]), row["t1w"]
        having = {session for session, _ in anatomies.get(person, [])}
        own = sessions_of.get(person, set())
        without = sorted(own - having)
        if chosen is not None and without and own & having and "" not in having:
            said.append(f"{person}: no T1w in {' and '.join(without)}; {chosen} serves it too")
        if chosen is None and person in scanned:
            none.append(person)
        beside = [p for _, p in anatomies.get(person, []) if _folder(p) == _folder(str(chosen))]
        if row["exclude"] == "no" and len({re.sub(r"_run-\d+", "", p) for p in beside}) > 1:
            several.append(Path(str(chosen)).name)
    if none:
        said.append(f"no T1w image, which entry raw needs: {some(none)}")
    if several:
        said.append(
            f"of T1w images that differ in more than run, the first is used: {some(several)}"
        )
    return said


def _folder(path: str) -> str:
    return path.rpartition("/")[0]


def _group(cells: dict[str, str | None], config: Configuration) -> tuple[str, str | None]:
    """Return a person's group, and why the person is not part of the study (None if they are)."""
    mapping = config["dataset"]["group"]
    column, values = mapping.get("column"), mapping.get("values", {})
    if _OUTSIDE in cells:
        return "n/a", _NOT_IN_TABLE.format(cells[_OUTSIDE])
    if column is None:
        labels = [*values.values(), *config["groups"].values()]
        return next((label for label in labels if label), "n/a"), None
    value = cells.get(column)
    if value is None:
        return "n/a", _NO_ENTRY.format(column)
    if value not in values:
        return value, _NOT_IN_STUDY.format(value)
    return values[value], None


def _order(cells: dict[str, str | None], config: Configuration) -> list[str | None]:
    """Return the treatments of periods 1 and 2, from columns or from sessions with a period."""
    mapping = config["dataset"]
    columns = mapping["sequence"].get("columns", [])
    if not columns:
        known = {
            how["period"]: _treatment(session, cells, config)
            for session, how in mapping["sessions"].items()
            if "period" in how
        }
        return [known[1], known[2]] if set(known) == {1, 2} else []
    order = [_told(cells, column, config) for column in columns]
    if order[0] is not None and order[0] == order[1]:
        raise Fault(
            f"{mapping['participants']} of the data set: {cells['participant_id']} has "
            f"{cells[columns[0]]} in both {columns[0]} and {columns[1]}; correct one"
        )
    return order


def _treatment(session: str, cells: dict[str, str | None], config: Configuration) -> str | None:
    how = config["dataset"]["sessions"][session]
    return how["treatment"] if "treatment" in how else _told(cells, how["column"], config)


def _told(cells: dict[str, str | None], column: str, config: Configuration) -> str | None:
    """Return the treatment in a column of the data set's table; None if the cell is empty."""
    value = cells.get(column)
    values = config["dataset"]["sequence"].get("values", {})
    treatments = [*config["treatments"].values(), *config["unused"]["treatments"]]
    if value is None:
        return None
    # Without a mapping of values, the column must hold the labels of the treatments.
    if value in values or (not values and value in treatments):
        return values.get(value, value)
    raise Fault(
        f"config key dataset.sequence.values: {cells['participant_id']} has {value!r} in column "
        f'"{column}", which is '
        + (
            f"not mapped to a treatment{did_you_mean(value, values) or '; add it'}"
            if values
            else f"none of the treatments {', '.join(treatments)}; map it to one"
        )
    )


def _period(
    session: str, treatment: str | None, order: list[str | None], mapping: DatasetMapping
) -> int | None:
    if "period" in mapping["sessions"][session]:
        return mapping["sessions"][session]["period"]
    # The period is known even if only one of the two treatments is on record.
    return order.index(treatment) + 1 if treatment is not None and treatment in order else None
