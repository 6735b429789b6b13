"""Sheets from a BIDS data set: which sessions, treatments, scans and scores it holds.

Reads names and tables only, never an image, so that it runs on a data set whose images are
elsewhere (a listing of paths, or links into an annex that is not fetched).
"""

import re
from pathlib import Path, PurePosixPath
from typing import Any

from crossfc import atomic
from crossfc.bids import parse_name
from crossfc.fault import Fault
from crossfc.trial.sheet import Sheet, format_sheet, read_sheet


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
    for key, (columns, rows), keys in (
        ("participants", people, ("participant_id",)),
        ("sessions", sessions, ("participant_id", "session_id")),
    ):
        path = Path(config["sheets"][key])
        said += _keep_exclusions(path, rows, keys)
        text = format_sheet(columns, rows)
        if path.is_file() and path.read_text(encoding="utf-8") == text:
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
    files = list_files(root, mapping["listing"])
    table = _people_table(root, mapping, files)
    scans = _scans(files, config)
    anatomies = _anatomies(files)
    scores = _scores(root, mapping)

    people_rows: list[dict[str, object]] = []
    session_rows: list[dict[str, object]] = []
    for cells in table:
        person = cells["participant_id"]
        group, outside = _group(cells, mapping)
        order = _order(cells, mapping)
        people_rows.append(
            {
                "participant_id": person,
                "group": group,
                "sequence": "-".join(order) if len(order) == 2 and all(order) else None,
                **{c: cells.get(c) for c in mapping["covariates"]},
                "t1w": _reference_anatomy(person, anatomies, mapping["sessions"], order, cells),
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
            session_rows.append(
                {
                    "participant_id": person,
                    "session_id": session,
                    "treatment": treatment,
                    "period": _period(session, treatment, order, mapping),
                    "scan": ";".join(own_scans),
                    **{s: own_scores.get(s) for s in mapping["scales"]},
                    "exclude": "no",
                    "reason": None,
                }
            )
    people_columns = ["participant_id", "group", "sequence", *mapping["covariates"], "t1w"]
    session_columns = ["participant_id", "session_id", "treatment", "period", "scan"]
    session_columns += mapping["scales"]
    ending = ["exclude", "reason"]
    return (people_columns + ending, people_rows), (session_columns + ending, session_rows)


def list_files(root: Path, listing: str | None) -> list[PurePosixPath]:
    """List a data set's files below its root, without hidden files and resource forks.

    Parameters
    ----------
    root : path
    listing : str, optional
        A file below ``root`` with one path per line, used where it exists.
    """
    if listing is not None and (root / listing).is_file():
        lines = (root / listing).read_text(encoding="utf-8").splitlines()
        found = [PurePosixPath(line.strip()) for line in lines if line.strip()]
    else:
        # Links into an annex may dangle: their names still tell what the data set holds.
        found = [
            PurePosixPath(p.relative_to(root).as_posix())
            for p in root.rglob("sub-*")
            if p.is_symlink() or p.is_file()
        ]
    return sorted(p for p in found if not any(part.startswith(".") for part in p.parts))


def _people_table(
    root: Path, mapping: dict[str, Any], files: list[PurePosixPath]
) -> list[dict[str, str | None]]:
    path = root / mapping["participants"]
    if path.is_file():
        sheet = read_sheet(path, ["participant_id"])
        needed = [mapping["group"].get("column"), *mapping["sequence"].get("columns", [])]
        needed += [s.get("column") for s in mapping["sessions"].values()]
        needed += mapping["covariates"]
        for column in needed:
            if column is not None and column not in sheet.columns:
                raise Fault(
                    f"{sheet.path} has no column {column}, which the config key dataset names; "
                    f"it has {', '.join(sheet.columns)}"
                )
        return [{c: row.get(c) for c in sheet.columns} for row in sheet.rows]
    persons = sorted({p.parts[0] for p in files if p.parts[0].startswith("sub-")})
    if not persons:
        raise Fault(f"{root} holds no sub-* folder and no {mapping['participants']}; is it BIDS?")
    return [{"participant_id": p} for p in persons]


def _scans(
    files: list[PurePosixPath], config: dict[str, Any]
) -> dict[tuple[str, str], list[str]]:
    mapping = config["dataset"]["scan"]
    runs, wanted = mapping.get("runs"), mapping.get("entities", {}) | {"task": config["task"]}
    scans: dict[tuple[str, str], list[str]] = {}
    for path in files:
        if len(path.parts) < 4 or path.parts[-2] != "func":
            continue
        try:
            entities, suffix, extension = parse_name(path.name)
        except Fault:
            continue
        if suffix != "bold" or extension not in (".nii.gz", ".nii"):
            continue
        if any(entities.get(key) != value for key, value in wanted.items()):
            continue
        if runs is not None and int(re.sub(r"\D", "", entities.get("run", "1"))) not in runs:
            continue
        if entities.get("echo", "1") != "1" or entities.get("part", "mag") != "mag":
            continue
        key = f"sub-{entities['sub']}", f"ses-{entities.get('ses', '')}"
        scans.setdefault(key, []).append(str(path))
    return scans


def _anatomies(files: list[PurePosixPath]) -> dict[str, list[tuple[str, str]]]:
    found: dict[str, list[tuple[str, str]]] = {}
    for path in files:
        if path.name.endswith(("_T1w.nii.gz", "_T1w.nii")) and path.parts[-2] == "anat":
            session = path.parts[1] if len(path.parts) == 4 else ""
            found.setdefault(path.parts[0], []).append((session, str(path)))
    return found


def _reference_anatomy(
    person: str,
    anatomies: dict[str, list[tuple[str, str]]],
    sessions: dict[str, Any],
    order: list[str | None],
    cells: dict[str, str | None],
) -> str | None:
    """Choose one T1w per person, blind to outcome, the same for both sessions.

    The rule: a T1w without session; else the first run of the first analysed session (by period
    where known) that has one; else the first by name.
    """
    own = anatomies.get(person, [])

    def rank(candidate: tuple[str, str]) -> tuple[int, str]:
        session, path = candidate
        if session == "":
            return (0, path)
        if session in sessions:
            treatment = sessions[session].get("treatment")
            if treatment in order:
                return (1 + order.index(treatment), path)
            return (3 + list(sessions).index(session), path)
        return (100, path)

    return min(own, key=rank)[1] if own else None


def _scores(root: Path, mapping: dict[str, Any]) -> dict[tuple[str, str], dict[str, str | None]]:
    scores: dict[tuple[str, str], dict[str, str | None]] = {}
    for pattern in mapping["phenotype"]:
        paths = sorted(p for p in root.glob(pattern) if not p.name.startswith("."))
        if not paths:
            raise Fault(f"config key dataset.phenotype: {root / pattern} does not exist")
        for path in paths:
            sheet = read_sheet(path, ["session_id"])
            for row in sheet.rows:
                person = row.get("participant_id") or path.name.split("_")[0]
                key = person, str(row.get("session_id"))
                for scale, column in mapping["scales"].items():
                    if column in sheet.columns:
                        _add_score(sheet, row.number, scores.setdefault(key, {}), scale, row.get(column))
    if mapping["scales"]:
        found = {scale for own in scores.values() for scale in own}
        for scale, column in mapping["scales"].items():
            if scale not in found:
                raise Fault(
                    f"config key dataset.scales.{scale}: no table of dataset.phenotype has a column "
                    f"{column}"
                )
    return scores


def _add_score(
    sheet: Sheet, row: int, own: dict[str, str | None], scale: str, value: str | None
) -> None:
    earlier = own.get(scale)
    if earlier is not None and value is not None and earlier != value:
        raise Fault(
            f"{sheet.path}, row {row}: a second, different score of {scale} for the same session "
            f"({earlier} and {value}); keep one"
        )
    own[scale] = earlier if value is None else value


def _group(cells: dict[str, str | None], mapping: dict[str, Any]) -> tuple[str, str | None]:
    column, values = mapping["group"].get("column"), mapping["group"].get("values", {})
    if column is None:
        return next(iter(values.values()), "all"), None
    value = cells.get(column)
    if value is None:
        return "n/a", f'no entry in column "{column}" of the data set'
    if value not in values:
        return value, f"group {value} is not part of this study"
    return values[value], None


def _order(cells: dict[str, str | None], mapping: dict[str, Any]) -> list[str | None]:
    columns = mapping["sequence"].get("columns", [])
    values = mapping["sequence"].get("values", {})
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
    if "column" not in how:
        raise Fault(
            f"config key dataset.sessions.{session}: needs a treatment or the column that tells it"
        )
    value = cells.get(how["column"])
    return None if value is None else mapping["sequence"].get("values", {}).get(value, value)


def _period(
    session: str, treatment: str | None, order: list[str | None], mapping: dict[str, Any]
) -> int | None:
    if "period" in mapping["sessions"][session]:
        return mapping["sessions"][session]["period"]
    # Where only one infusion is on record, its period is still known.
    return order.index(treatment) + 1 if treatment is not None and treatment in order else None


def _keep_exclusions(
    path: Path, rows: list[dict[str, object]], keys: tuple[str, ...]
) -> list[str]:
    if not path.is_file():
        return []
    by_key = {tuple(row[k] for k in keys): row for row in rows}
    said = []
    for old in read_sheet(path, keys).rows:
        row = by_key.get(tuple(old[k] for k in keys))
        if row is not None and old.get("exclude") == "yes" and row["exclude"] != "yes":
            row["exclude"], row["reason"] = "yes", old.get("reason")
            said.append(f"{path}: kept the exclusion of {' '.join(old[k] for k in keys)}")
    return said
