"""Find out which program and version made derivatives, from their dataset_description.json."""

import re
from pathlib import Path
from typing import Any, TypedDict

from crossfc.fault import Fault
from crossfc.session.sidecar import read_object

DESCRIPTION = "dataset_description.json"
# fMRIPrep 25.1.0 began to fill voxels outside the field of view with the series of the nearest
# voxel; 25.2.0 reverted this (its list of changes: #3453, #3516).
_EXTRAPOLATED = re.compile(r"25\.1\.[0-4](?!\d)")


class Program(TypedDict):
    """A program that made derivatives; ``version`` is None if it is not given."""

    name: str
    version: str | None


def programs(derivatives_dir: str | Path) -> list[Program]:
    """List the programs that made a derivative data set.

    Parameters
    ----------
    derivatives_dir : path

    Returns
    -------
    list of Program
        From ``GeneratedBy`` in
        dataset_description.json (BIDS 1.4 and later) or from ``PipelineDescription`` (before).
        Empty if there is no such file, or it names no program.

    Raises
    ------
    Fault
        If the file exists but cannot be read.
    """
    path = Path(derivatives_dir) / DESCRIPTION
    if not path.is_file() and not path.is_symlink():
        return []
    description = read_object(path)
    stated: Any = description.get("GeneratedBy") or description.get("PipelineDescription") or []
    found: list[Program] = []
    for entry in stated if isinstance(stated, list) else [stated]:
        if isinstance(entry, dict) and isinstance(entry.get("Name"), str):
            version = entry.get("Version")
            found.append({"name": entry["Name"], "version": str(version) if version else None})
    return found


def told(made_by: list[Program]) -> str:
    """Describe the programs (from `programs`) in words, such as ``fMRIPrep 23.2.3``."""
    if not made_by:
        return f"version not known: no program is named in {DESCRIPTION}"
    return ", ".join(
        f"{program['name']} {program['version'] or '(version not known)'}" for program in made_by
    )


def refuse_known_faults(derivatives_dir: str | Path, accepted: list[str]) -> None:
    """Refuse derivatives of versions whose results are known to be wrong.

    Parameters
    ----------
    derivatives_dir : path
    accepted : list of str
        Versions of fMRIPrep that the config accepts nevertheless.

    Raises
    ------
    Fault
        If they were made by fMRIPrep 25.1.0 to 25.1.4, whose images have values in voxels that were
        never scanned.
    """
    for program in programs(derivatives_dir):
        version = program["version"] or ""
        known = program["name"].lower() == "fmriprep" and _EXTRAPOLATED.match(version)
        if known and version not in accepted:
            raise Fault(
                f"{Path(derivatives_dir) / DESCRIPTION}: these derivatives are of fMRIPrep "
                f"{version}, which fills voxels that were never scanned with their neighbours "
                "(25.1.0 to 25.1.4 do), so that signal loss and the edge of the field of view "
                "cannot be told; run fMRIPrep 25.2 or another version, or, if every scan covers "
                "the whole brain, accept it in the config: derivatives.accept_fmriprep_versions: "
                f'["{version}"]'
            )
