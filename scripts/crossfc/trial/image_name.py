"""Names of images in the sheets: whose they are, and how a scan was acquired."""

import re
from pathlib import PurePosixPath

from crossfc.bids import DERIVED, parse_name
from crossfc.fault import Fault
from crossfc.trial.path import path_fault
from crossfc.trial.sheet import Row, Sheet


def task_of(scan: str) -> str | None:
    """Return the task in the name of a scan; None if it has none."""
    found = re.search(r"_task-([A-Za-z0-9+]+)_", PurePosixPath(scan).name)
    return found[1] if found else None


def scan_kind(scan: str) -> dict[str, str]:
    """Return the entities in a file name that describe how the scan was acquired.

    These are all but sub, ses and run, and those that preprocessing adds to names.
    """
    try:
        entities, _, _ = parse_name(PurePosixPath(scan).name)
    except Fault:
        return {}
    return {k: v for k, v in entities.items() if k not in ("sub", "ses", "run", *DERIVED)}


def differing(first: dict[str, str], second: dict[str, str]) -> dict[str, tuple[str, str]]:
    """Return the entities in which two scans differ, each with both labels in words."""

    def shown(key: str, kind: dict[str, str]) -> str:
        return f"{key}-{kind[key]}" if key in kind else f"no {key}"

    return {
        key: (shown(key, first), shown(key, second))
        for key in sorted({*first, *second})
        if first.get(key) != second.get(key)
    }


def check_repeats(sheet: Sheet, row: Row, scans: list[str], faults: list[str]) -> None:
    """Check that the scans in one cell differ in the number of the run only."""
    if len(scans) < 2:
        return
    where = sheet.at(row, "scan")
    numbers: dict[str, str] = {}
    for scan in scans:
        different = differing(scan_kind(scans[0]), scan_kind(scan))
        if different:
            labels = ", ".join(" and ".join(pair) for pair in different.values())
            faults.append(
                f"{where}: {labels} are no repeats of one another, which differ in run only; "
                "write the one that all sessions have"
            )
            return
        found = re.search(r"_run-0*([0-9]+)_", PurePosixPath(scan).name)
        earlier = numbers.setdefault(found[1] if found else "1", scan)
        if earlier is not scan:
            faults.append(
                f"{where}: {earlier} and {scan} are both run {found[1] if found else 1}; remove one"
            )


def check_image(
    sheet: Sheet,
    row: Row,
    column: str,
    path: str,
    own: dict[str, str],
    suffix: str,
    faults: list[str],
) -> None:
    """Check that an image has a BIDS name, a relative path, and entities that fit its row."""
    where = sheet.at(row, column)
    if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
        faults.append(f"{where}: write the path below the data set in place of {path}")
        return
    if fault := path_fault(path):
        faults.append(f"{where}: {fault}")
        return
    try:
        entities, found, extension = parse_name(PurePosixPath(path).name)
    except Fault as fault:
        faults.append(f"{where}: {fault}")
        return
    if found != suffix or extension not in (".nii", ".nii.gz"):
        faults.append(f"{where}: {path} is no image *_{suffix}.nii.gz; name one")
    for key, identifier in own.items():
        # Names in a data set without session folders have no ses entity, which is no fault.
        if key in entities and f"{key}-{entities[key]}" != identifier:
            faults.append(
                f"{where}: {path} is of {key}-{entities[key]} in a row of {identifier}; correct "
                "one of the two"
            )
