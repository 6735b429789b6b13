"""Whether a run says what it made: sidecars of all its tables and maps, and logs with a figure."""

import csv
import json
from pathlib import Path


def assert_told(results: Path) -> None:
    """Fail if a table, column or group map of a study has no description, or a log no figure."""
    found = undescribed(results) + without_figure(results)
    assert not found, found


def undescribed(results: Path) -> list[str]:
    """List tables and group maps without a sidecar, and columns that their sidecar does not have.

    Tables of preprocessed scans and of fMRIPrep have sidecars of their own, or are its own.
    """
    found = []
    for path in sorted(results.rglob("*.tsv")):
        name = path.relative_to(results).as_posix()
        if name.startswith(("preprocessed/", "fmriprep/")):
            continue
        said = _json(path.with_suffix(".json"))
        with open(path, encoding="utf-8", newline="") as lines:
            columns = next(csv.reader(lines, delimiter="\t"))
        found += [f"{name}: {column}" for column in columns if column not in said]
    for path in sorted(results.rglob("*_statmap.nii.gz")):
        said = _json(path.with_name(path.name.replace(".nii.gz", ".json")))
        if not {"NumberOfPeopleByGroup", "ContrastWeights", "NeuroVault"} <= set(said):
            found.append(path.relative_to(results).as_posix())
    return found


def without_figure(results: Path) -> list[str]:
    """List logs that do not end with what was made and then the figure."""
    found = []
    for path in sorted((results / "logs").rglob("*.log")):
        lines = path.read_text().splitlines()
        made = len(lines) > 3 and lines[0].startswith("crossfc ") and lines[-2].startswith("made ")
        if not made or lines[-1].startswith("done"):
            found.append(f"{path.relative_to(results)}: {lines[-1:]}")
    return found


def _json(path: Path) -> dict:
    return json.loads(path.read_text()) if path.is_file() else {}
